//! Where a four-momentum's mass and its unit come from.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use hep_analysis::prelude::*;
use hep_columns::Batch;

extern crate hep_analysis as hep_run;

/// As ATLAS's PHYSLITE stores muons: MeV, and no mass.
#[derive(Clone, Copy, Columnar, Momentum)]
#[columnar(separator = ".")]
#[momentum(mass = 0.105_658)]
struct Muon {
    #[column(unit = "MeV")]
    pt: f32,
    eta: f32,
    phi: f32,
}

#[derive(Clone, Copy, Columnar, Momentum)]
#[columnar(separator = ".")]
struct Jet {
    #[column("pt", unit = "GeV")]
    pt: f32,
    eta: f32,
    phi: f32,
    #[column("m", unit = "MeV")]
    mass: f32,
}

#[derive(Clone, Copy, Columnar, Momentum)]
#[momentum(massless)]
struct Photon {
    pt: f32,
    eta: f32,
    phi: f32,
}

#[derive(Columnar)]
struct Event {
    #[column("MuonsAuxDyn")]
    muons: Jagged<Muon>,
    #[column("JetsAuxDyn")]
    jets: Jagged<Jet>,
    #[column("met", unit = "MeV")]
    met: f64,
    #[column("absent", unit = "MeV")]
    absent: Option<Jagged<f32>>,
}

fn lists(values: &[f32]) -> ArrayRef {
    let item = Arc::new(Field::new_list_field(DataType::Float32, false));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Arc::new(ListArray::new(item, offsets, Arc::new(Float32Array::from(values.to_vec())), None))
}

#[test]
fn a_column_in_mev_is_read_in_gev() {
    let columns = [
        ("MuonsAuxDyn.pt", lists(&[40_000.0, 25_500.0])),
        ("MuonsAuxDyn.eta", lists(&[0.0, 1.0])),
        ("MuonsAuxDyn.phi", lists(&[0.0, 0.0])),
        ("JetsAuxDyn.pt", lists(&[70_000.0])),
        ("JetsAuxDyn.eta", lists(&[0.0])),
        ("JetsAuxDyn.phi", lists(&[0.0])),
        ("JetsAuxDyn.m", lists(&[9_000.0])),
        ("met", Arc::new(Float32Array::from(vec![123_456.0])) as ArrayRef),
    ];
    let names = columns.iter().enumerate().map(|(at, (name, _))| ((*name).to_owned(), at)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let events = Events::<Event>::new(Batch::new(0..1, Arc::new(names), arrays)).unwrap();
    let event = events.iter().next().unwrap();
    let muons: Vec<f32> = event.muons.iter().map(|muon| muon.pt).collect();
    assert_eq!(muons, [40.0, 25.5]);
    let muon = event.muons.at(0).p4();
    assert!((muon.mass() - 0.105_658).abs() < 1e-6 && (muon.pt() - 40.0).abs() < 1e-12);
    let jet = event.jets.at(0);
    assert_eq!((jet.pt, jet.mass), (70_000.0, 9.0), "GeV says: take the number as it is");
    assert_eq!(event.met, 123.456);
    assert!(event.absent.is_none());
}

#[test]
fn an_object_without_a_mass_has_the_one_that_its_struct_names() {
    assert_eq!(Photon { pt: 1.0, eta: 0.5, phi: 0.1 }.mass(), 0.0);
    assert_eq!(Muon { pt: 1.0, eta: 0.5, phi: 0.1 }.mass(), 0.105_658);
}
