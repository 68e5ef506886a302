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
        // Each lepton is in several pairs: its four-momentum is made once. The buffer lives as long as the
        // batch, so that no event allocates.
        let mut buffer = Vec::new();
        for event in events {
            if event.electrons.len() + event.muons.len() < 3 {
                continue;
            }
            buffer.clear();
            buffer.extend(event.electrons.iter().map(|lepton| (Flavour::Electron, lepton, lepton.p4())));
            buffer.extend(event.muons.iter().map(|lepton| (Flavour::Muon, lepton, lepton.p4())));
            let leptons = buffer.iter().enumerate();

            let same_flavour_opposite_charge =
                leptons.clone().pairs().filter(|((_, a), (_, b))| a.0 == b.0 && a.1.charge != b.1.charge);
            let mass = |((_, a), (_, b)): &Pair| (a.2 + b.2).mass();
            let Some(((i, _), (j, _))) = same_flavour_opposite_charge.closest_to(91.2, mass) else {
                continue;
            };

            let others = leptons.filter(|(k, _)| *k != i && *k != j);
            let Some((_, (_, other, _))) = others.leading(|(_, (_, lepton, _))| lepton.pt) else { continue };
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

type Lepton = (Flavour, Charged, P4);

/// Two leptons with their places in the event.
type Pair<'a> = ((usize, &'a Lepton), (usize, &'a Lepton));
