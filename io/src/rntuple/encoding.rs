//! How the elements of a column lie in its pages.
//!
//! Specification: section "Column Description". Everything is little-endian. A split page has all
//! first bytes of its elements first, then all second bytes, and so on; an encoding never reaches
//! from one page into the next.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_schema::DataType;

/// A number or bool as it is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

/// How a column's pages store its elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Encoding {
    /// One bit each, the first in the lowest bit of a byte.
    Bit,
    Plain(Element),
    Split(Element),
    /// Split after 0, -1, 1, -2, 2… became 0, 1, 2, 3, 4…
    Zigzag(Element),
    /// Where each list ends, counted from the start of the cluster.
    Index {
        bytes: usize,
        delta: bool,
    },
    /// Which alternative a variant holds: its place among those in the cluster, 8 bytes, and the
    /// number of the alternative, 4 bytes.
    Switch,
    /// Half precision.
    Half {
        split: bool,
    },
    /// A float without its last bits.
    Truncated {
        bits: usize,
    },
    /// An integer that stands for a part of the range from `min` to `max`.
    Quantized {
        bits: usize,
        min: f64,
        max: f64,
    },
    Unknown {
        kind: u16,
        bits: u16,
    },
}

impl Encoding {
    /// From the type of a column, the bits that one element has, and the range of its values.
    pub(super) fn new(kind: u16, bits: u16, range: Option<(f64, f64)>) -> Self {
        let (encoding, size) = match kind {
            0x00 => (Self::Bit, 1),
            0x01 | 0x04 => (Self::Plain(Element::U8), 8),
            0x02 | 0x03 => (Self::Plain(Element::I8), 8),
            0x05 => (Self::Plain(Element::I16), 16),
            0x06 => (Self::Plain(Element::U16), 16),
            0x07 => (Self::Plain(Element::I32), 32),
            0x08 => (Self::Plain(Element::U32), 32),
            0x09 => (Self::Plain(Element::I64), 64),
            0x0A => (Self::Plain(Element::U64), 64),
            0x0B => (Self::Half { split: false }, 16),
            0x0C => (Self::Plain(Element::F32), 32),
            0x0D => (Self::Plain(Element::F64), 64),
            0x0E => (Self::Index { bytes: 4, delta: false }, 32),
            0x0F => (Self::Index { bytes: 8, delta: false }, 64),
            0x10 => (Self::Switch, 96),
            0x11 => (Self::Zigzag(Element::I16), 16),
            0x12 => (Self::Split(Element::U16), 16),
            0x13 => (Self::Zigzag(Element::I32), 32),
            0x14 => (Self::Split(Element::U32), 32),
            0x15 => (Self::Zigzag(Element::I64), 64),
            0x16 => (Self::Split(Element::U64), 64),
            0x17 => (Self::Half { split: true }, 16),
            0x18 => (Self::Split(Element::F32), 32),
            0x19 => (Self::Split(Element::F64), 64),
            0x1A => (Self::Index { bytes: 4, delta: true }, 32),
            0x1B => (Self::Index { bytes: 8, delta: true }, 64),
            0x1C if (10..=31).contains(&bits) => (Self::Truncated { bits: bits.into() }, bits),
            0x1D if (1..=32).contains(&bits) => match range {
                Some((min, max)) => (Self::Quantized { bits: bits.into(), min, max }, bits),
                None => return Self::Unknown { kind, bits },
            },
            _ => return Self::Unknown { kind, bits },
        };
        if size == bits { encoding } else { Self::Unknown { kind, bits } }
    }

    /// How many bytes `elements` have in a page.
    pub(super) fn page_length(self, elements: u32) -> usize {
        let bits = match self {
            Self::Bit => 1,
            Self::Plain(element) | Self::Split(element) | Self::Zigzag(element) => element.size() * 8,
            Self::Index { bytes, .. } => bytes * 8,
            Self::Switch => 96,
            Self::Half { .. } => 16,
            Self::Truncated { bits } | Self::Quantized { bits, .. } => bits,
            Self::Unknown { bits, .. } => bits.into(),
        };
        (elements as usize * bits).div_ceil(8)
    }

    /// Whether its elements can be read as `element` without loss.
    pub(super) fn holds(self, element: Element) -> bool {
        use Element::{Bool, F32, F64};
        match self {
            Self::Bit => element == Bool,
            // A signed column under an unsigned type or the reverse keeps its bits, as in C++.
            Self::Plain(stored) | Self::Split(stored) | Self::Zigzag(stored) => {
                stored.is_float() == element.is_float() && stored.size() == element.size() && element != Bool
                    || stored == F32 && element == F64
            }
            Self::Half { .. } | Self::Truncated { .. } | Self::Quantized { .. } => element.is_float(),
            Self::Index { .. } | Self::Switch | Self::Unknown { .. } => false,
        }
    }

