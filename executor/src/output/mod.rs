//! From merged outputs to files: each written whole under a temporary name, then renamed.

pub(crate) mod booked;
mod json;
pub mod place;
mod root;
mod targets;

use std::fs;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use root::LEDGER;
pub(crate) use root::{add_ledger, read_ledger};
pub use targets::Targets;
pub(crate) use targets::Written;

use crate::Object;
use crate::error::{Error, RunResult};
use crate::fileset::location;
use crate::partial::EXTENSION;
use crate::run::{DatasetOutcome, Outcome};
use crate::shard::Shard;

/// Where the result goes: as asked, else `<stem of the fileset>.root` in the working folder, or for a part
/// of a run `<stem of the fileset>.<I>of<N>.partial`.
///
/// # Errors
/// Where an extension is not one we write, or two outputs are one file.
pub fn targets(asked: &[PathBuf], fileset: &Path, shard: Option<Shard>) -> RunResult<Vec<PathBuf>> {
    if asked.is_empty() {
        let mut name = fileset.file_stem().unwrap_or(fileset.as_os_str()).to_owned();
        name.push(match shard {
            Some(Shard { number, of }) => format!(".{number}of{of}.{EXTENSION}"),
            None => ".root".to_owned(),
        });
        return Ok(vec![PathBuf::from(name)]);
    }
    for (at, path) in asked.iter().enumerate() {
        if let Some(scheme) = path.to_str().and_then(location::scheme) {
            let name = location::without_secrets(path.to_str().unwrap_or_default());
            return Err(Error::Usage(format!("--output {name}: cannot write to {scheme}:// yet")));
        }
        match extension(path) {
            "root" | "json" | EXTENSION => {}
            other => {
                let message = format!(
                    "--output {}: cannot write `.{other}`; use .root, .json or .partial",
                    path.display()
                );
                return Err(Error::Usage(message));
            }
        }
        if asked[..at].contains(path) {
            return Err(Error::Usage(format!("--output {} is given twice", path.display())));
        }
    }
    Ok(asked.to_vec())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// Whether a file's name is that of a partial output.
pub fn is_partial(path: &Path) -> bool {
    extension(path) == EXTENSION
}

/// Makes sure that the outputs' folders can be written to, and have room for a small output.
///
/// # Errors
/// The system's reason why not.
pub fn probe(outputs: &[PathBuf]) -> RunResult<()> {
    // A full disk, or a quota, takes an empty file.
    const SMALL: usize = 64 << 10;
    for path in outputs {
        let probe = temporary(path);
        let written = fs::write(&probe, vec![0; SMALL]);
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(|source| io("write", path, source))?;
    }
    Ok(())
}

/// `mass.root` → `mass.incomplete.root`.
pub fn incomplete_name(path: &Path) -> PathBuf {
    path.with_extension(format!("incomplete.{}", extension(path)))
}

/// Writes the outcome to `path`, in the form that its extension says.
///
/// # Errors
/// Where it cannot be written; `path` is then as it was.
pub fn write(path: &Path, outcome: &Outcome, processor: &str) -> RunResult<()> {
    match extension(path) {
        "json" => replace(path, |file| json::write(outcome, processor, file)),
        _ => root::file(outcome, processor)?.save(path).map_err(Error::from),
    }
}

/// Gives `write` every object of a dataset's output with its path, one at a time: each is as large as all its
/// bins. The processor's name stands for an empty path.
fn each_object<E>(
    dataset: &DatasetOutcome,
    processor: &str,
    mut write: impl FnMut(&str, Object) -> Result<(), E>,
) -> Result<(), E> {
    let mut result = Ok(());
    dataset.output.objects("", &mut |path, object| {
        if result.is_ok() {
            result = write(if path.is_empty() { processor } else { path }, object);
        }
    });
    result
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    // Two machines that share the folder may have processes of the same number.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
    name.push(format!(".{}-{now:x}.tmp", std::process::id()));
    PathBuf::from(name)
}

/// Writes a file that its owner alone may read.
///
/// # Errors
/// Where it cannot be written; `path` is then as it was.
pub fn write_private(path: &Path, bytes: &[u8]) -> RunResult<()> {
    write_parts(path, &[bytes])
}

/// The same of the parts one after the other.
pub(crate) fn write_parts(path: &Path, parts: &[&[u8]]) -> RunResult<()> {
    let temporary = temporary(path);
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        for part in parts {
            file.write_all(part)?;
        }
        // On a file system of a cluster, what was not asked to be there may not be there after the rename.
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        io("write", path, source)
    })
}

/// Writes a file.
///
/// # Errors
/// Where it cannot be written; `path` is then as it was.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> RunResult<()> {
    replace(path, |file| file.write_all(bytes))
}

fn replace(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> std::io::Result<()>,
) -> RunResult<()> {
    let temporary = temporary(path);
    let write = || {
        let mut file = BufWriter::with_capacity(1 << 16, fs::File::create(&temporary)?);
        content(&mut file)?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        io("write", path, source)
    })
}

pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    hep_io::Error::Io { action, path: path.display().to_string(), source: Arc::new(source) }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_output_is_named_after_the_fileset() {
        let targets = |asked: &[PathBuf], fileset: &str, shard| targets(asked, fileset.as_ref(), shard);
        assert_eq!(targets(&[], "datasets/dimuon.yaml", None).unwrap(), [PathBuf::from("dimuon.root")]);
        let shard = Some(Shard { number: 3, of: 7 });
        assert_eq!(targets(&[], "a.b.yaml", shard).unwrap(), [PathBuf::from("a.b.3of7.partial")]);
        let error = targets(&["a.h5".into()], "f.yaml", None).unwrap_err().to_string();
        assert_eq!(error, "--output a.h5: cannot write `.h5`; use .root, .json or .partial");
        let error = targets(&["root://h//a.root?authz=hush".into()], "f.yaml", None).unwrap_err();
        assert_eq!(error.to_string(), "--output root://h//a.root: cannot write to root:// yet");
    }

    #[test]
    fn an_incomplete_result_never_has_a_complete_name() {
        assert_eq!(incomplete_name("out/mass.root".as_ref()), PathBuf::from("out/mass.incomplete.root"));
    }
}
