//! Fewer, larger reads: neighbouring ranges become one request.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{ByteSource, Reading};
use crate::{Error, Result};

/// Which ranges become one request: a property of the source, because what a request costs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merging {
    /// Ranges at most so many bytes apart are read as one.
    pub gap: u64,
    /// No merged request is larger than this; a single range may be.
    pub largest: u64,
    /// How many bytes that nobody asked for may be read in all, in percent of those asked for.
    pub over_read: u64,
}

impl Merging {
    /// Of a disk: 32 KiB cost less there than a request of their own; requests of up to 16 MiB. A disk may be a mount of a
    /// file server, so that what is read for nothing is bounded as on a network.
    pub const LOCAL: Self = Self { gap: 32 << 10, largest: 16 << 20, over_read: 4 };

    /// Of a network. All ranges of one call go out at once, so a gap saves only the overhead of a
    /// request: a few hundred bytes of headers and a seek of the server. Requests of up to 4 MiB, so that
    /// one call keeps several under way; and no more than 4 % is read for nothing.
    pub const REMOTE: Self = Self { gap: 32 << 10, largest: 4 << 20, over_read: 4 };

    /// None: each range is a request.
    pub const NONE: Self = Self { gap: 0, largest: 0, over_read: 0 };
}

/// Reads `ranges` from `source` in one call of few large requests, and slices the answer without a
/// copy. The ranges may come in any order and may overlap.
///
/// # Errors
/// Those of the source.
pub fn read(source: &dyn ByteSource, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let merged = Merged::new(ranges, source.merging());
    if merged.requests.is_empty() {
        return Ok(Vec::new());
    }
    let answers = source.read(&merged.requests)?;
    merged.slice(source.name(), ranges, &answers)
}

/// The same as [`ByteSource::start`]: begins to read, and returns at once.
pub fn start(source: &Arc<dyn ByteSource>, ranges: Vec<Range<u64>>) -> Reading {
    let merged = Merged::new(&ranges, source.merging());
    if merged.requests.is_empty() {
        return Reading::later(|| Ok(Vec::new()));
    }
    let reading = source.clone().start(merged.requests.clone());
    let source = source.clone();
    Reading::later(move || merged.slice(source.name(), &ranges, &reading.wait()?))
}

/// How many bytes a read of `ranges` takes, those between neighbours included.
pub fn bytes(source: &dyn ByteSource, ranges: &[Range<u64>]) -> u64 {
    let merged = Merged::new(ranges, source.merging());
    merged.requests.iter().fold(0, |sum, request| sum.saturating_add(request.end - request.start))
}

/// Ranges as requests.
#[derive(Debug)]
pub(super) struct Merged {
    requests: Vec<Range<u64>>,
    /// Which request holds each range.
    places: Vec<usize>,
}

impl Merged {
    pub(super) fn new(ranges: &[Range<u64>], merging: Merging) -> Self {
        if merging == Merging::NONE {
            return Self { requests: ranges.to_vec(), places: (0..ranges.len()).collect() };
        }
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_unstable_by_key(|&at| (ranges[at].start, ranges[at].end));
        let gap = widest(ranges, &order, merging);
        let mut requests: Vec<Range<u64>> = Vec::new();
        let mut places = vec![0; ranges.len()];
        for at in order {
            let range = &ranges[at];
            match requests.last_mut() {
                Some(last)
                    if range.start <= last.end.saturating_add(gap)
                        && (range.end <= last.end || range.end - last.start <= merging.largest) =>
                {
                    last.end = last.end.max(range.end);
                }
                _ => requests.push(range.start..range.end.max(range.start)),
            }
            places[at] = requests.len() - 1;
        }
        Self { requests, places }
    }

    pub(super) fn requests(&self) -> &[Range<u64>] {
        &self.requests
    }

    /// The bytes of the ranges that were merged, from the answers to the requests.
    pub(super) fn slice(&self, name: &str, ranges: &[Range<u64>], answers: &[Bytes]) -> Result<Vec<Bytes>> {
        ranges
            .iter()
            .zip(&self.places)
            .map(|(range, &request)| {
                // A source that gives another number of bytes than it was asked for is broken, but it
                // may be a server far away: not a reason to panic.
                let offset = (range.start - self.requests[request].start) as usize;
                let end = offset + range.end.saturating_sub(range.start) as usize;
                let answer = answers.get(request).filter(|answer| answer.len() >= end);
                Ok(answer.ok_or_else(|| short(name, range))?.slice(offset..end))
            })
            .collect()
    }
}

