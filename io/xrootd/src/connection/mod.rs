//! One connection to one server: a session over sockets, many requests under way at once.

mod dial;
mod login;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::locking::lock;
use crate::session::{Outcome, Session, Step, Ticket};
use crate::wire::request::Query;
use crate::wire::{HANDSHAKE, Handle, Request, ServerFlags, SessionId, reply};
use crate::{Cause, Config};

pub(crate) use dial::Endpoint;
use dial::Path;
pub(crate) use login::Profile;
use login::{Line, expect_done, lost};

type Answering = oneshot::Sender<Result<Outcome, Cause>>;
type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Bytes that one look at the socket asks for while no long answer is under way.
const CHUNK: usize = 64 << 10;

/// Data of a request longer than this is written without a copy.
const COPIED: usize = 16 << 10;

/// A server that takes so long to accept is too far away for one connection to fill the line: servers
/// have 4 MiB of a connection under way (`tcp_wmem`), which is 160 MB/s at 25 ms, and each starts slowly.
const FAR: Duration = Duration::from_millis(10);

const MOST_STREAMS: usize = 4;

/// A connection that moves fewer bytes than this in the time that a request may take is stalled.
const STEADY: u64 = 16 << 10;

/// How many ranges, and of how many bytes at most, the server takes in one vector read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VectorLimits {
    pub(crate) ranges: usize,
    pub(crate) bytes: u64,
}

impl Default for VectorLimits {
    /// What servers have, `XrdProto::maxRvecsz` and `maxRVdsz`.
    fn default() -> Self {
        Self { ranges: 1024, bytes: (2 << 20) - 16 }
    }
}

/// A connection that is logged in, or presumed to be.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Where it leads.
    pub(crate) endpoint: Endpoint,
    /// What the server says of itself.
    pub(crate) flags: ServerFlags,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
    /// Whether the server is on this host.
    pub(crate) local: bool,
    /// How long a request may take while the connection moves next to nothing.
    patience: Duration,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    session: Mutex<Session<Answering>>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    session_id: OnceLock<SessionId>,
    /// Why it is of no more use.
    closed: OnceLock<Cause>,
    presumption: watch::Sender<Presumption>,
    limits: OnceLock<VectorLimits>,
    /// Bound streams, which carry data beside the first.
    streams: Mutex<Vec<u8>>,
    next_stream: AtomicUsize,
    /// What reads, writes and watches: ended with the connection.
    tasks: Mutex<Vec<AbortHandle>>,
    /// Files open on it; it is not idle while there are any.
    open_files: AtomicUsize,
    start: Instant,
    /// Milliseconds after `start` at which bytes came last, or a request went into silence.
    heard: AtomicU64,
    /// Bytes that came, and bytes of requests with data that the server took.
    moved: AtomicU64,
}

/// Whether requests were sent before the server had answered the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presumption {
    /// They were not, or the answer was the one presumed.
    None,
    /// The answer has not come.
    Open,
    /// It was another one.
    Wrong,
}

struct Outgoing {
    head: Option<[u8; 24]>,
    data: Bytes,
}

/// A request whose answer is awaited. Dropping it gives the answer up.
struct Asked<'a> {
    shared: &'a Shared,
    ticket: Ticket,
    answer: oneshot::Receiver<Result<Outcome, Cause>>,
}

