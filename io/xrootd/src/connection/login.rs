//! From a socket to a session: handshake, protocol, TLS, login, authentication.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::dial::{Endpoint, Path, Transport, encrypt};
use crate::auth::{Peer, Refusal};
use crate::session::{Answer, Outcome, Session, Step};
use crate::wire::{HANDSHAKE, Request, ServerFlags, SessionId, reply};
use crate::{Cause, Config};

/// No method needs more challenges than this.
const CHALLENGES: usize = 16;

/// A server that lets anyone in without encryption, as an earlier connection has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) flags: ServerFlags,
}

/// A socket over which a session can begin.
pub(crate) struct Line {
    pub(crate) transport: Transport,
    /// What came behind the last answer.
    pub(crate) buffer: BytesMut,
    session: Session<()>,
}

impl Line {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { transport: Transport::Plain(stream), buffer: BytesMut::new(), session: Session::default() }
    }

    async fn send(&mut self, request: &Request) -> Result<(), Cause> {
        let bytes = self.enter(request)?;
        self.transport.write_all(&bytes).await.map_err(lost)
    }

    fn enter(&mut self, request: &Request) -> Result<Vec<u8>, Cause> {
        let (_, head) = self
            .session
            .submit(request, ())
            .ok_or_else(|| Cause::Protocol("no stream id is free at login".to_owned()))?;
        Ok([&head[..], &request.data].concat())
    }

    async fn hear(&mut self) -> Result<Outcome, Cause> {
        loop {
            match self.session.step(&mut self.buffer).map_err(|violation| Cause::Protocol(violation.0))? {
                Step::Answered((), outcome) => return Ok(outcome),
                Step::Heard | Step::Orphan(_) => {}
                Step::Needs(_) => {
                    if self.transport.read_buf(&mut self.buffer).await.map_err(lost)? == 0 {
                        return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
    }

    pub(super) async fn ask(&mut self, request: &Request) -> Result<Outcome, Cause> {
        self.send(request).await?;
        self.hear().await
    }

    /// Handshake and `kXR_protocol` in one; then TLS if the server or we want it.
    pub(crate) async fn greet(
        mut self,
        host: &str,
        want_tls: bool,
        expects: u8,
        config: &Config,
    ) -> Result<(Self, ServerFlags), Cause> {
        let request = Request::protocol(true, want_tls, expects);
        self.session.expect_handshake(());
        let bytes = [&HANDSHAKE[..], &self.enter(&request)?].concat();
        self.transport.write_all(&bytes).await.map_err(lost)?;
        expect_done(self.hear().await?, "the handshake")?;
        let answer = expect_done(self.hear().await?, "kXR_protocol")?.whole();
        let flags = reply::protocol(&answer)
            .ok_or_else(|| Cause::Protocol("its answer to kXR_protocol is cut off".to_owned()))?;
        if flags.starts_tls() {
            self = self.upgrade(host, config).await?;
        } else if want_tls {
            let reason = if flags.has_tls() { "the server does not start it" } else { "the server cannot" };
            return Err(Cause::Tls(reason.to_owned()));
        }
        Ok((self, flags))
    }

    /// Goes on in TLS.
    pub(super) async fn upgrade(mut self, host: &str, config: &Config) -> Result<Self, Cause> {
        // Whatever came in clear text behind the last answer may be from anyone.
        if !self.buffer.is_empty() {
            return Err(Cause::Protocol("it goes on in clear text after it has asked for TLS".to_owned()));
        }
        let Transport::Plain(stream) = self.transport else {
            return Err(Cause::Protocol("it asks for TLS in TLS".to_owned()));
        };
        self.transport = encrypt(stream, host, config).await?;
        Ok(self)
    }
}

/// Who we are on this line, and whether anyone would be.
pub(crate) struct Admitted {
    pub(crate) session_id: SessionId,
    /// Nothing had to be proven.
    pub(crate) anonymous: bool,
}

/// Logs in, and proves who we are if the server asks for that.
pub(crate) async fn log_in(
    line: &mut Line,
    endpoint: &Endpoint,
    path: &Path,
    config: &Config,
) -> Result<Admitted, Cause> {
    let login = Request::login(&user(endpoint, config));
    let answer = expect_done(line.ask(&login).await?, "kXR_login")?.whole();
    let (session_id, list) = reply::login(&answer)
        .ok_or_else(|| Cause::Protocol("its answer to kXR_login is cut off".to_owned()))?;
    if list.is_empty() {
        return Ok(Admitted { session_id, anonymous: true });
    }
    let Path { address, local, .. } = *path;
    let peer = Peer { host: &endpoint.host, address: address.ip(), local, tls: line.transport.is_tls() };
    let (methods, mut refusals) = config.credentials.choose(&list, &peer);
    for mut method in methods {
        let name = method.name();
        let mut credentials = match method.start() {
            Ok(credentials) => credentials,
            Err(refusal) => {
                refusals.push(refusal);
                continue;
            }
        };
        for _ in 0..CHALLENGES {
            match line.ask(&Request::auth(name, credentials)).await? {
                Outcome::Done(_) => return Ok(Admitted { session_id, anonymous: false }),
                Outcome::More(challenge) => match method.answer(&challenge) {
                    Ok(next) => credentials = next,
                    Err(refusal) => {
                        refusals.push(refusal);
                        break;
                    }
                },
                Outcome::Failed { message, .. } => {
                    let reason = format!("the server says `{}`", method.without_secret(&message));
                    refusals.push(Refusal { method: name.to_owned(), reason });
                    break;
                }
                Outcome::Redirect(_) | Outcome::Wait(_) => {
                    return Err(Cause::Protocol("it redirects or delays authentication".to_owned()));
                }
            }
        }
    }
    Err(Cause::Auth(refusals))
}

/// The name to log in with: for the server's log, not for its decisions.
pub(crate) fn user(endpoint: &Endpoint, config: &Config) -> String {
    endpoint.user.clone().unwrap_or_else(|| config.user.clone())
}

pub(crate) fn expect_done(outcome: Outcome, to: &str) -> Result<Answer, Cause> {
    match outcome {
        Outcome::Done(answer) => Ok(answer),
        Outcome::Failed { code, message } => Err(Cause::Server { code, message }),
        Outcome::Wait(asked) => Err(Cause::WaitTooLong { asked }),
        Outcome::Redirect(_) | Outcome::More(_) => {
            Err(Cause::Protocol(format!("its answer to {to} is of a kind that has no sense there")))
        }
    }
}

pub(crate) fn lost(error: std::io::Error) -> Cause {
    Cause::Lost(Arc::new(error))
}
