use super::{Axis, Bins, Coordinate, Regular};

/// Where bins are, by their index: 0 is the underflow, `1..=n` are the bins, and `n + 1` is the overflow.
impl Axis {
    /// The index of the underflow.
    pub const UNDERFLOW: usize = 0;

    /// The index of the overflow.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::Axis;
    ///
    /// let pt = Axis::variable([0.0, 20.0, 50.0, 200.0]);
    /// assert_eq!((pt.index(-1.0), pt.index(33.0), pt.index(300.0)), (Axis::UNDERFLOW, 2, pt.overflow()));
    /// ```
    pub fn overflow(&self) -> usize {
        self.len() + 1
    }

    /// The index of the bin that a value, or the name of a category, falls into.
    pub fn index(&self, x: impl Coordinate) -> usize {
        x.index(self)
    }

    /// The edges of the bins, one more than there are bins. Category `i` is between `i - 1` and `i`.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::Axis;
    ///
    /// let pt = Axis::variable([0.0, 20.0, 50.0, 200.0]);
    /// assert_eq!(pt.edges(), [0.0, 20.0, 50.0, 200.0]);
    /// assert_eq!(pt.centers(), [10.0, 35.0, 125.0]);
    /// assert_eq!(pt.widths(), [20.0, 30.0, 150.0]);
    /// assert_eq!(pt.interval(2), (20.0, 50.0));
    /// ```
    pub fn edges(&self) -> Vec<f64> {
        (0..=self.len()).map(|edge| self.edge(edge)).collect()
    }

    /// The middles of the bins.
    pub fn centers(&self) -> Vec<f64> {
        (0..self.len()).map(|bin| 0.5 * (self.edge(bin) + self.edge(bin + 1))).collect()
    }

    /// The widths of the bins.
    pub fn widths(&self) -> Vec<f64> {
        (0..self.len()).map(|bin| self.edge(bin + 1) - self.edge(bin)).collect()
    }

    /// The lower edge of a bin, which is in it, and the upper edge, which is not. The underflow begins at -∞, and the
    /// overflow ends at ∞.
    ///
    /// # Panics
    /// If the index is past the overflow.
    pub fn interval(&self, index: usize) -> (f64, f64) {
        let n = self.len();
        assert!(index <= n + 1, "bin {index} of an axis of {n} bins");
        let low = if index == 0 { f64::NEG_INFINITY } else { self.edge(index - 1) };
        let high = if index > n { f64::INFINITY } else { self.edge(index) };
        (low, high)
    }

    /// The name of a category, if the bin is one.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::Axis;
    ///
    /// let channel = Axis::category(["ee", "mumu"]);
    /// assert_eq!((channel.bin_name(2), channel.bin_name(channel.overflow())), (Some("mumu"), None));
    /// ```
    pub fn bin_name(&self, index: usize) -> Option<&str> {
        match self.bins() {
            Bins::Category(category) => category.names().get(index.wrapping_sub(1)).map(String::as_str),
            _ => None,
        }
    }

    /// Edge number `edge`, of which the first is 0.
    pub(super) fn edge(&self, edge: usize) -> f64 {
        match self.bins() {
            Bins::Regular(axis) => axis.edge(edge),
            Bins::Variable(axis) => axis.edges()[edge],
            Bins::Integer(axis) => f64::from(axis.low()) + edge as f64,
            Bins::Category(_) => edge as f64,
        }
    }
}

impl Regular {
    /// The edges as fills are compared with them; the last is the end of the axis.
    fn edge(&self, edge: usize) -> f64 {
        if edge >= self.bins() {
            return self.high();
        }
        self.low() + edge as f64 * ((self.high() - self.low()) / self.bins() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lower_edge_is_in_its_bin_and_each_upper_edge_in_the_next() {
        let axes = [
            Axis::regular(100, 15.0, 60.0),
            Axis::regular(7, -0.1, 0.7),
            Axis::variable([-1.0, 0.1, 0.3, 5.0]),
            Axis::integer(-3, 4),
            Axis::category(["a", "b"]),
        ];
        for axis in axes {
            for index in 1..=axis.len() {
                let (low, high) = axis.interval(index);
                assert_eq!((axis.index(low), axis.index(high)), (index, index + 1), "{axis:?}");
            }
        }
    }

    #[test]
    fn flow_bins_are_unbounded() {
        let axis = Axis::integer(2, 4);
        assert_eq!(axis.interval(0), (f64::NEG_INFINITY, 2.0));
        assert_eq!(axis.interval(axis.overflow()), (4.0, f64::INFINITY));
        assert_eq!((axis.edges(), axis.centers()), (vec![2.0, 3.0, 4.0], vec![2.5, 3.5]));
        assert!(Axis::growing_category().centers().is_empty());
    }

    #[test]
    #[should_panic(expected = "bin 4 of an axis of 2 bins")]
    fn there_is_nothing_past_the_overflow() {
        Axis::integer(0, 2).interval(4);
    }
}
