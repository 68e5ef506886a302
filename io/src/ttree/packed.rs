use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array};
use arrow_schema::DataType;

use super::Element;

/// A `Float16_t` or `Double32_t` that is stored in fewer bits than it has in memory.
///
/// Formats: `TBufferFile::ReadWithFactor` and `ReadWithNbits`; ranges: `TStreamerElement`'s `GetRange`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packed {
    /// Whether it is a double in memory.
    double: bool,
    layout: Layout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// An integer of 4 bytes that counts steps of `1 / factor` from `min`.
    Range { min: f64, factor: f64 },
    /// The exponent of a float in a byte, and so many bits of its mantissa, behind them its sign, in two.
    Truncated { bits: u32 },
}

/// The range in the comment of a member or the title of a leaf: `[min,max]` or `[min,max,bits]`.
struct Range {
    min: f64,
    factor: f64,
    /// The bits of the mantissa where no range is given.
    bits: Option<u32>,
}

impl Packed {
    /// What a leaf with this title stores: its type's letter and range follow the dimensions, in
    /// `x[n][3]/f[0,10,12]`.
    pub(super) fn of_leaf(title: &str) -> &str {
        title.rsplit_once('/').map_or(title, |(_, behind)| behind)
    }

    /// A `Float16_t` with this comment.
    pub(super) fn float16(comment: &str) -> Self {
        const MANTISSA: u32 = 12;
        let range = Range::parse(comment);
        Self { double: false, layout: range.layout().unwrap_or(Layout::Truncated { bits: MANTISSA }) }
    }

    /// What a `Double32_t` with this comment is stored as: a float, unless the comment says otherwise.
    pub(super) fn double32(comment: &str) -> Element {
        match Range::parse(comment).layout() {
            Some(layout) => Element::Packed(Self { double: true, layout }),
            None => Element::Double32,
        }
    }

    pub(super) fn size(self) -> usize {
        match self.layout {
            Layout::Range { .. } => 4,
            Layout::Truncated { .. } => 3,
        }
    }

    pub(super) fn data_type(self) -> DataType {
        if self.double { DataType::Float64 } else { DataType::Float32 }
    }

    pub(super) fn type_name(self) -> &'static str {
        if self.double { "Double32_t" } else { "Float16_t" }
    }

    pub(super) fn array(self, bytes: &[u8]) -> ArrayRef {
        match (self.layout, self.double) {
            (Layout::Range { min, factor }, false) => {
                let value = |word: &[u8]| (steps(word) / factor + min) as f32;
                Arc::new(bytes.chunks_exact(4).map(value).collect::<Float32Array>())
            }
            (Layout::Range { min, factor }, true) => {
                let value = |word: &[u8]| steps(word) / factor + min;
                Arc::new(bytes.chunks_exact(4).map(value).collect::<Float64Array>())
            }
            (Layout::Truncated { bits }, false) => {
                Arc::new(bytes.chunks_exact(3).map(|word| truncated(word, bits)).collect::<Float32Array>())
            }
            (Layout::Truncated { bits }, true) => {
                let value = |word: &[u8]| f64::from(truncated(word, bits));
                Arc::new(bytes.chunks_exact(3).map(value).collect::<Float64Array>())
            }
        }
    }
}

