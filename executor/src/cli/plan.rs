use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use hep_io::source::open_regular;
use serde_json::{Map, Value};

use super::storage::StorageArgs;
use super::{heading, parse_size, print};
use crate::checkpoint::{CheckpointSettings, Checkpoints};
use crate::error::{Error, RunResult};
use crate::fileset::{DatasetSpec, Fileset, ProcessorSpec};
use crate::interrupt::Interrupt;
use crate::job::Job;
use crate::local::Executor;
use crate::memory::Memory;
use crate::output::booked;
use crate::output::place::{self, Inputs, Kind};
use crate::progress::{Progress, ProgressKind};
use crate::provenance::Provenance;
use crate::range::RangeSize;
use crate::registry::AnyProcessor;
use crate::run::{Options, Plan};
use crate::{Dataset, Registry, binary, output, settings};

/// What is to be processed, and how it is cut and read.
#[derive(Args, Clone)]
pub(super) struct PlanArgs {
    /// The fileset: YAML or JSON; ours, coffea's or RDataFrame's
    pub(super) fileset: Option<PathBuf>,
    /// The processor, instead of the fileset's: a name, an analysis crate's folder, or a binary
    #[arg(long, value_name = "NAME|CRATE_DIR|BINARY", help_heading = heading::INPUT)]
    processor: Option<String>,
    /// Set a setting of the processor; may repeat
    #[arg(long, value_name = "KEY=VALUE", help_heading = heading::INPUT)]
    set: Vec<String>,
    /// Only this dataset; may repeat
    #[arg(long, value_name = "NAME", help_heading = heading::SELECTION)]
    dataset: Vec<String>,
    /// At most N files of each dataset
    #[arg(long, value_name = "N", help_heading = heading::SELECTION)]
    max_files: Option<usize>,
    /// At most N entries of each dataset
    #[arg(long, value_name = "N", help_heading = heading::SELECTION)]
    max_entries: Option<u64>,
    /// Read a file that a dataset lists twice (one uuid, size, head and tail under two paths) both times
    #[arg(long, help_heading = heading::SELECTION)]
    allow_duplicates: bool,
    /// At most N entries in a range (clusters are not cut for it)
    #[arg(long, value_name = "N", conflicts_with = "range_size", value_parser = clap::value_parser!(u64).range(1..), help_heading = heading::EXECUTION)]
    entries_per_range: Option<u64>,
    /// About so many compressed bytes in a range [default: 4MB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = heading::EXECUTION)]
    range_size: Option<u64>,
    /// How often what failed for the storage's fault is tried again
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = heading::EXECUTION)]
    retries: u32,
    /// Stop decompressing zlib and lzma where the values end, before their checksum
    #[arg(long, help_heading = heading::EXECUTION)]
    skip_checksums: bool,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t, help_heading = heading::OUTPUT)]
    pub(super) progress: ProgressKind,
    /// Keep the output of every range in this folder, which runs and hosts may share
    #[arg(long, value_name = "DIR", help_heading = heading::CHECKPOINTS)]
    checkpoint: Option<PathBuf>,
    /// Take what --checkpoint has kept of this very analysis instead of processing it again
    #[arg(long, requires = "checkpoint", help_heading = heading::CHECKPOINTS)]
    resume: bool,
    /// Replace files that no hep-run has written; inputs never are
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) storage: StorageArgs,
    /// Set by a `hep-run` that has built this binary: the fileset's processor path is this very crate
    #[arg(long, hide = true)]
    within: bool,
}

/// Which binary is to do what is asked for.
pub(super) enum Asked {
    /// This one.
    Here(Box<Request>),
    /// The one at this path, or of the crate there, with the processor of this name.
    Elsewhere(PathBuf, Option<String>),
}

/// What this binary is asked to process.
pub(super) struct Request {
    /// The fileset's path.
    pub(super) path: PathBuf,
    pub(super) fileset: Fileset,
    /// The processor's name.
    pub(super) name: String,
    pub(super) settings: Map<String, Value>,
    pub(super) processor: Box<dyn AnyProcessor>,
    pub(super) options: Options,
    pub(super) progress: Progress,
}

