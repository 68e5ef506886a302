//! `cargo bench -p hep-io --bench reading -- FILE [--tree Events] [--flat MET_pt] [--jagged Muon_pt,Muon_eta]`
//!
//! What reading columns costs beyond what nobody can avoid: decompressing their baskets and turning the
//! bytes of their numbers around. Processor time of this thread, on warm files, everything in one run:
//!
//! * a flat column against its baskets decompressed and swapped;
//! * the second column of a jagged collection, which is what it adds to the first one, against its baskets
//!   decompressed as far as its values go (the counts are known) and swapped; with and without the
//!   checksums of zlib and lzma, which lie behind the values.
//!
//! Of an RNTuple it prints the times alone.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hep_io::root::codec::Decompressor;
use hep_io::source::{LocalFile, coalesce};
use hep_io::{EntryFile, EntryReader, Scratch};
use rustix::time::{ClockId, clock_gettime};

#[path = "../examples/floor/basket.rs"]
mod basket;

use basket::Basket;

/// Repetitions, of which the fastest counts: the machine may be shared.
const REPEAT: usize = 9;
const BATCH: usize = 16 << 10;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").peekable();
    let mut files = Vec::new();
    let (mut tree, mut flat) = ("Events".to_owned(), "MET_pt".to_owned());
    let mut jagged = "Muon_pt,Muon_eta".to_owned();
    while let Some(argument) = arguments.next() {
        let value = |arguments: &mut dyn Iterator<Item = String>| arguments.next().expect("a value");
        match argument.as_str() {
            "--tree" => tree = value(&mut arguments),
            "--flat" => flat = value(&mut arguments),
            "--jagged" => jagged = value(&mut arguments),
            _ => files.push(argument),
        }
    }
    if files.is_empty() {
        println!("reading: no file given, nothing measured");
        return;
    }
    let jagged: Vec<String> = jagged.split(',').map(str::to_owned).collect();
    println!("CPU milliseconds, best of {REPEAT}");
    for file in &files {
        measure(Path::new(file), &tree, &flat, &jagged);
    }
}

fn measure(path: &Path, tree: &str, flat: &str, jagged: &[String]) {
    let source = Arc::new(LocalFile::open(path).expect("the file opens"));
    let file = EntryFile::open(source).expect("it is a file of entries");
    let reader = file.reader(tree).expect("the tree is there");
    let first = [jagged[0].clone()];
    println!("{}: {} entries", path.display(), reader.entries());

    let flat = Column::new(&file, &*reader, &[flat.to_owned()]);
    let one = Column::new(&file, &*reader, &first);
    let both = Column::new(&file, &*reader, jagged);
    let second = Column::new(&file, &*reader, &jagged[1..2]);
    let is_tree = flat.bytes.first().is_some_and(|bytes| Basket::parse(bytes).is_some());
    for verify in [true, false] {
        let mut times = Times::default();
        for _ in 0..REPEAT {
            times.flat = times.flat.min(flat.read(&*reader, verify));
            times.one = times.one.min(one.read(&*reader, verify));
            times.both = times.both.min(both.read(&*reader, verify));
            if is_tree {
                times.flat_floor = times.flat_floor.min(flat.floor(&jagged[1], false, verify));
                times.second_floor = times.second_floor.min(second.floor(&jagged[1], true, false));
            }
        }
        let added = times.both - times.one;
        let checksums = if verify { "verified" } else { "skipped" };
        println!("  checksums {checksums}");
        if is_tree {
            println!(
                "    flat {:.2}, decompress + swap {:.2}: {:.2}",
                times.flat,
                times.flat_floor,
                times.flat / times.flat_floor
            );
            println!(
                "    second jagged {added:.2} (first {:.2}), decompress to the values + swap {:.2}: {:.2}",
                times.one,
                times.second_floor,
                added / times.second_floor
            );
        } else {
            println!("    flat {:.2}, second jagged {added:.2} (first {:.2})", times.flat, times.one);
        }
    }
}

struct Times {
    flat: f64,
    flat_floor: f64,
    one: f64,
    both: f64,
    second_floor: f64,
}

impl Default for Times {
    fn default() -> Self {
        Self { flat: f64::MAX, flat_floor: f64::MAX, one: f64::MAX, both: f64::MAX, second_floor: f64::MAX }
    }
}

/// Columns and their bytes in memory.
struct Column {
    plan: hep_io::ReadPlan,
    bytes: Vec<Bytes>,
}

impl Column {
    fn new(file: &EntryFile, reader: &dyn EntryReader, names: &[String]) -> Self {
        let plan = reader.plan(names, 0..reader.entries()).expect("a plan");
        let bytes = coalesce::read(&**file.source(), &plan.ranges).expect("its bytes");
        Self { plan, bytes }
    }

    /// Milliseconds to decode all entries.
    fn read(&self, reader: &dyn EntryReader, verify: bool) -> f64 {
        let mut scratch = Scratch::default();
        scratch.skip_checksums(!verify);
        let start = cpu();
        let mut batches = reader.decode(&self.plan, &self.bytes, &mut scratch).expect("a decoder");
        while let Some(batch) = batches.next(BATCH).expect("a batch") {
            std::hint::black_box(batch);
        }
        cpu() - start
    }

    /// Milliseconds to decompress the baskets of the branch `name`, or of all branches where none is of
    /// that name, and to swap their numbers of 4 bytes.
    fn floor(&self, name: &str, to_values: bool, verify: bool) -> f64 {
        let mut codec = Decompressor::default();
        codec.skip_checksums(!verify);
        let (mut out, mut numbers) = (Vec::new(), Vec::new());
        let baskets: Vec<Basket<'_>> = self.bytes.iter().filter_map(|bytes| Basket::parse(bytes)).collect();
        let named = baskets.iter().any(|basket| basket.name == name.as_bytes());
        let start = cpu();
        for basket in baskets.iter().filter(|basket| !named || basket.name == name.as_bytes()) {
            let needed = if to_values { basket.values } else { basket.length };
            let values = if basket.payload.len() == basket.length {
                basket.payload
            } else {
                codec
                    .decompress_start(basket.payload, &mut out, basket.length, needed)
                    .expect("it can be decompressed");
                &out[..]
            };
            numbers.clear();
            let words = values[..basket.values].chunks_exact(4);
            numbers.extend(words.map(|word| f32::from_be_bytes([word[0], word[1], word[2], word[3]])));
            std::hint::black_box(&numbers);
        }
        cpu() - start
    }
}

/// Milliseconds of processor time of this thread.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
