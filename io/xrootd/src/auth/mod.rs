//! Who we are, and how a server is told: the methods of `XrdSec` that need no C library.
//!
//! A server lists what it accepts at login, `&P=ztn,0:4096:&P=unix`, in its order of preference; we take
//! the first that we have credentials for, and the next if the server refuses it.

#[cfg(feature = "gsi")]
mod gsi;
mod list;
mod local;
mod private;
mod sss;
pub mod token;
mod ztn;

use std::env;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub use token::Token;

/// Where credentials are found. Nothing is read before a server asks, and tokens are read again for
/// each connection, because they are renewed while a run goes on.
///
/// The default has no token and no key, and proves nothing: `unix` and `host` are all it can do.
/// [`Credentials::from_env`] is what a program of a user wants.
#[derive(Clone, Default)]
pub struct Credentials {
    only: Option<Vec<String>>,
    token: Where<Token>,
    keytab: Where<PathBuf>,
    #[cfg(feature = "gsi")]
    proxy: Where<PathBuf>,
    #[cfg(feature = "gsi")]
    authorities: Option<crate::tls::TlsOptions>,
}

/// Where one kind of credentials comes from.
#[derive(Clone, Default)]
enum Where<T> {
    #[default]
    Nowhere,
    /// The places that the environment names, looked through at each connection.
    Environment,
    Given(T),
    File(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("only", &self.only).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those that the environment names: a token as [`token::discover`] finds it; the keys of `sss` in
    /// the file that `XrdSecSSSKT` (or `XrdSecsssKT`) names, or in `~/.xrd/sss.keytab`. Only the methods
    /// that `XrdSecPROTOCOL` lists, if it is set.
    pub fn from_env() -> Self {
        let found = Self {
            token: Where::Environment,
            keytab: Where::Environment,
            #[cfg(feature = "gsi")]
            proxy: Where::Environment,
            ..Self::default()
        };
        match env::var("XrdSecPROTOCOL") {
            Ok(list) if !list.trim().is_empty() => found.only(list.split([',', ' ', ':']).map(str::trim)),
            _ => found,
        }
    }

    /// Uses these methods and no others, in the order that the server prefers.
    #[must_use]
    pub fn only<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Self {
        self.only =
            Some(methods.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>());
        self
    }

    /// Uses this token, and none that the environment names.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.token = Where::Given(token);
        self
    }

    /// Uses the token of that file, read again for each connection.
    #[must_use]
    pub fn with_token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Where::File(path.into());
        self
    }

    /// Uses no token.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.token = Where::Nowhere;
        self
    }

    /// Uses the keys of that file for `sss`.
    #[must_use]
    pub fn with_keytab(mut self, path: impl Into<PathBuf>) -> Self {
        self.keytab = Where::File(path.into());
        self
    }

    /// Uses the proxy of that file for `gsi`, read again for each connection.
    #[cfg(feature = "gsi")]
    #[must_use]
    pub fn with_proxy(mut self, path: impl Into<PathBuf>) -> Self {
        self.proxy = Where::File(path.into());
        self
    }

    /// Trusts these authorities to say who a server of `gsi` is, instead of the grid's. Servers of TLS are
    /// another matter: [`crate::Config::tls`].
    #[cfg(feature = "gsi")]
    #[must_use]
    pub fn with_authorities(mut self, authorities: crate::tls::TlsOptions) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// The methods of a server's list that we have something for, in the order in which they are tried.
    /// Those passed over are named with the reason, for the error if none is left.
    pub fn choose(&self, list: &str, peer: &Peer<'_>) -> (Vec<Box<dyn Method>>, Vec<Refusal>) {
        let (mut methods, mut refusals): (Vec<Box<dyn Method>>, _) = (Vec::new(), Vec::new());
        for offer in list::offers(list) {
            match self.method(&offer, peer) {
                Ok(method) => methods.push(method),
                Err(reason) => refusals.push(Refusal { method: offer.shown(), reason }),
            }
        }
        (methods, refusals)
    }

    fn method(&self, offer: &list::Offer<'_>, peer: &Peer<'_>) -> Result<Box<dyn Method>, String> {
        if let Some(only) = &self.only
            && !only.iter().any(|name| name == offer.name)
        {
            return Err(format!("only {} may be used (XrdSecPROTOCOL)", only.join(", ")));
        }
        if offer.needs_tls && !peer.tls {
            return Err("the server takes it over TLS only: use roots://".to_owned());
        }
        match offer.name {
            "ztn" => {
                // Before the token is read: without TLS it is not even looked for.
                if !peer.tls {
                    return Err("a token is sent over TLS only: use roots://".to_owned());
                }
                let token = self.token().map_err(|refusal| refusal.reason)?;
                Ok(Box::new(ztn::Ztn::new(token, offer.arguments)?))
            }
            "sss" => Ok(Box::new(sss::Sss::new(&self.keytab()?, offer.arguments, peer)?)),
            "unix" => Ok(Box::new(local::Unix)),
            "host" => Ok(Box::new(local::Host)),
            #[cfg(feature = "gsi")]
            "gsi" => {
                let place = match &self.proxy {
                    Where::Nowhere => return Err("no proxy is to be used".to_owned()),
                    Where::Given(path) | Where::File(path) => (path.clone(), false),
                    Where::Environment => gsi::proxy_place(),
                };
                let grid = || crate::tls::TlsOptions::from_env().without_system();
                let authorities = self.authorities.clone().unwrap_or_else(grid);
                Ok(Box::new(gsi::Gsi::new(place, authorities, offer.arguments, peer)?))
            }
            #[cfg(not(feature = "gsi"))]
            "gsi" => Err(NO_GSI.to_owned()),
            _ => Err("this client does not have it".to_owned()),
        }
    }

    /// The token to show, read anew. It belongs into encrypted connections only.
    ///
    /// # Errors
    /// Where there is none, or it cannot be used.
    pub fn token(&self) -> Result<Token, Refusal> {
        let refusal = |reason: &str| Refusal { method: "token".to_owned(), reason: reason.to_owned() };
        match &self.token {
            Where::Nowhere => Err(refusal("no token is to be used")),
            Where::Given(token) => Ok(token.clone()),
            Where::File(path) => Token::from_file(path),
            Where::Environment => token::discover()?.ok_or_else(|| {
                refusal(
                    "there is no token: BEARER_TOKEN and BEARER_TOKEN_FILE, bt_u$UID in $XDG_RUNTIME_DIR and in \
                     /tmp were looked for",
                )
            }),
        }
    }

    fn keytab(&self) -> Result<PathBuf, String> {
        match &self.keytab {
            Where::Nowhere => Err("no keys are to be used".to_owned()),
            Where::Given(path) | Where::File(path) => Ok(path.clone()),
            Where::Environment => sss::keytab::path(|name| env::var_os(name)),
        }
    }
}

#[cfg(not(feature = "gsi"))]
const NO_GSI: &str = "this client is built without it; a token in BEARER_TOKEN_FILE may do at the site's port for \
                      tokens, over roots:// or https://";

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
    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Refusal> {
        let _ = challenge;
        let reason = "the server asks for more than this method has".to_owned();
        Err(Refusal { method: self.name().to_owned(), reason })
    }

    /// What the server said of it, for people: without the secret, which a server may repeat, and without
    /// what could move a terminal's cursor.
    fn without_secret(&self, said: &str) -> String {
        printable(said)
    }
}

fn printable(text: &str) -> String {
    const LONGEST: usize = 500;
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
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

#[cfg(test)]
mod tests;
