//! HTCondor: a DAG of a cluster of jobs, and a final node, which begins when they have ended, however.
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
{options}queue ranges from {folder}/round-{round}.parts
"#
    );
    // Where the folder is; it is one process of little work.
    let merge = format!(
        r#"# Merges what the jobs have left, where they were submitted; made by `hep-run submit`.
universe = local
batch_name = {title}
executable = {folder}/{binary}
arguments = "merge {folder}"
output = {folder}/logs/merge-{round}.txt
error = {folder}/logs/merge-{round}.txt
log = {folder}/logs/condor-{round}.log
request_memory = {memory}
queue
"#
    );
    let dag = format!("JOB map {folder}/round-{round}.sub\nFINAL merge {folder}/merge-{round}.sub\n");
    let submit = format!(
        r#"#!/bin/bash
# Submits round {round}, and the node that merges afterwards.
set -euo pipefail
cd {folder}
said=$(condor_submit_dag -f round-{round}.dag)
echo "array $(sed -n 's/.*submitted to cluster \([0-9]*\).*/\1/p' <<< "$said")" | tee round-{round}.jobs
"#
    );
    vec![
        Script::new(format!("round-{round}.sub"), map),
        Script::new(format!("merge-{round}.sub"), merge),
        Script::new(format!("round-{round}.dag"), dag),
        Script::program(format!("submit-{round}.sh"), submit),
    ]
}

/// What HTCondor knows of the jobs of a DAG; nothing of those that have ended.
pub(super) fn known(dag: &str) -> Result<Vec<(usize, Known)>, String> {
    let constraint = format!("DAGManJobId == {dag} && DAGNodeName == \"map\"");
    let command = ["condor_q", "-constraint", &constraint, "-af", "ProcId", "JobStatus", "HoldReason"];
    let mut jobs: Vec<(usize, Known)> = Vec::new();
    for line in lines_of(&command, "\0")? {
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
    // The jobs are submitted by the DAG's own, a while after it.
    let waits = ["condor_q", dag, "-af", "JobStatus"];
    if jobs.is_empty() && !lines_of(&waits, "\0")?.is_empty() {
        return Err("its DAG is in the queue, and none of its jobs: they may begin or have ended".to_owned());
    }
    Ok(jobs)
}
