use std::ops::{AddAssign, Bound, RangeBounds};

use super::{Axes, Axis, Histogram, Storage};

/// A bin of a histogram with one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Its index: 0 is the underflow, 1 the first bin.
    pub index: usize,
    /// The lower edge.
    pub low: f64,
    /// The upper edge.
    pub high: f64,
    /// The sum of weights.
    pub value: f64,
    /// The sum of squared weights.
    pub variance: f64,
}

impl Bin {
    /// The middle.
    pub fn center(&self) -> f64 {
        0.5 * (self.low + self.high)
    }

    /// The width.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// The statistical uncertainty, which is the square root of the variance.
    pub fn error(&self) -> f64 {
        self.variance.sqrt()
    }
}

/// What bins add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// The sum of weights.
    pub value: f64,
    /// The sum of squared weights.
    pub variance: f64,
}

impl Sum {
    /// The statistical uncertainty, which is the square root of the variance.
    pub fn error(&self) -> f64 {
        self.variance.sqrt()
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.value += other.value;
        self.variance += other.variance;
    }
}

impl<S: Storage, A: Axes> Histogram<S, A> {
    /// The sum of all bins, under- and overflow included, with its variance.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// mass.fill(500.0, 2.0);
    /// assert_eq!((mass.total().value, mass.total().variance), (2.5, 4.25));
    /// assert_eq!((mass.sum_inside().value, mass.sum_inside().error()), (0.5, 0.5));
    /// ```
    pub fn total(&self) -> Sum {
        self.sum_where(|_| true)
    }

    /// The sum of the bins inside of all axes, without under- and overflow, with its variance.
    pub fn sum_inside(&self) -> Sum {
        self.sum_where(|places| inside(self.axes(), places))
    }

    /// The values of all bins without under- and overflow, the first axis fastest. [`Histogram::view`] has those with
    /// under- and overflow.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut jets = Hist::new(Axis::integer(0, 3));
    /// jets.fill(1, 0.5);
    /// jets.fill(7, 1.0);
    /// assert_eq!((jets.values(), jets.variances()), (vec![0.0, 0.5, 0.0], vec![0.0, 0.25, 0.0]));
    /// ```
    pub fn values(&self) -> Vec<f64> {
        self.numbers_inside(S::value)
    }

    /// The variances of all bins without under- and overflow, the first axis fastest.
    pub fn variances(&self) -> Vec<f64> {
        self.numbers_inside(S::variance)
    }

    /// The bins that hold something, under- and overflow included, the first axis fastest: the index on each axis, and
    /// the value with its variance. Of a large histogram with few filled bins, only those are visited.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist2};
    ///
    /// let mut plane = Hist2::new([Axis::regular(1000, 0.0, 1.0), Axis::regular(1000, 0.0, 1.0)]);
    /// plane.fill(0.25, 2.0, 3.0);
    /// for (index, sum) in plane.filled() {
    ///     assert_eq!((index, sum.value, sum.variance), (vec![251, 1001], 3.0, 9.0));
    /// }
    /// ```
    pub fn filled(&self) -> Vec<(Vec<usize>, Sum)> {
        let mut filled = Vec::new();
        self.each_held(|places, cell| filled.push((places.to_vec(), sum_of::<S>(cell))));
        filled
    }

    /// Calls `visit` with each cell that holds something and its places, in order.
    pub(super) fn each_held(&self, mut visit: impl FnMut(&[usize], S::Cell)) {
        let hist = self.settled();
        let mut places = vec![0; hist.axes().len()];
        for (at, cell) in hist.cells.held() {
            find_places(hist.axes(), at, &mut places);
            visit(&places, cell);
        }
    }

    fn sum_where(&self, wanted: impl Fn(&[usize]) -> bool) -> Sum {
        let mut sum = Sum::default();
        self.each_held(|places, cell| {
            if wanted(places) {
                sum += sum_of::<S>(cell);
            }
        });
        sum
    }

    fn numbers_inside(&self, number: impl Fn(S::Cell) -> f64) -> Vec<f64> {
        let axes = self.axes();
        let mut numbers = vec![number(S::Cell::default()); axes.iter().map(Axis::len).product()];
        self.each_held(|places, cell| {
            if inside(axes, places) {
                let pairs = axes.iter().zip(places).rev();
                numbers[pairs.fold(0, |at, (axis, place)| at * axis.len() + place - 1)] = number(cell);
            }
        });
        numbers
    }
}

/// Writes the place of cell `at` on each axis, the first axis fastest.
pub(super) fn find_places(axes: &[Axis], mut at: usize, places: &mut [usize]) {
    for (place, axis) in places.iter_mut().zip(axes) {
        *place = at % (axis.len() + 2);
        at /= axis.len() + 2;
    }
}

/// Whether fills of a cell are part of the sums for means: with four axes and more all are.
pub(super) fn counts(axes: &[Axis], places: &[usize]) -> bool {
    axes.len() > 3 || inside(axes, places)
}

/// Whether a cell is inside of all axes.
fn inside(axes: &[Axis], places: &[usize]) -> bool {
    axes.iter().zip(places).all(|(axis, place)| (1..=axis.len()).contains(place))
}

