//! Four-momenta and the angles between them. Energies, momenta and masses in GeV, angles in radians.
//!
//! The definitions are those of `ROOT::Math::LorentzVector`, so that a histogram of a mass equals
//! RDataFrame's bin for bin; two of its corner cases are not followed, see [`P4::from_pt_eta_phi_mass`].

mod components;
mod elementary;
mod momenta;
mod pair_masses;
mod triples;

pub use momenta::{FourMomenta, P4s};
pub(crate) use pair_masses::PairMasses;
pub use triples::{ClosestTriples, Triple};

use std::f64::consts::{PI, TAU};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

/// The pseudorapidity beyond which ROOT encodes `pz` of a vector along the beam: `eta = pz ± ETA_MAX`.
const ETA_MAX: f64 = 22756.0;

/// A four-momentum in cartesian coordinates, in GeV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct P4 {
    /// Momentum along x, horizontal, towards the centre of the ring.
    pub px: f64,
    /// Momentum along y, upwards.
    pub py: f64,
    /// Momentum along z, the beam.
    pub pz: f64,
    /// Energy.
    pub e: f64,
}

impl P4 {
    /// From cartesian components.
    #[inline]
    pub const fn new(px: f64, py: f64, pz: f64, e: f64) -> Self {
        Self { px, py, pz, e }
    }

    /// From transverse momentum, pseudorapidity, azimuth and mass, as `ROOT::Math::PtEtaPhiMVector`.
    ///
    /// A negative mass stands for a negative squared mass, `m² = -mass²`, as found in electrons of real
    /// data; the energy is 0 where it would be imaginary. A pseudorapidity beyond ±22756 at `pt = 0` is
    /// ROOT's way of writing a vector along the beam. Unlike ROOT, `pz` is 0 at `pt = 0` and any lesser
    /// pseudorapidity (ROOT: `eta ∓ 22756`), and NaN in any argument gives a mass of NaN (ROOT may give a
    /// finite one).
    #[inline]
    pub fn from_pt_eta_phi_mass(pt: f64, eta: f64, phi: f64, mass: f64) -> Self {
        if is_ordinary(pt, eta, phi) {
            Self::ordinary(pt, eta, phi, mass)
        } else {
            Self::unusual(pt, eta, phi, mass)
        }
    }

    /// Of what [`is_ordinary`], without a branch.
    #[inline(always)]
    fn ordinary(pt: f64, eta: f64, phi: f64, mass: f64) -> Self {
        let ((sin, cos), (sinh, cosh)) = (elementary::sin_cos(phi), elementary::sinh_cosh(eta));
        Self::with_energy(pt * cos, pt * sin, pt * sinh, pt * cosh, mass)
    }

    /// Of anything.
    #[cold]
    fn unusual(pt: f64, eta: f64, phi: f64, mass: f64) -> Self {
        let phi = if phi > -PI && phi <= PI { phi } else { phi - (phi / TAU + 0.5).floor() * 2.0 * PI };
        let (sin, cos) = phi.sin_cos();
        let (pz, p) = if pt > 0.0 { (pt * eta.sinh(), pt * eta.cosh()) } else { along_beam(pt, eta) };
        Self::with_energy(pt * cos, pt * sin, pz, p, mass)
    }

    /// From a momentum, its magnitude and the mass.
    #[inline(always)]
    fn with_energy(px: f64, py: f64, pz: f64, p: f64, mass: f64) -> Self {
        // Written so that NaN stays NaN.
        let e2 = p * p + mass * mass.abs();
        let e = if e2 < 0.0 { 0.0 } else { e2.sqrt() };
        Self { px, py, pz, e }
    }

    /// Transverse momentum.
    #[inline]
    pub fn pt(&self) -> f64 {
        self.pt2().sqrt()
    }

    #[inline]
    fn pt2(&self) -> f64 {
        self.px * self.px + self.py * self.py
    }

