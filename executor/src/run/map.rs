//! One range: read, decode, process. What every executor does, wherever it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hep_analysis::DatasetColumns;
use hep_columns::Batch;
use hep_io::{ColumnCost, ReadPlan, Scratch};

use super::prefetch::{Ahead, Needed};
use super::read::{Arrived, Needs, Underway};
use super::retry::retrying;
use super::shared::SharedPieces;
use super::{Options, Plan, PlannedRange, show};
use crate::checkpoint::{Checkpoints, Found, Key};
use crate::error::{Error, RunResult};
use crate::explain::{Laps, RangeExpense, Stage, Stages};
use crate::friends::Join;
use crate::local::{thread_cpu, without_panic};
use crate::memory::{Gate, Pass};
use crate::output::booked;
use crate::partial::{Account, Cost};
use crate::progress::Progress;
use crate::registry::{AnyOutput, AnyProcessor};

/// Entries decoded at once, at most. The columns of a typical analysis then stay in the second-level cache.
const BATCH_ENTRIES: usize = 16_384;
/// Bytes decoded at once, about: wide or long events come fewer at a time. What a processor adds up over a
/// batch depends on this, so that it is the same for every executor and however much memory there is.
const BATCH_BYTES: u64 = 4 << 20;

/// What a worker reuses from range to range.
#[derive(Default)]
pub(crate) struct Workspace {
    scratch: Scratch,
    friends: Vec<Scratch>,
    /// The names of the friends that those are of.
    aliases: Vec<String>,
}

impl Workspace {
    /// Makes as many as the friends' decoders, and sets all.
    fn prepare<'f>(&mut self, friends: impl Iterator<Item = &'f str>, skip_checksums: bool) {
        let mut decoders = 0;
        for (at, alias) in friends.enumerate() {
            decoders += 1;
            match self.aliases.get_mut(at) {
                Some(known) if known == alias => {}
                Some(other) => alias.clone_into(other),
                None => self.aliases.push(alias.to_owned()),
            }
        }
        self.friends.resize_with(decoders, Scratch::default);
        self.scratch.skip_checksums(skip_checksums);
        self.friends.iter_mut().for_each(|scratch| scratch.skip_checksums(skip_checksums));
    }

    /// Gives what was spent on each column since this was asked the last time.
    pub(crate) fn take_costs(&mut self, mut sink: impl FnMut(&str, ColumnCost)) {
        self.scratch.take_costs(&mut sink);
        for (scratch, alias) in self.friends.iter_mut().zip(&self.aliases) {
            scratch.take_costs(|column, cost| sink(&format!("{alias}.{column}"), cost));
        }
    }
}

/// Processes the ranges of a plan, for any number of workers.
pub(crate) struct Mapper<'a> {
    plan: &'a Plan,
    processor: &'a dyn AnyProcessor,
    options: &'a Options,
    progress: &'a Progress,
    datasets: &'a [Arc<DatasetColumns>],
    shared: Option<&'a SharedPieces>,
    gate: Gate,
    /// What the output of the last range took.
    output: AtomicU64,
}

/// The reading of a range, begun, or why it could not be.
pub(crate) struct Begun(RunResult<Underway>);

/// What came of a range.
pub(crate) struct Mapped {
    /// Its output, or why there is none.
    pub(crate) output: RunResult<Box<dyn AnyOutput>>,
    pub(crate) entries: u64,
    pub(crate) tries: u32,
    pub(crate) cost: Cost,
    /// What the time was spent on; decompression counts as decoding.
    stages: Stages,
    /// Whether it was kept of an earlier run.
    kept: bool,
    /// What a person may want to know of the keeping.
    notice: Option<String>,
}

/// How many entries are decoded at once.
struct BatchSize {
    entries: usize,
}

impl BatchSize {
    /// At first by the compressed bytes, which come to several times as many.
    fn of(plan: &ReadPlan) -> Self {
        const EXPANSION: u64 = 4;
        let entries = plan.entries.end - plan.entries.start;
        Self { entries: Self::fitting(plan.bytes().saturating_mul(EXPANSION), entries) }
    }

