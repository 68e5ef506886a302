use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::take::take;
use bytes::Bytes;
use hep_columns::Batch;
use hep_io::source::ByteSource;
use hep_io::{Batches, ReadPlan, Scratch};

use super::lookup::{keys, values};
use super::recent::{Division, Started};
use super::{Chain, Joined};
use crate::error::{Error, RunResult};
use crate::range::{OpenTree, Opened};

/// Entries of a friend decoded at once where they are looked up.
const AT_ONCE: usize = 16_384;
/// A stretch of a friend longer than this ends at the next cluster: what bounds the bytes read at once.
const STRETCH: u64 = 4 * AT_ONCE as u64;

/// The bytes that a range of entries needs of the friends found by position.
pub(crate) struct Fetched {
    /// By friend; no parts where entries are looked up.
    friends: Vec<Vec<Part>>,
    /// Whether what others have read may be taken.
    sharing: bool,
}

/// A stretch of one file of a friend.
struct Part {
    file: Arc<OpenTree>,
    plan: ReadPlan,
    bytes: Vec<Bytes>,
    /// The compressed bytes that were read for it.
    read: u64,
}

/// What a range of entries will read of the friends found by position.
pub(crate) struct ToFetch {
    /// By friend, as in [`Fetched`].
    friends: Vec<Vec<Stretch>>,
    sharing: bool,
}

/// A stretch of one file of a friend, to be read.
struct Stretch {
    /// Which file of the friend.
    number: usize,
    file: Arc<OpenTree>,
    plan: ReadPlan,
    division: Division,
}

/// What a range of entries reads of the friends found by position, on its way.
pub(crate) struct Fetching {
    friends: Vec<Vec<(Arc<OpenTree>, ReadPlan, Started)>>,
    sharing: bool,
}

impl Fetched {
    /// The files that were read.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Arc<dyn ByteSource>> {
        self.friends.iter().flatten().map(|part| &part.file.source)
    }
}

impl ToFetch {
    /// What `entries` of a file need, which start where `first` says on each friend's chain.
    ///
    /// # Errors
    /// Where a friend's file cannot be opened, or lacks a column.
    pub(crate) fn new(
        opened: &Opened,
        entries: &Range<u64>,
        first: impl Fn(&Chain) -> u64,
    ) -> RunResult<Self> {
        let alone = |(number, file, plan): Planned| {
            let division = Division::alone(&file.source, &plan);
            Stretch { number, file, plan, division }
        };
        let friends = opened.joined.iter().map(|joined| {
            let first = first(&joined.chain);
            let plans = plans(joined, &(first + entries.start..first + entries.end))?;
            Ok(plans.into_iter().map(alone).collect())
        });
        Ok(Self { friends: friends.collect::<RunResult<_>>()?, sharing: false })
    }

    /// Leaves to other ranges what they read, and reads what they need of it.
    pub(crate) fn share(&mut self, opened: &Opened) {
        self.sharing = true;
        for (joined, stretches) in opened.joined.iter().zip(&mut self.friends) {
            for Stretch { number, file, plan, division } in stretches {
                *division = joined.chain.divide(*number, &file.source, plan);
            }
        }
    }

    /// How many bytes reading it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.friends.iter().flatten().map(|stretch| stretch.division.bytes()).sum()
    }

    /// Begins to read.
    pub(crate) fn start(self) -> Fetching {
        let start = |Stretch { file, plan, division, .. }| (file, plan, division.start());
        let friends = self.friends.into_iter().map(|parts| parts.into_iter().map(start).collect());
        Fetching { friends: friends.collect(), sharing: self.sharing }
    }
}

impl Fetching {
    /// What has been read.
    ///
    /// # Errors
    /// Where a friend's file cannot be read.
    pub(crate) fn wait(self) -> RunResult<Fetched> {
        let wait = |(file, plan, started): (Arc<OpenTree>, ReadPlan, Started)| {
            let (bytes, read) = started.wait()?;
            Ok(Part { file, plan, bytes, read })
        };
        let friends = self.friends.into_iter().map(|parts| parts.into_iter().map(wait).collect());
        Ok(Fetched { friends: friends.collect::<RunResult<_>>()?, sharing: self.sharing })
    }
}

impl Fetched {
    /// The friend that each of the decoders is of that it takes, each with a scratch of its own.
    pub(crate) fn aliases<'a>(&'a self, opened: &'a Opened) -> impl Iterator<Item = &'a str> {
        let friends = opened.joined.iter().zip(&self.friends);
        friends.flat_map(|(joined, parts)| std::iter::repeat_n(joined.chain.alias(), parts.len().max(1)))
    }

    /// The compressed bytes that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.friends.iter().flatten().map(|part| part.read).sum()
    }
}

/// A stretch of a friend's file, by the file's number in the friend.
type Planned = (usize, Arc<OpenTree>, ReadPlan);

