use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::Key;
use super::buffer::{Buffer, Malformed, Parse};
use super::codec::Decompressor;
use super::directory::{Directory, KeyList, read_keys};
use super::recover::Recovered;
use super::streamer::{Description, Streamers, descriptions};
use crate::open::HEAD;
use crate::{ByteSource, Error, Result};

/// A file without an identifier is cut into so many parts, and each but the first is sampled.
const SAMPLES: u64 = 8;
const SAMPLE: u64 = 4 << 10;

const NO_LIST: &str = "it has no list of keys: its writer was stopped, or is still at work; --recover reads its trees as \
                       they were when they were saved last";

/// A ROOT file: its header and the keys of its top directory.
#[derive(Debug)]
pub struct RootFile {
    source: Arc<dyn ByteSource>,
    path: String,
    size: u64,
    header: Header,
    head: Bytes,
    top: Directory,
    /// What its records say, where it was not closed.
    recovered: Option<Recovered>,
    streamers: OnceLock<Result<Arc<Streamers>>>,
}

/// An object's bytes, decompressed.
#[derive(Clone, Debug)]
pub struct ObjectBytes {
    /// The bytes.
    pub data: Bytes,
    /// The length of the object's key: references in it count from the start of the key.
    pub key_length: usize,
}

impl ObjectBytes {
    /// A cursor at the object's start.
    pub fn buffer(&self) -> Buffer<'_> {
        Buffer::new(&self.data, self.key_length)
    }
}

#[derive(Debug)]
struct Header {
    version: u32,
    begin: u64,
    end: u64,
    nbytes_name: u64,
    compression: i32,
    streamers: Range<u64>,
    uuid: [u8; 16],
}

impl Header {
    fn read(head: &[u8]) -> Parse<Self> {
        let mut buffer = Buffer::new(head, 0);
        if buffer.bytes(4).ok() != Some(b"root") {
            return Err(Malformed::new(0, "it does not begin with `root`"));
        }
        // Signed, as all numbers of this header: `uproot.update` before 5.3.7 took 1,000,000 from the version
        // each time, which ROOT takes for one with 32-bit positions.
        let version = buffer.i32()?;
        let place = |at: usize, place: i64| {
            u64::try_from(place).map_err(|_| Malformed::new(at, format!("a position is {place}")))
        };
        let begin = place(8, buffer.i32()?.into())?;
        // Versions from 1,000,000 on have 64-bit positions.
        let long = version >= 1_000_000;
        let word = |buffer: &mut Buffer<'_>| if long { buffer.i64() } else { buffer.i32().map(i64::from) };
        let end = place(12, word(&mut buffer)?)?;
        word(&mut buffer)?; // fSeekFree
        buffer.skip(8)?; // fNbytesFree, nfree
        let nbytes_name = place(buffer.position(), buffer.i32()?.into())?;
        buffer.u8()?; // fUnits
        let compression = buffer.i32()?;
        // As in ROOT, a place before the first record is none.
        let seek = u64::try_from(word(&mut buffer)?).ok().filter(|seek| *seek > begin).unwrap_or(0);
        let nbytes = u64::try_from(buffer.i32()?).unwrap_or(0);
        buffer.i16()?; // version of TUUID
        let uuid = buffer.bytes(16)?.try_into().unwrap();
        let streamers = seek..seek.saturating_add(nbytes);
        let version = version.rem_euclid(1_000_000).unsigned_abs();
        Ok(Self { version, begin, end, nbytes_name, compression, streamers, uuid })
    }
}

impl RootFile {
    /// Opens a file with two reads: its head, and the keys of its top directory. A third one follows
    /// where it has no identifier, see [`uuid`](Self::uuid).
    ///
    /// # Errors
    /// Where the source fails, it is not a ROOT file, or it is truncated.
    pub fn open(source: Arc<dyn ByteSource>) -> Result<Self> {
        // In small files this is header and top directory and all the rest.
        let head = read_one(&*source, 0..source.len()?.min(HEAD))?;
        Self::with_head(source, head, false)
    }

    /// As [`open`](Self::open); of a file that was not closed, or whose end is missing, it finds the objects by their
    /// records, which are read one after the other: trees with the entries that they had when they were saved last.
    ///
    /// # Errors
    /// Where the source fails, it is not a ROOT file, or no object is found.
    pub fn recover(source: Arc<dyn ByteSource>) -> Result<Self> {
        let head = read_one(&*source, 0..source.len()?.min(HEAD))?;
        Self::with_head(source, head, true)
    }