    /// The number that its elements are by themselves.
    pub(super) fn natural(self) -> Option<Element> {
        match self {
            Self::Bit => Some(Element::Bool),
            Self::Plain(element) | Self::Split(element) | Self::Zigzag(element) => Some(element),
            Self::Half { .. } | Self::Truncated { .. } | Self::Quantized { .. } => Some(Element::F32),
            Self::Index { .. } | Self::Switch | Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind, bits } => write!(f, "columns of type {kind} with {bits} bits"),
            other => write!(f, "{other:?} columns"),
        }
    }
}

impl Element {
    /// From the name of a C++ type.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("std::").unwrap_or(name) {
            "bool" => Self::Bool,
            "char" | "int8_t" | "signed char" => Self::I8,
            "byte" | "uint8_t" | "unsigned char" => Self::U8,
            "int16_t" | "short" => Self::I16,
            "uint16_t" | "unsigned short" => Self::U16,
            "int32_t" | "int" => Self::I32,
            "uint32_t" | "unsigned int" => Self::U32,
            "int64_t" | "long" | "long long" => Self::I64,
            "uint64_t" | "unsigned long" | "unsigned long long" => Self::U64,
            "float" => Self::F32,
            "double" => Self::F64,
            _ => return None,
        })
    }

    /// How many bytes one has in memory.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Its Arrow type.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::I8 => DataType::Int8,
            Self::I16 => DataType::Int16,
            Self::I32 => DataType::Int32,
            Self::I64 => DataType::Int64,
            Self::U8 => DataType::UInt8,
            Self::U16 => DataType::UInt16,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
        }
    }
}

/// How many elements are put together at a time: few enough for registers, enough that every loop over
/// them is vectorised.
const BLOCK: usize = 64;

/// The parts of split elements, the lower bytes first, in one plane each.
type Planes<'a> = [&'a [u8]; 8];

/// What split bytes make. Put together in pairs, in pairs of pairs and so on: each step is an
/// interleaving of two arrays, for which processors have instructions.
trait Word: Copy {
    fn block(planes: &[&[u8]], at: usize) -> [Self; BLOCK];
    fn one(planes: &[&[u8]], at: usize) -> Self;
}

impl Word for u8 {
    #[inline(always)]
    fn block(planes: &[&[u8]], at: usize) -> [Self; BLOCK] {
        *planes[0][at..].first_chunk().unwrap()
    }

    #[inline(always)]
    fn one(planes: &[&[u8]], at: usize) -> Self {
        planes[0][at]
    }
}

macro_rules! words {
    ($($word:ty, $half:ty;)*) => {$(
        impl Word for $word {
            #[inline(always)]
            fn block(planes: &[&[u8]], at: usize) -> [Self; BLOCK] {
                let (low, high) = planes.split_at(size_of::<$half>());
                let (low, high) = (<$half>::block(low, at), <$half>::block(high, at));
                std::array::from_fn(|i| Self::from(low[i]) | Self::from(high[i]) << <$half>::BITS)
            }

            #[inline(always)]
            fn one(planes: &[&[u8]], at: usize) -> Self {
                let (low, high) = planes.split_at(size_of::<$half>());
                Self::from(<$half>::one(low, at)) | Self::from(<$half>::one(high, at)) << <$half>::BITS
            }
        }
    )*};
}

words! {
    u16, u8;
    u32, u16;
    u64, u32;
}

/// A decompressed page: `elements` in the bytes that its encoding gives them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageBytes<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) elements: usize,
}

