//! Where the time and the bytes of a run went, and what all of a fileset would take.
//!
//! Every run keeps an [`Expense`] in its account: sums, a few slow ranges, nothing for each range. When it is over an
//! [`Explanation`] is made of it, which the summary has (`--format json`, under `explain`) and `--explain`
//! prints. No output file has any of it, as it is another one each time.

mod expense;
mod fills;
pub(crate) mod predict;
mod sample;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use expense::{Expense, Moments, RangeExpense, SLOWEST, Stage, Stages};
pub(crate) use expense::{Laps, nanoseconds};
pub(crate) use fills::{FillEstimate, estimate};
pub(crate) use sample::Sample;
pub(crate) use text::text;

/// Where the time and the bytes of a run went. Times are in seconds, sums over threads unless said; bytes of
/// files are as they lie there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// For how long ranges were processed. Of runs that were merged, the sum.
    pub wall_seconds: f64,
    /// The same times the number of threads, or worker processes; 0 where that is not known (Dask).
    pub thread_seconds: f64,
    /// The processor time of that, as far as the system gave one to the threads: what they did took the longer the
    /// more others use the machine.
    pub cpu_seconds: f64,
    /// Ranges that were processed, each try counted.
    pub ranges: u64,
    /// Opening the files and splitting them, before.
    pub opening_seconds: f64,
    /// The last merges and the processor's `finish`, afterwards.
    pub finishing_seconds: f64,
    /// Writing the outputs.
    pub writing_seconds: f64,
    /// What the threads did: by stage, `merge`, and `idle`, what is left of `thread_seconds`.
    pub stages: StageTimes,
    /// By dataset.
    pub datasets: BTreeMap<String, DatasetTimes>,
    /// The files that took longest, the longest first.
    pub slowest_files: Vec<SlowFile>,
    /// The ranges that took longest, the longest first.
    pub slowest_ranges: Vec<SlowRange>,
    /// What filling histograms took of `process`, the longest first; with `--explain` only, which measures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fills: Option<Vec<FillEstimate>>,
    /// What all ranges would take; with `--sample` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Predictions>,
}

/// Seconds by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StageTimes {
    /// [`Stage::Open`].
    pub open: f64,
    /// [`Stage::Wait`].
    pub wait: f64,
    /// [`Stage::Read`].
    pub read: f64,
    /// [`Stage::Decompress`].
    pub decompress: f64,
    /// [`Stage::Decode`].
    pub decode: f64,
    /// [`Stage::Process`].
    pub process: f64,
    /// [`Stage::Keep`].
    pub keep: f64,
    /// Merging outputs, in whatever process; of a dataset it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge: Option<f64>,
    /// What is left of the threads' time; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<f64>,
}

/// What a dataset took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DatasetTimes {
    /// By stage.
    pub stages: StageTimes,
    /// By column: those of the file, and as `alias.column` those of its friends.
    pub columns: BTreeMap<String, ColumnTimes>,
}

/// What a column took: [`ColumnCost`](hep_io::ColumnCost).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ColumnTimes {
    /// Baskets, or pages.
    pub pieces: u64,
    /// Their bytes in the file: of a basket `fNbytes`.
    pub compressed_bytes: u64,
    /// Their bytes decompressed: of a basket `fObjlen`.
    pub uncompressed_bytes: u64,
    /// Decompressing them.
    pub decompress_seconds: f64,
    /// Making a column of them.
    pub decode_seconds: f64,
}

/// A file that took long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowFile {
    /// The dataset.
    pub dataset: String,
    /// The file, as the fileset names it.
    pub path: String,
    /// The time of all its ranges.
    pub seconds: f64,
    /// Compressed bytes that were read.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Ranges.
    pub ranges: u64,
}

/// A range that took long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowRange {
    /// The dataset.
    pub dataset: String,
    /// The file, as the fileset names it.
    pub path: String,
    /// Its entries, half-open.
    pub entries: (u64, u64),
    /// Its time.
    pub seconds: f64,
    /// The stage that took longest.
    pub mostly: &'static str,
    /// Compressed bytes that were read.
    pub bytes: u64,
}

/// What all of a fileset would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Predictions {
    /// The sample, as it was asked for.
    pub sample: String,
    /// Threads, or worker processes; none where their number is not known.
    pub threads: Option<f64>,
    /// The time of all threads, merging included; none where nothing was done of a dataset.
    pub thread_seconds: Option<f64>,
    /// Its standard deviation as far as ranges differ; none where a dataset has one range in the sample.
    pub uncertainty_seconds: Option<f64>,
    /// `thread_seconds` over `threads`: the run's, without opening files and writing outputs.
    pub wall_seconds: Option<f64>,
    /// By dataset; without those of which nothing was done.
    pub datasets: BTreeMap<String, Prediction>,
}

/// What all of a dataset would take: [`predict`](mod@predict).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Ranges that were done.
    pub sampled_ranges: u64,
    /// All ranges.
    pub ranges: u64,
    /// Their entries.
    pub sampled_entries: u64,
    /// All entries.
    pub entries: u64,
    /// Compressed bytes that were read for them.
    pub sampled_bytes: u64,
    /// Those that all take.
    pub bytes: u64,
    /// The time of all threads, without merging.
    pub thread_seconds: f64,
    /// Its standard deviation as far as ranges differ; none if one was done.
    pub uncertainty_seconds: Option<f64>,
}

/// Nanoseconds in seconds.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

impl StageTimes {
    pub(crate) fn of(stages: &Stages) -> Self {
        Self {
            open: seconds(stages[Stage::Open]),
            wait: seconds(stages[Stage::Wait]),
            read: seconds(stages[Stage::Read]),
            decompress: seconds(stages[Stage::Decompress]),
            decode: seconds(stages[Stage::Decode]),
            process: seconds(stages[Stage::Process]),
            keep: seconds(stages[Stage::Keep]),
            merge: None,
            idle: None,
        }
    }

    /// Every stage that is known, with its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let Self { open, wait, read, decompress, decode, process, keep, merge, idle } = *self;
        let stages = [open, wait, read, decompress, decode, process, keep];
        let named = Stage::ALL.into_iter().map(Stage::name).zip(stages);
        named.chain(merge.map(|time| ("merge", time))).chain(idle.map(|time| ("idle", time)))
    }
}

impl From<&hep_io::ColumnCost> for ColumnTimes {
    fn from(cost: &hep_io::ColumnCost) -> Self {
        Self {
            pieces: cost.pieces,
            compressed_bytes: cost.stored,
            uncompressed_bytes: cost.unpacked,
            decompress_seconds: cost.decompress.as_secs_f64(),
            decode_seconds: cost.decode.as_secs_f64(),
        }
    }
}

impl ColumnTimes {
    fn add(&mut self, other: &Self) {
        self.pieces += other.pieces;
        self.compressed_bytes += other.compressed_bytes;
        self.uncompressed_bytes += other.uncompressed_bytes;
        self.decompress_seconds += other.decompress_seconds;
        self.decode_seconds += other.decode_seconds;
    }

    fn seconds(&self) -> f64 {
        self.decompress_seconds + self.decode_seconds
    }
}
