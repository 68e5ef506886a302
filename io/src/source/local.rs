use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use super::{ByteSource, Verification, changed, check_range, open_regular};
use crate::{Error, Result};

/// A file of the local file system, read with `pread`.
///
/// Not memory-mapped: a mapped file that is truncated while we read it kills the process.
#[derive(Debug)]
pub struct LocalFile {
    path: String,
    file: File,
    size: u64,
    /// When it was modified last, as of its opening.
    modified: Option<SystemTime>,
}

impl LocalFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where it is missing, may not be read, or is no regular file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let error = |source| io_error("open", &name, source);
        let file = open_regular(path).map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        Ok(Self { size: metadata.len(), modified: metadata.modified().ok(), path: name, file })
    }
}

impl LocalFile {
    /// Makes sure that nobody has written to the file since it was opened. A file of another name that takes its place
    /// does not matter: this one stays what it was.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let metadata = self.file.metadata().map_err(|source| io_error("read", &self.path, source))?;
        if (metadata.len(), metadata.modified().ok()) == (self.size, self.modified) {
            return Ok(());
        }
        Err(changed(&self.path, "its size or its time of modification is another"))
    }

    /// Into memory that is not set to zero first.
    fn read_range(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let length = (range.end - range.start) as usize;
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let at = range.start + buffer.len() as u64;
            match pread(&self.file, spare_capacity(&mut buffer), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // There may have been room for more.
        buffer.truncate(length);
        Ok(buffer)
    }
}

fn io_error(action: &'static str, path: &str, source: io::Error) -> Error {
    Error::Io { action, path: path.to_owned(), source: Arc::new(source) }
}

impl ByteSource for LocalFile {
    fn name(&self) -> &str {
        &self.path
    }

    fn len(&self) -> Result<u64> {
        Ok(self.size)
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        ranges
            .iter()
            .map(|range| {
                check_range(&self.path, self.size, range)?;
                let bytes = self.read_range(range).map_err(|source| io_error("read", &self.path, source))?;
                Ok(Bytes::from(bytes))
            })
            .collect()
    }

    fn verify(self: Arc<Self>) -> Verification {
        Box::new(move || self.check_unchanged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_directory_are_told_apart() {
        let missing = LocalFile::open("/no/such/file.root").unwrap_err().to_string();
        assert!(missing.starts_with("cannot open /no/such/file.root: No such file"), "{missing}");
        let directory = LocalFile::open("/").unwrap_err();
        assert_eq!(directory.to_string(), "cannot open /: it is a directory");
        assert!(!directory.is_transient());
    }

    #[test]
    fn a_file_that_is_overwritten_or_grows_is_noticed_and_one_that_is_replaced_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.root");
        std::fs::write(&path, [1; 100]).unwrap();
        let old = SystemTime::now() - std::time::Duration::from_secs(10);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        let open = || Arc::new(LocalFile::open(&path).unwrap());
        let (first, second) = (open(), open());
        first.clone().verify()().unwrap();
        // Another file of that name.
        std::fs::write(folder.path().join("b.root"), [2; 100]).unwrap();
        std::fs::rename(folder.path().join("b.root"), &path).unwrap();
        first.verify()().unwrap();
        drop(second);
        let third = open();
        // The size stays.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, [3; 100]).unwrap();
        let error = third.verify()().unwrap_err();
        assert!(error.to_string().contains("the file changed while it was read"), "{error}");
        assert!(!error.is_transient());
    }
}
