//! The reduction of partial outputs to one for each dataset.
//!
//! Two siblings merge, the lower first, as soon as both have arrived. The tree of a dataset is binary, over
//! the ranges of each file and then over the files, so that its shape depends on the files and on how they
//! are split, and on nothing else: floating-point sums round the same way for any number of workers, any
//! order of completion, and any grouping of what was merged where. A file that cannot be opened leaves the
//! others where they are.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A place in the tree of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// The dataset.
    pub dataset: u32,
    /// Whose ranges it is over, by the file's place in the dataset; none if it is over whole files.
    pub file: Option<u32>,
    /// How far above the leaves: the ranges of `file`, or else the files.
    pub level: u32,
    /// Which of its level, from the left.
    pub index: u32,
}

impl Node {
    /// By distance from the leaves.
    fn height(self) -> (bool, u32, Self) {
        (self.file.is_none(), self.level, self)
    }
}

/// The trees of all datasets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shape {
    datasets: Vec<Files>,
    /// The leaf of each range.
    leaves: Vec<Node>,
}

/// The files of a dataset.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    /// How many ranges each has.
    ranges: Vec<u32>,
    /// How many of the files before each, and of all, have any.
    before: Vec<u32>,
}

impl Shape {
    /// The trees over the ranges of files, where `files` gives for each dataset how many ranges each of its
    /// files has, and `ranges` the file of each range: its dataset, and its place in it. The ranges of a
    /// file are in order.
    ///
    /// # Panics
    /// If a range is of no file.
    pub fn new(files: Vec<Vec<u32>>, ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut reached: Vec<Vec<u32>> = files.iter().map(|files| vec![0; files.len()]).collect();
        let leaves = ranges.into_iter().map(|(dataset, file)| {
            let index = &mut reached[dataset as usize][file as usize];
            *index += 1;
            Node { dataset, file: Some(file), level: 0, index: *index - 1 }
        });
        let leaves = leaves.collect();
        let datasets = files.into_iter().map(|ranges| {
            let mut before = vec![0];
            before.extend(ranges.iter().scan(0, |sum, &n| {
                *sum += u32::from(n > 0);
                Some(*sum)
            }));
            Files { ranges, before }
        });
        Self { datasets: datasets.collect(), leaves }
    }

    /// How many ranges there are.
    pub fn ranges(&self) -> usize {
        self.leaves.len()
    }

    /// How many datasets there are.
    pub fn datasets(&self) -> usize {
        self.datasets.len()
    }

    /// The leaf of a range.
    pub fn leaf(&self, range: usize) -> Option<Node> {
        self.leaves.get(range).copied()
    }

    /// The ranges that merge into a place, which the shape [holds](Self::holds).
    pub(crate) fn below(&self, node: Node) -> Range<u32> {
        let first_of = |index: u64| {
            let reached = u32::try_from(index << node.level).unwrap_or(u32::MAX);
            let (file, index) = node.file.map_or((reached, 0), |file| (file, reached));
            let first = Node { file: Some(file), level: 0, index, ..node };
            // The leaves of files in order, each file's in order, are sorted.
            self.leaves.partition_point(|leaf| *leaf < first) as u32
        };
        first_of(node.index.into())..first_of(u64::from(node.index) + 1)
    }

    /// Whether there is such a place, with ranges below it.
    pub fn holds(&self, node: Node) -> bool {
        let Some(files) = self.datasets.get(node.dataset as usize) else { return false };
        let leaves = match node.file {
            Some(file) => files.ranges.get(file as usize).copied().unwrap_or(0),
            None => files.ranges.len() as u32,
        };
        node.level < u32::BITS && node.index < width(leaves, node.level) && !self.is_empty(node)
    }

    /// The top of a dataset's tree; none if it has no ranges.
    pub fn root(&self, dataset: u32) -> Option<Node> {
        let files = self.datasets.get(dataset as usize)?;
        let level = top(files.ranges.len() as u32);
        Some(Node { dataset, file: None, level, index: 0 }).filter(|&node| !self.is_empty(node))
    }

    /// What two places merge into, and the other of them; itself none if nothing will ever come of it.
    fn parent(&self, node: Node) -> Option<(Node, Option<Node>)> {
        let files = &self.datasets[node.dataset as usize];
        let leaves = match node.file {
            Some(file) => files.ranges[file as usize],
            None => files.ranges.len() as u32,
        };
        let width = width(leaves, node.level);
        if width > 1 {
            let sibling = Node { index: node.index ^ 1, ..node };
            let up = Node { level: node.level + 1, index: node.index / 2, ..node };
            return Some((up, Some(sibling).filter(|s| s.index < width && !self.is_empty(*s))));
        }
        let file = node.file?;
        Some((Node { file: None, level: 0, index: file, ..node }, None))
    }

