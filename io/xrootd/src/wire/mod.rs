//! The structures of `XProtocol.hh`: big-endian, a request of 24 bytes and its data, an answer of 8 bytes
//! and its body.

pub(crate) mod page;
pub(crate) mod reply;
pub(crate) mod request;

pub(crate) use reply::{Head, Status};
pub(crate) use request::Request;

/// The version of the protocol that we speak: 5.2.
pub(crate) const VERSION: u32 = 0x520;

/// What a connection starts with: four integers of which the fourth says 4, and the fifth 2012.
pub(crate) const HANDSHAKE: [u8; 20] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 7, 0xdc];

/// A handle of an open file; its bytes mean something to the server alone.
pub(crate) type Handle = [u8; 4];

/// What tells the connections of one client from those of another.
pub(crate) type SessionId = [u8; 16];

/// What a server says of itself in its answer to `kXR_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerFlags(pub(crate) u32);

impl ServerFlags {
    const IS_SERVER: u32 = 0x0000_0001;
    const PAGES: u32 = 0x0020_0000;
    const HAVE_TLS: u32 = 0x8000_0000;
    const GOTO_TLS: u32 = 0x4000_0000;
    const TLS_SESSION: u32 = 0x0800_0000;
    const CACHE: u32 = 0x0000_0080;
    const PROXY: u32 = 0x0000_0200;

    /// It holds data, rather than knowing who does.
    pub(crate) fn is_server(self) -> bool {
        self.0 & Self::IS_SERVER != 0
    }

    /// It reads and writes with page checksums.
    pub(crate) fn has_pages(self) -> bool {
        self.0 & Self::PAGES != 0
    }

    /// It can speak TLS.
    pub(crate) fn has_tls(self) -> bool {
        self.0 & Self::HAVE_TLS != 0
    }

    /// It has its files from other servers.
    pub(crate) fn stands_for_others(self) -> bool {
        self.0 & (Self::CACHE | Self::PROXY) != 0
    }

    /// It speaks TLS once the login is done, with whoever can.
    pub(crate) fn starts_tls_after_login(self) -> bool {
        self.0 & Self::TLS_SESSION != 0
    }

    /// It speaks TLS from now on.
    pub(crate) fn starts_tls(self) -> bool {
        self.0 & Self::GOTO_TLS != 0
    }
}
