use serde::{Deserialize, Serialize};

/// One bin for each integer of the half-open range `low..high`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integer {
    low: i32,
    high: i32,
}

impl Integer {
    pub(super) fn new(low: i32, high: i32) -> Result<Self, String> {
        if low < high {
            Ok(Self { low, high })
        } else {
            Err(format!("an integer axis needs low < high: {low}..{high}"))
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Self::new(self.low, self.high).map(drop)
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        (i64::from(self.high) - i64::from(self.low)) as usize
    }

    /// The first integer.
    pub fn low(&self) -> i32 {
        self.low
    }

    /// Past the last integer.
    pub fn high(&self) -> i32 {
        self.high
    }

    /// The place of `x`, rounded down.
    #[inline]
    pub fn index(&self, x: f64) -> usize {
        if x < f64::from(self.low) {
            0
        } else if x < f64::from(self.high) {
            1 + (x.floor() - f64::from(self.low)) as usize
        } else {
            self.bins() + 1
        }
    }
}
