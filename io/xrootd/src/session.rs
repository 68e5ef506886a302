//! One connection's conversation: requests out, answers in. No socket and no clock, so that every order
//! of bytes can be tried.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::ErrorCode;
use crate::wire::reply::{self, Redirect, StatusHead};
use crate::wire::{Handle, Head, Request, Status};

/// Errors, redirects and messages are no longer than this.
const NOTICE: u64 = 64 << 10;

/// How a request was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With what it asked for.
    Done(Answer),
    /// With a refusal.
    Failed { code: ErrorCode, message: String },
    /// By naming another host.
    Redirect(Redirect),
    /// It is to be made again after this time.
    Wait(Duration),
    /// Authentication goes on with this challenge.
    More(Bytes),
}

/// What a request asked for, in the pieces in which it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Consecutive pieces.
    pub(crate) parts: Vec<Bytes>,
    /// Pieces with page checksums in them, and where in the file they lie.
    pub(crate) pages: Vec<(u64, BytesMut)>,
}

impl Answer {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// All pieces as one; without a copy if it is one already.
    pub(crate) fn whole(self) -> Bytes {
        join(self.parts)
    }
}

/// Consecutive pieces as one; without a copy if it is one already.
pub(crate) fn join(mut parts: Vec<Bytes>) -> Bytes {
    match parts.len() {
        0 => Bytes::new(),
        1 => parts.swap_remove(0),
        _ => {
            let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            whole.freeze()
        }
    }
}

/// What became of bytes that came.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// The request of this token was answered.
    Answered(T, Outcome),
    /// A file was opened that nobody waits for any more: the server should close it.
    Orphan(Handle),
    /// An answer was taken in that says nothing final, or that nobody waits for.
    Heard,
    /// Nothing can be said before so many bytes are there in all.
    Needs(usize),
}

/// A request that was made. Stream ids are used again, tickets are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) stream: u16,
    serial: u64,
}

/// A server that does not follow the protocol; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

/// The requests under way. `T` is what the caller knows each by.
#[derive(Debug)]
pub(crate) struct Session<T> {
    pending: HashMap<u16, Pending<T>>,
    next: u16,
    serial: u64,
}

#[derive(Debug)]
struct Pending<T> {
    /// None if nobody waits any more. The stream id stays taken until the answer has come, or else the
    /// late answer would be taken for that of another request.
    token: Option<T>,
    serial: u64,
    code: u16,
    left: u64,
    answer: Answer,
    /// The server has said that the answer will come, and that this takes time.
    promised: bool,
}

impl<T> Default for Session<T> {
    fn default() -> Self {
        Self { pending: HashMap::new(), next: 1, serial: 0 }
    }
}

impl<T> Session<T> {
    /// Takes a request in and returns its ticket and head. None if all 65,535 stream ids are taken.
    pub(crate) fn submit(&mut self, request: &Request, token: T) -> Option<(Ticket, [u8; 24])> {
        let stream = (0..=u16::MAX)
            .map(|n| self.next.wrapping_add(n))
            .find(|id| *id != 0 && !self.pending.contains_key(id))?;
        self.next = stream.wrapping_add(1);
        let ticket = self.expect(stream, request.code(), request.longest_answer, token);
        Some((ticket, request.head(stream)))
    }

    /// The answer to the handshake comes on stream 0, which no request has.
    pub(crate) fn expect_handshake(&mut self, token: T) {
        self.expect(0, 0, 8, token);
    }

    fn expect(&mut self, stream: u16, code: u16, left: u64, token: T) -> Ticket {
        self.serial += 1;
        let (serial, token, answer) = (self.serial, Some(token), Answer::default());
        self.pending.insert(stream, Pending { token, serial, code, left, answer, promised: false });
        Ticket { stream, serial }
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        let pending = self.pending.get_mut(&ticket.stream);
        if let Some(pending) = pending.filter(|pending| pending.serial == ticket.serial) {
            pending.token = None;
            pending.answer = Answer::default();
        }
    }

