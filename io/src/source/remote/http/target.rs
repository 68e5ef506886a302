use std::fmt;

/// Who is asked: a host, its port, and whether with TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    /// A name or an address, an IPv6 one without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Origin {
    /// As in a `Host` header: the usual port goes without saying.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if self.port == usual_port(self.tls) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// What is asked for, at whom.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// Path and query. The query may hold a secret.
    pub(super) path: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{}{path}", self.origin)
    }
}

impl Target {
    /// Reads `http://`, `https://`, `dav://` and `davs://`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "dav" => false,
            "https" | "davs" => true,
            other => return Err(format!("a scheme of {other} is not http, https, dav or davs")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let address = match authority.rsplit_once('@') {
            // It would end in logs, and be sent to whoever answers.
            Some((user, _)) if user.contains(':') => return Err("it has a password in it".to_owned()),
            Some((_, address)) => address,
            None => authority,
        };
        let (host, port) = split_port(address)?;
        let port = port.unwrap_or_else(|| usual_port(tls));
        let path = match path.starts_with('/') {
            true => escaped(path),
            false => format!("/{}", escaped(path)),
        };
        Ok(Self { origin: Origin { tls, host: host.to_ascii_lowercase(), port }, path })
    }

    /// The name of an option that proves who reads and would be sent without TLS.
    pub(super) fn secret_in_clear(&self) -> Option<&str> {
        let (_, options) = self.path.split_once('?').filter(|_| !self.origin.tls)?;
        let names = options.split(['&', ';']).filter_map(|option| Some(option.split_once('=')?.0));
        names.into_iter().find(|name| {
            let name = name.to_ascii_lowercase();
            matches!(name.as_str(), "authz" | "access_token" | "xrd.gsiusrpxy" | "token")
        })
    }

    /// What a `Location` header of an answer to this request means.
    pub(super) fn join(&self, location: &str) -> Result<Self, String> {
        let location = location.trim();
        let scheme_end = location.find(|c: char| !c.is_ascii_alphanumeric());
        if scheme_end.is_some_and(|end| end > 0 && location[end..].starts_with("://")) {
            return Self::parse(location);
        }
        let scheme = if self.origin.tls { "https" } else { "http" };
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let location = location.split('#').next().unwrap_or_default();
        let own = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            None => return Err("it is empty".to_owned()),
            Some('/') => location.to_owned(),
            Some('?') => format!("{own}{location}"),
            Some(_) => format!("{}/{location}", own.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        Ok(Self { origin: self.origin.clone(), path: escaped(&path) })
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("its bracket is not closed")?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => match address.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err("an IPv6 address needs brackets".to_owned()),
            Some((host, port)) => (host, Some(port)),
            None => (address, Some("")),
        },
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it has no host".to_owned());
    }
    match port {
        Some("") => Ok((host, None)),
        port => match port.and_then(|port| port.parse().ok()).filter(|&port| port != 0) {
            Some(port) => Ok((host, Some(port))),
            None => Err(format!("its port is `{}`", port.unwrap_or_default())),
        },
    }
}

/// With everything escaped that must not stand in a request; escapes that are there stay.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=b' ' | 0x7F.. => {
                escaped.push_str(&format!("%{byte:02X}"));
            }
            _ => escaped.push(char::from(byte)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (bool, String, u16, String) {
        let Target { origin, path } = Target::parse(url).unwrap();
        (origin.tls, origin.host, origin.port, path)
    }

    #[test]
    fn parts_of_a_url() {
        assert_eq!(
            parts("davs://Host//a b.root?x=1#y"),
            (true, "host".into(), 443, "//a%20b.root?x=1".into())
        );
        assert_eq!(parts("http://me@[::1]:81"), (false, "::1".into(), 81, "/".into()));
        assert_eq!(parts("dav://h?x"), (false, "h".into(), 80, "/?x".into()));
        let origin = |url| Target::parse(url).unwrap().origin.to_string();
        assert_eq!(origin("https://[::1]:443/a"), "[::1]");
        assert_eq!(origin("http://h:443/a"), "h:443");
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (url, why) in [
            ("a.root", "no scheme"),
            ("ftp://h/a", "scheme of ftp"),
            ("https:///a", "no host"),
            ("https://h:x/a", "port is `x`"),
            ("https://h:0/a", "port is `0`"),
            ("https://::1/a", "brackets"),
            ("https://[::1/a", "not closed"),
            ("https://me:secret@h/a", "password"),
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn a_location_may_be_relative() {
        let from = Target::parse("https://h:8443/dir/a.root?x=1").unwrap();
        let joined = |location: &str| {
            let Target { origin, path } = from.join(location).unwrap();
            format!("{} {origin} {path}", origin.tls)
        };
        assert_eq!(joined("http://pool:1/b?token=x"), "false pool:1 /b?token=x");
        assert_eq!(joined("//pool/b"), "true pool /b");
        assert_eq!(joined("/b"), "true h:8443 /b");
        assert_eq!(joined("b"), "true h:8443 /dir/b");
        assert_eq!(joined("?x=2"), "true h:8443 /dir/a.root?x=2");
        assert_eq!(joined("b?u=http://x/"), "true h:8443 /dir/b?u=http://x/");
        assert!(from.join("").is_err());
    }
}
