//! The bytes of one range: what is needed, on its way, there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hep_io::ReadPlan;
use hep_io::source::{Reading, coalesce};

use super::plan::PlannedFile;
use super::prefetch::Needed;
use super::shared::SharedPieces;
use crate::RunResult;
use crate::friends::{Fetched, Fetching, ToFetch};
use crate::range::Opened;
use crate::registry::AnyProcessor;

/// What a range costs to keep, besides its bytes.
const RECORD: u64 = 4 << 10;

/// What a range reads of its file, which is open, and of the file's friends.
pub(super) struct Needs {
    opened: Arc<Opened>,
    plan: ReadPlan,
    friends: ToFetch,
    /// Processor time that another thread than the range's worker has spent on it.
    pub(super) cpu: Duration,
}

/// The same on its way.
pub(super) struct Underway {
    opened: Arc<Opened>,
    plan: ReadPlan,
    reading: Reading,
    friends: Fetching,
    pub(super) cpu: Duration,
    /// What it takes to read and decode, in bytes.
    pub(super) memory: u64,
}

/// The same in memory.
pub(super) struct Arrived {
    pub(super) opened: Arc<Opened>,
    pub(super) plan: ReadPlan,
    pub(super) bytes: Vec<Bytes>,
    pub(super) friends: Fetched,
}

impl Needs {
    /// What these entries of a file need. Opens what is not open.
    ///
    /// # Errors
    /// Where a file cannot be opened again or is another one, or a column's baskets do not cover the
    /// entries.
    pub(super) fn of(
        file: &PlannedFile,
        processor: &dyn AnyProcessor,
        entries: &Range<u64>,
    ) -> RunResult<Self> {
        let opened = file.open(processor)?;
        let friends = ToFetch::new(&opened, entries, |chain| file.place.on(chain))?;
        let plan = opened.reader.plan(&opened.columns, entries.clone())?;
        Ok(Self { opened, plan, friends, cpu: Duration::ZERO })
    }

    /// What it takes to read and decode, in bytes.
    pub(super) fn memory(&self) -> u64 {
        self.bytes().saturating_add(self.opened.kept)
    }

    /// Takes what others have decompressed already, so that it is not read.
    pub(super) fn take(&mut self, file: usize, shared: &SharedPieces<'_>) {
        shared.take(file, &mut self.plan);
    }
}

impl Needed for Needs {
    type Reading = Underway;

    fn bytes(&self) -> u64 {
        let own = coalesce::bytes(&*self.opened.source, &self.plan.ranges);
        RECORD.saturating_add(own).saturating_add(self.friends.bytes())
    }

    fn start(self) -> Underway {
        let memory = self.memory();
        let Self { opened, plan, friends, cpu } = self;
        let is_there = |at: &usize| plan.unpacked.contains_key(at);
        let missing = plan.ranges.iter().enumerate().filter(|(at, _)| !is_there(at));
        let missing = missing.map(|(_, range)| range.clone()).collect();
        let reading = coalesce::start(&opened.source, missing);
        Underway { opened, plan, reading, friends: friends.start(), cpu, memory }
    }
}

impl Underway {
    /// Waits for the bytes.
    ///
    /// # Errors
    /// Where the storage fails, or the file is shorter than it says.
    pub(super) fn wait(self) -> RunResult<Arrived> {
        let Self { opened, plan, reading, friends, .. } = self;
        let mut read = reading.wait()?.into_iter();
        // Of what is there already nothing was read.
        let bytes = (0..plan.ranges.len()).map(|at| match plan.unpacked.contains_key(&at) {
            true => Bytes::new(),
            false => read.next().unwrap_or_default(),
        });
        let bytes = bytes.collect();
        Ok(Arrived { opened, plan, bytes, friends: friends.wait()? })
    }
}

impl Arrived {
    /// The compressed bytes that were read.
    pub(super) fn size(&self) -> u64 {
        self.bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>() + self.friends.bytes()
    }
}
