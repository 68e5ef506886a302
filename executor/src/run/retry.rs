use std::sync::Arc;
use std::time::Duration;

use hep_io::source::ByteSource;

use crate::error::{Error, RunResult};
use crate::progress::Progress;
use crate::storage;

/// How often damaged bytes are read again from elsewhere, whatever `--retries` says: past the cache, and from each of a few
/// replicas.
const ELSEWHERE: u32 = 8;

/// The files that a try reads. Where bytes of one cannot be decoded, the next try reads them from elsewhere.
#[derive(Default)]
pub(super) struct Suspects(Vec<Arc<dyn ByteSource>>);

impl Suspects {
    /// This try reads `source`.
    pub(super) fn add(&mut self, source: &Arc<dyn ByteSource>) {
        self.0.push(Arc::clone(source));
    }

    /// Doubts the file that is damaged, if one is: the error with what it says of where its bytes came from, and whether
    /// there are others.
    fn doubt(&self, error: hep_io::Error) -> (hep_io::Error, bool) {
        let suspect = error.damaged().and_then(|name| self.0.iter().find(|source| source.name() == name));
        match suspect {
            Some(source) => storage::doubt(&**source, error),
            None => (error, false),
        }
    }
}

/// Tries `task` again after a failure of the storage, at most `retries` times, and also where damaged bytes can be read
/// from elsewhere. Returns the last result and the number of tries.
pub(super) fn retrying<T>(
    retries: u32,
    progress: &Progress,
    path: &str,
    mut task: impl FnMut(&mut Suspects) -> RunResult<T>,
) -> (RunResult<T>, u32) {
    let (mut tries, mut elsewhere) = (1, 0);
    loop {
        let mut suspects = Suspects::default();
        let error = match task(&mut suspects) {
            Err(Error::Io(error)) => error,
            result => return (result, tries),
        };
        let (error, others) = suspects.doubt(error);
        if others && elsewhere < ELSEWHERE {
            // The storage has told why, and where it goes.
            elsewhere += 1;
        } else if error.is_transient() && tries - elsewhere <= retries {
            let again = tries - elsewhere;
            progress.warn(&format!("{path}: try {} of {}: {error}", again + 1, retries + 1));
            // Storage that is busy gets a moment: 0.1 s, 0.2 s, 0.4 s, and at most 5 s.
            std::thread::sleep(Duration::from_millis((100 << again.min(6)) / 2).min(Duration::from_secs(5)));
        } else {
            return (Err(error.into()), tries);
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Mutex;

    use bytes::Bytes;

    use super::*;
    use crate::progress::ProgressKind;

    fn failing(kind: std::io::ErrorKind) -> Error {
        let source = Arc::new(std::io::Error::from(kind));
        hep_io::Error::Io { action: "read", path: "a.root".into(), source }.into()
    }

    #[test]
    fn storage_that_fails_is_tried_again_and_a_missing_file_is_not() {
        let progress = Progress::new(ProgressKind::None);
        let tries = |kind, succeed_at| {
            let mut n = 0;
            let (result, tries) = retrying(2, &progress, "a.root", |_| {
                n += 1;
                if n == succeed_at { Ok(n) } else { Err(failing(kind)) }
            });
            (result.is_ok(), tries)
        };
        assert_eq!(tries(std::io::ErrorKind::TimedOut, 2), (true, 2));
        assert_eq!(tries(std::io::ErrorKind::TimedOut, 9), (false, 3));
        assert_eq!(tries(std::io::ErrorKind::NotFound, 2), (false, 1));
    }

    /// A file with so many places, of which each has damaged bytes.
    #[derive(Debug)]
    struct Damaged {
        name: &'static str,
        left: Mutex<u32>,
    }

    impl ByteSource for Damaged {
        fn name(&self) -> &str {
            self.name
        }

        fn len(&self) -> hep_io::Result<u64> {
            Ok(0)
        }

        fn read(&self, _: &[Range<u64>]) -> hep_io::Result<Vec<Bytes>> {
            Ok(Vec::new())
        }

        fn doubt(&self, _: &hep_io::Error) -> bool {
            let mut left = self.left.lock().unwrap();
            *left = left.saturating_sub(1);
            *left > 0
        }

        fn origin(&self) -> Option<String> {
            Some(format!("place {}", self.left.lock().unwrap()))
        }
    }

    fn damaged(path: &str) -> Error {
        let (what, reason) = ("a key".to_owned(), "of a test".to_owned());
        hep_io::Error::Format { path: path.to_owned(), what, at: 7, reason }.into()
    }

    #[test]
    fn damaged_bytes_are_read_from_each_other_place_without_a_retry() {
        let progress = Progress::new(ProgressKind::None);
        let file =
            |name, places| -> Arc<dyn ByteSource> { Arc::new(Damaged { name, left: Mutex::new(places) }) };
        let (own, friend) = (file("a.root", 3), file("friend.root", 100));
        let (result, tries) = retrying(0, &progress, "a.root", |suspects| -> RunResult<()> {
            suspects.add(&friend);
            suspects.add(&own);
            Err(damaged("a.root"))
        });
        assert_eq!(tries, 3);
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("a.root (bytes from place 1) is damaged"), "{text}");
        // One that has ever more places does not hold a run up for ever.
        let (result, tries) = retrying(0, &progress, "a.root", |suspects| -> RunResult<()> {
            suspects.add(&friend);
            Err(damaged("friend.root"))
        });
        assert!(result.is_err());
        assert_eq!(tries, 1 + ELSEWHERE);
        // Nor is a file doubted for another one's damage.
        let (_, tries) = retrying(0, &progress, "a.root", |suspects| -> RunResult<()> {
            suspects.add(&friend);
            Err(damaged("b.root"))
        });
        assert_eq!(tries, 1);
    }
}
