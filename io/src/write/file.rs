use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::hash::Hasher;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libdeflater::{CompressionLvl, Compressor};
use twox_hash::XxHash64;

use super::encoder::Encoder;
use super::key::{DATE, Key};
use super::streamers::Descriptions;
use super::{Copy, histogram, object};
use crate::hist::Histogram;
use crate::object::Object;
use crate::root::{self, RootFile};
use crate::{Error, Result};

/// The version of ROOT that the class versions are of, 6.40/00.
const ROOT_VERSION: u32 = 64_000;
/// Where the first record begins.
const BEGIN: u32 = 100;
/// Objects below this size are not worth compressing.
const SMALL: usize = 256;
/// The largest compressed block; its sizes have three bytes.
const BLOCK: usize = 0xFF_FFFF;
/// Positions have 32 bits in the layout written here, and ROOT counts them signed.
const LARGEST: usize = i32::MAX as usize;

/// A ROOT file that is being put together.
#[derive(Default)]
pub struct File {
    directories: Vec<Directory>,
    /// The classes of objects that are copied, beside those that are written here.
    described: Descriptions,
    packer: Packer,
}

struct Directory {
    path: String,
    objects: Vec<Record>,
    /// The newest cycle of each name that is copied.
    cycles: HashMap<String, u16>,
}

/// An object's record: its bytes as they are stored, and what its key says.
struct Record {
    class: String,
    name: String,
    title: String,
    bytes: Vec<u8>,
    /// How many they are when they are not compressed.
    length: u32,
    cycle: u16,
    long: bool,
    checksum: u64,
}

impl Record {
    fn new(
        class: impl Into<String>,
        name: impl Into<String>,
        title: impl Into<String>,
        bytes: Vec<u8>,
    ) -> Self {
        let (class, name, title, length) = (class.into(), name.into(), title.into(), bytes.len() as u32);
        let checksum = root::checksum(&class, &bytes);
        Self { class, name, title, bytes, length, cycle: 1, long: false, checksum }
    }
}

impl File {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a histogram to the directory `directory`, `dataset` or `a/b`; the top one if empty.
    pub fn histogram(&mut self, directory: &str, histogram: &Histogram) {
        let class = histogram.class.name();
        let key_length = Key::head_length(&class, &histogram.name, &histogram.title);
        let mut out = Encoder::new(key_length);
        histogram::write(histogram, &mut out);
        self.add(directory, Record::new(class, &*histogram.name, &*histogram.title, out.into_bytes()));
    }

    /// Adds an object under the name `name`.
    ///
    /// # Errors
    /// Where it is one that does not merge: those are for [`copy`](Self::copy).
    pub fn object(&mut self, directory: &str, name: &str, object: &Object) -> Result<()> {
        let class = object.class();
        let title = match object {
            Object::Histogram(object) => &*object.title,
            Object::ManyAxes(object) => &object.title,
            Object::Efficiency(object) => &object.title,
            Object::Graph(object) => &object.title,
            Object::Parameter(_) | Object::Text(_) => "",
        };
        let mut out = Encoder::new(Key::head_length(&class, name, title));
        if !object::write(object, &mut out) {
            return Err(Error::Unsupported {
                path: directory.to_owned(),
                what: format!("`{name}` ({class})"),
                reason: "objects of its class are copied, not written".to_owned(),
            });
        }
        self.add(directory, Record::new(class, name, title, out.into_bytes()));
        Ok(())
    }

    /// Adds a copy of an object of another file, whose classes [`describe`](Self::describe) brings. One of
    /// a name that is there already is a newer cycle of it.
    pub fn copy(&mut self, directory: &str, copy: Copy) {
        let Copy { class, name, title, bytes, long } = copy;
        let newest = self.find(directory).cycles.entry(name.clone()).or_insert(0);
        *newest = newest.saturating_add(1);
        let cycle = *newest;
        self.add(directory, Record { cycle, long, ..Record::new(class, name, title, bytes) });
    }

