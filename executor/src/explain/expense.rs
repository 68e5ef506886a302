use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

use hep_io::ColumnCost;
use serde::{Deserialize, Serialize};

/// What a worker does with a range, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Opens the file, if nobody has, and plans the reading.
    Open,
    /// Waits for memory, for a piece that another range decompresses, for the next try.
    Wait,
    /// Waits for bytes; and gives their memory back when all is done.
    Read,
    /// Decompresses.
    Decompress,
    /// Makes columns of bytes. Of Parquet decompression is in it.
    Decode,
    /// Runs the processor, the booking of its output included.
    Process,
    /// Keeps the output in the folder of checkpoints, or finds it there.
    Keep,
}

impl Stage {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Open, Self::Wait, Self::Read, Self::Decompress, Self::Decode, Self::Process, Self::Keep];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Wait => "wait",
            Self::Read => "read",
            Self::Decompress => "decompress",
            Self::Decode => "decode",
            Self::Process => "process",
            Self::Keep => "keep",
        }
    }
}

/// Time by stage, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages([u64; Stage::ALL.len()]);

impl Index<Stage> for Stages {
    type Output = u64;

    fn index(&self, stage: Stage) -> &u64 {
        &self.0[stage as usize]
    }
}

impl IndexMut<Stage> for Stages {
    fn index_mut(&mut self, stage: Stage) -> &mut u64 {
        &mut self.0[stage as usize]
    }
}

impl Stages {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |total, time| total.saturating_add(*time))
    }

    /// The one that took longest.
    pub fn longest(&self) -> Stage {
        Stage::ALL.into_iter().max_by_key(|stage| self[*stage]).unwrap_or(Stage::Process)
    }

    /// What grows with the bytes of a range; the rest grows with its entries.
    pub fn by_bytes(&self) -> u64 {
        self[Stage::Read].saturating_add(self[Stage::Decompress])
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Part of the time of `from` was spent on `to`.
    pub(crate) fn shift(&mut self, from: Stage, to: Stage, time: Duration) {
        let time = nanoseconds(time).min(self[from]);
        self[from] -= time;
        self[to] = self[to].saturating_add(time);
    }
}

/// A range's time, stage after stage: the clock is looked at once for each.
pub(crate) struct Laps {
    pub(crate) stages: Stages,
    last: Instant,
}

impl Laps {
    pub(crate) fn from(start: Instant) -> Self {
        Self { stages: Stages::default(), last: start }
    }

    /// What was done since the last time was this.
    pub(crate) fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        let time = nanoseconds(now - self.last);
        self.stages[stage] = self.stages[stage].saturating_add(time);
        self.last = now;
    }
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Where the time and the bytes of some ranges went. Those of others add up with it, in any grouping and order
/// to the same; there is no record of each range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expense {
    /// By the dataset's number in the fileset.
    pub datasets: BTreeMap<u32, DatasetExpense>,
    /// By the file's number in the fileset.
    pub files: BTreeMap<u32, FileExpense>,
    /// The ranges that took longest, the longest first: [`SLOWEST`] at most.
    pub slowest: Vec<RangeExpense>,
    /// Time that merging took, in nanoseconds, in whatever process.
    pub merge_time: u64,
    /// For how long ranges were processed, in nanoseconds: of runs that were merged the sum.
    pub wall: u64,
    /// The same times the number of threads, or worker processes; none is known of Dask.
    pub threads: u64,
}

/// Ranges that are kept for being slow.
pub(crate) const SLOWEST: usize = 10;

/// What a dataset's ranges took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetExpense {
    /// Time by stage.
    pub stages: Stages,
    /// By column: those of the file and, as `alias.column`, of its friends.
    pub columns: BTreeMap<String, ColumnCost>,
    /// What the time of a range depends on.
    pub moments: Moments,
}

/// What a file's ranges took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileExpense {
    /// Time, in nanoseconds.
    pub time: u64,
    /// Compressed bytes that were read.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Ranges.
    pub ranges: u64,
}

/// What a range took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeExpense {
    /// Its number in the job.
    pub range: u32,
    /// Time by stage.
    pub stages: Stages,
    /// Compressed bytes that were read.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

