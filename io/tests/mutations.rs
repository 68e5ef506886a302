//! Thousands of damaged files: whatever the bytes are, the answer is batches or an error, within
//! bounded time and memory.
#![allow(clippy::print_stdout)] // what was skipped, and tables

#[path = "../fuzz/src/memory.rs"]
mod memory;
mod samples;
mod skip;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hep_io::hist::{Axis, Histogram, Waiting};
use hep_io::object::Object;
use hep_io::root::{Entry, Key, RootFile};
use hep_io::source::{ByteSource, MemorySource};
use hep_io::write::{Copy, File};
use hep_io::{EntryFile, EntryReader, Result, Scratch};
use memory::peak;
use parquet::basic::Compression;
use parquet::file::properties::WriterVersion;
use skip::skip;

/// How much more memory than its honest file a damaged one may take.
const SLACK: usize = 64 << 20;
/// Changed files for each honest one, unless the variable `MUTATIONS` says otherwise.
const EACH: u64 = 250;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// One test at a time: they count the same memory.
static ALONE: Mutex<()> = Mutex::new(());

fn each() -> u64 {
    std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH)
}

struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// One to four changes from the byte `from` on, as storage, transfer and broken writers make them.
fn mutate(honest: &[u8], from: usize, random: &mut Xorshift) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for _ in 0..=random.below(4) {
        let length = bytes.len();
        // Half of the changes hit the metadata at the start or the end of the file.
        let at = match random.below(4) {
            0 if from == 0 => random.below(length.min(600)),
            1 => length - 1 - random.below(length.min(4000)),
            _ => from.min(length - 1) + random.below(length.saturating_sub(from)),
        };
        let stretch = (1 + random.below(64)).min(length - at);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at..at + stretch].fill(0),
            2 => bytes[at..at + stretch].fill(0xFF),
            3 if at + 4 <= length => {
                let lies: [u32; 6] = [0x7FFF_FFFF, 0x4000_0000, 0xFFFF_FFFE, 0x0FFF_FFFF, 1, 0x8000_0000];
                bytes[at..at + 4].copy_from_slice(&lies[random.below(6)].to_be_bytes());
            }
            4 => {
                let from = random.below(length - stretch + 1);
                bytes.copy_within(from..from + stretch, at);
            }
            5 => bytes[at] = bytes[at].wrapping_add(1 + random.below(4) as u8),
            _ if from == 0 && random.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] = random.next() as u8,
        }
    }
    bytes
}

/// The file with the records that `chosen` says once more, uncompressed, at its end, and their keys
/// pointing there: changes reach what they hold instead of failing a checksum.
fn expand(honest: &[u8], chosen: impl Fn(&Key) -> bool) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("honest.root", honest.to_vec()));
    let file = RootFile::open(source).unwrap();
    let entries = file.walk().unwrap();
    for key in entries.iter().map(|entry| &entry.key).filter(|key| chosen(key) && key.seek < 1 << 31) {
        let object = file.object(key).unwrap();
        let (seek, length) = (key.seek as usize, key.key_length as usize);
        let label = honest[seek..seek + length].to_vec();
        let place = bytes.len() as u32;
        let size = (length + object.data.len()) as u32;
        bytes.extend_from_slice(&label);
        bytes.extend_from_slice(&object.data);
        // Short keys have their position behind 18 bytes. The key is in the list of keys, too.
        let labels: Vec<usize> =
            (0..honest.len() - length).filter(|&at| honest[at..at + length] == label).collect();
        assert!(labels.len() >= 2, "{}", key.name);
        for at in labels.into_iter().chain([place as usize]) {
            bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
            bytes[at + 18..at + 22].copy_from_slice(&place.to_be_bytes());
        }
    }
    bytes
}

/// Opens every tree and reads some of its columns, by themselves and together. Errors are fine.
fn read(bytes: Vec<u8>, random: &mut Xorshift) -> Result<u64> {
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("damaged.root", bytes));
    let file = EntryFile::open(source)?;
    if let EntryFile::Root(file) = &file {
        let _ = file.streamers();
    }
    let mut entries = 0;
    for name in file.trees()?.iter().take(8) {
        let Ok(tree) = file.reader(name) else { continue };
        let mut scratch = Scratch::default();
        let names = tree.column_names();
        let skip = 1 + names.len() / 24;
        let first = random.below(skip);
        let mut good = Vec::new();
        for name in names.iter().skip(first).step_by(skip) {
            let columns = [name.clone()];
            let _ = tree.boundaries(&columns);
            if read_columns(&*tree, &**file.source(), &columns, &mut scratch).is_ok() {
                good.push(name.clone());
            }
        }
        entries += read_columns(&*tree, &**file.source(), &good, &mut scratch).unwrap_or(0);
    }
    Ok(entries)
}