fn sum_of<S: Storage>(cell: S::Cell) -> Sum {
    Sum { value: S::value(cell), variance: S::variance(cell) }
}

impl<S: Storage> Histogram<S, [Axis; 1]> {
    /// The bins in order, without under- and overflow.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(3, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// let highest = mass.bins().max_by(|a, b| a.value.total_cmp(&b.value)).unwrap();
    /// assert_eq!((highest.index, highest.low, highest.high, highest.error()), (2, 80.0, 100.0, 0.5));
    /// ```
    pub fn bins(&self) -> impl Iterator<Item = Bin> + '_ {
        (1..=self.axes()[0].len()).map(|index| self.bin(index))
    }

    /// The bins in order, the underflow first and the overflow last. Their edges are -∞ and ∞.
    pub fn bins_with_flow(&self) -> impl Iterator<Item = Bin> + '_ {
        (0..=self.axes()[0].overflow()).map(|index| self.bin(index))
    }

    /// One bin: 0 is the underflow, `n + 1` the overflow.
    ///
    /// # Panics
    /// If the index is past the overflow.
    pub fn bin(&self, index: usize) -> Bin {
        let (low, high) = self.axes()[0].interval(index);
        Bin { index, low, high, value: self.value([index]), variance: self.variance([index]) }
    }

    /// The sum over a range of bins, with its variance. `..` is all with under- and overflow.
    ///
    /// # Panics
    /// If the range ends past the overflow.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// mass.fill(75.0, 3.0);
    /// let axis = &mass.axes()[0];
    /// assert_eq!(mass.integral(axis.index(80.0)..axis.index(100.0)).value, 0.5);
    /// assert_eq!(mass.integral(..axis.index(80.0)).error(), 3.0);
    /// ```
    pub fn integral(&self, range: impl RangeBounds<usize>) -> Sum {
        let past = self.axes()[0].len() + 2;
        let from = match range.start_bound() {
            Bound::Included(&from) => from,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&to) => to,
            Bound::Unbounded => past,
        };
        assert!(to <= past, "bins up to {to} of an axis of {} bins", past - 2);
        self.sum_where(|places| (from..to).contains(&places[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Count2, Hist, Hist2};
    use super::*;

    /// From `hist` 2.12: `h = Hist.new.Reg(10, 0, 10).Weight()`, filled alike; `h.sum(flow=True)`, `h.sum()`,
    /// `h[2:9:sum]`.
    #[test]
    fn sums_are_those_of_hist() {
        let h = super::super::rebin::filled(Axis::regular(10, 0.0, 10.0));
        assert_eq!(h.total(), Sum { value: 21.25, variance: 100.5625 });
        assert_eq!(h.sum_inside(), Sum { value: 12.25, variance: 35.5625 });
        assert_eq!(h.integral(3..10), Sum { value: 5.5, variance: 18.25 });
        assert_eq!(h.integral(3..=9), h.integral(3..10));
        assert_eq!(h.integral(..), h.total());
        #[expect(clippy::reversed_empty_ranges, reason = "what an empty range gives")]
        let none = h.integral(5..3);
        assert_eq!(none, Sum::default());
    }

    #[test]
    #[should_panic(expected = "bins up to 13 of an axis of 10 bins")]
    fn an_integral_past_the_overflow_is_a_slip() {
        Hist::new(Axis::regular(10, 0.0, 10.0)).integral(0..13);
    }

    #[test]
    fn bins_know_their_edges_with_flow_or_without() {
        let mut h = Hist::new(Axis::variable([0.0, 1.0, 4.0]));
        h.fill(2.0, -3.0);
        h.fill(9.0, 2.0);
        let bins: Vec<Bin> = h.bins_with_flow().collect();
        assert_eq!(h.bins().collect::<Vec<_>>(), bins[1..3]);
        assert_eq!(bins[2], Bin { index: 2, low: 1.0, high: 4.0, value: -3.0, variance: 9.0 });
        assert_eq!((bins[2].center(), bins[2].width(), bins[2].error()), (2.5, 3.0, 3.0));
        assert_eq!((bins[3].high, bins[3].value), (f64::INFINITY, 2.0));
    }

    #[test]
    fn values_of_several_axes_are_without_flow_the_first_axis_fastest() {
        let mut h = Count2::new([Axis::integer(0, 2), Axis::integer(0, 3)]);
        for (x, y, n) in [(0, 0, 1), (1, 0, 2), (0, 2, 3), (-1, 1, 9), (1, 3, 9)] {
            (0..n).for_each(|_| h.fill(x, y));
        }
        assert_eq!(h.values(), [1.0, 2.0, 0.0, 0.0, 3.0, 0.0]);
        assert_eq!((h.total().value, h.sum_inside().value), (24.0, 6.0));
    }

    #[test]
    fn filled_bins_of_a_large_histogram_come_in_order() {
        let mut h = Hist2::new([Axis::regular(1000, 0.0, 1.0), Axis::regular(1000, 0.0, 1.0)]);
        h.fill(0.5, 0.75, 1.0);
        h.fill(2.0, 0.25, 2.0);
        let filled = h.filled();
        let places: Vec<&[usize]> = filled.iter().map(|(places, _)| &places[..]).collect();
        assert_eq!(places, [[1001, 251], [501, 751]]);
    }
}
