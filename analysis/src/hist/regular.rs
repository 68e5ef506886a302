use serde::{Deserialize, Serialize};

/// Bins of equal width over the half-open interval `low..high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Regular {
    bins: usize,
    low: f64,
    high: f64,
    /// Bins per unit, and its inverse.
    density: f64,
    width: f64,
}

impl Regular {
    pub(super) fn new(bins: usize, low: f64, high: f64) -> Result<Self, String> {
        if bins == 0 {
            return Err("a regular axis needs at least one bin".to_owned());
        }
        if bins > i32::MAX as usize {
            return Err(format!("a regular axis of {bins} bins, more than a ROOT file can hold"));
        }
        let (count, span) = (bins as f64, high - low);
        if !(low < high && low.is_finite() && high.is_finite() && span.is_finite()) {
            return Err(format!("a regular axis needs low < high, both finite: {low}..{high}"));
        }
        let width = span / count;
        if width < 4.0 * f64::EPSILON * low.abs().max(high.abs()) {
            return Err(format!(
                "a regular axis of {bins} bins over {low}..{high}, narrower than a double can tell apart"
            ));
        }
        Ok(Self { bins, low, high, density: count / span, width })
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

    /// The place of `x`: that of ROOT 6.40 (`TAxis::FindFixBin`), the bin between whose edges
    /// `low + i * width` it lies.
    ///
    /// A quotient alone, as older ROOT and boost-histogram take it, can be one off for a value at an
    /// edge or next to it: 15.45 is in the second of 100 bins over `15..60`, whose lower edge it is.
    /// So the quotient is compared with the edges, and how it was rounded no longer matters.
    #[inline(always)]
    pub fn index(&self, x: f64) -> usize {
        // Without branches, which values on both sides of an edge would mispredict. Out of range the
        // cast saturates and what it gives is not used.
        let below = ((x - self.low) * self.density) as i32;
        let at = f64::from(below);
        let too_high = i64::from(x < self.low + at * self.width);
        let too_low = i64::from(x >= self.low + (at + 1.0) * self.width);
        let inside = 1 + i64::from(below) + too_low - too_high;
        let place = if x < self.high { inside } else { self.bins as i64 + 1 };
        if x < self.low { 0 } else { place as usize }
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    bins: usize,
    low: f64,
    high: f64,
}

impl TryFrom<Stored> for Regular {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Self::new(stored.bins, stored.low, stored.high)
    }
}

impl From<Regular> for Stored {
    fn from(axis: Regular) -> Self {
        Self { bins: axis.bins, low: axis.low, high: axis.high }
    }
}
