use std::ops::Range;

use super::triples::{LANES, TripleSearch};
use super::{Momentum, P4, is_ordinary};
use crate::Columnar;
use crate::columns::{JaggedColumn, List};

/// Four-momenta that are made at once: 16 kB of components, which stay in the first-level cache.
const BLOCK: usize = 512;

/// The four-momenta of all objects of a collection, from [`JaggedColumn::four_momenta`].
///
/// For objects that are in many combinations: each four-momentum is made once, many of them in one vectorised
/// loop, a block ahead of the events that are asked for in turn. They are bit for bit those of
/// [`Momentum::p4`].
pub struct FourMomenta<'a, T: Columnar> {
    objects: &'a JaggedColumn<T>,
    /// Which objects the components below are of. Behind them is room for a vector more.
    made: Range<usize>,
    components: [Vec<f64>; 4],
    search: TripleSearch,
}

impl<'a, T: Columnar> FourMomenta<'a, T>
where
    for<'b> T::Item<'b>: Momentum,
{
    pub(crate) fn new(objects: &'a JaggedColumn<T>) -> Self {
        Self {
            objects,
            made: 0..0,
            components: std::array::from_fn(|_| vec![0.0; LANES]),
            search: TripleSearch::default(),
        }
    }

    /// The four-momenta of one event's objects, in their order.
    ///
    /// # Panics
    /// If the objects are of another collection.
    #[inline]
    pub fn of(&mut self, objects: List<'_, T>) -> P4s<'_> {
        assert!(objects.is_of(self.objects), "four-momenta of another collection's objects");
        let range = objects.range();
        if range.start < self.made.start || range.end > self.made.end {
            self.make(&range);
        }
        let (start, len) = (range.start - self.made.start, range.len());
        let components = self.components.each_ref().map(|part| &part[start..start + len + LANES]);
        P4s { len, components, search: &mut self.search }
    }

    /// Makes a block that begins with the objects `needed`.
    #[inline(never)]
    fn make(&mut self, needed: &Range<usize>) {
        let end = needed.start.saturating_add(BLOCK).min(self.objects.object_count()).max(needed.end);
        self.made = needed.start..end;
        let room = self.made.len().next_multiple_of(STEP) + LANES;
        for part in &mut self.components {
            part.resize(room.max(part.len()), 0.0);
        }
        for start in self.made.clone().step_by(STEP) {
            let mut given = Polar::default();
            for at in 0..STEP.min(end - start) {
                given.put(at, &T::item(self.objects, start + at));
            }
            let to = start - self.made.start..start - self.made.start + STEP;
            for (part, made) in self.components.iter_mut().zip(given.cartesian()) {
                part[to.clone()].copy_from_slice(&made);
            }
        }
    }
}

/// Objects that go through the elementary functions together.
const STEP: usize = 16;

/// Polar coordinates of a few objects.
struct Polar {
    pt: [f64; STEP],
    eta: [f64; STEP],
    phi: [f64; STEP],
    mass: [f64; STEP],
}

impl Default for Polar {
    fn default() -> Self {
        Self { pt: [1.0; STEP], eta: [0.0; STEP], phi: [0.0; STEP], mass: [0.0; STEP] }
    }
}

impl Polar {
    #[inline(always)]
    fn put(&mut self, at: usize, object: &impl Momentum) {
        (self.pt[at], self.eta[at]) = (object.pt(), object.eta());
        (self.phi[at], self.mass[at]) = (object.phi(), object.mass());
    }

    /// `px`, `py`, `pz` and `e` of each.
    #[inline(always)]
    fn cartesian(&self) -> [[f64; STEP]; 4] {
        let Self { pt, eta, phi, mass } = self;
        let mut parts = [[0.0; STEP]; 4];
        let mut ordinary = true;
        for at in 0..STEP {
            let v = P4::ordinary(pt[at], eta[at], phi[at], mass[at]);
            [parts[0][at], parts[1][at], parts[2][at], parts[3][at]] = [v.px, v.py, v.pz, v.e];
            ordinary &= is_ordinary(pt[at], eta[at], phi[at]);
        }
        if !ordinary {
            for at in 0..STEP {
                let v = P4::from_pt_eta_phi_mass(pt[at], eta[at], phi[at], mass[at]);
                [parts[0][at], parts[1][at], parts[2][at], parts[3][at]] = [v.px, v.py, v.pz, v.e];
            }
        }
        parts
    }
}

/// The four-momenta of one event's objects.
pub struct P4s<'a> {
    len: usize,
    /// `px`, `py`, `pz`, `e`, each with room for a vector behind.
    components: [&'a [f64]; 4],
    search: &'a mut TripleSearch,
}

impl<'a> P4s<'a> {
    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The four-momentum of object `i`.
    ///
    /// # Panics
    /// If there are not so many objects.
    #[inline(always)]
    pub fn at(&self, i: usize) -> P4 {
        assert!(i < self.len, "object {i} of {}", self.len);
        let [px, py, pz, e] = self.components;
        P4::new(px[i], py[i], pz[i], e[i])
    }

    /// All of them, in the objects' order.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = P4> + Clone + use<'a> {
        let [px, py, pz, e] = self.components.map(|part| &part[..self.len]);
        (0..self.len).map(move |i| P4::new(px[i], py[i], pz[i], e[i]))
    }

    /// The sum of the objects at these places, added from left to right.
    ///
    /// # Panics
    /// If there are not so many objects.
    #[inline]
    pub fn sum<const N: usize>(&self, places: [usize; N]) -> P4 {
        places.into_iter().map(|i| self.at(i)).reduce(|sum, next| sum + next).unwrap_or_default()
    }

    /// The places of the three objects whose mass is closest to `mass`: those that
    /// `triples().closest_to(mass, …)` gives, for the mass `(a + b + c).mass()`, the first of equally close ones.
    /// `None` with fewer than three objects, or if every mass is NaN.
    #[inline]
    pub fn closest_triple(&mut self, mass: f64) -> Option<[usize; 3]> {
        if self.len < 3 { None } else { self.search.closest(self.components, self.len, mass) }
    }
}
