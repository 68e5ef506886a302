use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::xrootd::Config;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Host};
use super::failure::Failure;
use super::headers;
use super::target::{Origin, Target};
use super::whole::WholeFiles;

/// The most redirects that a request follows.
const REDIRECTS: usize = 10;
/// A body that nobody needs is read up to here, to keep the connection.
const DRAINED: u64 = 64 << 10;
/// An answer of which fewer bytes than this come in the time that a request may take is stalled.
const STEADY: u64 = 16 << 10;
/// Memory for a body of unknown length grows by this at least.
const GROWTH: u64 = 1 << 20;

/// The connections and settings of all web servers.
#[derive(Debug)]
pub(in crate::source::remote) struct HttpClient {
    hosts: Mutex<HashMap<Origin, Arc<Host>>>,
    config: Config,
    /// How long a server may be silent.
    stall: Duration,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
    /// Files of servers that give no ranges.
    pub(super) whole: WholeFiles,
}

impl HttpClient {
    /// `whole` is how many bytes of files may be in memory whose servers give no ranges of them.
    pub(in crate::source::remote) fn new(config: Config, stall: Duration, whole: u64) -> Self {
        let whole = WholeFiles::new(whole);
        Self { hosts: Mutex::default(), config, stall, tls: OnceLock::new(), whole }
    }

    /// How long a request may take that makes no progress, and the waits that a server asks for.
    pub(super) fn patience(&self) -> Duration {
        self.config.request_timeout
    }

