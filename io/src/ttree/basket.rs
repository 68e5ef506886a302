use std::ops::Range;

use crate::root::codec::Decompressor;
use crate::root::{Buffer, Key, Malformed, Parse};

/// Where a branch's entries lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Baskets {
    /// The first entry of each basket, and the number of entries as the last.
    pub(super) starts: Vec<u64>,
    pub(super) places: Vec<Place>,
}

/// Where one basket lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, with its key.
    File(Range<u64>),
    /// In the tree's record: its values, never compressed, and the length of the key before them.
    Tree { values: Range<usize>, key_length: usize },
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
        Ok(Self { key_length, object_length, values })
    }
}

/// What a `TBasket` adds to a key.
struct Own {
    entries: i32,
    last: i32,
    flag: u8,
    version: u16,
}

impl Own {
    fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        let version = buffer.u16()?;
        buffer.i32()?; // fBufferSize
        // A negative size says that a byte of flags follows.
        if buffer.i32()? < 0 {
            buffer.u8()?;
        }
        Ok(Self { version, entries: buffer.i32()?, last: buffer.i32()?, flag: buffer.u8()? })
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
    let table = |buffer: &mut Buffer<'_>| -> Parse<()> {
        let n = buffer.i32()?;
        buffer.items(usize::try_from(n).unwrap_or(0), 4).map(drop)
    };
    if stored != 0 && stored % 10 != 2 {
        if entries > 0 {
            table(buffer)?;
        }
        if stored > 40 {
            table(buffer)?; // displacements
        }
    }
    if flag != 1 && flag <= 10 {
        return Ok((0, Place::Tree { values: 0..0, key_length: 0 }));
    }
    if own.version < 2 {
        buffer.i32()?; // the buffer was an array with its length
    }
    let key_length = key.key_length as usize;
    let values = own.values(key_length, buffer.position())?;
    let start = buffer.position() + key_length;
    buffer.skip(key_length + values)?;
    Ok((entries, Place::Tree { values: start..start + values, key_length }))
}

/// Decompresses the values of a basket. `None` where they are not compressed: they are then
/// `record[range]`.
pub(super) fn decompress(
    record: &[u8],
    head: &Head,
    codec: &mut Decompressor,
    out: &mut Vec<u8>,
) -> Result<Option<Range<usize>>, String> {
    let stored = &record[head.key_length..];
    if head.object_length <= stored.len() {
        return Ok(Some(head.key_length..head.key_length + head.values));
    }
    // The table of entry offsets behind the values is never needed.
    codec.decompress_start(stored, out, head.object_length, head.values)?;
    Ok(None)
}
