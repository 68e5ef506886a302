//! Query 4: missing transverse energy of events with at least two jets of pt > 40 GeV.

use hep_run::prelude::*;

#[derive(Columnar)]
pub struct Event {
    #[column("MET_pt")]
    met: f32,
    #[column("Jet_pt")]
    jet_pt: Jagged<f32>,
}

#[derive(Output)]
pub struct Histograms {
    met: Count,
}

/// Missing transverse energy of events with at least two jets of pt > 40 GeV.
#[derive(Default, Settings)]
pub struct AdlQ4;

impl Processor for AdlQ4 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms { met: Count::new(Axis::regular(100, 0.0, 2000.0).label("MET [GeV]")) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let hard_jets = events.jet_pt.count_where(|pt| pt > 40.0);
        out.met.fill_where(events.met.iter().zip(hard_jets).map(|(&met, jets)| (met, jets >= 2)));
        Ok(())
    }
}
