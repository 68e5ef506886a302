//! A folder of files with a reference beside them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::check::{Checked, check};

/// Where a reference of the files that we test with is wrong besides, and how that is known.
const SUSPECT: &str = include_str!("../../conformance/suspect.tsv");

/// A folder of files, and what is said of them.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The files, relative to the folder: those of the reference, in its order, and those that lie
    /// there besides, sorted.
    pub files: Vec<String>,
    reference: Value,
    /// What uproot cannot read: file, tree and branch.
    unreadable: BTreeSet<[String; 3]>,
}

impl Folder {
    /// Opens the folder with its `reference.json`, `suspect.tsv` and `unreadable_by_uproot.tsv`, each
    /// of which may be absent.
    ///
    /// # Errors
    /// Where the folder or one of these cannot be read.
    pub fn open(path: &Path) -> Result<Self, String> {
        let text = |name: &str| match std::fs::read_to_string(path.join(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(|error| format!("{}: {error}", path.join(name).display())),
        };
        let mut reference = match text("reference.json")? {
            Some(text) => serde_json::from_str(&text).map_err(|error| format!("reference.json: {error}"))?,
            None => Value::Null,
        };
        let beside = text("suspect.tsv")?.unwrap_or_default();
        for line in beside.lines().skip(1).chain(SUSPECT.lines().skip(1)) {
            let fields: Vec<&str> = line.split('\t').collect();
            if let [file, tree, branch, why] = fields[..] {
                suspect(&mut reference, [file, tree, branch], why);
            }
        }
        let unreadable = text("unreadable_by_uproot.tsv")?.unwrap_or_default();
        let unreadable = unreadable.lines().skip(1).filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            Some([fields.next()?, fields.next()?, fields.next()?])
        });
        let unreadable = unreadable.collect();
        let listed = reference["files"].as_object();
        let mut files: Vec<String> = listed.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let mut found = Vec::new();
        walk(path, path, &mut found)?;
        found.retain(|name| !files.contains(name));
        found.sort();
        files.extend(found);
        Ok(Self { path: path.to_owned(), files, reference, unreadable })
    }

    /// What the reference says of a file.
    pub fn reference(&self, file: &str) -> Option<&Value> {
        self.reference["files"].get(file)
    }

    /// Whether the file is there; a reference may list more.
    pub fn has(&self, file: &str) -> bool {
        self.path.join(file).exists()
    }

    /// Whether uproot cannot read that column.
    pub fn unreadable(&self, file: &str, checked: &Checked) -> bool {
        let place = [file, &checked.tree, &checked.column].map(str::to_owned);
        self.unreadable.contains(&place)
    }

    /// How many columns uproot cannot read.
    pub fn unreadables(&self) -> usize {
        self.unreadable.len()
    }

    /// Checks the files in `threads` threads, each file in one of them; the result does not depend on
    /// how many there are.
    pub fn check(&self, files: &[String], threads: usize) -> Vec<Vec<Checked>> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(HashMap::new());
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(|| {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let checked = check(&self.path.join(file), self.reference(file));
                        done.lock().unwrap().insert(file, checked);
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap();
        files.iter().map(|file| done.remove(file).unwrap_or_default()).collect()
    }
}

/// Marks a branch of the reference.
fn suspect(reference: &mut Value, [file, tree, branch]: [&str; 3], why: &str) {
    let Some(file) = reference.get_mut("files").and_then(|files| files.get_mut(file)) else { return };
    for trees in ["trees", "rntuples"] {
        let place = file.get_mut(trees).and_then(|trees| trees.get_mut(tree));
        let place = place.and_then(|tree| tree.get_mut("branches")).and_then(|all| all.get_mut(branch));
        if let Some(Value::Object(place)) = place {
            place.entry("suspect").or_insert_with(|| why.into());
        }
    }
}

/// The files below `folder` whose names say that they have trees, relative to `root`.
fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(root, &path, found)?;
        } else if path.extension().is_some_and(|of| of == "root" || of == "parquet") {
            let name = path.strip_prefix(root).unwrap_or(&path);
            found.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
