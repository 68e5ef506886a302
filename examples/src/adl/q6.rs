//! Query 6: of events with at least three jets, the transverse momentum of the trijet whose mass is
//! closest to 172.5 GeV, and the largest b-tag in it.

use hep_run::prelude::*;
use hep_run::vector::Triple;

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

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        Ok(Histograms {
            trijet_pt: Count::new(Axis::regular(100, 15.0, 40.0).label("trijet pt [GeV]")),
            max_btag: Count::new(Axis::regular(100, 0.0, 1.0).label("largest b-tag of the trijet")),
        })
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let trijets = events.jets.closest_triples(172.5);
        let of = |trijet: Triple<Jet>| (trijet.p4().pt(), max(trijet.objects().map(|jet| jet.btag)));
        let (pts, btags): (Vec<f64>, Vec<f32>) = trijets.map(of).unzip();
        out.trijet_pt.fill_all(pts);
        out.max_btag.fill_all(btags);
        Ok(())
    }
}

fn max([a, b, c]: [f32; 3]) -> f32 {
    a.max(b).max(c)
}
