//! Bearer tokens, found where WLCG has agreed to put them ("WLCG Bearer Token Discovery", 1.0).

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::Refusal;
use super::private::{self, Owner, Reader};
use crate::tls;

/// The largest that any server can be set to take is half of this.
const LARGEST: usize = 1 << 20;

/// A token and where it came from. It is shown by nothing but [`Token::secret`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    secret: String,
    source: String,
    /// The permissions of the file that it was read from.
    mode: Option<u32>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Token {
    /// A token that was come by in another way; `source` names it in errors. White space around it
    /// does not belong to it.
    ///
    /// # Errors
    /// Where it is empty, or holds anything else than visible ASCII; where it says itself that its time is
    /// over.
    pub fn new(secret: &str, source: impl Into<String>) -> Result<Self, Refusal> {
        let (secret, source) = (secret.trim(), source.into());
        let reason = if secret.is_empty() {
            "is empty".to_owned()
        } else if secret.len() > LARGEST {
            format!("is longer than {LARGEST} bytes")
        } else if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            "is not one: it holds spaces, control characters or letters that no token has".to_owned()
        } else if let Some(end) = expiry(secret).filter(|&end| end <= now()) {
            format!("expired on {}: get a new one", tls::date(end))
        } else {
            return Ok(Self { secret: secret.to_owned(), source, mode: None });
        };
        Err(refusal(format!("the token of {source} {reason}")))
    }

    /// What a file holds.
    ///
    /// # Errors
    /// Where it cannot be read, can be changed by others, or holds no token: see [`Token::new`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Refusal> {
        let path = path.as_ref();
        // Containers and batch systems mount tokens as root's, readable by all.
        read(path, path.display().to_string(), Owner::Anyone, Reader::Anyone)?
            .ok_or_else(|| refusal(format!("{} is not there", path.display())))
    }

    /// The token itself. It belongs into nothing but an encrypted connection to the server.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What is unusual about it, for the error of a server that refuses it: `the token of BEARER_TOKEN is no JWT`.
    /// None if there is nothing to say.
    pub fn doubt(&self) -> Option<String> {
        let mut doubts = Vec::new();
        if claims(&self.secret).is_none() {
            doubts.push("is no JWT".to_owned());
        }
        if let Some(mode) = self.mode.filter(|mode| mode & 0o004 != 0) {
            doubts.push(format!("may be read by others (mode {mode:04o})"));
        }
        (!doubts.is_empty()).then(|| format!("the token of {} {}", self.source, doubts.join(" and ")))
    }

    /// Where it was found: `BEARER_TOKEN_FILE=/run/token`.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// The token of this process, if it has one: that in `BEARER_TOKEN`; in the file that
/// `BEARER_TOKEN_FILE` names; in `$XDG_RUNTIME_DIR/bt_u$UID`; in `/tmp/bt_u$UID`.
///
/// It is read again at each call, because tokens are renewed while a run goes on.
///
/// # Errors
/// Where the first that is there cannot be used; those behind it are not tried, since it would not be
/// seen that another identity is used than the one meant.
pub fn discover() -> Result<Option<Token>, Refusal> {
    search(|name| env::var_os(name), nix::unistd::geteuid().as_raw(), Path::new("/tmp"))
}

