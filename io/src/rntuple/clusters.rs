//! Clusters, and where the pages of their columns lie.
//!
//! Specification: sections "Cluster Group Record Frame" and "Page List Envelope". Opening an RNTuple
//! notes where each column's list of pages begins; a list itself is parsed when its column is first
//! asked for.

use std::ops::Range;

use bytes::Bytes;

use super::envelope::{CHECKSUM, Envelope, EnvelopeKind, ListFrame, Parsed, Reader, Refusal};
use super::schema::{Column, Schema, StoredColumn};
use crate::root::{Malformed, Parse};

/// Consecutive entries whose pages belong together.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Its entries.
    pub(super) entries: Range<u64>,
    /// Which page list describes it.
    list: usize,
    /// Where in that list the pages of each column are, by place in [`Schema::stored`].
    columns: Vec<usize>,
}

/// A group of clusters, as the footer lists it.
pub(super) struct Group {
    /// The bytes of its page list, once decompressed.
    pub(super) length: u64,
    /// Where its page list lies.
    pub(super) place: Range<u64>,
    clusters: usize,
}

impl Group {
    pub(super) fn read(record: &mut Reader<'_>) -> Parsed<Self> {
        record.u64()?; // the first entry
        record.u64()?; // the number of entries
        let clusters = record.u32()? as usize;
        let (length, place) = record.link()?;
        Ok(Self { length, place, clusters })
    }
}

/// All clusters and the page lists that describe them.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    pub(super) all: Vec<Cluster>,
    lists: Vec<Bytes>,
}

impl Clusters {
    /// Adds the page list of `group`, whose envelope is `bytes`.
    pub(super) fn add(&mut self, group: &Group, bytes: Bytes, header: u64) -> Parsed<()> {
        let envelope = Envelope::open(&bytes, EnvelopeKind::PageList)?;
        let mut reader = envelope.reader;
        if reader.u64()? != header {
            return Err(Malformed::new(8, "it belongs to another header").into());
        }
        let mut summaries = reader.list()?;
        let mut lists = reader.list()?;
        if summaries.items != group.clusters || lists.items != group.clusters {
            let reason = format!(
                "it describes {} clusters and lists the pages of {}, where the footer says {}",
                summaries.items, lists.items, group.clusters
            );
            return Err(Malformed::new(reader.position(), reason).into());
        }
        for _ in 0..group.clusters {
            let entries = self.summary(&mut summaries.reader.record()?)?;
            let columns = positions(lists.reader.list()?)?;
            self.all.push(Cluster { entries, list: self.lists.len(), columns });
        }
        self.lists.push(bytes);
        Ok(())
    }

    /// The entries of the next cluster.
    fn summary(&self, record: &mut Reader<'_>) -> Parsed<Range<u64>> {
        let at = record.position();
        let (first, word) = (record.u64()?, record.u64()?);
        // The upper byte are flags.
        let (count, flags) = (word & (u64::MAX >> 8), word >> 56);
        if flags & 1 != 0 {
            return Err(Refusal::Unknown("its clusters are sharded".to_owned()));
        }
        let expected = self.entries();
        if first != expected {
            let reason = format!("a cluster begins at entry {first}, and {expected} entries are before it");
            return Err(Malformed::new(at, reason).into());
        }
        match first.checked_add(count).filter(|end| i64::try_from(*end).is_ok()) {
            Some(end) => Ok(first..end),
            None => Err(Malformed::new(at, format!("a cluster of {count} entries is absurd")).into()),
        }
    }

    /// How many entries all clusters have.
    pub(super) fn entries(&self) -> u64 {
        self.all.last().map_or(0, |cluster| cluster.entries.end)
    }

    /// The clusters that hold entries of `range`.
    pub(super) fn overlapping(&self, range: &Range<u64>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        let first = self.all.partition_point(|cluster| cluster.entries.end <= range.start);
        let end = self.all.partition_point(|cluster| cluster.entries.start < range.end);
        first..end.max(first)
    }

    /// Where the pages of `column` are in every cluster.
    pub(super) fn pages(&self, schema: &Schema, column: &Column) -> Parsed<ColumnPages> {
        let mut pages = Vec::new();
        let mut parts = Vec::with_capacity(self.all.len());
        for cluster in &self.all {
            parts.push(self.part(cluster, schema, column, &mut pages)?);
        }
        Ok(ColumnPages { parts, pages })
    }

