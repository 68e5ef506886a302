//! Which bytes a range of entries needs. Pure functions of the footer and the offset index.

use std::collections::BTreeMap;
use std::ops::Range;

use parquet::file::metadata::ColumnChunkMetaData;

use super::file::ParquetFile;
use super::schema::{Column, Step};
use crate::{CutPiece, Error, ReadPlan, Result};

/// A row group that a range of entries touches.
pub(super) struct Part {
    /// Which one.
    pub(super) group: usize,
    /// The rows needed of it.
    pub(super) rows: Range<u64>,
}

/// The row groups that hold `entries`.
pub(super) fn parts(file: &ParquetFile, entries: &Range<u64>) -> Vec<Part> {
    let starts = file.starts();
    let mut parts = Vec::new();
    let first = starts.partition_point(|start| *start <= entries.start).saturating_sub(1);
    for group in first..starts.len().saturating_sub(1) {
        let (start, end) = (starts[group], starts[group + 1]);
        if start >= entries.end {
            break;
        }
        let rows = entries.start.max(start) - start..entries.end.min(end) - start;
        if rows.start < rows.end {
            parts.push(Part { group, rows });
        }
    }
    parts
}

/// The leaf that each of `columns` is read from. A counter is read from a column of its collection that
/// is wanted anyway, or else from the smallest.
pub(super) fn leaves(file: &ParquetFile, columns: &[&Column]) -> Vec<usize> {
    let leaf = |column: &&Column| {
        let Some((Step::Count, collection)) = column.steps.split_last() else { return column.leaf };
        let belongs = |other: &&Column| {
            other.steps.starts_with(collection) && other.steps.get(collection.len()) == Some(&Step::Items)
        };
        let wanted = columns.iter().copied().find(belongs);
        let smallest =
            || file.columns().iter().filter(belongs).min_by_key(|other| file.chunk_bytes(other.leaf));
        wanted.or_else(smallest).map_or(column.leaf, |other| other.leaf)
    };
    columns.iter().map(leaf).collect()
}

pub(super) fn plan(file: &ParquetFile, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
    if entries.start > entries.end || entries.end > file.entries_total() {
        return Err(Error::Unsupported {
            path: file.path().to_owned(),
            what: format!("entries {}..{}", entries.start, entries.end),
            reason: format!("it has {} entries", file.entries_total()),
        });
    }
    let found = columns.iter().map(|name| file.readable(name)).collect::<Result<Vec<_>>>()?;
    let mut pieces: BTreeMap<u64, (u64, &str, Option<CutPiece>)> = BTreeMap::new();
    for (leaf, column) in leaves(file, &found).into_iter().zip(&found) {
        for part in parts(file, &entries) {
            let needed = self::pieces(file, column, leaf, &part)?;
            // What other ranges need as well is the dictionary, or the whole chunk where there is no index of its pages.
            let dictionaries =
                needed.len().saturating_sub(usize::from(file.pages(part.group, leaf).is_some()));
            for (number, piece) in needed.into_iter().enumerate() {
                let rows = file.starts()[part.group]..file.starts()[part.group + 1];
                let is_cut = number < dictionaries && part.rows.end - part.rows.start < rows.end - rows.start;
                let cut = is_cut.then_some(CutPiece { at: 0, column: leaf, entries: rows });
                pieces.insert(piece.start, (piece.end, &column.name, cut));
            }
        }
    }
    let mut ranges: Vec<Range<u64>> = Vec::with_capacity(pieces.len());
    let mut cut = Vec::new();
    for (start, (end, name, piece)) in pieces {
        cut.extend(piece.map(|piece| CutPiece { at: ranges.len(), ..piece }));
        if ranges.last().is_some_and(|last| start < last.end) {
            return Err(Error::Parquet {
                path: file.path().to_owned(),
                what: format!("column `{name}`"),
                at: start,
                reason: "its bytes are also those of another column".to_owned(),
            });
        }
        ranges.push(start..end);
    }
    Ok(ReadPlan { entries, columns: columns.to_vec(), ranges, cut, ..ReadPlan::default() })
}

/// The bytes of a leaf that a part needs: with an offset index its pages and the dictionary, else the
/// whole chunk.
pub(super) fn pieces(
    file: &ParquetFile,
    column: &Column,
    leaf: usize,
    part: &Part,
) -> Result<Vec<Range<u64>>> {
    let meta = file.chunk(part.group, leaf);
    let chunk = chunk_range(meta, file.size()).map_err(|reason| Error::Parquet {
        path: file.path().to_owned(),
        what: format!("column `{}` in row group {}", column.name, part.group),
        at: u64::try_from(meta.data_page_offset()).unwrap_or(0),
        reason,
    })?;
    let Some(pages) = file.pages(part.group, leaf) else { return Ok(vec![chunk]) };
    let row = |row: i64| u64::try_from(row).unwrap_or(0);
    let first = pages.partition_point(|page| row(page.first_row_index) <= part.rows.start).saturating_sub(1);
    let last = pages.partition_point(|page| row(page.first_row_index) < part.rows.end);
    let (start, end) =
        (pages[first].offset, pages[last - 1].offset + i64::from(pages[last - 1].compressed_page_size));
    let dictionary = chunk.start..row(pages[0].offset);
    let needed = row(start)..row(end);
    Ok([dictionary, needed].into_iter().filter(|range| range.start < range.end).collect())
}

/// Where a column chunk lies in a file of `size` bytes.
pub(super) fn chunk_range(chunk: &ColumnChunkMetaData, size: u64) -> Result<Range<u64>, String> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (Ok(start), Ok(length)) = (u64::try_from(start), u64::try_from(chunk.compressed_size())) else {
        return Err(format!("its {} bytes at byte {start} are absurd", chunk.compressed_size()));
    };
    match start.checked_add(length) {
        Some(end) if end <= size && i64::try_from(end).is_ok() => Ok(start..end),
        _ => Err(format!("its {length} bytes pass the end of the file at byte {size}")),
    }
}
