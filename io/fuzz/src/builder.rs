//! A sound ROOT file around the bytes of one object.

use std::sync::{Arc, OnceLock};

use hep_io::root::RootFile;
use hep_io::source::{ByteSource, MemorySource};

/// Trees of every kind of branch, uncompressed: made by `seeds.py`.
pub(super) static KINDS: &[u8] = include_bytes!("../templates/kinds.root");

/// Where the keys begin.
const BEGIN: usize = 100;

/// Where the header says where the file ends, and where the classes lie and how many bytes they are.
pub(super) const END: usize = 12;
pub(super) const SEEK_STREAMERS: usize = 37;

/// Writes a position or a length at `at`.
pub(super) fn point(file: &mut [u8], at: usize, to: usize) {
    file[at..at + 4].copy_from_slice(&(to as u32).to_be_bytes());
}

pub(super) fn open(bytes: Vec<u8>) -> hep_io::Result<Arc<RootFile>> {
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("fuzz.root", bytes));
    RootFile::open(source).map(Arc::new)
}

pub(super) fn kinds() -> Arc<RootFile> {
    static FILE: OnceLock<Arc<RootFile>> = OnceLock::new();
    FILE.get_or_init(|| open(KINDS.to_vec()).unwrap()).clone()
}

/// The list of classes of `kinds.root`, with its key.
fn streamers_of_kinds() -> &'static [u8] {
    let word = |at: usize| u32::from_be_bytes(KINDS[at..at + 4].try_into().unwrap()) as usize;
    let (seek, length) = (word(SEEK_STREAMERS), word(SEEK_STREAMERS + 4));
    &KINDS[seek..seek + length]
}

/// Bytes of the key in front of an object; `length` is what the object has once decompressed.
pub(super) fn key(class: &str, name: &str, stored: usize, length: usize, seek: usize) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let strings = [text(class), text(name), text("")].concat();
    let key_length = 26 + strings.len();
    let mut key = Vec::new();
    key.extend(((key_length + stored) as u32).to_be_bytes());
    key.extend(4_u16.to_be_bytes());
    key.extend((length as u32).to_be_bytes());
    key.extend(0_u32.to_be_bytes());
    key.extend((key_length as u16).to_be_bytes());
    key.extend(1_u16.to_be_bytes());
    key.extend((seek as u32).to_be_bytes());
    key.extend((BEGIN as u32).to_be_bytes());
    key.extend(strings);
    key
}

/// A file of one object, uncompressed, with the classes of `kinds.root`.
pub(super) fn file_of(class: &str, name: &str, object: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; BEGIN];
    // The record of the top directory, then its list of keys.
    let directory = 30;
    let list = BEGIN + directory;
    let entry = key(class, name, 0, 0, 0).len();
    let head = key("TFile", "", 0, 0, list).len();
    let place = list + head + 4 + entry;
    let list_length = head + 4 + entry;
    bytes.extend(5_u16.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend((list_length as u32).to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend((BEGIN as u32).to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend((list as u32).to_be_bytes());
    bytes.extend(key("TFile", "", list_length - head, list_length - head, list));
    bytes.extend(1_u32.to_be_bytes());
    let label = key(class, name, object.len(), object.len(), place);
    bytes.extend(&label);
    assert_eq!(bytes.len(), place);
    bytes.extend(&label);
    bytes.extend(object);
    let seek = bytes.len();
    bytes.extend(streamers_of_kinds());
    let end = bytes.len();
    let mut header = b"root".to_vec();
    for word in [64_000, BEGIN, end, end, 0, 0, 0] {
        header.extend((word as u32).to_be_bytes());
    }
    header.push(4);
    for word in [0, seek, end - seek] {
        header.extend((word as u32).to_be_bytes());
    }
    header.extend([0; 18]);
    bytes[..header.len()].copy_from_slice(&header);
    bytes
}