    /// Then by what there was in the last ones.
    fn learn(&mut self, batch: &Batch) {
        self.entries = Self::fitting(batch.bytes(), batch.len() as u64).min(self.entries.saturating_mul(4));
    }

    fn fitting(bytes: u64, entries: u64) -> usize {
        let fitting = u128::from(BATCH_BYTES) * u128::from(entries) / u128::from(bytes.max(1));
        fitting.clamp(1, BATCH_ENTRIES as u128) as usize
    }
}

impl<'a> Mapper<'a> {
    /// For the ranges of `plan`.
    ///
    /// # Errors
    /// Where the processor cannot declare the columns of a dataset.
    pub(crate) fn new(
        plan: &'a Plan,
        processor: &'a dyn AnyProcessor,
        options: &'a Options,
        progress: &'a Progress,
    ) -> RunResult<Self> {
        let gate = Gate::new(options.memory.at_work());
        Ok(Self {
            plan,
            processor,
            options,
            progress,
            datasets: plan.columns(processor)?,
            shared: None,
            gate,
            output: AtomicU64::new(0),
        })
    }

    /// Reads and decompresses what ranges of this process have in common once.
    pub(crate) fn sharing(self, shared: &'a SharedPieces) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// Whether a range is read over the network.
    pub(crate) fn is_remote(&self, at: usize) -> bool {
        self.plan.ranges.get(at).is_some_and(|range| self.plan.files[range.file].is_remote())
    }

    /// Whether the output of a range is likely to be among those that were kept.
    pub(crate) fn is_kept(&self, at: usize) -> bool {
        self.checkpoint(at).is_some_and(|(checkpoints, key)| checkpoints.has(key))
    }

    /// Where the output of a range is kept, if anywhere. A file without an identity of its own could be
    /// another one next time.
    fn checkpoint(&self, at: usize) -> Option<(&Checkpoints, Key)> {
        let checkpoints = self.options.checkpoints.as_deref()?;
        let PlannedRange { file, entries, .. } = self.plan.ranges.get(at)?;
        let file = &self.plan.files[*file];
        let key = file.made_of(entries, &self.datasets[file.dataset].dataset)?;
        Some((checkpoints, checkpoints.key(key.iter().map(String::as_bytes))))
    }

    /// Begins to read a range.
    pub(crate) fn begin(&self, at: usize) -> Begun {
        let begin = || Ok(self.needs(at)?.start());
        Begun(without_panic(begin).unwrap_or_else(|panic| Err(hep_analysis::Error::new(panic).into())))
    }

    /// Processes range `at`. `watch` is told how many entries are processed, from time to time, and says
    /// whether to go on.
    pub(crate) fn range(
        &self,
        workspace: &mut Workspace,
        at: usize,
        begun: Option<Begun>,
        watch: &dyn Fn(u64) -> bool,
    ) -> Mapped {
        let ahead = begun.map(|Begun(reading)| Ok(Ahead { reading: reading?, share: None }));
        self.range_ahead(workspace, at, ahead, watch)
    }

    /// What a range needs, shared with the other ranges of this process. Reads what its friends are looked up by, if
    /// nobody has.
    pub(super) fn needs(&self, at: usize) -> RunResult<Needs> {
        let mut needs = self.needs_alone(at)?;
        if let Some(shared) = self.shared {
            needs.share(&self.plan.ranges, self.plan.ranges[at].file, shared);
        }
        Ok(needs)
    }

    /// What a range needs, shared with none.
    fn needs_alone(&self, at: usize) -> RunResult<Needs> {
        let PlannedRange { file, entries, .. } = &self.plan.ranges[at];
        let file = &self.plan.files[*file];
        let schema = &self.datasets[file.dataset].schema;
        let opened = file.open(schema)?;
        self.plan.friends.index_for(&opened, self.options, self.progress);
        Needs::of(file, schema, entries)
    }

    /// The same for one whose reading may have begun.
    pub(super) fn range_ahead(
        &self,
        workspace: &mut Workspace,
        at: usize,
        mut ahead: Option<RunResult<Ahead<'_, Needs>>>,
        watch: &dyn Fn(u64) -> bool,
    ) -> Mapped {
        let PlannedRange { file: number, entries, .. } = &self.plan.ranges[at];
        let file = &self.plan.files[*number];
        let (started, begun, cpu) = (Instant::now(), Cost::now(), thread_cpu());
        let mut laps = Laps::from(started);
        let checkpoint = self.checkpoint(at);
        let mut notice = None;
        if let Some((checkpoints, key)) = &checkpoint {
            match checkpoints.find(*key, self.processor) {
                Found::Output(output) => {
                    let span = Some((begun, begun + started.elapsed()));
                    let cost = Cost { bytes: 0, cpu: thread_cpu() - cpu, span };
                    let entries = entries.end - entries.start;
                    laps.lap(Stage::Keep);
                    let (output, stages) = (Ok(output), laps.stages);
                    return Mapped { output, entries, tries: 1, cost, stages, kept: true, notice: None };
                }
                Found::Nothing => {}
                Found::Damaged(why) => notice = Some(why),
            }
            laps.lap(Stage::Keep);
        }
        let (mut cpu_elsewhere, mut untried) = (Duration::ZERO, true);
        let retries = file.retries(self.options.retries);
        let (result, tries) = retrying(retries, self.progress, &file.ledger.path, |suspects| {
            let work = || {
                // After a pause, if it was tried before. What others have read may be what was wrong with it.
                laps.lap(Stage::Wait);
                let is_first = std::mem::take(&mut untried);
                // Until all but the output is gone.
                let _pass;
                let mut arrived = match ahead.take() {
                    Some(ahead) => {
                        let Ahead { reading, share } = ahead?;
                        cpu_elsewhere = reading.cpu;
                        _pass = self.enter(reading.memory);
                        laps.lap(Stage::Wait);
                        let arrived = reading.wait();
                        drop(share);
                        arrived?
                    }
                    None => {
                        let needs = if is_first { self.needs(at)? } else { self.needs_alone(at)? };
                        laps.lap(Stage::Open);
                        _pass = self.enter(needs.memory());
                        laps.lap(Stage::Wait);
                        needs.start().wait()?
                    }
                };
                laps.lap(Stage::Read);
                suspects.add(&arrived.opened.source);
                arrived.friends.sources().for_each(|source| suspects.add(source));
                workspace.prepare(arrived.friends.aliases(&arrived.opened), self.options.skip_checksums);
                if let Some(shared) = self.shared.filter(|_| is_first) {
                    let scratch = &mut workspace.scratch;
                    let waited = shared.unpack(&self.plan.ranges, *number, &mut arrived, scratch);
                    laps.lap(Stage::Decode);
                    laps.stages.shift(Stage::Decode, Stage::Wait, waited);
                }
                // On its way meanwhile. A file that was overwritten in between has bytes of either content.
                let unchanged = arrived.verify();
                let done = self.process(&arrived, &self.datasets[file.dataset], workspace, &mut laps, watch);
                // Where decoding fails, that may be why.
                unchanged.into_iter().try_for_each(|wait| wait())?;
                laps.lap(Stage::Read);
                done
            };
            let result = without_panic(work).unwrap_or_else(|panic| {
                *workspace = Workspace::default();
                Err(hep_analysis::Error::new(panic).into())
            });
            if result.is_err() {
                // What has not arrived, and friends that were looked up meanwhile.
                file.suspect(suspects);
            }
            result
        });
        // The memory of what was read has been given back.
        laps.lap(Stage::Read);
        let storage_failed =
            |error: &Error| matches!(error, Error::Io(e @ hep_io::Error::Io { .. }) if e.is_transient());
        file.answered(!result.as_ref().err().is_some_and(storage_failed));
        let bytes = result.as_ref().map_or(0, |(_, bytes)| *bytes);
        if let (Ok((output, _)), Some((checkpoints, key))) = (&result, checkpoint) {
            notice = checkpoints.keep(key, &**output).or(notice);
            laps.lap(Stage::Keep);
        }
        Mapped {
            output: result.map(|(output, _)| output),
            entries: entries.end - entries.start,
            tries,
            stages: laps.stages,
            kept: false,
            notice,
            cost: Cost {
                bytes,
                cpu: thread_cpu() - cpu + cpu_elsewhere,
                span: Some((begun, begun + started.elapsed())),
            },
        }
    }

    /// Waits until there is room for a range that takes so many bytes to read and decode.
    fn enter(&self, bytes: u64) -> Pass<'_> {
        let output = self.output.load(Ordering::Relaxed);
        self.gate.enter(bytes.saturating_add(BATCH_BYTES).saturating_add(output))
    }