    /// Opens or recovers a file whose first bytes were read already.
    pub(crate) fn with_head(source: Arc<dyn ByteSource>, head: Bytes, recover: bool) -> Result<Self> {
        let path = source.name().to_owned();
        let size = source.len()?;
        let header = Header::read(&head).map_err(|wrong| wrong.within(&path, "the header", 0))?;
        if header.end > size && !recover {
            let reason = format!(
                "it has {size} of {} bytes: it is truncated; --recover looks for trees that are whole",
                header.end
            );
            return Err(Error::Format { what: "the header".to_owned(), at: 0, reason, path });
        }
        let mut header = header;
        if header.uuid == [0; 16] {
            header.uuid = derived_uuid(&*source, size, &head)?;
        }
        let mut file = Self {
            source,
            path,
            size,
            header,
            head,
            top: Directory::new(Vec::new()),
            recovered: None,
            streamers: OnceLock::new(),
        };
        let record = file.header.begin.saturating_add(file.header.nbytes_name);
        // The record has at most 42 bytes, without the identifier that may follow.
        let bytes = file.bytes(record..record.saturating_add(42).min(size.max(record)))?;
        let list = KeyList::read(&mut Buffer::new(&bytes, 0))
            .map_err(|wrong| wrong.within(&file.path, "the top directory", record))?;
        // As `TFile::Init` decides.
        let Header { begin, end, nbytes_name, .. } = file.header;
        let closed = list.seek > begin && end <= size;
        let nothing_written = begin.saturating_add(nbytes_name) == end && end == size;
        if !closed && !nothing_written && !recover {
            return Err(Error::NotClosed { path: file.path, reason: NO_LIST.to_owned() });
        }
        let listed = if closed { file.read_directory(&list, "") } else { Ok(Directory::new(Vec::new())) };
        match listed {
            Ok(top) if !recover || !top.keys().is_empty() => file.top = top,
            Err(error) if !recover => return Err(error),
            _ => file.recover_keys()?,
        }
        Ok(file)
    }

    /// Finds the keys of all directories by the records of the file.
    fn recover_keys(&mut self) -> Result<()> {
        let begin = self.header.begin;
        let found = Recovered::scan(begin, self.size, |range| self.bytes(range))?;
        self.top = Directory::new(found.keys(begin));
        if self.top.keys().is_empty() {
            let (baskets, blobs) = (found.baskets, found.blobs);
            let mut reason =
                format!("no tree or other object was saved before its end; it has {baskets} baskets");
            if blobs > 0 {
                reason = format!(
                    "{reason} and {blobs} pieces of RNTuples, which nothing tells the meaning of before they are committed"
                );
            }
            return Err(Error::NotClosed { path: self.path.clone(), reason });
        }
        if let Some(streamers) = &found.streamers {
            self.header.streamers = streamers.clone();
        }
        self.recovered = Some(found);
        Ok(())
    }

    /// Whether the file was not closed, and its objects were found by [`recover`](Self::recover).
    pub fn is_recovered(&self) -> bool {
        self.recovered.is_some()
    }

    pub(super) fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// The path or URL.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where its bytes come from.
    pub fn source(&self) -> &Arc<dyn ByteSource> {
        &self.source
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The version of ROOT that wrote it, 62804 for 6.28/04.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// The compression setting of the header: 100 × codec + level.
    pub fn compression(&self) -> i32 {
        self.header.compression
    }

    /// What tells this file from any other, whatever its path: `fa1ef904-9a6a-11e7-9717-c25bb8bcbeef`.
    ///
    /// ROOT's `RNTupleWriter::Recreate` leaves it zero in all its files. Theirs is made of their size,
    /// their head and samples of their content, as a UUID of version 8.
    pub fn uuid(&self) -> String {
        let hex: String = self.header.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// The keys of the top directory.
    pub fn keys(&self) -> &[Key] {
        self.top.keys()
    }

    /// The top directory.
    pub fn top(&self) -> &Directory {
        &self.top
    }

    /// The bytes of `range`, without a read where they came with the head.
    fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start <= range.end && range.end <= self.head.len() as u64 {
            return Ok(self.head.slice(range.start as usize..range.end as usize));
        }
        read_one(&*self.source, range)
    }

    pub(super) fn read_directory(&self, list: &KeyList, name: &str) -> Result<Directory> {
        if list.nbytes == 0 {
            return Ok(Directory::new(Vec::new()));
        }
        let record = self.bytes(list.seek..list.seek.saturating_add(list.nbytes.into()))?;
        let keys = read_keys(&record).map_err(|wrong| {
            wrong.within(&self.path, format!("the key list of directory `{name}`"), list.seek)
        })?;
        Ok(Directory::new(keys))
    }

    /// The decompressed bytes of the object that `key` names.
    ///
    /// # Errors
    /// Where they are truncated or damaged.
    pub fn object(&self, key: &Key) -> Result<ObjectBytes> {
        let record = self.bytes(key.seek..key.seek.saturating_add(key.nbytes.into()))?;
        let wrong = |reason: String| {
            let what = format!("object `{}`", key.name);
            Error::Format { path: self.path.clone(), what, at: key.seek, reason }
        };
        let (mut own, deleted) = Key::before_object(&mut Buffer::new(&record, 0))
            .map_err(|own| wrong(format!("the key before it is damaged: {}", own.reason)))?;
        if deleted {
            own.nbytes = key.nbytes;
        }
        if let Some((member, own, listed)) = own.differs(key) {
            return Err(wrong(format!("the key before it has {member} {own}, and the directory {listed}")));
        }
        self.object_in(&record, key)
    }

    /// XXH3-64 of the class and the decompressed bytes of the object that `key` names.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn checksum(&self, key: &Key) -> Result<u64> {
        Ok(super::checksum(&key.class_name, &self.object(key)?.data))
    }

