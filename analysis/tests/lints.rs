//! What the derives write causes no warning in a crate that asks for many.
#![deny(
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unused,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    clippy::all,
    clippy::pedantic
)]

extern crate hep_analysis as hep_run;

use hep_run::prelude::*;

/// A jet without documented fields.
#[derive(Clone, Copy, Debug, Columnar, Momentum)]
#[allow(missing_docs)]
pub struct Jet {
    pub pt: f32,
    pub eta: f32,
    pub phi: f32,
    pub mass: f32,
}

/// An event.
#[derive(Columnar)]
#[allow(missing_debug_implementations, missing_docs)]
pub struct Event {
    #[column("Jet")]
    pub jets: Jagged<Jet>,
    #[column("genWeight", may_be_absent)]
    pub weight: Option<f32>,
    #[column("Muon_pt", unit = "GeV")]
    pub muons: Jagged<f32>,
    #[column(may_be_absent)]
    pub r#type: Option<i32>,
}

/// Settings.
#[derive(Clone, Debug, Default, Settings)]
#[allow(missing_docs)]
pub struct Cuts {
    pub min_pt: f32,
    pub names: Vec<String>,
}

/// An output.
#[derive(Clone, Debug, Output)]
#[allow(missing_docs)]
pub struct Result {
    pub mass: Hist,
    pub cutflow: Cutflow,
}

#[test]
fn may_be_absent_is_in_the_schema() {
    let mut schema = hep_run::__private::Schema::default();
    <Event as Columnar>::declare("", &mut schema);
    let absent = schema.requirements().iter().filter(|need| need.may_be_absent);
    assert_eq!(absent.map(|need| need.name.as_str()).collect::<Vec<_>>(), ["genWeight", "type"]);
}
