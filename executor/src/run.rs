//! One run: fileset → entry ranges → partial outputs → merge tree → outputs and ledger.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hep_io::Scratch;
use hep_io::source::coalesce;

use crate::fileset::{FileSpec, Fileset};
use crate::ledger::{DatasetLedger, FileLedger, Ledger, Missed};
use crate::local::{Executor, thread_cpu, without_panic};
use crate::merge_tree::MergeTree;
use crate::progress::Progress;
use crate::range::{self, Opened, RangeSize};
use crate::registry::{AnyOutput, AnyProcessor};
use crate::{Dataset, Error, RunResult};

/// Entries decoded at once. The columns of a typical analysis then stay in the second-level cache.
const BATCH_ENTRIES: usize = 16_384;
/// Files kept open between partition and processing; the others are opened again.
const OPEN_FILES: usize = 64;

/// How a run goes about.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where ranges are processed.
    pub executor: Executor,
    /// How ranges are cut.
    pub range_size: RangeSize,
    /// How often a range or file that failed is tried again.
    pub retries: u32,
    /// At most so many files of each dataset.
    pub max_files: Option<usize>,
    /// At most so many entries of each dataset.
    pub max_entries: Option<u64>,
    /// These datasets only; all if empty.
    pub datasets: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            executor: Executor::all_cores(),
            range_size: RangeSize::default(),
            retries: 2,
            max_files: None,
            max_entries: None,
            datasets: Vec::new(),
        }
    }
}

/// What a run has made.
pub struct Outcome {
    /// The merged output of each dataset that was asked for, in the fileset's order.
    pub datasets: Vec<DatasetOutcome>,
    /// The account of every entry.
    pub ledger: Ledger,
}

/// What a run has made of one dataset.
pub struct DatasetOutcome {
    /// The dataset.
    pub dataset: Dataset,
    /// Its merged output; an empty one if nothing was done.
    pub output: Box<dyn AnyOutput>,
    /// What it took.
    pub cost: Cost,
}

/// What it took to process a dataset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Compressed bytes that were read.
    pub bytes: u64,
    /// Processor time of all workers.
    pub cpu: Duration,
    /// From the start of the first range to the end of the last.
    pub wall: Duration,
}

/// A plan of a run: every file opened and split, nothing processed.
pub struct Plan<'a> {
    fileset: &'a Fileset,
    datasets: Vec<usize>,
    files: Vec<PlannedFile<'a>>,
    ranges: Vec<PlannedRange>,
}

/// A file of a plan.
pub struct PlannedFile<'a> {
    /// Which dataset of the fileset it belongs to.
    pub dataset: usize,
    /// The file.
    pub spec: &'a FileSpec,
    /// What is known of its entries before any is processed: skipped ones and failures.
    pub ledger: FileLedger,
    /// The columns that will be read.
    pub columns: Vec<String>,
    opened: Mutex<Option<Arc<Opened>>>,
    left: AtomicUsize,
}

/// A range of a plan.
pub struct PlannedRange {
    /// Which file of the plan it belongs to.
    pub file: usize,
    /// The entries.
    pub entries: Range<u64>,
    leaf: usize,
}

