//! One column's way through its pages.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::clusters::{ColumnPages, Page, Part};
use super::encoding::{Encoding, PageBytes};
use super::envelope::{CHECKSUM, checksum};
use super::ntuple::Ntuple;
use crate::root::codec::Decompressor;
use crate::{ColumnCost, ReadPlan, Result};

/// The most values of one batch, all columns together, that the file does not have, because their column was added later:
/// nothing else bounds how many an entry claims.
const MOST_ZEROS: u64 = 1 << 25;

/// How many such values the batch may still have: shared by all cursors of a decoder.
#[derive(Clone, Debug)]
pub(super) struct Zeros(Rc<Cell<u64>>);

impl Zeros {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(MOST_ZEROS)))
    }

    /// Another batch begins.
    pub(super) fn renew(&self) {
        self.0.set(MOST_ZEROS);
    }

    fn take(&self, count: u64) -> Reason<usize> {
        let left = self.0.get().checked_sub(count).ok_or_else(|| {
            format!("a batch of {count} values that were never written: ask for fewer entries at once")
        })?;
        self.0.set(left);
        Ok(count as usize)
    }
}

/// Elements of one cluster, counted from its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) cluster: usize,
    pub(super) elements: Range<u64>,
}

/// Neighbouring elements of a segment.
pub(super) enum Stretch<'b> {
    /// So many zeros, which are not in the file.
    Zeros(usize),
    /// Some elements of a page.
    Page { number: usize, encoding: Encoding, page: PageBytes<'b>, elements: Range<usize> },
}

/// What a cursor finds wrong with a page; it adds where.
pub(super) type Reason<T> = std::result::Result<T, String>;

/// The bytes that were read for a plan.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) ntuple: &'a Ntuple,
    pub(super) plan: &'a ReadPlan,
    pub(super) bytes: &'a [Bytes],
}