    /// Pseudorapidity; `pz ± 22756` at `pt = 0`, and 0 for no momentum at all.
    #[inline]
    pub fn eta(&self) -> f64 {
        /// ε^(-1/4): beyond it, 1 is lost when added to the square.
        const LARGE: f64 = 8192.0;
        let pt = self.pt();
        if pt > 0.0 {
            let slope = self.pz / pt;
            if slope.abs() < LARGE {
                (slope + (slope * slope + 1.0).sqrt()).ln()
            } else if self.pz > 0.0 {
                (2.0 * slope + 0.5 / slope).ln()
            } else {
                -(-2.0 * slope).ln()
            }
        } else if self.pz == 0.0 {
            0.0
        } else {
            self.pz + ETA_MAX.copysign(self.pz)
        }
    }

    /// Azimuth, in (-π, π]; 0 at `pt = 0`.
    #[inline]
    pub fn phi(&self) -> f64 {
        if self.px == 0.0 && self.py == 0.0 { 0.0 } else { self.py.atan2(self.px) }
    }

    /// The magnitude of the momentum.
    #[inline]
    pub fn p(&self) -> f64 {
        (self.pt2() + self.pz * self.pz).sqrt()
    }

    /// Energy.
    #[inline]
    pub fn energy(&self) -> f64 {
        self.e
    }

    /// The squared mass, which may be negative.
    #[inline(always)]
    pub fn mass2(&self) -> f64 {
        self.e * self.e - self.px * self.px - self.py * self.py - self.pz * self.pz
    }

    /// The mass; negative, `-√(-m²)`, where the squared mass is.
    #[inline(always)]
    pub fn mass(&self) -> f64 {
        let mass2 = self.mass2();
        mass2.abs().sqrt().copysign(mass2)
    }

    /// Rapidity along the beam, ½ ln((E + pz) / (E - pz)).
    #[inline]
    pub fn rapidity(&self) -> f64 {
        0.5 * ((self.e + self.pz) / (self.e - self.pz)).ln()
    }

    /// Transverse mass of the one vector, √(E² - pz²); negative where that is imaginary.
    #[inline]
    pub fn mt(&self) -> f64 {
        let mt2 = self.e * self.e - self.pz * self.pz;
        mt2.abs().sqrt().copysign(mt2)
    }
}

/// Whether a direction and a transverse momentum are those of a particle in a detector, as all but fill values
/// are. `false` where one of them is NaN.
#[inline(always)]
fn is_ordinary(pt: f64, eta: f64, phi: f64) -> bool {
    (pt > 0.0) & (eta.abs() <= elementary::MAX_ETA) & (phi.abs() <= PI)
}

/// `pz` and |p| of a vector without transverse momentum, or with a senseless one.
#[cold]
fn along_beam(pt: f64, eta: f64) -> (f64, f64) {
    if pt.is_nan() || eta.is_nan() {
        (f64::NAN, f64::NAN)
    } else if eta.abs() > ETA_MAX {
        (eta - ETA_MAX.copysign(eta), eta.abs() - ETA_MAX)
    } else {
        (0.0, 0.0)
    }
}

impl Add for P4 {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self { px: self.px + other.px, py: self.py + other.py, pz: self.pz + other.pz, e: self.e + other.e }
    }
}

impl Sub for P4 {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self { px: self.px - other.px, py: self.py - other.py, pz: self.pz - other.pz, e: self.e - other.e }
    }
}

impl Mul<f64> for P4 {
    type Output = Self;

    #[inline]
    fn mul(self, by: f64) -> Self {
        Self { px: self.px * by, py: self.py * by, pz: self.pz * by, e: self.e * by }
    }
}

impl Neg for P4 {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Self { px: -self.px, py: -self.py, pz: -self.pz, e: -self.e }
    }
}

