//! Runs over files behind a network that is slow, fails, and keeps book.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hep_examples::Dimuon;
use hep_io::source::{ByteSource, MemorySource, Reading};
use hep_run::fileset::{Fileset, Format};
use hep_run::ledger::FileLedger;
use hep_run::local::Executor;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::range::RangeSize;
use hep_run::run::{Options, Outcome, Plan};
use hep_run::storage::FileStore;
use hep_run::{Object, Registry};

/// A network in memory.
#[derive(Default)]
struct Network {
    files: HashMap<String, Bytes>,
    book: Mutex<Book>,
    changed: Condvar,
    rules: Rules,
}

/// How the network behaves.
#[derive(Default)]
struct Rules {
    /// So many reads must be under way, as long as so many are left, before one arrives.
    overlap: usize,
    /// So many files must be being opened at a time, as long as so many are left.
    opened_at_once: usize,
    /// Every so manyth read that begins fails when it is waited for; none if 0.
    failing_read: usize,
    /// How a read fails.
    failure: Option<Failure>,
    /// Reads of every file fail.
    all_fail: bool,
}

#[derive(Clone, Copy)]
enum Failure {
    Transient,
    Panic,
}

#[derive(Default)]
struct Book {
    /// Bytes that have been asked for and not waited for to the end.
    in_flight: u64,
    most_in_flight: u64,
    begun: usize,
    ended: usize,
    /// All reads that there will be.
    reads: usize,
    opening: usize,
    opened: usize,
    to_open: usize,
    open: usize,
    most_open: usize,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl Network {
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let result = change(&mut self.book.lock().unwrap());
        self.changed.notify_all();
        result
    }

    /// Waits until `ready`; a run that does not come there has failed.
    fn wait(&self, ready: impl Fn(&Book) -> bool) {
        let book = self.book.lock().unwrap();
        let limit = Duration::from_secs(60);
        let waited = self.changed.wait_timeout_while(book, limit, |book| !ready(book)).unwrap();
        let late = waited.1.timed_out();
        drop(waited);
        assert!(!late, "nothing went on for a minute");
    }
}

#[derive(Debug)]
struct Far(Arc<Network>);

impl FileStore for Far {
    fn open(&self, location: &str, _: &[String]) -> hep_io::Result<Arc<dyn ByteSource>> {
        let network = self.0.clone();
        network.change(|book| book.opening += 1);
        let at_once = network.rules.opened_at_once;
        network.wait(|book| book.opening >= (book.opened + at_once).min(book.to_open));
        network.change(|book| book.opened += 1);
        let name = location.split_once('?').map_or(location, |(name, _)| name);
        let Some(bytes) = network.files.get(name) else {
            return Err(io(ErrorKind::NotFound, "open", name));
        };
        let memory = MemorySource::new(name, bytes.clone());
        network.change(|book| {
            book.open += 1;
            book.most_open = book.most_open.max(book.open);
        });
        Ok(Arc::new(FarFile { memory, network, planned: AtomicUsize::new(0) }))
    }
}

fn io(kind: ErrorKind, action: &'static str, path: &str) -> hep_io::Error {
    hep_io::Error::Io { action, path: path.to_owned(), source: Arc::new(kind.into()) }
}

#[derive(Debug)]
struct FarFile {
    memory: MemorySource,
    network: Arc<Network>,
    planned: AtomicUsize,
}

impl Drop for FarFile {
    fn drop(&mut self) {
        self.network.change(|book| book.open -= 1);
    }
}

impl ByteSource for FarFile {
    fn name(&self) -> &str {
        self.memory.name()
    }

    fn len(&self) -> hep_io::Result<u64> {
        self.memory.len()
    }

    /// What opening a file reads; a range is read through `start`.
    fn read(&self, ranges: &[Range<u64>]) -> hep_io::Result<Vec<Bytes>> {
        self.planned.fetch_add(1, Ordering::Relaxed);
        self.memory.read(ranges)
    }

