//! Weights of all variations of an entry at once, a few entries at a time: what was written just now is read slowly, and
//! one by one the sums for means would cost more than the bins.

use hep_columns::simd::{Kernel, widest};

use super::cells::{Cells, DENSE};
use super::moments::{LANES, Moments, Sums};
use super::places::Search;
use super::{Axis, Storage};

/// Entries that are added together.
const ROWS: usize = 32;

/// The place of an entry that is a number: found later.
pub(super) const UNKNOWN: usize = usize::MAX;

/// The weights of entries that are not added yet, and the sums of those that are.
#[derive(Clone, Debug)]
pub(super) struct Varied<S: Storage> {
    variations: usize,
    /// On the second axis.
    numbers: [f64; ROWS],
    places: [usize; ROWS],
    /// A row for each entry, to a multiple of [`LANES`].
    weights: Box<[S::Weight]>,
    /// Where the first row begins: that vectors of weights lie across no lines of the cache saves a tenth.
    start: usize,
    used: usize,
    /// For each variation the sums of `w`, `w y` and `w y²`.
    sums: Box<[[Sums; 3]]>,
}

impl<S: Storage> Varied<S> {
    #[cold]
    pub(super) fn new(variations: usize) -> Self {
        let lanes = variations.div_ceil(LANES);
        let weights: Box<[_]> = vec![S::Weight::default(); ROWS * lanes * LANES + LANES].into();
        Self {
            variations,
            numbers: [0.0; ROWS],
            places: [0; ROWS],
            start: weights.as_ptr().align_offset(64).min(LANES),
            weights,
            used: 0,
            sums: vec![[[0.0; LANES]; 3]; lanes].into(),
        }
    }

    pub(super) fn variations(&self) -> usize {
        self.variations
    }

    /// How many fills are not added yet.
    pub(super) fn fills(&self) -> u64 {
        (self.used * self.variations) as u64
    }

    /// The weights that are not added yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = f64> + '_ {
        let rows = self.rows().take(self.used);
        rows.flat_map(|(.., weights)| weights.iter().map(|&weight| S::number(weight)))
    }

    fn rows(&self) -> impl Iterator<Item = (f64, usize, &[S::Weight])> + '_ {
        let row = self.sums.len().max(1) * LANES;
        // Without variations there are entries, but no rows.
        let rows = self.weights[self.start..].chunks(row).map(|row| &row[..self.variations]);
        self.numbers.into_iter().zip(self.places).zip(rows).map(|((number, place), row)| (number, place, row))
    }

    /// The bytes in memory.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.weights) + size_of_val(&*self.sums)
    }

    /// Takes an entry. Returns whether there is no room for another.
    ///
    /// # Panics
    /// Unless there are as many weights as variations.
    #[inline]
    pub(super) fn push(
        &mut self,
        y: f64,
        place: usize,
        weights: impl IntoIterator<Item = S::Weight>,
    ) -> bool {
        let (at, lanes, variations) = (self.used, self.sums.len(), self.variations);
        let row = &mut self.weights[self.start + at * lanes * LANES..][..variations];
        let weights = weights.into_iter();
        let is_complete = match weights.size_hint() {
            // Without looking behind the last, which would cost more than all.
            (least, Some(most)) if least == most && least == variations => take(row, weights) == variations,
            _ => {
                let mut weights = weights;
                take(row, weights.by_ref()) == variations && weights.next().is_none()
            }
        };
        assert!(is_complete, "one weight for each of {variations} variations");
        (self.numbers[at], self.places[at]) = (y, place);
        self.used += 1;
        self.used == ROWS
    }

    /// Adds the entries that wait.
    #[inline(never)]
    pub(super) fn settle(&mut self, axes: &[Axis], cells: &mut Cells<S>, moments: &mut Moments) {
        let Self { variations, numbers, weights, start, sums, .. } = self;
        let weights = weights[*start..].as_chunks::<LANES>().0;
        let (used, lanes) = (std::mem::take(&mut self.used), sums.len());
        let Some(axis) = axes.get(1).filter(|_| lanes > 0) else { return };
        let mut found = [0; ROWS];
        Search::of_few(axis).find(numbers, &mut found);
        let [mut inside, mut outside] = [[(0, 0.0); ROWS]; 2];
        let bins = axis.len();
        let (mut firsts, mut count) = ([0; ROWS], 0);
        for row in 0..used {
            let place = if self.places[row] == UNKNOWN { found[row] as usize } else { self.places[row] };
            firsts[row] = place * (*variations + 2) + 1;
            // In both, of which one is overwritten by the next: without a branch that would be mispredicted.
            inside[count] = (row, numbers[row]);
            outside[row - count] = (row, numbers[row]);
            count += usize::from(place.wrapping_sub(1) < bins);
        }
        let (inside, outside) = (&inside[..count], &outside[..used - count]);
        let rows = || weights.chunks_exact(lanes).map(|row| &row.as_flattened()[..*variations]);
        let dense = cells.dense_mut().is_some();
        if !dense {
            for (&first, row) in firsts[..used].iter().zip(rows()) {
                row.iter().zip(first..).for_each(|(&weight, at)| cells.add(at, S::cell(weight)));
            }
        }
        let cells = cells.dense_mut().unwrap_or_default();
        let firsts = if dense { &firsts[..used] } else { &[] };
        let mut is_finite = true;
        widest(Rows::<S> {
            variations: *variations,
            cells,
            firsts,
            weights,
            inside,
            outside,
            sums,
            is_finite: &mut is_finite,
        });
        if !is_finite {
            moments.note_odd(rows().take(used).flatten().map(|&weight| S::number(weight)));
        }
    }

    /// What a cell comes to with the entries that wait.
    pub(super) fn with_waiting(&self, axes: &[Axis], at: usize, mut cell: S::Cell) -> S::Cell {
        for (number, place, weights) in self.rows().take(self.used) {
            let place = if place == UNKNOWN { axes[1].index_of_number(number) } else { place };
            let variation = at.wrapping_sub(place * (self.variations + 2) + 1);
            if let Some(&weight) = weights.get(variation) {
                S::add(&mut cell, S::cell(weight));
            }
        }
        cell
    }

    /// Adds the sums of the entries that do not wait to those of `x x² y y² xy`.
    pub(super) fn add_totals(&self, first: &Axis, totals: &mut [f64]) {
        let lane = |product: usize| self.sums.iter().flat_map(move |sums| sums[product]);
        let sums = lane(0).zip(lane(1)).zip(lane(2)).take(self.variations);
        for (place, ((w, wy), wyy)) in (1..).zip(sums) {
            let x = first.coordinate(place);
            let terms = [w * x, w * x * x, wy, wyy, wy * x];
            totals.iter_mut().zip(terms).for_each(|(total, term)| *total += term);
        }
    }
}