impl<'a> Plan<'a> {
    /// Opens the files, checks them against what `processor` reads, and splits them.
    ///
    /// # Errors
    /// Only where the request makes no sense: an unknown dataset, the same file twice. A file that
    /// cannot be used is in the ledger as failed.
    pub fn new(
        fileset: &'a Fileset,
        processor: &dyn AnyProcessor,
        options: &Options,
        progress: &Progress,
    ) -> RunResult<Self> {
        let datasets = chosen(fileset, &options.datasets)?;
        let mut files = Vec::new();
        for (at, dataset) in fileset.datasets.iter().enumerate() {
            for (n, spec) in dataset.files.iter().enumerate() {
                files.push(PlannedFile::new(at, spec, skip_reason(&datasets, at, n, options)));
            }
        }
        let schema = processor.schema();
        let splits: Vec<Mutex<Vec<Range<u64>>>> = files.iter().map(|_| Mutex::default()).collect();
        let facts: Vec<Mutex<Option<FileFacts>>> = files.iter().map(|_| Mutex::default()).collect();
        options.executor.for_each::<()>(files.len(), &AtomicBool::new(false), |(), i| {
            let file = &files[i];
            if !file.ledger.skipped.is_empty() {
                return;
            }
            let (result, tries) = retrying(options.retries, progress, &file.spec.path, || {
                without_panic(|| {
                    let opened = range::open(file.spec, &schema)?;
                    let ranges = range::split(&opened, file.spec, options.range_size)?;
                    Ok((opened, ranges))
                })
                .unwrap_or_else(|panic| Err(Error::Usage(panic)))
            });
            let result = result.map(|(opened, ranges)| {
                *lock(&splits[i]) = ranges;
                opened
            });
            *lock(&facts[i]) = Some(FileFacts { result, tries });
        });
        let mut open = 0;
        for (file, facts) in files.iter_mut().zip(facts) {
            if let Some(facts) = facts.into_inner().unwrap_or_else(PoisonError::into_inner) {
                file.learn(facts, open < OPEN_FILES);
                open += 1;
            }
        }
        same_file_twice(fileset, &files)?;
        let mut plan = Self { fileset, datasets, files, ranges: Vec::new() };
        let splits: Vec<_> =
            splits.into_iter().map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        plan.cut(&splits, options.max_entries);
        // Worth knowing hours before the end; without any range, the end is now.
        if !plan.ranges.is_empty() {
            plan.files
                .iter()
                .flat_map(|file| &file.ledger.failed)
                .for_each(|missed| progress.warn(&missed.reason));
        }
        Ok(plan)
    }

    /// The files, in the fileset's order.
    pub fn files(&self) -> &[PlannedFile<'a>] {
        &self.files
    }

    /// The ranges, in the fileset's order.
    pub fn ranges(&self) -> &[PlannedRange] {
        &self.ranges
    }

    /// How many entries will be processed.
    pub fn entries(&self) -> u64 {
        self.ranges.iter().map(|range| range.entries.end - range.entries.start).sum()
    }

    /// Compressed bytes that a file's ranges will read.
    ///
    /// # Errors
    /// Where it cannot be opened again, or its record of its baskets is damaged.
    pub fn bytes(&self, file: usize, processor: &dyn AnyProcessor) -> RunResult<u64> {
        let opened = self.files[file].open(processor)?;
        let ranges = self.ranges.iter().filter(|range| range.file == file);
        let mut bytes = 0;
        for range in ranges {
            bytes += opened.reader.plan(&opened.columns, range.entries.clone())?.bytes();
        }
        Ok(bytes)
    }

    /// Numbers the leaves of each dataset's merge tree, and leaves out what is past `max_entries`
    /// or outside of the fileset's steps.
    fn cut(&mut self, splits: &[Vec<Range<u64>>], max_entries: Option<u64>) {
        let mut left: HashMap<usize, (u64, usize)> = HashMap::new();
        for (at, (file, ranges)) in self.files.iter_mut().zip(splits).enumerate() {
            let (budget, leaf) = left.entry(file.dataset).or_insert((max_entries.unwrap_or(u64::MAX), 0));
            let mut reached = 0;
            for range in ranges {
                file.skip(reached..range.start, "not in the fileset's steps");
                let end = range.end.min(range.start.saturating_add(*budget));
                if range.start < end {
                    self.ranges.push(PlannedRange { file: at, entries: range.start..end, leaf: *leaf });
                    *budget -= end - range.start;
                    *leaf += 1;
                    *file.left.get_mut() += 1;
                }
                file.skip(end..range.end, &format!("--max-entries {}", max_entries.unwrap_or_default()));
                reached = range.end;
            }
            let skipped_whole = file.ledger.skipped.iter().any(|skipped| skipped.entries.is_none());
            if let Some(entries) =
                file.ledger.entries.filter(|_| file.ledger.failed.is_empty() && !skipped_whole)
            {
                file.skip(reached..entries, "not in the fileset's steps");
            }
            if *file.left.get_mut() == 0 {
                file.close();
            }
        }
    }