impl Connection {
    /// Connects, greets and logs in. `profile` is what an earlier connection has found if nothing stands
    /// between: then requests follow at once, and the first round trip carries them too.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        config: &Arc<Config>,
        profile: Option<Profile>,
    ) -> Result<(Arc<Self>, Option<Profile>), Cause> {
        let late = Cause::TimedOut { waiting_for: "a connection", after: config.connection_window };
        let deadline = Instant::now() + config.connection_window;
        let work = async {
            match profile {
                Some(profile) => Ok((Self::presume(endpoint, config, profile).await?, Some(profile))),
                None => Self::log_in(endpoint, config).await,
            }
        };
        timeout_at(deadline, work).await.unwrap_or(Err(late))
    }

    async fn log_in(
        endpoint: &Endpoint,
        config: &Arc<Config>,
    ) -> Result<(Arc<Self>, Option<Profile>), Cause> {
        let (stream, path) = dial::dial(endpoint).await?;
        let want_tls = endpoint.tls || config.want_tls;
        const LOGIN: u8 = 3;
        let (mut line, flags) = Line::new(stream).greet(&endpoint.host, want_tls, LOGIN, config).await?;
        let admitted = login::log_in(&mut line, endpoint, &path, config).await?;
        if flags.starts_tls_after_login() && !line.transport.is_tls() {
            line = line.upgrade(&endpoint.host, config).await?;
        }
        let profile = (admitted.anonymous && !line.transport.is_tls()).then_some(Profile { flags });
        let connection = Self::start(endpoint, line, flags, path.stays_here(), config);
        let _ = connection.shared.session_id.set(admitted.session_id);
        connection.prepare(config, path);
        Ok((connection, profile))
    }

    /// As [`Self::log_in`], without waiting for an answer.
    async fn presume(
        endpoint: &Endpoint,
        config: &Arc<Config>,
        profile: Profile,
    ) -> Result<Arc<Self>, Cause> {
        let (stream, path) = dial::dial(endpoint).await?;
        let connection = Self::start(endpoint, Line::new(stream), profile.flags, path.stays_here(), config);
        let shared = Arc::clone(&connection.shared);
        shared.presumption.send_replace(Presumption::Open);
        let (handshaken, handshake) = oneshot::channel();
        lock(&shared.session).expect_handshake(handshaken);
        shared.queue(Outgoing { head: None, data: Bytes::from_static(&HANDSHAKE) })?;
        let (_, protocol) = shared.send(&Request::protocol(true, false, 3))?;
        let (_, login) = shared.send(&Request::login(&login::user(endpoint, config)))?;
        let watched = Arc::downgrade(&connection);
        let config = Arc::clone(config);
        let check = async move {
            let gone = || lost(std::io::ErrorKind::ConnectionAborted.into());
            let check = async {
                handshake.await.map_err(|_| gone())??;
                let answer = expect_done(protocol.await.map_err(|_| gone())??, "kXR_protocol")?;
                let flags = reply::protocol(&answer.whole());
                let answer = expect_done(login.await.map_err(|_| gone())??, "kXR_login")?;
                match reply::login(&answer.whole()) {
                    Some((id, list)) if list.is_empty() && flags == Some(profile.flags) => Ok(id),
                    _ => Err(Cause::Protocol("it is not as open as it was".to_owned())),
                }
            };
            match check.await {
                Ok(id) => {
                    let _ = shared.session_id.set(id);
                    shared.presumption.send_replace(Presumption::None);
                    if let Some(connection) = watched.upgrade() {
                        connection.prepare(&config, path);
                    }
                }
                Err(cause) => {
                    shared.presumption.send_replace(Presumption::Wrong);
                    shared.close(cause);
                }
            }
        };
        connection.keep(tokio::spawn(check).abort_handle());
        Ok(connection)
    }

    fn start(endpoint: &Endpoint, line: Line, flags: ServerFlags, local: bool, config: &Config) -> Arc<Self> {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            session: Mutex::default(),
            outgoing,
            session_id: OnceLock::new(),
            closed: OnceLock::new(),
            presumption: watch::Sender::new(Presumption::None),
            limits: OnceLock::new(),
            streams: Mutex::default(),
            next_stream: AtomicUsize::new(0),
            tasks: Mutex::default(),
            open_files: AtomicUsize::new(0),
            start: Instant::now(),
            heard: AtomicU64::new(0),
            moved: AtomicU64::new(0),
        });
        let tls = line.transport.is_tls();
        let (reader, writer) = line.transport.split();
        let tasks = [
            tokio::spawn(write(writer, queue, Arc::clone(&shared))).abort_handle(),
            tokio::spawn(read(reader, line.buffer, Arc::clone(&shared))).abort_handle(),
            tokio::spawn(watch(Arc::clone(&shared), config.stream_timeout, config.idle)).abort_handle(),
        ];
        tasks.into_iter().for_each(|task| shared.keep(task));
        let patience = config.request_timeout;
        Arc::new(Self { endpoint: endpoint.clone(), flags, tls, local, patience, shared })
    }

    /// Asks, beside what the caller does, for the limits of vector reads, and binds further streams.
    fn prepare(self: &Arc<Self>, config: &Arc<Config>, path: Path) {
        if !self.flags.is_server() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        if let Ok((_, answer)) = shared.send(&Request::query(Query::Config, "readv_iov_max readv_ior_max")) {
            let ask = async move {
                if let Ok(Ok(Outcome::Done(answer))) = answer.await {
                    let _ = shared.limits.set(vector_limits(&String::from_utf8_lossy(&answer.whole())));
                }
            };
            self.keep(tokio::spawn(ask).abort_handle());
        }
        let streams = config.streams.unwrap_or(if path.round_trip < FAR { 1 } else { MOST_STREAMS });
        for _ in 1..streams.min(MOST_STREAMS) {
            let (shared, config, endpoint) =
                (Arc::clone(&self.shared), Arc::clone(config), self.endpoint.clone());
            let encrypted = self.tls;
            let bind = async move {
                // Without it, data comes over the streams that there are.
                let _ = bind(&shared, &endpoint, path.address, encrypted, &config).await;
            };
            self.keep(tokio::spawn(bind).abort_handle());
        }
    }

    fn keep(&self, task: AbortHandle) {
        self.shared.keep(task);
    }

    /// Makes a request and waits for its answer. The `deadline` moves on while the connection makes progress: on a
    /// slow link an answer waits behind those of other requests.
    pub(crate) async fn ask(&self, request: &Request, deadline: &mut Instant) -> Result<Outcome, Cause> {
        let began = Instant::now();
        let mut moved = self.shared.moved.load(Ordering::Relaxed);
        let (ticket, answer) = self.shared.send(request)?;
        let mut asked = Asked { shared: &self.shared, ticket, answer };
        loop {
            match timeout_at(*deadline, &mut asked.answer).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(_)) => return Err(self.shared.why()),
                Err(_) => {}
            }
            let now = self.shared.moved.load(Ordering::Relaxed);
            if now - moved < STEADY {
                return Err(Cause::TimedOut { waiting_for: "an answer", after: began.elapsed() });
            }
            moved = now;
            *deadline = Instant::now() + self.patience;
        }
    }

    /// Makes a request whose answer is of no interest.
    pub(crate) fn tell(&self, request: &Request) {
        if let Ok((ticket, _)) = self.shared.send(request) {
            lock(&self.shared.session).abandon(ticket);
        }
    }

    /// Nobody will use the handle any more; the server is told, unless it knows.
    pub(crate) fn forget(&self, handle: Handle, tell: bool) {
        self.shared.open_files.fetch_sub(1, Ordering::Relaxed);
        if tell && self.shared.closed.get().is_none() {
            self.tell(&Request::close(handle));
        }
    }

    /// A file is open on it from now on.
    pub(crate) fn opened(&self) {
        self.shared.open_files.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.get().is_some()
    }

    /// Whether requests went ahead of the login's answer, and that has not come or was another one.
    pub(crate) fn is_presumed(&self) -> bool {
        *self.shared.presumption.borrow() != Presumption::None
    }

    /// Waits until it is known whether what was presumed of the login is so, and says it.
    pub(crate) async fn was_right(&self) -> bool {
        let mut presumption = self.shared.presumption.subscribe();
        let settled = presumption.wait_for(|presumption| *presumption != Presumption::Open).await;
        settled.is_ok_and(|presumption| *presumption == Presumption::None)
    }

    pub(crate) fn close(&self, cause: Cause) {
        self.shared.close(cause);
    }

    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.shared.session_id.get().copied().filter(|id| *id != [0; 16])
    }

    pub(crate) fn vector_limits(&self) -> VectorLimits {
        self.shared.limits.get().copied().unwrap_or_default()
    }

    /// The stream for the next large answer: each in turn.
    pub(crate) fn data_stream(&self) -> u8 {
        let streams = lock(&self.shared.streams);
        match self.shared.next_stream.fetch_add(1, Ordering::Relaxed) % (streams.len() + 1) {
            0 => 0,
            at => streams[at - 1],
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        lock(&self.shared.session).abandon(self.ticket);
    }
}

