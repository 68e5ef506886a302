//! The keys of a file that was not closed, found from record to record, as `TFile::Recover` does.
//!
//! A file's lists of keys are written when it is closed. Without them, each record still says how long it is, what it
//! holds and in which directory. A tree that was saved before the end (`TTree::AutoSave`) has its record there, with
//! the entries that it had then.

use std::ops::Range;

use bytes::Bytes;

use super::Key;
use super::buffer::Buffer;
use crate::Result;

/// How much is read at once: many small records, or the start of a large one.
const WINDOW: u64 = 16 << 10;
/// Enough for the head of a key with usual names.
const HEAD: u64 = 1 << 10;
/// A longer name of a class ends the search, as in ROOT: what is there is no key.
const LONGEST_CLASS: u8 = 100;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    keys: Vec<Key>,
    /// The list of streamers.
    pub(super) streamers: Option<Range<u64>>,
    /// How many baskets and pages of RNTuples there are.
    pub(super) baskets: u64,
    pub(super) blobs: u64,
}

impl Recovered {
    /// The keys of the directory whose record lies at `directory`.
    pub(super) fn keys(&self, directory: u64) -> Vec<Key> {
        self.keys.iter().filter(|key| key.directory == directory).cloned().collect()
    }

    /// Goes through the records from byte `begin` on. `read` gives the bytes of a range of a file of `size` bytes: together
    /// little more than there are, as a window begins where no earlier one has been.
    pub(super) fn scan(begin: u64, size: u64, read: impl Fn(Range<u64>) -> Result<Bytes>) -> Result<Self> {
        let mut found = Self::default();
        let mut window = (begin..begin, Bytes::new());
        let mut at = begin;
        while at < size {
            let (place, bytes) = &mut window;
            if at + HEAD > place.end && place.end < size || at < place.start {
                *place = at..(at + WINDOW).min(size);
                *bytes = read(place.clone())?;
            }
            let Some(head) = bytes.get((at - place.start) as usize..) else { break };
            let Some((length, class)) = record(head) else { break };
            // A gap has a negative length.
            let next = at.saturating_add(length.unsigned_abs());
            if length > 0 && next <= size {
                match class {
                    b"TBasket" => found.baskets += 1,
                    b"RBlob" => found.blobs += 1,
                    // Lists of keys and of gaps.
                    b"TFile" => {}
                    _ => found.add(at..next, head, &read)?,
                }
            }
            at = next;
        }
        Ok(found)
    }

    fn add(
        &mut self,
        place: Range<u64>,
        head: &[u8],
        read: &impl Fn(Range<u64>) -> Result<Bytes>,
    ) -> Result<()> {
        let at = place.start;
        let key = match Key::read(&mut Buffer::new(head, 0)) {
            Ok(key) => key,
            // Its names pass the end of what was read.
            Err(_) => {
                let long = Buffer::new(head, 0).at(14).i16().unwrap_or(0).unsigned_abs();
                let Ok(key) = Key::read(&mut Buffer::new(&read(at..place.end.min(at + u64::from(long)))?, 0))
                else {
                    return Ok(());
                };
                key
            }
        };
        if key.seek != at {
            return Ok(());
        }
        if key.name == "StreamerInfo" && key.class_name == "TList" {
            self.streamers = Some(at..at + u64::from(key.nbytes));
            return Ok(());
        }
        if key.is_directory() {
            // The list of keys of a directory has the same class and name.
            let start = at + u64::from(key.key_length);
            let record = read(start.min(place.end)..place.end.min(start + SEEK_DIR))?;
            if seek_dir(&record) != Some(at) {
                return Ok(());
            }
        }
        self.keys.push(key);
        Ok(())
    }
}

/// The length of the record that begins with `head`, and the class of what it holds; none where it is no record.
fn record(head: &[u8]) -> Option<(i64, &[u8])> {
    let mut buffer = Buffer::new(head, 0);
    let length = buffer.i32().ok().filter(|length| *length != 0)?;
    if length < 0 {
        return Some((length.into(), b""));
    }
    let version = buffer.i16().ok()?;
    buffer.skip(if version > 1000 { 28 } else { 20 }).ok()?;
    let name = buffer.at(buffer.position()).u8().ok()?;
    if name == 0 || name > LONGEST_CLASS {
        return None;
    }
    Some((length.into(), buffer.tstring_bytes().ok()?))
}

/// How far the place of a directory's record stands in it at most.
const SEEK_DIR: u64 = 26;

