use std::ops::Range;

use crate::root::codec::Decompressor;
use crate::root::{Buffer, Key, Malformed, Parse, Unverified};

/// Where a branch's entries lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Baskets {
    /// The first entry of each basket, and the number of entries as the last.
    pub(super) starts: Vec<u64>,
    pub(super) places: Vec<Place>,
    /// How many bytes all have decompressed, and in the file, as the branch says.
    pub(super) said: (u64, u64),
}

/// Where one basket lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, with its key.
    File(Range<u64>),
    /// In the tree's record: its values, never compressed, the length of the key before them, and the
    /// table of entry offsets, which may be empty.
    Tree { values: Range<usize>, key_length: usize, table: Range<usize> },
}

impl Baskets {
    pub(super) fn entries(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The baskets that hold the entries of `range`.
    pub(super) fn overlapping(&self, range: &Range<u64>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        let first = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        let end = self.starts.partition_point(|&start| start < range.end);
        first..end.min(self.places.len()).max(first)
    }

    /// The entries of basket `at`.
    pub(super) fn range(&self, at: usize) -> Range<u64> {
        self.starts[at]..self.starts[at + 1]
    }

    /// About how many bytes the largest basket in the file has decompressed: as many times its size there as
    /// all of them together.
    pub(super) fn largest_decompressed(&self) -> u64 {
        let lengths = self.places.iter().map(|place| match place {
            Place::File(range) => range.end - range.start,
            Place::Tree { .. } => 0,
        });
        let (largest, (all, stored)) = (lengths.max().unwrap_or(0), self.said);
        let scaled = u128::from(largest) * u128::from(all.max(1)) / u128::from(stored.max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX).max(largest)
    }

    /// How many bytes all baskets have in the file.
    pub(super) fn bytes(&self) -> u64 {
        let length = |place: &Place| match place {
            Place::File(range) => range.end - range.start,
            Place::Tree { values, .. } => values.len() as u64,
        };
        self.places.iter().map(length).sum()
    }
}

/// The head of a basket: that of a key and what `TBasket` adds to it.
pub(super) struct Head {
    pub(super) key_length: usize,
    pub(super) object_length: usize,
    /// How many bytes of the object are values; the table of entry offsets follows.
    pub(super) values: usize,
    /// Whether that table holds the sizes of entries instead.
    pub(super) sizes: bool,
}

impl Head {
    /// From a basket in the file.
    pub(super) fn read(record: &[u8]) -> Parse<Self> {
        let mut buffer = Buffer::new(record, 0);
        buffer.i32()?; // nbytes
        let version = buffer.u16()?;
        let object_length = buffer.i32()?;
        buffer.u32()?; // date
        let key_length = usize::from(buffer.u16()?);
        buffer.u16()?; // cycle
        buffer.skip(if version > 1000 { 16 } else { 8 })?;
        for _ in 0..3 {
            buffer.tstring_bytes()?; // class, name, title
        }
        let own = Own::read(&mut buffer)?;
        let object_length = usize::try_from(object_length).unwrap_or(0);
        let values = own.values(key_length, buffer.position())?;
        if values > object_length || key_length > record.len() {
            let reason = format!("its {values} bytes of values do not fit in {object_length}");
            return Err(Malformed::new(buffer.position(), reason));
        }
        Ok(Self { key_length, object_length, values, sizes: own.sizes })
    }
}

/// What a `TBasket` adds to a key.
struct Own {
    entries: i32,
    last: i32,
    flag: u8,
    version: u16,
    sizes: bool,
}

impl Own {
    fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        let version = buffer.u16()?;
        buffer.i32()?; // fBufferSize
        // A negative size says that a byte of flags follows. The first, `kGenerateOffsetMap`, is that of
        // offsets left out where they can be made again, and stored as sizes where they cannot.
        let features = if buffer.i32()? < 0 { buffer.u8()? } else { 0 };
        let (entries, last, flag) = (buffer.i32()?, buffer.i32()?, buffer.u8()?);
        Ok(Self { version, entries, last, flag, sizes: features & 1 != 0 })
    }

    fn values(&self, key_length: usize, at: usize) -> Parse<usize> {
        let values = usize::try_from(self.last).ok().and_then(|last| last.checked_sub(key_length));
        values.ok_or_else(|| Malformed::new(at, format!("its values end at {}, inside its key", self.last)))
    }
}

