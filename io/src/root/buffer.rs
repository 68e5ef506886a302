use std::borrow::Cow;

use crate::Error;

/// Set in a word that counts the bytes behind it.
pub(crate) const BYTE_COUNT: u32 = 0x4000_0000;
/// In place of an object: the name of a class not seen before follows.
pub(crate) const NEW_CLASS: u32 = 0xFFFF_FFFF;
/// Set in a word that refers to a class already named.
pub(crate) const CLASS: u32 = 0x8000_0000;
/// References count from 2 bytes before the key: 0 and 1 stand for no object and for the object itself.
const MAP_OFFSET: usize = 2;
/// The longest name of a class, a member, a branch or a leaf. Such names are found again and again
/// through references, and in the names of what is inside: with a bound, what is made of a record is not
/// more than a multiple of its bytes.
pub(crate) const LONGEST_NAME: usize = 4096;
/// `TObject::kIsReferenced`: a process id of 2 bytes follows the bits.
const IS_REFERENCED: u32 = 1 << 4;

/// What [`Buffer`] could not read: a structure that contradicts itself or ends too early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where, counted from the start of the object.
    pub at: usize,
    /// What is wrong.
    pub reason: Cow<'static, str>,
}

impl Malformed {
    /// Something wrong at the byte `at`.
    pub fn new(at: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// As an error that names the file and what was being read. `at` is where that lies in the file.
    pub fn within(self, path: &str, what: impl Into<String>, at: u64) -> Error {
        Error::Format {
            path: path.to_owned(),
            what: what.into(),
            at,
            reason: format!("{} (its byte {})", self.reason, self.at),
        }
    }
}

/// The result of reading from a [`Buffer`].
pub type Parse<T> = Result<T, Malformed>;

/// The start of a class's part of an object: which version it is, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The version of the class, without the bits for special layouts.
    pub number: u16,
    /// Whether the bit for member-wise layout is set.
    pub memberwise: bool,
    /// Where it ends, if the bytes were counted.
    pub end: Option<usize>,
}

/// One slot of a container, or one pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// A null pointer.
    Null,
    /// An object that was written before, by its position: compare with `place` of [`Object::Here`].
    Reference {
        /// Where it was written, counted from the start of the buffer.
        place: usize,
    },
    /// The object follows.
    Here {
        /// Where it was written: what later references to it say.
        place: usize,
        /// Its class.
        class: &'a [u8],
        /// Where its members begin.
        start: usize,
        /// Where it ends; none where its bytes were not counted.
        end: Option<usize>,
    },
}

/// A bounds-checked big-endian cursor over one decompressed object.
///
/// `key_length` is the length of the object's key: references between objects count from the start
/// of that key. It costs nothing to copy: a copy is a second cursor.
#[derive(Clone, Copy, Debug)]
pub struct Buffer<'a> {
    data: &'a [u8],
    position: usize,
    key_length: usize,
}

macro_rules! numbers {
    ($($name:ident $type:ty;)*) => {$(
        #[doc = concat!("The next ", stringify!($type), ".")]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = "Where the object ends before."]
        pub fn $name(&mut self) -> Parse<$type> {
            Ok(<$type>::from_be_bytes(self.array()?))
        }
    )*};
}

impl<'a> Buffer<'a> {
    /// A cursor at the start of `data`.
    pub fn new(data: &'a [u8], key_length: usize) -> Self {
        Self { data, position: 0, key_length }
    }

    /// Another cursor of the same object at `position`.
    pub fn at(&self, position: usize) -> Self {
        Self { position: position.min(self.data.len()), ..*self }
    }

