//! A block of fills, added in one loop that is compiled for wide vectors: the places of a few numbers, what the sums for
//! means get of them, and the cells. Few at a time, so that the processor adds to the cells of some while it computes for
//! the next.

use std::array::from_fn;

use hep_columns::simd::{Kernel, widest};

use super::cells::Cells;
use super::moments::{LANES, Moments, Sums, products, terms};
use super::places::Search;
use super::tables::{TABLE, Tables};
use super::variable::Grid;
use super::{Axis, Storage};

/// Fills whose places are found before their cells are added to. What may be in a block is a multiple.
pub(super) const CHUNK: usize = 64;

/// The most products of the coordinates of a block.
pub(super) const PRODUCTS: usize = products(3);

/// The coordinates of a block of fills on one axis, not across lines of the cache.
#[repr(align(64))]
pub(super) struct Column<const N: usize> {
    pub(super) numbers: [f64; N],
    pub(super) places: [u32; N],
    /// The numbers of the fills that are inside of all axes, and zeros in place of the others.
    inside: [f64; N],
}

impl<const N: usize> Column<N> {
    /// Numbers for the places of names: none where that is outside of the axis.
    fn number_places(&mut self, axis: &Axis) {
        for (number, &place) in self.numbers.iter_mut().zip(&self.places) {
            let inside = (1..=axis.len()).contains(&(place as usize));
            *number = if inside { axis.coordinate(place as usize) } else { f64::NAN };
        }
    }
}

/// Fills that are added together.
pub(super) struct Block<S: Storage, const D: usize, const N: usize> {
    pub(super) columns: [Column<N>; D],
    pub(super) weights: [S::Weight; N],
}

impl<S: Storage, const D: usize, const N: usize> Default for Block<S, D, N> {
    #[inline]
    fn default() -> Self {
        let column = |_| Column { numbers: [0.0; N], places: [0; N], inside: [0.0; N] };
        Self { columns: from_fn(column), weights: [S::Weight::default(); N] }
    }
}

/// A histogram of up to three axes that is filled a block at a time.
pub(super) struct Blocks<'a, S: Storage, const D: usize> {
    axes: &'a [Axis; D],
    cells: &'a mut Cells<S>,
    entries: &'a mut u64,
    moments: &'a mut Moments,
    searches: [Search<'a>; D],
    /// Whose coordinates are numbers.
    numbers: [bool; D],
    tables: Option<Tables>,
    /// The sums for means, and which of their lanes comes first in a block.
    sums: [Sums; PRODUCTS],
    turn: usize,
}

impl<'a, S: Storage, const D: usize> Blocks<'a, S, D> {
    /// For many blocks.
    #[inline]
    pub(super) fn new(
        axes: &'a [Axis; D],
        cells: &'a mut Cells<S>,
        entries: &'a mut u64,
        moments: &'a mut Moments,
        numbers: [bool; D],
    ) -> Self {
        let tables = (S::counted(1).is_some() && cells.len() <= TABLE).then(Tables::default);
        let searches = from_fn(|axis| Search::new(&axes[axis]));
        let turn = *entries as usize % LANES;
        Self { axes, cells, entries, sums: moments.lanes(turn), turn, moments, searches, numbers, tables }
    }

    /// For one block of numbers, with the grids of the axes if there are any.
    #[inline]
    pub(super) fn once(
        grids: &'a [Option<Grid>],
        axes: &'a [Axis; D],
        cells: &'a mut Cells<S>,
        entries: &'a mut u64,
        moments: &'a mut Moments,
    ) -> Self {
        let grid = |axis| grids.get(axis).and_then(Option::as_ref);
        let searches = from_fn(|axis| Search::with(&axes[axis], grid(axis)));
        let (turn, numbers) = (*entries as usize % LANES, [true; D]);
        let sums = moments.lanes(turn);
        Self { axes, cells, entries, moments, searches, numbers, tables: None, sums, turn }
    }

