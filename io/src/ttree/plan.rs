//! Which bytes a range of entries needs, and where to cut ranges. Pure functions of the tree's record.

use std::collections::BTreeMap;
use std::ops::Range;

use super::basket::Place;
use super::branch::Branch;
use super::tree::Tree;
use crate::{CutPiece, EntryReader, Error, ReadPlan, Result};

/// The branches that a set of columns needs, counters included, each with the entries needed of it.
///
/// The counts of a range that begins inside a basket of a counted branch are needed from that
/// basket's first entry on: they say where in the basket the range begins.
pub(super) fn needs(
    tree: &Tree,
    columns: &[String],
    entries: &Range<u64>,
) -> Result<BTreeMap<usize, Range<u64>>> {
    let mut needs = BTreeMap::<usize, Range<u64>>::new();
    let mut need = |node: usize, first: u64| {
        let range = needs.entry(node).or_insert(entries.clone());
        range.start = range.start.min(first);
    };
    for column in columns {
        let node = tree.node(column)?;
        tree.readable(node)?;
        let (mut node, mut first) = (node, entries.start);
        need(node, first);
        // What counts may be counted itself, but no further: `readable` has made sure of it.
        for _ in 0..2 {
            let (branch, interpretation) = tree.interpreted(node)?;
            let Some(counter) = interpretation.counter() else { break };
            let baskets = branch.baskets.overlapping(&(first..entries.end));
            first = if baskets.is_empty() { first } else { branch.baskets.starts[baskets.start] };
            node = counter.node;
            need(node, first);
        }
    }
    Ok(needs)
}

pub(super) fn plan(tree: &Tree, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
    if entries.start > entries.end || entries.end > tree.entries() {
        return Err(Error::Unsupported {
            path: tree.file().path().to_owned(),
            what: format!("entries {}..{} of `{}`", entries.start, entries.end, tree.name()),
            reason: format!("it has {} entries", tree.entries()),
        });
    }
    let size = tree.file().size();
    // Where each lies, whose it is, and its entries.
    let mut pieces = BTreeMap::new();
    for (node, needed) in needs(tree, columns, &entries)? {
        let branch = tree.branch(node)?;
        let baskets = &branch.baskets;
        // Where there are none at all, the branch is shorter than the tree.
        let first = baskets.starts.first().copied().unwrap_or(0);
        if !needed.is_empty() && first > needed.start {
            let missing = needed.start..needed.end.min(first);
            return Err(tree.basket_error(
                node,
                missing,
                "before its first basket".to_owned(),
                "no basket holds them",
            ));
        }
        for at in baskets.overlapping(&needed) {
            let Place::File(place) = &baskets.places[at] else { continue };
            if place.end > size {
                let reason =
                    format!("its {} bytes pass the end of the file at byte {size}", place.end - place.start);
                return Err(tree.basket_error(node, baskets.range(at), position(at, place.start), reason));
            }
            pieces.insert((place.start, place.end), (node, baskets.range(at)));
        }
    }
    let is_cut = |of: &Range<u64>| of.start < entries.start || of.end > entries.end;
    let cut = pieces.values().enumerate().filter(|(_, (_, of))| is_cut(of));
    let cut = cut.map(|(at, (column, of))| CutPiece { at, column: *column, entries: of.clone() }).collect();
    let ranges = pieces.into_keys().map(|(start, end)| start..end).collect();
    Ok(ReadPlan { entries, columns: columns.to_vec(), ranges, cut, ..ReadPlan::default() })
}

/// A basket's place, as errors say it.
pub(super) fn position(basket: usize, byte: u64) -> String {
    format!("basket {basket} at byte {byte}")
}

/// The entries at which all branches begin a basket: the clusters, and what is finer than them. Where there are none,
/// those at which the branch with the most bytes begins one, and that baskets of others cross them.
pub(super) fn boundaries(tree: &Tree, columns: &[String]) -> Result<(Vec<u64>, bool)> {
    let entries = tree.entries();
    let whole = 0..entries;
    let mut common: Option<Vec<u64>> = None;
    let mut largest: Option<(u64, Vec<u64>)> = None;
    for (node, _) in needs(tree, columns, &whole)? {
        let branch = tree.branch(node)?;
        let mut starts: Vec<u64> =
            branch.baskets.starts.iter().copied().filter(|start| *start < entries).collect();
        starts.dedup();
        common = Some(match common {
            None => starts.clone(),
            Some(common) => common.into_iter().filter(|start| starts.binary_search(start).is_ok()).collect(),
        });
        let bytes = branch.baskets.bytes();
        if largest.as_ref().is_none_or(|(most, _)| *most < bytes) {
            largest = Some((bytes, starts));
        }
    }
    let mut common = common.unwrap_or_default();
    let mut cut_pieces = false;
    // Skims flush each branch when its own buffer is full, so that nothing aligns. Then the branch
    // with the most bytes decides: its baskets are the ones that it hurts to decode twice.
    if let Some((_, starts)) = largest
        && common.len() <= 1
        && starts.len() > 1
    {
        common = starts;
        cut_pieces = true;
    }
    if common.first() != Some(&0) {
        common.insert(0, 0);
    }
    if entries > 0 {
        common.push(entries);
    }
    Ok((common, cut_pieces))
}

/// The entries at which the branch with the most bytes begins a basket.
pub(super) fn cuts(tree: &Tree, columns: &[String]) -> Result<Vec<u64>> {
    let entries = tree.entries();
    let mut largest: Option<(u64, std::sync::Arc<Branch>)> = None;
    for (node, _) in needs(tree, columns, &(0..entries))? {
        let branch = tree.branch(node)?;
        let bytes = branch.baskets.bytes();
        if largest.as_ref().is_none_or(|(most, _)| *most < bytes) {
            largest = Some((bytes, branch));
        }
    }
    let starts = largest.iter().flat_map(|(_, branch)| &branch.baskets.starts);
    let mut starts: Vec<u64> = starts.copied().filter(|start| *start < entries).collect();
    starts.dedup();
    Ok(starts)
}

/// The largest basket of each branch that is needed, decompressed.
pub(super) fn kept(tree: &Tree, columns: &[String]) -> Result<u64> {
    let mut kept = 0_u64;
    for (node, _) in needs(tree, columns, &(0..tree.entries()))? {
        let branch = tree.branch(node)?;
        kept = kept.saturating_add(branch.baskets.largest_decompressed());
    }
    Ok(kept)
}
