use serde::{Deserialize, Serialize};

/// Bins of equal width over the half-open interval `low..high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Regular {
    bins: usize,
    low: f64,
    high: f64,
    /// What a fill needs besides, made once: `bins` as a double, `high - low`, and that by `bins`.
    count: f64,
    span: f64,
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
        if low + width == low || high - width == high {
            return Err(format!(
                "a regular axis of {bins} bins over {low}..{high}, narrower than a double can tell apart"
            ));
        }
        Ok(Self { bins, low, high, count, span, width })
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

    /// The place of `x`, by the formula of ROOT 6.40 (`TAxis::FindFixBin`) in its order of operations.
    ///
    /// The quotient alone, which older ROOT and boost-histogram take, can be one off for a value at an
    /// edge or next to it; ROOT 6.40 then compares with the edges, and 15.45 is in the second of 100
    /// bins over `15..60`, whose lower edge it is.
    #[inline(always)]
    pub fn index(&self, x: f64) -> usize {
        if x < self.low {
            0
        } else if x < self.high {
            // In range, and the cast to the narrower type is the cheaper one.
            let below = (self.count * (x - self.low) / self.span) as i32;
            let at = f64::from(below);
            let too_high = x < self.low + at * self.width;
            let too_low = x >= self.low + (at + 1.0) * self.width;
            1 + below as usize + usize::from(too_low) - usize::from(too_high)
        } else {
            self.bins + 1
        }
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
