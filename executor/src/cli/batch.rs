use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hep_io::source::{open_regular, read_regular};

use super::ending::{Ending, Format};
use super::plan::{Asked, PlanArgs, Request};
use super::{build, merge_partials, parse_fraction, parse_size, print, print_json, tell};
use crate::batch::{self, Collected, Grid, State, Status, System};
use crate::error::{Error, RunResult};
use crate::job::{self, Job, key_of};
use crate::output::{Targets, booked};
use crate::run::Options;
use crate::storage::StorageSettings;
use crate::{Registry, binary, output};

/// `hep-run submit`.
#[derive(Args)]
pub(super) struct SubmitArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// The batch system
    #[arg(long, value_enum)]
    system: SystemArg,
    /// How many jobs
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    jobs: u32,
    /// The folder of all that belongs to the run; the jobs see it too [default: FILESET_STEM.batch here]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Submit it, and not only write what submits it
    #[arg(long)]
    go: bool,
    /// Processors of a job
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    cpus: u32,
    /// Memory of a job
    #[arg(long, value_name = "SIZE", default_value = "2GB", value_parser = parse_size)]
    memory: u64,
    /// Where the result goes, .root or .json; may repeat [default: FILESET_STEM.root here]
    #[arg(long, short, value_name = "PATH")]
    output: Vec<PathBuf>,
    /// What fraction of the entries may be missing: 0.1%, or 0.001
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = parse_fraction)]
    allow_missing: f64,
    /// For the batch system itself: options of sbatch or prun, lines of a submit file
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SystemArg {
    /// Slurm
    Slurm,
    /// HTCondor
    Htcondor,
    /// PanDA, with prun; a task for each dataset
    Panda,
}

/// `hep-run status`.
#[derive(Args)]
pub(super) struct StatusArgs {
    /// The folder that `submit` has made
    state: PathBuf,
    /// The form of what is printed on stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// `hep-run resubmit`.
#[derive(Args)]
pub(super) struct ResubmitArgs {
    /// The folder that `submit` has made
    state: PathBuf,
    /// Submit it, and not only write what submits it
    #[arg(long)]
    go: bool,
    /// Take jobs for lost that the batch system cannot be asked about
    #[arg(long)]
    force: bool,
    /// Processors of a job [default: as before]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    cpus: Option<u32>,
    /// Memory of a job [default: as before]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// For the batch system itself [default: as before]
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<String>,
}

/// The state in a folder, with its job.
pub(super) struct Batch {
    pub(super) folder: PathBuf,
    pub(super) state: State,
    pub(super) job: Job,
    pub(super) key: String,
}

impl Batch {
    pub(super) fn read(folder: &Path) -> RunResult<Self> {
        let folder = absolute(folder);
        let state = State::read(&folder)?;
        let path = folder.join("job.json");
        let json = read_regular(&path, job::MAX_BYTES)
            .map_err(|error| Error::Usage(format!("{} cannot be read: {error}", path.display())))?;
        let job = Job::read(&json)?;
        Ok(Self { folder, state, job, key: key_of(&json) })
    }

    fn status(&self) -> RunResult<Status> {
        batch::status(&self.state, &self.folder, &self.job, &self.key)
    }

    /// Submits the last round, or says how.
    fn go(&self, go: bool) -> RunResult<()> {
        let round = self.state.rounds.len() - 1;
        let parts = self.state.rounds[round].len();
        let folder = self.folder.display();
        if go {
            let said = batch::submit(&self.folder, round)?;
            print(&format!(
                "submitted {parts} jobs, and one that merges\n{said}\nhep-run status {folder}\n"
            ))?;
        } else {
            print(&format!("{parts} jobs, and one that merges: bash {folder}/submit-{round}.sh\n"))?;
        }
        Ok(())
    }
}

/// `hep-run merge DIR`.
pub(super) fn merge(
    registry: &Registry,
    folder: &Path,
    outputs: &[PathBuf],
    allow_missing: Option<f64>,
    format: Format,
    explain: bool,
    force: bool,
) -> RunResult<u8> {
    let Batch { folder, state, job, key } = Batch::read(folder)?;
    if job.binary != binary::hash()? {
        // The outputs are of the binary that is beside them; if it is another one it would look for it again.
        let copy = folder.join(&state.binary);
        let found = open_regular(&copy).and_then(binary::digest);
        if found.is_ok_and(|hash| hash == job.binary) {
            return build::run_as_is(&copy);
        }
        let wrong = |error| Error::Partial(format!("{error}; {} is not that one", copy.display()));
        job.check_binary().map_err(wrong)?;
    }
    let Collected { partials, notes } = batch::collect(&state, &folder, &key);
    for note in notes {
        tell(&format!("note: {note}"));
    }
    if partials.is_empty() {
        return Err(Error::Nothing(format!("{} has no partial output yet", folder.display())));
    }
    let outputs = if outputs.is_empty() { &state.outputs } else { outputs };
    let ending = Ending { allow_missing: allow_missing.unwrap_or(state.allow_missing), format, explain };
    merge_partials::merge(registry, &partials, outputs, &ending, force)
}

pub(super) fn submit(registry: &Registry, args: &SubmitArgs) -> RunResult<u8> {
    let request = match args.plan.request(registry)? {
        Asked::Here(request) => request,
        Asked::Elsewhere(path, name) => return build::run_elsewhere(&path, name.as_deref()),
    };
    let outputs = output::targets(&args.output, &request.path, None)?;
    booked::check(&*request.processor, &request.name, &request.chosen(&args.plan), &outputs)?;
    // They are looked at once more when the result is written.
    Targets::new(outputs.clone(), request.inputs(), args.plan.force)?;
    let stem = request.path.file_stem().unwrap_or(request.path.as_os_str()).to_string_lossy();
    // In lines of scripts, and in names of jobs.
    let title = stem.replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "_");
    let folder = absolute(&args.state.clone().unwrap_or_else(|| PathBuf::from(format!("{title}.batch"))));
    batch::check_folder(&folder)?;
    // Whoever stops it while it plans finds nothing that is in the way afterwards.
    let planned = match args.system {
        SystemArg::Slurm => Some((System::Slurm, planned(&request, args)?)),
        SystemArg::Htcondor => Some((System::HTCondor, planned(&request, args)?)),
        SystemArg::Panda => None,
    };
    batch::make_folder(&folder)?;
    let written = match planned {
        Some((system, job)) => write(system, job, args, &folder, &title, &outputs).map(Some),
        None => write_grid(&request, args, &folder, &title).map(|()| None),
    };
    if written.is_err() {
        // Nothing was there before, and the next attempt wants its place.
        let _ = fs::remove_dir_all(&folder);
    }
    match written? {
        Some(batch) => batch.go(args.go)?,
        None if args.go => print(&format!("{}\n", batch::submit(&folder, 0)?))?,
        None => print(&format!("bash {}/submit-0.sh\n", folder.display()))?,
    }
    Ok(0)
}

