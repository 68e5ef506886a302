//! What the headers of an answer say, strictly.

use std::ops::Range;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{self, AsHeaderName};

/// A header as text.
pub(super) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `Content-Range` of an answer to one range.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// These bytes, half-open, of a file of so many.
    Part(Range<u64>, u64),
    /// None: the file has so many.
    Unsatisfied(u64),
}

impl ContentRange {
    /// Reads `bytes 0-9/100` and `bytes */100`.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let value = value.trim().strip_prefix("bytes")?.trim_start();
        let (range, size) = value.split_once('/')?;
        let size = number(size)?;
        if range.trim() == "*" {
            return Some(Self::Unsatisfied(size));
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        (first <= last && last < size).then(|| Self::Part(first..last + 1, size))
    }
}

/// Digits only: `parse` would take a sign as well.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `Content-Length`.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    number(text(headers, header::CONTENT_LENGTH)?)
}

/// Whether the body is in chunks, of which the last is marked.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    text(headers, header::TRANSFER_ENCODING)
        .is_some_and(|value| value.to_ascii_lowercase().ends_with("chunked"))
}

/// The boundary of `multipart/byteranges`.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, header::CONTENT_TYPE)?;
    let mut parts = value.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/byteranges") {
        return None;
    }
    let boundary = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    let boundary = boundary.strip_prefix('"').and_then(|b| b.strip_suffix('"')).unwrap_or(boundary);
    // RFC 2046, section 5.1.1.
    ((1..=70).contains(&boundary.len())).then(|| boundary.to_owned())
}

/// `Retry-After` in seconds; the other form, a date, is not worth the trouble.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(text(headers, header::RETRY_AFTER)?).map(|seconds| Duration::from_secs(seconds.min(86_400)))
}

/// What tells the content of a file from another: its ETag and its time of modification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

impl Version {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let owned = |name| text(headers, name).map(str::to_owned);
        Self { etag: owned(header::ETAG), modified: owned(header::LAST_MODIFIED) }
    }

    /// Why `newer` is of another content, if it is. What one of both does not say is not compared;
    /// ETags of different servers are not either.
    pub(super) fn differs(&self, newer: &Self, same_server: bool) -> Option<String> {
        let differ = |what: &str, old: &Option<String>, new: &Option<String>| match (old, new) {
            (Some(old), Some(new)) if old != new => Some(format!("its {what} was {old} and is {new}")),
            _ => None,
        };
        let etag = || differ("ETag", &self.etag, &newer.etag);
        differ("time of modification", &self.modified, &newer.modified)
            .or_else(|| same_server.then(etag).flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let part = |start, end, size| Some(ContentRange::Part(Range { start, end }, size));
        assert_eq!(ContentRange::parse("bytes 0-9/100"), part(0, 10, 100));
        assert_eq!(ContentRange::parse(" bytes 99-99/100"), part(99, 100, 100));
        assert_eq!(ContentRange::parse("bytes */100"), Some(ContentRange::Unsatisfied(100)));
        for wrong in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 9-0/100",
            "bytes 0-100/100",
            "bytes 0-9/*",
            "bytes +0-9/100",
            "bytes 99--1/100",
            "items 0-9/100",
            "bytes 0-99999999999999999999/99999999999999999999",
        ] {
            assert_eq!(ContentRange::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn boundaries_may_be_quoted() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            boundary(&headers)
        };
        assert_eq!(of("multipart/byteranges; boundary=123456").unwrap(), "123456");
        assert_eq!(of("Multipart/Byteranges; x=y; Boundary=\"a b\"").unwrap(), "a b");
        assert_eq!(of("multipart/byteranges"), None);
        assert_eq!(of("multipart/byteranges; boundary="), None);
        assert_eq!(of("text/html; boundary=1"), None);
    }

    #[test]
    fn versions_differ_by_what_both_say() {
        let version = |etag: &str, modified: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Version { etag: some(etag), modified: some(modified) }
        };
        let old = version("a", "monday");
        assert_eq!(old.differs(&version("a", ""), true), None);
        assert_eq!(old.differs(&version("", ""), true), None);
        assert_eq!(old.differs(&version("b", ""), true).unwrap(), "its ETag was a and is b");
        assert_eq!(old.differs(&version("b", "monday"), false), None, "another server has ETags of its own");
        assert!(old.differs(&version("b", "tuesday"), false).is_some());
    }
}
