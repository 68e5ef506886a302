//! Where files are opened: all that a run knows of disks and servers.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hep_io::root::RootFile;
use hep_io::source::{ByteSource, HostTraffic, Listed, MemorySource, Storage, StorageOptions};
use hep_io::{EntryFile, ShortBranches};

use serde::{Deserialize, Serialize};

use crate::error::RunResult;
use crate::fileset::location;
use crate::memory::Memory;

/// What opens files. One for a run or a command: it holds connections, and what is known of each site.
///
/// [`Storage`] is the one there is; tests have others, which are slow or fail when they are told to.
pub trait FileStore: Debug + Send + Sync {
    /// Opens the file at `location`, a local path or a URL. `replicas` are other places of the same bytes.
    ///
    /// # Errors
    /// Where none of the places has it or answers.
    fn open(&self, location: &str, replicas: &[String]) -> hep_io::Result<Arc<dyn ByteSource>>;

    /// What is in the folder at a URL.
    ///
    /// # Errors
    /// Where it does not exist, the server refuses, or cannot say.
    fn list(&self, folder: &str) -> hep_io::Result<Vec<Listed>>;

    /// Whether a ROOT file that was not closed is opened, with the trees that were saved in it.
    fn recovers(&self) -> bool {
        false
    }

    /// What becomes of columns that hold fewer entries than their tree.
    fn short_branches(&self) -> ShortBranches {
        ShortBranches::default()
    }

    /// Starts what reads this location, before many threads ask for it: under a limit, they would leave it none.
    fn prepare(&self, _location: &str) {}

    /// What went to and from each host until now.
    fn traffic(&self) -> Vec<HostTraffic> {
        Vec::new()
    }

    /// Ends what is under way: nobody wants it any more. Whoever waits for it gets an error, and so does what is
    /// asked for afterwards.
    fn close(&self) {}

    /// What happened since the last call that a person may want to know and that no error tells.
    fn take_notices(&self) -> Vec<String> {
        Vec::new()
    }
}

impl FileStore for Storage {
    fn open(&self, location: &str, replicas: &[String]) -> hep_io::Result<Arc<dyn ByteSource>> {
        Self::open(self, location, replicas)
    }

    fn list(&self, folder: &str) -> hep_io::Result<Vec<Listed>> {
        Self::list(self, folder)
    }

    fn recovers(&self) -> bool {
        Self::recovers(self)
    }

    fn short_branches(&self) -> ShortBranches {
        Self::short_branches(self)
    }

    fn prepare(&self, location: &str) {
        Self::prepare(self, location);
    }

    fn traffic(&self) -> Vec<HostTraffic> {
        Self::traffic(self)
    }

    fn close(&self) {
        Self::close(self);
    }

    fn take_notices(&self) -> Vec<String> {
        Self::take_notices(self)
    }
}

/// Opens a file with trees, wherever it is.
///
/// # Errors
/// Where it cannot be opened or is of no format that we read.
pub fn open_file(store: &dyn FileStore, location: &str, replicas: &[String]) -> RunResult<EntryFile> {
    let recover = store.recovers();
    sound(store, location, replicas, |source| entry_file(source, recover))
}

/// The file with trees that `source` is, also if it was not closed.
///
/// # Errors
/// Where it is of no format that we read.
pub(crate) fn entry_file(source: Arc<dyn ByteSource>, recover: bool) -> hep_io::Result<EntryFile> {
    if recover { EntryFile::recover(source) } else { EntryFile::open(source) }
}