impl<'a> PageBytes<'a> {
    /// The elements in `range`, each of `N` bytes.
    fn plain<const N: usize>(self, range: Range<usize>) -> impl Iterator<Item = [u8; N]> + 'a {
        let (items, _) = self.bytes[range.start * N..range.end * N].as_chunks::<N>();
        items.iter().copied()
    }

    /// Appends what `make` makes of the elements in `range`, whose bytes are split.
    #[inline(always)]
    fn split<W: Word, T>(self, range: Range<usize>, out: &mut Vec<T>, make: impl Fn(W) -> T) {
        let plane = |n: usize| &self.bytes[n * self.elements..][range.clone()];
        let planes: Planes<'_> = std::array::from_fn(|n| if n < size_of::<W>() { plane(n) } else { &[] });
        let whole = range.len() / BLOCK * BLOCK;
        out.reserve(range.len());
        for at in (0..whole).step_by(BLOCK) {
            out.extend(W::block(&planes, at).iter().map(|&word| make(word)));
        }
        out.extend((whole..range.len()).map(|at| make(W::one(&planes, at))));
    }

    /// The elements in `range` of a page of `bits` each, without gaps between them.
    fn packed(self, range: Range<usize>, bits: usize) -> impl Iterator<Item = u32> {
        range.map(move |at| {
            let (byte, shift) = (at * bits / 8, at * bits % 8);
            // 32 bits and a shift of 7 need 5 bytes.
            let word = match self.bytes[byte..].first_chunk::<8>() {
                Some(word) => u64::from_le_bytes(*word),
                None => {
                    let last = &self.bytes[byte..];
                    last.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
                }
            };
            (word >> shift) as u32 & (u32::MAX >> (32 - bits))
        })
    }

    /// The ends of lists in the whole page.
    pub(super) fn ends(self, encoding: Encoding, out: &mut Vec<u64>) {
        out.clear();
        match encoding {
            Encoding::Index { bytes: 4, delta: false } => {
                out.extend(self.plain(0..self.elements).map(|b| u64::from(u32::from_le_bytes(b))));
            }
            Encoding::Index { bytes: 4, delta: true } => {
                self.split(0..self.elements, out, |word: u32| u64::from(word));
                sum(out, |sum| sum & u64::from(u32::MAX));
            }
            Encoding::Index { delta: false, .. } => {
                out.extend(self.plain(0..self.elements).map(u64::from_le_bytes));
            }
            Encoding::Index { delta: true, .. } => {
                self.split(0..self.elements, out, |word: u64| word);
                sum(out, |sum| sum);
            }
            _ => {}
        }
    }

    /// The places and numbers of alternatives in `range`.
    pub(super) fn switches(self, range: Range<usize>) -> impl Iterator<Item = (u64, u32)> + 'a {
        self.plain(range).map(|item: [u8; 12]| {
            let (place, number) = item.split_at(8);
            (u64::from_le_bytes(place.try_into().unwrap()), u32::from_le_bytes(number.try_into().unwrap()))
        })
    }
}

fn sum(values: &mut [u64], wrap: impl Fn(u64) -> u64) {
    let mut total = 0_u64;
    for value in values {
        total = wrap(total.wrapping_add(*value));
        *value = total;
    }
}

/// A number that columns hold.
pub(super) trait Value: Copy + Default {
    /// Appends the elements in `range` of a page, whose encoding [`holds`](Encoding::holds) it.
    fn append(page: PageBytes<'_>, encoding: Encoding, range: Range<usize>, out: &mut Vec<Self>);
    fn array(values: Vec<Self>) -> ArrayRef;
}

macro_rules! integers {
    ($($native:ty, $unsigned:ty, $arrow:ty;)*) => {$(
        impl Value for $native {
            fn append(page: PageBytes<'_>, encoding: Encoding, range: Range<usize>, out: &mut Vec<Self>) {
                match encoding {
                    Encoding::Plain(_) => out.extend(page.plain(range).map(<$native>::from_le_bytes)),
                    Encoding::Split(_) => page.split(range, out, |word: $unsigned| word as $native),
                    Encoding::Zigzag(_) => page.split(range, out, |folded: $unsigned| {
                        ((folded >> 1) ^ (folded & 1).wrapping_neg()) as $native
                    }),
                    _ => {}
                }
            }

            fn array(values: Vec<Self>) -> ArrayRef {
                Arc::new(PrimitiveArray::<$arrow>::from(values))
            }
        }
    )*};
}

integers! {
    i8, u8, Int8Type;
    i16, u16, Int16Type;
    i32, u32, Int32Type;
    i64, u64, Int64Type;
    u8, u8, UInt8Type;
    u16, u16, UInt16Type;
    u32, u32, UInt32Type;
    u64, u64, UInt64Type;
}

/// Appends floats of 32 bits or fewer, as `to` makes them.
#[inline(always)]
fn floats<T>(
    page: PageBytes<'_>,
    encoding: Encoding,
    range: Range<usize>,
    out: &mut Vec<T>,
    to: impl Fn(f32) -> T,
) {
    match encoding {
        Encoding::Plain(_) => out.extend(page.plain(range).map(|bytes| to(f32::from_le_bytes(bytes)))),
        Encoding::Split(_) => page.split(range, out, |bits| to(f32::from_bits(bits))),
        Encoding::Half { split: false } => {
            out.extend(page.plain(range).map(|bytes| to(half(u16::from_le_bytes(bytes)))));
        }
        Encoding::Half { split: true } => {
            page.split(range, out, |bits| to(half(bits)));
        }
        Encoding::Truncated { bits } => {
            out.extend(page.packed(range, bits).map(|word| to(f32::from_bits(word << (32 - bits)))));
        }
        _ => {}
    }
}

/// Appends numbers that stand for parts of a range, in the order of operations of ROOT.
fn quantized<T>(
    page: PageBytes<'_>,
    (bits, min, max): (usize, f64, f64),
    range: Range<usize>,
    out: &mut Vec<T>,
    to: impl Fn(f64) -> T,
) {
    let scale = (max - min) / ((1_u64 << bits) - 1) as f64;
    out.extend(page.packed(range, bits).map(|step| to(f64::from(step) * scale + min)));
}

impl Value for f32 {
    fn append(page: PageBytes<'_>, encoding: Encoding, range: Range<usize>, out: &mut Vec<Self>) {
        if let Encoding::Quantized { bits, min, max } = encoding {
            return quantized(page, (bits, min, max), range, out, |value| value as Self);
        }
        floats(page, encoding, range, out, |value| value);
    }

