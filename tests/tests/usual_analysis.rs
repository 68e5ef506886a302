//! One analysis with what most have: it compiles, runs, and counts what numpy counts.

use std::collections::BTreeMap;

use hep_run::Registry;
use hep_run::prelude::*;
use hep_run::run::Options;
use hep_tests::{datasets, sums, try_run};
use serde_json::{Map, json};

/// With a field that only simulation has: it keeps its four-momentum.
#[derive(Clone, Copy, Columnar, Momentum)]
struct Muon {
    pt: f32,
    eta: f32,
    phi: f32,
    mass: f32,
    #[column("genPartIdx", may_be_absent)]
    gen_idx: Option<i32>,
}

#[derive(Columnar)]
struct Event {
    #[column("Muon")]
    muons: Jagged<Muon>,
}

#[derive(Default, Settings)]
struct Usual {
    weight: String,
    min_pt: String,
    regions: Vec<String>,
}

#[derive(Output)]
struct Histograms {
    pt: BTreeMap<String, Hist>,
    all: HistN,
    matched: u64,
    sum_of_weights: f64,
}

impl Processor for Usual {
    type Event = Event;
    type Output = Histograms;

    fn output(&self, _: &Dataset) -> Result<Histograms> {
        let pt = || Hist::new(Axis::regular(20, 0.0, 200.0).label("pt [GeV]"));
        let axis = |name: &str| Axis::regular(4, 0.0, 200.0).name(name);
        Ok(Histograms {
            pt: self.regions.iter().map(|region| (region.clone(), pt())).collect(),
            all: HistN::new(["pt", "leading", "second", "mass"].map(axis).to_vec()),
            matched: 0,
            sum_of_weights: 0.0,
        })
    }

    fn declare(&self, dataset: &Dataset, columns: &mut Columns<'_>) -> Result<()> {
        if dataset.is_mc() {
            columns.read::<f32>(&self.weight);
        }
        Ok(())
    }

    fn process(&self, events: &Events<Event>, out: &mut Histograms) -> Result<()> {
        let min_pt: f32 = self.min_pt.parse()?;
        if events.dataset().is_mc() {
            out.sum_of_weights += events.column::<f32>(&self.weight)?.iter().map(f64::from).sum::<f64>();
        }
        for event in events {
            let good = event.muons.iter().filter(|muon| muon.pt > min_pt);
            for muon in good.clone() {
                let region = &self.regions[usize::from(muon.eta.abs() > 1.2)];
                out.pt.get_mut(region).ok_or("no such region")?.fill(muon.pt, 1.0);
                out.matched += u64::from(muon.gen_idx.is_some_and(|index| index >= 0));
            }
            for (a, b) in good.pairs() {
                let mass = (a.p4() + b.p4()).mass();
                out.all.fill(&[f64::from(a.pt), f64::from(a.pt), f64::from(b.pt), mass], 1.0);
            }
        }
        Ok(())
    }

    fn finish(&self, mut out: Histograms, dataset: &Dataset) -> Histograms {
        if let Some(cross_section) = dataset.number("xsec") {
            out.pt.values_mut().for_each(|pt| pt.scale(cross_section));
        }
        out
    }
}

#[test]
fn it_counts_what_numpy_counts() {
    let fileset = "tree: Events\ndatasets:\n  data: {files: [nano_dimuon.root], metadata: {is_mc: false}}\n  \
                   dy: {files: [nano_dy.root], metadata: {is_mc: true, xsec: 2}}\n";
    let mut registry = Registry::default();
    registry.add::<Usual>("Usual");
    let settings = json!({"weight": "genWeight", "min_pt": "5", "regions": ["barrel", "endcap"]});
    let settings: Map<String, _> = serde_json::from_value(settings).unwrap();
    let options = Options::default();
    let outcome = try_run(&registry, ("usual", &settings), fileset, &datasets(), &options).unwrap();
    // By uproot, awkward and numpy: muons with pt > 5, with |eta| up to 1.2 and beyond, their pairs, those matched. The cross section is 2.
    let expected = [[44.0, 19.0, 34.0, 0.0, 0.0], [2.0 * 10.0, 2.0 * 7.0, 6.0, 16.0, 578_762.435_546_875]];
    let names = ["pt/barrel", "pt/endcap", "all", "matched", "sum_of_weights"].map(str::to_owned);
    for (dataset, expected) in expected.into_iter().enumerate() {
        let expected: Vec<(String, f64)> = names.iter().cloned().zip(expected).collect();
        assert_eq!(sums(&outcome, dataset), expected);
    }
}