    /// Processes every range and merges.
    ///
    /// # Errors
    /// Only where partial outputs cannot be merged: the processor booked them differently.
    pub fn run(
        self,
        processor: &dyn AnyProcessor,
        options: &Options,
        progress: &Progress,
    ) -> RunResult<Outcome> {
        let datasets: Vec<Dataset> = self
            .fileset
            .datasets
            .iter()
            .map(|d| Dataset { name: d.name.clone(), metadata: d.metadata.clone() })
            .collect();
        let leaves =
            |dataset: usize| self.ranges.iter().filter(|r| self.files[r.file].dataset == dataset).count();
        let trees: Vec<MergeTree<Box<dyn AnyOutput>>> =
            (0..datasets.len()).map(|dataset| MergeTree::new(leaves(dataset))).collect();
        let books: Vec<Mutex<Book>> = datasets.iter().map(|_| Mutex::default()).collect();
        let ledgers: Vec<Mutex<FileLedger>> =
            self.files.iter().map(|file| Mutex::new(file.ledger.clone())).collect();
        let broken: Mutex<Option<hep_analysis::Error>> = Mutex::new(None);
        let stop = AtomicBool::new(false);
        progress.start(self.entries(), self.ranges.len(), self.files.len());

        options.executor.for_each::<Scratch>(self.ranges.len(), &stop, |scratch, i| {
            let PlannedRange { file: file_at, entries, leaf } = &self.ranges[i];
            let file = &self.files[*file_at];
            let dataset = &datasets[file.dataset];
            let (started, cpu) = (Instant::now(), thread_cpu());
            let (result, tries) = retrying(options.retries, progress, &file.spec.path, || {
                let work = || process(processor, file, dataset, entries.clone(), scratch);
                without_panic(work).unwrap_or_else(|panic| {
                    *scratch = Scratch::default();
                    Err(hep_analysis::Error::new(panic).into())
                })
            });
            let mut bytes = 0;
            {
                let mut ledger = lock(&ledgers[*file_at]);
                ledger.retries += u64::from(tries - 1);
                match &result {
                    Ok((_, read)) => {
                        ledger.add_done(entries.clone());
                        bytes = *read;
                    }
                    Err(error) => {
                        let reason = because(error, &file.spec.path, entries, tries);
                        progress.warn(&reason);
                        ledger.failed.push(Missed { entries: Some((entries.start, entries.end)), reason });
                    }
                }
            }
            let partial = result.ok().map(|(output, _)| output);
            if let Err(error) = trees[file.dataset].arrive(*leaf, partial, |a, b| a.merge(b)) {
                lock(&broken).get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
            file.range_ended();
            lock(&books[file.dataset]).add(started, thread_cpu() - cpu, bytes);
            progress.advance(entries.end - entries.start, bytes);
        });
        progress.finish();
        if let Some(error) = broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error.into());
        }

        let mut ledger = Ledger { version: 1, processor: String::new(), datasets: Vec::new() };
        ledger
            .datasets
            .extend(datasets.iter().map(|d| DatasetLedger { name: d.name.clone(), files: Vec::new() }));
        for (file, account) in self.files.iter().zip(ledgers) {
            let mut account = account.into_inner().unwrap_or_else(PoisonError::into_inner);
            account.tidy();
            ledger.datasets[file.dataset].files.push(account);
        }
        let outcomes = trees.into_iter().zip(books).zip(datasets).enumerate();
        let datasets = outcomes
            .filter(|(at, _)| self.datasets.contains(at))
            .map(|(_, ((tree, book), dataset))| {
                let output = tree.into_root().unwrap_or_else(|| processor.output(&dataset));
                let output = processor.finish(output, &dataset);
                let book = book.into_inner().unwrap_or_else(PoisonError::into_inner);
                DatasetOutcome { output, dataset, cost: book.cost() }
            })
            .collect();
        Ok(Outcome { datasets, ledger })
    }
}

