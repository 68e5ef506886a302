use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::ahead::{self, Ahead};
use super::network::Network;
use super::replicas::Replicas;
use super::runtime::Pending;
use crate::source::coalesce::{Merged, Merging};
use crate::source::{ByteSource, Reading, Verification, check_range};
use crate::{Error, Result};

/// A remote file as a [`ByteSource`].
pub(in crate::source) struct RemoteSource {
    name: String,
    size: u64,
    /// As of the place that it was opened at.
    has_version: bool,
    file: Arc<Replicas>,
    is_doubted: AtomicBool,
    /// Head and tail, until the first bulk read.
    ahead: Mutex<Option<Arc<Ahead>>>,
    network: Arc<Network>,
}

impl RemoteSource {
    /// Opens it, and reads its head and tail.
    pub(in crate::source) fn open(
        network: Arc<Network>,
        location: &str,
        replicas: &[String],
    ) -> Result<Self> {
        let (opening, name) = (network.open(location, replicas), super::place::shown(location));
        let (has_version, file, ahead) = network
            .spawn("open", &name, async move {
                let file = opening.await?;
                let ranges = ahead::ranges(file.size());
                let bytes = file.read(ranges.clone()).await?;
                if let (Some(head), Some(tail)) = (bytes.first(), bytes.last()) {
                    file.prove(head, tail);
                }
                Ok((file.has_version().await, Arc::new(file), Ahead::new(ranges, bytes)))
            })?
            .wait()
            .unwrap_or_else(|| Err(ended(&name)))?;
        let ahead = Mutex::new(Some(Arc::new(ahead)));
        let (name, size, is_doubted) = (file.name().to_owned(), file.size(), AtomicBool::new(false));
        Ok(Self { name, size, has_version, file, is_doubted, ahead, network })
    }

    /// Asks for what of `ranges` is not in `ahead`.
    fn ask(&self, ranges: Vec<Range<u64>>, ahead: Option<&Ahead>) -> Result<Asked> {
        ranges.iter().try_for_each(|range| check_range(&self.name, self.size, range))?;
        let known: Vec<Option<Bytes>> = ranges
            .iter()
            .map(|range| if range.is_empty() { Some(Bytes::new()) } else { ahead?.get(range) })
            .collect();
        let unknown = ranges.into_iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<Range<u64>> = unknown.map(|(range, _)| range).collect();
        let merged = Merged::new(&unknown, Merging::REMOTE);
        let requests = merged.requests().to_vec();
        let pending = match requests.is_empty() {
            true => None,
            false => {
                let file = self.file.clone();
                let read = async move { file.read(requests).await };
                Some(self.network.spawn("read", &self.name, read)?)
            }
        };
        Ok(Asked { known, unknown, merged, pending })
    }

    fn ahead(&self) -> std::sync::MutexGuard<'_, Option<Arc<Ahead>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ranges, of which some are known and the others on their way.
struct Asked {
    known: Vec<Option<Bytes>>,
    unknown: Vec<Range<u64>>,
    merged: Merged,
    pending: Option<Pending<Result<Vec<Bytes>>>>,
}

impl Asked {
    fn wait(self, source: &RemoteSource) -> Result<Vec<Bytes>> {
        let answers = match self.pending {
            Some(pending) => pending.wait().unwrap_or_else(|| Err(ended(&source.name)))?,
            None => Vec::new(),
        };
        let mut answers = self.merged.slice(&source.name, &self.unknown, &answers)?.into_iter();
        // As many answers as there are gaps.
        Ok(self.known.into_iter().map(|known| known.or_else(|| answers.next()).unwrap_or_default()).collect())
    }
}

fn ended(name: &str) -> Error {
    let text = "the storage was closed while something was asked of it";
    super::io_error("read", name, std::io::ErrorKind::Other, text)
}

impl ByteSource for RemoteSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Result<u64> {
        Ok(self.size)
    }

    fn doubt(&self, why: &Error) -> bool {
        self.is_doubted.store(true, Ordering::Relaxed);
        let (file, why) = (self.file.clone(), why.clone());
        let doubting = self.network.spawn("read", &self.name, async move { Ok(file.doubt(&why).await) });
        doubting.is_ok_and(|doubting| matches!(doubting.wait(), Some(Ok(true))))
    }

    fn is_doubted(&self) -> bool {
        self.is_doubted.load(Ordering::Relaxed)
    }

    fn origin(&self) -> Option<String> {
        let file = self.file.clone();
        let asking = self.network.spawn("read", &self.name, async move { Ok(file.origin().await) });
        asking.ok()?.wait()?.ok()?
    }

    fn served_by(&self) -> Vec<usize> {
        self.file.served_by()
    }

    fn merging(&self) -> Merging {
        // It does that itself, where it knows what it has already.
        Merging::NONE
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let ahead = self.ahead().clone();
        self.ask(ranges.to_vec(), ahead.as_deref())?.wait(self)
    }

    fn has_version(&self) -> bool {
        self.has_version
    }

    fn verify(self: Arc<Self>) -> Verification {
        let file = self.file.clone();
        match self.network.spawn("read", &self.name, async move { file.check_unchanged().await }) {
            Ok(pending) => Box::new(move || pending.wait().unwrap_or_else(|| Err(ended(&self.name)))),
            Err(error) => Box::new(move || Err(error)),
        }
    }

    fn start(self: Arc<Self>, ranges: Vec<Range<u64>>) -> Reading {
        let ahead = self.ahead().take();
        match self.ask(ranges, ahead.as_deref()) {
            Ok(asked) => Reading::later(move || asked.wait(&self)),
            Err(error) => Reading::later(move || Err(error)),
        }
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSource").field("name", &self.name).field("size", &self.size).finish()
    }
}

#[cfg(test)]
mod tests;
