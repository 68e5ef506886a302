//! The places of a block of numbers on an axis, each that which [`Axis::index_of_number`] finds.

use std::borrow::Cow;

use hep_columns::simd::{Kernel, widest};

use super::variable::Grid;
use super::{Axis, Bins, Regular, Variable, integer, regular, variable};

/// Numbers that are given a place at once.
pub(super) const BLOCK: usize = 256;

/// A sum with it is rounded to an integer, which stands in the last bits of the sum; half way to an even one.
/// Doubles all the way, because baseline x86 has no vectors of wide integers.
pub(super) const ROUND: f64 = 6755399441055744.0; // 1.5 * 2^52

/// The grid of an axis that may have one.
pub(super) fn grid(axis: &Axis) -> Option<Grid> {
    match axis.bins() {
        Bins::Variable(axis) => Grid::new(axis.edges()),
        _ => None,
    }
}

/// How the places on an axis are found.
pub(super) enum Search<'a> {
    Regular(&'a Regular),
    Integers { low: i32, high: i64 },
    Grid(Cow<'a, Grid>),
    Sorted(&'a [f64]),
    EachOf(&'a Variable),
}

impl<'a> Search<'a> {
    /// For many blocks.
    pub(super) fn new(axis: &'a Axis) -> Self {
        match Self::of_few(axis) {
            Self::EachOf(axis) => Grid::new(axis.edges())
                .map_or(Self::Sorted(axis.edges()), |grid| Self::Grid(Cow::Owned(grid))),
            search => search,
        }
    }

    /// For blocks now and then, with the grid of an axis that has one.
    pub(super) fn with(axis: &'a Axis, grid: Option<&'a Grid>) -> Self {
        grid.map_or_else(|| Self::of_few(axis), |grid| Self::Grid(Cow::Borrowed(grid)))
    }

    /// For one block, which no grid pays for.
    pub(super) fn of_few(axis: &'a Axis) -> Self {
        match axis.bins() {
            Bins::Regular(axis) => Self::Regular(axis),
            Bins::Variable(axis) => Self::EachOf(axis),
            Bins::Integer(axis) => Self::Integers { low: axis.low(), high: axis.high().into() },
            // A number is that of a name.
            Bins::Category(axis) => Self::Integers { low: 0, high: axis.names().len() as i64 },
        }
    }

    /// Whether the places are found by a loop that is worth to be a part of another one.
    pub(super) fn is_in_loop(&self) -> bool {
        !matches!(self, Self::Sorted(_) | Self::EachOf(_))
    }

    pub(super) fn find<const N: usize>(&self, numbers: &[f64; N], places: &mut [u32; N]) {
        match self {
            Self::Sorted(edges) => variable::find(edges, numbers, places),
            Self::EachOf(axis) => {
                places.iter_mut().zip(numbers).for_each(|(place, &x)| *place = axis.index(x) as u32);
            }
            _ => widest(InLoop { search: self, numbers, places }),
        }
    }

    /// What [`find`](Self::find) does if it [`is_in_loop`](Self::is_in_loop), for kernels.
    #[inline(always)]
    pub(super) fn find_in_loop<const N: usize>(&self, numbers: &[f64; N], places: &mut [u32; N]) {
        match self {
            Self::Regular(axis) => regular::Places { axis, numbers, places }.run(),
            Self::Integers { low, high } => {
                let (low, high) = (f64::from(*low), *high as f64);
                integer::Places { low, high, numbers, places }.run();
            }
            Self::Grid(grid) => grid.find_in_loop(numbers, places),
            Self::Sorted(_) | Self::EachOf(_) => {}
        }
    }
}

struct InLoop<'a, 's, const N: usize> {
    search: &'a Search<'s>,
    numbers: &'a [f64; N],
    places: &'a mut [u32; N],
}

impl<const N: usize> Kernel for InLoop<'_, '_, N> {
    #[inline(always)]
    fn run(self) {
        self.search.find_in_loop(self.numbers, self.places);
    }
}

/// What is no number, or hardly one: for tests of places.
#[cfg(test)]
pub(super) const EXTREMES: [f64; 8] =
    [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 0.0, -0.0];
