//! The file of keys (`XrdSecsssKT.cc`): a line per key, `0 u:USER g:GROUP n:NAME N:NUMBER c:MADE e:END
//! f:FLAGS k:HEXADECIMAL`.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::auth::private::{self, Owner, Reader};

const LARGEST: usize = 1 << 20;
/// Of a key, in bytes.
const LONGEST_KEY: usize = 128;
/// Of its name, with its end.
const LONGEST_NAME: usize = 192;

/// A key that we share with servers. Its value is shown by nothing.
pub(in crate::auth) struct Key {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) value: Vec<u8>,
    /// Whom the key is for; with the name, what tells keys apart.
    user: String,
    group: String,
    /// Seconds since 1970; 0 for never.
    end: i64,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("end", &self.end).finish_non_exhaustive()
    }
}

/// The file that the environment names, or the usual one.
pub(in crate::auth) fn path(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let variable = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // One that is named and not there is passed over, as by the official client.
    let named = ["XrdSecSSSKT", "XrdSecsssKT"].into_iter().filter_map(variable);
    let usual = variable("HOME").map(|home| home.join(".xrd/sss.keytab"));
    let places: Vec<PathBuf> = named.chain(usual).collect();
    places.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let searched: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
        let searched = if searched.is_empty() { "nowhere".to_owned() } else { searched.join(", ") };
        format!("there are no keys: searched {searched}; XrdSecSSSKT names the file")
    })
}

/// The key that the official client would take: of those that differ in name, user or group the last, of
/// those that do not the one that is good for longest.
pub(super) fn first(path: &Path, now: u64) -> Result<Key, String> {
    let name = path.display();
    let named = |reason| format!("the keys of {name} are not used: {reason}");
    // The group may read what is meant for it.
    let reader =
        if path.extension().is_some_and(|extension| extension == "grp") { Reader::Group } else { Reader::Us };
    let bytes = private::read(path, LARGEST, Owner::Anyone, reader)
        .map_err(named)?
        .ok_or_else(|| named("the file is not there".to_owned()))?;
    parse(&bytes, now).map_err(named)
}

/// The errors name the line and what is wrong, never what is there.
fn parse(bytes: &[u8], now: u64) -> Result<Key, String> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (mut keys, mut expired): (Vec<Key>, usize) = (Vec::new(), 0);
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = std::str::from_utf8(line).map_err(|_| format!("line {} is not text", number + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let key = entry(line).map_err(|what| format!("line {}: {what}", number + 1))?;
        if key.end != 0 && key.end <= now {
            expired += 1;
            continue;
        }
        let same = |old: &&mut Key| old.name == key.name && old.user == key.user && old.group == key.group;
        match keys.iter_mut().find(same) {
            Some(old) if old.end != 0 && (key.end == 0 || old.end < key.end) => *old = key,
            Some(_) => {}
            None => keys.push(key),
        }
    }
    keys.pop().ok_or_else(|| match expired {
        0 => "there is none".to_owned(),
        1 => "it is expired".to_owned(),
        many => format!("all {many} are expired"),
    })
}

