//! From files to entry ranges: the unit of work, of retry and of merging.

use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

use hep_columns::{Requirement, Schema};
use hep_io::source::ByteSource;
use hep_io::{EntryFile, EntryReader};
use twox_hash::XxHash3_64;

use crate::error::RunResult;
use crate::fileset::FileSpec;
use crate::friends::{Chain, Joined, resolve};
use crate::ledger::{AbsentColumn, ShortColumn};
use crate::storage::{FileStore, entry_file, sound};

/// How ranges are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeSize {
    /// Neighbouring clusters are taken together up to so many bytes, compressed, of the columns
    /// that are read.
    pub bytes: u64,
    /// And up to so many entries.
    pub entries: Option<u64>,
}

impl Default for RangeSize {
    /// 4 MB: large enough that a read costs more than its latency, small enough that a failure costs
    /// little and that a few files keep all cores busy.
    fn default() -> Self {
        Self { bytes: 4_000_000, entries: None }
    }
}

/// A range that is more than this many times its size is cut inside a cluster, at the price of
/// decompressing the baskets around the cut twice.
const OVERSIZE: u64 = 4;

/// A tree of a file.
pub struct OpenTree {
    /// The bytes.
    pub source: Arc<dyn ByteSource>,
    /// The tree.
    pub reader: Arc<dyn EntryReader>,
    /// The file's own identity.
    pub uuid: String,
    /// What changes when the file is updated: [`EntryFile::revision`].
    pub revision: String,
    /// The path of the tree in the file.
    pub tree: String,
    /// A hash of the file's size, head and tail.
    pub fingerprint: String,
    /// Whether the file was not closed: [`EntryFile::is_recovered`].
    pub recovered: bool,
}

/// A file that has been opened and checked against what the processor needs.
pub struct Opened {
    /// The bytes.
    pub source: Arc<dyn ByteSource>,
    /// The tree.
    pub reader: Arc<dyn EntryReader>,
    /// The file's own identity.
    pub uuid: String,
    /// What changes when the file is updated: [`EntryFile::revision`].
    pub revision: String,
    /// The path of the tree in the file.
    pub tree: String,
    /// A hash of the file's size, head and tail.
    pub fingerprint: String,
    /// Whether the file was not closed: [`EntryFile::is_recovered`].
    pub recovered: bool,
    /// The columns that are read of this file: the processor's, and those that friends are looked up
    /// by.
    pub columns: Vec<String>,
    /// The processor's columns that friends have.
    pub joined: Vec<Joined>,
    /// The optional columns that neither the file nor a friend has.
    pub absent: Vec<AbsentColumn>,
    /// The columns that hold fewer entries than the tree, and are filled up.
    pub short: Vec<ShortColumn>,
    /// What decoding keeps in memory besides batches: [`EntryReader::kept`].
    pub kept: u64,
}

impl Opened {
    /// The columns that are read of the file and of its friends.
    pub fn all_columns(&self) -> Vec<String> {
        let joined = self.joined.iter().flat_map(|joined| {
            joined.columns.iter().map(|(_, own)| format!("{}.{own}", joined.chain.alias()))
        });
        self.columns.iter().cloned().chain(joined).collect()
    }
}

/// Opens a file's tree.
///
/// # Errors
/// Where it cannot be opened or is not the file that the fileset describes.
pub fn open_tree(store: &dyn FileStore, file: &FileSpec) -> RunResult<OpenTree> {
    // A plan has opened it before, and recovered it if it was not closed.
    let recover = store.recovers() || file.revision.is_some();
    let (entry_file, tree, reader) = sound(store, &file.path, &file.replicas, |source| {
        let entry_file = entry_file(source, recover)?;
        let tree = match &file.tree {
            Some(tree) => entry_file.tree_name(tree).to_owned(),
            None => only_tree(&entry_file)?,
        };
        let reader = entry_file.reader_with(&tree, store.short_branches())?;
        Ok((entry_file, tree, reader))
    })?;
    let changed = |what: &str, found: String, said: String| hep_io::Error::Unsupported {
        path: file.name().into_owned(),
        what: format!("tree `{tree}`"),
        reason: format!("its {what} is {found}, but the fileset says {said}: the file was replaced"),
    };
    let uuid = entry_file.uuid();
    // Other tools note the zeros of a file that has no identifier.
    let is_told = |said: &&String| said.chars().any(|digit| !matches!(digit, '0' | '-'));
    if let Some(said) = file.uuid.as_ref().filter(is_told).filter(|said| !said.eq_ignore_ascii_case(&uuid)) {
        return Err(changed("uuid", uuid, said.clone()).into());
    }
    if let Some(said) = file.entries.filter(|&said| said != reader.entries()) {
        return Err(changed("number of entries", reader.entries().to_string(), said.to_string()).into());
    }
    let revision = entry_file.revision(&tree)?;
    if file.revision.as_ref().is_some_and(|said| *said != revision) {
        return Err(hep_io::Error::Unsupported {
            path: file.name().into_owned(),
            what: format!("tree `{tree}`"),
            reason: "it was written anew since this run was planned".to_owned(),
        }
        .into());
    }
    let recovered = entry_file.is_recovered();
    let source = Arc::clone(entry_file.source());
    let fingerprint = fingerprint(&*source)?;
    Ok(OpenTree { source, reader, uuid, revision, fingerprint, tree, recovered })
}

