//! Ranges on a Dask cluster: a Python driver connects, ships this binary, and has the ranges processed and
//! merged by resident children of the workers. Here it is started, asked, and what it gives is checked.
//!
//! Between this process and the driver go [frames](crate::worker::frames).

mod driver;
mod python;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use driver::Driver;

use crate::error::{Error, RunResult};
use crate::graph::{self, Task};
use crate::interrupt::Interrupt;
use crate::job::{Job, key_of};
use crate::memory::Memory;
use crate::partial::{Account, Cost, Partial, Reduction};
use crate::progress::{Elsewhere, Progress};
use crate::registry::AnyProcessor;
use crate::run::{Plan, PlannedRange, show};
use crate::{binary, checkpoint};

/// Partials that are merged at once: what a worker holds of them, and how deep the graph is.
const FAN_IN: usize = 16;

/// Which cluster, and how it works.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dask {
    /// Address of a scheduler, or a scheduler file. If not given, the environment and Dask's configuration are
    /// looked at, as `distributed.Client()` does.
    pub scheduler: Option<String>,
    /// A cluster that is started for this run.
    pub cluster: Option<String>,
    /// What it is started with.
    pub cluster_options: BTreeMap<String, String>,
    /// How many workers it has.
    pub workers: Option<usize>,
    /// The Python that has `distributed`.
    pub python: Option<OsString>,
    /// How long a range may take before its process is ended; for ever if not given.
    pub range_timeout: Option<Duration>,
    /// The signals that end a run, if any.
    pub interrupt: Interrupt,
    /// Whether the driver has started this process, and not the other way round.
    pub stdio: bool,
}

/// A range that could not be had on a worker.
#[derive(Deserialize)]
struct Failed(u32, String, String);

impl Dask {
    /// Processes every range of a plan's job on the cluster.
    ///
    /// # Errors
    /// Where there is no cluster, it is lost, or partial outputs cannot be merged.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        job: &Job,
        processor: &dyn AnyProcessor,
        progress: &Progress,
    ) -> RunResult<Reduction> {
        let json = job.to_json()?;
        let key = key_of(&json);
        let mut run = Run {
            plan,
            key,
            json,
            processor,
            progress,
            reduction: Reduction::within(Memory::of_machine(), plan.shape()),
            told: (0, 0),
        };
        if plan.ranges().is_empty() {
            if self.stdio {
                // Our standard output is the driver's. What is printed later must not get to it.
                Driver::of_parent(self.interrupt)?.close();
            }
            return Ok(run.reduction);
        }
        for (setting, path) in elsewhere(job) {
            progress.warn(&format!(
                "`{setting}` names {path}, which workers look for in their own folders: make it absolute"
            ));
        }
        let interrupted = |run: Run<'_>| {
            let asked: Vec<usize> = (0..plan.ranges().len()).collect();
            run.reduction.note(|account| account.add_interrupted(&asked, self.interrupt));
            Ok(run.reduction)
        };
        let mut driver = match self.connect(progress) {
            Err(_) if self.interrupt.is_set() => return interrupted(run),
            driver => driver?,
        };
        progress.start(plan.entries(), plan.ranges().len(), plan.files().len());
        let result = run.passes(&mut driver, self.range_timeout);
        progress.finish();
        // Whatever went wrong then, the signal was for the cluster too.
        if result.is_err() && self.interrupt.is_set() {
            driver.abandon();
            return interrupted(run);
        }
        driver.close();
        result.map(|()| run.reduction)
    }

    fn connect(&self, progress: &Progress) -> RunResult<Driver> {
        let own = binary::path()
            .map_err(|error| Error::Dask(format!("this process's own binary cannot be found: {error}")))?;
        let mut driver = match self.stdio {
            true => Driver::of_parent(self.interrupt)?,
            false => Driver::start(self.python.clone(), self.interrupt)?,
        };
        let header = json!({
            "op": "connect", "scheduler": self.scheduler, "cluster": self.cluster,
            "cluster_options": self.cluster_options, "workers": self.workers,
            "binary": own, "sha256": binary::hash()?,
        });
        let (answer, _) = driver.ask(header, &[], |event, _| {
            warn(event, progress);
            Ok(())
        })?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let mut message = format!("on {}: {} workers", text("address"), answer["workers"]);
        if !text("dashboard").is_empty() {
            message += &format!(", dashboard {}", text("dashboard"));
        }
        progress.say(&message);
        Ok(driver)
    }
}

