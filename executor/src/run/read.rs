//! The bytes of one range: what is needed, on its way, there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hep_columns::Schema;
use hep_io::ReadPlan;
use hep_io::source::{Verification, coalesce};

use super::plan::{PlannedFile, PlannedRange};
use super::prefetch::Needed;
use super::shared::{Division, SharedPieces};
use crate::error::RunResult;
use crate::friends::{Fetched, Fetching, ToFetch};
use crate::range::Opened;

/// What a range costs to keep, besides its bytes.
const RECORD: u64 = 4 << 10;

/// What a range reads of its file, which is open, and of the file's friends.
pub(super) struct Needs {
    opened: Arc<Opened>,
    plan: ReadPlan,
    division: Division,
    friends: ToFetch,
    /// Processor time that another thread than the range's worker has spent on it.
    pub(super) cpu: Duration,
}

/// What a range needs, on its way.
pub(super) struct Underway {
    opened: Arc<Opened>,
    plan: ReadPlan,
    division: Division,
    friends: Fetching,
    pub(super) cpu: Duration,
    /// What it takes to read and decode, in bytes.
    pub(super) memory: u64,
}

/// What a range needs, in memory.
pub(super) struct Arrived {
    pub(super) opened: Arc<Opened>,
    pub(super) plan: ReadPlan,
    /// The bytes of each of the plan's ranges; none of those that are unpacked.
    pub(super) bytes: Vec<Bytes>,
    /// The compressed bytes that were read for this range, or for it and others.
    read: u64,
    pub(super) friends: Fetched,
}

impl Needs {
    /// What these entries of a file need. Opens what is not open.
    ///
    /// # Errors
    /// Where a file cannot be opened again or is another one, or a column's baskets do not cover the
    /// entries.
    pub(super) fn of(file: &PlannedFile, schema: &Schema, entries: &Range<u64>) -> RunResult<Self> {
        let opened = file.open(schema)?;
        let friends = ToFetch::new(&opened, entries, |chain| file.place.on(chain))?;
        let plan = opened.reader.plan(&opened.columns, entries.clone())?;
        let division = Division::alone(&opened.source, &plan);
        Ok(Self { opened, plan, division, friends, cpu: Duration::ZERO })
    }

    /// What it takes to read and decode, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.bytes().saturating_add(self.opened.kept)
    }

    /// Leaves to other ranges what they read or have decompressed, and reads what they need of it.
    pub(super) fn share(&mut self, ranges: &[PlannedRange], file: usize, shared: &SharedPieces) {
        self.division = shared.divide(ranges, file, &self.opened.source, &mut self.plan);
        self.friends.share(&self.opened);
    }
}

impl Needed for Needs {
    type Reading = Underway;

    fn bytes(&self) -> u64 {
        RECORD.saturating_add(self.division.read.bytes()).saturating_add(self.friends.bytes())
    }

    fn start(self) -> Underway {
        let memory = self.memory();
        let Self { opened, plan, division, friends, cpu } = self;
        division.read.start();
        Underway { opened, plan, division, friends: friends.start(), cpu, memory }
    }
}

impl Underway {
    /// Waits for the bytes.
    ///
    /// # Errors
    /// Where the storage fails, or the file is shorter than it says.
    pub(super) fn wait(self) -> RunResult<Arrived> {
        let Self { opened, plan, division: Division { read, own, elsewhere }, friends, .. } = self;
        // Of what is unpacked already nothing is read.
        let mut bytes = vec![Bytes::new(); plan.ranges.len()];
        own.into_iter().zip(read.wait()?).for_each(|(at, piece)| bytes[at] = piece);
        let mut size = bytes.iter().map(|bytes| bytes.len() as u64).sum();
        let mut missing = Vec::new();
        for (at, read, place) in elsewhere {
            match read.piece(place) {
                Some(piece) => bytes[at] = piece,
                None => missing.push(at),
            }
        }
        let pieces: Vec<Range<u64>> = missing.iter().map(|&at| plan.ranges[at].clone()).collect();
        for (at, piece) in missing.into_iter().zip(coalesce::start(&opened.source, pieces).wait()?) {
            size += piece.len() as u64;
            bytes[at] = piece;
        }
        Ok(Arrived { opened, plan, bytes, read: size, friends: friends.wait()? })
    }
}

impl Arrived {
    /// Begins to make sure that the files are still those that were opened.
    pub(super) fn verify(&self) -> Vec<Verification> {
        let own = std::iter::once(&self.opened.source);
        own.chain(self.friends.sources()).map(|source| Arc::clone(source).verify()).collect()
    }

    /// The compressed bytes that were read; what another range has read for this one is counted there.
    pub(super) fn size(&self) -> u64 {
        self.read + self.friends.bytes()
    }
}
