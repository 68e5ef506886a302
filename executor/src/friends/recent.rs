//! Pieces of friends' files that several ranges, or several batches, need: a friend's baskets and pages do not begin where
//! the ranges do. They are read once, and kept while they are being used.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hep_io::ReadPlan;
use hep_io::source::{ByteSource, Reading, coalesce};

use crate::error::RunResult;
use crate::run::SharedRead;

/// A piece is kept until so many later plans have not needed it: more than there are ranges at work.
const PLANS: u64 = 64;
/// Where the pieces come to more than [`BYTES`], until so many have not.
const FEW_PLANS: u64 = 8;
/// Bytes of pieces that are kept for [`PLANS`].
const BYTES: u64 = 64 << 20;

/// A file by the numbers of its friend and in it.
pub(super) type FileNumber = (usize, usize);

/// The pieces that were used last.
#[derive(Default)]
pub(super) struct Recent {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plans: u64,
    /// By file, and by where they begin in it.
    pieces: HashMap<(FileNumber, u64), Piece>,
}

struct Piece {
    read: Arc<SharedRead>,
    /// Which piece of the read it is.
    place: usize,
    bytes: u64,
    /// The last plan that needed it.
    used: u64,
}

/// How the pieces of a plan are read.
pub(super) struct Division {
    source: Arc<dyn ByteSource>,
    /// Which pieces nobody else needs, in order, and where they are in the file.
    own: Vec<(usize, Range<u64>)>,
    /// The others: the piece, where it is in the file, and its place in a read.
    shared: Vec<(usize, Range<u64>, Arc<SharedRead>, usize)>,
    /// The read of those that were not there yet.
    added: Option<Arc<SharedRead>>,
}

/// A [`Division`], begun to be read.
pub(super) struct Started {
    division: Division,
    reading: Reading,
}

impl Recent {
    /// Divides the reading of a plan among this and other plans.
    pub(super) fn divide(&self, file: FileNumber, source: &Arc<dyn ByteSource>, plan: &ReadPlan) -> Division {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.plans += 1;
        let now = state.plans;
        let mut division = Division::alone(source, plan);
        if plan.cut.is_empty() {
            return division;
        }
        let piece = |at: usize| plan.ranges[at].clone();
        let mut new = Vec::new();
        for cut in &plan.cut {
            match state.pieces.get_mut(&(file, piece(cut.at).start)) {
                Some(known) => {
                    known.used = now;
                    division.shared.push((cut.at, piece(cut.at), Arc::clone(&known.read), known.place));
                }
                None => new.push(cut.at),
            }
        }
        if !new.is_empty() {
            let pieces = new.iter().map(|&at| piece(at)).collect();
            let read = Arc::new(SharedRead::new(Arc::clone(source), pieces));
            for (place, at) in new.into_iter().enumerate() {
                let (range, read) = (piece(at), Arc::clone(&read));
                let bytes = range.end.saturating_sub(range.start);
                let known = Piece { read: Arc::clone(&read), place, bytes, used: now };
                state.pieces.insert((file, range.start), known);
                division.shared.push((at, range, read, place));
            }
            division.added = Some(read);
        }
        let is_shared = |at: usize| plan.cut.iter().any(|cut| cut.at == at);
        division.own.retain(|(at, _)| !is_shared(*at));
        state.forget();
        division
    }
}

impl State {
    /// Drops what is no longer used.
    fn forget(&mut self) {
        let bytes = self.pieces.values().fold(0_u64, |sum, piece| sum.saturating_add(piece.bytes));
        let plans = if bytes > BYTES { FEW_PLANS } else { PLANS };
        self.pieces.retain(|_, piece| self.plans - piece.used < plans);
    }
}

impl Division {
    /// Of a plan that shares nothing.
    pub(super) fn alone(source: &Arc<dyn ByteSource>, plan: &ReadPlan) -> Self {
        let own = plan.ranges.iter().cloned().enumerate().collect();
        Self { source: Arc::clone(source), own, shared: Vec::new(), added: None }
    }

    /// How many bytes reading takes, of what nobody else has read.
    pub(super) fn bytes(&self) -> u64 {
        let added = self.added.as_ref().map_or(0, |read| read.bytes());
        coalesce::bytes(&*self.source, &self.own_ranges()).saturating_add(added)
    }

