use std::fmt::Write;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use ::xrootd::{Cause, Client, Entry, ErrorCode, File, OpenOptions, Url};
use bytes::Bytes;

use super::{RemoteFile, Reply, io_error, of_socket, place};
use crate::source::Listed;
use crate::{Error, Result};

/// A file that is read by the XRootD protocol.
#[derive(Debug)]
pub(super) struct XrootdFile {
    url: String,
    version: String,
    file: File,
}

impl XrootdFile {
    /// Opens it. What is not `patient` fails at the first trouble.
    pub(super) async fn open(client: &Client, location: &str, patient: bool) -> Result<Arc<dyn RemoteFile>> {
        let shown = place::shown(location);
        let explained = |error: ::xrootd::Error| explain("open", &shown, &error);
        let url: Url = location.parse().map_err(explained)?;
        let options = match patient {
            true => OpenOptions::default(),
            false => OpenOptions::default().retries(0),
        };
        let file = client.open_with(&url, &options).await.map_err(explained)?;
        // dCache's pools tell no time, and say 0.
        let version = if file.modified() == 0 { String::new() } else { file.modified().to_string() };
        Ok(Arc::new(Self { version, url: shown, file }))
    }
}

/// What is in a folder.
pub(super) async fn list(client: &Client, location: &str) -> Result<Vec<Listed>> {
    let explained = |error: ::xrootd::Error| explain("list", &place::shown(location), &error);
    let url: Url = location.parse().map_err(explained)?;
    let entries = client.list(&url).await.map_err(explained)?.into_iter();
    let listed = |entry: Entry| Listed { name: entry.name, is_folder: entry.stat.map(|stat| stat.is_folder) };
    Ok(entries.map(listed).collect())
}

impl RemoteFile for XrootdFile {
    fn url(&self) -> &str {
        &self.url
    }

    fn size(&self) -> u64 {
        self.file.size()
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn server(&self) -> String {
        self.file.server()
    }

    fn now(&self) -> Reply<'_, Option<(u64, String)>> {
        Box::pin(async move {
            if self.version.is_empty() {
                return Ok(None);
            }
            let stat = self.file.stat().await.map_err(|error| explain("read", &self.url, &error))?;
            Ok(Some((stat.size, stat.modified.to_string())))
        })
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        Box::pin(async move {
            self.file.read_ranges(&ranges).await.map_err(|error| explain("read", &self.url, &error))
        })
    }
}

/// The client's error as ours: all that it says but the path, which stands in front, and a kind by which
/// [`Error::is_transient`] tells whether to try again.
fn explain(action: &'static str, shown: &str, error: &::xrootd::Error) -> Error {
    let mut text = String::new();
    if !error.host.is_empty() {
        let _ = write!(text, "{} at {}: ", error.request, error.host);
    }
    let _ = write!(text, "{}", error.cause);
    if !error.redirects.is_empty() {
        let _ = write!(text, "; redirected by {}", error.redirects.join(" → "));
    }
    if error.attempts > 1 {
        let _ = write!(text, "; tried {} times", error.attempts);
    }
    io_error(action, shown, kind(error), text)
}

fn kind(error: &::xrootd::Error) -> ErrorKind {
    match &error.cause {
        Cause::Url(_) => ErrorKind::Unsupported,
        Cause::Resolve(_) => ErrorKind::HostUnreachable,
        Cause::Connect(source) | Cause::Lost(source) => of_socket(source.kind()),
        Cause::Tls(_) | Cause::Auth(_) => ErrorKind::PermissionDenied,
        Cause::Server { code, .. } => match *code {
            ErrorCode::NotFound | ErrorCode::NotFile | ErrorCode::noserver => ErrorKind::NotFound,
            ErrorCode::isDirectory => ErrorKind::IsADirectory,
            ErrorCode::NotAuthorized | ErrorCode::AuthFailed | ErrorCode::TLSRequired => {
                ErrorKind::PermissionDenied
            }
            _ if error.is_transient() => ErrorKind::ResourceBusy,
            _ => ErrorKind::Unsupported,
        },
        Cause::TimedOut { .. } | Cause::WaitTooLong { .. } => ErrorKind::TimedOut,
        Cause::Protocol(_) | Cause::Checksum { .. } => ErrorKind::InvalidData,
        Cause::Changed(_) => ErrorKind::StaleNetworkFileHandle,
        _ if error.is_transient() => ErrorKind::Other,
        _ => ErrorKind::Unsupported,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    fn of(cause: Cause) -> ::xrootd::Error {
        let redirects = vec!["man:1094".to_owned()];
        let (host, path) = ("h:1094".to_owned(), "/f".to_owned());
        ::xrootd::Error { cause, request: "read", host, path, attempts: 2, redirects }
    }

    #[test]
    fn an_error_says_all_that_the_client_says() {
        let error = of(Cause::TimedOut { waiting_for: "an answer", after: Duration::from_secs(30) });
        assert_eq!(
            explain("read", "root://h//f", &error).to_string(),
            "cannot read root://h//f: read at h:1094: an answer did not come within 30 s; redirected by \
             man:1094; tried 2 times"
        );
    }

    /// The client knows best whether to try again.
    #[test]
    fn an_error_is_transient_where_the_client_says_so() {
        let server = |code| Cause::Server { code, message: "no".to_owned() };
        let lost = |kind: ErrorKind| Cause::Lost(Arc::new(io::Error::from(kind)));
        for cause in [
            lost(ErrorKind::ConnectionReset),
            lost(ErrorKind::PermissionDenied),
            Cause::Connect(Arc::new(io::Error::from(ErrorKind::ConnectionRefused))),
            Cause::Resolve("none".to_owned()),
            Cause::Tls("expired".to_owned()),
            Cause::Auth(Vec::new()),
            Cause::Changed("size".to_owned()),
            Cause::Checksum { at: 0 },
            Cause::Protocol("garbage".to_owned()),
            Cause::Redirects,
            Cause::Url("none".to_owned()),
            server(ErrorCode::NotFound),
            server(ErrorCode::IOError),
            server(ErrorCode::Overloaded),
            server(ErrorCode::isDirectory),
            server(ErrorCode::ArgInvalid),
        ] {
            let error = of(cause);
            assert_eq!(explain("read", "f", &error).is_transient(), error.is_transient(), "{error}");
        }
    }
}
