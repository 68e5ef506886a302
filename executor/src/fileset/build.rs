//! What the three forms have in common: files resolved and checked one by one as they are read.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    DatasetSpec, FileSpec, Fileset, Friend, ProcessorSpec,
    error::{FilesetError, FilesetProblem},
    location,
    node::{Node, to_json_map},
};
use crate::names;
use crate::storage::FileStore;

/// A fileset that grows dataset by dataset.
pub(super) struct Builder<'s> {
    place: PathBuf,
    /// What lists the folders of servers.
    store: Option<&'s dyn FileStore>,
    datasets: Vec<DatasetSpec>,
    friends: Vec<Friend>,
    /// The friend whose files are being added.
    friend: Option<Friend>,
    names: HashSet<String>,
    owners: HashMap<String, Owners>,
}

/// The datasets, by index, that list a file.
#[derive(Default)]
struct Owners {
    any: Option<usize>,
    unnamed: Option<usize>,
    trees: HashMap<String, usize>,
}

impl<'s> Builder<'s> {
    pub(super) fn new(place: PathBuf, store: Option<&'s dyn FileStore>) -> Self {
        Self {
            place,
            store,
            datasets: Vec::new(),
            friends: Vec::new(),
            friend: None,
            names: HashSet::new(),
            owners: HashMap::new(),
        }
    }

    /// The folder that relative paths start from.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Starts a dataset; the files that follow are its own.
    pub(super) fn dataset(
        &mut self,
        name: &str,
        line: u64,
        metadata: Option<&Node>,
    ) -> Result<(), FilesetError> {
        // Each dataset becomes a directory of the output file.
        names::check(name).map_err(|why| {
            let (name, why) = (name.to_owned(), why.to_string());
            FilesetError::at(line, FilesetProblem::DatasetName { name, why })
        })?;
        if !self.names.insert(name.to_owned()) {
            return Err(FilesetError::at(line, FilesetProblem::DuplicateKey { key: name.to_owned() }));
        }
        let metadata = match metadata {
            Some(node) => match node.as_map() {
                Some(entries) => to_json_map(entries),
                None => return Err(node.wrong(&format!("`metadata` of dataset `{name}`"), "a map")),
            },
            None => Map::<String, Value>::new(),
        };
        let (name, files, friends) = (name.to_owned(), Vec::new(), Vec::new());
        self.datasets.push(DatasetSpec { name, files, friends, metadata });
        Ok(())
    }

    /// Starts a friend; the files that follow are its own.
    pub(super) fn friend(&mut self, alias: &str, line: u64, index: Vec<String>) -> Result<(), FilesetError> {
        let wrong = |why: &str| {
            let what = format!("the friend's name `{}`", alias.escape_debug());
            Err(FilesetError::at(line, FilesetProblem::Value { what, why: why.to_owned() }))
        };
        if alias.is_empty() {
            return wrong("is empty");
        }
        if alias.contains(|c: char| c == '.' || c.is_control()) {
            return wrong("has a dot or a control character; it stands before the dot in `friend.column`");
        }
        if let Err(why) = names::check(alias) {
            return wrong(&format!("cannot be used: {why}"));
        }
        self.friend = Some(Friend { alias: alias.to_owned(), files: Vec::new(), index });
        Ok(())
    }

    /// Ends the friend started last: one of the dataset started last, or of all datasets.
    pub(super) fn end_friend(&mut self, line: u64, of_all: bool) -> Result<(), FilesetError> {
        let Some(friend) = self.friend.take() else { return Ok(()) };
        let wrong = |why: String| {
            let what = format!("the friend `{}`", friend.alias);
            Err(FilesetError::at(line, FilesetProblem::Value { what, why }))
        };
        if friend.files.is_empty() {
            return wrong("has no files".to_owned());
        }
        if of_all {
            let known =
                |dataset: &&DatasetSpec| dataset.friends.iter().any(|known| known.alias == friend.alias);
            if let Some(dataset) = self.datasets.iter().find(known) {
                return wrong(format!("is also one of dataset `{}`; give one another name", dataset.name));
            }
            self.friends.push(friend);
        } else if let Some(dataset) = self.datasets.last_mut() {
            dataset.friends.push(friend);
        }
        Ok(())
    }

