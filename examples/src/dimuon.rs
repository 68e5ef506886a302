//! The mass of the first pair of good muons of opposite charge.

use hep_run::prelude::*;

#[derive(Columnar)]
pub struct Event {
    #[column("Muon")]
    muons: Jagged<Charged>, // Muon_pt, _eta, _phi, _mass, _charge
    #[column("genWeight", may_be_absent)]
    gen_weight: Option<f32>, // data have none
}

/// The mass of the first pair of good muons of opposite charge.
#[derive(Default, Settings)]
pub struct Dimuon {
    /// Least transverse momentum of a good muon in GeV.
    pub min_pt: f32,
}

#[derive(Output)]
pub struct Dimuons {
    cutflow: Cutflow,
    mass: Hist,
}

impl Processor for Dimuon {
    type Event = Event;
    type Output = Dimuons;

    fn output(&self, _: &Dataset) -> Result<Dimuons> {
        Ok(Dimuons {
            cutflow: Cutflow::new(["all", "two muons", "opposite charge"]),
            mass: Hist::new(Axis::regular(60, 60.0, 120.0).label("m(μμ) [GeV]")),
        })
    }

    fn process(&self, events: &Events<Event>, out: &mut Dimuons) -> Result<()> {
        for event in events {
            let weight = event.gen_weight.unwrap_or(1.0).into();
            out.cutflow.pass("all", weight);
            let good = event.muons.iter().filter(|mu| mu.pt > self.min_pt && mu.eta.abs() < 2.4);
            if good.clone().count() < 2 {
                continue;
            }
            out.cutflow.pass("two muons", weight);
            let Some((a, b)) = good.pairs().find(|(a, b)| a.charge != b.charge) else { continue };
            out.cutflow.pass("opposite charge", weight);
            out.mass.fill((a.p4() + b.p4()).mass(), weight);
        }
        Ok(())
    }
}
