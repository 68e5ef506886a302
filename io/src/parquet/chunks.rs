use std::ops::Range;
use std::sync::Arc;

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The bytes of a plan, at their places in the file: all that the `parquet` crate ever sees of it.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    size: u64,
    /// Sorted, and none overlaps another.
    pieces: Arc<[(u64, Bytes)]>,
}

impl Chunks {
    /// Of a file of `size` bytes the ranges that a plan has, sorted and disjoint, and their bytes.
    pub(super) fn new(size: u64, ranges: &[Range<u64>], bytes: &[Bytes]) -> Self {
        let pieces = ranges.iter().zip(bytes).map(|(range, bytes)| (range.start, bytes.clone())).collect();
        Self { size, pieces }
    }

    /// The bytes from `start` to the end of the piece that holds it.
    pub(super) fn behind(&self, start: u64) -> Option<Bytes> {
        let after = self.pieces.partition_point(|(begin, _)| *begin <= start);
        let (begin, bytes) = self.pieces.get(after.checked_sub(1)?)?;
        let offset = usize::try_from(start - begin).ok()?;
        (offset <= bytes.len()).then(|| bytes.slice(offset..))
    }

    fn missing<T>(start: u64) -> Result<T> {
        Err(ParquetError::EOF(format!("byte {start} is not in the plan: a position in the file is wrong")))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Chunks {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.behind(start).map_or_else(|| Self::missing(start), |bytes| Ok(bytes.reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self.behind(start) {
            Some(bytes) if bytes.len() >= length => Ok(bytes.slice(..length)),
            _ => Self::missing(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_the_plan_are_given_and_others_are_not() {
        let chunks =
            Chunks::new(100, &[10..13, 20..22], &[Bytes::from_static(b"abc"), Bytes::from_static(b"de")]);
        assert_eq!(chunks.get_bytes(11, 2).unwrap(), &b"bc"[..]);
        for (start, length) in [(9, 1), (12, 2), (14, 1), (20, 3), (30, 1)] {
            assert!(chunks.get_bytes(start, length).is_err(), "{start} {length}");
        }
    }
}
