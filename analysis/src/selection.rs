//! Selections of objects over whole columns.
//!
//! `for event in events` is the plain way, and it costs a mispredicted branch or two for each event: how many
//! objects it has, and which of them pass, cannot be foreseen. What only needs to know how many objects of each
//! event pass, or the sum of a number over them, has no need of either:
//!
//! ```
//! # extern crate hep_analysis as hep_run;
//! use hep_run::prelude::*;
//!
//! #[derive(Clone, Copy, Columnar, Momentum)]
//! #[momentum(massless)]
//! struct Object { pt: f32, eta: f32, phi: f32 }
//!
//! #[derive(Columnar)]
//! struct Event {
//!     #[column("Jet")]
//!     jets: Jagged<Object>,
//!     #[column("Muon")]
//!     muons: Jagged<Object>,
//! }
//!
//! fn fill(events: &Events<Event>, ht: &mut Count) {
//!     let jets = events.jets.select(|jet| jet.pt > 30.0);
//!     let jets = jets.away_from(&events.muons, 0.4, |muon| muon.pt > 10.0);
//!     ht.fill_all(jets.sums(|jet| jet.pt.into())); // one sum for each event
//! }
//! ```

use crate::Columnar;
use crate::columns::JaggedColumn;
use crate::vector::Momentum;

/// Some of the objects of a collection, of all events of a batch: from [`JaggedColumn::select`].
pub struct Selection<'a, T: Columnar> {
    column: &'a JaggedColumn<T>,
    chosen: Vec<Chosen>,
}

/// An object's place in the columns, and its event's in the batch.
#[derive(Clone, Copy, Default)]
struct Chosen {
    object: u32,
    event: u32,
}

impl<T: Columnar> JaggedColumn<T> {
    /// The objects that are `good`.
    pub fn select(&self, good: impl Fn(T::Item<'_>) -> bool) -> Selection<'_, T> {
        // How many events begin at each object; summed up, that is its event's number. Events without objects
        // begin together.
        let offsets = self.offsets();
        let mut begin = vec![0_u32; self.object_count() + 1];
        for &start in &offsets[1..] {
            begin[start as usize] += 1;
        }
        let mut chosen = vec![Chosen::default(); self.object_count()];
        let (mut event, mut length) = (0, 0);
        for (object, begin) in begin[..self.object_count()].iter().enumerate().skip(offsets[0] as usize) {
            event += begin;
            // Without a branch: an object that is not good is overwritten by the next.
            chosen[length] = Chosen { object: object as u32, event };
            length += usize::from(good(T::item(self, object)));
        }
        chosen.truncate(length);
        Selection { column: self, chosen }
    }

    /// For each event, how many of its objects are `good`.
    pub fn count_where(&self, good: impl Fn(T::Item<'_>) -> bool) -> Vec<u32> {
        // How many there are up to each object; what an event has is a difference.
        let mut up_to = Vec::with_capacity(self.object_count() + 1);
        let mut sum = 0;
        up_to.push(sum);
        up_to.extend((0..self.object_count()).map(|object| {
            sum += u32::from(good(T::item(self, object)));
            sum
        }));
        self.offsets().windows(2).map(|ends| up_to[ends[1] as usize] - up_to[ends[0] as usize]).collect()
    }
}

impl<T: Columnar> Selection<'_, T> {
    /// How many objects are selected, of all events.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Without the objects that one of the same event's `others`, if that is `good`, is closer to than
    /// `delta_r`: √(Δη² + Δφ²) < `delta_r`, in double precision as [`Momentum::delta_r`]. NaN is close to
    /// nothing.
    ///
    /// # Panics
    /// If the collections are not of the same events.
    #[must_use]
    pub fn away_from<U: Columnar>(
        mut self,
        others: &JaggedColumn<U>,
        delta_r: f64,
        good: impl Fn(U::Item<'_>) -> bool,
    ) -> Self
    where
        for<'a> T::Item<'a>: Momentum,
        for<'a> U::Item<'a>: Momentum,
    {
        let ends = others.offsets();
        assert_eq!(ends.len(), self.column.offsets().len(), "collections of different batches");
        let (mut left, least) = (0, far_enough(delta_r));
        for at in 0..self.chosen.len() {
            let Chosen { object, event } = self.chosen[at];
            let item = T::item(self.column, object as usize);
            let mut close = false;
            // How many leptons an event has is foreseen more often than whether one is close.
            for other in ends[event as usize]..ends[event as usize + 1] {
                let other = U::item(others, other as usize);
                close |= (item.delta_r2(&other) < least) & good(other);
            }
            self.chosen[left] = Chosen { object, event };
            left += usize::from(!close);
        }
        self.chosen.truncate(left);
        self
    }

    /// For each event, how many of its objects are selected.
    pub fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.column.offsets().len() - 1];
        self.chosen.iter().for_each(|chosen| counts[chosen.event as usize] += 1);
        counts
    }

    /// For each event, the sum of a number over its selected objects, added in their order; 0 without objects.
    pub fn sums(&self, number: impl Fn(T::Item<'_>) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.column.offsets().len() - 1];
        for &Chosen { object, event } in &self.chosen {
            sums[event as usize] += number(T::item(self.column, object as usize));
        }
        sums
    }
}

/// The least number whose square root is not less than `distance`: no root is taken of what is compared with it. NaN
/// for NaN.
fn far_enough(distance: f64) -> f64 {
    if distance.is_nan() {
        return f64::NAN;
    }
    // The root of the square is the number to a unit in the last place, but where the square is too small or large.
    let mut square = (distance * distance).copysign(distance).max(0.0);
    while square > 0.0 && square.next_down().sqrt() >= distance {
        square = square.next_down();
    }
    while square.sqrt() < distance {
        square = square.next_up();
    }
    square
}

#[cfg(test)]
mod tests {
    use super::far_enough;

    #[test]
    fn a_square_is_compared_as_its_root_would_be() {
        let tiny = [0.0, -0.0, -1.0, 5e-324, 1e-170, 1.5e-162, 2.2e-162, 1e-154, f64::NEG_INFINITY];
        let large = [1e154, 1.34e154, 1.35e154, 1e300, f64::MAX, f64::INFINITY];
        let usual = (0..20_000).map(|i| f64::from(i) * 3e-4).chain((0..1000).map(|i| f64::from(i).sqrt()));
        for distance in tiny.into_iter().chain(large).chain(usual) {
            let least = far_enough(distance);
            assert!(least.sqrt() >= distance, "{distance:e}");
            assert!(least == 0.0 || least.next_down().sqrt() < distance, "{distance:e}");
        }
        assert!(far_enough(f64::NAN).is_nan());
    }
}
