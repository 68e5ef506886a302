use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::xrootd::{Client, Config};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::http::{HttpClient, HttpFile};
use super::xrootd::{self, XrootdFile};
use super::{Opener, RemoteFile, Reply, io_error, place};
use crate::Result;
use crate::source::storage::local;
use crate::source::{ByteSource, Listed, LocalFile, StorageOptions};

/// Opens what a URL names by the protocol that its scheme says.
#[derive(Debug)]
pub(super) struct Protocols {
    config: Config,
    xrootd: OnceLock<Client>,
    http: Arc<HttpClient>,
    mounts: Mounts,
}

impl Protocols {
    pub(super) fn new(options: &StorageOptions) -> Self {
        let config = Config { stream_timeout: options.stall(), ..options.xrootd.clone() };
        let http = Arc::new(HttpClient::new(config.clone(), options.stall(), options.whole_files));
        let mounts = Mounts::new(options.stall());
        Self { config, xrootd: OnceLock::new(), http, mounts }
    }

    async fn open(&self, url: &str, patient: bool) -> Result<Arc<dyn RemoteFile>> {
        if let Some(path) = local(url) {
            return Mounted::open(path.to_owned(), self.mounts.clone()).await;
        }
        let scheme = place::scheme(url).unwrap_or_default();
        match scheme.as_str() {
            "root" | "roots" | "xroot" | "xroots" => {
                let client = self.xrootd.get_or_init(|| Client::new(self.config.clone()));
                XrootdFile::open(client, url, patient).await
            }
            "https" | "http" | "davs" | "dav" => HttpFile::open(&self.http, url, patient).await,
            _ => {
                let text = format!(
                    "a scheme of {scheme}:// is not known; root, roots, https, http, davs, dav and file are"
                );
                Err(io_error("open", &place::shown(url), ErrorKind::Unsupported, text))
            }
        }
    }
}

impl Opener for Protocols {
    fn open<'a>(&'a self, url: &'a str, patient: bool) -> Reply<'a, Arc<dyn RemoteFile>> {
        Box::pin(self.open(url, patient))
    }

    fn list<'a>(&'a self, url: &'a str) -> Reply<'a, Vec<Listed>> {
        match place::scheme(url).as_deref() {
            Some("root" | "roots" | "xroot" | "xroots") => {
                Box::pin(xrootd::list(self.xrootd.get_or_init(|| Client::new(self.config.clone())), url))
            }
            _ => super::not_listed(url),
        }
    }
}

/// Of the threads that may block, file systems get so many: one that hangs keeps its threads, and names
/// must still be looked up.
const MOUNT_THREADS: usize = 8;

/// How file systems are read, which may hang like any server.
#[derive(Clone, Debug)]
struct Mounts {
    threads: Arc<Semaphore>,
    /// How often something was done.
    done: Arc<AtomicU64>,
    stall: Duration,
}

/// A local path among replicas: the site's file system is mounted here.
#[derive(Debug)]
struct Mounted {
    file: Arc<LocalFile>,
    size: u64,
    mounts: Mounts,
}

impl Mounted {
    async fn open(path: String, mounts: Mounts) -> Result<Arc<dyn RemoteFile>> {
        let file = mounts.aside("open", path.clone(), move || LocalFile::open(path)).await?;
        let size = file.len()?;
        Ok(Arc::new(Self { file: Arc::new(file), size, mounts }))
    }
}

impl RemoteFile for Mounted {
    fn url(&self) -> &str {
        self.file.name()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn version(&self) -> &str {
        ""
    }

    fn now(&self) -> Reply<'_, Option<(u64, String)>> {
        let file = self.file.clone();
        let check = move || {
            file.check_unchanged()?;
            Ok(Some((file.len()?, String::new())))
        };
        Box::pin(self.mounts.aside("read", self.url().to_owned(), check))
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        let file = self.file.clone();
        Box::pin(self.mounts.aside("read", self.url().to_owned(), move || file.read(&ranges)))
    }
}

impl Mounts {
    fn new(stall: Duration) -> Self {
        Self { threads: Arc::new(Semaphore::new(MOUNT_THREADS)), done: Arc::default(), stall }
    }

    /// A thread, as soon as one is free: none if nothing is done for as long as a server may be silent.
    async fn thread(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let done = self.done.load(Ordering::Relaxed);
            match timeout(self.stall, self.threads.clone().acquire_owned()).await {
                Ok(permit) => return permit.ok(),
                Err(_) if self.done.load(Ordering::Relaxed) != done => {}
                Err(_) => return None,
            }
        }
    }

    /// Does what blocks on another thread, and waits for it as long as for a server.
    async fn aside<T: Send + 'static>(
        &self,
        action: &'static str,
        path: String,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let late = || {
            let text = format!("the file system did not answer within {} s", self.stall.as_secs_f32());
            io_error(action, &path, ErrorKind::TimedOut, text)
        };
        let permit = self.thread().await.ok_or_else(late)?;
        let counted = self.done.clone();
        let work = move || {
            // Kept by a thread that hangs.
            let _permit = permit;
            let result = work();
            counted.fetch_add(1, Ordering::Relaxed);
            result
        };
        let done = timeout(self.stall, tokio::task::spawn_blocking(work)).await.map_err(|_| late())?;
        done.unwrap_or_else(|_| {
            Err(io_error(action, &path, ErrorKind::Other, "the thread that reads it ended"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_for_a_thread_that_others_use_is_no_silence_of_the_file_system() {
        let mounts = Mounts { threads: Arc::new(Semaphore::new(1)), ..Mounts::new(Duration::from_secs(1)) };
        // The last one waits for longer than a file system may be silent.
        let reads = [(); 6].map(|()| {
            let mounts = mounts.clone();
            tokio::spawn(async move {
                let slow = || {
                    std::thread::sleep(Duration::from_millis(300));
                    Ok(())
                };
                mounts.aside("read", "/f".to_owned(), slow).await
            })
        });
        for read in reads {
            read.await.unwrap().unwrap();
        }
        let (_hold, silent) = std::sync::mpsc::channel::<()>();
        let hangs = mounts.aside("read", "/f".to_owned(), move || Ok(silent.recv().is_ok()));
        let waits = mounts.aside("read", "/g".to_owned(), || Ok(()));
        let (hangs, waits) = tokio::join!(hangs, waits);
        for (error, path) in [(hangs.unwrap_err(), "/f"), (waits.unwrap_err(), "/g")] {
            let text = format!("cannot read {path}: the file system did not answer within 1 s");
            assert_eq!(error.to_string(), text);
        }
    }
}
