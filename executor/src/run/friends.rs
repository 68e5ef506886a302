//! The friends of a plan: opened before the files, whose columns may be theirs; aligned and indexed once
//! the files' numbers of entries are known.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::plan::{PlannedFile, openers};
use super::retry::{Suspects, retrying};
use super::{Options, lock};
use crate::error::{Error, RunResult};
use crate::fileset::{FileSpec, Fileset, Friend};
use crate::friends::{Chain, Found, Key, Lookup, MOST_KEYS, OpenFiles, keys_of};
use crate::job::{BrokenFriend, Job};
use crate::local::{Executor, without_panic};
use crate::progress::Progress;
use crate::range::Opened;

/// The friends of a fileset.
pub(super) struct Friends {
    of_all: Vec<Arc<Chain>>,
    /// By dataset; none of those that are not processed.
    own: Vec<Vec<Arc<Chain>>>,
}

/// Where a file's first entry is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// In the chain of its dataset.
    in_dataset: u64,
    /// In the chain of all datasets.
    in_all: u64,
}

impl Place {
    /// The entry of the friend that belongs to the file's first.
    pub(super) fn on(self, chain: &Chain) -> u64 {
        if chain.of_all() { self.in_all } else { self.in_dataset }
    }
}

impl Friends {
    /// Opens the friends of these datasets.
    pub(super) fn open(
        fileset: &Fileset,
        datasets: &[usize],
        options: &Options,
        progress: &Progress,
    ) -> Self {
        let all = all_of(fileset, datasets);
        let files: Vec<&FileSpec> = all.iter().flat_map(|(friend, _)| &friend.files).collect();
        // Outputs that are kept are known by all that they were made of.
        let revised = options.checkpoints.is_some();
        let open = |i: usize, _: &mut Suspects| Found::open(&*options.storage, files[i], i, revised);
        let threads = openers(options, files.iter().copied());
        let found = each(threads, options, progress, files.len(), |i| files[i].name(), open);
        let mut found = found.into_iter();
        Self::new(fileset, all, options, |friend, _| found.by_ref().take(friend.files.len()).collect())
    }

    /// The friends of these datasets of a job, as its maker has found them. Opens nothing: what has become of
    /// their files since matters only where entries are read.
    pub(super) fn of_job(job: &Job, fileset: &Fileset, options: &Options) -> Self {
        Self::new(fileset, all_of(fileset, &job.chosen), options, |friend, dataset| {
            let broken = job.broken_friends.iter();
            let broken = broken.clone().find(|b| b.dataset == dataset && b.alias == friend.alias);
            let files = broken.map_or(friend.files.len(), |broken| broken.files);
            let mut found: Vec<_> = friend.files.iter().take(files).map(known).collect();
            found.extend(broken.map(|broken| Err(Error::Usage(broken.reason.clone()))));
            found
        })
    }

    /// These friends, each with the dataset that it is of, if not of all, and with what `found` says of its
    /// files.
    fn new(
        fileset: &Fileset,
        all: Vec<(&Friend, Option<usize>)>,
        options: &Options,
        mut found: impl FnMut(&Friend, Option<usize>) -> Vec<RunResult<Found>>,
    ) -> Self {
        let open = Arc::new(OpenFiles::new(Arc::clone(&options.storage)));
        let mut friends = Self { of_all: Vec::new(), own: vec![Vec::new(); fileset.datasets.len()] };
        for (number, (friend, dataset)) in all.into_iter().enumerate() {
            let found = found(friend, dataset);
            let chain = Arc::new(Chain::new(friend, dataset.is_none(), found, number, open.clone()));
            match dataset {
                Some(at) => friends.own[at].push(chain),
                None => friends.of_all.push(chain),
            }
        }
        friends
    }

    /// Those of a dataset.
    pub(super) fn of(&self, dataset: usize) -> Vec<Arc<Chain>> {
        self.own[dataset].iter().chain(&self.of_all).cloned().collect()
    }

