//! Fills of whole columns, faster than one at a time: the places are found in vectorised loops, a block of entries on
//! one axis and then on the next, and few cells are counted in small tables first. What is added to a cell, and in
//! which order, is the same.

use std::array::from_fn;

use super::cells::Cells;
use super::moments::{Moments, Weights};
use super::places::{BLOCK, Search};
use super::{Axes, Axis, Bins, Coordinate, Counts, Histogram, Storage, Weighted};

impl Histogram<Counts, [Axis; 1]> {
    /// Adds an entry for each of `values`: the same as [`fill`](Self::fill) for each, at a half to a fifth of the cost
    /// on axes of numbers.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Count};
    ///
    /// let mut pt = Count::new(Axis::regular(10, 0.0, 100.0));
    /// pt.fill_all([15.0, 17.0, 25.0]);
    /// assert_eq!((pt.value([2]), pt.value([3])), (2.0, 1.0));
    /// ```
    pub fn fill_all<X: Coordinate>(&mut self, values: impl IntoIterator<Item = X>) {
        fill_blocks(self, values.into_iter().map(|x| ((x,), ())));
    }

    /// Adds an entry for each of `values` that comes with `true`: a selection without a branch, which on events
    /// or objects without order would be mispredicted at every change.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Count};
    ///
    /// let (pts, etas) = ([15.0, 17.0, 25.0], [0.3_f32, -2.1, -0.4]);
    /// let mut pt = Count::new(Axis::regular(10, 0.0, 100.0));
    /// pt.fill_where(pts.iter().zip(etas).map(|(&pt, eta)| (pt, eta.abs() < 1.0)));
    /// assert_eq!((pt.value([2]), pt.value([3])), (1.0, 1.0));
    /// ```
    pub fn fill_where<X: Coordinate>(&mut self, values: impl IntoIterator<Item = (X, bool)>) {
        fill_chosen(self, values.into_iter().map(|(x, chosen)| ((x,), (), chosen)));
    }
}

impl Histogram<Counts, [Axis; 2]> {
    /// Adds an entry for each pair: the same as [`fill`](Self::fill) for each, at less cost.
    pub fn fill_all<X: Coordinate, Y: Coordinate>(&mut self, values: impl IntoIterator<Item = (X, Y)>) {
        fill_blocks(self, values.into_iter().map(|at| (at, ())));
    }
}

impl Histogram<Counts, [Axis; 3]> {
    /// Adds an entry for each triple: the same as [`fill`](Self::fill) for each, at less cost.
    pub fn fill_all<X, Y, Z>(&mut self, values: impl IntoIterator<Item = (X, Y, Z)>)
    where
        X: Coordinate,
        Y: Coordinate,
        Z: Coordinate,
    {
        fill_blocks(self, values.into_iter().map(|at| (at, ())));
    }
}

impl Histogram<Weighted, [Axis; 1]> {
    /// Adds an entry for each of the `values` and weights: the same sums, bit for bit, as
    /// [`fill`](Self::fill) for each.
    pub fn fill_all<X: Coordinate>(&mut self, values: impl IntoIterator<Item = (X, f64)>) {
        fill_blocks(self, values.into_iter().map(|(x, weight)| ((x,), weight)));
    }
}

impl Histogram<Weighted, [Axis; 2]> {
    /// Adds an entry for each `(x, y, weight)`: the same sums, bit for bit, as [`fill`](Self::fill) for each.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Hist2};
    ///
    /// let (pts, etas, weights) = ([15.0, 17.0, 25.0], [0.3_f32, -2.1, 0.4], [0.5, 1.0, 2.0]);
    /// let mut jets = Hist2::new([Axis::variable([0.0, 20.0, 50.0]), Axis::regular(5, -2.5, 2.5)]);
    /// jets.fill_all((0..3).map(|i| (pts[i], etas[i], weights[i])));
    /// assert_eq!((jets.value([1, 3]), jets.value([1, 1]), jets.value([2, 3])), (0.5, 1.0, 2.0));
    /// ```
    pub fn fill_all<X: Coordinate, Y: Coordinate>(&mut self, values: impl IntoIterator<Item = (X, Y, f64)>) {
        fill_blocks(self, values.into_iter().map(|(x, y, weight)| ((x, y), weight)));
    }