    /// Where the cursor is.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.data.len() - self.position
    }

    /// All bytes of the object.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    fn malformed(&self, reason: impl Into<Cow<'static, str>>) -> Malformed {
        Malformed::new(self.position, reason)
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn bytes(&mut self, n: usize) -> Parse<&'a [u8]> {
        let rest = &self.data[self.position..];
        match rest.get(..n) {
            Some(bytes) => {
                self.position += n;
                Ok(bytes)
            }
            None => Err(self.malformed(format!("{n} bytes were expected and {} are left", rest.len()))),
        }
    }

    fn array<const N: usize>(&mut self) -> Parse<[u8; N]> {
        match self.data[self.position..].first_chunk::<N>() {
            Some(bytes) => {
                self.position += N;
                Ok(*bytes)
            }
            None => Err(self.malformed(format!("{N} bytes were expected and {} are left", self.remaining()))),
        }
    }

    numbers! {
        u8 u8; u16 u16; u32 u32; u64 u64;
        i8 i8; i16 i16; i32 i32; i64 i64;
        f32 f32; f64 f64;
    }

    /// Passes over `n` bytes.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn skip(&mut self, n: usize) -> Parse<()> {
        self.bytes(n).map(drop)
    }

    /// Moves to `position`, which was given by a byte count.
    ///
    /// # Errors
    /// Where it lies past the end, or behind the cursor.
    pub fn skip_to(&mut self, position: usize) -> Parse<()> {
        if position > self.data.len() {
            return Err(self.malformed(format!("a byte count reaches to {position}, past the end")));
        }
        // Never back: what moves only forward ends.
        if position < self.position {
            return Err(self.malformed(format!("a byte count ends at {position}, before its content")));
        }
        self.position = position;
        Ok(())
    }

    /// `n` items of `size` bytes each, as bytes.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn items(&mut self, n: usize, size: usize) -> Parse<&'a [u8]> {
        let length = n.checked_mul(size).ok_or_else(|| self.malformed(format!("{n} items are absurd")))?;
        self.bytes(length)
    }

    /// A `TString`: its length in one byte, or in four behind the byte 255.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn tstring_bytes(&mut self) -> Parse<&'a [u8]> {
        let length = match self.u8()? {
            255 => self.u32()? as usize,
            short => usize::from(short),
        };
        self.bytes(length)
    }

    /// A `TString` as text; what is not UTF-8 is replaced.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn tstring(&mut self) -> Parse<String> {
        Ok(String::from_utf8_lossy(self.tstring_bytes()?).into_owned())
    }

    /// `name`, if it is no longer than names may be.
    ///
    /// # Errors
    /// Where it is.
    pub(crate) fn short<'b>(&self, name: &'b [u8]) -> Parse<&'b [u8]> {
        if name.len() > LONGEST_NAME {
            return Err(self.malformed(format!("a name has {} bytes", name.len())));
        }
        Ok(name)
    }

    /// A C string, ended by a zero.
    ///
    /// # Errors
    /// Where no zero follows, or it is longer than names may be.
    pub fn cstring(&mut self) -> Parse<&'a [u8]> {
        let rest = &self.data[self.position..];
        let length =
            rest.iter().position(|&byte| byte == 0).ok_or_else(|| self.malformed("a name has no end"))?;
        let name = self.short(&rest[..length])?;
        self.position += length + 1;
        Ok(name)
    }

    /// The version of a class, with the count of its bytes where there is one.
    ///
    /// # Errors
    /// Where the object ends before the count says.
    pub fn version(&mut self) -> Parse<Version> {
        let word = self.at(self.position).u32();
        let mut end = None;
        // A version alone has 2 bytes, and no version is large enough to look like a byte count.
        if let Ok(word) = word
            && word & BYTE_COUNT != 0
            && word & CLASS == 0
        {
            self.position += 4;
            end = Some(self.counted(word)?);
        }
        let number = self.u16()?;
        if end.is_some_and(|end| end < self.position) {
            return Err(self.malformed("a byte count is too small for its version"));
        }
        Ok(Version { number: number & 0x3FFF, memberwise: number & 0x4000 != 0, end })
    }

    /// The end that the byte count `word`, just read, promises.
    fn counted(&self, word: u32) -> Parse<usize> {
        let count = (word & !BYTE_COUNT) as usize;
        let end = self.position + count;
        if end > self.data.len() {
            return Err(
                self.malformed(format!("{count} bytes are counted and {} are left", self.remaining()))
            );
        }
        Ok(end)
    }

    /// Passes over a base class or member object whose bytes are counted.
    ///
    /// # Errors
    /// Where they are not, or the object ends before.
    pub fn skip_object(&mut self) -> Parse<()> {
        let version = self.version()?;
        let end = version.end.ok_or_else(|| self.malformed("an object has no byte count"))?;
        self.skip_to(end)
    }

    /// A `TObject` base: its version, its id and its bits.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn tobject(&mut self) -> Parse<()> {
        let version = self.version()?;
        if let Some(end) = version.end {
            return self.skip_to(end);
        }
        self.u32()?;
        if self.u32()? & IS_REFERENCED != 0 {
            self.u16()?;
        }
        Ok(())
    }

    /// A `TObject` base, with its bits: some classes keep settings there.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn tobject_bits(&mut self) -> Parse<u32> {
        let version = self.version()?;
        self.u32()?;
        let bits = self.u32()?;
        if bits & IS_REFERENCED != 0 {
            self.u16()?;
        }
        if let Some(end) = version.end {
            self.skip_to(end)?;
        }
        Ok(bits)
    }

    /// A `TNamed` base: its name and title.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn tnamed(&mut self) -> Parse<(&'a [u8], &'a [u8])> {
        let version = self.version()?;
        self.tobject()?;
        let named = (self.tstring_bytes()?, self.tstring_bytes()?);
        if let Some(end) = version.end {
            self.skip_to(end)?;
        }
        Ok(named)
    }

    /// A `TNamed` base, with the bits of its `TObject`: bits, name and title.
    ///
    /// # Errors
    /// Where the object ends before.
    pub fn tnamed_bits(&mut self) -> Parse<(u32, String, String)> {
        let version = self.version()?;
        let named = (self.tobject_bits()?, self.tstring()?, self.tstring()?);
        if let Some(end) = version.end {
            self.skip_to(end)?;
        }
        Ok(named)
    }

    /// The head of an object behind a pointer or in a container. The cursor stays at its members:
    /// move it with [`skip_to`](Self::skip_to).
    ///
    /// # Errors
    /// Where a reference points nowhere or the object ends before.
    pub fn object(&mut self) -> Parse<Object<'a>> {
        let place = self.position;
        let word = self.u32()?;
        let (tag, end) = if word & BYTE_COUNT != 0 && word != NEW_CLASS {
            let end = self.counted(word & !BYTE_COUNT)?;
            (self.u32()?, Some(end))
        } else {
            (word, None)
        };
        if tag == 0 {
            return Ok(Object::Null);
        }
        if tag & CLASS == 0 {
            if let Some(end) = end {
                self.skip_to(end)?;
            }
            let place = (tag as usize).checked_sub(MAP_OFFSET + self.key_length);
            return match place {
                Some(place) if place < self.data.len() => Ok(Object::Reference { place }),
                _ => Ok(Object::Null),
            };
        }
        let class = if tag == NEW_CLASS {
            self.cstring()?
        } else {
            let named = ((tag & !CLASS) as usize).checked_sub(MAP_OFFSET + self.key_length);
            let mut there = self.at(named.unwrap_or(usize::MAX));
            if there.u32() != Ok(NEW_CLASS) {
                return Err(self.malformed("a class reference points at no class"));
            }
            there.cstring()?
        };
        if end.is_some_and(|end| end < self.position) {
            return Err(self.malformed("a byte count is too small for its class"));
        }
        Ok(Object::Here { place, class, start: self.position, end })
    }

    /// The head of a `TObjArray`: the number of its slots, and where it ends.
    ///
    /// # Errors
    /// Where it cannot have that many slots.
    pub fn tobjarray(&mut self) -> Parse<(usize, Option<usize>)> {
        let version = self.version()?;
        if version.number > 2 {
            self.tobject()?;
        }
        if version.number > 1 {
            self.tstring_bytes()?;
        }
        let slots = self.i32()?;
        self.i32()?;
        // A slot is at least a null pointer of 4 bytes.
        match usize::try_from(slots) {
            Ok(slots) if slots <= self.remaining() / 4 => Ok((slots, version.end)),
            _ => Err(self.malformed(format!("an array of {slots} slots does not fit"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_count_past_the_end_is_an_error() {
        let error = Buffer::new(&[0x40, 0, 0, 200, 0, 3, 0, 0], 0).version().unwrap_err();
        assert_eq!(error.reason, "200 bytes are counted and 4 are left");
    }

    #[test]
    fn a_version_is_read_with_and_without_a_byte_count() {
        let counted = Buffer::new(&[0x40, 0, 0, 4, 0, 3, 9, 9], 0).version().unwrap();
        assert_eq!(counted, Version { number: 3, memberwise: false, end: Some(8) });
        assert_eq!(Buffer::new(&[0, 7, 0, 0], 0).version().unwrap().number, 7);
    }

    #[test]
    fn classes_and_objects_are_found_by_position() {
        let mut data = Vec::new();
        data.extend([0x40, 0, 0, 8]);
        data.extend(NEW_CLASS.to_be_bytes());
        data.extend(b"TX\0");
        data.push(42);
        data.extend([0x40, 0, 0, 5]);
        data.extend((CLASS + 4 + 2 + 10).to_be_bytes());
        data.push(43);
        data.extend((2u32 + 10).to_be_bytes());
        let mut buffer = Buffer::new(&data, 10);
        assert_eq!(buffer.object(), Ok(Object::Here { place: 0, class: b"TX", start: 11, end: Some(12) }));
        buffer.skip(1).unwrap();
        assert_eq!(buffer.object(), Ok(Object::Here { place: 12, class: b"TX", start: 20, end: Some(21) }));
        buffer.skip(1).unwrap();
        assert_eq!(buffer.object(), Ok(Object::Reference { place: 0 }));
    }
}
