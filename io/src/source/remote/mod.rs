//! Files behind a network.
//!
//! Layers, from the network to the reader: a [`RemoteFile`] of one protocol; the cache on disk; the
//! replicas, which fail over between them; the speculative read of head and tail; and the bridge from
//! asynchronous reads to the [`ByteSource`](super::ByteSource) that the rest of the crate knows.

use std::fmt::Debug;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;

use crate::Result;

/// An answer to come.
pub(super) type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// An open file of a server.
pub(super) trait RemoteFile: Debug + Send + Sync {
    /// What errors call it, without a secret.
    fn url(&self) -> &str;

    /// Its bytes, as of its opening.
    fn size(&self) -> u64;

    /// What tells this content from another under the same URL: a time of modification, an ETag. Empty
    /// if the server gives nothing.
    fn version(&self) -> &str;

    /// The bytes of each half-open range, in the order asked for. The ranges lie in the file, are not
    /// empty and have been coalesced; they may be in any order.
    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>>;
}
