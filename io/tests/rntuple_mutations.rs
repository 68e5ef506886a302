//! Thousands of damaged RNTuples. All that an RNTuple consists of has a checksum: a changed file gives
//! an error or the right answer. And since a checksum can be right on bytes that are not, changes are
//! made again below the checksums, where the answer may be anything within bounded time and memory.
#![allow(clippy::print_stdout)] // what was skipped, and tables

mod damage;
mod skip;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef};
use damage::{Xorshift, peak};
use hep_io::root::RootFile;
use hep_io::root::codec::Decompressor;
use hep_io::source::{ByteSource, MemorySource, coalesce};
use hep_io::{EntryFile, EntryReader, Result, Scratch};
use skip::skip;
use twox_hash::XxHash3_64;

/// How much more memory than its honest file a damaged one may take.
const SLACK: usize = 64 << 20;
/// Changed files for each honest one, unless the variable `MUTATIONS` says otherwise.
const EACH: u64 = 250;
/// Memory is counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn each() -> u64 {
    std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH)
}

/// What was read of some columns of each RNTuple: by itself, then all that could be together.
type Columns = BTreeMap<(String, String), Vec<ArrayRef>>;

fn read(bytes: Vec<u8>, seed: u64) -> Result<Columns> {
    let mut random = Xorshift(seed);
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("damaged.root", bytes));
    let file = EntryFile::open(source)?;
    let mut columns = Columns::new();
    for path in file.trees()?.into_iter().take(8) {
        let Ok(reader) = file.reader(&path) else { continue };
        let mut scratch = Scratch::default();
        let names = reader.column_names();
        let skip = 1 + names.len() / 24;
        let first = random.below(skip);
        let mut good = Vec::new();
        for name in names.iter().skip(first).step_by(skip) {
            let _ = (reader.boundaries(std::slice::from_ref(name)), reader.stored(name));
            if let Ok(mut read) = read_columns(&file, &*reader, std::slice::from_ref(name), &mut scratch) {
                columns.insert((path.clone(), name.clone()), read.pop().unwrap());
                good.push(name.clone());
            }
        }
        if let Ok(together) = read_columns(&file, &*reader, &good, &mut scratch) {
            for (name, read) in good.into_iter().zip(together) {
                assert!(columns[&(path.clone(), name)].len() == read.len());
            }
        }
    }
    Ok(columns)
}

fn read_columns(
    file: &EntryFile,
    reader: &dyn EntryReader,
    names: &[String],
    scratch: &mut Scratch,
) -> Result<Vec<Vec<ArrayRef>>> {
    let whole = reader.entries();
    let mut columns = vec![Vec::new(); names.len()];
    for range in [0..whole / 2, whole / 2..whole] {
        let plan = reader.plan(names, range)?;
        let bytes = coalesce::read(&**file.source(), &plan.ranges)?;
        let mut batches = reader.decode(&plan, &bytes, scratch)?;
        // Nothing takes no bytes for any number of entries: a few are enough.
        let mut left = 100;
        while let Some(batch) = batches.next(100)?.filter(|_| !names.is_empty() && left > 0) {
            left -= 1;
            for (column, name) in columns.iter_mut().zip(names) {
                column.push(batch.column(name).unwrap().clone());
            }
        }
    }
    Ok(columns)
}

fn honest_files() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let own_data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files = vec![own.join("nano_dy_rntuple.root"), own_data.join("pages.root")];
    let fixtures = [
        "jsroot/rntuple_test.root",
        "unroot/Run2012BC_DoubleMuParked_Muons_rntuple_1000evts.root",
        "unroot/test_ntuple_minimal_2col.root",
        "skhep/rntviewer-testfile-uncomp-single-rntuple-v1-0-0-0.root",
        "skhep/test_emptystruct_invalidvar_rntuple_v1-0-0-0.root",
        "skhep/test_float_types_rntuple_v1-0-0-0.root",
        "skhep/test_index_multicluster_rntuple_v1-0-0-0.root",
        "skhep/test_multiple_representations_rntuple_v1-0-0-0.root",
        "skhep/test_nested_structs_rntuple_v1-0-0-0.root",
        "skhep/test_stl_containers_rntuple_v1-0-0-0.root",
    ];
    files.extend(fixtures.map(|name| shared.join(name)));
    files.retain(|path| {
        let there = path.exists();
        if !there {
            skip(&format!("damaged RNTuples, {} is absent", path.display()));
        }
        there
    });
    files
}

