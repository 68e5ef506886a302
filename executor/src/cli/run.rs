use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use super::plan::{Asked, Request};
use super::{ExecutorKind, Format, INCOMPLETE, RunArgs, build, print};
use crate::local::Executor;
use crate::processes::Processes;
use crate::registry::AnyProcessor;
use crate::run::{Options, Outcome, Plan};
use crate::{Error, Registry, RunResult, output, summary};

/// `hep-run fileset.yaml`; returns the exit status.
pub(super) fn run(registry: &Registry, args: &RunArgs) -> RunResult<u8> {
    let mut request = match args.plan.request(registry)? {
        Asked::Here(request) => request,
        Asked::Elsewhere(path, name) => return build::run_elsewhere(&path, name.as_deref()),
    };
    request.options.prefetch = args.prefetch;
    request.options.executor = match (args.executor, args.workers) {
        (ExecutorKind::Serial, _) => Executor::Serial,
        (ExecutorKind::Threads, Some(workers)) => Executor::Threads(workers as usize),
        (_, _) => Executor::all_cores(),
    };
    let outputs = output::targets(&args.output, &request.path)?;
    let plan = request.plan()?;
    let Request { name, processor, options, progress, .. } = &*request;
    if args.dry_run {
        print(&describe(&plan, name, &**processor, options, args.format)?);
        return Ok(0);
    }
    // An output that cannot be written should cost seconds, not the run.
    output::probe(&outputs)?;
    let mut outcome = match args.executor {
        ExecutorKind::Serial | ExecutorKind::Threads => plan.run(&**processor, options, progress)?,
        ExecutorKind::Processes => {
            let workers =
                args.workers.map_or_else(|| Executor::all_cores().workers(), |workers| workers as usize);
            let processes = Processes { workers, range_timeout: args.range_timeout };
            let job = request.job(&plan, &args.plan);
            let reduction = processes.run(&plan, &job, &**processor, progress)?;
            plan.conclude(reduction, &**processor, options)?
        }
    };
    outcome.ledger.processor.clone_from(name);
    conclude(&outcome, name, &outputs, args)
}

/// Writes the outputs, prints the summary, and says how complete the result is.
fn conclude(outcome: &Outcome, processor: &str, outputs: &[PathBuf], args: &RunArgs) -> RunResult<u8> {
    let totals = outcome.ledger.totals();
    let missing = totals.missing();
    let incomplete = missing > args.allow_missing || (totals.files_unknown > 0 && args.allow_missing == 0.0);
    let nothing = totals.done == 0 && (totals.failed > 0 || totals.files_unknown > 0);
    // What lacks more than was allowed never takes the name of a complete result.
    let paths: Vec<PathBuf> = match incomplete {
        true => outputs.iter().map(|path| output::incomplete_name(path)).collect(),
        false => outputs.to_vec(),
    };
    for path in &paths {
        output::write(path, outcome, processor)?;
    }
    print(&match args.format {
        Format::Text => summary::text(outcome),
        Format::Json => summary::json(outcome, &paths),
    });
    if !incomplete {
        return Ok(0);
    }
    let mut message = summary::failures(&outcome.ledger);
    let written = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    if nothing {
        return Err(Error::Nothing(format!("{message}\nthe ledger is in {written}")));
    }
    let _ = write!(
        message,
        "\nincomplete: {:.3} % of the entries are missing, more than --allow-missing {:.3} %; \
         what was done, and the ledger, is in {written}",
        100.0 * missing,
        100.0 * args.allow_missing,
    );
    let _ = writeln!(std::io::stderr(), "error: {message}");
    Ok(INCOMPLETE)
}

/// What a run would read.
fn describe(
    plan: &Plan,
    name: &str,
    processor: &dyn AnyProcessor,
    options: &Options,
    format: Format,
) -> RunResult<String> {
    let mut files = Vec::new();
    let bytes = plan.bytes(processor, options)?;
    for (at, file) in plan.files().iter().enumerate() {
        let ranges: Vec<_> = plan.ranges().iter().filter(|range| range.file == at).collect();
        files.push((file, ranges, bytes[at]));
    }
    if format == Format::Json {
        let files: Vec<_> = files
            .iter()
            .map(|(file, ranges, bytes)| {
                serde_json::json!({
                    "path": file.ledger.path,
                    "tree": file.ledger.tree,
                    "uuid": file.ledger.uuid,
                    "entries": file.ledger.entries,
                    "columns": file.columns,
                    "bytes": bytes,
                    "ranges": ranges.iter().map(|r| [r.entries.start, r.entries.end]).collect::<Vec<_>>(),
                    "skipped": file.ledger.skipped,
                    "failed": file.ledger.failed,
                })
            })
            .collect();
        return Ok(format!("{}\n", serde_json::json!({ "processor": name, "files": files })));
    }
    let total: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
    let mut text = format!(
        "processor {name}: {} entries in {} ranges of {} files, {:.1} MB to read\n",
        plan.entries(),
        plan.ranges().len(),
        files.len(),
        total as f64 / 1e6
    );
    for (file, ranges, bytes) in files {
        let entries: u64 = ranges.iter().map(|range| range.entries.end - range.entries.start).sum();
        let _ = writeln!(text, "{}:{}", file.ledger.path, file.ledger.tree);
        for missed in file.ledger.failed.iter().chain(&file.ledger.skipped) {
            let entries = missed.entries.map_or_else(|| "all".to_owned(), |(a, b)| format!("{a}..{b}"));
            let _ = writeln!(text, "  not read: entries {entries} ({})", missed.reason);
        }
        if !ranges.is_empty() {
            let megabytes = bytes as f64 / 1e6;
            let _ = writeln!(text, "  {entries} entries in {} ranges, {megabytes:.1} MB", ranges.len());
            let _ = writeln!(text, "  columns: {}", file.columns.join(", "));
        }
    }
    Ok(text)
}

/// This command line, for another binary.
pub(super) fn arguments_for_another(name: Option<&str>) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut given = std::env::args_os().skip(1);
    while let Some(argument) = given.next() {
        // The processor named by a path is the other binary itself.
        match argument.to_str() {
            Some("--processor") => drop(given.next()),
            Some(text) if text.starts_with("--processor=") => {}
            _ => arguments.push(argument),
        }
    }
    arguments.push("--within".into());
    if let Some(name) = name {
        arguments.extend(["--processor".into(), name.into()]);
    }
    arguments
}
