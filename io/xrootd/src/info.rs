//! What servers tell of files, folders and themselves, as text.

use crate::url::host_and_port;

/// What is known of a file or folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// Which file it is to this server.
    pub id: String,
    /// Its bytes.
    pub size: u64,
    /// The last modification, in seconds since 1970, UTC.
    pub modified: i64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Whether it is on tape, and a read would wait.
    pub is_offline: bool,
    /// Whether it may be read.
    pub is_readable: bool,
    /// Whether it may be written.
    pub is_writable: bool,
}

impl Stat {
    /// `id size flags mtime`, and perhaps more.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim_matches(['\0', '\n', ' ']).split(' ');
        let id = words.next()?.to_owned();
        let size = words.next()?.parse().ok()?;
        let flags: u32 = words.next()?.parse().ok()?;
        let modified = words.next()?.parse().ok()?;
        Some(Self {
            id,
            size,
            modified,
            is_folder: flags & 2 != 0,
            is_offline: flags & 8 != 0,
            is_readable: flags & 16 != 0,
            is_writable: flags & 32 != 0,
        })
    }
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the folder.
    pub name: String,
    /// What it is, if the server says so.
    pub stat: Option<Stat>,
}

impl Entry {
    /// A line for each name; with `stat`s, the first two lines say so, and each name has a line more.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        let text = text.trim_end_matches(['\0', '\n']);
        let Some(entries) = text.strip_prefix(".\n0 0 0 0") else {
            return names(text.lines()).map(|name| Self { name, stat: None }).collect();
        };
        let mut lines = entries.trim_start_matches('\n').lines();
        let mut found = Vec::new();
        while let Some(name) = lines.next() {
            let stat = lines.next().and_then(Stat::parse);
            found.extend(names([name].into_iter()).map(|name| Self { name, stat: stat.clone() }));
        }
        found
    }
}

/// A name with a slash would lead out of its folder.
fn names<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    lines
        .filter(|name| !name.is_empty() && !matches!(*name, "." | "..") && !name.contains(['/', '\0']))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it knows who has the file, rather than having it.
    pub is_manager: bool,
    /// Whether the file is there for certain, rather than being looked for.
    pub is_present: bool,
    /// Whether it may be written there.
    pub is_writable: bool,
}

impl Location {
    /// `Sr[::1]:1094 Mw…`, capitals for what is present.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        text.trim_matches('\0').split_whitespace().filter_map(Self::parse).collect()
    }

    fn parse(word: &str) -> Option<Self> {
        let mut letters = word.chars();
        let (kind, access) = (letters.next()?, letters.next()?);
        let (host, port) = host_and_port(letters.as_str()).ok()?;
        Some(Self {
            host: host.to_owned(),
            port: port.unwrap_or(1094),
            is_manager: kind.eq_ignore_ascii_case(&'m'),
            is_present: kind.is_ascii_uppercase(),
            is_writable: access == 'w',
        })
    }
}

/// A checksum of a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// `adler32`, `crc32c`, `md5`.
    pub algorithm: String,
    /// Its value in hexadecimal digits.
    pub value: String,
}

impl Checksum {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim_matches('\0').split_whitespace();
        let (algorithm, value) = (words.next()?, words.next()?);
        let is_hex = value.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| Self { algorithm: algorithm.to_owned(), value: value.to_ascii_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Debian's xrootd 5.5.3 gives them.
    #[test]
    fn a_listing_with_and_without_stats() {
        let stat = "256 10 51 1700000000 1700000000 1700000000 0644 xrootd xrootd";
        let entries = Entry::parse_all(&format!(".\n0 0 0 0\na.root\n{stat}\nd\n257 4096 19 5\0"));
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].name.as_str(), entries[0].stat.as_ref().unwrap().size), ("a.root", 10));
        assert!(entries[1].stat.as_ref().unwrap().is_folder);
        let names: Vec<_> = Entry::parse_all("a\nb\n../c\n.\n\n\0").into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn locations_of_either_address_family() {
        let found = Location::parse_all("Sr[::ffff:10.99.0.2]:11112 mw[h.cern.ch]:1094 x\0");
        assert_eq!((found[0].host.as_str(), found[0].port), ("::ffff:10.99.0.2", 11112));
        assert_eq!(
            (found[1].host.as_str(), found[1].is_manager, found[1].is_present),
            ("h.cern.ch", true, false)
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn nonsense_is_none() {
        assert_eq!(Stat::parse("1 x 3 4"), None);
        assert_eq!(Checksum::parse("adler32"), None);
        assert_eq!(Checksum::parse("adler32 <html>"), None);
        assert_eq!(Checksum::parse("adler32 0A\0").unwrap().value, "0a");
    }
}
