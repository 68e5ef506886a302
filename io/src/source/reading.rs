use std::fmt;

use bytes::Bytes;

use crate::Result;

/// Bytes on their way, from [`ByteSource::start`](super::ByteSource::start). Dropping it gives them up.
pub struct Reading(Box<dyn FnOnce() -> Result<Vec<Bytes>> + Send>);

impl Reading {
    /// Bytes that `wait` gets, when they are waited for.
    pub fn later(wait: impl FnOnce() -> Result<Vec<Bytes>> + Send + 'static) -> Self {
        Self(Box::new(wait))
    }

    /// The bytes of each range, in the order asked for.
    ///
    /// # Errors
    /// Those of [`ByteSource::read`](super::ByteSource::read).
    pub fn wait(self) -> Result<Vec<Bytes>> {
        (self.0)()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}
