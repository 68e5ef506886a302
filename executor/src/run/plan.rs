use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hep_analysis::DatasetColumns;
use hep_columns::Schema;

use super::friends::{Friends, Place};
use super::retry::{Suspects, retrying};
use super::{Options, absent, lock};
use crate::Dataset;
use crate::descriptors::{files_kept_open, threads_with_files};
use crate::error::{Error, RunResult};
use crate::explain::Sample;
use crate::fileset::{FileSpec, Fileset, location};
use crate::friends::{self, Chain};
use crate::ledger::{AbsentColumn, FileLedger, FriendLedger, Missed, ShortColumn};
use crate::local::{Executor, without_panic};
use crate::merge_tree::Shape;
use crate::progress::Progress;
use crate::range::{self, Opened, Split};
use crate::registry::AnyProcessor;
use crate::storage::FileStore;

/// Files kept open between partition and processing, and opened ahead of it; the others are opened
/// again by the workers that come to them.
const OPEN_FILES: usize = 64;

/// Threads that open remote files. They wait for servers: a thousand files one after the other, or as
/// many at a time as there are cores, would take minutes.
const OPENERS: usize = 16;

/// What opens files and looks into them.
pub(super) fn openers<'f>(options: &Options, files: impl IntoIterator<Item = &'f FileSpec>) -> Executor {
    let threads = match files.into_iter().find(|file| file.is_remote()) {
        Some(file) => {
            options.storage.prepare(&file.path);
            Executor::Threads(options.executor.workers().max(OPENERS))
        }
        None => options.executor,
    };
    match threads {
        Executor::Threads(threads) => Executor::Threads(threads_with_files(threads)),
        serial => serial,
    }
}

/// A plan of a run: every file opened and split, nothing processed.
pub struct Plan {
    pub(super) fileset: Fileset,
    /// The datasets that are processed.
    pub(super) chosen: Vec<usize>,
    pub(super) files: Vec<PlannedFile>,
    pub(super) ranges: Vec<PlannedRange>,
    pub(super) friends: Friends,
    /// If not all ranges are asked for: those that are, in order, and why the others are not.
    pub(super) asked: Option<(Vec<usize>, String)>,
    /// The datasets with their columns, once they are known.
    pub(super) columns: OnceLock<Vec<Arc<DatasetColumns>>>,
    /// The merge trees of the ranges, once they are known.
    pub(super) shape: OnceLock<Arc<Shape>>,
    /// The sample that is asked for, if it is one.
    pub(super) sample: Option<Sample>,
    /// How long it took to open and split the files.
    pub(super) opening: Duration,
}

/// A file of a plan.
pub struct PlannedFile {
    /// Which dataset of the fileset it belongs to.
    pub dataset: usize,
    /// The file.
    pub spec: FileSpec,
    /// What is known of its entries before any is processed: skipped ones and failures.
    pub ledger: FileLedger,
    /// The columns that will be read.
    pub columns: Vec<String>,
    /// Its entries, split, and whether each range shares pieces with the one before; until they are the plan's.
    ranges: Vec<(Range<u64>, bool)>,
    /// What the longest of its ranges takes to read and decode, in bytes; 0 where it was not looked at here.
    pub(super) most: u64,
    /// The compressed bytes of the columns that are read, friends' included; 0 where it was not looked at here.
    pub(super) bytes: u64,
    /// The friends of its dataset.
    friends: Vec<Arc<Chain>>,
    /// Those in which its entries are looked up.
    pub(super) looks_up: Vec<Arc<Chain>>,
    /// Where its entries are on the chains of the others.
    pub(super) place: Place,
    handles: Arc<Handles>,
    opened: Mutex<Option<Arc<Opened>>>,
    /// Whether `opened` holds it.
    is_open: AtomicBool,
    /// Whether the range that ended last was lost because the storage failed.
    is_failing: AtomicBool,
    /// The replicas that bytes came from.
    served_by: Mutex<BTreeSet<usize>>,
    /// Ranges that have not ended.
    left: AtomicUsize,
}