    pub(super) fn host(&self, origin: &Origin) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(origin.clone()).or_insert_with(|| Arc::new(Host::new(origin.clone()))).clone()
    }

    async fn tls(self: &Arc<Self>, origin: &Origin) -> Result<Option<Arc<ClientConfig>>, Failure> {
        if !origin.tls {
            return Ok(None);
        }
        // It reads hundreds of certificates.
        let client = self.clone();
        let made = tokio::task::spawn_blocking(move || {
            let authorities = client.config.tls.clone().and_system();
            client.tls.get_or_init(|| ::xrootd::tls::client_config(&authorities)).clone()
        });
        let made = match self.tls.get() {
            Some(made) => made.clone(),
            None => made.await.unwrap_or_else(|error| Err(error.to_string())),
        };
        made.map(Some)
            .map_err(|reason| Failure::new(ErrorKind::PermissionDenied, format!("no TLS: {reason}")))
    }

    /// Asks for bytes, `bytes=0-9`, or for the whole file, and follows redirects. `first` is whose URL the user gave: no other
    /// host gets the token. Gives the answer and who it is from.
    pub(super) async fn get(
        self: &Arc<Self>,
        first: &Origin,
        target: &Target,
        range: Option<&str>,
    ) -> Result<(Answer, Target), Failure> {
        let mut target = target.clone();
        let mut trace: Vec<String> = Vec::new();
        let told = |mut failure: Failure, trace: &[String]| {
            if !trace.is_empty() {
                failure.text.push_str(&format!("; redirected by {}", trace.join(" → ")));
            }
            failure
        };
        loop {
            let host = self.host(&target.origin);
            let may = target.origin.tls && target.origin == *first;
            let mut with_token = may && host.wants_token();
            let mut answer =
                self.once(&host, &target, range, with_token).await.map_err(|f| told(f, &trace))?;
            let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            if refused && may && !with_token && self.config.credentials.token().is_ok() {
                answer.drain(self.stall).await;
                host.refused_without_token();
                with_token = true;
                answer = self.once(&host, &target, range, with_token).await.map_err(|f| told(f, &trace))?;
            }
            let redirects = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !redirects {
                let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
                let of_token = (refused && may).then(|| match self.config.credentials.token() {
                    Ok(token) => token.doubt(),
                    Err(why) => Some(why.reason),
                });
                return match answer.refusal(&target, with_token, of_token.flatten().as_deref()) {
                    None => Ok((answer, target)),
                    Some(failure) => {
                        answer.drain(self.stall).await;
                        Err(told(failure, &trace))
                    }
                };
            }
            let from = target.origin.to_string();
            let location = headers::text(&answer.headers, header::LOCATION).map(|to| target.join(to));
            answer.drain(self.stall).await;
            let next = match location {
                Some(Ok(next)) => next,
                Some(Err(reason)) => {
                    let text = format!("{from} redirects to something that is no URL: {reason}");
                    return Err(told(Failure::nonsense(text), &trace));
                }
                None => {
                    let text = format!("{from} redirects, but does not say where to");
                    return Err(told(Failure::nonsense(text), &trace));
                }
            };
            if target.origin.tls && !next.origin.tls {
                let text = format!("{from} redirects to {} without TLS: not followed", next.origin);
                return Err(told(Failure::new(ErrorKind::PermissionDenied, text), &trace));
            }
            trace.push(from);
            if trace.len() > REDIRECTS {
                return Err(told(Failure::new(ErrorKind::Unsupported, "too many redirects"), &trace));
            }
            target = next;
        }
    }

    /// One request and the head of its answer; once more on a new connection, if the server has closed
    /// the one that was kept.
    async fn once(
        self: &Arc<Self>,
        host: &Arc<Host>,
        target: &Target,
        range: Option<&str>,
        with_token: bool,
    ) -> Result<Answer, Failure> {
        let tls = self.tls(&host.origin).await?;
        let mut fresh = false;
        loop {
            let mut connection = host.connection(tls.clone(), self.config.connection_window, fresh).await?;
            let request = self.request(target, range, with_token)?;
            let mut moved = host.moved();
            let sent = {
                let mut sent = Box::pin(connection.send(request));
                loop {
                    match timeout(self.stall, &mut sent).await {
                        Ok(sent) => break sent,
                        // It is busy with what else was asked of it.
                        Err(_) if host.moved() - moved >= STEADY => moved = host.moved(),
                        Err(_) => return Err(silent(&host.origin, "an answer", self.stall)),
                    }
                }
            };
            match sent {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    return Ok(Answer { status: head.status, headers: head.headers, body, connection });
                }
                Err(_) if connection.reused => fresh = true,
                Err(error) => {
                    return Err(Failure::of_hyper(&error, &format!("{} did not answer", host.origin)));
                }
            }
        }
    }

    fn request(
        &self,
        target: &Target,
        range: Option<&str>,
        with_token: bool,
    ) -> Result<Request<Empty<Bytes>>, Failure> {
        let invalid = |what: &str| Failure::new(ErrorKind::Unsupported, format!("{what} cannot be sent"));
        let mut request = Request::get(&target.path)
            .header(header::HOST, target.origin.to_string())
            .header(header::USER_AGENT, concat!("hep-io/", env!("CARGO_PKG_VERSION")))
            // Compressed on the way, bytes would lie elsewhere.
            .header(header::ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        if with_token {
            // Read anew: it may have been renewed.
            let token = self.config.credentials.token();
            let token = token.map_err(|why| Failure::new(ErrorKind::PermissionDenied, why.to_string()))?;
            let value = HeaderValue::try_from(format!("Bearer {}", token.secret()));
            let mut value = value.map_err(|_| invalid("the token"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(Empty::new()).map_err(|_| invalid("this path"))
    }

    /// All of a body of exactly `length` bytes.
    pub(super) async fn body(&self, answer: Answer, length: u64) -> Result<Bytes, Failure> {
        let body = self.body_up_to(answer, length).await?;
        if body.len() as u64 == length {
            return Ok(body);
        }
        let text = format!("{} of {length} bytes came", body.len());
        Err(Failure::new(ErrorKind::UnexpectedEof, text))
    }

    /// All of a body of at most `most` bytes.
    pub(super) async fn body_up_to(&self, answer: Answer, most: u64) -> Result<Bytes, Failure> {
        let Answer { mut body, connection, headers, .. } = answer;
        let said = headers::length(&headers);
        let too_many = || Failure::nonsense(format!("more than {most} bytes came"));
        if said.is_some_and(|said| said > most) {
            return Err(too_many());
        }
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        let mut length = 0;
        // When a while began, and the bytes before it.
        let mut since = (Instant::now(), 0);
        loop {
            let frame = match timeout(self.stall, body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    let what = format!("the answer broke off after {length} bytes");
                    return Err(Failure::of_hyper(&error, &what));
                }
                Err(_) => return Err(silent(&connection.host().origin, "the rest of an answer", self.stall)),
            };
            let Ok(data) = frame.into_data() else { continue };
            length += data.len() as u64;
            connection.host().count(data.len() as u64);
            if length > most {
                return Err(too_many());
            }
            if since.0.elapsed() >= self.patience() {
                if length - since.1 < STEADY {
                    let text =
                        format!("{} bytes came in {} s", length - since.1, self.patience().as_secs_f32());
                    return Err(Failure::new(ErrorKind::TimedOut, text));
                }
                since = (Instant::now(), length);
            }
            match first.take() {
                None if all.is_empty() => first = Some(data),
                before => {
                    if all.capacity() < length as usize {
                        // Twice as much, but no more than will come: a server may say more than it sends.
                        let room =
                            length.max(GROWTH).min(said.unwrap_or(most) - (length - data.len() as u64));
                        all.reserve(
                            room.max(data.len() as u64) as usize + before.as_ref().map_or(0, Bytes::len),
                        );
                    }
                    all.extend_from_slice(&before.unwrap_or_default());
                    all.extend_from_slice(&data);
                }
            }
        }
        connection.keep();
        Ok(first.unwrap_or_else(|| all.freeze()))
    }
}

fn silent(origin: &Origin, waiting_for: &str, after: Duration) -> Failure {
    let text = format!("{waiting_for} of {origin} did not come within {} s", after.as_secs_f32());
    Failure::new(ErrorKind::TimedOut, text)
}

/// The head of an answer, and its body to come.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    connection: Connection,
}

impl Answer {
    /// Passes over a small body, so that the connection can be used again. A large one is not worth it.
    async fn drain(mut self, stall: Duration) {
        if headers::length(&self.headers).is_none_or(|length| length > DRAINED) {
            return;
        }
        let drained = async { while let Some(Ok(_)) = self.body.frame().await {} };
        let _ = timeout(stall, drained).await;
        if hyper::body::Body::is_end_stream(&self.body) {
            self.connection.keep();
        }
    }

    /// What is wrong with it, unless it has bytes of the file: whole or in parts.
    fn refusal(&self, target: &Target, with_token: bool, of_token: Option<&str>) -> Option<Failure> {
        if let Some(encoding) = headers::text(&self.headers, header::CONTENT_ENCODING)
            && !encoding.eq_ignore_ascii_case("identity")
        {
            let text = format!("the answer of {} is encoded with {encoding}", target.origin);
            return Some(Failure::new(ErrorKind::Unsupported, text));
        }
        let status = self.status.as_u16();
        let kind = match status {
            200 | 206 | 416 => return None,
            401 | 403 => ErrorKind::PermissionDenied,
            404 | 410 => ErrorKind::NotFound,
            408 | 504 => ErrorKind::TimedOut,
            425 | 429 | 503 => ErrorKind::ResourceBusy,
            500..=599 => ErrorKind::Other,
            _ => ErrorKind::Unsupported,
        };
        let mut text = format!("{} answers {}", target.origin, self.status);
        if kind == ErrorKind::PermissionDenied {
            text.push_str(match (target.origin.tls, with_token) {
                (true, true) => ", with a token",
                (true, false) => ", without a token",
                (false, _) => ": a token is sent over https only",
            });
        }
        if let Some(why) = of_token {
            text.push_str(&format!(": {why}"));
        }
        let retry_after = headers::retry_after(&self.headers);
        if let Some(after) = retry_after {
            text.push_str(&format!(", and asks to wait {} s", after.as_secs()));
        }
        Some(Failure { kind, text, status: Some(status), retry_after })
    }
}

/// The value of a `Range` header.
pub(super) fn range_header<'a>(ranges: impl IntoIterator<Item = &'a Range<u64>>) -> String {
    let ranges = ranges.into_iter().map(|range| format!("{}-{}", range.start, range.end.saturating_sub(1)));
    format!("bytes={}", ranges.collect::<Vec<_>>().join(","))
}
