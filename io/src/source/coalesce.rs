//! Fewer, larger reads: neighbouring ranges become one request.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{ByteSource, Reading};
use crate::{Error, Result};

/// Ranges this close to each other are read as one. 32 KiB: on a disk or a network that costs less
/// than a request of its own.
pub const GAP: u64 = 32 << 10;

/// No merged request is larger than this, 16 MiB; a single range may be.
pub const LARGEST: u64 = 16 << 20;

/// Reads `ranges` from `source` in one call of few large requests, and slices the answer without a
/// copy. The ranges may come in any order and may overlap.
///
/// # Errors
/// Those of the source.
pub fn read(source: &dyn ByteSource, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let (requests, places) = merge(ranges);
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let answers = source.read(&requests)?;
    slices(source, ranges, &requests, &places, &answers)
}

/// Begins to read what [`read`] would, and returns at once.
pub fn start(source: Arc<dyn ByteSource>, ranges: Vec<Range<u64>>) -> Reading {
    let (requests, places) = merge(&ranges);
    if requests.is_empty() {
        return Reading::later(|| Ok(Vec::new()));
    }
    let reading = Arc::clone(&source).start(requests.clone());
    Reading::later(move || slices(&*source, &ranges, &requests, &places, &reading.wait()?))
}

/// How many bytes a read of `ranges` takes, those between neighbours included.
pub fn bytes(ranges: &[Range<u64>]) -> u64 {
    let requests = merge(ranges).0;
    requests.iter().fold(0, |sum, request| sum.saturating_add(request.end - request.start))
}

/// Each range's part of the answer that holds it.
fn slices(
    source: &dyn ByteSource,
    ranges: &[Range<u64>],
    requests: &[Range<u64>],
    places: &[usize],
    answers: &[Bytes],
) -> Result<Vec<Bytes>> {
    ranges
        .iter()
        .zip(places)
        .map(|(range, &request)| {
            // A source that gives another number of bytes than it was asked for is broken, but it may
            // be a server far away: not a reason to panic.
            let offset = (range.start - requests[request].start) as usize;
            let end = offset + (range.end - range.start) as usize;
            let answer = answers.get(request).filter(|answer| answer.len() >= end);
            Ok(answer.ok_or_else(|| short(source, range))?.slice(offset..end))
        })
        .collect()
}

fn short(source: &dyn ByteSource, range: &Range<u64>) -> Error {
    Error::Format {
        path: source.name().to_owned(),
        what: format!("a read of {} bytes", range.end - range.start),
        at: range.start,
        reason: "fewer bytes came than were asked for".to_owned(),
    }
}

/// The merged requests, and which of them holds each range.
fn merge(ranges: &[Range<u64>]) -> (Vec<Range<u64>>, Vec<usize>) {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|&at| ranges[at].start);
    let mut requests: Vec<Range<u64>> = Vec::new();
    let mut places = vec![0; ranges.len()];
    for at in order {
        let range = &ranges[at];
        match requests.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(GAP)
                    && (range.end <= last.end || range.end - last.start <= LARGEST) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => requests.push(range.start..range.end.max(range.start)),
        }
        places[at] = requests.len() - 1;
    }
    (requests, places)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    #[test]
    fn neighbours_are_one_request_and_strangers_are_not() {
        let (requests, places) = merge(&[100_000..100_100, 0..10, 20..30, 5..8]);
        assert_eq!(requests, [0..30, 100_000..100_100]);
        assert_eq!(places, [1, 0, 0, 0]);
    }

    #[test]
    fn a_merged_request_is_bounded_and_a_single_range_is_not() {
        let ranges = [0..LARGEST, LARGEST..LARGEST + 1, LARGEST + 1..3 * LARGEST];
        assert_eq!(merge(&ranges).0.len(), 3);
    }

    #[test]
    fn answers_come_in_the_order_asked_for() {
        let source = MemorySource::new("a", (0..100).collect::<Vec<u8>>());
        let answers = read(&source, &[50..52, 3..5, 4..6]).unwrap();
        assert_eq!(answers, [vec![50, 51], vec![3, 4], vec![4, 5]]);
        let reading = start(Arc::new(source), vec![50..52, 3..5, 4..6]);
        assert_eq!(reading.wait().unwrap(), answers);
    }

    #[test]
    fn what_lies_between_neighbours_is_read_and_counted() {
        assert_eq!(bytes(&[10..20, 30..40, 5..12]), 35);
        assert_eq!(bytes(&[0..10, 100_000..100_010]), 20);
        assert_eq!(bytes(&[]), 0);
    }

    #[test]
    fn nothing_is_read_of_no_range() {
        let source = Arc::new(MemorySource::new("a", vec![0; 10]));
        assert!(start(source, Vec::new()).wait().unwrap().is_empty());
    }
}
