use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt::Write as _;

use hep_io::source::StorageOptions;

use super::ending::{Format, Made, Work};
use super::plan::{Asked, Request};
use super::{ExecutorKind, RunArgs, build, print, print_json};
use crate::descriptors::{Reserve, threads_with_files};
use crate::error::{Error, RunResult};
use crate::local::Executor;
use crate::memory::Memory;
use crate::output::{Targets, booked};
use crate::processes::Processes;
use crate::registry::AnyProcessor;
use crate::run::{Options, Plan, tell};
use crate::{Registry, binary, output, terminal};

/// `hep-run fileset.yaml`; returns the exit status.
pub(super) fn run(registry: &Registry, args: &RunArgs) -> RunResult<u8> {
    let mut request = match args.plan.request(registry)? {
        Asked::Here(request) => request,
        Asked::Elsewhere(path, name) => return build::run_elsewhere(&path, name.as_deref()),
    };
    if args.range_timeout.is_some() && matches!(args.executor, ExecutorKind::Serial | ExecutorKind::Threads) {
        return Err(Error::Usage(
            "--range-timeout is for --executor processes and dask: a thread cannot be ended".to_owned(),
        ));
    }
    if args.executor == ExecutorKind::Serial && args.workers.is_some_and(|workers| workers > 1) {
        return Err(Error::Usage("--executor serial has one worker".to_owned()));
    }
    let reserve = RefCell::new(Some(Reserve::take()));
    request.options.prefetch = args.prefetch;
    request.options.executor = match (args.executor, args.workers) {
        (ExecutorKind::Serial, _) => Executor::Serial,
        (ExecutorKind::Threads, Some(workers)) => Executor::Threads(workers as usize),
        (_, _) => Executor::all_cores(),
    };
    let outputs = match (args.sample, &args.output[..]) {
        // What is of a sample is hardly ever wanted.
        (Some(_), []) => Vec::new(),
        _ => output::targets(&args.output, &request.path, args.shard)?,
    };
    if args.sample.is_some() && outputs.iter().any(|path| output::is_partial(path)) {
        return Err(Error::Usage(
            "--sample leaves no .partial: --shard makes parts that can be merged".to_owned(),
        ));
    }
    if args.sample.is_some() && args.executor == ExecutorKind::Dask {
        return Err(Error::Usage(
            "--executor dask does the whole of a run: --sample is for the other executors".to_owned(),
        ));
    }
    // Before any file is opened, of a server either. An output that cannot be written should cost no run.
    let targets = match args.dry_run {
        true => Targets::default(),
        false => Targets::new(outputs.clone(), request.inputs(), args.plan.force)?,
    };
    if !args.dry_run {
        booked::check(&*request.processor, &request.name, &request.chosen(&args.plan), &outputs)?;
    }
    if let Some(bytes) = args.memory {
        request.within(Memory::of(bytes)?, &args.plan)?;
        let memory = request.options.memory;
        if let Executor::Threads(workers) = &mut request.options.executor {
            *workers = memory.threads(*workers);
        }
    }
    if let Executor::Threads(workers) = &mut request.options.executor {
        let fewer = threads_with_files(*workers);
        if fewer < *workers {
            let message = format!("{fewer} of {workers} threads work: more files cannot be open (ulimit -n)");
            request.progress.warn(&message);
            *workers = fewer;
        }
    }
    // Of what settings name as it is now: processors have read it when they were made.
    let provenance = request.provenance();
    let mut plan = request.plan()?;
    let memory = request.options.memory;
    let largest = plan.largest_range().map_or(0, |(_, bytes)| bytes);
    if let Some((file, bytes)) = plan.largest_range() {
        memory.check_range(&file.ledger.path, bytes)?;
    }
    if let Some(sample) = args.sample {
        plan.ask_for_sample(sample);
    }
    if let Some(shard) = args.shard {
        let entries = plan.ranges().iter().map(|range| range.entries.end - range.entries.start);
        plan.ask_for(shard.ranges(entries).collect(), &format!("--shard {shard}"));
    }
    let Request { name, processor, options, progress, .. } = &*request;
    if args.executor != ExecutorKind::Dask {
        args.dask.for_another_executor()?;
    } else if args.shard.is_some() || outputs.iter().any(|path| output::is_partial(path)) {
        return Err(Error::Usage(
            "--executor dask does the whole of a run: --shard and .partial are for the other executors"
                .to_owned(),
        ));
    }
    if args.dry_run {
        let text = describe(&plan, name, &**processor, options, args.ending.format)?;
        match args.ending.format {
            Format::Text => print(&text)?,
            Format::Json => print_json(&text)?,
        }
        return Ok(0);
    }
    let mut job = request.job(&plan, &args.plan, provenance);
    let json = match targets.has_partial() {
        true => {
            job.binary = binary::hash()?;
            job.to_json()?
        }
        false => Vec::new(),
    };
    let processed = |plan: &Plan, lost| match args.executor {
        ExecutorKind::Serial | ExecutorKind::Threads => plan.process(&**processor, options, progress, lost),
        ExecutorKind::Processes => {
            let workers =
                args.workers.map_or_else(|| Executor::all_cores().workers(), |workers| workers as usize);
            // Each has two pipes.
            let workers = memory.processes(threads_with_files(2 * workers).div_ceil(2), largest);
            let mut job = job.clone();
            job.storage.whole_files = Some(memory.whole_files() / workers.max(1) as u64);
            let processes = Processes {
                workers,
                range_timeout: args.range_timeout,
                read_ahead: args.prefetch > 0,
                memory,
                interrupt: options.interrupt,
            };
            processes.run(plan, &job, &**processor, progress, lost)
        }
        ExecutorKind::Dask => {
            let dask = args.dask.executor(args.workers, args.range_timeout, options.interrupt);
            // A node may have many workers, and more memory or less than this one.
            let mut job = job.clone();
            job.storage.whole_files = Some(StorageOptions::default().whole_files);
            dask.run(plan, &job, &**processor, progress)
        }
    };
    let process = |plan: &Plan, lost| {
        let reduction = processed(plan, lost)?;
        // Outputs are written next.
        drop(reserve.take());
        // Where others process the ranges, of the opening of the files.
        tell(&*options.storage, &reduction, progress);
        Ok(reduction)
    };
    let is_part = args.shard.is_some();
    let made = Made { name, provenance: &job.ledger.provenance };
    Work { job: &json, made, processor: &**processor, options, process: &process, is_part }.carry_out(
        plan,
        &targets,
        &args.ending,
    )
}