/// What is read of a friend for `entries` of its chain; nothing where they are looked up.
///
/// # Errors
/// Those of opening and planning.
pub(crate) fn plans(joined: &Joined, entries: &Range<u64>) -> RunResult<Vec<Planned>> {
    if !joined.chain.index().is_empty() {
        return Ok(Vec::new());
    }
    let columns = own_names(joined);
    let plan = |(at, range): (usize, Range<u64>)| {
        let file = joined.chain.open(at)?;
        let plan = file.reader.plan(&columns, range)?;
        Ok((at, file, plan))
    };
    joined.chain.parts(entries).into_iter().map(plan).collect()
}

fn own_names(joined: &Joined) -> Vec<String> {
    joined.columns.iter().map(|(_, own)| own.clone()).collect()
}

/// Puts the friends' columns into the batches of a range, in order.
pub(crate) struct Join<'a> {
    opened: &'a Opened,
    names: Arc<HashMap<String, usize>>,
    friends: Vec<Source<'a>>,
    sharing: bool,
    read: LookedUp,
}

/// What lookups have read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LookedUp {
    /// Compressed bytes.
    pub(crate) bytes: u64,
    /// How long they were waited for.
    pub(crate) time: Duration,
}

enum Source<'a> {
    /// The rest of the range, in step with the file's.
    InStep(VecDeque<Box<dyn Batches + 'a>>),
    Lookup(&'a mut Scratch),
}

impl<'a> Join<'a> {
    /// Of the file's friends, with the bytes that were read of them. `scratch` is as many as
    /// [`Fetched::aliases`] gives.
    ///
    /// # Errors
    /// Those of decoding.
    pub(crate) fn new(
        opened: &'a Opened,
        fetched: &'a Fetched,
        scratch: &'a mut [Scratch],
    ) -> RunResult<Self> {
        let mut scratch = scratch.iter_mut();
        let mut friends = Vec::with_capacity(fetched.friends.len());
        for (joined, parts) in opened.joined.iter().zip(&fetched.friends) {
            let mut next = || scratch.next().ok_or_else(|| Error::Usage("a scratch is missing".to_owned()));
            if !joined.chain.index().is_empty() {
                friends.push(Source::Lookup(next()?));
                continue;
            }
            let mut decoders = VecDeque::with_capacity(parts.len());
            for Part { file, plan, bytes, .. } in parts {
                decoders.push_back(file.reader.decode(plan, bytes, next()?)?);
            }
            friends.push(Source::InStep(decoders));
        }
        let own = opened.columns.iter();
        let names = own.chain(opened.joined.iter().flat_map(|j| j.columns.iter().map(|(name, _)| name)));
        let names = names.enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Ok(Self {
            opened,
            names: Arc::new(names),
            friends,
            sharing: fetched.sharing,
            read: LookedUp::default(),
        })
    }

    /// The batch with the friends' columns beside its own.
    ///
    /// # Errors
    /// Where a friend cannot be read, or has no entry for one of the batch.
    pub(crate) fn add(&mut self, batch: Batch) -> RunResult<Batch> {
        if self.friends.is_empty() {
            return Ok(batch);
        }
        let mut arrays = Vec::with_capacity(self.names.len());
        for name in &self.opened.columns {
            let array = batch.column(name).map_err(|error| Error::Usage(error.to_string()))?;
            arrays.push(array.clone());
        }
        for (joined, source) in self.opened.joined.iter().zip(&mut self.friends) {
            let more = match source {
                Source::InStep(parts) => in_step(joined, parts, batch.len())?,
                Source::Lookup(scratch) => {
                    look_up(joined, &batch, self.opened, scratch, self.sharing, &mut self.read)?
                }
            };
            arrays.extend(more);
        }
        Ok(Batch::new(batch.entries(), self.names.clone(), arrays))
    }

    /// What lookups have read.
    pub(crate) fn looked_up(&self) -> LookedUp {
        self.read
    }
}

/// The next `n` entries of a friend.
fn in_step(
    joined: &Joined,
    parts: &mut VecDeque<Box<dyn Batches + '_>>,
    n: usize,
) -> RunResult<Vec<ArrayRef>> {
    let mut pieces = Pieces::new(joined);
    while pieces.entries < n {
        let Some(part) = parts.front_mut() else {
            return Err(wrong(&joined.chain, "it ends too early".to_owned()));
        };
        match part.next(n - pieces.entries)? {
            Some(batch) => pieces.add(&batch, None)?,
            None => drop(parts.pop_front()),
        }
    }
    pieces.join(&joined.chain)
}

/// The entries of a friend that those of a batch belong to.
fn look_up(
    joined: &Joined,
    batch: &Batch,
    opened: &Opened,
    scratch: &mut Scratch,
    sharing: bool,
    read: &mut LookedUp,
) -> RunResult<Vec<ArrayRef>> {
    let chain = &joined.chain;
    let lookup = chain.lookup().map_err(|reason| wrong(chain, reason.to_owned()))?;
    let path = opened.source.name();
    let mut wanted = Vec::with_capacity(batch.len());
    for (key, entry) in keys(batch, chain.index(), path)?.iter().zip(batch.entries()) {
        wanted.push(lookup.find(key).ok_or_else(|| hep_io::Error::Unsupported {
            path: format!("{path}:/{}", opened.tree),
            what: format!("entry {entry}"),
            reason: format!(
                "its friend `{}` has no entry with {}",
                chain.alias(),
                values(chain.index(), key)
            ),
        })?);
    }
    let mut distinct = wanted.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut pieces = Pieces::new(joined);
    let columns = own_names(joined);
    let mut left = &distinct[..];
    while let Some((file, first)) = left.first().and_then(|&entry| chain.find(entry)) {
        let start = chain.start(file);
        let tree = chain.open(file)?;
        let n = left.partition_point(|&entry| entry - start < tree.reader.entries());
        let local: Vec<u64> = left[..n].iter().map(|entry| entry - start).collect();
        debug_assert_eq!(local.first(), Some(&first));
        for stretch in stretches(&local, &tree.reader.boundaries(&columns)?) {
            let plan = tree.reader.plan(&columns, stretch.clone())?;
            let begun = Instant::now();
            // The next batch may need entries of the same baskets.
            let division = match sharing {
                true => chain.divide(file, &tree.source, &plan),
                false => Division::alone(&tree.source, &plan),
            };
            let (bytes, size) = division.start().wait()?;
            read.bytes += size;
            read.time += begun.elapsed();
            let mut batches = tree.reader.decode(&plan, &bytes, scratch)?;
            while let Some(batch) = batches.next(AT_ONCE)? {
                let (start, end) = (batch.entries().start, batch.entries().end);
                let of = local.partition_point(|&e| e < start)..local.partition_point(|&e| e < end);
                // A batch has at most `AT_ONCE` entries.
                let rows = local[of].iter().map(|&entry| (entry - start) as u32);
                pieces.add(&batch, Some(UInt32Array::from_iter_values(rows)))?;
            }
        }
        left = &left[n..];
    }
    let arrays = pieces.join(chain)?;
    if wanted == distinct {
        return Ok(arrays);
    }
    let places = wanted.iter().map(|entry| distinct.partition_point(|known| known < entry) as u32);
    let places = UInt32Array::from_iter_values(places);
    let order =
        |array: &ArrayRef| take(array, &places, None).map_err(|error| wrong(chain, error.to_string()));
    arrays.iter().map(order).collect()
}

/// The stretches of a file to read for `entries`, which are sorted: from the first to the last of each
/// group of neighbouring clusters.
fn stretches(entries: &[u64], boundaries: &[u64]) -> Vec<Range<u64>> {
    let mut stretches: Vec<Range<u64>> = Vec::new();
    let mut before = usize::MAX;
    for &entry in entries {
        let cluster = boundaries.partition_point(|&start| start <= entry);
        match stretches.last_mut() {
            Some(last) if cluster == before => last.end = entry + 1,
            Some(last) if cluster == before.wrapping_add(1) && entry - last.start < STRETCH => {
                last.end = entry + 1;
            }
            _ => stretches.push(entry..entry + 1),
        }
        before = cluster;
    }
    stretches
}

/// The columns of a friend, piece by piece.
struct Pieces<'a> {
    joined: &'a Joined,
    columns: Vec<Vec<ArrayRef>>,
    entries: usize,
}

