use std::io::ErrorKind;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ::xrootd::{Client, Config};
use bytes::Bytes;

use super::http::{HttpClient, HttpFile};
use super::sites::Sites;
use super::xrootd::{self, XrootdFile};
use super::{Opener, RemoteFile, Reply, io_error, place};
use crate::source::storage::local;
use crate::source::{ByteSource, Listed, LocalFile, StorageOptions};
use crate::{Error, Result};

/// Opens what a URL names by the protocol that its scheme says.
#[derive(Debug)]
pub(super) struct Protocols {
    config: Config,
    xrootd: OnceLock<Client>,
    http: Arc<HttpClient>,
}

impl Protocols {
    pub(super) fn new(options: &StorageOptions, _sites: &Arc<Sites>) -> Self {
        let config = Config { stream_timeout: options.stall(), ..options.xrootd.clone() };
        let http = Arc::new(HttpClient::new(config.clone(), options.stall()));
        Self { config, xrootd: OnceLock::new(), http }
    }

    async fn open(&self, url: &str, patient: bool) -> Result<Arc<dyn RemoteFile>> {
        if let Some(path) = local(url) {
            return Mounted::open(path.to_owned()).await;
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

/// A local path among replicas: the site's file system is mounted here.
#[derive(Debug)]
struct Mounted(Arc<LocalFile>, u64);

impl Mounted {
    async fn open(path: String) -> Result<Arc<dyn RemoteFile>> {
        let file = aside("open", path.clone(), move || LocalFile::open(path)).await?;
        let size = file.len()?;
        Ok(Arc::new(Self(Arc::new(file), size)))
    }
}

impl RemoteFile for Mounted {
    fn url(&self) -> &str {
        self.0.name()
    }

    fn size(&self) -> u64 {
        self.1
    }

    fn version(&self) -> &str {
        ""
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        let file = self.0.clone();
        Box::pin(aside("read", self.url().to_owned(), move || file.read(&ranges)))
    }
}

/// Does what blocks on another thread.
async fn aside<T: Send + 'static>(
    action: &'static str,
    path: String,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let ended = |_| -> Error { io_error(action, &path, ErrorKind::Other, "the thread that reads it ended") };
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}