/// What a run would read.
fn describe(
    plan: &Plan,
    name: &str,
    processor: &dyn AnyProcessor,
    options: &Options,
    format: Format,
) -> RunResult<String> {
    let bytes = plan.bytes(processor, options)?;
    let mut files: Vec<_> = plan.files().iter().zip(bytes).map(|(file, b)| (file, Vec::new(), b)).collect();
    for range in plan.asked().into_iter().map(|at| &plan.ranges()[at]) {
        files[range.file].1.push(range);
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
                    "absent": file.ledger.absent,
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
        plan.asked().len(),
        files.len(),
        total as f64 / 1e6
    );
    for (file, ranges, bytes) in files {
        let entries: u64 = ranges.iter().map(|range| range.entries.end - range.entries.start).sum();
        let _ = writeln!(text, "{}:{}", terminal::name(&file.ledger.path), terminal::name(&file.ledger.tree));
        for missed in file.ledger.failed.iter().chain(&file.ledger.skipped) {
            let entries = missed.entries.map_or_else(|| "all".to_owned(), |(a, b)| format!("{a}..{b}"));
            let reason = missed.reason.replace('\n', "\n      ");
            let _ = writeln!(text, "  not read: entries {entries} ({reason})");
        }
        if !ranges.is_empty() {
            let megabytes = bytes as f64 / 1e6;
            let _ = writeln!(text, "  {entries} entries in {} ranges, {megabytes:.1} MB", ranges.len());
            let _ = writeln!(text, "  columns: {}", file.columns.join(", "));
        }
    }
    for line in plan.absent() {
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

/// This command line, for another binary.
pub(super) fn arguments_for_another(name: Option<&str>) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut given = std::env::args_os().skip(1);
    let mut rest = Vec::new();
    while let Some(argument) = given.next() {
        // The processor named by a path is the other binary itself.
        match argument.to_str() {
            Some("--processor") => drop(given.next()),
            Some(text) if text.starts_with("--processor=") => {}
            // What is behind is for a batch system.
            Some("--") => rest = std::iter::once(argument).chain(given.by_ref()).collect(),
            _ => arguments.push(argument),
        }
    }
    arguments.push("--within".into());
    if let Some(name) = name {
        arguments.extend(["--processor".into(), name.into()]);
    }
    arguments.extend(rest);
    arguments
}
