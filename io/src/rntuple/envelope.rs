//! The containers of an RNTuple's metadata: envelopes with a checksum, and in them frames that say
//! how long they are. Unlike the rest of a ROOT file, all of it is little-endian.
//!
//! Specification: sections "Basic Types", "Frames", "Locators and Envelope Links" and "Envelopes".

use std::ops::Range;

use twox_hash::XxHash3_64;

use crate::Error;
use crate::root::{Malformed, Parse};

/// The checksum behind an envelope, and behind a page that has one.
pub(super) const CHECKSUM: usize = 8;

/// Why metadata cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It contradicts itself or ends too early.
    Damaged(Malformed),
    /// It is sound, as far as we can tell, but of a kind that we do not know.
    Unknown(String),
}

impl From<Malformed> for Refusal {
    fn from(wrong: Malformed) -> Self {
        Self::Damaged(wrong)
    }
}

impl Refusal {
    /// As an error that names the file and what was being read. `at` is where that lies in the file.
    pub(super) fn within(self, path: &str, what: impl Into<String>, at: u64) -> Error {
        match self {
            Self::Damaged(wrong) => wrong.within(path, what, at),
            Self::Unknown(reason) => Error::Unsupported { path: path.to_owned(), what: what.into(), reason },
        }
    }
}

pub(super) type Parsed<T> = Result<T, Refusal>;

/// What an envelope describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvelopeKind {
    Header = 1,
    Footer = 2,
    PageList = 3,
}

/// The XXH3 hash of `bytes`, as envelopes and pages are sealed with.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// A decompressed envelope whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    /// Its payload.
    pub(super) reader: Reader<'a>,
    /// Its checksum, by which other envelopes refer to it.
    pub(super) checksum: u64,
}

impl<'a> Envelope<'a> {
    pub(super) fn open(bytes: &'a [u8], kind: EnvelopeKind) -> Parse<Self> {
        let Some((sealed, seal)) = bytes.split_last_chunk::<CHECKSUM>() else {
            return Err(Malformed::new(0, format!("{} bytes are too few for an envelope", bytes.len())));
        };
        let said = u64::from_le_bytes(*seal);
        let mut reader = Reader::new(sealed);
        let head = reader.u64()?;
        let (id, length) = (head & 0xFFFF, head >> 16);
        if id != kind as u64 {
            return Err(Malformed::new(0, format!("it is an envelope of type {id}, not a {kind:?}")));
        }
        if length != bytes.len() as u64 {
            let reason = format!("the envelope says that it has {length} bytes, and it has {}", bytes.len());
            return Err(Malformed::new(0, reason));
        }
        let found = checksum(sealed);
        if found != said {
            let reason = format!("the envelope's checksum is {found:016x}, and it says {said:016x}");
            return Err(Malformed::new(0, reason));
        }
        Ok(Self { reader, checksum: said })
    }
}

/// A bounds-checked little-endian cursor over an envelope, or over one of its frames. A copy is a
/// second cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

