//! Which requests read a list of ranges, and how the answers become their bytes.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::connection::VectorLimits;
use crate::session::join;
use crate::wire::page;

/// Ranges of at least so many bytes are read alone. Measured on a link of 25 ms: a vector read costs the
/// server a copy and is not answered before all of it is read, which many small ranges are worth and
/// large ones are not.
const ALONE: u64 = 128 << 10;

/// A vector read asks for no more than this: several are then answered while the next is read.
const VECTOR: u64 = 8 << 20;

/// A longer range is read by several requests.
const LONGEST: u64 = 16 << 20;

/// One request, and the places of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A range, or a part of one.
    One { of: usize, range: Range<u64> },
    /// Several small ranges.
    Vector { of: Vec<usize>, ranges: Vec<Range<u64>> },
}

/// The requests for `ranges`, none of them empty. With page checksums, each range is read alone: vector
/// reads have none.
pub(crate) fn pieces(ranges: &[Range<u64>], limits: VectorLimits, paged: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut of, mut small, mut bytes) = (Vec::new(), Vec::new(), 0);
    let flush = |of: &mut Vec<usize>, small: &mut Vec<Range<u64>>, pieces: &mut Vec<Piece>| {
        let (of, mut ranges) = (std::mem::take(of), std::mem::take(small));
        match ranges.len() {
            0 => {}
            1 => pieces.push(Piece::One { of: of[0], range: ranges.swap_remove(0) }),
            _ => pieces.push(Piece::Vector { of, ranges }),
        }
    };
    for (at, range) in ranges.iter().enumerate().filter(|(_, range)| !range.is_empty()) {
        let length = range.end - range.start;
        if paged || length >= ALONE.min(limits.bytes) {
            for start in (range.start..range.end).step_by(LONGEST as usize) {
                pieces.push(Piece::One { of: at, range: start..range.end.min(start + LONGEST) });
            }
            continue;
        }
        if small.len() == limits.ranges || bytes + length > VECTOR {
            flush(&mut of, &mut small, &mut pieces);
            bytes = 0;
        }
        of.push(at);
        small.push(range.clone());
        bytes += length;
    }
    flush(&mut of, &mut small, &mut pieces);
    pieces
}

/// The bytes of each range from those of the pieces, which are as long as asked for.
pub(crate) fn assemble(ranges: &[Range<u64>], pieces: &[Piece], read: Vec<Vec<Bytes>>) -> Vec<Bytes> {
    let mut parts: Vec<Vec<Bytes>> = vec![Vec::new(); ranges.len()];
    for (piece, read) in pieces.iter().zip(read) {
        match piece {
            Piece::One { of, .. } => parts[*of].extend(read),
            Piece::Vector { of, .. } => of.iter().zip(read).for_each(|(&of, bytes)| parts[of].push(bytes)),
        }
    }
    parts.into_iter().map(join).collect()
}

/// The answer to a vector read: before each range's bytes, 16 that say which they are.
pub(crate) fn split_vector(answer: &Bytes, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, String> {
    let mut at = 0;
    let mut bytes = Vec::with_capacity(ranges.len());
    for range in ranges {
        let head: [u8; 16] = answer
            .get(at..at + 16)
            .and_then(|head| head.try_into().ok())
            .ok_or("a vector read is answered with fewer ranges than were asked for")?;
        let [_, _, _, _, l0, l1, l2, l3, offset @ ..] = head;
        let (length, offset) = (u32::from_be_bytes([l0, l1, l2, l3]), u64::from_be_bytes(offset));
        if offset != range.start || u64::from(length) != range.end - range.start {
            return Err(format!(
                "a vector read is answered with {length} bytes from {offset} where {} from {} were asked for",
                range.end - range.start,
                range.start
            ));
        }
        let end = at + 16 + length as usize;
        if end > answer.len() {
            return Err("the answer to a vector read is cut off".to_owned());
        }
        bytes.push(answer.slice(at + 16..end));
        at = end;
    }
    if at != answer.len() {
        return Err("a vector read is answered with more than was asked for".to_owned());
    }
    Ok(bytes)
}

/// Pages that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadPages {
    /// The page at this byte of the file was changed on the way.
    Checksum(u64),
    /// They are not the pages asked for.
    Nonsense(String),
}

