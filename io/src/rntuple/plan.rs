//! Which bytes a range of entries needs.
//!
//! A whole cluster needs all pages of its columns. Where a range begins or ends inside a cluster, the
//! ends of the lists there say which of their items it takes: those few pages are read while planning,
//! so that the range is read with the pages it needs and no others. Clusters have a hundred megabytes
//! and more, and are cut often.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;

use super::clusters::Part;
use super::cursor::{self, Cursor, Given, Segment, Stretch, Zeros};
use super::ntuple::Ntuple;
use super::steps::{Need, Scope, Steps};
use crate::root::codec::Decompressor;
use crate::source::coalesce;
use crate::{ColumnCost, CutPiece, Error, ReadPlan, Result, Scratch};

/// The end of one list: that of element `element` of a column in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Cut {
    pub(super) column: usize,
    pub(super) cluster: usize,
    pub(super) element: u64,
}

/// The elements that a plan needs of a scope in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Extent {
    All,
    Some(Range<u64>),
}

/// A cluster of which a plan needs something.
struct Needed {
    cluster: usize,
    /// For each of [`Steps::scopes`]; none where the ends of lists must be read first.
    extents: Vec<Option<Extent>>,
}

pub(super) fn plan(ntuple: &Ntuple, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
    ntuple.check_range(&entries)?;
    let steps = ntuple.steps(columns)?;
    let mut pages = Pages { ntuple, ranges: BTreeMap::new() };
    for needed in needed(ntuple, &steps, &entries)? {
        for need in steps.needs() {
            if let Some(extent) = &needed.extents[need.scope] {
                pages.add(&need, needed.cluster, extent)?;
            }
        }
    }
    let cut = pages.cut();
    let ranges = pages.ranges()?;
    Ok(ReadPlan { entries, columns: columns.to_vec(), ranges, cut, ..ReadPlan::default() })
}

/// The content of a piece of the plan, which is a page of one of its columns.
pub(super) fn unpack(
    ntuple: &Ntuple,
    plan: &ReadPlan,
    piece: &CutPiece,
    bytes: &[u8],
    scratch: &mut Scratch,
) -> Option<Bytes> {
    let place = plan.ranges.get(piece.at)?;
    let pages = ntuple.pages(piece.column).ok()?;
    ntuple.overlapping(&plan.entries).find_map(|cluster| {
        let Part::Pages { stored, pages: of_cluster, .. } = &pages.parts[cluster] else { return None };
        let page = pages.pages[of_cluster.clone()].iter().find(|page| page.range() == *place)?;
        let encoding = ntuple.schema().stored[*stored].encoding;
        let mut cost = ColumnCost::default();
        let content = cost.decompressing(|| cursor::unpack(bytes, page, encoding, &mut scratch.codec))?;
        cost.add_piece(bytes.len(), content.len());
        scratch.costs.add(&ntuple.cost_name(piece.column), &cost);
        Some(content)
    })
}

/// What each cluster of `entries` has to give.
fn needed(ntuple: &Ntuple, steps: &Steps, entries: &Range<u64>) -> Result<Vec<Needed>> {
    let clusters =
        ntuple.overlapping(entries).filter(|&cluster| !ntuple.clusters()[cluster].entries.is_empty());
    let mut all: Vec<Needed> =
        clusters.map(|cluster| Needed { cluster, extents: vec![None; steps.scopes.len()] }).collect();
    // At most once for each list inside a list.
    loop {
        let mut unknown = BTreeSet::new();
        for needed in &mut all {
            follow(ntuple, steps, entries, needed, &mut unknown);
        }
        if unknown.is_empty() {
            return Ok(all);
        }
        read_cuts(ntuple, steps, &unknown)?;
    }
}

/// Finds the extents of scopes from those of the scopes around them, as far as the ends of lists are
/// known; adds to `unknown` those that are not.
fn follow(
    ntuple: &Ntuple,
    steps: &Steps,
    entries: &Range<u64>,
    needed: &mut Needed,
    unknown: &mut BTreeSet<Cut>,
) {
    let Needed { cluster, extents } = needed;
    let cluster = *cluster;
    for (at, scope) in steps.scopes.iter().enumerate() {
        if extents[at].is_some() {
            continue;
        }
        let parent = |parent: usize| extents[parent].clone();
        extents[at] = match *scope {
            Scope::Entries => {
                let whole = &ntuple.clusters()[cluster].entries;
                let first = entries.start.max(whole.start) - whole.start;
                let end = entries.end.clamp(whole.start, whole.end) - whole.start;
                let all = first == 0 && end == whole.end - whole.start;
                Some(if all { Extent::All } else { Extent::Some(first..end) })
            }
            Scope::Array { parent: of, each } => parent(of).map(|extent| match extent {
                Extent::Some(range) => {
                    Extent::Some(range.start.saturating_mul(each)..range.end.saturating_mul(each))
                }
                all => all,
            }),
            Scope::Switch { parent: of, .. } => parent(of),
            // Where the values of an alternative lie is spread over all that hold it.
            Scope::Alternative { switch, .. } => parent(switch).map(|_| Extent::All),
            Scope::List { parent: of, ends } => parent(of).and_then(|extent| match extent {
                Extent::Some(range) if range.is_empty() => Some(Extent::Some(0..0)),
                Extent::Some(range) => {
                    let mut end_of = |before: u64| match before.checked_sub(1) {
                        None => Some(0),
                        Some(element) => {
                            let cut = Cut { column: ends, cluster, element };
                            let known = ntuple.cut(&cut);
                            if known.is_none() {
                                unknown.insert(cut);
                            }
                            known
                        }
                    };
                    let (first, end) = (end_of(range.start), end_of(range.end));
                    // Where lists end before they begin, decoding says so.
                    Some(Extent::Some(first?..end?.max(first?)))
                }
                all => Some(all),
            }),
        };
    }
}