fn read_columns(
    tree: &dyn EntryReader,
    source: &dyn ByteSource,
    columns: &[String],
    scratch: &mut Scratch,
) -> Result<u64> {
    let whole = tree.entries();
    let mut entries = 0;
    for range in [0..whole / 2, whole / 2..whole] {
        let plan = tree.plan(columns, range)?;
        let bytes = source.read(&plan.ranges)?;
        let mut batches = tree.decode(&plan, &bytes, scratch)?;
        // A tree without columns takes no bytes for any number of entries.
        while let Some(batch) = batches.next(100)?.filter(|_| !columns.is_empty()) {
            entries += batch.len() as u64;
        }
    }
    Ok(entries)
}

/// Names and bytes.
fn honest_files() -> Vec<(String, Vec<u8>)> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let clones = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clones.root");
    let mut paths = vec![own.join("nano_dimuon.root"), own.join("nano_dy.root"), clones];
    let fixtures = [
        "adl_real_1000/Run2012B_SingleMu_1000.root",
        "adl_real_1000/Run2012B_SingleMu-1000.parquet",
        "skhep/uproot-HZZ-lz4.root",
        "skhep/uproot-HZZ-lzma.root",
        "skhep/uproot-HZZ-zstd.root",
        "skhep/uproot-sample-6.10.05-lz4.root",
        "skhep/uproot-sample-5.26.00-uncompressed.root",
        "skhep/uproot-small-evnt-tree-fullsplit.root",
        "skhep/uproot-issue213.root",
        "skhep/uproot-nesteddirs.root",
        "gohep/leaves.root",
    ];
    paths.extend(fixtures.map(|name| shared.join(name)));
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().display().to_string();
        match std::fs::read(&path) {
            Ok(bytes) => files.push((name, bytes)),
            Err(_) => skip(&format!("damaged files, {} is absent", path.display())),
        }
    }
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
    ];
    for (at, codec) in codecs.into_iter().enumerate() {
        let version = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0][at % 2];
        let bytes = samples::parquet(&samples::table(), codec, version, at % 3 != 1);
        files.push((format!("{codec} {version:?}.parquet"), bytes));
    }
    files
}

/// Understands every object, merges it with itself, puts its fills into bins, and writes it or a copy.
fn read_objects(bytes: Vec<u8>) -> Result<u64> {
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("damaged.root", bytes));
    let file = RootFile::open(source)?;
    let mut output = File::new();
    let mut objects = 0;
    for Entry { path, key } in file.walk()?.iter().take(64) {
        if let Ok(copy) = Copy::read(&file, key) {
            output.copy("copies", copy);
        }
        let Ok(Some(mut object)) = Object::read(&file, key) else { continue };
        objects += 1;
        let again = object.clone();
        let _ = object.merge(&again);
        let _ = output.object("objects", path, &object);
        if let Object::Histogram(mut histogram) = object {
            let _ = histogram.find_range();
            let centers = histogram.axes.iter().map(|axis| axis.center(1)).collect::<Vec<_>>();
            let nearest = histogram.nearest_bin(&centers).unwrap_or(usize::MAX);
            let _ = (histogram.value(nearest), histogram.variance(nearest));
            let _ = histogram.axes.iter().map(|axis| axis.all_edges().len()).sum::<usize>();
            output.histogram("found", &histogram);
        }
    }
    let _ = output.describe(&file);
    Ok(objects)
}

