//! Whether a page of a list has as many repetition levels as it says.
//!
//! The `parquet` crate passes over the first rows of a range by these levels, and where they end early
//! it goes on forever: `GenericColumnReader::skip_records` has no case for it, unlike `read_records`.
//!
//! The format: "RLE" and "Data Pages" of apache/parquet-format.

use parquet::basic::Encoding;
use parquet::column::page::Page;

/// Refuses a page with fewer repetition levels, of at most `most`, than values.
///
/// # Errors
/// With the reason.
pub(super) fn check(page: &Page, most: i16) -> Result<(), String> {
    let bits = u64::from(i16::BITS - most.leading_zeros());
    let early = || "a page ends inside its repetition levels".to_owned();
    let (levels, values) = match page {
        Page::DataPageV2 { buf, num_values, rep_levels_byte_len, .. } => {
            (counted(buf.get(..*rep_levels_byte_len as usize).ok_or_else(early)?, bits), *num_values)
        }
        Page::DataPage { buf, num_values, rep_level_encoding: Encoding::RLE, .. } => {
            let (length, behind) = buf.split_first_chunk().ok_or_else(early)?;
            let length = u32::from_le_bytes(*length) as usize;
            (counted(behind.get(..length).ok_or_else(early)?, bits), *num_values)
        }
        // Without runs, `BIT_PACKED`: as many as there are bytes for.
        Page::DataPage { buf, num_values, .. } => (buf.len() as u64 * 8 / bits.max(1), *num_values),
        Page::DictionaryPage { .. } => return Ok(()),
    };
    if levels < values.into() {
        return Err(format!("a page of {values} values has {levels} repetition levels"));
    }
    Ok(())
}

/// How many levels of `bits` each there are in `runs`, up to where they end early.
fn counted(mut runs: &[u8], bits: u64) -> u64 {
    let mut levels = 0_u64;
    while let Some((head, behind)) = varint(runs) {
        // Groups of 8 levels, each level by itself, or one level over and over.
        let (run, bytes) = match head & 1 {
            1 => ((head >> 1).saturating_mul(8), (head >> 1).saturating_mul(bits)),
            _ => (head >> 1, bits.div_ceil(8)),
        };
        let there = (behind.len() as u64).min(bytes);
        levels = levels.saturating_add(if there == bytes { run } else { there * 8 / bits.max(1) });
        if there < bytes {
            break;
        }
        runs = &behind[there as usize..];
    }
    levels
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn second_version(levels: &[u8], values: u32) -> Page {
        Page::DataPageV2 {
            buf: Bytes::copy_from_slice(levels),
            num_values: values,
            encoding: Encoding::PLAIN,
            num_nulls: 0,
            num_rows: values,
            def_levels_byte_len: 0,
            rep_levels_byte_len: levels.len() as u32,
            is_compressed: false,
            statistics: None,
        }
    }

    /// A run of 100 times 0, and two groups of 8 levels of one bit.
    const RUNS: [u8; 6] = [200, 1, 0, 5, 0xFF, 0xFF];

    #[test]
    fn runs_are_counted() {
        assert_eq!(check(&second_version(&RUNS, 116), 1), Ok(()));
        let error = check(&second_version(&RUNS, 117), 1).unwrap_err();
        assert_eq!(error, "a page of 117 values has 116 repetition levels");
        // Of two bits each, the last group ends early.
        assert!(check(&second_version(&RUNS, 116), 2).is_err());
        assert_eq!(check(&second_version(&[], 0), 1), Ok(()));
        assert!(check(&second_version(&[200], 1), 1).is_err());
    }

    #[test]
    fn the_first_version_has_the_length_of_its_levels_in_front() {
        let page = |length: u32, values| Page::DataPage {
            buf: [&length.to_le_bytes()[..], &RUNS].concat().into(),
            num_values: values,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        assert_eq!(check(&page(6, 116), 1), Ok(()));
        assert!(check(&page(3, 101), 1).is_err());
        assert_eq!(check(&page(7, 1), 1).unwrap_err(), "a page ends inside its repetition levels");
    }
}