impl PlanArgs {
    /// Keeps files that come whole to so much memory.
    pub(super) fn hold(&mut self, bytes: u64) {
        self.storage.whole_files = Some(bytes);
    }

    /// Reads the fileset, and makes the processor if it is one of this binary's.
    pub(super) fn request(&self, registry: &Registry) -> RunResult<Asked> {
        let path = self.fileset.as_deref().ok_or_else(|| {
            Error::Usage("which fileset? `hep-run fileset.yaml`, or `hep-run --help`".to_owned())
        })?;
        let storage = self.storage.storage();
        no_fileset(path)?;
        let fileset = Fileset::read_with(path, Some(&*storage))?;
        let spec = self.chosen_processor(&fileset);
        if let Some(elsewhere) = spec.path.filter(|_| !self.within) {
            return Ok(Asked::Elsewhere(elsewhere, spec.name));
        }
        let mut values = spec.settings;
        for assignment in &self.set {
            settings::set(&mut values, assignment)?;
        }
        let made = registry.make(spec.name.as_deref(), &values);
        let (name, processor) = made.map_err(|error| self.placed(error, path))?;
        if let Some(CheckpointSettings { folder, .. }) = self.checkpoint() {
            place::check_checkpoints(&folder, self.force)?;
        }
        let bytes = match (self.range_size, self.entries_per_range) {
            (Some(bytes), _) => bytes,
            (None, Some(_)) => u64::MAX,
            (None, None) => RangeSize::default().bytes,
        };
        let options = Options {
            executor: Executor::all_cores(),
            range_size: RangeSize { bytes, entries: self.entries_per_range },
            retries: self.retries,
            skip_checksums: self.skip_checksums,
            max_files: self.max_files,
            max_entries: self.max_entries,
            allow_duplicates: self.allow_duplicates,
            datasets: self.dataset.clone(),
            storage,
            interrupt: Interrupt::of_signals(),
            ..Options::default()
        };
        let checkpoints = |settings| {
            let metadata = fileset.datasets.iter().map(|dataset| &dataset.metadata);
            let skip_checksums = self.skip_checksums;
            let kept = Checkpoints::new(settings, &name, &values, skip_checksums, &*processor, metadata)?;
            kept.sweep();
            Ok::<_, Error>(Arc::new(kept))
        };
        let options = Options { checkpoints: self.checkpoint().map(checkpoints).transpose()?, ..options };
        let progress = Progress::new(self.progress);
        Ok(Asked::Here(Box::new(Request {
            path: path.to_owned(),
            fileset,
            name,
            settings: values,
            processor,
            options,
            progress,
        })))
    }

    /// The error, with the place where a wrong setting was given.
    fn placed(&self, error: Error, fileset: &Path) -> Error {
        match error {
            Error::Setting { processor, key: Some(key), message, place: None } => {
                let assigned = self.set.iter().rfind(|assignment| settings::is_set(assignment, &key));
                let place = match assigned {
                    Some(assignment) => Some(format!("--set {assignment}")),
                    None => Fileset::line_of_setting(fileset, &key)
                        .map(|line| format!("{}, line {line}", fileset.display())),
                };
                Error::Setting { processor, key: Some(key), message, place }
            }
            other => other,
        }
    }

    fn checkpoint(&self) -> Option<CheckpointSettings> {
        let folder = self.checkpoint.as_ref()?;
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        Some(CheckpointSettings { folder, resume: self.resume })
    }

    fn chosen_processor(&self, fileset: &Fileset) -> ProcessorSpec {
        let given = fileset.processor.clone().unwrap_or_default();
        match self.processor.as_deref() {
            None => given,
            Some(path) if path.contains(std::path::MAIN_SEPARATOR) || path == "." || path == ".." => {
                let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
                ProcessorSpec { path: Some(path), name: None, ..given }
            }
            // Settings belong to the processor that the fileset names.
            Some(name) if given.name.as_deref().is_some_and(|known| known != name) => {
                ProcessorSpec { name: Some(name.to_owned()), ..ProcessorSpec::default() }
            }
            Some(name) => ProcessorSpec { name: Some(name.to_owned()), path: None, ..given },
        }
    }
}