/// One range: read, decode, process. Returns the partial output and the bytes read.
fn process(
    processor: &dyn AnyProcessor,
    file: &PlannedFile<'_>,
    dataset: &Dataset,
    entries: Range<u64>,
    scratch: &mut Scratch,
) -> RunResult<(Box<dyn AnyOutput>, u64)> {
    let opened = file.open(processor)?;
    let plan = opened.reader.plan(&opened.columns, entries)?;
    let bytes = coalesce::read(&*opened.source, &plan.ranges)?;
    let mut output = processor.output(dataset);
    let mut batches = opened.reader.decode(&plan, &bytes, scratch)?;
    while let Some(batch) = batches.next(BATCH_ENTRIES)? {
        processor.process(batch, &mut *output)?;
    }
    Ok((output, plan.bytes()))
}

impl<'a> PlannedFile<'a> {
    fn new(dataset: usize, spec: &'a FileSpec, skipped: Option<String>) -> Self {
        let entries = spec.entries.map(|entries| (0, entries));
        let skipped = skipped.map(|reason| Missed { entries, reason }).into_iter().collect();
        let ledger = FileLedger {
            path: spec.path.clone(),
            tree: spec.tree.clone().unwrap_or_default(),
            uuid: spec.uuid.clone().unwrap_or_default(),
            entries: spec.entries,
            skipped,
            ..FileLedger::default()
        };
        Self {
            dataset,
            spec,
            ledger,
            columns: Vec::new(),
            opened: Mutex::default(),
            left: AtomicUsize::new(0),
        }
    }

    fn learn(&mut self, facts: FileFacts, keep: bool) {
        self.ledger.retries += u64::from(facts.tries - 1);
        match facts.result {
            Ok(opened) => {
                self.ledger.uuid.clone_from(&opened.uuid);
                self.ledger.tree.clone_from(&opened.tree);
                self.ledger.entries = Some(opened.reader.entries());
                self.columns.clone_from(&opened.columns);
                self.opened = Mutex::new(keep.then(|| Arc::new(opened)));
            }
            Err(error) => {
                let reason = error.to_string();
                let entries = self.ledger.entries.map(|entries| (0, entries));
                self.ledger.failed.push(Missed { entries, reason });
            }
        }
    }

    fn skip(&mut self, entries: Range<u64>, reason: &str) {
        if entries.start < entries.end {
            let entries = Some((entries.start, entries.end));
            self.ledger.skipped.push(Missed { entries, reason: reason.to_owned() });
        }
    }

    /// The open file, opened again if it was closed in between. It must still be the same.
    fn open(&self, processor: &dyn AnyProcessor) -> RunResult<Arc<Opened>> {
        let mut slot = lock(&self.opened);
        if let Some(opened) = &*slot {
            return Ok(Arc::clone(opened));
        }
        let spec = FileSpec {
            uuid: Some(self.ledger.uuid.clone()),
            entries: self.ledger.entries,
            tree: Some(self.ledger.tree.clone()),
            ..self.spec.clone()
        };
        let opened = Arc::new(range::open(&spec, &processor.schema())?);
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn range_ended(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.close();
        }
    }

    fn close(&self) {
        *lock(&self.opened) = None;
    }
}

struct FileFacts {
    result: RunResult<Opened>,
    tries: u32,
}

/// The running cost of a dataset.
#[derive(Default)]
struct Book {
    span: Option<(Instant, Instant)>,
    cpu: Duration,
    bytes: u64,
}

impl Book {
    fn add(&mut self, started: Instant, cpu: Duration, bytes: u64) {
        let first = self.span.map_or(started, |(first, _)| first.min(started));
        self.span = Some((first, Instant::now()));
        self.cpu += cpu;
        self.bytes += bytes;
    }

    fn cost(&self) -> Cost {
        let wall = self.span.map_or(Duration::ZERO, |(first, last)| last - first);
        Cost { bytes: self.bytes, cpu: self.cpu, wall }
    }
}

