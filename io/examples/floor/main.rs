//! `cargo run --release -p hep-io --example floor -- FILE TREE COLUMN,COLUMN…`
//!
//! What nobody who reads these columns can avoid: decompressing their baskets, or pages, with the codecs that
//! `hep-io` reads with. Their bytes are read into memory first, one basket is decompressed after the other into
//! the same buffer, and nothing is done with what comes out. Prints a line of JSON; times are seconds of
//! processor time of its one thread:
//!
//! * `read_cpu`: of reading the bytes, from a warm file into a buffer that is used again and again and stays in
//!   a cache, which no program that reads can undercut;
//! * `full_cpu`: of decompressing all of every basket, checksums verified;
//! * `values_cpu`: of decompressing as far as the values go, which leaves out the offsets that follow the
//!   values of jagged branches, and the checksums of zlib and lzma behind them. Of RNTuple pages, which hold
//!   nothing else, it is all but the checksums.
#![allow(clippy::print_stdout)]

// `benches/reading.rs` asks for the branch too.
#[allow(dead_code)]
mod basket;

use std::error::Error;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hep_io::EntryFile;
use hep_io::root::codec::{Decompressor, HEAD};
use hep_io::source::{LocalFile, coalesce};
use rustix::time::{ClockId, clock_gettime};

use basket::Basket;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, tree, columns] = &arguments[..] else { return Err("floor FILE TREE COLUMN,COLUMN…".into()) };
    let columns: Vec<String> = columns.split(',').map(str::to_owned).collect();
    let file = EntryFile::open(Arc::new(LocalFile::open(Path::new(path))?))?;
    let reader = file.reader(tree)?;
    let plan = reader.plan(&columns, 0..reader.entries())?;
    let records = coalesce::read(&**file.source(), &plan.ranges)?;
    let read = read(&File::open(path)?, &plan.ranges)?;
    let pieces: Vec<Piece<'_>> = records.iter().map(Piece::of).collect();
    let (mut codec, mut out) = (Decompressor::default(), Vec::new());
    // The largest one without looking at the clock: making the buffer and the decoders is not the floor's.
    if let Some(largest) = pieces.iter().max_by_key(|piece| piece.length) {
        decompress(std::slice::from_ref(largest), true, &mut codec, &mut out)?;
    }
    let full = decompress(&pieces, true, &mut codec, &mut out)?;
    let values = decompress(&pieces, false, &mut codec, &mut out)?;
    let sum = |count: fn(&Piece<'_>) -> usize| pieces.iter().map(count).sum::<usize>();
    println!(
        "{{\"entries\": {}, \"pieces\": {}, \"stored_bytes\": {}, \"bytes\": {}, \"value_bytes\": {}, \
         \"read_cpu\": {read}, \"full_cpu\": {full}, \"values_cpu\": {values}}}",
        reader.entries(),
        pieces.len(),
        plan.bytes(),
        sum(|piece| piece.length),
        sum(|piece| piece.values),
    );
    Ok(())
}

/// A basket or a page.
struct Piece<'a> {
    /// Its compressed blocks; none where it is stored as it is.
    blocks: Option<&'a [u8]>,
    /// Its bytes when decompressed,
    length: usize,
    /// and how many of them are values.
    values: usize,
}

impl<'a> Piece<'a> {
    fn of(record: &'a Bytes) -> Self {
        if let Some(Basket { payload, length, values, .. }) = Basket::parse(record) {
            return Self { blocks: (payload.len() < length).then_some(payload), length, values };
        }
        // A page: one block, and often a checksum of 8 bytes behind it.
        let page = page_length(record);
        let length = page.unwrap_or(record.len());
        Self { blocks: page.map(|_| &record[..]), length, values: length }
    }
}

/// The length of a compressed page when decompressed, if its bytes begin as a block does that ends where they do.
fn page_length(record: &[u8]) -> Option<usize> {
    let (head, behind) = record.split_first_chunk::<HEAD>()?;
    let size =
        |at: usize| usize::from(head[at]) | usize::from(head[at + 1]) << 8 | usize::from(head[at + 2]) << 16;
    let known = [b"ZL", b"L4", b"ZS", b"XZ"].contains(&&[head[0], head[1]]);
    let ends = [size(3), size(3) + 8].contains(&behind.len());
    (known && ends).then(|| size(6))
}

/// Seconds to read the ranges.
fn read(file: &File, ranges: &[Range<u64>]) -> io::Result<f64> {
    const AT_ONCE: usize = 256 << 10;
    let mut buffer = vec![1; AT_ONCE];
    let start = cpu();
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let length = AT_ONCE.min(usize::try_from(range.end - at).unwrap_or(AT_ONCE));
            file.read_exact_at(&mut buffer[..length], at)?;
            std::hint::black_box(&buffer);
            at += length as u64;
        }
    }
    Ok(cpu() - start)
}

/// Seconds to decompress all pieces, entirely or to the end of their values.
fn decompress(
    pieces: &[Piece<'_>],
    entirely: bool,
    codec: &mut Decompressor,
    out: &mut Vec<u8>,
) -> Result<f64, String> {
    codec.skip_checksums(!entirely);
    let start = cpu();
    for piece in pieces {
        let Some(blocks) = piece.blocks else { continue };
        let needed = if entirely { piece.length } else { piece.values };
        codec.decompress_start(blocks, out, piece.length, needed)?;
        std::hint::black_box(&out);
    }
    Ok(cpu() - start)
}

/// Seconds of processor time of this thread.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
