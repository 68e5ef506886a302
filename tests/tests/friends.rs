//! Columns of friends beside those of the dataset, by position and by index, wherever the files, their
//! clusters, the ranges and the batches begin.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array};
use hep_run::Registry;
use hep_run::ledger::{DatasetLedger, Ledger};
use hep_run::local::Executor;
use hep_run::prelude::*;
use hep_run::range::RangeSize;
use hep_run::run::Options;
use hep_tests::{bits, run_with};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// What each event must have: everything follows from its number.
#[derive(Columnar)]
struct Event {
    #[column("run")]
    run: u32,
    #[column("event")]
    event: i64,
    /// In the friend only.
    #[column("x")]
    x: f64,
    /// In both.
    #[column("f.event")]
    friend_event: i64,
    #[column("f.Hit")]
    hits: Jagged<Hit>,
}

#[derive(Clone, Copy, Columnar)]
struct Hit {
    e: f32,
}

#[derive(Default, Settings)]
struct Check {}

#[derive(Output)]
struct Checked {
    events: Hist,
    hits: Hist,
}

impl Processor for Check {
    type Event = Event;
    type Output = Checked;

    fn output(&self, _: &Dataset) -> Result<Checked> {
        let axis = || Axis::regular(10, 0.0, 100.0);
        Ok(Checked { events: Hist::new(axis()), hits: Hist::new(axis()) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Checked) -> Result<()> {
        for event in events {
            let n = event.event;
            let hits: Vec<f32> = event.hits.iter().map(|hit| hit.e).collect();
            let found = (event.run, event.x, event.friend_event, hits);
            let wanted = (run_of(n), n as f64 / 8.0, n, hits_of(n));
            if found != wanted {
                return Err(Error::new(format!("event {n}: {found:?} instead of {wanted:?}")));
            }
            out.events.fill(n as f64, 1.0);
            wanted.3.iter().for_each(|&e| out.hits.fill(e, 1.0));
        }
        Ok(())
    }
}

fn run_of(event: i64) -> u32 {
    (event / 7) as u32
}

fn hits_of(event: i64) -> Vec<f32> {
    (0..event % 4).map(|hit| event as f32 + hit as f32 / 4.0).collect()
}

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hep-run-friends-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, columns: Vec<(&str, ArrayRef)>, group: usize) {
        let table = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
        let file = std::fs::File::create(self.0.join(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties)).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
    }

    /// A file of a dataset.
    fn main(&self, name: &str, events: impl Iterator<Item = i64> + Clone) {
        self.write(name, keys(events), 4);
    }

    /// A file of a friend.
    fn friend(&self, name: &str, events: impl Iterator<Item = i64> + Clone) {
        let mut hits = ListBuilder::new(Float32Builder::new());
        for event in events.clone() {
            hits.values().append_slice(&hits_of(event));
            hits.append(true);
        }
        let x = Float64Array::from_iter_values(events.clone().map(|event| event as f64 / 8.0));
        let mut columns = keys(events);
        columns.extend([("x", Arc::new(x) as ArrayRef), ("Hit_e", Arc::new(hits.finish()) as ArrayRef)]);
        self.write(name, columns, 6);
    }

    fn run(&self, fileset: &str, options: &Options) -> hep_run::run::Outcome {
        run(fileset, &self.0, options)
    }

