//! `cargo bench -p hep-run --bench overhead -- FILE [--tree Events]`
//!
//! What scheduling and merging cost where nothing else does, best of several, a line of JSON each:
//!
//! * 100,000 ranges of FILE, of one entry each, of which nothing is read, on one thread and on two: what is
//!   left is the ranges themselves, their account and their places in the merge tree. FILE must have as many
//!   entries;
//! * the start of a thread, as that of a worker: they start one after the other;
//! * the merging of 1,000 partial outputs of 200 histograms of 100 bins with 41 variations, in the order of
//!   their ranges: with an axis of variations, and with a histogram for each. The partial outputs are made
//!   beforehand, one by one; what that takes, and what the writing of the result takes, is printed beside it.
//!
//! Without a file, all but the first.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hep_run::Registry;
use hep_run::fileset::{Fileset, Format};
use hep_run::hist::Hist2;
use hep_run::ledger::{DatasetLedger, Ledger};
use hep_run::local::Executor;
use hep_run::merge_tree::Shape;
use hep_run::partial::{Cost, Had, Reduction};
use hep_run::prelude::*;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::registry::AnyProcessor;
use hep_run::run::{DatasetOutcome, Options, Outcome, Plan};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

// That of every binary of `hep_run::main!`.
#[global_allocator]
static ALLOCATOR: hep_run::__private::MiMalloc = hep_run::__private::MiMalloc;

const RANGES: usize = 100_000;
const PARTIALS: usize = 1_000;
const HISTOGRAMS: usize = 200;
const BINS: usize = 100;
const VARIATIONS: usize = 41;
/// Repetitions, of which the fastest counts: the machine may be shared.
const REPEAT: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut file, mut tree) = (None, "Events".to_owned());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tree" => tree = arguments.next().expect("a name after --tree"),
            _ => file = Some(argument),
        }
    }
    if let Some(file) = file {
        for workers in [1, 2] {
            ranges(Path::new(&file), &tree, workers);
        }
    }
    threads();
    merging("axis of variations", &Axes);
    merging("histogram for each variation", &Each);
}

/// Reads a column that no file has.
#[derive(Clone, Copy, Columnar)]
struct Nothing {
    #[column("a_column_that_no_file_has", may_be_absent)]
    nothing: Option<f32>,
}

/// Counts the entries.
#[derive(Default, Settings)]
struct Empty;

impl Processor for Empty {
    type Event = Nothing;
    type Output = u64;

    fn output(&self, _: &Dataset) -> Result<u64> {
        Ok(0)
    }

    fn process(&self, events: &Events<Nothing>, entries: &mut u64) -> Result<()> {
        for event in events {
            *entries += u64::from(event.nothing.is_none());
        }
        Ok(())
    }
}

fn ranges(file: &Path, tree: &str, workers: usize) {
    let steps: Vec<[usize; 2]> = (0..RANGES).map(|entry| [entry, entry + 1]).collect();
    let files = serde_json::json!([{ "path": file, "steps": steps }]);
    let text = serde_json::json!({ "tree": tree, "datasets": { "events": { "files": files } } }).to_string();
    let fileset = Fileset::parse(&text, Format::Json, Path::new("/")).expect("a sound fileset");
    let mut registry = Registry::default();
    registry.add::<Empty>("Empty");
    let (_, processor) = registry.make(None, &serde_json::Map::new()).expect("a processor");
    let progress = Progress::new(ProgressKind::None);
    let options = Options { executor: Executor::Threads(workers), ..Options::default() };
    let (mut cpu, mut wall) = (f64::MAX, f64::MAX);
    for _ in 0..REPEAT {
        let plan = Plan::new(&fileset, &*processor, &options, &progress).expect("a sound request");
        assert_eq!(plan.entries(), RANGES as u64, "{} has too few entries", file.display());
        let (used, start) = (process_cpu(), Instant::now());
        let outcome = plan.run(&*processor, &options, &progress).expect("outputs that merge");
        wall = wall.min(start.elapsed().as_secs_f64());
        cpu = cpu.min(process_cpu() - used);
        assert_eq!(outcome.ledger.totals().done, RANGES as u64);
    }
    let each = 1e6 / RANGES as f64;
    println!(
        "{{\"what\": \"empty ranges\", \"threads\": {workers}, \"cpu_us\": {:.3}, \"wall_us\": {:.3}}}",
        cpu * each,
        wall * each
    );
}