/// The widest gap that may be read over, so that all gaps up to it are no more than the allowed part of
/// the bytes. The narrowest gaps go first: they save as much as wide ones.
fn widest(ranges: &[Range<u64>], order: &[usize], merging: Merging) -> u64 {
    if merging.over_read == u64::MAX {
        return merging.gap;
    }
    let (mut asked, mut end) = (0_u64, 0_u64);
    let mut gaps: Vec<u64> = Vec::new();
    for (n, range) in order.iter().map(|&at| &ranges[at]).enumerate() {
        if n > 0 && range.start > end && range.start - end <= merging.gap {
            gaps.push(range.start - end);
        }
        asked = asked.saturating_add(range.end.saturating_sub(range.start.max(end)));
        end = end.max(range.end);
    }
    gaps.sort_unstable();
    let mut left = u128::from(asked) * u128::from(merging.over_read) / 100;
    let mut widest = 0;
    for same in gaps.chunk_by(|a, b| a == b) {
        let cost = same.len() as u128 * u128::from(same[0]);
        if cost > left {
            break;
        }
        (left, widest) = (left - cost, same[0]);
    }
    widest
}

fn short(name: &str, range: &Range<u64>) -> Error {
    Error::Format {
        path: name.to_owned(),
        what: format!("a read of {} bytes", range.end.saturating_sub(range.start)),
        at: range.start,
        reason: "fewer bytes came than were asked for".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    fn merge(ranges: &[Range<u64>], merging: Merging) -> (Vec<Range<u64>>, Vec<usize>) {
        let Merged { requests, places } = Merged::new(ranges, merging);
        (requests, places)
    }

    #[test]
    fn neighbours_are_one_request_and_strangers_are_not() {
        let (requests, places) = merge(&[100_000..100_100, 0..1000, 1010..2000, 5..8], Merging::LOCAL);
        assert_eq!(requests, [0..2000, 100_000..100_100]);
        assert_eq!(places, [1, 0, 0, 0]);
    }

    #[test]
    fn a_merged_request_is_bounded_and_a_single_range_is_not() {
        let largest = Merging::LOCAL.largest;
        let ranges = [0..largest, largest..largest + 1, largest + 1..3 * largest];
        assert_eq!(merge(&ranges, Merging::LOCAL).0.len(), 3);
    }

    #[test]
    fn a_network_is_not_asked_for_much_more_than_is_needed() {
        let pieces = |gap: u64| -> Vec<Range<u64>> {
            (0..10).map(|n| n * (1000 + gap)..n * (1000 + gap) + 1000).collect()
        };
        assert_eq!(merge(&pieces(40), Merging::REMOTE).0, [0..10_360], "9 gaps are 3.6 % of 10,000 bytes");
        assert_eq!(merge(&pieces(45), Merging::REMOTE).0.len(), 10);
        assert_eq!(merge(&pieces(45), Merging::LOCAL).0.len(), 10);
        // Small gaps before large ones.
        let uneven = [0..1000, 1010..2000, 2400..3000, 3010..4000];
        assert_eq!(merge(&uneven, Merging::REMOTE).0, [0..2000, 2400..4000]);
    }

    /// Whatever the ranges: all are in their requests, and requests have at most 4 % too much.
    #[test]
    fn requests_hold_their_ranges_and_little_else() {
        let mut state = 1_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let (size, longest) = (1 << random(26), 1 << random(20));
            let ranges: Vec<Range<u64>> = (0..random(60))
                .map(|_| {
                    let start = random(size + 1);
                    start..start + random(longest)
                })
                .collect();
            let (requests, places) = merge(&ranges, Merging::REMOTE);
            for (range, &place) in ranges.iter().zip(&places) {
                assert!(requests[place].start <= range.start && range.end <= requests[place].end);
            }
            assert!(requests.is_sorted_by_key(|request| request.start));
            let single = |request: &Range<u64>| ranges.contains(request);
            assert!(requests.iter().all(|r| r.end - r.start <= Merging::REMOTE.largest || single(r)));
            let asked: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            let read: u64 = requests.iter().map(|range| range.end - range.start).sum();
            let mut distinct = ranges.clone();
            distinct.sort_by_key(|range| range.start);
            let mut end = 0;
            let distinct: u64 = distinct
                .iter()
                .map(|range| {
                    let new = range.end.saturating_sub(range.start.max(end));
                    end = end.max(range.end);
                    new
                })
                .sum();
            // Ranges that overlap may be read twice where requests are cut, but never more often than asked.
            assert!(read <= asked + distinct / 25, "{read} bytes for {distinct}");
        }
    }

    #[test]
    fn answers_come_in_the_order_asked_for() {
        let source = MemorySource::new("a", (0..100).collect::<Vec<u8>>());
        let answers = read(&source, &[50..52, 3..5, 4..6]).unwrap();
        assert_eq!(answers, [vec![50, 51], vec![3, 4], vec![4, 5]]);
        let source: Arc<dyn ByteSource> = Arc::new(source);
        let answers = start(&source, vec![50..52, 3..5, 4..6]).wait().unwrap();
        assert_eq!(answers, [vec![50, 51], vec![3, 4], vec![4, 5]]);
    }
}
