//! Reading the columns of one file, each on its own, and comparing them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use hep_io::source::{LocalFile, coalesce};
use hep_io::{ByteSource, EntryFile, EntryReader, Error, Scratch};
use serde_json::Value;

use super::column::{Column, Distortion, Leaf};
use super::panics::catch;
use super::reference::Reference;
use super::rntuple;

/// Entries of a batch: odd, so that batches end inside baskets.
const BATCH: usize = 777;
/// Entries of a range, at most: what bounds the memory that reading a column needs.
const RANGE: u64 = 100_000;

/// Why a reference is not to be trusted that is the same but for the order of bytes.
const SWAPPED: &str = "the bytes of its numbers are the wrong way round, and otherwise it is equal";

/// What came of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same as the reference.
    Equal,
    /// Read, and not as the reference has it.
    Different(String),
    /// Read, where the reference is not to be trusted: what it says of itself, and how we differ.
    Suspect(String),
    /// Read, where the reference has nothing; or a group of branches, which has no data.
    NoReference,
    /// Read; the reference does not list it.
    Read,
    /// The reader says that it cannot be read.
    Unsupported(String),
    /// The reader failed: with an error, with a panic, or with batches that are not what it announced.
    Error(String),
}

/// One column and what came of it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The tree; empty where the file itself cannot be opened.
    pub tree: String,
    /// The column; empty where the tree itself cannot be opened.
    pub column: String,
    /// The reference's kind of branch; empty where the reference does not list it.
    pub kind: String,
    /// Whether the reference says what it holds.
    pub referenced: bool,
    /// What was read of it: its parts.
    pub leaves: Vec<Leaf>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Reads every column of the file at `path`, those of `reference`, the file's entry in a reference,
/// and those it does not list.
pub fn check(path: &Path, reference: Option<&Value>) -> Vec<Checked> {
    let mut checked = Vec::new();
    let trees = |key: &str| reference.and_then(|file| file[key].as_object()).into_iter().flatten();
    let listed: Vec<(&String, &Value)> = trees("trees").chain(trees("rntuples")).collect();
    let file = match catch(|| LocalFile::open(path).and_then(|source| EntryFile::open(Arc::new(source)))) {
        Ok(Ok(file)) => file,
        failed => {
            let outcome = match of_failure(failed.map(Result::err)) {
                Outcome::Unsupported(why) => Outcome::Error(why),
                other => other,
            };
            for (tree, reference) in listed {
                all_columns(tree, Some(reference), &outcome, &mut checked);
            }
            // A file without trees may be one that we need not read.
            if reference.is_none() {
                checked.push(whole("", outcome));
            }
            return checked;
        }
    };
    for (tree, reference) in &listed {
        check_tree(&file, tree, Some(reference), &mut checked);
    }
    match catch(|| file.trees()) {
        Ok(Ok(names)) => {
            for name in names.iter().filter(|name| !listed.iter().any(|(listed, _)| listed == name)) {
                check_tree(&file, name, None, &mut checked);
            }
        }
        failed => checked.push(whole("", of_failure(failed.map(Result::err)))),
    }
    checked
}

fn whole(tree: &str, outcome: Outcome) -> Checked {
    Checked {
        tree: tree.to_owned(),
        column: String::new(),
        kind: String::new(),
        referenced: false,
        leaves: Vec::new(),
        outcome,
    }
}

/// One outcome for every column that the reference has of a tree, or for the tree where it has none.
fn all_columns(name: &str, reference: Option<&Value>, outcome: &Outcome, checked: &mut Vec<Checked>) {
    let branches = || reference.and_then(|tree| tree["branches"].as_object()).into_iter().flatten();
    checked.extend(branches().map(|(branch, value)| Checked {
        column: branch.clone(),
        kind: Reference { value }.kind().to_owned(),
        referenced: Reference { value }.has_leaves(),
        ..whole(name, outcome.clone())
    }));
    if branches().next().is_none() {
        checked.push(whole(name, outcome.clone()));
    }
}

