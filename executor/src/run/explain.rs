//! From the account of a run to what can be told of its time and bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Plan, PlannedRange};
use crate::explain::predict::Whole;
use crate::explain::{
    DatasetTimes, Explanation, Predictions, SLOWEST, Sample, SlowFile, SlowRange, StageTimes, predict,
    seconds,
};
use crate::partial::Account;

impl Plan {
    /// Asks for a sample of the ranges only; the others are skipped for that reason.
    pub fn ask_for_sample(&mut self, sample: Sample) {
        let ranges = sample.ranges(self.ranges_by_dataset());
        self.ask_for(ranges, &format!("--sample {sample}"));
        self.sample = Some(sample);
    }

    /// The run of ranges of each dataset.
    fn ranges_by_dataset(&self) -> Vec<Range<usize>> {
        let dataset = |range: &PlannedRange| self.files[range.file].dataset;
        let end = |at: usize| self.ranges.partition_point(|range| dataset(range) < at);
        (0..self.fileset.datasets.len()).map(|at| end(at)..end(at + 1)).collect()
    }

    /// Where the time and the bytes went.
    pub(super) fn explain(&self, account: &Account) -> Explanation {
        let expense = account.expense();
        let name = |dataset: usize| {
            self.fileset.datasets.get(dataset).map_or_else(String::new, |dataset| dataset.name.clone())
        };
        let mut stages = StageTimes::of(&expense.stages());
        stages.merge = Some(seconds(expense.merge_time));
        let busy: f64 = stages.each().map(|(_, time)| time).sum();
        let threads = seconds(expense.threads);
        stages.idle = (expense.threads > 0).then(|| (threads - busy).max(0.0));
        let datasets = expense.datasets.iter().map(|(dataset, of)| {
            let columns = of.columns.iter().map(|(name, cost)| (name.clone(), cost.into()));
            let times = DatasetTimes { stages: StageTimes::of(&of.stages), columns: columns.collect() };
            (name(*dataset as usize), times)
        });
        let mut files: Vec<_> = expense.files.iter().collect();
        files.sort_by_key(|(file, of)| (std::cmp::Reverse(of.time), **file));
        let files = files.into_iter().take(SLOWEST).filter_map(|(file, of)| {
            let planned = self.files.get(*file as usize)?;
            Some(SlowFile {
                dataset: name(planned.dataset),
                path: planned.ledger.path.clone(),
                seconds: seconds(of.time),
                bytes: of.bytes,
                entries: of.entries,
                ranges: of.ranges,
            })
        });
        let ranges = expense.slowest.iter().filter_map(|of| {
            let PlannedRange { file, entries, .. } = self.ranges.get(of.range as usize)?;
            let file = &self.files[*file];
            Some(SlowRange {
                dataset: name(file.dataset),
                path: file.ledger.path.clone(),
                entries: (entries.start, entries.end),
                seconds: seconds(of.stages.total()),
                mostly: of.stages.longest().name(),
                bytes: of.bytes,
            })
        });
        Explanation {
            wall_seconds: seconds(expense.wall),
            thread_seconds: threads,
            cpu_seconds: account.total_cost().cpu.as_secs_f64(),
            ranges: expense.files.values().fold(0, |sum, file| sum.saturating_add(file.ranges)),
            opening_seconds: self.opening.as_secs_f64(),
            stages,
            datasets: datasets.collect(),
            slowest_files: files.collect(),
            slowest_ranges: ranges.collect(),
            prediction: self.sample.map(|sample| self.predict(sample, account)),
            ..Explanation::default()
        }
    }

    fn predict(&self, sample: Sample, account: &Account) -> Predictions {
        let expense = account.expense();
        let mut datasets = BTreeMap::new();
        let (mut time, mut variance) = (Some(0.0), Some(0.0));
        let (mut done, mut all) = (0, 0);
        for (at, ranges) in self.ranges_by_dataset().into_iter().enumerate().filter(|(_, r)| !r.is_empty()) {
            let whole = self.whole(ranges);
            let moments = expense.datasets.get(&(at as u32)).map(|of| of.moments).unwrap_or_default();
            let prediction = predict::predict(&moments, &whole);
            time = time.zip(prediction).map(|(time, of)| time + of.thread_seconds);
            let uncertainty = prediction.and_then(|prediction| prediction.uncertainty_seconds);
            variance = variance.zip(uncertainty).map(|(variance, of)| variance + of * of);
            (done, all) = (moments.n.saturating_add(done), all + whole.ranges);
            let name = &self.fileset.datasets[at].name;
            datasets.extend(prediction.map(|prediction| (name.clone(), prediction)));
        }
        // Each range is merged about once.
        let merging = seconds(expense.merge_time) * all as f64 / (done.max(1)) as f64;
        let time = time.map(|time| time + merging);
        let threads =
            (expense.wall > 0 && expense.threads > 0).then(|| expense.threads as f64 / expense.wall as f64);
        Predictions {
            sample: sample.to_string(),
            threads,
            thread_seconds: time,
            uncertainty_seconds: variance.map(f64::sqrt).filter(|_| time.is_some()),
            wall_seconds: time.zip(threads).map(|(time, threads)| time / threads),
            datasets,
        }
    }

    /// All that there is of these ranges. The bytes are those that the files' columns have, in proportion where
    /// not all entries are asked for.
    fn whole(&self, ranges: Range<usize>) -> Whole {
        let mut whole = Whole { ranges: ranges.len() as u64, ..Whole::default() };
        for of_file in self.ranges[ranges].chunk_by(|one, other| one.file == other.file) {
            let file = &self.files[of_file[0].file];
            let entries: u64 = of_file.iter().map(|range| range.entries.end - range.entries.start).sum();
            let all = file.ledger.entries.unwrap_or(0).max(1);
            whole.entries += entries;
            whole.bytes += (u128::from(file.bytes) * u128::from(entries) / u128::from(all)) as u64;
        }
        whole
    }
}
