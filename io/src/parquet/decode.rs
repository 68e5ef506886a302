//! Batches of Arrow columns from the bytes of column chunks.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;
use hep_columns::Batch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::errors::ParquetError;
use parquet::file::serialized_reader::SerializedPageReader;

use super::chunks::Chunks;
use super::file::{ParquetFile, TABLE};
use super::guard::guarded;
use super::pages::Claims;
use super::plan::{self, Part, parts};
use super::schema::{Column, Step};
use super::{levels, nested};
use crate::cost::Costs;
use crate::{Batches, ColumnCost, Error, ReadPlan, Result, Scratch};

/// More entries are not decoded at once, whoever asks: a run-length of any number of entries takes
/// a few bytes.
const MOST: usize = 1 << 20;

/// The batches of a plan.
pub(super) struct Decoder<'a> {
    file: &'a ParquetFile,
    left: Range<u64>,
    chunks: Chunks,
    columns: Vec<&'a Column>,
    leaves: Vec<usize>,
    names: Arc<HashMap<String, usize>>,
    /// The reader that stands at `left.start`, with the number of entries it gives at once.
    reader: Option<(usize, ParquetRecordBatchReader)>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        file: &'a ParquetFile,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        scratch: &mut Scratch,
    ) -> Result<Self> {
        if !plan.fits(bytes) {
            return Err(Error::Parquet {
                path: file.path().to_owned(),
                what: "a plan".to_owned(),
                at: plan.ranges.first().map_or(0, |range| range.start),
                reason: "the bytes given are not those it asked for".to_owned(),
            });
        }
        let columns = plan.columns.iter().map(|name| file.readable(name)).collect::<Result<Vec<_>>>()?;
        let leaves = plan::leaves(file, &columns);
        let names = plan.columns.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let chunks = Chunks::new(file.size(), &plan.ranges, bytes);
        let (left, names) = (plan.entries.clone(), Arc::new(names));
        let decoder = Self { file, left, chunks, columns, leaves, names, reader: None };
        decoder.check_pages(&mut scratch.costs)?;
        decoder.check_levels()?;
        Ok(decoder)
    }

    /// Makes sure that the rows before the first can be passed over.
    fn check_levels(&self) -> Result<()> {
        let parts = parts(self.file, &self.left);
        let Some(part) = parts.first().filter(|part| part.rows.start > 0) else { return Ok(()) };
        for (&leaf, column) in self.leaves.iter().zip(&self.columns) {
            let chunk = self.file.chunk(part.group, leaf);
            let most = chunk.column_descr().max_rep_level();
            if most == 0 {
                continue;
            }
            // The last piece has the pages, one behind the other; a dictionary may be before it.
            let pieces = plan::pieces(self.file, column, leaf, part)?;
            let Some(pages) = pieces.last() else { continue };
            let checked = guarded(|| {
                let only = chunk.clone().into_builder();
                let only = only.set_dictionary_page_offset(None).set_data_page_offset(pages.start as i64);
                let only = only.set_total_compressed_size((pages.end - pages.start) as i64).build()?;
                let group = self.file.metadata().metadata().row_group(part.group);
                let rows = usize::try_from(group.num_rows()).unwrap_or(0);
                let chunks = Arc::new(self.chunks.clone());
                for page in SerializedPageReader::new(chunks, &only, rows, None)? {
                    levels::check(&page?, most).map_err(ParquetError::General)?;
                }
                Ok(())
            });
            checked.map_err(|reason| {
                let entries = self.left.start..self.left.start + (part.rows.end - part.rows.start);
                self.cannot_decode(column, entries, format!("row group {}", part.group), reason)
            })?;
        }
        Ok(())
    }

    fn check_pages(&self, costs: &mut Costs) -> Result<()> {
        let parts = parts(self.file, &self.left);
        for (at, (&leaf, column)) in self.leaves.iter().zip(&self.columns).enumerate() {
            let mut cost = ColumnCost::default();
            for part in &parts {
                let mut claims = Claims::default();
                for piece in plan::pieces(self.file, column, leaf, part)? {
                    let length = (piece.end - piece.start) as usize;
                    let bytes = self.chunks.behind(piece.start).filter(|bytes| bytes.len() >= length);
                    let checked = match &bytes {
                        Some(bytes) => claims.add(&bytes[..length], self.file.chunk(part.group, leaf)),
                        None => Err(crate::root::Malformed::new(0, "its bytes are not in the plan")),
                    };
                    checked.map_err(|wrong| {
                        let start = self.file.starts()[part.group];
                        let entries = start + part.rows.start..start + part.rows.end;
                        let at = piece.start + wrong.at as u64;
                        self.cannot_decode(
                            column,
                            entries,
                            format!("row group {} at byte {at}", part.group),
                            wrong.reason,
                        )
                    })?;
                    cost.stored += length as u64;
                }
                cost.pieces += claims.pages();
                cost.unpacked += claims.unpacked();
            }
            // A counter has the pages of another column of its collection.
            if !self.leaves[..at].contains(&leaf) {
                costs.add(&column.name, &cost);
            }
        }
        Ok(())
    }

    fn cannot_decode(
        &self,
        column: &Column,
        entries: Range<u64>,
        place: String,
        reason: impl Into<String>,
    ) -> Error {
        Error::Basket {
            path: self.file.path().to_owned(),
            tree: TABLE.into(),
            branch: column.name.as_str().into(),
            entries,
            place: place.into(),
            reason: reason.into().into(),
        }
    }

    /// A reader of `leaves` that stands at `left.start` and gives `at_once` entries.
    fn reader(&self, leaves: &[usize], at_once: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
        let parts = parts(self.file, &self.left);
        let skipped = parts.first().map_or(0, |part| part.rows.start) as usize;
        let selected = parts.iter().map(|Part { rows, .. }| (rows.end - rows.start) as usize).sum();
        let selectors = [RowSelector::skip(skipped), RowSelector::select(selected)];
        let metadata = self.file.metadata();
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.chunks.clone(), metadata.clone())
            .with_projection(ProjectionMask::leaves(metadata.parquet_schema(), leaves.iter().copied()))
            .with_row_groups(parts.iter().map(|part| part.group).collect())
            .with_row_selection(RowSelection::from_iter(selectors.into_iter().filter(|s| s.row_count > 0)))
            .with_batch_size(at_once)
            .build()
    }

    /// The next record batch of `reader`, of at most `n` entries.
    fn record(reader: &mut ParquetRecordBatchReader, n: usize) -> Result<RecordBatch, ParquetError> {
        match reader.next() {
            Some(Ok(record)) if (1..=n).contains(&record.num_rows()) => Ok(record),
            Some(Ok(_)) => {
                Err(ParquetError::General("a batch has another length than was asked for".to_owned()))
            }
            Some(Err(error)) => Err(ParquetError::ArrowError(error.to_string())),
            None => Err(ParquetError::General("its pages hold fewer entries than its row groups".to_owned())),
        }
    }

    /// Which column it is that fails: each is decoded by itself.
    fn blame(&self, entries: Range<u64>, n: usize, reason: String) -> Error {
        let alone = |leaf: usize| guarded(|| Self::record(&mut self.reader(&[leaf], n)?, n));
        let guilty = self
            .leaves
            .iter()
            .zip(&self.columns)
            .find_map(|(leaf, column)| alone(*leaf).err().map(|reason| (*column, reason)));
        let groups: Vec<usize> = parts(self.file, &entries).iter().map(|part| part.group).collect();
        let place = match groups[..] {
            [only] => format!("row group {only}"),
            _ => format!("row groups {} to {}", groups.first().unwrap_or(&0), groups.last().unwrap_or(&0)),
        };
        // None is guilty by itself: lists of one collection have different lengths.
        let (column, reason) = guilty.unwrap_or((self.columns[0], reason));
        self.cannot_decode(column, entries, place, reason)
    }
}

