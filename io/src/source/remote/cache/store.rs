use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use rustix::fs::OFlags;
use twox_hash::XxHash3_64;

/// Parts do not cross multiples of this.
const BLOCK: u64 = 64 << 10;
/// Begins an index; the identity of the file follows, and a zero byte.
const MAGIC: &str = "hep-io cache 1\n";
/// Begins a record.
const MARK: [u8; 4] = *b"part";
const RECORD: usize = 24;
/// A larger index is not one of ours.
const LARGEST_INDEX: u64 = 256 << 20;

pub(super) const DATA: &str = "data";
pub(super) const INDEX: &str = "index";

/// The bytes of one remote file that are on disk.
#[derive(Debug)]
pub(super) struct Store {
    /// Its files' path, without their extensions.
    name: PathBuf,
    data: File,
    index: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Length and checksum of the part that begins at a byte of the file.
    parts: BTreeMap<u64, (u32, u32)>,
    /// How much of the index is known.
    known: u64,
    /// The beginning of a record that was not complete.
    rest: Vec<u8>,
}

/// One range as far as it is there.
#[derive(Debug)]
pub(super) struct Found {
    range: Range<u64>,
    bytes: BytesMut,
    /// What is not, in order.
    pub(super) missing: Vec<Range<u64>>,
}

impl Found {
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }

    /// The range with the next of `came` in each gap.
    pub(super) fn completed(mut self, came: &mut impl Iterator<Item = Bytes>) -> Bytes {
        if self.bytes.is_empty() {
            return came.next().unwrap_or_default();
        }
        for gap in &self.missing {
            let (start, end) = (gap.start - self.range.start, gap.end - self.range.start);
            if let Some(bytes) = came.next() {
                self.bytes[start as usize..end as usize].copy_from_slice(&bytes);
            }
        }
        self.bytes.freeze()
    }
}

/// The name of a remote file's files: a hash of what it is.
fn name(folder: &Path, identity: &str) -> PathBuf {
    let hash = |seed| XxHash3_64::oneshot_with_seed(seed, identity.as_bytes());
    folder.join(format!("{:016x}{:016x}", hash(0), hash(1)))
}

