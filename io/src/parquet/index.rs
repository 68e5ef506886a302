//! The offset index: where the pages of a column chunk lie, and with which row each begins.
//!
//! It is optional, and parsed where it is needed. One that contradicts its chunk is as good as none:
//! then whole chunks are read.

use std::any::Any;
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};

use super::thrift::Compact;
use crate::root::{Malformed, Parse};

/// The offset indices of a file.
#[derive(Debug)]
pub(super) struct OffsetIndices {
    /// The bytes of all, and where they lie in the file.
    bytes: Bytes,
    at: u64,
    leaves: usize,
    /// By row group, and in it by leaf.
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    place: Option<Range<u64>>,
    chunk: Range<u64>,
    rows: u64,
    parsed: OnceLock<Option<OffsetIndexMetaData>>,
}

impl OffsetIndices {
    /// Those at `places`, with the chunk each is of and its rows, by row group and leaf; `bytes` begin
    /// at the byte `at` of the file.
    pub(super) fn new(
        bytes: Bytes,
        at: u64,
        leaves: usize,
        places: impl Iterator<Item = (Option<Range<u64>>, Range<u64>, u64)>,
    ) -> Self {
        let slots = places.map(|(place, chunk, rows)| Slot { place, chunk, rows, parsed: OnceLock::new() });
        Self { bytes, at, leaves, slots: slots.collect() }
    }

    /// The pages of a chunk: sorted by place and by row, the first with row 0.
    pub(super) fn pages(&self, group: usize, leaf: usize) -> Option<&[PageLocation]> {
        self.index(group, leaf).map(|index| &index.page_locations[..])
    }

    fn index(&self, group: usize, leaf: usize) -> Option<&OffsetIndexMetaData> {
        let slot = self.slots.get(group.checked_mul(self.leaves)?.checked_add(leaf)?)?;
        let parse = || {
            let place = slot.place.as_ref()?;
            let range = place.start.checked_sub(self.at)?..place.end.checked_sub(self.at)?;
            let bytes =
                self.bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)?;
            let page_locations = pages(bytes).ok().filter(|pages| fits(pages, &slot.chunk, slot.rows))?;
            Some(OffsetIndexMetaData { page_locations, unencoded_byte_array_data_bytes: None })
        };
        slot.parsed.get_or_init(parse).as_ref()
    }
}

impl PageIndexProvider for OffsetIndices {
    fn has_offset_indexes(&self) -> bool {
        self.slots.iter().any(|slot| slot.place.is_some())
    }

    fn has_column_indexes(&self) -> bool {
        false
    }

    fn column_index(&self, _: usize, _: usize) -> Option<&ColumnIndexMetaData> {
        None
    }

    fn offset_index(&self, group: usize, leaf: usize) -> Option<&OffsetIndexMetaData> {
        self.index(group, leaf)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The `page_locations` of an `OffsetIndex`: offset, size with header, first row.
fn pages(bytes: &[u8]) -> Parse<Vec<PageLocation>> {
    let mut pages = Vec::new();
    Compact::new(bytes).fields(|at, field, _| {
        if field != 1 {
            return Ok(false);
        }
        let (length, _) = at.list()?;
        for _ in 0..length {
            let mut page = PageLocation { offset: -1, compressed_page_size: -1, first_row_index: -1 };
            at.fields(|at, field, _| {
                match field {
                    1 => page.offset = at.integer()?,
                    2 => {
                        let size = i32::try_from(at.integer()?);
                        page.compressed_page_size =
                            size.map_err(|_| Malformed::new(at.position(), "a page has an absurd size"))?;
                    }
                    3 => page.first_row_index = at.integer()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            pages.push(page);
        }
        Ok(true)
    })?;
    Ok(pages)
}

fn fits(pages: &[PageLocation], chunk: &Range<u64>, rows: u64) -> bool {
    let mut reached = chunk.start;
    let mut row = None;
    let sound = pages.iter().all(|page| {
        let (Ok(start), Ok(size), Ok(first)) = (
            u64::try_from(page.offset),
            u64::try_from(page.compressed_page_size),
            u64::try_from(page.first_row_index),
        ) else {
            return false;
        };
        let sound = start >= reached && size > 0 && first < rows && row.map_or(first == 0, |row| first > row);
        reached = start.saturating_add(size);
        row = Some(first);
        sound
    });
    sound && !pages.is_empty() && reached <= chunk.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: i64, size: i32, first: i64) -> PageLocation {
        PageLocation { offset, compressed_page_size: size, first_row_index: first }
    }

    #[test]
    fn pages_out_of_order_or_of_the_chunk_are_refused() {
        let good = [page(10, 5, 0), page(15, 5, 7)];
        assert!(fits(&good, &(8..20), 10));
        assert!(!fits(&good, &(8..19), 10) && !fits(&good, &(11..20), 10) && !fits(&good, &(8..20), 7));
        assert!(!fits(&[page(10, 5, 1)], &(8..20), 10) && !fits(&[], &(8..20), 10));
        assert!(!fits(&[page(10, 5, 0), page(14, 5, 7)], &(8..20), 10));
        assert!(!fits(&[page(10, -5, 0)], &(8..20), 10));
    }
}
