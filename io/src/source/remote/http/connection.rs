use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::target::Origin;
use crate::source::remote::race::Race;

/// Connections to one host at most.
const CONNECTIONS: usize = 4;
/// An idle connection is not used again after this time: servers close theirs after 5 to 120 s.
const IDLE: Duration = Duration::from_secs(60);
/// The next address of a host is tried if the one before has not answered by then (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// One host, its connections, and what is known of it.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) origin: Origin,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<(Instant, Sender)>>,
    /// When it last could not be connected in time, and why.
    dead: Mutex<Option<(Instant, Failure)>>,
    /// Whether it has refused to serve without a token.
    wants_token: AtomicBool,
    /// Whether it answers several ranges at once: see [`Multi`].
    multi: AtomicU8,
    /// Whether it has broken off a request for several ranges, though it has answered others.
    dropped: AtomicBool,
    /// Bytes of answers that came.
    moved: AtomicU64,
}

type Sender = SendRequest<Empty<Bytes>>;

/// Whether a host answers a request for several ranges with all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multi {
    Unknown,
    Yes,
    No,
}

impl Host {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::default(),
            dead: Mutex::default(),
            wants_token: AtomicBool::new(false),
            multi: AtomicU8::new(0),
            dropped: AtomicBool::new(false),
            moved: AtomicU64::new(0),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Sender)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dead(&self) -> MutexGuard<'_, Option<(Instant, Failure)>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants_token(&self) -> bool {
        self.wants_token.load(Ordering::Relaxed)
    }

    pub(super) fn refused_without_token(&self) {
        self.wants_token.store(true, Ordering::Relaxed);
    }

    pub(super) fn multi(&self) -> Multi {
        match self.multi.load(Ordering::Relaxed) {
            0 => Multi::Unknown,
            1 => Multi::Yes,
            _ => Multi::No,
        }
    }

    pub(super) fn learn_multi(&self, yes: bool) {
        self.multi.store(if yes { 1 } else { 2 }, Ordering::Relaxed);
    }

    /// It did not answer a request for several ranges, and then one for each of them: so it does that again. A host
    /// that has answered several at once may have had another reason the first time.
    pub(super) fn learn_dropped(&self) {
        if self.multi() != Multi::Yes || self.dropped.swap(true, Ordering::Relaxed) {
            self.learn_multi(false);
        }
    }

    pub(super) fn count(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of all answers until now.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// A connection that is free, or a new one. Waits while the most are in use.
    pub(super) async fn connection(
        self: &Arc<Self>,
        tls: Option<Arc<ClientConfig>>,
        window: Duration,
        fresh: bool,
    ) -> Result<Connection, Failure> {
        let asked = Instant::now();
        let closed = |_| Failure::new(ErrorKind::Other, "the client was closed");
        let permit = self.permits.clone().acquire_owned().await.map_err(closed)?;
        let usable = |(since, sender): &(Instant, Sender)| since.elapsed() < IDLE && sender.is_ready();
        let mut kept = None;
        if !fresh {
            let mut idle = self.idle();
            idle.retain(usable);
            kept = idle.pop();
        }
        let reused = kept.is_some();
        let sender = match kept {
            Some((_, sender)) => sender,
            None => {
                // A dead host is waited for once, and after that once in a while.
                if let Some((when, failure)) = &*self.dead()
                    && (*when >= asked || when.elapsed() < window * 3)
                {
                    return Err(failure.clone());
                }
                let connected = timeout(window, connect(&self.origin, tls)).await;
                *self.dead() = None;
                match connected {
                    Ok(sender) => sender?,
                    Err(_) => {
                        let window = window.as_secs_f32();
                        let text = format!("no connection to {} within {window} s", self.origin);
                        let failure = Failure::new(ErrorKind::TimedOut, text);
                        *self.dead() = Some((Instant::now(), failure.clone()));
                        return Err(failure);
                    }
                }
            }
        };
        Ok(Connection { sender, host: self.clone(), _permit: permit, reused })
    }
}

/// A connection that nobody else uses. It is closed when dropped, unless it is [kept](Self::keep).
#[derive(Debug)]
pub(super) struct Connection {
    sender: Sender,
    host: Arc<Host>,
    _permit: OwnedSemaphorePermit,
    /// Whether it has served before: then the server may have closed it in the meantime.
    pub(super) reused: bool,
}

impl Connection {
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }

    /// For the next request: all of the last answer was read.
    pub(super) fn keep(self) {
        if !self.sender.is_closed() {
            self.host.idle().push((Instant::now(), self.sender));
        }
    }
}

async fn connect(origin: &Origin, tls: Option<Arc<ClientConfig>>) -> Result<Sender, Failure> {
    let stream = reach(origin).await?;
    // Ranges are small requests that wait for each other's answers.
    let _ = stream.set_nodelay(true);
    let Some(mut tls) = tls else { return handshake(origin, TokioIo::new(stream)).await };
    // The other protocols that the configuration was made for are not spoken here.
    Arc::make_mut(&mut tls).alpn_protocols = vec![b"http/1.1".to_vec()];
    let refused = |text: String| Failure::new(ErrorKind::PermissionDenied, format!("no TLS: {text}"));
    let name = xrootd::tls::server_name(&origin.host).map_err(refused)?;
    let stream =
        TlsConnector::from(tls).connect(name, stream).await.map_err(
            |error| match xrootd::tls::explain_io(&error, &origin.host) {
                Some(text) => refused(text),
                None => Failure::of_io(&error, format!("no TLS with {origin}: {error}")),
            },
        )?;
    handshake(origin, TokioIo::new(stream)).await
}

async fn handshake<S>(origin: &Origin, stream: S) -> Result<Sender, Failure>
where
    S: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let lost = |error: hyper::Error| Failure::of_hyper(&error, &format!("no connection to {origin}"));
    // XrdHttp 5.5 knows `Range` and not `range`.
    let builder = http1::Builder::new().title_case_headers(true).handshake(stream);
    let (sender, connection) = builder.await.map_err(lost)?;
    // What goes wrong with it, the requests on it are told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// The first of the host's addresses that answers.
async fn reach(origin: &Origin) -> Result<TcpStream, Failure> {
    let found = tokio::net::lookup_host((origin.host.as_str(), origin.port)).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(addresses) => alternating(addresses.collect()),
        Err(error) => {
            let text = format!("the address of {} cannot be found: {error}", origin.host);
            return Err(Failure::new(ErrorKind::HostUnreachable, text));
        }
    };
    let mut last = io::Error::new(ErrorKind::HostUnreachable, "it has no address");
    let mut left = addresses.into_iter();
    let mut race = Race::new();
    loop {
        if race.len() == 0 {
            match left.next() {
                Some(address) => race.add((), TcpStream::connect(address)),
                None => return Err(Failure::of_io(&last, format!("no connection to {origin}: {last}"))),
            }
        }
        tokio::select! {
            ((), result) = race.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(NEXT_ADDRESS), if left.len() > 0 => {
                if let Some(address) = left.next() {
                    race.add((), TcpStream::connect(address));
                }
            }
        }
    }
}

/// Addresses of both families in turn, that of the first first.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first);
    let longest = one.len().max(other.len());
    (0..longest).flat_map(|n| [one.get(n).copied(), other.get(n).copied()]).flatten().collect()
}
