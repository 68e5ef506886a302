//! The command line. Messages and progress go to stderr, results to files, summaries to stdout.

mod batch;
mod build;
mod dask;
mod ending;
mod inspect;
mod map;
mod merge;
mod merge_partials;
pub mod new;
mod objects;
mod plan;
mod run;
mod schema;
mod storage;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::Registry;
use crate::error::RunResult;
use crate::explain::Sample;
use crate::memory::Memory;
use crate::shard::Shard;
use crate::terminal::{escape_panics, print, print_json, tell};
use crate::worker::serve;

/// Headings of the help, under which options stand.
mod heading {
    pub(super) const INPUT: &str = "Input";
    pub(super) const SELECTION: &str = "Selection";
    pub(super) const EXECUTION: &str = "Execution";
    pub(super) const CHECKPOINTS: &str = "Checkpoints";
    pub(super) const OUTPUT: &str = "Output";
}

/// The status of a run that finished but lacks more than `--allow-missing`.
const INCOMPLETE: u8 = 3;
/// The status of wrong usage.
const USAGE: u8 = 1;

#[derive(Parser)]
#[command(
    name = "hep-run",
    version,
    about = "Analyse ROOT files: runs a processor over a fileset and writes merged histograms, cutflows and a ledger.",
    args_conflicts_with_subcommands = true,
    after_help = "Exit status: 0 complete; 1 usage or configuration; 2 failed; 3 finished but incomplete beyond --allow-missing; 128+N ended in order by signal N."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Merge what a submitted run has left (its folder), partial outputs of a job to one or to the finished result, outputs of runs (the same entries twice are an error), or plain ROOT files (histograms, graphs, efficiencies, parameters) as hadd does
    Merge(merge::MergeArgs),
    /// Show what a ROOT file holds: keys, objects, trees, branches, types, codecs, sizes
    Inspect(inspect::InspectArgs),
    /// Look at the files and write down what a run would process, for `map` and for batch jobs
    Plan {
        #[command(flatten)]
        plan: plan::PlanArgs,
        /// Where the job goes
        #[arg(long, short, value_name = "JOB.json")]
        output: PathBuf,
    },
    /// Process some ranges of a planned job, to a partial output that `merge` takes
    Map(map::MapArgs),
    /// Write, and with --go submit, an array of jobs of a batch system and one that merges
    Submit(Box<batch::SubmitArgs>),
    /// Tell what became of a submitted run
    Status(batch::StatusArgs),
    /// Submit what failed, or is missing, of a submitted run
    Resubmit(batch::ResubmitArgs),
    /// Do what standard input asks for, range by range (for executors)
    #[command(hide = true)]
    Worker,
    /// Make a new analysis crate that builds and runs
    New {
        /// The crate's name; also that of the folder
        name: String,
    },
}

/// What a run is asked for.
#[derive(Args, Clone)]
struct RunArgs {
    #[command(flatten)]
    plan: plan::PlanArgs,
    /// Where ranges are processed
    #[arg(long, value_enum, default_value_t, help_heading = heading::EXECUTION)]
    executor: ExecutorKind,
    /// Threads or processes; one for each core by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = heading::EXECUTION)]
    workers: Option<u32>,
    /// How long a range may take in a process of its own before it is given up and tried once more
    #[arg(long, value_name = "SECONDS", value_parser = storage::parse_seconds, help_heading = heading::EXECUTION)]
    range_timeout: Option<Duration>,
    #[command(flatten)]
    dask: dask::DaskArgs,
    /// Where the result goes, .root or .json, or .partial for `merge`; may repeat [default: FILESET_STEM.root here]
    #[arg(long, short, value_name = "PATH", help_heading = heading::OUTPUT)]
    output: Vec<PathBuf>,
    /// Process one of N parts only; `merge` puts their outputs together [default output: FILESET_STEM.IofN.partial]
    #[arg(long, value_name = "I/N", help_heading = heading::SELECTION)]
    shard: Option<Shard>,
    /// Process a sample only and predict what all of it takes: a fraction of the ranges of each dataset (1%), or so many of them. Writes nothing unless --output is given, and then under another name
    #[arg(long, value_name = "FRACTION|N", conflicts_with_all = ["shard", "resume"], help_heading = heading::SELECTION)]
    sample: Option<Sample>,
    #[command(flatten)]
    ending: ending::Ending,
    /// Show what would be read, and stop
    #[arg(long, help_heading = heading::OUTPUT)]
    dry_run: bool,
    /// How much memory the run takes: fewer threads work, and partial outputs go to temporary files, before it is more; what cannot fit is an error before it starts [default: half of the machine's, or of its control group's]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = heading::EXECUTION)]
    memory: Option<u64>,
    /// How much of remote files is read ahead of the workers; 0 reads nothing ahead
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = parse_amount, help_heading = storage::HEADING)]
    prefetch: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ExecutorKind {
    /// One thread, in order
    Serial,
    /// Threads of this process
    #[default]
    Threads,
    /// Processes of this machine: a crash costs one range
    Processes,
    /// The workers of a Dask cluster
    Dask,
}

