use hep_columns::ColumnError;

/// The result of a processor's work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a processor could not do its work, or two results could not be merged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A column is absent or holds something else.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// Two histograms of one name were booked with different axes.
    #[error("histogram{}: {what}", named(.name.as_deref()))]
    Binning {
        /// The histogram, where it is known.
        name: Option<String>,
        /// Which axis differs, and how.
        what: String,
    },
    /// Two results have different shapes.
    #[error("results of different shape cannot be merged: {what}")]
    Shape {
        /// What differs.
        what: String,
    },
    /// What a processor itself found wrong with its settings or its events.
    #[error("{0}")]
    Processor(String),
}

impl Error {
    /// An error of a processor's own.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Processor(message.into())
    }

    /// The same error, knowing which object of the output it is about.
    #[must_use]
    pub fn of(self, object: &str) -> Self {
        match self {
            Self::Binning { name: None, what } => Self::Binning { name: Some(object.to_owned()), what },
            other => other,
        }
    }
}

/// What `?` makes of the errors of the standard library and of JSON: their text.
macro_rules! from_text_of {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Processor(error.to_string())
            }
        }
    )*};
}
from_text_of!(
    std::io::Error,
    std::fmt::Error,
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::num::TryFromIntError,
    std::str::ParseBoolError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
    std::array::TryFromSliceError,
    serde_json::Error,
    Box<dyn std::error::Error>,
    Box<dyn std::error::Error + Send + Sync>,
    String,
    &str,
);

fn named(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" `{name}`"))
}
