//! One run: fileset → entry ranges → partial outputs → merge tree → outputs and ledger.

mod friends;
mod plan;
mod prefetch;
mod read;
mod retry;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hep_io::Scratch;
use hep_io::source::{HostTraffic, Storage};

use crate::friends::Join;
use crate::ledger::{DatasetLedger, FileLedger, Ledger, Missed};
use crate::local::{Executor, thread_cpu, without_panic};
use crate::merge_tree::MergeTree;
use crate::progress::Progress;
use crate::range::RangeSize;
use crate::registry::{AnyOutput, AnyProcessor};
use crate::storage::FileStore;
use crate::{Dataset, Error, RunResult};

pub use plan::{Plan, PlannedFile, PlannedRange};
use prefetch::{Ahead, Needed, Prefetch};
use read::{Arrived, Needs};
use retry::retrying;

/// Entries decoded at once. The columns of a typical analysis then stay in the second-level cache.
const BATCH_ENTRIES: usize = 16_384;

/// How a run goes about.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where ranges are processed.
    pub executor: Executor,
    /// How ranges are cut.
    pub range_size: RangeSize,
    /// How often a range or file that failed is tried again.
    pub retries: u32,
    /// Whether zlib and lzma are decompressed no further than the values go, so that their checksums are
    /// not verified: [`Scratch::skip_checksums`].
    pub skip_checksums: bool,
    /// At most so many files of each dataset.
    pub max_files: Option<usize>,
    /// At most so many entries of each dataset.
    pub max_entries: Option<u64>,
    /// These datasets only; all if empty.
    pub datasets: Vec<String>,
    /// At most so many bytes of remote files are on their way or wait for a worker; 0 reads nothing
    /// ahead.
    pub prefetch: u64,
    /// What opens files.
    pub storage: Arc<dyn FileStore>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            executor: Executor::all_cores(),
            range_size: RangeSize::default(),
            retries: 2,
            skip_checksums: false,
            max_files: None,
            max_entries: None,
            datasets: Vec::new(),
            prefetch: 64_000_000,
            storage: Arc::new(Storage::default()),
        }
    }
}

/// What a run has made.
pub struct Outcome {
    /// The merged output of each dataset that was asked for, in the fileset's order.
    pub datasets: Vec<DatasetOutcome>,
    /// The account of every entry.
    pub ledger: Ledger,
    /// What went to and from each host, the opening of files included.
    pub traffic: Vec<HostTraffic>,
    /// What happened that a person may want to know and that is no failure: reads that went on at a
    /// replica.
    pub notices: Vec<String>,
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

impl Plan<'_> {
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