    fn ledger(&self, fileset: &str) -> Ledger {
        self.run(fileset, &Options::default()).ledger
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn keys(events: impl Iterator<Item = i64> + Clone) -> Vec<(&'static str, ArrayRef)> {
    let runs = UInt32Array::from_iter_values(events.clone().map(run_of));
    vec![
        ("run", Arc::new(runs) as ArrayRef),
        ("event", Arc::new(Int64Array::from_iter_values(events)) as ArrayRef),
    ]
}

fn run(fileset: &str, folder: &Path, options: &Options) -> hep_run::run::Outcome {
    let mut registry = Registry::default();
    registry.add::<Check>("Check");
    run_with(&registry, "check", fileset, folder, options)
}

fn reasons(dataset: &DatasetLedger) -> Vec<&str> {
    dataset.files.iter().flat_map(|file| &file.failed).map(|missed| missed.reason.as_str()).collect()
}

fn every_partition() -> Vec<Options> {
    let mut all = Vec::new();
    for executor in [Executor::Serial, Executor::Threads(3)] {
        for entries in [1, 5, 7, 1000] {
            let range_size = RangeSize { bytes: u64::MAX, entries: Some(entries) };
            all.push(Options { executor, range_size, ..Options::default() });
        }
    }
    all
}

/// 40 events in three files, and the friend's in three others.
fn by_position(folder: &Folder) -> &'static str {
    for (name, events) in [("a.parquet", 0..10), ("b.parquet", 10..35), ("c.parquet", 35..40)] {
        folder.main(name, events);
    }
    for (name, events) in [("f.parquet", 0..3), ("g.parquet", 3..33), ("h.parquet", 33..40)] {
        folder.friend(name, events);
    }
    "datasets: {d: {files: [a.parquet, b.parquet, c.parquet], \
     friends: {f: [f.parquet, g.parquet, h.parquet]}}}"
}

#[test]
fn by_position_files_and_clusters_need_not_correspond() {
    let folder = Folder::new("position");
    let fileset = by_position(&folder);
    let mut counts = Vec::new();
    for options in every_partition() {
        let outcome = folder.run(fileset, &options);
        assert_eq!(reasons(&outcome.ledger.datasets[0]), [""; 0]);
        assert_eq!(outcome.ledger.totals().done, 40);
        counts.push(bits(&outcome));
    }
    // All numbers are small and whole: sums do not depend on their order.
    assert!(counts.iter().all(|bits| *bits == counts[0]));
    assert!(counts[0][0].starts_with("d/events 40 "), "{}", counts[0][0]);
    // 10 × (0 + 1 + 2 + 3).
    assert!(counts[0][1].starts_with("d/hits 60 "), "{}", counts[0][1]);
}

#[test]
fn the_ledger_lists_the_friends_files() {
    let folder = Folder::new("ledger");
    let ledger = folder.ledger(by_position(&folder));
    let friend = &ledger.datasets[0].friends[0];
    assert_eq!(friend.alias, "f");
    assert_eq!(
        friend.files.iter().map(|file| file.entries).collect::<Vec<_>>(),
        [Some(3), Some(30), Some(7)]
    );
    assert!(friend.files.iter().all(|file| file.uuid.len() == 36 && file.tree == "Events"));
    assert_eq!(ledger.totals().files, 3, "the dataset's alone");
    let text = serde_json::to_string(&ledger).unwrap();
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
}

#[test]
fn a_friend_of_all_datasets_goes_on_from_one_to_the_next() {
    let folder = Folder::new("all");
    by_position(&folder);
    let fileset = "{datasets: {d: [a.parquet, b.parquet], e: [c.parquet]}, \
                   friends: {f: [f.parquet, g.parquet, h.parquet]}}";
    let ledger = folder.ledger(fileset);
    assert_eq!(ledger.totals().done, 40, "{:?}", ledger.datasets.iter().map(reasons).collect::<Vec<_>>());
    let other = Options { datasets: vec!["e".to_owned()], ..Options::default() };
    let ledger = folder.run(fileset, &other).ledger;
    let reason = reasons(&ledger.datasets[1])[0];
    assert!(reason.contains("a.parquet was not opened; its `entries` in the fileset would tell"), "{reason}");
}

#[test]
fn another_number_of_entries_is_an_error_that_says_both() {
    let folder = Folder::new("differs");
    let fileset = by_position(&folder);
    folder.friend("h.parquet", 33..39);
    let ledger = folder.ledger(fileset);
    let wanted = "dataset `d` has 40 entries, and the friend `f` 39: they must have as many";
    assert_eq!(reasons(&ledger.datasets[0]), [wanted; 3]);
    assert_eq!(ledger.totals().failed, 40);
    // The rest of the dataset is not asked for: what is read has its place.
    let two = Options { max_files: Some(2), ..Options::default() };
    assert_eq!(folder.run(fileset, &two).ledger.totals().done, 35);
    folder.friend("h.parquet", 33..34);
    let ledger = folder.run(fileset, &two).ledger;
    assert_eq!(ledger.totals().done, 10);
    assert_eq!(reasons(&ledger.datasets[0]), ["its entries are 10..35 of the friend `f`, which has 34"]);
}

#[test]
fn a_friend_that_cannot_be_opened_fails_the_files_that_need_it() {
    let folder = Folder::new("unopened");
    let fileset = by_position(&folder);
    std::fs::write(folder.0.join("h.parquet"), "PAR1").unwrap();
    let ledger = folder.ledger(fileset);
    let reasons = reasons(&ledger.datasets[0]);
    assert_eq!((reasons.len(), ledger.totals().done), (2, 10), "{reasons:?}");
    assert!(reasons[0].starts_with("the friend `f` ends at entry 33: "), "{}", reasons[0]);
    assert!(reasons[0].contains("h.parquet"), "{}", reasons[0]);
}

#[test]
fn a_damaged_friend_fails_the_range_that_needs_it() {
    let folder = Folder::new("damaged");
    let fileset = by_position(&folder);
    let path = folder.0.join("g.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    // The first pages: those of entries 3..9.
    bytes[4..60].fill(0xFF);
    std::fs::write(&path, bytes).unwrap();
    let options =
        Options { range_size: RangeSize { bytes: u64::MAX, entries: Some(4) }, ..Options::default() };
    let ledger = folder.run(fileset, &Options { retries: 0, ..options }).ledger;
    let reasons = reasons(&ledger.datasets[0]);
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.contains("g.parquet")), "{reasons:?}");
    let totals = ledger.totals();
    assert!(totals.done >= 25 && totals.done + totals.failed == 40, "{totals:?}");
}

