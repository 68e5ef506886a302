//! The reduction of partial outputs to one.
//!
//! A binary tree over the leaves' numbers: two siblings merge, the lower number first, as soon as
//! both have arrived. Its shape depends on the number of leaves alone, so floating-point sums round
//! the same way for any number of workers and any order of completion, and only about as many
//! partial outputs as there are workers wait at any time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A tree of `T`s that arrive one by one, from any thread.
pub struct MergeTree<T> {
    leaves: usize,
    waiting: Mutex<HashMap<(u32, usize), Option<T>>>,
}

impl<T> MergeTree<T> {
    /// A tree of `leaves` leaves.
    pub fn new(leaves: usize) -> Self {
        Self { leaves, waiting: Mutex::new(HashMap::new()) }
    }

    /// Leaf `leaf` has arrived, or has failed and is `None`. Merges as far up as siblings are there,
    /// on the calling thread, and outside any lock.
    ///
    /// # Errors
    /// The first error of `merge`; the tree is of no use then.
    pub fn arrive<E>(
        &self,
        leaf: usize,
        value: Option<T>,
        merge: impl Fn(&mut T, T) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut level, mut index, mut value) = (0, leaf, value);
        let mut width = self.leaves;
        while width > 1 {
            let sibling = index ^ 1;
            if sibling < width {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(other) = waiting.remove(&(level, sibling)) else {
                    waiting.insert((level, index), value);
                    return Ok(());
                };
                drop(waiting);
                let (left, right) = if index < sibling { (value, other) } else { (other, value) };
                value = match (left, right) {
                    (Some(mut left), Some(right)) => {
                        merge(&mut left, right)?;
                        Some(left)
                    }
                    (one, other) => one.or(other),
                };
            }
            (level, index, width) = (level + 1, index / 2, width.div_ceil(2));
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert((u32::MAX, 0), value);
        Ok(())
    }

    /// The merged whole, once every leaf has arrived; none if all have failed or some are missing.
    pub fn into_root(self) -> Option<T> {
        let mut waiting = self.waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&(u32::MAX, 0)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::MergeTree;
    use std::convert::Infallible;

    /// Merging writes the tree down, so that its shape can be compared.
    fn shape(order: &[usize], leaves: usize, failed: &[usize]) -> Option<String> {
        let tree = MergeTree::new(leaves);
        for &leaf in order {
            let value = (!failed.contains(&leaf)).then(|| leaf.to_string());
            let merge = |a: &mut String, b: String| {
                *a = format!("({a} {b})");
                Ok::<(), Infallible>(())
            };
            tree.arrive(leaf, value, merge).unwrap();
        }
        tree.into_root()
    }

    #[test]
    fn the_order_of_arrival_does_not_change_the_shape() {
        let want = Some("(((0 1) (2 3)) 4)".to_owned());
        assert_eq!(shape(&[0, 1, 2, 3, 4], 5, &[]), want);
        assert_eq!(shape(&[4, 2, 0, 3, 1], 5, &[]), want);
        assert_eq!(shape(&[3, 1, 4, 0, 2], 5, &[]), want);
    }

    #[test]
    fn a_failed_leaf_leaves_the_others_where_they_are() {
        assert_eq!(shape(&[2, 0, 3, 1], 4, &[1]), Some("(0 (2 3))".to_owned()));
        assert_eq!(shape(&[0, 1], 2, &[0, 1]), None);
    }

    #[test]
    fn one_leaf_is_its_own_root_and_a_missing_leaf_gives_none() {
        assert_eq!(shape(&[0], 1, &[]), Some("0".to_owned()));
        assert_eq!(shape(&[0, 2], 3, &[]), None);
    }
}