        let notices: Mutex<Vec<String>> = Mutex::default();
        // Of the opening of the files.
        tell(&*options.storage, &notices, progress);
        let ahead = self.prefetch(options);
        let process_range = |scratch: &mut Workspace, i: usize| {
            let PlannedRange { file: file_at, entries, leaf } = &self.ranges[i];
            let file = &self.files[*file_at];
            let dataset = &datasets[file.dataset];
            let (started, cpu) = (Instant::now(), thread_cpu());
            let mut begun = ahead.as_ref().and_then(|ahead| ahead.take(i));
            let mut cpu_elsewhere = Duration::ZERO;
            let (result, tries) =
                retrying(file.retries(options.retries), progress, &file.ledger.path, || {
                    let work = || {
                        let arrived = match begun.take() {
                            Some(begun) => {
                                let Ahead { reading, share } = begun?;
                                cpu_elsewhere = reading.cpu;
                                let arrived = reading.wait();
                                drop(share);
                                arrived?
                            }
                            None => Needs::of(file, processor, entries)?.start().wait()?,
                        };
                        process(processor, &arrived, dataset, options.skip_checksums, scratch)
                    };
                    without_panic(work).unwrap_or_else(|panic| {
                        *scratch = Workspace::default();
                        Err(hep_analysis::Error::new(panic).into())
                    })
                });
            let storage_failed =
                |error: &Error| matches!(error, Error::Io(e @ hep_io::Error::Io { .. }) if e.is_transient());
            file.answered(!result.as_ref().err().is_some_and(storage_failed));
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
                        let reason = because(error, &file.ledger.path, entries, tries);
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
            tell(&*options.storage, &notices, progress);
            if file.range_ended() {
                ahead.iter().for_each(Prefetch::closed);
            }
            lock(&books[file.dataset]).add(started, thread_cpu() - cpu + cpu_elsewhere, bytes);
            progress.advance(entries.end - entries.start, bytes);
        };
        std::thread::scope(|scope| {
            let _end = ahead.as_ref().map(|ahead| {
                for _ in 0..prefetch::THREADS.min(self.ranges.len()) {
                    scope.spawn(|| self.work_ahead(ahead, processor));
                }
                ahead.end()
            });
            options.executor.for_each(self.ranges.len(), &stop, process_range);
        });
        drop(ahead);
        progress.finish();
        if let Some(error) = broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error.into());
        }

        let mut ledger = Ledger { version: 1, processor: String::new(), datasets: Vec::new() };
        ledger.datasets.extend(datasets.iter().enumerate().map(|(at, dataset)| {
            let friends = if self.datasets.contains(&at) { self.friends(at) } else { Vec::new() };
            DatasetLedger { name: dataset.name.clone(), files: Vec::new(), friends }
        }));
        for (file, account) in self.files.iter().zip(ledgers) {
            let mut account = account.into_inner().unwrap_or_else(PoisonError::into_inner);
            account.replicas = file.replicas_used();
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
        let notices = notices.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Outcome { datasets, ledger, traffic: options.storage.traffic(), notices })
    }

    /// What reads ahead of the workers, if any range is of a remote file.
    fn prefetch(&self, options: &Options) -> Option<Prefetch<Needs>> {
        let remote = |range: usize| self.files[self.ranges[range].file].is_remote();
        let any = options.prefetch > 0 && (0..self.ranges.len()).any(remote);
        any.then(|| Prefetch::new(options.prefetch, self.ranges.len(), remote))
    }

    /// One thread of it.
    fn work_ahead(&self, ahead: &Prefetch<Needs>, processor: &dyn AnyProcessor) {
        let file = |range: usize| &self.files[self.ranges[range].file];
        ahead.work(
            |range| file(range).may_open(),
            |range| {
                let before = thread_cpu();
                let mut needs = Needs::of(file(range), processor, &self.ranges[range].entries)?;
                needs.cpu = thread_cpu() - before;
                Ok(needs)
            },
        );
    }
}

/// What a worker reuses from range to range.
#[derive(Default)]
struct Workspace {
    scratch: Scratch,
    friends: Vec<Scratch>,
}

impl Workspace {
    /// Makes as many as there are friends, and sets all.
    fn prepare(&mut self, friends: usize, skip_checksums: bool) {
        self.friends.resize_with(friends, Scratch::default);
        self.scratch.skip_checksums(skip_checksums);
        self.friends.iter_mut().for_each(|scratch| scratch.skip_checksums(skip_checksums));
    }
}

/// One range, read: decode, process. Returns the partial output and the bytes read.
fn process(
    processor: &dyn AnyProcessor,
    arrived: &Arrived,
    dataset: &Dataset,
    skip_checksums: bool,
    workspace: &mut Workspace,
) -> RunResult<(Box<dyn AnyOutput>, u64)> {
    let Arrived { opened, plan, bytes, friends } = arrived;
    let mut output = processor.output(dataset);
    workspace.prepare(friends.scratches(), skip_checksums);
    let mut join = Join::new(opened, friends, &mut workspace.friends)?;
    let mut batches = opened.reader.decode(plan, bytes, &mut workspace.scratch)?;
    while let Some(batch) = batches.next(BATCH_ENTRIES)? {
        processor.process(join.add(batch)?, &mut *output)?;
    }
    Ok((output, arrived.size() + join.bytes()))
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

/// Shows what the storage has to tell, and keeps it.
fn tell(storage: &dyn FileStore, notices: &Mutex<Vec<String>>, progress: &Progress) {
    /// In a bad night every range has something to tell.
    const SHOWN: usize = 20;
    const KEPT: usize = 200;
    for notice in storage.take_notices() {
        let mut notices = lock(notices);
        // Each range that went the same way says the same.
        if notices.contains(&notice) {
            continue;
        }
        match notices.len() {
            0..SHOWN => progress.warn(&notice),
            SHOWN => progress.warn("more went on at other replicas; --format json tells of it"),
            _ => {}
        }
        if notices.len() < KEPT {
            notices.push(notice);
        }
    }
}

/// A failure with the entries it lost, unless it names them itself.
fn because(error: &Error, path: &str, entries: &Range<u64>, tries: u32) -> String {
    let again = if tries > 1 { format!(" (tried {tries} times)") } else { String::new() };
    format!("entries {}..{} of {path} are lost: {error}{again}", entries.start, entries.end)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
