use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hep_columns::Requirement;
use hep_io::ReadPlan;
use hep_io::source::ByteSource;

use super::Lookup;
use super::recent::{Division, Recent};
use crate::descriptors::files_kept_open;
use crate::error::RunResult;
use crate::fileset::{FileSpec, Friend};
use crate::ledger::{FriendFile, FriendLedger};
use crate::range::{OpenTree, open_tree};
use crate::storage::FileStore;

/// Files of all friends together that stay open.
const OPEN_FILES: usize = 32;

/// The files of friends that were used last, and what was read of them.
pub(crate) struct OpenFiles {
    store: Arc<dyn FileStore>,
    /// How many stay open.
    most: usize,
    files: Mutex<VecDeque<Known>>,
    recent: Recent,
}

/// A file, by the numbers of its friend and in it.
type Known = ((usize, usize), Arc<OpenTree>);

impl OpenFiles {
    /// None yet.
    pub(crate) fn new(store: Arc<dyn FileStore>) -> Self {
        let most = files_kept_open(OPEN_FILES);
        Self { store, most, files: Mutex::default(), recent: Recent::default() }
    }

    fn find(&self, number: (usize, usize)) -> Option<Arc<OpenTree>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let at = files.iter().position(|(known, _)| *known == number)?;
        let known = files.remove(at)?;
        // Its bytes were damaged: opened again, they come from elsewhere.
        if known.1.source.is_doubted() {
            return None;
        }
        let opened = Arc::clone(&known.1);
        files.push_back(known);
        Some(opened)
    }

    fn add(&self, number: (usize, usize), opened: Arc<OpenTree>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= self.most {
            files.pop_front();
        }
        files.push_back((number, opened));
    }
}

/// The files of a friend, opened once, as one chain of entries.
pub struct Chain {
    friend: Friend,
    /// Whether it is a friend of all datasets, in the fileset's order.
    of_all: bool,
    links: Vec<Link>,
    /// Why the chain is known up to here only.
    broken: Option<String>,
    lookup: OnceLock<Result<Lookup, String>>,
    /// Which of all friends it is.
    number: usize,
    open: Arc<OpenFiles>,
}

/// A file of a chain, with uuid, tree and entries as they were found.
struct Link {
    spec: FileSpec,
    start: u64,
    entries: u64,
}

/// What is learnt from opening a file of a friend.
pub(crate) struct Found {
    spec: FileSpec,
    entries: u64,
    /// It stays open, if it is one of the first.
    opened: Option<OpenTree>,
}

impl Found {
    /// What is known of a file that has been looked at; nothing of another.
    pub(crate) fn known(spec: &FileSpec) -> Option<Self> {
        match *spec {
            FileSpec { tree: Some(_), uuid: Some(_), entries: Some(entries), .. } => {
                Some(Self { spec: spec.clone(), entries, opened: None })
            }
            _ => None,
        }
    }

    /// Looks at a file, the `at`th of all friends: opens it, unless its tree, uuid and number of entries
    /// are known, and its revision if that is `revised`: asked for.
    ///
    /// # Errors
    /// Those of [`open_tree`].
    pub(crate) fn open(store: &dyn FileStore, spec: &FileSpec, at: usize, revised: bool) -> RunResult<Self> {
        if let Some(known) = Self::known(spec).filter(|_| !revised || spec.revision.is_some()) {
            return Ok(known);
        }
        let opened = open_tree(store, spec)?;
        let entries = opened.reader.entries();
        let spec = FileSpec {
            uuid: Some(opened.uuid.clone()),
            tree: Some(opened.tree.clone()),
            entries: Some(entries),
            revision: Some(opened.revision.clone()),
            ..spec.clone()
        };
        Ok(Self { spec, entries, opened: (at < files_kept_open(OPEN_FILES)).then_some(opened) })
    }
}

/// The columns that a friend gives to the batches of a file.
pub struct Joined {
    /// The friend.
    pub chain: Arc<Chain>,
    /// What the processor calls each column, and what the friend does.
    pub columns: Vec<(String, String)>,
}

impl Chain {
    /// The chain of a friend's files, of which `found` is what came of opening each. It ends before
    /// the first that failed, since nobody knows how many entries that has.
    pub(crate) fn new(
        friend: &Friend,
        of_all: bool,
        found: Vec<RunResult<Found>>,
        number: usize,
        open: Arc<OpenFiles>,
    ) -> Self {
        let mut links: Vec<Link> = Vec::new();
        let (mut start, mut broken) = (0_u64, None);
        for found in found {
            let Found { spec, entries, opened } = match found {
                Ok(found) => found,
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            };
            let Some(end) = start.checked_add(entries) else {
                broken = Some("its number of entries is absurd".to_owned());
                break;
            };
            if let Some(opened) = opened {
                open.add((number, links.len()), Arc::new(opened));
            }
            links.push(Link { spec, start, entries });
            start = end;
        }
        let friend = friend.clone();
        Self { friend, of_all, links, broken, lookup: OnceLock::new(), number, open }
    }

