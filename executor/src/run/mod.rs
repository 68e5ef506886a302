//! One run: fileset → entry ranges → partial outputs → merge tree → outputs and ledger.

pub(crate) mod absent;
mod explain;
mod finish;
mod friends;
mod known;
mod map;
mod plan;
mod prefetch;
mod read;
mod reads;
mod retry;
mod shared;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hep_analysis::DatasetColumns;
use hep_io::source::{HostTraffic, Storage};

use crate::Dataset;
use crate::checkpoint::Checkpoints;
use crate::error::{Error, RunResult};
use crate::explain::Explanation;
use crate::fileset::DatasetSpec;
use crate::interrupt::Interrupt;
use crate::ledger::{DatasetLedger, FileLedger, Ledger, Missed, Totals};
use crate::local::{Executor, thread_cpu};
use crate::memory::Memory;
use crate::merge_tree::Shape;
use crate::partial::{Account, Cost, Reduction};
use crate::progress::Progress;
use crate::range::RangeSize;
use crate::registry::{AnyOutput, AnyProcessor};
use crate::storage::FileStore;

pub(crate) use map::{Begun, Mapper, Workspace};
pub use plan::{Plan, PlannedFile, PlannedRange};
use prefetch::Prefetch;
use read::Needs;
pub(crate) use reads::SharedRead;
pub(crate) use shared::SharedPieces;

/// How a run goes about.
#[derive(Clone, Debug)]
pub struct Options {
    /// The threads of this process. They open files, and process ranges unless other processes or Dask
    /// workers do.
    pub executor: Executor,
    /// How ranges are cut.
    pub range_size: RangeSize,
    /// How often a range or file that failed is tried again.
    pub retries: u32,
    /// Whether zlib and lzma are decompressed no further than the values go, so that their checksums are
    /// not verified: [`hep_io::Scratch::skip_checksums`].
    pub skip_checksums: bool,
    /// At most so many files of each dataset.
    pub max_files: Option<usize>,
    /// At most so many entries of each dataset.
    pub max_entries: Option<u64>,
    /// Whether a dataset may have one file twice: of one uuid, size, head and tail.
    pub allow_duplicates: bool,
    /// These datasets only; all if empty.
    pub datasets: Vec<String>,
    /// At most so many bytes of remote files are on their way or wait for a worker; 0 reads nothing
    /// ahead.
    pub prefetch: u64,
    /// How much memory a run takes.
    pub memory: Memory,
    /// What opens files.
    pub storage: Arc<dyn FileStore>,
    /// Where the outputs of ranges are kept, if anywhere.
    pub checkpoints: Option<Arc<Checkpoints>>,
    /// The signals that end a run, if any.
    pub interrupt: Interrupt,
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
            allow_duplicates: false,
            datasets: Vec::new(),
            prefetch: 64_000_000,
            memory: Memory::of_machine(),
            storage: Arc::new(Storage::default()),
            checkpoints: None,
            interrupt: Interrupt::default(),
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
    /// How many entries were not processed because their outputs were kept of an earlier run.
    pub kept: u64,
    /// Where the time and the bytes went.
    pub explanation: Explanation,
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

/// How often it is looked whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);

/// What becomes of the place of a range that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its neighbours merge without it, at once.
    Closed,
    /// Its neighbours wait, so that it can still be added when somebody else has done it.
    Open,
}

impl Plan {
    /// Processes the ranges that are asked for on this process's threads, and merges.
    ///
    /// # Errors
    /// Only where partial outputs cannot be merged: the processor booked them differently.
    pub fn run(
        self,
        processor: &dyn AnyProcessor,
        options: &Options,
        progress: &Progress,
    ) -> RunResult<Outcome> {
        let reduction = self.process(processor, options, progress, Lost::Closed)?;
        self.conclude(reduction, processor, options)
    }