/// What opens the files of a plan, and how many are open.
pub(super) struct Handles {
    store: Arc<dyn FileStore>,
    open: AtomicUsize,
    /// How many may stay open.
    most: usize,
}

impl Handles {
    pub(super) fn new(options: &Options) -> Self {
        let most = files_kept_open(OPEN_FILES);
        Self { store: Arc::clone(&options.storage), open: AtomicUsize::new(0), most }
    }
}

/// A range of a plan.
pub struct PlannedRange {
    /// Which file of the plan it belongs to.
    pub file: usize,
    /// The entries.
    pub entries: Range<u64>,
    /// Whether it shares baskets or pages with the range before it, so that one process had better do both.
    pub joined: bool,
}

impl Plan {
    /// Opens the files, checks them against what `processor` reads, and splits them.
    ///
    /// # Errors
    /// Only where the request makes no sense: an unknown dataset, the same file twice. A file that
    /// cannot be used is in the ledger as failed.
    pub fn new(
        fileset: &Fileset,
        processor: &dyn AnyProcessor,
        options: &Options,
        progress: &Progress,
    ) -> RunResult<Self> {
        let begun = Instant::now();
        let chosen = chosen(fileset, &options.datasets)?;
        let friends = Friends::open(fileset, &chosen, options, progress);
        let mut files = Vec::new();
        let handles = Arc::new(Handles::new(options));
        for (at, dataset) in fileset.datasets.iter().enumerate() {
            for (n, spec) in dataset.files.iter().enumerate() {
                files.push(PlannedFile::new(
                    at,
                    spec,
                    friends.of(at),
                    skip_reason(&chosen, at, n, options),
                    &handles,
                ));
            }
        }
        check_outputs(fileset, &chosen, processor)?;
        let columns = columns(fileset, &chosen, processor)?;
        let facts: Vec<Mutex<Option<FileFacts>>> = files.iter().map(|_| Mutex::default()).collect();
        let wanted: Vec<usize> = (0..files.len()).filter(|&i| files[i].ledger.skipped.is_empty()).collect();
        progress.opening(wanted.len());
        let openers = openers(options, wanted.iter().map(|&i| &files[i].spec));
        let few = openers.for_each::<()>(wanted.len(), &AtomicBool::new(false), |(), i| {
            let i = wanted[i];
            let file = &files[i];
            let (result, tries) = retrying(options.retries, progress, &file.ledger.path, |suspects| {
                without_panic(|| {
                    let opened = range::open(&*options.storage, &file.spec, &columns[file.dataset].schema, &file.friends)?;
                    suspects.add(&opened.source);
                    let split = range::split(&opened, &file.spec, options.range_size)?;
                    Ok((opened, split))
                })
                .unwrap_or_else(|panic| Err(Error::Usage(panic)))
            });
            let result = result.map(|(opened, split)| {
                if opened.recovered {
                    progress.warn(&format!(
                        "{} was not closed, or its end is missing: it has {} entries from when `{}` was saved last, and may \
                         have had more",
                        file.ledger.path,
                        opened.reader.entries(),
                        opened.tree,
                    ));
                }
                for ShortColumn { column, entries } in &opened.short {
                    progress.warn(&format!(
                        "{}: `{column}` holds {entries} of the tree's {} entries; it is zero or empty behind them",
                        file.ledger.path,
                        opened.reader.entries(),
                    ));
                }
                let found = Found::new(&opened, split);
                file.keep_if_few(opened);
                found
            });
            *lock(&facts[i]) = Some(FileFacts { result, tries });
            progress.opened();
        });
        progress.finish();
        few.iter().for_each(|few| progress.warn(few));
        for (file, facts) in files.iter_mut().zip(facts) {
            if let Some(facts) = facts.into_inner().unwrap_or_else(PoisonError::into_inner) {
                file.learn(facts);
            }
        }
        if !options.allow_duplicates {
            same_file_twice(fileset, &files)?;
        }
        absent::check(fileset, &files, &columns, progress)?;
        friends.align(fileset, &mut files);
        friends.index(&mut files, options, progress);
        let fileset = fileset.clone();
        let mut plan = Self {
            fileset,
            chosen,
            files,
            ranges: Vec::new(),
            friends,
            asked: None,
            columns: OnceLock::from(columns),
            shape: OnceLock::new(),
            sample: None,
            opening: begun.elapsed(),
        };
        plan.cut(options.max_entries);
        // Worth knowing hours before the end; without any range, the end is now.
        if !plan.ranges.is_empty() {
            plan.files
                .iter()
                .flat_map(|file| &file.ledger.failed)
                .for_each(|missed| progress.warn(&missed.reason));
        }
        Ok(plan)
    }

