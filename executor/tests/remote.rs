//! Runs over files behind a network that is slow, fails, and keeps book.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hep_examples::Dimuon;
use hep_io::source::{ByteSource, Listed, MemorySource, Reading};
use hep_run::fileset::{Fileset, Format};
use hep_run::job::Job;
use hep_run::ledger::FileLedger;
use hep_run::local::Executor;
use hep_run::prelude::*;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::range::RangeSize;
use hep_run::run::{Options, Outcome, Plan};
use hep_run::storage::{FileStore, StorageSettings};
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
    /// The first read fails.
    first_fails: bool,
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
    fn open(&self, location: &str, replicas: &[String]) -> hep_io::Result<Arc<dyn ByteSource>> {
        let network = self.0.clone();
        network.change(|book| book.opening += 1);
        let at_once = network.rules.opened_at_once;
        network.wait(|book| book.opening >= (book.opened + at_once).min(book.to_open));
        network.change(|book| book.opened += 1);
        let name = without_options(location);
        let mut places = std::iter::once(location).chain(replicas.iter().map(String::as_str));
        let held = |place: &str| network.files.get(without_options(place)).cloned();
        let Some((place, bytes)) =
            places.by_ref().enumerate().find_map(|(at, place)| Some((at, held(place)?)))
        else {
            return Err(io(ErrorKind::NotFound, "open", name));
        };
        let memory = MemorySource::new(name, bytes);
        network.change(|book| {
            book.open += 1;
            book.most_open = book.most_open.max(book.open);
        });
        Ok(Arc::new(FarFile { memory, network, place }))
    }

    fn list(&self, folder: &str) -> hep_io::Result<Vec<Listed>> {
        let folder = without_options(folder);
        let within = if folder.ends_with('/') { folder.to_owned() } else { format!("{folder}/") };
        let rests = self.0.files.keys().filter_map(|file| file.strip_prefix(&within));
        let entries: HashSet<(&str, bool)> =
            rests.map(|rest| rest.split_once('/').map_or((rest, false), |(name, _)| (name, true))).collect();
        if entries.is_empty() {
            return Err(io(ErrorKind::NotFound, "list", folder));
        }
        let listed = |(name, folder): (&str, bool)| Listed { name: name.to_owned(), is_folder: Some(folder) };
        Ok(entries.into_iter().map(listed).collect())
    }
}

fn without_options(url: &str) -> &str {
    url.split_once('?').map_or(url, |(url, _)| url)
}

fn io(kind: ErrorKind, action: &'static str, path: &str) -> hep_io::Error {
    hep_io::Error::Io { action, path: path.to_owned(), source: Arc::new(kind.into()) }
}

#[derive(Debug)]
struct FarFile {
    memory: MemorySource,
    network: Arc<Network>,
    /// Which of its places it is at.
    place: usize,
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

    fn served_by(&self) -> Vec<usize> {
        vec![self.place]
    }

    /// What opening a file reads; a range is read through `start`.
    fn read(&self, ranges: &[Range<u64>]) -> hep_io::Result<Vec<Bytes>> {
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
            let rules = &network.rules;
            if rules.all_fail || number.is_multiple_of(every) || (rules.first_fails && number == 1) {
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
        // One cluster of 40 entries in each file becomes 20 ranges, which one of them reads.
        range_size: RangeSize { bytes: u64::MAX, entries: Some(2) },
        ..Options::default()
    };
    if let Some(network) = network {
        options.storage = Arc::new(Far(network.clone()));
    }
    options
}

/// So many datasets of either file.
fn many(copies: usize) -> String {
    let list = |name: &str| -> String {
        (0..copies).map(|copy| format!("  {name}{copy}: [root://far//{name}_{copy}.root]\n")).collect()
    };
    format!("tree: Events\ndatasets:\n{}{}", list("nano_dimuon"), list("nano_dy"))
}

/// One range for each file.
fn whole_files(options: Options) -> Options {
    Options { range_size: RangeSize { bytes: u64::MAX, entries: None }, ..options }
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
            assert_eq!((book.ended, book.in_flight, book.open), (book.begun, 0, 0));
            // All ranges of a file need the same baskets, which one of them reads.
            assert_eq!(book.begun, 2, "reads");
        }
    }
}

#[test]
fn reads_overlap_although_there_is_one_worker() {
    let network = network(20, Rules { overlap: 10, ..Rules::default() });
    network.change(|book| book.reads = 40);
    let outcome = run(&many(20), &options(1, Some(&network)));
    assert_eq!(outcome.ledger.totals().done, 1600);
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
    let options = options(0, Some(&network));
    let outcome = run(&many(COPIES), &options);
    assert_eq!(outcome.ledger.totals().done, 80 * COPIES as u64);
    let book = network.book.lock().unwrap();
    assert_eq!(book.open, 0);
    // 64, the threads that open 16 at a time at first, and the one worker.
    assert!(book.most_open <= 64 + 16 + 1, "{} files were open", book.most_open);
}

