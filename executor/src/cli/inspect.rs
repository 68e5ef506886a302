use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use hep_io::object::Object;
use hep_io::root::Entry;
use hep_io::{EntryFile, EntryReader, Stored};
use serde_json::{Value, json};

use super::ending::Format;
use super::storage::StorageArgs;
use super::{objects, schema};
use crate::error::{Error, RunResult};
use crate::fileset::location;
use crate::storage::open_file;
use crate::terminal::{self, print, print_json};

/// `hep-run inspect`.
#[derive(Args)]
pub(super) struct InspectArgs {
    /// The file, and the tree to list the branches of, or the object to show: a histogram, a graph…
    #[arg(value_name = "FILE[:TREE|:OBJECT]")]
    target: String,
    /// Print the event struct of the tree, to paste into an analysis
    #[arg(long, value_enum)]
    schema: Option<Language>,
    /// Only branches whose name matches this pattern, `Muon_*`
    #[arg(long, value_name = "PATTERN")]
    branches: Option<String>,
    /// The form of what is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    storage: StorageArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Structs with `#[derive(Columnar)]`
    Rust,
}

/// A branch as it is listed.
struct Listed {
    name: String,
    kind: Result<String, String>,
    stored: Stored,
}

pub(super) fn inspect(args: &InspectArgs) -> RunResult<()> {
    let (path, tree) = split_target(&args.target);
    let storage = args.storage.storage();
    let opened = open_file(&*storage, path, &[])?;
    let reader = |tree: &str| opened.reader_with(tree, storage.short_branches());
    if let (EntryFile::Root(file), Some(path)) = (&opened, tree)
        && let Ok(key) = file.find(path)
        && let Some(object) = Object::read(file, &key)?
    {
        return match args.format {
            Format::Text => print(&objects::text(path, &object)),
            Format::Json => print_json(&format!("{}\n", objects::json(path, &object))),
        };
    }
    let entries = match &opened {
        EntryFile::Root(file) => file.walk()?,
        _ => Vec::new(),
    };
    let pattern = match args.branches.as_deref().map(glob::Pattern::new).transpose() {
        Ok(pattern) => pattern,
        Err(error) => return Err(Error::Usage(format!("--branches: {error}"))),
    };
    let chosen = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
    if args.schema.is_some() {
        let tree = match tree {
            Some(tree) => reader(tree)?,
            None => widest_tree(&opened, reader)?,
        };
        none_matches(args.branches.as_deref(), pattern.as_ref(), &tree.column_names())?;
        let columns = tree.column_names().into_iter().filter(|name| chosen(name));
        return print(&schema::rust(columns.filter_map(|name| tree.column(&name).ok())));
    }
    let trees: Vec<String> = match tree {
        Some(tree) => vec![tree.to_owned()],
        None => opened.trees()?,
    };
    let mut listed = Vec::new();
    let mut all = Vec::new();
    for name in trees {
        let tree = reader(&name)?;
        if pattern.is_some() {
            all.extend(tree.column_names());
        }
        let branches = tree.column_names().into_iter().filter(|name| chosen(name));
        let branches: Vec<Listed> = branches.map(|name| list(&*tree, name)).collect();
        listed.push((name, tree.entries(), branches));
    }
    none_matches(args.branches.as_deref(), pattern.as_ref(), &all)?;
    let keys: &[Entry] = if tree.is_some() { &[] } else { &entries };
    match args.format {
        Format::Text => print(&text(&opened, keys, &listed)),
        Format::Json => print_json(&json_text(&opened, keys, &listed)),
    }
}

