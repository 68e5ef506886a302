//! What a processor has booked, looked at before anything is processed: an object that no output can hold, or
//! whose name something reads otherwise, should cost no run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{extension, root};
use crate::error::{Error, RunResult};
use crate::hist::{AnyHist, Bins};
use crate::local::without_panic;
use crate::registry::{AnyOutput, AnyProcessor};
use crate::{Dataset, Object, names};

/// Datasets beyond this size are looked at once for all that book the same: each look makes all bins.
const LARGE: usize = 64 << 20;

/// Makes sure that what `processor` books for these datasets can be written to `outputs`.
///
/// # Errors
/// Which object cannot, and why.
pub(crate) fn check(
    processor: &dyn AnyProcessor,
    name: &str,
    datasets: &[Dataset],
    outputs: &[PathBuf],
) -> RunResult<()> {
    let to_root = outputs.iter().any(|path| extension(path) == "root");
    let mut known: Vec<Vec<(String, usize)>> = Vec::new();
    for dataset in datasets {
        let booked = |why: String| {
            Error::Usage(format!(
                "processor `{name}` cannot book the outputs of dataset `{}`: {why}",
                dataset.name
            ))
        };
        let output = without_panic(|| processor.output(dataset)).map_err(booked)?;
        let output = output.map_err(|error| booked(error.to_string()))?;
        let mut sizes = Vec::new();
        output.most_memory("", &mut |path, bytes| sizes.push((path.to_owned(), bytes)));
        if sizes.iter().map(|(_, bytes)| bytes).sum::<usize>() > LARGE {
            if known.contains(&sizes) {
                continue;
            }
            known.push(sizes);
        }
        let mut taken = Names::default();
        let mut result = Ok(());
        output.objects("", &mut |path, object| {
            if result.is_ok() {
                let path = if path.is_empty() { name } else { path };
                result = taken.add(path, &object).and_then(|()| check_object(path, &object, to_root));
            }
        });
        result.map_err(|error| match error {
            Error::Usage(why) => Error::Usage(format!("{why} (dataset `{}`)", dataset.name)),
            error => error,
        })?;
    }
    Ok(())
}

fn check_object(path: &str, object: &Object, to_root: bool) -> RunResult<()> {
    let Object::Histogram(histogram) = object else { return Ok(()) };
    if to_root {
        root::check_axes(histogram, path)?;
    }
    check_categories(histogram, path)
}

fn check_categories(histogram: &AnyHist, path: &str) -> RunResult<()> {
    for (at, axis) in histogram.axes.iter().enumerate() {
        let Bins::Category(bins) = axis.bins() else { continue };
        for category in bins.names() {
            names::check(category).map_err(|why| {
                let category = category.escape_debug();
                Error::Usage(format!(
                    "axis {at} of histogram `{path}` cannot have a category or variation `{category}`: {why}"
                ))
            })?;
        }
    }
    Ok(())
}

/// Makes sure that the objects of an output can have their names: those of maps appear while events are read.
///
/// # Errors
/// The first name that cannot be used.
pub(crate) fn check_names(output: &dyn AnyOutput) -> RunResult<()> {
    let mut result = Ok(());
    output.most_memory("", &mut |path, _| {
        if result.is_ok() && !path.is_empty() {
            result = check_path(path);
        }
    });
    result
}

fn check_path(path: &str) -> RunResult<()> {
    path.split('/').try_for_each(|part| {
        names::check(part).map_err(|why| {
            let of = if part == path { String::new() } else { format!(" (`{}`)", part.escape_debug()) };
            Error::Usage(format!("an output object cannot be named `{}`{of}: {why}", path.escape_debug()))
        })
    })
}

/// The names of a dataset's objects in a ROOT file.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, Named>);

#[derive(Clone, PartialEq, Eq)]
enum Named {
    Directory,
    /// The object of this path.
    Object(String),
}

impl Names {
    /// Adds those that an object takes.
    ///
    /// # Errors
    /// Where a name cannot be used, or is taken.
    pub(super) fn add(&mut self, path: &str, object: &Object) -> RunResult<()> {
        check_path(path)?;
        for (end, _) in path.match_indices('/') {
            self.take(&path[..end], Named::Directory)?;
        }
        self.take(path, Named::Object(path.to_owned()))?;
        if let Object::Cutflow(_) = object {
            self.take(&root::events_name(path), Named::Object(path.to_owned()))?;
        }
        Ok(())
    }

    fn take(&mut self, name: &str, by: Named) -> RunResult<()> {
        let Some(before) = self.0.insert(name.to_owned(), by.clone()) else { return Ok(()) };
        let what = |named: &Named| match named {
            Named::Directory => "a directory".to_owned(),
            Named::Object(path) if path == name => "an object".to_owned(),
            Named::Object(path) => format!("the events of cutflow `{path}`"),
        };
        if before == Named::Directory && by == Named::Directory {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "two outputs have the name `{name}`: {} and {}; give one another name",
            what(&before),
            what(&by)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cutflow;

    fn names(paths: &[(&str, bool)]) -> String {
        let mut names = Names::default();
        let all = paths.iter().try_for_each(|(path, cutflow)| match cutflow {
            true => names.add(path, &Object::Cutflow(Cutflow::default())),
            false => names.add(path, &Object::Number(0.0)),
        });
        all.map_or_else(|error| error.to_string(), |()| "sound".to_owned())
    }

    #[test]
    fn names_that_would_be_one_in_a_root_file_are_refused() {
        assert_eq!(
            names(&[("mass", false), ("muons/pt", false), ("muons/eta", false), ("cuts", true)]),
            "sound"
        );
        assert_eq!(
            names(&[("mass", true), ("mass_events", false)]),
            "two outputs have the name `mass_events`: the events of cutflow `mass` and an object; give one another name"
        );
        assert!(names(&[("mass_events", false), ("mass", true)]).contains("an object and the events of"));
        assert!(names(&[("x", false), ("x/y", false)]).contains("`x`: an object and a directory"));
        assert!(names(&[("x/y/z", false), ("x/y", false)]).contains("`x/y`: a directory and an object"));
        assert!(names(&[("x", false), ("x", false)]).contains("an object and an object"));
    }

    #[test]
    fn every_part_of_a_path_is_a_sound_name() {
        for bad in ["a//b", "/a", "a/", "a/../b", "a:b", "a;1", " a", "a/ledger", "a\0"] {
            assert!(names(&[(bad, false)]).starts_with("an output object cannot be named"), "{bad}");
        }
    }
}