    /// The files, in the fileset's order.
    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// The ranges, in the fileset's order.
    pub fn ranges(&self) -> &[PlannedRange] {
        &self.ranges
    }

    /// Asks for these ranges only, which are sorted and the plan's. The others are skipped for this reason.
    pub fn ask_for(&mut self, ranges: Vec<usize>, reason: &str) {
        let mut left = vec![0; self.files.len()];
        ranges.iter().for_each(|&range| left[self.ranges[range].file] += 1);
        for (file, left) in self.files.iter_mut().zip(left) {
            *file.left.get_mut() = left;
            if left == 0 {
                file.close();
            }
        }
        self.asked = Some((ranges, reason.to_owned()));
    }

    /// The ranges that are asked for, by their numbers, in order.
    pub fn asked(&self) -> Vec<usize> {
        self.asked.as_ref().map_or_else(|| (0..self.ranges.len()).collect(), |(ranges, _)| ranges.clone())
    }

    /// How many entries will be processed.
    pub fn entries(&self) -> u64 {
        let entries = |at: &usize| self.ranges[*at].entries.end - self.ranges[*at].entries.start;
        self.asked().iter().map(entries).sum()
    }

    /// The file with the range that takes most memory to read and decode, in bytes, of those that were looked at
    /// here.
    pub fn largest_range(&self) -> Option<(&PlannedFile, u64)> {
        let asked = self.asked().into_iter().map(|at| &self.files[self.ranges[at].file]);
        asked.map(|file| (file, file.most)).max_by_key(|(_, most)| *most)
    }

    /// The optional columns that datasets lack, a line each.
    pub fn absent(&self) -> Vec<String> {
        absent::lines_of(&self.fileset, &self.files)
    }

    /// The accounts of a dataset's friends.
    pub fn friends(&self, dataset: usize) -> Vec<FriendLedger> {
        self.friends.of(dataset).iter().map(|chain| chain.ledger()).collect()
    }

