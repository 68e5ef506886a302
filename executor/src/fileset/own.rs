//! Our own form.

use std::path::{Path, PathBuf};

use super::{
    FileSpec, Fileset, ProcessorSpec,
    build::{self, Builder},
    coffea,
    error::{FilesetError, FilesetProblem},
    location,
    node::{Entry, Node, Shape},
    rucio,
};

/// The keys at the top.
pub(super) const KEYS: &[&str] = &["processor", "tree", "datasets", "friends"];
const DATASET: &[&str] = &["files", "tree", "friends", "metadata"];
const FRIEND: &[&str] = &["files", "tree", "index"];
const FILE: &[&str] = &["path", "replicas", "tree", "uuid", "entries", "steps"];
const PROCESSOR: &[&str] = &["name", "path"];

pub(super) fn read(root: &Node, mut builder: Builder<'_>) -> Result<Fileset, FilesetError> {
    if root.is_null() {
        return Err(FilesetError::at(0, FilesetProblem::NoDatasets));
    }
    let fields = root.fields("the fileset", "a map with `datasets`", KEYS)?;
    let processor = fields.find("processor").map(|node| processor(node, builder.place())).transpose()?;
    let tree = fields.find("tree").map(|node| build::tree(node, "`tree` of the fileset")).transpose()?;
    let datasets = match fields.find("datasets") {
        Some(node) => {
            let wanted = "a map from a dataset's name to its files";
            node.as_map().ok_or_else(|| node.wrong("`datasets`", wanted))?
        }
        None => &[],
    };
    for Entry { key: name, line, value } in datasets {
        dataset(&mut builder, name, *line, value, tree.as_deref())?;
        builder.close(*line)?;
    }
    if let Some(node) = fields.find("friends") {
        friends(&mut builder, node, "the fileset", true)?;
    }
    builder.finish(processor)
}

/// A name, a path (which has a slash, or is `.` or `..`), or a map of these and the settings.
fn processor(node: &Node, place: &Path) -> Result<ProcessorSpec, FilesetError> {
    let text = |node: &Node, what: &str| match node.text(what, "text")? {
        "" => {
            let why = "is empty".to_owned();
            Err(node.error(FilesetProblem::Value { what: what.to_owned(), why }))
        }
        text => Ok(text.to_owned()),
    };
    let path = |node: &Node, what: &str| {
        let given = text(node, what)?;
        location::absolute(&given, place).map(PathBuf::from).map_err(|why| {
            let what = format!("{what}, `{}`,", given.escape_debug());
            node.error(FilesetProblem::Value { what, why })
        })
    };
    let mut spec = ProcessorSpec::default();
    match &node.shape {
        Shape::Text(given) if matches!(given.as_str(), "." | "..") || given.contains('/') => {
            spec.path = Some(path(node, "`processor`")?);
        }
        Shape::Text(_) => spec.name = Some(text(node, "`processor`")?),
        Shape::Map(entries) => {
            for entry in entries {
                match entry.key.as_str() {
                    "name" => spec.name = Some(text(&entry.value, "`name` of the processor")?),
                    "path" => spec.path = Some(path(&entry.value, "`path` of the processor")?),
                    key => drop(spec.settings.insert(key.to_owned(), entry.value.to_json())),
                }
            }
            // A map of settings alone is for a binary with one processor; a typo must not pass as one.
            let misspelt = |e: &&Entry| hep_columns::nearest(&e.key, PROCESSOR.iter().copied()).is_some();
            if spec.name.is_none()
                && spec.path.is_none()
                && let Some(entry) = entries.iter().find(misspelt)
            {
                return Err(entry.unknown("`processor`", PROCESSOR));
            }
        }
        _ => return Err(node.wrong("`processor`", "a name, a path, or a map of them and settings")),
    }
    Ok(spec)
}

fn dataset(
    builder: &mut Builder<'_>,
    name: &str,
    line: u64,
    node: &Node,
    tree: Option<&str>,
) -> Result<(), FilesetError> {
    let place = format!("dataset `{name}`");
    if matches!(node.shape, Shape::List(_) | Shape::Text(_)) {
        builder.dataset(name, line, None)?;
        return files(builder, &place, node, tree);
    }
    let fields = node.fields(&place, "a list of files or a map with `files`", DATASET)?;
    builder.dataset(name, line, fields.find("metadata"))?;
    let own_tree = match fields.find("tree") {
        Some(node) => Some(build::tree(node, &format!("`tree` of {place}"))?),
        None => None,
    };
    match fields.find("files") {
        Some(node) => files(builder, &place, node, own_tree.as_deref().or(tree))?,
        None => return Err(FilesetError::at(line, FilesetProblem::MissingKey { key: "files", place })),
    }
    fields.find("friends").map_or(Ok(()), |node| friends(builder, node, &place, false))
}