    /// Adds an entry at `x` on the second axis for each variation, of which the first axis has a bin each: the same
    /// as [`fill`](Self::fill) with each of the first axis' bins and its weight, in order, but the bin of `x` is
    /// found once, and its sums of all variations lie side by side. The sums for means
    /// ([`statistics`](Self::statistics)) may differ in the last digits, because an entry's weights are added up first.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Hist2};
    ///
    /// let variations = Axis::category(["nominal", "pileup_up", "pileup_down"]);
    /// let mut mass = Hist2::new([variations, Axis::regular(60, 60.0, 120.0).label("m(μμ) [GeV]")]);
    /// mass.fill_varied(91.2, [1.0, 1.1, 0.9]);
    /// assert_eq!((mass.value([1, 32]), mass.value([2, 32]), mass.value([3, 32])), (1.0, 1.1, 0.9));
    /// ```
    ///
    /// # Panics
    /// Unless there are as many weights as bins on the first axis.
    #[inline]
    pub fn fill_varied(&mut self, x: impl Coordinate, weights: impl IntoIterator<Item = f64>) {
        let place = self.place(1, x);
        let y = self.coordinate(1, x, place);
        let (axes, cells, entries, moments) = self.parts();
        *entries += put_varied(axes, cells, moments, (place, y), weights);
    }

    /// [`fill_varied`](Self::fill_varied) for each of the values and their weights.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Hist2};
    ///
    /// let (masses, [up, down]) = ([91.2, 88.0], [[1.1, 1.2], [0.9, 0.8]]);
    /// let mut mass = Hist2::new([Axis::category(["nominal", "up", "down"]), Axis::regular(60, 60.0, 120.0)]);
    /// mass.fill_all_varied((0..2).map(|i| (masses[i], [1.0, up[i], down[i]])));
    /// assert_eq!((mass.value([1, 32]), mass.value([2, 32]), mass.value([3, 29])), (1.0, 1.1, 0.8));
    /// ```
    ///
    /// # Panics
    /// As it does.
    pub fn fill_all_varied<X: Coordinate, W: IntoIterator<Item = f64>>(
        &mut self,
        values: impl IntoIterator<Item = (X, W)>,
    ) {
        let values = values.into_iter();
        if is_short(&values) || !X::NUMBER {
            return values.for_each(|(x, weights)| self.fill_varied(x, weights));
        }
        let (axes, cells, entries, moments) = self.parts();
        let search = Search::new(&axes[1]);
        let (mut numbers, mut places) = ([0.0; BLOCK], [0; BLOCK]);
        let mut weights = Vec::with_capacity(BLOCK);
        let mut flush = |numbers: &[f64; BLOCK], weights: &mut Vec<W>| {
            search.find(numbers, &mut places);
            for ((weights, &place), &y) in weights.drain(..).zip(&places).zip(numbers) {
                *entries += put_varied(axes, cells, moments, (place as usize, y), weights);
            }
        };
        values.for_each(|(x, of_each)| {
            numbers[weights.len()] = x.number().unwrap_or(f64::NAN);
            weights.push(of_each);
            if weights.len() == BLOCK {
                flush(&numbers, &mut weights);
            }
        });
        flush(&numbers, &mut weights);
    }
}

/// Adds a weight to each of the variations that are side by side at a place and number of the second axis. Returns how
/// many.
#[inline]
fn put_varied(
    axes: &[Axis; 2],
    cells: &mut Cells<Weighted>,
    moments: &mut Moments,
    (place, y): (usize, f64),
    weights: impl IntoIterator<Item = f64>,
) -> u64 {
    let variations = axes[0].len();
    let weights = moments.take_varied(&axes[0], weights);
    let first = place * (variations + 2) + 1;
    cells.add_row(first..first + variations, weights.iter().map(|&weight| Weighted::cell(weight)));
    moments.add_varied(y, place.wrapping_sub(1) < axes[1].len());
    variations as u64
}

impl Histogram<Weighted, [Axis; 3]> {
    /// Adds an entry for each `(x, y, z, weight)`: the same sums, bit for bit, as [`fill`](Self::fill) for each.
    pub fn fill_all<X, Y, Z>(&mut self, values: impl IntoIterator<Item = (X, Y, Z, f64)>)
    where
        X: Coordinate,
        Y: Coordinate,
        Z: Coordinate,
    {
        fill_blocks(self, values.into_iter().map(|(x, y, z, weight)| ((x, y, z), weight)));
    }
}

