//! Where the results of a command go: looked at before anything is read, and each written on its own.

use std::path::{Path, PathBuf};

use super::place::{self, Inputs, Kind};
use super::{extension, is_partial, probe};
use crate::error::{Error, RunResult};

/// Outputs that may be written.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    paths: Vec<PathBuf>,
    inputs: Inputs,
    force: bool,
}

/// What became of outputs.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Those that are there.
    pub(crate) paths: Vec<PathBuf>,
    /// Why others are not, and where the result is if none could be written.
    pub(crate) failures: Vec<String>,
}

impl Targets {
    /// Outputs at `paths`, none of which takes the place of an input or of an unrelated file.
    ///
    /// # Errors
    /// Which one would, or why it cannot be written.
    pub fn new(paths: Vec<PathBuf>, inputs: Inputs, force: bool) -> RunResult<Self> {
        place::check(&paths, Kind::Output, &inputs, force)?;
        probe(&paths)?;
        Ok(Self { paths, inputs, force })
    }

    /// The same, now that further inputs are known.
    ///
    /// # Errors
    /// Which output is one of them.
    pub fn beside(mut self, more: impl FnOnce(&mut Inputs)) -> RunResult<Self> {
        more(&mut self.inputs);
        place::check(&self.paths, Kind::Output, &self.inputs, self.force)?;
        Ok(self)
    }

    /// All outputs.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether any is a partial output.
    pub fn has_partial(&self) -> bool {
        self.paths.iter().any(|path| is_partial(path))
    }

    /// The partial outputs, and the results.
    pub fn split(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        self.paths.iter().cloned().partition(|path| is_partial(path))
    }

    /// Writes each of `paths` on its own; if none can be, to another place. A file may have come meanwhile to
    /// where one goes, and is not replaced then.
    pub(crate) fn write_each(
        &self,
        paths: &[PathBuf],
        mut write: impl FnMut(&Path) -> RunResult<()>,
    ) -> Written {
        let mut written = Written::default();
        for path in paths {
            let done =
                place::check_one(path, Kind::Output, &self.inputs, self.force).and_then(|()| write(path));
            match done {
                Ok(()) => written.paths.push(path.clone()),
                Err(error) => written.failures.push(error.to_string()),
            }
        }
        if written.paths.is_empty()
            && let Some(first) = paths.first()
        {
            match rescue(first, &mut write) {
                Some(path) => {
                    written.failures.push(format!("the result is in {} instead", path.display()));
                    written.paths.push(path);
                }
                None => written.failures.push("the result could not be written anywhere".to_owned()),
            }
        }
        written
    }
}

impl Written {
    /// # Errors
    /// What could not be written, if anything.
    pub(crate) fn check(self) -> RunResult<()> {
        match self.failures.is_empty() {
            true => Ok(()),
            false => Err(Error::NotWritten(self.failures.join("\n"))),
        }
    }
}

/// Writes what could not be written to `path` beside it, to the working folder or to that for temporary files, also
/// in the other form: JSON takes what ROOT files cannot hold.
fn rescue(path: &Path, write: &mut impl FnMut(&Path) -> RunResult<()>) -> Option<PathBuf> {
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let here = std::env::current_dir().ok();
    let folders = [beside.map(Path::to_owned), here, Some(std::env::temp_dir())];
    let other = match extension(path) {
        "root" => Some("json"),
        "json" => Some("root"),
        _ => None,
    };
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    for folder in folders.into_iter().flatten() {
        for ending in std::iter::once(extension(path)).chain(other) {
            let place = folder.join(format!("{stem}.rescued-{}.{ending}", std::process::id()));
            if place.symlink_metadata().is_err() && write(&place).is_ok() {
                return Some(place);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_failure_of_one_output_does_not_lose_the_others() {
        let folder = std::env::temp_dir().join(format!("hep-run-targets-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        let targets = Targets::new(vec![at("a.root"), at("b.json")], Inputs::default(), false).unwrap();
        let fails = |which: &'static [&'static str]| {
            move |path: &Path| match which.contains(&extension(path)) {
                true => Err(Error::Usage(format!("no room for {}", extension(path)))),
                false => fs::write(path, "HEP").map_err(|error| Error::Usage(error.to_string())),
            }
        };
        let one = targets.write_each(targets.paths(), fails(&["root"]));
        assert_eq!((one.paths, one.failures), (vec![at("b.json")], vec!["no room for root".to_owned()]));
        // Somebody has put another file there meanwhile.
        let one = targets.write_each(&[at("b.json")], fails(&[]));
        assert!(one.failures[0].contains("hep-run has not written it"), "{:?}", one.failures);
        assert!(one.failures[1].contains("b.rescued-") && one.paths[0].starts_with(&folder));
        // What fits into no ROOT file is still JSON.
        let one = targets.write_each(&[at("c.root")], fails(&["root"]));
        assert_eq!(one.paths[0].extension().unwrap(), "json");
        let none = targets.write_each(&[at("c.root")], fails(&["root", "json"]));
        assert_eq!(none.failures[1], "the result could not be written anywhere");
        assert!(none.paths.is_empty() && none.check().is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