/// A hash of a file's size, its first and its last 4 KiB. A uuid alone does not tell two files apart: a copy that is then
/// updated keeps it.
fn fingerprint(source: &dyn ByteSource) -> hep_io::Result<String> {
    const PART: u64 = 4 << 10;
    let size = source.len()?;
    let ends = [0..size.min(PART), size.saturating_sub(PART)..size];
    let mut hasher = XxHash3_64::new();
    hasher.write_u64(size.to_le());
    source.read(&ends)?.iter().for_each(|bytes| hasher.write(bytes));
    Ok(format!("{:016x}", hasher.finish()))
}

/// Opens a file and checks that it, or else one of its friends, has every column of `schema`, readable
/// as declared.
///
/// # Errors
/// Where it cannot be opened, is not the file that the fileset describes, or lacks a column.
pub fn open(
    store: &dyn FileStore,
    file: &FileSpec,
    schema: &Schema,
    friends: &[Arc<Chain>],
) -> RunResult<Opened> {
    let OpenTree { source, reader, uuid, revision, fingerprint, tree, recovered } = open_tree(store, file)?;
    let mut columns = Vec::new();
    let mut absent: Vec<AbsentColumn> = Vec::new();
    let mut joined: Vec<Vec<(String, String)>> = vec![Vec::new(); friends.len()];
    for need in schema.requirements() {
        match reader.column(&need.name) {
            Ok(info) => {
                need.check(&info.data_type).and_then(|()| need.check_unit()).map_err(|error| {
                    hep_io::Error::Unsupported {
                        path: file.name().into_owned(),
                        what: format!("tree `{tree}`"),
                        reason: error.to_string(),
                    }
                })?;
                if !columns.contains(&need.name) {
                    columns.push(need.name.clone());
                }
            }
            Err(error @ hep_io::Error::NoColumn { .. }) => match resolve(need, friends)? {
                Some((friend, own)) => {
                    let column = (need.name.clone(), own);
                    if !joined[friend].contains(&column) {
                        joined[friend].push(column);
                    }
                }
                None if need.optional => {
                    if !absent.iter().any(|known| known.column == need.name) {
                        absent.push(AbsentColumn {
                            column: need.name.clone(),
                            nearest: nearest(need, error, friends)?,
                        });
                    }
                }
                None => return Err(nor_in(friends, error).into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    let joined = friends.iter().zip(joined).filter(|(_, columns)| !columns.is_empty());
    let joined: Vec<Joined> =
        joined.map(|(chain, columns)| Joined { chain: Arc::clone(chain), columns }).collect();
    for name in joined.iter().flat_map(|joined| joined.chain.index()) {
        reader.column(name)?;
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let kept = reader.kept(&columns)?;
    let short = reader
        .short(&columns)?
        .into_iter()
        .map(|(column, entries)| ShortColumn { column, entries })
        .collect();
    Ok(Opened {
        source,
        reader,
        uuid,
        revision,
        fingerprint,
        tree,
        recovered,
        columns,
        joined,
        absent,
        short,
        kept,
    })
}

/// The existing name that is most like an optional column that is absent: of the friend that is named before its
/// dot, else of the tree, else of any friend.
fn nearest(need: &Requirement, error: hep_io::Error, friends: &[Arc<Chain>]) -> RunResult<Option<String>> {
    if let Some((alias, own)) = need.name.split_once('.')
        && let Some(friend) = friends.iter().find(|friend| friend.alias() == alias)
    {
        return Ok(friend.nearest(own)?.map(|near| format!("{alias}.{near}")));
    }
    if let hep_io::Error::NoColumn { nearest: Some(near), .. } = error {
        return Ok(Some(near));
    }
    for friend in friends {
        if let Some(near) = friend.nearest(&need.name)? {
            return Ok(Some(format!("{}.{near}", friend.alias())));
        }
    }
    Ok(None)
}

/// That no friend has the column either.
fn nor_in(friends: &[Arc<Chain>], error: hep_io::Error) -> hep_io::Error {
    match error {
        hep_io::Error::NoColumn { path, tree, name, nearest } if !friends.is_empty() => {
            let aliases: Vec<String> = friends.iter().map(|friend| format!("`{}`", friend.alias())).collect();
            let plural = if aliases.len() > 1 { "s" } else { "" };
            let tree = format!("{tree} or in its friend{plural} {}", aliases.join(", "));
            hep_io::Error::NoColumn { path, tree, name, nearest }
        }
        other => other,
    }
}

fn only_tree(file: &EntryFile) -> hep_io::Result<String> {
    let trees = file.trees()?;
    match &trees[..] {
        [only] => Ok(only.clone()),
        _ => {
            let reason = match trees.len() {
                0 => "it holds no tree".to_owned(),
                _ => format!("it holds several ({}); name one with `tree:` in the fileset", trees.join(", ")),
            };
            let path = file.source().name().to_owned();
            Err(hep_io::Error::Unsupported { path, what: "the tree".to_owned(), reason })
        }
    }
}

/// A file, split.
pub struct Split {
    /// Its entry ranges, in order.
    pub ranges: Vec<Range<u64>>,
    /// Which of them share baskets or pages with the one before, so that one process had better do both.
    pub joined: Vec<bool>,
    /// About how many bytes of memory reading and decoding the longest of them takes.
    pub most: u64,
    /// The compressed bytes of the columns that are read, friends' included.
    pub bytes: u64,
}

/// The entry ranges of a file: along the fileset's steps if it has some, else along clusters.
///
/// # Errors
/// Where the file's record of its baskets is damaged, or a step lies past its end.
pub fn split(opened: &Opened, file: &FileSpec, size: RangeSize) -> RunResult<Split> {
    let entries = opened.reader.entries();
    let mut bytes = opened.reader.plan(&opened.columns, 0..entries)?.bytes();
    for Joined { chain, columns } in &opened.joined {
        bytes = bytes.saturating_add(chain.estimate(columns, entries)?);
    }
    let ranges = ranges(opened, file, size, bytes)?;
    let longest = ranges.iter().map(|range| range.end - range.start).max().unwrap_or(0);
    let most = u128::from(bytes) * u128::from(longest) / u128::from(entries.max(1));
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(opened.kept);
    let joined = joined(opened, &ranges)?;
    Ok(Split { ranges, joined, most, bytes })
}

/// Ranges that are processed one after the other where no boundary is free of pieces that cross it. Then little is read
/// by two processes: a basket of each column for so many ranges.
const BLOCK: usize = 8;

/// Which ranges of a file share pieces with the one before.
fn joined(opened: &Opened, ranges: &[Range<u64>]) -> RunResult<Vec<bool>> {
    if ranges.len() < 2 {
        return Ok(vec![false; ranges.len()]);
    }
    let boundaries = opened.reader.boundaries(&opened.columns)?;
    let least = if opened.reader.boundaries_cut_pieces(&opened.columns)? { BLOCK } else { 1 };
    let mut length = 0;
    let joined = ranges.iter().enumerate().map(|(at, range)| {
        let joined = at > 0 && (length < least || boundaries.binary_search(&range.start).is_err());
        length = if joined { length + 1 } else { 1 };
        joined
    });
    Ok(joined.collect())
}

fn ranges(opened: &Opened, file: &FileSpec, size: RangeSize, bytes: u64) -> RunResult<Vec<Range<u64>>> {
    let entries = opened.reader.entries();
    if let Some(steps) = &file.steps {
        if let Some((start, stop)) = steps.iter().find(|(_, stop)| *stop > entries) {
            return Err(hep_io::Error::Unsupported {
                path: file.name().into_owned(),
                what: format!("the step {start}..{stop} of the fileset"),
                reason: format!("tree `{}` has {entries} entries: the file was replaced", opened.tree),
            }
            .into());
        }
        return Ok(steps
            .iter()
            .filter(|(start, stop)| start < stop)
            .map(|&(start, stop)| start..stop)
            .collect());
    }
    if entries == 0 {
        return Ok(Vec::new());
    }
    let by_bytes = (u128::from(entries) * u128::from(size.bytes) / u128::from(bytes.max(1))).max(1);
    let target = u64::try_from(by_bytes).unwrap_or(u64::MAX).min(size.entries.unwrap_or(u64::MAX)).max(1);
    let boundaries = opened.reader.boundaries(&opened.columns)?;
    let is_large = boundaries.windows(2).any(|two| is_large(two[1] - two[0], target));
    let cuts = if is_large { opened.reader.cuts(&opened.columns)? } else { Vec::new() };
    Ok(group(&boundaries, &cuts, target))
}

/// Whether a stretch is worth a cut that costs little.
fn is_large(length: u64, target: u64) -> bool {
    length - length / 3 > target
}

/// Takes clusters together up to `target` entries, and cuts larger ones into about as many: where one of
/// `cuts` is near, and else those that are far larger, evenly.
pub(crate) fn group(boundaries: &[u64], cuts: &[u64], target: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut start = boundaries.first().copied().unwrap_or(0);
    for (at, &end) in boundaries.iter().enumerate().skip(1) {
        let next = boundaries.get(at + 1).copied();
        // Go on while the next cluster still fits.
        if next.is_some_and(|next| next - start <= target) {
            continue;
        }
        while is_large(end - start, target) {
            let Some(cut) = near(cuts, start, end, target) else { break };
            cut_evenly(start..cut, target, &mut ranges);
            start = cut;
        }
        cut_evenly(start..end, target, &mut ranges);
        start = end;
    }
    ranges.retain(|range| range.start < range.end);
    ranges
}

/// The cut that is nearest to `target` entries behind `start`, if one is half to twice as far; not one that
/// leaves a small rest before `end`.
fn near(cuts: &[u64], start: u64, end: u64, target: u64) -> Option<u64> {
    let least = start.saturating_add((target / 2).max(1));
    let most = start.saturating_add(target.saturating_mul(2)).min(end.saturating_sub((target / 2).max(1)));
    let (from, to) = (cuts.partition_point(|cut| *cut < least), cuts.partition_point(|cut| *cut <= most));
    let cuts = cuts.get(from..to)?.iter();
    cuts.copied().min_by_key(|cut| cut.abs_diff(start.saturating_add(target)))
}

/// As it is, or in parts if it is far larger than `target`.
fn cut_evenly(range: Range<u64>, target: u64, ranges: &mut Vec<Range<u64>>) {
    let length = range.end - range.start;
    let parts = if length / OVERSIZE >= target { length.div_ceil(target) } else { 1 };
    for part in 0..parts {
        let cut =
            |part: u64| range.start + (u128::from(length) * u128::from(part) / u128::from(parts)) as u64;
        ranges.push(cut(part)..cut(part + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    #[expect(clippy::single_range_in_vec_init)]
    fn small_clusters_are_taken_together_and_borders_kept() {
        assert_eq!(group(&[0, 10, 20, 30, 45], &[], 25), [0..20, 20..45]);
        assert_eq!(group(&[0, 10, 20, 30, 45], &[], 1000), [0..45]);
        assert_eq!(group(&[0, 10, 20, 30], &[], 5), [0..10, 10..20, 20..30]);
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init)]
    fn a_cluster_far_too_large_is_cut_evenly() {
        assert_eq!(group(&[0, 100], &[], 25), [0..25, 25..50, 50..75, 75..100]);
        assert_eq!(group(&[0, 99], &[], 25), [0..99]);
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init)]
    fn a_larger_cluster_is_cut_where_the_largest_column_begins_a_basket() {
        assert_eq!(group(&[0, 99], &[0, 10, 20, 33, 60, 90], 25), [0..20, 20..33, 33..60, 60..99]);
        // Neither a small part, nor a small rest, nor one that is hardly too large.
        assert_eq!(group(&[0, 60], &[0, 5, 55], 25), [0..60]);
        assert_eq!(group(&[0, 37], &[0, 20], 25), [0..37]);
        // Between two cuts far apart it is cut evenly; borders of clusters stay.
        assert_eq!(group(&[0, 160, 170], &[0, 40, 160, 165], 20)[..3], [0..40, 40..60, 60..80]);
    }
}
