//! Every fixture, truncated and with flipped bits: an error or the right answer where a checksum can
//! tell, and in any case an end within bounded memory.
#![allow(clippy::print_stdout)] // what was skipped, and a summary

mod damage;
mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use damage::{Xorshift, peak};
use hep_io::source::{ByteSource, MemorySource, coalesce};
use hep_io::{EntryFile, EntryReader, Result, Scratch};
use skip::skip;

/// How much more memory than its honest file a damaged one may take.
const SLACK: usize = 64 << 20;
/// Flipped bits for each file, and as many other changes, unless the variable `MUTATIONS` says otherwise.
const EACH: usize = 30;
/// Trees of a file, columns of a tree and entries of a column that are read.
const TREES: usize = 3;
const COLUMNS: usize = 6;
const ENTRIES: u64 = 3000;

/// What was read, by tree and column.
type Columns = BTreeMap<(String, String), ArrayRef>;

fn open(bytes: &[u8]) -> Result<EntryFile> {
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("damaged", bytes.to_vec()));
    EntryFile::open(source)
}

/// Some columns of some trees, spread over all, by themselves.
fn read(bytes: &[u8]) -> Result<Columns> {
    let file = open(bytes)?;
    let mut columns = Columns::new();
    for path in file.trees()?.into_iter().take(TREES) {
        let Ok(tree) = file.reader(&path) else { continue };
        for name in some(&*tree) {
            if let Ok(array) = read_column(&file, &*tree, &name) {
                columns.insert((path.clone(), name), array);
            }
        }
    }
    Ok(columns)
}

fn some(tree: &dyn EntryReader) -> Vec<String> {
    let names = tree.column_names();
    let step = names.len().div_ceil(COLUMNS).max(1);
    names.into_iter().step_by(step).collect()
}

fn read_column(file: &EntryFile, tree: &dyn EntryReader, name: &str) -> Result<ArrayRef> {
    let names = [name.to_owned()];
    let plan = tree.plan(&names, 0..tree.entries().min(ENTRIES))?;
    let bytes = coalesce::read(&**file.source(), &plan.ranges)?;
    let mut scratch = Scratch::default();
    let mut batches = tree.decode(&plan, &bytes, &mut scratch)?;
    // At most one, as so few entries are asked for.
    Ok(match batches.next(usize::MAX)? {
        Some(batch) => batch.find(name).expect("it was asked for").clone(),
        None => arrow_array::new_empty_array(&tree.column(name)?.data_type),
    })
}

fn fixtures() -> Vec<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets")];
    if shared.exists() {
        open.push(shared.clone());
    } else {
        skip(&format!("damaged fixtures, {} is absent", shared.display()));
    }
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => open.push(path),
                Some("root" | "parquet") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Reads a damaged file within bounded memory; what is read of it is what `honest` has, if it must be.
fn check(what: &str, damaged: &[u8], honest: &Columns, allowed: usize, same: bool) -> usize {
    let (columns, taken) = peak(|| read(damaged).unwrap_or_default());
    assert!(taken <= allowed + SLACK, "{what}: {taken} bytes, and {allowed} for the honest file");
    if same {
        for (column, array) in &columns {
            let known = honest.get(column).unwrap_or_else(|| panic!("{what}: {column:?} is read now"));
            assert!(known.to_data() == array.to_data(), "{what}: {column:?} has other values");
        }
    }
    columns.len()
}

/// Where the blocks of a basket lie that have a checksum, if it has any.
fn sealed(basket: &[u8]) -> Option<std::ops::Range<usize>> {
    let length = u32::from_be_bytes(basket.get(6..10)?.try_into().unwrap()) as usize;
    let key = usize::from(u16::from_be_bytes(basket.get(14..16)?.try_into().unwrap()));
    let stored = basket.get(key..)?;
    let known = matches!(stored.get(..2)?, b"ZL" | b"L4" | b"XZ");
    (known && length > stored.len()).then_some(key..basket.len())
}

/// The bytes of the baskets of all columns that `read` reads.
fn baskets(honest: &[u8]) -> Vec<std::ops::Range<usize>> {
    let Ok(file @ EntryFile::Root(_)) = open(honest) else { return Vec::new() };
    let mut baskets = Vec::new();
    for path in file.trees().unwrap_or_default().into_iter().take(TREES) {
        let Ok(tree) = file.reader(&path) else { continue };
        for name in some(&*tree) {
            let Ok(plan) = tree.plan(&[name], 0..tree.entries().min(ENTRIES)) else { continue };
            let ranges = plan.ranges.into_iter().map(|range| range.start as usize..range.end as usize);
            baskets.extend(ranges.filter_map(|range| {
                let place = sealed(&honest[range.clone()])?;
                Some(range.start + place.start..range.start + place.end)
            }));
        }
    }
    baskets
}

#[test]
fn every_damaged_fixture_gives_an_error_or_the_right_answer() {
    let mut random = Xorshift(0x9E37_79B9_7F4A_7C15);
    let each = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH);
    let (mut files, mut flips, mut read_again, mut changed) = (0, 0, 0, 0);
    for path in fixtures() {
        let honest = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().display().to_string();
        let (columns, allowed) = peak(|| read(&honest).unwrap_or_default());
        files += 1;
        let length = honest.len();
        let cuts = [length - 1, length / 2, random.below(length), random.below(length.min(1000))];
        for at in cuts.into_iter().chain((1..9).map(|eighth| length * eighth / 9)) {
            check(&format!("{name} cut at {at}"), &honest[..at], &columns, allowed, true);
        }
        let baskets = baskets(&honest);
        for _ in 0..if baskets.is_empty() { 0 } else { each } {
            let basket = baskets[random.below(baskets.len())].clone();
            let (at, bit) = (basket.start + random.below(basket.len()), random.below(8));
            let mut damaged = honest.clone();
            damaged[at] ^= 1 << bit;
            flips += 1;
            let what = format!("{name} with bit {bit} of byte {at} flipped");
            read_again += usize::from(check(&what, &damaged, &columns, allowed, true) == columns.len());
        }
        for _ in 0..each {
            let seed = random.next() | 1;
            let mut damaged = honest.clone();
            let mut random = Xorshift(seed);
            (0..=random.below(3)).for_each(|_| random.change(&mut damaged));
            check(&format!("{name} changed with {seed}"), &damaged, &columns, allowed, false);
            changed += 1;
        }
    }
    println!(
        "{files} files; of {flips} flipped bits in baskets with a checksum {read_again} did not matter; \
         {changed} other changes"
    );
}
