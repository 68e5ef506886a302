//! Four-momenta and angles against `ROOT::Math` and `ROOT::VecOps`.
mod golden;

use golden::{double, doubles, list, read, same, ulps};
use hep_analysis::vector::{Momentum, P4, delta_phi, invariant_mass, transverse_mass};

fn polar(c: &[f64]) -> P4 {
    P4::from_pt_eta_phi_mass(c[0], c[1], c[2], c[3])
}

/// Sines and exponentials differ by an ulp or two between libraries; squares and roots do not.
const LIBM: u64 = 2;

/// An energy is a multiple of a hyperbolic cosine: two ulps of the one can be three of the other, and there are
/// roundings on both sides.
const ENERGY: u64 = 4;

#[test]
fn cartesian_components_are_those_of_root() {
    for case in list(&read("vectors")["from_polar"]) {
        let (given, root) = (doubles(&case[0]), doubles(&case[1]));
        let ours = polar(&given);
        // Where ROOT makes a number of what is none, see the next test.
        if given[0].is_nan() {
            continue;
        }
        for (part, (ours, root)) in [ours.px, ours.py, ours.pz].into_iter().zip(&root).enumerate() {
            assert!(ulps(ours, *root) <= LIBM, "component {part} of {given:?}: {ours:e}, ROOT {root:e}");
        }
        assert!(ulps(ours.e, root[3]) <= ENERGY, "energy of {given:?}: {}, ROOT {}", ours.e, root[3]);
    }
}

#[test]
fn nan_stays_nan() {
    // ROOT gives each of these a finite energy, and the first pz = eta - 22756.
    for at in [0, 1, 3] {
        let mut given = [20.0, 1.0, 1.0, 0.1];
        given[at] = f64::NAN;
        assert!(polar(&given).e.is_nan() && polar(&given).mass().is_nan(), "{given:?}");
    }
}

#[test]
fn without_transverse_momentum_there_is_none_along_the_beam_either() {
    // ROOT: pz = 1 - 22756, and so a mass of -22755.
    assert_eq!(polar(&[0.0, 1.0, 2.0, 0.5]), P4::new(0.0, 0.0, 0.0, 0.5));
    assert_eq!(polar(&[0.0, -1.0, 0.0, 0.0]).mass(), 0.0);
}

#[test]
fn a_vector_along_the_beam_survives_the_way_to_polar_coordinates_and_back() {
    for pz in [44.0, -44.0] {
        let beam = P4::new(0.0, 0.0, pz, 45.0);
        let back = polar(&[beam.pt(), beam.eta(), beam.phi(), beam.mass()]);
        assert_eq!((back.px, back.py, back.pz), (0.0, 0.0, pz));
        assert!((back.e - 45.0).abs() < 1e-12);
    }
}

#[test]
fn polar_coordinates_and_masses_are_those_of_root() {
    for case in list(&read("vectors")["to_polar"]) {
        let (given, root) = (doubles(&case[0]), doubles(&case[1]));
        let v = P4::new(given[0], given[1], given[2], given[3]);
        for (name, ours, root, tolerance) in [
            ("pt", v.pt(), root[0], 0),
            ("eta", v.eta(), root[1], LIBM),
            ("phi", v.phi(), root[2], LIBM),
            ("mass", v.mass(), root[3], 0),
            ("p", v.p(), root[4], 0),
            ("rapidity", v.rapidity(), root[5], LIBM),
            ("mt", v.mt(), root[6], 0),
        ] {
            assert!(ulps(ours, root) <= tolerance, "{name} of {given:?}: {ours:e}, ROOT {root:e}");
        }
    }
}

/// What an ulp of the components becomes in a mass, whose square is a difference of squares.
fn mass_tolerance(energy: f64, mass: f64) -> f64 {
    8.0 * f64::EPSILON * energy * energy / mass.abs().max(energy * f64::EPSILON.sqrt())
}

