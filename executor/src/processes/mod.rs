//! Ranges in processes of this machine: children of this very binary, one for each worker. A crash, an
//! abort, a kill for want of memory or a range that takes too long costs one retry of that range, and
//! nothing else.

mod child;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::json;

use child::{Child, Failure, Guard};

use crate::error::{Error, RunResult};
use crate::interrupt::Interrupt;
use crate::job::Job;
use crate::local::Executor;
use crate::memory::Memory;
use crate::partial::{Account, Cost, Partial, Reduction};
use crate::progress::Progress;
use crate::registry::AnyProcessor;
use crate::run::{Lost, Plan, PlannedRange, show};

/// How often it is looked whether a range takes too long.
const WATCH: Duration = Duration::from_millis(50);

/// What is longer between two looks than a busy machine makes it.
const STOPPED: Duration = Duration::from_secs(1);
/// How often, and how far apart at first, a process is started where that fails: memory or handles may be short for
/// a moment.
const STARTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// How processes work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processes {
    /// How many there are.
    pub workers: usize,
    /// How long a range may take before its process is ended; for ever if not given.
    pub range_timeout: Option<Duration>,
    /// Whether a process reads its next range of a remote file while it processes one.
    pub read_ahead: bool,
    /// What this process, which merges, and they may take.
    pub memory: Memory,
    /// The signals that end a run, if any.
    pub interrupt: Interrupt,
}

impl Processes {
    /// Processes the ranges that are asked for of a plan, whose job this is, and merges here.
    ///
    /// # Errors
    /// Where no worker process can be started, or partial outputs cannot be merged.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        job: &Job,
        processor: &dyn AnyProcessor,
        progress: &Progress,
        lost: Lost,
    ) -> RunResult<Reduction> {
        let json = job.to_json()?;
        let work = Work {
            settings: *self,
            plan,
            asked: plan.asked(),
            lost,
            key: crate::job::key_of(&json),
            json,
            processor,
            progress,
            reduction: Reduction::within(self.memory, plan.shape()),
            guards: Mutex::default(),
            broken: Mutex::default(),
            stop: AtomicBool::new(false),
            next: Mutex::new(0),
            lived: AtomicBool::new(false),
        };
        progress.start(plan.entries(), work.asked.len(), plan.files().len());
        let over = (Mutex::new(false), Condvar::new());
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let watch = std::thread::Builder::new().spawn_scoped(scope, || work.watch(&over));
            if let Err(error) = watch {
                progress.warn(&format!(
                    "nothing watches how long ranges take, no thread can be started: {error}"
                ));
            }
            let _over = OnDrop(|| {
                *over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                over.1.notify_all();
            });
            let workers = Executor::Threads(self.workers.min(work.asked.len()));
            let few = workers.for_each::<()>(workers.workers(), &work.stop, |(), _| {
                if let Err(error) = work.ranges() {
                    work.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    work.stop.store(true, Ordering::Relaxed);
                }
            });
            few.iter().for_each(|few| progress.warn(few));
        });
        let (workers, elapsed) = (self.workers.max(1), begun.elapsed());
        work.reduction.note(|account| account.expense_mut().add_threads(workers, elapsed));
        progress.finish();
        work.reduction.note(|account| account.add_interrupted(&work.asked, self.interrupt));
        match work.broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(work.reduction),
        }
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

struct Work<'a> {
    settings: Processes,
    plan: &'a Plan,
    /// The ranges, by their numbers.
    asked: Vec<usize>,
    lost: Lost,
    json: Vec<u8>,
    key: String,
    processor: &'a dyn AnyProcessor,
    progress: &'a Progress,
    reduction: Reduction,
    guards: Mutex<Vec<Weak<Guard>>>,
    broken: Mutex<Option<Error>>,
    stop: AtomicBool,
    /// The first turn that no process has taken.
    next: Mutex<usize>,
    /// Whether any process has been started: if none can be, there will be no run.
    lived: AtomicBool,
}

