use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::run::arguments_for_another;
use crate::error::{Error, RunResult};

/// Runs this command line in the analysis at `path`: a binary, or a crate that is built first.
/// That one takes the place of this process.
pub(super) fn run_elsewhere(path: &Path, name: Option<&str>) -> RunResult<u8> {
    let binary = if path.is_dir() { build(path)? } else { path.to_owned() };
    match run_with(&binary, arguments_for_another(name))? {}
}

/// Runs this command line by another binary, which takes the place of this process.
pub(super) fn run_as_is(binary: &Path) -> RunResult<u8> {
    match run_with(binary, std::env::args_os().skip(1))? {}
}

/// A signal to this process, and how it ends, are then the other's: nothing is passed on.
fn run_with(binary: &Path, arguments: impl IntoIterator<Item = OsString>) -> RunResult<Infallible> {
    let error = Command::new(binary).args(arguments).exec();
    Err(Error::Usage(format!("cannot run {}: {error}", binary.display())))
}

/// Builds a crate in release mode and returns its binary. cargo's own messages go to stderr.
fn build(folder: &Path) -> RunResult<PathBuf> {
    if !folder.join("Cargo.toml").is_file() {
        let message = format!(
            "{} has no Cargo.toml: it is no analysis crate (`hep-run new NAME` makes one)",
            folder.display()
        );
        return Err(Error::Usage(message));
    }
    seed_lock(folder);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::Usage(format!("cannot run cargo to build {}: {error}", folder.display())))?;
    if !output.status.success() {
        return Err(Error::Build { path: folder.to_owned(), status: output.status.to_string() });
    }
    let binaries: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().is_some_and(|path| is_of(path, folder)))
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    match &binaries[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::Usage(format!("{} has no binary: it needs a src/main.rs", folder.display()))),
        several => {
            let several: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
            Err(Error::Usage(format!(
                "{} has several binaries ({}); name one in the fileset",
                folder.display(),
                several.join(", ")
            )))
        }
    }
}

/// Gives a crate that has never been built the versions that this binary was tested with. One in a workspace, or
/// with a `Cargo.lock` of its own, has chosen them itself.
fn seed_lock(folder: &Path) {
    let Ok(folder) = folder.canonicalize() else { return };
    let has = |name: &str| folder.ancestors().any(|above| above.join(name).exists());
    let is_member = folder.ancestors().skip(1).any(|above| above.join("Cargo.toml").exists());
    if !has("Cargo.lock") && !is_member {
        // cargo chooses itself where this cannot be written.
        let _ = std::fs::write(folder.join("Cargo.lock"), super::new::LOCK);
    }
}

fn is_of(manifest: &str, folder: &Path) -> bool {
    let same = |path: &Path| path.canonicalize().ok();
    same(&folder.join("Cargo.toml")) == same(Path::new(manifest))
}
