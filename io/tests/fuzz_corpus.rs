//! The fuzz targets on stable Rust: every input that was kept, and changes of it.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

use targets::{TARGETS, Target};

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

/// The inputs kept for a target, by name.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name);
    let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

/// Changes a few bytes, or takes some from another input.
fn change(input: &[u8], other: &[u8], random: &mut Xorshift) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let stretch = 1 + random.below(8);
        let end = (at + stretch).min(bytes.len());
        let lies: [u32; 6] = [0x7FFF_FFFF, 0x4000_0000, 0xFFFF_FFFE, 0x0FFF_FFFF, 1, 0x8000_0000];
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let from = random.below(other.len());
                let taken = other[from..(from + stretch).min(other.len())].to_vec();
                drop(bytes.splice(at..at, taken));
            }
            3 if at + 4 <= bytes.len() => {
                bytes[at..at + 4].copy_from_slice(&lies[random.below(6)].to_be_bytes());
            }
            4 if at < bytes.len() => bytes[at] = random.next() as u8,
            5 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1 + random.below(2) as u8),
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    bytes
}

#[test]
fn every_input_ends_in_an_answer_or_an_error() {
    // As many changed inputs as the target says, or the variable `MUTATIONS`.
    let changed: Option<usize> = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok());
    for target in &TARGETS {
        let kept = kept(target);
        let mut answers = 0;
        for (name, input) in &kept {
            answers += named(target, name, input);
        }
        // Otherwise nothing is tested but how inputs are refused.
        assert!(answers >= kept.len() / 4, "{}: {answers} answers to {} inputs", target.name, kept.len());
        let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
        for number in 0..changed.unwrap_or(target.changed) {
            let (name, input) = &kept[number % kept.len()];
            let (_, other) = &kept[random.below(kept.len())];
            let seed = random.next() | 1;
            let bytes = change(input, other, &mut Xorshift(seed));
            named(target, &format!("{name}, changed with {seed}"), &bytes);
        }
    }
}

/// Runs an input whose name is said if it panics.
fn named(target: &Target, name: &str, input: &[u8]) -> usize {
    struct Name<'a>(&'a str, &'a str);
    impl Drop for Name<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("this was the input {}/{}", self.0, self.1);
            }
        }
    }
    let _name = Name(target.name, name);
    target.check(input)
}
