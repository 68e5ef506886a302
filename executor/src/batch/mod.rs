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

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

pub(crate) use collect::{Collected, collect};
pub(crate) use panda::{Grid, write_grid};
pub(crate) use state::{State, System};
pub(crate) use status::{Status, status};

use crate::error::{Error, RunResult};
use crate::output::{io, write_private};

/// A text file of a state's folder.
struct Script {
    name: String,
    text: String,
    reader: Reader,
}

/// Who may do what with a file, as far as its folder lets them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// All may read it.
    Anybody,
    /// All may run it.
    Runs,
    /// Only its owner may read it: there may be tokens in it.
    Owner,
}

impl Script {
    fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text, reader: Reader::Anybody }
    }

    /// One that is run by its name.
    fn program(name: impl Into<String>, text: String) -> Self {
        Self { reader: Reader::Runs, ..Self::new(name, text) }
    }

    /// What submits a round, once: its array, by the command that sets `array`, and then what `merges`, by the
    /// commands that note it as `merge` among the round's jobs.
    fn submits(round: usize, folder: &impl Display, merges: &str, array: &str, merge: &str) -> Self {
        let text = format!(
            r#"#!/bin/bash
# Submits round {round}, and {merges} afterwards.
set -euo pipefail
cd "{folder}"
jobs=round-{round}.jobs
if grep -qs '^merge ' $jobs; then
    echo "round {round} is submitted already" >&2
    exit 1
fi
# There, if what merges could not be submitted then.
array=$(sed -n 's/^array //p' $jobs 2>/dev/null || true)
if [ -z "$array" ]; then
    {array}
    echo "array $array" | tee $jobs
fi
{merge}
"#
        );
        Self::program(format!("submit-{round}.sh"), text)
    }

    /// One that nobody else may read.
    fn private(name: impl Into<String>, text: String) -> Self {
        Self { reader: Reader::Owner, ..Self::new(name, text) }
    }

    fn write(&self, folder: &Path) -> RunResult<()> {
        let path = folder.join(&self.name);
        let mode = match self.reader {
            Reader::Anybody => 0o644,
            Reader::Runs => 0o755,
            Reader::Owner => return write_private(&path, self.text.as_bytes()),
        };
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

/// Whether a name may stand in any line of a script or of a submit file, quoted or not.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "._/+@:-".contains(c))
}

/// Makes sure that a folder's path may stand in what is submitted.
///
/// # Errors
/// Where it has characters that shells, Slurm or HTCondor may take for something else.
fn check_path(folder: &Path) -> RunResult<()> {
    if folder.to_str().is_some_and(is_plain) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{}: batch systems need a path of ASCII letters, digits and `._/+@:-` only, without spaces; \
         name or move the folder so (--state)",
        folder.display().to_string().escape_debug()
    )))
}

/// Makes sure that the folder of a state can be made: its path may stand in scripts, and there is nothing at
/// its place, or an empty folder.
///
/// # Errors
/// Where it cannot.
pub(crate) fn check_folder(folder: &Path) -> RunResult<()> {
    check_path(folder)?;
    match fs::read_dir(folder).map(|mut found| found.next().is_none()) {
        Ok(false) => {
            let text = folder.display();
            Err(Error::Usage(format!(
                "{text} is there already: `hep-run status {text}` tells of it; --state names another folder"
            )))
        }
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("read", folder, error)),
    }
}

/// Makes the folder of a state, which must not be there, or be empty.
///
/// # Errors
/// Where there is something at its place, or the system does not let us.
pub(crate) fn make_folder(folder: &Path) -> RunResult<()> {
    check_folder(folder)?;
    for part in ["partials", "logs"] {
        let path = folder.join(part);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|e| io("make", &path, e))?;
    }
    // What a run reads and makes is nobody else's business, also where somebody had made the folder before.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(|e| io("make", folder, e))
}

/// Copies this process's own binary into the folder; its name there.
///
/// # Errors
/// Where the system does not let us.
pub(crate) fn copy_binary(folder: &Path) -> RunResult<String> {
    let name = format!("hep-run-{:.12}", crate::binary::hash()?);
    let path = folder.join(&name);
    // The one that runs, even if another one has taken its name since.
    let copy = || {
        fs::copy("/proc/self/exe", &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    copy().map_err(|source: std::io::Error| io("write", &path, source))?;
    Ok(name)
}

/// Runs the script that submits a round; what it says.
///
/// # Errors
/// With what it said, where it fails.
pub(crate) fn submit(folder: &Path, round: usize) -> RunResult<String> {
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_path_in_scripts_has_nothing_that_a_shell_reads() {
        for path in ["/scratch/a_b/ttbar-2018.batch", "/eos/user/m/me@home/v1+2/a:b"] {
            assert!(check_path(path.as_ref()).is_ok(), "{path}");
        }
        for c in ";&|<>()*?[]{}#~!$`\"'\\%,= \t\n\u{7f}\u{fc}^".chars() {
            let path = format!("/scratch/a{c}b");
            assert!(check_path(path.as_ref()).is_err(), "{path}");
        }
        assert!(check_path(Path::new(OsStr::from_bytes(b"/scratch/\xff"))).is_err());
    }

    #[test]
    fn a_folder_that_was_there_is_closed_to_others() {
        let place = std::env::temp_dir().join(format!("hep-run-state-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        let made = make_folder(&place);
        let secret = Script::private("0.pfns", "https://h/a?authz=hush\n".to_owned()).write(&place);
        let mode = |path: &Path| fs::metadata(path).map(|file| file.permissions().mode() & 0o777);
        let modes = (mode(&place).unwrap(), mode(&place.join("0.pfns")).unwrap_or_default());
        fs::remove_dir_all(&place).unwrap();
        made.unwrap();
        secret.unwrap();
        assert_eq!(modes, (0o700, 0o600));
    }
}
