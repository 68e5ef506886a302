use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often the bytes of a place may turn out to be damaged before it is not gone to any more for their sake. A transfer
/// that flipped a bit is unlikely to do it twice.
const MOST: u32 = 2;

/// Places of files whose bytes could not be decoded, of all files of a run, by URL.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<HashMap<String, u32>>);

impl Doubts {
    fn places(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of `url` were damaged.
    pub(super) fn add(&self, url: &str) {
        *self.places().entry(url.to_owned()).or_default() += 1;
    }

    /// How often they were.
    pub(super) fn of(&self, url: &str) -> u32 {
        self.places().get(url).copied().unwrap_or(0)
    }

    /// Whether another try there may help.
    pub(super) fn may_be_sound(&self, url: &str) -> bool {
        self.of(url) < MOST
    }
}