    /// Processes the ranges that are asked for on this process's threads.
    ///
    /// # Errors
    /// Only where partial outputs cannot be merged: the processor booked them differently.
    pub fn process(
        &self,
        processor: &dyn AnyProcessor,
        options: &Options,
        progress: &Progress,
        lost: Lost,
    ) -> RunResult<Reduction> {
        let asked = self.asked();
        let reduction = Reduction::within(options.memory, self.shape());
        let broken: Mutex<Option<Error>> = Mutex::new(None);
        let stop = AtomicBool::new(false);
        progress.start(self.entries(), asked.len(), self.files.len());
        // Of the opening of the files.
        tell(&*options.storage, &reduction, progress);
        let shared = SharedPieces::new(self.ranges.len(), asked.iter().copied());
        let mapper = Mapper::new(self, processor, options, progress)?.sharing(&shared);
        let ahead = self.prefetch(&asked, &mapper, options);
        let process_range = |workspace: &mut Workspace, turn: usize| {
            if options.interrupt.is_set() {
                return;
            }
            let at = asked[turn];
            let begun = ahead.as_ref().and_then(|ahead| ahead.take(turn));
            let mapped = mapper.range_ahead(workspace, at, begun, &|_| !options.interrupt.is_set());
            shared.range_ended(self.ranges[at].file, at);
            if mapped.output.is_err() && options.interrupt.is_set() {
                // It may have failed of nothing else.
                workspace.take_costs(|_, _| ());
                return;
            }
            let reason = reduction.note(|account| mapper.account(at, &mapped, workspace, true, account));
            if let Some(reason) = reason {
                progress.warn(&reason);
            }
            let (entries, bytes) = (mapped.entries, mapped.cost.bytes);
            let had = mapped.output.ok();
            if (had.is_some() || lost == Lost::Closed)
                && let Err(error) = reduction.add_range(at, had)
            {
                lock(&broken).get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
            tell(&*options.storage, &reduction, progress);
            if self.files[self.ranges[at].file].range_ended() {
                ahead.iter().for_each(Prefetch::closed);
            }
            progress.advance(entries, bytes);
        };
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let _end = ahead.as_ref().map(|ahead| {
                for _ in 0..prefetch::THREADS.min(asked.len()) {
                    let work = || self.work_ahead(ahead, &asked, &mapper);
                    // A range that nobody has planned ahead is read by its worker.
                    if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                        break;
                    }
                }
                ahead.end()
            });
            // Whoever waits for a server would do so for as long as the server likes.
            let (over, ended) = mpsc::channel::<()>();
            if options.interrupt.is_heeded() {
                let look = move || {
                    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                        if options.interrupt.is_set() {
                            options.storage.close();
                        }
                    }
                };
                let _ = std::thread::Builder::new().spawn_scoped(scope, look);
            }
            let few = options.executor.for_each(asked.len(), &stop, process_range);
            few.iter().for_each(|few| progress.warn(few));
            drop(over);
        });
        drop(ahead);
        let workers = options.executor.workers();
        reduction.note(|account| account.expense_mut().add_threads(workers, begun.elapsed()));
        progress.finish();
        reduction.note(|account| account.add_interrupted(&asked, options.interrupt));
        if let Some(error) = broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(reduction)
    }

    /// What a run is when its ranges have been processed, wherever that was. Ranges that were asked for and
    /// that `reduction` knows nothing of are in the ledger as failed.
    ///
    /// # Errors
    /// Where partial outputs cannot be merged: the processor booked them differently.
    pub fn conclude(
        self,
        reduction: Reduction,
        processor: &dyn AnyProcessor,
        options: &Options,
    ) -> RunResult<Outcome> {
        self.conclude_with(reduction, processor, options, finish::finish)
    }

    /// What a part of a run is: its outputs are merged with those of other parts before they are finished.
    ///
    /// # Errors
    /// Where partial outputs cannot be merged: the processor booked them differently.
    pub(crate) fn conclude_part(
        self,
        reduction: Reduction,
        processor: &dyn AnyProcessor,
        options: &Options,
    ) -> RunResult<Outcome> {
        self.conclude_with(reduction, processor, options, |_, output, _| (output, false))
    }

    fn conclude_with(
        self,
        reduction: Reduction,
        processor: &dyn AnyProcessor,
        options: &Options,
        finish: finish::Finish,
    ) -> RunResult<Outcome> {
        let begun = Instant::now();
        let (outputs, account) = reduction.into_outputs()?;
        let mut explanation = self.explain(&account);
        let mut ledger = self.ledger(&account);
        let outcomes = outputs.into_iter().zip(self.datasets()).enumerate();
        let datasets = outcomes
            .filter(|(at, _)| self.chosen.binary_search(at).is_ok())
            .map(|(at, (output, dataset))| {
                let output = output.map_or_else(|| processor.output(&dataset), Ok)?;
                let (output, is_changed) = finish(processor, output, &dataset);
                ledger.datasets[at].finished = is_changed;
                Ok(DatasetOutcome { output, dataset, cost: account.cost(at as u32) })
            })
            .collect::<RunResult<_>>()?;
        explanation.finishing_seconds = begun.elapsed().as_secs_f64();
        let mut traffic = options.storage.traffic();
        account.traffic().for_each(|host| host.add_to(&mut traffic));
        let (notices, kept) = (account.notices().to_vec(), account.kept());
        Ok(Outcome { datasets, ledger, traffic, notices, kept, explanation })
    }

    /// The entries that were asked for, by what became of them.
    pub fn totals(&self, account: &Account) -> Totals {
        let entries = |at: usize| self.ranges[at].entries.end - self.ranges[at].entries.start;
        let asked: u64 = self.asked().into_iter().map(entries).sum();
        let done = account.done().iter().flat_map(|&(start, end)| start..end);
        let done = done.map(|at| entries(at as usize)).sum();
        Totals { done, failed: asked - done, ..Totals::default() }
    }

    /// The account of every entry.
    fn ledger(&self, account: &Account) -> Ledger {
        let mut files: Vec<FileLedger> = self.files.iter().map(|file| file.ledger.clone()).collect();
        let mut next = account.done().iter().copied().peekable();
        let (asked, not_asked) = match &self.asked {
            Some((ranges, reason)) => (ranges.as_slice(), Some(reason)),
            None => (&[][..], None),
        };
        for (at, PlannedRange { file, entries, .. }) in (0..).zip(&self.ranges) {
            next.next_if(|(_, end)| *end <= at);
            if next.peek().is_some_and(|(start, _)| *start <= at) {
                files[*file].add_done(entries.clone());
                continue;
            }
            let missing = Some((entries.start, entries.end));
            if let Some(reason) = not_asked.filter(|_| asked.binary_search(&(at as usize)).is_err()) {
                files[*file].skip(entries.clone(), reason);
                continue;
            }
            let reason = account.failed().get(&at).cloned().unwrap_or_else(|| {
                let path = &files[*file].path;
                format!("entries {}..{} of {path} were not processed", entries.start, entries.end)
            });
            match files[*file].failed.last_mut() {
                // Of a run that was interrupted these may be many.
                Some(Missed { entries: Some((_, end)), reason: last })
                    if *end == entries.start && *last == reason =>
                {
                    *end = entries.end;
                }
                _ => files[*file].failed.push(Missed { entries: missing, reason }),
            }
        }
        let mut ledger = Ledger { version: 1, ..Ledger::default() };
        ledger.datasets.extend(self.fileset.datasets.iter().enumerate().map(|(at, dataset)| {
            let friends = if self.chosen.binary_search(&at).is_ok() { self.friends(at) } else { Vec::new() };
            DatasetLedger { name: dataset.name.clone(), friends, ..DatasetLedger::default() }
        }));
        for (at, (file, mut own)) in (0..).zip(self.files.iter().zip(files)) {
            let known = account.files().get(&at);
            own.retries = own.retries.saturating_add(known.map_or(0, |known| known.retries));
            own.replicas =
                file.replica_names(known.into_iter().flat_map(|known| known.replicas.iter().copied()));
            own.tidy();
            ledger.datasets[file.dataset].files.push(own);
        }
        ledger
    }

    /// The datasets, as processors know them.
    pub(crate) fn datasets(&self) -> Vec<Dataset> {
        self.fileset.datasets.iter().map(DatasetSpec::known).collect()
    }

    /// The datasets with their columns, which `processor` declares once for the plan; without any for those that are not
    /// processed.
    ///
    /// # Errors
    /// Where it cannot declare those of one.
    fn columns(&self, processor: &dyn AnyProcessor) -> RunResult<&[Arc<DatasetColumns>]> {
        if self.columns.get().is_none() {
            // What another thread may have found meanwhile is equal.
            let _ = self.columns.set(plan::columns(&self.fileset, &self.chosen, processor)?);
        }
        Ok(self.columns.get().map_or(&[], Vec::as_slice))
    }

    /// The merge trees of its ranges.
    pub fn shape(&self) -> Arc<Shape> {
        Arc::clone(self.shape.get_or_init(|| Arc::new(self.shape_of_ranges())))
    }

    fn shape_of_ranges(&self) -> Shape {
        let mut places = Vec::new();
        let mut files: Vec<Vec<u32>> = vec![Vec::new(); self.fileset.datasets.len()];
        for file in &self.files {
            let files = &mut files[file.dataset];
            places.push((file.dataset as u32, files.len() as u32));
            files.push(0);
        }
        let ranges: Vec<(u32, u32)> = self.ranges.iter().map(|range| places[range.file]).collect();
        for (dataset, file) in &ranges {
            files[*dataset as usize][*file as usize] += 1;
        }
        Shape::new(files, ranges)
    }

    /// What reads ahead of the workers, if any range is of a remote file.
    fn prefetch(&self, asked: &[usize], mapper: &Mapper<'_>, options: &Options) -> Option<Prefetch<Needs>> {
        let remote = |turn: usize| mapper.is_remote(asked[turn]) && !mapper.is_kept(asked[turn]);
        let any = options.prefetch > 0 && (0..asked.len()).any(remote);
        any.then(|| Prefetch::new(options.memory.ahead(options.prefetch), asked.len(), remote))
    }

    /// One thread of it.
    fn work_ahead(&self, ahead: &Prefetch<Needs>, asked: &[usize], mapper: &Mapper<'_>) {
        let range = |turn: usize| &self.ranges[asked[turn]];
        let file = |turn: usize| &self.files[range(turn).file];
        ahead.work(
            |turn| file(turn).may_open(),
            |turn| {
                let before = thread_cpu();
                let mut needs = mapper.needs(asked[turn])?;
                needs.cpu = thread_cpu() - before;
                Ok(needs)
            },
        );
    }
}

/// Shows what the storage has to tell, and keeps it.
pub(crate) fn tell(storage: &dyn FileStore, reduction: &Reduction, progress: &Progress) {
    for notice in storage.take_notices() {
        show(&notice, reduction.note(|account| account.add_notice(notice.clone())), progress);
    }
}

/// Shows a notice, if it is new and one of the first.
pub(crate) fn show(notice: &str, kept: Option<usize>, progress: &Progress) {
    /// In a bad night every range has something to tell.
    const SHOWN: usize = 20;
    match kept {
        Some(1..=SHOWN) => progress.warn(notice),
        Some(n) if n == SHOWN + 1 => {
            progress.warn("more went on at other replicas; --format json tells of it");
        }
        _ => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