    pub(super) fn axes(&self) -> &'a [Axis; D] {
        self.axes
    }

    /// Adds the first `count` fills of a block. Not a part of the loops that call it, which then have their registers
    /// for themselves.
    #[inline(never)]
    pub(super) fn add<const N: usize>(&mut self, block: &mut Block<S, D, N>, count: usize) {
        let Block { columns, weights } = block;
        let mut in_loop = self.numbers;
        for (at, column) in columns.iter_mut().enumerate() {
            if !self.numbers[at] {
                column.number_places(&self.axes[at]);
            } else if !self.searches[at].is_in_loop() {
                self.searches[at].find(&column.numbers, &mut column.places);
                in_loop[at] = false;
            }
        }
        if count < N {
            weights[count..].fill(S::Weight::default());
            // Outside of any axis.
            columns.iter_mut().for_each(|column| column.numbers[count..].fill(f64::NAN));
        }
        if *self.entries as usize % LANES != self.turn {
            self.keep_sums();
            self.take_sums();
        }
        let mut is_finite = true;
        let (mut dense, mut tables) = (None, self.tables.as_mut());
        if tables.is_none() {
            dense = self.cells.dense_mut();
        }
        let is_sparse = tables.is_none() && dense.is_none();
        widest(Chunks::<S, D, N> {
            lens: from_fn(|axis| self.axes[axis].len() as u32 + 2),
            ranges: from_fn(|axis| self.axes[axis].range()),
            searches: &self.searches,
            in_loop,
            columns,
            weights,
            count,
            sums: &mut self.sums,
            is_finite: &mut is_finite,
            dense: dense.unwrap_or_default(),
            tables: tables.as_deref_mut(),
        });
        if let Some(tables) = tables {
            tables.note(count, self.cells);
        }
        if is_sparse && let Some(last) = columns.last() {
            self.cells.add_each(&last.places[..count], weights.iter().map(|&weight| S::cell(weight)));
        }
        if !is_finite {
            self.keep_sums();
            self.add_one_by_one(block, count);
            self.take_sums();
        }
        *self.entries += count as u64;
    }

    fn keep_sums(&mut self) {
        self.moments.set_lanes(self.turn, &self.sums);
    }

    #[cold]
    fn take_sums(&mut self) {
        self.turn = *self.entries as usize % LANES;
        self.sums = self.moments.lanes(self.turn);
    }

    /// Adds to the sums for means where some weights may be infinite or not a number.
    #[cold]
    fn add_one_by_one<const N: usize>(&mut self, block: &Block<S, D, N>, count: usize) {
        for at in 0..count {
            let numbers: [f64; D] = from_fn(|axis| block.columns[axis].numbers[at]);
            let inside = self.axes.iter().zip(&numbers).all(|(axis, x)| {
                let (low, high) = axis.range();
                (low..high).contains(x)
            });
            let weight = S::number(block.weights[at]);
            self.moments.add_any(*self.entries + at as u64, &numbers, inside, weight);
            self.moments.check(weight);
        }
    }
}

impl<S: Storage, const D: usize> Drop for Blocks<'_, S, D> {
    #[inline]
    fn drop(&mut self) {
        self.keep_sums();
        if let Some(tables) = &mut self.tables {
            tables.empty_into(self.cells);
        }
    }
}

/// What is done with a block, chunk by chunk.
struct Chunks<'a, 's, S: Storage, const D: usize, const N: usize> {
    /// With under- and overflow.
    lens: [u32; D],
    /// From the first bin of an axis to past its last.
    ranges: [(f64, f64); D],
    searches: &'a [Search<'s>; D],
    /// The axes on which places are to be found.
    in_loop: [bool; D],
    columns: &'a mut [Column<N>; D],
    weights: &'a [S::Weight; N],
    count: usize,
    /// Not added to unless the sum of all weights is finite.
    sums: &'a mut [Sums; PRODUCTS],
    /// Whether the sum of all weights is finite: if not, one of them may not be.
    is_finite: &'a mut bool,
    dense: &'a mut [S::Cell],
    tables: Option<&'a mut Tables>,
}

