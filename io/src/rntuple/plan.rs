//! Which bytes a range of entries needs. Pure functions of what was read when the file was opened.

use std::collections::BTreeSet;
use std::ops::Range;

use super::clusters::Part;
use super::ntuple::Ntuple;
use super::steps::Need;
use crate::{Error, ReadPlan, Result};

/// The pages that `entries` of `columns` need. Where a range ends inside a cluster, the pages inside
/// of collections are all of the cluster's: which of them it takes is only known once their list
/// ends are decoded.
pub(super) fn plan(ntuple: &Ntuple, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
    ntuple.check_range(&entries)?;
    let steps = ntuple.steps(columns)?;
    let mut ranges = BTreeSet::new();
    for need in steps.needs() {
        add(ntuple, &need, &entries, &mut ranges)?;
    }
    let ranges: Vec<Range<u64>> = ranges.into_iter().map(|(start, end)| start..end).collect();
    // Pages may be the same bytes, but no others may overlap: so a plan is never larger than the file.
    if let Some(pair) = ranges.windows(2).find(|pair| pair[1].start < pair[0].end) {
        return Err(Error::Format {
            path: ntuple.file().path().to_owned(),
            what: format!("the pages of RNTuple `{}`", ntuple.name()),
            at: pair[1].start,
            reason: format!("a page begins inside the one at byte {}", pair[0].start),
        });
    }
    Ok(ReadPlan { entries, columns: columns.to_vec(), ranges })
}

fn add(ntuple: &Ntuple, need: &Need, entries: &Range<u64>, ranges: &mut BTreeSet<(u64, u64)>) -> Result<()> {
    let pages = ntuple.pages(need.column)?;
    let size = ntuple.file().size();
    for cluster in ntuple.overlapping(entries) {
        let Part::Pages { pages: of_cluster, elements, .. } = &pages.parts[cluster] else { continue };
        let whole = &ntuple.clusters()[cluster].entries;
        let first = entries.start.max(whole.start) - whole.start;
        let end = entries.end.min(whole.end).max(whole.start) - whole.start;
        let wanted = match need.each {
            Some(each) => {
                let expected = (whole.end - whole.start).saturating_mul(each);
                // Zeros before the pages, where the column was added later.
                let lead = expected.saturating_sub(*elements);
                let before = u64::from(need.before);
                first.saturating_mul(each).saturating_sub(lead + before)
                    ..end.saturating_mul(each).saturating_sub(lead)
            }
            None => 0..*elements,
        };
        for number in pages.overlapping(of_cluster, &wanted) {
            let range = pages.pages[number].range();
            if range.end > size {
                let reason =
                    format!("its {} bytes pass the end of the file at byte {size}", range.end - range.start);
                return Err(ntuple.page_error(need.column, &pages, cluster, Some(number), reason));
            }
            if !range.is_empty() {
                ranges.insert((range.start, range.end));
            }
        }
    }
    Ok(())
}
