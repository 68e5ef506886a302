use serde::{Deserialize, Serialize};

/// Bins of equal width over the half-open interval `low..high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regular {
    bins: usize,
    low: f64,
    high: f64,
}

impl Regular {
    pub(super) fn new(bins: usize, low: f64, high: f64) -> Result<Self, String> {
        if bins == 0 {
            return Err("a regular axis needs at least one bin".to_owned());
        }
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(format!("a regular axis needs low < high, both finite: {low}..{high}"));
        }
        Ok(Self { bins, low, high })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Self::new(self.bins, self.low, self.high).map(drop)
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The lower edge of the first bin.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The upper edge of the last bin, which is outside.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// The place of `x`, by ROOT's formula and in its order of operations (`TAxis::FindFixBin`): any
    /// other moves values that lie on an edge.
    #[inline(always)]
    pub fn index(&self, x: f64) -> usize {
        if x < self.low {
            0
        } else if x < self.high {
            1 + (self.bins as f64 * (x - self.low) / (self.high - self.low)) as usize
        } else {
            self.bins + 1
        }
    }
}
