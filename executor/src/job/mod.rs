//! All that a worker must know to process and merge the ranges of a run, as JSON.

mod check;
mod difference;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::checkpoint::CheckpointSettings;
use crate::error::{Error, RunResult};
use crate::fileset::{DatasetSpec, Fileset, Friend};
use crate::ledger::Ledger;
use crate::merge_tree::Shape;
use crate::storage::StorageSettings;
use crate::{binary, checksums};

/// A larger file is no job: one of 10 million ranges takes a quarter.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// The version of the form below.
pub const VERSION: u32 = 1;

/// A planned run: the files have been looked at, the ranges are known, nothing is processed.
///
/// It may hold what is secret in a URL: files of jobs are readable by their owner only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the `hep-run` that has planned it.
    pub program: String,
    /// The hash of the binary that has planned it, by [`crate::binary::hash`]; empty where whoever runs it
    /// is known to be the same.
    pub binary: String,
    /// The processor.
    pub processor: String,
    /// Its settings.
    pub settings: Map<String, Value>,
    /// How often a range that failed for the storage's fault is tried again.
    pub retries: u32,
    /// Whether checksums that lie behind the values are not verified.
    pub skip_checksums: bool,
    /// How files are opened.
    pub storage: StorageSettings,
    /// Where the outputs of ranges are kept; nowhere if not given.
    pub checkpoint: Option<CheckpointSettings>,
    /// The fileset's datasets, with the tree, the uuid and the number of entries of each file that was
    /// opened.
    pub datasets: Vec<DatasetSpec>,
    /// The friends of all datasets, the same.
    pub friends: Vec<Friend>,
    /// Those friends whose files could not all be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_friends: Vec<BrokenFriend>,
    /// The datasets that are processed, by their places.
    pub chosen: Vec<usize>,
    /// What was known of each file before any range was processed.
    pub ledger: Ledger,
    /// The ranges, in the fileset's order: the file by its place in the fileset, the first entry, and the
    /// one past the last.
    pub ranges: Vec<(u32, u64, u64)>,
    /// Which ranges, by their numbers, share baskets or pages with the range before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<u32>,
    /// XXH3-64 of the job as JSON with this empty, as 16 hexadecimal digits: [`Job::to_json`] sets it, and [`Job::read`]
    /// makes sure of it.
    #[serde(default)]
    pub checksum: String,
}

/// A friend of whose files some could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenFriend {
    /// The dataset that it is of, by its place; none if it is of all.
    pub dataset: Option<usize>,
    /// Its name.
    pub alias: String,
    /// How many of its files can be used: those before the first that could not be.
    pub files: usize,
    /// Why that could not be.
    pub reason: String,
}

impl Job {
    /// Reads a job.
    ///
    /// # Errors
    /// Where it is none, of another version, was changed, or its parts do not fit: ranges, failures and skipped entries
    /// must be all entries of each file, each once.
    pub fn read(json: &[u8]) -> RunResult<Self> {
        let wrong = |why: String| Error::Partial(format!("it is no job of this hep-run: {why}"));
        let mut job: Self = serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))?;
        if job.version != VERSION || job.program != env!("CARGO_PKG_VERSION") {
            return Err(wrong(format!(
                "hep-run {} made it, in version {}; this is hep-run {}, which reads version {VERSION}",
                job.program,
                job.version,
                env!("CARGO_PKG_VERSION")
            )));
        }
        let checksum = std::mem::take(&mut job.checksum);
        if checksums::of_json(&job).map_err(|error| wrong(error.to_string()))? != checksum {
            return Err(wrong(
                "its checksum is another one, so it was changed or damaged since it was planned".to_owned(),
            ));
        }
        job.check().map_err(wrong)?;
        Ok(job)
    }

    /// Reads a job that this very binary has planned.
    ///
    /// # Errors
    /// Where it is none, or another binary has planned it.
    pub fn read_own(json: &[u8]) -> RunResult<Self> {
        let job = Self::read(json)?;
        job.check_binary()?;
        Ok(job)
    }

    /// Makes sure that this very binary has planned it.
    ///
    /// # Errors
    /// Where another one has.
    pub fn check_binary(&self) -> RunResult<()> {
        let own = binary::hash()?;
        if self.binary == own {
            return Ok(());
        }
        Err(Error::Partial(format!(
            "another binary has planned the job ({:.12}, and this one is {own:.12}): only that one can \
             process and merge it",
            self.binary
        )))
    }

    /// The job as JSON.
    ///
    /// # Errors
    /// Where a path is no Unicode text.
    pub fn to_json(&self) -> RunResult<Vec<u8>> {
        let mut job = self.clone();
        job.checksum.clear();
        let json = checksums::of_json(&job).and_then(|checksum| {
            job.checksum = checksum;
            serde_json::to_vec(&job)
        });
        json.map_err(|error| Error::Partial(format!("the job cannot be written: {error}")))
    }

    /// What tells jobs apart: a hash of all of it.
    ///
    /// # Errors
    /// Where a path is no Unicode text.
    pub fn key(&self) -> RunResult<String> {
        Ok(key_of(&self.to_json()?))
    }

    /// Its fileset; every path in it is absolute.
    pub fn fileset(&self) -> Fileset {
        let (datasets, friends) = (self.datasets.clone(), self.friends.clone());
        Fileset { processor: None, datasets, friends, place: PathBuf::from("/") }
    }

    /// The merge trees of its ranges.
    pub fn shape(&self) -> Arc<Shape> {
        let mut places: Vec<(u32, u32)> = Vec::new();
        let mut files: Vec<Vec<u32>> = Vec::new();
        for (dataset, account) in (0..).zip(&self.ledger.datasets) {
            places.extend((0..).zip(&account.files).map(|(file, _)| (dataset, file)));
            files.push(vec![0; account.files.len()]);
        }
        let ranges: Vec<(u32, u32)> = self.ranges.iter().map(|(file, ..)| places[*file as usize]).collect();
        for (dataset, file) in &ranges {
            files[*dataset as usize][*file as usize] += 1;
        }
        Arc::new(Shape::new(files, ranges))
    }
}

/// The key of a job by its JSON.
pub fn key_of(json: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, json).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