impl Batches for Decoder<'_> {
    fn next(&mut self, entries: usize) -> Result<Option<Batch>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let at_once = entries.clamp(1, MOST);
        let n = (self.left.end - self.left.start).min(at_once as u64) as usize;
        let range = |n: usize| self.left.start..self.left.start + n as u64;
        if self.columns.is_empty() {
            let range = range(n);
            self.left.start = range.end;
            return Ok(Some(Batch::new(range, self.names.clone(), Vec::new())));
        }
        let known = self.reader.take().filter(|(size, _)| *size == at_once);
        let record = guarded(|| {
            let mut reader = match known {
                Some((_, reader)) => reader,
                None => self.reader(&self.leaves, at_once)?,
            };
            Ok((Self::record(&mut reader, n)?, reader))
        });
        let (record, reader) = record.map_err(|reason| self.blame(range(n), n, reason))?;
        let range = range(record.num_rows());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            arrays.push(of_record(&record, column).map_err(|reason| Error::Unsupported {
                path: format!("{}:/{TABLE}", self.file.path()),
                what: format!("column `{}`, entries {}..{},", column.name, range.start, range.end),
                reason,
            })?);
        }
        self.reader = Some((at_once, reader));
        self.left.start = range.end;
        Ok(Some(Batch::new(range, self.names.clone(), arrays)))
    }
}

fn of_record(record: &RecordBatch, column: &Column) -> Result<ArrayRef, String> {
    let Some((Step::Member(name), steps)) = column.steps.split_first() else {
        return Err("it is in no column of the file".to_owned());
    };
    let array = record.column_by_name(name).ok_or("its array was not made")?;
    let array = nested::column(array, steps)?;
    match &column.data_type {
        Ok(wanted) if wanted != array.data_type() => {
            Err(format!("it was decoded as {} instead of {wanted}", array.data_type()))
        }
        _ if array.len() != record.num_rows() => Err("its array has another length".to_owned()),
        _ => Ok(array),
    }
}