/// As [`discover`], for that environment and user.
pub(super) fn search(
    variable: impl Fn(&str) -> Option<OsString>,
    user: u32,
    temporary: &Path,
) -> Result<Option<Token>, Refusal> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(value) = variable("BEARER_TOKEN") {
        let text = String::from_utf8(value.into_vec()).unwrap_or_else(|_| "\0".to_owned());
        if !text.trim().is_empty() {
            return Token::new(&text, "BEARER_TOKEN").map(Some);
        }
    }
    if let Some(path) = variable("BEARER_TOKEN_FILE").map(PathBuf::from) {
        let source = format!("BEARER_TOKEN_FILE={}", path.display());
        if let Some(token) = read(&path, source, Owner::Anyone, Reader::Anyone)? {
            return Ok(Some(token));
        }
    }
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    for folder in runtime.as_deref().into_iter().chain([temporary]) {
        let path = folder.join(format!("bt_u{user}"));
        if let Some(token) = read(&path, path.display().to_string(), Owner::Us, Reader::Us)? {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

/// `None` if there is no such file.
fn read(path: &Path, source: String, owner: Owner, reader: Reader) -> Result<Option<Token>, Refusal> {
    let bytes = private::read(path, LARGEST, owner, reader)
        .map_err(|reason| refusal(format!("the token of {source} is not used: {reason}")))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let text = String::from_utf8(bytes).unwrap_or_else(|_| "\0".to_owned());
    let mode = fs::metadata(path).ok().map(|status| status.permissions().mode() & 0o777);
    Token::new(&text, source).map(|token| Some(Token { mode, ..token }))
}

fn refusal(reason: String) -> Refusal {
    Refusal { method: "token".to_owned(), reason }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// When a token says that its time is over (`exp`, RFC 7519, section 4.1.4), in seconds since 1970.
/// `None` if it is no JWT or has no end.
fn expiry(token: &str) -> Option<u64> {
    let end = claims(token)?.get("exp")?.as_f64()?;
    // A fraction of a second does not matter, and `as` keeps to the range.
    (end >= 0.0).then_some(end as u64)
}

/// What a JWT says of itself; `None` if it is none.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    serde_json::from_slice(&base64url(claims)?).ok().filter(Value::is_object)
}

/// RFC 4648, section 5, without the padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0u32;
        for &letter in group {
            let six = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        let [_, a, b, c] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            4 => bytes.extend([a, b, c]),
            3 => bytes.extend([a, b]),
            2 => bytes.push(a),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Made by hand: the claims are in clear in the tests that use them.
    fn jwt(claims: &str) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for group in claims.as_bytes().chunks(3) {
            let bits =
                group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
            for n in 0..=group.len() {
                text.push(char::from(LETTERS[(bits >> (18 - 6 * n) & 63) as usize]));
            }
        }
        format!("eyJhbGciOiJub25lIn0.{text}.c2lnbmF0dXJl")
    }

    struct Place {
        folder: tempfile::TempDir,
        variables: Vec<(&'static str, OsString)>,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn file(&self, name: &str, content: &str, mode: u32) -> PathBuf {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
            self.variables.push((name, value.into()));
        }

        fn search(&self) -> Result<Option<Token>, Refusal> {
            let variable =
                |name: &str| Some(self.variables.iter().rev().find(|(n, _)| *n == name)?.1.clone());
            search(variable, 1234, &self.path("tmp"))
        }

        fn found(&self) -> (String, String) {
            let token = self.search().unwrap().unwrap();
            (token.secret().to_owned(), token.source().to_owned())
        }
    }

    #[test]
    fn each_place_goes_before_those_behind_it() {
        let mut place = Place::new();
        assert_eq!(place.search(), Ok(None));
        let path = place.file("tmp/bt_u1234", "of-tmp\n", 0o600);
        assert_eq!(place.found(), ("of-tmp".to_owned(), path.display().to_string()));
        let path = place.file("run/bt_u1234", " of-xdg ", 0o600);
        place.set("XDG_RUNTIME_DIR", place.path("run"));
        assert_eq!(place.found(), ("of-xdg".to_owned(), path.display().to_string()));
        let path = place.file("mounted", "\tof-file\r\n", 0o644);
        place.set("BEARER_TOKEN_FILE", &path);
        assert_eq!(place.found(), ("of-file".to_owned(), format!("BEARER_TOKEN_FILE={}", path.display())));
        place.set("BEARER_TOKEN", " of-variable\n");
        assert_eq!(place.found(), ("of-variable".to_owned(), "BEARER_TOKEN".to_owned()));
        // A variable that is set to nothing is not set, and a file that is not there is passed over.
        place.set("BEARER_TOKEN", "");
        place.set("BEARER_TOKEN_FILE", place.path("missing"));
        assert_eq!(place.found().0, "of-xdg");
    }

    #[test]
    fn a_file_of_ours_must_be_ours_alone() {
        let place = Place::new();
        for mode in [0o640, 0o604, 0o660, 0o666, 0o622] {
            place.file("tmp/bt_u1234", "secret-word", mode);
            let refusal = place.search().unwrap_err();
            assert!(refusal.reason.contains("chmod 600"), "{refusal}");
        }
        let mut place = Place::new();
        let path = place.file("mounted", "secret-word", 0o666);
        place.set("BEARER_TOKEN_FILE", &path);
        let refusal = place.search().unwrap_err();
        assert!(refusal.reason.contains("others can change it (mode 666)"), "{refusal}");
    }

    #[test]
    fn a_link_in_tmp_leads_nowhere_but_a_mounted_one_may() {
        let mut place = Place::new();
        let path = place.file("other-secret", "secret-word", 0o600);
        fs::create_dir(place.path("tmp")).unwrap();
        symlink(&path, place.path("tmp/bt_u1234")).unwrap();
        assert!(place.search().unwrap_err().reason.contains("symbolic link"));
        symlink(&path, place.path("link")).unwrap();
        place.set("BEARER_TOKEN_FILE", place.path("link"));
        assert_eq!(place.found().0, "secret-word");
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let mut place = Place::new();
        fs::create_dir(place.path("folder")).unwrap();
        place.set("BEARER_TOKEN_FILE", place.path("folder"));
        assert!(place.search().unwrap_err().reason.contains("not a file"));
        // Opening a pipe waits for a writer, who may never come.
        nix::unistd::mkfifo(&place.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        place.set("BEARER_TOKEN_FILE", place.path("pipe"));
        assert!(place.search().unwrap_err().reason.contains("not a file"));
        let path = place.file("long", &"a".repeat(LARGEST + 1), 0o600);
        place.set("BEARER_TOKEN_FILE", path);
        assert!(place.search().unwrap_err().reason.contains("larger than"));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for text in ["secret\r\nX-Evil: 1", "secret word", "secret\0", "sécret", "secret\x7f"] {
            let refusal = Token::new(text, "BEARER_TOKEN").unwrap_err();
            let shown = format!("{refusal} {refusal:?}");
            assert!(!shown.contains("cret"), "{shown}");
        }
        assert_eq!(Token::new(" \n", "X").unwrap_err().reason, "the token of X is empty");
        let mut place = Place::new();
        place.set("BEARER_TOKEN", OsString::from_vec(b"secret\xff".to_vec()));
        assert!(!format!("{:?}", place.search().unwrap_err()).contains("cret"));
    }

    #[test]
    fn an_expired_one_is_named_so_and_not_shown() {
        let expired = jwt(r#"{"sub":"alice","exp":1612310400}"#);
        let refusal = Token::new(&expired, "BEARER_TOKEN").unwrap_err();
        assert_eq!(
            refusal.reason,
            "the token of BEARER_TOKEN expired on 2021-02-03 00:00 UTC: get a new one"
        );
        for claims in [
            r#"{"exp":99999999999}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":"1612310400"}"#,
            r#"{"exp":null,"nbf":1}"#,
            r#"{"iat":1612310400}"#,
            "[1612310400]",
            "not JSON",
            "",
        ] {
            Token::new(&jwt(claims), "X").unwrap_or_else(|refusal| panic!("{claims}: {refusal}"));
        }
        // Other kinds of token have no claims that we could read.
        for token in ["opaque", "a.b", "a.b.c.d", "..", "a.!.c", "MDAxY2xvY2F0aW9u_macaroon"] {
            Token::new(token, "X").unwrap();
        }
        let fraction = jwt(r#"{"exp":1612310400.9}"#);
        assert!(Token::new(&fraction, "X").unwrap_err().reason.contains("2021-02-03 00:00"));
        // Nested without end.
        Token::new(&jwt(&"[".repeat(100_000)), "X").unwrap();
    }

    #[test]
    fn base64_is_that_of_urls() {
        // RFC 4648, section 10, and the two letters that differ.
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg", b"f"),
            ("Zg==", b"f"),
            ("Zm8", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYmFy", b"foobar"),
            ("-_-_", b"\xfb\xff\xbf"),
        ] {
            assert_eq!(base64url(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["Z", "Zm9vY", "Zm9+", "Zm9/", "Zm 9"] {
            assert_eq!(base64url(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_shows_a_token() {
        let token = Token::new("secret-word", "BEARER_TOKEN").unwrap();
        assert_eq!(format!("{token:?}"), "Token { source: \"BEARER_TOKEN\", .. }");
        assert!(!format!("{token:#?}").contains("secret-word"));
    }
}