pub(super) struct Cursor<'a> {
    given: Given<'a>,
    column: usize,
    /// How many elements an entry has, if that is the same for all.
    each: Option<u64>,
    pages: Arc<ColumnPages>,
    zeros: Zeros,
    loaded: Option<usize>,
    /// The loaded page: borrowed where it is not compressed, else `buffer`.
    held: Option<&'a [u8]>,
    buffer: Vec<u8>,
    /// What was spent on it.
    pub(super) cost: ColumnCost,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(
        given: Given<'a>,
        column: usize,
        each: Option<u64>,
        zeros: &Zeros,
        buffer: Vec<u8>,
    ) -> Result<Self> {
        let pages = given.ntuple.pages(column)?;
        let zeros = zeros.clone();
        let cost = ColumnCost::default();
        Ok(Self { given, column, each, pages, zeros, loaded: None, held: None, buffer, cost })
    }

    pub(super) fn column(&self) -> usize {
        self.column
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Gives `take` the elements of `segment`, one stretch after another.
    pub(super) fn each(
        &mut self,
        segment: &Segment,
        codec: &mut Decompressor,
        mut take: impl FnMut(Stretch<'_>) -> Reason<()>,
    ) -> Result<()> {
        let cluster = segment.cluster;
        let wanted = segment.elements.clone();
        if wanted.is_empty() {
            return Ok(());
        }
        let pages = self.pages.clone();
        let part = &pages.parts[cluster];
        let fail = |page: Option<usize>, reason: String| {
            self.given.ntuple.page_error(self.column, &pages, cluster, page, reason)
        };
        let (stored, of_cluster, elements) = match part {
            Part::Pages { stored, pages, elements, .. } => (*stored, pages, *elements),
            Part::Zeros => {
                let zeros =
                    self.zeros.take(wanted.end - wanted.start).map_err(|reason| fail(None, reason))?;
                return take(Stretch::Zeros(zeros)).map_err(|reason| fail(None, reason));
            }
            Part::Absent => return Err(fail(None, "the cluster has no pages of it".to_owned())),
        };
        let lead = self.lead(cluster, part).map_err(|reason| fail(None, reason))?;
        let before = wanted.start.min(lead)..wanted.end.min(lead);
        if !before.is_empty() {
            let zeros = self.zeros.take(before.end - before.start).map_err(|reason| fail(None, reason))?;
            take(Stretch::Zeros(zeros)).map_err(|reason| fail(None, reason))?;
        }
        let wanted = wanted.start.max(lead) - lead..wanted.end.max(lead) - lead;
        if wanted.end > elements && !wanted.is_empty() {
            let reason = format!("the cluster has {elements} elements of it, and {} are needed", wanted.end);
            return Err(fail(None, reason));
        }
        let encoding = self.given.ntuple.schema().stored[stored].encoding;
        for number in pages.overlapping(of_cluster, &wanted) {
            let page = &pages.pages[number];
            if page.elements == 0 {
                continue;
            }
            if self.loaded != Some(number) {
                self.load(number, encoding, codec)
                    .map_err(|reason| fail_at(self, cluster, number, reason))?;
            }
            let bytes = self.held.unwrap_or(&self.buffer);
            let page_bytes = PageBytes { bytes, elements: page.elements as usize };
            let first = wanted.start.max(page.first) - page.first;
            let end = wanted.end.min(page.first + u64::from(page.elements)) - page.first;
            let elements = first as usize..end as usize;
            take(Stretch::Page { number, encoding, page: page_bytes, elements })
                .map_err(|reason| fail_at(self, cluster, number, reason))?;
        }
        Ok(())
    }

    /// How many elements of the cluster come before its pages: those of entries that were written
    /// before the column was added.
    fn lead(&self, cluster: usize, part: &Part) -> Reason<u64> {
        let Part::Pages { stored, start, elements, .. } = part else { return Ok(0) };
        let Some(deferred) = self.given.ntuple.schema().stored[*stored].deferred else { return Ok(0) };
        let entries = &self.given.ntuple.clusters()[cluster].entries;
        match self.each {
            Some(each) => {
                let expected = (entries.end - entries.start).checked_mul(each);
                expected.and_then(|expected| expected.checked_sub(*elements)).ok_or_else(|| {
                    format!("the cluster has {elements} elements of it, more than its entries take")
                })
            }
            // Where the cluster's first element lies depends on lists that no longer tell.
            None if deferred > 0 && u64::try_from(deferred) == Ok(*start) => {
                Err("it was added to a collection in the middle of this cluster".to_owned())
            }
            None => Ok(0),
        }
    }

    fn load(&mut self, number: usize, encoding: Encoding, codec: &mut Decompressor) -> Reason<()> {
        self.loaded = None;
        let pages = self.pages.clone();
        let page = &pages.pages[number];
        let range = page.range();
        let ranges = &self.given.plan.ranges;
        let at = ranges.binary_search_by_key(&(range.start, range.end), |range| (range.start, range.end));
        let at = at.map_err(|_| "the plan does not have it")?;
        let length = encoding.page_length(page.elements);
        if let Some(unpacked) = self.given.plan.unpacked.get(&at) {
            self.held = Some(unpacked.get(..length).ok_or("it was decompressed as another page")?);
            self.loaded = Some(number);
            return Ok(());
        }
        let (record, cost, buffer) = (&self.given.bytes[at], &mut self.cost, &mut self.buffer);
        self.held = cost.decompressing(|| content(record, page, encoding, codec, buffer))?;
        cost.add_piece(record.len(), length);
        self.loaded = Some(number);
        Ok(())
    }

    /// Something wrong with what `segment` asks for.
    pub(super) fn error(&self, cluster: usize, reason: impl Into<String>) -> crate::Error {
        self.given.ntuple.page_error(self.column, &self.pages, cluster, None, reason.into())
    }
}

/// A page without the checksum that may lie behind it, which it must match.
fn unsealed(record: &[u8], checked: bool) -> Reason<&[u8]> {
    match record.split_last_chunk::<CHECKSUM>() {
        Some((stored, seal)) if checked => {
            let (found, said) = (checksum(stored), u64::from_le_bytes(*seal));
            if found != said {
                return Err(format!("its checksum is {found:016x}, and the file says {said:016x}"));
            }
            Ok(stored)
        }
        _ => Ok(record),
    }
}

/// The content of a compressed page, if it is one and in order.
pub(super) fn unpack(
    record: &[u8],
    page: &Page,
    encoding: Encoding,
    codec: &mut Decompressor,
) -> Option<Bytes> {
    let mut out = Vec::new();
    let held = content(record, page, encoding, codec, &mut out).ok()?;
    held.is_none().then(|| out.into())
}

/// The content of a page: in its record, where it is not compressed, else decompressed to `out`.
fn content<'r>(
    record: &'r [u8],
    page: &Page,
    encoding: Encoding,
    codec: &mut Decompressor,
    out: &mut Vec<u8>,
) -> Reason<Option<&'r [u8]>> {
    let stored = unsealed(record, page.checked)?;
    let length = encoding.page_length(page.elements);
    if stored.len() == length {
        return Ok(Some(stored));
    }
    codec.decompress_into(stored, out, length)?;
    if out.len() != length {
        return Err(format!("it has {} of {length} bytes", out.len()));
    }
    Ok(None)
}

fn fail_at(cursor: &Cursor<'_>, cluster: usize, number: usize, reason: String) -> crate::Error {
    cursor.given.ntuple.page_error(cursor.column, &cursor.pages, cluster, Some(number), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_nowhere_are_counted_for_all_columns_of_a_batch() {
        let zeros = Zeros::new();
        let other = zeros.clone();
        assert_eq!(zeros.take(MOST_ZEROS - 10), Ok(MOST_ZEROS as usize - 10));
        assert_eq!(other.take(10), Ok(10));
        assert!(other.take(1).unwrap_err().contains("ask for fewer entries"));
        zeros.renew();
        assert_eq!(other.take(1), Ok(1));
    }
}