/// A basket that was written with the tree, as no file position exists for it yet. Returns its
/// entries, and where its values lie.
pub(super) fn embedded(buffer: &mut Buffer<'_>) -> Parse<(u64, Place)> {
    let key = Key::read(buffer)?;
    let own = Own::read(buffer)?;
    let entries = u64::try_from(own.entries)
        .map_err(|_| Malformed::new(buffer.position(), format!("it has {} entries", own.entries)))?;
    // From 80 on, entry offsets are not stored but follow from the leaf.
    let stored = if own.flag >= 80 { 0 } else { own.flag };
    let flag = if own.flag >= 80 { own.flag - 80 } else { own.flag };
    let read = |buffer: &mut Buffer<'_>| -> Parse<Range<usize>> {
        let n = buffer.i32()?;
        let start = buffer.position();
        buffer.items(usize::try_from(n).unwrap_or(0), 4)?;
        Ok(start..buffer.position())
    };
    let mut table = 0..0;
    if stored != 0 && stored % 10 != 2 {
        if entries > 0 {
            table = read(buffer)?;
        }
        if stored > 40 {
            read(buffer)?; // displacements
        }
    }
    if flag != 1 && flag <= 10 {
        return Ok((0, Place::Tree { values: 0..0, key_length: 0, table: 0..0 }));
    }
    if own.version < 2 {
        buffer.i32()?; // the buffer was an array with its length
    }
    let key_length = key.key_length as usize;
    let values = own.values(key_length, buffer.position())?;
    let start = buffer.position() + key_length;
    buffer.skip(key_length + values)?;
    Ok((entries, Place::Tree { values: start..start + values, key_length, table }))
}

/// Where the content of a basket is.
pub(super) enum Content {
    /// In its record, as it is not compressed.
    Record(Range<usize>),
    /// Decompressed; with its checksum, if it was left before that could be verified.
    Out(Option<Unverified>),
}

/// Decompresses the first `bytes` bytes of a basket: of its values, or with the table of entry offsets
/// behind them. It may `leave` them unverified if the caller knows that table.
pub(super) fn decompress(
    record: &[u8],
    head: &Head,
    bytes: usize,
    codec: &mut Decompressor,
    out: &mut Vec<u8>,
    leave: bool,
) -> Result<Content, String> {
    let stored = &record[head.key_length..];
    if head.object_length <= stored.len() {
        return Ok(Content::Record(head.key_length..head.key_length + bytes));
    }
    if leave {
        return codec.decompress_unverified(stored, out, head.object_length, bytes).map(Content::Out);
    }
    codec.decompress_start(stored, out, head.object_length, bytes)?;
    Ok(Content::Out(None))
}

/// Where each entry begins in the `values` bytes of a basket, and where the last one ends, by its table of
/// entry offsets, which count from the start of the key, or of `sizes`: of no entry, of the first… Nothing
/// where there is no table.
pub(super) fn entry_starts(
    table: &[u8],
    sizes: bool,
    key_length: usize,
    entries: u64,
    values: usize,
) -> Result<Vec<usize>, String> {
    if table.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = || "its table of entry offsets is damaged".to_owned();
    let entries = usize::try_from(entries).ok().filter(|n| *n <= table.len() / 4).ok_or_else(wrong)?;
    let mut last = 0_usize;
    let start = |word: &[u8]| {
        let number = u32::from_be_bytes([word[0], word[1], word[2], word[3]]) as usize;
        last = if sizes { last.checked_add(number) } else { number.checked_sub(key_length) }?;
        Some(last)
    };
    let starts: Option<Vec<usize>> = table.chunks_exact(4).take(entries).map(start).collect();
    let mut starts = starts.ok_or_else(wrong)?;
    starts.push(values);
    if starts.is_sorted() { Ok(starts) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(offsets: &[u32]) -> Vec<u8> {
        offsets.iter().flat_map(|offset| offset.to_be_bytes()).collect()
    }

    #[test]
    fn entry_offsets_count_from_the_key() {
        // The last one, behind all entries, is not to be relied on.
        let starts = entry_starts(&table(&[70, 70, 75, 0]), false, 70, 3, 9);
        assert_eq!(starts.unwrap(), [0, 0, 5, 9]);
        assert!(entry_starts(&[], false, 70, 3, 9).unwrap().is_empty());
    }

    #[test]
    fn a_table_of_sizes_begins_with_that_of_no_entry() {
        let starts = entry_starts(&table(&[0, 0, 5, u32::MAX]), true, 70, 3, 9);
        assert_eq!(starts.unwrap(), [0, 0, 5, 9]);
        assert!(entry_starts(&table(&[0, u32::MAX, u32::MAX]), true, 70, 3, 9).is_err());
    }

    #[test]
    fn entry_offsets_that_cannot_be_are_an_error() {
        for offsets in [&[70, 75][..], &[60, 70, 75], &[70, 75, 72], &[70, 75, 80]] {
            assert!(entry_starts(&table(offsets), false, 70, 3, 9).is_err(), "{offsets:?}");
        }
    }
}