    /// Decodes and processes. Returns the partial output and the bytes read.
    fn process(
        &self,
        arrived: &Arrived,
        dataset: &Arc<DatasetColumns>,
        workspace: &mut Workspace,
        laps: &mut Laps,
        watch: &dyn Fn(u64) -> bool,
    ) -> RunResult<(Box<dyn AnyOutput>, u64)> {
        let Arrived { opened, plan, bytes, friends, .. } = arrived;
        let mut output = self.processor.output(&dataset.dataset)?;
        laps.lap(Stage::Process);
        let mut join = Join::new(opened, friends, &mut workspace.friends)?;
        let mut batches = opened.reader.decode(plan, bytes, &mut workspace.scratch)?;
        let mut entries = 0;
        let mut size = BatchSize::of(plan);
        while let Some(batch) = batches.next(size.entries)? {
            if !watch(entries) {
                return Err(Error::Cancelled);
            }
            entries += batch.len() as u64;
            let batch = join.add(batch)?;
            size.learn(&batch);
            laps.lap(Stage::Decode);
            self.processor.process(batch, dataset, &mut *output)?;
            laps.lap(Stage::Process);
        }
        booked::check_names(&*output)?;
        laps.lap(Stage::Decode);
        let looked_up = join.looked_up();
        laps.stages.shift(Stage::Decode, Stage::Read, looked_up.time);
        self.output.store(output.memory() as u64, Ordering::Relaxed);
        Ok((output, arrived.size() + looked_up.bytes))
    }