impl Histogram<Weighted, Vec<Axis>> {
    /// Adds an entry for each row of `columns`, one for each axis, with its weight: the same sums, bit for bit, as
    /// [`fill`](Self::fill) for each.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, HistN};
    ///
    /// let mut jets = HistN::new(vec![Axis::variable([0.0, 20.0, 50.0]), Axis::regular(5, -2.5, 2.5)]);
    /// jets.fill_all(&[&[15.0, 25.0], &[0.3, 0.4]], &[0.5, 2.0]);
    /// assert_eq!((jets.value(vec![1, 3]), jets.value(vec![2, 3])), (0.5, 2.0));
    /// ```
    ///
    /// # Panics
    /// If there are more or fewer columns than axes, or a column has more or fewer rows than there are weights.
    pub fn fill_all(&mut self, columns: &[&[f64]], weights: &[f64]) {
        assert_eq!(columns.len(), self.axes().len(), "one column for each axis");
        let rows = weights.len();
        assert!(
            columns.iter().all(|column| column.len() == rows),
            "one number of each column for each weight"
        );
        if rows < BLOCK {
            let mut row = vec![0.0; columns.len()];
            for (i, &weight) in weights.iter().enumerate() {
                row.iter_mut().zip(columns).for_each(|(x, column)| *x = column[i]);
                self.fill(&row, weight);
            }
            return;
        }
        let (axes, cells, entries, moments) = self.parts();
        let searches: Vec<_> = axes.iter().map(Search::new).collect();
        let (mut numbers, mut places) = (vec![[0.0; BLOCK]; axes.len()], [0; BLOCK]);
        let mut of_block = [0.0; BLOCK];
        for (block, weights) in weights.chunks(BLOCK).enumerate() {
            let rows = block * BLOCK..block * BLOCK + weights.len();
            let mut at = [0; BLOCK];
            let axis_by_axis = axes.iter().zip(&searches).zip(columns).zip(&mut numbers);
            for (((axis, search), column), numbers) in axis_by_axis.rev() {
                numbers[..weights.len()].copy_from_slice(&column[rows.clone()]);
                search.find(numbers, &mut places);
                inner(&mut at, axis, &places);
            }
            of_block[..weights.len()].copy_from_slice(weights);
            let mut numbers: Vec<_> = numbers.iter_mut().collect();
            moments.add_block::<Weighted>(*entries, axes, &mut numbers, &mut of_block, weights.len());
            cells.add_each(&at, weights.iter().map(|&weight| [weight, weight * weight]));
            *entries += weights.len() as u64;
        }
    }
}

/// From the places on the outer axes to those with an inner one.
#[inline]
fn inner(at: &mut [u32], axis: &Axis, places: &[u32; BLOCK]) {
    let len = axis.len() as u32 + 2;
    at.iter_mut().zip(places).for_each(|(at, place)| *at = *at * len + place);
}

/// Whether there are so few values that blocks do not pay.
fn is_short<T>(values: &impl Iterator<Item = T>) -> bool {
    values.size_hint().1.is_some_and(|most| most < BLOCK)
}

/// A coordinate on each axis.
trait Point<const D: usize>: Copy {
    /// Which are numbers.
    const NUMBERS: [bool; D];

    /// Notes each number in its column, or its place, if it is none.
    fn note(self, axes: &[Axis; D], columns: &mut [Column; D], at: usize);

    /// Their places on axes which grow if need be.
    fn place<S: Storage>(self, hist: &mut Histogram<S, [Axis; D]>) -> [usize; D];

    /// Adds them to the sums of the histogram as the entry that is put next.
    fn sum<S: Storage>(self, hist: &mut Histogram<S, [Axis; D]>, places: [usize; D], weight: f64);
}

macro_rules! point {
    ($d:literal $m:literal $($x:ident $i:tt)*) => {
        impl<$($x: Coordinate),*> Point<$d> for ($($x,)*) {
            const NUMBERS: [bool; $d] = [$($x::NUMBER),*];

            #[inline(always)]
            fn note(self, axes: &[Axis; $d], columns: &mut [Column; $d], at: usize) {
                $(match $x::NUMBER {
                    true => columns[$i].numbers[at] = self.$i.number().unwrap_or(f64::NAN),
                    false => columns[$i].places[at] = self.$i.index(&axes[$i]) as u32,
                })*
            }

            fn place<S: Storage>(self, hist: &mut Histogram<S, [Axis; $d]>) -> [usize; $d] {
                [$(hist.place($i, self.$i)),*]
            }

            fn sum<S: Storage>(self, hist: &mut Histogram<S, [Axis; $d]>, places: [usize; $d], weight: f64) {
                hist.note::<$d, $m>([$(hist.coordinate($i, self.$i, places[$i])),*], places, weight);
            }
        }
    };
}
point! { 1 2 X 0 }
point! { 2 5 X 0 Y 1 }
point! { 3 9 X 0 Y 1 Z 2 }

/// The coordinates of a block of entries on one axis.
struct Column {
    numbers: [f64; BLOCK],
    places: [u32; BLOCK],
}

