//! How the results of two entry ranges become one.
use std::collections::BTreeMap;

use crate::{Error, Result};

/// A result that can absorb another of its kind.
///
/// Laws, which every implementation has tests for: what `Processor::output` returns is an identity,
/// and merging is associative (exactly for counts; for floating-point sums up to rounding, which is
/// why the order of merging is fixed by the entry ranges and never by which of them finished first).
pub trait Merge: Sized {
    /// Adds `other` to `self`. On an error `self` is unchanged or of no further use.
    fn merge(&mut self, other: Self) -> Result<()>;
}

macro_rules! merge_by_adding {
    ($($number:ty),*) => {$(
        impl Merge for $number {
            fn merge(&mut self, other: Self) -> Result<()> {
                *self += other;
                Ok(())
            }
        }
    )*};
}
merge_by_adding!(f32, f64);

macro_rules! merge_by_counting {
    ($($number:ty),*) => {$(
        impl Merge for $number {
            fn merge(&mut self, other: Self) -> Result<()> {
                *self = self.checked_add(other).ok_or_else(|| Error::Shape {
                    what: format!("the sum of two counts exceeds {}", <$number>::MAX),
                })?;
                Ok(())
            }
        }
    )*};
}
merge_by_counting!(u32, u64, usize, i32, i64);

/// Nothing to report, such as the output of a processor that only skims.
impl Merge for () {
    fn merge(&mut self, (): Self) -> Result<()> {
        Ok(())
    }
}

/// What exists on one side only is kept.
impl<T: Merge> Merge for Option<T> {
    fn merge(&mut self, other: Self) -> Result<()> {
        match (self, other) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (mine @ None, theirs) => {
                *mine = theirs;
                Ok(())
            }
            (Some(_), None) => Ok(()),
        }
    }
}

/// Element by element: both must have the same length.
impl<T: Merge> Merge for Vec<T> {
    fn merge(&mut self, other: Self) -> Result<()> {
        if self.len() != other.len() {
            let what = format!("{} elements in A and {} in B", self.len(), other.len());
            return Err(Error::Shape { what });
        }
        self.iter_mut().zip(other).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }
}

/// Element by element.
impl<T: Merge, const N: usize> Merge for [T; N] {
    fn merge(&mut self, other: Self) -> Result<()> {
        self.iter_mut().zip(other).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }
}

/// Key by key; a key of one side only is kept.
impl<T: Merge> Merge for BTreeMap<String, T> {
    fn merge(&mut self, other: Self) -> Result<()> {
        for (key, theirs) in other {
            match self.get_mut(&key) {
                Some(mine) => mine.merge(theirs).map_err(|error| error.of(&key))?,
                None => {
                    self.insert(key, theirs);
                }
            }
        }
        Ok(())
    }
}

macro_rules! merge_by_position {
    ($(($($part:ident $at:tt),+)),*) => {$(
        impl<$($part: Merge),+> Merge for ($($part,)+) {
            fn merge(&mut self, other: Self) -> Result<()> {
                $(self.$at.merge(other.$at)?;)+
                Ok(())
            }
        }
    )*};
}
merge_by_position!((A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3));
