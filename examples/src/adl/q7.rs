//! Query 7: for each event, the sum of the transverse momenta of the jets of pt > 30 GeV that are not
//! within ΔR < 0.4 of any lepton of pt > 10 GeV.

use hep_run::prelude::*;

#[derive(Clone, Copy, Columnar, Momentum)]
#[momentum(massless)]
pub struct Object {
    pt: f32,
    eta: f32,
    phi: f32,
}

#[derive(Columnar)]
pub struct Event {
    #[column("Jet")]
    jets: Jagged<Object>,
    #[column("Electron")]
    electrons: Jagged<Object>,
    #[column("Muon")]
    muons: Jagged<Object>,
}

#[derive(Output)]
pub struct Histograms {
    sum_pt: Count,
}

/// Scalar sum of the transverse momenta of jets away from leptons.
#[derive(Default, Settings)]
pub struct AdlQ7;

impl Processor for AdlQ7 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms { sum_pt: Count::new(Axis::regular(100, 15.0, 200.0).label("Σ jet pt [GeV]")) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let jets = events
            .jets
            .select(|jet| jet.pt > 30.0)
            .away_from(&events.electrons, 0.4, |electron| electron.pt > 10.0)
            .away_from(&events.muons, 0.4, |muon| muon.pt > 10.0);
        out.sum_pt.fill_all(jets.sums(|jet| jet.pt.into()));
        Ok(())
    }
}
