//! Fills that wait to be added together: a block of them costs half of what they cost one at a time. Whatever looks at the
//! histogram sees them added, in their order.

use super::block::{Block, Blocks, CHUNK};
use super::cells::Cells;
use super::moments::Moments;
use super::places::grid;
use super::variable::Grid;
use super::{Axes, Axis, Storage};

/// Fills of which each has a number on each axis.
#[derive(Clone, Debug)]
pub(super) struct Waiting<S: Storage, A: Axes> {
    /// None before the first fill.
    rows: Box<[(A::Numbers, S::Weight)]>,
    used: usize,
    /// Of axes that are filled often.
    grids: Grids,
}

/// Grids cost as much as some blocks of fills.
#[derive(Clone, Debug, Default)]
enum Grids {
    #[default]
    No,
    /// After the first block.
    Next,
    Made(Box<[Option<Grid>]>),
}

impl<S: Storage, A: Axes> Default for Waiting<S, A> {
    fn default() -> Self {
        Self { rows: Box::default(), used: 0, grids: Grids::No }
    }
}

impl<S: Storage, A: Axes> Waiting<S, A> {
    /// How many fills wait.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// The bytes of the fills that wait or may wait.
    pub(super) fn memory(&self) -> usize {
        let grids = match &self.grids {
            Grids::Made(grids) => grids.iter().flatten().map(Grid::memory).sum(),
            Grids::No | Grids::Next => 0,
        };
        size_of_val(&*self.rows) + grids
    }

    /// The bytes if there are any.
    pub(super) fn most_memory() -> usize {
        CHUNK * size_of::<(A::Numbers, S::Weight)>()
    }

    /// Whether there has been a fill.
    pub(super) fn is_booked(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Makes room for the first fill.
    pub(super) fn book(&mut self) {
        self.rows = vec![(A::ORIGIN, S::Weight::default()); CHUNK].into();
    }

    /// Takes a fill, if there is room.
    #[inline(always)]
    pub(super) fn push(&mut self, numbers: A::Numbers, weight: S::Weight) -> bool {
        match self.rows.get_mut(self.used) {
            Some(row) => {
                *row = (numbers, weight);
                self.used += 1;
                true
            }
            None => false,
        }
    }

    /// The weights of the fills that wait.
    pub(super) fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        self.rows[..self.used].iter().map(|&(_, weight)| S::number(weight))
    }

    /// What a cell comes to with the fills that wait.
    pub(super) fn with_waiting(&self, axes: &[Axis], at: usize, mut cell: S::Cell) -> S::Cell {
        for (numbers, weight) in &self.rows[..self.used] {
            let places = axes.iter().zip(numbers.as_ref()).rev();
            let filled = places.fold(0, |at, (axis, &x)| at * (axis.len() + 2) + axis.index_of_number(x));
            if filled == at {
                S::add(&mut cell, S::cell(*weight));
            }
        }
        cell
    }

    /// Adds the fills that wait.
    #[inline(never)]
    pub(super) fn settle(
        &mut self,
        axes: &A,
        cells: &mut Cells<S>,
        entries: &mut u64,
        moments: &mut Moments,
    ) {
        let axes = axes.as_ref();
        self.grids = match std::mem::take(&mut self.grids) {
            Grids::No if self.used == CHUNK => Grids::Next,
            Grids::Next => Grids::Made(axes.iter().map(grid).collect()),
            grids => grids,
        };
        match axes.len() {
            1 => self.settle_on::<1>(axes, cells, entries, moments),
            2 => self.settle_on::<2>(axes, cells, entries, moments),
            3 => self.settle_on::<3>(axes, cells, entries, moments),
            _ => {}
        }
    }

    fn settle_on<const D: usize>(
        &mut self,
        axes: &[Axis],
        cells: &mut Cells<S>,
        entries: &mut u64,
        moments: &mut Moments,
    ) {
        let Ok(axes) = <&[Axis; D]>::try_from(axes) else { return };
        let count = std::mem::take(&mut self.used);
        let grids = match &self.grids {
            Grids::Made(grids) => &grids[..],
            Grids::No | Grids::Next => &[],
        };
        let mut block = Block::<S, D, CHUNK>::default();
        for (at, (numbers, weight)) in self.rows[..count].iter().enumerate() {
            block.columns.iter_mut().zip(numbers.as_ref()).for_each(|(column, &x)| column.numbers[at] = x);
            block.weights[at] = *weight;
        }
        Blocks::once(grids, axes, cells, entries, moments).add(&mut block, count);
    }
}