    /// Adds a file, or the files that a pattern matches, to the dataset or friend started last.
    pub(super) fn file(&mut self, file: &FileSpec, line: u64) -> Result<(), FilesetError> {
        let Some(index) = self.datasets.len().checked_sub(1) else { return Ok(()) };
        let blame = |why: String| {
            let place = match &self.friend {
                Some(friend) => format!("friend `{}`", friend.alias),
                None => format!("dataset `{}`", self.datasets[index].name),
            };
            FilesetError::at(line, FilesetProblem::File { path: file.name().into_owned(), place, why })
        };
        if self.friend.is_some() && file.steps.is_some() {
            return Err(blame("has steps; a friend is read where the dataset is".to_owned()));
        }
        let known = file.uuid.is_some() || file.entries.is_some() || file.steps.is_some();
        if known && location::is_pattern(&file.path, &self.place) {
            return Err(blame("is a pattern, so its uuid, entries and steps cannot be given".to_owned()));
        }
        if !file.replicas.is_empty() && location::is_pattern(&file.path, &self.place) {
            return Err(blame("is a pattern, so its replicas cannot be given".to_owned()));
        }
        check_steps(file).map_err(blame)?;
        let paths = location::resolve(&file.path, &self.place, self.store).map_err(blame)?;
        let replicas = self.replicas(file, &paths).map_err(blame)?;
        let spec = |path| FileSpec { path, replicas: replicas.clone(), ..file.clone() };
        if let Some(friend) = &mut self.friend {
            friend.files.extend(paths.into_iter().map(spec));
            return Ok(());
        }
        for path in paths {
            // A replica listed as a file of its own would count its entries twice, too.
            let places = std::iter::once(&path).chain(&replicas);
            let twice = places.filter_map(|place| {
                self.own(place, file.tree.as_deref(), index).map(|first| (place.clone(), first))
            });
            if let Some((path, first)) = twice.min_by_key(|(_, first)| *first) {
                let name = |index: usize| self.datasets[index].name.clone();
                let path = location::without_secrets(&path).into_owned();
                let problem = FilesetProblem::DuplicateFile { path, first: name(first), second: name(index) };
                return Err(FilesetError::at(line, problem));
            }
            self.datasets[index].files.push(spec(path));
        }
        Ok(())
    }

    /// The replicas of a file, resolved. The error is the end of a sentence that starts with its path.
    fn replicas(&self, file: &FileSpec, paths: &[String]) -> Result<Vec<String>, String> {
        let mut places = paths.to_vec();
        for given in &file.replicas {
            let shown = location::without_secrets(given).escape_debug().to_string();
            if location::is_pattern(given, &self.place) {
                return Err(format!("has the replica `{shown}`, which is a pattern"));
            }
            let found = location::resolve(given, &self.place, self.store)
                .map_err(|why| format!("has the replica `{shown}`, which {why}"))?;
            if let Some(twice) = found.iter().find(|place| places.contains(place)) {
                let twice = location::without_secrets(twice);
                return Err(format!("has the replica `{twice}` twice, or it is the file itself"));
            }
            places.extend(found);
        }
        Ok(places.split_off(paths.len()))
    }

    /// Notes that a dataset lists a file; the dataset that does already, if there is one. A file without a
    /// tree may read any, so it clashes with every tree of that file.
    fn own(&mut self, path: &str, tree: Option<&str>, index: usize) -> Option<usize> {
        let real = match location::scheme(path) {
            Some(_) => None,
            None => fs::canonicalize(path).ok().and_then(|real| real.into_os_string().into_string().ok()),
        };
        let owners = self.owners.entry(real.unwrap_or_else(|| path.to_owned())).or_default();
        let first = match tree {
            None => owners.any,
            Some(tree) => owners.unnamed.or_else(|| owners.trees.get(tree).copied()),
        };
        owners.any.get_or_insert(index);
        match tree {
            None => owners.unnamed = Some(index),
            Some(tree) => drop(owners.trees.insert(tree.to_owned(), index)),
        }
        first
    }