    /// What merges into a place, the lower first; nothing for a range's leaf.
    pub(crate) fn children(&self, node: Node) -> Vec<Node> {
        if node.level > 0 {
            let below = |index| Node { level: node.level - 1, index, ..node };
            let two = [below(2 * node.index), below(2 * node.index + 1)];
            return two.into_iter().filter(|&child| self.holds(child)).collect();
        }
        if node.file.is_some() {
            return Vec::new();
        }
        let ranges = self.datasets[node.dataset as usize].ranges[node.index as usize];
        let whole = Node { file: Some(node.index), level: top(ranges), index: 0, ..node };
        (ranges > 0).then_some(whole).into_iter().collect()
    }

    fn is_empty(&self, node: Node) -> bool {
        let files = &self.datasets[node.dataset as usize];
        if let Some(file) = node.file {
            return files.ranges[file as usize] == 0;
        }
        let at = |index: u64| files.before[(index << node.level).min(files.ranges.len() as u64) as usize];
        at(u64::from(node.index)) == at(u64::from(node.index) + 1)
    }
}

/// How many places a level has.
fn width(leaves: u32, level: u32) -> u32 {
    u64::from(leaves).div_ceil(1 << level) as u32
}

/// The level that has one place.
fn top(leaves: u32) -> u32 {
    leaves.max(1).next_power_of_two().trailing_zeros()
}

/// Trees of `T`s that arrive one by one, from any thread. A `None` is what could not be had.
pub struct MergeTree<T> {
    shape: Arc<Shape>,
    waiting: Mutex<HashMap<Node, Option<T>>>,
}

impl<T> MergeTree<T> {
    /// Nothing has arrived.
    pub fn new(shape: Arc<Shape>) -> Self {
        Self { shape, waiting: Mutex::default() }
    }