    /// Takes over what `file` says of the classes of its objects.
    ///
    /// # Errors
    /// Where that is damaged.
    pub fn describe(&mut self, file: &RootFile) -> Result<()> {
        self.described.extend(file.descriptions()?);
        Ok(())
    }

    /// Adds a text, as a `TObjString`.
    pub fn text(&mut self, directory: &str, name: &str, text: &str) {
        let mut out = Encoder::new(0);
        object::text(text, &mut out);
        self.add(directory, Record::new("TObjString", name, "Collectable string class", out.into_bytes()));
    }

    /// The checksum of each object that was added, as [`RootFile::checksum`] gives it, with its `path;cycle`. Objects
    /// whose name has a slash are left out: the path does not tell them from others.
    pub fn checksums(&self) -> impl Iterator<Item = (String, u64)> {
        self.directories.iter().flat_map(|directory| {
            let objects = directory.objects.iter().filter(|object| !object.name.contains('/'));
            objects.map(|object| {
                let slash = if directory.path.is_empty() { "" } else { "/" };
                let path = format!("{}{slash}{};{}", directory.path, object.name, object.cycle);
                (path, object.checksum)
            })
        })
    }

    /// Makes sure that there is a directory, even if nothing is put into it.
    pub fn directory(&mut self, path: &str) {
        let mut parent = String::new();
        self.make("");
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !parent.is_empty() {
                parent.push('/');
            }
            parent.push_str(part);
            self.make(&parent);
        }
    }

    fn make(&mut self, path: &str) {
        if self.directories.iter().all(|directory| directory.path != path) {
            self.directories.push(Directory {
                path: path.to_owned(),
                objects: Vec::new(),
                cycles: HashMap::new(),
            });
        }
    }

    /// Compressed at once: of a large histogram there is no more than that while others are added.
    fn add(&mut self, directory: &str, mut record: Record) {
        self.packer.pack(&mut record);
        self.find(directory).objects.push(record);
    }

    /// The directory `directory`, made if need be.
    fn find(&mut self, directory: &str) -> &mut Directory {
        self.directory(directory);
        let path: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
        let path = path.join("/");
        let at = self.directories.iter().position(|known| known.path == path).unwrap_or(0);
        &mut self.directories[at]
    }

    /// The content of the file, which says that it is called as `path` is.
    ///
    /// # Errors
    /// Where it would exceed 2 GiB.
    pub fn into_bytes(mut self, path: &Path) -> Result<Vec<u8>> {
        self.make("");
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Layout::new(&mut self.directories, &name, self.packer).finish(&self.described.list()).ok_or_else(
            || Error::Unsupported {
                path: path.display().to_string(),
                what: "the output".to_owned(),
                reason: "it would exceed 2 GiB".to_owned(),
            },
        )
    }

    /// Writes the file: under a temporary name beside `path`, then renamed to it.
    ///
    /// # Errors
    /// Where it cannot be written, or would exceed 2 GiB; `path` is then as it was.
    pub fn save(self, path: &Path) -> Result<()> {
        let bytes = self.into_bytes(path)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(temporary);
        write_and_rename(&temporary, path, &bytes).map_err(|source| {
            let _ = fs::remove_file(&temporary);
            Error::Io { action: "write", path: path.display().to_string(), source: Arc::new(source) }
        })
    }
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// The bytes of a file, record by record.
struct Layout<'a> {
    directories: &'a mut [Directory],
    name: &'a str,
    out: Vec<u8>,
    /// Where each directory's record begins, and where its header lies in it.
    places: Vec<(u32, usize)>,
    keys: Vec<Vec<Key>>,
    uuid: u128,
    packer: Packer,
}

/// Compresses records.
#[derive(Default)]
struct Packer(Option<Compressor>);

impl Packer {
    /// Compresses a record where that makes it smaller.
    fn pack(&mut self, record: &mut Record) {
        if record.bytes.len() >= SMALL
            && let Some(compressed) = self.compress(&record.bytes)
        {
            record.bytes = compressed;
        }
    }