/// Sums over ranges of time `t` (nanoseconds), bytes `b` and entries `e`, and of their products: all that the
/// time of other ranges is [predicted](super::predict) from. Whole numbers, whose sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// How many ranges.
    pub n: u64,
    /// Of the time that grows with the bytes.
    pub t_bytes: u64,
    /// Of the other time.
    pub t_entries: u64,
    /// Of `b`.
    pub b: u64,
    /// Of `e`.
    pub e: u64,
    /// Of `t²`.
    pub tt: u128,
    /// Of `b²`.
    pub bb: u128,
    /// Of `e²`.
    pub ee: u128,
    /// Of `tb`.
    pub tb: u128,
    /// Of `te`.
    pub te: u128,
    /// Of `be`.
    pub be: u128,
}

impl Moments {
    /// Those of one range.
    pub fn of(stages: &Stages, bytes: u64, entries: u64) -> Self {
        let product = |x: u64, y: u64| u128::from(x) * u128::from(y);
        let t = stages.total();
        Self {
            n: 1,
            t_bytes: stages.by_bytes(),
            t_entries: t - stages.by_bytes().min(t),
            b: bytes,
            e: entries,
            tt: product(t, t),
            bb: product(bytes, bytes),
            ee: product(entries, entries),
            tb: product(t, bytes),
            te: product(t, entries),
            be: product(bytes, entries),
        }
    }

    /// Adds those of other ranges.
    pub fn add(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.t_bytes = self.t_bytes.saturating_add(other.t_bytes);
        self.t_entries = self.t_entries.saturating_add(other.t_entries);
        self.b = self.b.saturating_add(other.b);
        self.e = self.e.saturating_add(other.e);
        self.tt = self.tt.saturating_add(other.tt);
        self.bb = self.bb.saturating_add(other.bb);
        self.ee = self.ee.saturating_add(other.ee);
        self.tb = self.tb.saturating_add(other.tb);
        self.te = self.te.saturating_add(other.te);
        self.be = self.be.saturating_add(other.be);
    }
}

impl DatasetExpense {
    pub(crate) fn add_column(&mut self, name: &str, cost: &ColumnCost) {
        match self.columns.get_mut(name) {
            Some(known) => known.add(cost),
            None => drop(self.columns.insert(name.to_owned(), *cost)),
        }
    }
}

impl Expense {
    /// Adds a range of a file. It tells about others if it was `processed` and did not fail.
    pub(crate) fn add_range(&mut self, dataset: u32, file: u32, range: RangeExpense, processed: bool) {
        let RangeExpense { stages, bytes, entries, .. } = range;
        let of = self.datasets.entry(dataset).or_default();
        of.stages.add(&stages);
        if processed {
            of.moments.add(&Moments::of(&stages, bytes, entries));
        }
        self.files.entry(file).or_default().add(&FileExpense {
            time: stages.total(),
            bytes,
            entries,
            ranges: 1,
        });
        let at =
            self.slowest.partition_point(|slower| RangeExpense::order(slower) < RangeExpense::order(&range));
        if at < SLOWEST {
            self.slowest.insert(at, range);
            self.slowest.truncate(SLOWEST);
        }
    }

    /// So many threads have worked for so long.
    pub(crate) fn add_threads(&mut self, threads: usize, wall: Duration) {
        let wall = nanoseconds(wall);
        self.wall = self.wall.saturating_add(wall);
        self.threads = self.threads.saturating_add(wall.saturating_mul(threads as u64));
    }

    /// Adds what other ranges took.
    pub fn merge(&mut self, mut other: Self) {
        for (dataset, DatasetExpense { stages, columns, moments }) in other.datasets {
            let mine = self.datasets.entry(dataset).or_default();
            mine.stages.add(&stages);
            mine.moments.add(&moments);
            columns.iter().for_each(|(name, cost)| mine.add_column(name, cost));
        }
        // The smaller is looked through.
        if self.files.len() < other.files.len() {
            std::mem::swap(&mut self.files, &mut other.files);
        }
        for (file, expense) in other.files {
            self.files.entry(file).or_default().add(&expense);
        }
        self.slowest.append(&mut other.slowest);
        self.slowest.sort_by_key(RangeExpense::order);
        self.slowest.truncate(SLOWEST);
        self.merge_time = self.merge_time.saturating_add(other.merge_time);
        self.wall = self.wall.saturating_add(other.wall);
        self.threads = self.threads.saturating_add(other.threads);
    }

