//! Branches that hold fewer entries than their tree: refused, or zero and empty behind their last entry, as is asked for.
//! What is expected follows from the script that made the file: tests/data/short/README.md.

use std::path::PathBuf;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type};
use hep_io::{EntryFile, Scratch, ShortBranches};
use hep_run::Registry;
use hep_run::fileset::{Fileset, Format};
use hep_run::ledger::ShortColumn;
use hep_run::prelude::*;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::run::{Options, Plan};
use hep_run::storage::StorageSettings;
use hep_tests::sums;

const ALL: usize = 100;
const HELD: usize = 60;
const COLUMNS: [&str; 11] = ["x", "b", "n", "v", "m", "w", "flag", "fixed", "vec", "s", "empty"];

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/short"))
}

fn file() -> EntryFile {
    let source = hep_io::source::LocalFile::open(folder().join("branches.root")).unwrap();
    EntryFile::open(std::sync::Arc::new(source)).unwrap()
}

fn floats(list: &dyn Array, at: usize) -> Vec<f32> {
    list.as_list::<i32>().value(at).as_primitive::<Float32Type>().values().to_vec()
}

#[test]
fn entries_that_a_branch_lacks_are_zero_or_empty_wherever_a_range_or_a_batch_begins() {
    let reader = file().reader_with("Events", ShortBranches::Default).unwrap();
    let columns: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
    let short: Vec<(String, u64)> = reader.short(&columns).unwrap();
    let names = ["b", "n", "v", "w", "flag", "fixed", "vec", "s", "empty"];
    let expected = names.map(|name| (name.to_owned(), if name == "empty" { 0 } else { HELD as u64 }));
    assert_eq!(short, expected);
    for (range, batch) in
        [(0..ALL, 1000), (0..ALL, 7), (50..80, 13), (59..61, 1), (60..100, 9), (77..100, 100), (3..20, 5)]
    {
        let plan = reader.plan(&columns, range.start as u64..range.end as u64).unwrap();
        let bytes = file().source().read(&plan.ranges).unwrap();
        let mut scratch = Scratch::default();
        let mut batches = reader.decode(&plan, &bytes, &mut scratch).unwrap();
        let mut entry = range.start;
        while let Some(batch) = batches.next(batch).unwrap() {
            let column = |name| batch.column(name).unwrap().clone();
            for at in 0..batch.len() {
                let (i, held) = (entry as f64, entry < HELD);
                let or_zero = |value: f64| if held { value } else { 0.0 };
                let what = format!("entry {entry} of {range:?}");
                assert_eq!(column("x").as_primitive::<Int32Type>().value(at), entry as i32, "{what}");
                assert_eq!(column("b").as_primitive::<Float64Type>().value(at), or_zero(i * 1.5), "{what}");
                assert_eq!(column("empty").as_primitive::<Float64Type>().value(at), 0.0, "{what}");
                assert_eq!(column("flag").as_boolean().value(at), held && entry % 2 == 1, "{what}");
                let n = if held { entry % 4 } else { 0 };
                let values = |n: usize, of: &dyn Fn(usize) -> f64| -> Vec<f32> {
                    (0..n).map(|k| of(k) as f32).collect()
                };
                assert_eq!(floats(&column("v"), at), values(n, &|k| i + k as f64), "{what}");
                // Its counter is whole.
                assert_eq!(
                    floats(&column("w"), at),
                    values(entry % 3, &|k| or_zero(2.0 * i + k as f64)),
                    "{what}"
                );
                let in_vector = if held { entry % 3 } else { 0 };
                assert_eq!(floats(&column("vec"), at), values(in_vector, &|k| i + k as f64), "{what}");
                let fixed = column("fixed").as_fixed_size_list().value(at);
                let expected: Vec<i16> = (0..3).map(|k| or_zero(i + 10.0 * f64::from(k)) as i16).collect();
                assert_eq!(fixed.as_primitive::<Int16Type>().values(), &expected[..], "{what}");
                let text = if held { format!("text {entry}") } else { String::new() };
                assert_eq!(column("s").as_binary::<i32>().value(at), text.as_bytes(), "{what}");
                entry += 1;
            }
        }
        assert_eq!(entry, range.end);
    }
}

#[test]
fn they_are_refused_unless_it_is_asked_for() {
    let reader = file().reader("Events").unwrap();
    assert!(reader.column("x").is_ok());
    for column in ["b", "v", "w", "empty"] {
        let error = reader.column(column).unwrap_err().to_string();
        assert!(error.contains("of the tree's 100 entries; --short-branches default"), "{column}: {error}");
    }
}

#[derive(Columnar)]
struct Event {
    x: i32,
    b: f64,
    v: Jagged<f32>,
}

#[derive(Default, Settings)]
struct Sums {}

#[derive(Output)]
struct Filled {
    entries: f64,
    b: f64,
    values: f64,
}

impl Processor for Sums {
    type Event = Event;
    type Output = Filled;

    fn output(&self, _: &Dataset) -> Result<Filled> {
        Ok(Filled { entries: 0.0, b: 0.0, values: 0.0 })
    }

    fn process(&self, events: &Events<Event>, out: &mut Filled) -> Result<()> {
        for event in events {
            out.entries += f64::from(event.x >= 0);
            out.b += event.b;
            out.values += event.v.len() as f64;
        }
        Ok(())
    }
}

#[test]
fn a_run_says_which_branches_it_filled_up() {
    let fileset = "tree: Events\ndatasets: {a: [branches.root]}";
    let fileset = Fileset::parse(fileset, Format::Yaml, &folder()).unwrap();
    let mut registry = Registry::default();
    registry.add::<Sums>("Sums");
    let (_, processor) = registry.make(None, &serde_json::Map::new()).unwrap();
    let progress = Progress::new(ProgressKind::None);
    let refused = Plan::new(&fileset, &*processor, &Options::default(), &progress).unwrap();
    assert!(refused.ranges().is_empty());
    assert!(refused.files()[0].ledger.failed[0].reason.contains("it holds 60 of the tree's 100 entries"));
    let storage = StorageSettings { fill_short_branches: true, ..StorageSettings::default() }.storage();
    let options = Options { storage, ..Options::default() };
    let plan = Plan::new(&fileset, &*processor, &options, &progress).unwrap();
    let outcome = plan.run(&*processor, &options, &progress).unwrap();
    let file = &outcome.ledger.datasets[0].files[0];
    assert_eq!(file.done, [(0, 100)]);
    let short = |column: &str| ShortColumn { column: column.to_owned(), entries: 60 };
    // `n` counts the values of `v`.
    assert_eq!(file.short, [short("b"), short("n"), short("v")]);
    let b = (0..60).map(|i| f64::from(i) * 1.5).sum();
    let values = (0..60).map(|i| f64::from(i % 4)).sum();
    let expected = [("entries", 100.0), ("b", b), ("values", values)];
    assert_eq!(sums(&outcome, 0), expected.map(|(name, sum)| (name.to_owned(), sum)));
}
