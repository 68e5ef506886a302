use std::sync::Arc;

use crate::rntuple::{Ntuple, is_ntuple};
use crate::root::{Key, RootFile};
use crate::ttree::Tree;
use crate::{ByteSource, EntryReader, Result};

/// A file with trees in it, in whichever format its bytes are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EntryFile {
    /// A ROOT file: its TTrees and RNTuples.
    Root(Arc<RootFile>),
}

impl EntryFile {
    /// Opens a file by what its first bytes say it is.
    ///
    /// # Errors
    /// Where the source fails, or the file is truncated, damaged or of no format that we read.
    pub fn open(source: Arc<dyn ByteSource>) -> Result<Self> {
        Ok(Self::Root(Arc::new(RootFile::open(source)?)))
    }

    /// Where its bytes come from.
    pub fn source(&self) -> &Arc<dyn ByteSource> {
        match self {
            Self::Root(file) => file.source(),
        }
    }

    /// What tells this file from any other, whatever its path.
    pub fn uuid(&self) -> String {
        match self {
            Self::Root(file) => file.uuid(),
        }
    }

    /// The paths of its trees, TTree and RNTuple alike, `Events` or `directory/Events`, in the file's order.
    ///
    /// # Errors
    /// Where a directory is damaged.
    pub fn trees(&self) -> Result<Vec<String>> {
        match self {
            Self::Root(file) => {
                let entries = file.walk()?.into_iter();
                Ok(entries.filter(|entry| is_tree(&entry.key)).map(|entry| entry.path).collect())
            }
        }
    }

    /// The tree at `path`.
    ///
    /// # Errors
    /// Where there is no such object, it is not a tree, or its record is damaged.
    pub fn reader(&self, path: &str) -> Result<Arc<dyn EntryReader>> {
        match self {
            Self::Root(file) if is_ntuple(&file.find(path)?) => Ok(Arc::new(Ntuple::open(file, path)?)),
            Self::Root(file) => Ok(Arc::new(Tree::open(file, path)?)),
        }
    }
}

/// Whether the object has entries in columns.
fn is_tree(key: &Key) -> bool {
    matches!(key.class_name.as_str(), "TTree" | "TNtuple" | "TNtupleD") || is_ntuple(key)
}
