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
    /// The file that has them, where that is another one than the tree's.
    pub(super) elsewhere: Option<String>,
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
pub(super) struct Head<'a> {
    pub(super) key_length: usize,
    pub(super) object_length: usize,
    /// How many bytes of the object are values; the table of entry offsets follows.
    pub(super) values: usize,
    /// Whether that table holds the sizes of entries instead.
    pub(super) sizes: bool,
    /// What the branch was called when the basket was written.
    pub(super) name: &'a [u8],
    /// The length of key and object in the file.
    stored: i32,
    seek: i64,
    entries: i32,
}

impl<'a> Head<'a> {
    /// From a basket in the file.
    pub(super) fn read(record: &'a [u8]) -> Parse<Self> {
        let mut buffer = Buffer::new(record, 0);
        let stored = buffer.i32()?;
        let version = buffer.i16()?;
        let object_length = buffer.i32()?;
        buffer.u32()?; // date
        let key_length = buffer.i16()?;
        buffer.i16()?; // cycle
        let seek = if version > 1000 { buffer.i64()? } else { buffer.i32()?.into() };
        buffer.skip(if version > 1000 { 8 } else { 4 })?; // the directory's place
        let class = buffer.tstring_bytes()?;
        let name = buffer.tstring_bytes()?;
        buffer.tstring_bytes()?; // title
        let own = Own::read(&mut buffer)?;
        let wrong = |reason: String| Malformed::new(buffer.position(), reason);
        if class != b"TBasket" {
            return Err(wrong(format!("its class is `{}`", String::from_utf8_lossy(class))));
        }
        let key_length = match usize::try_from(key_length) {
            Ok(length) if length == buffer.position() => length,
            _ => return Err(wrong(format!("its {} bytes are said to be {key_length}", buffer.position()))),
        };
        let object_length = usize::try_from(object_length)
            .map_err(|_| wrong(format!("the basket has {object_length} bytes")))?;
        let values = own.values(key_length, buffer.position())?;
        if values > object_length {
            return Err(wrong(format!("its {values} bytes of values do not fit in {object_length}")));
        }
        let entries = own.entries;
        Ok(Self { key_length, object_length, values, sizes: own.sizes, name, stored, seek, entries })
    }

    /// Compares it with what the branch says: where the basket lies, how many entries it has, and how many
    /// bytes each, if all have as many.
    ///
    /// No class, no table and no checksum would tell a basket that a damaged position led to from the right one.
    pub(super) fn agrees(
        &self,
        place: &Range<u64>,
        entries: u64,
        stride: Option<usize>,
    ) -> Result<(), String> {
        let length = place.end - place.start;
        if u64::try_from(self.stored) != Ok(length) {
            return Err(format!("its key says that it has {} bytes, and its branch {length}", self.stored));
        }
        if u64::try_from(self.seek) != Ok(place.start) {
            return Err(format!("its key says that it lies at byte {}", self.seek));
        }
        if u64::try_from(self.entries) != Ok(entries) {
            return Err(format!("it says that it has {} entries, and its branch {entries}", self.entries));
        }
        let expected = |stride: usize| stride.checked_mul(usize::try_from(entries).ok()?);
        match stride {
            Some(stride) if expected(stride) != Some(self.values) => {
                Err(format!("it has {} bytes of values for {entries} entries of {stride} bytes", self.values))
            }
            _ => Ok(()),
        }
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
    head: &Head<'_>,
    bytes: usize,
    codec: &mut Decompressor,
    out: &mut Vec<u8>,
    leave: bool,
) -> Result<Content, String> {
    let stored = &record[head.key_length..];
    if head.object_length == stored.len() {
        return Ok(Content::Record(head.key_length..head.key_length + bytes));
    }
    // ROOT does not compress what that would make longer.
    if head.object_length < stored.len() {
        let (wanted, got) = (head.object_length, stored.len());
        return Err(format!("its key says that its {got} bytes are {wanted} once decompressed"));
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

    /// A basket of 3 entries and 9 bytes at byte 500, as ROOT writes it.
    fn record() -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(67_i32.to_be_bytes());
        record.extend(4_i16.to_be_bytes());
        record.extend(9_i32.to_be_bytes());
        record.extend([0; 4]);
        record.extend(58_i16.to_be_bytes());
        record.extend(0_i16.to_be_bytes());
        record.extend(500_i32.to_be_bytes());
        record.extend(100_i32.to_be_bytes());
        record.extend(b"\x07TBasket\x01x\x02Ev");
        record.extend([0, 3]);
        for number in [32_000, 3, 3, 67] {
            record.extend(i32::to_be_bytes(number));
        }
        record.push(0);
        record.extend([7; 9]);
        record
    }

    #[test]
    fn a_basket_agrees_with_its_branch_or_is_refused() {
        let record = record();
        let head = Head::read(&record).unwrap();
        assert_eq!((head.key_length, head.values, head.name), (58, 9, &b"x"[..]));
        assert_eq!(head.agrees(&(500..567), 3, Some(3)), Ok(()));
        for (place, entries, stride) in [
            (500..566, 3, Some(3)),
            (501..568, 3, Some(3)),
            (500..567, 4, None),
            (500..567, 3, Some(4)),
            (500..567, 3, Some(usize::MAX)),
        ] {
            assert!(head.agrees(&place, entries, stride).is_err(), "{place:?} {entries} {stride:?}");
        }
    }

    #[test]
    fn a_basket_whose_key_contradicts_itself_is_refused() {
        // The length of the object, that of the key, a letter of the class, and where values end.
        for (at, reason) in [
            (6, "the basket has -2147483639 bytes"),
            (15, "its 58 bytes are said to be 186"),
            (27, "its class is `\u{fffd}Basket`"),
            (56, "its 137 bytes of values do not fit in 9"),
        ] {
            let mut record = record();
            record[at] ^= 0x80;
            assert_eq!(Head::read(&record).err().unwrap().reason, reason, "{at}");
        }
    }

    #[test]
    fn a_basket_that_is_not_compressed_has_exactly_its_length() {
        let mut record = record();
        let mut out = Vec::new();
        let mut unpack = |record: &[u8]| {
            let head = Head::read(record).unwrap();
            decompress(record, &head, 9, &mut Decompressor::default(), &mut out, false)
        };
        assert!(matches!(unpack(&record), Ok(Content::Record(place)) if place == (58..67)));
        record.push(0);
        let error = unpack(&record).err().unwrap();
        assert_eq!(error, "its key says that its 10 bytes are 9 once decompressed");
    }

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
