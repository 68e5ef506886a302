//! Baskets and pages that several ranges need, because a cluster was cut.
//!
//! Whoever comes to such a piece first decompresses it, for all. So the workers on the ranges of one large
//! cluster share its pieces among them, and none is decompressed twice.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hep_io::{ReadPlan, Scratch};

use super::PlannedRange;
use super::read::Arrived;

/// A piece by its file's place in the plan and its own in the file.
type Key = (usize, u64);

/// The pieces that ranges of a run have in common.
pub(super) struct SharedPieces<'a> {
    ranges: &'a [PlannedRange],
    state: Mutex<State>,
    /// A piece is no longer on its way.
    arrived: Condvar,
}

struct State {
    pieces: BTreeMap<Key, Piece>,
    /// Which of the ranges need nothing any more.
    ended: Vec<bool>,
}

struct Piece {
    /// The ranges that may need it.
    users: Range<usize>,
    content: Content,
}

enum Content {
    /// Somebody decompresses it.
    Underway,
    Here(Bytes),
    /// It is not compressed, or damaged: whoever needs it will see.
    None,
}

impl<'a> SharedPieces<'a> {
    /// Of the ranges of a plan, of which some are asked for.
    pub(super) fn new(ranges: &'a [PlannedRange], asked: &[usize]) -> Self {
        let mut ended = vec![true; ranges.len()];
        asked.iter().for_each(|&at| ended[at] = false);
        let state = State { pieces: BTreeMap::new(), ended };
        Self { ranges, state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Gives a plan of `file` what others have decompressed already.
    pub(super) fn take(&self, file: usize, plan: &mut ReadPlan) {
        let state = self.lock();
        for cut in &plan.cut {
            if let Some(Piece { content: Content::Here(bytes), .. }) =
                state.pieces.get(&(file, plan.ranges[cut.at].start))
            {
                plan.unpacked.insert(cut.at, bytes.clone());
            }
        }
    }

    /// Gives a range of `file` what others need as well, decompressed. What is still to be done is done here,
    /// but for what others are doing. Returns for how long those were waited for.
    pub(super) fn unpack(&self, file: usize, arrived: &mut Arrived, scratch: &mut Scratch) -> Duration {
        let mut elsewhere = Vec::new();
        for cut in std::mem::take(&mut arrived.plan.cut) {
            if arrived.plan.unpacked.contains_key(&cut.at) {
                continue;
            }
            let key = (file, arrived.plan.ranges[cut.at].start);
            match self.claim(key, &cut.entries) {
                Some(claim) => {
                    let content =
                        arrived.opened.reader.unpack(&arrived.plan, &cut, &arrived.bytes[cut.at], scratch);
                    claim.settle(content.clone());
                    arrived.plan.unpacked.extend(content.map(|content| (cut.at, content)));
                }
                None => elsewhere.push((cut.at, key)),
            }
        }
        if elsewhere.is_empty() {
            return Duration::ZERO;
        }
        let begun = Instant::now();
        for (at, key) in elsewhere {
            arrived.plan.unpacked.extend(self.wait(key).map(|content| (at, content)));
        }
        begun.elapsed()
    }

    /// Takes a piece upon the caller, if nobody has it and somebody else will need it.
    fn claim(&self, key: Key, entries: &Range<u64>) -> Option<Claim<'_>> {
        let mut state = self.lock();
        if state.pieces.contains_key(&key) {
            return None;
        }
        let users = self.overlapping(key.0, entries);
        if state.ended[users.clone()].iter().filter(|ended| !**ended).count() < 2 {
            return None;
        }
        state.pieces.insert(key, Piece { users, content: Content::Underway });
        Some(Claim { shared: self, key })
    }

    /// A piece that others have taken upon them; none if nobody has.
    fn wait(&self, key: Key) -> Option<Bytes> {
        let mut state = self.lock();
        loop {
            match &state.pieces.get(&key)?.content {
                Content::Here(bytes) => return Some(bytes.clone()),
                Content::None => return None,
                Content::Underway => {}
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The ranges that have entries of these.
    fn overlapping(&self, file: usize, entries: &Range<u64>) -> Range<usize> {
        let first =
            self.ranges.partition_point(|range| (range.file, range.entries.end) <= (file, entries.start));
        let end =
            self.ranges.partition_point(|range| (range.file, range.entries.start) < (file, entries.end));
        first..end.max(first)
    }

    /// A range needs nothing any more: what was there for it alone is given up.
    pub(super) fn range_ended(&self, at: usize) {
        let mut state = self.lock();
        state.ended[at] = true;
        let State { pieces, ended } = &mut *state;
        let file = self.ranges[at].file;
        let over: Vec<Key> = pieces
            .range((file, 0)..=(file, u64::MAX))
            .filter(|(_, piece)| {
                piece.users.contains(&at) && ended[piece.users.clone()].iter().all(|ended| *ended)
            })
            .map(|(key, _)| *key)
            .collect();
        over.iter().for_each(|key| drop(pieces.remove(key)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to decompress a piece.
struct Claim<'a> {
    shared: &'a SharedPieces<'a>,
    key: Key,
}

impl Claim<'_> {
    fn settle(self, content: Option<Bytes>) {
        if let Some(piece) = self.shared.lock().pieces.get_mut(&self.key) {
            piece.content = content.map_or(Content::None, Content::Here);
        }
    }
}

impl Drop for Claim<'_> {
    /// Also where decompression panics: then the others do without.
    fn drop(&mut self) {
        if let Some(piece) = self.shared.lock().pieces.get_mut(&self.key)
            && matches!(piece.content, Content::Underway)
        {
            piece.content = Content::None;
        }
        self.shared.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two files, each of three ranges of ten entries.
    fn ranges() -> Vec<PlannedRange> {
        let of = |file| (0..3).map(move |n| PlannedRange { file, entries: 10 * n..10 * n + 10 });
        (0..2).flat_map(of).collect()
    }

    const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

    #[test]
    fn a_piece_is_kept_until_the_last_range_that_needs_it_has_ended() {
        let ranges = ranges();
        let shared = SharedPieces::new(&ranges, &ALL);
        // Of the entries 5..15 of the second file: ranges 3 and 4.
        shared.claim((1, 77), &(5..15)).unwrap().settle(Some(Bytes::from_static(b"content")));
        assert!(shared.claim((1, 77), &(5..15)).is_none());
        for other in [0, 5, 4] {
            shared.range_ended(other);
            assert_eq!(shared.wait((1, 77)).unwrap(), "content");
        }
        shared.range_ended(3);
        assert!(shared.wait((1, 77)).is_none() && shared.lock().pieces.is_empty());
    }

    #[test]
    fn what_only_one_range_still_needs_is_not_kept() {
        let ranges = ranges();
        let shared = SharedPieces::new(&ranges, &ALL);
        assert!(shared.claim((0, 1), &(0..10)).is_none());
        shared.range_ended(0);
        assert!(shared.claim((0, 1), &(5..15)).is_none());
        assert!(SharedPieces::new(&ranges, &[1]).claim((0, 1), &(0..30)).is_none());
    }

    #[test]
    fn who_waits_gets_what_comes_and_nothing_from_who_fails() {
        let ranges = ranges();
        let shared = SharedPieces::new(&ranges, &ALL);
        for content in [Some(Bytes::from_static(b"content")), None] {
            let claim = shared.claim((0, 1), &(0..30)).unwrap();
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| shared.wait((0, 1)));
                match content.clone() {
                    Some(content) => claim.settle(Some(content)),
                    None => drop(claim),
                }
                assert_eq!(waits.join().unwrap(), content);
            });
            shared.lock().pieces.clear();
        }
    }
}
