use std::fmt;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::page;
use super::{Handle, SessionId, VERSION};

/// The largest answer to a request that does not say how long its answer may be.
const SMALL: u64 = 1 << 20;

/// The largest listing of a folder.
const LISTING: u64 = 64 << 20;

/// A request before it has a stream id.
#[derive(Clone)]
pub(crate) struct Request {
    code: u16,
    body: [u8; 16],
    /// What follows the 24 bytes.
    pub(crate) data: Bytes,
    /// No answer is longer than this, all its pieces together.
    pub(crate) longest_answer: u64,
}

/// Without what follows the head: a path may have a token in its options.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}, {} bytes)", self.name(), self.data.len())
    }
}

/// The fields of `kXR_open`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFlags(pub(crate) u16);

impl OpenFlags {
    pub(crate) const DELETE: u16 = 0x0002;
    pub(crate) const NEW: u16 = 0x0008;
    pub(crate) const READ: u16 = 0x0010;
    pub(crate) const UPDATE: u16 = 0x0020;
    pub(crate) const MAKE_PATH: u16 = 0x0100;
    pub(crate) const STAT: u16 = 0x0400;
}

/// What `kXR_query` asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Query {
    Checksum = 3,
    Config = 7,
}

impl Request {
    /// The code of `kXR_open`.
    pub(crate) const OPEN: u16 = 3010;

    fn new(code: u16, body: [u8; 16], data: impl Into<Bytes>) -> Self {
        Self { code, body, data: data.into(), longest_answer: SMALL }
    }

    fn path(code: u16, body: [u8; 16], path: &str) -> Self {
        Self::new(code, body, Bytes::copy_from_slice(path.as_bytes()))
    }

    fn handle(code: u16, handle: Handle) -> Self {
        Self::new(code, body(|b| b.put_slice(&handle)), Bytes::new())
    }

    fn longest(mut self, bytes: u64) -> Self {
        self.longest_answer = bytes;
        self
    }