impl Column {
    /// Numbers for the places of names: none where that is outside of the axis.
    fn number_places(&mut self, axis: &Axis, count: usize) {
        for (number, &place) in self.numbers.iter_mut().zip(&self.places).take(count) {
            let inside = (1..=axis.len()).contains(&(place as usize));
            *number = if inside { axis.coordinate(place as usize) } else { f64::NAN };
        }
    }
}

/// What is added with each entry: a weight, or nothing but itself.
trait Filled: Storage + Weights {
    fn cell(weight: Self::Weight) -> Self::Cell;

    /// What so many entries add up to, if all are alike.
    fn counted(entries: u64) -> Option<Self::Cell>;

    /// Adds an entry to one cell, and notes a weight that is not finite.
    fn put<A: Axes>(hist: &mut Histogram<Self, A>, places: impl AsRef<[usize]>, weight: Self::Weight);
}

impl Filled for Weighted {
    #[inline(always)]
    fn cell(weight: f64) -> [f64; 2] {
        [weight, weight * weight]
    }

    #[inline(always)]
    fn counted(_: u64) -> Option<[f64; 2]> {
        None
    }

    #[inline(always)]
    fn put<A: Axes>(hist: &mut Histogram<Self, A>, places: impl AsRef<[usize]>, weight: f64) {
        hist.put_weighted(hist.cell_of(places), weight);
    }
}

impl Filled for Counts {
    #[inline(always)]
    fn cell((): ()) -> u64 {
        1
    }

    #[inline(always)]
    fn counted(entries: u64) -> Option<u64> {
        Some(entries)
    }

    #[inline(always)]
    fn put<A: Axes>(hist: &mut Histogram<Self, A>, places: impl AsRef<[usize]>, (): ()) {
        hist.put(hist.cell_of(places), 1);
    }
}

/// Adds an entry for each point.
#[inline]
fn fill_blocks<S: Filled, P: Point<D>, const D: usize>(
    hist: &mut Histogram<S, [Axis; D]>,
    mut values: impl Iterator<Item = (P, S::Weight)>,
) {
    if !Blocks::<S, D>::pay::<P>(hist, &values) {
        return fill_each(hist, values);
    }
    let (mut blocks, mut block) = (Blocks::new::<P>(hist), Block::default());
    loop {
        // Counted by the loop, not by what is noted: half the time.
        let mut count = 0;
        for at in 0..BLOCK {
            let Some((point, weight)) = values.next() else { break };
            block.note(point, weight, at, blocks.axes);
            count += 1;
        }
        blocks.flush(&mut block, count);
        if count < BLOCK {
            break;
        }
    }
}

/// Adds an entry for each point that comes with `true`.
#[inline]
fn fill_chosen<S: Filled, P: Point<D>, const D: usize>(
    hist: &mut Histogram<S, [Axis; D]>,
    values: impl Iterator<Item = (P, S::Weight, bool)>,
) {
    if !Blocks::<S, D>::pay::<P>(hist, &values) {
        return fill_each(
            hist,
            values.filter(|(.., chosen)| *chosen).map(|(point, weight, _)| (point, weight)),
        );
    }
    let (mut blocks, mut block) = (Blocks::new::<P>(hist), Block::default());
    // Handed on from value to value, so that it stays in a register.
    let count = values.fold(0, |count, (point, weight, chosen)| {
        // One that is not chosen is overwritten by the next.
        block.note(point, weight, count, blocks.axes);
        match count + usize::from(chosen) {
            BLOCK => {
                blocks.flush(&mut block, BLOCK);
                0
            }
            count => count,
        }
    });
    blocks.flush(&mut block, count);
}

/// Adds an entry for each point, one at a time: few, or such as make an axis grow.
#[inline]
fn fill_each<S: Filled, P: Point<D>, const D: usize>(
    hist: &mut Histogram<S, [Axis; D]>,
    values: impl Iterator<Item = (P, S::Weight)>,
) {
    values.for_each(|(point, weight)| {
        let places = point.place(hist);
        point.sum(hist, places, S::number(weight));
        S::put(hist, places, weight);
    });
}

/// Entries that are added together.
struct Block<S: Filled, const D: usize> {
    columns: [Column; D],
    weights: [S::Weight; BLOCK],
}

impl<S: Filled, const D: usize> Default for Block<S, D> {
    fn default() -> Self {
        let column = |_| Column { numbers: [0.0; BLOCK], places: [0; BLOCK] };
        Self { columns: from_fn(column), weights: [S::Weight::default(); BLOCK] }
    }
}

