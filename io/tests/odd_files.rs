//! Files that are not as ROOT writes them today. Expected values are those of ROOT 6.40 and uproot 5.7.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use hep_io::source::{ByteSource, LocalFile, coalesce};
use hep_io::{EntryFile, EntryReader, Result, Scratch};

fn open(name: &str) -> EntryFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/odd").join(name);
    EntryFile::open(Arc::new(LocalFile::open(path).unwrap())).unwrap()
}

/// The sum of a column of numbers.
fn sum(source: &dyn ByteSource, reader: &dyn EntryReader, name: &str) -> Result<f64> {
    let names = [name.to_owned()];
    let plan = reader.plan(&names, 0..reader.entries())?;
    let bytes = coalesce::read(source, &plan.ranges)?;
    let mut scratch = Scratch::default();
    let mut batches = reader.decode(&plan, &bytes, &mut scratch)?;
    let mut sum = 0.0;
    while let Some(batch) = batches.next(1000)? {
        let column = batch.column(name).unwrap();
        sum += match column.data_type() {
            arrow_schema::DataType::Float32 => {
                column.as_primitive::<Float32Type>().values().iter().map(|&x| f64::from(x)).sum::<f64>()
            }
            arrow_schema::DataType::Float64 => column.as_primitive::<Float64Type>().values().iter().sum(),
            _ => column.as_primitive::<Int64Type>().values().iter().map(|&x| x as f64).sum(),
        };
    }
    Ok(sum)
}

#[test]
fn a_branch_in_another_file_is_refused_by_name_and_the_others_are_read() {
    let file = open("setA.root");
    let reader = file.reader("t").unwrap();
    assert_eq!(sum(&**file.source(), &*reader, "x").unwrap(), 44_850.0);
    let error = reader.column("y").unwrap_err().to_string();
    assert!(error.starts_with("branch `y` in "), "{error}");
    assert!(error.contains("its baskets are in the file `setB.root` (TBranch::SetFile)"), "{error}");
}

#[test]
fn a_file_with_a_negative_version_is_read() {
    let file = open("uproot_update_negative_version.root");
    assert_eq!(file.trees().unwrap(), ["t", "added"]);
    let column = |tree: &str, column: &str| {
        let reader = file.reader(tree).unwrap();
        (reader.entries(), sum(&**file.source(), &*reader, column).unwrap())
    };
    assert_eq!(column("t", "x"), (100, 4950.0));
    assert_eq!(column("added", "y"), (10, 45.0));
}

fn not_closed() -> Arc<dyn ByteSource> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/odd/notclosed_autosaved.root");
    Arc::new(LocalFile::open(path).unwrap())
}

#[test]
fn a_file_that_was_not_closed_is_named_as_such() {
    let error = EntryFile::open(not_closed()).unwrap_err().to_string();
    assert!(error.contains("notclosed_autosaved.root was not closed: it has no list of keys"), "{error}");
}

#[test]
fn a_tree_is_recovered_as_it_was_when_it_was_saved_last() {
    let file = EntryFile::recover(not_closed()).unwrap();
    assert!(file.is_recovered());
    let reader = file.reader("t").unwrap();
    assert_eq!(reader.entries(), 3000);
    assert_eq!(sum(&**file.source(), &*reader, "x").unwrap(), 6_747_750.0);
}

#[test]
fn a_file_that_was_closed_is_not_recovered() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/odd/setA.root");
    assert!(!EntryFile::recover(Arc::new(LocalFile::open(path).unwrap())).unwrap().is_recovered());
}

/// A file whose tail is missing or zero: its tree is found if its record is whole.
#[test]
fn a_tail_that_is_missing_is_named_and_what_is_before_it_recovered() {
    let sound =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/good_zlib.root")).unwrap();
    let source = |bytes: &[u8]| -> Arc<dyn ByteSource> {
        Arc::new(hep_io::source::MemorySource::new("cut.root", bytes.to_vec()))
    };
    let entries = EntryFile::open(source(&sound)).unwrap().reader("Events").unwrap().entries();
    let cut = &sound[..sound.len() - 1];
    let error = EntryFile::open(source(cut)).unwrap_err().to_string();
    assert!(error.contains("it is truncated; --recover"), "{error}");
    let recovered = EntryFile::recover(source(cut)).unwrap();
    assert_eq!(recovered.reader("Events").unwrap().entries(), entries);
    // Only baskets are left.
    let half = &sound[..sound.len() / 4];
    let error = EntryFile::recover(source(half)).unwrap_err().to_string();
    assert!(
        error.contains("was not closed: no tree or other object was saved before its end; it has "),
        "{error}"
    );
}
