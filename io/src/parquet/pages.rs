//! The headers of the pages of a plan, before anything is decoded: the `parquet` crate gives memory to
//! what they claim.
//!
//! Source of the format: `PageHeader` of `parquet.thrift` in apache/parquet-format.

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use super::thrift::Compact;
use crate::root::{Malformed, Parse};

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;
/// `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`.
const DELTA_STRINGS: [i64; 2] = [6, 7];

/// Values of lists that a chunk's pages may have whatever their size: as many empty lists, or lists of
/// one and the same value, fit in a few bytes.
const FREE_VALUES: u64 = 4 << 20;
/// And how many more for each byte, decompressed.
const VALUES_PER_BYTE: u64 = 4096;

/// What the pages of one chunk claim, summed up.
#[derive(Debug, Default)]
pub(super) struct Claims {
    values: u64,
    bytes: u64,
    pages: u64,
    unpacked: u64,
}

#[derive(Debug, Default)]
struct Header {
    kind: Option<i64>,
    uncompressed: i64,
    compressed: i64,
    values: i64,
    encoding: i64,
}

impl Header {
    fn read(at: &mut Compact<'_>) -> Parse<Self> {
        let mut header = Self::default();
        at.fields(|at, field, _| {
            match field {
                1 => header.kind = Some(at.int()?),
                2 => header.uncompressed = at.int()?,
                3 => header.compressed = at.int()?,
                // Data pages, dictionary pages and data pages of version 2: `num_values` comes first,
                // `encoding` second, or fourth in version 2.
                5 | 7 | 8 => {
                    let encoding = if field == 8 { 4 } else { 2 };
                    at.fields(|at, field, _| {
                        match field {
                            1 => header.values = at.int()?,
                            number if number == encoding => header.encoding = at.int()?,
                            _ => return Ok(false),
                        }
                        Ok(true)
                    })?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(header)
    }
}

impl Claims {
    /// How many pages there are, dictionaries included.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// How many bytes they have decompressed, without their headers.
    pub(super) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Adds the pages that `bytes`, a stretch of the chunk, consists of.
    ///
    /// # Errors
    /// Where they claim more than so many bytes can hold, are of a kind that is not read, or do not end
    /// where the stretch does.
    pub(super) fn add(&mut self, bytes: &[u8], chunk: &ColumnChunkMetaData) -> Parse<()> {
        let mut start = 0;
        while start < bytes.len() {
            let mut at = Compact::new(&bytes[start..]);
            let header = Header::read(&mut at).map_err(|wrong| {
                Malformed::new(start + wrong.at, format!("in a page's header {}", wrong.reason))
            })?;
            let wrong = |reason: String| Malformed::new(start, reason);
            let left = bytes.len() - start - at.position();
            let (Ok(compressed), Ok(uncompressed), Ok(values)) = (
                usize::try_from(header.compressed),
                u64::try_from(header.uncompressed),
                u64::try_from(header.values),
            ) else {
                return Err(wrong("a page's header has negative sizes".to_owned()));
            };
            if compressed > left {
                return Err(wrong(format!(
                    "a page of {compressed} bytes passes the end of its chunk, {left} on"
                )));
            }
            let most = (compressed as u64).saturating_mul(ratio(chunk.compression()));
            if uncompressed > most || uncompressed > i32::MAX as u64 {
                return Err(wrong(format!("{compressed} bytes cannot hold a page of {uncompressed} bytes")));
            }
            match header.kind {
                Some(DICTIONARY) if values > uncompressed => {
                    return Err(wrong(format!(
                        "{uncompressed} bytes cannot hold a dictionary of {values} values"
                    )));
                }
                Some(DATA | DATA_V2) => {
                    // Their lengths are counted in the page once more, and the `parquet` crate believes it.
                    if DELTA_STRINGS.contains(&header.encoding) {
                        return Err(wrong("its strings are delta-encoded, which is not read".to_owned()));
                    }
                    self.values = self.values.saturating_add(values);
                    self.bytes = self.bytes.saturating_add(uncompressed);
                }
                Some(DICTIONARY) => {}
                Some(kind) => return Err(wrong(format!("pages of kind {kind} are not known"))),
                None => return Err(wrong("a page's header has no kind".to_owned())),
            }
            self.pages += 1;
            self.unpacked = self.unpacked.saturating_add(uncompressed);
            start += at.position() + compressed;
        }
        let most = self.bytes.saturating_mul(VALUES_PER_BYTE).saturating_add(FREE_VALUES);
        // Of a column without lists a batch takes what the batch has entries.
        if chunk.column_descr().max_rep_level() > 0 && self.values > most {
            let reason = format!("{} bytes cannot hold lists of {} values", self.bytes, self.values);
            return Err(Malformed::new(start, reason));
        }
        Ok(())
    }
}

/// How many bytes one byte may become.
fn ratio(codec: Compression) -> u64 {
    match codec {
        Compression::UNCOMPRESSED => 1,
        // A copy of 64 bytes takes 3.
        Compression::SNAPPY => 22,
        Compression::GZIP(_) => 1032,
        Compression::LZ4 | Compression::LZ4_RAW => 255,
        // A block of 128 KiB takes 3 bytes and one that repeats.
        _ => (128 << 10) / 4,
    }
}

/// What a codec that cannot be decompressed is called.
pub(super) fn unreadable(codec: Compression) -> Option<&'static str> {
    match codec {
        Compression::LZO => Some("lzo"),
        Compression::BROTLI(_) => Some("brotli"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::{CompressionCodec, Type as Physical};
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};

    use super::*;

    fn chunk(codec: CompressionCodec, repetition: i16) -> ColumnChunkMetaData {
        let leaf = Type::primitive_type_builder("x", Physical::INT32).build().unwrap();
        let column = ColumnDescriptor::new(Arc::new(leaf), 0, repetition, ColumnPath::new(vec!["x".into()]));
        ColumnChunkMetaData::builder(Arc::new(column)).set_compression_codec(codec).build().unwrap()
    }

    fn varint(number: u64, out: &mut Vec<u8>) {
        let mut left = number << 1;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }

    /// A data page of version 1 with a body of `body` bytes.
    fn page(uncompressed: u64, body: usize, values: u64, encoding: u64) -> Vec<u8> {
        let mut bytes = vec![0x15, 0, 0x15];
        varint(uncompressed, &mut bytes);
        bytes.push(0x15);
        varint(body as u64, &mut bytes);
        bytes.extend([0x2C, 0x15]);
        varint(values, &mut bytes);
        bytes.push(0x15);
        varint(encoding, &mut bytes);
        bytes.extend([0, 0]);
        bytes.resize(bytes.len() + body, 0);
        bytes
    }

    fn check(bytes: &[u8], chunk: &ColumnChunkMetaData) -> Result<(), String> {
        Claims::default().add(bytes, chunk).map_err(|wrong| wrong.reason.into_owned())
    }

    #[test]
    fn honest_pages_one_behind_the_other_pass() {
        let both = [page(400, 400, 100, 0), page(40, 40, 10, 0)].concat();
        assert_eq!(check(&both, &chunk(CompressionCodec::UNCOMPRESSED, 0)), Ok(()));
        let cut = check(&both[..both.len() - 1], &chunk(CompressionCodec::UNCOMPRESSED, 0)).unwrap_err();
        assert_eq!(cut, "a page of 40 bytes passes the end of its chunk, 39 on");
    }

    #[test]
    fn claims_out_of_proportion_are_refused() {
        let error = check(&page(1 << 30, 100, 10, 0), &chunk(CompressionCodec::SNAPPY, 0)).unwrap_err();
        assert_eq!(error, "100 bytes cannot hold a page of 1073741824 bytes");
        let many = page(100, 100, 1 << 30, 0);
        assert_eq!(check(&many, &chunk(CompressionCodec::ZSTD, 0)), Ok(()));
        let error = check(&many, &chunk(CompressionCodec::ZSTD, 1)).unwrap_err();
        assert_eq!(error, "100 bytes cannot hold lists of 1073741824 values");
        let error = check(&page(9, 9, 9, 7), &chunk(CompressionCodec::ZSTD, 0)).unwrap_err();
        assert_eq!(error, "its strings are delta-encoded, which is not read");
    }
}
