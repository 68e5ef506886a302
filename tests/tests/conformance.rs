//! Every column of real files against what uproot reads: the repository's own `datasets/reference.json`,
//! and `../shared/fixtures/reference.json`, whose `_doc` explains its fields. The latter files are not
//! part of this repository; where they are absent the test says so and passes.
#![allow(clippy::print_stdout)] // tables

use std::path::Path;

use hep_tests::conformance::{Checked, Folder, Outcome, Table};
use hep_tests::{datasets, skip};

fn fixtures() -> Option<Folder> {
    // Any folder with files and their `reference.json` will do.
    let path = std::env::var_os("HEP_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), Into::into);
    if !path.join("reference.json").exists() {
        skip("conformance with the fixtures: their folder is not beside this repository");
        return None;
    }
    Some(Folder::open(&path).unwrap())
}

/// The files that `wanted` picks, with a row for each kind of branch; and what differs or fails.
fn check(folder: &Folder, wanted: impl Fn(&str) -> bool) -> (Table, Vec<String>) {
    let listed = |file: &&String| folder.reference(file).is_some() && wanted(file);
    let (there, absent): (Vec<_>, Vec<_>) =
        folder.files.iter().filter(listed).cloned().partition(|f| folder.has(f));
    absent.iter().for_each(|file| skip(&format!("{file} is absent")));
    let (mut table, mut complaints) = (Table::default(), Vec::new());
    for (file, all) in there.iter().zip(folder.check(&there, 2)) {
        for one in &all {
            table.add(&one.kind, one);
            let Checked { tree, column, kind, outcome, .. } = one;
            if matches!(outcome, Outcome::Different(_) | Outcome::Error(_)) {
                complaints.push(format!("{kind}: {outcome:?}  [{file}:{tree}:{column}]"));
            }
        }
    }
    println!("{table}");
    complaints.iter().take(20).for_each(|complaint| println!("{complaint}"));
    (table, complaints)
}

/// The files of this repository: always there.
#[test]
fn every_column_of_our_own_data_equals_the_reference() {
    let (table, complaints) = check(&Folder::open(&datasets()).unwrap(), |_| true);
    let total = table.total();
    assert!(total.equal > 3000);
    assert_eq!(total.unsupported, 0);
    assert_eq!(complaints, Vec::<String>::new());
}

/// The bar: all columns of all NanoAOD-like files.
#[test]
fn every_column_of_nanoaod_equals_the_reference() {
    let Some(folder) = fixtures() else { return };
    let nano = [
        "coffea/nano_",
        "coffea/pfnano",
        "skhep/nanoAOD",
        "adl_real_1000",
        "func_adl/Run2012B_SingleMu_1000.",
    ];
    let (mut table, complaints) = check(&folder, |file| nano.iter().any(|name| file.starts_with(name)));
    assert!(table.total().equal > 3000);
    for kind in ["flat", "jagged", "fixed"] {
        let counts = table.row(kind);
        assert_eq!((counts.unsupported, counts.no_reference, counts.suspect), (0, 0, 0), "{kind}");
    }
    assert_eq!(complaints, Vec::<String>::new());
}

/// All fields of all RNTuples, but for a class with its own streamer.
#[test]
fn every_field_of_rntuples_equals_the_reference() {
    let Some(folder) = fixtures() else { return };
    let (mut table, complaints) = check(&folder, |file| file.contains("rntuple"));
    assert!(table.total().equal > 9000);
    assert_eq!(table.row("TestClass").unsupported, 1);
    assert_eq!(table.total().unsupported, 1);
    assert_eq!(complaints, Vec::<String>::new());
}

/// No column of any file differs, and those that cannot be read say so.
#[test]
fn no_column_of_any_file_differs() {
    let Some(folder) = fixtures() else { return };
    let (table, _) = check(&folder, |_| true);
    assert_eq!(table.total().different, 0);
}

/// A file that cannot be opened has lost every column that is referenced of it.
#[test]
fn a_file_that_cannot_be_opened_counts_with_all_its_columns() {
    let path = std::env::temp_dir().join(format!("hep-tests-broken-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("broken.root"), b"root, but no more").unwrap();
    let branch = r#"{"kind": "flat", "leaves": []}"#;
    let trees = format!(r#"{{"t": {{"branches": {{"x": {branch}, "y": {branch}}}}}}}"#);
    let reference = format!(r#"{{"files": {{"broken.root": {{"trees": {trees}, "rntuples": {{}}}}}}}}"#);
    std::fs::write(path.join("reference.json"), reference).unwrap();
    let folder = Folder::open(&path).unwrap();
    let checked = folder.check(&folder.files, 1).remove(0);
    std::fs::remove_dir_all(&path).unwrap();
    let errors = checked.iter().filter(|one| one.referenced && matches!(one.outcome, Outcome::Error(_)));
    assert_eq!(errors.count(), 2);
}
