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
        // Each jet is in many triples: its four-momentum is made once.
        let mut four_momenta = events.jets.four_momenta();
        for event in events {
            let jets = four_momenta.of(event.jets);
            let Some(trijet) = jets.closest_triple(172.5) else { continue };
            out.trijet_pt.fill(jets.sum(trijet).pt());
            let [a, b, c] = trijet.map(|i| event.jets.at(i).btag);
            out.max_btag.fill(a.max(b).max(c));
        }
        Ok(())
    }
}
