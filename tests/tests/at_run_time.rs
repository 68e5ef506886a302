//! What a processor learns only at run time: columns whose names are in the settings or that only simulation has, outputs by
//! names that the dataset gives, and what it cannot do with what it was told.

use std::collections::BTreeMap;

use hep_run::Registry;
use hep_run::prelude::*;
use hep_run::run::{Options, Outcome};
use hep_tests::{datasets, sums, try_run};
use serde_json::{Map, Value, json};

#[derive(Columnar)]
struct Event {
    #[column("nMuon")]
    muons: u32,
}

/// Counts events by trigger, and sums up weights of simulation.
#[derive(Default, Settings)]
struct Triggered {
    triggers: Vec<String>,
    weight: Option<String>,
    /// Does not declare what it reads.
    forget: bool,
    bins: String,
}

#[derive(Output)]
struct Found {
    fired: BTreeMap<String, u64>,
    #[output(name = "weights of simulation")]
    weights: Option<f64>,
    muons: [Hist; 2],
    names: BTreeMap<String, Vec<f64>>,
}

impl Processor for Triggered {
    type Event = Event;
    type Output = Found;

    fn output(&self, dataset: &Dataset) -> Result<Found> {
        // Of a wrong number, the text of the error.
        let bins = if self.bins.is_empty() { 10 } else { self.bins.parse()? };
        let hist = || Hist::new(Axis::regular(bins, 0.0, 10.0));
        let weights = dataset.is_mc().then_some(0.0);
        Ok(Found { fired: BTreeMap::new(), weights, muons: [hist(), hist()], names: BTreeMap::new() })
    }

    fn declare(&self, dataset: &Dataset, columns: &mut Columns<'_>) -> Result<()> {
        if self.triggers.iter().any(|name| name == "bad") {
            return Err(Error::new("there is no trigger `bad`"));
        }
        self.triggers.iter().filter(|_| !self.forget).for_each(|name| columns.read::<Option<bool>>(name));
        if let Some(weight) = self.weight.as_ref().filter(|_| dataset.is_mc()) {
            columns.read::<f32>(weight);
        }
        Ok(())
    }

    fn process(&self, events: &Events<Event>, out: &mut Found) -> Result<()> {
        for name in &self.triggers {
            let fired = events.column::<Option<bool>>(name)?;
            assert_eq!(fired.len(), events.len());
            *out.fired.entry(name.clone()).or_default() +=
                fired.iter().filter(|fired| *fired == Some(true)).count() as u64;
        }
        let dataset = events.dataset();
        if let (Some(weight), Some(sum)) = (&self.weight, &mut out.weights) {
            *sum += events.column::<f32>(weight)?.iter().map(f64::from).sum::<f64>();
        }
        let year = dataset.year().ok_or("no year")?;
        let of_year = out.names.entry(year).or_insert_with(|| vec![0.0]);
        for event in events {
            out.muons[usize::from(event.muons > 1)].fill(f64::from(event.muons), 1.0);
            of_year[0] += 1.0;
        }
        Ok(())
    }
}

const FILESET: &str = "tree: Events\ndatasets:\n  data: {files: [nano_dimuon.root], metadata: {is_mc: false, year: 2017}}\n  \
                       dy: {files: [nano_dy.root], metadata: {is_mc: true, year: 2016postVFP}}\n";

fn run(settings: Value, fileset: &str) -> Result<Outcome, String> {
    let mut registry = Registry::default();
    registry.add::<Triggered>("Triggered");
    let settings: Map<String, Value> = serde_json::from_value(settings).unwrap();
    let outcome = try_run(&registry, ("triggered", &settings), fileset, &datasets(), &Options::default());
    outcome.map_err(|error| error.to_string())
}

#[test]
fn names_from_settings_and_columns_of_simulation_alone_are_read() {
    let settings = json!({"triggers": ["HLT_IsoMu24"], "weight": "genWeight"});
    let outcome = run(settings, FILESET).unwrap();
    let missed =
        outcome.ledger.datasets.iter().flat_map(|dataset| &dataset.files).flat_map(|file| &file.failed);
    assert_eq!(missed.map(|missed| missed.reason.as_str()).collect::<Vec<_>>(), [""; 0]);
    // As uproot and numpy have them, of the branches `HLT_IsoMu24`, `nMuon` and `genWeight`. Data have no `genWeight`.
    let data = [("fired/HLT_IsoMu24", 4.0), ("muons/0", 7.0), ("muons/1", 33.0), ("names/2017/0", 40.0)];
    let simulation = [
        ("fired/HLT_IsoMu24", 6.0),
        ("muons/0", 34.0),
        ("muons/1", 6.0),
        ("names/2016postVFP/0", 40.0),
        ("weights of simulation", 578_762.435_546_875),
    ];
    let named = |numbers: &[(&str, f64)]| -> BTreeMap<String, f64> {
        numbers.iter().map(|&(name, number)| (name.to_owned(), number)).collect()
    };
    assert_eq!(BTreeMap::from_iter(sums(&outcome, 0)), named(&data));
    assert_eq!(BTreeMap::from_iter(sums(&outcome, 1)), named(&simulation));
}

#[test]
fn what_cannot_be_done_is_said_before_any_file_is_read() {
    let gone = FILESET.replace("nano_", "gone_");
    assert_eq!(
        run(json!({"bins": "ten"}), &gone).err().unwrap(),
        "the output of dataset `data` cannot be booked: invalid digit found in string"
    );
    assert_eq!(
        run(json!({"triggers": ["bad"]}), &gone).err().unwrap(),
        "the columns of dataset `data` cannot be declared: there is no trigger `bad`"
    );
}

#[test]
fn a_name_that_appears_while_events_are_read_must_be_one_that_files_can_have() {
    let odd = FILESET.replace("year: 2017", "year: 'A:B'");
    let outcome = run(json!({}), &odd).unwrap();
    let reason = &outcome.ledger.datasets[0].files[0].failed[0].reason;
    assert!(
        reason.contains("cannot be named `names/A:B/0` (`A:B`): ROOT and uproot read a file before"),
        "{reason}"
    );
    assert!(outcome.ledger.datasets[1].files[0].failed.is_empty());
}

#[test]
fn a_column_that_was_not_declared_is_no_absent_one() {
    let outcome = run(json!({"triggers": ["HLT_IsoMu24"], "forget": true}), FILESET).unwrap();
    let reason = &outcome.ledger.datasets[0].files[0].failed[0].reason;
    assert!(
        reason.contains("`HLT_IsoMu24` is not among the columns of dataset `data`: declare it"),
        "{reason}"
    );
}