    /// Begins to read.
    pub(super) fn start(self) -> Started {
        let reading = coalesce::start(&self.source, self.own_ranges());
        if let Some(added) = &self.added {
            added.start();
        }
        Started { division: self, reading }
    }

    fn own_ranges(&self) -> Vec<Range<u64>> {
        self.own.iter().map(|(_, range)| range.clone()).collect()
    }
}

impl Started {
    /// The bytes of all pieces of the plan, in order, and how many were read for it, or for it and others.
    ///
    /// # Errors
    /// Where the storage fails.
    pub(super) fn wait(self) -> RunResult<(Vec<Bytes>, u64)> {
        let Self { division: Division { source, own, shared, added }, reading } = self;
        let mut bytes = vec![Bytes::new(); own.len() + shared.len()];
        let mut size = 0;
        for ((at, _), piece) in own.into_iter().zip(reading.wait()?) {
            size += piece.len() as u64;
            bytes[at] = piece;
        }
        for (at, range, read, place) in shared {
            bytes[at] = match read.piece(place) {
                Some(piece) => {
                    if added.as_ref().is_some_and(|added| Arc::ptr_eq(added, &read)) {
                        size += piece.len() as u64;
                    }
                    piece
                }
                // Why it could not be read is found out once more.
                None => {
                    let piece = coalesce::read(&*source, &[range])?.pop().unwrap_or_default();
                    size += piece.len() as u64;
                    piece
                }
            };
        }
        Ok((bytes, size))
    }
}

#[cfg(test)]
mod tests {
    use hep_io::CutPiece;
    use hep_io::source::{MemorySource, Recorded};

    use super::*;

    /// A range with a piece of its own, and one that begins at `cut` and is needed by its neighbours.
    fn plan(range: u64, cut: u64) -> ReadPlan {
        let own = 100 * range..100 * range + 50;
        let piece = CutPiece { at: 1, column: 0, entries: 0..30 };
        ReadPlan { ranges: vec![own, cut..cut + 100], cut: vec![piece], ..ReadPlan::default() }
    }

    fn content() -> Vec<u8> {
        (0..20_000_u32).map(|at| (at / 100) as u8).collect()
    }

    #[test]
    fn a_piece_that_plans_have_in_common_is_read_once_while_it_is_used() {
        let recorded = Arc::new(Recorded::new(Arc::new(MemorySource::new("a", content()))));
        let source: Arc<dyn ByteSource> = recorded.clone();
        let recent = Recent::default();
        let mut sizes = Vec::new();
        for range in 0..3 {
            let (bytes, size) = recent.divide((0, 0), &source, &plan(range, 5000)).start().wait().unwrap();
            assert_eq!((bytes[0].len(), bytes[1].len()), (50, 100));
            assert_eq!((bytes[0][0], bytes[1][0]), (range as u8, 50));
            sizes.push(size);
        }
        assert_eq!(sizes, [150, 50, 50]);
        // The same place of another file is another piece.
        assert_eq!(recent.divide((0, 1), &source, &plan(0, 5000)).bytes(), 150);
        for range in 0..PLANS {
            recent.divide((0, 0), &source, &plan(range, 10_000));
        }
        assert_eq!(recent.divide((0, 0), &source, &plan(0, 5000)).bytes(), 150);
        assert_eq!(recent.divide((0, 0), &source, &plan(0, 10_000)).bytes(), 50);
    }

    #[test]
    fn a_piece_that_could_not_be_read_is_read_by_each_that_needs_it() {
        let short: Arc<dyn ByteSource> = Arc::new(MemorySource::new("a", vec![7; 5050]));
        let recent = Recent::default();
        assert!(recent.divide((0, 0), &short, &plan(0, 5000)).start().wait().is_err());
        let whole: Arc<dyn ByteSource> = Arc::new(MemorySource::new("a", content()));
        let (bytes, size) = recent.divide((0, 0), &whole, &plan(1, 5000)).start().wait().unwrap();
        assert_eq!((bytes[1][0], size), (50, 150));
    }
}
