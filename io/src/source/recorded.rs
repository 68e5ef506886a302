use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::coalesce::Merging;
use super::{ByteSource, Verification};
use crate::{Error, Result};

/// A source that lists each read made of another: what tests of promised I/O look at.
#[derive(Debug)]
pub struct Recorded {
    inner: Arc<dyn ByteSource>,
    reads: Mutex<Vec<Vec<Range<u64>>>>,
}

impl Recorded {
    /// Records what is read of `inner`.
    pub fn new(inner: Arc<dyn ByteSource>) -> Self {
        Self { inner, reads: Mutex::default() }
    }

    /// The ranges of each read since the last call, in order.
    pub fn take(&self) -> Vec<Vec<Range<u64>>> {
        std::mem::take(&mut self.reads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ByteSource for Recorded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn verify(self: Arc<Self>) -> Verification {
        self.inner.clone().verify()
    }

    fn doubt(&self, why: &Error) -> bool {
        self.inner.doubt(why)
    }

    fn is_doubted(&self) -> bool {
        self.inner.is_doubted()
    }

    fn origin(&self) -> Option<String> {
        self.inner.origin()
    }

    fn merging(&self) -> Merging {
        self.inner.merging()
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push(ranges.to_vec());
        self.inner.read(ranges)
    }
}
