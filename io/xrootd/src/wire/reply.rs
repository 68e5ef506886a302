use bytes::Bytes;

use super::{ServerFlags, SessionId};
use crate::ErrorCode;

/// The 8 bytes before each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) stream: u16,
    pub(crate) status: u16,
    pub(crate) length: u32,
}

impl Head {
    pub(crate) const LENGTH: usize = 8;

    pub(crate) fn parse(bytes: &[u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = *bytes;
        Self {
            stream: u16::from_be_bytes([a, b]),
            status: u16::from_be_bytes([c, d]),
            length: u32::from_be_bytes([e, f, g, h]),
        }
    }
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    OkSoFar,
    Attention,
    AuthMore,
    Error,
    Redirect,
    Wait,
    WaitForAnswer,
    /// With a head of its own that has a checksum: `kXR_status`.
    Checked,
}

impl Status {
    pub(crate) fn parse(status: u16) -> Option<Self> {
        Some(match status {
            0 => Self::Ok,
            4000 => Self::OkSoFar,
            4001 => Self::Attention,
            4002 => Self::AuthMore,
            4003 => Self::Error,
            4004 => Self::Redirect,
            4005 => Self::Wait,
            4006 => Self::WaitForAnswer,
            4007 => Self::Checked,
            _ => return None,
        })
    }
}

/// The head of a `kXR_status` answer: which request it belongs to, and how many bytes follow that its
/// outer length does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusHead {
    pub(crate) stream: u16,
    /// The request's code less 3,000.
    pub(crate) request: u8,
    pub(crate) last: bool,
    pub(crate) follows: u32,
    /// Where in the file what follows lies.
    pub(crate) offset: u64,
}

impl StatusHead {
    /// With the offset at its end.
    pub(crate) const LENGTH: usize = 24;

    /// None if its checksum is wrong, or it is of no known kind.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let head: &[u8; Self::LENGTH] = body.get(..Self::LENGTH)?.try_into().ok()?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if crc32c::crc32c(&body[4..]) != word(0) || head[7] > 1 {
            return None;
        }
        Some(Self {
            stream: u16::from_be_bytes([head[4], head[5]]),
            request: head[6],
            last: head[7] == 0,
            follows: word(12),
            offset: u64::from(word(16)) << 32 | u64::from(word(20)),
        })
    }
}

/// Splits an integer off the front.
pub(crate) fn word(body: &Bytes) -> Option<(u32, Bytes)> {
    let first = body.get(..4)?;
    Some((u32::from_be_bytes([first[0], first[1], first[2], first[3]]), body.slice(4..)))
}

/// A message up to its NUL, whatever bytes it is made of: one line that is not too long.
pub(crate) fn text(body: &[u8]) -> String {
    const LONGEST: usize = 2048;
    line(&body[..body.len().min(LONGEST)])
}

/// The same of what must be whole.
fn line(body: &[u8]) -> String {
    let end = body.iter().position(|&b| b == 0).unwrap_or(body.len());
    let text = String::from_utf8_lossy(&body[..end]);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `kXR_error`.
pub(crate) fn error(body: &Bytes) -> Option<(ErrorCode, String)> {
    let (code, message) = word(body)?;
    Some((ErrorCode(code), text(&message)))
}

/// The answer to `kXR_protocol`.
pub(crate) fn protocol(body: &Bytes) -> Option<ServerFlags> {
    let (_, rest) = word(body)?;
    // Servers before 2.9.7 say no more than their version and whether they hold data.
    Some(ServerFlags(word(&rest)?.0))
}

/// The answer to `kXR_login`: the session, and the list of methods if one must be followed.
pub(crate) fn login(body: &Bytes) -> Option<(SessionId, String)> {
    if body.is_empty() {
        return Some(([0; 16], String::new()));
    }
    Some((body.get(..16)?.try_into().ok()?, line(&body[16..])))
}

/// Where a request is to be made instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// The host, its port, what is added to the path's options, and a token for the login there.
    Host { host: String, port: u16, opaque: String },
    /// A whole URL.
    Url(String),
}

/// `kXR_redirect`. None if it makes no sense.
pub(crate) fn redirect(body: &Bytes) -> Option<Redirect> {
    let (port, target) = word(body)?;
    let target = line(&target);
    if target.is_empty() {
        return None;
    }
    if (port as i32) < 0 {
        return Some(Redirect::Url(target));
    }
    // host?opaque?token: the token after the second mark is for the login, which we do by other means.
    let mut parts = target.splitn(3, '?');
    let host = parts.next()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let opaque = parts.next().unwrap_or_default().trim_matches('&').to_owned();
    if host.is_empty() || host.contains('/') {
        return None;
    }
    let port = if port == 0 { 1094 } else { u16::try_from(port).ok()? };
    Some(Redirect::Host { host, port, opaque })
}

/// `kXR_attn`: the answer inside of an asynchronous one; None for a message of another kind.
pub(crate) fn late_answer(body: &Bytes) -> Option<(Head, Bytes)> {
    const ASYNC_ANSWER: u32 = 5008;
    let (action, rest) = word(body)?;
    if action != ASYNC_ANSWER {
        return None;
    }
    let head = Head::parse(rest.get(4..12)?.try_into().ok()?);
    let inner = rest.slice(12..);
    (inner.len() == head.length as usize).then_some((head, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_a_host_or_a_url() {
        let parse = |body: &'static [u8]| redirect(&Bytes::from_static(body));
        let host = |host: &str, port, opaque: &str| {
            Some(Redirect::Host { host: host.to_owned(), port, opaque: opaque.to_owned() })
        };
        assert_eq!(parse(b"\0\0\x04\x46h.cern.ch"), host("h.cern.ch", 1094, ""));
        assert_eq!(parse(b"\0\0\x04\x47[::1]?a=b&c=d?token"), host("::1", 1095, "a=b&c=d"));
        assert_eq!(parse(b"\0\0\0\0h"), host("h", 1094, ""));
        assert_eq!(parse(b"\xff\xff\xff\xffroot://h//f"), Some(Redirect::Url("root://h//f".to_owned())));
        for nonsense in
            [&b"\0\0\x04\x46"[..], b"\0\x01\0\0h", b"\0\0\x04", b"\0\0\x04\x46?x", b"\0\0\x04\x46a/b"]
        {
            assert_eq!(parse(nonsense), None);
        }
    }

    #[test]
    fn text_of_a_server_is_one_bounded_line() {
        assert_eq!(text(b"no such\nfile\0rest"), "no such file");
        assert_eq!(text(&[b'x'; 10_000]).len(), 2048);
        assert_eq!(text(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