    /// Finds each file's place in the chain of its dataset and in that of all, and fails the files whose
    /// entries have no place on a friend's chain.
    pub(super) fn align(&self, fileset: &Fileset, files: &mut [PlannedFile]) {
        let everything: Vec<usize> = (0..files.len()).collect();
        let starts = starts(files, &everything);
        files.iter_mut().zip(&starts).for_each(|(file, start)| file.place.in_all = start.unwrap_or(0));
        for chain in &self.of_all {
            check(chain, "the datasets together have", files, &everything, &starts);
        }
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); self.own.len()];
        files.iter().enumerate().for_each(|(at, file)| members[file.dataset].push(at));
        for (at, (chains, members)) in self.own.iter().zip(members).enumerate() {
            let starts = self::starts(files, &members);
            for (&file, start) in members.iter().zip(&starts) {
                files[file].place.in_dataset = start.unwrap_or(0);
            }
            let who = format!("dataset `{}` has", fileset.datasets[at].name);
            for chain in chains {
                check(chain, &who, files, &members, &starts);
            }
        }
    }

    /// Reads the indices that an open file's entries are looked up by, unless that has been done.
    pub(super) fn index_for(&self, opened: &Opened, options: &Options, progress: &Progress) {
        let chains = opened.joined.iter().map(|joined| &joined.chain);
        for chain in chains.filter(|chain| !chain.index().is_empty()) {
            // Why there is none is told when an entry is looked up.
            let _ = chain.lookup_or(|| index(chain, options, progress));
        }
    }

    /// The friends as a fileset has them, with what was found of each file.
    pub(super) fn described(&self, dataset: Option<usize>) -> Vec<Friend> {
        let chains = dataset.map_or(&self.of_all, |dataset| &self.own[dataset]);
        chains.iter().map(|chain| chain.described()).collect()
    }

    /// The friends whose files could not all be used.
    pub(super) fn broken(&self) -> Vec<BrokenFriend> {
        let own = self.own.iter().enumerate().flat_map(|(at, own)| own.iter().map(move |c| (Some(at), c)));
        let all = self.of_all.iter().map(|chain| (None, chain)).chain(own);
        let broken = all.filter_map(|(dataset, chain)| {
            let (alias, reason) = (chain.alias().to_owned(), chain.broken()?.to_owned());
            Some(BrokenFriend { dataset, alias, files: chain.files(), reason })
        });
        broken.collect()
    }

    /// Reads the indices of the friends that files look entries up in, and fails the files whose friend
    /// has none.
    pub(super) fn index(&self, files: &mut [PlannedFile], options: &Options, progress: &Progress) {
        for chain in self.of_all.iter().chain(self.own.iter().flatten()) {
            let uses = |file: &PlannedFile| file.looks_up.iter().any(|used| Arc::ptr_eq(used, chain));
            if !files.iter().any(uses) {
                continue;
            }
            if let Err(reason) = chain.lookup_or(|| index(chain, options, progress)) {
                let reason = format!("the friend `{}` cannot be used: {reason}", chain.alias());
                files.iter_mut().filter(|file| uses(file)).for_each(|file| file.fail(&reason));
            }
        }
    }
}

/// The friends of all datasets and those of these, each with its dataset.
fn all_of<'f>(fileset: &'f Fileset, datasets: &[usize]) -> Vec<(&'f Friend, Option<usize>)> {
    let mut all: Vec<_> = fileset.friends.iter().map(|friend| (friend, None)).collect();
    for &at in datasets {
        all.extend(fileset.datasets[at].friends.iter().map(|friend| (friend, Some(at))));
    }
    all
}

/// What a job says of a friend's file.
fn known(spec: &FileSpec) -> RunResult<Found> {
    let unknown = || Error::Partial(format!("the job does not say how many entries {} has", spec.name()));
    Found::known(spec).ok_or_else(unknown)
}

