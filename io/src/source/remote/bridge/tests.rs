#![allow(clippy::print_stdout)] // the table of round trips
#![allow(clippy::single_range_in_vec_init)]

use std::path::{Path, PathBuf};

use super::*;
use crate::EntryFile;
use crate::source::remote::fake::{Act, Fakes};
use crate::source::{LocalFile, StorageOptions};

const URL: &str = "root://a//f.root";

fn content() -> Vec<u8> {
    (0..10_000_000_u32).map(|n| (n % 251) as u8).collect()
}

fn open(fakes: &Arc<Fakes>) -> Arc<RemoteSource> {
    let network = Network::with(fakes.clone(), Arc::default(), &StorageOptions::default()).unwrap();
    Arc::new(RemoteSource::open(Arc::new(network), URL, &[]).unwrap())
}

fn serving(bytes: &[u8]) -> Arc<Fakes> {
    let fakes = Arc::new(Fakes::default());
    fakes.serve(URL, bytes, &[], &[Act::Answer(std::time::Duration::ZERO)]);
    fakes
}

#[test]
fn head_and_tail_come_with_the_opening_and_go_with_the_first_bulk_read() {
    let content = content();
    let fakes = serving(&content);
    let source = open(&fakes);
    assert_eq!(source.len().unwrap(), 10_000_000);
    assert_eq!(fakes.take_reads(), [(URL.to_owned(), vec![0..19_531, 9_934_464..10_000_000])]);
    let ranges = [9_999_000..10_000_000, 10..20];
    assert_eq!(source.read(&ranges).unwrap(), [&content[9_999_000..], &content[10..20]]);
    assert_eq!(fakes.take_reads(), []);
    // What is here in part is asked for as a whole, and the rest is not.
    let ranges = vec![10..20, 19_000..20_000, 7..7, 20_000..20_100];
    let expected = [&content[10..20], &content[19_000..20_000], &[], &content[20_000..20_100]];
    assert_eq!(source.clone().start(ranges.clone()).wait().unwrap(), expected);
    assert_eq!(fakes.take_reads(), [(URL.to_owned(), vec![19_000..20_100])]);
    assert_eq!(source.read(&ranges).unwrap(), expected);
    assert_eq!(fakes.take_reads(), [(URL.to_owned(), vec![10..20, 19_000..20_100])]);
}

#[test]
fn a_range_past_the_end_is_an_error_that_asks_nobody() {
    let fakes = serving(&content());
    let source = open(&fakes);
    fakes.take_reads();
    let ranges = vec![0..10, 9_999_999..10_000_001];
    let error = source.read(&ranges).unwrap_err().to_string();
    assert!(error.contains("the file ends at byte 10000000"), "{error}");
    assert_eq!(source.start(ranges).wait().unwrap_err().to_string(), error);
    assert_eq!(fakes.take_reads(), []);
}

#[test]
fn what_is_started_is_under_way_at_once_and_given_up_when_dropped() {
    let fakes = serving(&content());
    let source = open(&fakes);
    fakes.change(URL, |script| script.reads = vec![Act::Stall]);
    let under_way = || fakes.log.lock().unwrap().under_way;
    let until = |wanted: usize| {
        while under_way() != wanted {
            std::thread::yield_now();
        }
    };
    let readings: Vec<Reading> =
        (1..=8).map(|n| source.clone().start(vec![n * 100_000..n * 100_000 + 10])).collect();
    until(8);
    drop(readings);
    until(0);
}

#[test]
fn an_empty_file_is_not_read() {
    let fakes = serving(&[]);
    let source = open(&fakes);
    assert!(source.is_empty().unwrap());
    assert_eq!(source.read(&[]).unwrap(), [] as [Bytes; 0]);
    assert_eq!(fakes.take_reads(), []);
}

#[test]
fn a_source_outlives_the_storage_it_came_from() {
    let fakes = serving(&content());
    let source = open(&fakes);
    let reading = source.clone().start(vec![5_000_000..5_000_010]);
    drop(source);
    assert_eq!(reading.wait().unwrap(), [&content()[5_000_000..5_000_010]]);
}

/// Reads of a remote file until all metadata of its tree is known and a range of all its columns planned.
fn round_trips(path: &Path) -> (usize, u64) {
    let bytes = std::fs::read(path).unwrap();
    let fakes = serving(&bytes);
    let file = EntryFile::open(open(&fakes)).unwrap();
    let trees = file.trees().unwrap();
    for tree in trees.iter().take(1) {
        let reader = file.reader(tree).unwrap();
        let mut columns = reader.column_names();
        columns.retain(|name| reader.column(name).is_ok());
        reader.boundaries(&columns).unwrap();
        reader.plan(&columns, 0..reader.entries()).unwrap();
    }
    assert!(!file.uuid().is_empty());
    let reads = fakes.take_reads();
    let read = reads.iter().flat_map(|(_, ranges)| ranges).map(|range| range.end - range.start).sum();
    (reads.len(), read)
}

/// The promise of a remote run: metadata in two round trips, whatever the format.
#[test]
fn metadata_takes_at_most_two_round_trips_after_the_opening() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in ["../datasets", "tests/data"] {
        let files = std::fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path());
        paths.extend(
            files.filter(|path| path.extension().is_some_and(|ext| ext == "root" || ext == "parquet")),
        );
    }
    if let Some(more) = std::env::var_os("HEP_ROUND_TRIPS") {
        paths.extend(std::env::split_paths(&more));
    }
    assert!(paths.len() >= 4, "{paths:?}");
    let mut most = 0;
    for path in paths {
        let (reads, bytes) = round_trips(&path);
        let size = std::fs::metadata(&path).unwrap().len();
        println!("{reads} reads of {bytes} bytes, of {size}: {}", path.display());
        most = most.max(reads);
    }
    assert!(most <= 2);
}

/// Nothing asks a local file differently from before.
#[test]
fn a_local_file_is_merged_by_its_own_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/nano_dy.root");
    let source: Arc<dyn ByteSource> = Arc::new(LocalFile::open(path).unwrap());
    assert_eq!(source.merging(), Merging::LOCAL);
}
