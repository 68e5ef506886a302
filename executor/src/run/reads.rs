use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hep_io::source::{ByteSource, Reading, coalesce};

use crate::error::RunResult;

/// A read of one range, of which others may need pieces too. Whoever needs a piece first begins the read if need be, and
/// waits for it, so that no range depends on when another one has its turn.
pub(crate) struct SharedRead {
    source: Arc<dyn ByteSource>,
    state: Mutex<State>,
    /// Nobody waits for the storage any more.
    ended: Condvar,
}

enum State {
    Planned(Vec<Range<u64>>),
    Begun(Vec<Range<u64>>, Reading),
    /// Somebody waits for the storage, without the lock: others plan meanwhile.
    Awaited(Vec<Range<u64>>),
    Here(Vec<Bytes>),
    /// Its reader reads again, and the others read for themselves.
    Failed(Vec<Range<u64>>),
}

impl SharedRead {
    pub(crate) fn new(source: Arc<dyn ByteSource>, pieces: Vec<Range<u64>>) -> Self {
        Self { source, state: Mutex::new(State::Planned(pieces)), ended: Condvar::new() }
    }

    /// How many bytes it reads, those between pieces included.
    pub(crate) fn bytes(&self) -> u64 {
        match &*self.lock() {
            State::Planned(pieces)
            | State::Begun(pieces, _)
            | State::Awaited(pieces)
            | State::Failed(pieces) => coalesce::bytes(&*self.source, pieces),
            State::Here(bytes) => bytes.iter().map(|bytes| bytes.len() as u64).sum(),
        }
    }

    /// Begins to read, if nobody has.
    pub(crate) fn start(&self) {
        self.start_locked(&mut self.lock());
    }

    fn start_locked(&self, state: &mut State) {
        if let State::Planned(pieces) | State::Failed(pieces) = state {
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
        Ok(self.arrive(true)?.unwrap_or_default())
    }

    /// The bytes of one piece; none where they could not be read.
    pub(crate) fn piece(&self, at: usize) -> Option<Bytes> {
        self.arrive(false).ok()??.get(at).cloned()
    }

    /// Waits for the bytes. None where they could not be read and that is not to be tried `again`.
    fn arrive(&self, again: bool) -> RunResult<Option<Vec<Bytes>>> {
        let mut state = self.lock();
        loop {
            match &mut *state {
                State::Here(bytes) => return Ok(Some(bytes.clone())),
                State::Failed(_) if !again => return Ok(None),
                State::Planned(_) | State::Failed(_) => self.start_locked(&mut state),
                State::Awaited(_) => {
                    state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                State::Begun(pieces, reading) => {
                    let pieces = std::mem::take(pieces);
                    let reading = std::mem::replace(reading, Reading::later(|| Ok(Vec::new())));
                    *state = State::Awaited(pieces);
                    drop(state);
                    let awaited = Awaited(self);
                    let bytes = reading.wait()?;
                    *self.lock() = State::Here(bytes.clone());
                    drop(awaited);
                    return Ok(Some(bytes));
                }
            }
        }
    }

    /// Whether it was tried in vain.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(*self.lock(), State::Failed(_))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to say what became of a read. Without bytes it has failed, also where its source panics.
struct Awaited<'a>(&'a SharedRead);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let State::Awaited(pieces) = &mut *state {
            *state = State::Failed(std::mem::take(pieces));
        }
        drop(state);
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Its read comes when it is told to, or fails.
    #[derive(Debug)]
    struct Slow(Mutex<mpsc::Receiver<bool>>, mpsc::Sender<()>);

    impl ByteSource for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        fn len(&self) -> hep_io::Result<u64> {
            Ok(100)
        }

        fn read(&self, ranges: &[Range<u64>]) -> hep_io::Result<Vec<Bytes>> {
            self.1.send(()).unwrap();
            if self.0.lock().unwrap().recv().unwrap() {
                return Ok(ranges
                    .iter()
                    .map(|range| vec![1; (range.end - range.start) as usize].into())
                    .collect());
            }
            let source = Arc::new(std::io::ErrorKind::TimedOut.into());
            Err(hep_io::Error::Io { action: "read", path: "slow".to_owned(), source })
        }
    }

    /// Else a slow server would hold up the planning of all other ranges.
    #[test]
    fn what_is_waited_for_can_be_asked_about() {
        let ((tell, told), (begin, begun)) = (mpsc::channel(), mpsc::channel());
        let read = Arc::new(SharedRead::new(Arc::new(Slow(Mutex::new(told), begin)), vec![0..10, 50..60]));
        let waiting = {
            let read = Arc::clone(&read);
            std::thread::spawn(move || read.wait())
        };
        begun.recv().unwrap();
        assert!(!read.has_failed());
        assert!(read.bytes() >= 20);
        read.start();
        // It fails: who needed a piece reads for itself, and its reader tries again.
        let piece = {
            let read = Arc::clone(&read);
            std::thread::spawn(move || read.piece(1))
        };
        tell.send(false).unwrap();
        assert!(waiting.join().unwrap().is_err());
        assert_eq!(piece.join().unwrap(), None);
        assert!(read.has_failed());
        tell.send(true).unwrap();
        assert_eq!(read.wait().unwrap().len(), 2);
        assert_eq!(read.piece(1).unwrap(), vec![1; 10]);
    }
}
