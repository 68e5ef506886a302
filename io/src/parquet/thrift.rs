//! Thrift's compact protocol, as far as Parquet's footers, offset indices and page headers need it.
//!
//! Nothing here takes memory; what the bytes claim is compared with how many there are.
//!
//! The protocol: `doc/specs/thrift-compact-protocol.md` in apache/thrift.

use crate::root::{Malformed, Parse};

/// No real structure is nested deeper; a hostile one must not use up the stack.
const MAX_DEPTH: usize = 32;

/// What follows a field's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    pub(super) const STRUCT: Self = Self(12);
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
}

/// A bounds-checked cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Compact<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Where the cursor is.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    fn remaining(&self) -> usize {
        self.data.len() - self.position
    }

    fn malformed(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Malformed {
        Malformed::new(self.position, reason)
    }

    fn take(&mut self, n: usize) -> Parse<&'a [u8]> {
        match self.data[self.position..].get(..n) {
            Some(bytes) => {
                self.position += n;
                Ok(bytes)
            }
            None => Err(self.malformed(format!("{n} bytes were expected and {} are left", self.remaining()))),
        }
    }

    fn byte(&mut self) -> Parse<u8> {
        Ok(self.take(1)?[0])
    }

    fn varint(&mut self) -> Parse<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("an integer has more than 64 bits"))
    }

    /// An i16, i32 or i64.
    pub(super) fn integer(&mut self) -> Parse<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// An i32, and nothing that is longer: the `parquet` crate cuts it to 32 bits, and would see another
    /// number than we do.
    pub(super) fn int(&mut self) -> Parse<i64> {
        let value = self.integer()?;
        match i32::try_from(value) {
            Ok(value) => Ok(value.into()),
            Err(_) => Err(self.malformed(format!("{value} does not fit in 32 bits"))),
        }
    }

    /// A string, or bytes.
    pub(super) fn binary(&mut self) -> Parse<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The head of a list: how many items it has, and of which kind. Each takes at least a byte.
    pub(super) fn list(&mut self) -> Parse<(usize, Kind)> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => short.into(),
        };
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => Ok((length, Kind(head & 0x0F))),
            _ => {
                Err(self
                    .malformed(format!("a list of {length} items in {} bytes is absurd", self.remaining())))
            }
        }
    }

    /// The fields of a struct, one by one: `visit` reads the field of this number and kind and answers
    /// true, or leaves it alone and answers false.
    pub(super) fn fields(&mut self, mut visit: impl FnMut(&mut Self, i64, Kind) -> Parse<bool>) -> Parse<()> {
        self.fields_at(0, &mut visit)
    }

    fn fields_at(
        &mut self,
        depth: usize,
        visit: &mut dyn FnMut(&mut Self, i64, Kind) -> Parse<bool>,
    ) -> Parse<()> {
        let mut number = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            number = match head >> 4 {
                0 => self.integer()?,
                step => number.saturating_add(step.into()),
            };
            let kind = Kind(head & 0x0F);
            if !visit(self, number, kind)? {
                self.skip(kind, depth)?;
            }
        }
    }

    /// Passes over a value.
    fn skip(&mut self, kind: Kind, depth: usize) -> Parse<()> {
        if depth > MAX_DEPTH {
            return Err(self.malformed(format!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        match kind.0 {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => drop(self.take(8)?),
            8 => drop(self.binary()?),
            9 | 10 => {
                let (length, kind) = self.list()?;
                for _ in 0..length {
                    self.skip_item(kind, depth + 1)?;
                }
            }
            11 => {
                let length = self.varint()?;
                if length > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..length {
                        self.skip_item(Kind(kinds >> 4), depth + 1)?;
                        self.skip_item(Kind(kinds & 0x0F), depth + 1)?;
                    }
                }
            }
            12 => self.fields_at(depth + 1, &mut |_, _, _| Ok(false))?,
            13 => drop(self.take(16)?),
            other => return Err(self.malformed(format!("there is no kind {other} of values"))),
        }
        Ok(())
    }

    /// In a container a boolean has a byte; as a field it is in the header.
    fn skip_item(&mut self, kind: Kind, depth: usize) -> Parse<()> {
        if kind == Kind::TRUE || kind == Kind::FALSE { self.byte().map(drop) } else { self.skip(kind, depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_read_and_unknown_ones_passed_over() {
        // 1: i32 -3; 3: a list of two booleans; 20 (its number written out): binary "ab"
        let bytes = [0x15, 5, 0x29, 0x21, 1, 2, 0x08, 40, 2, b'a', b'b', 0];
        let (mut number, mut text) = (None, None);
        let mut compact = Compact::new(&bytes);
        compact
            .fields(|at, field, _| match field {
                1 => at.integer().map(|value| number = Some(value)).map(|()| true),
                20 => at.binary().map(|value| text = Some(value)).map(|()| true),
                _ => Ok(false),
            })
            .unwrap();
        assert_eq!((number, text), (Some(-3), Some(&b"ab"[..])));
        assert_eq!(compact.position(), bytes.len());
    }

    #[test]
    fn a_list_longer_than_the_bytes_is_refused_and_deep_nesting_ends() {
        let error = Compact::new(&[0x19, 0xF5, 0xFF, 0xFF, 0x7F]).fields(|_, _, _| Ok(false)).unwrap_err();
        assert_eq!(error.reason, "a list of 2097151 items in 0 bytes is absurd");
        let deep = vec![0x1C; 100_000];
        let error = Compact::new(&deep).fields(|_, _, _| Ok(false)).unwrap_err();
        assert_eq!(error.reason, "it is nested more than 32 levels deep");
    }
}