    /// Time by stage of all datasets.
    pub fn stages(&self) -> Stages {
        let mut all = Stages::default();
        self.datasets.values().for_each(|dataset| all.add(&dataset.stages));
        all
    }
}

impl FileExpense {
    fn add(&mut self, other: &Self) {
        self.time = self.time.saturating_add(other.time);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.entries = self.entries.saturating_add(other.entries);
        self.ranges = self.ranges.saturating_add(other.ranges);
    }
}

impl RangeExpense {
    /// The slowest first; the same for any order in which they come. One that was tried again is there for
    /// each try.
    fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse(self.stages.total()), self.range, self.stages.0, self.bytes, self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(number: u32) -> RangeExpense {
        let mut stages = Stages::default();
        // Some take equally long.
        stages[Stage::Read] = u64::from(number % 7);
        stages[Stage::Process] = u64::from(number * 31 % 101);
        RangeExpense { range: number, stages, bytes: 100 + u64::from(number), entries: 10 }
    }

    fn expense(ranges: impl IntoIterator<Item = u32>) -> Expense {
        let mut expense = Expense { merge_time: 1, ..Expense::default() };
        for number in ranges {
            expense.add_range(number % 3, number % 5, range(number), number % 11 != 0);
            let cost = ColumnCost { pieces: 1, stored: number.into(), ..ColumnCost::default() };
            let column = format!("c{}", number % 4);
            expense.datasets.entry(number % 3).or_default().add_column(&column, &cost);
            expense.merge_time += 1;
        }
        expense.merge_time -= 1;
        expense.add_threads(2, Duration::from_nanos(7));
        expense
    }

    #[test]
    fn ranges_add_up_to_the_same_in_any_order_and_grouping() {
        let mut whole = expense(0..400);
        for parts in [2, 3, 7, 100] {
            let part = |n: u32| expense((0..400).filter(move |range| range % parts == n));
            let mut left = Expense::default();
            (0..parts).rev().for_each(|n| left.merge(part(n)));
            let mut right = Expense::default();
            for n in 0..parts {
                let mut next = part(n);
                next.merge(right);
                right = next;
            }
            assert_eq!(left, right);
            (whole.wall, whole.threads) = (7 * u64::from(parts), 14 * u64::from(parts));
            assert_eq!(left, whole, "{parts}");
        }
        assert_eq!(whole.datasets.values().map(|dataset| dataset.moments.n).sum::<u64>(), 400 - 37);
        assert_eq!(whole.slowest.len(), SLOWEST);
        let slowest: Vec<u64> = whole.slowest.iter().map(|range| range.stages.total()).collect();
        let mut all: Vec<u64> = (0..400).map(|number| range(number).stages.total()).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(slowest, all[..SLOWEST]);
    }

    #[test]
    fn many_ranges_take_no_more_room_than_few() {
        let size = |ranges: u32| postcard::to_allocvec(&expense(0..ranges)).unwrap().len();
        // Larger numbers take some bytes more each.
        assert!(size(100_000) < 2 * size(1_000), "{} and {}", size(1_000), size(100_000));
    }

    #[test]
    fn moments_are_sums_of_products() {
        let mut stages = Stages::default();
        (stages[Stage::Read], stages[Stage::Decompress], stages[Stage::Process]) = (1, 2, 4);
        let mut moments = Moments::of(&stages, 10, 100);
        assert_eq!((moments.t_bytes, moments.t_entries, moments.tt, moments.tb), (3, 4, 49, 70));
        assert_eq!((moments.bb, moments.ee, moments.te, moments.be), (100, 10_000, 700, 1_000));
        moments.add(&moments.clone());
        assert_eq!((moments.n, moments.b, moments.e, moments.be), (2, 20, 200, 2_000));
    }

    #[test]
    fn time_moves_from_one_stage_to_another_and_none_is_lost() {
        let mut stages = Stages::default();
        stages[Stage::Decode] = 10;
        stages.shift(Stage::Decode, Stage::Decompress, Duration::from_nanos(7));
        stages.shift(Stage::Decode, Stage::Wait, Duration::from_nanos(9));
        assert_eq!((stages[Stage::Decode], stages[Stage::Decompress], stages[Stage::Wait]), (0, 7, 3));
        assert_eq!((stages.total(), stages.longest()), (10, Stage::Decompress));
    }
}
