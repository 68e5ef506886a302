//! The Python that runs the driver, and the driver's own text, which is in this binary.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Map, Value};

use crate::error::{Error, RunResult};

/// Names another Python than `python3`.
pub(super) const VARIABLE: &str = "HEP_RUN_PYTHON";

macro_rules! sources {
    ($($name:literal = $path:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../python/hep_run/", $path)))),*]
    };
}

/// The modules of `hep_run`, by their names in it.
const SOURCES: &[(&str, &str)] = &sources! {
    "" = "__init__.py",
    "address" = "address.py",
    "clusters" = "clusters.py",
    "driver" = "driver.py",
    "engine" = "engine.py",
    "execution" = "execution.py",
    "graph" = "graph.py",
    "loader" = "loader.py",
    "notebook" = "notebook.py",
    "progress" = "progress.py",
    "ship" = "ship.py",
    "node" = "node/__init__.py",
    "node.binary" = "node/binary.py",
    "node.child" = "node/child.py",
    "node.frames" = "node/frames.py",
    "node.memory" = "node/memory.py",
    "node.plugin" = "node/plugin.py",
    "node.progress" = "node/progress.py",
    "node.store" = "node/store.py",
    "node.tasks" = "node/tasks.py",
};

/// What is executed first: it takes the modules from standard input.
const START: &str = concat!(
    include_str!("../../python/hep_run/loader.py"),
    "\n",
    include_str!("../../python/hep_run/start.py")
);

/// Starts the driver. It has a process group of its own: an interrupt from the terminal is for this process,
/// whose end the driver sees and cleans up after.
pub(super) fn start(python: Option<OsString>) -> RunResult<(Child, ChildStdin, ChildStdout)> {
    let python = python.or_else(|| std::env::var_os(VARIABLE)).unwrap_or_else(|| "python3".into());
    let mut command = Command::new(&python);
    command.args(["-c", START]).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    if std::env::var_os("DASK_LOGGING__DISTRIBUTED").is_none() {
        // What it warns of is what it mends, at length. Users see our own words.
        command.env("DASK_LOGGING__DISTRIBUTED", "error");
    }
    let failed = |why: std::io::Error| {
        Error::Usage(format!(
            "--executor dask needs a Python with `distributed`, and {} cannot be started: {why}; \
             name another with --python or {VARIABLE}",
            python.display()
        ))
    };
    let mut child = command.spawn().map_err(failed)?;
    let (Some(mut requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Error::Dask("the driver has no standard input".to_owned()));
    };
    let sources: Map<String, Value> =
        SOURCES.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    let text = Value::Object(sources).to_string();
    // If it does not take them, its answer, or its end, says why.
    let _ = requests.write_all(&(text.len() as u64).to_le_bytes());
    let _ = requests.write_all(text.as_bytes());
    Ok((child, requests, answers))
}

#[cfg(test)]
mod tests {
    use super::SOURCES;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_module_of_the_driver_is_in_the_binary() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/hep_run");
        let mut found = BTreeSet::new();
        for (folder, prefix) in [(package.clone(), ""), (package.join("node"), "node.")] {
            for entry in folder.read_dir().unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if let Some(module) = name.strip_suffix(".py") {
                    let module = if module == "__init__" { "" } else { module };
                    found.insert(format!("{prefix}{module}").trim_end_matches('.').to_owned());
                }
            }
        }
        // What starts the package is in START, or is not needed.
        for installed in ["__main__", "start"] {
            assert!(found.remove(installed), "{installed}");
        }
        assert_eq!(found, SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect());
    }
}
