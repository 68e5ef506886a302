//! Query 2: transverse momentum of all jets.

use hep_run::prelude::*;

#[derive(Columnar)]
pub struct Event {
    #[column("Jet_pt")]
    jet_pt: Jagged<f32>,
}

#[derive(Output)]
pub struct Histograms {
    jet_pt: Count,
}

/// Transverse momentum of all jets.
#[derive(Default, Settings)]
pub struct AdlQ2;

impl Processor for AdlQ2 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms { jet_pt: Count::new(Axis::regular(100, 15.0, 60.0).label("jet pt [GeV]")) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        // Which event a jet is in does not matter: take the whole column.
        out.jet_pt.fill_all(events.jet_pt.iter().copied());
        Ok(())
    }
}
