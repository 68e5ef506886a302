use hep_columns::simd::Kernel;
use serde::{Deserialize, Serialize};

use super::places::ROUND;

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
    /// A bit more than half a bin above `low`, where bins are wide enough for [`Regular::quick_place`].
    start: Option<f64>,
}

/// How much of a bin a guess is made too low, so that it is never too high, and how wide bins must be for that, in
/// multiples of the largest number on the axis. A guess is rounded off by 2^-50 of that number at most, and an edge by
/// 2^-51: less than 2^-19 of such a bin.
const TOO_LOW: f64 = 1.0 / (1 << 16) as f64;
const WIDE: f64 = 1.0 / (1 << 30) as f64;

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
        let largest = low.abs().max(high.abs());
        if width < 4.0 * f64::EPSILON * largest {
            return Err(format!(
                "a regular axis of {bins} bins over {low}..{high}, narrower than a double can tell apart"
            ));
        }
        let start = (width >= WIDE * largest).then_some(low + (0.5 + TOO_LOW) * width);
        Ok(Self { bins, low, high, density: count / span, width, start })
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

    /// From where on there is no bin: what is left to the upper edge if that is rounded up. It is in the overflow.
    pub(super) fn past_last(&self) -> f64 {
        self.high.min(self.low + self.bins as f64 * self.width)
    }

    /// The place of `x`: that of ROOT 6.40 (`TAxis::FindFixBin`), the bin between whose edges
    /// `low + i * width` it lies.
    ///
    /// A quotient alone, as older ROOT and boost-histogram take it, can be one off for a value at an
    /// edge or next to it: 15.45 is in the second of 100 bins over `15..60`, whose lower edge it is.
    /// So the quotient is compared with the edges, and how it was rounded no longer matters.
    #[inline(always)]
    pub fn index(&self, x: f64) -> usize {
        self.place(x) as usize
    }

    /// Doubles all the way, because baseline x86 has no vectors of wide integers, and without branches, which values
    /// on both sides of an edge would mispredict: choosing one of two integers can become a branch.
    #[inline(always)]
    fn place(&self, x: f64) -> u32 {
        let Self { bins, low, high, density, width, .. } = *self;
        // The quotient rounded to an integer, down or, half way, to either side; then compared with the edges.
        // Out of range what they give is not used.
        let below = (((x - low) * density - 0.5) + ROUND) - ROUND;
        let too_high = if x < low + below * width { 1.0 } else { 0.0 };
        let too_low = if x >= low + (below + 1.0) * width { 1.0 } else { 0.0 };
        let inside = 1.0 + below + too_low - too_high;
        // No more bins than fit an `i32`, which is converted faster.
        let inside = if x < high { inside } else { f64::from(bins as i32) + 1.0 };
        let inside = if x < low { 0.0 } else { inside };
        (inside + ROUND).to_bits() as u32
    }

    /// The same in two thirds of the time: the quotient is rounded to the bin or to the one below it, so that one edge
    /// is left to compare.
    #[inline(always)]
    fn quick_place(&self, x: f64, start: f64) -> u32 {
        let Self { low, high, density, width, .. } = *self;
        // In the middle of under- and overflow, to which NaN goes.
        let (below, above) = (low - 0.5 * width, high + 0.5 * width);
        let x = if x < high { x } else { above };
        let x = if x > below { x } else { below };
        // The place if `x` is in the bin below it, with the axis's first at 1.
        let least = ((x - start) * density + ROUND) - (ROUND - 1.0);
        let inside = if x >= low + least * width { least + 1.0 } else { least };
        (inside + ROUND).to_bits() as u32
    }
}

/// The places of many numbers on an axis, each that of [`Regular::index`].
pub(super) struct Places<'a, const N: usize> {
    pub(super) axis: &'a Regular,
    pub(super) numbers: &'a [f64; N],
    pub(super) places: &'a mut [u32; N],
}

impl<const N: usize> Kernel for Places<'_, N> {
    #[inline(always)]
    fn run(self) {
        let pairs = self.places.iter_mut().zip(self.numbers);
        match self.axis.start {
            Some(start) => pairs.for_each(|(place, &x)| *place = self.axis.quick_place(x, start)),
            None => pairs.for_each(|(place, &x)| *place = self.axis.place(x)),
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

#[cfg(test)]
mod tests {
    use hep_columns::simd::{Width, run};

    use super::super::places::{BLOCK, EXTREMES};
    use super::*;

    /// Doubles of all sizes from 0.001 to 1000, of both signs.
    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = 10_f64.powf((*state >> 11) as f64 / (1_u64 << 53) as f64 * 6.0 - 3.0);
        if *state & 1 << 5 == 0 { size } else { -size }
    }

    #[test]
    fn a_guess_and_one_edge_say_the_same_as_two_edges() {
        let mut state = 1;
        for bins in (1..3000).chain([1 << 20, (1 << 29) - 1]) {
            let (a, b) = (random(&mut state), random(&mut state));
            let axis = Regular::new(bins, a.min(b), a.max(b)).unwrap();
            let Some(start) = axis.start else { continue };
            for _ in 0..30 {
                // On, next to and between edges, on both sides of the axis.
                let edge = (random(&mut state).abs() / 900.0 * (bins + 4) as f64).floor() - 2.0;
                let edge = axis.low + edge * axis.width;
                for x in
                    [edge.next_down(), edge, edge.next_up(), edge + 0.4 * axis.width, axis.high.next_down()]
                {
                    assert_eq!(axis.quick_place(x, start), axis.place(x), "{x:e} on {axis:?}");
                }
            }
        }
    }

    #[test]
    fn vectors_of_every_width_find_the_places_that_are_found_one_at_a_time() {
        let narrow = (1000, 1e6, 1e6 + 1e-4);
        let axes =
            [(100, 15.0, 60.0), (7, 0.1, 0.7), (100_000, -1e6, 1e7), (1, 0.0, 1e-9), (64, -2.4, 2.4), narrow];
        for (bins, low, high) in axes {
            let axis = Regular::new(bins, low, high).unwrap();
            assert_eq!(axis.start.is_none(), (bins, low, high) == narrow);
            let step = (bins / 80).max(1);
            let edges = (0..=bins).step_by(step).map(|i| low + i as f64 * axis.width);
            let mut numbers: Vec<f64> =
                edges.flat_map(|edge| [edge.next_down(), edge, edge.next_up()]).collect();
            numbers.extend(EXTREMES);
            numbers.extend([high, low]);
            numbers.resize(numbers.len().next_multiple_of(BLOCK), 0.5 * (low + high));
            for (numbers, width) in
                numbers.as_chunks().0.iter().flat_map(|block| Width::all().map(move |width| (block, width)))
            {
                let mut places = [u32::MAX; BLOCK];
                run(Places { axis: &axis, numbers, places: &mut places }, width);
                for (place, &x) in places.iter().zip(numbers) {
                    assert_eq!(
                        *place as usize,
                        axis.index(x),
                        "{x:e} on {bins} bins of {low}..{high}, {width:?}"
                    );
                }
            }
        }
    }
}
