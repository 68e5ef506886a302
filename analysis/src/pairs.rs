//! Pairs of objects over whole columns.
//!
//! ```
//! # extern crate hep_analysis as hep_run;
//! use hep_run::prelude::*;
//!
//! #[derive(Columnar)]
//! struct Event {
//!     #[column("MET_pt")]
//!     met: f32,
//!     #[column("Muon")]
//!     muons: Jagged<Charged>,
//! }
//!
//! fn fill(events: &Events<Event>, mass: &mut Count, met: &mut Count) {
//!     let opposite = events.muons.select_pairs(|a, b| a.charge != b.charge);
//!     let masses = opposite.masses();
//!     mass.fill_all(masses.iter().copied()); // one for each pair
//!     let on_the_z = opposite.any(masses.iter().map(|&mass| mass > 60.0 && mass < 120.0));
//!     met.fill_where(events.met.iter().copied().zip(on_the_z)); // one for each event
//! }
//! ```

use std::ops::Range;

use crate::columns::JaggedColumn;
use crate::vector::{Momentum, PairMasses};
use crate::{Columnar, SelectedEvents};

/// Some of the pairs of each event's objects: from [`JaggedColumn::select_pairs`] and
/// [`JaggedColumn::select_pairs_of`]. They are in the order of their events, and in each event in that of
/// [`pairs`](crate::combine::Combinations::pairs).
pub struct PairSelection<'a, T: Columnar> {
    column: &'a JaggedColumn<T>,
    /// The events whose pairs these are, if not all are.
    events: Option<&'a [u32]>,
    pairs: Vec<Pair>,
}

/// Two objects by their places in the column, and which of the events they are of.
#[derive(Clone, Copy)]
struct Pair {
    event: u32,
    objects: [u32; 2],
}

/// The pair of an event whose mass is closest to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosestPair {
    /// The places of the two objects among those of the event, rising.
    pub places: [usize; 2],
    /// Its mass in GeV.
    pub mass: f64,
}

impl<T: Columnar> JaggedColumn<T> {
    /// The pairs of each event's objects that are `good`.
    pub fn select_pairs(&self, good: impl Fn(T::Item<'_>, T::Item<'_>) -> bool) -> PairSelection<'_, T> {
        let events = self.offsets().windows(2).map(|ends| [ends[0] as u32, ends[1] as u32]);
        PairSelection { column: self, events: None, pairs: self.good_pairs(events, good) }
    }

    /// Those of some of the events.
    pub fn select_pairs_of<'a, E: Columnar>(
        &'a self,
        events: &'a SelectedEvents<'_, E>,
        good: impl Fn(T::Item<'_>, T::Item<'_>) -> bool,
    ) -> PairSelection<'a, T> {
        let numbers = events.numbers();
        let ends = |event: usize| [self.offsets()[event] as u32, self.offsets()[event + 1] as u32];
        let pairs = self.good_pairs(numbers.iter().map(|&number| ends(number as usize)), good);
        PairSelection { column: self, events: Some(numbers), pairs }
    }

    /// Of events whose objects begin and end at these places.
    #[inline(always)]
    fn good_pairs(
        &self,
        events: impl ExactSizeIterator<Item = [u32; 2]>,
        good: impl Fn(T::Item<'_>, T::Item<'_>) -> bool,
    ) -> Vec<Pair> {
        // Most events have few: those with pairs are found first, without a branch.
        let mut several = vec![(0_u32, [0_u32; 2]); events.len()];
        let mut count = 0;
        for (number, [start, end]) in (0..).zip(events) {
            several[count] = (number, [start, end]);
            count += usize::from(end - start >= 2);
        }
        let none = Pair { event: 0, objects: [0; 2] };
        let mut pairs = vec![none; 2 * count];
        let mut chosen = 0;
        for &(event, [start, end]) in &several[..count] {
            for a in start..end {
                // No more room than for twice the good ones and those that are looked at: an event of very many
                // objects has far more pairs.
                let most = chosen + (end - a) as usize;
                if most > pairs.len() {
                    pairs.resize(2 * most, none);
                }
                for b in a + 1..end {
                    // One that is not good is overwritten by the next.
                    pairs[chosen] = Pair { event, objects: [a, b] };
                    chosen += usize::from(good(T::item(self, a as usize), T::item(self, b as usize)));
                }
            }
        }
        pairs.truncate(chosen);
        pairs
    }
}

impl<'a, T: Columnar> PairSelection<'a, T> {
    /// How many pairs there are, of all events.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// How many events these are the pairs of, with and without pairs.
    pub fn event_count(&self) -> usize {
        self.events.map_or(self.column.offsets().len() - 1, <[u32]>::len)
    }

    /// The objects of each pair.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = [T::Item<'a>; 2]> + Clone {
        let column = self.column;
        self.pairs.iter().map(move |pair| pair.objects.map(|object| T::item(column, object as usize)))
    }

    /// The mass of each pair in GeV, `(a.p4() + b.p4()).mass()`.
    pub fn masses(&self) -> Vec<f64>
    where
        for<'b> T::Item<'b>: Momentum,
    {
        let pairs = self.pairs.iter().map(|pair| (self.objects(pair.event), pair.objects));
        PairMasses::new(self.column).of(pairs)
    }

    /// For each event, whether one of its pairs is. `is` says so for each pair.
    ///
    /// # Panics
    /// If `is` ends before the pairs do.
    pub fn any(&self, is: impl IntoIterator<Item = bool>) -> Vec<bool> {
        let (mut any, mut is) = (vec![false; self.event_count()], is.into_iter());
        for pair in &self.pairs {
            any[pair.event as usize] |= is.next().expect("an answer for each pair");
        }
        any
    }

    /// For each event, the pair whose mass is closest to `mass` in GeV, the first of equally close ones; none without
    /// pairs, or if all masses are NaN.
    pub fn closest_to(&self, mass: f64) -> Vec<Option<ClosestPair>>
    where
        for<'b> T::Item<'b>: Momentum,
    {
        let mut closest = vec![None::<ClosestPair>; self.event_count()];
        for (pair, of_pair) in self.pairs.iter().zip(self.masses()) {
            let best = &mut closest[pair.event as usize];
            let distance = (of_pair - mass).abs();
            if best.map_or(!distance.is_nan(), |best| distance < (best.mass - mass).abs()) {
                let first = self.objects(pair.event).start;
                let places = pair.objects.map(|object| object as usize - first);
                *best = Some(ClosestPair { places, mass: of_pair });
            }
        }
        closest
    }

    /// The objects of an event.
    #[inline(always)]
    fn objects(&self, event: u32) -> Range<usize> {
        let event = self.events.map_or(event, |events| events[event as usize]) as usize;
        self.column.offsets()[event] as usize..self.column.offsets()[event + 1] as usize
    }
}
