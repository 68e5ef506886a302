//! Query 5: missing transverse energy of events with an opposite-charge muon pair of mass
//! 60 to 120 GeV.

use hep_run::prelude::*;

#[derive(Columnar)]
pub struct Event {
    #[column("MET_pt")]
    met: f32,
    #[column("Muon")]
    muons: Jagged<Charged>,
}

#[derive(Output)]
pub struct Histograms {
    met: Count,
}

/// Missing transverse energy of events with an opposite-charge muon pair of mass 60 to 120 GeV.
#[derive(Default, Settings)]
pub struct AdlQ5;

impl Processor for AdlQ5 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms { met: Count::new(Axis::regular(100, 0.0, 2000.0).label("MET [GeV]")) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let opposite = events.muons.select_pairs(|a, b| a.charge != b.charge);
        let on_the_z = opposite.masses().into_iter().map(|mass| mass > 60.0 && mass < 120.0);
        out.met.fill_where(events.met.iter().copied().zip(opposite.any(on_the_z)));
        Ok(())
    }
}
