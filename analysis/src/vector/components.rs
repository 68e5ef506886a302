use std::ops::Range;

use hep_columns::simd::{Kernel, widest};

use super::{Momentum, P4, is_ordinary};

/// Objects that go through the elementary functions together.
pub(super) const STEP: usize = 8;

/// `px`, `py`, `pz` and `e` of many objects, made together in one vectorised loop. They are bit for bit those of
/// [`Momentum::p4`].
#[derive(Default)]
pub(super) struct Components([Vec<f64>; 4]);

/// `pt`, `eta`, `phi` and `mass` of what is to be made.
pub(super) struct Polar<'a>([&'a mut [f64]; 4]);

impl Components {
    /// Room for `count` objects, to be [put](Polar::put) there and [made](Polar::make).
    #[inline]
    pub(super) fn polar(&mut self, count: usize) -> Polar<'_> {
        let room = count.next_multiple_of(STEP);
        for part in &mut self.0 {
            part.resize(part.len().max(room), 0.0);
        }
        let mut polar = Polar(self.0.each_mut().map(|part| &mut part[..room]));
        (count..room).for_each(|at| polar.put_nothing(at));
        polar
    }

    /// For how many there is room.
    pub(super) fn len(&self) -> usize {
        self.0[0].len()
    }

    #[inline(always)]
    pub(super) fn of(&self, places: Range<usize>) -> [&[f64]; 4] {
        self.0.each_ref().map(|part| &part[places.clone()])
    }

    #[inline(always)]
    pub(super) fn at(&self, place: usize) -> P4 {
        let [px, py, pz, e] = &self.0;
        P4::new(px[place], py[place], pz[place], e[place])
    }
}

impl Polar<'_> {
    #[inline(always)]
    pub(super) fn put(&mut self, place: usize, object: &impl Momentum) {
        let [pts, etas, phis, masses] = &mut self.0;
        (pts[place], etas[place], phis[place], masses[place]) =
            (object.pt(), object.eta(), object.phi(), object.mass());
    }

    /// Something that is as fast to make as an object, where there is none.
    #[inline]
    pub(super) fn put_nothing(&mut self, place: usize) {
        let [pts, etas, phis, masses] = &mut self.0;
        (pts[place], etas[place], phis[place], masses[place]) = (1.0, 0.0, 0.0, 0.0);
    }

    /// Polar coordinates become cartesian ones, in their place.
    #[inline]
    pub(super) fn make(self) {
        widest(ToCartesian(self.0));
    }
}

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

#[cfg(test)]
mod tests {
    use hep_columns::simd::{Width, run};

    use super::*;

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