    /// The decompressed bytes of the object in `record`, which begins with its key.
    fn object_in(&self, record: &Bytes, key: &Key) -> Result<ObjectBytes> {
        let key_length = key.key_length as usize;
        let wrong = |reason: String| {
            let what = format!("object `{}`", key.name);
            Error::Format { path: self.path.clone(), what, at: key.seek, reason }
        };
        if key_length > record.len() {
            return Err(wrong(format!("its key of {key_length} bytes is longer than its record")));
        }
        let stored = record.slice(key_length..);
        let length = key.object_length as usize;
        if length == stored.len() {
            return Ok(ObjectBytes { data: stored, key_length });
        }
        // ROOT does not compress what that would make longer.
        if length < stored.len() {
            return Err(wrong(format!(
                "its {} bytes are said to be {length} once decompressed",
                stored.len()
            )));
        }
        let mut data = Vec::new();
        Decompressor::default().decompress_into(&stored, &mut data, length).map_err(wrong)?;
        Ok(ObjectBytes { data: data.into(), key_length })
    }

    /// The classes the file describes; read at the first call.
    ///
    /// # Errors
    /// Where their record is damaged.
    pub fn streamers(&self) -> Result<Arc<Streamers>> {
        self.streamers.get_or_init(|| self.read_streamers().map(Arc::new)).clone()
    }

    /// The same as bytes, to be copied.
    pub(crate) fn descriptions(&self) -> Result<Vec<Description>> {
        self.streamer_list(descriptions)
    }

    fn read_streamers(&self) -> Result<Streamers> {
        self.streamer_list(Streamers::read)
    }

    /// What `read` makes of the list of streamers; nothing where there is no list.
    fn streamer_list<T: Default>(&self, read: impl Fn(Buffer<'_>) -> Parse<T>) -> Result<T> {
        let range = self.header.streamers.clone();
        if range.start == 0 || range.is_empty() {
            return Ok(T::default());
        }
        let within = |wrong: Malformed| wrong.within(&self.path, "the list of streamers", range.start);
        let record = self.bytes(range.clone())?;
        let mut key = Key::read(&mut Buffer::new(&record, 0)).map_err(within)?;
        key.seek = range.start;
        let object = self.object_in(&record, &key)?;
        read(object.buffer()).map_err(within)
    }
}

/// An identifier from what the file holds: copies have the same, and any two files of one size differ
/// somewhere in pages of compressed or physical data.
fn derived_uuid(source: &dyn ByteSource, size: u64, head: &[u8]) -> Result<[u8; 16]> {
    let samples: Vec<Range<u64>> =
        (1..SAMPLES).map(|n| size / SAMPLES * n).map(|at| at..at.saturating_add(SAMPLE).min(size)).collect();
    let mut content = size.to_le_bytes().to_vec();
    content.extend_from_slice(&head[..head.len().min(SAMPLE as usize)]);
    source.read(&samples)?.iter().for_each(|sample| content.extend_from_slice(sample));
    let mut uuid = [0; 16];
    for (seed, half) in uuid.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&XxHash3_64::oneshot_with_seed(seed as u64, &content).to_be_bytes());
    }
    uuid[6] = 0x80 | uuid[6] & 0x0F;
    uuid[8] = 0x80 | uuid[8] & 0x3F;
    Ok(uuid)
}

fn read_one(source: &dyn ByteSource, range: Range<u64>) -> Result<Bytes> {
    let length = range.end.saturating_sub(range.start);
    match source.read(std::slice::from_ref(&range))?.pop() {
        Some(bytes) if bytes.len() as u64 == length => Ok(bytes),
        _ => Err(Malformed::new(0, "fewer bytes came than were asked for").within(
            source.name(),
            "a read",
            range.start,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with 32-bit positions.
    fn header(version: i32) -> Vec<u8> {
        let mut head = b"root".to_vec();
        for word in [version, 100, 1000, 900, 50, 1, 60] {
            head.extend(word.to_be_bytes());
        }
        head.push(4);
        for word in [101, 800, 90] {
            head.extend(i32::to_be_bytes(word));
        }
        head.extend([0, 1]);
        head.extend([7; 16]);
        head
    }

    #[test]
    fn a_negative_version_has_32_bit_positions() {
        // 6.40/00 after one and after two updates.
        for version in [64_000, -936_000, -1_936_000] {
            let header = Header::read(&header(version)).unwrap();
            assert_eq!((header.version, header.end, header.streamers), (64_000, 1000, 800..890));
        }
    }

    #[test]
    fn a_negative_position_is_an_error() {
        let mut head = header(64_000);
        head[12..16].fill(0xFF);
        assert_eq!(Header::read(&head).unwrap_err(), Malformed::new(12, "a position is -1"));
    }
}
