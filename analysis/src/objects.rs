use crate::{Columnar, Momentum};

/// A reconstructed charged particle: the fields that most collections of NanoAOD share. A struct of
/// an analysis's own can add fields; this is all there is to it.
#[derive(Clone, Copy, Debug, PartialEq, Columnar, Momentum)]
pub struct Charged {
    /// Transverse momentum in GeV.
    pub pt: f32,
    /// Pseudorapidity.
    pub eta: f32,
    /// Azimuth in radians.
    pub phi: f32,
    /// Mass in GeV.
    pub mass: f32,
    /// Charge in units of the positron's.
    pub charge: i32,
}
