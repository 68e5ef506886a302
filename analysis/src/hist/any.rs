use super::Axis;

/// A histogram of any dimension and storage, as writers need it.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyHist {
    /// The title for plots.
    pub title: String,
    /// The axes, x first.
    pub axes: Vec<Axis>,
    /// Sums of weights with under- and overflow, the first axis fastest: the place of `(i, j, k)` is
    /// `i + (nx + 2) * (j + (ny + 2) * k)`, ROOT's global bin.
    pub sumw: Vec<f64>,
    /// Sums of squared weights in the same order; none for counts.
    pub sumw2: Option<Vec<f64>>,
    /// How many times it was filled.
    pub entries: u64,
    /// The sums of [`Histogram::statistics`](super::Histogram::statistics).
    pub statistics: Vec<f64>,
    /// How many times it was filled with a weight that is infinite or not a number.
    pub non_finite_weights: u64,
}
