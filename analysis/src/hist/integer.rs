use hep_columns::simd::Kernel;
use serde::{Deserialize, Serialize};

use super::places::ROUND;

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

/// The places of many numbers on an axis with a bin for each integer of `low..high`, each that of
/// [`Integer::index`].
pub(super) struct Places<'a, const N: usize> {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) numbers: &'a [f64; N],
    pub(super) places: &'a mut [u32; N],
}

impl<const N: usize> Kernel for Places<'_, N> {
    #[inline(always)]
    fn run(self) {
        let Self { low, high, numbers, places } = self;
        let overflow = high - low + 1.0;
        for (place, &x) in places.iter_mut().zip(numbers) {
            let near = (x + ROUND) - ROUND;
            let floor = if near > x { near - 1.0 } else { near };
            let inside = if x < high { 1.0 + (floor - low) } else { overflow };
            let inside = if x < low { 0.0 } else { inside };
            *place = (inside + ROUND).to_bits() as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use hep_columns::simd::{Width, run};

    use super::super::places::{BLOCK, EXTREMES};
    use super::*;

    #[test]
    fn vectors_of_every_width_find_the_places_that_are_found_one_at_a_time() {
        for (low, high) in
            [(0, 1), (-5, 20), (i32::MIN, i32::MIN + 20), (i32::MAX - 20, i32::MAX), (-40_000, 40_000)]
        {
            let axis = Integer::new(low, high).unwrap();
            let ends = [low, low + 1, low / 2 + high / 2, high - 1, high].map(f64::from);
            let mut numbers: Vec<f64> = (ends.iter())
                .flat_map(|&end| {
                    [end - 0.5, end.next_down(), end, end.next_up(), end + 0.25, end + 0.5, end + 0.75]
                })
                .collect();
            numbers.extend(EXTREMES);
            numbers.extend([
                1e-320,
                -1e-320,
                4503599627370495.5,
                -4503599627370495.5,
                ROUND,
                -ROUND,
                2.5,
                -2.5,
            ]);
            numbers.resize(BLOCK, 0.5);
            for width in Width::all() {
                let mut places = [u32::MAX; BLOCK];
                let (low, high, numbers) = (f64::from(low), f64::from(high), numbers[..].try_into().unwrap());
                run(Places { low, high, numbers, places: &mut places }, width);
                for (place, &x) in places.iter().zip(numbers) {
                    assert_eq!(*place as usize, axis.index(x), "{x:e} on {low}..{high}, {width:?}");
                }
            }
        }
    }
}
