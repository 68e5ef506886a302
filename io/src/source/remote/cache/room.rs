use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::store::{DATA, INDEX};

/// Room is made after so many bytes at the latest.
pub(super) const OFTEN: u64 = 256 << 20;
const LOCK: &str = "lock";

/// Removes the files that were not used for longest, until all take less than nine tenths of `size`, if
/// they take more than `size`. Does nothing while another run does the same.
pub(super) fn make(folder: &Path, size: u64) -> io::Result<()> {
    let mut options = File::options();
    let lock = options.create(true).truncate(false).write(true).mode(0o600).open(folder.join(LOCK))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let of_ours = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !of_ours || !matches!(extension, Some(DATA | INDEX)) {
            continue;
        }
        // Removed by someone in the meantime.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        total += metadata.blocks() * 512;
        if extension == Some(DATA) {
            let index = fs::symlink_metadata(path.with_extension(INDEX));
            let used = index.and_then(|index| index.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((used, metadata.blocks() * 512, path));
        }
    }
    if total <= size {
        return Ok(());
    }
    files.sort();
    for (_, bytes, data) in files {
        if total <= size / 10 * 9 {
            break;
        }
        let index = data.with_extension(INDEX);
        let listed = fs::symlink_metadata(&index).map_or(0, |index| index.blocks() * 512);
        // The index first: bytes without it are no harm.
        let _ = fs::remove_file(index);
        if fs::remove_file(data).is_ok() {
            total = total.saturating_sub(bytes + listed);
        }
    }
    Ok(())
}
