//! What the changes start from: the products of a run of each kind of object, and what each entry adds to its result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use hep_run::checkpoint::{CheckpointSettings, Checkpoints};
use hep_run::fileset::{Fileset, Format};
use hep_run::job::Job;
use hep_run::local::Executor;
use hep_run::partial::{Gathering, Reduction};
use hep_run::prelude::*;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::provenance::Provenance;
use hep_run::range::RangeSize;
use hep_run::registry::AnyProcessor;
use hep_run::run::{Lost, Options, Outcome, Plan};
use hep_run::storage::StorageSettings;
use hep_run::{Dataset, Object, Registry, RunResult, binary};
use serde_json::{Value, json};

#[derive(Columnar)]
pub(super) struct Event {
    #[column("Muon")]
    muons: Jagged<Charged>,
    #[column("MET_pt")]
    met: f32,
    #[column("f.MET_pt")]
    other_met: f32,
}

/// Fills each kind of object with weights that are whole numbers, so that sums do not depend on the order.
#[derive(Default, Settings)]
pub(super) struct Rich {
    pub(super) min_pt: f32,
}

#[derive(Output)]
pub(super) struct Objects {
    cutflow: Cutflow,
    pt: Hist,
    met: Hist2,
    muons: Count,
    many: HistN,
}

impl Processor for Rich {
    type Event = Event;
    type Output = Objects;

    fn output(&self, _: &Dataset) -> Result<Objects> {
        Ok(Objects {
            cutflow: Cutflow::new(["all", "two muons"]),
            pt: Hist::new(Axis::regular(30, 0.0, 150.0).label("pt [GeV]")),
            met: Hist2::new([Axis::variable([0.0, 10.0, 25.0, 60.0]), Axis::regular(4, 0.0, 80.0)]),
            muons: Count::new(Axis::integer(0, 4)),
            many: HistN::new(vec![Axis::regular(30, 0.0, 150.0); 4]),
        })
    }

    fn process(&self, events: &Events<Event>, out: &mut Objects) -> Result<()> {
        for event in events {
            let good = event.muons.iter().filter(|muon| muon.pt > self.min_pt);
            let number = good.clone().count();
            let weight = 1.0 + number as f64;
            out.cutflow.pass("all", weight);
            out.met.fill(event.met, event.other_met, weight);
            out.muons.fill(number as f64);
            good.for_each(|muon| out.pt.fill(muon.pt, weight));
            let pt = |at: usize| event.muons.iter().nth(at).map_or(0.0, |muon| f64::from(muon.pt));
            out.many.fill(&[pt(0), pt(1), event.met.into(), event.other_met.into()], weight);
            if number >= 2 {
                out.cutflow.pass("two muons", weight);
            }
        }
        Ok(())
    }
}

/// The numbers of each object of a dataset that do not depend on the order of sums.
pub(super) type Numbers = BTreeMap<String, Vec<f64>>;

/// A sound run, its products, and what each entry of each file adds to them.
#[derive(Clone)]
pub(super) struct Products {
    pub(super) folder: PathBuf,
    pub(super) fileset: Value,
    pub(super) job: Job,
    /// The numbers of each dataset.
    pub(super) whole: Vec<Numbers>,
    /// By path and entry.
    entries: BTreeMap<(String, u64), Numbers>,
}

pub(super) fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add::<Rich>("Rich");
    registry
}

fn dataset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").canonicalize().unwrap().join(name)
}

/// A fileset of both files, of which these entries are processed, each pair as a range.
pub(super) fn fileset(steps: &[[u64; 2]]) -> Value {
    let file = |name: &str| json!({"path": dataset(name), "tree": "Events", "entries": 40, "steps": steps});
    let friend = |name: &str| format!("{}:Events", dataset(name).display());
    json!({
        "processor": {"name": "rich", "min_pt": 3},
        "datasets": {
            "data": {"files": [file("nano_dimuon.root")], "metadata": {"is_mc": false, "year": 2018}},
            "dy": {"files": [file("nano_dy.root")], "metadata": {"is_mc": true, "xsec": 6077.22}},
        },
        "friends": {"f": [friend("nano_dy.root"), friend("nano_dimuon.root")]},
    })
}

