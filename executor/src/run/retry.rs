use std::time::Duration;

use crate::progress::Progress;
use crate::{Error, RunResult};

/// Tries `task` again after a failure of the storage, at most `retries` times; returns the last
/// result and the number of tries.
pub(super) fn retrying<T>(
    retries: u32,
    progress: &Progress,
    path: &str,
    mut task: impl FnMut() -> RunResult<T>,
) -> (RunResult<T>, u32) {
    let mut tries = 1;
    loop {
        match task() {
            Err(Error::Io(error)) if error.is_transient() && tries <= retries => {
                progress.warn(&format!("{path}: try {} of {}: {error}", tries + 1, retries + 1));
                // Storage that is busy gets a moment: 0.1 s, 0.2 s, 0.4 s, and at most 5 s.
                std::thread::sleep(
                    Duration::from_millis((100 << tries.min(6)) / 2).min(Duration::from_secs(5)),
                );
                tries += 1;
            }
            result => return (result, tries),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
            let (result, tries) = retrying(2, &progress, "a.root", || {
                n += 1;
                if n == succeed_at { Ok(n) } else { Err(failing(kind)) }
            });
            (result.is_ok(), tries)
        };
        assert_eq!(tries(std::io::ErrorKind::TimedOut, 2), (true, 2));
        assert_eq!(tries(std::io::ErrorKind::TimedOut, 9), (false, 3));
        assert_eq!(tries(std::io::ErrorKind::NotFound, 2), (false, 1));
    }
}
