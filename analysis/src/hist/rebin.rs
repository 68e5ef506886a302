use std::ops::Range;

use super::{Axes, Axis, Bins, Histogram, Storage};
use crate::Error;

impl<S: Storage, A: Axes> Histogram<S, A> {
    /// The histogram with each `factor` bins of an axis in one. Bins that are left over at the end go to the overflow, as
    /// in ROOT and `hist`.
    ///
    /// The sums for means stay exact, unless there was something in bins that are left over: then they are taken at the
    /// centres of the new bins. An integer axis becomes a regular one.
    ///
    /// # Errors
    /// If there is no such axis, if it is one of categories, or has fewer bins than `factor`, or with factor 0.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// mass.fill(119.5, 2.0);
    /// let coarse = mass.rebin(0, 5)?;
    /// assert_eq!((coarse.bin(7).low, coarse.bin(7).high, coarse.bin(7).value), (90.0, 95.0, 0.5));
    /// // 8 bins of 7, and 4 bins left over.
    /// let sevens = mass.rebin(0, 7)?;
    /// assert_eq!((sevens.axes()[0].edges()[8], sevens.value([9])), (116.0, 2.0));
    /// # Ok::<(), hep_run::Error>(())
    /// ```
    pub fn rebin(&self, axis: usize, factor: usize) -> crate::Result<Self> {
        let old = self.axis(axis)?;
        let n = old.len();
        if factor == 0 || factor > n {
            return Err(wrong(axis, &format!("of {n} bins cannot be rebinned by {factor}")));
        }
        let bins = n / factor;
        let edge = |bin: usize| old.edge(bin * factor);
        let made: Result<Axis, String> = match old.bins() {
            Bins::Regular(_) | Bins::Integer(_) => Axis::try_regular(bins, edge(0), edge(bins)),
            Bins::Variable(_) => Axis::try_variable((0..=bins).map(edge)),
            Bins::Category(_) => Err("is of categories, which have no neighbours to rebin with".to_owned()),
        };
        let new = made.map_err(|what| wrong(axis, &what))?.label(old.title()).name(old.id());
        Ok(self.replaced(axis, new, |place| match place {
            0 => 0,
            place => ((place - 1) / factor).min(bins) + 1,
        }))
    }

    /// The histogram with some bins of an axis alone, by index: from the first that stays to the first above. What was
    /// in others goes to under- and overflow, of categories all to the overflow. A growing axis
    /// no longer grows.
    ///
    /// The sums for means stay exact if the others held nothing. Else they are taken at the centres of the bins.
    ///
    /// # Errors
    /// If there is no such axis, or no such bins on it.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// mass.fill(75.0, 3.0);
    /// let axis = &mass.axes()[0];
    /// let window = mass.slice(0, axis.index(80.0)..axis.index(100.0))?;
    /// assert_eq!((window.axes()[0].len(), window.sum_inside().value), (20, 0.5));
    /// assert_eq!(window.value([Axis::UNDERFLOW]), 3.0);
    /// # Ok::<(), hep_run::Error>(())
    /// ```
    pub fn slice(&self, axis: usize, bins: Range<usize>) -> crate::Result<Self> {
        let old = self.axis(axis)?;
        let n = old.len();
        if bins.start == 0 || bins.start >= bins.end || bins.end > n + 1 {
            let (from, to) = (bins.start, bins.end);
            return Err(wrong(axis, &format!("of bins 1 to {n} cannot be sliced to {from}..{to}")));
        }
        let (from, to) = (bins.start - 1, bins.end - 1);
        let made: Result<Axis, String> = match old.bins() {
            Bins::Regular(_) => Axis::try_regular(to - from, old.edge(from), old.edge(to)),
            Bins::Variable(axis) => Axis::try_variable(axis.edges()[from..=to].iter().copied()),
            Bins::Integer(axis) => Ok(Axis::integer(axis.low() + from as i32, axis.low() + to as i32)),
            Bins::Category(axis) => Ok(Axis::category(axis.names()[from..to].iter().map(String::as_str))),
        };
        let new = made.map_err(|what| wrong(axis, &what))?.label(old.title()).name(old.id());
        let below = if matches!(old.bins(), Bins::Category(_)) { to - from + 1 } else { 0 };
        Ok(self.replaced(axis, new, |place| match place {
            0 => 0,
            place if place <= from => below,
            place => place.min(to + 1) - from,
        }))
    }

    /// The histogram with another axis in place of one, on which the bin at an index is that of `place`.
    fn replaced(&self, axis: usize, new: Axis, place: impl Fn(usize) -> usize) -> Self {
        let mut axes = self.axes.clone();
        axes.as_mut()[axis] = new;
        let kept: Vec<usize> = (0..self.axes().len()).collect();
        self.rearranged(axes, &kept, |from, to| {
            to.copy_from_slice(from);
            to[axis] = place(from[axis]);
            true
        })
    }

    fn axis(&self, axis: usize) -> crate::Result<&Axis> {
        self.axes().get(axis).ok_or_else(|| wrong(axis, &format!("of {} axes", self.axes().len())))
    }
}

fn wrong(axis: usize, what: &str) -> Error {
    Error::Binning { name: None, what: format!("axis {axis} {what}") }
}

/// What the tests fill on any axis over `0..10`.
#[cfg(test)]
pub(super) fn filled(axis: Axis) -> super::Hist {
    let mut h = super::Hist::new(axis);
    let xs = [-1.0, 0.5, 1.5, 1.7, 4.2, 8.5, 9.5, 9.9, 12.0];
    let weights = [1.0, 2.0, -0.5, 3.0, 1.5, 4.0, 0.25, 2.0, 8.0];
    xs.iter().zip(weights).for_each(|(&x, weight)| h.fill(x, weight));
    h
}