impl AddAssign for P4 {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for P4 {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for P4 {
    fn sum<I: Iterator<Item = Self>>(vectors: I) -> Self {
        vectors.fold(Self::default(), Add::add)
    }
}

impl<'a> Sum<&'a P4> for P4 {
    fn sum<I: Iterator<Item = &'a P4>>(vectors: I) -> Self {
        vectors.copied().sum()
    }
}

/// An object with a transverse momentum, a direction and a mass: derive it on a struct with the fields `pt`, `eta`,
/// `phi` and `mass`.
///
/// `#[derive(Momentum)]` needs the mass too: the field `mass`, or one mass for all objects.
///
/// ```
/// # extern crate hep_analysis as hep_run;
/// # use hep_run::prelude::*;
/// #[derive(Momentum)]
/// #[momentum(mass = 0.105_658)]
/// struct Muon { pt: f32, eta: f32, phi: f32 }
/// ```
///
/// Without either it does not compile, so that no four-momentum has a mass of 0 by accident:
///
/// ```compile_fail
/// # extern crate hep_analysis as hep_run;
/// # use hep_run::prelude::*;
/// #[derive(Momentum)]
/// struct Muon { pt: f32, eta: f32, phi: f32, m: f32 }
/// ```
pub trait Momentum {
    /// Transverse momentum in GeV.
    fn pt(&self) -> f64;

    /// Pseudorapidity.
    fn eta(&self) -> f64;

    /// Azimuth in radians.
    fn phi(&self) -> f64;

    /// Mass in GeV.
    fn mass(&self) -> f64;

    /// The four-momentum.
    #[inline]
    fn p4(&self) -> P4 {
        P4::from_pt_eta_phi_mass(self.pt(), self.eta(), self.phi(), self.mass())
    }

    /// The azimuth of `other` as seen from here, in (-π, π].
    #[inline]
    fn delta_phi(&self, other: &impl Momentum) -> f64
    where
        Self: Sized,
    {
        delta_phi(self.phi(), other.phi())
    }

    /// The distance √(Δη² + Δφ²).
    #[inline]
    fn delta_r(&self, other: &impl Momentum) -> f64
    where
        Self: Sized,
    {
        self.delta_r2(other).sqrt()
    }

    /// The squared distance Δη² + Δφ², cheaper to compare.
    #[inline]
    fn delta_r2(&self, other: &impl Momentum) -> f64
    where
        Self: Sized,
    {
        let (delta_eta, delta_phi) = (other.eta() - self.eta(), self.delta_phi(other));
        delta_phi * delta_phi + delta_eta * delta_eta
    }
}

impl Momentum for P4 {
    #[inline]
    fn pt(&self) -> f64 {
        P4::pt(self)
    }

    #[inline]
    fn eta(&self) -> f64 {
        P4::eta(self)
    }

    #[inline]
    fn phi(&self) -> f64 {
        P4::phi(self)
    }

    #[inline]
    fn mass(&self) -> f64 {
        P4::mass(self)
    }

    #[inline]
    fn p4(&self) -> P4 {
        *self
    }
}

impl<T: Momentum> Momentum for &T {
    #[inline]
    fn pt(&self) -> f64 {
        T::pt(self)
    }

    #[inline]
    fn eta(&self) -> f64 {
        T::eta(self)
    }

    #[inline]
    fn phi(&self) -> f64 {
        T::phi(self)
    }

    #[inline]
    fn mass(&self) -> f64 {
        T::mass(self)
    }

    #[inline]
    fn p4(&self) -> P4 {
        T::p4(self)
    }
}

/// The angle from azimuth `from` to azimuth `to`, in (-π, π].
#[inline]
pub fn delta_phi(from: f64, to: f64) -> f64 {
    let mut angle = to - from;
    if angle.abs() > TAU {
        angle %= TAU;
    }
    // A difference without a branch, which angles to both sides would mispredict.
    let turn = if angle > PI { TAU } else { 0.0 };
    let turn = if angle <= -PI { -TAU } else { turn };
    angle - turn
}

/// The mass of a pair, as `(a.p4() + b.p4()).mass()`.
#[inline]
pub fn invariant_mass(a: &impl Momentum, b: &impl Momentum) -> f64 {
    (a.p4() + b.p4()).mass()
}

/// The transverse mass of two massless particles, √(2 pt₁ pt₂ (1 - cos Δφ)): of a lepton and the
/// missing transverse momentum.
#[inline]
pub fn transverse_mass(pt1: f64, phi1: f64, pt2: f64, phi2: f64) -> f64 {
    (2.0 * pt1 * pt2 * (1.0 - delta_phi(phi1, phi2).cos())).sqrt()
}
