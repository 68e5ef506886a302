//! Where the bytes of a file come from. Nothing else in this crate touches the outside world.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Result};
use coalesce::Merging;

pub mod coalesce;
mod file_kind;
mod local;
mod memory;
mod reading;
mod recorded;
mod remote;
mod storage;

pub use ::xrootd::{is_secret, shown as without_secrets};
pub use file_kind::{open_regular, prepare_own_folder, read_regular};
pub use local::LocalFile;
pub use memory::MemorySource;
pub use reading::Reading;
pub use recorded::Recorded;
pub use remote::HostTraffic;
pub use storage::{Listed, Storage, StorageOptions};

/// Waits for the answer whether a file has changed: [`ByteSource::verify`].
pub type Verification = Box<dyn FnOnce() -> Result<()> + Send>;

/// The bytes of one file, wherever it lives.
pub trait ByteSource: Debug + Send + Sync + 'static {
    /// What error messages call the file: its path or URL.
    fn name(&self) -> &str;

    /// How many bytes the file has.
    ///
    /// # Errors
    /// Where the storage does not answer.
    fn len(&self) -> Result<u64>;

    /// Whether the file has no byte.
    ///
    /// # Errors
    /// Where the storage does not answer.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The bytes of each half-open range, in the order asked for. All ranges of one call are one
    /// request where the storage can do that; [`coalesce::read`] merges neighbours before.
    ///
    /// # Errors
    /// Where the storage fails, and [`Error::Format`] where a range passes the end of the file.
    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>>;

    /// Begins to make sure that the file is still the one that was opened, so that all bytes that have come until now are
    /// of one content. What is returned waits for it.
    ///
    /// A file that is overwritten in place has another time of modification, or, where a server tells none and no ETag,
    /// mostly another head or tail.
    fn verify(self: Arc<Self>) -> Verification {
        Box::new(|| Ok(()))
    }

    /// Whether the storage tells a version of the file: a time of modification or an ETag. Where it does not, a file that
    /// changed is known by its size, head and tail only.
    fn has_version(&self) -> bool {
        true
    }

    /// Says that bytes of it could not be decoded, and why. Returns whether the file, opened again, gives them from
    /// elsewhere: not from the cache that had some of them, or from another replica.
    fn doubt(&self, _why: &Error) -> bool {
        false
    }

    /// Whether it was doubted: who needs more of the file opens it again.
    fn is_doubted(&self) -> bool {
        false
    }

    /// Where its bytes came from last, if its name does not say that: a replica, a cache.
    fn origin(&self) -> Option<String> {
        None
    }

    /// Which places its bytes came from until now, of a file that [`Storage::open`] knows several of: 0 is
    /// its location, and its replicas follow.
    fn served_by(&self) -> Vec<usize> {
        Vec::new()
    }

    /// How [`coalesce`] merges ranges before they are asked for.
    fn merging(&self) -> Merging {
        Merging::LOCAL
    }

    /// Begins to read what [`ByteSource::read`] would, and returns at once: what a run does with the
    /// ranges it will need next. A source that cannot do that reads when the bytes are waited for.
    fn start(self: Arc<Self>, ranges: Vec<Range<u64>>) -> Reading {
        Reading::later(move || self.read(&ranges))
    }
}

/// Makes sure that `range` lies in a file of `size` bytes.
///
/// # Errors
/// [`Error::Format`], naming the size: the file is most often truncated.
pub fn check_range(path: &str, size: u64, range: &Range<u64>) -> Result<()> {
    if range.start <= range.end && range.end <= size {
        return Ok(());
    }
    Err(Error::Format {
        path: path.to_owned(),
        what: format!("a read of {} bytes", range.end.saturating_sub(range.start)),
        at: range.start,
        reason: format!("the file ends at byte {size}: it is truncated, or a position in it is wrong"),
    })
}

/// That a file is another one than before: trying again does not help.
fn changed(path: &str, how: impl AsRef<str>) -> Error {
    let text = format!("the file changed while it was read: {}", how.as_ref());
    let source = std::io::Error::new(std::io::ErrorKind::StaleNetworkFileHandle, text);
    Error::Io { action: "read", path: path.to_owned(), source: Arc::new(source) }
}
