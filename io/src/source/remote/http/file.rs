use std::io::ErrorKind;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header;
use tokio::time::sleep;

use super::client::{Answer, HttpClient, range_header};
use super::connection::Multi;
use super::failure::Failure;
use super::headers::{self, ContentRange, Version};
use super::multipart;
use super::target::Target;
use super::whole::{self, WholeFile};
use crate::source::remote::race::Race;
use crate::source::remote::{RemoteFile, Reply, place};
use crate::{Error, Result};

/// What the opening asks for: the largest head that may be wanted next.
const HEAD: u64 = 64 << 10;
/// A file that comes whole with the opening is its own head up to this size.
const WHOLE: u64 = 1 << 20;
/// Ranges up to this size are worth to be asked for together.
const SMALL: u64 = 128 << 10;
/// As many as there are connections are as fast alone.
const FEW: usize = 4;
/// Ranges in one request: servers limit their number (Apache 200) and the length of a header (8 KiB).
const TOGETHER: usize = 100;
/// Bytes of one request for several, so that large ones use all connections.
const BYTES_TOGETHER: u64 = 2 << 20;
/// Requests for one read that are prepared at once; connections are fewer.
const AT_ONCE: usize = 8;
/// How often a passing failure of the server is overlooked, if there is no other replica.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Ranges that one request asks for.
type Batch = Vec<Range<u64>>;

/// The bytes of each range of each batch.
type Answers<'a> = Pin<Box<dyn Future<Output = Result<Vec<Vec<Bytes>>, Failure>> + Send + 'a>>;

/// A file of a web server.
#[derive(Debug)]
pub(in crate::source::remote) struct HttpFile {
    shown: String,
    size: u64,
    version: Version,
    version_text: String,
    /// The first bytes, which came with the opening.
    head: Bytes,
    /// As the user gave it.
    given: Target,
    /// Where redirects lead to.
    found: Mutex<Target>,
    /// Whose the ETag is.
    server: Target,
    client: Arc<HttpClient>,
    patient: bool,
    /// Whether the server has given the whole file where a range was asked for.
    is_whole: AtomicBool,
    /// The hash of the whole file, where the server tells no version.
    content: OnceLock<u64>,
}

/// Several ranges by one request.
enum Several {
    Came(Vec<Bytes>),
    /// The server answers something else.
    Never,
    /// The connection ended.
    Dropped,
}

impl HttpFile {
    pub(in crate::source::remote) async fn open(
        client: &Arc<HttpClient>,
        location: &str,
        patient: bool,
    ) -> Result<Arc<dyn RemoteFile>> {
        let shown = place::shown(location);
        let failed = |failure: Failure| failure.into_error("open", &shown);
        let given =
            Target::parse(location).map_err(|why| failed(Failure::new(ErrorKind::Unsupported, why)))?;
        if let Some(name) = given.secret_in_clear() {
            let text = format!("its option {name} would be sent without TLS: use https:// or davs://");
            return Err(failed(Failure::new(ErrorKind::PermissionDenied, text)));
        }
        let opening = || begin(client, &given);
        let Begun { size, head, version, found, content } =
            attempts(client, patient, opening).await.map_err(failed)?;
        let text = [&version.etag, &version.modified].map(|part| part.as_deref().unwrap_or_default());
        Ok(Arc::new(Self {
            version_text: text.join(" ").trim().to_owned(),
            server: found.clone(),
            found: Mutex::new(found),
            client: client.clone(),
            shown,
            size,
            version,
            head,
            given,
            patient,
            is_whole: AtomicBool::new(content.is_some()),
            content: content.flatten().map_or_else(OnceLock::new, OnceLock::from),
        }))
    }

    /// Asks where the last redirect led to; where that is gone, at the beginning.
    async fn get(&self, range: &str) -> Result<Answer, Failure> {
        let found = self.found();
        let asked = self.client.get(&self.given.origin, &found, Some(range)).await;
        let moved = |failure: &Failure| {
            found != self.given
                && (failure.is_passing() || matches!(failure.status, Some(400..=499)))
                && failure.retry_after.is_none()
        };
        let (answer, from) = match asked {
            Err(failure) if moved(&failure) => {
                self.client.get(&self.given.origin, &self.given, Some(range)).await?
            }
            asked => asked?,
        };
        self.check_version(&Version::of(&answer.headers), &from)?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = from;
        Ok(answer)
    }

