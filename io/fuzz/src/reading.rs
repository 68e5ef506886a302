//! All that can be asked of a tree, and whether the answers agree.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use hep_io::root::RootFile;
use hep_io::source::coalesce;
use hep_io::ttree::Tree;
use hep_io::{ByteSource, EntryReader, Result, Scratch};

/// Entries beyond this are not read: a sound file of a few kilobytes may have millions of them, and
/// the time is better spent on other files.
const MOST_ENTRIES: u64 = 300;
const MOST_COLUMNS: usize = 40;

/// What the ways to read the same must have in common.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Alike {
    Values,
    /// Nothing but that they end: what the `parquet` crate makes of damaged pages depends on where batches
    /// begin.
    Nothing,
}

/// Opens the tree at `path` and asks it everything. Answers how many columns can be read.
pub(super) fn tree(file: &Arc<RootFile>, path: &str) -> Result<usize> {
    Ok(columns(&Tree::open(file, path)?, &**file.source(), Alike::Values, |_| true))
}

/// Asks `tree`, whose bytes `source` has, everything of those columns that are `wanted`.
pub(super) fn columns(
    tree: &dyn EntryReader,
    source: &dyn ByteSource,
    alike: Alike,
    wanted: impl Fn(&str) -> bool,
) -> usize {
    let mut scratch = Scratch::default();
    let mut good = Vec::new();
    for name in tree.column_names().into_iter().filter(|name| wanted(name)).take(MOST_COLUMNS) {
        let _ = tree.stored(&name);
        let Ok(column) = tree.column(&name) else { continue };
        let columns = [name];
        if let Some(whole) = agreed(tree, source, alike, &columns, &mut scratch) {
            for array in whole {
                assert_eq!(*array.data_type(), column.data_type, "{columns:?}");
            }
            good.extend(columns);
        }
    }
    if good.len() > 1 {
        agreed(tree, source, alike, &good, &mut scratch);
    }
    let _ = tree.column("no such column");
    good.len()
}

/// The columns, where all ways to read them that give an answer give the same.
fn agreed(
    tree: &dyn EntryReader,
    source: &dyn ByteSource,
    alike: Alike,
    columns: &[String],
    scratch: &mut Scratch,
) -> Option<Vec<ArrayRef>> {
    if let Ok(boundaries) = tree.boundaries(columns) {
        let entries = tree.entries();
        assert_eq!(boundaries.first(), Some(&0), "{columns:?}");
        assert!(boundaries.is_sorted_by(|a, b| a < b), "{boundaries:?}");
        assert_eq!(boundaries.last(), Some(&entries), "{columns:?}");
    }
    let end = tree.entries().min(MOST_ENTRIES);
    let whole = read(tree, source, columns, 0..end, usize::MAX, scratch);
    let small = read(tree, source, columns, 0..end, 2, scratch);
    let parts =
        [0..end / 2, end / 2..end].map(|range| read(tree, source, columns, range, usize::MAX, scratch));
    scratch.skip_checksums(true);
    let fast = read(tree, source, columns, 0..end, usize::MAX, scratch);
    scratch.skip_checksums(false);
    let whole = whole.ok()?;
    if alike == Alike::Nothing {
        return whole.into_iter().next();
    }
    for other in [small, fast].into_iter().flatten() {
        same(&whole, &other, columns);
    }
    if let [Ok(mut first), Ok(second)] = parts {
        first.extend(second);
        same(&whole, &first, columns);
    }
    whole.into_iter().next()
}

/// The batches of a range, each with its columns.
fn read(
    tree: &dyn EntryReader,
    source: &dyn ByteSource,
    columns: &[String],
    entries: std::ops::Range<u64>,
    at_once: usize,
    scratch: &mut Scratch,
) -> Result<Vec<Vec<ArrayRef>>> {
    let plan = tree.plan(columns, entries.clone())?;
    let bytes = coalesce::read(source, &plan.ranges)?;
    let mut batches = tree.decode(&plan, &bytes, scratch)?;
    let mut read = Vec::new();
    let mut next = entries.start;
    while let Some(batch) = batches.next(at_once)? {
        assert_eq!(batch.entries().start, next);
        next = batch.entries().end;
        let columns = columns.iter().map(|name| batch.find(name).unwrap().clone());
        let columns: Vec<ArrayRef> = columns.collect();
        for column in &columns {
            assert_eq!(column.len() as u64, batch.len() as u64);
            column.to_data().validate_full().unwrap();
        }
        read.push(columns);
    }
    assert_eq!(next, entries.end);
    Ok(read)
}

/// Entry by entry: batches cut differently have different offsets.
fn same(one: &[Vec<ArrayRef>], other: &[Vec<ArrayRef>], columns: &[String]) {
    for (at, name) in columns.iter().enumerate() {
        let entries = |batches: &[Vec<ArrayRef>]| -> Vec<_> {
            let slices = |array: &ArrayRef| -> Vec<_> {
                (0..array.len()).map(|entry| array.slice(entry, 1).to_data()).collect()
            };
            batches.iter().flat_map(|batch| slices(&batch[at])).collect()
        };
        assert!(entries(one) == entries(other), "{name} depends on how it is read");
    }
}