    /// Its name.
    pub fn alias(&self) -> &str {
        &self.friend.alias
    }

    /// The branches that its entries are looked up by; none if they are found by position.
    pub fn index(&self) -> &[String] {
        &self.friend.index
    }

    /// Its files as the fileset has them.
    pub(crate) fn specs(&self) -> &[FileSpec] {
        &self.friend.files
    }

    /// Its files with what was found of each, as far as the chain is known.
    pub(crate) fn found(&self) -> impl Iterator<Item = &FileSpec> {
        self.links.iter().map(|link| &link.spec)
    }

    /// Whether any of its files is read over the network.
    pub(crate) fn is_remote(&self) -> bool {
        self.specs().iter().any(FileSpec::is_remote)
    }

    pub(crate) fn of_all(&self) -> bool {
        self.of_all
    }

    /// How many entries it has, as far as that is known.
    pub fn entries(&self) -> u64 {
        self.links.last().map_or(0, |link| link.start.saturating_add(link.entries))
    }

    /// Why it is known up to [`entries`](Self::entries) only, if so.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// How many files it has, those before the first that cannot be opened.
    pub(crate) fn files(&self) -> usize {
        self.links.len()
    }

    /// The files that hold `entries`, each with the entries needed of it.
    pub(crate) fn parts(&self, entries: &Range<u64>) -> Vec<(usize, Range<u64>)> {
        let first = self.links.partition_point(|link| link.start + link.entries <= entries.start);
        let held = |link: &Link| {
            let end = link.start + link.entries;
            entries.start.clamp(link.start, end) - link.start..entries.end.clamp(link.start, end) - link.start
        };
        let parts = self.links.iter().enumerate().skip(first);
        parts
            .take_while(|(_, link)| link.start < entries.end)
            .map(|(at, link)| (at, held(link)))
            .filter(|(_, range)| range.start < range.end)
            .collect()
    }

    /// The file that holds an entry, and which of its entries it is.
    pub(crate) fn find(&self, entry: u64) -> Option<(usize, u64)> {
        let at = self.links.partition_point(|link| link.start + link.entries <= entry);
        let link = self.links.get(at)?;
        Some((at, entry - link.start))
    }

    /// The first entry of a file.
    pub(crate) fn start(&self, file: usize) -> u64 {
        self.links.get(file).map_or(0, |link| link.start)
    }

    /// The column of its first file whose name is most like `own`, if one is near.
    pub(crate) fn nearest(&self, own: &str) -> RunResult<Option<String>> {
        match self.open(0)?.reader.column(own) {
            Err(hep_io::Error::NoColumn { nearest, .. }) => Ok(nearest),
            _ => Ok(None),
        }
    }

    /// A file by its path, and an entry of it, for messages.
    pub(crate) fn describe(&self, entry: u64) -> String {
        self.find(entry).map_or_else(
            || format!("entry {entry}"),
            |(file, entry)| format!("entry {entry} of {}", self.links[file].spec.name()),
        )
    }

    /// Those of its files that are open.
    pub(crate) fn sources(&self) -> Vec<Arc<dyn ByteSource>> {
        let files = self.open.files.lock().unwrap_or_else(PoisonError::into_inner);
        let own = files.iter().filter(|((friend, _), _)| *friend == self.number);
        own.map(|(_, opened)| Arc::clone(&opened.source)).collect()
    }

    /// A file, opened again if it was closed in between. It must still be the same.
    pub(crate) fn open(&self, file: usize) -> RunResult<Arc<OpenTree>> {
        if let Some(opened) = self.open.find((self.number, file)) {
            return Ok(opened);
        }
        let opened = Arc::new(open_tree(&*self.open.store, &self.links[file].spec)?);
        self.open.add((self.number, file), Arc::clone(&opened));
        Ok(opened)
    }

    /// Divides the reading of a plan of a file among it and those that need the same pieces.
    pub(super) fn divide(&self, file: usize, source: &Arc<dyn ByteSource>, plan: &ReadPlan) -> Division {
        self.open.recent.divide((self.number, file), source, plan)
    }

    /// The friend as a fileset has it, with what was found of each file.
    pub(crate) fn described(&self) -> Friend {
        let mut friend = self.friend.clone();
        friend.files.iter_mut().zip(&self.links).for_each(|(file, link)| file.clone_from(&link.spec));
        friend
    }

