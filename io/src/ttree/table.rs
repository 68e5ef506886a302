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
