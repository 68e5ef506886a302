use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hep_io::source::{ByteSource, Reading, coalesce};

use crate::error::RunResult;

/// A read of one range, of which others may need pieces too. Whoever needs a piece first begins the read if need be, and
/// waits for it, so that no range depends on when another one has its turn.
pub(crate) struct SharedRead {
    source: Arc<dyn ByteSource>,
    state: Mutex<State>,
}

enum State {
    Planned(Vec<Range<u64>>),
    Begun(Vec<Range<u64>>, Reading),
    Here(Vec<Bytes>),
    /// Its reader reads again, and the others read for themselves.
    Failed(Vec<Range<u64>>),
}

impl SharedRead {
    pub(crate) fn new(source: Arc<dyn ByteSource>, pieces: Vec<Range<u64>>) -> Self {
        Self { source, state: Mutex::new(State::Planned(pieces)) }
    }

    /// How many bytes it reads, those between pieces included.
    pub(crate) fn bytes(&self) -> u64 {
        match &*self.lock() {
            State::Planned(pieces) | State::Begun(pieces, _) | State::Failed(pieces) => {
                coalesce::bytes(&*self.source, pieces)
            }
            State::Here(bytes) => bytes.iter().map(|bytes| bytes.len() as u64).sum(),
        }
    }

    /// Begins to read, if nobody has.
    pub(crate) fn start(&self) {
        let mut state = self.lock();
        if let State::Planned(pieces) | State::Failed(pieces) = &mut *state {
            let pieces = std::mem::take(pieces);
            let reading = coalesce::start(&self.source, pieces.clone());
            *state = State::Begun(pieces, reading);
        }
    }

    /// The bytes of all pieces, in order.
    ///
    /// # Errors
    /// Where the storage fails.
    pub(crate) fn wait(&self) -> RunResult<Vec<Bytes>> {
        self.start();
        let mut state = self.lock();
        if let State::Begun(pieces, reading) = &mut *state {
            let pieces = std::mem::take(pieces);
            let reading = std::mem::replace(reading, Reading::later(|| Ok(Vec::new())));
            // A panic of the source leaves a failure behind, too.
            *state = State::Failed(pieces);
            *state = State::Here(reading.wait()?);
        }
        match &*state {
            State::Here(bytes) => Ok(bytes.clone()),
            _ => Ok(Vec::new()),
        }
    }

    /// The bytes of one piece; none where they could not be read.
    pub(crate) fn piece(&self, at: usize) -> Option<Bytes> {
        if self.has_failed() {
            return None;
        }
        self.wait().ok()?.get(at).cloned()
    }

    /// Whether it was tried in vain.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(*self.lock(), State::Failed(_))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
