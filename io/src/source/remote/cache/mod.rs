//! What came over the network, on disk for the next run.
//!
//! A folder holds two files for each remote file: its bytes at their own places (sparse), and an index
//! to which a record is appended for each part of them that is there, with a checksum. What has no
//! record, or does not agree with its checksum, is not there: torn writes and damaged disks cost a read
//! over the network and nothing else. Runs share a folder without waiting for each other; only what
//! makes room holds a lock.
//!
//! Parts are cut at multiples of 64 KiB and are otherwise as they were asked for, so that the cache makes
//! nobody read more than without it.

mod room;
mod store;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use self::store::{Found, Store};
use super::measured::Measured;
use super::sites::Sites;
use super::{RemoteFile, Reply};
use crate::source::coalesce::{Merged, Merging};
use crate::source::prepare_own_folder;

#[cfg(test)]
mod tests;

/// The cache of a run.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    size: u64,
    sites: Arc<Sites>,
    /// Whether the folder can be used; looked at with the first file.
    usable: OnceLock<bool>,
    /// Nothing more is written after the first failure: the disk is full, most likely.
    writes: AtomicBool,
    /// Bytes written since room was last made.
    written: AtomicU64,
}

impl Cache {
    pub(super) fn new(folder: &Path, size: u64, sites: Arc<Sites>) -> Self {
        let (usable, writes) = (OnceLock::new(), AtomicBool::new(true));
        // The first write looks whether there is room.
        let written = AtomicU64::new(u64::MAX / 2);
        Self { folder: folder.to_owned(), size, sites, usable, writes, written }
    }

    /// The same file, read through the cache; or without it, where that cannot be.
    /// `options` are those of its URL that tell it from others.
    pub(super) async fn over(
        self: &Arc<Self>,
        file: Arc<Measured>,
        host: &str,
        options: &str,
    ) -> Arc<dyn RemoteFile> {
        // Without a version, a file that was replaced would look the same.
        if file.version().is_empty() || file.size() == 0 {
            return file;
        }
        let identity = format!("{}?{options}\n{}\n{}", file.url(), file.size(), file.version());
        let cache = self.clone();
        let opened = tokio::task::spawn_blocking(move || cache.open(&identity)).await;
        let Ok(Some(store)) = opened else { return file };
        let (host, store, is_hit) = (host.to_owned(), Arc::new(store), AtomicBool::new(false));
        Arc::new(CachedFile { file, host, store, cache: self.clone(), is_hit })
    }

    fn open(&self, identity: &str) -> Option<Store> {
        let usable = self.usable.get_or_init(|| match prepare_own_folder(&self.folder) {
            Ok(()) => true,
            Err(error) => {
                self.give_up("is not used", &error);
                false
            }
        });
        if !usable {
            return None;
        }
        match Store::open(&self.folder, identity) {
            Ok(store) => Some(store),
            Err(error) => {
                self.give_up("is not used", &error);
                None
            }
        }
    }

    /// Says once that the cache does not work.
    fn give_up(&self, how: &str, error: &io::Error) {
        if self.writes.swap(false, Ordering::Relaxed) {
            self.sites.notice(format!("the cache {} {how}: {error}", self.folder.display()));
        }
    }

    fn keep(&self, store: &Store, pieces: &[(u64, Bytes)]) {
        if !self.writes.load(Ordering::Relaxed) {
            return;
        }
        let bytes: u64 = pieces.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        if bytes > self.size {
            return;
        }
        let due = (self.size / 32).min(room::OFTEN);
        let written = self.written.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if written > due {
            self.written.store(0, Ordering::Relaxed);
            // What cannot be removed now can be later.
            let _ = room::make(&self.folder, self.size.saturating_sub(bytes));
        }
        if let Err(error) = store.keep(pieces) {
            self.give_up("is not written any more", &error);
        }
    }
}

/// A file of which parts are on disk.
#[derive(Debug)]
struct CachedFile {
    file: Arc<Measured>,
    host: String,
    store: Arc<Store>,
    cache: Arc<Cache>,
    /// Whether any bytes came from the store.
    is_hit: AtomicBool,
}

impl RemoteFile for CachedFile {
    fn url(&self) -> &str {
        self.file.url()
    }

    fn size(&self) -> u64 {
        self.file.size()
    }

    fn version(&self) -> &str {
        self.file.version()
    }

    fn server(&self) -> String {
        self.file.server()
    }

    fn verifies_each_read(&self) -> bool {
        self.file.verifies_each_read()
    }

    fn now(&self) -> Reply<'_, Option<(u64, String)>> {
        self.file.now()
    }

    fn cached_in(&self) -> Option<&Path> {
        self.is_hit.load(Ordering::Relaxed).then_some(&self.cache.folder)
    }

    fn forget(&self) {
        self.store.forget();
        self.file.forget();
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        Box::pin(async move {
            let store = self.store.clone();
            let asked = ranges.clone();
            let found = tokio::task::spawn_blocking(move || store.find(&asked)).await;
            let Ok(found) = found else { return self.file.read(ranges).await };
            let missing: Vec<Range<u64>> = found.iter().flat_map(|found| found.missing.clone()).collect();
            let asked: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            let absent: u64 = missing.iter().map(|range| range.end - range.start).sum();
            if absent < asked {
                self.is_hit.store(true, Ordering::Relaxed);
                let hits = found.iter().filter(|found| found.missing.is_empty()).count();
                self.cache.sites.cached(&self.host, hits as u64, asked - absent);
            }
            if missing.is_empty() {
                return Ok(found.into_iter().map(Found::into_bytes).collect());
            }
            // Ranges that touch may have been asked for apart.
            let touching = Merging { gap: 0, over_read: 0, ..Merging::REMOTE };
            let merged = Merged::new(&missing, touching);
            let answers = self.file.read(merged.requests().to_vec()).await?;
            let came = merged.slice(self.url(), &missing, &answers)?;
            drop(answers);
            let pieces: Vec<(u64, Bytes)> =
                missing.iter().map(|range| range.start).zip(came.iter().cloned()).collect();
            let (cache, store) = (self.cache.clone(), self.store.clone());
            // A failure to keep them is no failure to read them.
            let _ = tokio::task::spawn_blocking(move || cache.keep(&store, &pieces)).await;
            let mut came = came.into_iter();
            Ok(found.into_iter().map(|found| found.completed(&mut came)).collect())
        })
    }
}