    fn part(
        &self,
        cluster: &Cluster,
        schema: &Schema,
        column: &Column,
        pages: &mut Vec<Page>,
    ) -> Parsed<Part> {
        let mut zeros = false;
        for &stored in &column.representations {
            let described = &schema.stored[stored];
            // Columns that came later are not in the lists of clusters that were there before.
            let Some(&position) = cluster.columns.get(stored) else {
                zeros |= described.deferred.is_some_and(|first| first >= 0);
                continue;
            };
            let first = pages.len();
            let list = Reader::new(&self.lists[cluster.list]).at(position).list()?;
            match read_pages(list, described, pages)? {
                Some((start, elements)) => {
                    let part = Part::Pages { stored, pages: first..pages.len(), start, elements };
                    return Ok(part);
                }
                None => pages.truncate(first),
            }
        }
        Ok(if zeros { Part::Zeros } else { Part::Absent })
    }
}

/// Where the page list of each column begins.
fn positions(mut list: ListFrame<'_>) -> Parse<Vec<usize>> {
    let mut positions = Vec::new();
    for _ in 0..list.items {
        positions.push(list.reader.position());
        list.reader.list()?;
    }
    Ok(positions)
}

/// Adds the pages of a column in a cluster. Returns the column's first element there and how many it
/// has, none where the cluster uses another representation.
fn read_pages(
    list: ListFrame<'_>,
    described: &StoredColumn,
    pages: &mut Vec<Page>,
) -> Parsed<Option<(u64, u64)>> {
    let mut reader = list.reader;
    let mut elements = 0_u64;
    for _ in 0..list.items {
        let at = reader.position();
        let word = reader.i32()?;
        let place = reader.locator()?;
        let count = word.unsigned_abs();
        let page = Page { first: elements, elements: count, checked: word < 0, place };
        let length = described.encoding.page_length(count) as u64;
        if page.size() > length || page.size() == 0 && length > 0 {
            let reason = format!("a page of {count} elements has {} of {length} bytes", page.size());
            return Err(Malformed::new(at, reason).into());
        }
        elements += u64::from(count);
        pages.push(page);
    }
    Ok(u64::try_from(reader.i64()?).ok().map(|start| (start, elements)))
}

/// The pages of one column in all clusters.
#[derive(Clone, Debug)]
pub(super) struct ColumnPages {
    /// What each cluster has of it.
    pub(super) parts: Vec<Part>,
    pub(super) pages: Vec<Page>,
}

/// What a cluster has of a column.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Pages of the representation at `stored` of [`Schema::stored`].
    Pages {
        stored: usize,
        /// Which of [`ColumnPages::pages`].
        pages: Range<usize>,
        /// The first element, counted from the start of the column.
        start: u64,
        /// How many elements they hold.
        elements: u64,
    },
    /// The column was added later: all its elements here are zero.
    Zeros,
    /// Nothing, which is wrong.
    Absent,
}

/// One page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// Its first element, counted from the first of the cluster's pages.
    pub(super) first: u64,
    pub(super) elements: u32,
    /// Whether a checksum of its bytes follows it.
    pub(super) checked: bool,
    /// Where it lies in the file, without the checksum.
    pub(super) place: Range<u64>,
}

impl Page {
    /// Its bytes in the file, without the checksum.
    pub(super) fn size(&self) -> u64 {
        self.place.end - self.place.start
    }

    /// What is to be read of the file.
    pub(super) fn range(&self) -> Range<u64> {
        let seal = if self.checked { CHECKSUM as u64 } else { 0 };
        self.place.start..self.place.end.saturating_add(seal)
    }
}

impl ColumnPages {
    /// How many bytes all pages have in the file.
    pub(super) fn bytes(&self) -> u64 {
        self.pages.iter().map(Page::size).sum()
    }

    /// Which of `pages` hold the elements of `range`, counted as [`Page::first`] is.
    pub(super) fn overlapping(&self, pages: &Range<usize>, range: &Range<u64>) -> Range<usize> {
        if range.is_empty() {
            return pages.start..pages.start;
        }
        let of_cluster = &self.pages[pages.clone()];
        let first = of_cluster.partition_point(|page| page.first + u64::from(page.elements) <= range.start);
        let end = of_cluster.partition_point(|page| page.first < range.end);
        pages.start + first..pages.start + end.max(first)
    }
}
