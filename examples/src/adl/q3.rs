//! Query 3: transverse momentum of central jets, |η| < 1.

use hep_run::prelude::*;

#[derive(Clone, Copy, Columnar)]
pub struct Jet {
    pt: f32,
    eta: f32,
}

#[derive(Columnar)]
pub struct Event {
    #[column("Jet")]
    jets: Jagged<Jet>,
}

#[derive(Output)]
pub struct Histograms {
    jet_pt: Count,
}

/// Transverse momentum of central jets, |η| < 1.
#[derive(Default, Settings)]
pub struct AdlQ3;

impl Processor for AdlQ3 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms { jet_pt: Count::new(Axis::regular(100, 15.0, 60.0).label("jet pt [GeV]")) })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        // Which event a jet is in does not matter: take the whole columns.
        let jets = events.jets.pt.iter().zip(&*events.jets.eta);
        out.jet_pt.fill_where(jets.map(|(&pt, &eta)| (pt, eta.abs() < 1.0)));
        Ok(())
    }
}
