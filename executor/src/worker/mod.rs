//! A process that does what it is asked for, range by range: `hep-run worker`.
//!
//! [`frames`] are what it is asked in, `serve` is its loop, and here is what it does.

pub mod frames;
mod serve;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hep_io::source::HostTraffic;

pub use serve::serve;

use crate::Registry;
use crate::error::{Error, RunResult};
use crate::job::{Job, key_of};
use crate::merge_tree::Shape;
use crate::partial::{Partial, Reduction};
use crate::progress::{Progress, ProgressKind};
use crate::registry::AnyProcessor;
use crate::run::{Begun, Mapper, Options, Plan, SharedPieces, Workspace, tell};

/// Files that stay open between ranges. The ranges that a worker gets are of few files at a time.
const OPEN_FILES: usize = 8;

/// One job, ready to process and merge its ranges.
pub struct Worker {
    key: String,
    plan: Plan,
    shape: Arc<Shape>,
    processor: Box<dyn AnyProcessor>,
    options: Options,
    progress: Progress,
    workspace: Workspace,
    /// The files that were used last, the latest last.
    open: VecDeque<usize>,
    traffic: Vec<HostTraffic>,
    /// What the range before has read or decompressed of pieces that the next one needs.
    shared: SharedPieces,
    /// The range that comes next, if that was said.
    begun: Option<(usize, Begun)>,
}

/// What came of a range.
pub struct Ranged {
    /// Its output and its account. Where it could not be had and may be asked for again, it is not in it.
    pub partial: Partial,
    /// Why it could not be had, if so.
    pub reason: Option<String>,
    /// Its entries.
    pub entries: u64,
    /// The compressed bytes that were read of it.
    pub bytes: u64,
    /// The processor time it took.
    pub cpu: Duration,
}

impl Worker {
    /// A worker for a job, given as JSON.
    ///
    /// # Errors
    /// Where it is no job, or its processor or settings are none of this binary's.
    pub fn new(registry: &Registry, json: &[u8], progress: Progress) -> RunResult<Self> {
        let job = Job::read(json)?;
        if !job.binary.is_empty() {
            job.check_binary()?;
        }
        let (_, processor) = registry.make(Some(&job.processor), &job.settings)?;
        let options = Options::of_job(&job, &*processor)?;
        let plan = Plan::of_job(&job, &options)?;
        Ok(Self {
            key: key_of(json),
            shape: plan.shape(),
            shared: SharedPieces::new(plan.ranges().len(), 0..plan.ranges().len()),
            plan,
            processor,
            options,
            progress,
            workspace: Workspace::default(),
            open: VecDeque::new(),
            traffic: Vec::new(),
            begun: None,
        })
    }

    /// How many ranges the job has.
    pub fn ranges(&self) -> usize {
        self.plan.ranges().len()
    }

    /// The job's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Processes a range. One that fails is in the partial as failed if it is asked for the `last` time, and
    /// else is not in it, so that it can be asked for again. `watch` is told how many entries are done and
    /// says whether to go on. If `next` will be asked for next and is remote, it is read meanwhile.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or where there is no such range.
    pub fn range(
        &mut self,
        at: usize,
        last: bool,
        next: Option<usize>,
        watch: &dyn Fn(u64) -> bool,
    ) -> RunResult<Ranged> {
        let Some(range) = self.plan.ranges().get(at) else {
            return Err(Error::Partial(format!("the job has no range {at}")));
        };
        let next = next.and_then(|next| Some((next, self.plan.ranges().get(next)?.file)));
        for file in next.iter().map(|(_, file)| *file).chain([range.file]) {
            self.use_file(file);
        }
        let reduction = Reduction::new(Arc::clone(&self.shape));
        let ahead = next.map_or(at, |(next, _)| next);
        self.shared.keep_for(&[at, ahead]);
        let mapper = Mapper::new(&self.plan, &*self.processor, &self.options, &self.progress)?;
        let mapper = mapper.sharing(&self.shared);
        let mut begun = self.begun.take().filter(|(begun, _)| *begun == at).map(|(_, begun)| begun);
        if let Some((next, _)) = next.filter(|(next, _)| mapper.is_remote(*next) && !mapper.is_kept(*next)) {
            // This one's bytes go first.
            if begun.is_none() && !mapper.is_kept(at) {
                begun = Some(mapper.begin(at));
            }
            self.begun = Some((next, mapper.begin(next)));
        }
        let mapped = mapper.range(&mut self.workspace, at, begun, watch);
        if mapped.output.is_err() {
            // The range may be asked for again, and what was read of it may be what was wrong with it.
            self.shared.keep_for(&[]);
        }
        if let Err(Error::Cancelled) = mapped.output {
            self.workspace.take_costs(|_, _| ());
            return Err(Error::Cancelled);
        }
        let reason =
            reduction.note(|account| mapper.account(at, &mapped, &mut self.workspace, last, account));
        let (entries, cost) = (mapped.entries, mapped.cost);
        if last || reason.is_none() {
            reduction.add_range(at, mapped.output.ok())?;
        }
        tell(&*self.options.storage, &reduction, &Progress::new(ProgressKind::None));
        let now = self.options.storage.traffic();
        reduction.note(|account| {
            for host in &now {
                let before = self.traffic.iter().find(|before| before.host == host.host);
                let since = host.clone().since(before.unwrap_or(&HostTraffic::default()));
                account.add_traffic(since);
            }
        });
        self.traffic = now;
        Ok(Ranged { partial: reduction.into_partial()?, reason, entries, bytes: cost.bytes, cpu: cost.cpu })
    }

    /// Merges partials of the job to one.
    ///
    /// # Errors
    /// Where one is damaged or of another job, or two hold the same range.
    pub fn merge<'b>(&self, partials: impl IntoIterator<Item = &'b [u8]>) -> RunResult<Partial> {
        let reduction = Reduction::new(Arc::clone(&self.shape));
        for bytes in partials {
            reduction.add(self.decode(bytes)?)?;
        }
        reduction.into_partial()
    }

    /// Reads a partial of the job.
    ///
    /// # Errors
    /// Where it is damaged or of another job.
    pub fn decode(&self, bytes: &[u8]) -> RunResult<Partial> {
        Partial::decode(bytes, &self.key, &self.shape, &*self.processor)
    }

    /// Keeps the files that were used last open, and closes the others.
    fn use_file(&mut self, file: usize) {
        self.open.retain(|known| *known != file);
        self.open.push_back(file);
        if self.open.len() > OPEN_FILES
            && let Some(oldest) = self.open.pop_front()
        {
            self.plan.files()[oldest].close();
        }
    }
}