#[test]
fn a_read_that_fails_is_done_again_and_counted() {
    let want = objects(&run(&many(20), &whole_files(options(0, Some(&network(20, Rules::default()))))));
    let rules = Rules { failing_read: 9, failure: Some(Failure::Transient), ..Rules::default() };
    let outcome = run(&many(20), &whole_files(options(4, Some(&network(20, rules)))));
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
fn a_file_that_was_lost_in_spite_of_retries_is_not_waited_for_again_and_again() {
    let rules = Rules { all_fail: true, ..Rules::default() };
    let outcome = run(FAR, &Options { retries: 1, ..options(1, Some(&network(1, rules))) });
    // The first range of each file is tried again, the other 19 are not.
    assert_eq!(files(&outcome).map(|file| file.retries).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(outcome.ledger.totals().failed, 80);
}

#[test]
fn a_panic_in_a_read_costs_its_own_range() {
    let rules = Rules { failing_read: 10, failure: Some(Failure::Panic), ..Rules::default() };
    let outcome = run(&many(20), &whole_files(options(2, Some(&network(20, rules)))));
    let totals = outcome.ledger.totals();
    assert_eq!((totals.done, totals.failed), (36 * 40, 4 * 40));
    let reason = &files(&outcome).find_map(|file| file.failed.first()).unwrap().reason;
    assert!(reason.contains("it panicked: a bug in a source"), "{reason}");
}

#[test]
fn a_read_for_several_ranges_that_fails_costs_none_of_the_others() {
    let want = objects(&run(NEAR, &options(0, None)));
    for failure in [Failure::Transient, Failure::Panic] {
        // The first of all reads, and then none of the first hundred.
        let rules =
            Rules { failing_read: 100, first_fails: true, failure: Some(failure), ..Rules::default() };
        let outcome = run(FAR, &options(2, Some(&network(1, rules))));
        let totals = outcome.ledger.totals();
        match failure {
            Failure::Transient => assert_eq!((objects(&outcome), totals.failed), (want.clone(), 0)),
            Failure::Panic => assert!(totals.failed <= 2, "{totals:?}"),
        }
    }
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

#[derive(Clone, Copy, Columnar)]
struct Numbered {
    #[column("f.event")]
    event: u64,
}

/// Adds up the numbers of a friend's events.
#[derive(Default, Settings)]
struct Numbers {
    /// Added to each.
    more: f64,
}

#[derive(Output)]
struct Sum {
    events: Cutflow,
}

impl Processor for Numbers {
    type Event = Numbered;
    type Output = Sum;

    fn output(&self, _: &Dataset) -> Result<Sum> {
        Ok(Sum { events: Cutflow::new(["all"]) })
    }

    fn process(&self, events: &Events<Numbered>, out: &mut Sum) -> Result<()> {
        events.iter().for_each(|event| out.events.pass("all", event.event as f64 + self.more));
        Ok(())
    }
}

#[test]
fn the_index_of_a_jobs_friend_is_read_whatever_is_read_ahead() {
    let fileset = "tree: Events\ndatasets:\n  data:\n    files: [root://far//nano_dimuon_0.root]\n    \
                   friends: {f: {files: ['root://far//nano_dimuon_1.root:Events'], index: [run, event]}}\n";
    let fileset = Fileset::parse(fileset, Format::Yaml, &datasets()).unwrap();
    let mut registry = Registry::default();
    registry.add::<Numbers>("Numbers");
    let nothing = serde_json::Map::new();
    let (name, processor) = registry.make(None, &nothing).unwrap();
    let progress = Progress::new(ProgressKind::None);
    let done = |workers, prefetch| {
        let options = Options { prefetch, ..options(workers, Some(&network(2, Rules::default()))) };
        let plan = Plan::new(&fileset, &*processor, &options, &progress).unwrap();
        let job = plan.job(&name, &nothing, &StorageSettings::default(), None, &options);
        let job = Job::read(&job.to_json().unwrap()).unwrap();
        let plan = Plan::of_job(&job, &options).unwrap();
        let outcome = plan.run(&*processor, &options, &progress).unwrap();
        let lost = files(&outcome).find_map(|file| file.failed.first()).cloned();
        assert_eq!((outcome.ledger.totals().done, lost), (40, None), "{workers} workers, {prefetch} ahead");
        objects(&outcome)
    };
    let want = done(0, 0);
    assert_eq!(want.len(), 1);
    for (workers, prefetch) in [(1, 1), (1, 64_000_000), (4, 0), (4, 64_000_000)] {
        assert_eq!(done(workers, prefetch), want);
    }
}

#[test]
fn the_ledger_knows_a_file_by_its_path_and_says_which_replica_served_it() {
    let fileset = "tree: Events\ndatasets:\n  data:\n    \
        - {path: root://gone//dimuon.root, replicas: ['root://far//nano_dimuon_0.root?authz=hush&x=1', root://b//c]}\n    \
        - {path: root://far//nano_dy_0.root, replicas: [root://far//nano_dy_1.root]}\n";
    let outcome = run(fileset, &options(2, Some(&network(1, Rules::default()))));
    let files: Vec<&FileLedger> = files(&outcome).collect();
    assert_eq!(files[0].path, "root://gone//dimuon.root");
    assert_eq!(files[0].replicas, ["root://far//nano_dimuon_0.root?x=…"]);
    assert_eq!(files[0].done, [(0, 40)]);
    assert!(files[1].replicas.is_empty());
}

/// A network with these files, which nobody reads.
fn listing(files: &[&str]) -> Far {
    let files = files.iter().map(|file| ((*file).to_owned(), Bytes::new())).collect();
    Far(Arc::new(Network { files, ..Network::default() }))
}

fn matches(pattern: &str, store: &Far) -> Result<Vec<String>, String> {
    let text = format!("datasets: {{DY: ['{pattern}']}}");
    let fileset = Fileset::parse_with(&text, Format::Yaml, "/p".as_ref(), Some(store));
    let fileset = fileset.map_err(|error| error.to_string())?;
    Ok(fileset.files().map(|(_, file)| file.path.clone()).collect())
}

#[test]
fn a_pattern_in_a_url_is_the_files_that_its_server_lists_in_byte_order() {
    let store = listing(&[
        "root://h//store/b.root",
        "root://h//store/a.root",
        "root://h//store/a.txt",
        "root://h//store/.hidden.root",
        "root://h//store/dir.root/x.root",
        "root://h//store/2018/dy_10.root",
        "root://h//store/2018/dy_9.root",
        "root://h//store/2017/deep/er/dy_1.root",
        "root://h//top.root",
    ]);
    let found = |pattern: &str| matches(pattern, &store).unwrap();
    assert_eq!(found("root://h//store/*.root"), ["root://h//store/a.root", "root://h//store/b.root"]);
    assert_eq!(
        found("root://h//store/20*/dy_*.root:Events"),
        ["root://h//store/2018/dy_10.root", "root://h//store/2018/dy_9.root"]
    );
    assert_eq!(found("root://h//store/*/dy_9.root"), ["root://h//store/2018/dy_9.root"]);
    assert_eq!(found("root://h//store/**/dy_1*.root").len(), 2);
    assert_eq!(found("root://h//store/**/[ab].root"), ["root://h//store/a.root", "root://h//store/b.root"]);
    assert_eq!(found("root://h//*.root"), ["root://h//top.root"]);
    // Options are the server's, and every file's.
    assert_eq!(found("root://h//store/b*.root?x=*"), ["root://h//store/b.root?x=*"]);
    let wrong = |pattern: &str| matches(pattern, &store).unwrap_err();
    assert!(
        wrong("root://h//store/z*.root")
            .starts_with("`root://h//store/z*.root` in dataset `DY` matches no file")
    );
    assert!(wrong("root://h//nowhere/*.root").contains("matches no file"));
    assert!(wrong("root://h//store/[.root").contains("is not a valid pattern"));
}

#[test]
fn a_pattern_that_cannot_be_listed_says_why() {
    #[derive(Debug)]
    struct Silent;
    impl FileStore for Silent {
        fn open(&self, location: &str, _: &[String]) -> hep_io::Result<Arc<dyn ByteSource>> {
            Err(io(ErrorKind::NotFound, "open", location))
        }

        fn list(&self, folder: &str) -> hep_io::Result<Vec<Listed>> {
            hep_io::source::Storage::default().list(folder)
        }
    }
    let text = "datasets: {DY: ['https://h/store/*.root?authz=hush']}";
    let error = Fileset::parse_with(text, Format::Yaml, "/p".as_ref(), Some(&Silent)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`https://h/store/*.root` in dataset `DY` needs https://h/store, which cannot be listed: a folder of \
         https:// cannot be listed, only one of root://\n  in the fileset, line 1"
    );
}
