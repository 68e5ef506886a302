use std::fmt;
use std::str::FromStr;

use crate::{Cause, Error};

/// The port of a server that names none.
const PORT: u16 = 1094;

/// `root://user@host:port//path?opaque`, as the protocol has it: the path is what follows the first
/// slash after the host, so an absolute one starts with two.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// Whether it is `roots://` or `xroots://`: everything goes through TLS.
    pub tls: bool,
    /// Who logs in, if the URL says so.
    pub user: Option<String>,
    /// A name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// 1094 if the URL has none.
    pub port: u16,
    /// The path, with its leading slash; empty if there is none.
    pub path: String,
    /// What follows the `?`: for the server, and perhaps a secret (`authz=`).
    pub opaque: String,
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        parse(url).map_err(|reason| Error {
            path: without_secrets(url),
            request: "open",
            ..Error::new(Cause::Url(reason))
        })
    }
}

/// What an error may show of something that is not a URL: nothing of a user or of options.
fn without_secrets(given: &str) -> String {
    // Without a scheme nothing tells the parts apart, and a `?` may start options.
    let given = if given.contains("://") { given } else { given.split('?').next().unwrap_or_default() };
    crate::shown(given).into_owned()
}

fn parse(url: &str) -> Result<Url, String> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "root" | "xroot" => false,
        "roots" | "xroots" => true,
        other => return Err(format!("its scheme is {other}, not root, roots, xroot or xroots")),
    };
    if url.contains(|c: char| c.is_control() || c == ' ') {
        return Err("it has a space or a control character in it".to_owned());
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, address) = match authority.rsplit_once('@') {
        // A password in a URL would end in process lists and logs; no server asks for one.
        Some((user, _)) if user.contains(':') => return Err("it has a password in it".to_owned()),
        Some((user, address)) => (Some(user).filter(|user| !user.is_empty()), address),
        None => (None, authority),
    };
    let (host, port) = host_and_port(address)?;
    let (path, opaque) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    Ok(Url {
        tls,
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port: port.unwrap_or(PORT),
        path: path.to_owned(),
        opaque: opaque.trim_matches('&').to_owned(),
    })
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`.
pub(crate) fn host_and_port(address: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("its bracket is not closed")?;
        (host, port.strip_prefix(':').or(if port.is_empty() { None } else { Some(port) }))
    } else {
        match address.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => return Err("an IPv6 address needs brackets".to_owned()),
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    if host.is_empty() {
        return Err("it has no host".to_owned());
    }
    let port = match port {
        None | Some("") => None,
        Some(port) => {
            Some(port.parse().ok().filter(|&p| p != 0).ok_or_else(|| format!("its port is `{port}`"))?)
        }
    };
    Ok((host, port))
}

impl Url {
    /// The host and its port, `host:1094` or `[::1]:1094`.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// A host and its port; an IPv6 address in brackets.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As [`shown`](crate::shown) has it: without the user, and without values of options that may be secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "roots" } else { "root" };
        let mark = if self.opaque.is_empty() { "" } else { "?" };
        let all = format!("{scheme}://{}/{}{mark}{}", self.authority(), self.path, self.opaque);
        f.write_str(&crate::shown(&all))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let url: Url = "root://me@host:1095//store/a.root?authz=secret&x=1".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("host", 1095, "/store/a.root"));
        assert_eq!((url.user.as_deref(), url.opaque.as_str()), (Some("me"), "authz=secret&x=1"));
        assert_eq!(url.to_string(), "root://host:1095//store/a.root?x=…");
        let url: Url = "xroots://[::1]//a".parse().unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port, url.path.as_str()), (true, "::1", 1094, "/a"));
        assert_eq!("root://h/rel/a.root".parse::<Url>().unwrap().path, "rel/a.root");
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (url, why) in [
            ("a.root", "no scheme"),
            ("http://h/a", "scheme is http"),
            ("root:///a", "no host"),
            ("root://h:x//a", "port is `x`"),
            ("root://h:0//a", "port is `0`"),
            ("root://h:99999//a", "port is"),
            ("root://::1//a", "brackets"),
            ("root://[::1//a", "not closed"),
            ("root://me:secret@h//a", "password"),
            ("root://h//a b", "space"),
        ] {
            let error = url.parse::<Url>().unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
