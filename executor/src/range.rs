//! From files to entry ranges: the unit of work, of retry and of merging.

use std::ops::Range;
use std::sync::Arc;

use hep_columns::Schema;
use hep_io::source::ByteSource;
use hep_io::{EntryFile, EntryReader};

use crate::RunResult;
use crate::fileset::FileSpec;
use crate::friends::{Chain, Joined, resolve};
use crate::storage::{FileStore, open_file};

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
    /// The columns that are read of this file: the processor's, and those that friends are looked up
    /// by.
    pub columns: Vec<String>,
    /// The processor's columns that friends have.
    pub joined: Vec<Joined>,
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
    let entry_file = open_file(store, &file.path, &file.replicas)?;
    let tree = match &file.tree {
        Some(tree) => entry_file.tree_name(tree).to_owned(),
        None => only_tree(&entry_file)?,
    };
    let reader = entry_file.reader(&tree)?;
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
    Ok(OpenTree { source: Arc::clone(entry_file.source()), reader, uuid, revision, tree })
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
    let OpenTree { source, reader, uuid, revision, tree } = open_tree(store, file)?;
    let mut columns = Vec::new();
    let mut joined: Vec<Vec<(String, String)>> = vec![Vec::new(); friends.len()];
    for need in schema.requirements() {
        match reader.column(&need.name) {
            Ok(info) => {
                need.check(&info.data_type).map_err(|error| hep_io::Error::Unsupported {
                    path: file.name().into_owned(),
                    what: format!("tree `{tree}`"),
                    reason: error.to_string(),
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
                None if need.optional => {}
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
    Ok(Opened { source, reader, uuid, revision, tree, columns, joined })
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

fn only_tree(file: &EntryFile) -> RunResult<String> {
    let trees = file.trees()?;
    match &trees[..] {
        [only] => Ok(only.clone()),
        _ => {
            let reason = match trees.len() {
                0 => "it holds no tree".to_owned(),
                _ => format!("it holds several ({}); name one with `tree:` in the fileset", trees.join(", ")),
            };
            let path = file.source().name().to_owned();
            Err(hep_io::Error::Unsupported { path, what: "the tree".to_owned(), reason }.into())
        }
    }
}

/// The entry ranges of a file: along the fileset's steps if it has some, else along clusters.
///
/// # Errors
/// Where the file's record of its baskets is damaged, or a step lies past its end.
pub fn split(opened: &Opened, file: &FileSpec, size: RangeSize) -> RunResult<Vec<Range<u64>>> {
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
    let mut bytes = opened.reader.plan(&opened.columns, 0..entries)?.bytes();
    for Joined { chain, columns } in &opened.joined {
        bytes = bytes.saturating_add(chain.estimate(columns, entries)?);
    }
    let by_bytes = (u128::from(entries) * u128::from(size.bytes) / u128::from(bytes.max(1))).max(1);
    let target = u64::try_from(by_bytes).unwrap_or(u64::MAX).min(size.entries.unwrap_or(u64::MAX)).max(1);
    Ok(group(&opened.reader.boundaries(&opened.columns)?, target))
}

/// Takes clusters together up to `target` entries, and cuts those that are far larger.
pub(crate) fn group(boundaries: &[u64], target: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut start = boundaries.first().copied().unwrap_or(0);
    for (at, &end) in boundaries.iter().enumerate().skip(1) {
        let next = boundaries.get(at + 1).copied();
        // Go on while the next cluster still fits.
        if next.is_some_and(|next| next - start <= target) {
            continue;
        }
        let length = end - start;
        let parts = if length / OVERSIZE >= target { length.div_ceil(target) } else { 1 };
        for part in 0..parts {
            let cut = |part: u64| start + (u128::from(length) * u128::from(part) / u128::from(parts)) as u64;
            ranges.push(cut(part)..cut(part + 1));
        }
        start = end;
    }
    ranges.retain(|range| range.start < range.end);
    ranges
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    #[expect(clippy::single_range_in_vec_init)]
    fn small_clusters_are_taken_together_and_borders_kept() {
        assert_eq!(group(&[0, 10, 20, 30, 45], 25), [0..20, 20..45]);
        assert_eq!(group(&[0, 10, 20, 30, 45], 1000), [0..45]);
        assert_eq!(group(&[0, 10, 20, 30], 5), [0..10, 10..20, 20..30]);
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init)]
    fn a_cluster_far_too_large_is_cut_evenly() {
        assert_eq!(group(&[0, 100], 25), [0..25, 25..50, 50..75, 75..100]);
        assert_eq!(group(&[0, 99], 25), [0..99]);
    }
}