pub(super) fn options() -> Options {
    let range_size = RangeSize { bytes: u64::MAX, entries: Some(10) };
    // No damaged location is asked for again.
    Options { executor: Executor::Serial, range_size, retries: 0, ..Options::default() }
}

fn progress() -> Progress {
    Progress::new(ProgressKind::None)
}

/// A fileset, its processor and the plan of its run.
pub(super) struct Planned {
    pub(super) fileset: Fileset,
    pub(super) processor: Box<dyn AnyProcessor>,
    pub(super) plan: Plan,
    name: String,
}

pub(super) fn plan(text: &str, format: Format, options: &Options) -> Result<Planned, String> {
    let fileset = Fileset::parse(text, format, Path::new("/nowhere")).map_err(|error| error.to_string())?;
    let spec = fileset.processor.clone().unwrap_or_default();
    let made = registry().make(spec.name.as_deref(), &spec.settings);
    let (name, processor) = made.map_err(|error| error.to_string())?;
    let plan = Plan::new(&fileset, &*processor, options, &progress()).map_err(|error| error.to_string())?;
    Ok(Planned { fileset, processor, plan, name })
}

impl Planned {
    pub(super) fn run(self, options: &Options) -> Result<Outcome, String> {
        let provenance = Provenance::of_run(&self.processor.settings().unwrap(), &self.fileset);
        let outcome = self.plan.run(&*self.processor, options, &progress());
        let mut outcome = outcome.map_err(|error| error.to_string())?;
        (outcome.ledger.processor, outcome.ledger.provenance) = (self.name, vec![provenance]);
        Ok(outcome)
    }

    pub(super) fn job(&self) -> Job {
        let settings = self.fileset.processor.clone().unwrap_or_default().settings;
        let storage = StorageSettings::default();
        let mut job = self.plan.job(&self.name, &settings, &storage, None, &options());
        job.binary = binary::hash().unwrap();
        job.ledger.provenance = vec![Provenance::of_run(&settings, &self.fileset)];
        job
    }
}

/// What `hep-run map` does with ranges of a job, and then `hep-run merge`.
pub(super) fn run_job(job: &Job) -> RunResult<Outcome> {
    let (_, processor) = registry().make(Some(&job.processor), &job.settings)?;
    let options = Options { skip_checksums: job.skip_checksums, ..options() };
    let plan = Plan::of_job(job, &options)?;
    let reduction = plan.process(&*processor, &options, &progress(), Lost::Closed)?;
    plan.conclude(reduction, &*processor, &options)
}

/// Writes what `hep-run map` writes for some of a job's ranges.
pub(super) fn write_partial(job: &Job, ranges: Vec<usize>, path: &Path) {
    let (_, processor) = registry().make(Some(&job.processor), &job.settings).unwrap();
    let mut plan = Plan::of_job(job, &options()).unwrap();
    plan.ask_for(ranges, "map");
    let reduction = plan.process(&*processor, &options(), &progress(), Lost::Open).unwrap();
    reduction.into_partial().unwrap().write(path, &job.to_json().unwrap()).unwrap();
}

/// What `hep-run merge` does with partial outputs.
pub(super) fn merge_partials(paths: &[PathBuf]) -> RunResult<(Job, Outcome)> {
    let gathered = Gathering::files(&registry(), paths)?;
    let plan = Plan::to_conclude(&gathered.job, &options());
    let reduction = Reduction::new(plan.shape());
    reduction.add(gathered.partial)?;
    let outcome = plan.conclude(reduction, &*gathered.processor, &options())?;
    Ok((gathered.job, outcome))
}