impl Shared {
    fn send(&self, request: &Request) -> Result<(Ticket, oneshot::Receiver<Result<Outcome, Cause>>), Cause> {
        let (sender, receiver) = oneshot::channel();
        let (ticket, head) = {
            let mut session = lock(&self.session);
            if !session.is_owed() {
                self.hear();
            }
            session
                .submit(request, sender)
                .ok_or_else(|| Cause::Protocol("65,535 requests are under way".to_owned()))?
        };
        self.queue(Outgoing { head: Some(head), data: request.data.clone() })?;
        if let Some(cause) = self.closed.get() {
            return Err(cause.clone());
        }
        Ok((ticket, receiver))
    }

    /// A task that ends with the connection.
    fn keep(&self, task: AbortHandle) {
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        drop(tasks);
        if self.closed.get().is_some() {
            self.end();
        }
    }

    /// Ends the tasks, and with them the sockets.
    fn end(&self) {
        lock(&self.tasks).drain(..).for_each(|task| task.abort());
    }

    fn queue(&self, outgoing: Outgoing) -> Result<(), Cause> {
        self.outgoing.send(outgoing).map_err(|_| self.why())
    }

    /// Notes that this many bytes came or went.
    fn moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        self.hear();
    }

    fn hear(&self) {
        self.heard.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }

    fn why(&self) -> Cause {
        self.closed.get().cloned().unwrap_or_else(|| lost(std::io::ErrorKind::ConnectionAborted.into()))
    }

    /// Ends it: whoever waits learns why.
    fn close(&self, cause: Cause) {
        let _ = self.closed.set(cause);
        let why = self.why();
        let waiting: Vec<_> = lock(&self.session).drain().collect();
        for answering in waiting {
            let _ = answering.send(Err(why.clone()));
        }
        self.presumption.send_if_modified(|presumption| {
            let open = *presumption == Presumption::Open;
            if open {
                *presumption = Presumption::Wrong;
            }
            open
        });
        self.end();
    }
}

