//! PanDA: `prun` spreads a dataset's files over jobs of a grid, and each job runs over the files it is given.
//!
//! Nothing is planned here, since the files are where the jobs will be. The jobs write outputs of their own,
//! which merge as outputs of any runs do.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Script, copy_binary};
use crate::error::{Error, RunResult};
use crate::fileset::{DatasetSpec, Fileset, location};

/// What the metadata of a dataset call its name in Rucio.
const DID: &str = "did";
/// Bytes of a binary that is taken for small enough once it is compressed: `prun` sends at most 10 MiB without
/// a job of its own for that.
const SMALL: u64 = 24 << 20;
/// What a fileset of a job has in the place of its files.
const FILES: &str = "@FILES@";

/// A run for PanDA.
pub(crate) struct Grid<'a> {
    /// What a person knows it by.
    pub title: &'a str,
    /// The processor's name and its settings.
    pub processor: (&'a str, &'a Map<String, Value>),
    /// The fileset.
    pub fileset: &'a Fileset,
    /// Its datasets that are asked for; all if there are none.
    pub datasets: &'a [String],
    /// At most so many jobs for a dataset.
    pub jobs: u32,
    /// Processors of a job: 1 or 8.
    pub cpus: u32,
    /// Megabytes of a job.
    pub memory: u64,
    /// The user's own for `prun`.
    pub options: &'a [String],
}

/// Writes what submits a run to PanDA: `submit-0.sh`, and the folder `grid` that goes there.
///
/// # Errors
/// Where a dataset is of local files, or has friends.
pub(crate) fn write_grid(folder: &Path, grid: &Grid<'_>) -> RunResult<()> {
    if grid.cpus != 1 && grid.cpus != 8 {
        return Err(Error::Usage(format!("--cpus {}: PanDA has jobs of 1 and of 8", grid.cpus)));
    }
    super::check_path(folder)?;
    let is_there = |name: &String| grid.fileset.datasets.iter().any(|dataset| dataset.name == *name);
    if let Some(name) = grid.datasets.iter().find(|name| !is_there(name)) {
        return Err(Error::Usage(format!("--dataset {name}: the fileset has no dataset of this name")));
    }
    let inner = folder.join("grid");
    std::fs::create_dir_all(&inner).map_err(|source| crate::output::io("make", &inner, source))?;
    let binary = copy_binary(&inner)?;
    let is_small = std::fs::metadata(inner.join(&binary)).is_ok_and(|file| file.len() <= SMALL);
    let mut lines = String::new();
    let mut scripts = vec![Script::program("grid/run.sh", run(&binary))];
    let chosen = grid
        .fileset
        .datasets
        .iter()
        .enumerate()
        .filter(|(_, dataset)| grid.datasets.is_empty() || grid.datasets.contains(&dataset.name));
    for (at, dataset) in chosen {
        if !dataset.friends.is_empty() || !grid.fileset.friends.is_empty() {
            return Err(Error::Usage(
                "PanDA gives a job the files of one dataset, and no friends".to_owned(),
            ));
        }
        check_files(dataset)?;
        let input = match dataset.metadata.get(DID).and_then(Value::as_str) {
            Some(did) => format!("--inDS {}", quoted(did)),
            None => {
                scripts.push(Script::private(format!("grid/{at}.pfns"), pfns(dataset)?));
                if !grid.options.iter().any(|option| option == "--site" || option.starts_with("--site=")) {
                    return Err(Error::Usage(format!(
                        "dataset `{}` has no name in Rucio, `{DID}` in its metadata, and prun sends URLs to one site only: \
                         say which, -- --site SITE",
                        dataset.name
                    )));
                }
                format!("--pfnList {at}.pfns")
            }
        };
        scripts.push(Script::new(format!("grid/{at}.json"), fileset(grid, dataset)));
        lines += &prun(grid, at, dataset, &input, &binary, is_small);
    }
    scripts.push(Script::program("submit-0.sh", submit(folder, &lines)));
    scripts.iter().try_for_each(|script| script.write(folder))
}