    fn start(self: Arc<Self>, ranges: Vec<Range<u64>>) -> Reading {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let number = self.network.change(|book| {
            book.begun += 1;
            book.in_flight += bytes;
            book.most_in_flight = book.most_in_flight.max(book.in_flight);
            book.begun
        });
        Reading::later(move || {
            let network = &self.network;
            let overlap = network.rules.overlap;
            network.wait(|book| book.begun >= (book.ended + overlap).min(book.reads));
            network.change(|book| {
                book.ended += 1;
                book.in_flight -= bytes;
            });
            let every = network.rules.failing_read;
            if network.rules.all_fail || (every > 0 && number % every == 0) {
                match network.rules.failure {
                    Some(Failure::Panic) => panic!("a bug in a source"),
                    _ => return Err(io(ErrorKind::TimedOut, "read", self.name())),
                }
            }
            self.memory.read(&ranges)
        })
    }
}

fn datasets() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets")
}

/// The two files of the repository at the far end, so many times.
fn network(copies: usize, rules: Rules) -> Arc<Network> {
    let mut files = HashMap::new();
    for name in ["nano_dimuon", "nano_dy"] {
        let bytes = Bytes::from(std::fs::read(datasets().join(format!("{name}.root"))).unwrap());
        for copy in 0..copies {
            files.insert(format!("root://far//{name}_{copy}.root"), bytes.clone());
        }
    }
    Arc::new(Network { files, rules, ..Network::default() })
}

const FAR: &str = "tree: Events\ndatasets:\n  data: ['root://far//nano_dimuon_0.root?authz=hush']\n  \
    dy: [root://far//nano_dy_0.root]\n";
const NEAR: &str = "tree: Events\ndatasets: {data: [nano_dimuon.root], dy: [nano_dy.root]}";

fn options(workers: usize, network: Option<&Arc<Network>>) -> Options {
    let mut options = Options {
        executor: if workers == 0 { Executor::Serial } else { Executor::Threads(workers) },
        // One cluster of 40 entries in each file becomes 20 ranges.
        range_size: RangeSize { bytes: u64::MAX, entries: Some(2) },
        ..Options::default()
    };
    if let Some(network) = network {
        options.storage = Arc::new(Far(network.clone()));
    }
    options
}

fn run(fileset: &str, options: &Options) -> Outcome {
    let fileset = Fileset::parse(fileset, Format::Yaml, &datasets()).unwrap();
    let mut registry = Registry::default();
    registry.add::<Dimuon>("Dimuon");
    let (_, processor) = registry.make(None, &serde_json::Map::new()).unwrap();
    let progress = Progress::new(ProgressKind::None);
    let plan = Plan::new(&fileset, &*processor, options, &progress).unwrap();
    plan.run(&*processor, options, &progress).unwrap()
}

/// Every object with every digit of its numbers.
fn objects(outcome: &Outcome) -> Vec<String> {
    let mut all = Vec::new();
    for dataset in &outcome.datasets {
        dataset.output.objects("", &mut |path, object| {
            let value = match object {
                Object::Histogram(h) => format!("{} {:?} {:?}", h.entries, h.sumw, h.sumw2),
                Object::Cutflow(cutflow) => format!("{cutflow:?}"),
                Object::Number(number) => number.to_string(),
            };
            all.push(format!("{}/{path} {value}", dataset.dataset.name));
        });
    }
    all
}

fn files(outcome: &Outcome) -> impl Iterator<Item = &FileLedger> {
    outcome.ledger.datasets.iter().flat_map(|dataset| &dataset.files)
}

#[test]
fn a_remote_run_has_the_results_of_a_local_one_whatever_is_read_ahead() {
    let want = objects(&run(NEAR, &options(0, None)));
    assert!(want.len() >= 2);
    for workers in [0, 1, 3] {
        for prefetch in [0, 1, 5_000, 64_000_000] {
            let network = network(1, Rules::default());
            let options = Options { prefetch, ..options(workers, Some(&network)) };
            let outcome = run(FAR, &options);
            assert_eq!(objects(&outcome), want, "{workers} workers, {prefetch} bytes ahead");
            assert_eq!(outcome.ledger.totals().done, 80);
            let book = network.book.lock().unwrap();
            assert_eq!((book.begun, book.ended, book.in_flight, book.open), (40, 40, 0, 0));
        }
    }
}

#[test]
fn reads_overlap_although_there_is_one_worker() {
    let network = network(1, Rules { overlap: 10, ..Rules::default() });
    network.change(|book| book.reads = 40);
    let outcome = run(FAR, &options(1, Some(&network)));
    assert_eq!(outcome.ledger.totals().done, 80);
}

