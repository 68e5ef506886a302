//! Begins the reads of the ranges that come next, while workers process others.
//!
//! A few threads take ranges in order, open their files and plan what they need; that is all they wait
//! for. A planned range is read as soon as the budget has room for it, by whoever makes that room, so
//! that no thread wakes up for it. A worker that comes to its range finds the bytes there or on their
//! way; to one that nobody has looked at yet it sees itself. The range that a worker waits for is never
//! held up by the budget, so that the budget cannot stop a run.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, RunResult};
use crate::local::without_panic;

/// Threads that open files and plan. They wait for servers, not for the processor.
pub(super) const THREADS: usize = 8;

/// What a range will read.
pub(super) trait Needed: Send {
    /// The read, begun.
    type Reading: Send;

    /// How many bytes it takes in memory.
    fn bytes(&self) -> u64;

    /// Begins to read, and returns at once.
    fn start(self) -> Self::Reading;
}

/// The ranges of a run and how far ahead they are read.
pub(super) struct Prefetch<N: Needed> {
    /// The most bytes that are on their way or wait for a worker. One range alone may have more.
    budget: u64,
    state: Mutex<State<N>>,
    /// There is room for one more range to be planned.
    room: Condvar,
    /// A range that a worker waits for is planned.
    planned: Condvar,
}

struct State<N: Needed> {
    slots: Vec<Slot<N>>,
    /// The first range that may be to be planned.
    next: usize,
    /// Those planned and not begun.
    planned: BTreeSet<usize>,
    /// How many are being planned.
    planning: u64,
    /// Bytes of the range that was planned last: what the next will have, about.
    typical: u64,
    /// Bytes of the ranges planned that have not reached a worker.
    ahead: u64,
    /// Bytes of those of them that are being read.
    reading: u64,
    /// Workers that wait for a range to be planned.
    waiting: usize,
    over: bool,
}

enum Slot<N: Needed> {
    Untouched,
    Planning,
    Planned {
        needed: N,
        bytes: u64,
    },
    Reading {
        reading: N::Reading,
        bytes: u64,
    },
    Failed(Error),
    /// A worker's business.
    Taken,
}

/// A range's read under way, and its part of a budget, if there is one, which is given back with the second.
pub(super) struct Ahead<'a, N: Needed> {
    pub(super) reading: N::Reading,
    pub(super) share: Option<Share<'a, N>>,
}

/// A part of the budget.
pub(super) struct Share<'a, N: Needed> {
    prefetch: &'a Prefetch<N>,
    bytes: u64,
}

impl<N: Needed> Drop for Share<'_, N> {
    fn drop(&mut self) {
        let mut state = self.prefetch.lock();
        state.ahead -= self.bytes;
        state.reading -= self.bytes;
        state.start(self.prefetch.budget);
        drop(state);
        self.prefetch.room.notify_one();
    }
}

/// Ends the threads of a prefetch when it goes, also where a worker panics.
pub(super) struct End<'a, N: Needed>(&'a Prefetch<N>);

impl<N: Needed> Drop for End<'_, N> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.room.notify_all();
    }
}

impl<N: Needed> Prefetch<N> {
    /// Of those of `ranges` for which `ahead` says so; the others are left to the workers.
    pub(super) fn new(budget: u64, ranges: usize, ahead: impl Fn(usize) -> bool) -> Self {
        let slot = |range| if ahead(range) { Slot::Untouched } else { Slot::Taken };
        let state = State {
            slots: (0..ranges).map(slot).collect(),
            next: 0,
            planned: BTreeSet::new(),
            planning: 0,
            typical: 0,
            ahead: 0,
            reading: 0,
            waiting: 0,
            over: false,
        };
        Self { budget, state: Mutex::new(state), room: Condvar::new(), planned: Condvar::new() }
    }