fn entry(line: &str) -> Result<Key, &'static str> {
    let mut words = line.split_ascii_whitespace();
    if !matches!(words.next(), Some("0" | "1")) {
        return Err("this is no format of keys that is known");
    }
    let mut key = Key {
        number: 0,
        name: "nowhere".to_owned(),
        value: Vec::new(),
        user: "nobody".to_owned(),
        group: "nogroup".to_owned(),
        end: 0,
    };
    let mut numbered = false;
    for (tag, text) in words.filter_map(|word| word.split_once(':')) {
        match tag {
            "n" => key.name = text.to_owned(),
            "u" => key.user = text.to_owned(),
            "g" => key.group = text.to_owned(),
            "N" => {
                key.number = text.parse().map_err(|_| "the number of the key is none")?;
                numbered = true;
            }
            "e" => key.end = text.parse().map_err(|_| "the end of its time is none")?,
            "k" => key.value = hexadecimal(text).ok_or("the key is damaged")?,
            _ => {}
        }
    }
    if key.name.len() >= LONGEST_NAME {
        return Err("the name of the key is too long");
    }
    if key.value.is_empty() {
        return Err("there is no key");
    }
    if !numbered {
        return Err("the key has no number");
    }
    Ok(key)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() || pairs.len() > LONGEST_KEY {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn name(text: &str) -> Result<String, String> {
        parse(text.as_bytes(), 1000).map(|key| key.name)
    }

    #[test]
    fn the_key_is_the_one_that_the_official_client_takes() {
        // By `getKeyTab` of XrdSecsssKT.cc: a key that differs goes before those known, one that does not
        // replaces it if it is good for longer.
        let one = "0 u:anybody g:usrgroup n:one N:1 c:1 e:0 f:0 k:00112233";
        let key = parse(one.as_bytes(), 1000).unwrap();
        assert_eq!(
            (key.number, key.name.as_str(), key.value.as_slice()),
            (1, "one", &[0, 0x11, 0x22, 0x33][..])
        );
        assert_eq!(name(&format!("{one}\n\n0 n:two N:2 k:ff\n")).unwrap(), "two");
        let of = |text: &str| parse(text.as_bytes(), 1000).unwrap().number;
        assert_eq!(of("0 n:a N:1 e:2000 k:01\n0 n:a N:2 e:3000 k:02\n"), 2);
        assert_eq!(of("0 n:a N:1 e:3000 k:01\n0 n:a N:2 e:2000 k:02\n"), 1);
        assert_eq!(of("0 n:a N:1 e:2000 k:01\n0 n:a N:2 e:0 k:02\n"), 2);
        assert_eq!(of("0 n:a N:1 e:0 k:01\n0 n:a N:2 e:0 k:02\n"), 1);
        assert_eq!(of("0 n:a N:1 e:0 k:01\n0 n:b N:2 e:999 k:02\n"), 1, "the last is expired");
        assert_eq!(of("1 n:a N:9223372036854775807 k:01"), i64::MAX);
    }

    #[test]
    fn damaged_files_are_refused_without_showing_them() {
        for (text, reason) in [
            ("", "there is none"),
            ("2 n:a N:1 k:5ec2e7", "line 1: this is no format of keys that is known"),
            ("0 n:a N:1", "line 1: there is no key"),
            ("0 n:a k:5ec2e7", "line 1: the key has no number"),
            ("0 n:a N:x5ec2e7 k:00", "line 1: the number of the key is none"),
            ("\n0 n:a N:1 k:5ec2e", "line 2: the key is damaged"),
            ("0 n:a N:1 k:5ec2eg", "line 1: the key is damaged"),
            ("0 n:a N:1 e:999 k:5ec2e7", "it is expired"),
            ("0 n:a N:1 e:999 k:5ec2e7\n0 n:b N:2 e:1 k:5ec2e7", "all 2 are expired"),
        ] {
            assert_eq!(name(text), Err(reason.to_owned()), "{text}");
        }
        assert!(name(&format!("0 n:a N:1 k:{}", "5e".repeat(129))).is_err());
        assert!(name(&format!("0 n:{} N:1 k:5e", "n".repeat(192))).is_err());
        assert!(parse(b"0 n:\xff N:1 k:5e", 1).is_err());
        let key = parse(b"0 n:a N:1 k:5ec2e7", 1).unwrap();
        assert_eq!(format!("{key:?}"), "Key { name: \"a\", end: 0, .. }");
    }

    #[test]
    fn the_file_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let allowed = |name: &str, mode| {
            let path = folder.path().join(name);
            fs::write(&path, "0 n:a N:1 k:5ec2e7").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            first(&path, 1)
        };
        allowed("a.keytab", 0o600).unwrap();
        allowed("a.keytab", 0o400).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            assert!(allowed("a.keytab", mode).unwrap_err().contains("chmod 600"));
        }
        allowed("a.grp", 0o640).unwrap();
        assert!(allowed("a.grp", 0o660).unwrap_err().contains("chmod 640"));
        assert!(allowed("a.grp", 0o644).is_err());
    }

    #[test]
    fn the_file_is_found_where_the_variables_say() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let variables = |name: &str| {
            Some(match name {
                "XrdSecSSSKT" => file("first").into(),
                "XrdSecsssKT" => file("second").into(),
                _ => file("home").into(),
            })
        };
        let error = path(variables).unwrap_err();
        assert!(error.contains("/first, ") && error.contains("/home/.xrd/sss.keytab;"), "{error}");
        fs::create_dir_all(file("home/.xrd")).unwrap();
        for name in ["home/.xrd/sss.keytab", "second", "first"] {
            fs::write(file(name), "").unwrap();
            assert_eq!(path(variables).unwrap(), file(name));
        }
    }
}
