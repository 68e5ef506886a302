use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::remote::{HostTraffic, Network, RemoteSource, scheme, shown};
use super::{ByteSource, LocalFile};
use crate::{Error, Result, ShortBranches};

/// Opens files wherever they are: local paths, `root://`, `roots://`, `https://`, `http://`, `davs://`,
/// `dav://`, and `file://`. One for a run: it holds the connections, what is known of each host, and the
/// cache.
///
/// Remote files are read by one thread, which starts with the first of them and ends when storage and
/// files are dropped. Nothing here panics or hangs if it is called from a thread of another tokio
/// runtime; it blocks that thread. After a `fork`, a child process must make a storage of its own: what was
/// opened before gives errors there.
#[derive(Debug, Default)]
pub struct Storage {
    options: StorageOptions,
    network: OnceLock<Result<Arc<Network>>>,
}

/// How files are opened and read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StorageOptions {
    /// Where bytes that came over the network are kept for the next run; nowhere if not given. The folder
    /// is made if it is missing, readable by its owner only, and may be used by several runs at once.
    pub cache_dir: Option<PathBuf>,
    /// How many bytes may be kept there: 20 GiB. The files that were not used for longest go first.
    pub cache_size: u64,
    /// How long a server may be silent: that of [`xrootd`](Self::xrootd), 30 s, unless given.
    pub stall: Option<Duration>,
    /// Whether a read that takes much longer than usual is asked of a second replica as well: it is.
    pub hedge: bool,
    /// How many bytes of files may be in memory whose web servers give no ranges of them: 256 MiB.
    pub whole_files: u64,
    /// Whether files that were not closed are opened by [`EntryFile::recover`](crate::EntryFile::recover): they are not.
    pub recover: bool,
    /// What becomes of columns that hold fewer entries than their tree: they cannot be read.
    pub short_branches: ShortBranches,
    /// Time limits, read mode and credentials. They hold for HTTP too, as far as it has the same.
    pub xrootd: xrootd::Config,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in the folder.
    pub name: String,
    /// Whether it is a folder itself; unknown if the server does not say.
    pub is_folder: Option<bool>,
}

impl Default for StorageOptions {
    fn default() -> Self {
        let (short_branches, xrootd) = (ShortBranches::default(), xrootd::Config::default());
        Self {
            cache_dir: None,
            cache_size: 20 << 30,
            stall: None,
            hedge: true,
            whole_files: 256 << 20,
            recover: false,
            short_branches,
            xrootd,
        }
    }
}

impl StorageOptions {
    pub(super) fn stall(&self) -> Duration {
        self.stall.unwrap_or(self.xrootd.stream_timeout)
    }
}

impl Storage {
    /// Nothing is connected or started before a file needs it.
    pub fn new(options: StorageOptions) -> Self {
        Self { options, network: OnceLock::new() }
    }

    /// Opens the file at `location`, a local path or a URL. `replicas` are other places of the same
    /// bytes, to go to when the first fails, stalls, or is slower.
    ///
    /// # Errors
    /// Where none of the places has it or answers: with what each of them said.
    pub fn open(&self, location: &str, replicas: &[String]) -> Result<Arc<dyn ByteSource>> {
        if replicas.is_empty()
            && let Some(path) = local(location)
        {
            return Ok(Arc::new(LocalFile::open(path)?));
        }
        let network = self.network(location)?;
        Ok(Arc::new(RemoteSource::open(network, location, replicas)?))
    }

    /// What is in the folder at `location`, a URL of `root://`, in the server's order.
    ///
    /// # Errors
    /// Where it does not exist, the server refuses, or the protocol has no listing.
    pub fn list(&self, location: &str) -> Result<Vec<Listed>> {
        self.network(location)?.list(location)
    }

    /// What went to and from each host until now, by host.
    pub fn traffic(&self) -> Vec<HostTraffic> {
        self.started().map_or_else(Vec::new, Network::traffic)
    }

    /// What happened that a person may want to know and that no error tells: each once. Reads that went
    /// on at another replica, a cache that cannot be used.
    pub fn take_notices(&self) -> Vec<String> {
        self.started().map_or_else(Vec::new, Network::take_notices)
    }

    /// [`StorageOptions::recover`].
    pub fn recovers(&self) -> bool {
        self.options.recover
    }

    /// [`StorageOptions::short_branches`].
    pub fn short_branches(&self) -> ShortBranches {
        self.options.short_branches
    }

    /// Starts the threads of the network, if the location is a URL. Where that fails, opening it says why.
    pub fn prepare(&self, location: &str) {
        if local(location).is_none() {
            let _ = self.network(location);
        }
    }

    /// Ends what is under way with servers: who waits for it gets an error, as does what is asked for afterwards.
    pub fn close(&self) {
        if let Some(network) = self.started() {
            network.close();
        }
    }

    fn started(&self) -> Option<&Network> {
        Some(self.network.get()?.as_ref().ok()?)
    }

    fn network(&self, location: &str) -> Result<Arc<Network>> {
        let start = || {
            Network::start(&self.options).map(Arc::new).map_err(|source| Error::Io {
                action: "open",
                path: shown(location),
                source: Arc::new(source),
            })
        };
        self.network.get_or_init(start).clone()
    }
}

/// The path of a local file.
pub(super) fn local(location: &str) -> Option<&str> {
    match scheme(location).as_deref() {
        None => Some(location),
        Some("file") => {
            let rest = &location["file://".len()..];
            Some(rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest))
        }
        Some(_) => None,
    }
}
