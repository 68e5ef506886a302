//! What a location says without a connection: scheme, host, and what may be shown of it.

use ::xrootd::is_secret;

/// The part before `://`, in lower case; none of a local path.
pub(in crate::source) fn scheme(location: &str) -> Option<String> {
    let (scheme, _) = location.split_once("://")?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    valid.then(|| scheme.to_ascii_lowercase())
}

/// A location as errors and reports show it.
pub(in crate::source) fn shown(location: &str) -> String {
    ::xrootd::shown(location).into_owned()
}

/// The options of a URL that tell its file from others: all but those that prove who reads.
pub(super) fn told_apart(location: &str) -> String {
    if scheme(location).is_none() {
        return String::new();
    }
    let location = location.split('#').next().unwrap_or_default();
    let options = location.split_once('?').map_or("", |(_, options)| options);
    options.split('&').filter(|option| !is_secret(option)).collect::<Vec<_>>().join("&")
}

/// The host of a URL, with its port if it has one; of a local path, `local`.
pub(super) fn host(location: &str) -> String {
    let Some(scheme) = scheme(location) else { return "local".to_owned() };
    let rest = &location[scheme.len() + 3..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (location, expected) in [
            ("root://me@h:1094//a.root?authz=secret", "root://h:1094//a.root"),
            ("davs://me:secret@h/a.root", "davs://h/a.root"),
            ("HTTPS://h/a#secret", "HTTPS://h/a"),
            ("https://h?secret", "https://h"),
            ("/data/a?b.root", "/data/a?b.root"),
        ] {
            assert_eq!(shown(location), expected);
        }
    }

    #[test]
    fn options_tell_files_apart_and_tokens_do_not() {
        assert_eq!(told_apart("https://h/get?id=1&X-Amz-Signature=ab&authz=x&v=2#f"), "id=1&v=2");
        assert_eq!(told_apart("root://h//a.root"), "");
        assert_eq!(told_apart("/data/a?b.root"), "");
    }

    #[test]
    fn hosts_have_their_port_and_no_user() {
        assert_eq!(host("root://me@Host:1095//a@b"), "host:1095");
        assert_eq!(host("https://[::1]:443/a"), "[::1]:443");
        assert_eq!(host("/data/a.root"), "local");
        assert_eq!(scheme("C:/a://b"), None);
    }
}
