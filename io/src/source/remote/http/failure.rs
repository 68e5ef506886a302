use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::Error;
use crate::source::remote::{io_error, of_socket};

/// Why a request did not succeed, without the file's name.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
    /// The status of the answer, if there was one.
    pub(super) status: Option<u16>,
    /// When the server wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), status: None, retry_after: None }
    }

    /// Of a socket.
    pub(super) fn of_io(error: &io::Error, text: String) -> Self {
        Self::new(of_socket(error.kind()), text)
    }

    pub(super) fn of_hyper(error: &hyper::Error, what: &str) -> Self {
        let text = match error.source() {
            Some(source) => format!("{what}: {error}: {source}"),
            None => format!("{what}: {error}"),
        };
        let below = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        match below {
            Some(io) => Self::of_io(io, text),
            None if error.is_parse() => Self::new(ErrorKind::InvalidData, text),
            None => Self::new(ErrorKind::ConnectionAborted, text),
        }
    }

    pub(super) fn changed(how: impl AsRef<str>) -> Self {
        let text = format!("the file changed while it was read: {}", how.as_ref());
        Self::new(ErrorKind::StaleNetworkFileHandle, text)
    }

    /// What makes no sense: perhaps the next answer does.
    pub(super) fn nonsense(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidData, text)
    }

    pub(super) fn into_error(self, action: &'static str, shown: &str) -> Error {
        io_error(action, shown, self.kind, self.text)
    }

    /// Whether a connection ended that had been made.
    pub(super) fn broke_off(&self) -> bool {
        self.status.is_none()
            && matches!(
                self.kind,
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
            )
    }

    /// Whether it is worth to ask the same server once more soon.
    pub(super) fn is_passing(&self) -> bool {
        match self.status {
            Some(status) => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            None => matches!(
                self.kind,
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::ConnectionRefused
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::NotConnected
                    | ErrorKind::InvalidData
            ),
        }
    }
}
