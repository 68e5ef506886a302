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

    fn output(&self, _: &Dataset) -> Histograms {
        Histograms { met: Count::new(Axis::regular(100, 0.0, 2000.0).label("MET [GeV]")) }
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let on_the_z = |mass: f64| mass > 60.0 && mass < 120.0;
        let mut four_momenta = events.muons.four_momenta();
        for event in events {
            let (muons, p4s) = (event.muons, four_momenta.of(event.muons));
            let opposite = |&(i, j): &(usize, usize)| muons.at(i).charge != muons.at(j).charge;
            let mut pairs = (0..muons.len()).pairs().filter(opposite);
            if pairs.any(|(i, j)| on_the_z(p4s.sum([i, j]).mass())) {
                out.met.fill(event.met);
            }
        }
        Ok(())
    }
}