    /// What its entries are looked up by, or why there is none; of `read` if nobody has read it. Whoever else
    /// asks meanwhile waits: an index is large, and is read once.
    pub(crate) fn lookup_or(&self, read: impl FnOnce() -> Result<Lookup, String>) -> Result<&Lookup, &str> {
        self.lookup.get_or_init(read).as_ref().map_err(String::as_str)
    }

    /// What its entries are looked up by, or why there is none.
    pub(crate) fn lookup(&self) -> Result<&Lookup, &str> {
        match self.lookup.get() {
            Some(lookup) => lookup.as_ref().map_err(String::as_str),
            None => Err("its index was not read"),
        }
    }

    /// Bytes that so many entries of these columns have, about.
    pub(crate) fn estimate(&self, columns: &[(String, String)], entries: u64) -> RunResult<u64> {
        let Some(first) = self.links.first().filter(|link| link.entries > 0) else { return Ok(0) };
        let reader = &self.open(0)?.reader;
        let mut bytes = 0_u64;
        for (_, own) in columns {
            bytes = bytes.saturating_add(reader.stored(own)?.bytes);
        }
        let all = u128::from(bytes) * u128::from(entries) / u128::from(first.entries);
        Ok(u64::try_from(all).unwrap_or(u64::MAX))
    }

    /// Its account.
    pub(crate) fn ledger(&self) -> FriendLedger {
        let known = self.links.iter().map(|link| &link.spec);
        let unknown = &self.friend.files[self.links.len().min(self.friend.files.len())..];
        let file = |spec: &FileSpec| FriendFile {
            path: spec.name().into_owned(),
            tree: spec.tree.clone().unwrap_or_default(),
            uuid: spec.uuid.clone().unwrap_or_default(),
            entries: spec.entries,
        };
        let files = known.chain(unknown).map(file).collect();
        FriendLedger { alias: self.friend.alias.clone(), files }
    }
}

/// Which of `friends` has the column that a processor calls `name`, by its place among them, and what
/// the friend calls it: `alias.column`, or a name that one friend alone has.
///
/// # Errors
/// Where several friends have it, the friend cannot be opened, or its column is not what is needed.
pub(crate) fn resolve(need: &Requirement, friends: &[Arc<Chain>]) -> RunResult<Option<(usize, String)>> {
    let name = need.name.as_str();
    if let Some((alias, own)) = name.split_once('.')
        && let Some(at) = friends.iter().position(|friend| friend.alias() == alias)
    {
        return match has(&friends[at], own, need)? {
            Has::Yes => Ok(Some((at, own.to_owned()))),
            Has::No(_) if need.optional => Ok(None),
            Has::No(error) => Err(error.into()),
        };
    }
    let mut found: Option<usize> = None;
    for (at, friend) in friends.iter().enumerate() {
        match (has(friend, name, need)?, found) {
            (Has::No(_), _) => {}
            (Has::Yes, None) => found = Some(at),
            (Has::Yes, Some(first)) => {
                let (a, b) = (friends[first].alias(), friend.alias());
                return Err(crate::error::Error::Usage(format!(
                    "`{name}` is in the friends `{a}` and `{b}`: name it `{a}.{name}` or `{b}.{name}`"
                )));
            }
        }
    }
    Ok(found.map(|at| (at, name.to_owned())))
}

enum Has {
    Yes,
    No(hep_io::Error),
}

/// Whether a friend's first file has a column, and as it is needed.
fn has(friend: &Chain, own: &str, need: &Requirement) -> RunResult<Has> {
    if friend.files() == 0 {
        let reason = friend.broken().unwrap_or("it has no files");
        return Err(crate::error::Error::Usage(format!(
            "the friend `{}` cannot be used: {reason}",
            friend.alias()
        )));
    }
    let opened = friend.open(0)?;
    match opened.reader.column(own) {
        Ok(info) => {
            need.check(&info.data_type).and_then(|()| need.check_unit()).map_err(|error| {
                hep_io::Error::Unsupported {
                    path: opened.source.name().to_owned(),
                    what: format!("tree `{}`", opened.tree),
                    reason: error.to_string(),
                }
            })?;
            Ok(Has::Yes)
        }
        Err(error @ hep_io::Error::NoColumn { .. }) => Ok(Has::No(error)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn an_index_is_read_once_whoever_asks_for_it_at_a_time() {
        let open = Arc::new(OpenFiles::new(Arc::new(hep_io::source::Storage::default())));
        let chain = Chain::new(&Friend::default(), true, Vec::new(), 0, open);
        let (barrier, reads) = (Barrier::new(8), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let read = || {
                        reads.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        Lookup::new(&chain, Vec::new())
                    };
                    assert!(chain.lookup_or(read).is_ok());
                });
            }
        });
        assert_eq!(reads.into_inner(), 1);
        assert!(chain.lookup().is_ok());
    }
}
