use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use hep_io::source::HostTraffic;
use serde::{Deserialize, Serialize};

use crate::error::{Error, RunResult};
use crate::explain::Expense;
use crate::interrupt::Interrupt;

/// What became of some of a job's ranges, and what it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The ranges that are in the output, by their numbers: half-open runs, sorted, apart.
    done: Vec<(u32, u32)>,
    /// The ranges that could not be had, with the reason.
    failed: BTreeMap<u32, String>,
    /// By the file's number in the fileset.
    files: BTreeMap<u32, FileAccount>,
    /// By the dataset's number in the fileset.
    costs: BTreeMap<u32, Cost>,
    /// How many entries' outputs were kept of an earlier run.
    kept: u64,
    /// What went to and from each host, where other processes than the one that concludes the run were.
    traffic: BTreeMap<String, HostTraffic>,
    /// What happened that a person may want to know and that is no failure.
    notices: Vec<String>,
    /// Where the time and the bytes went.
    expense: Expense,
}

/// How it went with a file, where not everything came from its path at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAccount {
    /// How many times a range was tried again.
    pub retries: u64,
    /// The replicas that bytes came from, by their place in the list.
    pub replicas: BTreeSet<u32>,
}

/// What it took to process a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Compressed bytes that were read.
    pub bytes: u64,
    /// Processor time of all workers.
    pub cpu: Duration,
    /// When the first range began and the last ended, since 1970, by the workers' clocks.
    pub span: Option<(Duration, Duration)>,
}

/// Notices that are kept. In a bad night every range has something to tell.
const NOTICES: usize = 200;

impl Account {
    /// The ranges that are in the output: half-open runs of their numbers, sorted, apart.
    pub fn done(&self) -> &[(u32, u32)] {
        &self.done
    }

    /// The ranges that could not be had, with the reason.
    pub fn failed(&self) -> &BTreeMap<u32, String> {
        &self.failed
    }

    /// By the file's number in the fileset.
    pub fn files(&self) -> &BTreeMap<u32, FileAccount> {
        &self.files
    }

    /// What a dataset took.
    pub fn cost(&self, dataset: u32) -> Cost {
        self.costs.get(&dataset).copied().unwrap_or_default()
    }

    /// What all datasets took.
    pub fn total_cost(&self) -> Cost {
        let mut total = Cost::default();
        self.costs.values().for_each(|cost| total.add(*cost));
        total
    }

    /// How many entries' outputs were kept of an earlier run.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// What went to and from each host, where other processes than the one that concludes the run were.
    pub fn traffic(&self) -> impl Iterator<Item = &HostTraffic> {
        self.traffic.values()
    }

    /// What happened that a person may want to know and that is no failure.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Where the time and the bytes went.
    pub fn expense(&self) -> &Expense {
        &self.expense
    }

    pub(crate) fn expense_mut(&mut self) -> &mut Expense {
        &mut self.expense
    }

    /// Whether a range is in the output or could not be had.
    pub fn holds(&self, range: u32) -> bool {
        self.first_done((range, range + 1)).is_some() || self.failed.contains_key(&range)
    }

    /// A range is in the output.
    pub(crate) fn add_done(&mut self, range: u32) {
        self.add_run((range, range + 1));
    }

    /// Ranges are in the output, of which none was before.
    fn add_run(&mut self, (start, end): (u32, u32)) {
        // Ranges end about in order: the place is at the end, or near it.
        let at = self.done.partition_point(|(known, _)| *known < start);
        let after_last = at > 0 && self.done[at - 1].1 == start;
        let before_next = self.done.get(at).is_some_and(|(next, _)| *next == end);
        match (after_last, before_next) {
            (true, true) => self.done[at - 1].1 = self.done.remove(at).1,
            (true, false) => self.done[at - 1].1 = end,
            (false, true) => self.done[at].0 = start,
            (false, false) => self.done.insert(at, (start, end)),
        }
    }

    /// The first range of a half-open run that is in the output.
    fn first_done(&self, (start, end): (u32, u32)) -> Option<u32> {
        let at = self.done.partition_point(|(_, end)| *end <= start);
        self.done.get(at).map(|(known, _)| start.max(*known)).filter(|first| *first < end)
    }

