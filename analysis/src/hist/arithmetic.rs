use std::ops::MulAssign;

use super::cells::Cells;
use super::moments::Moments;
use super::{Axes, Counts, Histogram, Storage, Weighted};
use crate::{Error, Merge, Result};

impl<A: Axes> Histogram<Weighted, A> {
    /// Multiplies all weights by `factor`: values and the sums for means by it, variances by its square. The number of
    /// entries stays. Scaled sums are rounded, so scale what is merged, not what will be: in
    /// [`Processor::finish`](crate::Processor::finish).
    ///
    /// With a factor that is infinite or not a number, as luminosity over no events, filled bins are so too, and their
    /// fills count as [fills with such weights](Histogram::non_finite_weights). Bins that hold nothing stay empty.
    ///
    /// Exact counts cannot be scaled: book a weighted histogram, or [convert](Histogram::weighted) them.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// mass.scale(3.0);
    /// assert_eq!((mass.bin(32).value, mass.bin(32).error()), (1.5, 1.5));
    /// ```
    ///
    /// ```compile_fail
    /// # extern crate hep_analysis as hep_run;
    /// # use hep_run::hist::{Axis, Count};
    /// let mut jets = Count::new(Axis::integer(0, 10));
    /// jets.scale(3.0);
    /// ```
    pub fn scale(&mut self, factor: f64) {
        self.settle();
        let square = factor * factor;
        let mut cells = Cells::new(self.cells.len());
        for (at, [value, variance]) in self.cells.held() {
            cells.add(at, [value * factor, variance * square]);
        }
        let mut moments = Moments::new(self.axes().len());
        // No fills, no sums: 0 × ∞ is none.
        let scaled = |sum: &f64| if *sum == 0.0 { 0.0 } else { sum * factor };
        moments.set(&self.totals().iter().map(scaled).collect::<Vec<_>>());
        moments.add_odd(if factor.is_finite() { self.non_finite_weights() } else { self.entries });
        *self = Self::of(self.title.clone(), self.axes.clone(), cells, self.entries, moments);
    }

    /// Takes away the values of a histogram with the same axes, as a background. Variances add, entries too, because
    /// both are of independent fills.
    ///
    /// # Errors
    /// If the axes differ.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// let mut background = mass.clone();
    /// mass.fill(91.2, 3.0);
    /// background.fill(91.2, 4.0);
    /// mass.subtract(&background)?;
    /// assert_eq!((mass.bin(32).value, mass.bin(32).error()), (-1.0, 5.0));
    /// # Ok::<(), hep_run::Error>(())
    /// ```
    pub fn subtract(&mut self, other: &Self) -> Result<()> {
        let mut negative = other.clone();
        negative.scale(-1.0);
        self.merge(negative)
    }
}

impl<S: Storage, A: Axes> Histogram<S, A> {
    /// Adds a histogram with the same axes: values, variances and entries. [`Merge`] by reference.
    ///
    /// # Errors
    /// If the axes differ. Growing categories unite.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut electrons = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// let mut muons = electrons.clone();
    /// electrons.fill(91.2, 3.0);
    /// muons.fill(91.2, 4.0);
    /// electrons.add(&muons)?;
    /// assert_eq!((electrons.bin(32).value, electrons.bin(32).error()), (7.0, 5.0));
    /// assert!(electrons.add(&Hist::new(Axis::regular(6, 60.0, 120.0))).is_err());
    /// # Ok::<(), hep_run::Error>(())
    /// ```
    pub fn add(&mut self, other: &Self) -> Result<()> {
        self.merge(other.clone())
    }

    /// The values of `self` over those of `other`, bin by bin, under- and overflow included, in the order of
    /// [`AnyHist::sumw`](super::AnyHist::sumw). 0 / 0 is NaN, and anything else over 0 is infinite. How uncertain a ratio
    /// is depends on whether the two are independent, so it is left to the caller.
    ///
    /// # Errors
    /// If the axes differ, or list categories in another order.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut passed = Hist::new(Axis::variable([0.0, 20.0, 50.0]));
    /// let mut all = passed.clone();
    /// passed.fill(33.0, 3.0);
    /// all.fill(33.0, 4.0);
    /// let efficiency = passed.divide(&all)?;
    /// assert_eq!(efficiency[2], 0.75);
    /// assert!(efficiency[1].is_nan());
    /// # Ok::<(), hep_run::Error>(())
    /// ```
    pub fn divide(&self, other: &Self) -> Result<Vec<f64>> {
        if !self.has_bins_of(other) {
            let differ = || "the categories of A and B differ".to_owned();
            return Err(Error::Binning { name: None, what: self.difference(other).unwrap_or_else(differ) });
        }
        let mut ratio = self.settled().cells.numbers(S::value);
        let divisors = other.settled().cells.numbers(S::value);
        ratio.iter_mut().zip(divisors).for_each(|(value, divisor)| *value /= divisor);
        ratio.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = f64::NAN);
        Ok(ratio)
    }
}

/// [`Histogram::scale`].
impl<A: Axes> MulAssign<f64> for Histogram<Weighted, A> {
    fn mul_assign(&mut self, factor: f64) {
        self.scale(factor);
    }
}

