//! From a host's name to a socket: look-up, IPv6 and IPv4 side by side, TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Reader, Writer};
use crate::url::authority;
use crate::{Cause, Config, Url, tls};

/// How long one address is tried alone before the next is tried too (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// What a connection leads to. Two that differ in any of it share nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// Whether it must be encrypted.
    pub(crate) tls: bool,
    /// Who logs in; the process's user if the URL does not say.
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    pub(crate) fn of(url: &Url) -> Self {
        Self { tls: url.tls, user: url.user.clone(), host: url.host.clone(), port: url.port }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&authority(&self.host, self.port))
    }
}

/// Bytes to and from a server, encrypted or not.
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// From where to where a socket leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The server's address.
    pub(crate) address: SocketAddr,
    /// Our own end.
    pub(crate) local: SocketAddr,
    /// How long the server took to accept.
    pub(crate) round_trip: Duration,
}

impl Path {
    /// Whether the server is on this host.
    pub(crate) fn stays_here(&self) -> bool {
        self.address.ip().is_loopback() || self.address.ip() == self.local.ip()
    }
}

/// Connects to whichever of the host's addresses answers first.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<(TcpStream, Path), Cause> {
    let addresses = resolve(endpoint).await?;
    let mut attempts = JoinSet::new();
    let mut addresses = addresses.into_iter();
    let mut failure = None;
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(async move {
                let began = Instant::now();
                (TcpStream::connect(address).await, address, began.elapsed())
            });
        }
        let more = addresses.len() > 0;
        let next = if more {
            match tokio::time::timeout(STAGGER, attempts.join_next()).await {
                Ok(next) => next,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match next {
            Some(Ok((Ok(stream), address, round_trip))) => {
                let connected = |source| Cause::Connect(Arc::new(source));
                keep_alive(&stream).map_err(connected)?;
                let local = stream.local_addr().map_err(connected)?;
                return Ok((stream, Path { address, local, round_trip }));
            }
            Some(Ok((Err(error), address, _))) => {
                failure = Some(io::Error::new(error.kind(), format!("{address}: {error}")));
            }
            Some(Err(_)) => {}
            None if more => {}
            None => {
                let error = failure.unwrap_or_else(|| io::Error::other("no address could be tried"));
                return Err(Cause::Connect(Arc::new(error)));
            }
        }
    }
}

/// Sends at once, and looks whether the other end is still there: a host that is switched off never says
/// that it goes, nor does a firewall that forgets.
pub(crate) fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keep = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keep)
}

/// The host's addresses, IPv6 and IPv4 in turn.
async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Cause> {
    let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| Cause::Resolve(error.to_string()))?;
    let (six, four): (Vec<_>, Vec<_>) = found.partition(SocketAddr::is_ipv6);
    let mut addresses = Vec::new();
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    loop {
        let pair = [six.next(), four.next()];
        if pair.iter().all(Option::is_none) {
            break;
        }
        addresses.extend(pair.into_iter().flatten());
    }
    if addresses.is_empty() {
        return Err(Cause::Resolve("it has none".to_owned()));
    }
    Ok(addresses)
}

/// Encrypts, and verifies that the server is the host that was asked for.
pub(crate) async fn encrypt(stream: TcpStream, host: &str, config: &Config) -> Result<Transport, Cause> {
    let connector = TlsConnector::from(tls::client_config(&config.tls).map_err(Cause::Tls)?);
    let name = tls::server_name(host).map_err(Cause::Tls)?;
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
        Err(error) => Err(match tls::explain_io(&error, host) {
            Some(reason) => Cause::Tls(reason),
            None => Cause::Lost(Arc::new(error)),
        }),
    }
}

impl Transport {
    pub(crate) fn split(self) -> (Reader, Writer) {
        match self {
            Self::Plain(stream) => {
                let (reader, writer) = stream.into_split();
                (Box::new(reader), Box::new(writer))
            }
            Self::Tls(stream) => {
                let (reader, writer) = tokio::io::split(*stream);
                (Box::new(reader), Box::new(writer))
            }
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