/// Opens a second socket whose answers belong to this session.
async fn bind(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    address: std::net::SocketAddr,
    encrypted: bool,
    config: &Config,
) -> Result<(), Cause> {
    const BIND: u8 = 1;
    let id = *shared.session_id.get().ok_or_else(|| shared.why())?;
    let work = async {
        let stream = tokio::net::TcpStream::connect(address).await.map_err(lost)?;
        dial::keep_alive(&stream).map_err(lost)?;
        let (mut line, _) = Line::new(stream).greet(&endpoint.host, encrypted, BIND, config).await?;
        let answer = expect_done(line.ask(&Request::bind(id)).await?, "kXR_bind")?.whole();
        Ok((line, answer))
    };
    let (line, answer) = tokio::time::timeout(config.connection_window, work)
        .await
        .unwrap_or(Err(Cause::TimedOut { waiting_for: "a stream", after: config.connection_window }))?;
    let Some(&stream) = answer.first() else { return Err(shared.why()) };
    let (reader, _writer) = line.transport.split();
    lock(&shared.streams).push(stream);
    // The writing half stays open: closing it would end the stream.
    read(reader, line.buffer, Arc::clone(shared)).await;
    Ok(())
}

/// `readv_iov_max` and `readv_ior_max`, a line for each; a server that does not know one repeats its name.
fn vector_limits(answer: &str) -> VectorLimits {
    let mut numbers = answer.split_whitespace().map(|word| word.parse::<u64>().ok());
    let default = VectorLimits::default();
    let mut limit = |at_most: u64| numbers.next().flatten().filter(|&n| n > 0 && n <= at_most);
    VectorLimits {
        ranges: limit(1 << 16).map_or(default.ranges, |n| n as usize),
        bytes: limit(1 << 30).unwrap_or(default.bytes),
    }
}