impl Request {
    /// Keeps to so much memory.
    ///
    /// # Errors
    /// Where the outputs do not fit.
    pub(super) fn within(&mut self, memory: Memory, args: &PlanArgs) -> RunResult<()> {
        self.options.memory = memory.check_outputs(&*self.processor, &self.name, &self.chosen(args))?;
        Ok(())
    }

    /// The datasets that are asked for, as processors know them.
    pub(super) fn chosen(&self, args: &PlanArgs) -> Vec<Dataset> {
        let chosen = |name: &String| args.dataset.is_empty() || args.dataset.contains(name);
        let datasets = self.fileset.datasets.iter().filter(|dataset| chosen(&dataset.name));
        datasets.map(DatasetSpec::known).collect()
    }

    /// All that the run reads.
    pub(super) fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::default();
        inputs.add("the fileset", &self.path);
        inputs.add_datasets(&self.fileset.datasets, &self.fileset.friends);
        inputs.add_values("named by a setting", &self.settings_in_force());
        if let Ok(binary) = std::env::current_exe() {
            inputs.add("the program itself", binary);
        }
        inputs
    }

    /// What its outputs say that they were made with.
    pub(super) fn provenance(&self) -> Provenance {
        Provenance::of_run(&self.settings_in_force(), &self.fileset)
    }

    /// The settings with those that nobody has given; those that were given if the processor does not say its own.
    fn settings_in_force(&self) -> Map<String, Value> {
        self.processor.settings().unwrap_or_else(|_| self.settings.clone())
    }

    /// Opens the files and splits them.
    pub(super) fn plan(&self) -> RunResult<Plan> {
        Plan::new(&self.fileset, &*self.processor, &self.options, &self.progress)
    }

    /// The job of a plan.
    pub(super) fn job(&self, plan: &Plan, args: &PlanArgs, provenance: Provenance) -> Job {
        let mut job = plan.job(
            &self.name,
            &self.settings,
            &args.storage.settings(),
            args.checkpoint().as_ref(),
            &self.options,
        );
        job.ledger.provenance = vec![provenance];
        job
    }
}

/// Says of what is no fileset what it is, and what can be done with it.
fn no_fileset(path: &Path) -> RunResult<()> {
    let shown = path.display();
    let Ok(mut file) = open_regular(path) else {
        let word = path.to_str().filter(|_| !path.exists());
        let Some(near) = word.and_then(super::nearest_command) else { return Ok(()) };
        return Err(Error::Usage(format!(
            "there is no fileset `{shown}`, and no such command; did you mean `hep-run {near}`?"
        )));
    };
    let mut head = [0; 4];
    let what = match file.read_exact(&mut head) {
        Ok(()) if head == *b"root" => "a ROOT file",
        Ok(()) if head == *b"PAR1" => "a Parquet file",
        _ if output::is_partial(path) => {
            return Err(Error::Usage(format!(
                "{shown} is a partial output, no fileset: `hep-run merge -o OUT {shown} …`"
            )));
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(format!(
        "{shown} is {what}, no fileset: `hep-run inspect {shown}` shows what it holds; to process it, name it in a \
         fileset: `datasets: {{NAME: [{shown}]}}`"
    )))
}

/// `hep-run plan`.
pub(super) fn plan(registry: &Registry, args: &PlanArgs, to: &Path) -> RunResult<u8> {
    let request = match args.request(registry)? {
        Asked::Here(request) => request,
        Asked::Elsewhere(path, name) => return super::build::run_elsewhere(&path, name.as_deref()),
    };
    place::check(&[to.to_owned()], Kind::Job, &request.inputs(), args.force)?;
    output::probe(&[to.to_owned()])?;
    booked::check(&*request.processor, &request.name, &request.chosen(args), &[])?;
    let provenance = request.provenance();
    let plan = request.plan()?;
    plan.absent().iter().for_each(|line| request.progress.say(line));
    let job = Job { binary: binary::hash()?, ..request.job(&plan, args, provenance) };
    output::write_private(to, &job.to_json()?)?;
    print(&format!(
        "{} entries in {} ranges of {} files: {}\n",
        plan.entries(),
        plan.ranges().len(),
        plan.files().len(),
        to.display()
    ))?;
    Ok(0)
}
