use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::PageLocation;
use twox_hash::XxHash64;

use super::decode;
use super::footer::{self, MAGIC, TAIL};
use super::guard::guarded;
use super::index::OffsetIndices;
use super::pages;
use super::plan::{self, chunk_range};
use super::schema::{Column, Columns};
use crate::{Batches, ByteSource, ColumnInfo, EntryReader, Error, ReadPlan, Result, Scratch, Stored};

/// What a Parquet file's one table, which has no name of its own, is called where a tree has one: in
/// errors and in the ledger. Whatever a fileset calls it, it is this table.
pub const TABLE: &str = "Events";

/// What is read at a file's end in the hope that the footer fits in it.
const END: u64 = 64 << 10;
/// The offset index lies before the footer and has a quarter of its bytes; so much of a footer that is
/// not at hand is read with it, in the hope that there is one.
const INDEX_PART: u64 = 3;
const LARGEST_GUESS: u64 = 4 << 20;
/// Larger offset indices are left alone.
const LARGEST_INDEX: u64 = 16 << 20;

/// A Parquet file: its columns and row groups.
#[derive(Debug)]
pub struct ParquetFile {
    source: Arc<dyn ByteSource>,
    path: String,
    size: u64,
    uuid: String,
    metadata: ArrowReaderMetadata,
    columns: Columns,
    /// The first entry of each row group, and the number of entries.
    starts: Vec<u64>,
    index: Arc<OffsetIndices>,
}

impl ParquetFile {
    /// Opens a file: reads its start, its footer and, where there is one, the offset index.
    ///
    /// # Errors
    /// Where the source fails, it is no Parquet file, truncated, damaged or encrypted.
    pub fn open(source: Arc<dyn ByteSource>) -> Result<Self> {
        let head = 0..source.len()?.min(crate::open::HEAD);
        let head = read(&*source, head)?;
        Self::with_head(source, &head)
    }

