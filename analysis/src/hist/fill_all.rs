//! Fills of whole columns, faster than one at a time: the places are found in vectorised loops, a block of entries on
//! one axis and then on the next, and few cells are counted in small tables first. What is added to a cell, and in
//! which order, is the same.

use super::block::{Block, Blocks, Column};
use super::places::BLOCK;
use super::varied::UNKNOWN;
use super::{Axis, Bins, Coordinate, Counts, Histogram, Storage, Weighted};

impl Histogram<Counts, [Axis; 1]> {
    /// Adds an entry for each of `values`: the same as [`fill`](Self::fill) for each, at a third to a half of the
    /// cost on axes of numbers.
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
    /// ([`statistics`](Self::statistics)) may differ in the last digits, because those of a variation are added up first.
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
    pub fn fill_varied<X: Coordinate, W: IntoIterator<Item = f64>>(&mut self, x: X, weights: W) {
        let place = if X::NUMBER { UNKNOWN } else { self.place(1, x) };
        let y = self.coordinate(1, x, place);
        self.put_varied(std::iter::once(((y, place), weights)));
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
        if X::NUMBER {
            let y = |x: X| x.number().unwrap_or(f64::NAN);
            self.put_varied(values.into_iter().map(|(x, weights)| ((y(x), UNKNOWN), weights)));
        } else {
            values.into_iter().for_each(|(x, weights)| self.fill_varied(x, weights));
        }
    }
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
        match columns {
            _ if rows < BLOCK => {}
            [x] => return fill_columns(self, [x], weights),
            [x, y] => return fill_columns(self, [x, y], weights),
            [x, y, z] => return fill_columns(self, [x, y, z], weights),
            _ => {}
        }
        let mut row = vec![0.0; columns.len()];
        for (i, &weight) in weights.iter().enumerate() {
            row.iter_mut().zip(columns).for_each(|(x, column)| *x = column[i]);
            self.fill(&row, weight);
        }
    }
}

/// Adds an entry for each row of as many columns as there are axes, and of as many rows as there are weights.
fn fill_columns<const D: usize>(
    hist: &mut Histogram<Weighted, Vec<Axis>>,
    columns: [&[f64]; D],
    weights: &[f64],
) {
    let (axes, cells, entries, moments) = hist.parts();
    let Ok(axes) = <&[Axis; D]>::try_from(&axes[..]) else { return };
    let mut blocks = Blocks::new(axes, cells, entries, moments, [true; D]);
    let mut block = Block::<Weighted, D, BLOCK>::default();
    for (number, weights) in weights.chunks(BLOCK).enumerate() {
        let rows = number * BLOCK..number * BLOCK + weights.len();
        for (to, column) in block.columns.iter_mut().zip(columns) {
            to.numbers[..weights.len()].copy_from_slice(&column[rows.clone()]);
        }
        block.weights[..weights.len()].copy_from_slice(weights);
        blocks.add(&mut block, weights.len());
    }
}

/// Whether there are so few values that blocks do not pay.
fn is_short<T>(values: &impl Iterator<Item = T>) -> bool {
    values.size_hint().1.is_some_and(|most| most < BLOCK)
}

/// A coordinate on each axis.
pub(super) trait Point<const D: usize>: Copy {
    /// Which are numbers.
    const NUMBERS: [bool; D];

    /// All of them, if they are numbers.
    fn numbers(self) -> Option<[f64; D]>;

    /// Notes each number in its column, or its place, if it is none.
    fn note(self, axes: &[Axis; D], columns: &mut [Column<BLOCK>; D], at: usize);

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
            fn numbers(self) -> Option<[f64; $d]> {
                let are_numbers = $($x::NUMBER)&&*;
                are_numbers.then(|| [$(self.$i.number().unwrap_or(f64::NAN)),*])
            }

            #[inline(always)]
            fn note(self, axes: &[Axis; $d], columns: &mut [Column<BLOCK>; $d], at: usize) {
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

/// Whether so many values are faster filled in blocks, and no axis grows by them.
fn blocks_pay<S: Storage, P: Point<D>, const D: usize>(
    hist: &Histogram<S, [Axis; D]>,
    values: &impl Iterator,
) -> bool {
    let grows = |axis: &Axis| matches!(axis.bins(), Bins::Category(axis) if axis.grows());
    !is_short(values) && !hist.axes().iter().zip(P::NUMBERS).any(|(axis, number)| !number && grows(axis))
}

impl<S: Storage, const D: usize> Block<S, D, BLOCK> {
    #[inline(always)]
    fn note<P: Point<D>>(&mut self, point: P, weight: S::Weight, at: usize, axes: &[Axis; D]) {
        point.note(axes, &mut self.columns, at);
        self.weights[at] = weight;
    }
}

impl<S: Storage, const D: usize> Histogram<S, [Axis; D]> {
    #[inline]
    fn blocks<P: Point<D>>(&mut self) -> Blocks<'_, S, D> {
        let (axes, cells, entries, moments) = self.parts();
        Blocks::new(axes, cells, entries, moments, P::NUMBERS)
    }

    /// Adds an entry, with others if it is made of numbers.
    #[inline(always)]
    pub(super) fn put_point<P: Point<D>>(&mut self, point: P, weight: S::Weight) {
        match point.numbers() {
            Some(numbers) if self.wait(numbers, weight) => {}
            _ => self.put_now(point, weight),
        }
    }

    /// Adds an entry behind those that wait, or as the first that does.
    #[inline(never)]
    fn put_now<P: Point<D>>(&mut self, point: P, weight: S::Weight) {
        self.settle();
        if let Some(numbers) = point.numbers()
            && self.make_room()
            && self.wait(numbers, weight)
        {
            return;
        }
        let places = point.place(self);
        point.sum(self, places, S::number(weight));
        self.put(self.cell_of(places), weight);
    }
}

/// Adds an entry for each point.
#[inline]
fn fill_blocks<S: Storage, P: Point<D>, const D: usize>(
    hist: &mut Histogram<S, [Axis; D]>,
    mut values: impl Iterator<Item = (P, S::Weight)>,
) {
    if !blocks_pay::<S, P, D>(hist, &values) {
        return values.for_each(|(point, weight)| hist.put_point(point, weight));
    }
    let (mut blocks, mut block) = (hist.blocks::<P>(), Block::default());
    loop {
        // Counted by the loop, not by what is noted: half the time.
        let mut count = 0;
        for at in 0..BLOCK {
            let Some((point, weight)) = values.next() else { break };
            block.note(point, weight, at, blocks.axes());
            count += 1;
        }
        blocks.add(&mut block, count);
        if count < BLOCK {
            break;
        }
    }
}

/// Adds an entry for each point that comes with `true`.
#[inline]
fn fill_chosen<S: Storage, P: Point<D>, const D: usize>(
    hist: &mut Histogram<S, [Axis; D]>,
    values: impl Iterator<Item = (P, S::Weight, bool)>,
) {
    if !blocks_pay::<S, P, D>(hist, &values) {
        let chosen = values.filter(|(.., chosen)| *chosen);
        return chosen.for_each(|(point, weight, _)| hist.put_point(point, weight));
    }
    let (mut blocks, mut block) = (hist.blocks::<P>(), Block::default());
    // Handed on from value to value, so that it stays in a register.
    let count = values.fold(0, |count, (point, weight, chosen)| {
        // One that is not chosen is overwritten by the next.
        block.note(point, weight, count, blocks.axes());
        match count + usize::from(chosen) {
            BLOCK => {
                blocks.add(&mut block, BLOCK);
                0
            }
            count => count,
        }
    });
    blocks.add(&mut block, count);
}