    /// A range could not be had.
    pub(crate) fn add_failed(&mut self, range: u32, reason: String) {
        self.failed.insert(range, reason);
    }

    /// If a signal has ended the run: what was asked for and is neither done nor failed is missing because of that.
    pub(crate) fn add_interrupted(&mut self, asked: &[usize], interrupt: Interrupt) {
        let Some(signal) = interrupt.signal() else { return };
        for at in asked.iter().map(|&at| at as u32) {
            if !self.holds(at) {
                self.add_failed(at, signal.reason());
            }
        }
    }

    /// Takes out those failed ranges for which `which` says so.
    pub(super) fn take_failed(&mut self, which: impl Fn(u32) -> bool) -> BTreeMap<u32, String> {
        let (taken, kept) =
            std::mem::take(&mut self.failed).into_iter().partition(|(range, _)| which(*range));
        self.failed = kept;
        taken
    }

    /// A file's ranges were tried again so often, and bytes came from these replicas.
    pub(crate) fn add_file(&mut self, file: u32, retries: u64, replicas: impl IntoIterator<Item = u32>) {
        let mut replicas = replicas.into_iter().peekable();
        if retries > 0 || replicas.peek().is_some() {
            let known = self.files.entry(file).or_default();
            known.retries = known.retries.saturating_add(retries);
            known.replicas.extend(replicas);
        }
    }

    pub(crate) fn add_cost(&mut self, dataset: u32, cost: Cost) {
        self.costs.entry(dataset).or_default().add(cost);
    }

    pub(crate) fn add_kept(&mut self, entries: u64) {
        self.kept = self.kept.saturating_add(entries);
    }

    pub(crate) fn add_traffic(&mut self, host: HostTraffic) {
        match self.traffic.get_mut(&host.host) {
            Some(known) => known.add(&host),
            None => drop(self.traffic.insert(host.host.clone(), host)),
        }
    }

    /// Keeps a notice, unless it is known or there are many; how many there are then, if it is new.
    pub(crate) fn add_notice(&mut self, notice: String) -> Option<usize> {
        if self.notices.contains(&notice) || self.notices.len() >= NOTICES {
            return None;
        }
        self.notices.push(notice);
        Some(self.notices.len())
    }

    /// Takes the notices out.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Adds the account of other ranges. The smaller is looked through, whichever it is: many accounts are
    /// added to one.
    ///
    /// # Errors
    /// Where a range is in both.
    pub(crate) fn merge(&mut self, mut other: Self) -> RunResult<()> {
        let twice = |range: u32| {
            Error::Partial(format!(
                "range {range} is in two of the partial outputs: merged, it would count twice"
            ))
        };
        if self.done.len() + self.failed.len() < other.done.len() + other.failed.len() {
            std::mem::swap(&mut self.done, &mut other.done);
            std::mem::swap(&mut self.failed, &mut other.failed);
        }
        for &(start, end) in &other.done {
            let failed = self.failed.range(start..end).next().map(|(range, _)| *range);
            if let Some(range) = self.first_done((start, end)).or(failed) {
                return Err(twice(range));
            }
        }
        for (range, reason) in other.failed {
            if self.holds(range) {
                return Err(twice(range));
            }
            self.failed.insert(range, reason);
        }
        if other.done.len() < self.done.len() / 16 {
            other.done.into_iter().for_each(|run| self.add_run(run));
        } else {
            // About as many: each in its place would move the others each time.
            let mut all = std::mem::take(&mut self.done);
            all.extend(other.done);
            all.sort();
            for (start, end) in all {
                match self.done.last_mut() {
                    Some(last) if last.1 == start => last.1 = end,
                    _ => self.done.push((start, end)),
                }
            }
        }
        for (file, FileAccount { retries, replicas }) in other.files {
            self.add_file(file, retries, replicas);
        }
        other.costs.into_iter().for_each(|(dataset, cost)| self.add_cost(dataset, cost));
        self.add_kept(other.kept);
        other.traffic.into_values().for_each(|host| self.add_traffic(host));
        for notice in other.notices {
            self.add_notice(notice);
        }
        self.expense.merge(other.expense);
        Ok(())
    }