    fn array(values: Vec<Self>) -> ArrayRef {
        Arc::new(PrimitiveArray::<Float32Type>::from(values))
    }
}

impl Value for f64 {
    fn append(page: PageBytes<'_>, encoding: Encoding, range: Range<usize>, out: &mut Vec<Self>) {
        match encoding {
            Encoding::Plain(Element::F64) => out.extend(page.plain(range).map(Self::from_le_bytes)),
            Encoding::Split(Element::F64) => page.split(range, out, Self::from_bits),
            Encoding::Quantized { bits, min, max } => {
                quantized(page, (bits, min, max), range, out, |value| value);
            }
            _ => floats(page, encoding, range, out, Self::from),
        }
    }

    fn array(values: Vec<Self>) -> ArrayRef {
        Arc::new(PrimitiveArray::<Float64Type>::from(values))
    }
}

/// A float of half precision: 5 bits of exponent, 10 of mantissa.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(bits >> 10 & 0x1F), u32::from(bits & 0x3FF));
    match exponent {
        // Zero and what is below the smallest normal number: steps of 2^-24.
        0 => f32::from_bits(sign | (mantissa as f32 / 16_777_216.0).to_bits()),
        0x1F => f32::from_bits(sign | 0x7F80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode<T: Value>(kind: u16, bits: u16, bytes: &[u8], elements: usize) -> Vec<T> {
        let encoding = Encoding::new(kind, bits, Some((0.0, 3.0)));
        assert_eq!(encoding.page_length(elements as u32), bytes.len());
        let mut out = Vec::new();
        T::append(PageBytes { bytes, elements }, encoding, 0..elements, &mut out);
        out
    }

    #[test]
    fn split_bytes_are_put_together_and_zigzag_unfolded() {
        // 1, -1, 0x102: folded 2, 1, 0x204.
        let bytes = [2, 1, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode::<i32>(0x13, 32, &bytes, 3), [1, -1, 0x102]);
        assert_eq!(decode::<u32>(0x14, 32, &bytes, 3), [2, 1, 0x204]);
    }

    #[test]
    fn long_split_pages_are_as_short_ones() {
        let values: Vec<u32> = (0..1000).map(|n: u32| n.wrapping_mul(2_654_435_761)).collect();
        let bytes: Vec<u8> =
            (0..4).flat_map(|byte| values.iter().map(move |value| value.to_le_bytes()[byte])).collect();
        assert_eq!(decode::<u32>(0x14, 32, &bytes, 1000), values);
        let page = PageBytes { bytes: &bytes, elements: 1000 };
        let mut out = Vec::new();
        u32::append(page, Encoding::Split(Element::U32), 37..901, &mut out);
        assert_eq!(out, values[37..901]);
    }

    #[test]
    fn ends_of_lists_are_sums_of_differences() {
        let page = PageBytes { bytes: &[7, 1, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], elements: 4 };
        let mut out = Vec::new();
        page.ends(Encoding::new(0x1A, 32, None), &mut out);
        assert_eq!(out, [7, 8, 8, 263]);
    }

    #[test]
    fn reals_of_few_bits_are_floats() {
        // 1.0, -2.0 and the smallest subnormal, in half precision.
        assert_eq!(decode::<f32>(0x0B, 16, &[0, 0x3C, 0, 0xC0, 1, 0], 3), [1.0, -2.0, 2_f32.powi(-24)]);
        assert!(
            half(0x7E00).is_nan() && half(0xFC00) == f32::NEG_INFINITY && half(0x8000).to_bits() == 1 << 31
        );
        // 1.0 is 0x3F800000: its 12 upper bits are 0x3F8, twice in 24 bits, the first in the lowest.
        assert_eq!(decode::<f32>(0x1C, 12, &[0xF8, 0x83, 0x3F], 2), [1.0, 1.0]);
        // 0, 1, 2, 3 of 3 steps in 0..3.
        assert_eq!(decode::<f64>(0x1D, 2, &[0b1110_0100], 4), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_column_of_an_unknown_type_or_size_is_not_guessed_at() {
        assert!(matches!(Encoding::new(0x30, 32, None), Encoding::Unknown { .. }));
        assert!(matches!(Encoding::new(0x0C, 31, None), Encoding::Unknown { .. }));
        assert!(matches!(Encoding::new(0x1C, 9, None), Encoding::Unknown { .. }));
    }
}