impl Store {
    /// Opens the files of what `identity` describes: URL, size and version, in lines.
    pub(super) fn open(folder: &Path, identity: &str) -> io::Result<Self> {
        let name = name(folder, identity);
        let header = format!("{MAGIC}{identity}\0");
        let store = Self::at(&name, &header)?;
        if let Some(store) = store {
            return Ok(store);
        }
        // Damaged, or of another file with the same hash: begun anew. Who has it open goes on with what
        // has no name any more.
        for extension in [INDEX, DATA] {
            match fs::remove_file(name.with_extension(extension)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Self::at(&name, &header)?.ok_or_else(|| io::Error::other("its index cannot be written"))
    }

    fn at(name: &Path, header: &str) -> io::Result<Option<Self>> {
        let data = open(&name.with_extension(DATA), false)?;
        let mut index = open(&name.with_extension(INDEX), true)?;
        let length = index.metadata()?.len();
        if length == 0 {
            // Another run may do the same at the same time: the second header is passed over.
            index.write_all(header.as_bytes())?;
        } else if length > LARGEST_INDEX {
            return Ok(None);
        }
        let mut begins = vec![0; header.len()];
        index.seek(SeekFrom::Start(0))?;
        match index.read_exact(&mut begins) {
            Ok(()) if begins == header.as_bytes() => {}
            Ok(()) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        // When it was used last: what room is made by.
        index.set_modified(SystemTime::now())?;
        let state = State { known: header.len() as u64, ..State::default() };
        let store = Self { name: name.to_owned(), data, index, state: Mutex::new(state) };
        store.refresh(&mut store.state())?;
        Ok(Some(store))
    }

    #[cfg(test)]
    pub(super) fn with_data(self, data: File) -> Self {
        Self { data, ..self }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what was appended to the index since the last time, by whichever run.
    fn refresh(&self, state: &mut State) -> io::Result<()> {
        let length = self.index.metadata()?.len().min(LARGEST_INDEX);
        if length <= state.known {
            return Ok(());
        }
        let before = state.rest.len();
        state.rest.resize(before + (length - state.known) as usize, 0);
        if let Err(error) = self.index.read_exact_at(&mut state.rest[before..], state.known) {
            state.rest.truncate(before);
            return Err(error);
        }
        state.known = length;
        let rest = std::mem::take(&mut state.rest);
        let mut at = 0;
        while let Some(record) = rest.get(at..at + RECORD) {
            match part(record) {
                Some((start, length, checksum)) => {
                    let kept = state.parts.entry(start).or_insert((length, checksum));
                    // Of two that begin alike the longer one, or the newer one.
                    if length >= kept.0 {
                        *kept = (length, checksum);
                    }
                    at += RECORD;
                }
                // Torn, damaged, or a second header: records are found again by their mark.
                None => at += 1,
            }
        }
        state.rest = rest[at.min(rest.len())..].to_vec();
        Ok(())
    }

    /// Each range as far as it is there and agrees with its checksums.
    pub(super) fn find(&self, ranges: &[Range<u64>]) -> Vec<Found> {
        let mut parts: Vec<Vec<(u64, u32, u32)>> = Vec::new();
        {
            let mut state = self.state();
            let all = |state: &State| ranges.iter().map(|range| state.cover(range)).collect::<Vec<_>>();
            parts.extend(all(&state));
            let complete = |parts: &[Vec<(u64, u32, u32)>]| {
                parts.iter().zip(ranges).all(|(parts, range)| gaps(parts, range).is_empty())
            };
            // An index that cannot be read is as good as none.
            if !complete(&parts) && self.refresh(&mut state).is_ok() {
                parts = all(&state);
            }
        }
        let mut buffer = Vec::new();
        ranges.iter().zip(parts).map(|(range, parts)| self.fill(range, parts, &mut buffer)).collect()
    }

    fn fill(&self, range: &Range<u64>, mut parts: Vec<(u64, u32, u32)>, buffer: &mut Vec<u8>) -> Found {
        let mut bytes = BytesMut::new();
        if !parts.is_empty() {
            bytes.resize((range.end - range.start) as usize, 0);
        }
        parts.retain(|&(start, length, checksum)| {
            buffer.resize(length as usize, 0);
            let read = self.data.read_exact_at(buffer, start);
            if read.is_err() || crc32c::crc32c(buffer) != checksum {
                let mut state = self.state();
                if state.parts.get(&start) == Some(&(length, checksum)) {
                    state.parts.remove(&start);
                }
                return false;
            }
            let (from, to) = (start.max(range.start), (start + u64::from(length)).min(range.end));
            let source = &buffer[(from - start) as usize..(to - start) as usize];
            bytes[(from - range.start) as usize..(to - range.start) as usize].copy_from_slice(source);
            true
        });
        if parts.is_empty() {
            bytes = BytesMut::new();
        }
        Found { missing: gaps(&parts, range), range: range.clone(), bytes }
    }

    /// Removes its files, so that nobody finds in them what turned out to be damaged. Who has them open keeps nothing
    /// more in them.
    pub(super) fn forget(&self) {
        for extension in [INDEX, DATA] {
            // What cannot be removed is found again, and dropped again.
            let _ = fs::remove_file(self.name.with_extension(extension));
        }
    }

    /// Writes pieces to their places, and then that they are there.
    pub(super) fn keep(&self, pieces: &[(u64, Bytes)]) -> io::Result<()> {
        // Removed to make room: nobody will find it.
        if self.index.metadata()?.nlink() == 0 {
            return Ok(());
        }
        let mut records = Vec::new();
        for (start, bytes) in pieces {
            self.data.write_all_at(bytes, *start)?;
            let (mut at, mut rest) = (*start, &bytes[..]);
            while !rest.is_empty() {
                let length = (BLOCK - at % BLOCK).min(rest.len() as u64);
                let (part, behind) = rest.split_at(length as usize);
                records.extend_from_slice(&record(at, part));
                (at, rest) = (at + length, behind);
            }
        }
        // One write: with `O_APPEND`, records of several runs do not mix.
        (&self.index).write_all(&records)
    }
}

impl State {
    /// The parts that are needed for as much of `range` as there is.
    fn cover(&self, range: &Range<u64>) -> Vec<(u64, u32, u32)> {
        let mut parts: Vec<(u64, u32, u32)> = Vec::new();
        let mut reached = range.start;
        for (&start, &(length, checksum)) in self.parts.range(range.start - range.start % BLOCK..range.end) {
            let end = start + u64::from(length);
            if end > reached {
                parts.push((start, length, checksum));
                reached = end;
            }
        }
        parts
    }
}

/// What of `range` is in none of the parts, which are in order.
fn gaps(parts: &[(u64, u32, u32)], range: &Range<u64>) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut reached = range.start;
    for &(start, length, _) in parts {
        if start > reached {
            gaps.push(reached..start.min(range.end));
        }
        reached = reached.max(start + u64::from(length));
    }
    if reached < range.end {
        gaps.push(reached..range.end);
    }
    gaps
}

/// A record: mark, place, length, checksum of the bytes, checksum of the record.
fn record(start: u64, bytes: &[u8]) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(&MARK);
    record[4..12].copy_from_slice(&start.to_le_bytes());
    record[12..16].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    record[16..20].copy_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    let own = crc32c::crc32c(&record[..20]);
    record[20..].copy_from_slice(&own.to_le_bytes());
    record
}

/// What a record says, if it is one: place, length, checksum.
fn part(record: &[u8]) -> Option<(u64, u32, u32)> {
    let word = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
    if record.get(..4)? != MARK || word(20)? != crc32c::crc32c(record.get(..20)?) {
        return None;
    }
    let start = u64::from_le_bytes(record.get(4..12)?.try_into().ok()?);
    let (length, checksum) = (word(12)?, word(16)?);
    let block = start - start % BLOCK;
    let fits = length > 0 && start.checked_add(length.into())? <= block.checked_add(BLOCK)?;
    fits.then_some((start, length, checksum))
}

/// A file that only we may read, and that is ours.
fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).create(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let file = if append { options.append(true) } else { options.write(true) }.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "a file in it belongs to somebody else"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_no_other_bytes_are() {
        let whole = record(70_000, b"bytes");
        assert_eq!(part(&whole), Some((70_000, 5, crc32c::crc32c(b"bytes"))));
        for at in 0..RECORD {
            let mut flipped = whole;
            flipped[at] ^= 1;
            assert_eq!(part(&flipped), None);
        }
        assert_eq!(part(&whole[1..]), None);
        assert_eq!(part(&record(65_535, b"xy")), None, "a part does not cross blocks");
        assert_eq!(part(&record(0, b"")), None);
        assert_eq!(part(&record(u64::MAX, b"x")), None);
    }
}
