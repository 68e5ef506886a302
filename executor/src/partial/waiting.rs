//! Outputs that wait for their siblings: in memory as long as there is room, else each in a temporary file
//! that has no name any more. What they merge to does not depend on where they have been.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, BufWriter, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, RunResult};
use crate::memory::Memory;
use crate::registry::{AnyOutput, ReadBack};

/// How much room there is for them, and who merges large ones.
pub(super) struct Waiting {
    room: u64,
    taken: AtomicU64,
    /// Of two outputs one of which is larger, and of all they merge with then, one merge at a time.
    large: u64,
    turn: Mutex<()>,
    /// Whether a file could not be written.
    has_no_files: AtomicBool,
}

/// Whether large outputs are this thread's to merge.
pub(super) type Turn<'a> = RefCell<Option<MutexGuard<'a, ()>>>;

/// An output on its way through the tree.
pub(super) enum Held {
    /// In memory, with its part of the room, if it waits.
    Here(Box<dyn AnyOutput>, u64),
    Away(Away),
    /// Being merged.
    Nowhere,
}

/// An output in a file.
pub(super) struct Away {
    file: File,
    bytes: u64,
    read: ReadBack,
}

impl Waiting {
    pub(super) fn new(memory: Option<Memory>) -> Self {
        let (room, large) = memory.map_or((u64::MAX, u64::MAX), |memory| (memory.waiting(), memory.large()));
        Self {
            room,
            large,
            taken: AtomicU64::new(0),
            turn: Mutex::default(),
            has_no_files: AtomicBool::new(false),
        }
    }

    /// An output that has nothing to wait for now: in memory, and not counted.
    pub(super) fn recall(&self, held: Held) -> RunResult<Box<dyn AnyOutput>> {
        match held {
            Held::Here(output, counted) => {
                self.taken.fetch_sub(counted, Ordering::Relaxed);
                Ok(output)
            }
            Held::Away(away) => away.read(),
            Held::Nowhere => Err(Error::Partial("an output whose merging has failed".to_owned())),
        }
    }

    /// Adds `other` to `held`.
    pub(super) fn merge<'w>(&'w self, turn: &Turn<'w>, held: &mut Held, other: Held) -> RunResult<()> {
        let mut turn = turn.borrow_mut();
        if turn.is_none() && held.size().max(other.size()) > self.large {
            *turn = Some(self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let mut output = self.recall(std::mem::replace(held, Held::Nowhere))?;
        output.merge(self.recall(other)?)?;
        *held = Held::Here(output, 0);
        Ok(())
    }

    /// Lets an output wait.
    pub(super) fn park(&self, held: Held) -> Held {
        let Held::Here(output, 0) = held else { return held };
        let bytes = output.memory() as u64;
        let fits = |taken: u64| taken.checked_add(bytes).filter(|&taken| taken <= self.room);
        let here = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if !here && !self.has_no_files.load(Ordering::Relaxed) {
            match Away::write(&*output) {
                Ok(away) => return Held::Away(away),
                // No room there either: better too much memory than no result.
                Err(_) => self.has_no_files.store(true, Ordering::Relaxed),
            }
        }
        if !here {
            self.taken.fetch_add(bytes, Ordering::Relaxed);
        }
        Held::Here(output, bytes)
    }
}

impl Held {
    fn size(&self) -> u64 {
        match self {
            Self::Here(output, _) => output.memory() as u64,
            Self::Away(away) => away.bytes,
            Self::Nowhere => 0,
        }
    }
}

impl Away {
    fn write(output: &dyn AnyOutput) -> RunResult<Self> {
        let failed = |error: io::Error| Error::Partial(error.to_string());
        let mut file = BufWriter::with_capacity(1 << 16, nameless().map_err(failed)?);
        output.write(&mut file)?;
        let mut file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        let bytes = file.stream_position().map_err(failed)?;
        Ok(Self { file, bytes, read: output.reader() })
    }

    fn read(mut self) -> RunResult<Box<dyn AnyOutput>> {
        let failed = |error| Error::Partial(format!("an output cannot be read back: {error}"));
        self.file.rewind().map_err(failed)?;
        // Not all of its bytes and what they hold at once: it may be as large as there is room for.
        (self.read)(&mut BufReader::with_capacity(1 << 16, self.file))
    }
}

/// A file in the folder for temporary ones (`TMPDIR`) that is gone with its handle.
fn nameless() -> io::Result<File> {
    let chance = RandomState::new().hash_one(std::process::id());
    let path = std::env::temp_dir().join(format!("hep-run-{}-{chance:016x}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