/// A file of labels, of fills that wait for a range, and of bins of different widths.
fn own_objects() -> Vec<u8> {
    let axis = |bins: usize| Axis { bins, high: bins as f64, ..Axis::default() };
    let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let labelled = Axis { labels: labels.clone(), flags: 3, ..axis(3) };
    let mut file = File::new();
    let plane = vec![labelled.clone(), Axis { labels, ..axis(3) }];
    file.histogram("", &Histogram::doubles("plane", "", plane, vec![1.0; 25], Vec::new(), 9.0));
    let edges = Axis { edges: vec![0.0, 1.0, 4.0, 9.0], high: 9.0, ..axis(3) };
    file.histogram("", &Histogram::doubles("edges", "", vec![edges], vec![1.0; 5], vec![1.0; 5], 3.0));
    for (name, dimension) in [("waits", 1), ("waits2", 2), ("waits3", 3)] {
        let none = Axis { high: 0.0, whole: dimension == 2, ..axis(4) };
        let cells = 6_usize.pow(dimension as u32);
        let mut waits =
            Histogram::doubles(name, "", vec![none; dimension], vec![0.0; cells], Vec::new(), 0.0);
        waits.waiting = Waiting { size: 64, fills: (0..5 * (dimension + 1)).map(|at| at as f64).collect() };
        file.histogram("", &waits);
    }
    let path = std::env::temp_dir().join(format!("hep-io-own-objects-{}.root", std::process::id()));
    file.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

#[test]
fn damaged_objects_neither_panic_nor_hang_nor_take_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Xorshift(0xD1B5_4A32_D192_ED03);
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let mut files = vec![("labels and fills that wait".to_owned(), own_objects())];
    for name in [
        "skhep/uproot-from-geant4.root",
        "skhep/uproot-hepdata-example.root",
        "skhep/uproot-issue209.root",
        "skhep/uproot-issue-227a.root",
        "skhep/uproot-issue-227b.root",
        "skhep/uproot-issue-707.root",
        "unroot/dedx2COMET.root",
        "gohep/graphs.root",
        "rootpy/test_file.root",
    ] {
        match std::fs::read(shared.join(name)) {
            Ok(bytes) => files.push((name.to_owned(), bytes)),
            Err(_) => skip(&format!("damaged objects, {name} is absent")),
        }
    }
    for (name, honest) in files {
        let size = honest.len();
        let known = |key: &Key| Object::merges(&key.class_name) || key.class_name == "TGraph2D";
        let honest = expand(&honest, known);
        let (objects, allowed) = peak(|| read_objects(honest.clone()).unwrap());
        assert!(objects > 0, "{name}");
        let (mut worst, mut slowest, mut accepted) = (0, Duration::ZERO, 0);
        // Large objects take longer, and most of them is bins.
        let each = 4 * each() / (1 + (honest.len() - size) as u64 / 500_000);
        for number in 0..each {
            let seed = random.next() | 1;
            let bytes = mutate(&honest, if number % 4 == 0 { 0 } else { size }, &mut Xorshift(seed));
            let start = Instant::now();
            let (answer, taken) = peak(|| read_objects(bytes));
            slowest = slowest.max(start.elapsed());
            worst = worst.max(taken);
            accepted += usize::from(answer.is_ok_and(|read| read == objects));
            assert!(
                taken <= allowed + SLACK,
                "{name} change {number} (seed {seed}): {taken} bytes, and {allowed} for the honest file"
            );
        }
        println!(
            "{name}: {accepted}/{} kept all objects, at most {} KiB (honest {} KiB), at most {slowest:?}",
            each,
            worst >> 10,
            allowed >> 10
        );
        assert!(slowest < Duration::from_secs(5), "{name}: {slowest:?}");
    }
}

#[test]
fn damaged_files_neither_panic_nor_hang_nor_take_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let each = each();
    let files = honest_files();
    for ((name, honest), expanded) in files.iter().flat_map(|file| [(file, false), (file, true)]) {
        let mut honest = honest.clone();
        let size = honest.len();
        if expanded {
            if name.ends_with(".parquet") {
                continue;
            }
            honest = expand(&honest, |key| key.class_name == "TTree");
            if honest.len() == size {
                continue;
            }
        }
        let (entries, allowed) = peak(|| read(honest.clone(), &mut random).unwrap());
        assert!(entries > 0, "{name}");
        let (mut worst, mut slowest, mut accepted) = (0, Duration::ZERO, 0);
        for number in 0..each {
            let seed = random.next() | 1;
            let bytes = mutate(&honest, if expanded { size } else { 0 }, &mut Xorshift(seed));
            let start = Instant::now();
            let (answer, taken) = peak(|| read(bytes, &mut Xorshift(seed)));
            slowest = slowest.max(start.elapsed());
            worst = worst.max(taken);
            accepted += usize::from(answer.is_ok());
            assert!(
                taken <= allowed + SLACK,
                "{name} change {number} (seed {seed}): {taken} bytes, and {allowed} for the honest file"
            );
        }
        println!(
            "{name}{}: {accepted}/{each} opened, at most {} KiB (honest {} KiB), at most {slowest:?}",
            if expanded { " (metadata)" } else { "" },
            worst >> 10,
            allowed >> 10
        );
        assert!(slowest < Duration::from_secs(5), "{name}: {slowest:?}");
    }
}