fn steps(word: &[u8]) -> f64 {
    f64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

fn truncated(word: &[u8], bits: u32) -> f32 {
    let (exponent, mantissa) = (u32::from(word[0]), u32::from(u16::from_be_bytes([word[1], word[2]])));
    let kept = mantissa & ((1 << (bits + 1)) - 1);
    let value = f32::from_bits((exponent << 23) | (kept << (23 - bits)));
    if mantissa & (1 << (bits + 1)) != 0 { -value } else { value }
}

impl Range {
    /// The first bracket with a comma in it, of the first two; those before are dimensions.
    fn parse(comment: &str) -> Self {
        let none = Self { min: 0.0, factor: 0.0, bits: None };
        let bracket = |text: &str| {
            let (_, inside) = text.split_once('[')?;
            let (inside, rest) = inside.split_once(']')?;
            Some((inside.to_owned(), rest.to_owned()))
        };
        let Some((mut inside, rest)) = bracket(comment) else { return none };
        if !inside.contains(',') {
            match bracket(&rest) {
                Some((second, _)) if second.contains(',') => inside = second,
                _ => return none,
            }
        }
        let mut parts = inside.split(',');
        let (min, max) = (limit(parts.next().unwrap_or("")), limit(parts.next().unwrap_or("")));
        let bits = parts
            .next()
            .and_then(|bits| bits.trim().parse().ok())
            .filter(|bits| (2..=32).contains(bits))
            .unwrap_or(32);
        if min < max {
            let most = if bits < 32 { f64::from(1_u32 << bits) } else { f64::from(u32::MAX) };
            return Self { min, factor: most / (max - min), bits: None };
        }
        Self { bits: (bits < 15).then_some(bits), ..none }
    }

    fn layout(&self) -> Option<Layout> {
        if self.factor != 0.0 {
            return Some(Layout::Range { min: self.min, factor: self.factor });
        }
        self.bits.map(|bits| Layout::Truncated { bits })
    }
}

fn limit(text: &str) -> f64 {
    let text = text.to_lowercase().replace(' ', "");
    if !text.contains("pi") {
        return text.parse().unwrap_or(0.0);
    }
    let value = match text.as_str() {
        t if t.contains("2pi") || t.contains("2*pi") || t.contains("twopi") => TAU,
        t if t.contains("pi/2") => FRAC_PI_2,
        t if t.contains("pi/4") => FRAC_PI_4,
        _ => PI,
    };
    if text.contains('-') { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type};

    #[test]
    fn comments_say_how_many_bits_there_are() {
        let range = |comment| Packed::float16(comment).layout;
        assert_eq!(range(""), Layout::Truncated { bits: 12 });
        assert_eq!(range("[3]"), Layout::Truncated { bits: 12 });
        assert_eq!(range("[0,0,8]"), Layout::Truncated { bits: 8 });
        assert_eq!(range("[0,0,16]"), Layout::Truncated { bits: 12 });
        assert_eq!(range("[n][-1,1,3]"), Layout::Range { min: -1.0, factor: 4.0 });
        assert_eq!(range("[ -pi , pi ]"), Layout::Range { min: -PI, factor: f64::from(u32::MAX) / TAU });
        assert_eq!(range("[0,twopi,2] angle"), Layout::Range { min: 0.0, factor: 4.0 / TAU });
        assert_eq!(Packed::double32("[0,0,32]"), Element::Double32);
    }

    #[test]
    fn the_range_of_a_leaf_follows_its_dimensions() {
        let range = |title| Packed::float16(Packed::of_leaf(title)).layout;
        assert_eq!(range("x[n][2][3]/f[-1,1,3]"), Layout::Range { min: -1.0, factor: 4.0 });
        assert_eq!(range("x[n]/f"), Layout::Truncated { bits: 12 });
        assert_eq!(range("x[-1,1,3]"), Layout::Range { min: -1.0, factor: 4.0 });
    }

    /// Computed by hand: 0x7F is the exponent of 1, and half of 12 bits of mantissa are 0.5.
    #[test]
    fn a_truncated_float_keeps_its_sign_and_the_head_of_its_mantissa() {
        let array = Packed::float16("").array(&[0x7F, 0x08, 0x00, 0x7F, 0x28, 0x00, 0x80, 0x00, 0x00]);
        assert_eq!(array.as_primitive::<Float32Type>().values().as_ref(), [1.5, -1.5, 2.0]);
    }

    #[test]
    fn a_ranged_double_counts_steps() {
        let Element::Packed(packed) = Packed::double32("[-1,1,3]") else { panic!() };
        let array = packed.array(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 8]);
        assert_eq!(array.as_primitive::<Float64Type>().values().as_ref(), [-1.0, 0.0, 1.0]);
    }
}
