use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

use super::{ByteSource, check_range, open_regular};
use crate::{Error, Result};

/// A file of the local file system, read with `pread`.
///
/// Not memory-mapped: a mapped file that is truncated while we read it kills the process.
#[derive(Debug)]
pub struct LocalFile {
    path: String,
    file: File,
    size: u64,
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
        Ok(Self { size: file.metadata().map_err(error)?.len(), path: name, file })
    }
}

impl LocalFile {
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
}
