use std::path::PathBuf;

/// The result of running.
pub type RunResult<T, E = Error> = Result<T, E>;

/// Why a run could not start, or could not end as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The fileset cannot be understood.
    #[error(transparent)]
    Fileset(#[from] crate::fileset::FilesetError),
    /// The command line or the settings make no sense: the user's to mend.
    #[error("{0}")]
    Usage(String),
    /// A setting is none of the processor's, or of another type.
    #[error("the settings of processor `{processor}` are wrong: {message}{}", in_place(.place.as_deref()))]
    Setting {
        /// The processor.
        processor: String,
        /// The setting, where it is known.
        key: Option<String>,
        /// What is wrong.
        message: String,
        /// Where it was given.
        place: Option<String>,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] hep_io::Error),
    /// Results do not fit together, or a processor found something wrong.
    #[error(transparent)]
    Analysis(#[from] hep_analysis::Error),
    /// The same entries are in two of the outputs to be merged.
    #[error(
        "{a} and {b} both hold entries {start}..{end} of {file} (dataset `{dataset}`): merged, they would count twice"
    )]
    Overlap {
        /// The first output.
        a: String,
        /// The second.
        b: String,
        /// The dataset.
        dataset: String,
        /// The file both have read.
        file: String,
        /// The first entry in both.
        start: u64,
        /// Past the last entry in both.
        end: u64,
    },
    /// A partial output, or a job, cannot be used.
    #[error("{0}")]
    Partial(String),
    /// A cluster cannot be had, or was lost.
    #[error("{0}")]
    Dask(String),
    /// Whoever asked for it does not want it any more.
    #[error("it was cancelled")]
    Cancelled,
    /// Nothing of the fileset could be processed.
    #[error("no entry was processed\n{0}")]
    Nothing(String),
    /// Outputs could not be written, at the end of a run.
    #[error("{0}")]
    NotWritten(String),
    /// The analysis crate does not build.
    #[error("{path} does not build: cargo ended with {status}", path = .path.display())]
    Build {
        /// The crate.
        path: PathBuf,
        /// What cargo ended with.
        status: String,
    },
}

fn in_place(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!("\n  in {place}"))
}

impl Error {
    /// The exit status: 1 for what the user can mend on the command line or in the fileset, else 2.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Fileset(_) | Self::Usage(_) | Self::Setting { .. } => 1,
            _ => 2,
        }
    }
}
