//! Fills of whole columns, faster than one at a time: the places are found in vectorised loops, and counts are
//! summed in small tables first.

use super::regular::{BLOCK, Places};
use super::{Axis, Bins, Coordinate, Counts, Histogram, Weighted};
use crate::simd::widest;

impl Histogram<Counts, [Axis; 1]> {
    /// Adds an entry for each of `values`: the same as [`fill`](Self::fill) for each, at less than half the
    /// cost for a regular axis.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Count};
    ///
    /// let mut pt = Count::new(Axis::regular(10, 0.0, 100.0));
    /// pt.fill_all([15.0, 17.0, 25.0]);
    /// assert_eq!((pt.value([2]), pt.value([3])), (2.0, 1.0));
    /// ```
    pub fn fill_all<X: Coordinate>(&mut self, values: impl IntoIterator<Item = X>) {
        self.fill_where(values.into_iter().map(|x| (x, true)));
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
        let values = values.into_iter();
        let axis = match self.axes()[0].bins() {
            Bins::Regular(axis) if !is_short(&values) => axis.clone(),
            _ => {
                return values.filter(|(_, chosen)| *chosen).for_each(|(x, _)| self.fill(x));
            }
        };
        let mut tables = (axis.bins() + 2 <= TABLE).then(Tables::default);
        let (mut numbers, mut count) = ([0.0; BLOCK], 0);
        let mut flush = |numbers: &[f64; BLOCK], count: usize| {
            let mut at = [0; BLOCK];
            widest(Places { axis: &axis, numbers, places: &mut at });
            match &mut tables {
                Some(tables) => tables.add(&at[..count], self),
                None => at[..count].iter().for_each(|&at| self.put_many(at as usize, 1, 1)),
            }
        };
        values.for_each(|(x, chosen)| {
            // A number that is not chosen is overwritten by the next.
            numbers[count] = x.number().unwrap_or(f64::NAN);
            count += usize::from(chosen);
            if count == BLOCK {
                flush(&numbers, count);
                count = 0;
            }
        });
        flush(&numbers, count);
        if let Some(mut tables) = tables {
            tables.empty_into(self);
        }
    }
}

impl Histogram<Weighted, [Axis; 1]> {
    /// Adds an entry for each of the `values` and weights: the same sums, bit for bit, as
    /// [`fill`](Self::fill) for each.
    pub fn fill_all<X: Coordinate>(&mut self, values: impl IntoIterator<Item = (X, f64)>) {
        let values = values.into_iter();
        let axis = match self.axes()[0].bins() {
            Bins::Regular(axis) if !is_short(&values) => axis.clone(),
            _ => return values.for_each(|(x, weight)| self.fill(x, weight)),
        };
        let (mut numbers, mut weights, mut count) = ([0.0; BLOCK], [0.0; BLOCK], 0);
        let mut flush = |numbers: &[f64; BLOCK], weights: &[f64]| {
            let mut at = [0; BLOCK];
            widest(Places { axis: &axis, numbers, places: &mut at });
            for (&at, &weight) in at.iter().zip(weights) {
                self.put_many(at as usize, [weight, weight * weight], 1);
            }
        };
        values.for_each(|(x, weight)| {
            (numbers[count], weights[count]) = (x.number().unwrap_or(f64::NAN), weight);
            count += 1;
            if count == BLOCK {
                flush(&numbers, &weights);
                count = 0;
            }
        });
        flush(&numbers, &weights[..count]);
    }
}

/// Whether there are so few values that tables do not pay.
fn is_short<T>(values: &impl Iterator<Item = T>) -> bool {
    values.size_hint().1.is_some_and(|most| most < BLOCK)
}

/// Bins, with under- and overflow, of the largest histogram that is counted in tables.
const TABLE: usize = 256;

/// Counts of the same bins four times over: neighbouring values often fall into the same bin, and adding to a
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
    fn add(&mut self, places: &[u32], hist: &mut Histogram<Counts, [Axis; 1]>) {
        let mut quads = places.chunks_exact(4);
        for quad in &mut quads {
            for (counts, &place) in self.counts.iter_mut().zip(quad) {
                counts[place as usize % TABLE] += 1;
            }
        }
        for &place in quads.remainder() {
            self.counts[0][place as usize % TABLE] += 1;
        }
        self.sum += places.len() as u32;
        if self.sum > u32::MAX / 2 {
            self.empty_into(hist);
        }
    }

    #[cold]
    fn empty_into(&mut self, hist: &mut Histogram<Counts, [Axis; 1]>) {
        for place in 0..TABLE {
            let count: u64 = self.counts.iter().map(|counts| u64::from(counts[place])).sum();
            if count > 0 {
                hist.put_many(place, count, count);
            }
        }
        *self = Self::default();
    }
}
