//! Files that hold secrets: whose they are, and who else can read them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Whose a file may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Ours, and it is no symbolic link: where anybody can make files, one with our name may be anybody's,
    /// and a link would have us send what another file of ours holds.
    Us,
    /// Anybody's: the file was named to us.
    Anyone,
}

/// Who may be able to read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Us,
    /// Us and our group.
    Group,
    Anyone,
}

/// What the file holds, at most `largest` bytes of it; `None` if there is none. The error is for people,
/// and does not name the file.
pub(super) fn read(
    path: &Path,
    largest: usize,
    owner: Owner,
    reader: Reader,
) -> Result<Option<Vec<u8>>, String> {
    // A pipe would keep us waiting for somebody to write into it.
    let mut flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    if owner == Owner::Us {
        flags |= OFlag::O_NOFOLLOW;
    }
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err("it is a symbolic link".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    content(file, largest, owner, reader).map(Some)
}

fn content(file: File, largest: usize, owner: Owner, reader: Reader) -> Result<Vec<u8>, String> {
    // Of the open file, which nobody can exchange any more.
    let status = file.metadata().map_err(|error| error.to_string())?;
    if !status.is_file() {
        return Err("it is not a file".to_owned());
    }
    let us = nix::unistd::geteuid().as_raw();
    if owner == Owner::Us && status.uid() != us {
        return Err(format!("it belongs to another user ({})", status.uid()));
    }
    let mode = status.mode() & 0o777;
    if mode & 0o022 != 0 && reader == Reader::Anyone {
        return Err(format!("others can change it (mode {mode:03o}): chmod go-w"));
    }
    let allowed = match reader {
        Reader::Us => 0o700,
        Reader::Group => 0o740,
        Reader::Anyone => 0o755,
    };
    if mode & !allowed != 0 {
        let wanted = if reader == Reader::Group { "640" } else { "600" };
        return Err(format!("others can read or change it (mode {mode:03o}): chmod {wanted}"));
    }
    let mut bytes = Vec::new();
    let limit = largest as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > largest {
        return Err(format!("it is larger than {largest} bytes"));
    }
    Ok(bytes)
}
