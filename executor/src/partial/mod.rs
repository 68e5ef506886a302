//! What came of some of a job's ranges: their merged outputs, and an account of them.
//!
//! Partials of disjoint ranges merge in any grouping and order to the same bits: an output stays where it is
//! in the [merge tree](crate::merge_tree) until its sibling is there. One is what a worker gives for a
//! range, what a merge task gives, what a shard of a batch job leaves in a file, and what a whole run comes
//! to.

mod account;
mod encoding;
mod file;
mod gathering;
mod waiting;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub use account::{Account, Cost, FileAccount};
pub use encoding::{Head, MAGIC};
pub(crate) use file::MAGIC as FILE_MAGIC;
pub use file::{EXTENSION, PartialFile};
pub use gathering::{Gathered, Gathering};

use waiting::{Held, Turn, Waiting};

use crate::error::{Error, RunResult};
use crate::explain::nanoseconds;
use crate::memory::Memory;
use crate::merge_tree::{MergeTree, Node, Shape};
use crate::registry::AnyOutput;

/// An output; none where it could not be had.
pub type Had = Option<Box<dyn AnyOutput>>;

/// The merged outputs and the account of some ranges.
pub struct Partial {
    /// Outputs by place; none where nothing could be had.
    pub nodes: Vec<(Node, Had)>,
    /// What became of the ranges, and what it took.
    pub account: Account,
}

/// What partials merge in, from any thread.
pub struct Reduction {
    shape: Arc<Shape>,
    tree: MergeTree<Held>,
    waiting: Waiting,
    account: Mutex<Account>,
    /// Time spent on merging, in nanoseconds.
    merging: AtomicU64,
}

impl Partial {
    /// The failed ranges whose places are open: what was made of the others waits for them. They leave the
    /// account, so that it can be merged with one in which they are done.
    ///
    /// # Errors
    /// Where the outputs are not of the ranges that the account says.
    pub(crate) fn take_open_failures(&mut self, shape: &Shape) -> RunResult<BTreeMap<u32, String>> {
        let covered = self.check(shape)?;
        Ok(self.account.take_failed(|range| !are_in(&covered, range..range + 1)))
    }

    /// Makes sure that the outputs are of the ranges that the account says, each once: done ranges, and failed ones whose
    /// place is closed. Returns the runs of ranges that the outputs are of, sorted.
    ///
    /// # Errors
    /// Where they are of others.
    pub(crate) fn check(&self, shape: &Shape) -> RunResult<Vec<Range<u32>>> {
        let differs = || Error::Partial("its account is not of its outputs".to_owned());
        let mut each: Vec<Range<u32>> = self.nodes.iter().map(|(node, _)| shape.below(*node)).collect();
        each.sort_unstable_by_key(|run| run.start);
        if each.windows(2).any(|two| two[0].end > two[1].start) {
            return Err(differs());
        }
        let mut covered: Vec<Range<u32>> = Vec::new();
        for run in each {
            match covered.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => covered.push(run),
            }
        }
        let length = |runs: &mut dyn Iterator<Item = (u32, u32)>| -> u64 {
            runs.map(|(start, end)| u64::from(end - start)).sum()
        };
        let all = length(&mut covered.iter().map(|run| (run.start, run.end)));
        let done = self.account.done();
        let failed =
            self.account.failed().keys().filter(|range| are_in(&covered, **range..**range + 1)).count()
                as u64;
        // Done and failed ranges are apart: if they are as many as are covered and none is elsewhere, they
        // are the same.
        let in_place = done.iter().all(|&(start, end)| are_in(&covered, start..end));
        if !in_place || length(&mut done.iter().copied()) + failed != all {
            return Err(differs());
        }
        Ok(covered)
    }
}

/// Whether one of sorted runs has all of these ranges.
fn are_in(runs: &[Range<u32>], ranges: Range<u32>) -> bool {
    let at = runs.partition_point(|run| run.end <= ranges.start);
    runs.get(at).is_some_and(|run| run.start <= ranges.start && ranges.end <= run.end)
}

impl Reduction {
    /// Nothing of a job whose merge trees have this shape.
    pub fn new(shape: Arc<Shape>) -> Self {
        Self::with(shape, Waiting::new(None))
    }

    /// The same. What waits and has no room in memory does so in temporary files.
    pub fn within(memory: Memory, shape: Arc<Shape>) -> Self {
        Self::with(shape, Waiting::new(Some(memory)))
    }

    fn with(shape: Arc<Shape>, waiting: Waiting) -> Self {
        Self {
            tree: MergeTree::new(Arc::clone(&shape)),
            shape,
            waiting,
            account: Mutex::default(),
            merging: AtomicU64::new(0),
        }
    }