impl<A: Axes> Histogram<Counts, A> {
    /// The histogram of weights that it would be if each fill had weight 1. Counts above 2⁵³ are rounded.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Count};
    ///
    /// let mut jets = Count::new(Axis::integer(0, 10));
    /// jets.fill(4);
    /// jets.fill(4);
    /// let mut weighted = jets.weighted();
    /// weighted.scale(0.5);
    /// assert_eq!((weighted.bin(5).value, weighted.bin(5).variance), (1.0, 0.5));
    /// ```
    pub fn weighted(&self) -> Histogram<Weighted, A> {
        let hist = self.settled();
        let mut cells = Cells::new(hist.cells.len());
        hist.cells.held().for_each(|(at, count)| cells.add(at, [count as f64; 2]));
        let mut moments = Moments::new(hist.axes().len());
        moments.set(&hist.totals());
        Histogram::of(hist.title.clone(), hist.axes.clone(), cells, hist.entries, moments)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Count2, Hist, Hist2};

    /// From `hist` 2.12: `(h * 3).values(flow=True)`, `.variances(flow=True)`.
    #[test]
    fn values_and_variances_scale_as_those_of_hist() {
        let mut h = super::super::rebin::filled(Axis::regular(10, 0.0, 10.0));
        h *= 3.0;
        let view = h.view();
        assert_eq!(view.sumw, [3.0, 6.0, 7.5, 0.0, 0.0, 4.5, 0.0, 0.0, 0.0, 12.0, 6.75, 24.0]);
        let variances = [9.0, 36.0, 83.25, 0.0, 0.0, 20.25, 0.0, 0.0, 0.0, 144.0, 36.5625, 576.0];
        assert_eq!((view.sumw2.unwrap(), view.entries), (variances.to_vec(), 9));
    }

    /// By hand: fills at 0.5 (weight 2) and 1.5 (weight -1), once varied, scaled by 4.
    #[test]
    fn sums_for_means_scale_with_the_weights_also_of_fills_that_wait() {
        let mut h = Hist::new(Axis::regular(2, 0.0, 2.0));
        h.fill(0.5, 2.0);
        h.fill(1.5, -1.0);
        h.scale(4.0);
        assert_eq!(h.statistics(), [4.0, 80.0, 4.0 * (1.0 - 1.5), 4.0 * (0.5 - 2.25)]);
        let mut varied = Hist2::new([Axis::category(["a", "b"]), Axis::regular(2, 0.0, 2.0)]);
        varied.fill_varied(0.5, [2.0, 3.0]);
        let before = varied.statistics();
        varied.scale(0.5);
        let halves = before.iter().enumerate().map(|(at, sum)| sum * if at == 1 { 0.25 } else { 0.5 });
        assert_eq!(varied.statistics(), halves.collect::<Vec<_>>());
        // A scaled histogram can be filled on.
        varied.fill_varied(0.5, [1.0, 1.0]);
        assert_eq!(varied.value([1, 1]), 2.0);
    }

    #[test]
    fn a_factor_that_is_no_number_shows_and_leaves_empty_bins_alone() {
        let mut h = Hist::new(Axis::integer(0, 3));
        h.fill(1, 2.0);
        h.scale(f64::NAN);
        assert!(h.value([2]).is_nan() && h.value([1]) == 0.0);
        assert_eq!(h.non_finite_weights(), 1);
        let mut none = Hist::new(Axis::integer(0, 3));
        none.scale(f64::INFINITY);
        assert_eq!(none, Hist::new(Axis::integer(0, 3)));
    }

    #[test]
    fn subtracting_itself_leaves_no_value_and_twice_the_variance() {
        let mut h = super::super::rebin::filled(Axis::regular(10, 0.0, 10.0));
        let same = h.clone();
        h.subtract(&same).unwrap();
        assert_eq!(h.total().value, 0.0);
        assert_eq!((h.total().variance, h.entries()), (2.0 * same.total().variance, 18));
        assert!(h.subtract(&Hist::new(Axis::integer(0, 10))).is_err());
    }

    #[test]
    fn categories_in_another_order_are_not_divided_bin_by_bin() {
        let make = |names: [&str; 2]| {
            let mut h = Hist::new(Axis::growing_category());
            names.iter().for_each(|name| h.fill(*name, 1.0));
            h
        };
        let error = make(["a", "b"]).divide(&make(["b", "a"])).unwrap_err().to_string();
        assert_eq!(error, "histogram: the categories of A and B differ");
        assert_eq!(make(["a", "b"]).divide(&make(["a", "b"])).unwrap()[1..3], [1.0, 1.0]);
    }

    #[test]
    fn counts_become_weights_of_one() {
        let axes = || [Axis::integer(0, 2), Axis::integer(0, 2)];
        let (mut counts, mut weights) = (Count2::new(axes()), Hist2::new(axes()));
        for (x, y) in [(0, 1), (1, 1), (1, 1), (5, 0)] {
            counts.fill(x, y);
            weights.fill(x, y, 1.0);
        }
        assert_eq!(counts.weighted(), weights);
    }
}