#[cfg(test)]
mod tests {
    use super::super::{Count, Hist, Hist2};
    use super::*;

    fn assert_holds(h: &Hist, edges: &[f64], values: &[f64], variances: &[f64]) {
        let view = h.view();
        assert_eq!(
            (&h.axes()[0].edges()[..], &view.sumw[..], &view.sumw2.unwrap()[..]),
            (edges, values, variances)
        );
    }

    /// From `hist` 2.12: `h[::hist.rebin(5)]`, `h[::hist.rebin(3)]` of `Reg(10, 0, 10)` and `h[::hist.rebin(2)]` of
    /// `Var([0, 1, 3, 4.5, 7, 10])`, filled alike, each with `flow=True`.
    #[test]
    fn rebinned_histograms_are_those_of_hist() {
        let h = filled(Axis::regular(10, 0.0, 10.0));
        let (values, variances) = ([1.0, 6.0, 6.25, 8.0], [1.0, 15.5, 20.0625, 64.0]);
        assert_holds(&h.rebin(0, 5).unwrap(), &[0.0, 5.0, 10.0], &values, &variances);
        let (values, variances) = ([1.0, 4.5, 1.5, 4.0, 10.25], [1.0, 13.25, 2.25, 16.0, 68.0625]);
        assert_holds(&h.rebin(0, 3).unwrap(), &[0.0, 3.0, 6.0, 9.0], &values, &variances);
        let h = filled(Axis::variable([0.0, 1.0, 3.0, 4.5, 7.0, 10.0]));
        let (values, variances) = ([1.0, 4.5, 1.5, 14.25], [1.0, 13.25, 2.25, 84.0625]);
        assert_holds(&h.rebin(0, 2).unwrap(), &[0.0, 3.0, 7.0], &values, &variances);
    }

    /// From `hist` 2.12: `h[2:9]`, of which `hist` counts the first bin as 0.
    #[test]
    fn sliced_histograms_are_those_of_hist() {
        let h = filled(Axis::regular(10, 0.0, 10.0)).slice(0, 3..10).unwrap();
        let edges = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let values = [5.5, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 4.0, 10.25];
        let variances = [14.25, 0.0, 0.0, 2.25, 0.0, 0.0, 0.0, 16.0, 68.0625];
        assert_holds(&h, &edges, &values, &variances);
        assert_eq!(h.entries(), 9);
    }

    /// By hand. What is inside stays inside with factor 5; with 3 the fills at 9.5 and 9.9 leave.
    #[test]
    fn sums_for_means_stay_exact_unless_fills_leave() {
        let h = filled(Axis::regular(10, 0.0, 10.0));
        assert_eq!(h.rebin(0, 5).unwrap().statistics(), h.statistics());
        let sums = h.rebin(0, 3).unwrap().statistics();
        assert_eq!(sums[2..], [4.5 * 1.5 + 1.5 * 4.5 + 4.0 * 7.5, 4.5 * 2.25 + 1.5 * 20.25 + 4.0 * 56.25]);
    }

    #[test]
    fn one_of_two_axes_is_rebinned_as_if_it_were_filled_so() {
        let book = |y| Hist2::new([Axis::category(["a", "b"]), y]);
        let (mut fine, mut coarse) = (
            book(Axis::integer(0, 6).name("n").label("jets")),
            book(Axis::regular(2, 0.0, 6.0).name("n").label("jets")),
        );
        for (name, n, weight) in [("a", 0, 1.0), ("b", 2, 2.0), ("b", 3, 4.0), ("a", 6, 8.0), ("b", -1, 16.0)]
        {
            fine.fill(name, n, weight);
            coarse.fill(name, n, weight);
        }
        assert_eq!(fine.rebin(1, 3).unwrap(), coarse);
    }

    #[test]
    fn categories_that_go_are_in_the_overflow() {
        let mut h = Hist::new(Axis::category(["a", "b", "c"]));
        [("a", 1.0), ("b", 2.0), ("c", 4.0), ("d", 8.0)].iter().for_each(|&(name, w)| h.fill(name, w));
        let b = h.slice(0, 2..3).unwrap();
        assert_eq!((b.axes()[0].bin_name(1), b.view().sumw), (Some("b"), vec![0.0, 2.0, 13.0]));
        let mut n = Count::new(Axis::integer(i32::MIN, i32::MIN + 3));
        n.fill(i32::MIN + 1);
        assert_eq!(n.slice(0, 2..3).unwrap().view().sumw, [0.0, 1.0, 0.0]);
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let h = Hist::new(Axis::regular(10, 0.0, 1.0));
        let text = |result: crate::Result<Hist>| result.unwrap_err().to_string();
        assert_eq!(text(h.rebin(0, 0)), "histogram: axis 0 of 10 bins cannot be rebinned by 0");
        assert_eq!(text(h.rebin(0, 11)), "histogram: axis 0 of 10 bins cannot be rebinned by 11");
        assert_eq!(text(h.rebin(1, 2)), "histogram: axis 1 of 1 axes");
        assert_eq!(text(h.slice(0, 0..3)), "histogram: axis 0 of bins 1 to 10 cannot be sliced to 0..3");
        assert!(h.slice(0, 3..3).is_err() && h.slice(0, 3..12).is_err());
        let names = Hist::new(Axis::category(["a", "b"]));
        assert!(
            text(names.rebin(0, 2))
                .ends_with("axis 0 is of categories, which have no neighbours to rebin with")
        );
    }
}