    /// Its name for people.
    pub(crate) fn name(&self) -> &'static str {
        match self.code {
            3000 => "authenticate",
            3001 => "query",
            3003 => "close",
            3004 => "list",
            3006 => "greet",
            3007 => "log in",
            3008 => "make folder",
            3009 => "rename",
            3010 => "open",
            3011 => "ping",
            3013 => "read",
            3014 => "remove",
            3015 => "remove folder",
            3016 => "sync",
            3017 => "stat",
            3019 => "write",
            3023 => "end session",
            3024 => "bind",
            3025 => "read",
            3026 => "write",
            3027 => "locate",
            3028 => "truncate",
            3030 => "read",
            _ => "ask",
        }
    }

    /// Whether it does no harm to make it again when it is not known whether it was done.
    pub(crate) fn repeats(&self) -> bool {
        const MAKE_FOLDER: u16 = 3008;
        const RENAME: u16 = 3009;
        const REMOVE: u16 = 3014;
        const REMOVE_FOLDER: u16 = 3015;
        match self.code {
            MAKE_FOLDER | RENAME | REMOVE | REMOVE_FOLDER => false,
            Self::OPEN => {
                let flags = u16::from_be_bytes([self.body[2], self.body[3]]);
                flags & (OpenFlags::DELETE | OpenFlags::NEW) == 0
            }
            _ => true,
        }
    }

    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// The 24 bytes of its head. Data longer than `i32::MAX` is never made.
    pub(crate) fn head(&self, stream: u16) -> [u8; 24] {
        let mut head = [0; 24];
        head[..2].copy_from_slice(&stream.to_be_bytes());
        head[2..4].copy_from_slice(&self.code.to_be_bytes());
        head[4..20].copy_from_slice(&self.body);
        head[20..].copy_from_slice(&(self.data.len() as u32).to_be_bytes());
        head
    }

    /// `expects` what follows: 1 a bind, 3 a login.
    pub(crate) fn protocol(able_tls: bool, want_tls: bool, expects: u8) -> Self {
        let flags = if able_tls { 0x02 } else { 0 } | if want_tls { 0x04 } else { 0 };
        let body = body(|b| {
            b.put_u32(VERSION);
            b.put_u8(flags);
            b.put_u8(expects);
        });
        Self::new(3006, body, Bytes::new())
    }

    pub(crate) fn login(user: &str) -> Self {
        const FULL_URL: u8 = 1;
        const READ_REDIRECTS: u8 = 4;
        const IPV4_AND_6: u8 = 8;
        const REDIRECT_FLAGS: u8 = 128;
        const VERSION_5_ASYNC: u8 = 5 | 128;
        let mut name = [0; 8];
        for (to, from) in name.iter_mut().zip(user.bytes().filter(u8::is_ascii_graphic)) {
            *to = from;
        }
        let body = body(|b| {
            b.put_u32(std::process::id());
            b.put_slice(&name);
            b.put_u8(0);
            b.put_u8(FULL_URL | READ_REDIRECTS | IPV4_AND_6 | REDIRECT_FLAGS);
            b.put_u8(VERSION_5_ASYNC);
        });
        Self::new(3007, body, Bytes::new())
    }

    pub(crate) fn auth(method: &str, credentials: Vec<u8>) -> Self {
        let mut name = [0; 4];
        for (to, from) in name.iter_mut().zip(method.bytes()) {
            *to = from;
        }
        let body = body(|b| {
            b.put_slice(&[0; 12]);
            b.put_slice(&name);
        });
        Self::new(3000, body, credentials)
    }

    pub(crate) fn bind(session: SessionId) -> Self {
        Self::new(3024, session, Bytes::new())
    }

    pub(crate) fn end_session(session: SessionId) -> Self {
        Self::new(3023, session, Bytes::new())
    }

    pub(crate) fn ping() -> Self {
        Self::new(3011, [0; 16], Bytes::new())
    }

    /// `flags` of [`OpenFlags`], `mode` the permissions of a file that is made.
    pub(crate) fn open(path: &str, flags: OpenFlags, mode: u16) -> Self {
        let body = body(|b| {
            b.put_u16(mode);
            b.put_u16(flags.0);
        });
        Self::path(Self::OPEN, body, path)
    }

    pub(crate) fn close(handle: Handle) -> Self {
        Self::handle(3003, handle)
    }

    pub(crate) fn stat(path: &str) -> Self {
        Self::path(3017, [0; 16], path)
    }

    pub(crate) fn stat_open(handle: Handle) -> Self {
        let body = body(|b| {
            b.put_slice(&[0; 12]);
            b.put_slice(&handle);
        });
        Self::new(3017, body, Bytes::new())
    }

    /// `stream` is the bound stream that carries the answer, 0 the first.
    pub(crate) fn read(handle: Handle, range: &Range<u64>, stream: u8) -> Self {
        let length = range.end - range.start;
        let args: &[u8] = if stream == 0 { &[] } else { &[stream, 0, 0, 0, 0, 0, 0, 0] };
        Self::new(3013, place(handle, range.start, length as u32), Bytes::copy_from_slice(args))
            .longest(length)
    }

    /// `again` if an earlier answer did not agree with its checksums.
    pub(crate) fn page_read(handle: Handle, range: &Range<u64>, stream: u8, again: bool) -> Self {
        let length = range.end - range.start;
        let args = if stream == 0 && !again { Vec::new() } else { vec![stream, u8::from(again)] };
        Self::new(3030, place(handle, range.start, length as u32), args)
            .longest(length + page::count(range) * 4)
    }

    /// Several ranges of one file; the server's limits are the caller's to keep.
    pub(crate) fn read_vector(handle: Handle, ranges: &[Range<u64>], stream: u8) -> Self {
        let mut list = BytesMut::with_capacity(ranges.len() * 16);
        let mut length = 0;
        for range in ranges {
            list.put_slice(&handle);
            list.put_u32((range.end - range.start) as u32);
            list.put_u64(range.start);
            length += range.end - range.start + 16;
        }
        let mut body = [0; 16];
        body[15] = stream;
        Self::new(3025, body, list).longest(length)
    }

    pub(crate) fn write(handle: Handle, offset: u64, data: Bytes) -> Self {
        Self::new(3019, place(handle, offset, 0), data)
    }

    /// `data` holds a checksum before each page.
    pub(crate) fn page_write(handle: Handle, offset: u64, data: Bytes, again: bool) -> Self {
        let mut body = place(handle, offset, 0);
        body[13] = u8::from(again);
        Self::new(3026, body, data)
    }

    pub(crate) fn sync(handle: Handle) -> Self {
        Self::handle(3016, handle)
    }

    pub(crate) fn truncate(path: &str, size: u64) -> Self {
        Self::path(3028, place([0; 4], size, 0), path)
    }

    pub(crate) fn truncate_open(handle: Handle, size: u64) -> Self {
        Self::new(3028, place(handle, size, 0), Bytes::new())
    }

    pub(crate) fn make_folder(path: &str, parents: bool, mode: u16) -> Self {
        let mut body = [0; 16];
        body[0] = u8::from(parents);
        body[14..].copy_from_slice(&mode.to_be_bytes());
        Self::path(3008, body, path)
    }

    pub(crate) fn rename(from: &str, to: &str) -> Self {
        let mut body = [0; 16];
        body[14..].copy_from_slice(&(from.len() as u16).to_be_bytes());
        Self::path(3009, body, &format!("{from} {to}"))
    }

    pub(crate) fn remove(path: &str) -> Self {
        Self::path(3014, [0; 16], path)
    }

    pub(crate) fn remove_folder(path: &str) -> Self {
        Self::path(3015, [0; 16], path)
    }

    /// With what `stat` says of each entry.
    pub(crate) fn list(path: &str) -> Self {
        let mut body = [0; 16];
        body[15] = 2;
        Self::path(3004, body, path).longest(LISTING)
    }

    pub(crate) fn locate(path: &str) -> Self {
        Self::path(3027, [0; 16], path)
    }

    pub(crate) fn query(what: Query, about: &str) -> Self {
        let mut body = [0; 16];
        body[1] = what as u8;
        Self::path(3001, body, about)
    }
}

fn body(write: impl FnOnce(&mut &mut [u8])) -> [u8; 16] {
    let mut body = [0; 16];
    write(&mut body.as_mut_slice());
    body
}

fn place(handle: Handle, offset: u64, length: u32) -> [u8; 16] {
    body(|b| {
        b.put_slice(&handle);
        b.put_u64(offset);
        b.put_u32(length);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `struct ClientReadRequest` and `struct readahead_list`.
    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn reads_as_the_specification_lays_them_out() {
        let request = Request::read(*b"HNDL", &(0x0102_0304_0506..0x0102_0304_0516), 0);
        let head = request.head(0xabcd);
        assert_eq!(
            head,
            *b"\xab\xcd\x0b\xc5HNDL\x00\x00\x01\x02\x03\x04\x05\x06\x00\x00\x00\x10\x00\x00\x00\x00"
        );
        let request = Request::read_vector(*b"HNDL", &[1..3], 0);
        assert_eq!(request.data, &b"HNDL\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01"[..]);
        assert_eq!(request.longest_answer, 18);
    }

    #[test]
    fn two_paths_are_told_apart_by_the_length_of_the_first() {
        let request = Request::rename("/a b", "/c");
        assert_eq!(request.head(0)[18..20], [0, 4]);
        assert_eq!(request.data, &b"/a b /c"[..]);
    }
}