/// Takes weights as long as there is room. Returns how many.
#[inline(always)]
fn take<W>(row: &mut [W], weights: impl Iterator<Item = W>) -> usize {
    let mut taken = 0;
    row.iter_mut().zip(weights).for_each(|(to, weight)| {
        *to = weight;
        taken += 1;
    });
    taken
}

/// Adds rows of weights to cells that lie side by side, and to the sums of their variations.
struct Rows<'a, S: Storage> {
    variations: usize,
    cells: &'a mut [S::Cell],
    /// The first cell of each row.
    firsts: &'a [usize],
    weights: &'a [[S::Weight; LANES]],
    /// The rows inside of the second axis, and their numbers on that.
    inside: &'a [(usize, f64)],
    outside: &'a [(usize, f64)],
    sums: &'a mut [[Sums; 3]],
    /// Whether all weights are finite, or so it seems as their sum is.
    is_finite: &'a mut bool,
}

impl<S: Storage> Kernel for Rows<'_, S> {
    // Iterators over the lanes are not vectorised here.
    #[expect(clippy::needless_range_loop)]
    #[inline(always)]
    fn run(self) {
        let lanes = self.sums.len();
        for (&first, row) in self.firsts.iter().zip(self.weights.chunks_exact(lanes)) {
            let cells = &mut self.cells[first..first + self.variations];
            cells
                .iter_mut()
                .zip(row.as_flattened())
                .for_each(|(cell, &weight)| S::add(cell, S::cell(weight)));
        }
        let mut all = [0.0; LANES];
        for (at, of_lanes) in self.sums.iter_mut().enumerate() {
            let mut sums = *of_lanes;
            for &(row, y) in self.inside {
                let weights = &self.weights[row * lanes + at];
                for lane in 0..LANES {
                    let w = S::number(weights[lane]);
                    let wy = w * y;
                    let terms = [w, wy, wy * y];
                    for product in 0..3 {
                        sums[product][lane] += terms[product];
                    }
                }
            }
            *of_lanes = sums;
            for lane in 0..LANES {
                all[lane] += sums[0][lane];
            }
            for &(row, _) in self.outside {
                for lane in 0..LANES {
                    all[lane] += S::number(self.weights[row * lanes + at][lane]);
                }
            }
        }
        *self.is_finite = all.iter().sum::<f64>().is_finite();
    }
}

/// Whether the entries of a histogram of so many cells may wait. Of a larger one no copy is made to look at it.
pub(super) fn may_wait(cells: usize) -> bool {
    cells <= DENSE
}