    /// Checks that the dataset started last has files.
    pub(super) fn close(&mut self, line: u64) -> Result<(), FilesetError> {
        match self.datasets.last() {
            Some(DatasetSpec { name, files, .. }) if files.is_empty() => {
                Err(FilesetError::at(line, FilesetProblem::NoFiles { dataset: name.clone() }))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self, processor: Option<ProcessorSpec>) -> Result<Fileset, FilesetError> {
        if self.datasets.is_empty() {
            return Err(FilesetError::at(0, FilesetProblem::NoDatasets));
        }
        Ok(Fileset { processor, datasets: self.datasets, friends: self.friends, place: self.place })
    }
}

fn check_steps(file: &FileSpec) -> Result<(), String> {
    let Some(steps) = &file.steps else { return Ok(()) };
    let mut before = 0;
    for (i, &(start, stop)) in steps.iter().enumerate() {
        if stop < start {
            return Err(format!("has a step that ends before it starts: {start}..{stop}"));
        }
        if start < before {
            let (a, b) = steps[i - 1];
            return Err(format!(
                "has steps that overlap or are out of order: {a}..{b}, then {start}..{stop}"
            ));
        }
        if let Some(entries) = file.entries.filter(|&entries| stop > entries) {
            return Err(format!("has the step {start}..{stop} but only {entries} entries"));
        }
        before = stop;
    }
    Ok(())
}

/// The tree at `what`.
pub(super) fn tree(node: &Node, what: &str) -> Result<String, FilesetError> {
    let given = node.text(what, "the name of a tree")?;
    location::tree_path(given).ok_or_else(|| {
        let why = format!("is `{}`, which names no tree", given.escape_debug());
        node.error(FilesetProblem::Value { what: what.to_owned(), why })
    })
}

/// A file given as text, with the tree after its colon if it has one, else the default.
pub(super) fn plain_file(
    node: &Node,
    place: &str,
    wanted: &'static str,
    default: Option<&str>,
) -> Result<FileSpec, FilesetError> {
    let given = node.text(&format!("a file of {place}"), wanted)?;
    let (path, tree) = location::split_tree(given);
    let tree = match tree {
        None => default.map(str::to_owned),
        Some(tree) => Some(location::tree_path(tree).ok_or_else(|| {
            let why = "names no tree after its colon".to_owned();
            let path = location::without_secrets(given).into_owned();
            node.error(FilesetProblem::File { path, place: place.to_owned(), why })
        })?),
    };
    Ok(FileSpec { path: path.to_owned(), tree, ..FileSpec::default() })
}

/// The uuid, the number of entries and the steps of a file, under whichever key the form has them.
pub(super) fn known_facts(
    file: &mut FileSpec,
    place: &str,
    uuid: Option<&Node>,
    entries: Option<&Node>,
    steps: Option<&Node>,
) -> Result<(), FilesetError> {
    if let Some(node) = uuid {
        file.uuid = Some(node.text(&format!("the uuid of {place}"), "text")?.to_owned());
    }
    if let Some(node) = entries {
        let wrong = || node.wrong(&format!("the number of entries of {place}"), "a whole number");
        file.entries = Some(node.as_u64().ok_or_else(wrong)?);
    }
    if let Some(node) = steps {
        let what = || format!("the steps of {place}");
        let list = node.as_list().ok_or_else(|| node.wrong(&what(), "a list of [start, stop] pairs"))?;
        if list.is_empty() {
            let why = "are an empty list; leave them out to process all entries".to_owned();
            return Err(node.error(FilesetProblem::Value { what: what(), why }));
        }
        let pair = |step: &Node| match step.as_list() {
            Some([start, stop]) => start.as_u64().zip(stop.as_u64()),
            _ => None,
        };
        let wrong = |step: &Node| {
            let (what, wanted) = (format!("a step of {place}"), "two whole numbers, [start, stop]");
            match step.as_list() {
                Some(list) if list.len() < 10 => {
                    let found = format!("`{}`", step.to_json());
                    step.error(FilesetProblem::Type { what, wanted, found })
                }
                _ => step.wrong(&what, wanted),
            }
        };
        let steps = list.iter().map(|step| pair(step).ok_or_else(|| wrong(step)));
        file.steps = Some(steps.collect::<Result<_, _>>()?);
    }
    Ok(())
}
