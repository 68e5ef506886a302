//! Baskets and pages that several ranges need, because a cluster was cut.
//!
//! The first range that is planned reads such a piece for all, and the first that needs its content decompresses it for
//! all. So the bytes of a large cluster travel once, and none of it is decompressed twice, however many workers its
//! ranges have.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hep_io::source::ByteSource;
use hep_io::{ReadPlan, Scratch};

use super::PlannedRange;
use super::read::Arrived;
use super::reads::SharedRead;

/// A piece by its file's place in the plan and its own in the file.
type Key = (usize, u64);

/// The pieces that ranges of a run have in common.
pub(crate) struct SharedPieces {
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
    /// What reads it, and its place there, until it is decompressed.
    read: Option<(Arc<SharedRead>, usize)>,
    content: Content,
}

enum Content {
    /// Nobody has come to it yet.
    Packed,
    /// Somebody decompresses it.
    Underway,
    Here(Bytes),
    /// It is not compressed, or damaged: whoever needs it will see.
    None,
}

/// How the pieces of a plan are read.
pub(super) struct Division {
    /// What this range reads: its own pieces, and those that it reads for others too.
    pub(super) read: Arc<SharedRead>,
    /// Which of the plan's pieces that is, in order.
    pub(super) own: Vec<usize>,
    /// What other ranges read: the piece, and its place in their read.
    pub(super) elsewhere: Vec<(usize, Arc<SharedRead>, usize)>,
}

impl Division {
    /// Of a plan that shares nothing.
    pub(super) fn alone(source: &Arc<dyn ByteSource>, plan: &ReadPlan) -> Self {
        let own = (0..plan.ranges.len()).collect();
        let read = Arc::new(SharedRead::new(Arc::clone(source), plan.ranges.clone()));
        Self { read, own, elsewhere: Vec::new() }
    }
}

