use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use hep_io::hist::{self, Histogram};
use hep_io::root::{Entry, RootFile};
use hep_io::write::File;

use super::print;
use crate::ledger::Ledger;
use crate::output::LEDGER;
use crate::range::open_root;
use crate::{Error, RunResult};

/// `hep-run merge`.
#[derive(Args)]
pub(super) struct MergeArgs {
    /// Where the merged output goes
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// The outputs to merge
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
}

/// Everything that the inputs read so far add up to.
#[derive(Default)]
struct Merged {
    /// By path, in order of first appearance.
    histograms: Vec<(String, Histogram)>,
    places: BTreeMap<String, usize>,
    ledger: Option<Ledger>,
    /// The inputs so far, for messages.
    names: Vec<String>,
    left_out: BTreeSet<String>,
}

pub(super) fn merge(args: &MergeArgs) -> RunResult<()> {
    let same = |a: &Path, b: &Path| {
        a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
    };
    for (at, input) in args.inputs.iter().enumerate() {
        if same(input, &args.output) {
            return Err(Error::Usage(format!("{} is both an input and the output", input.display())));
        }
        if args.inputs[..at].iter().any(|other| same(other, input)) {
            return Err(Error::Usage(format!("{} is given twice", input.display())));
        }
    }
    if args.output.extension().is_none_or(|extension| extension != "root") {
        return Err(Error::Usage(format!("--output {}: a merge writes .root only", args.output.display())));
    }
    let mut merged = Merged::default();
    for input in &args.inputs {
        merged.add(&input.display().to_string())?;
    }
    let Merged { histograms, ledger, left_out, .. } = merged;
    if !left_out.is_empty() {
        let objects = left_out.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Error::Usage(format!("only histograms and profiles can be merged, not {objects}")));
    }
    let mut file = File::new();
    let count = histograms.len();
    for (path, mut histogram) in histograms {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        name.clone_into(&mut histogram.name);
        file.histogram(folder, &histogram);
    }
    if let Some(ledger) = &ledger {
        for dataset in &ledger.datasets {
            file.directory(&dataset.name);
        }
        let text = serde_json::to_string(ledger).map_err(|error| Error::Usage(error.to_string()))?;
        file.text("", LEDGER, &text);
    }
    file.save(&args.output)?;
    let mut text =
        format!("{count} histograms of {} files in {}\n", args.inputs.len(), args.output.display());
    if let Some(ledger) = ledger {
        let totals = ledger.totals();
        text +=
            &format!("entries: {} done, {} failed, {} skipped\n", totals.done, totals.failed, totals.skipped);
    }
    print(&text);
    Ok(())
}

impl Merged {
    fn add(&mut self, input: &str) -> RunResult<()> {
        let file = open_root(input)?;
        let entries = file.walk()?;
        let ledger = ledger(&file, &entries)?;
        match (&mut self.ledger, ledger) {
            (known, Some(ledger)) if self.names.is_empty() => *known = Some(ledger),
            (Some(known), Some(ledger)) => {
                known.merge(ledger, &self.names.join(" + "), input)?;
            }
            (None, None) => {}
            (known, _) => {
                let (with, without) = match known {
                    Some(_) => (self.names[0].as_str(), input),
                    None => (input, self.names[0].as_str()),
                };
                let message = format!(
                    "{with} has a ledger and {without} has none: an output of a run and a plain ROOT file cannot be merged"
                );
                return Err(Error::Usage(message));
            }
        }
        for Entry { path, key } in entries {
            if key.is_directory() || (path == LEDGER && key.class_name == "TObjString") {
                continue;
            }
            if hist::Class::parse(&key.class_name).is_none() {
                self.left_out.insert(format!("`{path}` ({}) of {input}", key.class_name));
                continue;
            }
            let histogram = hist::read(&file, &key)?;
            match self.places.get(&path) {
                Some(&at) => {
                    let known = &mut self.histograms[at].1;
                    hist::merge(known, &histogram).map_err(|what| {
                        let before = self.names.join(", ");
                        Error::Usage(format!(
                            "histogram `{path}`: {what}\n  where A is {before} and B is {input}"
                        ))
                    })?;
                }
                None => {
                    self.places.insert(path.clone(), self.histograms.len());
                    self.histograms.push((path, histogram));
                }
            }
        }
        self.names.push(input.to_owned());
        Ok(())
    }
}

/// The ledger of an output, if it is one of ours.
fn ledger(file: &RootFile, entries: &[Entry]) -> RunResult<Option<Ledger>> {
    let found = entries.iter().find(|entry| entry.path == LEDGER && entry.key.class_name == "TObjString");
    let Some(Entry { key, .. }) = found else { return Ok(None) };
    let object = file.object(key)?;
    let text = (|| {
        let mut buffer = object.buffer();
        buffer.version()?;
        buffer.tobject()?;
        buffer.tstring()
    })()
    .map_err(|wrong| wrong.within(file.path(), "the ledger", key.seek))?;
    let damaged = |error: serde_json::Error| hep_io::Error::Format {
        path: file.path().to_owned(),
        what: "the ledger".to_owned(),
        at: key.seek,
        reason: error.to_string(),
    };
    Ok(Some(serde_json::from_str(&text).map_err(damaged)?))
}