    /// The same with the first bytes read already.
    pub(crate) fn with_head(source: Arc<dyn ByteSource>, head: &[u8]) -> Result<Self> {
        let (path, size) = (source.name().to_owned(), source.len()?);
        let damaged = |what: &str, at: u64, reason: String| Error::Parquet {
            path: path.clone(),
            what: what.to_owned(),
            at,
            reason,
        };
        if head.starts_with(footer::ENCRYPTED) {
            return Err(Error::Unsupported {
                path,
                what: "the file".into(),
                reason: "it is encrypted".into(),
            });
        }
        if !head.starts_with(MAGIC) {
            return Err(damaged("the start", 0, "it does not begin with `PAR1`".to_owned()));
        }
        let end = End::read(&*source, size, size.saturating_sub(END)..size)?;
        let tail = size.saturating_sub(TAIL);
        let place = footer::place(&end.bytes(&*source, tail..size)?, size)
            .map_err(|reason| damaged("the footer", tail, reason))?;
        let end = end.with_index(&*source, &place)?;
        let bytes = end.bytes(&*source, place.clone())?;
        footer::check(&bytes).map_err(|wrong| {
            damaged("the footer", place.start, format!("{} (its byte {})", wrong.reason, wrong.at))
        })?;
        let broken = |reason: String| damaged("the footer", place.start, reason);
        let metadata = guarded(|| {
            let skip = ParquetStatisticsPolicy::SkipAll;
            let options = ParquetMetaDataOptions::new()
                .with_column_stats_policy(skip.clone())
                .with_size_stats_policy(skip.clone())
                .with_encoding_stats_policy(skip);
            ParquetMetaDataReader::decode_metadata_with_options(&bytes, Some(&options))
        })
        .map_err(broken)?;
        let starts = starts(&metadata).map_err(broken)?;
        let index = Arc::new(offset_indices(&metadata, &*source, &end, size, place.start)?);
        let metadata = guarded(|| {
            let metadata = metadata.into_builder().set_page_index(Some(index.clone())).build();
            // The writer's Arrow schema may ask for types that are not ours; see `Columns::new`.
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            ArrowReaderMetadata::try_new(Arc::new(metadata), options)
        })
        .map_err(broken)?;
        let file = metadata.metadata().file_metadata();
        let written =
            guarded(|| parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())).ok();
        let columns = Columns::new(metadata.schema(), written.as_ref());
        let uuid = uuid(&bytes, head, size);
        Ok(Self { source, path, size, uuid, metadata, columns, starts, index })
    }

    /// The path or URL.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where its bytes come from.
    pub fn source(&self) -> &Arc<dyn ByteSource> {
        &self.source
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What tells it from other files: a hash of its footer (schema, row groups, where every chunk
    /// lies and its statistics), its size and its first 4 KiB, in the form of a uuid of version 8.
    /// The format has none of its own.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The program that wrote it, where it says so.
    pub fn written_by(&self) -> Option<&str> {
        self.metadata.metadata().file_metadata().created_by()
    }

    /// Of each row group its entries, and the bytes of all its columns, compressed.
    pub fn row_groups(&self) -> Vec<(Range<u64>, u64)> {
        let groups = self.metadata.metadata().row_groups().iter().zip(self.starts.windows(2));
        groups.map(|(group, ends)| (ends[0]..ends[1], group.columns().iter().map(bytes_of).sum())).collect()
    }

    /// The codecs of its column chunks.
    pub fn codecs(&self) -> Vec<String> {
        let chunks = self.metadata.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
        let mut names: Vec<String> =
            chunks.map(|chunk| chunk.compression_codec().to_string().to_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) fn starts(&self) -> &[u64] {
        &self.starts
    }

    pub(super) fn entries_total(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    pub(super) fn chunk(&self, group: usize, leaf: usize) -> &ColumnChunkMetaData {
        self.metadata.metadata().row_group(group).column(leaf)
    }

    pub(super) fn pages(&self, group: usize, leaf: usize) -> Option<&[PageLocation]> {
        self.index.pages(group, leaf)
    }

    /// The compressed bytes of a leaf in all row groups.
    pub(super) fn chunk_bytes(&self, leaf: usize) -> u64 {
        self.metadata.metadata().row_groups().iter().map(|group| bytes_of(group.column(leaf))).sum()
    }

    fn find(&self, name: &str) -> Result<&Column> {
        self.columns.find(name).ok_or_else(|| Error::NoColumn {
            path: self.path.clone(),
            tree: TABLE.to_owned(),
            name: name.to_owned(),
            nearest: self.columns.nearest(name),
        })
    }

    /// The column `name`, if it can be read.
    pub(super) fn readable(&self, name: &str) -> Result<&Column> {
        let column = self.find(name)?;
        let unsupported = |reason: String| Error::Unsupported {
            path: format!("{}:/{TABLE}", self.path),
            what: format!("column `{name}`"),
            reason,
        };
        column.data_type.as_ref().map_err(|reason| unsupported(reason.clone()))?;
        let groups = self.metadata.metadata().row_groups();
        match groups.iter().find_map(|group| pages::unreadable(group.column(column.leaf).compression())) {
            Some(codec) => Err(unsupported(format!("it is compressed with {codec}"))),
            None => Ok(column),
        }
    }
}

impl EntryReader for ParquetFile {
    fn entries(&self) -> u64 {
        self.entries_total()
    }

    fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    fn column(&self, name: &str) -> Result<ColumnInfo> {
        let column = self.readable(name)?;
        // `readable` has made sure that there is a type.
        let data_type = column.data_type.clone().unwrap_or(arrow_schema::DataType::Null);
        Ok(ColumnInfo { name: name.to_owned(), type_name: column.type_name.clone(), data_type })
    }

    fn stored(&self, name: &str) -> Result<Stored> {
        let column = self.find(name)?;
        // What a counter counts is stored with each column of its collection.
        if column.is_counter() {
            return Ok(Stored::default());
        }
        Ok(Stored { bytes: self.chunk_bytes(column.leaf), pieces: self.metadata.metadata().num_row_groups() })
    }

    fn boundaries(&self, _: &[String]) -> Result<Vec<u64>> {
        let mut boundaries = self.starts.clone();
        boundaries.dedup();
        Ok(boundaries)
    }

    fn plan(&self, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
        plan::plan(self, columns, entries)
    }

    fn decode<'a>(
        &'a self,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        scratch: &'a mut Scratch,
    ) -> Result<Box<dyn Batches + 'a>> {
        Ok(Box::new(decode::Decoder::new(self, plan, bytes, scratch)?))
    }
}

/// The end of a file, read at once.
struct End {
    start: u64,
    bytes: Bytes,
}

impl End {
    fn read(source: &dyn ByteSource, size: u64, range: Range<u64>) -> Result<Self> {
        debug_assert_eq!(range.end, size);
        Ok(Self { start: range.start, bytes: read(source, range)? })
    }

    /// The same, or if the footer at `place` does not lie in it, the footer and what is before it.
    fn with_index(self, source: &dyn ByteSource, place: &Range<u64>) -> Result<Self> {
        if place.start >= self.start {
            return Ok(self);
        }
        let before = ((place.end - place.start) / INDEX_PART).min(LARGEST_GUESS);
        let start = place.start.saturating_sub(before);
        Ok(Self { start, bytes: read(source, start..place.end)? })
    }

    /// Any bytes of the file, read if they are not at its end.
    fn bytes(&self, source: &dyn ByteSource, range: Range<u64>) -> Result<Bytes> {
        let known = range.start.checked_sub(self.start).zip(range.end.checked_sub(self.start));
        match known {
            Some((start, end)) if end <= self.bytes.len() as u64 => {
                Ok(self.bytes.slice(start as usize..end as usize))
            }
            _ => read(source, range),
        }
    }
}

fn read(source: &dyn ByteSource, range: Range<u64>) -> Result<Bytes> {
    let (at, length) = (range.start, range.end - range.start);
    let answer =
        source.read(std::slice::from_ref(&range))?.pop().filter(|bytes| bytes.len() as u64 == length);
    answer.ok_or_else(|| Error::Parquet {
        path: source.name().to_owned(),
        what: format!("a read of {length} bytes"),
        at,
        reason: "another number of bytes came than was asked for".to_owned(),
    })
}

/// Compressed bytes; a damaged footer may have a negative number.
fn bytes_of(chunk: &ColumnChunkMetaData) -> u64 {
    u64::try_from(chunk.compressed_size()).unwrap_or(0)
}

/// The first entry of each row group, and the number of entries.
fn starts(metadata: &ParquetMetaData) -> Result<Vec<u64>, String> {
    let mut starts = vec![0_u64];
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).ok();
        let reached =
            rows.and_then(|rows| starts[at].checked_add(rows)).filter(|&rows| rows <= i64::MAX as u64);
        starts.push(reached.ok_or_else(|| format!("row group {at} has {} entries", group.num_rows()))?);
    }
    let (sum, said) = (starts[starts.len() - 1], metadata.file_metadata().num_rows());
    if u64::try_from(said) != Ok(sum) {
        return Err(format!("it says {said} entries and its row groups have {sum}"));
    }
    Ok(starts)
}

