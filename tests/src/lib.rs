//! What the tests of several crates together share: where the data lie, and a run inside this process.
//!
//! The tests themselves are in `tests/tests`; what they are compared with, and the scripts that make
//! it, in `tests/python`.

pub mod conformance;

use std::io::Write;
use std::path::{Path, PathBuf};

use hep_examples::Dimuon;
use hep_examples::adl::{AdlQ5, AdlQ6};
use hep_run::fileset::{Fileset, Format};
use hep_run::progress::{Progress, ProgressKind};
use hep_run::run::{Options, Outcome, Plan};
use hep_run::{Object, Registry, RunResult};
use serde_json::{Map, Value};

/// The repository's `datasets` folder.
pub fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets")
}

/// Reports what cannot run, also to the file that `make test` collects such lines in.
pub fn skip(what: &str) {
    eprintln!("skipped: {what}");
    if let Some(path) = std::env::var_os("HEP_RUN_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| writeln!(file, "skipped: {what}")).expect("a file to collect skips in");
    }
}

/// Runs a processor over a fileset; relative paths start at [`datasets`].
///
/// # Panics
/// Where the run cannot start or its outputs do not merge.
pub fn run(processor: &str, fileset: &str, options: &Options) -> Outcome {
    let mut registry = Registry::default();
    registry.add::<Dimuon>("Dimuon");
    registry.add::<AdlQ5>("AdlQ5");
    registry.add::<AdlQ6>("AdlQ6");
    run_with(&registry, processor, fileset, &datasets(), options)
}

/// Runs a processor of `registry` over a fileset; relative paths start at `folder`.
///
/// # Panics
/// Where the run cannot start or its outputs do not merge.
pub fn run_with(
    registry: &Registry,
    processor: &str,
    fileset: &str,
    folder: &Path,
    options: &Options,
) -> Outcome {
    try_run(registry, (processor, &Map::new()), fileset, folder, options)
        .expect("a run that can start and end")
}

/// Runs a processor of `registry` with settings over a fileset; relative paths start at `folder`.
///
/// # Errors
/// Where the run cannot start or its outputs do not merge.
///
/// # Panics
/// Where the fileset is none.
pub fn try_run(
    registry: &Registry,
    (processor, settings): (&str, &Map<String, Value>),
    fileset: &str,
    folder: &Path,
    options: &Options,
) -> RunResult<Outcome> {
    let fileset = Fileset::parse(fileset, Format::Yaml, folder).expect("a sound fileset");
    let (_, processor) = registry.make(Some(processor), settings)?;
    let progress = Progress::new(ProgressKind::None);
    let plan = Plan::new(&fileset, &*processor, options, &progress)?;
    plan.run(&*processor, options, &progress)
}

/// The numbers of a dataset's output and the sums of its histograms, in the order of its objects.
///
/// # Panics
/// Where it has other objects.
pub fn sums(outcome: &Outcome, dataset: usize) -> Vec<(String, f64)> {
    let mut sums = Vec::new();
    outcome.datasets[dataset].output.objects("", &mut |path, object| {
        let sum = match object {
            Object::Number(number) => number,
            Object::Histogram(histogram) => histogram.sumw.iter().sum(),
            Object::Cutflow(_) => panic!("{path} is a cutflow"),
        };
        sums.push((path.to_owned(), sum));
    });
    sums
}

/// Every object of an outcome with every bit of its numbers, to compare two runs by.
pub fn bits(outcome: &Outcome) -> Vec<String> {
    let mut all = Vec::new();
    for dataset in &outcome.datasets {
        dataset.output.objects("", &mut |path, object| {
            let name = &dataset.dataset.name;
            all.push(match object {
                Object::Histogram(h) => {
                    let words = |cells: &[f64]| cells.iter().map(|cell| cell.to_bits()).collect::<Vec<_>>();
                    format!(
                        "{name}/{path} {} {:?} {:?}",
                        h.entries,
                        words(&h.sumw),
                        h.sumw2.as_deref().map(words)
                    )
                }
                Object::Cutflow(cutflow) => format!("{name}/{path} {cutflow:?}"),
                Object::Number(number) => format!("{name}/{path} {}", number.to_bits()),
            });
        });
    }
    all
}
