//! coffea's filesets, as its `DatasetSpec` and its `Runner` read them.

use super::{
    FileSpec, Fileset,
    build::{self, Builder},
    error::{FilesetError, FilesetProblem},
    location,
    node::{Entry, Node, Shape},
};

/// A dataset's keys. Of these `form`, `compressed_form` and `preload` are what a processor's declared columns
/// make superfluous here, and `did` is where the list of files came from.
const DATASET: &[&str] =
    &["files", "metadata", "treename", "format", "form", "compressed_form", "did", "preload"];
/// A preprocessed file's keys. `num_selected_entries` is the sum of the steps.
const FILE: &[&str] =
    &["object_path", "steps", "num_entries", "uuid", "format", "lfn", "pfn", "num_selected_entries"];

/// Whether a value can be one of coffea's datasets.
pub(super) fn is_dataset(node: &Node) -> bool {
    match &node.shape {
        Shape::List(_) => true,
        Shape::Map(entries) => node.find("files").is_some() || is_file_map(entries),
        _ => false,
    }
}

/// `{file: tree}`, with a tree's name, nothing, or what preprocessing found.
fn is_file_map(entries: &[Entry]) -> bool {
    let is_file = |node: &Node| match &node.shape {
        Shape::Null | Shape::Text(_) => true,
        Shape::Map(_) => FILE.iter().any(|key| node.find(key).is_some()),
        _ => false,
    };
    !entries.is_empty() && entries.iter().all(|entry| is_file(&entry.value)) && are_paths(entries)
}

/// Whether no key of a map is, or was meant to be, one of a dataset's.
fn are_paths(entries: &[Entry]) -> bool {
    entries.iter().all(|entry| hep_columns::nearest(&entry.key, DATASET.iter().copied()).is_none())
}

pub(super) fn read(root: &Node, mut builder: Builder<'_>) -> Result<Fileset, FilesetError> {
    for Entry { key: name, line, value } in root.as_map().unwrap_or_default() {
        dataset(&mut builder, name, *line, value)?;
        builder.close(*line)?;
    }
    builder.finish(None)
}

fn dataset(builder: &mut Builder<'_>, name: &str, line: u64, node: &Node) -> Result<(), FilesetError> {
    let place = format!("dataset `{name}`");
    match &node.shape {
        Shape::List(list) => {
            builder.dataset(name, line, None)?;
            files_in_list(builder, &place, list, None)
        }
        Shape::Map(entries) if are_paths(entries) => {
            builder.dataset(name, line, None)?;
            files_in_map(builder, &place, entries, None)
        }
        Shape::Map(_) => {
            let fields = node.fields(&place, "a map", DATASET)?;
            builder.dataset(name, line, fields.find("metadata"))?;
            check_format(fields.find("format"), &place)?;
            let tree = match fields.find("treename") {
                Some(node) => Some(build::tree(node, &format!("`treename` of {place}"))?),
                None => None,
            };
            let Some(files) = fields.find("files") else {
                return Err(node.error(FilesetProblem::MissingKey { key: "files", place }));
            };
            match &files.shape {
                Shape::List(list) => files_in_list(builder, &place, list, tree.as_deref()),
                Shape::Map(entries) => files_in_map(builder, &place, entries, tree.as_deref()),
                _ => {
                    Err(files
                        .wrong(&format!("`files` of {place}"), "a list of files or a map from file to tree"))
                }
            }
        }
        _ => Err(node.wrong(&place, "a list of files, a map from file to tree, or a map with `files`")),
    }
}

fn files_in_list(
    builder: &mut Builder<'_>,
    place: &str,
    list: &[Node],
    default: Option<&str>,
) -> Result<(), FilesetError> {
    for node in list {
        builder.file(&build::plain_file(node, place, "a path", default)?, node.line)?;
    }
    Ok(())
}

/// `{file: tree}`; the colon in such a key belongs to the file's name.
pub(super) fn files_in_map(
    builder: &mut Builder<'_>,
    place: &str,
    entries: &[Entry],
    default: Option<&str>,
) -> Result<(), FilesetError> {
    for Entry { key: path, line, value } in entries {
        let place = || format!("file `{}` of {place}", location::without_secrets(path).escape_debug());
        let mut file =
            FileSpec { path: path.clone(), tree: default.map(str::to_owned), ..FileSpec::default() };
        match &value.shape {
            Shape::Null => {}
            Shape::Map(_) => {
                let place = place();
                let fields = value.fields(&place, "a map", FILE)?;
                check_format(fields.find("format"), &place)?;
                if let Some(node) = fields.find("object_path") {
                    file.tree = Some(build::tree(node, &format!("`object_path` of {place}"))?);
                }
                let (uuid, entries) = (fields.find("uuid"), fields.find("num_entries"));
                build::known_facts(&mut file, &place, uuid, entries, fields.find("steps"))?;
            }
            Shape::Text(_) => file.tree = Some(build::tree(value, &format!("the tree of {}", place()))?),
            _ => {
                let wanted = "the name of a tree or a map with `object_path`";
                return Err(value.wrong(&format!("the tree of {}", place()), wanted));
            }
        }
        builder.file(&file, *line)?;
    }
    Ok(())
}

fn check_format(format: Option<&Node>, place: &str) -> Result<(), FilesetError> {
    let Some(node) = format else { return Ok(()) };
    match node.text(&format!("`format` of {place}"), "text")? {
        // What a file is, its first bytes say.
        "root" | "parquet" => Ok(()),
        other => {
            let what = format!("the format `{}` of {place} is", other.escape_debug());
            Err(node.error(FilesetProblem::Unsupported { what }))
        }
    }
}
