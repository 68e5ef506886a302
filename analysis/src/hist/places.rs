//! The places of a block of numbers on an axis, each that which [`Axis::index_of_number`] finds.

use hep_columns::simd::widest;

use super::variable::Grid;
use super::{Axis, Bins, Regular, integer, regular, variable};

/// Numbers that are given a place at once.
pub(super) const BLOCK: usize = 256;

/// A sum with it is rounded to an integer, which stands in the last bits of the sum; half way to an even one.
/// Doubles all the way, because baseline x86 has no vectors of wide integers.
pub(super) const ROUND: f64 = 6755399441055744.0; // 1.5 * 2^52

/// How the places on an axis are found.
pub(super) enum Search<'a> {
    Regular(&'a Regular),
    Integers { low: i32, high: i64 },
    Grid(Grid),
    Sorted(&'a [f64]),
}

impl<'a> Search<'a> {
    pub(super) fn new(axis: &'a Axis) -> Self {
        match axis.bins() {
            Bins::Regular(axis) => Self::Regular(axis),
            Bins::Variable(axis) => Grid::new(axis.edges()).map_or(Self::Sorted(axis.edges()), Self::Grid),
            Bins::Integer(axis) => Self::Integers { low: axis.low(), high: axis.high().into() },
            // A number is that of a name.
            Bins::Category(axis) => Self::Integers { low: 0, high: axis.names().len() as i64 },
        }
    }

    pub(super) fn find(&self, numbers: &[f64; BLOCK], places: &mut [u32; BLOCK]) {
        match self {
            Self::Regular(axis) => widest(regular::Places { axis, numbers, places }),
            Self::Integers { low, high } => {
                let (low, high) = (f64::from(*low), *high as f64);
                widest(integer::Places { low, high, numbers, places });
            }
            Self::Grid(grid) => grid.find(numbers, places),
            Self::Sorted(edges) => variable::find(edges, numbers, places),
        }
    }
}

/// What is no number, or hardly one: for tests of places.
#[cfg(test)]
pub(super) const EXTREMES: [f64; 8] =
    [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 0.0, -0.0];