/// Tries `task` again after a failure of the storage, at most `retries` times; returns the last
/// result and the number of tries.
fn retrying<T>(
    retries: u32,
    progress: &Progress,
    path: &str,
    mut task: impl FnMut() -> RunResult<T>,
) -> (RunResult<T>, u32) {
    let mut tries = 1;
    loop {
        match task() {
            Err(Error::Io(error)) if error.is_transient() && tries <= retries => {
                progress.warn(&format!("{path}: try {} of {}: {error}", tries + 1, retries + 1));
                // Storage that is busy gets a moment: 0.1 s, 0.2 s, 0.4 s, and at most 5 s.
                std::thread::sleep(
                    Duration::from_millis((100 << tries.min(6)) / 2).min(Duration::from_secs(5)),
                );
                tries += 1;
            }
            result => return (result, tries),
        }
    }
}

/// A failure with the entries it lost, unless it names them itself.
fn because(error: &Error, path: &str, entries: &Range<u64>, tries: u32) -> String {
    let again = if tries > 1 { format!(" (tried {tries} times)") } else { String::new() };
    format!("entries {}..{} of {path} are lost: {error}{again}", entries.start, entries.end)
}

fn chosen(fileset: &Fileset, names: &[String]) -> RunResult<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..fileset.datasets.len()).collect());
    }
    let find = |name: &String| {
        fileset.datasets.iter().position(|dataset| dataset.name == *name).ok_or_else(|| {
            let all = fileset.datasets.iter().map(|dataset| dataset.name.as_str());
            let hint = match hep_columns::nearest(name, all.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", all.collect::<Vec<_>>().join(", ")),
            };
            Error::Usage(format!("--dataset {name}: no such dataset in the fileset; {hint}"))
        })
    };
    let mut chosen = names.iter().map(find).collect::<RunResult<Vec<_>>>()?;
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

fn skip_reason(datasets: &[usize], dataset: usize, file: usize, options: &Options) -> Option<String> {
    if !datasets.contains(&dataset) {
        return Some("--dataset".to_owned());
    }
    let max = options.max_files.filter(|&max| file >= max)?;
    Some(format!("--max-files {max}"))
}

/// One file under two paths in a dataset would count its events twice.
fn same_file_twice(fileset: &Fileset, files: &[PlannedFile<'_>]) -> RunResult<()> {
    let mut seen: HashMap<(usize, &str, &str), &str> = HashMap::new();
    for file in files.iter().filter(|file| !file.ledger.uuid.is_empty() && file.ledger.skipped.is_empty()) {
        let key = (file.dataset, file.ledger.uuid.as_str(), file.ledger.tree.as_str());
        if let Some(first) = seen.insert(key, &file.spec.path) {
            let message = format!(
                "dataset `{}` lists one file twice: {first} and {} have the same uuid {}",
                fileset.datasets[file.dataset].name, file.spec.path, file.ledger.uuid
            );
            return Err(Error::Usage(message));
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::ProgressKind;

    fn failing(kind: std::io::ErrorKind) -> Error {
        let source = Arc::new(std::io::Error::from(kind));
        hep_io::Error::Io { action: "read", path: "a.root".into(), source }.into()
    }

    #[test]
    fn storage_that_fails_is_tried_again_and_a_missing_file_is_not() {
        let progress = Progress::new(ProgressKind::None);
        let tries = |kind, succeed_at| {
            let mut n = 0;
            let (result, tries) = retrying(2, &progress, "a.root", || {
                n += 1;
                if n == succeed_at { Ok(n) } else { Err(failing(kind)) }
            });
            (result.is_ok(), tries)
        };
        assert_eq!(tries(std::io::ErrorKind::TimedOut, 2), (true, 2));
        assert_eq!(tries(std::io::ErrorKind::TimedOut, 9), (false, 3));
        assert_eq!(tries(std::io::ErrorKind::NotFound, 2), (false, 1));
    }
}
