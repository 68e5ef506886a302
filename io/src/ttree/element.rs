use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use hep_columns::simd::{Kernel, widest};

pub use super::packed::Packed;

/// A number as a basket stores it, big-endian.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // they are the types they are called
pub enum Element {
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
    /// A `Double32_t` without a range: stored as a float, read as a double.
    Double32,
    /// A `Float16_t` or `Double32_t` with fewer bits.
    Packed(Packed),
}

/// Calls a function that is generic over [`Stored`] for an [`Element`]: one dispatch for a batch. Packed
/// numbers are `packed`.
macro_rules! dispatch {
    ($element:expr, $type:ident => $call:expr, $packed:ident => $other:expr) => {
        match $element {
            $crate::ttree::Element::Packed($packed) => $other,
            $crate::ttree::Element::Bool => {
                type $type = $crate::ttree::element::Flag;
                $call
            }
            $crate::ttree::Element::I8 => {
                type $type = i8;
                $call
            }
            $crate::ttree::Element::I16 => {
                type $type = i16;
                $call
            }
            $crate::ttree::Element::I32 => {
                type $type = i32;
                $call
            }
            $crate::ttree::Element::I64 => {
                type $type = i64;
                $call
            }
            $crate::ttree::Element::U8 => {
                type $type = u8;
                $call
            }
            $crate::ttree::Element::U16 => {
                type $type = u16;
                $call
            }
            $crate::ttree::Element::U32 => {
                type $type = u32;
                $call
            }
            $crate::ttree::Element::U64 => {
                type $type = u64;
                $call
            }
            $crate::ttree::Element::F32 => {
                type $type = f32;
                $call
            }
            $crate::ttree::Element::F64 => {
                type $type = f64;
                $call
            }
            $crate::ttree::Element::Double32 => {
                type $type = $crate::ttree::element::Double32;
                $call
            }
        }
    };
}
pub(super) use dispatch;

impl Element {
    /// How many bytes one takes in a basket.
    pub fn size(self) -> usize {
        dispatch!(self, T => T::SIZE, packed => packed.size())
    }

    /// Its Arrow type.
    pub fn data_type(self) -> DataType {
        dispatch!(self, T => T::data_type(), packed => packed.data_type())
    }

    /// What `bytes` hold: one number behind the other.
    pub(super) fn array(self, bytes: &[u8]) -> ArrayRef {
        fn array<T: Stored>(bytes: &[u8]) -> ArrayRef {
            let mut values = Vec::with_capacity(bytes.len() / T::SIZE);
            T::extend(&mut values, bytes);
            T::array(values)
        }
        dispatch!(self, T => array::<T>(bytes), packed => packed.array(bytes))
    }

    /// What ROOT calls it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Bool => "Bool_t",
            Self::I8 => "Char_t",
            Self::I16 => "Short_t",
            Self::I32 => "Int_t",
            Self::I64 => "Long64_t",
            Self::U8 => "UChar_t",
            Self::U16 => "UShort_t",
            Self::U32 => "UInt_t",
            Self::U64 => "ULong64_t",
            Self::F32 => "Float_t",
            Self::F64 => "Double_t",
            Self::Double32 => "Double32_t",
            Self::Packed(packed) => packed.type_name(),
        }
    }

    /// Whether each is turned around and nothing else.
    pub(super) fn is_whole(self) -> bool {
        !matches!(self, Self::Packed(_))
    }

    /// Whether it can count.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::Bool | Self::F32 | Self::F64 | Self::Double32 | Self::Packed(_))
    }

    /// From the class of a leaf, for those that name one type.
    pub(super) fn of_leaf(class: &[u8], unsigned: bool, title: &[u8]) -> Option<Self> {
        let title = String::from_utf8_lossy(title);
        let (signed, without_sign) = match class {
            b"TLeafO" => (Self::Bool, Self::Bool),
            b"TLeafB" => (Self::I8, Self::U8),
            b"TLeafS" => (Self::I16, Self::U16),
            b"TLeafI" => (Self::I32, Self::U32),
            b"TLeafL" | b"TLeafG" => (Self::I64, Self::U64),
            b"TLeafF" => (Self::F32, Self::F32),
            b"TLeafD" => (Self::F64, Self::F64),
            b"TLeafF16" => return Some(Self::Packed(Packed::float16(Packed::of_leaf(&title)))),
            b"TLeafD32" => return Some(Packed::double32(Packed::of_leaf(&title))),
            _ => return None,
        };
        Some(if unsigned { without_sign } else { signed })
    }

    /// From a type number of `TStreamerInfo::EReadWrite`.
    pub(super) fn of_code(code: i32) -> Option<Self> {
        Some(match code {
            1 | 10 => Self::I8,
            2 => Self::I16,
            3 | 6 => Self::I32,
            4 | 16 => Self::I64,
            5 => Self::F32,
            8 => Self::F64,
            11 => Self::U8,
            12 => Self::U16,
            13 | 15 => Self::U32,
            14 | 17 => Self::U64,
            18 => Self::Bool,
            _ => return None,
        })
    }

    /// From the name of a C++ type.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name.trim() {
            "bool" | "Bool_t" => Self::Bool,
            "char" | "signed char" | "Char_t" | "int8_t" => Self::I8,
            "short" | "Short_t" | "int16_t" => Self::I16,
            "int" | "Int_t" | "int32_t" => Self::I32,
            "long" | "long long" | "Long_t" | "Long64_t" | "int64_t" => Self::I64,
            "unsigned char" | "UChar_t" | "uint8_t" => Self::U8,
            "unsigned short" | "UShort_t" | "uint16_t" => Self::U16,
            "unsigned int" | "unsigned" | "UInt_t" | "uint32_t" => Self::U32,
            "unsigned long" | "unsigned long long" | "ULong_t" | "ULong64_t" | "uint64_t" | "size_t" => {
                Self::U64
            }
            "float" | "Float_t" => Self::F32,
            "double" | "Double_t" => Self::F64,
            "Double32_t" => Self::Double32,
            "Float16_t" => Self::Packed(Packed::float16("")),
            _ => return None,
        })
    }
}

