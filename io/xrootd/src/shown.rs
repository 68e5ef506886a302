use std::borrow::Cow;

/// A URL as anybody may see it; what is no URL stays as it is.
///
/// Left out are user and password, what follows a `#`, and options that prove who reads ([`is_secret`]). Of
/// the other options the value is shown only where we know the option to be harmless: `?vo=…`.
///
/// ```
/// assert_eq!(xrootd::shown("https://me:pw@h/a?versionId=7&vo=x&authz=y"), "https://h/a?versionId=7&vo=…");
/// ```
pub fn shown(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !well_formed {
        return Cow::Borrowed(url);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (before, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut text = format!("{scheme}://{host}{path}");
    let mut mark = '?';
    // Some servers take a semicolon for an ampersand.
    for option in options.split(['&', ';']).filter(|option| !option.is_empty() && !is_secret(option)) {
        text.push(mark);
        mark = '&';
        match option.split_once('=') {
            Some((name, value)) if is_harmless(name, value) => text.push_str(option),
            Some((name, _)) => {
                text.push_str(name);
                text.push_str("=…");
            }
            // Without a name it may be all value.
            None => text.push('…'),
        }
    }
    if text == url { Cow::Borrowed(url) } else { Cow::Owned(text) }
}

/// Whether an option of a URL, `name=value`, proves who reads: a token of XRootD or WebDAV, a signature of
/// S3, Azure, Google or Swift. Told by its name; rather one too many is hidden.
pub fn is_secret(option: &str) -> bool {
    const NAMES: [&str; 8] = ["auth", "bearer", "credential", "key", "passw", "secret", "sig", "token"];
    let name = option.split('=').next().unwrap_or_default().to_ascii_lowercase();
    NAMES.iter().any(|secret| name.contains(secret))
}

/// Options that say which file, version or kind of storage is meant.
fn is_harmless(name: &str, value: &str) -> bool {
    const NAMES: [&str; 13] = [
        "eos.lfn",
        "file",
        "filename",
        "fileid",
        "format",
        "id",
        "oss.asize",
        "path",
        "recid",
        "svcclass",
        "versionid",
        "xrd.wantprot",
        "xrdcl.requuid",
    ];
    // A URL or options in a value would hide secrets of their own.
    let plain = value.len() <= 256
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b','));
    plain && NAMES.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_options_that_nobody_knows_the_name_is_shown() {
        for (url, expected) in [
            ("/data/a?authz=x.root", "/data/a?authz=x.root"),
            ("root://h:1094//a.root", "root://h:1094//a.root"),
            ("root://h//a.root?authz=Bearer%20hush", "root://h//a.root"),
            ("root://h//a.root?svcClass=t0&authz=hush&xyz=hush", "root://h//a.root?svcClass=t0&xyz=…"),
            ("https://me:hush@h:8443/a@b.root", "https://h:8443/a@b.root"),
            ("https://hush@h/a", "https://h/a"),
            ("https://me:hush@h?xyz=hush", "https://h?xyz=…"),
            ("https://h/a?X-Amz-Signature=0&versionId=7&AUTHZ=1", "https://h/a?versionId=7"),
            ("https://h/a?X-Amz-Date=1#hush", "https://h/a?X-Amz-Date=…"),
            ("https://h/a?%61uthz=hush", "https://h/a?%61uthz=…"),
            ("https://h/a?hush", "https://h/a?…"),
            ("https://h/a?id=1;pwd=hush&=hush", "https://h/a?id=1&pwd=…&=…"),
            ("https://h/a?path=https://me:hush@h", "https://h/a?path=…"),
            ("HTTPS://h?", "HTTPS://h"),
        ] {
            assert_eq!(shown(url), expected);
            assert!(!shown(url).contains("hush"), "{url}");
        }
    }
}
