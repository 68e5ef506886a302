//! Filesets: which files make up which datasets, and which processor is to run over them.
//!
//! A fileset is a YAML or JSON file in one of three forms, told apart by their shape:
//!
//! - our own, with `processor:`, `tree:` and `datasets:`;
//! - coffea's: a map from dataset to a list of files, to `{file: tree}`, or to a map with `files`,
//!   `metadata` and, once preprocessed, `steps`, `num_entries` and `uuid` of each file;
//! - RDataFrame's `FromSpec`, with `samples`.
//!
//! The first and the last may have `friends`: trees whose columns stand beside those of the datasets.
//!
//! All become a [`Fileset`] with every path resolved, every pattern expanded and everything checked that can
//! be without opening a file: unknown keys, a file listed twice, steps that overlap. Relative paths start at
//! the fileset's own folder, whatever the working folder is.
//!
//! ```
//! use hep_run::fileset::{Fileset, Format};
//!
//! let text = "
//! processor: {name: dimuon, min_pt: 20}
//! tree: Events
//! datasets:
//!   DYJetsToLL:
//!     files: [root://host//store/dy_1.root, {path: https://host/dy_2.root, entries: 1000}]
//!     metadata: {is_mc: true, xsec_pb: 6077.22}
//! ";
//! let fileset = Fileset::parse(text, Format::Yaml, "/data".as_ref())?;
//! assert_eq!(fileset.datasets[0].files[1].tree.as_deref(), Some("Events"));
//! # Ok::<_, hep_run::fileset::FilesetError>(())
//! ```

mod build;
mod coffea;
mod error;
mod folders;
mod glob;
mod json;
pub(crate) mod location;
mod model;
mod node;
mod own;
mod rdataframe;
mod rucio;
mod yaml;

use std::{fmt, io::Read, path::Path};

pub use error::{FilesetError, FilesetProblem};
pub use model::{DatasetSpec, FileSpec, Fileset, Friend, ProcessorSpec};

use build::Builder;
use node::Node;

use hep_io::source::open_regular;

use crate::storage::FileStore;

/// Bytes of the largest fileset that is read: some 100,000 preprocessed files.
const MAX_BYTES: u64 = 64 << 20;
/// Values of the largest fileset.
const MAX_NODES: usize = 8_000_000;
/// Levels of the deepest YAML; `serde_json` has its own limit.
const MAX_DEPTH: usize = 32;

/// How a fileset is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2, one document, without tags.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// JSON for a file that ends in `.json`, YAML for any other.
    pub fn of(path: &Path) -> Self {
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if json { Self::Json } else { Self::Yaml }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        })
    }
}

impl Fileset {
    /// Reads a fileset; relative paths in it start at its own folder. Folders of servers are not listed: a
    /// pattern in a URL is an error.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FilesetError> {
        Self::read_with(path, None)
    }

    /// Reads a fileset, with `store` to list the folders of servers.
    pub fn read_with(path: impl AsRef<Path>, store: Option<&dyn FileStore>) -> Result<Self, FilesetError> {
        let path = path.as_ref();
        load(path)
            .and_then(|text| {
                let place = path.parent().unwrap_or(Path::new(""));
                let place = if place.as_os_str().is_empty() { ".".as_ref() } else { place };
                Self::parse_with(&text, Format::of(path), place, store)
            })
            .map_err(|error| error.in_file(path))
    }

    /// The line of a fileset at which a setting of its processor stands, for messages.
    pub(crate) fn line_of_setting(path: &Path, key: &str) -> Option<u64> {
        let text = load(path).ok()?;
        let root = match Format::of(path) {
            Format::Yaml => yaml::parse(&text),
            Format::Json => json::parse(&text),
        };
        let root = root.ok()?;
        let entry = root.find("processor")?.as_map()?.iter().find(|entry| entry.key == key)?;
        (entry.line > 0).then_some(entry.line)
    }

    /// Reads a fileset from memory; relative paths in it start at the folder `place`.
    pub fn parse(text: &str, format: Format, place: &Path) -> Result<Self, FilesetError> {
        Self::parse_with(text, format, place, None)
    }

    /// Reads a fileset from memory, with `store` to list the folders of servers.
    pub fn parse_with(
        text: &str,
        format: Format,
        place: &Path,
        store: Option<&dyn FileStore>,
    ) -> Result<Self, FilesetError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        check_size(text.len() as u64)?;
        let root = match format {
            Format::Yaml => yaml::parse(text),
            Format::Json => json::parse(text),
        }?;
        let place =
            std::path::absolute(place).map_err(|error| FilesetError::at(0, FilesetProblem::Read(error)))?;
        let builder = Builder::new(place, store);
        match Form::of(&root) {
            Form::Own => own::read(&root, builder),
            Form::Coffea => coffea::read(&root, builder),
            Form::RDataFrame => rdataframe::read(&root, builder),
        }
    }
}

/// Whose form a fileset is in.
enum Form {
    Own,
    Coffea,
    RDataFrame,
}

impl Form {
    /// The form a fileset's shape speaks for; our own if none does, so that its messages explain.
    fn of(root: &Node) -> Self {
        let Some(entries) = root.as_map() else { return Self::Own };
        let is_own = entries.iter().any(|entry| match entry.key.as_str() {
            "datasets" => true,
            "processor" | "tree" => !coffea::is_dataset(&entry.value),
            _ => false,
        });
        if is_own || entries.is_empty() {
            return Self::Own;
        }
        if root.find("samples").is_some_and(rdataframe::are_samples) {
            return Self::RDataFrame;
        }
        let misspelt = |entry: &node::Entry| {
            hep_columns::nearest(&entry.key, own::KEYS.iter().copied()).is_some()
                && !coffea::is_dataset(&entry.value)
        };
        if entries.iter().any(misspelt) { Self::Own } else { Self::Coffea }
    }
}

fn load(path: &Path) -> Result<String, FilesetError> {
    let unreadable = |error| FilesetError::at(0, FilesetProblem::Read(error));
    let file = open_regular(path).map_err(unreadable)?;
    check_size(file.metadata().map_err(unreadable)?.len())?;
    // It may grow.
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    check_size(bytes.len() as u64)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let message = "it is not UTF-8 text".to_owned();
        FilesetError::at(line, FilesetProblem::Syntax { format: Format::of(path), message })
    })
}

fn check_size(bytes: u64) -> Result<(), FilesetError> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(FilesetError::at(0, FilesetProblem::TooLarge { limit: MAX_BYTES }))
}
