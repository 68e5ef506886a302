//! What is read before anyone asks: the head and the tail of a file.
//!
//! The metadata of every format that we read lies there, so that one round trip brings most of it.

use std::ops::Range;

use bytes::Bytes;

use crate::open::HEAD;

/// The largest head. An RNTuple's description of its fields begins after a few hundred bytes.
const LARGEST_HEAD: u64 = 64 << 10;
const SMALLEST_TAIL: u64 = 64 << 10;
const LARGEST_TAIL: u64 = 256 << 10;

/// A file up to this size is read whole.
const SMALL_FILE: u64 = 256 << 10;

/// The ranges to read of a file of `size` bytes: its head and its tail, or all of it if it is small.
pub(super) fn ranges(size: u64) -> Vec<Range<u64>> {
    let part = size >> 9;
    let (head, tail) = (part.clamp(HEAD, LARGEST_HEAD), part.clamp(SMALLEST_TAIL, LARGEST_TAIL));
    if size == 0 {
        return Vec::new();
    }
    if size <= SMALL_FILE {
        return vec![Range { start: 0, end: size }];
    }
    vec![0..head, size - tail..size]
}

/// Pieces of a file that are here already.
#[derive(Debug)]
pub(super) struct Ahead(Vec<(Range<u64>, Bytes)>);

impl Ahead {
    /// The answers to [`ranges`].
    pub(super) fn new(ranges: Vec<Range<u64>>, bytes: Vec<Bytes>) -> Self {
        Self(ranges.into_iter().zip(bytes).collect())
    }

    /// The bytes of `range`, if they all are here.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let holds = |piece: &Range<u64>| piece.start <= range.start && range.end <= piece.end;
        let (piece, bytes) = self.0.iter().find(|(piece, _)| holds(piece))?;
        let start = range.start - piece.start;
        Some(bytes.slice(start as usize..(start + (range.end - range.start)) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_grow_with_the_file_and_are_in_it() {
        assert_eq!(ranges(0), []);
        for size in [1, 5000, 256 << 10] {
            assert_eq!(ranges(size), [Range { start: 0, end: size }]);
        }
        let size = (256 << 10) + 1;
        assert_eq!(ranges(size), [0..4096, size - (64 << 10)..size]);
        let size = 600 << 20;
        assert_eq!(ranges(size), [0..64 << 10, size - (256 << 10)..size]);
    }

    #[test]
    fn what_is_here_in_part_is_not_here() {
        let ahead = Ahead::new(vec![0..4, 8..10], vec![Bytes::from("abcd"), Bytes::from("ij")]);
        assert_eq!(ahead.get(&(1..3)).unwrap(), "bc");
        assert_eq!(ahead.get(&(8..10)).unwrap(), "ij");
        assert_eq!(ahead.get(&(3..5)), None);
        assert_eq!(ahead.get(&(7..9)), None);
    }
}
