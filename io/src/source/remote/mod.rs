//! Files behind a network.
//!
//! Layers, from the network to the reader: a [`RemoteFile`] of one protocol; the [`cache`] on disk; the
//! [`replicas`], which fail over between them; and the [`bridge`] from asynchronous reads to the
//! [`ByteSource`](super::ByteSource) that the rest of the crate knows, with the speculative read of head
//! and tail ([`ahead`]).

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::source::{Listed, changed};
use crate::{Error, Result};

mod ahead;
mod bridge;
mod cache;
mod doubts;
mod http;
mod measured;
mod network;
mod place;
mod protocols;
mod race;
mod replicas;
mod runtime;
mod sites;
mod xrootd;

#[cfg(test)]
mod fake;

pub(super) use bridge::RemoteSource;
pub(super) use network::Network;
pub(super) use place::{scheme, shown};
pub use sites::HostTraffic;

/// An answer to come.
type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// An open file of a server.
trait RemoteFile: Debug + Send + Sync {
    /// What errors call it, without a secret.
    fn url(&self) -> &str;

    /// Its bytes, as of its opening.
    fn size(&self) -> u64;

    /// What tells this content from another under the same URL: a time of modification, an ETag. Empty
    /// if the server gives nothing.
    fn version(&self) -> &str;

    /// Who serves it now. A URL may lead to another server the next time, and what two of them say of a
    /// version is not to be compared.
    fn server(&self) -> String {
        place::host(self.url())
    }

    /// Whether each read makes sure that the version is still that of the opening.
    fn verifies_each_read(&self) -> bool {
        false
    }

    /// The size and the version as they are now; none where that takes a new opening.
    fn now(&self) -> Reply<'_, Option<(u64, String)>> {
        Box::pin(async { Ok(None) })
    }

    /// The folder of the cache that some of its bytes came from, if any did.
    fn cached_in(&self) -> Option<&Path> {
        None
    }

    /// Drops what the cache has of it, for whoever opens it from now on.
    fn forget(&self) {}

    /// The bytes of each half-open range, in the order asked for. The ranges lie in the file, are not
    /// empty and have been coalesced; they may be in any order. Dropping the answer gives it up.
    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>>;
}

/// What opens files by their URL.
trait Opener: Debug + Send + Sync {
    /// Opens the file at `url`. A `patient` attempt is tried again where that may help; others fail at
    /// once, because there is another replica to go to.
    fn open<'a>(&'a self, url: &'a str, patient: bool) -> Reply<'a, Arc<dyn RemoteFile>>;

    /// What is in the folder at `url`.
    fn list<'a>(&'a self, url: &'a str) -> Reply<'a, Vec<Listed>> {
        not_listed(url)
    }
}

/// That there is no listing by the protocol of `url`.
fn not_listed<'a, T: 'a>(url: &str) -> Reply<'a, T> {
    let scheme = scheme(url).unwrap_or_default();
    let text = format!("a folder of {scheme}:// cannot be listed, only one of root://");
    let error = io_error("list", &shown(url), ErrorKind::Unsupported, text);
    Box::pin(async move { Err(error) })
}

/// The kind of an error of a socket, which says nothing of the file that is read through it.
fn of_socket(kind: ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::Unsupported
        | ErrorKind::IsADirectory
        | ErrorKind::StaleNetworkFileHandle => ErrorKind::NotConnected,
        kind => kind,
    }
}

/// An error of the network, with all that is to be said of it as text.
fn io_error(action: &'static str, path: &str, kind: ErrorKind, text: impl Into<String>) -> Error {
    let source = Arc::new(io::Error::new(kind, text.into()));
    Error::Io { action, path: path.to_owned(), source }
}
