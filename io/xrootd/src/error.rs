use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Refusal;

/// The result of anything asked of a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed, where, and after how many attempts.
#[derive(Clone, Debug)]
pub struct Error {
    /// Why.
    pub cause: Cause,
    /// What was asked for: `open`, `read`.
    pub request: &'static str,
    /// The host and port that failed last; empty before any was known.
    pub host: String,
    /// The file or folder.
    pub path: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The hosts that redirected the request, in order.
    pub redirects: Vec<String>,
}

/// Why a request failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The URL is not one.
    Url(String),
    /// The host has no address.
    Resolve(String),
    /// No connection could be made.
    Connect(Arc<io::Error>),
    /// The connection was lost.
    Lost(Arc<io::Error>),
    /// TLS failed: the certificate, its names, its age, or the handshake.
    Tls(String),
    /// No method of the server's list succeeded.
    Auth(Vec<Refusal>),
    /// The server refused.
    Server {
        /// As which error.
        code: ErrorCode,
        /// In its words.
        message: String,
    },
    /// Nothing came for too long.
    TimedOut {
        /// What was waited for: `an answer`, `a connection`.
        waiting_for: &'static str,
        /// For how long.
        after: Duration,
    },
    /// The server asked to wait, and the time for the request does not allow that.
    WaitTooLong {
        /// How long it asked for.
        asked: Duration,
    },
    /// More redirects than allowed, or a circle of them.
    Redirects,
    /// What the server sent makes no sense.
    Protocol(String),
    /// Bytes that do not agree with their checksum, again and again.
    Checksum {
        /// Where they lie in the file.
        at: u64,
    },
    /// The file is another one than when it was opened.
    Changed(String),
}

/// The error codes of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($name:ident = $value:literal),* $(,)?) => {
        #[allow(missing_docs, reason = "names of the specification")]
        #[allow(non_upper_case_globals, reason = "names of the specification")]
        impl ErrorCode {
            $(pub const $name: Self = Self($value);)*

            /// As the specification calls it, without `kXR_`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    _ => "unknown error",
                }
            }
        }
    };
}

codes! {
    ArgInvalid = 3000, ArgMissing = 3001, ArgTooLong = 3002, FileLocked = 3003, FileNotOpen = 3004,
    FSError = 3005, InvalidRequest = 3006, IOError = 3007, NoMemory = 3008, NoSpace = 3009,
    NotAuthorized = 3010, NotFound = 3011, ServerError = 3012, Unsupported = 3013, noserver = 3014,
    NotFile = 3015, isDirectory = 3016, Cancelled = 3017, ItExists = 3018, ChkSumErr = 3019,
    inProgress = 3020, overQuota = 3021, SigVerErr = 3022, DecryptErr = 3023, Overloaded = 3024,
    fsReadOnly = 3025, BadPayload = 3026, AttrNotFound = 3027, TLSRequired = 3028, noReplicas = 3029,
    AuthFailed = 3030, Impossible = 3031, Conflict = 3032, TooManyErrs = 3033, ReqTimedOut = 3034,
    TimerExpired = 3035,
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kXR_{} ({})", self.name(), self.0)
    }
}

impl Error {
    /// An error of which only the reason is known yet.
    pub(crate) fn new(cause: Cause) -> Self {
        let (host, path) = (String::new(), String::new());
        Self { cause, request: "", host, path, attempts: 1, redirects: Vec::new() }
    }

    /// Whether the same request may succeed if it is made again, here or at another replica: the
    /// storage failed, not the request.
    pub fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Connect(_) | Cause::Lost(_) | Cause::TimedOut { .. } | Cause::WaitTooLong { .. } => true,
            Cause::Checksum { .. } | Cause::Resolve(_) | Cause::Protocol(_) => true,
            Cause::Server { code, .. } => !matches!(
                *code,
                ErrorCode::ArgInvalid
                    | ErrorCode::ArgMissing
                    | ErrorCode::ArgTooLong
                    | ErrorCode::NotAuthorized
                    | ErrorCode::NotFound
                    | ErrorCode::Unsupported
                    | ErrorCode::NotFile
                    | ErrorCode::isDirectory
                    | ErrorCode::ItExists
                    | ErrorCode::AuthFailed
                    | ErrorCode::TLSRequired
                    | ErrorCode::InvalidRequest
            ),
            _ => false,
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.request.is_empty() {
            write!(f, "cannot {}", self.request)?;
            if !self.path.is_empty() {
                write!(f, " {}", self.path)?;
            }
            if !self.host.is_empty() {
                write!(f, " at {}", self.host)?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.cause)?;
        if !self.redirects.is_empty() {
            write!(f, "; redirected by {}", self.redirects.join(" → "))?;
        }
        if self.attempts > 1 {
            write!(f, "; tried {} times", self.attempts)?;
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(reason) => write!(f, "not a URL of XRootD: {reason}"),
            Self::Resolve(reason) => write!(f, "the host's address cannot be found: {reason}"),
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
            Self::Tls(reason) => write!(f, "no TLS: {reason}"),
            Self::Auth(refusals) if refusals.is_empty() => f.write_str("the server offers no authentication"),
            Self::Auth(refusals) => {
                f.write_str("not authenticated")?;
                refusals.iter().try_for_each(|refusal| write!(f, "; {refusal}"))
            }
            Self::Server { code, message } => write!(f, "{message} ({code:?})"),
            Self::TimedOut { waiting_for, after } => {
                write!(f, "{waiting_for} did not come within {} s", after.as_secs_f32())
            }
            Self::WaitTooLong { asked } => {
                write!(
                    f,
                    "the server asks to wait {} s, which is longer than the request may take",
                    asked.as_secs()
                )
            }
            Self::Redirects => f.write_str("too many redirects"),
            Self::Protocol(what) => write!(f, "the server does not follow the protocol: {what}"),
            Self::Checksum { at } => {
                write!(f, "the bytes from {at} on do not agree with their checksum, although asked for again")
            }
            Self::Changed(how) => write!(f, "the file changed while it was read: {how}"),
        }
    }
}
