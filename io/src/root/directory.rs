use std::collections::{HashMap, HashSet};

use super::buffer::{Buffer, Malformed, Parse};
use super::{Key, RootFile};
use crate::{Error, Result};

/// Directories nest no deeper than this in any sane file.
const DEEPEST: usize = 32;

/// A key has at least 26 bytes and three empty strings.
const SMALLEST_KEY: usize = 29;

/// The objects of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    keys: Vec<Key>,
}

/// An object as [`RootFile::walk`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the top directory, `dir/sub/name`.
    pub path: String,
    /// Its key.
    pub key: Key,
}

/// A walk through all directories.
struct Walk {
    /// Whether older cycles are found too.
    cycles: bool,
    /// Where those lie that were entered.
    seen: HashSet<u64>,
    /// How many bytes further keys may have with the paths of their directories. The keys of different
    /// directories lie in different places, so that all are no more than the file; and a path is not
    /// many times as long as a key and its object.
    room: u64,
    found: Vec<Entry>,
}

impl Directory {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        Self { keys }
    }

    /// The keys, in the file's order, older cycles included.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The newest object called `name`, or the one of the cycle in `name;cycle`.
    pub fn find(&self, name: &str) -> Option<&Key> {
        let newest = |name: &str| self.keys.iter().filter(|key| key.name == name).max_by_key(|key| key.cycle);
        let of_cycle = || {
            let (name, cycle) = name.rsplit_once(';')?;
            if cycle == "*" {
                return newest(name);
            }
            let cycle: u16 = cycle.parse().ok()?;
            self.keys.iter().find(|key| key.name == name && key.cycle == cycle)
        };
        newest(name).or_else(of_cycle)
    }

    /// Each name once, as its newest key, in the file's order.
    pub fn newest(&self) -> impl Iterator<Item = &Key> {
        let mut seen: HashMap<&str, &Key> = HashMap::new();
        for key in &self.keys {
            let best = seen.entry(&key.name).or_insert(key);
            if key.cycle > best.cycle {
                *best = key;
            }
        }
        self.keys
            .iter()
            .filter(move |key| seen.get(key.name.as_str()).is_some_and(|best| std::ptr::eq(*best, *key)))
    }
}

/// Where a directory's list of keys lies.
pub(super) struct KeyList {
    pub(super) seek: u64,
    pub(super) nbytes: u32,
}

impl KeyList {
    /// From the directory's record, behind its key and, at the top, its name and title.
    pub(super) fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        let start = buffer.position();
        let version = buffer.i16()?;
        buffer.skip(8)?; // dates of creation and change
        let nbytes = buffer.i32()?;
        buffer.i32()?; // fNbytesName
        let seek = if version > 1000 {
            buffer.skip(16)?;
            buffer.i64()?
        } else {
            buffer.skip(8)?;
            buffer.i32()?.into()
        };
        match (u64::try_from(seek), u32::try_from(nbytes)) {
            (Ok(seek), Ok(nbytes)) => Ok(Self { seek, nbytes }),
            _ => Err(Malformed::new(start, format!("its {nbytes} bytes of keys lie at {seek}"))),
        }
    }
}

/// The keys in the record of a directory's key list.
pub(super) fn read_keys(record: &[u8]) -> Parse<Vec<Key>> {
    let mut buffer = Buffer::new(record, 0);
    let own = Key::read(&mut buffer)?;
    buffer.skip_to(own.key_length as usize)?;
    let n = buffer.i32()?;
    let n = usize::try_from(n).ok().filter(|n| *n <= buffer.remaining() / SMALLEST_KEY);
    let n = n.ok_or_else(|| Malformed::new(buffer.position() - 4, "the number of keys is wrong"))?;
    // What follows says nothing: uproot leaves room, and in it the keys of objects that were deleted.
    (0..n).map(|_| Key::read(&mut buffer)).collect()
}

impl RootFile {
    /// The keys of the directory that `key` names.
    ///
    /// # Errors
    /// Where it is not a directory or its record is damaged.
    pub fn subdirectory(&self, key: &Key) -> Result<Directory> {
        if !key.is_directory() {
            return Err(Error::WrongClass {
                path: self.path().to_owned(),
                name: key.name.clone(),
                found: key.class_name.clone(),
                wanted: "a directory",
            });
        }
        if u64::from(key.object_length) + u64::from(key.key_length) > key.nbytes.into() {
            return Err(Malformed::new(0, "a directory is never compressed").within(
                self.path(),
                format!("directory `{}`", key.name),
                key.seek,
            ));
        }
        let object = self.object(key)?;
        let list = KeyList::read(&mut Buffer::new(&object.data, 0))
            .map_err(|wrong| wrong.within(self.path(), format!("directory `{}`", key.name), key.seek))?;
        let listed = self.read_directory(&list, &key.name);
        match self.recovered() {
            // Its list may be of an earlier time, or of a place that something else has taken since.
            Some(found) if listed.as_ref().map_or(true, |listed| listed.keys().is_empty()) => {
                Ok(Directory::new(found.keys(key.seek)))
            }
            _ => listed,
        }
    }

