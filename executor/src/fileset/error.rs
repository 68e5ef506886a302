use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::Format;

/// Why a fileset cannot be used, with the file and the line that is to blame.
#[derive(Debug, thiserror::Error)]
pub struct FilesetError {
    file: Option<PathBuf>,
    line: Option<u64>,
    #[source]
    problem: Box<FilesetProblem>,
}

impl FilesetError {
    /// The problem at a line (0 where it is unknown) of a fileset whose name is not known yet.
    pub(crate) fn at(line: u64, problem: FilesetProblem) -> Self {
        Self { file: None, line: (line > 0).then_some(line), problem: Box::new(problem) }
    }

    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// The line the problem is at, counted from 1, if it is at one line.
    pub fn line(&self) -> Option<u64> {
        self.line
    }

    /// What is wrong.
    pub fn problem(&self) -> &FilesetProblem {
        &self.problem
    }
}

impl fmt::Display for FilesetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  in ", self.problem)?;
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("the fileset")?,
        }
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// What can be wrong with a fileset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesetProblem {
    /// The fileset itself cannot be read.
    #[error("the fileset cannot be read: {0}")]
    Read(#[source] io::Error),
    /// Larger than any real fileset; probably a data file.
    #[error("the fileset is larger than {} MiB; is it a data file?", .limit >> 20)]
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
    /// Neither valid YAML nor valid JSON.
    #[error("this is not valid {format}: {message}")]
    Syntax {
        /// What it was read as, by the file's extension.
        format: Format,
        /// What the parser says.
        message: String,
    },
    /// A key that stands twice in one map: the second would silently replace the first.
    #[error("the key `{key}` is given twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that means nothing here, mostly a typo.
    #[error("unknown key `{key}` in {place}; {}", suggestion(.nearest.as_deref(), .known))]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        place: String,
        /// The known key that is most like it.
        nearest: Option<String>,
        /// All keys that may stand here.
        known: &'static [&'static str],
    },
    /// A key that must be there is not.
    #[error("{place} has no `{key}`")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// Where it should stand.
        place: String,
    },
    /// A value of another type than is wanted.
    #[error("{what} must be {wanted}, not {found}")]
    Type {
        /// The value, by its place.
        what: String,
        /// What may stand there.
        wanted: &'static str,
        /// What stands there.
        found: String,
    },
    /// The right type, but not a possible value.
    #[error("{what} {why}")]
    Value {
        /// The value, by its place.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing to process.
    #[error("the fileset has no datasets")]
    NoDatasets,
    /// A dataset without files; its metadata alone cannot be processed.
    #[error("dataset `{dataset}` has no files")]
    NoFiles {
        /// The dataset.
        dataset: String,
    },
    /// A name that cannot become a directory of the output file.
    #[error("a dataset cannot be named `{}`: {why}", .name.escape_debug())]
    DatasetName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A path or a pattern that cannot be used.
    #[error("`{}` in {place} {why}", .path.escape_debug())]
    File {
        /// The path as the fileset gives it.
        path: String,
        /// The dataset or friend it stands in.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The same entries would be counted twice.
    #[error("{}", listed_twice(.path, .first, .second))]
    DuplicateFile {
        /// The file, resolved.
        path: String,
        /// The dataset that lists it first.
        first: String,
        /// The dataset that lists it again.
        second: String,
    },
    /// Something another program's fileset can say that is not supported here.
    #[error("{what} not supported yet")]
    Unsupported {
        /// What, with its verb.
        what: String,
    },
}

fn suggestion(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are `{}`", known.join("`, `")),
    }
}

fn listed_twice(path: &str, first: &str, second: &str) -> String {
    if first == second {
        format!("`{path}` is listed twice in dataset `{first}`: its entries would be counted twice")
    } else {
        format!(
            "`{path}` is in dataset `{first}` and in dataset `{second}`: its entries would be counted twice"
        )
    }
}
