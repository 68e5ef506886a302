//! Changed header fields of files in each codec: an error, or the values of the sound file.
//!
//! The variable `MUTATIONS` says how many changes are made to each file, `HEADERS_OUT` names a folder for the files
//! that give other values without an error, so that ROOT and uproot can be asked about them.
#![allow(clippy::print_stdout)] // a table

#[allow(dead_code)] // each test takes what it needs
mod damage;
#[path = "headers/fields.rs"]
mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use damage::{Xorshift, peak};
use fields::{Field, of_file};
use hep_io::root::RootFile;
use hep_io::source::{ByteSource, MemorySource, coalesce};
use hep_io::{EntryFile, EntryReader, Result, Scratch};

/// Changes of each file, unless the variable `MUTATIONS` says otherwise.
const EACH: usize = 400;
/// How much more memory than its honest file a damaged one may take.
const SLACK: usize = 64 << 20;

/// Fields of which damage changes no number: the names of the members of a leaf list, and the shape that a title gives
/// to an array.
const UNTOLD: [&str; 2] = ["leaf name", "leaf title"];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn open(bytes: &[u8]) -> Result<Arc<dyn EntryReader>> {
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("changed.root", bytes.to_vec()));
    EntryFile::open(source)?.reader("Events")
}

/// The values of a column in ranges of entries whose ends lie inside baskets.
fn column(reader: &dyn EntryReader, bytes: &[u8], name: &str) -> Result<Vec<ArrayRef>> {
    let names = [name.to_owned()];
    let whole = reader.entries();
    let mut arrays = Vec::new();
    let mut scratch = Scratch::default();
    for range in [0..whole / 3, whole / 3..whole / 2, whole / 2..whole] {
        let plan = reader.plan(&names, range)?;
        let source = MemorySource::new("changed.root", bytes.to_vec());
        let read = coalesce::read(&source, &plan.ranges)?;
        let mut batches = reader.decode(&plan, &read, &mut scratch)?;
        while let Some(batch) = batches.next(100)? {
            arrays.push(batch.column(name).expect("it was asked for").clone());
        }
    }
    Ok(arrays)
}

/// A sound file, the names of its columns and their values.
struct Sound {
    bytes: Vec<u8>,
    entries: u64,
    columns: Vec<(String, Vec<ArrayRef>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Error,
    Equal,
    Other,
}

impl Sound {
    fn new(bytes: Vec<u8>) -> Self {
        let reader = open(&bytes).unwrap();
        let values = |name: String| {
            reader.column(&name).ok()?;
            let values = column(&*reader, &bytes, &name).unwrap();
            Some((name, values))
        };
        let columns: Vec<_> = reader.column_names().into_iter().filter_map(values).collect();
        assert!(columns.len() >= 3);
        Self { entries: reader.entries(), columns, bytes }
    }

    /// What a changed file gives of the columns of the sound one.
    fn compare(&self, changed: &[u8]) -> Outcome {
        let Ok(reader) = open(changed) else { return Outcome::Error };
        let mut outcomes = self.columns.iter().map(|(name, values)| match column(&*reader, changed, name) {
            Err(_) => Outcome::Error,
            Ok(_) if reader.entries() != self.entries => Outcome::Other,
            Ok(got) => {
                let equal = got.iter().zip(values).all(|(got, sound)| got.to_data() == sound.to_data());
                if equal && got.len() == values.len() { Outcome::Equal } else { Outcome::Other }
            }
        });
        let found: BTreeSet<Outcome> = outcomes.by_ref().collect();
        if found.contains(&Outcome::Other) {
            return Outcome::Other;
        }
        if found.contains(&Outcome::Error) { Outcome::Error } else { Outcome::Equal }
    }
}

/// Changes a field as a flipped bit, a lost write, or a broken writer does. `like` is a field of the same name.
fn change(bytes: &mut [u8], field: &Field, like: &Field, random: &mut Xorshift) {
    let place = field.at..field.at + field.length;
    let last = place.end - 1;
    match random.below(8) {
        0..=3 => bytes[field.at + random.below(field.length)] ^= 1 << random.below(8),
        4 => bytes[last] = bytes[last].wrapping_add(1),
        5 => bytes[last] = bytes[last].wrapping_sub(1),
        6 => bytes[place].fill([0, 0xFF][random.below(2)]),
        _ if like.length == field.length => bytes.copy_within(like.at..like.at + like.length, field.at),
        _ => bytes[field.at + random.below(field.length)] = random.next() as u8,
    }
}

/// The file with the record of its tree once more at its end, not compressed: changes reach its fields instead of
/// failing a checksum.
fn expanded(sound: &[u8]) -> Vec<u8> {
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("sound.root", sound.to_vec()));
    let file = RootFile::open(source).unwrap();
    let key = file.find("Events").unwrap();
    let object = file.object(&key).unwrap();
    let label = sound[key.seek as usize..][..key.key_length as usize].to_vec();
    let (size, place) = ((label.len() + object.data.len()) as u32, sound.len());
    let mut bytes = [sound, &label, &object.data].concat();
    let labels: Vec<usize> = (0..=place).filter(|&at| bytes[at..].starts_with(&label)).collect();
    assert!(labels.len() == 3);
    // The record at the old place stays as it is: it is nothing but bytes now.
    for &at in &labels[1..] {
        bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
        bytes[at + 18..at + 22].copy_from_slice(&(place as u32).to_be_bytes());
    }
    bytes
}

/// How often what came of changes of a field.
type Counts = BTreeMap<String, BTreeMap<Outcome, usize>>;