impl<S: Filled, const D: usize> Block<S, D> {
    #[inline(always)]
    fn note<P: Point<D>>(&mut self, point: P, weight: S::Weight, at: usize, axes: &[Axis; D]) {
        point.note(axes, &mut self.columns, at);
        self.weights[at] = weight;
    }
}

/// A histogram that is filled a block of entries at a time.
struct Blocks<'a, S: Filled, const D: usize> {
    axes: &'a [Axis; D],
    cells: &'a mut Cells<S>,
    entries: &'a mut u64,
    moments: &'a mut Moments,
    searches: [Search<'a>; D],
    /// Whose coordinates are numbers.
    numbers: [bool; D],
    tables: Option<Tables>,
}

impl<'a, S: Filled, const D: usize> Blocks<'a, S, D> {
    /// Whether so many values are faster filled in blocks, and no axis grows by them.
    fn pay<P: Point<D>>(hist: &Histogram<S, [Axis; D]>, values: &impl Iterator) -> bool {
        let grows = |axis: &Axis| matches!(axis.bins(), Bins::Category(axis) if axis.grows());
        !is_short(values) && !hist.axes().iter().zip(P::NUMBERS).any(|(axis, number)| !number && grows(axis))
    }

    #[inline]
    fn new<P: Point<D>>(hist: &'a mut Histogram<S, [Axis; D]>) -> Self {
        let (axes, cells, entries, moments) = hist.parts();
        Self {
            axes,
            moments,
            searches: from_fn(|axis| Search::new(&axes[axis])),
            numbers: P::NUMBERS,
            tables: (S::counted(1).is_some() && cells.len() <= TABLE).then(Tables::default),
            cells,
            entries,
        }
    }

    /// Adds the first `count` of a block. Not a part of the loops that call it, which then have their registers for
    /// themselves.
    #[inline(never)]
    fn flush(&mut self, block: &mut Block<S, D>, count: usize) {
        let Self { axes, cells, .. } = self;
        let Block { columns, weights } = block;
        let numbers = columns.iter_mut().zip(&self.searches).zip(self.numbers).filter(|(_, number)| *number);
        numbers.for_each(|((column, search), _)| search.find(&column.numbers, &mut column.places));
        for (axis, (column, _)) in
            columns.iter_mut().zip(self.numbers).enumerate().filter(|(_, (_, number))| !number)
        {
            column.number_places(&axes[axis], count);
        }
        let mut numbers = columns.each_mut().map(|column| &mut column.numbers);
        self.moments.add_block::<S>(*self.entries, *axes, &mut numbers, weights, count);
        let Some((last, columns)) = columns.split_last_mut() else { return };
        let at = &mut last.places[..count];
        axes.iter().zip(columns).rev().for_each(|(axis, column)| inner(at, axis, &column.places));
        match &mut self.tables {
            Some(tables) => tables.add(at, cells),
            None => cells.add_each(at, weights[..count].iter().map(|&weight| S::cell(weight))),
        }
        *self.entries += count as u64;
    }
}

impl<S: Filled, const D: usize> Drop for Blocks<'_, S, D> {
    fn drop(&mut self) {
        if let Some(tables) = &mut self.tables {
            tables.empty_into(self.cells);
        }
    }
}

/// Cells of the largest histogram that is counted in tables.
const TABLE: usize = 256;

/// Counts of the same cells four times over: neighbouring values often fall into the same, and adding to a
/// number that has just been written waits for it.
struct Tables {
    counts: [[u32; TABLE]; 4],
    sum: u32,
}

impl Default for Tables {
    fn default() -> Self {
        Self { counts: [[0; TABLE]; 4], sum: 0 }
    }
}

impl Tables {
    #[inline(always)]
    fn add<S: Filled>(&mut self, places: &[u32], cells: &mut Cells<S>) {
        let (quads, rest) = places.as_chunks::<4>();
        for quad in quads {
            for (counts, &place) in self.counts.iter_mut().zip(quad) {
                counts[place as usize % TABLE] += 1;
            }
        }
        for &place in rest {
            self.counts[0][place as usize % TABLE] += 1;
        }
        self.sum += places.len() as u32;
        if self.sum > u32::MAX / 2 {
            self.empty_into(cells);
        }
    }

    #[cold]
    fn empty_into<S: Filled>(&mut self, cells: &mut Cells<S>) {
        for place in 0..TABLE {
            let count = self.counts.iter().map(|counts| u64::from(counts[place])).sum();
            if count > 0
                && let Some(cell) = S::counted(count)
            {
                cells.add(place, cell);
            }
        }
        *self = Self::default();
    }
}