/// Refuses a pattern that no branch matches: an empty list would look as if the file had none.
fn none_matches(given: Option<&str>, pattern: Option<&glob::Pattern>, all: &[String]) -> RunResult<()> {
    let (Some(given), Some(pattern)) = (given, pattern) else { return Ok(()) };
    if all.iter().any(|name| pattern.matches(name)) {
        return Ok(());
    }
    // Of `Moun_*`, what is like a name is `Moun_`, which is compared with as much of each name.
    let stem: String = given.chars().filter(|c| !matches!(c, '*' | '?' | '[' | ']')).collect();
    let length = stem.chars().count();
    let heads: Vec<String> = all.iter().map(|name| name.chars().take(length).collect()).collect();
    let near = hep_columns::nearest(&stem, heads.iter().map(String::as_str));
    let like: Vec<&str> = near
        .iter()
        .flat_map(|near| all.iter().filter(|name| name.starts_with(near.as_str())))
        .map(String::as_str)
        .take(5)
        .collect();
    let hint = match &like[..] {
        [] if all.len() <= 5 => format!("; there are {}", all.join(", ")),
        [] => String::new(),
        like => format!("; the nearest are {}", like.join(", ")),
    };
    Err(Error::Usage(format!("--branches {given}: none of the {} branches matches{hint}", all.len())))
}

/// `a.root:Events` is a file and a tree. Both may have colons in their names: the longest path that exists is
/// the file. Of a URL, the colon of a tree follows `.root`.
fn split_target(target: &str) -> (&str, Option<&str>) {
    if location::scheme(target).is_some() {
        return location::split_tree(target);
    }
    if Path::new(target).exists() {
        return (target, None);
    }
    let mut colons = target.rmatch_indices(':').map(|(colon, _)| colon);
    if let Some(colon) = colons.find(|colon| Path::new(&target[..*colon]).is_file()) {
        return (&target[..colon], Some(&target[colon + 1..]));
    }
    match (location::split_tree(target), target.rsplit_once(':')) {
        (split @ (_, Some(_)), _) => split,
        (_, Some((path, tree))) if !path.is_empty() => (path, Some(tree)),
        _ => (target, None),
    }
}

fn widest_tree(
    file: &EntryFile,
    reader: impl Fn(&str) -> hep_io::Result<Arc<dyn EntryReader>>,
) -> RunResult<Arc<dyn EntryReader>> {
    let trees = file.trees()?.iter().map(|name| reader(name)).collect::<Result<Vec<_>, _>>()?;
    trees
        .into_iter()
        .max_by_key(|tree| tree.column_names().len())
        .ok_or_else(|| Error::Usage(format!("{} holds no tree", file.source().name())))
}

fn list(tree: &dyn EntryReader, name: String) -> Listed {
    let kind = tree.column(&name).map(|info| info.type_name).map_err(|error| match error {
        hep_io::Error::Unsupported { reason, .. } => reason,
        other => other.to_string(),
    });
    Listed { stored: tree.stored(&name).unwrap_or_default(), kind, name }
}

const RECOVERED: &str = "  it was not closed, or its end is missing: there may have been more entries\n";

fn codec(setting: i32) -> String {
    let name = match setting / 100 {
        _ if setting % 100 == 0 => return "uncompressed".to_owned(),
        0 | 1 => "zlib",
        2 => "lzma",
        3 => "old (CS)",
        4 => "lz4",
        5 => "zstd",
        _ => "unknown codec",
    };
    format!("{name} {}", setting % 100)
}

fn version(version: u32) -> String {
    format!("{}.{:02}/{:02}", version / 10_000, version / 100 % 100, version % 100)
}

