use std::path::PathBuf;

use super::ending::{Ending, conclude};
use super::print;
use crate::partial::{Gathered, Gathering, Reduction};
use crate::run::{Options, Plan};
use crate::storage::StorageSettings;
use crate::{Registry, RunResult, output};

/// Merges partial outputs, to one or to the finished result; returns the exit status.
pub(super) fn merge(
    registry: &Registry,
    inputs: &[PathBuf],
    outputs: &[PathBuf],
    ending: &Ending,
) -> RunResult<u8> {
    let outputs = output::targets(outputs, "partial".as_ref(), None)?;
    output::probe(&outputs)?;
    let (partials, finished): (Vec<PathBuf>, Vec<PathBuf>) =
        outputs.iter().cloned().partition(|path| output::is_partial(path));
    let Gathered { job, processor, partial } = Gathering::files(registry, inputs)?;
    if !partials.is_empty() {
        let json = job.to_json()?;
        for path in &partials {
            partial.write(path, &json)?;
        }
        let done: u32 = partial.account.done().iter().map(|(start, end)| end - start).sum();
        let names = partials.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        print(&format!(
            "{} files: {done} of {} ranges done, {} failed: {}\n",
            inputs.len(),
            job.ranges.len(),
            partial.account.failed().len(),
            names.join(", ")
        ))?;
    }
    if finished.is_empty() {
        return Ok(0);
    }
    // No file is opened any more, not of friends either.
    let options = Options { storage: StorageSettings::default().storage(), ..Options::default() };
    let plan = Plan::to_conclude(&job, &options);
    let reduction = Reduction::new(plan.shape());
    reduction.add(partial)?;
    let outcome = plan.conclude(reduction, &*processor, &options)?;
    conclude(outcome, &job.processor, &finished, ending)
}
