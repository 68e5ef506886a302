//! A server that serves one file as the protocol has it, save where its script says otherwise.
//!
//! The script sees each request, with the connection and how often such a request came before, and
//! may give the steps that answer it. The structures are those of `XProtocol.hh`, put together here by
//! hand: the client under test must not be checked by its own code.

pub(crate) mod answer;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) const AUTH: u16 = 3000;
pub(crate) const QUERY: u16 = 3001;
pub(crate) const CLOSE: u16 = 3003;
pub(crate) const PROTOCOL: u16 = 3006;
pub(crate) const LOGIN: u16 = 3007;
pub(crate) const OPEN: u16 = 3010;
pub(crate) const PING: u16 = 3011;
pub(crate) const READ: u16 = 3013;
pub(crate) const STAT: u16 = 3017;
pub(crate) const SYNC: u16 = 3016;
pub(crate) const ENDSESS: u16 = 3023;
pub(crate) const READV: u16 = 3025;
pub(crate) const PGREAD: u16 = 3030;
/// Not of the protocol: the 20 bytes that come before the first request.
pub(crate) const HANDSHAKE: u16 = 0;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
    /// How many requests of this kind came to this server before.
    pub(crate) nth: usize,
    pub(crate) kind: u16,
    pub(crate) stream: [u8; 2],
    /// The 16 bytes whose meaning depends on the kind.
    pub(crate) parameters: [u8; 16],
    pub(crate) payload: Bytes,
}

impl Request {
    /// Of a read or a pgread.
    pub(crate) fn offset(&self) -> u64 {
        u64::from_be_bytes(self.parameters[4..12].try_into().unwrap())
    }

    /// Of a read or a pgread, in bytes.
    pub(crate) fn length(&self) -> usize {
        u32::from_be_bytes(self.parameters[12..16].try_into().unwrap()) as usize
    }

    /// Offset and length of each element of a readv.
    pub(crate) fn elements(&self) -> Vec<(u64, usize)> {
        let number = |part: &[u8]| part.iter().fold(0_u64, |n, &b| n << 8 | u64::from(b));
        self.payload.chunks_exact(16).map(|e| (number(&e[8..]), number(&e[4..8]) as usize)).collect()
    }

    /// Path and options of an open.
    pub(crate) fn path(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// One thing that a script lets the server do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Bytes),
    Pause(Duration),
    /// So many bytes, then a tenth of a second, until all are sent.
    Dribble(Bytes, usize),
    /// The same, and what comes meanwhile is answered after it: a slow link.
    Paced(Bytes, usize),
    /// Everything that is sent, and the connection goes away without a goodbye.
    Reset,
    /// The connection ends as it should.
    Close,
}

type Script = dyn Fn(&Request) -> Option<Vec<Step>> + Send + Sync;

/// What the server serves, and what it says of it.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// Unix seconds, as `stat` and `open` tell.
    pub(crate) modified: i64,
    /// Whether `kXR_protocol` promises pgread.
    pub(crate) pages: bool,
}

impl Content {
    /// `size` bytes, of which no two pieces of eight aligned bytes are the same.
    pub(crate) fn of(size: usize) -> Self {
        let bytes: Vec<u8> = (0..size.div_ceil(8) as u64)
            .flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
            .collect();
        Self { bytes: Bytes::from(bytes).slice(..size), modified: 1_600_000_000, pages: false }
    }

    pub(crate) fn with_pages(self) -> Self {
        Self { pages: true, ..self }
    }
}

struct Shared {
    content: Content,
    script: Box<Script>,
    seen: Mutex<Vec<Request>>,
    turns: AtomicUsize,
    connections: AtomicUsize,
    /// How long what came is kept before it is looked at: a turn is what came meanwhile.
    latency: Duration,
}

/// A server that runs until it is dropped.
pub(crate) struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepts: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Scripted {
    /// A server of `content` with a script. `None` from the script is the right answer.
    pub(crate) async fn start(
        content: Content,
        script: impl Fn(&Request) -> Option<Vec<Step>> + Send + Sync + 'static,
    ) -> Self {
        Self::with_latency(content, Duration::ZERO, script).await
    }

    /// One that answers what came within `latency` together, so that its turns can be counted.
    pub(crate) async fn with_latency(
        content: Content,
        latency: Duration,
        script: impl Fn(&Request) -> Option<Vec<Step>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            content,
            script: Box::new(script),
            seen: Mutex::default(),
            turns: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            latency,
        });
        let of_task = shared.clone();
        let accepts = tokio::spawn(async move {
            // Connections end with the server.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = of_task.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(Connection::new(stream, number, of_task.clone()).run());
            }
        });
        Self { address, shared, accepts }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `/file`, which is what it serves whatever it is called.
    pub(crate) fn url(&self) -> xrootd::Url {
        format!("root://{}//file", self.address).parse().unwrap()
    }

    /// All requests of one kind that came.
    pub(crate) fn seen(&self, kind: u16) -> Vec<Request> {
        self.all().into_iter().filter(|request| request.kind == kind).collect()
    }

    /// All requests, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How often a client had to wait for us: once for each connection that it made, and once for each
    /// time that something came after we had answered.
    pub(crate) fn turns(&self) -> usize {
        self.shared.turns.load(Ordering::SeqCst) + self.connections()
    }
}

