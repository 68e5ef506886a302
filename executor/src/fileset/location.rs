//! What a path in a fileset stands for: a local file, a pattern of them, or a URL; and the tree after a colon.

use std::{borrow::Cow, env, path::Path};

use hep_io::source::is_secret;
pub(crate) use hep_io::source::without_secrets;

use super::folders::UrlPattern;
use super::glob;
use crate::storage::FileStore;

/// The scheme of a URL, `root` of `root://host//file`; a local path has none.
pub(crate) fn scheme(path: &str) -> Option<&str> {
    let (scheme, _) = path.split_once("://")?;
    let mut bytes = scheme.bytes();
    let well_formed = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    well_formed.then_some(scheme)
}

/// A path with all that tells its file from others, as jobs are compared by: a URL without user, password and
/// options that prove who reads. Other options stay, whatever they say: this is not to be shown.
pub(crate) fn identity(path: &str) -> Cow<'_, str> {
    let Some(scheme) = scheme(path) else { return Cow::Borrowed(path) };
    if let Some((before, _)) = path.split_once('#') {
        return Cow::Owned(identity(before).into_owned());
    }
    let (before, options) = path.split_once('?').map_or((path, None), |(a, b)| (a, Some(b)));
    let rest = &before[scheme.len() + 3..];
    let (authority, file) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.len() == authority.len() && !options.is_some_and(|o| o.split('&').any(is_secret)) {
        return Cow::Borrowed(path);
    }
    let kept: Vec<&str> = options.iter().flat_map(|o| o.split('&')).filter(|o| !is_secret(o)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    Cow::Owned(format!("{scheme}://{host}{file}{mark}{}", kept.join("&")))
}

/// Whether a path that is [shown](without_secrets) lacks the value of an option: files that only this value tells
/// apart are shown alike.
pub(crate) fn hides_options(shown: &str) -> bool {
    scheme(shown).is_some() && shown.split_once('?').is_some_and(|(_, options)| options.contains('…'))
}

/// Splits `file.root:Events` at the colon, as uproot does: after `.root`, or `.root.1`, and for a URL never
/// at the port. A colon elsewhere belongs to the file's name.
pub(crate) fn split_tree(given: &str) -> (&str, Option<&str>) {
    let path_start = match scheme(given) {
        Some(scheme) => {
            let host = scheme.len() + 3;
            given[host..].find('/').map_or(given.len(), |slash| host + slash)
        }
        None => 0,
    };
    given
        .rmatch_indices(':')
        .filter(|&(colon, _)| colon > path_start)
        .find(|&(colon, _)| ends_as_root_file(&given[path_start..colon]))
        .map_or((given, None), |(colon, _)| (&given[..colon], Some(&given[colon + 1..])))
}

