//! Where files are opened: all that a run knows of disks and servers.

use std::fmt::Debug;
use std::sync::Arc;

use hep_io::EntryFile;
use hep_io::root::RootFile;
use hep_io::source::{ByteSource, Storage};

use crate::RunResult;

/// What opens files. One for a run or a command: it holds connections, and what is known of each site.
///
/// [`Storage`] is the one there is; tests have others, which are slow or fail when they are told to.
pub trait FileStore: Debug + Send + Sync {
    /// Opens the file at `location`, a local path or a URL. `replicas` are other places of the same bytes.
    ///
    /// # Errors
    /// Where none of the places has it or answers.
    fn open(&self, location: &str, replicas: &[String]) -> hep_io::Result<Arc<dyn ByteSource>>;
}

impl FileStore for Storage {
    fn open(&self, location: &str, replicas: &[String]) -> hep_io::Result<Arc<dyn ByteSource>> {
        Self::open(self, location, replicas)
    }
}

/// Opens a file with trees, wherever it is.
///
/// # Errors
/// Where it cannot be opened or is of no format that we read.
pub fn open_file(store: &dyn FileStore, location: &str, replicas: &[String]) -> RunResult<EntryFile> {
    Ok(EntryFile::open(store.open(location, replicas)?)?)
}

/// Opens a ROOT file, wherever it is.
///
/// # Errors
/// Where it cannot be opened or is no ROOT file.
pub fn open_root(store: &dyn FileStore, location: &str) -> RunResult<Arc<RootFile>> {
    Ok(Arc::new(RootFile::open(store.open(location, &[])?)?))
}