fn check_tree(file: &EntryFile, name: &str, reference: Option<&Value>, checked: &mut Vec<Checked>) {
    let branches = || reference.and_then(|tree| tree["branches"].as_object()).into_iter().flatten();
    let tree = match catch(|| file.reader(name)) {
        Ok(Ok(tree)) => tree,
        failed => {
            all_columns(name, reference, &of_failure(failed.map(Result::err)), checked);
            return;
        }
    };
    let entries = reference.and_then(|tree| tree["entries"].as_u64());
    if let Some(entries) = entries.filter(|&entries| entries != tree.entries()) {
        let wrong = format!("{} entries, and the reference {entries}", tree.entries());
        checked.push(whole(name, Outcome::Different(wrong)));
    }
    let mut scratch = Scratch::default();
    let mut one = |column: &str, reference: Option<Reference<'_>>| {
        let mut leaves = |distortion: Option<&Distortion>| {
            let read = catch(|| read(&*tree, &**file.source(), column, reference, distortion, &mut scratch));
            read.unwrap_or_else(|panic| {
                scratch = Scratch::default(); // whatever it was left in
                Err(Outcome::Error(panic))
            })
        };
        let distortion = reference.and_then(|reference| reference.distortion());
        let stored = leaves(None);
        let outcome = match &stored {
            Err(failed) => of_group(failed.clone(), reference),
            Ok(stored) => match (compare(stored, reference), distortion) {
                (Outcome::Different(why), Some(distortion)) => {
                    let distorted = leaves(Some(&distortion)).map(|leaves| compare(&leaves, reference));
                    match (distorted, distortion) {
                        (Ok(Outcome::Equal), Distortion::Swapped) => Outcome::Suspect(SWAPPED.to_owned()),
                        (Ok(Outcome::Equal), Distortion::Floats(_)) => Outcome::Equal,
                        _ => Outcome::Different(why),
                    }
                }
                (outcome, _) => outcome,
            },
        };
        Checked {
            tree: name.to_owned(),
            column: column.to_owned(),
            kind: reference.map_or("", |reference| reference.kind()).to_owned(),
            referenced: reference.is_some_and(|reference| reference.has_leaves()),
            outcome,
            leaves: stored.unwrap_or_default(),
        }
    };
    let mut seen = HashSet::new();
    for (branch, value) in branches() {
        seen.insert(branch.as_str());
        checked.push(one(branch, Some(Reference { value })));
    }
    let names = catch(|| tree.column_names()).unwrap_or_default();
    for column in names.iter().filter(|column| !seen.contains(column.as_str())) {
        checked.push(one(column, None));
    }
}

fn compare(leaves: &[Leaf], reference: Option<Reference<'_>>) -> Outcome {
    let Some(reference) = reference else { return Outcome::Read };
    let differs = || reference.differs(leaves);
    match reference.suspect() {
        Some(why) => Outcome::Suspect(format!("{why}; {}", differs().unwrap_or("it is equal".to_owned()))),
        None if !reference.has_leaves() => Outcome::NoReference,
        None => differs().map_or(Outcome::Equal, Outcome::Different),
    }
}

/// A group of branches has no data: that it cannot be read is nothing that is missing.
fn of_group(failed: Outcome, reference: Option<Reference<'_>>) -> Outcome {
    match failed {
        Outcome::Unsupported(_) if reference.is_some_and(|of| of.is_group()) => Outcome::NoReference,
        other => other,
    }
}

/// Reads a whole column in several ranges of entries and in batches that ignore the baskets.
fn read(
    tree: &dyn EntryReader,
    source: &dyn ByteSource,
    name: &str,
    reference: Option<Reference<'_>>,
    distortion: Option<&Distortion>,
    scratch: &mut Scratch,
) -> Result<Vec<Leaf>, Outcome> {
    let of = |error: Error| of_error(&error);
    let wrong = |what: String| Outcome::Error(format!("the reader contradicts itself: {what}"));
    let info = tree.column(name).map_err(of)?;
    let seen = rntuple::data_type(reference, &info.data_type);
    let mut column = Column::new(&seen, distortion).map_err(Outcome::Error)?;
    let columns = [name.to_owned()];
    let entries = tree.entries();
    let mut first = 0;
    // The first range ends in the midst of the file, however small it is.
    let mut end = (entries / 3).min(RANGE);
    loop {
        let plan = tree.plan(&columns, first..end).map_err(of)?;
        let bytes = coalesce::read(source, &plan.ranges).map_err(of)?;
        let mut batches = tree.decode(&plan, &bytes, scratch).map_err(of)?;
        while let Some(batch) = batches.next(BATCH).map_err(of)? {
            if batch.entries().start != first {
                return Err(wrong(format!("a batch starts at {} instead of {first}", batch.entries().start)));
            }
            first = batch.entries().end;
            let array = batch.find(name).ok_or_else(|| wrong("a batch without the column".to_owned()))?;
            if *array.data_type() != info.data_type {
                return Err(wrong(format!("{} instead of {}", array.data_type(), info.data_type)));
            }
            column.add(&*rntuple::convert(array, &seen));
        }
        if first != end {
            return Err(wrong(format!("the last batch ends at {first} instead of {end}")));
        }
        if end == entries {
            return Ok(column.leaves());
        }
        end = entries.min(end + RANGE);
    }
}

fn of_error(error: &Error) -> Outcome {
    match error {
        Error::Unsupported { reason, .. } => Outcome::Unsupported(reason.clone()),
        Error::NoColumn { .. } => Outcome::Unsupported("no such name".to_owned()),
        Error::WrongClass { found, .. } => Outcome::Unsupported(format!("objects of class {found}")),
        error => Outcome::Error(error.to_string()),
    }
}

fn of_failure(failed: Result<Option<Error>, String>) -> Outcome {
    match failed {
        Ok(error) => error.map_or(Outcome::Read, |error| of_error(&error)),
        Err(panic) => Outcome::Error(panic),
    }
}
