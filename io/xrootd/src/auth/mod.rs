//! Who we are, and how a server is told: the methods of `XrdSec` that need no C library.
//!
//! A server lists what it accepts at login, `&P=ztn,0:4096:&P=unix`, in its order of preference; we take
//! the first that we have credentials for, and the next if the server refuses it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where credentials are found. Nothing is read before a server asks, and tokens are read again for
/// each connection, because they are renewed while a run goes on.
#[derive(Clone, Default)]
pub struct Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those that the environment names.
    pub fn from_env() -> Self {
        Self::default()
    }

    /// The methods of a server's list that we have something for, in the order in which they are tried.
    /// Those passed over are named with the reason, for the error if none is left.
    pub fn choose(&self, list: &str, peer: &Peer<'_>) -> (Vec<Box<dyn Method>>, Vec<Refusal>) {
        let _ = (list, peer);
        (Vec::new(), Vec::new())
    }
}

/// The server at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// The host's name as it was asked for.
    pub host: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// Our own end of this connection, of which `sss` tells the server.
    pub local: SocketAddr,
    /// Whether the connection is encrypted and the host's certificate verified.
    pub tls: bool,
}

/// One method under way with one server.
pub trait Method: Send {
    /// As the server lists it: `ztn`, `unix`. At most four bytes.
    fn name(&self) -> &'static str;

    /// What the first `kXR_auth` carries.
    ///
    /// # Errors
    /// Where the credentials cannot be used.
    fn start(&mut self) -> Result<Vec<u8>, Refusal>;

    /// What answers a `kXR_authmore`.
    ///
    /// # Errors
    /// Where the method has no further step, or the challenge is not one of its own.
    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Refusal>;
}

/// Why a method was not used or did not succeed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method}: {reason}")]
pub struct Refusal {
    /// The method, `ztn`.
    pub method: String,
    /// Why not.
    pub reason: String,
}
