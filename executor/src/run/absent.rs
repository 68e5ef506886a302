//! Optional columns that files lack: listed for each dataset, and an error where a name is surely misspelt.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use hep_analysis::DatasetColumns;

use super::PlannedFile;
use crate::error::{Error, RunResult};
use crate::fileset::Fileset;
use crate::ledger::{DatasetLedger, FileLedger, Ledger};
use crate::progress::Progress;

/// Refuses an optional column that no file of the fileset has, unless the processor allows for that; warns of
/// those that only some files of a dataset have.
///
/// A dataset of which no file was opened, because it was not asked for or every file failed, may have the column:
/// then its absence from all others is a warning.
pub(super) fn check(
    fileset: &Fileset,
    files: &[PlannedFile],
    columns: &[Arc<DatasetColumns>],
    progress: &Progress,
) -> RunResult<()> {
    let mut absent: HashMap<&str, usize> = HashMap::new();
    let mut nearest: HashMap<&str, &str> = HashMap::new();
    // How many of the files that were opened are asked for each optional column.
    let (mut asked, mut seen) = (HashMap::<&str, usize>::new(), HashSet::new());
    for file in files.iter().filter(|file| was_opened(&file.ledger)) {
        let needs = columns[file.dataset].schema.requirements().iter().filter(|need| need.optional);
        needs.for_each(|need| *asked.entry(&need.name).or_default() += 1);
        seen.insert(file.dataset);
        for column in &file.ledger.absent {
            *absent.entry(&column.column).or_default() += 1;
            if let Some(near) = &column.nearest {
                nearest.entry(&column.column).or_insert(near);
            }
        }
    }
    let everywhere = |name: &str| asked.contains_key(name) && absent.get(name) == asked.get(name);
    let mut told = HashSet::new();
    // Once each, whichever dataset asks for it.
    let mut names = HashSet::new();
    let needs = columns
        .iter()
        .flat_map(|of| of.schema.requirements())
        .filter(|need| need.optional && !need.may_be_absent);
    let needs = needs.filter(|need| names.insert(need.name.as_str()));
    for name in needs.map(|need| need.name.as_str()).filter(|name| everywhere(name)) {
        let near = nearest.get(name).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        if seen.len() == fileset.datasets.len() {
            return Err(Error::Usage(format!(
                "no file of the fileset has the optional column `{name}`{near}\n  if every file may lack it, \
                 declare that: #[column(\"{}\", may_be_absent)]",
                name.escape_debug()
            )));
        }
        if told.insert(name) {
            progress
                .warn(&format!("none of the files that were opened has the optional column `{name}`{near}"));
        }
    }
    let mut datasets: Vec<Vec<&FileLedger>> = vec![Vec::new(); fileset.datasets.len()];
    files.iter().for_each(|file| datasets[file.dataset].push(&file.ledger));
    for (dataset, files) in fileset.datasets.iter().zip(&datasets) {
        for lack in lacks(files).iter().filter(|lack| lack.files < lack.of) {
            progress.warn(&format!("dataset `{}`: {}", dataset.name, lack.text()));
        }
    }
    Ok(())
}

/// What each dataset lacks, a line for each column.
pub(crate) fn lines(ledger: &Ledger) -> Vec<String> {
    let of = |dataset: &DatasetLedger| {
        let files: Vec<&FileLedger> = dataset.files.iter().collect();
        let name = dataset.name.clone();
        lacks(&files).iter().map(|lack| format!("dataset `{name}`: {}", lack.text())).collect::<Vec<_>>()
    };
    ledger.datasets.iter().flat_map(of).collect()
}

/// Like [`lines`], for a plan.
pub(crate) fn lines_of(fileset: &Fileset, files: &[PlannedFile]) -> Vec<String> {
    let mut datasets: Vec<DatasetLedger> = Vec::new();
    datasets.extend(
        fileset
            .datasets
            .iter()
            .map(|dataset| DatasetLedger { name: dataset.name.clone(), ..DatasetLedger::default() }),
    );
    files.iter().for_each(|file| datasets[file.dataset].files.push(file.ledger.clone()));
    lines(&Ledger { datasets, ..Ledger::default() })
}

/// An optional column that files of a dataset lack.
struct Lack<'l> {
    column: &'l str,
    nearest: Option<&'l str>,
    /// How many files lack it, and of how many that were opened.
    files: usize,
    of: usize,
    /// The first that lacks it.
    first: &'l str,
}

impl Lack<'_> {
    fn text(&self) -> String {
        let Self { column, nearest, files, of, first } = self;
        let mut text = match (files, of) {
            (1, 1) => format!("its file lacks the optional column `{column}`"),
            (files, of) if files == of => format!("all {of} files lack the optional column `{column}`"),
            (1, of) => {
                format!("one of {of} files lacks the optional column `{column}`, the others have it: {first}")
            }
            (files, of) => format!(
                "{files} of {of} files lack the optional column `{column}`, the others have it; the first is {first}"
            ),
        };
        if let Some(near) = nearest {
            let _ = write!(text, "; did you mean `{near}`?");
        }
        text
    }
}

fn lacks<'l>(files: &[&'l FileLedger]) -> Vec<Lack<'l>> {
    let mut lacks: Vec<Lack<'l>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut of = 0;
    for file in files.iter().filter(|file| was_opened(file)) {
        of += 1;
        for absent in &file.absent {
            let at = *places.entry(&absent.column).or_insert_with(|| {
                let (column, first) = (absent.column.as_str(), file.path.as_str());
                lacks.push(Lack { column, nearest: absent.nearest.as_deref(), files: 0, of: 0, first });
                lacks.len() - 1
            });
            lacks[at].files += 1;
        }
    }
    lacks.iter_mut().for_each(|lack| lack.of = of);
    // A suggestion is of use for a name that is nowhere in the dataset.
    lacks.iter_mut().filter(|lack| lack.files < of).for_each(|lack| lack.nearest = None);
    lacks
}

/// Whether a file was opened and its columns looked at.
fn was_opened(file: &FileLedger) -> bool {
    let whole = |missed: &crate::ledger::Missed| {
        missed.entries.is_none_or(|(start, end)| start == 0 && Some(end) == file.entries)
    };
    let is_whole = |missed: &[crate::ledger::Missed]| matches!(missed, [only] if whole(only));
    !file.uuid.is_empty() && file.entries.is_some() && !(is_whole(&file.failed) || is_whole(&file.skipped))
        || !file.absent.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::AbsentColumn;

    fn file(path: &str, absent: &[&str]) -> FileLedger {
        let column = |name: &&str| AbsentColumn { column: (*name).to_owned(), nearest: Some("x".to_owned()) };
        FileLedger {
            path: path.to_owned(),
            uuid: "u".to_owned(),
            entries: Some(3),
            done: vec![(0, 3)],
            absent: absent.iter().map(column).collect(),
            ..FileLedger::default()
        }
    }

    #[test]
    fn what_a_dataset_lacks_in_all_files_and_in_some_is_told_apart() {
        let files = vec![file("a.root", &["w"]), file("b.root", &["w", "v"])];
        let dataset = DatasetLedger { name: "DY".to_owned(), files, ..DatasetLedger::default() };
        let ledger = Ledger { datasets: vec![dataset], ..Ledger::default() };
        assert_eq!(
            lines(&ledger),
            [
                "dataset `DY`: all 2 files lack the optional column `w`; did you mean `x`?",
                "dataset `DY`: one of 2 files lacks the optional column `v`, the others have it: b.root",
            ]
        );
    }
}