    /// That what comes from a stranger is as it has to be.
    pub(super) fn check(&self, ranges: u32) -> Result<(), &'static str> {
        let sorted = self.done.windows(2).all(|two| two[0].1 < two[1].0);
        let ends = self.done.iter().all(|(start, end)| start < end && *end <= ranges);
        if !sorted || !ends || self.failed.keys().any(|range| *range >= ranges) {
            return Err("its account is of ranges that the job does not have");
        }
        if self.failed.keys().any(|&range| self.first_done((range, range + 1)).is_some()) {
            return Err("its account says of a range that it is done and that it failed");
        }
        Ok(())
    }
}

impl Cost {
    /// Adds what something else took.
    pub fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.span = match (self.span, other.span) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
    }

    /// From the start of the first range to the end of the last.
    pub fn wall(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(first, last)| last.saturating_sub(first))
    }

    /// The time since 1970.
    pub(crate) fn now() -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(done: &[u32], failed: &[u32]) -> Account {
        let mut account = Account::default();
        done.iter().for_each(|&range| account.add_done(range));
        failed.iter().for_each(|&range| account.add_failed(range, "gone".into()));
        account
    }

    #[test]
    fn ranges_in_any_order_are_runs() {
        assert_eq!(account(&[4, 0, 1, 7, 3, 2, 6], &[]).done, [(0, 5), (6, 8)]);
        assert_eq!(account(&[2, 0], &[]).done, [(0, 1), (2, 3)]);
    }

    #[test]
    fn accounts_of_other_ranges_add_up() {
        let mut all = account(&[0, 1, 5], &[3]);
        all.merge(account(&[2, 6], &[4])).unwrap();
        assert_eq!(all, account(&[0, 1, 2, 5, 6], &[3, 4]));
        assert_eq!(all.done, [(0, 3), (5, 7)]);
        assert!(all.holds(2) && all.holds(3) && !all.holds(7));
    }

    /// Of many a night in which every other range fails: this ends only if a merge does not look at all of
    /// them.
    #[test]
    fn accounts_of_many_failures_add_up_one_by_one() {
        const RANGES: u32 = 200_000;
        let mut all = Account::default();
        for range in 0..RANGES {
            let one = match range % 2 {
                0 => account(&[range], &[]),
                _ => account(&[], &[range]),
            };
            all.merge(one).unwrap();
        }
        assert_eq!((all.done.len(), all.failed.len()), (RANGES as usize / 2, RANGES as usize / 2));
        // In any order and grouping it is the same.
        let every = |n: u32, of: u32| {
            let mine = (0..400).filter(|range| range % of == n);
            let (done, failed): (Vec<u32>, Vec<u32>) = mine.partition(|range| range % 3 != 1);
            account(&done, &failed)
        };
        for of in [2, 3, 5, 100] {
            let mut some = Account::default();
            (0..of).rev().for_each(|n| some.merge(every(n, of)).unwrap());
            assert_eq!(some, every(0, 1), "{of}");
        }
    }

    #[test]
    fn a_range_in_two_accounts_is_an_error() {
        let many: Vec<u32> = (0..99).map(|at| 2 * at).collect();
        let twice = [
            (account(&many, &[]), account(&[98], &[])),
            (account(&many, &[]), account(&[], &[98])),
            (account(&[], &many), account(&[97, 98], &[])),
            (account(&[98], &[]), account(&many, &[])),
            (account(&[0, 1], &[]), account(&[1], &[])),
            (account(&[0], &[1]), account(&[1], &[])),
            (account(&[1], &[]), account(&[], &[1])),
            (account(&[], &[2]), account(&[], &[2])),
        ];
        for (mut one, other) in twice {
            assert!(one.merge(other).unwrap_err().to_string().contains("would count twice"));
        }
    }

    #[test]
    fn an_account_of_ranges_that_are_not_is_refused() {
        assert!(account(&[0, 1], &[2]).check(3).is_ok());
        assert!(account(&[0, 1], &[2]).check(2).is_err());
        let wrong = Account { done: vec![(3, 2)], ..Account::default() };
        assert!(wrong.check(9).is_err());
        let wrong = Account { done: vec![(0, 2), (1, 3)], ..Account::default() };
        assert!(wrong.check(9).is_err());
        assert!(account(&[0, 1], &[1]).check(9).is_err());
    }
}