fn threads() {
    const THREADS: usize = 256;
    let mut least = f64::MAX;
    for _ in 0..REPEAT {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {});
            }
        });
        least = least.min(start.elapsed().as_secs_f64());
    }
    println!("{{\"what\": \"start of a thread\", \"wall_us\": {:.3}}}", least * 1e6 / THREADS as f64);
}

/// Histograms with an axis of variations.
#[derive(Default, Settings)]
struct Axes;

/// A histogram for each variation.
#[derive(Default, Settings)]
struct Each;

/// As many histograms as there are.
#[derive(Clone, Serialize, Deserialize)]
struct Booked<T>(Vec<T>);

impl<T: Merge> Merge for Booked<T> {
    fn merge(&mut self, other: Self) -> Result<()> {
        self.0.merge(other.0)
    }
}

impl<T: Output> Output for Booked<T> {
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        self.0.iter().for_each(|histogram| histogram.objects(path, sink));
    }
}

impl Processor for Axes {
    type Event = Nothing;
    type Output = Booked<Hist2>;

    fn output(&self, _: &Dataset) -> Result<Booked<Hist2>> {
        let axes = [Axis::regular(BINS, 0.0, 1.0), Axis::integer(0, VARIATIONS as i32)];
        let mut histogram = Hist2::new(axes);
        for variation in 0..VARIATIONS {
            histogram.fill(0.5, variation as i32, 1.0);
        }
        Ok(Booked(vec![histogram; HISTOGRAMS]))
    }

    fn process(&self, _: &Events<Nothing>, _: &mut Booked<Hist2>) -> Result<()> {
        Ok(())
    }
}

impl Processor for Each {
    type Event = Nothing;
    type Output = Booked<Hist>;

    fn output(&self, _: &Dataset) -> Result<Booked<Hist>> {
        let mut histogram = Hist::new(Axis::regular(BINS, 0.0, 1.0));
        histogram.fill(0.5, 1.0);
        Ok(Booked(vec![histogram; HISTOGRAMS * VARIATIONS]))
    }

    fn process(&self, _: &Events<Nothing>, _: &mut Booked<Hist>) -> Result<()> {
        Ok(())
    }
}

fn merging(what: &str, processor: &dyn AnyProcessor) {
    let dataset = Dataset::default();
    let shape = Arc::new(Shape::new(vec![vec![PARTIALS as u32]], vec![(0, 0); PARTIALS]));
    let (mut least, mut least_making, mut least_writing) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..REPEAT.min(3) {
        let reduction = Reduction::new(Arc::clone(&shape));
        let (mut spent, mut making) = (0.0, 0.0);
        for range in 0..PARTIALS {
            let before = process_cpu();
            let partial = processor.output(&dataset).expect("an output");
            let start = process_cpu();
            making += start - before;
            reduction.add_range(range, Some(partial)).expect("outputs that merge");
            spent += process_cpu() - start;
        }
        let start = process_cpu();
        let (outputs, _) = reduction.into_outputs().expect("outputs that merge");
        spent += process_cpu() - start;
        assert!(outputs.iter().all(Option::is_some));
        least = least.min(spent);
        least_making = least_making.min(making);
        least_writing = least_writing.min(writing(outputs));
    }
    let each = 1e9 / (HISTOGRAMS * BINS * VARIATIONS) as f64;
    println!(
        "{{\"what\": \"merging, {what}\", \"cpu_ns\": {:.3}, \"making_ns\": {:.3}, \"writing_ns\": {:.3}}}",
        least * each / PARTIALS as f64,
        least_making * each / PARTIALS as f64,
        least_writing * each,
    );
}

/// Seconds of processor time to write a result as ROOT file.
fn writing(outputs: Vec<Had>) -> f64 {
    let path = std::env::temp_dir().join(format!("hep-run-overhead-{}.root", std::process::id()));
    let of = |output| DatasetOutcome { dataset: Dataset::default(), output, cost: Cost::default() };
    let datasets = outputs.into_iter().flatten().map(of).collect();
    let ledger = Ledger { version: 1, datasets: vec![DatasetLedger::default()], ..Ledger::default() };
    let (traffic, notices, explanation) = Default::default();
    let outcome = Outcome { datasets, ledger, traffic, notices, kept: 0, explanation };
    let start = process_cpu();
    hep_run::output::write(&path, &outcome, "overhead").expect("a folder for temporary files");
    let spent = process_cpu() - start;
    std::fs::remove_file(&path).expect("the file that was written");
    spent
}

/// Seconds of processor time of this process.
fn process_cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