/// Opens a file and reads of it what `read` does. Where that is damaged, it is opened again as long as its bytes can come
/// from elsewhere: past the cache, or from another replica.
///
/// # Errors
/// Those of opening and reading; with where damaged bytes came from.
pub(crate) fn sound<T>(
    store: &dyn FileStore,
    location: &str,
    replicas: &[String],
    read: impl Fn(Arc<dyn ByteSource>) -> hep_io::Result<T>,
) -> RunResult<T> {
    // Twice each place, and past the cache.
    let mut left = 2 * replicas.len() + 3;
    loop {
        let source = store.open(location, replicas)?;
        let error = match read(Arc::clone(&source)) {
            Err(error) if error.damaged() == Some(source.name()) => error,
            result => return Ok(result?),
        };
        let (error, elsewhere) = doubt(&*source, error);
        left -= 1;
        if left == 0 || !elsewhere {
            return Err(error.into());
        }
    }
}

/// Doubts a file whose bytes are damaged: the error with what it says of where they came from, and whether there are others.
pub(crate) fn doubt(source: &dyn ByteSource, error: hep_io::Error) -> (hep_io::Error, bool) {
    let origin = source.origin();
    let elsewhere = source.doubt(&error);
    (origin.iter().fold(error, |error, origin| error.of_bytes_from(origin)), elsewhere)
}

/// A remote file up to this size is read at once where all its objects are needed: one round trip
/// instead of one for each.
const WHOLE: u64 = 64 << 20;

/// Opens a ROOT file, wherever it is, to read all its objects.
///
/// # Errors
/// Where it cannot be opened or is no ROOT file.
pub fn open_root(store: &dyn FileStore, location: &str) -> RunResult<Arc<RootFile>> {
    sound(store, location, &[], |mut source| {
        let all = 0..source.len()?;
        if location::scheme(location).is_some() && all.end <= WHOLE {
            let bytes = source.read(std::slice::from_ref(&all))?.pop().unwrap_or_default();
            source = Arc::new(MemorySource::new(source.name(), bytes));
        }
        Ok(Arc::new(if store.recovers() { RootFile::recover(source)? } else { RootFile::open(source)? }))
    })
}

/// How files are opened and read, wherever they are: what a run is asked for, and each of its workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageSettings {
    /// Where what is read of remote files is kept for the next run.
    pub cache: Option<PathBuf>,
    /// The most bytes that are kept there; [`StorageOptions`]'s if not given.
    pub cache_size: Option<u64>,
    /// How long a server may be silent before it is given up; see [`StorageOptions::stall`].
    pub stall: Option<Duration>,
    /// How many bytes of files may be in memory whose web servers give no ranges of them; what this machine can spare
    /// if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_files: Option<u64>,
    /// Whether `root://` reads carry checksums of each page.
    pub read_mode: ReadMode,
    /// Whether ROOT files that were not closed are read as far as their trees were saved.
    #[serde(default)]
    pub recover: bool,
    /// Whether entries that a branch lacks, of which it has fewer than its tree, are zero or empty.
    #[serde(default)]
    pub fill_short_branches: bool,
}

/// Whether `root://` reads carry checksums of each page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadMode {
    /// Where nothing else protects the bytes: without TLS, off this host.
    #[default]
    Auto,
    /// Never.
    Plain,
    /// Wherever the server can.
    Paged,
}

impl StorageSettings {
    /// What opens files; nothing is connected yet. The rest is as this process's `XRD_*` variables say.
    pub fn storage(&self) -> Arc<Storage> {
        let mut options = StorageOptions::default();
        options.xrootd = xrootd::Config::from_env();
        options.xrootd.read_mode = match self.read_mode {
            ReadMode::Auto => xrootd::ReadMode::Auto,
            ReadMode::Plain => xrootd::ReadMode::Plain,
            ReadMode::Paged => xrootd::ReadMode::Paged,
        };
        options.cache_dir.clone_from(&self.cache);
        options.cache_size = self.cache_size.unwrap_or(options.cache_size);
        options.stall = self.stall;
        options.whole_files = self.whole_files.unwrap_or_else(|| Memory::of_machine().whole_files());
        options.recover = self.recover;
        if self.fill_short_branches {
            options.short_branches = ShortBranches::Default;
        }
        Arc::new(Storage::new(options))
    }
}