impl Work<'_> {
    /// Ends the processes whose time is over, until all is over.
    fn watch(&self, over: &(Mutex<bool>, Condvar)) {
        let mut ended = over.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked = Instant::now();
        while !*ended {
            let now = Instant::now();
            // Who was stopped for a while (Ctrl-Z, a laptop that slept) was so with its children.
            let stopped = now.duration_since(looked).checked_sub(WATCH).filter(|stopped| *stopped > STOPPED);
            looked = now;
            self.guards().retain(|guard| {
                let guard = guard.upgrade();
                guard.inspect(|guard| guard.check(now, stopped.unwrap_or_default())).is_some()
            });
            if self.settings.interrupt.is_set() {
                // What they do is dropped.
                self.guards().iter().filter_map(Weak::upgrade).for_each(|guard| guard.kill());
            }
            let waited = over.1.wait_timeout(ended, WATCH);
            ended = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(ended, _)| ended);
        }
    }

    fn guards(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Guard>>> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Processes ranges until none is left: what each worker does.
    fn ranges(&self) -> RunResult<()> {
        if *self.next.lock().unwrap_or_else(PoisonError::into_inner) >= self.asked.len() {
            return Ok(());
        }
        let mut child = match self.start() {
            Ok(child) => Some(child),
            // The others do its share.
            Err(error) if self.lived.load(Ordering::Relaxed) => {
                self.progress.warn(&format!("fewer worker processes than there should be: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // The rest of a block of ranges that share pieces, which one process reads once for all of them.
        let mut block = 0..0;
        let mut take = || {
            if block.is_empty() {
                block = self.next_block();
            }
            block.next().and_then(|turn| self.asked.get(turn)).copied()
        };
        let mut reserved = None;
        while let Some(at) = reserved.take().or_else(&mut take) {
            // Whose next range is known can read it meanwhile, which pays over a network.
            let is_remote = self.plan.files()[self.plan.ranges()[at].file].is_remote();
            reserved = if is_remote && self.settings.read_ahead { take() } else { None };
            if self.settings.interrupt.is_set() {
                break;
            }
            self.range(&mut child, at, reserved)?;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// The next ranges that share pieces, by their turns.
    fn next_block(&self) -> Range<usize> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = *next;
        let ranges = self.plan.ranges();
        let goes_on = |two: &[usize]| two[0] + 1 == two[1] && ranges[two[1]].joined;
        let others = self.asked.get(begin..).unwrap_or_default().windows(2).take_while(|two| goes_on(two));
        *next = self.asked.len().min(begin + 1 + others.count());
        begin..*next
    }

    /// Processes a range, and once more in another process if the first one dies of it.
    fn range(&self, slot: &mut Option<Child>, at: usize, next: Option<usize>) -> RunResult<()> {
        let PlannedRange { file, entries, .. } = &self.plan.ranges()[at];
        let path = &self.plan.files()[*file].ledger.path;
        let mut deaths = 0;
        // What is asked for the last time leaves no place open.
        let last = self.lost == Lost::Closed;
        let reason = loop {
            if self.settings.interrupt.is_set() {
                return Ok(());
            }
            let child = match slot {
                Some(child) => child,
                None => match self.start() {
                    Ok(child) => slot.insert(child),
                    Err(_) if self.settings.interrupt.is_set() => return Ok(()),
                    Err(error) if !self.lived.load(Ordering::Relaxed) => return Err(error),
                    Err(error) => break error.to_string(),
                },
            };
            let header = json!({"op": "range", "job": self.key, "range": at, "last": last, "next": next});
            match child.ask(&header, &[], self.settings.range_timeout) {
                Ok((header, buffers)) => {
                    let [bytes] = &buffers[..] else {
                        return Err(Error::Partial(format!("a worker process answered with {header}")));
                    };
                    let mut partial = Partial::decode(bytes, &self.key, &self.plan.shape(), self.processor)?;
                    if let Some(reason) = header["reason"].as_str() {
                        self.progress.warn(reason);
                        if !last {
                            partial.account.add_failed(at as u32, reason.to_owned());
                        }
                    }
                    let bytes = header["bytes"].as_u64().unwrap_or_default();
                    return self.add(at, partial, deaths, bytes);
                }
                Err(Failure::Answered(why)) => break why,
                // That was not this range's doing.
                Err(Failure::Before) => *slot = None,
                Err(Failure::Died(why)) => {
                    *slot = None;
                    if self.was_interrupted() {
                        return Ok(());
                    }
                    deaths += 1;
                    let what = format!("entries {}..{} of {path}: {why}", entries.start, entries.end);
                    if deaths > 1 {
                        break why;
                    }
                    self.progress.warn(&format!("{what}; they are tried once more"));
                }
            }
        };
        let tries = if deaths > 0 { " (tried 2 times)" } else { "" };
        let reason =
            format!("entries {}..{} of {path} are lost: {reason}{tries}", entries.start, entries.end);
        self.progress.warn(&reason);
        let mut account = Account::default();
        account.add_failed(at as u32, reason);
        account.add_cost(self.plan.files()[*file].dataset as u32, Cost::default());
        let leaf = self.plan.shape().leaf(at).filter(|_| last);
        let partial = Partial { nodes: leaf.map(|leaf| (leaf, None)).into_iter().collect(), account };
        self.add(at, partial, deaths.min(1), 0)
    }

    /// Whether what ended a worker process ends the run: a signal to all processes of a batch job or a terminal may reach
    /// the workers first.
    fn was_interrupted(&self) -> bool {
        const MEANWHILE: Duration = Duration::from_millis(200);
        let begun = Instant::now();
        while !self.settings.interrupt.is_set() && begun.elapsed() < MEANWHILE {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.settings.interrupt.is_set()
    }

    /// A process that has the job.
    fn start(&self) -> RunResult<Child> {
        let mut tries = 0;
        loop {
            match Child::start(&self.json, |guard| self.guards().push(Arc::downgrade(guard))) {
                Ok(child) => {
                    self.lived.store(true, Ordering::Relaxed);
                    return Ok(child);
                }
                Err(_) if self.settings.interrupt.is_set() => return Err(Error::Cancelled),
                Err(_) if tries < STARTS => {
                    std::thread::sleep(PAUSE * (1 << tries));
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&self, at: usize, mut partial: Partial, retries: u64, bytes: u64) -> RunResult<()> {
        let PlannedRange { file, entries, .. } = &self.plan.ranges()[at];
        partial.account.add_file(*file as u32, retries, []);
        for notice in partial.account.take_notices() {
            show(&notice, self.reduction.note(|account| account.add_notice(notice.clone())), self.progress);
        }
        self.reduction.add(partial)?;
        self.progress.advance(entries.end - entries.start, bytes);
        Ok(())
    }
}
