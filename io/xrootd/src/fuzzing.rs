//! A server that says anything: what the fuzz target `xrootd` runs. Not for use.

use bytes::{Bytes, BytesMut};

use crate::info::{Checksum, Entry, Location, Stat};
use crate::reading;
use crate::session::{Answer, Outcome, Session, Step};
use crate::wire::request::{OpenFlags, Query};
use crate::wire::{Request, reply};

/// Makes up to eight requests and takes `data` for what the server answers. The first byte says whether
/// it is a stream of bytes or of frames, whose heads are then right; the second how many requests; then a
/// byte for each.
///
/// # Panics
/// Where an answer is taken that no request allows.
pub fn converse(data: &[u8]) {
    let [mode, count, rest @ ..] = data else { return };
    let count = usize::from(count % 8) + 1;
    if rest.len() < count {
        return;
    }
    let (kinds, rest) = rest.split_at(count);
    let mut session = Session::default();
    session.expect_handshake(0);
    let mut streams = vec![0];
    for &kind in kinds {
        let (ticket, _) = session.submit(&request(kind), kind).expect("few requests are under way");
        if kind & 0x80 != 0 {
            session.abandon(ticket);
        }
        streams.push(ticket.stream);
    }
    let bytes = if mode & 1 == 0 { rest.to_vec() } else { frames(rest, &streams, kinds) };
    let mut buffer = BytesMut::new();
    for chunk in bytes.chunks(usize::from(mode >> 1) + 1) {
        buffer.extend_from_slice(chunk);
        loop {
            match session.step(&mut buffer) {
                Ok(Step::Answered(kind, outcome)) => take(kind, outcome),
                Ok(Step::Heard | Step::Orphan(_)) => {}
                Ok(Step::Needs(needs)) => {
                    assert!(needs > buffer.len() && needs < 1 << 27);
                    break;
                }
                Err(_) => return,
            }
        }
    }
}

fn request(kind: u8) -> Request {
    let ranges = ranges();
    match kind % 9 {
        0 => Request::read([0; 4], &ranges[0], 0),
        1 => Request::page_read([0; 4], &(4090..4200), 0, false),
        2 => Request::read_vector([0; 4], &ranges, 0),
        3 => Request::open("/a", OpenFlags(0), 0),
        4 => Request::query(Query::Checksum, "/a"),
        5 => Request::list("/"),
        6 => Request::locate("/a"),
        7 => Request::login("me"),
        _ => Request::page_write([0; 4], 0, Bytes::new(), false),
    }
}

fn ranges() -> [std::ops::Range<u64>; 3] {
    [5..25, 100..101, 7..9]
}

/// Frames with sound heads: for each a byte for the stream, one for the status, one for the length.
fn frames(mut data: &[u8], streams: &[u16], kinds: &[u8]) -> Vec<u8> {
    const STATUS: [u16; 9] = [0, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007];
    let mut bytes = Vec::new();
    while let [stream, status, length, rest @ ..] = data {
        let at = usize::from(*stream) % streams.len();
        let (stream, status) = (streams[at], STATUS[usize::from(*status) % STATUS.len()]);
        let (body, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        data = rest;
        bytes.extend(stream.to_be_bytes());
        bytes.extend(status.to_be_bytes());
        if status == 4007 {
            // As `ServerResponseBody_Status`, with a checksum that agrees.
            let codes = [13, 30, 25, 10, 1, 4, 27, 7, 26];
            let code = if at == 0 { 0 } else { codes[usize::from(kinds[at - 1] % 9)] };
            let (first, pages) = body.split_first().map_or((&0, body), |split| split);
            let mut head = Vec::new();
            head.extend(stream.to_be_bytes());
            head.extend([code, first & 1, 0, 0, 0, 0]);
            head.extend((pages.len() as u32).to_be_bytes());
            head.extend(4090_u64.to_be_bytes());
            bytes.extend(24_u32.to_be_bytes());
            bytes.extend(crc32c::crc32c(&head).to_be_bytes());
            bytes.extend(head);
            bytes.extend(pages);
        } else {
            bytes.extend((body.len() as u32).to_be_bytes());
            bytes.extend(body);
        }
    }
    bytes
}

fn take(kind: u8, outcome: Outcome) {
    let Outcome::Done(Answer { parts, pages }) = outcome else { return };
    let came: usize = parts.iter().map(Bytes::len).chain(pages.iter().map(|(_, page)| page.len())).sum();
    assert!(came as u64 <= request(kind).longest_answer.max(8));
    if let Ok(pages) = reading::pages_in_order(4090, pages) {
        assert!(pages.iter().map(Bytes::len).sum::<usize>() <= 118);
    }
    let whole = Answer { parts, pages: Vec::new() }.whole();
    let text = String::from_utf8_lossy(&whole);
    let _ = (Stat::parse(&text), Checksum::parse(&text), Location::parse_all(&text));
    for entry in Entry::parse_all(&text) {
        assert!(!entry.name.contains('/') && entry.name != "..");
    }
    let _ = (reply::login(&whole), reply::protocol(&whole));
    if let Ok(parts) = reading::split_vector(&whole, &ranges()) {
        assert_eq!(parts.iter().map(Bytes::len).collect::<Vec<_>>(), [20, 1, 2]);
    }
}