/// The place of a directory by its record.
fn seek_dir(record: &[u8]) -> Option<u64> {
    let mut buffer = Buffer::new(record, 0);
    let version = buffer.i16().ok()?;
    buffer.skip(16).ok()?;
    let place = if version > 1000 { buffer.i64() } else { buffer.i32().map(i64::from) };
    u64::try_from(place.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at: usize, class: &str, name: &str, directory: i32, object: &[u8]) -> Vec<u8> {
        let length = 26 + 3 + class.len() + name.len();
        let mut record = ((length + object.len()) as i32).to_be_bytes().to_vec();
        record.extend([0, 4]);
        record.extend((object.len() as i32).to_be_bytes());
        record.extend([0; 4]);
        record.extend((length as i16).to_be_bytes());
        record.extend([0, 1]);
        record.extend((at as i32).to_be_bytes());
        record.extend(directory.to_be_bytes());
        for text in [class, name, ""] {
            record.push(text.len() as u8);
            record.extend(text.as_bytes());
        }
        record.extend(object);
        record
    }

    fn directory(at: usize) -> Vec<u8> {
        let mut record = vec![0; 30];
        record[1] = 5;
        record[18..22].copy_from_slice(&(at as i32).to_be_bytes());
        record
    }

    fn scan(file: &[u8]) -> (Recovered, Vec<Range<u64>>) {
        let reads = std::cell::RefCell::new(Vec::new());
        let read = |range: Range<u64>| {
            reads.borrow_mut().push(range.clone());
            Ok(Bytes::copy_from_slice(&file[range.start as usize..range.end as usize]))
        };
        let found = Recovered::scan(100, file.len() as u64, read).unwrap();
        (found, reads.into_inner())
    }

    fn names(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|key| &*key.name).collect()
    }

    #[test]
    fn keys_are_found_by_directory_between_gaps_and_baskets() {
        let mut file = vec![0; 100];
        let mut place = 0;
        for (class, name, directory_at) in [
            ("TFile", "f", 0),
            ("TTree", "a", 100),
            ("TBasket", "x", 100),
            ("TDirectory", "d", 100),
            ("TDirectory", "d", -1),
            ("TTree", "inner", -1),
            ("TList", "StreamerInfo", 100),
        ] {
            let at = file.len();
            // The list of keys of a directory lies in it and has its class and name.
            let object = if class == "TDirectory" && directory_at > 0 { directory(at) } else { vec![7; 40] };
            let parent = if directory_at < 0 { place } else { directory_at };
            if class == "TDirectory" && directory_at > 0 {
                place = at as i32;
            }
            file.extend(key(at, class, name, parent, &object));
            let gap: i32 = 50;
            file.extend((-gap).to_be_bytes());
            file.extend([1; 46]);
        }
        let (found, reads) = scan(&file);
        assert_eq!(names(&found.keys(100)), ["a", "d"]);
        assert_eq!(names(&found.keys(place as u64)), ["inner"]);
        assert!(found.streamers.is_some());
        assert_eq!(found.baskets, 1);
        // One window, and the records of two directories.
        assert_eq!(reads.len(), 3);
    }

    #[test]
    fn a_record_that_passes_the_end_and_what_is_no_record_end_the_search() {
        let mut file = vec![0; 100];
        file.extend(key(100, "TTree", "whole", 100, &[7; 5000]));
        let (at, whole) = (file.len(), file.clone());
        file.extend(key(at, "TTree", "cut", 100, &[7; 5000]));
        file.truncate(file.len() - 1);
        assert_eq!(names(&scan(&file).0.keys(100)), ["whole"]);
        for tail in [vec![0; 3000], vec![0xFF; 3000], vec![1; 3000]] {
            assert_eq!(names(&scan(&[&whole[..], &tail].concat()).0.keys(100)), ["whole"]);
        }
    }

    #[test]
    fn large_records_are_passed_over_and_small_ones_are_read_together() {
        let mut file = vec![0; 100];
        for _ in 0..2 {
            for _ in 0..100 {
                file.extend(key(file.len(), "TBasket", "x", 100, &[7; 20]));
            }
            file.extend(key(file.len(), "TBasket", "x", 100, &vec![7; 1_000_000]));
        }
        let (found, reads) = scan(&file);
        assert_eq!(found.baskets, 202);
        assert_eq!(reads.len(), 2);
        let bytes: u64 = reads.iter().map(|range| range.end - range.start).sum();
        assert_eq!(bytes, 2 * WINDOW);
    }
}
