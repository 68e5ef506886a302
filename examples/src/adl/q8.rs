//! Query 8: for events with at least three leptons and a same-flavour opposite-charge pair, the
//! transverse mass of the missing transverse energy and the leading lepton outside of the pair whose
//! mass is closest to 91.2 GeV.

use hep_run::pairs::ClosestPair;
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

/// Transverse mass of the missing transverse energy and the lepton beside a Z.
#[derive(Default, Settings)]
pub struct AdlQ8;

impl Processor for AdlQ8 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms {
            transverse_mass: Count::new(Axis::regular(100, 15.0, 250.0).label("transverse mass [GeV]")),
        })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let several = events.select(|event| event.electrons.len() + event.muons.len() >= 3);
        let opposite = |a: Charged, b: Charged| a.charge != b.charge;
        let electrons = events.electrons.select_pairs_of(&several, opposite).closest_to(MASS);
        let muons = events.muons.select_pairs_of(&several, opposite).closest_to(MASS);
        for ((event, electrons), muons) in several.iter().zip(electrons).zip(muons) {
            let (of_electrons, of_muons) = match (electrons, muons) {
                (None, None) => continue,
                // Equally close electrons come first.
                (Some(z), other) if other.is_none_or(|other| distance(z) <= distance(other)) => {
                    (Some(z), None)
                }
                (_, z) => (None, z),
            };
            let electron = leading_outside(event.electrons, of_electrons);
            let muon = leading_outside(event.muons, of_muons);
            let Some(lepton) = electron.into_iter().chain(muon).leading(|lepton| lepton.pt) else { continue };
            let (met, met_phi) = (event.met.into(), event.met_phi.into());
            out.transverse_mass.fill(transverse_mass(lepton.pt(), lepton.phi(), met, met_phi));
        }
        Ok(())
    }
}

/// The mass of the Z in GeV.
const MASS: f64 = 91.2;

fn distance(pair: ClosestPair) -> f64 {
    (pair.mass - MASS).abs()
}

/// The leading one of the leptons that are not in the pair.
fn leading_outside(leptons: List<'_, Charged>, pair: Option<ClosestPair>) -> Option<Charged> {
    let [first, second] = pair.map_or([usize::MAX; 2], |pair| pair.places);
    let is_outside = |place: usize| (place != first) & (place != second);
    // What is no number is never the largest. A filter would be a branch for each lepton, which cannot be foreseen.
    let pt = |place: &usize| if is_outside(*place) { leptons.at(*place).pt } else { f32::NAN };
    (0..leptons.len()).leading(pt).map(|place| leptons.at(place))
}