    /// The directory at `path`; the top one for an empty path.
    ///
    /// # Errors
    /// Where a part of the path is missing or is not a directory.
    pub fn directory(&self, path: &str) -> Result<Directory> {
        let mut directory = self.top().clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let key = directory.find(part).ok_or_else(|| self.no_object(path, &directory))?;
            directory = self.subdirectory(key)?;
        }
        Ok(directory)
    }

    /// The key of the object at `path`, `dir/sub/name` or `name;cycle`; the newest unless a cycle
    /// is given. A leading slash is ignored.
    ///
    /// # Errors
    /// [`Error::NoObject`] with what there is instead.
    pub fn find(&self, path: &str) -> Result<Key> {
        let path = path.trim_matches('/');
        // Names may contain slashes: the whole path is tried first.
        if let Some(key) = self.top().find(path) {
            return Ok(key.clone());
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = self.directory(directory)?;
        directory.find(name).cloned().ok_or_else(|| self.no_object(path, &directory))
    }

    fn no_object(&self, name: &str, directory: &Directory) -> Error {
        let last = name.rsplit('/').next().unwrap_or(name);
        let mut available: Vec<String> = directory.newest().map(|key| key.name.clone()).collect();
        if let Some(nearest) = hep_columns::nearest(last, available.iter().map(String::as_str)) {
            available.retain(|other| *other != nearest);
            available.insert(0, nearest);
        }
        Error::NoObject { path: self.path().to_owned(), name: name.to_owned(), available }
    }

    /// All objects of all directories, the newest of each name, directories themselves included.
    ///
    /// # Errors
    /// Where a directory is damaged, or directories contain each other.
    pub fn walk(&self) -> Result<Vec<Entry>> {
        self.walk_all(false)
    }

    /// As [`walk`](Self::walk), with older cycles too: those of one path follow each other, the oldest first.
    ///
    /// # Errors
    /// Where a directory is damaged, or directories contain each other.
    pub fn walk_cycles(&self) -> Result<Vec<Entry>> {
        self.walk_all(true)
    }

    fn walk_all(&self, cycles: bool) -> Result<Vec<Entry>> {
        let room = self.size().saturating_mul(4);
        let mut walk = Walk { cycles, seen: HashSet::new(), room, found: Vec::new() };
        self.walk_into(self.top(), "", 0, &mut walk)?;
        Ok(walk.found)
    }

    fn walk_into(&self, directory: &Directory, prefix: &str, depth: usize, walk: &mut Walk) -> Result<()> {
        let mut cycles: HashMap<&str, Vec<&Key>> = HashMap::new();
        if walk.cycles {
            for key in directory.keys() {
                cycles.entry(&key.name).or_default().push(key);
            }
            cycles.values_mut().for_each(|keys| keys.sort_by_key(|key| key.cycle));
        }
        for key in directory.newest() {
            let wrong = |path: &str, reason: &'static str| {
                Malformed::new(0, reason).within(self.path(), format!("directory `{path}`"), key.seek)
            };
            let room = walk.room.checked_sub((SMALLEST_KEY + prefix.len()) as u64);
            walk.room = room.ok_or_else(|| wrong(prefix, "directories share their keys"))?;
            let path = if prefix.is_empty() { key.name.clone() } else { format!("{prefix}/{}", key.name) };
            let older = cycles.get(key.name.as_str()).into_iter().flatten();
            let older = older.filter(|older| older.cycle < key.cycle);
            walk.found.extend(older.map(|&key| Entry { path: path.clone(), key: key.clone() }));
            walk.found.push(Entry { path: path.clone(), key: key.clone() });
            if !key.is_directory() {
                continue;
            }
            if depth >= DEEPEST || !walk.seen.insert(key.seek) {
                return Err(wrong(&path, "directories contain each other or nest too deep"));
            }
            let inner = self.subdirectory(key)?;
            self.walk_into(&inner, &path, depth + 1, walk)?;
        }
        Ok(())
    }
}