/// The place of each of these files among them all, as far as it is known.
fn starts(files: &[PlannedFile], members: &[usize]) -> Vec<Option<u64>> {
    let mut reached = Some(0_u64);
    let next = |&file: &usize| {
        let start = reached;
        reached = reached.zip(files[file].ledger.entries).and_then(|(start, n)| start.checked_add(n));
        start
    };
    members.iter().map(next).collect()
}

/// Fails those of the files, at `starts` in the chain of which `chain` is a friend, to whose entries none
/// of the friend's belong.
fn check(chain: &Chain, who: &str, files: &mut [PlannedFile], members: &[usize], starts: &[Option<u64>]) {
    if !chain.index().is_empty() {
        return;
    }
    let (alias, known) = (chain.alias(), chain.entries());
    let end = |at: usize| {
        starts[at].zip(files[members[at]].ledger.entries).and_then(|(start, n)| start.checked_add(n))
    };
    let total = members.len().checked_sub(1).and_then(end);
    let differs = total.filter(|&total| total != known && chain.broken().is_none());
    let ends: Vec<Option<u64>> = (0..members.len()).map(end).collect();
    let unknown = ends.iter().position(Option::is_none).map(|at| files[members[at]].spec.name().into_owned());
    for (at, &file) in members.iter().enumerate() {
        let reason = match (differs, starts[at], ends[at]) {
            (Some(total), ..) => {
                format!("{who} {total} entries, and the friend `{alias}` {known}: they must have as many")
            }
            (_, None, _) => format!(
                "its place on the friend `{alias}` is unknown, because {} was not opened; its `entries` in \
                 the fileset would tell",
                unknown.as_deref().unwrap_or_default()
            ),
            (_, Some(start), Some(end)) if end > known => match chain.broken() {
                Some(reason) => format!("the friend `{alias}` ends at entry {known}: {reason}"),
                None => format!("its entries are {start}..{end} of the friend `{alias}`, which has {known}"),
            },
            _ => continue,
        };
        files[file].fail(&reason);
    }
}

fn index(chain: &Chain, options: &Options, progress: &Progress) -> Result<Lookup, String> {
    if let Some(reason) = chain.broken() {
        return Err(reason.to_owned());
    }
    if chain.entries() > MOST_KEYS {
        let n = chain.entries();
        return Err(format!("it has {n} entries, and an index holds at most {MOST_KEYS}"));
    }
    let read = each(
        openers(options, chain.specs()),
        options,
        progress,
        chain.files(),
        |_| chain.alias().into(),
        |file, suspects| {
            let opened = chain.open(file)?;
            suspects.add(&opened.source);
            keys_of(&opened, chain.index())
        },
    );
    let keys: RunResult<Vec<Vec<Key>>> = read.into_iter().collect();
    Lookup::new(chain, keys.map_err(|error| error.to_string())?)
}

/// What comes of `task` for each of `n`, on so many threads.
fn each<'n, T: Send>(
    threads: Executor,
    options: &Options,
    progress: &Progress,
    n: usize,
    name: impl Fn(usize) -> Cow<'n, str> + Sync,
    task: impl Fn(usize, &mut Suspects) -> RunResult<T> + Sync,
) -> Vec<RunResult<T>> {
    let done: Vec<Mutex<Option<RunResult<T>>>> = (0..n).map(|_| Mutex::default()).collect();
    threads.for_each::<()>(n, &AtomicBool::new(false), |(), i| {
        let (result, _) = retrying(options.retries, progress, &name(i), |suspects| {
            without_panic(|| task(i, suspects)).unwrap_or_else(|panic| Err(Error::Usage(panic)))
        });
        *lock(&done[i]) = Some(result);
    });
    let result = |slot: Mutex<Option<RunResult<T>>>| {
        let missing = || Err(Error::Usage("it was not tried".to_owned()));
        slot.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(missing)
    };
    done.into_iter().map(result).collect()
}
