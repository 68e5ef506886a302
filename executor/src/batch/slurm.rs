//! Slurm: `sbatch` with an array, and a job that begins when all of it has ended, however.

use std::path::Path;

use super::status::{Known, lines_of};
use super::{Script, State};

pub(super) fn scripts(state: &State, folder: &Path, round: usize) -> Vec<Script> {
    let State { title, binary, cpus, memory, .. } = state;
    let folder = folder.display();
    let last = state.rounds[round].len().saturating_sub(1);
    let options: String = directives(&state.options).iter().map(|line| format!("#SBATCH {line}\n")).collect();
    let map = format!(
        r#"#!/bin/bash
#SBATCH --job-name={title}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
#SBATCH --mem={memory}M
#SBATCH --output={folder}/logs/{round}-%a.txt
{options}# One part of the ranges of job.json; made by `hep-run submit`.
set -euo pipefail
cd "{folder}"
part=$SLURM_ARRAY_TASK_ID
ranges=$(sed -n "$((part + 1))p" round-{round}.parts)
exec ./{binary} map job.json "$ranges" partials/{round}-$part.partial --workers {cpus} --progress plain
"#
    );
    let merge = format!(
        r#"#!/bin/bash
#SBATCH --job-name={title}-merge
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem={memory}M
#SBATCH --output={folder}/logs/merge-{round}.txt
{options}# Merges what the jobs have left; made by `hep-run submit`.
set -euo pipefail
cd "{folder}"
exec ./{binary} merge .
"#
    );
    let submit = Script::submits(
        round,
        &folder,
        "the job that merges",
        &format!("array=$(sbatch --parsable round-{round}.sh)"),
        &format!(
            r#"merge=$(sbatch --parsable --dependency="afterany:${{array%%;*}}" merge-{round}.sh)
echo "merge $merge" | tee -a $jobs"#
        ),
    );
    vec![
        Script::program(format!("round-{round}.sh"), map),
        Script::program(format!("merge-{round}.sh"), merge),
        submit,
    ]
}

/// `--qos debug --nice` is two directives, of three words. sbatch reads quotes and backslashes as in a shell,
/// but no shell expands anything.
fn directives(words: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let plain = |c: char| !c.is_whitespace() && !"\"'\\#".contains(c);
        let written = if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\""))
        };
        match lines.last_mut() {
            Some(line) if !word.starts_with('-') => {
                line.push(' ');
                line.push_str(&written);
            }
            _ => lines.push(written),
        }
    }
    lines
}

/// What Slurm knows of the elements of an array; nothing of those that have ended.
pub(super) fn known(array: &str) -> Result<Vec<(usize, Known)>, String> {
    let (number, cluster) = array.split_once(';').unwrap_or((array, ""));
    let jobs = format!("--jobs={number}");
    let mut command = vec!["squeue", "--noheader", "--array", "--format=%K %T", &jobs];
    let clusters = format!("--clusters={cluster}");
    if !cluster.is_empty() {
        command.push(&clusters);
    }
    // All of it has ended, and long ago.
    let lines = lines_of(&command, Some("Invalid job id"))?;
    Ok(lines
        .iter()
        .filter_map(|line| {
            let (element, state) = line.split_once(' ')?;
            let known = if state.trim() == "PENDING" { Known::Waiting } else { Known::Running };
            Some((element.parse().ok()?, known))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn options_are_lines() {
        let words = ["--qos", "debug", "--nice", "-p", "short", "--comment=two words"].map(str::to_owned);
        assert_eq!(directives(&words), ["--qos debug", "--nice", "-p short", "\"--comment=two words\""]);
        let words = ["--comment", r#"a "b" \ #c"#, "--wckey", ""].map(str::to_owned);
        assert_eq!(directives(&words), [r#"--comment "a \"b\" \\ #c""#, "--wckey \"\""]);
    }
}
