//! What uproot 5 makes of a few kinds of branches, where ROOT reads something else. Each is checked
//! against ROOT by `tests/python/check_conformance.py`.

use std::sync::Arc;

use serde_json::Value;

use super::column::{Content, Distortion, Leaf, Level};

/// `Float16_t` and `Double32_t`, as `uproot.interpretation.numerical.TruncatedNumerical` computes them:
/// with a range, from the steps by a multiplication where ROOT divides; without one, with as many bits
/// of the mantissa as it takes `Float16_t` to have in a leaf list, 16, which has 12.
///
/// And objects whose classes have a checksum instead of a version, which it does not turn around.
pub(super) fn distortion(kind: &str, interpretation: &str) -> Option<Distortion> {
    if kind == "AsStridedObjects" {
        return Some(Distortion::Swapped);
    }
    let of = |name: &str| {
        let (_, arguments) = interpretation.split_once(name)?;
        let (arguments, _) = arguments.split_once([')', ']'])?;
        let mut numbers = arguments.split(',').map(|number| number.trim().parse::<f64>().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    };
    // A group names those of its members.
    if interpretation.starts_with("AsGroup") {
        return None;
    }
    if let Some((low, high, bits)) = of("AsDouble32(") {
        let (steps, factor) = (stored(low, high, bits), (high - low) / bits.exp2());
        return (low != high).then(|| Distortion::Floats(Arc::new(move |value| steps(value) * factor + low)));
    }
    let (low, high, bits) = of("AsFloat16(")?;
    if low != high {
        let (steps, factor) = (stored(low, high, bits), ((high - low) / bits.exp2()) as f32);
        let value = move |value| f64::from(steps(value) as f32 * factor + low as f32);
        return Some(Distortion::Floats(Arc::new(value)));
    }
    (bits == 16.0).then(|| Distortion::Floats(Arc::new(sixteen_bits)))
}

/// The steps that a value was stored as. ROOT counts `2^bits` of them in a range, and one less of 32 bits.
fn stored(low: f64, high: f64, bits: f64) -> impl Fn(f64) -> f64 {
    let steps = if bits >= 32.0 { f64::from(u32::MAX) } else { bits.exp2() };
    move |value| ((value - low) * (steps / (high - low))).round()
}

/// A mantissa of 12 bits taken for one of 16, where its sign is not.
fn sixteen_bits(value: f64) -> f64 {
    const BITS: u32 = 12;
    let bits = (value as f32).to_bits();
    let mantissa = ((bits & 0x007F_FFFF) >> (23 - BITS)) | ((bits >> 31) << (BITS + 1));
    let taken = (bits & 0x7F80_0000) | (mantissa << (23 - 16));
    f64::from(f32::from_bits(taken))
}

/// How many levels uproot puts around an array of objects that are not there: `AsArray` takes the array
/// of an entry for a list of one.
pub(super) fn extra_levels(type_name: &str, ours: &[Level], levels: &[Value]) -> usize {
    if matches!(ours.first(), Some(Level::Jagged(_))) {
        return 0;
    }
    let one_each = levels.first().is_some_and(|level| {
        level["jagged_lists"].is_u64() && level["total"] == level["jagged_lists"] && level["max_len"] == 1
    });
    usize::from(
        type_name.contains("[][") && one_each && levels.get(1).is_some_and(|level| level["fixed"].is_u64()),
    )
}

/// Whether uproot took the strings of each entry for one: the bytes of all, but the length of the first.
pub(super) fn is_one_string_per_entry(leaf: &Leaf, reference: &Value) -> bool {
    let ([Level::Jagged(_)], Content::Strings { n, bytes, .. }) = (&leaf.levels[..], &leaf.content) else {
        return false;
    };
    let (Some(entries), Some(taken)) = (reference["n"].as_u64(), reference["nbytes"].as_u64()) else {
        return false;
    };
    // Strings of less than 255 bytes have a byte of length each.
    reference["levels"].as_array().is_none_or(Vec::is_empty) && taken + entries == bytes + n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, and by uproot 5.7 and ROOT 6.40 of the same file.
    #[test]
    fn packed_numbers_are_those_of_uproot() {
        let of = |interpretation: &str, value: f64| match distortion("jagged", interpretation) {
            Some(Distortion::Floats(of)) => of(value),
            _ => panic!("{interpretation} is not distorted"),
        };
        assert_eq!(
            of("AsDouble32(-2.71, 10.0, 8)", -2.71 + 12.71 / 256.0 * 7.0),
            7.0 * (12.71 / 256.0) - 2.71
        );
        assert_eq!(of("AsFloat16(0.0, 0.0, 16)", 9.0), 8.0625);
        assert!(distortion("flat", "AsDouble32(0.0, 0.0, 32)").is_none());
        assert!(distortion("jagged", "AsJagged(AsDtype('>f4'))").is_none());
    }
}