/// Reads `each` changed files within the memory and time of an honest one, and gives them to `look`.
fn survive(
    path: &Path,
    what: &str,
    honest: &[u8],
    change: impl Fn(u64) -> Vec<u8>,
    look: impl Fn(u64, &Columns),
) {
    let name = path.file_name().unwrap().display();
    let (columns, allowed) = peak(|| read(honest.to_vec(), 1).unwrap());
    assert!(!columns.is_empty(), "{name}");
    drop(columns);
    let mut seeds = Xorshift(0x9E37_79B9_7F4A_7C15);
    let (mut worst, mut slowest, mut accepted) = (0, Duration::ZERO, 0);
    for _ in 0..each() {
        let seed = seeds.next() | 1;
        let bytes = change(seed);
        let start = Instant::now();
        let (answer, taken) = peak(|| read(bytes, seed));
        slowest = slowest.max(start.elapsed());
        worst = worst.max(taken);
        accepted += usize::from(answer.as_ref().is_ok_and(|columns| !columns.is_empty()));
        assert!(
            taken <= allowed + SLACK,
            "{name} seed {seed}: {taken} bytes, and {allowed} for the honest file"
        );
        if let Ok(columns) = answer {
            look(seed, &columns);
        }
    }
    println!(
        "{name} ({what}): {accepted}/{} read, at most {} KiB (honest {} KiB), at most {slowest:?}",
        each(),
        worst >> 10,
        allowed >> 10
    );
    assert!(slowest < Duration::from_secs(5), "{name}: {slowest:?}");
}

/// A file and its columns by seed, honest.
fn right(honest: &[u8], seed: u64) -> Columns {
    read(honest.to_vec(), seed).unwrap()
}

#[test]
fn a_changed_file_gives_an_error_or_the_right_answer() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for path in honest_files() {
        let honest = std::fs::read(&path).unwrap();
        let change = |seed: u64| {
            let (mut random, mut bytes) = (Xorshift(seed.rotate_left(32)), honest.clone());
            for _ in 0..=random.below(4) {
                random.change(&mut bytes);
            }
            if random.below(8) == 0 {
                bytes.truncate(1 + random.below(bytes.len()));
            }
            bytes
        };
        survive(&path, "anywhere", &honest, change, |seed, columns| {
            let right = right(&honest, seed);
            for (place, column) in columns {
                // A changed directory may call the RNTuple by another name.
                let Some(right) = right.get(place) else { continue };
                let same = column.iter().zip(right).all(|(ours, right)| ours.to_data() == right.to_data());
                assert!(same && column.len() == right.len(), "{} seed {seed}: {place:?}", path.display());
            }
        });
    }
}

#[test]
fn what_has_a_right_checksum_is_not_believed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for path in honest_files() {
        let original = std::fs::read(&path).unwrap();
        let opened = Unsealed::new(&original);
        let honest = opened.sealed(|_| {});
        // What the tests below change is what is read.
        for (place, column) in right(&original, 1) {
            let ours = &right(&honest, 1)[&place];
            assert!(ours.iter().zip(&column).all(|(a, b)| a.to_data() == b.to_data()), "{place:?}");
        }
        let parts: [(&str, Change); 4] = [
            ("header", |opened, random| random.change(&mut opened.header[8..])),
            ("footer", |opened, random| random.change(&mut opened.footer[8..])),
            ("page lists", |opened, random| {
                let at = random.below(opened.lists.len());
                random.change(&mut opened.lists[at][8..]);
            }),
            ("pages", |opened, random| {
                let pages = opened.pages.clone();
                random.change(&mut opened.file[pages]);
            }),
        ];
        for (what, part) in parts {
            let change = |seed: u64| {
                opened.sealed(|opened| {
                    let mut random = Xorshift(seed.rotate_left(32));
                    for _ in 0..=random.below(4) {
                        part(opened, &mut random);
                    }
                })
            };
            if !opened.lists.is_empty() {
                survive(&path, what, &honest, change, |_, _| {});
            }
        }
    }
}

#[test]
fn an_unknown_feature_is_refused_by_its_number() {
    let honest = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pages.root")).unwrap();
    let opened = Unsealed::new(&honest);
    let error = |change: fn(&mut Unsealed)| {
        let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("a.root", opened.sealed(change)));
        EntryFile::open(source).unwrap().reader("pages").map(drop).unwrap_err().to_string()
    };
    let header = error(|opened| opened.header[8] = 1 << 3);
    assert_eq!(
        header,
        "the header of RNTuple `pages` in a.root cannot be read: it uses feature 3 of a newer RNTuple"
    );
    let footer = error(|opened| opened.footer[9] = 1);
    assert_eq!(
        footer,
        "the footer of RNTuple `pages` in a.root cannot be read: it uses feature 8 of a newer RNTuple"
    );
}

type Change = fn(&mut Unsealed, &mut Xorshift);

/// A file whose pages lie uncompressed and without checksums at its end, and whose envelopes, also
/// uncompressed and without their checksums, are apart.
#[derive(Clone)]
struct Unsealed {
    file: Vec<u8>,
    pages: Range<usize>,
    /// Where the object that names header and footer begins in the file, behind its key.
    anchor: usize,
    header: Vec<u8>,
    lists: Vec<Vec<u8>>,
    footer: Vec<u8>,
    /// Where in the footer the link to each page list begins.
    links: Vec<usize>,
}