fn write_grid(request: &Request, args: &SubmitArgs, folder: &Path, title: &str) -> RunResult<()> {
    if let Some(option) = not_carried(request, args) {
        return Err(Error::Usage(format!(
            "{option}: PanDA's jobs do not take it; what only they can do is left to prun's own options, after --"
        )));
    }
    let grid = Grid {
        title,
        processor: (&request.name, &request.settings),
        fileset: &request.fileset,
        datasets: &request.options.datasets,
        jobs: args.jobs,
        cpus: args.cpus,
        memory: megabytes(args.memory),
        options: &args.options,
    };
    batch::write_grid(folder, &grid)
}

/// The job of what is asked for.
fn planned(request: &Request, args: &SubmitArgs) -> RunResult<Job> {
    let provenance = request.provenance();
    let plan = request.plan()?;
    plan.absent().iter().for_each(|line| request.progress.say(line));
    let job = Job { binary: binary::hash()?, ..request.job(&plan, &args.plan, provenance) };
    if job.ranges.is_empty() {
        return Err(Error::Nothing("the plan has no ranges; `hep-run --dry-run` tells why".to_owned()));
    }
    Ok(job)
}

fn write(
    system: System,
    job: Job,
    args: &SubmitArgs,
    folder: &Path,
    title: &str,
    outputs: &[PathBuf],
) -> RunResult<Batch> {
    let json = job.to_json()?;
    output::write_private(&folder.join("job.json"), &json)?;
    let entries: Vec<u64> = job.ranges.iter().map(|(_, start, end)| end - start).collect();
    let state = State {
        cpus: args.cpus,
        memory: megabytes(args.memory),
        options: args.options.clone(),
        outputs: outputs.iter().map(|path| absolute(path)).collect(),
        allow_missing: args.allow_missing,
        ..State::new(system, title, batch::copy_binary(folder)?, args.jobs, &entries)
    };
    state.write_scripts(folder)?;
    state.write(folder)?;
    Ok(Batch { folder: folder.to_owned(), state, key: key_of(&json), job })
}

/// An option that says how a run goes, which the jobs of PanDA would not be told.
fn not_carried(request: &Request, args: &SubmitArgs) -> Option<&'static str> {
    let (options, usual) = (&request.options, Options::default());
    let storage = args.plan.storage.settings();
    let usual_storage = StorageSettings::default();
    let given = [
        ("--max-files", options.max_files.is_some()),
        ("--max-entries", options.max_entries.is_some()),
        ("--entries-per-range", options.range_size.entries.is_some()),
        ("--range-size", options.range_size.bytes != usual.range_size.bytes),
        ("--retries", options.retries != usual.retries),
        ("--skip-checksums", options.skip_checksums),
        ("--checkpoint", options.checkpoints.is_some()),
        ("--cache", storage.cache.is_some()),
        ("--stall", storage.stall.is_some()),
        ("--read-mode", storage.read_mode != usual_storage.read_mode),
        ("--output", !args.output.is_empty()),
        ("--allow-missing", args.allow_missing > 0.0),
    ];
    given.into_iter().find_map(|(name, given)| given.then_some(name))
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn status(args: &StatusArgs) -> RunResult<u8> {
    let batch = Batch::read(&args.state)?;
    let status = batch.status()?;
    match args.format {
        Format::Text => print(&status.text(&args.state))?,
        Format::Json => {
            let json = serde_json::to_string(&status).map_err(|error| Error::Usage(error.to_string()))?;
            print_json(&format!("{json}\n"))?;
        }
    }
    Ok(0)
}

pub(super) fn resubmit(args: &ResubmitArgs) -> RunResult<u8> {
    let mut batch = Batch::read(&args.state)?;
    let status = batch.status()?;
    let round = status.next_round(&batch.state, args.force).map_err(Error::Usage)?;
    if round.is_empty() {
        print(&status.text(&args.state))?;
        return Ok(0);
    }
    let state = &mut batch.state;
    state.rounds.push(round);
    state.cpus = args.cpus.unwrap_or(state.cpus);
    state.memory = args.memory.map_or(state.memory, megabytes);
    if !args.options.is_empty() {
        state.options.clone_from(&args.options);
    }
    batch.state.write_scripts(&batch.folder)?;
    batch.state.write(&batch.folder)?;
    batch.go(args.go)?;
    Ok(0)
}
