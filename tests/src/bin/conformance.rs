//! `conformance DIR`: every column of every file below a folder, against the `reference.json` beside
//! them.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hep_tests::conformance::{Checked, Content, Counts, Folder, Leaf, Level, Outcome, Table, record_panics};
use serde_json::{Value, json};

/// Reads every column of every file below a folder, compares it with the `reference.json` beside them,
/// and prints how many are equal. Ends with 1 if any differs or fails.
///
/// To the left of the bar are the columns that the reference lists, to the right those it does not:
/// `read` means only that they could be read.
#[derive(Parser)]
struct Arguments {
    /// The folder.
    folder: PathBuf,
    /// Only the files whose names contain this.
    #[arg(long, default_value = "")]
    file: String,
    /// One row for each kind of branch instead of one for each file.
    #[arg(long)]
    by_kind: bool,
    /// Lists the columns that cannot be read, with the reasons.
    #[arg(long)]
    unsupported: bool,
    /// How many columns that differ or fail are listed.
    #[arg(long, default_value_t = 20)]
    complaints: usize,
    /// Writes each column's outcome to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Files that are read at a time.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    record_panics();
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let folder = Folder::open(&arguments.folder)?;
    let (there, absent): (Vec<_>, Vec<_>) = folder
        .files
        .iter()
        .filter(|file| file.contains(&arguments.file))
        .cloned()
        .partition(|f| folder.has(f));
    let threads =
        arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let files = folder.check(&there, threads);

    let mut table = Table::default();
    let mut unreadable = Table::default();
    for (file, checked) in there.iter().zip(&files) {
        for one in checked {
            let kind = if one.kind.is_empty() { "not in the reference" } else { &one.kind };
            table.add(if arguments.by_kind { kind } else { file }, one);
            if folder.unreadable(file, one) {
                unreadable.add("", one);
            }
        }
    }
    println!("{table}");
    let referenced = files.iter().flatten().filter(|one| one.referenced && !is_suspect(one));
    let equal = referenced.clone().filter(|one| one.outcome == Outcome::Equal).count();
    let referenced = referenced.count();
    println!(
        "of {referenced} columns with a reference: {equal} equal ({:.2} %)",
        100.0 * equal as f64 / referenced.max(1) as f64
    );
    for file in &absent {
        println!("absent: {file}");
    }
    if folder.unreadables() > 0 {
        let counts = unreadable.total();
        println!(
            "of {} columns that uproot cannot read: {} read, {} unsupported, {} errors",
            folder.unreadables(),
            counts.no_reference + counts.equal + counts.suspect + counts.extra_read,
            counts.unsupported + counts.extra_unsupported,
            counts.error + counts.extra_error,
        );
    }
    list(&there, &files, arguments);
    if let Some(path) = &arguments.json {
        write(path, &there, &files, &table.total())?;
    }
    Ok(table.total().sound())
}

fn is_suspect(one: &Checked) -> bool {
    matches!(one.outcome, Outcome::Suspect(_))
}

/// What an outcome is called, and its reason.
fn words(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Equal => ("equal", ""),
        Outcome::NoReference => ("no_reference", ""),
        Outcome::Read => ("read", ""),
        Outcome::Different(why) => ("different", why),
        Outcome::Suspect(why) => ("suspect", why),
        Outcome::Unsupported(why) => ("unsupported", why),
        Outcome::Error(why) => ("error", why),
    }
}

fn list(files: &[String], all: &[Vec<Checked>], arguments: &Arguments) {
    let each = |wanted: &[&str], limit: usize| {
        let columns = files.iter().zip(all).flat_map(|(file, all)| all.iter().map(move |one| (file, one)));
        let wanted = columns.filter(|(_, one)| wanted.contains(&words(&one.outcome).0));
        for (file, one) in wanted.take(limit) {
            let (word, why) = words(&one.outcome);
            println!("{word} {}: {why}  [{file}:{}:{}]", one.kind, one.tree, one.column);
        }
    };
    each(&["suspect"], usize::MAX);
    each(&["different", "error"], arguments.complaints);
    if arguments.unsupported {
        each(&["unsupported"], usize::MAX);
    }
}

/// A leaf in the terms of `reference.json`; of its levels only the lists of any length.
fn leaf(leaf: &Leaf) -> Value {
    let lists: Vec<&str> = leaf.levels.iter().filter_map(offsets).collect();
    match &leaf.content {
        Content::Numbers { dtype, n, hash, .. } => json!({
            "field": leaf.field, "dtype": dtype, "n": n, "content_sha256": hash, "lists": lists,
        }),
        Content::Strings { n, bytes, offsets, hash, .. } => json!({
            "field": leaf.field, "kind": "string", "n": n, "nbytes": bytes,
            "offsets_sha256": offsets, "content_sha256": hash, "lists": lists,
        }),
        Content::EmptyRecord { n } => {
            json!({"field": leaf.field, "kind": "empty-record", "n": n, "lists": lists})
        }
        Content::Nothing => json!({"field": leaf.field, "kind": "nothing"}),
    }
}

fn offsets(level: &Level) -> Option<&str> {
    match level {
        Level::Jagged(hash) => Some(hash),
        Level::Fixed(_) | Level::Optional(_) | Level::Union(..) => None,
    }
}

fn write(path: &Path, files: &[String], all: &[Vec<Checked>], total: &Counts) -> Result<(), String> {
    let column = |one: &Checked| {
        let (word, why) = words(&one.outcome);
        let leaves: Vec<Value> = one.leaves.iter().map(leaf).collect();
        json!({
            "tree": one.tree, "column": one.column, "kind": one.kind, "outcome": word, "why": why,
            "referenced": one.referenced, "leaves": leaves,
        })
    };
    let file = |(name, all): (&String, &Vec<Checked>)| {
        (name.clone(), Value::Array(all.iter().map(column).collect()))
    };
    let files: serde_json::Map<String, Value> = files.iter().zip(all).map(file).collect();
    let total: serde_json::Map<String, Value> =
        Counts::NAMES.iter().zip(total.numbers()).map(|(name, n)| ((*name).to_owned(), n.into())).collect();
    let text = json!({"total": total, "files": files}).to_string();
    std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))
}
