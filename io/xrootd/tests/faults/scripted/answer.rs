//! Answers, byte by byte.

use bytes::Bytes;
use crc32c::crc32c;

use super::*;

const OKSOFAR: u16 = 4000;
const ATTN: u16 = 4001;
const AUTHMORE: u16 = 4002;
const ERROR: u16 = 4003;
const REDIRECT: u16 = 4004;
const WAIT: u16 = 4005;
const WAITRESP: u16 = 4006;
const STATUS: u16 = 4007;
const ASYNRESP: u32 = 5008;
const PAGE: u64 = 4096;
/// The handle of every open file.
const HANDLE: [u8; 4] = [7, 0, 0, 1];
pub(crate) const SERVER_FLAGS: u32 = 1;
pub(crate) const PAGES_FLAG: u32 = 0x0020_0000;
pub(crate) const TLS_AT_ONCE: u32 = 0x8000_0000 | 0x4000_0000;

/// `kXR_ok` with this body.
pub(crate) fn ok(request: &Request, body: &[u8]) -> Bytes {
    frame(request.stream, 0, body)
}

pub(crate) fn frame(stream: [u8; 2], status: u16, body: &[u8]) -> Bytes {
    let length = (body.len() as u32).to_be_bytes();
    [&stream[..], &status.to_be_bytes(), &length, body].concat().into()
}

/// A header that promises `length` bytes, whatever follows.
pub(crate) fn promise(request: &Request, length: i32) -> Bytes {
    [&request.stream[..], &[0, 0], &length.to_be_bytes()].concat().into()
}

pub(crate) fn error(request: &Request, code: u32, message: &str) -> Bytes {
    frame(request.stream, ERROR, &[&code.to_be_bytes()[..], message.as_bytes(), b"\0"].concat())
}

pub(crate) fn oksofar(request: &Request, body: &[u8]) -> Bytes {
    frame(request.stream, OKSOFAR, body)
}

/// To a host and port; a negative port says that `host` is a URL.
pub(crate) fn redirect(request: &Request, host: &str, port: i32) -> Bytes {
    frame(request.stream, REDIRECT, &[&port.to_be_bytes()[..], host.as_bytes()].concat())
}

pub(crate) fn wait(request: &Request, seconds: i32) -> Bytes {
    frame(request.stream, WAIT, &[&seconds.to_be_bytes()[..], b"please\0"].concat())
}

pub(crate) fn waitresp(request: &Request, seconds: i32) -> Bytes {
    frame(request.stream, WAITRESP, &seconds.to_be_bytes())
}

pub(crate) fn authmore(request: &Request, challenge: &[u8]) -> Bytes {
    frame(request.stream, AUTHMORE, challenge)
}

/// The late answer that `waitresp` announced, itself a whole frame.
pub(crate) fn later(answer: &[u8]) -> Bytes {
    frame([0, 0], ATTN, &[&ASYNRESP.to_be_bytes()[..], &[0; 4], answer].concat())
}

/// A message of the operator, which no request asked for.
pub(crate) fn announcement(text: &str) -> Bytes {
    frame([0, 0], ATTN, &[&5002_u32.to_be_bytes()[..], text.as_bytes(), b"\0"].concat())
}

pub(crate) fn protocol(request: &Request, flags: u32) -> Bytes {
    ok(request, &[0x511_u32.to_be_bytes(), flags.to_be_bytes()].concat())
}

pub(crate) fn login(request: &Request, security: &[u8]) -> Bytes {
    ok(request, &[b"0123456789abcdef", security].concat())
}

/// What `stat` says, and `open` in its answer.
fn status_of(content: &Content) -> String {
    format!("140737488355329 {} 16 {}\0", content.bytes.len(), content.modified)
}

pub(crate) fn open(request: &Request, content: &Content) -> Bytes {
    let retstat = u16::from_be_bytes([request.parameters[2], request.parameters[3]]) & 0x400 != 0;
    let stat = if retstat { [&[0; 8][..], status_of(content).as_bytes()].concat() } else { Vec::new() };
    ok(request, &[&HANDLE[..], &stat].concat())
}

/// What the file has of `length` bytes from `offset` on: nothing behind its end.
pub(crate) fn piece(content: &Content, offset: u64, length: usize) -> Bytes {
    let size = content.bytes.len();
    let start = usize::try_from(offset).map_or(size, |offset| offset.min(size));
    content.bytes.slice(start..(start.saturating_add(length)).min(size))
}

/// The body of a readv: each element's head and bytes.
pub(crate) fn vector(request: &Request, content: &Content) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    for (offset, length) in request.elements() {
        let bytes = piece(content, offset, length);
        if bytes.len() < length {
            return None;
        }
        body.extend([&HANDLE[..], &(length as u32).to_be_bytes(), &offset.to_be_bytes(), &bytes].concat());
    }
    Some(body)
}

/// Pages with their checksums: the first ends where a page of the file does.
pub(crate) fn pages(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = (PAGE - (offset + at as u64) % PAGE) as usize;
        let page = &bytes[at..(at + length).min(bytes.len())];
        body.extend(crc32c(page).to_be_bytes());
        body.extend(page);
        at += page.len();
    }
    body
}

/// A `kXR_status` frame of a pgread: `kind` as in its request, of which the answer is of `offset`, and
/// whether more follows.
pub(crate) fn paged(stream: [u8; 2], kind: u16, offset: u64, body: &[u8], more: bool) -> Bytes {
    let (kind, more) = ((kind - 3000) as u8, u8::from(more));
    let length = (body.len() as u32).to_be_bytes();
    let covered = [&stream[..], &[kind, more, 0, 0, 0, 0], &length, &offset.to_be_bytes()].concat();
    let head = frame(stream, STATUS, &[&crc32c(&covered).to_be_bytes()[..], &covered].concat());
    [&head, body].concat().into()
}

pub(crate) fn pgread(request: &Request, content: &Content) -> Bytes {
    let bytes = piece(content, request.offset(), request.length());
    paged(request.stream, PGREAD, request.offset(), &pages(request.offset(), &bytes), false)
}

/// As a server answers that has nothing to complain of.
pub(crate) fn right(request: &Request, content: &Content) -> Bytes {
    match request.kind {
        HANDSHAKE => ok(request, &[0x511_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat()),
        PROTOCOL => protocol(request, SERVER_FLAGS | if content.pages { PAGES_FLAG } else { 0 }),
        LOGIN => login(request, b""),
        AUTH | CLOSE | PING | SYNC | ENDSESS => ok(request, b""),
        OPEN => open(request, content),
        STAT => ok(request, status_of(content).as_bytes()),
        READ => ok(request, &piece(content, request.offset(), request.length())),
        READV => vector(request, content)
            .map_or_else(|| error(request, 3007, "readv past the end"), |body| ok(request, &body)),
        PGREAD => pgread(request, content),
        QUERY => query(request),
        _ => error(request, 3013, "this server cannot do that"),
    }
}

/// `kXR_Qconfig`: a line for each name.
fn query(request: &Request) -> Bytes {
    if request.parameters[..2] != 7_u16.to_be_bytes() {
        return error(request, 3013, "this server cannot be asked that");
    }
    let lines = request.path().split([' ', '\n', '\0']).filter(|name| !name.is_empty()).fold(
        String::new(),
        |all, name| {
            let value = match name {
                "readv_iov_max" => "1024",
                "readv_ior_max" => "2097136",
                unknown => unknown,
            };
            all + value + "\n"
        },
    );
    ok(request, &[lines.as_bytes(), b"\0"].concat())
}