/// Makes sure that the fileset says nothing of the files that the jobs would not be told: they are given files,
/// and one tree for all.
fn check_files(dataset: &DatasetSpec) -> RunResult<()> {
    let in_rucio = dataset.metadata.contains_key(DID);
    let what = dataset.files.iter().find_map(|file| {
        let what = [
            ("steps", file.steps.is_some()),
            // Where a dataset of Rucio's is read is PanDA's to choose.
            ("replicas", !file.replicas.is_empty() && !in_rucio),
            ("trees of other names than others", file.tree != dataset.files[0].tree),
        ];
        what.into_iter().find_map(|(what, has)| has.then_some(what))
    });
    match what {
        Some(what) => Err(Error::Usage(format!(
            "dataset `{}` has files with {what}, of which PanDA's jobs are not told",
            dataset.name
        ))),
        None => Ok(()),
    }
}

/// The URLs of a dataset that is not in Rucio.
fn pfns(dataset: &DatasetSpec) -> RunResult<String> {
    let mut text = String::new();
    for file in &dataset.files {
        if location::scheme(&file.path).is_none() {
            return Err(Error::Usage(format!(
                "dataset `{}` is of local files, which PanDA's jobs do not see: give its name in Rucio as `{DID}` in its \
                 metadata, or its files as URLs",
                dataset.name
            )));
        }
        text += &file.path;
        text.push('\n');
    }
    Ok(text)
}

/// What a job's fileset is, but for the files.
fn fileset(grid: &Grid<'_>, dataset: &DatasetSpec) -> String {
    let (name, settings) = grid.processor;
    let mut processor = settings.clone();
    processor.insert("name".to_owned(), name.into());
    let mut text = json!({
        "processor": processor,
        "datasets": { &dataset.name: { "files": [FILES], "metadata": dataset.metadata } },
    });
    if let Some(tree) = dataset.files.iter().find_map(|file| file.tree.as_ref()) {
        text["tree"] = tree.as_str().into();
    }
    format!("{text}\n")
}

fn run(binary: &str) -> String {
    format!(
        r#"#!/bin/bash
# Processes the files of one job: run.sh FILESET.json FILE,FILE,...; made by `hep-run submit`.
set -euo pipefail
fileset=$(<"$1")
files="\"${{2//,/\",\"}}\""
printf '%s%s%s\n' "${{fileset%%'"{FILES}"'*}}" "$files" "${{fileset#*'"{FILES}"'}}" > job-fileset.json
exec ./{binary} job-fileset.json --output output.root --workers "${{ATHENA_CORE_NUMBER:-1}}" --progress plain
"#
    )
}

fn prun(
    grid: &Grid<'_>,
    at: usize,
    dataset: &DatasetSpec,
    input: &str,
    binary: &str,
    is_small: bool,
) -> String {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c), "_");
    let Grid { title, jobs, cpus, .. } = grid;
    // Of each processor.
    let memory = grid.memory / u64::from(*cpus);
    // PanDA wants a new name for each submission.
    let hash = binary.rsplit('-').next().unwrap_or_default();
    let out = format!("{}.{}.{hash:.6}", plain(title), plain(&dataset.name));
    let sent = if is_small { "--noBuild" } else { "--noCompile" };
    let options: String = grid.options.iter().map(|option| format!(" {}", quoted(option))).collect();
    format!(
        r#"prun --exec "./run.sh {at}.json %IN" {input} --outDS "user.$user.{out}.$now" --outputs output.root \
    {sent} --extFile {binary} --nJobs {jobs} --nCore {cpus} --memory {memory}{options}
"#
    )
}

fn submit(folder: &Path, lines: &str) -> String {
    format!(
        r#"#!/bin/bash
# Submits a task for each dataset. Afterwards: `rucio download` of what --outDS names, with _output.root behind it, and
# hep-run merge -o RESULT.root of all that came.
set -euo pipefail
cd "{}/grid"
user=${{RUCIO_ACCOUNT:-$USER}}
now=$(date +%s)
{lines}"#,
        folder.display()
    )
}

/// One word of a shell's.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