/// Checks pages and puts them in order: they must follow each other from byte `start` on.
pub(crate) fn pages_in_order(start: u64, mut pages: Vec<(u64, BytesMut)>) -> Result<Vec<Bytes>, BadPages> {
    pages.sort_by_key(|(offset, _)| *offset);
    let mut at = start;
    let mut parts = Vec::with_capacity(pages.len());
    for (offset, body) in pages {
        if offset != at {
            return Err(BadPages::Nonsense(format!("pages from byte {offset} came where {at} was next")));
        }
        let bytes = page::check(offset, body).map_err(|bad| match bad {
            Some(at) => BadPages::Checksum(at),
            None => BadPages::Nonsense("pages are cut off".to_owned()),
        })?;
        at += bytes.len() as u64;
        parts.push(bytes);
    }
    Ok(parts)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    const LIMITS: VectorLimits = VectorLimits { ranges: 3, bytes: 1000 };

    #[test]
    fn small_ranges_go_together_within_the_servers_limits() {
        let ranges = [0..10, 20..30, 5..5, 40..50, 60..70, 100..1100];
        let pieces = pieces(&ranges, LIMITS, false);
        let vector =
            |of: &[usize], ranges: &[Range<u64>]| Piece::Vector { of: of.to_vec(), ranges: ranges.to_vec() };
        assert!(pieces.contains(&Piece::One { of: 5, range: 100..1100 }));
        assert!(pieces.contains(&vector(&[0, 1, 3], &[0..10, 20..30, 40..50])));
        assert!(pieces.contains(&Piece::One { of: 4, range: 60..70 }));
        assert_eq!(pieces.len(), 3);
    }

    #[test]
    fn long_ranges_are_cut_and_put_together() {
        let ranges = [7..7 + 2 * LONGEST + 1, 3..3];
        let pieces = pieces(&ranges, VectorLimits::default(), true);
        assert_eq!(pieces.len(), 3);
        let read = pieces.iter().map(|piece| match piece {
            Piece::One { range, .. } => {
                vec![Bytes::from(vec![range.start as u8; (range.end - range.start) as usize])]
            }
            Piece::Vector { .. } => panic!("it is paged"),
        });
        let whole = assemble(&ranges, &pieces, read.collect());
        assert_eq!((whole[0].len() as u64, whole[1].len()), (2 * LONGEST + 1, 0));
    }

    #[test]
    fn a_vector_answer_must_be_what_was_asked_for() {
        let answer = |offset: u64, bytes: &[u8]| {
            let length = (bytes.len() as u32).to_be_bytes();
            [&[9; 4][..], &length, &offset.to_be_bytes(), bytes].concat()
        };
        let both = Bytes::from([answer(5, b"ab"), answer(1, b"c")].concat());
        assert_eq!(split_vector(&both, &[5..7, 1..2]).unwrap(), [&b"ab"[..], &b"c"[..]]);
        for (ranges, why) in [
            (vec![5..7, 2..3], "1 bytes from 1 where 1 from 2"),
            (vec![5..7], "more than was asked for"),
            (vec![5..7, 1..2, 3..4], "fewer ranges"),
        ] {
            let error = split_vector(&both, &ranges).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(split_vector(&both.slice(..17), &[5..7]).unwrap_err().contains("cut off"));
    }

    #[test]
    fn pages_must_follow_each_other() {
        let pages = |offset: u64, data: &[u8]| (offset, BytesMut::from(&page::seal(offset, data)[..]));
        let in_order = pages_in_order(10, vec![pages(12, b"cd"), pages(10, b"ab")]).unwrap();
        assert_eq!(in_order.concat(), b"abcd");
        assert!(matches!(pages_in_order(10, vec![pages(12, b"cd")]), Err(BadPages::Nonsense(_))));
        let (at, mut bad) = pages(0, b"x");
        bad[4] ^= 1;
        assert_eq!(pages_in_order(0, vec![(at, bad)]), Err(BadPages::Checksum(0)));
    }
}