#[test]
fn no_more_is_in_flight_than_the_budget_and_what_workers_wait_for() {
    let most = |prefetch, workers| {
        let network = network(1, Rules::default());
        run(FAR, &Options { prefetch, ..options(workers, Some(&network)) });
        let book = network.book.lock().unwrap();
        book.most_in_flight
    };
    // Without anything ahead, the largest range.
    let range = most(0, 1);
    assert!(range > 0);
    for (prefetch, workers) in [(1, 1), (3 * range, 1), (3 * range, 2)] {
        let (most, bound) = (most(prefetch, workers), prefetch.max(range) + workers as u64 * range);
        assert!(most <= bound, "{most} of {bound} bytes in flight");
    }
}

#[test]
fn files_are_opened_at_a_time_and_not_too_many_stay_open() {
    const COPIES: usize = 90;
    let network = network(COPIES, Rules { opened_at_once: 16, ..Rules::default() });
    network.change(|book| book.to_open = 2 * COPIES);
    let list = |name: &str| -> Vec<String> {
        (0..COPIES).map(|copy| format!("  {name}{copy}: [root://far//{name}_{copy}.root]\n")).collect()
    };
    let fileset =
        format!("tree: Events\ndatasets:\n{}{}", list("nano_dimuon").concat(), list("nano_dy").concat());
    let options = options(0, Some(&network));
    let outcome = run(&fileset, &options);
    assert_eq!(outcome.ledger.totals().done, 80 * COPIES as u64);
    let book = network.book.lock().unwrap();
    assert_eq!(book.open, 0);
    // 64, the threads that open 16 at a time at first, and the one worker.
    assert!(book.most_open <= 64 + 16 + 1, "{} files were open", book.most_open);
}

#[test]
fn a_read_that_fails_is_done_again_and_counted() {
    let want = objects(&run(NEAR, &options(0, None)));
    let rules = Rules { failing_read: 9, failure: Some(Failure::Transient), ..Rules::default() };
    let outcome = run(FAR, &options(4, Some(&network(1, rules))));
    assert_eq!(objects(&outcome), want);
    // 40 ranges and the reads that were done again: 1 in 9 of all of them.
    assert_eq!(files(&outcome).map(|file| file.retries).sum::<u64>(), 4);
}

#[test]
fn what_cannot_be_read_is_failed_in_the_ledger_and_nothing_secret_is_said() {
    let rules = Rules { all_fail: true, ..Rules::default() };
    let outcome = run(FAR, &Options { retries: 0, ..options(2, Some(&network(1, rules))) });
    let totals = outcome.ledger.totals();
    assert_eq!((totals.done, totals.failed), (0, 80));
    let said = serde_json::to_string(&outcome.ledger).unwrap();
    assert!(said.contains("\"path\":\"root://far//nano_dimuon_0.root\""), "{said}");
    assert!(said.contains("cannot read root://far//nano_dimuon_0.root: timed out"), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn a_panic_in_a_read_costs_its_own_range() {
    let rules = Rules { failing_read: 10, failure: Some(Failure::Panic), ..Rules::default() };
    let outcome = run(FAR, &options(2, Some(&network(1, rules))));
    let totals = outcome.ledger.totals();
    assert_eq!((totals.done, totals.failed), (72, 8));
    let reason = &files(&outcome).find_map(|file| file.failed.first()).unwrap().reason;
    assert!(reason.contains("it panicked: a bug in a source"), "{reason}");
}

#[test]
fn a_missing_remote_file_costs_itself_only() {
    let fileset = FAR.replace("nano_dy_0", "nano_dy_9");
    let outcome = run(&fileset, &options(2, Some(&network(1, Rules::default()))));
    let totals = outcome.ledger.totals();
    assert_eq!((totals.done, totals.files_unknown), (40, 1));
}

#[test]
fn friends_are_read_ahead_too() {
    let fileset = |place: &str, end: &str| {
        format!(
            "tree: Events\ndatasets:\n  data:\n    files: [{place}nano_dimuon{end}.root]\n    \
             friends: {{f: [\"{place}nano_dimuon{end}.root:Events\"]}}\n"
        )
    };
    let want = objects(&run(&fileset("", ""), &options(0, None)));
    let network = network(1, Rules::default());
    let outcome = run(&fileset("root://far//", "_0"), &options(2, Some(&network)));
    assert_eq!(objects(&outcome), want);
    assert_eq!(outcome.ledger.totals().done, 40);
}