    fn found(&self) -> Target {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_version(&self, version: &Version, from: &Target) -> Result<(), Failure> {
        let same_server = from.origin == self.server.origin;
        match self.version.differs(version, same_server) {
            Some(how) => Err(Failure::changed(how)),
            None => Ok(()),
        }
    }

    /// The whole file, if it is still what was opened.
    fn check_whole(&self, file: &WholeFile) -> Result<(), Failure> {
        self.check_version(&file.version, &file.server)?;
        self.check_size(file.size())?;
        if self.version_text.is_empty() && *self.content.get_or_init(|| file.hash()) != file.hash() {
            return Err(Failure::changed("it has other bytes"));
        }
        Ok(())
    }

    /// Ranges of the whole file, which is read if it is not here: out of the `answer`, if there is one.
    async fn whole(&self, ranges: &[Range<u64>], answer: Option<Answer>) -> Result<Vec<Bytes>, Failure> {
        let is_mine = |file: &WholeFile| self.check_whole(file).is_ok();
        if let Some(file) = self.client.whole.find(&self.given).filter(|file| is_mine(file)) {
            return Ok(file.copy(ranges));
        }
        let answer = answer.map(|answer| (answer, self.found()));
        let file = whole::read(&self.client, &self.given, answer, is_mine).await?;
        self.check_whole(&file)?;
        self.is_whole.store(true, Ordering::Relaxed);
        Ok(file.copy(ranges))
    }

    fn check_size(&self, size: u64) -> Result<(), Failure> {
        if size == self.size {
            return Ok(());
        }
        Err(Failure::changed(format!("it had {} bytes and has {size}", self.size)))
    }

    async fn one(&self, range: &Range<u64>) -> Result<Bytes, Failure> {
        let whole = async |answer| {
            let mut bytes = self.whole(std::slice::from_ref(range), answer).await?;
            Ok(bytes.pop().unwrap_or_default())
        };
        if self.is_whole.load(Ordering::Relaxed) {
            return whole(None).await;
        }
        let answer = self.get(&range_header([range])).await?;
        if answer.status == StatusCode::OK {
            // Caches forget that they know ranges if all of a file is asked for.
            if *range != (0..self.size) {
                return whole(Some(answer)).await;
            }
            return self.client.body(answer, self.size).await;
        }
        let said = headers::text(&answer.headers, header::CONTENT_RANGE);
        match said.and_then(ContentRange::parse) {
            Some(ContentRange::Part(part, size)) => {
                self.check_size(size)?;
                if part != *range {
                    let text = format!("bytes {range:?} were asked for and {part:?} came");
                    return Err(Failure::nonsense(text));
                }
                self.client.body(answer, range.end - range.start).await
            }
            Some(ContentRange::Unsatisfied(size)) => {
                self.check_size(size)?;
                Err(Failure::nonsense(format!("the server does not have bytes {range:?} of {size}")))
            }
            None if answer.status == StatusCode::RANGE_NOT_SATISFIABLE => {
                Err(Failure::changed(format!("the server does not have bytes {range:?} any more")))
            }
            None => Err(Failure::nonsense(format!("the answer has no proper Content-Range: {said:?}"))),
        }
    }

    /// Several ranges by one request.
    async fn together(&self, ranges: &[Range<u64>]) -> Result<Several, Failure> {
        let answer = match self.get(&range_header(ranges)).await {
            Ok(answer) => answer,
            // Too many, too long: perhaps one by one.
            Err(failure) if matches!(failure.status, Some(400 | 405 | 413 | 414 | 431 | 501)) => {
                return Ok(Several::Never);
            }
            Err(failure) if failure.broke_off() => return Ok(Several::Dropped),
            Err(failure) => return Err(failure),
        };
        let boundary =
            headers::boundary(&answer.headers).filter(|_| answer.status == StatusCode::PARTIAL_CONTENT);
        let Some(boundary) = boundary else { return Ok(Several::Never) };
        let asked: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let most = asked + (ranges.len() as u64 + 2) * multipart::OVERHEAD;
        let body = match self.client.body_up_to(answer, most).await {
            Ok(body) => body,
            Err(failure) if failure.kind == ErrorKind::InvalidData => return Ok(Several::Never),
            Err(failure) if failure.broke_off() => return Ok(Several::Dropped),
            Err(failure) => return Err(failure),
        };
        let Ok(parts) = multipart::parse(&body, &boundary, self.size) else { return Ok(Several::Never) };
        // A server may order and join them as it likes.
        let find = |range: &Range<u64>| {
            let holds = |part: &Range<u64>| part.start <= range.start && range.end <= part.end;
            let (part, bytes) = parts.iter().find(|(part, _)| holds(part))?;
            let start = (range.start - part.start) as usize;
            Some(bytes.slice(start..start + (range.end - range.start) as usize))
        };
        let found: Option<Vec<Bytes>> = ranges.iter().map(find).collect();
        Ok(found.map_or(Several::Never, Several::Came))
    }

    /// One request's worth: the ranges of which it has these.
    async fn batch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Failure> {
        if let [range] = ranges {
            let one = || self.one(range);
            return Ok(vec![attempts(&self.client, self.patient, one).await?]);
        }
        let together = || self.together(ranges);
        let host = || self.client.host(&self.found().origin);
        let mut dropped = false;
        if host().multi() != Multi::No {
            match attempts(&self.client, self.patient, together).await {
                Ok(Several::Came(answers)) => {
                    host().learn_multi(true);
                    return Ok(answers);
                }
                Ok(Several::Never) => host().learn_multi(false),
                Ok(Several::Dropped) => dropped = true,
                Err(failure) if matches!(failure.status, Some(500 | 502)) => dropped = true,
                Err(failure) => return Err(failure),
            }
        }
        let singles: Vec<Batch> = ranges.iter().map(|range| vec![range.clone()]).collect();
        let answers = self.batches(&singles).await?;
        if dropped {
            host().learn_dropped();
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Requests in parallel; their answers in order.
    fn batches<'a>(&'a self, batches: &'a [Batch]) -> Answers<'a> {
        Box::pin(async move {
            let mut answers = vec![Vec::new(); batches.len()];
            let mut left = batches.iter().enumerate();
            let mut race = Race::new();
            loop {
                while race.len() < AT_ONCE {
                    let Some((n, batch)) = left.next() else { break };
                    race.add(n, self.batch(batch));
                }
                if race.len() == 0 {
                    return Ok(answers);
                }
                let (n, answer) = race.next().await;
                answers[n] = answer?;
            }
        })
    }
}

impl RemoteFile for HttpFile {
    fn url(&self) -> &str {
        &self.shown
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn server(&self) -> String {
        self.server.origin.to_string()
    }

    fn version(&self) -> &str {
        &self.version_text
    }

    fn verifies_each_read(&self) -> bool {
        // All bytes of a whole file are of one answer.
        !self.version_text.is_empty() || self.is_whole.load(Ordering::Relaxed)
    }

    fn forget(&self) {
        self.client.whole.forget(&self.given);
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        Box::pin(async move {
            if self.is_whole.load(Ordering::Relaxed) {
                let whole = attempts(&self.client, self.patient, || self.whole(&ranges, None)).await;
                return whole.map_err(|failure| failure.into_error("read", &self.shown));
            }
            let known = |range: &Range<u64>| range.end <= self.head.len() as u64;
            let unknown: Vec<Range<u64>> = ranges.iter().filter(|range| !known(range)).cloned().collect();
            let (batches, places) = divide(&unknown);
            let answers = self.batches(&batches).await;
            let answers = answers.map_err(|failure| failure.into_error("read", &self.shown))?;
            let mut places = places.into_iter();
            let bytes = |range: &Range<u64>| {
                if known(range) {
                    return Ok(self.head.slice(range.start as usize..range.end as usize));
                }
                let place = places.next().and_then(|(batch, n)| answers.get(batch)?.get(n));
                place.cloned().ok_or_else(|| {
                    Failure::nonsense("fewer answers came than were asked for")
                        .into_error("read", &self.shown)
                })
            };
            ranges.iter().map(bytes).collect::<Result<Vec<Bytes>, Error>>()
        })
    }
}

/// Which ranges are asked for together, and where each is then: in which batch, and at which place of it.
fn divide(ranges: &[Range<u64>]) -> (Vec<Batch>, Vec<(usize, usize)>) {
    let length = |range: &Range<u64>| range.end - range.start;
    let small = ranges.iter().filter(|range| length(range) <= SMALL).count();
    let mut batches: Vec<Batch> = Vec::new();
    let mut places = Vec::with_capacity(ranges.len());
    // The batch that small ones are added to, and its bytes.
    let mut open: Option<(usize, u64)> = None;
    for range in ranges {
        match open {
            _ if small <= FEW || length(range) > SMALL => batches.push(Vec::new()),
            Some((batch, bytes))
                if batches[batch].len() < TOGETHER && bytes + length(range) <= BYTES_TOGETHER =>
            {
                open = Some((batch, bytes + length(range)));
                batches[batch].push(range.clone());
                places.push((batch, batches[batch].len() - 1));
                continue;
            }
            _ => {
                open = Some((batches.len(), length(range)));
                batches.push(Vec::new());
            }
        }
        let last = batches.len() - 1;
        batches[last].push(range.clone());
        places.push((last, 0));
    }
    (batches, places)
}

/// What an opening has found.
struct Begun {
    size: u64,
    head: Bytes,
    version: Version,
    found: Target,
    /// Of a file that is here whole, its hash if the server tells no version.
    content: Option<Option<u64>>,
}

/// Asks for the first bytes; for the whole file of a server that gives no ranges.
async fn begin(client: &Arc<HttpClient>, given: &Target) -> Result<Begun, Failure> {
    let asked = client.get(&given.origin, given, Some(&range_header([&(0..HEAD)]))).await;
    let refuses = match &asked {
        Ok((answer, _)) => answer.status == StatusCode::RANGE_NOT_SATISFIABLE && !is_empty(answer),
        Err(failure) => matches!(failure.status, Some(400 | 501)),
    };
    let (answer, found) = match refuses {
        true => {
            drop(asked);
            client.get(&given.origin, given, None).await?
        }
        false => asked?,
    };
    let version = Version::of(&answer.headers);
    if answer.status == StatusCode::OK && headers::length(&answer.headers).is_none_or(|size| size > WHOLE) {
        let file = whole::read(client, given, Some((answer, found)), |_| false).await?;
        let (found, version) = (file.server.clone(), file.version.clone());
        let content = Some((version == Version::default()).then(|| file.hash()));
        return Ok(Begun { size: file.size(), head: Bytes::new(), version, found, content });
    }
    let (size, head) = first_answer(client, answer).await?;
    Ok(Begun { size, head, version, found, content: None })
}

/// Of an empty file there is no range; servers say so in many ways.
fn is_empty(answer: &Answer) -> bool {
    let said = headers::text(&answer.headers, header::CONTENT_RANGE);
    let parsed = said.map(ContentRange::parse);
    matches!(parsed, Some(Some(ContentRange::Unsatisfied(0)) | None))
        && said.is_some_and(|said| said.trim_end().ends_with("/0"))
}

/// Size and first bytes, from the answer to a request for them.
async fn first_answer(client: &HttpClient, answer: Answer) -> Result<(u64, Bytes), Failure> {
    if is_empty(&answer) {
        return Ok((0, Bytes::new()));
    }
    let said = headers::text(&answer.headers, header::CONTENT_RANGE).map(ContentRange::parse);
    match (answer.status, said, headers::length(&answer.headers)) {
        (StatusCode::PARTIAL_CONTENT, Some(Some(ContentRange::Part(part, size))), _) => {
            if part != (0..size.min(HEAD)) {
                let text = format!("the first {HEAD} bytes were asked for and bytes {part:?} came");
                return Err(Failure::nonsense(text));
            }
            Ok((size, client.body(answer, part.end).await?))
        }
        (StatusCode::OK, _, Some(size)) => Ok((size, client.body(answer, size).await?)),
        (status, ..) => Err(Failure::nonsense(format!(
            "the answer {status} to a request for the first bytes has no size"
        ))),
    }
}

/// Tries again what fails in passing, if there is the patience, with pauses that grow or that the server
/// asks for.
async fn attempts<T, F: Future<Output = Result<T, Failure>>>(
    client: &HttpClient,
    patient: bool,
    attempt: impl Fn() -> F,
) -> Result<T, Failure> {
    let (mut paused, patience) = (Duration::ZERO, client.patience());
    let mut pause = FIRST_PAUSE;
    for tried in 1.. {
        // An attempt ends by itself when the server makes no progress.
        let mut failure = match attempt().await {
            Ok(result) => return Ok(result),
            Err(failure) => failure,
        };
        let wait = failure.retry_after.unwrap_or(pause).max(pause);
        paused += wait;
        if !patient || !failure.is_passing() || tried >= ATTEMPTS || paused >= patience {
            if tried > 1 {
                failure.text.push_str(&format!("; tried {tried} times"));
            }
            return Err(failure);
        }
        sleep(wait).await;
        pause *= 4;
    }
    Err(Failure::new(ErrorKind::Other, "not tried"))
}