impl SharedPieces {
    /// Of so many ranges, of which some are asked for.
    pub(crate) fn new(ranges: usize, asked: impl IntoIterator<Item = usize>) -> Self {
        let mut ended = vec![true; ranges];
        asked.into_iter().for_each(|at| ended[at] = false);
        let state = State { pieces: BTreeMap::new(), ended };
        Self { state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Divides the reading of a plan of `file` among this range and those that share pieces with it. What is decompressed
    /// already need not be read at all.
    pub(super) fn divide(
        &self,
        ranges: &[PlannedRange],
        file: usize,
        source: &Arc<dyn ByteSource>,
        plan: &mut ReadPlan,
    ) -> Division {
        let mut state = self.lock();
        let (mut elsewhere, mut for_others) = (Vec::new(), Vec::new());
        for cut in &plan.cut {
            let key = (file, plan.ranges[cut.at].start);
            match state.pieces.get(&key) {
                Some(Piece { content: Content::Here(bytes), .. }) => {
                    plan.unpacked.insert(cut.at, bytes.clone());
                }
                Some(Piece { read: Some((read, place)), .. }) if !read.has_failed() => {
                    elsewhere.push((cut.at, Arc::clone(read), *place));
                }
                Some(Piece { read: None, .. }) => {}
                _ => {
                    let users = overlapping(ranges, file, &cut.entries);
                    if state.are_several(&users) {
                        for_others.push((cut.at, key, users));
                    }
                }
            }
        }
        let is_read_here = |at: &usize| {
            !plan.unpacked.contains_key(at) && elsewhere.binary_search_by_key(at, |(at, ..)| *at).is_err()
        };
        let own: Vec<usize> = (0..plan.ranges.len()).filter(is_read_here).collect();
        let pieces = own.iter().map(|&at| plan.ranges[at].clone()).collect();
        let read = Arc::new(SharedRead::new(Arc::clone(source), pieces));
        for (at, key, users) in for_others {
            if let Ok(place) = own.binary_search(&at) {
                let read = Some((Arc::clone(&read), place));
                state.pieces.insert(key, Piece { users, read, content: Content::Packed });
            }
        }
        Division { read, own, elsewhere }
    }

    /// Gives a range of `file` what others need as well, decompressed. What is still to be done is done here,
    /// but for what others are doing. Returns for how long those were waited for.
    pub(super) fn unpack(
        &self,
        ranges: &[PlannedRange],
        file: usize,
        arrived: &mut Arrived,
        scratch: &mut Scratch,
    ) -> Duration {
        let mut elsewhere = Vec::new();
        for cut in std::mem::take(&mut arrived.plan.cut) {
            if arrived.plan.unpacked.contains_key(&cut.at) {
                continue;
            }
            let key = (file, arrived.plan.ranges[cut.at].start);
            match self.claim(key, || overlapping(ranges, file, &cut.entries)) {
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
    fn claim(&self, key: Key, users: impl FnOnce() -> Range<usize>) -> Option<Claim<'_>> {
        let mut state = self.lock();
        match state.pieces.get_mut(&key) {
            Some(piece) if matches!(piece.content, Content::Packed) => piece.content = Content::Underway,
            Some(_) => return None,
            None => {
                let users = users();
                if !state.are_several(&users) {
                    return None;
                }
                state.pieces.insert(key, Piece { users, read: None, content: Content::Underway });
            }
        }
        Some(Claim { shared: self, key })
    }

    /// A piece that others have taken upon them; none if nobody has.
    fn wait(&self, key: Key) -> Option<Bytes> {
        let mut state = self.lock();
        loop {
            match &state.pieces.get(&key)?.content {
                Content::Here(bytes) => return Some(bytes.clone()),
                Content::None | Content::Packed => return None,
                Content::Underway => {}
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A range needs nothing any more: what was there for it alone is given up.
    pub(super) fn range_ended(&self, file: usize, at: usize) {
        let mut state = self.lock();
        state.ended[at] = true;
        let State { pieces, ended } = &mut *state;
        let over: Vec<Key> = pieces
            .range((file, 0)..=(file, u64::MAX))
            .filter(|(_, piece)| {
                piece.users.contains(&at) && ended[piece.users.clone()].iter().all(|ended| *ended)
            })
            .map(|(key, _)| *key)
            .collect();
        over.iter().for_each(|key| drop(pieces.remove(key)));
    }

    /// Keeps what one of these ranges needs and nothing else. Of a process that is given ranges one by one, the others
    /// may never come.
    pub(crate) fn keep_for(&self, ranges: &[usize]) {
        let mut state = self.lock();
        state.pieces.retain(|_, piece| ranges.iter().any(|at| piece.users.contains(at)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a piece of these users is worth keeping for others.
    fn are_several(&self, users: &Range<usize>) -> bool {
        self.ended[users.clone()].iter().filter(|ended| !**ended).count() > 1
    }
}

/// The ranges that have entries of these.
fn overlapping(ranges: &[PlannedRange], file: usize, entries: &Range<u64>) -> Range<usize> {
    let first = ranges.partition_point(|range| (range.file, range.entries.end) <= (file, entries.start));
    let end = ranges.partition_point(|range| (range.file, range.entries.start) < (file, entries.end));
    first..end.max(first)
}

/// The duty to decompress a piece.
struct Claim<'a> {
    shared: &'a SharedPieces,
    key: Key,
}

impl Claim<'_> {
    fn settle(self, content: Option<Bytes>) {
        if let Some(piece) = self.shared.lock().pieces.get_mut(&self.key) {
            if content.is_some() {
                piece.read = None;
            }
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
    use hep_io::CutPiece;
    use hep_io::source::{MemorySource, Recorded};

    use super::*;

    /// Two files, each of three ranges of ten entries.
    fn ranges() -> Vec<PlannedRange> {
        let of =
            |file| (0..3).map(move |n| PlannedRange { file, entries: 10 * n..10 * n + 10, joined: n > 0 });
        (0..2).flat_map(of).collect()
    }

    fn claim(shared: &SharedPieces, key: Key, entries: Range<u64>) -> Option<Claim<'_>> {
        shared.claim(key, || overlapping(&ranges(), key.0, &entries))
    }

    /// The bytes of a range of the first file that needs a piece of its own and one that all three need.
    fn plan(range: u64) -> ReadPlan {
        let own = 100 * range..100 * range + 50;
        let cut = CutPiece { at: 1, column: 0, entries: 0..30 };
        ReadPlan { ranges: vec![own, 5000..5100], cut: vec![cut], ..ReadPlan::default() }
    }

    #[test]
    fn a_piece_that_ranges_have_in_common_is_read_once() {
        let ranges = ranges();
        let shared = SharedPieces::new(ranges.len(), 0..6);
        let recorded = Arc::new(Recorded::new(Arc::new(MemorySource::new("a", vec![7; 6000]))));
        let source: Arc<dyn ByteSource> = recorded.clone();
        let divided: Vec<Division> =
            (0..3).map(|range| shared.divide(&ranges, 0, &source, &mut plan(range))).collect();
        assert_eq!(divided[0].own, [0, 1]);
        for other in &divided[1..] {
            assert_eq!((&other.own[..], other.elsewhere[0].0), (&[0][..], 1));
        }
        // Another range may need it before the one that reads it is asked for.
        let (_, read, place) = &divided[2].elsewhere[0];
        assert_eq!(read.piece(*place).unwrap(), [7; 100][..]);
        for division in &divided {
            assert_eq!(division.read.wait().unwrap()[0], [7; 50][..]);
        }
        let mut read: Vec<Range<u64>> = recorded.take().into_iter().flatten().collect();
        read.sort_by_key(|range| range.start);
        assert_eq!(read, [0..50, 100..150, 200..250, 5000..5100]);
    }

    #[test]
    fn a_piece_is_kept_until_the_last_range_that_needs_it_has_ended() {
        let shared = SharedPieces::new(6, 0..6);
        // Of the entries 5..15 of the second file: ranges 3 and 4.
        claim(&shared, (1, 77), 5..15).unwrap().settle(Some(Bytes::from_static(b"content")));
        assert!(claim(&shared, (1, 77), 5..15).is_none());
        for (file, other) in [(0, 0), (1, 5), (1, 4)] {
            shared.range_ended(file, other);
            assert_eq!(shared.wait((1, 77)).unwrap(), "content");
        }
        shared.range_ended(1, 3);
        assert!(shared.wait((1, 77)).is_none() && shared.lock().pieces.is_empty());
    }

    #[test]
    fn what_only_one_range_still_needs_is_not_kept() {
        let shared = SharedPieces::new(6, 0..6);
        assert!(claim(&shared, (0, 1), 0..10).is_none());
        shared.range_ended(0, 0);
        assert!(claim(&shared, (0, 1), 5..15).is_none());
        assert!(claim(&SharedPieces::new(6, [1]), (0, 1), 0..30).is_none());
    }

    #[test]
    fn a_process_keeps_what_its_next_ranges_need() {
        let shared = SharedPieces::new(6, 0..6);
        claim(&shared, (0, 1), 0..30).unwrap().settle(Some(Bytes::from_static(b"content")));
        shared.keep_for(&[1]);
        assert!(shared.wait((0, 1)).is_some());
        shared.keep_for(&[4]);
        assert!(shared.wait((0, 1)).is_none());
    }

    #[test]
    fn who_waits_gets_what_comes_and_nothing_from_who_fails() {
        let shared = SharedPieces::new(6, 0..6);
        for content in [Some(Bytes::from_static(b"content")), None] {
            let claim = claim(&shared, (0, 1), 0..30).unwrap();
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