    /// What ends [`work`](Self::work) of all threads.
    pub(super) fn end(&self) -> End<'_, N> {
        End(self)
    }

    /// Plans ranges until none is left: what each of the threads does. `may_open` says whether a range's
    /// file is open or may be opened now; where it is not, [`closed`](Self::closed) tells when to ask
    /// again.
    pub(super) fn work(&self, may_open: impl Fn(usize) -> bool, plan: impl Fn(usize) -> RunResult<N>) {
        while let Some(range) = self.next(&may_open) {
            let planned = without_panic(|| plan(range).map(|needed| (needed.bytes(), needed)))
                .unwrap_or_else(|panic| Err(Error::Usage(panic)));
            let mut state = self.lock();
            state.planning -= 1;
            state.slots[range] = match planned {
                Ok((bytes, needed)) => {
                    state.typical = bytes;
                    state.ahead += bytes;
                    state.planned.insert(range);
                    Slot::Planned { needed, bytes }
                }
                Err(error) => Slot::Failed(error),
            };
            state.start(self.budget);
            if state.waiting > 0 {
                drop(state);
                self.planned.notify_all();
            }
        }
    }

    /// The next range to plan, once there is room; none at the end.
    fn next(&self, may_open: impl Fn(usize) -> bool) -> Option<usize> {
        let mut state = self.lock();
        loop {
            while matches!(state.slots.get(state.next), Some(slot) if !matches!(slot, Slot::Untouched)) {
                state.next += 1;
            }
            if state.over || state.next >= state.slots.len() {
                return None;
            }
            if state.has_room(self.budget) && may_open(state.next) {
                let range = state.next;
                state.slots[range] = Slot::Planning;
                state.planning += 1;
                state.next += 1;
                // This one may be opening a file for long.
                if state.has_room(self.budget) {
                    self.room.notify_one();
                }
                return Some(range);
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What there is of a range when a worker comes to it; nothing if it has to see to it itself. Waits
    /// while the range is being planned.
    pub(super) fn take(&self, range: usize) -> Option<RunResult<Ahead<'_, N>>> {
        let mut state = self.lock();
        loop {
            let (reading, bytes) = match mem::replace(&mut state.slots[range], Slot::Taken) {
                Slot::Untouched => {
                    drop(state);
                    // The next range's file may be open already.
                    self.room.notify_one();
                    return None;
                }
                Slot::Taken => return None,
                Slot::Failed(error) => return Some(Err(error)),
                Slot::Planning => {
                    state.slots[range] = Slot::Planning;
                    state.waiting += 1;
                    state = self.planned.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.waiting -= 1;
                    continue;
                }
                Slot::Planned { needed, bytes } => {
                    state.planned.remove(&range);
                    state.reading += bytes;
                    (needed.start(), bytes)
                }
                Slot::Reading { reading, bytes } => (reading, bytes),
            };
            return Some(Ok(Ahead { reading, share: Some(Share { prefetch: self, bytes }) }));
        }
    }

    /// A file was closed: another may be opened.
    pub(super) fn closed(&self) {
        // Whoever has just looked waits by now.
        drop(self.lock());
        self.room.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<N>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Needed> State<N> {
    /// Whether another range should be planned.
    fn has_room(&self, budget: u64) -> bool {
        self.ahead.saturating_add(self.planning.saturating_mul(self.typical)) < budget
    }

    /// Begins to read what is planned, in order, as far as the budget goes.
    fn start(&mut self, budget: u64) {
        while let Some(&range) = self.planned.first() {
            let Slot::Planned { bytes, .. } = self.slots[range] else { break };
            if self.reading > 0 && self.reading.saturating_add(bytes) > budget {
                break;
            }
            self.planned.pop_first();
            if let Slot::Planned { needed, bytes } = mem::replace(&mut self.slots[range], Slot::Taken) {
                self.reading += bytes;
                self.slots[range] = Slot::Reading { reading: needed.start(), bytes };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// A link on which reads arrive when a test lets them, and which keeps book.
    #[derive(Default)]
    struct Link {
        book: Mutex<Book>,
        changed: Condvar,
    }

    #[derive(Default)]
    struct Book {
        begun: Vec<usize>,
        /// Ranges whose bytes have come.
        arrived: BTreeSet<usize>,
        /// Reads that were given up.
        dropped: Vec<usize>,
    }

    impl Link {
        fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
            let result = change(&mut self.book.lock().unwrap());
            self.changed.notify_all();
            result
        }

        fn deliver(&self, range: usize) {
            self.change(|book| book.arrived.insert(range));
        }

        fn begun(&self) -> Vec<usize> {
            self.change(|book| book.begun.clone())
        }

        /// Waits until so many reads have begun.
        fn until_begun(&self, n: usize) -> Vec<usize> {
            let book = self.book.lock().unwrap();
            self.changed.wait_while(book, |book| book.begun.len() < n).unwrap().begun.clone()
        }
    }

    struct Fake {
        link: Arc<Link>,
        range: usize,
        bytes: u64,
    }

    struct FakeReading {
        link: Arc<Link>,
        range: usize,
    }

    impl Needed for Fake {
        type Reading = FakeReading;

        fn bytes(&self) -> u64 {
            self.bytes
        }

        fn start(self) -> FakeReading {
            self.link.change(|book| book.begun.push(self.range));
            FakeReading { link: self.link, range: self.range }
        }
    }

    impl FakeReading {
        fn wait(self) -> usize {
            let book = self.link.book.lock().unwrap();
            drop(self.link.changed.wait_while(book, |book| !book.arrived.contains(&self.range)).unwrap());
            self.range
        }
    }

    impl Drop for FakeReading {
        fn drop(&mut self) {
            self.link.change(|book| book.dropped.push(self.range));
        }
    }

    /// Runs `test` beside so many fetch threads for ranges of these sizes.
    fn beside(threads: usize, budget: u64, sizes: &[u64], test: impl FnOnce(&Prefetch<Fake>, &Link)) {
        let link = Arc::new(Link::default());
        let prefetch = Prefetch::new(budget, sizes.len(), |_| true);
        thread::scope(|scope| {
            let end = prefetch.end();
            for _ in 0..threads {
                scope.spawn(|| {
                    let plan = |range: usize| Ok(Fake { link: link.clone(), range, bytes: sizes[range] });
                    prefetch.work(|_| true, plan);
                });
            }
            test(&prefetch, &link);
            drop(end);
        });
    }

    /// Takes a range whose bytes have come, as a worker does; whether it was read ahead.
    fn work(prefetch: &Prefetch<Fake>, range: usize) -> bool {
        let Some(ahead) = prefetch.take(range) else { return false };
        let Ahead { reading, share } = ahead.unwrap();
        assert_eq!(reading.wait(), range);
        drop(share);
        true
    }

    /// Waits until every fetch thread sleeps or has ended.
    fn quiet(prefetch: &Prefetch<Fake>) {
        loop {
            let state = prefetch.lock();
            if state.planning == 0 && (state.next == state.slots.len() || !state.has_room(prefetch.budget)) {
                return;
            }
            drop(state);
            thread::yield_now();
        }
    }

    #[test]
    fn reads_begin_up_to_the_budget_in_order_and_go_on_as_workers_take_bytes() {
        beside(1, 100, &[30; 10], |prefetch, link| {
            link.until_begun(3);
            quiet(prefetch);
            assert_eq!(link.begun(), [0, 1, 2]);
            // Bytes that have come and that no worker has yet count.
            link.deliver(0);
            quiet(prefetch);
            assert_eq!(link.begun().len(), 3);
            assert!(work(prefetch, 0));
            assert_eq!(link.until_begun(4)[3], 3);
            quiet(prefetch);
            assert_eq!(link.begun().len(), 4);
        });
    }

    #[test]
    fn a_range_larger_than_the_budget_is_read_alone() {
        beside(1, 100, &[500, 10, 10, 500, 10], |prefetch, link| {
            link.until_begun(1);
            quiet(prefetch);
            (0..5).for_each(|range| link.deliver(range));
            assert!(work(prefetch, 0));
            let begun = link.until_begun(3);
            assert!(!begun.contains(&3), "{begun:?}");
            assert!(work(prefetch, 1) && work(prefetch, 2));
            link.until_begun(4);
            assert!(work(prefetch, 3));
        });
    }

    #[test]
    fn a_range_that_a_worker_waits_for_is_read_whatever_the_budget() {
        beside(1, 100, &[60; 3], |prefetch, link| {
            link.until_begun(1);
            quiet(prefetch);
            // Range 0 fills the budget, and its bytes never come.
            link.deliver(1);
            assert!(work(prefetch, 1));
            assert!(link.begun().contains(&1));
        });
    }

    #[test]
    fn a_failure_or_a_panic_is_its_own_ranges() {
        let link = Arc::new(Link::default());
        let prefetch = Prefetch::new(100, 3, |_| true);
        thread::scope(|scope| {
            let end = prefetch.end();
            scope.spawn(|| {
                let plan = |range: usize| match range {
                    0 => Err(Error::Usage("no such file".to_owned())),
                    1 => panic!("a bug"),
                    _ => Ok(Fake { link: link.clone(), range, bytes: 1 }),
                };
                prefetch.work(|_| true, plan);
            });
            link.until_begun(1);
            let reason = |range| prefetch.take(range).unwrap().err().unwrap().to_string();
            assert_eq!(reason(0), "no such file");
            assert_eq!(reason(1), "it panicked: a bug");
            link.deliver(2);
            assert!(work(&prefetch, 2));
            drop(end);
        });
        assert_eq!(prefetch.lock().ahead, 0);
    }

    #[test]
    fn a_range_that_is_not_for_it_or_may_not_be_opened_is_left_to_the_worker() {
        let link = Arc::new(Link::default());
        let prefetch = Prefetch::new(1000, 4, |range| range != 0);
        let open = AtomicUsize::new(2);
        thread::scope(|scope| {
            let end = prefetch.end();
            scope.spawn(|| {
                let plan = |range: usize| Ok(Fake { link: link.clone(), range, bytes: 1 });
                prefetch.work(|range| range < open.load(Ordering::Relaxed), plan);
            });
            link.until_begun(1);
            assert!(prefetch.take(0).is_none());
            assert!(prefetch.take(2).is_none());
            open.store(9, Ordering::Relaxed);
            prefetch.closed();
            assert_eq!(link.until_begun(2), [1, 3]);
            drop(end);
        });
    }

    #[test]
    fn an_end_in_the_middle_gives_reads_up_and_leaves_no_thread() {
        let link = Arc::new(Link::default());
        let prefetch = Prefetch::new(100, 100, |_| true);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            thread::scope(|scope| {
                let _end = prefetch.end();
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        let plan = |range: usize| Ok(Fake { link: link.clone(), range, bytes: 30 });
                        prefetch.work(|_| true, plan);
                    });
                }
                link.until_begun(3);
                panic!("a worker's");
            });
        }));
        assert!(ended.is_err());
        drop(prefetch);
        // Whichever was planned first began.
        let (mut begun, mut dropped) = link.change(|book| (book.begun.clone(), book.dropped.clone()));
        begun.sort_unstable();
        dropped.sort_unstable();
        assert_eq!(begun.len(), 3);
        assert_eq!(dropped, begun);
    }

    /// Any sizes, any number of workers, reads that arrive in any order: every range is seen once, and
    /// never more is in flight than the budget and what workers wait for.
    #[test]
    fn nothing_is_lost_and_the_budget_holds_whatever_the_order() {
        for seed in 0..40_u64 {
            let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut roll = |sides: u64| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                dice % sides
            };
            let sizes: Vec<u64> = (0..60).map(|_| [0, 1, 10, 40, 150][roll(5) as usize]).collect();
            let (budget, workers) = (1 + roll(120), 1 + roll(4));
            let order: Vec<u64> = (0..60).map(|_| roll(3)).collect();
            let seen = Mutex::new(vec![0; sizes.len()]);
            let highest = Mutex::new(0);
            beside(THREADS, budget, &sizes, |prefetch, link| {
                let next = AtomicUsize::new(0);
                let over = AtomicUsize::new(0);
                thread::scope(|scope| {
                    // The link: of what has begun, one after the other arrives, seldom the first.
                    scope.spawn(|| {
                        for turn in 0.. {
                            if over.load(Ordering::Relaxed) == workers as usize {
                                break;
                            }
                            {
                                let state = prefetch.lock();
                                let mut highest = highest.lock().unwrap();
                                *highest = state.reading.max(*highest);
                            }
                            link.change(|book| {
                                let on_the_way =
                                    book.begun.iter().filter(|range| !book.arrived.contains(range));
                                let on_the_way: Vec<usize> = on_the_way.copied().collect();
                                let at = order[turn % order.len()] as usize;
                                if let Some(&range) = on_the_way.get(at).or(on_the_way.first()) {
                                    book.arrived.insert(range);
                                }
                            });
                            thread::yield_now();
                        }
                    });
                    for _ in 0..workers {
                        scope.spawn(|| {
                            loop {
                                let range = next.fetch_add(1, Ordering::Relaxed);
                                if range >= sizes.len() {
                                    break;
                                }
                                work(prefetch, range);
                                seen.lock().unwrap()[range] += 1;
                            }
                            over.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
                assert_eq!(prefetch.lock().ahead, 0);
                assert_eq!(prefetch.lock().reading, 0);
            });
            assert_eq!(*seen.lock().unwrap(), vec![1; sizes.len()]);
            // Each worker may wait for one range that had no room, and one range may be alone.
            let most = budget.max(150) + workers * 150;
            assert!(*highest.lock().unwrap() <= most, "{highest:?} with {budget} and {workers} workers");
        }
    }
}