    /// The connection is gone: whoever still waits.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.pending).into_values().filter_map(|pending| pending.token)
    }

    /// Whether bytes should be coming: an answer is due that the server has not put off, whether anyone
    /// still waits for it or not.
    pub(crate) fn is_owed(&self) -> bool {
        self.pending.values().any(|pending| !pending.promised)
    }

    /// Whether no request is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes one answer from the front of `buffer`, if it is there whole.
    pub(crate) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step<T>, Violation> {
        let Some(head) = buffer.first_chunk::<{ Head::LENGTH }>() else {
            return Ok(Step::Needs(Head::LENGTH));
        };
        let head = Head::parse(head);
        let status = Status::parse(head.status)
            .ok_or_else(|| Violation(format!("an answer of unknown status {}", head.status)))?;
        self.admit(head, status)?;
        let mut length = Head::LENGTH + head.length as usize;
        if status == Status::Checked {
            if buffer.len() < length {
                return Ok(Step::Needs(length));
            }
            let about = self.status_head(head, &buffer[Head::LENGTH..length])?;
            let inner = length;
            length += about.follows as usize;
            if buffer.len() < length {
                return Ok(Step::Needs(length));
            }
            let mut frame = buffer.split_to(length);
            return self.pages(about, frame.split_off(inner));
        }
        if buffer.len() < length {
            return Ok(Step::Needs(length));
        }
        let body = buffer.split_to(length).split_off(Head::LENGTH).freeze();
        if status == Status::Attention {
            return self.attention(&body);
        }
        self.answer(head.stream, status, body)
    }

    /// Whether an answer may be as long as its head says, before any memory is taken for it.
    fn admit(&self, head: Head, status: Status) -> Result<(), Violation> {
        let longest = match status {
            Status::Attention => self.pending.values().map(|p| p.left).max().unwrap_or(0) + NOTICE,
            _ => {
                let pending = self.pending.get(&head.stream).ok_or_else(|| unasked(head.stream))?;
                if matches!(status, Status::Ok | Status::OkSoFar) { pending.left } else { NOTICE }
            }
        };
        if u64::from(head.length) > longest {
            return Err(Violation(format!(
                "an answer of {} bytes where at most {longest} were asked for",
                head.length
            )));
        }
        Ok(())
    }

    fn status_head(&self, head: Head, body: &[u8]) -> Result<StatusHead, Violation> {
        let about = StatusHead::parse(body)
            .ok_or_else(|| Violation("a status answer that does not agree with its checksum".to_owned()))?;
        let pending = self.pending.get(&head.stream).ok_or_else(|| unasked(head.stream))?;
        if about.stream != head.stream || u16::from(about.request) + 3000 != pending.code {
            return Err(Violation("a status answer for another request".to_owned()));
        }
        if u64::from(about.follows) > pending.left {
            return Err(Violation(format!(
                "an answer of {} bytes where at most {} were asked for",
                about.follows, pending.left
            )));
        }
        Ok(about)
    }

    fn pages(&mut self, about: StatusHead, body: BytesMut) -> Result<Step<T>, Violation> {
        let pending = self.pending.get_mut(&about.stream).ok_or_else(|| unasked(about.stream))?;
        pending.left -= u64::from(about.follows);
        pending.promised = false;
        if pending.token.is_some() && !body.is_empty() {
            pending.answer.pages.push((about.offset, body));
            few_enough(pending.answer.pages.len(), pending.left)?;
        }
        if !about.last {
            return Ok(Step::Heard);
        }
        Ok(self.finish(about.stream, Outcome::Done))
    }

    fn attention(&mut self, body: &Bytes) -> Result<Step<T>, Violation> {
        let Some((head, body)) = reply::late_answer(body) else {
            // A message of the server's operator.
            return Ok(Step::Heard);
        };
        let status = Status::parse(head.status)
            .filter(|status| !matches!(status, Status::Attention | Status::Checked))
            .ok_or_else(|| Violation(format!("a late answer of status {}", head.status)))?;
        self.admit(head, status)?;
        self.answer(head.stream, status, body)
    }

    fn answer(&mut self, stream: u16, status: Status, body: Bytes) -> Result<Step<T>, Violation> {
        let pending = self.pending.get_mut(&stream).ok_or_else(|| unasked(stream))?;
        let nonsense = |what: &str| Violation(format!("{what} that makes no sense"));
        let outcome = match status {
            Status::Ok | Status::OkSoFar => {
                pending.left -= body.len() as u64;
                pending.promised = false;
                if (pending.token.is_some() || pending.code == Request::OPEN) && !body.is_empty() {
                    pending.answer.parts.push(body);
                    few_enough(pending.answer.parts.len(), pending.left)?;
                }
                if status == Status::OkSoFar {
                    return Ok(Step::Heard);
                }
                return Ok(self.finish(stream, Outcome::Done));
            }
            Status::WaitForAnswer => {
                pending.promised = true;
                return Ok(Step::Heard);
            }
            Status::Error => {
                let (code, message) = reply::error(&body).ok_or_else(|| nonsense("an error"))?;
                Outcome::Failed { code, message }
            }
            Status::Redirect => {
                Outcome::Redirect(reply::redirect(&body).ok_or_else(|| nonsense("a redirect"))?)
            }
            Status::Wait => {
                let (seconds, _) = reply::word(&body).ok_or_else(|| nonsense("a wait"))?;
                Outcome::Wait(Duration::from_secs(seconds.into()))
            }
            Status::AuthMore => Outcome::More(body),
            Status::Attention | Status::Checked => return Err(nonsense("an answer in an answer")),
        };
        Ok(self.finish(stream, |_| outcome))
    }

    fn finish(&mut self, stream: u16, outcome: impl FnOnce(Answer) -> Outcome) -> Step<T> {
        match self.pending.remove(&stream) {
            Some(Pending { token: Some(token), answer, .. }) => Step::Answered(token, outcome(answer)),
            Some(Pending { token: None, code: Request::OPEN, answer, .. }) => match outcome(answer) {
                Outcome::Done(answer) => {
                    answer.whole().first_chunk().map_or(Step::Heard, |handle| Step::Orphan(*handle))
                }
                _ => Step::Heard,
            },
            _ => Step::Heard,
        }
    }
}

fn unasked(stream: u16) -> Violation {
    Violation(format!("an answer to request {stream}, which was not made"))
}

/// Whether pieces are not absurdly small: each costs memory of its own.
fn few_enough(pieces: usize, left: u64) -> Result<(), Violation> {
    if pieces as u64 <= 4096 + left / 512 {
        return Ok(());
    }
    Err(Violation(format!("an answer in more than {pieces} pieces")))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
