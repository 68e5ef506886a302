use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a histogram keeps in each bin.
pub trait Storage: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// One bin.
    type Cell: Copy + Debug + Default + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static;
    /// What is given with each fill: a weight, or nothing.
    type Weight: Copy + Debug + Default + PartialEq + Send + Sync + 'static;
    /// Whether the variance is kept beside the value.
    const WEIGHTED: bool;

    /// What one fill adds to its bin.
    fn cell(weight: Self::Weight) -> Self::Cell;
    /// The weight as a number: 1 if there is none.
    fn number(weight: Self::Weight) -> f64;
    /// What so many fills add to one bin, if all are alike.
    fn counted(fills: u64) -> Option<Self::Cell>;

    /// Whether it is as if it had never been filled, to the last bit.
    fn is_empty(cell: Self::Cell) -> bool;
    /// The same with one kind of NaN: which of two operands' NaN a sum has, and its sign, differs from one
    /// compiled addition to the next.
    fn canonical(cell: Self::Cell) -> Self::Cell;
    /// Adds another bin.
    fn add(cell: &mut Self::Cell, other: Self::Cell);
    /// The sum of weights.
    fn value(cell: Self::Cell) -> f64;
    /// The sum of squared weights.
    fn variance(cell: Self::Cell) -> f64;
}

/// Sum of weights and sum of squared weights, side by side so that a fill touches one cache line.
#[derive(Clone, Debug, PartialEq)]
pub enum Weighted {}

impl Storage for Weighted {
    type Cell = [f64; 2];
    type Weight = f64;
    const WEIGHTED: bool = true;

    #[inline(always)]
    fn cell(weight: f64) -> [f64; 2] {
        [weight, weight * weight]
    }

    #[inline(always)]
    fn number(weight: f64) -> f64 {
        weight
    }

    #[inline(always)]
    fn counted(_: u64) -> Option<[f64; 2]> {
        None
    }

    #[inline]
    fn is_empty(cell: [f64; 2]) -> bool {
        cell[0].to_bits() | cell[1].to_bits() == 0
    }

    #[inline]
    fn canonical(cell: [f64; 2]) -> [f64; 2] {
        cell.map(|sum| if sum.is_nan() { f64::NAN } else { sum })
    }

    #[inline(always)]
    fn add(cell: &mut [f64; 2], other: [f64; 2]) {
        cell[0] += other[0];
        cell[1] += other[1];
    }

    fn value(cell: [f64; 2]) -> f64 {
        cell[0]
    }

    fn variance(cell: [f64; 2]) -> f64 {
        cell[1]
    }
}

/// Exact counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Counts {}

impl Storage for Counts {
    type Cell = u64;
    type Weight = ();
    const WEIGHTED: bool = false;

    #[inline(always)]
    fn cell((): ()) -> u64 {
        1
    }

    #[inline(always)]
    fn number((): ()) -> f64 {
        1.0
    }

    #[inline(always)]
    fn counted(fills: u64) -> Option<u64> {
        Some(fills)
    }

    #[inline]
    fn is_empty(cell: u64) -> bool {
        cell == 0
    }

    #[inline]
    fn canonical(cell: u64) -> u64 {
        cell
    }

    #[inline(always)]
    fn add(cell: &mut u64, other: u64) {
        *cell = cell.saturating_add(other);
    }

    fn value(cell: u64) -> f64 {
        cell as f64
    }

    fn variance(cell: u64) -> f64 {
        cell as f64
    }
}
