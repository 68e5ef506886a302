use std::ops::Range;
use std::sync::Arc;

/// The result of reading or writing.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bytes could not be read, understood or written. Every variant says where.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system or the server refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `open`, `read`, `write`…
        action: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The bytes are not what the format says they must be: a damaged, truncated or foreign file.
    #[error("{path} is damaged or not a ROOT file: {what} at byte {at}, because {reason}")]
    Format {
        /// The file.
        path: String,
        /// The structure that was being read.
        what: String,
        /// Where it lies in the file.
        at: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A ROOT file was not closed, so that nothing lists its objects.
    #[error("{path} was not closed: {reason}")]
    NotClosed {
        /// The file.
        path: String,
        /// What is missing, and what may be done.
        reason: String,
    },
    /// The same of a Parquet file.
    #[error("{path} is a damaged Parquet file: {what} at byte {at}, because {reason}")]
    Parquet {
        /// The file.
        path: String,
        /// The structure that was being read.
        what: String,
        /// Where it lies in the file.
        at: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A basket or page cannot be decoded.
    #[error("branch `{branch}` cannot be decoded\n  in {path}:/{tree}, entries {}..{}, {place}\n  because {reason}", .entries.start, .entries.end)]
    Basket {
        /// The file.
        path: String,
        /// The tree.
        tree: Box<str>,
        /// The branch.
        branch: Box<str>,
        /// The entries the basket holds.
        entries: Range<u64>,
        /// Which basket, and the byte at which it lies.
        place: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// No object of that name in the file.
    #[error("no object `{name}` in {path}; {}", it_has(.available))]
    NoObject {
        /// The file.
        path: String,
        /// The name asked for.
        name: String,
        /// What there is, the most similar first.
        available: Vec<String>,
    },
    /// The object is of another class than the one that was asked for.
    #[error("`{name}` in {path} is a {found}, not {wanted}")]
    WrongClass {
        /// The file.
        path: String,
        /// The object.
        name: String,
        /// Its class.
        found: String,
        /// What was expected, with its article: `a TTree`.
        wanted: &'static str,
    },
    /// No column of that name.
    #[error("no branch `{name}` in {path}:/{tree}{}", did_you_mean(.nearest.as_deref()))]
    NoColumn {
        /// The file.
        path: String,
        /// The tree.
        tree: String,
        /// The name asked for.
        name: String,
        /// The existing name that is most like it.
        nearest: Option<String>,
    },
    /// The file is sound, but this is not something we read or write.
    #[error("{what} in {path} cannot be read: {reason}")]
    Unsupported {
        /// The file.
        path: String,
        /// The branch or object: ``branch `x` ``.
        what: String,
        /// Why not.
        reason: String,
    },
}

impl Error {
    /// Whether trying again may help: the storage failed, not the file. A missing file, a refused
    /// permission, a file that was replaced or damaged bytes are the same the next time.
    pub fn is_transient(&self) -> bool {
        use std::io::ErrorKind::{
            IsADirectory, NotFound, PermissionDenied, StaleNetworkFileHandle, Unsupported,
        };
        match self {
            Self::Io { source, .. } => !matches!(
                source.kind(),
                NotFound | PermissionDenied | IsADirectory | Unsupported | StaleNetworkFileHandle
            ),
            // A transfer may have flipped the bytes; reading them once more is cheap.
            Self::Basket { .. } => true,
            _ => false,
        }
    }

    /// The file whose bytes are not what its format says, if that is the error: other bytes of it may be sound, from
    /// another replica or past a cache.
    pub fn damaged(&self) -> Option<&str> {
        match self {
            Self::Format { path, .. }
            | Self::NotClosed { path, .. }
            | Self::Parquet { path, .. }
            | Self::Basket { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The same error of bytes that came from `origin`, which the file's name does not say.
    #[must_use]
    pub fn of_bytes_from(mut self, origin: &str) -> Self {
        if let Self::Format { path, .. }
        | Self::NotClosed { path, .. }
        | Self::Parquet { path, .. }
        | Self::Basket { path, .. } = &mut self
        {
            path.push_str(&format!(" (bytes from {origin})"));
        }
        self
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn it_has(names: &[String]) -> String {
    match names {
        [] => "it is empty".to_owned(),
        names => {
            let more = if names.len() > 5 { ", …" } else { "" };
            format!("it has {}{more}", names[..names.len().min(5)].join(", "))
        }
    }
}
