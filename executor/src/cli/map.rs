use std::path::PathBuf;

use clap::Args;
use hep_io::source::read_regular;

use super::ending::{Ending, Made, Work};
use super::{parse_amount, storage};
use crate::error::{Error, RunResult};
use crate::interrupt::Interrupt;
use crate::job::{self, Job};
use crate::local::Executor;
use crate::output::Targets;
use crate::output::place::Inputs;
use crate::progress::{Progress, ProgressKind};
use crate::run::{Options, Plan};
use crate::shard::Selection;
use crate::{Registry, output};

/// `hep-run map`.
#[derive(Args)]
pub(super) struct MapArgs {
    /// The job, as `hep-run plan` has written it
    #[arg(value_name = "JOB.json")]
    job: PathBuf,
    /// Which ranges of it: 17, or 0..100 (without 100), or 3,5,9..12, or 3/7 (the third of seven parts), or all
    #[arg(value_name = "RANGES")]
    ranges: Selection,
    /// Where the partial output goes, .partial
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Threads; one for each core by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,
    /// Replace a file that no hep-run has written; inputs never are
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    ending: Ending,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressKind,
    /// How much of remote files is read ahead of the workers; 0 reads nothing ahead
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = parse_amount, help_heading = storage::HEADING)]
    prefetch: u64,
}

/// `hep-run map JOB.json RANGES OUT.partial`; returns the exit status.
pub(super) fn map(registry: &Registry, args: &MapArgs) -> RunResult<u8> {
    let MapArgs { job: path, ranges, output, .. } = args;
    let outputs = output::targets(std::slice::from_ref(output), path, None)?;
    let json = read_regular(path, job::MAX_BYTES).map_err(|source| output::io("read", path, source))?;
    let named = |error: Error| Error::Partial(format!("{}: {error}", path.display()));
    let job = Job::read_own(&json).map_err(named)?;
    let mut inputs = Inputs::default();
    inputs.add("the job", path);
    inputs.add_job(&job);
    let targets = Targets::new(outputs, inputs, args.force)?;
    let (name, processor) = registry.make(Some(&job.processor), &job.settings)?;
    let options = Options {
        executor: args
            .workers
            .map_or_else(Executor::all_cores, |workers| Executor::Threads(workers as usize)),
        prefetch: args.prefetch,
        interrupt: Interrupt::of_signals(),
        ..Options::of_job(&job, &*processor)?
    };
    let progress = Progress::new(args.progress);
    let mut plan = Plan::of_job(&job, &options).map_err(named)?;
    let entries: Vec<u64> = job.ranges.iter().map(|(_, start, end)| end - start).collect();
    let asked = ranges.ranges(&entries).map_err(|why| Error::Usage(format!("{ranges}: {why}")))?;
    plan.ask_for(asked, &format!("map {ranges}"));
    let process = |plan: &Plan, lost| plan.process(&*processor, &options, &progress, lost);
    Work {
        job: &json,
        made: Made { name: &name, provenance: &job.ledger.provenance },
        processor: &*processor,
        options: &options,
        process: &process,
        is_part: true,
    }
    .carry_out(plan, &targets, &args.ending)
}