fn text(file: &EntryFile, keys: &[Entry], trees: &[(String, u64, Vec<Listed>)]) -> String {
    let mut text = match file {
        EntryFile::Root(file) => {
            format!(
                "{}: {:.1} kB, written by ROOT {}, new baskets {}, uuid {}\n",
                file.path(),
                file.size() as f64 / 1e3,
                version(file.version()),
                codec(file.compression()),
                file.uuid()
            ) + if file.is_recovered() { RECOVERED } else { "" }
        }
        EntryFile::Parquet(file) => {
            let by = file.written_by().map_or_else(String::new, |by| format!(", written by {by}"));
            let (size, codecs, uuid) = (file.size() as f64 / 1e3, file.codecs().join(" and "), file.uuid());
            format!("{}: Parquet, {size:.1} kB{by}, {codecs}, uuid {uuid}\n", file.path())
        }
        other => format!("{}: uuid {}\n", other.source().name(), other.uuid()),
    };
    if let EntryFile::Parquet(file) = file {
        for (at, (entries, bytes)) in file.row_groups().into_iter().enumerate() {
            let kilobytes = bytes as f64 / 1e3;
            let _ = writeln!(
                text,
                "  row group {at}: entries {}..{}, {kilobytes:.1} kB",
                entries.start, entries.end
            );
        }
    }
    for Entry { path, key } in keys {
        let ratio =
            f64::from(key.object_length) / f64::from(key.nbytes.saturating_sub(key.key_length).max(1));
        let content = match file {
            EntryFile::Root(file) => objects::line(file, key),
            _ => None,
        };
        let content = match content {
            Some(Ok(content)) => format!("  [{content}]"),
            Some(Err(reason)) => format!("  [cannot be read: {reason}]"),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "  {} {};{}  {} bytes, ratio {ratio:.1}  {}{}",
            terminal::name(&key.class_name),
            terminal::name(path),
            key.cycle,
            key.nbytes,
            terminal::name(&key.title),
            terminal::name(&content)
        );
    }
    let parquet = matches!(file, EntryFile::Parquet(_));
    let pieces = if parquet { "chunks" } else { "baskets" };
    for (name, entries, branches) in trees {
        let stored: u64 = branches.iter().map(|branch| branch.stored.bytes).sum();
        let _ = writeln!(
            text,
            "tree {}: {entries} entries, {} {}, {:.1} kB in {pieces}",
            terminal::name(name),
            branches.len(),
            if parquet { "columns" } else { "branches" },
            stored as f64 / 1e3
        );
        let width = branches.iter().map(|branch| branch.name.chars().count()).max().unwrap_or(0).min(48);
        for branch in branches {
            let Stored { bytes, pieces: count } = branch.stored;
            let kind = match &branch.kind {
                Ok(kind) => kind.clone(),
                Err(reason) => format!("cannot be read: {reason}"),
            };
            let (name, kind) = (terminal::name(&branch.name), terminal::name(&kind));
            let _ = writeln!(text, "  {name:<width$}  {bytes:>9} B in {count:>4} {pieces}  {kind}");
        }
    }
    text
}

fn json_text(file: &EntryFile, keys: &[Entry], trees: &[(String, u64, Vec<Listed>)]) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|Entry { path, key }| {
            let content = match file {
                EntryFile::Root(file) => objects::line(file, key),
                _ => None,
            };
            let (content, reason) = match content {
                Some(Ok(content)) => (Some(content), None),
                Some(Err(reason)) => (None, Some(reason)),
                None => (None, None),
            };
            json!({
                "path": path, "class": key.class_name, "cycle": key.cycle, "title": key.title,
                "bytes": key.nbytes, "uncompressed_bytes": key.object_length,
                "content": content, "unreadable": reason,
            })
        })
        .collect();
    let trees: BTreeMap<&str, Value> = trees
        .iter()
        .map(|(name, entries, branches)| {
            let branches: Vec<Value> = branches
                .iter()
                .map(|branch| {
                    let Stored { bytes, pieces } = branch.stored;
                    let (kind, reason) = (branch.kind.as_ref().ok(), branch.kind.as_ref().err());
                    json!({
                        "name": branch.name, "type": kind, "unreadable": reason,
                        "bytes": bytes, "baskets": pieces,
                    })
                })
                .collect();
            (name.as_str(), json!({ "entries": entries, "branches": branches }))
        })
        .collect();
    let mut value = json!({
        "path": file.source().name(), "uuid": file.uuid(), "keys": keys, "trees": trees,
    });
    if let EntryFile::Root(file) = file {
        value["bytes"] = file.size().into();
        value["recovered"] = file.is_recovered().into();
        value["root_version"] = version(file.version()).into();
        value["compression"] = codec(file.compression()).into();
    }
    if let EntryFile::Parquet(file) = file {
        let groups = file.row_groups().into_iter();
        let groups =
            groups.map(|(entries, bytes)| json!({ "entries": [entries.start, entries.end], "bytes": bytes }));
        value["bytes"] = file.size().into();
        value["written_by"] = file.written_by().into();
        value["compression"] = file.codecs().into();
        value["row_groups"] = groups.collect();
    }
    format!("{value}\n")
}
