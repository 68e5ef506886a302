//! An open file: reads that survive the server, and writes.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::client::{Client, Patience, Reached, wait};
use crate::connection::Connection;
use crate::info::Stat;
use crate::reading::{self, Piece};
use crate::session::{Answer, Outcome, join};
use crate::wire::request::OpenFlags;
use crate::wire::{Handle, Request, page};
use crate::{Cause, Error, ErrorCode, ReadMode, Result, Url};

/// How often pages are asked for again that do not agree with their checksum.
const REPAIRS: u32 = 3;

/// Bytes of one `kXR_write`.
const WRITE: usize = 8 << 20;

/// How a file is opened: to read it, unless it says more.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    write: bool,
    create: bool,
    replace: bool,
    folders: bool,
    retries: Option<u32>,
}

impl OpenOptions {
    /// To read and write a file that is there.
    pub fn write(mut self) -> Self {
        self.write = true;
        self
    }

    /// To make a file that must not be there yet.
    pub fn create(mut self) -> Self {
        self.create = true;
        self
    }

    /// To make a file, in the place of one that may be there.
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// With the folders it is in.
    pub fn folders(mut self) -> Self {
        self.folders = true;
        self
    }

    /// How often a request is made again when the server fails; as the client's settings say if not set.
    /// 0 where the caller has another replica to go to.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    fn writes(&self) -> bool {
        self.write || self.create || self.replace
    }

    fn flags(&self) -> OpenFlags {
        let mut flags = OpenFlags::STAT;
        flags |= match self {
            Self { replace: true, .. } => OpenFlags::DELETE | OpenFlags::UPDATE,
            Self { create: true, .. } => OpenFlags::NEW | OpenFlags::UPDATE,
            Self { write: true, .. } => OpenFlags::UPDATE,
            _ => OpenFlags::READ,
        };
        if self.folders && self.writes() {
            flags |= OpenFlags::MAKE_PATH;
        }
        OpenFlags(flags)
    }
}

/// An open file. Any number of requests may be under way at once.
///
/// A read outlives its server: it connects again, or asks the redirector for another server, opens the
/// file there, makes sure that it is the same, and goes on. A write does not.
#[derive(Debug)]
pub struct File {
    client: Client,
    url: Url,
    options: OpenOptions,
    stat: Stat,
    /// Grows with what is written.
    size: AtomicU64,
    handle: RwLock<Arc<OpenHandle>>,
    /// When it last could not be opened again, and why.
    recovering: tokio::sync::Mutex<Option<(Instant, Error)>>,
}

#[derive(Debug)]
struct OpenHandle {
    connection: Arc<Connection>,
    handle: Handle,
    /// The server knows the handle no more, or as that of another file: it gives them again at once.
    gone: AtomicBool,
}

impl Drop for OpenHandle {
    fn drop(&mut self) {
        self.connection.forget(self.handle, !self.gone.load(Ordering::Relaxed));
    }
}

impl File {
    pub(crate) async fn open(client: &Client, url: &Url, options: &OpenOptions) -> Result<Self> {
        let patience = client.patience(options.retries);
        let (handle, stat) = open(client, url, options.flags(), patience, Vec::new()).await?;
        Ok(Self {
            client: client.clone(),
            url: url.clone(),
            options: options.clone(),
            size: AtomicU64::new(stat.size),
            stat,
            handle: RwLock::new(Arc::new(handle)),
            recovering: tokio::sync::Mutex::default(),
        })
    }

    /// The URL it was opened by.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its bytes: those when it was opened, and what was written since.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// When it was changed last before it was opened, in seconds since 1970, UTC.
    pub fn modified(&self) -> i64 {
        self.stat.modified
    }

    /// The server that it is read from now, `host:port`.
    pub fn server(&self) -> String {
        self.current().connection.endpoint.to_string()
    }

