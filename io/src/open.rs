use std::sync::Arc;

use crate::parquet::{ParquetFile, TABLE};
use crate::rntuple::{Ntuple, is_ntuple};
use crate::root::{Key, RootFile};
use crate::ttree::Tree;
use crate::{ByteSource, EntryReader, Result, ShortBranches};

/// What the first read of a file takes: enough to tell what it is.
pub(crate) const HEAD: u64 = 4 << 10;

/// A file with trees in it, in whichever format its bytes are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EntryFile {
    /// A ROOT file: its TTrees and RNTuples.
    Root(Arc<RootFile>),
    /// A Parquet file: its one table.
    Parquet(Arc<ParquetFile>),
}

impl EntryFile {
    /// Opens a file by what its first bytes say it is.
    ///
    /// # Errors
    /// Where the source fails, or the file is truncated, damaged or of no format that we read.
    pub fn open(source: Arc<dyn ByteSource>) -> Result<Self> {
        Self::open_as(source, false)
    }

    /// As [`open`](Self::open), with what [`RootFile::recover`] does for a ROOT file that was not closed.
    ///
    /// # Errors
    /// Where the source fails, or the file is of no format that we read, or nothing in it is whole.
    pub fn recover(source: Arc<dyn ByteSource>) -> Result<Self> {
        Self::open_as(source, true)
    }

    fn open_as(source: Arc<dyn ByteSource>, recover: bool) -> Result<Self> {
        let head = 0..source.len()?.min(HEAD);
        let head = source.read(std::slice::from_ref(&head))?.pop().unwrap_or_default();
        // A footer may be encrypted (`PARE`).
        if head.starts_with(b"PAR") {
            return Ok(Self::Parquet(Arc::new(ParquetFile::with_head(source, &head)?)));
        }
        Ok(Self::Root(Arc::new(RootFile::with_head(source, head, recover)?)))
    }

    /// Where its bytes come from.
    pub fn source(&self) -> &Arc<dyn ByteSource> {
        match self {
            Self::Root(file) => file.source(),
            Self::Parquet(file) => file.source(),
        }
    }

    /// Whether it was not closed, and its objects were found one by one.
    pub fn is_recovered(&self) -> bool {
        matches!(self, Self::Root(file) if file.is_recovered())
    }

    /// What tells this file from any other, whatever its path.
    pub fn uuid(&self) -> String {
        match self {
            Self::Root(file) => file.uuid(),
            Self::Parquet(file) => file.uuid().to_owned(),
        }
    }

    /// What tells a tree from one that stands in its place after the file was updated: ROOT leaves
    /// [`uuid`](Self::uuid) as it is then. It is the file's size, and where the tree's record lies, how long
    /// it is, and when it was written. A Parquet file cannot be updated.
    ///
    /// # Errors
    /// Where there is no such object.
    pub fn revision(&self, path: &str) -> Result<String> {
        match self {
            Self::Root(file) => {
                let Key { cycle, seek, nbytes, object_length, written, .. } = file.find(path)?;
                Ok(format!("{} {cycle} {seek} {nbytes} {object_length} {written}", file.size()))
            }
            Self::Parquet(_) => Ok(String::new()),
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
            Self::Parquet(_) => Ok(vec![TABLE.to_owned()]),
        }
    }

    /// What the tree asked for as `path` is called in a ledger: the same. A Parquet file has one
    /// table, which is `Events` whatever it was asked for as, so that a fileset can have files of both
    /// formats.
    pub fn tree_name<'a>(&self, path: &'a str) -> &'a str {
        match self {
            Self::Root(_) => path,
            Self::Parquet(_) => TABLE,
        }
    }

    /// The tree at `path`.
    ///
    /// # Errors
    /// Where there is no such object, it is not a tree, or its record is damaged.
    pub fn reader(&self, path: &str) -> Result<Arc<dyn EntryReader>> {
        self.reader_with(path, ShortBranches::default())
    }

    /// The tree at `path`, with what is to become of columns that hold fewer entries than it.
    ///
    /// # Errors
    /// Those of [`reader`](Self::reader).
    pub fn reader_with(&self, path: &str, short: ShortBranches) -> Result<Arc<dyn EntryReader>> {
        match self {
            Self::Root(file) if is_ntuple(&file.find(path)?) => Ok(Arc::new(Ntuple::open(file, path)?)),
            Self::Root(file) => Ok(Arc::new(Tree::open(file, path)?.with_short_branches(short))),
            Self::Parquet(file) => Ok(file.clone()),
        }
    }
}

/// Whether the object has entries in columns.
fn is_tree(key: &Key) -> bool {
    matches!(key.class_name.as_str(), "TTree" | "TNtuple" | "TNtupleD") || is_ntuple(key)
}