    /// Something has arrived at a place, which [`Shape::holds`]. Merges as far up as siblings are there,
    /// on the calling thread, and outside any lock.
    ///
    /// # Errors
    /// The first error of `merge`; the tree is of no use then.
    pub fn arrive<E>(
        &self,
        node: Node,
        value: Option<T>,
        merge: impl Fn(&mut T, T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.arrive_and_wait(node, value, merge, |value| value)
    }

    /// The same, where `park` is given what has to wait, and may put it elsewhere. It is called outside any
    /// lock too.
    ///
    /// # Errors
    /// The same.
    pub fn arrive_and_wait<E>(
        &self,
        node: Node,
        value: Option<T>,
        merge: impl Fn(&mut T, T) -> Result<(), E>,
        park: impl Fn(T) -> T,
    ) -> Result<(), E> {
        let (mut node, mut value) = (node, value);
        while let Some((parent, sibling)) = self.shape.parent(node) {
            if let Some(sibling) = sibling {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let mut other = waiting.remove(&sibling);
                if other.is_none() {
                    drop(waiting);
                    value = value.map(&park);
                    waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    // It may have come meanwhile.
                    other = waiting.remove(&sibling);
                }
                let Some(other) = other else {
                    waiting.insert(node, value);
                    return Ok(());
                };
                drop(waiting);
                let (left, right) = if node < sibling { (value, other) } else { (other, value) };
                value = joined(left, right, &merge)?;
            }
            node = parent;
        }
        let value = value.map(park);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(node, value);
        Ok(())
    }

    /// What has arrived, merged as far as siblings are there, by place.
    pub fn into_nodes(self) -> Vec<(Node, Option<T>)> {
        let waiting = self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: Vec<_> = waiting.into_iter().collect();
        nodes.sort_unstable_by_key(|(node, _)| *node);
        nodes
    }

    /// The whole of each dataset. What has not arrived is taken as what could not be had.
    ///
    /// # Errors
    /// The first error of `merge`.
    pub fn into_roots<E>(self, merge: impl Fn(&mut T, T) -> Result<(), E>) -> Result<Vec<Option<T>>, E> {
        let mut roots: Vec<Option<T>> = Vec::new();
        roots.resize_with(self.shape.datasets(), || None);
        let shape = Arc::clone(&self.shape);
        let mut waiting: BTreeMap<_, _> =
            self.into_nodes().into_iter().map(|(node, value)| (node.height(), value)).collect();
        while let Some(((.., node), mut value)) = waiting.pop_first() {
            let Some((parent, sibling)) = shape.parent(node) else {
                roots[node.dataset as usize] = value;
                continue;
            };
            // All below this height has been merged: a sibling that is not here is nowhere.
            if let Some(other) = sibling.and_then(|sibling| waiting.remove(&sibling.height())) {
                value = joined(value, other, &merge)?;
            }
            waiting.insert(parent.height(), value);
        }
        Ok(roots)
    }
}

fn joined<T, E>(
    left: Option<T>,
    right: Option<T>,
    merge: impl Fn(&mut T, T) -> Result<(), E>,
) -> Result<Option<T>, E> {
    Ok(match (left, right) {
        (Some(mut left), Some(right)) => {
            merge(&mut left, right)?;
            Some(left)
        }
        (one, other) => one.or(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn of(files: &[u32]) -> Arc<Shape> {
        let ranges = files.iter().enumerate().flat_map(|(file, &n)| vec![(0, file as u32); n as usize]);
        Arc::new(Shape::new(vec![files.to_vec()], ranges))
    }

    /// Merging writes the tree down, so that its shape can be compared.
    fn write(a: &mut String, b: String) -> Result<(), Infallible> {
        *a = format!("({a} {b})");
        Ok(())
    }

    fn arrived(shape: &Arc<Shape>, order: &[usize], failed: &[usize]) -> MergeTree<String> {
        let tree = MergeTree::new(Arc::clone(shape));
        for &range in order {
            let value = (!failed.contains(&range)).then(|| range.to_string());
            tree.arrive(shape.leaf(range).unwrap(), value, write).unwrap();
        }
        tree
    }

    fn root(files: &[u32], order: &[usize], failed: &[usize]) -> Option<String> {
        arrived(&of(files), order, failed).into_roots(write).unwrap().pop().unwrap()
    }

    #[test]
    fn the_order_of_arrival_does_not_change_the_shape() {
        let want = Some("(((0 1) (2 3)) 4)".to_owned());
        assert_eq!(root(&[5], &[0, 1, 2, 3, 4], &[]), want);
        assert_eq!(root(&[5], &[4, 2, 0, 3, 1], &[]), want);
        assert_eq!(root(&[5], &[3, 1, 4, 0, 2], &[]), want);
    }

    #[test]
    fn ranges_merge_within_their_file_and_then_the_files() {
        let want = Some("((((0 1) 2) 3) (4 5))".to_owned());
        assert_eq!(root(&[3, 1, 2], &[0, 1, 2, 3, 4, 5], &[]), want);
        assert_eq!(root(&[3, 1, 2], &[5, 0, 4, 3, 1, 2], &[]), want);
        // Files without ranges take no part, and move no others.
        assert_eq!(root(&[3, 1, 0, 0, 0, 2], &[5, 0, 4, 3, 1, 2], &[]), want);
        assert_eq!(root(&[0, 0, 2, 0, 1], &[0, 1, 2], &[]), Some("((0 1) 2)".to_owned()));
    }

    #[test]
    fn a_failed_range_leaves_the_others_where_they_are() {
        assert_eq!(root(&[4], &[2, 0, 3, 1], &[1]), Some("(0 (2 3))".to_owned()));
        assert_eq!(root(&[2], &[0, 1], &[0, 1]), None);
        // And so does one that never arrives.
        assert_eq!(root(&[4], &[2, 0, 3], &[]), Some("(0 (2 3))".to_owned()));
        assert_eq!(root(&[3, 2], &[4, 1], &[]), Some("(1 4)".to_owned()));
        assert_eq!(root(&[2], &[], &[]), None);
    }

    #[test]
    fn what_was_merged_elsewhere_arrives_as_what_it_is() {
        let shape = of(&[3, 6, 1, 0, 7]);
        let all: Vec<usize> = (0..shape.ranges()).collect();
        let want = arrived(&shape, &all, &[4]).into_roots(write).unwrap();
        for parts in [1, 2, 3, 5, 17] {
            let tree = MergeTree::new(Arc::clone(&shape));
            // Interleaved, so that few siblings are in one part.
            for part in (0..parts).rev() {
                let order: Vec<usize> = all.iter().copied().filter(|range| range % parts == part).collect();
                for (node, value) in arrived(&shape, &order, &[4]).into_nodes() {
                    assert!(shape.holds(node));
                    tree.arrive(node, value, write).unwrap();
                }
            }
            assert_eq!(tree.into_roots(write).unwrap(), want);
        }
    }

    #[test]
    fn neighbours_need_few_nodes() {
        let shape = of(&[1000]);
        let some: Vec<usize> = (13..789).collect();
        assert!(arrived(&shape, &some, &[]).into_nodes().len() < 20);
    }

    #[test]
    fn what_is_below_a_place_is_a_run_of_ranges() {
        let shape = of(&[3, 0, 2, 1]);
        let below = |file, level, index| shape.below(Node { dataset: 0, file, level, index });
        assert_eq!([below(Some(0), 0, 1), below(Some(0), 1, 0), below(Some(0), 1, 1)], [1..2, 0..2, 2..3]);
        assert_eq!([below(Some(0), 2, 0), below(Some(2), 0, 1)], [0..3, 4..5]);
        assert_eq!(
            [below(None, 0, 2), below(None, 1, 0), below(None, 1, 1), below(None, 2, 0)],
            [3..5, 0..3, 3..6, 0..6]
        );
    }

    #[test]
    fn places_that_are_not_are_told() {
        let shape = of(&[3, 0]);
        let node = |file, level, index| Node { dataset: 0, file, level, index };
        for here in [node(Some(0), 0, 2), node(Some(0), 2, 0), node(None, 0, 0), node(None, 1, 0)] {
            assert!(shape.holds(here), "{here:?}");
        }
        let absent = [
            node(Some(0), 0, 3),
            node(Some(0), 40, 0),
            node(Some(1), 0, 0),
            node(None, 0, 1),
            node(None, 9, 1),
        ];
        for absent in absent {
            assert!(!shape.holds(absent), "{absent:?}");
        }
        assert!(!shape.holds(Node { dataset: 1, ..node(None, 0, 0) }));
    }
}
