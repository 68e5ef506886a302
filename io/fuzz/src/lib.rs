//! What is fuzzed: one function for each target, shared by the fuzzers and by the test that runs the
//! kept corpora on stable Rust (`io/tests/fuzz_corpus.rs` includes this file by its path).
//!
//! A target gets any bytes and gives them to `hep-io` where they reach deepest: inside a sound,
//! uncompressed file that is built around them. It panics where `hep-io` contradicts itself, and
//! where it takes more memory than such an input may cost.
#![allow(dead_code, unreachable_pub)] // each of the two users needs a part

pub mod basket;
mod builder;
pub mod codec;
mod file;
mod histogram;
pub mod memory;
pub mod ntuple;
pub mod parquet;
mod reading;
mod streamers;
mod tree;
mod xrootd;

/// What is fuzzed.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Gives the bytes to `hep-io`, and counts the answers.
    run: fn(&[u8]) -> usize,
    /// How many bytes of memory an input may cost, and how many more for each of its bytes.
    memory: (usize, usize),
    /// How many changes of kept inputs the test tries: fewer where each takes longer.
    pub changed: usize,
}

const fn target(
    name: &'static str,
    run: fn(&[u8]) -> usize,
    memory: (usize, usize),
    changed: usize,
) -> Target {
    Target { name, run, memory, changed }
}

/// Compressed inputs may cost a block of 16 MiB, and the same again where a buffer grows. All others
/// cost what they hold, many times over where names are short.
pub static TARGETS: [Target; 9] = [
    target("basket", basket::run, (128 << 20, 200), 4000),
    target("codec", codec::run, (192 << 20, 200), 6000),
    target("file", file::run, (128 << 20, 200), 6000),
    target("histogram", histogram::run, (1 << 20, 200), 6000),
    target("ntuple", ntuple::run, (320 << 20, 400), 1500),
    target("parquet", parquet::run, (128 << 20, 400), 4000),
    target("streamers", streamers::run, (4 << 20, 400), 1000),
    target("tree", tree::run, (4 << 20, 400), 4000),
    target("xrootd", xrootd::run, (4 << 20, 400), 20_000),
];

/// Runs the target called `name`.
pub fn fuzz(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    target.check(data);
}

impl Target {
    /// Panics if anything is wrong with what `hep-io` makes of `data`; counts what it could read: columns,
    /// objects, classes or blocks.
    pub fn check(&self, data: &[u8]) -> usize {
        let (answers, taken) = memory::peak(|| (self.run)(data));
        let (fixed, each) = self.memory;
        let allowed = fixed + each * data.len();
        assert!(taken <= allowed, "{taken} bytes of memory for {} bytes of {}", data.len(), self.name);
        answers
    }
}

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;