/// Events in another order, more than are needed, in two files.
fn by_index(folder: &Folder, index: &str) -> String {
    folder.main("a.parquet", (0..10).chain(20..45));
    folder.main("b.parquet", (10..20).rev());
    folder.friend("f.parquet", (0..60).map(|n| n * 37 % 60).filter(|n| n % 3 > 0));
    folder.friend("g.parquet", (0..60).filter(|n| n % 3 == 0));
    format!(
        "datasets: {{d: {{files: [a.parquet, b.parquet], \
         friends: {{f: {{files: [f.parquet, g.parquet], index: {index}}}}}}}}}"
    )
}

#[test]
fn by_index_entries_may_be_anywhere() {
    let folder = Folder::new("index");
    let fileset = by_index(&folder, "[run, event]");
    for options in every_partition() {
        let outcome = folder.run(&fileset, &options);
        assert_eq!(reasons(&outcome.ledger.datasets[0]), [""; 0]);
        assert_eq!(outcome.ledger.totals().done, 45);
        assert!(outcome.datasets[0].cost.bytes > 0);
    }
    assert_eq!(folder.ledger(&by_index(&folder, "[run, event, event]")).totals().done, 45);
    assert_eq!(folder.ledger(&by_index(&folder, "[event]")).totals().done, 45);
}

#[test]
fn an_entry_without_a_match_fails_its_range_and_says_which() {
    let folder = Folder::new("missing");
    let fileset = by_index(&folder, "[run, event]");
    folder.friend("g.parquet", (0..60).filter(|n| n % 3 == 0 && *n != 21));
    let size = RangeSize { bytes: u64::MAX, entries: Some(4) };
    let ledger = folder.run(&fileset, &Options { range_size: size, ..Options::default() }).ledger;
    let reasons = reasons(&ledger.datasets[0]);
    assert_eq!((reasons.len(), ledger.totals().done), (1, 41), "{reasons:?}");
    // Event 21 is behind 0..10 and 20.
    assert!(reasons[0].contains("entry 11 in "), "{}", reasons[0]);
    assert!(reasons[0].contains("its friend `f` has no entry with run = 3, event = 21"), "{}", reasons[0]);
}

#[test]
fn two_entries_with_the_same_index_are_an_error() {
    let folder = Folder::new("twice");
    let fileset = by_index(&folder, "[run, event]");
    folder.friend("g.parquet", (0..60).filter(|n| n % 3 == 0 || *n == 1));
    let ledger = folder.ledger(&fileset);
    let reasons = reasons(&ledger.datasets[0]);
    assert_eq!((reasons.len(), ledger.totals().failed), (2, 45));
    let start = "the friend `f` cannot be used: two of its entries have run = 0, event = 1: entry ";
    assert!(reasons[0].starts_with(start), "{}", reasons[0]);
    assert!(reasons[0].contains("f.parquet") && reasons[0].contains("entry 1 of "), "{}", reasons[0]);
}

#[test]
fn an_index_of_other_than_whole_numbers_is_an_error() {
    let folder = Folder::new("float");
    let fileset = by_index(&folder, "[run, x]");
    let reason = reasons(&folder.ledger(&fileset).datasets[0])[0].to_owned();
    assert!(reason.contains("no branch `x` in "), "{reason}");
    let columns = |name: &'static str| {
        let events = (0..45).chain(0..0);
        let mut columns = keys(events.clone());
        columns.push((name, Arc::new(Float64Array::from_iter_values(events.map(|n| n as f64)))));
        columns
    };
    folder.write("a.parquet", columns("y"), 4);
    let mut friend = columns("y");
    friend.push(("x", friend[2].1.clone()));
    let lists = ListBuilder::new(Float32Builder::new());
    let mut hits = lists;
    (0..45).for_each(|_| hits.append(true));
    friend.push(("Hit_e", Arc::new(hits.finish())));
    folder.write("f.parquet", friend, 6);
    let fileset = "datasets: {d: {files: [a.parquet], friends: {f: {files: [f.parquet], index: [run, y]}}}}";
    let reason = reasons(&folder.ledger(fileset).datasets[0])[0].to_owned();
    assert!(reason.contains("the index branch `y` in "), "{reason}");
    assert!(reason.ends_with("it holds Float64, not whole numbers"), "{reason}");
}

#[test]
fn a_plain_name_in_two_friends_is_ambiguous() {
    let folder = Folder::new("ambiguous");
    by_position(&folder);
    let fileset = "datasets: {d: {files: [a.parquet, b.parquet, c.parquet], friends: \
                   {f: [f.parquet, g.parquet, h.parquet], g: [f.parquet, g.parquet, h.parquet]}}}";
    let ledger = folder.ledger(fileset);
    assert_eq!(reasons(&ledger.datasets[0])[0], "`x` is in the friends `f` and `g`: name it `f.x` or `g.x`");
}

#[test]
fn a_column_that_nobody_has_is_an_error_that_names_the_friends() {
    let folder = Folder::new("nobody");
    by_position(&folder);
    let fileset = "datasets: {d: {files: [a.parquet], friends: {g: [a.parquet], h: [a.parquet]}}}";
    let ledger = folder.ledger(fileset);
    let reason = reasons(&ledger.datasets[0])[0];
    assert!(reason.starts_with("no branch `x` in "), "{reason}");
    assert!(reason.contains("a.parquet:/Events or in its friends `g`, `h`"), "{reason}");
}
