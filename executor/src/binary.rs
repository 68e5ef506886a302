//! What tells one build of an analysis from another.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use ring::digest::{Context, SHA256};

use crate::build_id;
use crate::error::{Error, RunResult};
use crate::job::hex;

/// The SHA-256 of this process's own binary, in hexadecimal: of the file that it was started from, even if
/// another one has taken its name since. It is read once.
///
/// # Errors
/// Where the system does not give it.
pub fn hash() -> RunResult<String> {
    static HASH: OnceLock<Result<String, String>> = OnceLock::new();
    of_own(&HASH, digest)
}

/// What outputs say of this process's own binary: the linker's build id, else an XXH3 of the file, 128 bits in
/// hexadecimal. Every run needs it, and hashing a binary takes longer than all else that a small run does. It is read once.
///
/// # Errors
/// Where the system does not give it.
pub fn fingerprint() -> RunResult<String> {
    static FINGERPRINT: OnceLock<Result<String, String>> = OnceLock::new();
    of_own(&FINGERPRINT, fingerprint_of)
}

/// What `read` makes of this process's own binary, kept in `known`.
fn of_own(
    known: &OnceLock<Result<String, String>>,
    read: fn(File) -> io::Result<String>,
) -> RunResult<String> {
    let own = || File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?));
    let found = known.get_or_init(|| own().and_then(read).map_err(|error| error.to_string()));
    found.clone().map_err(|error| Error::Partial(format!("cannot read this process's own binary: {error}")))
}

fn fingerprint_of(mut file: File) -> io::Result<String> {
    let mut buffer = Vec::new();
    (&mut file).take(build_id::HEAD as u64).read_to_end(&mut buffer)?;
    if let Some(id) = build_id::find(&buffer) {
        return Ok(id);
    }
    let mut hasher = twox_hash::xxhash3_128::Hasher::new();
    hasher.write(&buffer);
    buffer.resize(1 << 18, 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(format!("{:032x}", hasher.finish_128())),
            Ok(n) => hasher.write(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Where another process of this user reads this process's own binary: of what it was started from, even if another
/// one has taken its name since. It is there as long as this process.
///
/// # Errors
/// Where the system does not give it.
pub(crate) fn path() -> io::Result<PathBuf> {
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn digest(mut file: File) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(context.finish().as_ref())),
            Ok(n) => context.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