fn long(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

fn word(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn size_of_frame(bytes: &[u8], at: usize) -> usize {
    (long(bytes, at) as i64).unsigned_abs() as usize
}

fn decompress(stored: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    if stored.len() == length {
        return stored.to_vec();
    }
    Decompressor::default().decompress_into(stored, &mut out, length).unwrap();
    out
}

/// A compressed page says how long it is; any other has the length it is stored with.
fn decompress_page(stored: &[u8]) -> Vec<u8> {
    let size = |at: usize| word(&[stored[at], stored[at + 1], stored[at + 2], 0], 0) as usize;
    if stored.len() > 9 && &stored[..2] == b"ZS" && size(3) == stored.len() - 9 {
        return decompress(stored, size(6));
    }
    stored.to_vec()
}

impl Unsealed {
    fn new(original: &[u8]) -> Self {
        let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("honest.root", original.to_vec()));
        let key = RootFile::open(source).unwrap().keys()[0].clone();
        assert_eq!(key.class_name, "ROOT::RNTuple");
        let anchor = (key.seek + u64::from(key.key_length)) as usize;
        let at = |n: usize| {
            let start = anchor + 6 + 8 + 8 * n;
            u64::from_be_bytes(original[start..start + 8].try_into().unwrap()) as usize
        };
        let mut header = decompress(&original[at(0)..at(0) + at(1)], at(2));
        let mut footer = decompress(&original[at(3)..at(3) + at(4)], at(5));
        header.truncate(header.len() - 8);
        footer.truncate(footer.len() - 8);
        let mut opened = Self {
            file: original.to_vec(),
            pages: 0..0,
            anchor,
            header,
            lists: Vec::new(),
            footer,
            links: Vec::new(),
        };
        // Behind the head of the envelope, features, checksum and the schema's extension.
        let groups = 24 + size_of_frame(&opened.footer, 24);
        let mut record = groups + 12;
        for _ in 0..word(&opened.footer, groups + 8) {
            // Behind the record's size, its first entry, entries and clusters.
            let link = record + 8 + 20;
            let (length, size) = (long(&opened.footer, link), word(&opened.footer, link + 8) as usize);
            let place = long(&opened.footer, link + 12);
            let mut list = decompress(&original[place..place + size], length);
            list.truncate(list.len() - 8);
            opened.unseal_pages(original, &mut list);
            opened.lists.push(list);
            opened.links.push(link);
            record += size_of_frame(&opened.footer, record);
        }
        opened.pages = original.len()..opened.file.len();
        opened
    }

    /// Puts the pages of a page list at the end of the file, without compression and checksum.
    fn unseal_pages(&mut self, original: &[u8], list: &mut [u8]) {
        let clusters = 16 + size_of_frame(list, 16);
        let mut columns = clusters + 12;
        for _ in 0..word(list, clusters + 8) {
            let mut pages = columns + 12;
            for _ in 0..word(list, columns + 8) {
                let mut at = pages + 12;
                for _ in 0..word(list, pages + 8) {
                    let (size, place) = (word(list, at + 4) as usize, long(list, at + 8));
                    let page = decompress_page(&original[place..place + size]);
                    let elements = word(list, at).abs();
                    list[at..at + 4].copy_from_slice(&elements.to_le_bytes());
                    list[at + 4..at + 8].copy_from_slice(&(page.len() as u32).to_le_bytes());
                    list[at + 8..at + 16].copy_from_slice(&(self.file.len() as u64).to_le_bytes());
                    self.file.extend(page);
                    at += 16;
                }
                pages += size_of_frame(list, pages);
            }
            columns += size_of_frame(list, columns);
        }
    }

    /// The file with right checksums after `change`.
    fn sealed(&self, change: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut opened = self.clone();
        change(&mut opened);
        let Self { mut file, anchor, header, lists, mut footer, links, .. } = opened;
        let mut append = |mut envelope: Vec<u8>| {
            let (place, seal) = (file.len() as u64, XxHash3_64::oneshot(&envelope));
            envelope.extend(seal.to_le_bytes());
            file.extend(&envelope);
            (place, envelope.len() as u64, seal)
        };
        let (header_place, header_length, seal) = append(header);
        for (mut list, link) in lists.into_iter().zip(links) {
            list[8..16].copy_from_slice(&seal.to_le_bytes());
            let (place, length, _) = append(list);
            // A change of the footer stays, unless it is that of a link.
            footer[link..link + 8].copy_from_slice(&length.to_le_bytes());
            footer[link + 8..link + 12].copy_from_slice(&(length as u32).to_le_bytes());
            footer[link + 12..link + 20].copy_from_slice(&place.to_le_bytes());
        }
        footer[16..24].copy_from_slice(&seal.to_le_bytes());
        let (footer_place, footer_length, _) = append(footer);
        let links = [header_place, header_length, header_length, footer_place, footer_length, footer_length];
        for (at, link) in (anchor + 14..).step_by(8).zip(links) {
            file[at..at + 8].copy_from_slice(&link.to_be_bytes());
        }
        let fields = anchor + 6..anchor + 6 + 64;
        let seal = XxHash3_64::oneshot(&file[fields.clone()]);
        file[fields.end..fields.end + 8].copy_from_slice(&seal.to_be_bytes());
        file
    }
}
