//! Plans and jobs: a job is a plan that another process can have.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use super::friends::Friends;
use super::plan::Handles;
use super::{Options, Plan, PlannedFile, PlannedRange};
use crate::checkpoint::{CheckpointSettings, Checkpoints};
use crate::error::{Error, RunResult};
use crate::job::{Job, VERSION};
use crate::ledger::{DatasetLedger, Ledger};
use crate::registry::AnyProcessor;
use crate::storage::StorageSettings;

impl Options {
    /// Those of a job, whose processor this is.
    ///
    /// # Errors
    /// Where outputs are to be kept and this process's own binary cannot be read.
    pub fn of_job(job: &Job, processor: &dyn AnyProcessor) -> RunResult<Self> {
        let checkpoints = |settings| {
            let Job { processor: name, settings: values, skip_checksums, .. } = job;
            let metadata = job.datasets.iter().map(|dataset| &dataset.metadata);
            Checkpoints::new(settings, name, values, *skip_checksums, processor, metadata).map(Arc::new)
        };
        Ok(Self {
            retries: job.retries,
            skip_checksums: job.skip_checksums,
            storage: job.storage.storage(),
            checkpoints: job.checkpoint.clone().map(checkpoints).transpose()?,
            ..Self::default()
        })
    }
}

impl Plan {
    /// The job that processes this plan's ranges with a processor of this name and settings.
    pub fn job(
        &self,
        processor: &str,
        settings: &Map<String, Value>,
        storage: &StorageSettings,
        checkpoint: Option<&CheckpointSettings>,
        options: &Options,
    ) -> Job {
        let mut datasets = self.fileset.datasets.clone();
        let mut ledgers: Vec<DatasetLedger> = Vec::new();
        let mut members: Vec<Vec<&PlannedFile>> = vec![Vec::new(); datasets.len()];
        self.files.iter().for_each(|file| members[file.dataset].push(file));
        for (at, dataset) in datasets.iter_mut().enumerate() {
            let own = &members[at];
            let files = own.iter().map(|file| file.ledger.clone()).collect();
            for (spec, file) in dataset.files.iter_mut().zip(own) {
                if !file.ledger.uuid.is_empty() {
                    spec.uuid = Some(file.ledger.uuid.clone());
                    spec.tree = Some(file.ledger.tree.clone());
                    spec.entries = file.ledger.entries;
                    spec.revision.clone_from(&file.spec.revision);
                }
                spec.steps = None;
            }
            if self.chosen.binary_search(&at).is_ok() {
                dataset.friends = self.friends.described(Some(at));
            }
            ledgers.push(DatasetLedger { name: dataset.name.clone(), files, ..DatasetLedger::default() });
        }
        let ranges = self.ranges.iter();
        Job {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            binary: String::new(),
            processor: processor.to_owned(),
            settings: settings.clone(),
            retries: options.retries,
            skip_checksums: options.skip_checksums,
            storage: storage.clone(),
            checkpoint: checkpoint.cloned(),
            datasets,
            friends: self.friends.described(None),
            broken_friends: self.friends.broken(),
            chosen: self.chosen.clone(),
            ledger: Ledger {
                version: 1,
                processor: processor.to_owned(),
                provenance: Vec::new(),
                datasets: ledgers,
                checksums: None,
            },
            ranges: ranges.map(|r| (r.file as u32, r.entries.start, r.entries.end)).collect(),
            joined: (0..).zip(&self.ranges).filter(|(_, range)| range.joined).map(|(at, _)| at).collect(),
            checksum: String::new(),
        }
    }

    /// The plan of a job. Opens no file.
    ///
    /// # Errors
    /// Where the friends do not fit, which the job's maker would have found.
    pub fn of_job(job: &Job, options: &Options) -> RunResult<Self> {
        let mut plan = Self::to_conclude(job, options);
        plan.friends.align(&plan.fileset, &mut plan.files);
        for &(file, ..) in &job.ranges {
            // The job's maker takes no range of a file that has failed.
            if let Some(missed) = plan.files[file as usize].ledger.failed.first() {
                return Err(Error::Partial(format!("the job cannot be done here: {}", missed.reason)));
            }
        }
        Ok(plan)
    }

    /// The plan of a job whose ranges are processed elsewhere. Opens no file, and does not look for the place
    /// of entries on the chains of friends.
    pub fn to_conclude(job: &Job, options: &Options) -> Self {
        let fileset = job.fileset();
        let friends = Friends::of_job(job, &fileset, options);
        let handles = Arc::new(Handles::new(options));
        let mut files = Vec::new();
        for (at, (dataset, ledger)) in fileset.datasets.iter().zip(&job.ledger.datasets).enumerate() {
            for (spec, ledger) in dataset.files.iter().zip(&ledger.files) {
                let mut file = PlannedFile::new(at, spec, friends.of(at), None, &handles);
                file.ledger = ledger.clone();
                files.push(file);
            }
        }
        job.ranges.iter().for_each(|&(file, ..)| files[file as usize].add_range());
        let ranges = (0..).zip(&job.ranges).map(|(at, &(file, start, end))| PlannedRange {
            file: file as usize,
            entries: start..end,
            joined: job.joined.binary_search(&at).is_ok(),
        });
        Self {
            fileset,
            chosen: job.chosen.clone(),
            files,
            ranges: ranges.collect(),
            friends,
            asked: None,
            columns: OnceLock::new(),
            shape: OnceLock::new(),
            sample: None,
            opening: Duration::ZERO,
        }
    }
}