struct Connection {
    number: usize,
    reader: OwnedReadHalf,
    writer: Arc<Writer>,
    buffer: BytesMut,
    shared: Arc<Shared>,
}

/// What steps act on. The half is gone when the connection is over, and `over` is told then.
struct Writer {
    half: tokio::sync::Mutex<Option<OwnedWriteHalf>>,
    over: Notify,
}

impl Connection {
    fn new(stream: TcpStream, number: usize, shared: Arc<Shared>) -> Self {
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let writer = Arc::new(Writer { half: tokio::sync::Mutex::new(Some(writer)), over: Notify::new() });
        Self { number, reader, writer, buffer: BytesMut::new(), shared }
    }

    async fn run(mut self) {
        let mut shaken = false;
        let mut steps = tokio::task::JoinSet::new();
        let writer = self.writer.clone();
        loop {
            let came = tokio::select! {
                came = self.reader.read_buf(&mut self.buffer) => came,
                () = writer.over.notified() => return,
            };
            if !matches!(came, Ok(1..)) {
                return;
            }
            self.shared.turns.fetch_add(1, Ordering::SeqCst);
            if !self.shared.latency.is_zero() {
                tokio::time::sleep(self.shared.latency).await;
                while matches!(self.reader.try_read_buf(&mut self.buffer), Ok(1..)) {}
            }
            while let Some((kind, stream, parameters, payload)) = self.next(shaken) {
                shaken = true;
                let request = self.note(kind, stream, parameters, payload);
                match (self.shared.script)(&request) {
                    None => {
                        writer.perform(vec![Step::Send(answer::right(&request, &self.shared.content))]).await;
                    }
                    // What takes time does not hold up what comes after it.
                    Some(script)
                        if script.iter().any(|step| matches!(step, Step::Pause(_) | Step::Dribble(..))) =>
                    {
                        let writer = writer.clone();
                        drop(steps.spawn(async move { writer.perform(script).await }));
                    }
                    Some(script) => writer.perform(script).await,
                }
            }
        }
    }

    fn note(&self, kind: u16, stream: [u8; 2], parameters: [u8; 16], payload: Bytes) -> Request {
        let mut seen = self.shared.seen.lock().unwrap();
        let nth = seen.iter().filter(|earlier| earlier.kind == kind).count();
        let request = Request { connection: self.number, nth, kind, stream, parameters, payload };
        seen.push(request.clone());
        request
    }

    /// The next whole request of what came.
    fn next(&mut self, shaken: bool) -> Option<(u16, [u8; 2], [u8; 16], Bytes)> {
        if !shaken {
            let greeting = (self.buffer.len() >= 20).then(|| self.buffer.split_to(20).freeze())?;
            return Some((HANDSHAKE, [0, 0], [0; 16], greeting));
        }
        let header = self.buffer.get(..24)?;
        let length = u32::from_be_bytes(header[20..].try_into().unwrap()) as usize;
        let whole = (self.buffer.len() >= 24 + length).then(|| self.buffer.split_to(24 + length))?;
        let kind = u16::from_be_bytes([whole[2], whole[3]]);
        let mut payload = whole.freeze();
        let header = payload.split_to(24);
        Some((kind, [header[0], header[1]], header[4..20].try_into().unwrap(), payload))
    }
}

impl Writer {
    /// Whatever goes wrong, the client has gone: its test will tell.
    async fn perform(&self, script: Vec<Step>) {
        for step in script {
            match step {
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Send(bytes) => self.send(&bytes).await,
                Step::Dribble(mut bytes, piece) | Step::Paced(mut bytes, piece) => {
                    while bytes.has_remaining() {
                        self.send(&bytes.split_to(piece.min(bytes.len()))).await;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                Step::Reset => {
                    if let Some(half) = self.half.lock().await.take() {
                        half.as_ref().set_zero_linger().unwrap();
                        half.forget();
                    }
                    self.over.notify_one();
                }
                Step::Close => {
                    drop(self.half.lock().await.take());
                    self.over.notify_one();
                }
            }
        }
    }

    async fn send(&self, bytes: &[u8]) {
        if let Some(half) = self.half.lock().await.as_mut() {
            let _ = half.write_all(bytes).await;
        }
    }
}
