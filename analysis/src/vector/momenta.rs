use std::ops::Range;

use super::{Momentum, P4, is_ordinary, triples};
use crate::Columnar;
use crate::columns::{JaggedColumn, List};
use crate::simd::{Kernel, widest};

/// Four-momenta that are made at once: 16 kB of components, which stay in the first-level cache.
const BLOCK: usize = 512;

/// The four-momenta of all objects of a collection, from [`JaggedColumn::four_momenta`].
///
/// For objects that are in many combinations: each four-momentum is made once, many of them in one vectorised
/// loop, a block ahead of the events that are asked for in turn. They are bit for bit those of
/// [`Momentum::p4`].
pub struct FourMomenta<'a, T: Columnar> {
    objects: &'a JaggedColumn<T>,
    /// Which objects the components below are of, as far as they go.
    made: Range<usize>,
    components: [Vec<f64>; 4],
}

impl<'a, T: Columnar> FourMomenta<'a, T>
where
    for<'b> T::Item<'b>: Momentum,
{
    pub(crate) fn new(objects: &'a JaggedColumn<T>) -> Self {
        Self { objects, made: 0..0, components: Default::default() }
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
        let components = self.components.each_ref().map(|part| &part[start..start + len]);
        P4s { len, components }
    }

    /// Makes a block that begins with the objects `needed`.
    #[inline(never)]
    fn make(&mut self, needed: &Range<usize>) {
        let end = needed.start.saturating_add(BLOCK).min(self.objects.object_count()).max(needed.end);
        self.made = needed.start..end;
        let (count, room) = (self.made.len(), self.made.len().next_multiple_of(STEP));
        for part in &mut self.components {
            part.resize(part.len().max(room), 0.0);
        }
        // Polar coordinates first, then cartesian ones in their place.
        let [pts, etas, phis, masses] = self.components.each_mut().map(|part| &mut part[..room]);
        let parts = pts.iter_mut().zip(&mut *etas).zip(&mut *phis).zip(&mut *masses);
        for ((((pt, eta), phi), mass), i) in parts.zip(self.made.clone()) {
            let object = T::item(self.objects, i);
            (*pt, *eta, *phi, *mass) = (object.pt(), object.eta(), object.phi(), object.mass());
        }
        pts[count..].fill(1.0);
        for part in [&mut *etas, phis, masses] {
            part[count..].fill(0.0);
        }
        widest(ToCartesian([pts, etas, phis, masses]));
    }
}

/// Objects that go through the elementary functions together.
const STEP: usize = 8;

/// Columns of `pt`, `eta`, `phi` and `mass`, a multiple of [`STEP`] long, that become `px`, `py`, `pz` and `e`.
struct ToCartesian<'a>([&'a mut [f64]; 4]);

impl Kernel for ToCartesian<'_> {
    #[inline(always)]
    fn run(self) {
        let [a, b, c, d] = self.0.map(|part| part.as_chunks_mut::<STEP>().0);
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            // Copies, since what is written might otherwise be what is read next.
            let (pt, eta, phi, mass) = (*a, *b, *c, *d);
            let ([mut px, mut py], [mut pz, mut e]) = ([[0.0; STEP]; 2], [[0.0; STEP]; 2]);
            let mut ordinary = [0; STEP];
            for at in 0..STEP {
                ordinary[at] = u64::from(is_ordinary(pt[at], eta[at], phi[at]));
                let v = P4::ordinary(pt[at], eta[at], phi[at], mass[at]);
                (px[at], py[at], pz[at], e[at]) = (v.px, v.py, v.pz, v.e);
            }
            if ordinary != [1; STEP] {
                for at in 0..STEP {
                    let v = P4::from_pt_eta_phi_mass(pt[at], eta[at], phi[at], mass[at]);
                    (px[at], py[at], pz[at], e[at]) = (v.px, v.py, v.pz, v.e);
                }
            }
            (*a, *b, *c, *d) = (px, py, pz, e);
        }
    }
}

/// The four-momenta of one event's objects.
#[derive(Clone, Copy)]
pub struct P4s<'a> {
    len: usize,
    /// `px`, `py`, `pz`, `e`.
    components: [&'a [f64]; 4],
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
    pub fn closest_triple(&self, mass: f64) -> Option<[usize; 3]> {
        if self.len < 3 { None } else { triples::closest(self.components, self.len, mass) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Width, run};

    #[test]
    fn vectors_of_every_width_give_the_bits_of_one_object_alone() {
        // All angles and pseudorapidities of a detector, and now and then what is none.
        let part = |i: usize, step: f64| (i as f64 * step).fract();
        let golden = |i: usize| part(i, 0.618_033_988_749_894_9);
        let polar: [Vec<f64>; 4] = [
            (0..4096).map(|i| if i % 97 == 0 { -999.0 } else { 300.0 * part(i, 0.414_213_562) }).collect(),
            (0..4096).map(|i| if i % 89 == 0 { f64::NAN } else { 16.0 * golden(i) - 8.0 }).collect(),
            (0..4096)
                .map(|i| if i % 83 == 0 { 40.0 } else { std::f64::consts::TAU * part(i, 0.7) - 3.2 })
                .collect(),
            (0..4096).map(|i| if i % 79 == 0 { -0.1 } else { 20.0 * part(i, 0.3) }).collect(),
        ];
        for width in Width::all() {
            let mut made = polar.clone();
            run(ToCartesian(made.each_mut().map(|part| &mut part[..])), width);
            for i in 0..4096 {
                let [pt, eta, phi, mass] = polar.each_ref().map(|part| part[i]);
                let one = P4::from_pt_eta_phi_mass(pt, eta, phi, mass);
                for (ours, one) in
                    made.each_ref().map(|part| part[i]).into_iter().zip([one.px, one.py, one.pz, one.e])
                {
                    let same = ours.to_bits() == one.to_bits() || ours.is_nan() && one.is_nan();
                    assert!(same, "{width:?}: {ours:e}, alone {one:e}, of {:?}", [pt, eta, phi, mass]);
                }
            }
        }
    }
}