    /// The bytes of a half-open range; fewer where the file ends in it.
    ///
    /// # Errors
    /// Where the server fails, and no other can help; where the file is another one by now.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let mut read = self.read_ranges(std::slice::from_ref(&range)).await?;
        Ok(read.pop().unwrap_or_default())
    }

    /// The bytes of each half-open range, in the order asked for, all requested at once: small ranges
    /// together in vector reads, large ones alone.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub async fn read_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let size = self.size();
        let ranges: Vec<_> = ranges
            .iter()
            .map(|range| range.start.min(size)..range.end.min(size))
            .map(|range| range.start..range.end.max(range.start))
            .collect();
        const PLANS: u32 = 3;
        let mut plans = 1;
        loop {
            let open = self.current();
            match self.read_planned(&open, &ranges).await {
                // The server that goes on may be of another kind: what it can do is what counts now.
                Err(_) if plans < PLANS && !Arc::ptr_eq(&open, &self.current()) => plans += 1,
                read => return read,
            }
        }
    }

    async fn read_planned(&self, open: &OpenHandle, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (paged, limits) = (self.reads_pages(&open.connection), open.connection.vector_limits());
        let pieces = reading::pieces(ranges, limits, paged);
        let read = pieces.iter().map(|piece| async move {
            match piece {
                Piece::One { range, .. } if paged => Ok(vec![self.read_pages(range).await?]),
                Piece::One { range, .. } => Ok(vec![self.read_plain(range).await?]),
                Piece::Vector { ranges, .. } => self.read_vector(ranges).await,
            }
        });
        let read: Vec<Vec<Bytes>> = futures_util::future::try_join_all(read).await?;
        Ok(reading::assemble(ranges, &pieces, read))
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub async fn stat(&self) -> Result<Stat> {
        let answer = self.ask("stat", |open| Request::stat_open(open.handle)).await?;
        Stat::parse(&String::from_utf8_lossy(&answer.whole())).ok_or_else(|| {
            self.error("stat", 1, Cause::Protocol("its answer cannot be understood".to_owned()))
        })
    }

    /// Writes `data` from byte `offset` on, with page checksums where the server can and the read mode
    /// asks for them.
    ///
    /// # Errors
    /// Where the server fails or refuses.
    pub async fn write(&self, offset: u64, data: Bytes) -> Result<()> {
        let paged = self.reads_pages(&self.current().connection);
        let writes = (0..data.len()).step_by(WRITE).map(|start| {
            let part = data.slice(start..data.len().min(start + WRITE));
            let at = offset + start as u64;
            async move {
                if paged {
                    self.write_pages(at, part).await
                } else {
                    self.ask("write", |open| Request::write(open.handle, at, part.clone())).await.map(drop)
                }
            }
        });
        // A few at a time: what waits here is in memory twice.
        use futures_util::{StreamExt, TryStreamExt};
        futures_util::stream::iter(writes).buffer_unordered(4).try_collect::<()>().await?;
        self.size.fetch_max(offset + data.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Makes sure that what was written is on disk.
    ///
    /// # Errors
    /// Where the server fails or refuses.
    pub async fn sync(&self) -> Result<()> {
        self.ask("sync", |open| Request::sync(open.handle)).await.map(drop)
    }

    /// Cuts the file to `size` bytes, or fills it up to them.
    ///
    /// # Errors
    /// Where the server fails or refuses.
    pub async fn truncate(&self, size: u64) -> Result<()> {
        self.ask("truncate", |open| Request::truncate_open(open.handle, size)).await?;
        self.size.store(size, Ordering::Relaxed);
        Ok(())
    }

    /// Closes it, and learns whether all that was written is kept. A file that is only read may as well
    /// be dropped.
    ///
    /// # Errors
    /// Where the server fails or refuses.
    pub async fn close(self) -> Result<()> {
        let open = self.current();
        if !self.options.writes() {
            return Ok(());
        }
        open.gone.store(true, Ordering::Relaxed);
        self.ask("close", |open| Request::close(open.handle)).await.map(drop)
    }

    fn current(&self) -> Arc<OpenHandle> {
        Arc::clone(&self.handle.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reads_pages(&self, connection: &Connection) -> bool {
        let can = connection.flags.has_pages();
        match self.client.config.read_mode {
            ReadMode::Auto => can && !connection.tls && !connection.local,
            ReadMode::Plain => false,
            ReadMode::Paged => can,
        }
    }

    async fn read_plain(&self, range: &Range<u64>) -> Result<Bytes> {
        let answer =
            self.ask("read", |open| Request::read(open.handle, range, open.connection.data_stream())).await?;
        let length = (range.end - range.start) as usize;
        if answer.len() == length {
            return Ok(answer.whole());
        }
        // Servers may give less than was asked for, but not nothing.
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&answer.whole());
        while bytes.len() < length {
            let at = range.start + bytes.len() as u64;
            let more = self.ask("read", |open| Request::read(open.handle, &(at..range.end), 0)).await?;
            if more.len() == 0 {
                return Err(self.ends_at("read", at));
            }
            bytes.extend_from_slice(&more.whole());
        }
        Ok(bytes.freeze())
    }

    async fn read_vector(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let answer = self
            .ask("read", |open| Request::read_vector(open.handle, ranges, open.connection.data_stream()))
            .await?;
        reading::split_vector(&answer.whole(), ranges)
            .map_err(|what| self.error("read", 1, Cause::Protocol(what)))
    }

    async fn read_pages(&self, range: &Range<u64>) -> Result<Bytes> {
        let length = (range.end - range.start) as usize;
        let mut bad = range.start;
        for repair in 0..=REPAIRS {
            let mut parts = Vec::new();
            let mut at = range.start;
            let damaged = loop {
                let rest = at..range.end;
                let answer = self
                    .ask("read", |open| {
                        let stream = open.connection.data_stream();
                        Request::page_read(open.handle, &rest, stream, repair > 0)
                    })
                    .await?;
                match reading::pages_in_order(at, answer.pages) {
                    Ok(read) => {
                        let came: usize = read.iter().map(Bytes::len).sum();
                        at += came as u64;
                        parts.extend(read);
                        if at >= range.end {
                            break None;
                        }
                        if came == 0 {
                            return Err(self.ends_at("read", at));
                        }
                    }
                    Err(reading::BadPages::Checksum(at)) => break Some(at),
                    Err(reading::BadPages::Nonsense(what)) => {
                        return Err(self.error("read", 1, Cause::Protocol(what)));
                    }
                }
            };
            match damaged {
                Some(at) => bad = at,
                None => {
                    let bytes = join(parts);
                    debug_assert_eq!(bytes.len(), length);
                    return Ok(bytes);
                }
            }
        }
        Err(self.error("read", REPAIRS + 1, Cause::Checksum { at: bad }))
    }

    async fn write_pages(&self, offset: u64, data: Bytes) -> Result<()> {
        let sealed = page::seal(offset, &data);
        let answer =
            self.ask("write", |open| Request::page_write(open.handle, offset, sealed.clone(), false)).await?;
        // The server lists pages that came damaged, and takes each again alone.
        let end = offset + data.len() as u64;
        for (_, list) in answer.pages {
            let damaged =
                page::damaged(&list).filter(|list| list.iter().all(|at| (offset..end).contains(at)));
            let damaged = damaged.ok_or_else(|| {
                self.error("write", 1, Cause::Protocol("its list of damaged pages makes no sense".to_owned()))
            })?;
            for at in damaged {
                let page_end = ((at / page::PAGE + 1) * page::PAGE).min(end);
                let again = page::seal(at, &data[(at - offset) as usize..(page_end - offset) as usize]);
                let answer = self
                    .ask("write", |open| Request::page_write(open.handle, at, again.clone(), true))
                    .await?;
                if !answer.pages.is_empty() {
                    return Err(self.error("write", 2, Cause::Checksum { at }));
                }
            }
        }
        Ok(())
    }

    /// Makes a request of the open file, at another server if this one fails.
    async fn ask(&self, name: &'static str, make: impl Fn(&OpenHandle) -> Request) -> Result<Answer> {
        let mut deadline = Instant::now() + self.client.config.request_timeout;
        let limit = self.client.patience(self.options.retries).attempts;
        let mut attempts = 1;
        loop {
            let open = self.current();
            let cause = match open.connection.ask(&make(&open), &mut deadline).await {
                Ok(Outcome::Done(answer)) => return Ok(answer),
                Ok(Outcome::Wait(asked)) => match wait(asked, deadline).await {
                    Ok(()) => continue,
                    Err(cause) => cause,
                },
                Ok(Outcome::Failed { code, message }) => {
                    if code == ErrorCode::FileNotOpen {
                        open.gone.store(true, Ordering::Relaxed);
                    }
                    Cause::Server { code, message }
                }
                Ok(Outcome::Redirect(_)) => Cause::Server {
                    code: ErrorCode::noserver,
                    message: "the server sends elsewhere for this file".to_owned(),
                },
                Ok(Outcome::More(_)) => Cause::Protocol("it goes on to authenticate".to_owned()),
                Err(cause) => cause,
            };
            let error = self.error(name, attempts, cause);
            if attempts >= limit || self.options.writes() || !outlives(&error) || Instant::now() >= deadline {
                return Err(error);
            }
            self.recover(&open, &error, deadline).await?;
            attempts += 1;
        }
    }

    /// Opens the file again, here or elsewhere, unless someone else has just done that.
    async fn recover(&self, failed: &Arc<OpenHandle>, error: &Error, deadline: Instant) -> Result<()> {
        let asked = Instant::now();
        // Of many requests that were lost together, the first recovers for all, or fails for all.
        let recovering = tokio::time::timeout_at(deadline, self.recovering.lock()).await;
        let mut last_failure = recovering.map_err(|_| error.clone())?;
        if !Arc::ptr_eq(failed, &self.current()) {
            return Ok(());
        }
        if let Some((when, error)) = &*last_failure
            && *when >= asked
        {
            return Err(error.clone());
        }
        let recovered = self.open_again(failed, error, deadline).await;
        *last_failure = recovered.as_ref().err().map(|error| (Instant::now(), error.clone()));
        recovered
    }

    async fn open_again(&self, failed: &Arc<OpenHandle>, error: &Error, deadline: Instant) -> Result<()> {
        let old = &failed.connection;
        let tried = vec![(old.endpoint.host.clone(), "resel")];
        let patience = Patience {
            attempts: self.client.config.connection_retry,
            at_least: self.client.config.connection_window,
            deadline: Some(deadline),
        };
        let (open, stat) =
            open(&self.client, &self.url, self.options.flags(), patience, tried).await.map_err(|again| {
                // Why it had to be opened again is what matters, unless it is clear why it cannot be.
                let attempts = error.attempts + again.attempts;
                if again.is_transient() {
                    Error { attempts, ..error.clone() }
                } else {
                    Error { attempts, ..again }
                }
            })?;
        let same_server = open.connection.endpoint == old.endpoint && !old.flags.stands_for_others();
        if let Some(how) = self.differs(&stat, same_server) {
            return Err(Error {
                host: open.connection.endpoint.to_string(),
                ..self.error("read", 1, Cause::Changed(how))
            });
        }
        // The server may still hold what the lost connection had open.
        if open.connection.endpoint == old.endpoint
            && !Arc::ptr_eq(&open.connection, old)
            && let Some(id) = old.session_id()
        {
            open.connection.tell(&Request::end_session(id));
        }
        *self.handle.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(open);
        Ok(())
    }

    /// How a file that was opened again is another one. Two servers' clocks need not agree, and a cache's
    /// files change as they fill.
    fn differs(&self, now: &Stat, same_server: bool) -> Option<String> {
        if now.size != self.stat.size {
            return Some(format!("it had {} bytes and has {}", self.stat.size, now.size));
        }
        if same_server && now.modified != self.stat.modified {
            return Some("it has another time of modification".to_owned());
        }
        None
    }

    fn ends_at(&self, request: &'static str, at: u64) -> Error {
        self.error(request, 1, Cause::Changed(format!("it had {} bytes and ends at {at}", self.stat.size)))
    }

    fn error(&self, request: &'static str, attempts: u32, cause: Cause) -> Error {
        let host = self.server();
        Error { cause, request, host, path: self.url.path.clone(), attempts, redirects: Vec::new() }
    }
}

/// Whether another connection or server may do what this one did not.
fn outlives(error: &Error) -> bool {
    // A server that was started again does not know the handle.
    error.is_transient()
        || matches!(
            error.cause,
            Cause::Server { code: ErrorCode::FileNotOpen | ErrorCode::InvalidRequest, .. }
        )
}

async fn open(
    client: &Client,
    url: &Url,
    flags: OpenFlags,
    patience: Patience,
    tried: Vec<(String, &'static str)>,
) -> Result<(OpenHandle, Stat)> {
    const MODE: u16 = 0o644;
    let reached = client.execute(url, &|path| Request::open(path, flags, MODE), patience, tried).await?;
    let Reached { answer, connection, hop } = reached;
    let error = |cause| Error {
        request: "open",
        host: hop.endpoint.to_string(),
        path: url.path.clone(),
        ..Error::new(cause)
    };
    let body = answer.whole();
    let handle = body.get(..4).and_then(|handle| Handle::try_from(handle).ok());
    let handle =
        handle.ok_or_else(|| error(Cause::Protocol("its answer to kXR_open is cut off".to_owned())))?;
    connection.opened();
    let open = OpenHandle { connection, handle, gone: AtomicBool::new(false) };
    let stat = match body.get(12..).filter(|stat| !stat.is_empty()) {
        Some(stat) => Stat::parse(&String::from_utf8_lossy(stat)),
        // Not every server tells with the handle what it was asked to tell.
        None => {
            let mut deadline = Instant::now() + client.config.request_timeout;
            match open.connection.ask(&Request::stat_open(handle), &mut deadline).await.map_err(error)? {
                Outcome::Done(answer) => Stat::parse(&String::from_utf8_lossy(&answer.whole())),
                _ => None,
            }
        }
    };
    let stat =
        stat.ok_or_else(|| error(Cause::Protocol("it does not tell how long the file is".to_owned())))?;
    Ok((open, stat))
}
