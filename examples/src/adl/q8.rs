//! Query 8: for events with at least three leptons and a same-flavour opposite-charge pair, the
//! transverse mass of the missing transverse energy and the leading lepton outside of the pair whose
//! mass is closest to 91.2 GeV.

use hep_run::prelude::*;
use hep_run::vector::transverse_mass;

#[derive(Columnar)]
pub struct Event {
    #[column("MET_pt")]
    met: f32,
    #[column("MET_phi")]
    met_phi: f32,
    #[column("Electron")]
    electrons: Jagged<Charged>,
    #[column("Muon")]
    muons: Jagged<Charged>,
}

#[derive(Output)]
pub struct Histograms {
    transverse_mass: Count,
}

#[derive(Clone, Copy, PartialEq)]
enum Flavour {
    Electron,
    Muon,
}

/// Transverse mass of the missing transverse energy and the lepton beside a Z.
#[derive(Default, Settings)]
pub struct AdlQ8;

impl Processor for AdlQ8 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Histograms {
        Histograms {
            transverse_mass: Count::new(Axis::regular(100, 15.0, 250.0).label("transverse mass [GeV]")),
        }
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        for event in events {
            if event.electrons.len() + event.muons.len() < 3 {
                continue;
            }
            let electrons = event.electrons.iter().map(|lepton| (Flavour::Electron, lepton));
            let muons = event.muons.iter().map(|lepton| (Flavour::Muon, lepton));
            let leptons = electrons.chain(muons).enumerate();

            let same_flavour_opposite_charge =
                leptons.clone().pairs().filter(|((_, a), (_, b))| a.0 == b.0 && a.1.charge != b.1.charge);
            let mass = |((_, a), (_, b)): &Pair| (a.1.p4() + b.1.p4()).mass();
            let Some(((i, _), (j, _))) = same_flavour_opposite_charge.closest_to(91.2, mass) else {
                continue;
            };

            let others = leptons.filter(|(k, _)| *k != i && *k != j);
            let Some((_, (_, other))) = others.leading(|(_, (_, lepton))| lepton.pt) else { continue };
            out.transverse_mass.fill(transverse_mass(
                other.pt(),
                other.phi(),
                event.met.into(),
                event.met_phi.into(),
            ));
        }
        Ok(())
    }
}

/// Two leptons with their places in the event.
type Pair = ((usize, (Flavour, Charged)), (usize, (Flavour, Charged)));