    /// Blocks of zlib behind ROOT's head of 9 bytes: `ZL`, the method 8, and both sizes.
    fn compress(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let compressor = self.0.get_or_insert_with(|| Compressor::new(CompressionLvl::default()));
        let mut all = Vec::new();
        for block in bytes.chunks(BLOCK) {
            let mut out = vec![0; compressor.zlib_compress_bound(block.len())];
            let n = compressor.zlib_compress(block, &mut out).ok().filter(|&n| n <= BLOCK)?;
            all.extend(b"ZL\x08");
            all.extend(&(n as u32).to_le_bytes()[..3]);
            all.extend(&(block.len() as u32).to_le_bytes()[..3]);
            all.extend(&out[..n]);
        }
        all.shrink_to_fit();
        (all.len() < bytes.len()).then_some(all)
    }
}

/// Bytes of a directory's header: version, dates, sizes, positions, uuid, and room for 64 bits.
const DIRECTORY: u32 = 60;

impl<'a> Layout<'a> {
    fn new(directories: &'a mut [Directory], name: &'a str, packer: Packer) -> Self {
        let hash = |seed: u64| {
            let mut hasher = XxHash64::with_seed(seed);
            for object in directories.iter().flat_map(|directory| &directory.objects) {
                hasher.write(object.name.as_bytes());
                hasher.write(&object.bytes);
            }
            u128::from(hasher.finish())
        };
        let uuid = hash(1) << 64 | hash(2);
        let keys = vec![Vec::new(); directories.len()];
        // Room for all, which is not memory until it is written to: growing would copy large files.
        let stored =
            directories.iter().flat_map(|directory| &directory.objects).map(|object| object.bytes.len());
        let mut out = Vec::with_capacity(stored.sum::<usize>().min(LARGEST) + (1 << 16));
        out.resize(BEGIN as usize, 0);
        Self { directories, name, out, places: Vec::new(), keys, uuid, packer }
    }

    fn finish(mut self, streamers: &[u8]) -> Option<Vec<u8>> {
        self.top();
        for at in 0..self.directories.len() {
            if at > 0 {
                self.subdirectory(at);
            }
            for object in std::mem::take(&mut self.directories[at].objects) {
                let key = self.record(&object, self.places[at].0);
                self.keys[at].push(key);
                if self.out.len() > LARGEST {
                    return None;
                }
            }
        }
        let top = self.places[0].0;
        let mut streamers = Record::new("TList", "StreamerInfo", "Doubly linked list", streamers.to_vec());
        self.packer.pack(&mut streamers);
        let streamers = self.record(&streamers, top);
        for at in 0..self.directories.len() {
            self.key_list(at);
        }
        let free = self.free_list(top);
        if self.out.len() > LARGEST {
            return None;
        }
        self.header(&streamers, &free);
        Some(self.out)
    }

    /// The record of the top directory: its key, the file's name and title, its header.
    fn top(&mut self) {
        let name_length = (self.name.len() + if self.name.len() < 255 { 2 } else { 6 }) as u32;
        let length = name_length + DIRECTORY;
        let key = self.key("TFile", self.name, "", BEGIN, 0, length, length);
        let mut out = Encoder::new(0);
        key.write(&mut out);
        out.string(self.name);
        out.string("");
        self.out.extend(out.into_bytes());
        self.places.push((BEGIN, self.out.len()));
        self.out.extend([0; DIRECTORY as usize]);
    }

    fn subdirectory(&mut self, at: usize) {
        let path = &self.directories[at].path;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directories.iter().position(|known| known.path == parent).unwrap_or(0);
        let seek = self.out.len() as u32;
        let key = self.key("TDirectory", name, name, seek, self.places[parent].0, DIRECTORY, DIRECTORY);
        let mut out = Encoder::new(0);
        key.write(&mut out);
        self.out.extend(out.into_bytes());
        self.places.push((seek, self.out.len()));
        self.out.extend([0; DIRECTORY as usize]);
        self.keys[parent].push(key);
    }

    #[expect(clippy::too_many_arguments)]
    fn key(
        &self,
        class: &str,
        name: &str,
        title: &str,
        seek: u32,
        directory: u32,
        stored: u32,
        length: u32,
    ) -> Key {
        let (class, name, title) = (class.to_owned(), name.to_owned(), title.to_owned());
        Key { class, name, title, seek, directory, stored, length, cycle: 1, long: false }
    }

