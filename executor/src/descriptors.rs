//! File descriptors, of which a process may have a limited number (`ulimit -n`): how many files stay open, and some
//! that are kept for the outputs.

use std::fs::File;

use rustix::process::{Resource, getrlimit};

/// Descriptors that are used for other things than files of entries: standard streams, outputs, pipes, sockets.
const OTHERS: u64 = 12;

/// How many files of entries may stay open: `most`, or fewer where the process may not open so many.
pub(crate) fn files_kept_open(most: usize) -> usize {
    kept(most, getrlimit(Resource::Nofile).current)
}

/// Half of what is left is for files that are opened while others stay open.
fn kept(most: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return most };
    usize::try_from(limit.saturating_sub(OTHERS) / 2).map_or(most, |room| most.min(room.max(1)))
}

/// How many threads may have a file open at a time: `most`, or fewer.
pub(crate) fn threads_with_files(most: usize) -> usize {
    files_kept_open(most).max(1)
}

/// Descriptors that are taken before a run and given back before its outputs are written: files that were not
/// closed, connections, temporary files cannot have used them up then.
pub(crate) struct Reserve {
    _held: Vec<File>,
}

impl Reserve {
    /// Takes them, as far as there are any.
    pub(crate) fn take() -> Self {
        const HELD: usize = 4;
        Self { _held: (0..HELD).map_while(|_| File::open("/dev/null").ok()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn few_descriptors_leave_room_for_outputs_and_many_change_nothing() {
        assert_eq!(kept(64, Some(20)), 4);
        assert_eq!((kept(64, Some(0)), kept(64, Some(13))), (1, 1));
        assert_eq!((kept(64, Some(1024)), kept(64, None)), (64, 64));
    }
}