/// What the settings and the metadata name by a path that is relative to this process's folder: whose values
/// they are, and the path. Of a text nothing else is known than that there is such a file.
fn elsewhere(job: &Job) -> Vec<(String, String)> {
    let settings = job.settings.iter().map(|(name, value)| (name.clone(), value));
    let metadata = job.datasets.iter().flat_map(|dataset| {
        dataset.metadata.iter().map(|(name, value)| (format!("{}: {name}", dataset.name), value))
    });
    let mut found = Vec::new();
    for (name, value) in settings.chain(metadata) {
        let mut texts = Vec::new();
        checkpoint::texts(value, &mut texts);
        let relative =
            texts.into_iter().filter(|text| Path::new(text).is_relative() && Path::new(text).is_file());
        found.extend(relative.map(|text| (name.clone(), text.to_owned())));
    }
    found
}

fn warn(event: &Value, progress: &Progress) {
    if event["event"] == "warning" {
        progress.warn(event["message"].as_str().unwrap_or_default());
    }
}

struct Run<'a> {
    plan: &'a Plan,
    key: String,
    json: Vec<u8>,
    processor: &'a dyn AnyProcessor,
    progress: &'a Progress,
    reduction: Reduction,
    /// Entries and bytes that the progress knows of.
    told: (u64, u64),
}