impl<S: Storage, const D: usize, const N: usize> Kernel for Chunks<'_, '_, S, D, N> {
    #[inline(always)]
    fn run(mut self) {
        let chunks = self.count.div_ceil(CHUNK).min(N / CHUNK);
        let (mut sums, mut all) = ([[0.0; LANES]; PRODUCTS], [0.0; LANES]);
        sums[..products(D)].copy_from_slice(&self.sums[..products(D)]);
        // What is added of a chunk comes behind the places of the next: what was written just now is read slowly.
        for chunk in 0..=chunks {
            if chunk < chunks {
                self.find_places(chunk);
                self.find_inside(chunk);
            }
            if chunk > 0 {
                self.add_to_sums(chunk - 1, &mut sums, &mut all);
                self.add_to_cells(chunk - 1);
            }
        }
        *self.is_finite = all.iter().sum::<f64>().is_finite();
        if *self.is_finite {
            self.sums[..products(D)].copy_from_slice(&sums[..products(D)]);
        }
    }
}

impl<S: Storage, const D: usize, const N: usize> Chunks<'_, '_, S, D, N> {
    /// Finds the cells of a chunk, which stand in the last column then.
    #[inline(always)]
    fn find_places(&mut self, chunk: usize) {
        for axis in 0..D {
            let Column { numbers, places, .. } = &mut self.columns[axis];
            if self.in_loop[axis] {
                let numbers = &numbers.as_chunks::<CHUNK>().0[chunk];
                self.searches[axis].find_in_loop(numbers, &mut places.as_chunks_mut::<CHUNK>().0[chunk]);
            }
        }
        let Some((last, columns)) = self.columns.split_last_mut() else { return };
        let at = &mut last.places.as_chunks_mut::<CHUNK>().0[chunk];
        for axis in (0..columns.len()).rev() {
            let (places, len) = (&columns[axis].places.as_chunks::<CHUNK>().0[chunk], self.lens[axis]);
            at.iter_mut().zip(places).for_each(|(at, place)| *at = *at * len + place);
        }
    }

    /// In a loop of its own, which is compiled to vectors of conditions too.
    #[inline(always)]
    fn find_inside(&mut self, chunk: usize) {
        let range = chunk * CHUNK..(chunk + 1) * CHUNK;
        for at in range {
            let mut inside = true;
            for axis in 0..D {
                let (x, (low, high)) = (self.columns[axis].numbers[at], self.ranges[axis]);
                inside &= (x >= low) & (x < high);
            }
            for axis in 0..D {
                let column = &mut self.columns[axis];
                column.inside[at] = if inside { column.numbers[at] } else { 0.0 };
            }
        }
    }

    #[inline(always)]
    fn add_to_sums(&self, chunk: usize, sums: &mut [Sums; PRODUCTS], all: &mut Sums) {
        let inside: [&[f64; CHUNK]; D] =
            from_fn(|axis| &self.columns[axis].inside.as_chunks::<CHUNK>().0[chunk]);
        let weights = &self.weights.as_chunks::<CHUNK>().0[chunk];
        for block in 0..CHUNK / LANES {
            for lane in 0..LANES {
                let at = block * LANES + lane;
                let (w, mut x) = (S::number(weights[at]), [0.0; 3]);
                for axis in 0..D {
                    x[axis] = inside[axis][at];
                }
                if size_of::<S::Weight>() > 0 {
                    all[lane] += w;
                }
                let terms = terms(x, w);
                for product in 0..products(D) {
                    sums[product][lane] += terms[product];
                }
            }
        }
    }

    #[inline(always)]
    fn add_to_cells(&mut self, chunk: usize) {
        let Some(last) = self.columns.last() else { return };
        let at = &last.places.as_chunks::<CHUNK>().0[chunk];
        let at = &at[..(self.count - chunk * CHUNK).min(CHUNK)];
        if let Some(tables) = &mut self.tables {
            tables.add(at);
        } else if !self.dense.is_empty() {
            for (&at, &weight) in at.iter().zip(&self.weights.as_chunks::<CHUNK>().0[chunk]) {
                S::add(&mut self.dense[at as usize], S::cell(weight));
            }
        }
    }
}