impl<'a> Pieces<'a> {
    fn new(joined: &'a Joined) -> Self {
        Self { joined, columns: vec![Vec::new(); joined.columns.len()], entries: 0 }
    }

    /// Adds a batch, or these rows of it.
    fn add(&mut self, batch: &Batch, rows: Option<UInt32Array>) -> RunResult<()> {
        let chain = &self.joined.chain;
        for (column, (_, own)) in self.columns.iter_mut().zip(&self.joined.columns) {
            let array = batch.column(own).map_err(|error| wrong(chain, error.to_string()))?;
            column.push(match &rows {
                Some(rows) => take(array, rows, None).map_err(|error| wrong(chain, error.to_string()))?,
                None => array.clone(),
            });
        }
        self.entries += rows.map_or(batch.len(), |rows| rows.len());
        Ok(())
    }

    fn join(self, chain: &Chain) -> RunResult<Vec<ArrayRef>> {
        let join = |pieces: Vec<ArrayRef>| match &pieces[..] {
            [only] => Ok(only.clone()),
            pieces => {
                let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
                concat(&pieces).map_err(|error| wrong(chain, error.to_string()))
            }
        };
        self.columns.into_iter().map(join).collect()
    }
}

fn wrong(chain: &Chain, reason: String) -> Error {
    Error::Usage(format!("the friend `{}` cannot be read: {reason}", chain.alias()))
}

#[cfg(test)]
mod tests {
    use super::stretches;

    #[test]
    fn neighbouring_clusters_are_one_stretch_and_what_lies_between_others_is_not_read() {
        let boundaries = [0, 10, 20, 30, 40];
        assert_eq!(stretches(&[1, 5, 12, 35], &boundaries), [1..13, 35..36]);
        assert_eq!(stretches(&[0, 9, 39], &boundaries), [0..10, 39..40]);
        assert_eq!(stretches(&[], &boundaries), []);
        let large = [0, 50_000, 100_000, 150_000];
        assert_eq!(stretches(&[0, 60_000, 120_000], &large), [0..60_001, 120_000..120_001]);
    }
}