/// A list frame: how many items it says it has, and a cursor over them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListFrame<'a> {
    pub(super) items: usize,
    pub(super) reader: Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Where the cursor is, counted from the start of the envelope.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Another cursor at `position`, which this one has passed.
    pub(super) fn at(&self, position: usize) -> Self {
        Self { at: position.min(self.data.len()), ..*self }
    }

    pub(super) fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    pub(super) fn bytes(&mut self, n: usize) -> Parse<&'a [u8]> {
        let rest = &self.data[self.at..];
        let Some(bytes) = rest.get(..n) else {
            return Err(Malformed::new(
                self.at,
                format!("{n} bytes were expected and {} are left", rest.len()),
            ));
        };
        self.at += n;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Parse<[u8; N]> {
        self.bytes(N).map(|bytes| bytes.try_into().unwrap())
    }

    pub(super) fn u16(&mut self) -> Parse<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Parse<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Parse<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Parse<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Parse<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Parse<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// A string behind its length; what is not UTF-8 is replaced.
    pub(super) fn string(&mut self) -> Parse<String> {
        let length = self.u32()? as usize;
        Ok(String::from_utf8_lossy(self.bytes(length)?).into_owned())
    }

    /// A frame of `head` bytes before its payload, whose size was just read at `start`. The cursor
    /// moves behind it: what a later version adds at its end is passed over.
    fn frame(&mut self, start: usize, size: u64, head: usize) -> Parse<Self> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let left = self.data.len() - start;
        if size < head || size > left {
            return Err(Malformed::new(start, format!("a frame of {size} bytes has {left} left")));
        }
        let end = start + size;
        let inner = Self { data: &self.data[..end], at: start + head };
        self.at = end;
        Ok(inner)
    }

    /// A record frame.
    pub(super) fn record(&mut self) -> Parse<Self> {
        let start = self.at;
        let size = self.i64()?;
        match u64::try_from(size) {
            Ok(size) => self.frame(start, size, 8),
            Err(_) => Err(Malformed::new(start, "there is a list where a record is expected")),
        }
    }

    /// A list frame.
    pub(super) fn list(&mut self) -> Parse<ListFrame<'a>> {
        let start = self.at;
        let size = self.i64()?;
        if size >= 0 {
            return Err(Malformed::new(start, "there is a record where a list is expected"));
        }
        let items = self.u32()? as usize;
        Ok(ListFrame { items, reader: self.frame(start, size.unsigned_abs(), 12)? })
    }

    /// The feature flags: words of 63 flags each, the sign saying that another word follows. None is
    /// defined yet, so that any that is set stands for something we cannot read.
    pub(super) fn features(&mut self) -> Parsed<()> {
        for word in 0_u32.. {
            let flags = self.u64()?;
            let set = flags & !(1 << 63);
            if set != 0 {
                let bit = word.saturating_mul(63).saturating_add(set.trailing_zeros());
                return Err(Refusal::Unknown(format!("it uses feature {bit} of a newer RNTuple")));
            }
            if flags >> 63 == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Where something lies in the file.
    pub(super) fn locator(&mut self) -> Parsed<Range<u64>> {
        let start = self.at;
        let head = self.i32()?;
        let (size, offset) = if let Ok(size) = u64::try_from(head) {
            (size, self.u64()?)
        } else {
            // The sign belongs to the whole word.
            let word = head.unsigned_abs();
            let (length, kind) = ((word & 0xFFFF) as usize, word >> 24);
            let mut inner = self.frame(start, length as u64, 4)?;
            if kind != 1 {
                return Err(Refusal::Unknown(format!(
                    "its storage is of type {kind}: an object store, not a file"
                )));
            }
            (inner.u64()?, inner.u64()?)
        };
        let end = offset.checked_add(size).filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or_else(|| Malformed::new(start, format!("{size} bytes at {offset} are absurd")))?;
        Ok(offset..end)
    }

    /// The link to an envelope: its length once decompressed, and where it lies.
    pub(super) fn link(&mut self) -> Parsed<(u64, Range<u64>)> {
        Ok((self.u64()?, self.locator()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(id: u64, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u64 + 16;
        let mut bytes = (id | length << 16).to_le_bytes().to_vec();
        bytes.extend(payload);
        let seal = checksum(&bytes).to_le_bytes();
        bytes.extend(seal);
        bytes
    }

    #[test]
    fn a_flipped_bit_in_an_envelope_is_noticed() {
        let mut bytes = envelope(2, &[1, 2, 3, 4]);
        assert!(Envelope::open(&bytes, EnvelopeKind::Footer).is_ok());
        let error = Envelope::open(&bytes, EnvelopeKind::Header).unwrap_err();
        assert_eq!(error.reason, "it is an envelope of type 2, not a Header");
        bytes[9] ^= 1;
        let error = Envelope::open(&bytes, EnvelopeKind::Footer).unwrap_err();
        assert!(error.reason.starts_with("the envelope's checksum is "), "{error:?}");
    }

    #[test]
    fn what_a_later_version_adds_to_a_frame_is_passed_over() {
        let mut bytes = 13_i64.to_le_bytes().to_vec();
        bytes.extend(7_u32.to_le_bytes());
        bytes.push(99);
        bytes.extend(5_u32.to_le_bytes());
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.record().unwrap().u32(), Ok(7));
        assert_eq!(reader.u32(), Ok(5));
    }

    #[test]
    fn an_unknown_feature_is_refused_by_its_number() {
        let mut bytes = (1_u64 << 63).to_le_bytes().to_vec();
        bytes.extend((1_u64 << 3).to_le_bytes());
        let error = Reader::new(&bytes).features().unwrap_err();
        assert_eq!(error, Refusal::Unknown("it uses feature 66 of a newer RNTuple".to_owned()));
        assert_eq!(Reader::new(&[0; 8]).features(), Ok(()));
    }

    #[test]
    fn locators_of_both_sizes_are_read_and_others_refused() {
        let mut bytes = 100_i32.to_le_bytes().to_vec();
        bytes.extend(5_u64.to_le_bytes());
        assert_eq!(Reader::new(&bytes).locator(), Ok(5..105));
        // Type 1, 20 bytes.
        let mut bytes = (-(1_i32 << 24 | 20)).to_le_bytes().to_vec();
        bytes.extend((6_u64 << 32).to_le_bytes());
        bytes.extend(5_u64.to_le_bytes());
        assert_eq!(Reader::new(&bytes).locator(), Ok(5..(6 << 32) + 5));
        bytes[..4].copy_from_slice(&(-(2_i32 << 24 | 20)).to_le_bytes());
        assert!(matches!(Reader::new(&bytes).locator(), Err(Refusal::Unknown(_))));
    }
}