impl Run<'_> {
    /// All ranges, and those that failed a second time on other workers.
    fn passes(&mut self, driver: &mut Driver, timeout: Option<Duration>) -> RunResult<()> {
        let failed = self.pass(driver, self.whole()?, false, timeout)?;
        if failed.is_empty() {
            return Ok(());
        }
        for Failed(range, worker, reason) in &failed {
            self.progress.warn(&format!("{} (on {worker}); tried once more", self.lost(*range, reason)));
        }
        let again: HashMap<u32, String> =
            failed.into_iter().map(|Failed(at, worker, _)| (at, worker)).collect();
        let mut account = Account::default();
        for at in again.keys() {
            account.add_file(self.range(*at).file as u32, 1, []);
        }
        self.reduction.add(Partial { nodes: Vec::new(), account })?;
        let failed = self.pass(driver, self.some(&again)?, true, timeout)?;
        for Failed(range, worker, reason) in failed {
            let reason = self.lost(range, &reason);
            self.progress.warn(&reason);
            // The others are in the partials, with their reasons.
            if !self.reduction.note(|account| account.holds(range)) {
                self.reduction.add(self.without(range, format!("{reason} (on {worker}; tried 2 times)")))?;
            }
        }
        Ok(())
    }

    /// One pass over a graph; the ranges that could not be had.
    fn pass(
        &mut self,
        driver: &mut Driver,
        graph: Vec<u8>,
        last: bool,
        timeout: Option<Duration>,
    ) -> RunResult<Vec<Failed>> {
        let datasets = self.plan.datasets();
        let labels: Vec<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
        let header = json!({
            "op": "run", "name": "hep-run", "fan_in": FAN_IN, "labels": labels, "last": last,
            "range_timeout": timeout.map(|timeout| timeout.as_secs_f64()),
        });
        let base = self.told;
        let graph = [self.json.clone(), graph];
        let (answer, buffers) = driver.ask(header, &graph, |event, buffers| {
            warn(event, self.progress);
            if let Ok(state) = serde_json::from_value::<Elsewhere>(event.clone()) {
                let now = (base.0 + state.entries, base.1 + state.bytes);
                self.progress.advance(now.0.saturating_sub(self.told.0), now.1.saturating_sub(self.told.1));
                self.progress.elsewhere(&state);
                self.told = now;
            }
            for bytes in &buffers {
                self.add(Partial::decode(bytes, &self.key, &self.plan.shape(), self.processor)?)?;
            }
            Ok(())
        })?;
        let [failed] = &buffers[..] else {
            return Err(Error::Dask(format!("the driver answered with something else: {answer}")));
        };
        serde_json::from_slice(failed)
            .map_err(|error| Error::Dask(format!("the driver answered with something else: {error}")))
    }

    fn add(&self, mut partial: Partial) -> RunResult<()> {
        for notice in partial.account.take_notices() {
            show(&notice, self.reduction.note(|account| account.add_notice(notice.clone())), self.progress);
        }
        self.reduction.add(partial)
    }

    fn range(&self, at: u32) -> &PlannedRange {
        &self.plan.ranges()[at as usize]
    }

    /// What could not be had, and why.
    fn lost(&self, at: u32, reason: &str) -> String {
        let PlannedRange { file, entries, .. } = self.range(at);
        let what =
            format!("entries {}..{} of {}", entries.start, entries.end, self.plan.files()[*file].ledger.path);
        // A worker says so itself.
        if reason.starts_with(&what) { reason.to_owned() } else { format!("{what} are lost: {reason}") }
    }

    /// A range that nobody will try again.
    fn without(&self, at: u32, reason: String) -> Partial {
        let mut account = Account::default();
        account.add_failed(at, reason);
        account.add_cost(self.plan.files()[self.range(at).file].dataset as u32, Cost::default());
        let leaf = self.plan.shape().leaf(at as usize);
        Partial { nodes: leaf.map(|leaf| (leaf, None)).into_iter().collect(), account }
    }

    /// The graph of all ranges.
    fn whole(&self) -> RunResult<Vec<u8>> {
        let number = |task: &Task| match task {
            Task::Range(at) => i64::from(*at),
            Task::Merge(at) => -1 - i64::from(*at),
        };
        let merges = graph::merges(&self.plan.shape(), FAN_IN);
        let merges: Vec<Value> = merges
            .iter()
            .map(|merge| json!([merge.inputs.iter().map(number).collect::<Vec<_>>(), merge.dataset]))
            .collect();
        let ranges = (0..self.plan.ranges().len() as u32).map(|at| self.described(at)).collect();
        let joined = (0..).zip(self.plan.ranges()).filter(|(_, range)| range.joined).map(|(at, _)| at);
        text(ranges, merges, joined.collect())
    }

    /// The graph of some ranges, with the worker that each avoids.
    fn some(&self, again: &HashMap<u32, String>) -> RunResult<Vec<u8>> {
        let mut numbers: Vec<u32> = again.keys().copied().collect();
        numbers.sort_unstable();
        let ranges = numbers.iter().map(|at| {
            let mut range = self.described(*at);
            if let Value::Array(parts) = &mut range {
                parts.push(json!([again[at]]));
            }
            range
        });
        let mut merges = Vec::new();
        let mut level: Vec<i64> = numbers.iter().map(|at| i64::from(*at)).collect();
        loop {
            let mut above = Vec::new();
            for inputs in level.chunks(FAN_IN) {
                merges.push(json!([inputs, null]));
                above.push(-(merges.len() as i64));
            }
            level = above;
            if level.len() <= 1 {
                // Each alone, on a worker of its own choice.
                return text(ranges.collect(), merges, Vec::new());
            }
        }
    }

    fn described(&self, at: u32) -> Value {
        let PlannedRange { file, entries, .. } = self.range(at);
        let file = &self.plan.files()[*file];
        let name = file.ledger.path.split(['?', '#']).next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        json!([at, file.dataset, format!("{name}:{}..{}", entries.start, entries.end)])
    }
}

/// A graph for the driver; `joined` are the ranges that one process had better do with the one before.
fn text(ranges: Vec<Value>, merges: Vec<Value>, joined: Vec<u32>) -> RunResult<Vec<u8>> {
    serde_json::to_vec(&json!({ "ranges": ranges, "merges": merges, "joined": joined }))
        .map_err(|error| Error::Dask(error.to_string()))
}