    /// Notes in the account what became of range `at`; the reason, if it could not be had. It is in the
    /// account as failed only if it is `last`: nobody will try it again. `workspace` is the one it was mapped in,
    /// and knows what was spent on columns.
    pub(crate) fn account(
        &self,
        at: usize,
        mapped: &Mapped,
        workspace: &mut Workspace,
        last: bool,
        account: &mut Account,
    ) -> Option<String> {
        let PlannedRange { file: number, entries, .. } = &self.plan.ranges[at];
        let file = &self.plan.files[*number];
        account.add_file(*number as u32, u64::from(mapped.tries - 1), file.replicas_used());
        account.add_cost(file.dataset as u32, mapped.cost);
        let mut stages = mapped.stages;
        let of_dataset = account.expense_mut().datasets.entry(file.dataset as u32).or_default();
        workspace.take_costs(|column, cost| {
            of_dataset.add_column(column, &cost);
            stages.shift(Stage::Decode, Stage::Decompress, cost.decompress);
        });
        let range =
            RangeExpense { range: at as u32, stages, bytes: mapped.cost.bytes, entries: mapped.entries };
        let processed = mapped.output.is_ok() && !mapped.kept;
        account.expense_mut().add_range(file.dataset as u32, *number as u32, range, processed);
        if let Some(notice) = &mapped.notice
            && let kept @ Some(_) = account.add_notice(notice.clone())
        {
            show(notice, kept, self.progress);
        }
        let Err(error) = &mapped.output else {
            account.add_done(at as u32);
            account.add_kept(u64::from(mapped.kept) * mapped.entries);
            return None;
        };
        let again = match mapped.tries {
            1 => String::new(),
            tries => format!(" (tried {tries} times)"),
        };
        let (start, end, path) = (entries.start, entries.end, &file.ledger.path);
        let reason = format!("entries {start}..{end} of {path} are lost: {error}{again}");
        if last {
            account.add_failed(at as u32, reason.clone());
        }
        Some(reason)
    }
}