#[test]
fn pairs_have_the_mass_and_distance_root_gives_them() {
    for case in list(&read("vectors")["pairs"]) {
        let (given, root) = (doubles(&case[0]), doubles(&case[1]));
        let (a, b) = (polar(&given[..4]), polar(&given[4..]));
        let mass = invariant_mass(&a, &b);
        assert_eq!(mass.to_bits(), (a + b).mass().to_bits());
        let near = (mass - root[0]).abs() <= mass_tolerance(a.e + b.e, root[0]);
        assert!(near, "mass of {given:?}: {mass:e}, ROOT {:e}", root[0]);

        let object = |c: &[f64]| Stored { pt: c[0] as f32, eta: c[1] as f32, phi: c[2] as f32 };
        let (a, b) = (object(&given[..4]), object(&given[4..]));
        if given
            .iter()
            .all(|x| same(f64::from(*x as f32), *x) && x.abs() <= std::f64::consts::PI || *x > 3.15)
        {
            assert!(ulps(a.delta_phi(&b), root[1]) == 0, "Δφ of {given:?}");
            assert!(ulps(a.delta_r(&b), root[2]) == 0, "ΔR of {given:?}");
        }
        let mt = transverse_mass(given[0], given[2], given[4], given[6]);
        assert!((mt - root[3]).abs() <= 1e-12 * (given[0] + given[4]), "{mt:e}, ROOT {:e}", root[3]);
    }
}

/// As a derived struct does it: `f32` columns, angles in `f64`.
struct Stored {
    pt: f32,
    eta: f32,
    phi: f32,
}

impl Momentum for Stored {
    fn pt(&self) -> f64 {
        self.pt.into()
    }

    fn eta(&self) -> f64 {
        self.eta.into()
    }

    fn phi(&self) -> f64 {
        self.phi.into()
    }

    fn mass(&self) -> f64 {
        0.0
    }
}

#[test]
fn triples_have_the_mass_and_transverse_momentum_root_gives_them() {
    for case in list(&read("vectors")["triples"]) {
        let (given, root) = (doubles(&case[0]), doubles(&case[1]));
        let sum: P4 = given.chunks_exact(4).map(polar).sum();
        let mass = mass_tolerance(sum.e, root[0]);
        assert!((sum.mass() - root[0]).abs() <= mass, "{:e}, ROOT {:e}", sum.mass(), root[0]);
        assert!((sum.pt() - root[1]).abs() <= 1e-14 * sum.e, "{:e}, ROOT {:e}", sum.pt(), root[1]);
        // ROOT's PtEtaPhiMVector goes back to polar coordinates after each addition.
        assert!((sum.mass() - root[2]).abs() <= 1e-13 * sum.e, "{:e}, ROOT {:e}", sum.mass(), root[2]);
        assert!((sum.pt() - root[3]).abs() <= 1e-13 * sum.e, "{:e}, ROOT {:e}", sum.pt(), root[3]);
    }
}

#[test]
fn angles_wrap_as_in_root_save_that_minus_pi_is_pi() {
    use std::f64::consts::PI;
    for case in list(&read("vectors")["delta_phi"]) {
        let (from, to, root) = (double(&case[0]), double(&case[1]), double(&case[2]));
        let ours = delta_phi(from, to);
        let root = if root == -PI { PI } else { root };
        assert!(same(ours, root), "from {from} to {to}: {ours:e}, ROOT {root:e}");
    }
}

#[test]
fn arithmetic_is_by_component() {
    let (a, b) = (P4::new(1.0, 2.0, 3.0, 4.0), P4::new(10.0, 20.0, 30.0, 40.0));
    assert_eq!(a + b, P4::new(11.0, 22.0, 33.0, 44.0));
    assert_eq!(b - a, P4::new(9.0, 18.0, 27.0, 36.0));
    assert_eq!(a * 2.0, P4::new(2.0, 4.0, 6.0, 8.0));
    assert_eq!(-a, P4::new(-1.0, -2.0, -3.0, -4.0));
    let mut sum = a;
    sum += b;
    sum -= a;
    assert_eq!(sum, b);
    assert_eq!([a, b].iter().sum::<P4>(), a + b);
    assert_eq!(Vec::<P4>::new().into_iter().sum::<P4>(), P4::default());
}