/// The offset indices, if the file has any, lie together before the footer.
fn offset_indices(
    metadata: &ParquetMetaData,
    source: &dyn ByteSource,
    end: &End,
    size: u64,
    footer: u64,
) -> Result<OffsetIndices> {
    let place = |chunk: &ColumnChunkMetaData| {
        let start = u64::try_from(chunk.offset_index_offset()?).ok()?;
        let length = u64::try_from(chunk.offset_index_length()?).ok()?;
        let end = start.checked_add(length)?;
        (length > 0 && end <= footer).then_some(start..end)
    };
    let leaves = metadata.file_metadata().schema_descr().num_columns();
    let places = || {
        metadata.row_groups().iter().flat_map(|group| {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            group.columns().iter().map(move |chunk| {
                let range = chunk_range(chunk, size);
                (place(chunk).filter(|_| range.is_ok()), range.unwrap_or(0..0), rows)
            })
        })
    };
    let all = || places().filter_map(|(place, ..)| place);
    let span = all().map(|place| place.start).min().zip(all().map(|place| place.end).max());
    match span.filter(|(start, end)| end - start <= LARGEST_INDEX) {
        Some((start, stop)) => {
            let bytes = end.bytes(source, start..stop)?;
            Ok(OffsetIndices::new(bytes, start, leaves, places()))
        }
        None => Ok(OffsetIndices::new(Bytes::new(), 0, leaves, std::iter::empty())),
    }
}

/// See [`ParquetFile::uuid`].
fn uuid(footer: &[u8], head: &[u8], size: u64) -> String {
    let half = |seed: u64| {
        let mut hash = XxHash64::with_seed(seed);
        hash.write(&size.to_le_bytes());
        hash.write(footer);
        hash.write(head);
        hash.finish()
    };
    // Version 8, which is for what a program makes of its own, and the variant of RFC 9562.
    let (high, low) = (half(0) & !0xF000 | 0x8000, half(1) & !(3 << 62) | 2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn a_uuid_is_of_version_8_and_depends_on_all_it_is_made_of() {
        let one = uuid(b"footer", b"head", 10);
        assert_eq!((one.len(), &one[14..15]), (36, "8"), "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
        for other in
            [uuid(b"footes", b"head", 10), uuid(b"footer", b"heat", 10), uuid(b"footer", b"head", 11)]
        {
            assert_ne!(one, other);
        }
        assert_eq!(one, uuid(b"footer", b"head", 10));
    }
}
