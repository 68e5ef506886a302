//! HTCondor: a cluster of jobs, and a process beside its scheduler that waits for their end, however that comes,
//! and merges. (A DAG would take away the other jobs of a cluster when one fails.)
//!
//! The jobs need no folder that they share with whoever submits them: what they read of it goes there with
//! them, and what they make comes back.

use std::path::Path;

use super::status::{Known, lines_of};
use super::{Script, State};

pub(super) fn scripts(state: &State, folder: &Path, round: usize) -> Vec<Script> {
    let State { title, binary, cpus, memory, .. } = state;
    let folder = folder.display();
    let options: String = state.options.iter().map(|line| format!("{line}\n")).collect();
    let map = format!(
        r#"# The parts of the ranges of job.json; made by `hep-run submit`.
universe = vanilla
batch_name = {title}
executable = {folder}/{binary}
arguments = "map job.json $(ranges) done.partial --workers {cpus} --progress plain"
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
transfer_input_files = {folder}/job.json
transfer_output_files = done.partial
transfer_output_remaps = "done.partial={folder}/partials/{round}-$(Process).partial"
output = {folder}/logs/{round}-$(Process).txt
error = {folder}/logs/{round}-$(Process).txt
log = {folder}/logs/condor-{round}.log
request_cpus = {cpus}
request_memory = {memory}
# A job that has died before its output was there would be held for the lack of it, and the merge wait for ever.
periodic_remove = JobStatus == 5 && (HoldReasonCode == 12 || HoldReasonCode == 13) && HoldReasonSubCode == 2
{options}queue ranges from {folder}/round-{round}.parts
"#
    );
    let merge = format!(
        r#"# Merges what the jobs have left, where they were submitted; made by `hep-run submit`.
universe = scheduler
batch_name = {title}
executable = {folder}/merge-{round}.sh
arguments = "$(wait) $(array)"
output = {folder}/logs/merge-{round}.txt
error = {folder}/logs/merge-{round}.txt
log = {folder}/logs/condor-merge-{round}.log
queue
"#
    );
    let wait = format!(
        r#"#!/bin/bash
# Waits for the jobs of a cluster, and merges: merge-{round}.sh CONDOR_WAIT CLUSTER.
set -euo pipefail
cd "{folder}"
"$1" logs/condor-{round}.log "$2"
exec ./{binary} merge .
"#
    );
    let submit = Script::submits(
        round,
        &folder,
        "what merges",
        &format!("array=$(condor_submit -terse round-{round}.sub)\n    array=${{array%%.*}}"),
        &format!(
            r#"merge=$(condor_submit -terse merge-{round}.sub array="$array" wait="$(command -v condor_wait)")
echo "merge ${{merge%%.*}}" | tee -a $jobs"#
        ),
    );
    vec![
        Script::new(format!("round-{round}.sub"), map),
        Script::new(format!("merge-{round}.sub"), merge),
        Script::program(format!("merge-{round}.sh"), wait),
        submit,
    ]
}

/// What HTCondor knows of the jobs of a cluster; nothing of those that have ended.
pub(super) fn known(cluster: &str) -> Result<Vec<(usize, Known)>, String> {
    let mut jobs: Vec<(usize, Known)> = Vec::new();
    for line in lines_of(&["condor_q", cluster, "-af", "ProcId", "JobStatus", "HoldReason"], None)? {
        let mut words = line.splitn(3, ' ');
        let (Some(process), Some(status)) = (words.next(), words.next()) else { continue };
        let known = match status {
            "1" => Known::Waiting,
            // Removed, completed: on its way out of the queue.
            "3" | "4" => continue,
            "5" => Known::Held(words.next().unwrap_or_default().to_owned()),
            _ => Known::Running,
        };
        if let Ok(process) = process.parse() {
            jobs.push((process, known));
        }
    }
    Ok(jobs)
}