/// How an [`Element`] is decoded, at compile time.
pub(super) trait Stored: Sized {
    /// What it becomes in memory.
    type Value: Copy;
    /// How many bytes it takes.
    const SIZE: usize;
    /// Decodes one from exactly `SIZE` bytes. Inlined always, see [`Kernel`].
    fn value(bytes: &[u8]) -> Self::Value;
    fn array(values: Vec<Self::Value>) -> ArrayRef;
    fn data_type() -> DataType;

    /// Appends what `bytes` hold: the hot loop.
    fn extend(values: &mut Vec<Self::Value>, bytes: &[u8]) {
        widest(Extend::<Self> { values, bytes });
    }
}

/// Decodes one number after the other. That the standard library's loop around it is inlined is not promised, but seen
/// in the instructions that `make bench-instructions` counts.
struct Extend<'a, T: Stored> {
    values: &'a mut Vec<T::Value>,
    bytes: &'a [u8],
}

impl<T: Stored> Kernel for Extend<'_, T> {
    #[inline(always)]
    fn run(self) {
        self.values.extend(self.bytes.chunks_exact(T::SIZE).map(T::value));
    }
}

macro_rules! stored {
    ($($native:ty, $arrow:ty, $data_type:ident;)*) => {$(
        impl Stored for $native {
            type Value = $native;
            const SIZE: usize = size_of::<$native>();

            #[inline(always)]
            fn value(bytes: &[u8]) -> $native {
                <$native>::from_be_bytes(bytes.try_into().unwrap())
            }

            fn array(values: Vec<$native>) -> ArrayRef {
                Arc::new(PrimitiveArray::<$arrow>::from(values))
            }

            fn data_type() -> DataType {
                DataType::$data_type
            }
        }
    )*};
}

stored! {
    i8, Int8Type, Int8;
    i16, Int16Type, Int16;
    i32, Int32Type, Int32;
    i64, Int64Type, Int64;
    u8, UInt8Type, UInt8;
    u16, UInt16Type, UInt16;
    u32, UInt32Type, UInt32;
    u64, UInt64Type, UInt64;
    f32, Float32Type, Float32;
    f64, Float64Type, Float64;
}

/// A bool: a byte on disk, a bit in Arrow.
pub(super) struct Flag;

impl Stored for Flag {
    type Value = u8;
    const SIZE: usize = 1;

    #[inline(always)]
    fn value(bytes: &[u8]) -> u8 {
        bytes[0]
    }

    fn array(values: Vec<u8>) -> ArrayRef {
        Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(values.len(), |at| values[at] != 0), None))
    }

    fn data_type() -> DataType {
        DataType::Boolean
    }
}

/// A double stored as a float.
pub(super) struct Double32;

impl Stored for Double32 {
    type Value = f64;
    const SIZE: usize = 4;

    #[inline(always)]
    fn value(bytes: &[u8]) -> f64 {
        f64::from(f32::value(bytes))
    }

    fn array(values: Vec<f64>) -> ArrayRef {
        f64::array(values)
    }

    fn data_type() -> DataType {
        DataType::Float64
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use hep_columns::simd::{Width, run};

    use super::*;

    /// Whatever vectors are used, and wherever the numbers end.
    fn decodes<T: Stored<Value: PartialEq + Debug>>(one: impl Fn(&[u8]) -> T::Value) {
        let bytes: Vec<u8> = (0..T::SIZE * 203).map(|at| (at * 89 + at / 7) as u8).collect();
        let expected: Vec<T::Value> = bytes.chunks(T::SIZE).map(one).collect();
        for width in Width::all() {
            for n in [0, 1, 7, 16, 64, 65, 203] {
                let mut values = expected[..3].to_vec();
                run(Extend::<T> { values: &mut values, bytes: &bytes[..n * T::SIZE] }, width);
                assert_eq!((&values[..3], &values[3..]), (&expected[..3], &expected[..n]), "{width:?}");
            }
        }
    }

    #[test]
    fn vectors_of_every_width_decode_big_endian_numbers() {
        decodes::<u8>(|bytes| bytes[0]);
        decodes::<i16>(|bytes| i16::from(bytes[0] as i8) << 8 | i16::from(bytes[1]));
        decodes::<u32>(|bytes| bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)));
        decodes::<i64>(|bytes| bytes.iter().fold(0, |number, &byte| number << 8 | i64::from(byte)));
        // π, of which every byte is another one.
        assert_eq!(f32::value(&[0x40, 0x49, 0x0f, 0xdb]), std::f32::consts::PI);
        assert_eq!(f64::value(&[0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]), std::f64::consts::PI);
    }
}