/// A map from alias to files, with or without the branches to look entries up by.
fn friends(builder: &mut Builder<'_>, node: &Node, of: &str, of_all: bool) -> Result<(), FilesetError> {
    let wanted = "a map from a friend's name to its files";
    let entries = node.as_map().ok_or_else(|| node.wrong(&format!("`friends` of {of}"), wanted))?;
    for Entry { key: alias, line, value } in entries {
        let place = format!("friend `{alias}` of {of}");
        if value.find("files").is_none() && value.find("index").is_none() {
            builder.friend(alias, *line, Vec::new())?;
            files(builder, &place, value, None)?;
        } else {
            let fields = value.fields(&place, "a list of files or a map with `files`", FRIEND)?;
            let index = fields.find("index").map(|node| index(node, &place)).transpose()?;
            let tree = match fields.find("tree") {
                Some(node) => Some(build::tree(node, &format!("`tree` of {place}"))?),
                None => None,
            };
            let Some(list) = fields.find("files") else {
                return Err(FilesetError::at(*line, FilesetProblem::MissingKey { key: "files", place }));
            };
            builder.friend(alias, *line, index.unwrap_or_default())?;
            files(builder, &place, list, tree.as_deref())?;
        }
        builder.end_friend(*line, of_all)?;
    }
    Ok(())
}

/// The branches that a friend's entries are looked up by.
fn index(node: &Node, place: &str) -> Result<Vec<String>, FilesetError> {
    let what = || format!("`index` of {place}");
    let wanted = "a list of one to three integer branches, as [run, luminosityBlock, event]";
    let names = node.as_list().ok_or_else(|| node.wrong(&what(), wanted))?;
    if !(1..=3).contains(&names.len()) {
        let why = format!("has {} branches; it must be {wanted}", names.len());
        return Err(node.error(FilesetProblem::Value { what: what(), why }));
    }
    names.iter().map(|name| name.text(&what(), wanted).map(str::to_owned)).collect()
}

/// A list, one file, or a map from file to tree.
fn files(
    builder: &mut Builder<'_>,
    place: &str,
    node: &Node,
    tree: Option<&str>,
) -> Result<(), FilesetError> {
    match &node.shape {
        Shape::List(list) => list.iter().try_for_each(|node| file(builder, place, node, tree)),
        Shape::Text(_) => file(builder, place, node, tree),
        Shape::Map(_) if node.find("path").is_some() => file(builder, place, node, tree),
        Shape::Map(entries) => coffea::files_in_map(builder, place, entries, tree),
        _ => Err(node.wrong(&format!("`files` of {place}"), "a list or a map of files")),
    }
}

/// A path, with or without a tree after a colon, or a map of what is known about the file.
fn file(builder: &mut Builder<'_>, of: &str, node: &Node, default: Option<&str>) -> Result<(), FilesetError> {
    if node.as_map().is_none() {
        let file = build::plain_file(node, of, "a path or a map with `path`", default)?;
        return builder.file(&file, node.line);
    }
    let somewhere = format!("a file of {of}");
    if let Some(places) = rucio::places(node, of)? {
        let tree = match node.find("tree") {
            Some(node) => Some(build::tree(node, &format!("`tree` of {somewhere}"))?),
            None => default.map(str::to_owned),
        };
        let mut places = places.into_iter();
        let path = places.next().unwrap_or_default();
        let file = FileSpec { path, replicas: places.collect(), tree, ..FileSpec::default() };
        return builder.file(&file, node.line);
    }
    let fields = node.fields(&somewhere, "a map", FILE)?;
    let Some(path) = fields.find("path") else {
        return Err(node.error(FilesetProblem::MissingKey { key: "path", place: somewhere }));
    };
    let path = path.text(&format!("`path` of {somewhere}"), "text")?.to_owned();
    let place = format!("file `{}` of {of}", location::without_secrets(&path).escape_debug());
    let tree = match fields.find("tree") {
        Some(node) => Some(build::tree(node, &format!("`tree` of {place}"))?),
        None => default.map(str::to_owned),
    };
    let replicas = match fields.find("replicas") {
        Some(node) => replicas(node, &place)?,
        None => Vec::new(),
    };
    let mut file = FileSpec { path, replicas, tree, ..FileSpec::default() };
    let (uuid, entries) = (fields.find("uuid"), fields.find("entries"));
    build::known_facts(&mut file, &place, uuid, entries, fields.find("steps"))?;
    builder.file(&file, node.line)
}

/// Other places of a file: a list of paths and URLs, or one.
fn replicas(node: &Node, place: &str) -> Result<Vec<String>, FilesetError> {
    let what = || format!("a replica of {place}");
    let list = match &node.shape {
        Shape::List(list) => &list[..],
        Shape::Text(_) => std::slice::from_ref(node),
        _ => return Err(node.wrong(&format!("`replicas` of {place}"), "a list of URLs")),
    };
    list.iter().map(|node| node.text(&what(), "a path or a URL").map(str::to_owned)).collect()
}