    /// Adds an object's record.
    fn record(&mut self, record: &Record, directory: u32) -> Key {
        let Record { class, name, title, bytes: stored, length, cycle, long, .. } = record;
        let seek = self.out.len() as u32;
        let key = self.key(class, name, title, seek, directory, stored.len() as u32, *length);
        let key = Key { cycle: *cycle, long: *long, ..key };
        let mut out = Encoder::new(0);
        key.write(&mut out);
        self.out.extend(out.into_bytes());
        self.out.extend(stored);
        key
    }

    /// The list of a directory's keys, and the directory's header that points to it.
    fn key_list(&mut self, at: usize) {
        let mut keys = std::mem::take(&mut self.keys[at]);
        newest_first(&mut keys);
        let (place, header) = self.places[at];
        let mut list = Encoder::new(0);
        list.u32(keys.len() as u32);
        keys.iter().for_each(|key| key.write(&mut list));
        let list = list.into_bytes();
        let path = &self.directories[at].path;
        let name = path.rsplit('/').next().unwrap_or(path);
        let (class, name, title) =
            if at == 0 { ("TFile", self.name, "") } else { ("TDirectory", name, name) };
        let length = list.len() as u32;
        let seek = self.out.len() as u32;
        let key = self.key(class, name, title, seek, place, length, length);
        let mut out = Encoder::new(0);
        key.write(&mut out);
        self.out.extend(out.into_bytes());
        self.out.extend(list);

        let parent = match path.rsplit_once('/') {
            _ if at == 0 => 0,
            Some((parent, _)) => {
                let parent = self.directories.iter().position(|known| known.path == parent);
                self.places[parent.unwrap_or(0)].0
            }
            None => self.places[0].0,
        };
        let mut head = Encoder::new(0);
        head.u16(5);
        head.u32(DATE);
        head.u32(DATE);
        head.u32(key.own_length() as u32 + length);
        head.u32(header as u32 - place); // fNbytesName
        head.u32(place);
        head.u32(parent);
        head.u32(seek);
        head.u16(1);
        head.raw(&self.uuid.wrapping_add(at as u128).to_be_bytes());
        let head = head.into_bytes();
        self.out[header..header + head.len()].copy_from_slice(&head);
    }

    /// The list of free stretches: one, behind the end.
    fn free_list(&mut self, top: u32) -> Key {
        let seek = self.out.len() as u32;
        let length = 10;
        let key = self.key("TFile", self.name, "", seek, top, length, length);
        let mut out = Encoder::new(0);
        key.write(&mut out);
        let end = self.out.len() as u32 + key.own_length() as u32 + length;
        out.u16(1);
        out.u32(end);
        out.u32(2_000_000_000);
        self.out.extend(out.into_bytes());
        key
    }

    fn header(&mut self, streamers: &Key, free: &Key) {
        let whole = |key: &Key| key.own_length() as u32 + key.stored;
        let name_bytes = (self.places[0].1 as u32) - BEGIN;
        let mut head = Encoder::new(0);
        head.raw(b"root");
        head.u32(ROOT_VERSION);
        head.u32(BEGIN);
        head.u32(self.out.len() as u32);
        head.u32(free.seek);
        head.u32(whole(free));
        head.u32(1);
        head.u32(name_bytes);
        head.u8(4); // positions of 4 bytes
        head.u32(101); // zlib, level 1: what ROOT would use if it added objects
        head.u32(streamers.seek);
        head.u32(whole(streamers));
        head.u16(1);
        head.raw(&self.uuid.to_be_bytes());
        let head = head.into_bytes();
        self.out[..head.len()].copy_from_slice(&head);
    }
}

/// Puts the newest cycle of each name first among those of its name: ROOT takes the first that it finds.
fn newest_first(keys: &mut [Key]) {
    let mut first = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        first.entry(key.name.clone()).or_insert(at);
    }
    keys.sort_by_key(|key| (first[&key.name], Reverse(key.cycle)));
}