/// Runs the command line with the processors of this binary.
pub fn main(registry: &Registry) -> ExitCode {
    escape_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(hint) = hint(&error) {
                tell(&format!("error: {hint}"));
                return ExitCode::from(USAGE);
            }
            let shown = error.print().is_ok_and(|()| std::io::stdout().flush().is_ok());
            return ExitCode::from(if error.use_stderr() || !shown { USAGE } else { 0 });
        }
    };
    let result = match cli.command {
        None => {
            let mut args = cli.run;
            if let Some(Ok(memory)) = args.memory.map(Memory::of) {
                args.plan.hold(memory.whole_files());
            }
            run::run(registry, &args)
        }
        Some(Command::Merge(args)) => merge::merge(registry, &args),
        Some(Command::Submit(args)) => batch::submit(registry, &args),
        Some(Command::Status(args)) => batch::status(&args),
        Some(Command::Resubmit(args)) => batch::resubmit(&args),
        Some(Command::Map(args)) => map::map(registry, &args),
        Some(Command::Inspect(args)) => inspect::inspect(&args).map(|()| 0),
        Some(Command::Plan { plan, output }) => plan::plan(registry, &plan, &output),
        Some(Command::New { name }) => new_crate(&name).map(|()| 0),
        Some(Command::Worker) => {
            serve(registry).map(|()| 0).map_err(|error| crate::error::Error::Usage(error.to_string()))
        }
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

/// The command that `word` was meant to be, if it is like one.
fn nearest_command(word: &str) -> Option<String> {
    let cli = <Cli as clap::CommandFactory>::command();
    let commands: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    hep_columns::nearest(word, commands)
}

/// What to say where an argument too many is a sign of something else.
fn hint(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let context = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].map(|kind| error.get(kind));
    let Some(ContextValue::String(second)) = context.into_iter().flatten().next() else { return None };
    let kinds = [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand, ErrorKind::ArgumentConflict];
    if !kinds.contains(&error.kind()) || second.starts_with('-') {
        return None;
    }
    let given: Vec<String> = std::env::args().skip(1).collect();
    let first = given.iter().find(|argument| !argument.starts_with('-'))?;
    let cli = <Cli as clap::CommandFactory>::command();
    if cli.get_subcommands().any(|command| command.get_name() == first) && first != "plan" {
        return None;
    }
    if let Some(near) =
        nearest_command(first).filter(|near| near != first && !std::path::Path::new(first).exists())
    {
        return Some(format!("no such command: `{first}`; did you mean `hep-run {near}`?"));
    }
    if nearest_command(second).as_ref() == Some(second) {
        return Some(format!("the command goes first: `hep-run {second} …`"));
    }
    Some(format!(
        "one fileset at a time, and `{second}` is one more argument: put the datasets into one fileset, or run them \
         one after the other and `hep-run merge` the outputs"
    ))
}

fn new_crate(name: &str) -> RunResult<()> {
    let folder =
        new::create(name, ".".as_ref()).map_err(|error| crate::error::Error::Usage(error.to_string()))?;
    new::without_source().iter().for_each(|note| tell(&format!("note: {note}")));
    print(&format!(
        "made {folder}\n  cd {folder} && cargo run --release -- fileset.yaml\n",
        folder = folder.display()
    ))
}

/// `16MB`, `100 kB`, `2GiB`, `4096`: bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return Err(format!("`{unit}` is not a unit of bytes; use kB, MB, GB, KiB, MiB or GiB")),
    };
    match number.parse::<f64>() {
        Ok(number) if number * factor >= 1.0 => Ok((number * factor) as u64),
        _ => Err("expected a size such as 16MB".to_owned()),
    }
}

/// The same, or `0`.
fn parse_amount(text: &str) -> Result<u64, String> {
    if text.trim() == "0" { Ok(0) } else { parse_size(text) }
}

/// `0.1%` or `0.001`, in 0..=1.
fn parse_fraction(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 0.01),
        None => (text.trim(), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&(number * unit)) => Ok(number * unit),
        _ => Err("expected a fraction in 0..1 or a percentage such as 0.1%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_amount, parse_fraction, parse_size};

    #[test]
    fn sizes_and_fractions_are_read_as_people_write_them() {
        assert_eq!(parse_size("16MB"), Ok(16_000_000));
        assert_eq!(parse_size("2 GiB"), Ok(2 << 30));
        assert_eq!((parse_amount("0"), parse_amount("1kB")), (Ok(0), Ok(1000)));
        assert!(parse_size("16 furlongs").is_err() && parse_size("0").is_err());
        assert_eq!(parse_fraction("0.5%"), Ok(0.005));
        assert!(parse_fraction("2").is_err() && parse_fraction("NaN").is_err());
    }

    #[test]
    fn the_command_line_is_sound() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
