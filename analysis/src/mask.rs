//! Selections of objects over whole columns.
//!
//! `for event in events` is the plain way, and it costs a mispredicted branch or two for each event: how many
//! objects it has, and which of them pass, cannot be foreseen. What only needs to know of each object whether it
//! passes, or of each event how many do, has no need of either:
//!
//! ```
//! # extern crate hep_analysis as hep_run;
//! use hep_run::prelude::*;
//!
//! #[derive(Clone, Copy, Columnar, Momentum)]
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
//!     let hard = events.jets.mask(|jet| jet.pt > 30.0);
//!     let near_muon = events.jets.near(&events.muons, 0.4, |muon| muon.pt > 10.0);
//!     ht.fill_all(events.jets.sum_where(&(hard & !near_muon), |jet| jet.pt.into()));
//! }
//! ```

use std::ops::{BitAnd, BitOr, Deref, Not};

use crate::Columnar;
use crate::columns::JaggedColumn;
use crate::vector::{Momentum, delta_phi};

/// For each object of a collection, over all entries, whether it is selected: a slice of `bool`, with `&`, `|`
/// and `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Vec<bool>);

impl Deref for Mask {
    type Target = [bool];

    fn deref(&self) -> &[bool] {
        &self.0
    }
}

impl FromIterator<bool> for Mask {
    fn from_iter<I: IntoIterator<Item = bool>>(objects: I) -> Self {
        Self(objects.into_iter().collect())
    }
}

impl Mask {
    #[track_caller]
    fn combine(mut self, other: &Self, with: impl Fn(bool, bool) -> bool) -> Self {
        assert_eq!(self.len(), other.len(), "two masks of different collections");
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine = with(*mine, *theirs));
        self
    }
}

/// Both. Panics if the masks are of collections with different numbers of objects.
impl BitAnd for Mask {
    type Output = Self;

    #[track_caller]
    fn bitand(self, other: Self) -> Self {
        self.combine(&other, |mine, theirs| mine & theirs)
    }
}

/// Either. Panics if the masks are of collections with different numbers of objects.
impl BitOr for Mask {
    type Output = Self;

    #[track_caller]
    fn bitor(self, other: Self) -> Self {
        self.combine(&other, |mine, theirs| mine | theirs)
    }
}

impl Not for Mask {
    type Output = Self;

    fn not(mut self) -> Self {
        self.0.iter_mut().for_each(|selected| *selected = !*selected);
        self
    }
}

impl<T: Columnar> JaggedColumn<T> {
    /// Which objects are `selected`.
    pub fn mask(&self, selected: impl Fn(T::Item<'_>) -> bool) -> Mask {
        (0..self.object_count()).map(|i| selected(T::item(self, i))).collect()
    }

    /// For each entry, how many of its objects are `selected`.
    pub fn count_where(&self, selected: impl Fn(T::Item<'_>) -> bool) -> Vec<u32> {
        // How many there are up to each object; what an entry has is a difference.
        let mut up_to = Vec::with_capacity(self.object_count() + 1);
        let mut sum = 0;
        up_to.push(sum);
        up_to.extend((0..self.object_count()).map(|i| {
            sum += u32::from(selected(T::item(self, i)));
            sum
        }));
        self.offsets().windows(2).map(|ends| up_to[ends[1] as usize] - up_to[ends[0] as usize]).collect()
    }

    /// For each entry, the sum of a number over its objects that are `selected`, added in their order.
    ///
    /// # Panics
    /// If the mask is of another collection, with more or fewer objects.
    pub fn sum_where(&self, selected: &Mask, number: impl Fn(T::Item<'_>) -> f64) -> Vec<f64> {
        assert_eq!(selected.len(), self.object_count(), "a mask of another collection");
        let mut sums = vec![0.0; self.offsets().len() - 1];
        let objects = self.entries_of_objects().into_iter().zip(&**selected).enumerate();
        for (i, (entry, &selected)) in objects.skip(self.first_object()) {
            let number = number(T::item(self, i));
            sums[entry as usize] += if selected { number } else { 0.0 };
        }
        sums
    }

    /// Which objects have one of the same entry's `others`, if that is `selected`, closer than `delta_r`:
    /// √(Δη² + Δφ²) < `delta_r`, in double precision as [`Momentum::delta_r`]. NaN is near nothing.
    ///
    /// # Panics
    /// If the collections are not of the same entries.
    pub fn near<U: Columnar>(
        &self,
        others: &JaggedColumn<U>,
        delta_r: f64,
        selected: impl Fn(U::Item<'_>) -> bool,
    ) -> Mask
    where
        for<'a> T::Item<'a>: Momentum,
        for<'a> U::Item<'a>: Momentum,
    {
        assert_eq!(self.offsets().len(), others.offsets().len(), "collections of different batches");
        let mut near = vec![false; self.object_count()];
        let ends = others.offsets();
        let entries = self.entries_of_objects();
        // Each object with the next of the others, in rounds, until it is near or there are no more: one list to
        // the end of which objects are put that go on to the next round, with no branch for each.
        let mut list = vec![Comparison::default(); entries.len()];
        let mut length = 0;
        for (object, &entry) in entries.iter().enumerate().skip(self.first_object()) {
            let (other, end) = (ends[entry as usize], ends[entry as usize + 1]);
            list[length] = Comparison { object: object as u32, other: other as u32, end: end as u32 };
            length += usize::from(other < end);
        }
        while length > 0 {
            let mut left = 0;
            for at in 0..length {
                let Comparison { object, other, end } = list[at];
                let (a, b) = (T::item(self, object as usize), U::item(others, other as usize));
                let (eta, phi) = (b.eta() - a.eta(), delta_phi(a.phi(), b.phi()));
                let found = ((phi * phi + eta * eta).sqrt() < delta_r) & selected(b);
                near[object as usize] = found;
                list[left] = Comparison { object, other: other + 1, end };
                left += usize::from(!found & (other + 1 < end));
            }
            length = left;
        }
        Mask(near)
    }

    /// Where the first entry's objects begin in the columns.
    fn first_object(&self) -> usize {
        self.offsets()[0] as usize
    }

    /// For each object, its entry's place in the batch.
    fn entries_of_objects(&self) -> Vec<u32> {
        let mut entries = vec![0_u32; self.object_count() + 1];
        // One more from where each entry but the first begins on; entries without objects begin together.
        for &start in &self.offsets()[1..] {
            entries[start as usize] += 1;
        }
        let mut entry = 0;
        for place in &mut entries {
            entry += *place;
            *place = entry;
        }
        entries.truncate(self.object_count());
        entries
    }
}

/// An object, and which of the other objects of its entry is next.
#[derive(Clone, Copy, Default)]
struct Comparison {
    object: u32,
    other: u32,
    /// Where the others of the entry end.
    end: u32,
}
