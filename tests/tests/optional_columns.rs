//! Optional columns: a name that no file has is taken for a misspelt one, and what files lack is in the ledger.

use hep_run::Registry;
use hep_run::fileset::{Fileset, Format};
use hep_run::ledger::AbsentColumn;
use hep_run::prelude::*;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::run::{Options, Plan};
use hep_tests::datasets;

#[derive(Columnar)]
struct Misspelt {
    #[column("genWieght")]
    weight: Option<f32>,
}

#[derive(Columnar)]
struct Allowed {
    #[column("genWieght", may_be_absent)]
    weight: Option<f32>,
}

#[derive(Columnar)]
struct Weighted {
    #[column("genWeight")]
    weight: Option<f32>,
}

#[derive(Clone, Copy, Columnar)]
struct Muon {
    pt: f32,
    ptt: Option<f32>,
}

#[derive(Columnar)]
struct Nested {
    #[column("Muon")]
    muons: Jagged<Muon>,
}

/// Counts events by the weight that `$event` has, or 1.
macro_rules! counts {
    ($($name:ident $event:ty, $weight:expr;)*) => {$(
        #[derive(Default, Settings)]
        struct $name {}

        impl Processor for $name {
            type Event = $event;
            type Output = Hist;

            fn output(&self, _: &Dataset) -> Result<Hist> {
                Ok(Hist::new(Axis::regular(1, 0.0, 1.0)))
            }

            fn process(&self, events: &Events<$event>, sum: &mut Hist) -> Result<()> {
                let weight: fn(<$event as Columnar>::Item<'_>) -> f64 = $weight;
                events.iter().for_each(|event| sum.fill(0.5, weight(event)));
                Ok(())
            }
        }
    )*};
}

counts! {
    WithTypo Misspelt, |event| event.weight.unwrap_or(1.0).into();
    WithTypoAllowed Allowed, |event| event.weight.unwrap_or(1.0).into();
    ByWeight Weighted, |event| event.weight.unwrap_or(1.0).into();
    InMuons Nested, |event| event.muons.iter().map(|muon| f64::from(muon.ptt.unwrap_or(muon.pt))).sum();
}

/// Like a processor of data and simulation; it has what it counts by from the metadata.
#[derive(Default, Settings)]
struct ByMetadata {}

impl Processor for ByMetadata {
    type Event = Weighted;
    type Output = Hist;

    fn output(&self, dataset: &Dataset) -> Result<Hist> {
        assert!(dataset.is_mc() || dataset.text("year").is_some());
        Ok(Hist::new(Axis::regular(1, 0.0, 1.0)))
    }

    fn process(&self, _: &Events<Weighted>, _: &mut Hist) -> Result<()> {
        Ok(())
    }
}

fn plan(processor: &str, fileset: &str, options: &Options) -> Result<Plan, String> {
    let mut registry = Registry::default();
    registry.add::<WithTypo>("WithTypo");
    registry.add::<WithTypoAllowed>("WithTypoAllowed");
    registry.add::<ByWeight>("ByWeight");
    registry.add::<InMuons>("InMuons");
    registry.add::<ByMetadata>("ByMetadata");
    let fileset = Fileset::parse(fileset, Format::Yaml, &datasets()).unwrap();
    let (_, processor) = registry.make(Some(processor), &serde_json::Map::new()).unwrap();
    let progress = Progress::new(ProgressKind::None);
    Plan::new(&fileset, &*processor, options, &progress).map_err(|error| error.to_string())
}

const BOTH: &str = "tree: Events\ndatasets: {data: [nano_dimuon.root], dy: [nano_dy.root]}";
const MIXED: &str = "tree: Events\ndatasets: {both: [nano_dimuon.root, nano_dy.root]}";

fn refusal(processor: &str, fileset: &str) -> String {
    plan(processor, fileset, &Options::default()).err().expect("a refusal")
}

#[test]
fn an_optional_column_that_no_file_has_is_refused_with_the_nearest_name() {
    assert_eq!(
        refusal("with_typo", BOTH),
        "no file of the fileset has the optional column `genWieght`; did you mean `genWeight`?\n  if every file may \
         lack it, declare that: #[column(\"genWieght\", may_be_absent)]"
    );
    assert!(
        refusal("in_muons", BOTH)
            .starts_with("no file of the fileset has the optional column `Muon_ptt`; did")
    );
    assert!(refusal("with_typo", MIXED).starts_with("no file of the fileset"));
    // In data alone nobody can tell the two apart.
    let data = "tree: Events\ndatasets: {data: [nano_dimuon.root]}";
    assert!(
        refusal("by_weight", data).starts_with("no file of the fileset has the optional column `genWeight`")
    );
}

#[test]
fn a_dataset_that_was_not_opened_may_have_it() {
    let one = Options { datasets: vec!["data".to_owned()], ..Options::default() };
    assert!(plan("by_weight", BOTH, &one).is_ok());
    let gone = "tree: Events\ndatasets: {data: [nano_dimuon.root], dy: [gone.root]}";
    assert!(plan("by_weight", gone, &Options::default()).is_ok());
    // A second file of the dataset does not make it likelier.
    let gone = "tree: Events\ndatasets: {data: [nano_dimuon.root, gone.root]}";
    assert!(plan("by_weight", gone, &Options::default()).is_err());
}

#[test]
fn what_files_lack_is_listed_and_in_the_ledger() {
    let plan = |processor, fileset| plan(processor, fileset, &Options::default()).unwrap();
    let allowed = plan("with_typo_allowed", BOTH);
    assert_eq!(
        allowed.absent(),
        [
            "dataset `data`: its file lacks the optional column `genWieght`",
            "dataset `dy`: its file lacks the optional column `genWieght`; did you mean `genWeight`?",
        ]
    );
    let files: Vec<&[AbsentColumn]> = allowed.files().iter().map(|file| &file.ledger.absent[..]).collect();
    let absent = |nearest: Option<&str>| AbsentColumn {
        column: "genWieght".to_owned(),
        nearest: nearest.map(str::to_owned),
    };
    assert_eq!(files, [[absent(None)], [absent(Some("genWeight"))]]);
    assert_eq!(
        plan("by_weight", BOTH).absent(),
        ["dataset `data`: its file lacks the optional column `genWeight`"]
    );
    let first = datasets().canonicalize().unwrap().join("nano_dimuon.root");
    let mixed = plan("by_weight", MIXED).absent();
    assert_eq!(mixed.len(), 1);
    let text = mixed[0]
        .replace(std::path::absolute(datasets().join("nano_dimuon.root")).unwrap().to_str().unwrap(), "FILE");
    let text = text.replace(first.to_str().unwrap(), "FILE");
    assert_eq!(
        text,
        "dataset `both`: one of 2 files lacks the optional column `genWeight`, the others have it: FILE"
    );
}

#[test]
fn a_friend_that_lacks_it_is_named() {
    let fileset =
        "tree: Events\ndatasets:\n  data: {files: [nano_dimuon.root], friends: {w: 'nano_dy.root:Events'}}\n";
    // 40 entries each.
    let found = plan("by_weight", fileset, &Options::default()).unwrap();
    assert_eq!((found.entries(), found.absent().len()), (40, 0));
    assert!(refusal("with_typo", fileset).contains("did you mean `w.genWeight`?"));
}

#[test]
fn metadata_that_do_not_say_what_is_asked_are_refused_before_a_file_is_read() {
    let of = |metadata: &str| {
        let fileset =
            format!("tree: Events\ndatasets: {{dy: {{files: [nano_dy.root], metadata: {metadata}}}}}");
        plan("by_metadata", &fileset, &Options::default()).err()
    };
    assert_eq!(of("{is_mc: true}"), None);
    assert_eq!(of("{is_mc: 'true'}"), None);
    assert_eq!(of("{is_mc: no, year: '2018'}"), None);
    let refused = "the output of dataset `dy` cannot be booked: the metadata of dataset `dy` have ";
    assert_eq!(of("{isMC: true}"), Some(format!("{refused}no `is_mc`; did you mean `isMC`?")));
    assert_eq!(
        of("{is_mc: simulation}"),
        Some(format!("{refused}the text \"simulation\" for `is_mc`, which should be true or false"))
    );
    assert_eq!(
        of("{is_mc: false, year: 2018}"),
        Some(format!("{refused}2018 for `year`, which should be text, which is in quotes: `year: \"2018\"`"))
    );
}