fn campaign(name: &str, sound: &Sound, fields: &[Field], random: &mut Xorshift, counts: &mut Counts) {
    let each = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH);
    let out = std::env::var_os("HEADERS_OUT").map(PathBuf::from);
    let mut by_name = BTreeMap::<&str, Vec<&Field>>::new();
    fields.iter().for_each(|field| by_name.entry(&field.name).or_default().push(field));
    let by_name: Vec<Vec<&Field>> = by_name.into_values().collect();
    let allowed = peak(|| sound.compare(&sound.bytes)).1 + SLACK;
    for number in 0..each {
        let seed = random.next() | 1;
        let mut random = Xorshift(seed);
        let alike = &by_name[number % by_name.len()];
        let (field, like) = (alike[random.below(alike.len())], alike[random.below(alike.len())]);
        let mut bytes = sound.bytes.clone();
        change(&mut bytes, field, like, &mut random);
        if bytes == sound.bytes {
            continue;
        }
        let what = format!("{name}: {} at byte {} (seed {seed})", field.name, field.at);
        let (outcome, taken) = peak(|| catch_unwind(AssertUnwindSafe(|| sound.compare(&bytes))));
        let outcome = outcome.unwrap_or_else(|_| panic!("{what}: it panicked"));
        assert!(taken <= allowed, "{what}: {taken} bytes");
        *counts.entry(field.name.clone()).or_default().entry(outcome).or_default() += 1;
        if let (Outcome::Other, Some(folder)) = (outcome, &out) {
            let field = field.name.replace([' ', '\''], "_");
            std::fs::write(folder.join(format!("{name}+{field}+{seed}.root")), &bytes).unwrap();
        }
    }
}

#[test]
fn a_changed_header_field_gives_an_error_or_the_right_values() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let mut counts = Counts::new();
    for codec in ["zlib", "lzma", "lz4", "zstd", "none"] {
        for kind in ["tree", "ntuple", "split"] {
            if kind == "split" && codec != "none" {
                continue;
            }
            let name = format!("{kind}-{codec}");
            let bytes = std::fs::read(data(&format!("headers/{name}.root"))).unwrap();
            if kind == "tree" && codec != "none" {
                let bytes = expanded(&bytes);
                let fields = of_file(&bytes);
                let sound = Sound::new(bytes);
                campaign(&format!("{name}-expanded"), &sound, &fields, &mut random, &mut counts);
            }
            let fields = of_file(&bytes);
            campaign(&name, &Sound::new(bytes), &fields, &mut random, &mut counts);
        }
    }
    let number = |of: &BTreeMap<Outcome, usize>, outcome| of.get(&outcome).copied().unwrap_or(0);
    println!("{:40} {:>8} {:>8} {:>8}", "field", "error", "equal", "other");
    for (name, of) in &counts {
        let [error, equal, other] = [Outcome::Error, Outcome::Equal, Outcome::Other].map(|o| number(of, o));
        println!("{name:40} {error:8} {equal:8} {other:8}");
    }
    let total = |outcome| counts.values().map(|of| number(of, outcome)).sum::<usize>();
    let [error, equal, other] = [Outcome::Error, Outcome::Equal, Outcome::Other].map(total);
    println!("{:40} {error:8} {equal:8} {other:8}", "all");
    assert!(error > 0 && equal > 0);
    let untold = counts.iter().filter(|(_, of)| number(of, Outcome::Other) > 0);
    let untold: Vec<&String> =
        untold.map(|(name, _)| name).filter(|name| !UNTOLD.contains(&&***name)).collect();
    assert!(untold.is_empty(), "other values without an error, by {untold:?}");
}

/// Generated with the columns of `adl_q8`; byte 380 is in the head of the block of a basket.
#[test]
fn a_flipped_bit_of_the_length_of_a_compressed_basket_is_an_error() {
    let mut bytes = std::fs::read(data("good_zlib.root")).unwrap();
    let read = |bytes: &[u8]| -> Vec<Option<Vec<ArrayRef>>> {
        let reader = open(bytes).unwrap();
        let names = reader.column_names().into_iter();
        names.map(|name| column(&*reader, bytes, &name).ok()).collect()
    };
    let sound = read(&bytes);
    assert!(sound.iter().all(Option::is_some));
    bytes[380] ^= 0x80;
    let damaged = read(&bytes);
    assert!(damaged.iter().any(Option::is_none));
    let same = |(sound, damaged): (&Option<Vec<ArrayRef>>, &Option<Vec<ArrayRef>>)| {
        damaged.is_none() || format!("{sound:?}") == format!("{damaged:?}")
    };
    assert!(sound.iter().zip(&damaged).all(same));
}

/// Floats would be read as the integers of an enumeration `floAt`.
#[test]
fn a_damaged_name_of_a_type_is_no_enumeration() {
    let sound = std::fs::read(data("headers/tree-none.root")).unwrap();
    // With the empty names behind it and the checksum that ROOT 6.40 gives `vector<float>`.
    let class = b"vector<float>\0\0\x05\x5a\x16\x9b";
    let at = sound.windows(class.len()).position(|bytes| bytes == class).unwrap();
    for damaged in ["vector<floAt>", "vector<f,oat>", "vector<f>oat>", "vector<int >>"] {
        let mut bytes = sound.clone();
        bytes[at..at + damaged.len()].copy_from_slice(damaged.as_bytes());
        let reader = open(&bytes).unwrap();
        let names = reader.column_names();
        let errors: Vec<String> = names
            .iter()
            .filter_map(|name| column(&*reader, &bytes, name).err())
            .map(|error| format!("{error:?}"))
            .collect();
        assert_eq!(errors.len(), 1, "{damaged}: {errors:?}");
    }
}
