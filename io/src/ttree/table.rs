//! The table of entry offsets behind the values of a basket, verified without being decompressed.
//!
//! Of a jagged branch it is up to half of the bytes, and says nothing that the counter has not said. But
//! the checksum of the compressed block is over both. So the table is made again from the counts, and the
//! checksum taken over what was made.

use crate::root::Unverified;

/// Entries whose places are made at once.
const ENTRIES: usize = 512;

/// A table that was not decompressed. As `TBasket::WriteBuffer` writes it: how many places follow; the
/// place of each entry, counted from the start of the key; and one more. In ROOT that is 0, in uproot where
/// the values end. All are big-endian words.
pub(super) struct Table {
    sum: Unverified,
    key_length: usize,
    values: usize,
}

impl Table {
    /// How many bytes it has for so many entries.
    pub(super) fn length(entries: u64) -> Option<usize> {
        usize::try_from(entries).ok()?.checked_add(2)?.checked_mul(4)
    }

    /// Behind so many bytes of values, whose checksum is `sum` so far.
    pub(super) fn new(mut sum: Unverified, key_length: usize, values: usize, entries: u64) -> Self {
        sum.follow(&(entries as u32).wrapping_add(1).to_be_bytes());
        Self { sum, key_length, values }
    }

    /// The next entries: the first begins at byte `at` of the values, each has so many objects as `offsets`
    /// say, and each object has `size` bytes.
    pub(super) fn follow(&mut self, at: usize, offsets: &[i32], size: usize) {
        let Some((&first, _)) = offsets.split_first() else { return };
        // Where it does not fit in a word, the checksum will not agree either.
        let (place, size) = ((self.key_length + at) as u32, size as u32);
        let mut bytes = [[0; 4]; ENTRIES];
        for entries in offsets[..offsets.len() - 1].chunks(ENTRIES) {
            for (bytes, &offset) in bytes.iter_mut().zip(entries) {
                let before = offset.wrapping_sub(first) as u32;
                *bytes = place.wrapping_add(before.wrapping_mul(size)).to_be_bytes();
            }
            self.sum.follow(bytes[..entries.len()].as_flattened());
        }
    }

    /// Whether the checksum is that of the values and of such a table, after all entries.
    pub(super) fn agrees(&self) -> bool {
        let end = (self.key_length + self.values) as u32;
        [0, end].iter().any(|word| {
            let mut sum = self.sum;
            sum.follow(&word.to_be_bytes());
            sum.agrees()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::codec::Decompressor;

    const KEY: usize = 77;

    /// Offsets of entries of 0 to 4 objects, so many that their table is left alone.
    fn offsets() -> Vec<i32> {
        (0..30_000).scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n * 7 % 5))).collect()
    }

    /// A basket of floats as ROOT stores it, with this word at the end of its table; and its values.
    fn basket(offsets: &[i32], last: u32) -> (Vec<u8>, Vec<u8>) {
        let count = *offsets.last().unwrap();
        let values: Vec<u8> = (0..count).flat_map(|n| (n as f32).sqrt().to_be_bytes()).collect();
        let places = offsets[..offsets.len() - 1].iter().map(|at| KEY as u32 + 4 * *at as u32);
        let table = [offsets.len() as u32].into_iter().chain(places).chain([last]);
        let content: Vec<u8> = values.iter().copied().chain(table.flat_map(u32::to_be_bytes)).collect();
        let mut stream = vec![0; content.len() + 1000];
        let level = libdeflater::CompressionLvl::fastest();
        let n = libdeflater::Compressor::new(level).zlib_compress(&content, &mut stream).unwrap();
        let size = |n: usize| (n as u32).to_le_bytes()[..3].to_vec();
        (values, [b"ZL\x08", &size(n)[..], &size(content.len()), &stream[..n]].concat())
    }

    fn agrees(framed: &[u8], values: &[u8], offsets: &[i32], pieces: usize) -> bool {
        let entries = offsets.len() as u64 - 1;
        let (mut out, mut codec) = (Vec::new(), Decompressor::default());
        let whole = values.len() + Table::length(entries).unwrap();
        let sum = codec.decompress_unverified(framed, &mut out, whole, values.len()).unwrap().unwrap();
        assert!(out[..values.len()] == *values);
        let mut table = Table::new(sum, KEY, values.len(), entries);
        for first in (0..offsets.len() - 1).step_by(pieces) {
            assert!(!table.agrees());
            let end = (first + pieces).min(offsets.len() - 1);
            table.follow(4 * offsets[first] as usize, &offsets[first..=end], 4);
        }
        table.agrees()
    }

    #[test]
    fn a_table_of_roots_and_one_of_uproots_agree_in_any_pieces() {
        let offsets = offsets();
        for last in [0, KEY as u32 + 4 * *offsets.last().unwrap() as u32] {
            let (values, framed) = basket(&offsets, last);
            for pieces in [1, 511, 16_384, offsets.len()] {
                assert!(agrees(&framed, &values, &offsets, pieces), "{last} {pieces}");
            }
        }
    }

    #[test]
    fn other_counts_and_other_tables_do_not_agree() {
        let offsets = offsets();
        let (values, framed) = basket(&offsets, 4711);
        assert!(!agrees(&framed, &values, &offsets, 1000));
        let (values, framed) = basket(&offsets, 0);
        let mut others = offsets;
        others[20_000] += 1;
        assert!(!agrees(&framed, &values, &others, 1000));
    }
}
