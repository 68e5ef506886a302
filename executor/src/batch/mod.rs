//! Runs without anything that waits for them: an array of jobs of a batch system, and one that merges.
//!
//! All of a run is in one folder, its state: the [job](crate::job), the binary, the scripts, and what the
//! jobs leave there. The folder and the batch system's queue are all there is to ask what became of it.
//!
//! | file | what |
//! | --- | --- |
//! | `job.json` | the planned run |
//! | `state.json` | [`State`] |
//! | `hep-run-HASH` | the binary that has planned it, and that does it |
//! | `round-R.parts` | the ranges of each job of an array, a line each |
//! | `round-R.*`, `merge-R.*`, `submit-R.sh` | what is submitted, and how; the next round is of what the last one lacks |
//! | `round-R.jobs` | the batch system's own numbers, once it is submitted |
//! | `partials/R-P.partial` | the partial output of part P |
//! | `logs/` | what the jobs wrote |

mod collect;
mod htcondor;
mod panda;
mod slurm;
mod state;
mod status;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

pub use collect::{Collected, collect};
pub use panda::{Grid, write_grid};
pub use state::{Ranges, Round, State, System};
pub use status::{Known, Seen, Status, status};

use crate::{Error, RunResult};

/// A text file of a state's folder.
struct Script {
    name: String,
    text: String,
    runs: bool,
}

impl Script {
    fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text, runs: false }
    }

    /// One that is run by its name.
    fn program(name: impl Into<String>, text: String) -> Self {
        Self { runs: true, ..Self::new(name, text) }
    }

    fn write(&self, folder: &Path) -> RunResult<()> {
        let path = folder.join(&self.name);
        let mode = if self.runs { 0o755 } else { 0o644 };
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(self.text.as_bytes()))
            .map_err(|source| io("write", &path, source))
    }
}

/// Makes the folder of a state, which must not be there, or be empty.
///
/// # Errors
/// Where there is something at its place, or the system does not let us.
pub fn make_folder(folder: &Path) -> RunResult<()> {
    let text = folder.display().to_string();
    // It stands in lines of scripts, of which some have no quotes.
    if text.chars().any(|c| c.is_control() || "\"'\\%$`,=".contains(c) || c.is_whitespace()) {
        return Err(Error::Usage(format!(
            "--state {}: batch systems need a path without spaces, quotes, commas, `%`, `$` and `=`",
            text.escape_debug()
        )));
    }
    match fs::read_dir(folder).map(|mut found| found.next().is_none()) {
        Ok(false) => {
            return Err(Error::Usage(format!(
                "{text} is there already: `hep-run status {text}` tells of it; --state names another folder"
            )));
        }
        Ok(true) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("read", folder, error)),
    }
    for part in ["partials", "logs"] {
        let path = folder.join(part);
        // What a run reads and makes is nobody else's business.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|e| io("make", &path, e))?;
    }
    Ok(())
}

/// Copies this process's own binary into the folder; its name there.
///
/// # Errors
/// Where the system does not let us.
pub fn copy_binary(folder: &Path) -> RunResult<String> {
    let name = format!("hep-run-{:.12}", crate::binary::hash()?);
    let path = folder.join(&name);
    // The one that runs, even if another one has taken its name since.
    let copy = || {
        fs::copy("/proc/self/exe", &path)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
    };
    copy().map_err(|source: std::io::Error| io("write", &path, source))?;
    Ok(name)
}

/// Runs the script that submits a round; what it says.
///
/// # Errors
/// With what it said, where it fails.
pub fn submit(folder: &Path, round: usize) -> RunResult<String> {
    let script = folder.join(format!("submit-{round}.sh"));
    let failed = |why: String| Error::Usage(format!("{} failed: {why}", script.display()));
    let output = Command::new("bash").arg(&script).output().map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(if error.is_empty() { format!("{} {said}", output.status) } else { error }));
    }
    Ok(said)
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    hep_io::Error::Io { action, path: path.display().to_string(), source: Arc::new(source) }.into()
}
