//! Partial outputs of files, one after the other, merged to one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Partial, PartialFile, Reduction};
use crate::Registry;
use crate::error::{Error, RunResult};
use crate::job::{Job, key_of};
use crate::merge_tree::Shape;
use crate::registry::AnyProcessor;

/// What partial outputs of one job merge in. Of each input the outputs are kept as far as they could not be
/// merged yet, and of those that are done already only the names.
pub struct Gathering {
    job: Job,
    /// The first job as it is in its file, and its key.
    packed: Vec<u8>,
    key: String,
    shape: Arc<Shape>,
    processor: Box<dyn AnyProcessor>,
    reduction: Reduction,
    /// Ranges that failed and that another input may have, with the reason.
    failed: BTreeMap<u32, String>,
    names: Vec<PathBuf>,
    /// Where each run of ranges is from: its end, and the place of the input in `names`.
    runs: BTreeMap<u32, (u32, usize)>,
}

/// What came of it.
pub struct Gathered {
    /// The job that all inputs are of.
    pub job: Job,
    /// Its processor.
    pub processor: Box<dyn AnyProcessor>,
    /// What was in the inputs. What failed in one and is in no other is in it as failed.
    pub partial: Partial,
}

impl Gathering {
    /// Merges the partial outputs of these files, of which there is at least one.
    ///
    /// # Errors
    /// Where one is damaged, of another binary or of another job, or two hold the same range; the message
    /// names the files.
    pub fn files(registry: &Registry, paths: &[PathBuf]) -> RunResult<Gathered> {
        let mut gathering: Option<Self> = None;
        for path in paths {
            let file = PartialFile::read(path)?;
            let named = |error| of_file(path, error);
            match &mut gathering {
                Some(gathering) => gathering.add(path, &file)?,
                none => none.insert(Self::begin(registry, &file).map_err(named)?).add(path, &file)?,
            }
        }
        let gathering = gathering.ok_or_else(|| Error::Usage("there is nothing to merge".to_owned()))?;
        gathering.end()
    }

    fn begin(registry: &Registry, file: &PartialFile) -> RunResult<Self> {
        let json = file.job()?;
        let job = Job::read_own(&json)?;
        let (_, processor) = registry.make(Some(&job.processor), &job.settings)?;
        let shape = job.shape();
        Ok(Self {
            packed: file.packed_job().to_vec(),
            key: key_of(&json),
            reduction: Reduction::new(Arc::clone(&shape)),
            shape,
            processor,
            failed: BTreeMap::new(),
            names: Vec::new(),
            runs: BTreeMap::new(),
            job,
        })
    }

    fn add(&mut self, path: &Path, file: &PartialFile) -> RunResult<()> {
        let named = |error| of_file(path, error);
        let key = match file.packed_job() == self.packed {
            true => self.key.clone(),
            false => self.add_job(path, &file.job().map_err(named)?)?,
        };
        let mut partial =
            Partial::decode(file.partial(), &key, &self.shape, &*self.processor).map_err(named)?;
        let failed = partial.take_open_failures(&self.shape).map_err(named)?;
        self.names.push(path.to_owned());
        for &(start, end) in partial.account.done() {
            self.add_run(start, end)?;
        }
        for &range in partial.account.failed().keys() {
            self.add_run(range, range + 1)?;
        }
        for (range, reason) in failed {
            let known = self.failed.entry(range).or_insert_with(|| reason.clone());
            // Whichever comes first, the same is told.
            if reason < *known {
                *known = reason;
            }
        }
        self.reduction.add(partial).map_err(named)
    }

    /// Makes sure that another job has the same ranges to be processed the same way; its key.
    fn add_job(&mut self, path: &Path, json: &[u8]) -> RunResult<String> {
        let job = Job::read_own(json).map_err(|error| of_file(path, error))?;
        let first = self.names.first().map(|first| first.display().to_string()).unwrap_or_default();
        if let Some(difference) = self.job.difference(&job, &first, &path.display().to_string()) {
            let message = format!("{} is of another job than {first}: {difference}", path.display());
            return Err(Error::Partial(message));
        }
        self.job.absorb(&job);
        Ok(key_of(json))
    }

    /// Notes that the last input has these ranges.
    fn add_run(&mut self, start: u32, end: u32) -> RunResult<()> {
        let before = self.runs.range(..=start).next_back().filter(|(_, (end, _))| *end > start);
        let within = self.runs.range(start..end).next();
        if let Some((&first, &(_, source))) = before.or(within) {
            let range = first.max(start) as usize;
            let (file, start, end) = self.job.ranges[range];
            let mut files = self.job.ledger.datasets.iter().flat_map(|dataset| {
                dataset.files.iter().map(move |file| (dataset.name.clone(), file.path.clone()))
            });
            let (dataset, file) = files.nth(file as usize).unwrap_or_default();
            let name = |at: usize| self.names[at].display().to_string();
            let (a, b) = (name(source), name(self.names.len() - 1));
            return Err(Error::Overlap { a, b, dataset, file, start, end });
        }
        self.runs.insert(start, (end, self.names.len() - 1));
        Ok(())
    }

    fn end(self) -> RunResult<Gathered> {
        let Self { job, processor, reduction, failed, .. } = self;
        reduction.note(|account| {
            for (range, reason) in failed {
                if !account.holds(range) {
                    account.add_failed(range, reason);
                }
            }
        });
        Ok(Gathered { job, processor, partial: reduction.into_partial()? })
    }
}

/// The error, with the name of the file that it is of.
fn of_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Overlap { .. } => error,
        error => Error::Partial(format!("{}: {error}", path.display())),
    }
}
