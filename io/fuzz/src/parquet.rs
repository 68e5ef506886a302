//! Parquet files: footers and pages.

use std::sync::Arc;

use hep_io::EntryFile;
use hep_io::source::{ByteSource, MemorySource};

use super::reading;

/// One table, written in different ways: made by `seeds.py`.
static FILES: [&[u8]; 6] = [
    include_bytes!("../templates/plain.parquet"),
    include_bytes!("../templates/dictionary.parquet"),
    include_bytes!("../templates/delta.parquet"),
    include_bytes!("../templates/zstd.parquet"),
    include_bytes!("../templates/gzip.parquet"),
    include_bytes!("../templates/brotli.parquet"),
];

/// From here on a choice is of stretches and not of a footer.
const OVERLAID: u8 = 128;

/// The length of the footer, and the magic.
const TAIL: usize = 8;

/// The first byte of `data` chooses a file. If it is below [`OVERLAID`], the rest is its footer; otherwise the
/// rest are stretches that are laid over it: where they begin in two bytes, how long they are in one,
/// and as many bytes.
pub fn run(data: &[u8]) -> usize {
    let Some((choice, mut rest)) = data.split_first() else { return 0 };
    let mut file = FILES[usize::from(choice % OVERLAID) % FILES.len()].to_vec();
    let footer = footer(&file);
    if *choice < OVERLAID {
        file.truncate(footer);
        file.extend(rest);
        file.extend((rest.len() as u32).to_le_bytes());
        file.extend(b"PAR1");
    } else {
        while let Some(([high, low, length], behind)) = rest.split_first_chunk() {
            let (stretch, next) = behind.split_at(usize::from(*length).min(behind.len()));
            let at = (usize::from(*high) << 8 | usize::from(*low)) % file.len();
            let there = file[at..].iter_mut();
            there.zip(stretch).for_each(|(there, byte)| *there = *byte);
            rest = next;
        }
    }
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("fuzz.parquet", file));
    let Ok(file) = EntryFile::open(source) else { return 0 };
    let _ = (file.uuid(), file.tree_name("x"));
    let Ok(table) = file.reader("Events") else { return 0 };
    reading::columns(&*table, &**file.source(), reading::Alike::Nothing, |_| true)
}

/// Where the footer begins.
fn footer(file: &[u8]) -> usize {
    let length = file[file.len() - TAIL..].first_chunk().unwrap();
    file.len() - TAIL - u32::from_le_bytes(*length) as usize
}

/// Inputs from which the fuzzer may begin: the footer of each file, and a stretch of each as it is.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (choice, file) in (0_u8..).zip(FILES) {
        let footer = footer(file);
        seeds.push([&[choice], &file[footer..file.len() - TAIL]].concat());
        for at in (4..footer).step_by(200) {
            let [.., high, low] = (at as u32).to_be_bytes();
            let stretch = &file[at..(at + 40).min(footer)];
            seeds.push([&[OVERLAID + choice, high, low, stretch.len() as u8][..], stretch].concat());
        }
    }
    seeds
}
