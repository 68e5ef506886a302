//! Which things of a file system are opened as files, and which folders are trusted with what is read back.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading.
///
/// A named pipe (FIFO) would keep the reader waiting until somebody writes, a device may have no end, and opening
/// some devices does something. So these are refused at once.
///
/// # Errors
/// Where there is none, it may not be read, or `path` is a directory, pipe, device or socket.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Looked at before it is opened, since opening a device may have an effect; and after, since it may have been
    // replaced in between. Without NONBLOCK, opening a pipe would wait.
    check(&fs::metadata(path)?)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open_regular`], and where it is larger.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

fn check(metadata: &fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let (error, what) = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        (ErrorKind::IsADirectory, "a directory")
    } else if kind.is_fifo() {
        (ErrorKind::InvalidInput, "a named pipe")
    } else if kind.is_socket() {
        (ErrorKind::InvalidInput, "a socket")
    } else {
        (ErrorKind::InvalidInput, "a device")
    };
    let only = if kind.is_dir() { "" } else { ", and only regular files are read" };
    Err(io::Error::new(error, format!("it is {what}{only}")))
}

/// Makes a folder for data that are read back later and believed, or makes sure of an existing one: it must belong
/// to this user, and nobody else may write to it.
///
/// # Errors
/// Where it cannot be made, or somebody else could put files there.
pub fn prepare_own_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    let refused = |why: &str| Err(io::Error::new(ErrorKind::PermissionDenied, why));
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return refused("the folder belongs to somebody else");
    }
    if metadata.mode() & 0o022 != 0 {
        return refused("others may write to the folder");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_a_socket_and_a_device_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.root");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let socket = folder.path().join("socket.root");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link.root");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, what) in [
            (pipe.as_path(), "a named pipe"),
            (&link, "a named pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (Path::new("/dev/null"), "a device"),
        ] {
            let error = open_regular(path).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what}, and only regular files are read"));
        }
        assert_eq!(open_regular(folder.path()).unwrap_err().to_string(), "it is a directory");
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [7; 10]).unwrap();
        assert_eq!(read_regular(file.path(), 10).unwrap(), [7; 10]);
        assert_eq!(read_regular(file.path(), 9).unwrap_err().to_string(), "it has more than 9 bytes");
    }
}