    /// Compressed bytes that each file's ranges will read; without those of friends that are looked up,
    /// since only the entries tell which they are. Closes the files.
    ///
    /// # Errors
    /// Where one cannot be opened again, or its record of its baskets is damaged.
    pub fn bytes(&self, processor: &dyn AnyProcessor, options: &Options) -> RunResult<Vec<u64>> {
        let mut ranges = vec![Vec::new(); self.files.len()];
        for range in self.asked().into_iter().map(|at| &self.ranges[at]) {
            ranges[range.file].push(&range.entries);
        }
        let columns = self.columns(processor)?;
        let bytes: Vec<Mutex<RunResult<u64>>> = self.files.iter().map(|_| Mutex::new(Ok(0))).collect();
        let openers = openers(options, self.files.iter().map(|file| &file.spec));
        openers.for_each::<()>(self.files.len(), &AtomicBool::new(false), |(), file| {
            if !ranges[file].is_empty() {
                *lock(&bytes[file]) = self.bytes_of(file, &ranges[file], columns);
                self.files[file].close();
            }
        });
        bytes.into_iter().map(|bytes| bytes.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    fn bytes_of(
        &self,
        file: usize,
        ranges: &[&Range<u64>],
        columns: &[Arc<DatasetColumns>],
    ) -> RunResult<u64> {
        let opened = self.files[file].open(&columns[self.files[file].dataset].schema)?;
        let (mut bytes, mut reached, mut of_friends) = (0, HashSet::new(), HashSet::new());
        for range in ranges {
            let plan = opened.reader.plan(&opened.columns, (*range).clone())?;
            // What ranges have in common is read once.
            let new = plan.ranges.iter().filter(|piece| reached.insert(piece.start));
            bytes += new.map(|piece| piece.end - piece.start).sum::<u64>();
            for (friend, joined) in opened.joined.iter().enumerate() {
                let first = self.files[file].place.on(&joined.chain);
                let plans = friends::plans(joined, &(first + range.start..first + range.end))?;
                for (number, _, plan) in &plans {
                    let mut is_new = |piece: &&Range<u64>| of_friends.insert((friend, *number, piece.start));
                    let new = plan.ranges.iter().filter(&mut is_new);
                    bytes += new.map(|piece| piece.end - piece.start).sum::<u64>();
                }
            }
        }
        Ok(bytes)
    }

    /// Takes the files' ranges for the plan's, without what is past `max_entries` or outside of the
    /// fileset's steps.
    fn cut(&mut self, max_entries: Option<u64>) {
        let mut left: HashMap<usize, u64> = HashMap::new();
        for (at, file) in self.files.iter_mut().enumerate() {
            let budget = left.entry(file.dataset).or_insert(max_entries.unwrap_or(u64::MAX));
            let mut reached = 0;
            for (range, joined) in std::mem::take(&mut file.ranges) {
                file.skip(reached..range.start, "not in the fileset's steps");
                let end = range.end.min(range.start.saturating_add(*budget));
                if range.start < end {
                    self.ranges.push(PlannedRange { file: at, entries: range.start..end, joined });
                    *budget -= end - range.start;
                    file.add_range();
                }
                file.skip(end..range.end, &format!("--max-entries {}", max_entries.unwrap_or_default()));
                reached = range.end;
            }
            let skipped_whole = file.ledger.skipped.iter().any(|skipped| skipped.entries.is_none());
            if let Some(entries) =
                file.ledger.entries.filter(|_| file.ledger.failed.is_empty() && !skipped_whole)
            {
                file.skip(reached..entries, "not in the fileset's steps");
            }
            if *file.left.get_mut() == 0 {
                file.close();
            }
        }
    }
}

impl PlannedFile {
    pub(super) fn new(
        dataset: usize,
        spec: &FileSpec,
        friends: Vec<Arc<Chain>>,
        skipped: Option<String>,
        handles: &Arc<Handles>,
    ) -> Self {
        let entries = spec.entries.map(|entries| (0, entries));
        let skipped = skipped.map(|reason| Missed { entries, reason }).into_iter().collect();
        let ledger = FileLedger {
            path: spec.name().into_owned(),
            tree: spec.tree.clone().unwrap_or_default(),
            uuid: spec.uuid.clone().unwrap_or_default(),
            entries: spec.entries,
            skipped,
            ..FileLedger::default()
        };
        Self {
            dataset,
            spec: spec.clone(),
            ledger,
            columns: Vec::new(),
            ranges: Vec::new(),
            most: 0,
            bytes: 0,
            friends,
            looks_up: Vec::new(),
            place: Place::default(),
            handles: Arc::clone(handles),
            opened: Mutex::default(),
            is_open: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            served_by: Mutex::default(),
            left: AtomicUsize::new(0),
        }
    }

    /// One more range of it is the plan's.
    pub(super) fn add_range(&mut self) {
        *self.left.get_mut() += 1;
    }

    fn learn(&mut self, facts: FileFacts) {
        self.ledger.retries += u64::from(facts.tries - 1);
        match facts.result {
            Ok(Found {
                uuid,
                revision,
                tree,
                recovered,
                fingerprint,
                has_version,
                entries,
                columns,
                absent,
                short,
                looks_up,
                split: Split { ranges, joined, most, bytes },
            }) => {
                (self.most, self.bytes) = (most, bytes);
                (self.ledger.uuid, self.ledger.tree, self.ledger.entries) = (uuid, tree, Some(entries));
                self.spec.revision = Some(revision);
                self.ledger.recovered = recovered;
                self.ledger.fingerprint = fingerprint;
                (self.ledger.absent, self.ledger.short) = (absent, short);
                if !has_version {
                    self.ledger.identity = "size, head and tail".to_owned();
                }
                (self.columns, self.looks_up) = (columns, looks_up);
                self.ranges = ranges.into_iter().zip(joined).collect();
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Accounts for all its entries as failed, if they are to be processed and have not failed yet.
    pub(super) fn fail(&mut self, reason: &str) {
        if self.ledger.failed.is_empty() && self.ledger.skipped.is_empty() {
            let entries = self.ledger.entries.map(|entries| (0, entries));
            self.ledger.failed.push(Missed { entries, reason: reason.to_owned() });
        }
        self.ranges.clear();
        self.close();
    }

    fn skip(&mut self, entries: Range<u64>, reason: &str) {
        self.ledger.skip(entries, reason);
    }

    /// The open file, opened again if it was closed in between. It must still be the same.
    pub(super) fn open(&self, schema: &Schema) -> RunResult<Arc<Opened>> {
        let mut slot = lock(&self.opened);
        if let Some(opened) = &*slot
            && !opened.source.is_doubted()
        {
            return Ok(Arc::clone(opened));
        }
        let spec = FileSpec {
            uuid: Some(self.ledger.uuid.clone()),
            entries: self.ledger.entries,
            tree: Some(self.ledger.tree.clone()),
            ..self.spec.clone()
        };
        let opened = Arc::new(range::open(&*self.handles.store, &spec, schema, &self.friends)?);
        self.is_open.store(true, Ordering::Relaxed);
        match slot.replace(Arc::clone(&opened)) {
            Some(doubted) => self.note_places(&doubted),
            None => _ = self.handles.open.fetch_add(1, Ordering::Relaxed),
        }
        Ok(opened)
    }

    /// Names what is open of it and of its friends as what a try reads that failed.
    pub(super) fn suspect(&self, suspects: &mut Suspects) {
        if let Some(opened) = &*lock(&self.opened) {
            suspects.add(&opened.source);
        }
        self.friends.iter().flat_map(|chain| chain.sources()).for_each(|source| suspects.add(&source));
    }

    /// Whether it, or a friend of its dataset, is read over the network.
    pub(crate) fn is_remote(&self) -> bool {
        self.spec.is_remote() || self.friends.iter().any(|chain| chain.is_remote())
    }

    /// Whether it is open, or may be opened before a worker needs it.
    pub(super) fn may_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed) || self.handles.open.load(Ordering::Relaxed) < self.handles.most
    }

    /// All that an output of these entries is made of, besides the processor; none if nothing tells the
    /// file, or one of a friend's, from others.
    pub(super) fn made_of(&self, entries: &Range<u64>, dataset: &Dataset) -> Option<Vec<String>> {
        let FileLedger { uuid, tree, entries: all, .. } = &self.ledger;
        let mut parts = vec![
            dataset.name.clone(),
            serde_json::Value::Object(dataset.metadata.clone()).to_string(),
            identity(uuid, tree, *all, self.spec.revision.as_ref())?,
            format!("{}..{} {}", entries.start, entries.end, self.ledger.fingerprint),
        ];
        for chain in &self.friends {
            let first = if chain.index().is_empty() { self.place.on(chain) } else { 0 };
            parts.push(format!("{} {:?} {first}", chain.alias(), chain.index()));
            for FileSpec { uuid, tree, entries, revision, .. } in chain.found() {
                parts.push(identity(uuid.as_ref()?, tree.as_ref()?, *entries, revision.as_ref())?);
            }
        }
        Some(parts)
    }

    /// How often a range of it is tried again: not at all once one was lost in spite of that, until one
    /// succeeds. A server that is gone would cost its time-outs for each of a thousand ranges.
    pub(super) fn retries(&self, retries: u32) -> u32 {
        if self.is_failing.load(Ordering::Relaxed) { 0 } else { retries }
    }

    /// Notes whether the storage gave, in the end, what a range of it needs.
    pub(super) fn answered(&self, answered: bool) {
        self.is_failing.store(!answered, Ordering::Relaxed);
    }

    /// Notes that a range of it is done, and closes it after its last; whether it did.
    pub(super) fn range_ended(&self) -> bool {
        let last = self.left.fetch_sub(1, Ordering::Relaxed) == 1;
        if last {
            self.close();
        }
        last
    }

    /// Keeps the file open, unless so many are: a fileset may have more than a process may open.
    fn keep_if_few(&self, opened: Opened) {
        let more = |open: usize| (open < self.handles.most).then_some(open + 1);
        if self.handles.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            self.is_open.store(true, Ordering::Relaxed);
            *lock(&self.opened) = Some(Arc::new(opened));
        } else {
            self.note_places(&opened);
        }
    }

    /// Keeps which places the bytes came from of a file that is to be closed.
    fn note_places(&self, opened: &Opened) {
        lock(&self.served_by).extend(opened.source.served_by());
    }

    /// The replicas that bytes of it came from until now, by their place in the list.
    pub(super) fn replicas_used(&self) -> Vec<u32> {
        if self.spec.replicas.is_empty() {
            return Vec::new();
        }
        if let Some(opened) = &*lock(&self.opened) {
            self.note_places(opened);
        }
        lock(&self.served_by).iter().filter_map(|at| Some(at.checked_sub(1)? as u32)).collect()
    }

    /// Replicas, and those that were used to look at the file, as they may be shown.
    pub(super) fn replica_names(&self, replicas: impl IntoIterator<Item = u32>) -> Vec<String> {
        let used: BTreeSet<u32> = replicas.into_iter().chain(self.replicas_used()).collect();
        let names = used.into_iter().filter_map(|at| self.spec.replicas.get(at as usize));
        names.map(|replica| location::without_secrets(replica).into_owned()).collect()
    }

    /// Closes it; whoever needs it opens it again.
    pub(crate) fn close(&self) {
        let opened = lock(&self.opened).take();
        if let Some(opened) = opened {
            self.note_places(&opened);
            self.is_open.store(false, Ordering::Relaxed);
            self.handles.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What tells a tree of a file from all others; none if nothing does.
fn identity(uuid: &str, tree: &str, entries: Option<u64>, revision: Option<&String>) -> Option<String> {
    let told = uuid.chars().any(|digit| !matches!(digit, '0' | '-'));
    told.then_some(format!("{uuid} {tree:?} {entries:?} {}", revision?))
}

struct FileFacts {
    result: RunResult<Found>,
    tries: u32,
}

/// What is learnt from opening a file.
struct Found {
    uuid: String,
    revision: String,
    tree: String,
    recovered: bool,
    fingerprint: String,
    has_version: bool,
    entries: u64,
    columns: Vec<String>,
    absent: Vec<AbsentColumn>,
    short: Vec<ShortColumn>,
    looks_up: Vec<Arc<Chain>>,
    split: Split,
}

impl Found {
    fn new(opened: &Opened, split: Split) -> Self {
        let joined = opened.joined.iter().map(|joined| &joined.chain);
        Self {
            uuid: opened.uuid.clone(),
            revision: opened.revision.clone(),
            tree: opened.tree.clone(),
            recovered: opened.recovered,
            fingerprint: opened.fingerprint.clone(),
            has_version: opened.source.has_version(),
            entries: opened.reader.entries(),
            columns: opened.all_columns(),
            absent: opened.absent.clone(),
            short: opened.short.clone(),
            looks_up: joined.filter(|chain| !chain.index().is_empty()).cloned().collect(),
            split,
        }
    }
}

fn chosen(fileset: &Fileset, names: &[String]) -> RunResult<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..fileset.datasets.len()).collect());
    }
    let find = |name: &String| {
        fileset.datasets.iter().position(|dataset| dataset.name == *name).ok_or_else(|| {
            let all = fileset.datasets.iter().map(|dataset| dataset.name.as_str());
            let hint = match hep_columns::nearest(name, all.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", all.collect::<Vec<_>>().join(", ")),
            };
            Error::Usage(format!("--dataset {name}: no such dataset in the fileset; {hint}"))
        })
    };
    let mut chosen = names.iter().map(find).collect::<RunResult<Vec<_>>>()?;
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// Books an output of each dataset once, before any file is opened: a processor that asks the metadata for what
/// is not there, or that panics for another reason, says so now and not in every range.
fn check_outputs(fileset: &Fileset, chosen: &[usize], processor: &dyn AnyProcessor) -> RunResult<()> {
    chosen.iter().filter_map(|&at| fileset.datasets.get(at)).try_for_each(|dataset| {
        let book = || processor.output(&dataset.known()).map(drop);
        asked(book).map_err(|why| {
            Error::Usage(format!("the output of dataset `{}` cannot be booked: {why}", dataset.name))
        })
    })
}

/// The datasets with their columns; without any for those that are not processed.
///
/// # Errors
/// Where the processor cannot declare the columns of one.
pub(super) fn columns(
    fileset: &Fileset,
    chosen: &[usize],
    processor: &dyn AnyProcessor,
) -> RunResult<Vec<Arc<DatasetColumns>>> {
    let datasets = fileset.datasets.iter().enumerate().map(|(at, dataset)| {
        let dataset = dataset.known();
        let schema = match chosen.binary_search(&at) {
            Ok(_) => asked(|| processor.schema(&dataset)).map_err(|why| {
                Error::Usage(format!("the columns of dataset `{}` cannot be declared: {why}", dataset.name))
            })?,
            Err(_) => Schema::default(),
        };
        Ok(Arc::new(DatasetColumns { dataset, schema }))
    });
    datasets.collect()
}

/// What a processor answers, or why it does not.
fn asked<T>(ask: impl FnOnce() -> hep_analysis::Result<T>) -> Result<T, String> {
    let answer = without_panic(|| ask().map_err(|error| error.to_string())).unwrap_or_else(Err);
    // The hook has said already that it was a panic, and where.
    answer.map_err(|why| why.trim_start_matches("it panicked: ").to_owned())
}

fn skip_reason(datasets: &[usize], dataset: usize, file: usize, options: &Options) -> Option<String> {
    if datasets.binary_search(&dataset).is_err() {
        return Some("--dataset".to_owned());
    }
    let max = options.max_files.filter(|&max| file >= max)?;
    Some(format!("--max-files {max}"))
}

/// One file under two paths in a dataset would count its events twice.
fn same_file_twice(fileset: &Fileset, files: &[PlannedFile]) -> RunResult<()> {
    let mut seen: HashMap<(usize, &str, &str, &str), &str> = HashMap::new();
    for file in files.iter().filter(|file| !file.ledger.uuid.is_empty() && file.ledger.skipped.is_empty()) {
        let FileLedger { uuid, fingerprint, tree, .. } = &file.ledger;
        let key = (file.dataset, uuid.as_str(), fingerprint.as_str(), tree.as_str());
        if let Some(first) = seen.insert(key, &file.ledger.path) {
            let message = format!(
                "dataset `{}` lists one file twice: {first} and {} have the same uuid {}, size, head and tail; \
                 --allow-duplicates reads both",
                fileset.datasets[file.dataset].name, file.ledger.path, file.ledger.uuid
            );
            return Err(Error::Usage(message));
        }
    }
    Ok(())
}
