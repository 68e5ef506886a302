//! Query 6: of events with at least three jets, the transverse momentum of the trijet whose mass is
//! closest to 172.5 GeV, and the largest b-tag in it.

use hep_run::prelude::*;

#[derive(Clone, Copy, Columnar, Momentum)]
pub struct Jet {
    pt: f32,
    eta: f32,
    phi: f32,
    mass: f32,
    btag: f32,
}

#[derive(Columnar)]
pub struct Event {
    #[column("Jet")]
    jets: Jagged<Jet>,
}

#[derive(Output)]
pub struct Histograms {
    trijet_pt: Count,
    max_btag: Count,
}

/// The trijet whose mass is closest to 172.5 GeV: its transverse momentum and largest b-tag.
#[derive(Default, Settings)]
pub struct AdlQ6;

impl Processor for AdlQ6 {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Histograms {
        Histograms {
            trijet_pt: Count::new(Axis::regular(100, 15.0, 40.0).label("trijet pt [GeV]")),
            max_btag: Count::new(Axis::regular(100, 0.0, 1.0).label("largest b-tag of the trijet")),
        }
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        // Each jet is in many triples: its four-vector is made once. The buffer lives as long as the
        // batch, so that no event allocates.
        let mut jets = Vec::new();
        for event in events {
            if event.jets.len() < 3 {
                continue;
            }
            jets.clear();
            jets.extend(event.jets.iter().map(|jet| (jet.p4(), jet.btag)));
            let mass = |(a, b, c): &(Jet4, Jet4, Jet4)| (a.0 + b.0 + c.0).mass();
            let Some((a, b, c)) = jets.iter().copied().triples().closest_to(172.5, mass) else { continue };
            out.trijet_pt.fill((a.0 + b.0 + c.0).pt());
            out.max_btag.fill(a.1.max(b.1).max(c.1));
        }
        Ok(())
    }
}

/// A jet's four-vector and b-tag.
type Jet4 = (P4, f32);