/// Reads the ends of lists, for all plans to come.
fn read_cuts(ntuple: &Ntuple, steps: &Steps, cuts: &BTreeSet<Cut>) -> Result<()> {
    let needs: Vec<Need> = steps.needs().collect();
    let each = |column: usize| needs.iter().find(|need| need.column == column && need.before)?.each;
    let mut pages = Pages { ntuple, ranges: BTreeMap::new() };
    for cut in cuts {
        let need = Need { column: cut.column, scope: 0, each: each(cut.column), before: false };
        pages.add(&need, cut.cluster, &Extent::Some(cut.element..cut.element.saturating_add(1)))?;
    }
    let plan = ReadPlan { ranges: pages.ranges()?, ..ReadPlan::default() };
    let bytes = coalesce::read(&**ntuple.file().source(), &plan.ranges)?;
    let given = Given { ntuple, plan: &plan, bytes: &bytes };
    let (mut codec, mut ends) = (Decompressor::default(), Vec::new());
    for cut in cuts {
        let mut cursor = Cursor::new(given, cut.column, each(cut.column), &Zeros::new(), Vec::new())?;
        let elements = cut.element..cut.element.saturating_add(1);
        let mut found = 0;
        cursor.each(&Segment { cluster: cut.cluster, elements }, &mut codec, |stretch| {
            if let Stretch::Page { encoding, page, elements, .. } = stretch {
                page.ends(encoding, &mut ends);
                found = ends.get(elements.start).copied().unwrap_or(0);
            }
            Ok(())
        })?;
        ntuple.remember(*cut, found);
    }
    Ok(())
}

/// A column, and the entries of a cluster.
type OfCluster = (usize, Range<u64>);

/// The bytes of pages.
struct Pages<'a> {
    ntuple: &'a Ntuple,
    /// Where each lies; and, if it has elements that are not needed, its column and the entries of its cluster.
    ranges: BTreeMap<(u64, u64), Option<OfCluster>>,
}

impl Pages<'_> {
    /// Adds the pages of a column that hold elements of `extent`.
    fn add(&mut self, need: &Need, cluster: usize, extent: &Extent) -> Result<()> {
        let ntuple = self.ntuple;
        let pages = ntuple.pages(need.column)?;
        let Part::Pages { pages: of_cluster, elements, .. } = &pages.parts[cluster] else { return Ok(()) };
        let wanted = match extent {
            Extent::All => 0..*elements,
            Extent::Some(range) => {
                let whole = &ntuple.clusters()[cluster].entries;
                // Zeros before the pages, where the column was added later.
                let expected = need.each.map_or(0, |each| (whole.end - whole.start).saturating_mul(each));
                let lead = expected.saturating_sub(*elements);
                let first = range.start.saturating_sub(u64::from(need.before && !range.is_empty()));
                first.saturating_sub(lead)..range.end.saturating_sub(lead)
            }
        };
        for number in pages.overlapping(of_cluster, &wanted) {
            let range = pages.pages[number].range();
            if range.end > ntuple.file().size() {
                let (length, size) = (range.end - range.start, ntuple.file().size());
                let reason = format!("its {length} bytes pass the end of the file at byte {size}");
                return Err(ntuple.page_error(need.column, &pages, cluster, Some(number), reason));
            }
            if !range.is_empty() {
                let page = &pages.pages[number];
                let last = page.first + u64::from(page.elements);
                let is_cut = page.first < wanted.start || last > wanted.end;
                let entries = is_cut.then(|| (need.column, ntuple.clusters()[cluster].entries.clone()));
                self.ranges.insert((range.start, range.end), entries);
            }
        }
        Ok(())
    }

    /// The pages that other ranges may need too.
    fn cut(&self) -> Vec<CutPiece> {
        let pages = self.ranges.values().enumerate();
        pages
            .filter_map(|(at, cut)| {
                let (column, entries) = cut.clone()?;
                Some(CutPiece { at, column, entries })
            })
            .collect()
    }

    fn ranges(self) -> Result<Vec<Range<u64>>> {
        let ranges: Vec<Range<u64>> = self.ranges.into_keys().map(|(start, end)| start..end).collect();
        // Pages may be the same bytes, but no others may overlap: so a plan is never larger than the file.
        match ranges.windows(2).find(|pair| pair[1].start < pair[0].end) {
            None => Ok(ranges),
            Some(pair) => Err(Error::Format {
                path: self.ntuple.file().path().to_owned(),
                what: format!("the pages of RNTuple `{}`", self.ntuple.name()),
                at: pair[1].start,
                reason: format!("a page begins inside the one at byte {}", pair[0].start),
            }),
        }
    }
}