fn ends_as_root_file(path: &str) -> bool {
    let path = match path.rsplit_once('.') {
        Some((stem, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => path,
    };
    path.len() > 5 && path.as_bytes()[path.len() - 5..].eq_ignore_ascii_case(b".root")
}

/// A tree's path in its file without superfluous slashes: `/dir//Events` is `dir/Events`. None if it is empty.
pub(crate) fn tree_path(given: &str) -> Option<String> {
    let parts: Vec<_> = given.trim().split('/').filter(|part| !part.is_empty()).collect();
    (!parts.is_empty() && !given.contains(char::is_control)).then(|| parts.join("/"))
}

/// The files a path stands for: URLs as they are, local ones absolute, patterns expanded in byte order;
/// those of URLs with what `store` lists. The error is the end of a sentence that starts with the path.
pub(crate) fn resolve(
    given: &str,
    place: &Path,
    store: Option<&dyn FileStore>,
) -> Result<Vec<String>, String> {
    if given.is_empty() {
        return Err("is an empty path".to_owned());
    }
    if given.contains(char::is_control) {
        return Err("has a control character in its path".to_owned());
    }
    let local = match scheme(given) {
        Some("file") => file_url(given)?,
        Some(_) => {
            let pattern = url_pattern(given)?;
            return pattern.map_or_else(|| Ok(vec![given.to_owned()]), |pattern| pattern.expand(store));
        }
        None => given,
    };
    let path = absolute(local, place)?;
    // A name that holds a bracket or a star and exists is that file, not a pattern.
    if !glob::is_pattern(&path) || Path::new(&path).symlink_metadata().is_ok() {
        return Ok(vec![path]);
    }
    match glob::expand(&path)? {
        found if found.is_empty() => Err("matches no file".to_owned()),
        found => Ok(found),
    }
}

/// Whether a path stands for files yet to be found.
pub(crate) fn is_pattern(given: &str, place: &Path) -> bool {
    match scheme(given) {
        Some(scheme) if scheme != "file" => matches!(url_pattern(given), Ok(Some(_))),
        _ => glob::is_pattern(given) && place.join(given).symlink_metadata().is_err(),
    }
}

/// A local path, absolute and with its `~/` replaced.
pub(crate) fn absolute(given: &str, place: &Path) -> Result<String, String> {
    let path = match given.strip_prefix("~/") {
        Some(rest) => env::home_dir().ok_or("needs a home folder, and there is none")?.join(rest),
        None => place.join(given),
    };
    let path = std::path::absolute(path).map_err(|error| format!("cannot be made absolute: {error}"))?;
    path.into_os_string().into_string().map_err(|_| "is in a folder whose name is not UTF-8".to_owned())
}

fn file_url(given: &str) -> Result<&str, String> {
    let path = &given["file://".len()..];
    let path = path.strip_prefix("localhost").unwrap_or(path);
    if path.starts_with('/') { Ok(path) } else { Err("is a file URL without an absolute path".to_owned()) }
}

/// The pattern that a URL is, if it is one. `?` starts the options there, and brackets may hold a host's
/// address.
fn url_pattern(given: &str) -> Result<Option<UrlPattern<'_>>, String> {
    let (scheme, rest) = given.split_once("://").unwrap_or(("", given));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Err("is a URL without a host".to_owned());
    }
    let (path, options) = path.find('?').map_or((path, ""), |mark| path.split_at(mark));
    let server = &given[..scheme.len() + "://".len() + host.len()];
    let is_pattern = path.contains(['*', '[']);
    Ok(is_pattern.then_some(UrlPattern { server, path, options }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_follows_the_colon_after_root_only() {
        for (given, file, tree) in [
            ("a.root:Events", "a.root", Some("Events")),
            ("a.root", "a.root", None),
            ("a.root.1:dir/Events", "a.root.1", Some("dir/Events")),
            ("a.ROOT:Events", "a.ROOT", Some("Events")),
            ("C:\\data\\a.root", "C:\\data\\a.root", None),
            ("C:\\data\\a.root:t", "C:\\data\\a.root", Some("t")),
            ("run:7/a.root", "run:7/a.root", None),
            ("root://host:1094//a.root", "root://host:1094//a.root", None),
            ("root://host.root:1094//a.root", "root://host.root:1094//a.root", None),
            ("root://host.root:1094//a.root:t", "root://host.root:1094//a.root", Some("t")),
            ("root://host.root:1094", "root://host.root:1094", None),
            ("dy_*.root:Events", "dy_*.root", Some("Events")),
            (".root:Events", ".root:Events", None),
            ("a.txt:Events", "a.txt:Events", None),
            ("é.root:ü", "é.root", Some("ü")),
            ("", "", None),
            (":", ":", None),
        ] {
            assert_eq!(split_tree(given), (file, tree), "{given}");
        }
    }

    #[test]
    fn an_identity_has_no_secret_and_keeps_what_identifies() {
        for (given, shown) in [
            ("/data/a?authz=x.root", "/data/a?authz=x.root"),
            ("root://h:1094//a.root", "root://h:1094//a.root"),
            ("root://h//a.root?authz=Bearer%20xyz", "root://h//a.root"),
            ("root://h//a.root?svcClass=t0&authz=xyz&x=1", "root://h//a.root?svcClass=t0&x=1"),
            ("root://me@h//a.root?", "root://h//a.root?"),
            ("https://me:secret@h:8443/a@b.root", "https://h:8443/a@b.root"),
            ("https://h/a?X-Amz-Signature=0&versionId=7&AUTHZ=1", "https://h/a?versionId=7"),
            ("https://h?authz", "https://h"),
        ] {
            assert_eq!(identity(given), shown);
        }
    }

    #[test]
    fn slashes_around_a_tree_mean_nothing() {
        assert_eq!(tree_path("/dir//Events/").as_deref(), Some("dir/Events"));
        assert_eq!(tree_path(" / "), None);
    }

    #[test]
    fn a_question_mark_or_an_address_in_a_url_is_no_pattern() {
        let place = Path::new("/p");
        for given in ["https://h/a.root?x=[1]*", "root://[::1]:1094//a.root", "davs://h/a.root"] {
            assert_eq!(resolve(given, place, None).unwrap(), [given]);
        }
        assert!(resolve("root://h//a_*.root", place, None).unwrap_err().contains("pattern in a URL"));
        assert_eq!(resolve("file:///x/a.root", place, None).unwrap(), ["/x/a.root"]);
        assert_eq!(resolve("file://localhost/x/a.root", place, None).unwrap(), ["/x/a.root"]);
    }

    #[test]
    fn a_relative_path_starts_at_the_filesets_folder() {
        assert_eq!(resolve("./d/a.root", Path::new("/p"), None).unwrap(), ["/p/d/a.root"]);
    }
}
