//! Query 1: missing transverse energy of all events.

use hep_run::prelude::*;

#[derive(Clone, Copy, Columnar)]
pub struct Event {
    #[column("MET_pt")]
    met: f32,
}

#[derive(Output)]
pub struct Histograms {
    met: Count,
}

/// Missing transverse energy of all events.
#[derive(Default, Settings)]
pub struct AdlQ1;

impl Processor for AdlQ1 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms { met: Count::new(Axis::regular(100, 0.0, 2000.0).label("MET [GeV]")) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        out.met.fill_all(events.met.iter().copied());
        Ok(())
    }
}
