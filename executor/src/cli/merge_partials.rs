use std::path::PathBuf;

use super::ending::{Ending, Made, conclude};
use super::print;
use crate::error::RunResult;
use crate::output::place::Inputs;
use crate::output::{Targets, Written};
use crate::partial::{Gathered, Gathering, Reduction};
use crate::run::{Options, Plan};
use crate::storage::StorageSettings;
use crate::{Registry, output};

/// Merges partial outputs, to one or to the finished result; returns the exit status.
pub(super) fn merge(
    registry: &Registry,
    inputs: &[PathBuf],
    outputs: &[PathBuf],
    ending: &Ending,
    force: bool,
) -> RunResult<u8> {
    let outputs = output::targets(outputs, "partial".as_ref(), None)?;
    let mut merged = Inputs::default();
    inputs.iter().for_each(|path| merged.add("one of the outputs to merge", path));
    let targets = Targets::new(outputs, merged, force)?;
    let (partials, finished) = targets.split();
    let Gathered { job, processor, partial } = Gathering::files(registry, inputs)?;
    let targets = targets.beside(|inputs| inputs.add_job(&job))?;
    let mut written = Written::default();
    if !partials.is_empty() {
        let json = job.to_json()?;
        written = targets.write_each(&partials, |path| partial.write(path, &json));
        let done: u32 = partial.account.done().iter().map(|(start, end)| end - start).sum();
        let names = written.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        print(&format!(
            "{} files: {done} of {} ranges done, {} failed: {}\n",
            inputs.len(),
            job.ranges.len(),
            partial.account.failed().len(),
            names.join(", ")
        ))?;
    }
    if finished.is_empty() {
        written.check()?;
        return Ok(0);
    }
    // No file is opened any more, not of friends either.
    let options = Options { storage: StorageSettings::default().storage(), ..Options::default() };
    let plan = Plan::to_conclude(&job, &options);
    let reduction = Reduction::new(plan.shape());
    reduction.add(partial)?;
    let outcome = plan.conclude(reduction, &*processor, &options)?;
    let made = Made { name: &job.processor, provenance: &job.ledger.provenance };
    let status = conclude(outcome, made, (&targets, &finished), ending, &options);
    written.check()?;
    status
}