pub(super) fn checkpoints(fileset: &Fileset, folder: &Path) -> Options {
    let spec = fileset.processor.clone().unwrap();
    let (name, processor) = registry().make(spec.name.as_deref(), &spec.settings).unwrap();
    let settings = CheckpointSettings { folder: folder.to_owned(), resume: true };
    let metadata = fileset.datasets.iter().map(|dataset| &dataset.metadata);
    let made = Checkpoints::new(settings, &name, &spec.settings, false, &*processor, metadata).unwrap();
    Options { checkpoints: Some(Arc::new(made)), ..options() }
}

/// The numbers of each dataset of an outcome.
pub(super) fn numbers(outcome: &Outcome) -> Vec<Numbers> {
    let of = |dataset: &hep_run::run::DatasetOutcome| {
        let mut numbers = Numbers::new();
        dataset.output.objects("", &mut |path, object| {
            let of_object = match object {
                Object::Histogram(histogram) => {
                    let squares = histogram.sumw2.unwrap_or_default();
                    [vec![histogram.entries as f64], histogram.sumw, squares].concat()
                }
                Object::Cutflow(cutflow) => {
                    cutflow.rows().iter().flat_map(|row| [row.events as f64, row.sumw, row.sumw2]).collect()
                }
                Object::Number(number) => vec![number],
            };
            numbers.insert(path.to_owned(), of_object);
        });
        numbers
    };
    outcome.datasets.iter().map(of).collect()
}

impl Products {
    /// Those that a test changes in a folder of its own.
    pub(super) fn new(test: &str) -> Self {
        static SOUND: OnceLock<Products> = OnceLock::new();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutations-{test}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, ..SOUND.get_or_init(Self::sound).clone() }
    }

    fn sound() -> Self {
        let whole = fileset(&[[0, 10], [10, 20], [20, 30], [30, 40]]);
        let planned = plan(&whole.to_string(), Format::Json, &options()).unwrap();
        let job = planned.job();
        let outcome = planned.run(&options()).unwrap();
        assert_eq!((outcome.ledger.totals().done, outcome.ledger.totals().missing()), (80, 0.0));
        let mut entries = BTreeMap::new();
        for entry in 0..40 {
            let one = fileset(&[[entry, entry + 1]]).to_string();
            let one = plan(&one, Format::Json, &options()).unwrap().run(&options()).unwrap();
            for (dataset, numbers) in one.ledger.datasets.iter().zip(numbers(&one)) {
                assert_eq!(dataset.files[0].done, [(entry, entry + 1)]);
                entries.insert((dataset.files[0].path.clone(), entry), numbers);
            }
        }
        let folder = PathBuf::new();
        let products = Self { folder, fileset: whole, job, whole: numbers(&outcome), entries };
        products.check(&outcome).unwrap();
        products
    }

    /// Makes sure that an outcome is what its ledger says: the sum over the entries that are done, each entry being in it
    /// once.
    pub(super) fn check(&self, outcome: &Outcome) -> Result<(), String> {
        outcome.ledger.check()?;
        for (made, got) in outcome.datasets.iter().zip(numbers(outcome)) {
            let ledger = outcome.ledger.datasets.iter().find(|ledger| ledger.name == made.dataset.name);
            let mut want = Numbers::new();
            for file in &ledger.ok_or("a dataset is not in the ledger")?.files {
                for entry in file.done.iter().flat_map(|&(start, end)| start..end) {
                    let added = self.entries.get(&(file.path.clone(), entry));
                    for (path, numbers) in added.ok_or("the ledger says that an unknown entry is done")? {
                        let sums = want.entry(path.clone()).or_insert_with(|| vec![0.0; numbers.len()]);
                        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
                    }
                }
            }
            if !want.is_empty() && want != got {
                return Err(format!("dataset `{}` is not the sum of its entries", made.dataset.name));
            }
        }
        Ok(())
    }
}