/// Writes requests as they are queued, those that wait together in one go.
async fn write(mut writer: Writer, mut queue: mpsc::UnboundedReceiver<Outgoing>, shared: Arc<Shared>) {
    let mut batch = Vec::new();
    let mut bytes = BytesMut::new();
    while queue.recv_many(&mut batch, 256).await > 0 {
        let written = async {
            for Outgoing { head, data } in batch.drain(..) {
                bytes.put_slice(head.as_ref().map_or(&[], |head| &head[..]));
                if data.len() <= COPIED {
                    bytes.put_slice(&data);
                } else {
                    writer.write_all(&bytes).await?;
                    bytes.clear();
                    // A server that takes bytes is not silent, however slow the line is.
                    for part in data.chunks(CHUNK) {
                        writer.write_all(part).await?;
                        shared.moved(part.len());
                    }
                }
            }
            writer.write_all(&bytes).await?;
            bytes.clear();
            writer.flush().await
        };
        if let Err(error) = written.await {
            return shared.close(lost(error));
        }
    }
}

/// Takes answers in until the connection ends.
async fn read(mut reader: Reader, mut buffer: BytesMut, shared: Arc<Shared>) {
    loop {
        let step = lock(&shared.session).step(&mut buffer);
        let needs = match step {
            Ok(Step::Answered(answering, outcome)) => {
                let _ = answering.send(Ok(outcome));
                continue;
            }
            Ok(Step::Heard) => continue,
            Ok(Step::Orphan(handle)) => {
                if let Ok((ticket, _)) = shared.send(&Request::close(handle)) {
                    lock(&shared.session).abandon(ticket);
                }
                continue;
            }
            Ok(Step::Needs(needs)) => needs,
            Err(violation) => return shared.close(Cause::Protocol(violation.0)),
        };
        // A long answer gets memory of its own, and nothing behind its end but the next head is read into
        // it: it is handed on without a copy.
        let missing = needs - buffer.len();
        let room = if missing < CHUNK { CHUNK } else { missing + 8 };
        if buffer.capacity() - buffer.len() < missing {
            buffer.reserve(room);
        }
        match reader.read_buf(&mut (&mut buffer).limit(room)).await {
            Ok(0) => return shared.close(lost(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(bytes) => shared.moved(bytes),
            Err(error) => return shared.close(lost(error)),
        }
    }
}

/// Ends a connection that owes answers and is silent for too long, or that nobody has used for long.
async fn watch(shared: Arc<Shared>, patience: Duration, idle: Duration) {
    let period = (patience / 32).clamp(Duration::from_millis(10), Duration::from_secs(1));
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let silence = shared.silence();
        let (owed, free) = {
            let session = lock(&shared.session);
            (session.is_owed(), session.is_idle() && shared.open_files.load(Ordering::Relaxed) == 0)
        };
        // At the last look before the time is over.
        if owed && silence + period > patience {
            return shared.close(Cause::TimedOut { waiting_for: "a byte", after: silence });
        }
        if free && silence >= idle {
            return shared.close(lost(std::io::Error::other("it was idle")));
        }
    }
}