    /// Adds the output of a range; none if it could not be had.
    ///
    /// # Errors
    /// Where outputs cannot be merged: the processor booked them differently.
    pub fn add_range(&self, range: usize, output: Had) -> RunResult<()> {
        let leaf =
            self.shape.leaf(range).ok_or_else(|| Error::Partial(format!("there is no range {range}")))?;
        self.arrive(leaf, output)
    }

    fn arrive(&self, node: Node, output: Had) -> RunResult<()> {
        let begun = Instant::now();
        let held = output.map(|output| Held::Here(output, 0));
        // Until what comes of it waits, so that no other large one is made in the meantime.
        let turn = Turn::default();
        let merge = |held: &mut Held, other| self.waiting.merge(&turn, held, other);
        let result = self.tree.arrive_and_wait(node, held, merge, |held| self.waiting.park(held));
        self.merging.fetch_add(nanoseconds(begun.elapsed()), Ordering::Relaxed);
        result
    }

    /// Changes the account.
    pub fn note<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds what came of other ranges.
    ///
    /// # Errors
    /// Where a range is in both, or outputs cannot be merged.
    pub fn add(&self, partial: Partial) -> RunResult<()> {
        self.note(|account| account.merge(partial.account))?;
        for (node, output) in partial.nodes {
            self.arrive(node, output)?;
        }
        Ok(())
    }

    fn into_parts(self) -> (MergeTree<Held>, Waiting, Account) {
        let Self { tree, waiting, account, merging, .. } = self;
        let mut account = account.into_inner().unwrap_or_else(PoisonError::into_inner);
        let expense = account.expense_mut();
        expense.merge_time = expense.merge_time.saturating_add(merging.into_inner());
        (tree, waiting, account)
    }

    /// What has been added, merged as far as it can be; all of it in memory.
    ///
    /// # Errors
    /// Where what was in a temporary file cannot be read back.
    pub fn into_partial(self) -> RunResult<Partial> {
        let (tree, waiting, account) = self.into_parts();
        let nodes = tree.into_nodes().into_iter();
        let nodes = nodes.map(|(node, held)| Ok((node, held.map(|held| waiting.recall(held)).transpose()?)));
        Ok(Partial { nodes: nodes.collect::<RunResult<_>>()?, account })
    }

    /// The output of each dataset; none of one of which nothing was added.
    ///
    /// # Errors
    /// Where outputs cannot be merged.
    pub fn into_outputs(self) -> RunResult<(Vec<Had>, Account)> {
        let (tree, waiting, account) = self.into_parts();
        let turn = Turn::default();
        let roots = tree.into_roots(|held, other| waiting.merge(&turn, held, other))?.into_iter();
        let outputs = roots.map(|held| held.map(|held| waiting.recall(held)).transpose());
        Ok((outputs.collect::<RunResult<_>>()?, account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_of_the_outputs_and_of_places_that_are_open() {
        let shape = Shape::new(vec![vec![3, 2]], [(0, 0), (0, 0), (0, 0), (0, 1), (0, 1)]);
        let partial = |nodes: &[(Option<u32>, u32, u32)], done: &[u32], failed: &[u32]| {
            let mut account = Account::default();
            done.iter().for_each(|&range| account.add_done(range));
            failed.iter().for_each(|&range| account.add_failed(range, "gone".to_owned()));
            let node = |&(file, level, index): &_| (Node { dataset: 0, file, level, index }, None);
            Partial { nodes: nodes.iter().map(node).collect(), account }
        };
        let open = |mut partial: Partial| {
            let open = partial.take_open_failures(&shape)?;
            Ok((open.into_keys().collect::<Vec<_>>(), partial.account.failed().len()))
        };
        let good = |partial: Partial| open(partial).map_err(|error: Error| error.to_string());
        assert_eq!(good(partial(&[], &[], &[])), Ok((vec![], 0)));
        assert_eq!(good(partial(&[(Some(0), 1, 0)], &[0, 1], &[3, 4])), Ok((vec![3, 4], 0)));
        assert_eq!(good(partial(&[(Some(0), 1, 0)], &[0], &[1, 2])), Ok((vec![2], 1)));
        assert_eq!(good(partial(&[(None, 0, 0), (Some(1), 0, 1)], &[0, 1, 2, 4], &[3])), Ok((vec![3], 0)));
        for bad in [
            partial(&[], &[0], &[]),
            partial(&[(Some(0), 0, 0)], &[], &[]),
            partial(&[(Some(0), 0, 0)], &[1], &[]),
            partial(&[(Some(0), 1, 0)], &[0, 2], &[]),
            partial(&[(Some(0), 0, 0), (Some(0), 1, 0)], &[0, 1], &[]),
        ] {
            assert!(open(bad).is_err());
        }
    }
}
