//! Parquet files: what is read from where, what it means, and what is refused.

mod samples;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt32Type};
use arrow_array::{Int32Array, RecordBatch};
use hep_columns::Batch;
use hep_io::parquet::ParquetFile;
use hep_io::source::{MemorySource, Recorded, coalesce};
use hep_io::{EntryReader, Error, Result, Scratch};
use parquet::basic::Compression;
use parquet::file::properties::WriterVersion;
use samples::{ENTRIES, GROUP, PAGE, muons, parquet, pt, table};

const V1: WriterVersion = WriterVersion::PARQUET_1_0;

fn opened(bytes: Vec<u8>) -> Result<ParquetFile> {
    ParquetFile::open(Arc::new(MemorySource::new("a.parquet", bytes)))
}

fn sample(index: bool) -> ParquetFile {
    opened(parquet(&table(), Compression::SNAPPY, V1, index)).unwrap()
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&name| name.to_owned()).collect()
}

fn read(
    file: &ParquetFile,
    columns: &[&str],
    entries: std::ops::Range<u64>,
    at_once: usize,
) -> Result<Vec<Batch>> {
    let plan = file.plan(&names(columns), entries)?;
    let bytes = coalesce::read(&**file.source(), &plan.ranges)?;
    let mut scratch = Scratch::default();
    let mut batches = file.decode(&plan, &bytes, &mut scratch)?;
    std::iter::from_fn(|| batches.next(at_once).transpose()).collect()
}

#[test]
fn opening_is_two_reads_and_planning_none() {
    let bytes = parquet(&table(), Compression::SNAPPY, V1, true);
    let source = Arc::new(Recorded::new(Arc::new(MemorySource::new("a.parquet", bytes))));
    let file = ParquetFile::open(source.clone()).unwrap();
    assert_eq!(source.take().len(), 2, "the start, and the end with the footer and the offset index");
    let columns = names(&["run", "Muon_pt", "nMuon"]);
    columns.iter().for_each(|name| drop(file.column(name).unwrap()));
    assert_eq!(file.boundaries(&columns).unwrap(), [0, GROUP as u64, 2 * GROUP as u64, ENTRIES]);
    let plan = file.plan(&columns, 0..ENTRIES).unwrap();
    assert_eq!(source.take(), [[]; 0]);
    coalesce::read(&*source, &plan.ranges).unwrap();
    assert_eq!(source.take().len(), 1, "a range of entries is one vector read");
}

#[test]
fn one_column_reads_one_column_and_a_counter_what_is_there_anyway() {
    let file = sample(false);
    let plan = |columns: &[&str]| file.plan(&names(columns), 0..ENTRIES).unwrap().bytes();
    let stored = |name: &str| file.stored(name).unwrap().bytes;
    for name in ["run", "Muon_pt", "Muon_hits", "name"] {
        assert!(stored(name) > 0);
        assert_eq!(plan(&[name]), stored(name), "{name}");
    }
    assert_eq!(plan(&["nMuon", "Muon_hits"]), stored("Muon_hits"));
    assert_eq!(plan(&["nMuon"]), stored("Muon_pt").min(stored("Muon_hits")));
}

#[test]
fn an_offset_index_saves_the_pages_that_are_not_needed() {
    let (with, without) = (sample(true), sample(false));
    let entries = 2 * PAGE as u64..3 * PAGE as u64;
    let bytes = |file: &ParquetFile| file.plan(&names(&["Muon_pt"]), entries.clone()).unwrap().bytes();
    // One of eight pages.
    assert!(bytes(&with) < bytes(&without) / 2, "{} of {}", bytes(&with), bytes(&without));
    let read = |file| read(file, &["Muon_pt", "Muon_hits", "name"], entries.clone(), 1000).unwrap();
    for name in ["Muon_pt", "Muon_hits", "name"] {
        assert_eq!(read(&with)[0].column(name).unwrap(), read(&without)[0].column(name).unwrap());
    }
}

#[test]
fn what_ranges_of_one_row_group_have_in_common_is_the_same_piece_in_their_plans() {
    let file = sample(false);
    let half = GROUP as u64 / 2;
    let (first, second) = (
        file.plan(&names(&["run", "Muon_pt"]), 0..half),
        file.plan(&names(&["run", "Muon_pt"]), half..2 * half),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    // Without an index of its pages a chunk is read as a whole.
    assert_eq!(first.ranges, second.ranges);
    assert_eq!(first.cut, second.cut);
    assert_eq!(first.cut.iter().map(|cut| cut.at).collect::<Vec<_>>(), [0, 1]);
    assert!(first.cut.iter().all(|cut| cut.entries == (0..GROUP as u64)));
    // Of whole row groups nothing is needed by others.
    assert!(file.plan(&names(&["run", "Muon_pt"]), 0..2 * GROUP as u64).unwrap().cut.is_empty());
    // With one, ranges have only dictionaries in common that begin and end alike.
    let file = sample(true);
    let plan = |entries| file.plan(&names(&["run", "Muon_pt"]), entries).unwrap();
    let (first, second) = (plan(0..half), plan(half..2 * half));
    let cut =
        |plan: &hep_io::ReadPlan| plan.cut.iter().map(|cut| plan.ranges[cut.at].clone()).collect::<Vec<_>>();
    assert_eq!(cut(&first), cut(&second));
}

#[test]
fn values_are_those_that_were_written_in_any_range_and_batch() {
    for (codec, version) in [
        (Compression::UNCOMPRESSED, V1),
        (Compression::SNAPPY, WriterVersion::PARQUET_2_0),
        (Compression::GZIP(Default::default()), V1),
        (Compression::ZSTD(Default::default()), WriterVersion::PARQUET_2_0),
        (Compression::LZ4_RAW, V1),
    ] {
        let file = opened(parquet(&table(), codec, version, true)).unwrap();
        for (range, at_once) in [(0..ENTRIES, 77), (150..450, 1000), (199..201, 1), (599..600, 5)] {
            let mut at = range.start;
            for batch in read(&file, &["event", "nMuon", "Muon_pt", "x"], range.clone(), at_once).unwrap() {
                assert_eq!(batch.entries().start, at);
                let [event, n, pts, x] =
                    ["event", "nMuon", "Muon_pt", "x"].map(|name| batch.column(name).unwrap());
                for (row, entry) in batch.entries().enumerate() {
                    assert_eq!(event.as_primitive::<Int64Type>().value(row), entry as i64);
                    assert_eq!(u64::from(n.as_primitive::<UInt32Type>().value(row)), muons(entry));
                    let expected: Vec<f32> = (0..muons(entry)).map(|muon| pt(entry, muon)).collect();
                    let list = pts.as_list::<i32>().value(row);
                    assert_eq!(list.as_primitive::<Float32Type>().values(), &expected[..]);
                    let x = x.as_fixed_size_list().value(row);
                    assert_eq!(x.as_primitive::<Float32Type>().values(), &[entry as f32, 0.5, -1.0]);
                }
                at = batch.entries().end;
            }
            assert_eq!(at, range.end);
        }
    }
}

#[test]
fn a_null_is_an_error_and_where_there_is_none_nothing_is_missed() {
    let ints = Int32Array::from_iter((0..600).map(|entry| (entry != 450).then_some(entry)));
    let batch = RecordBatch::try_from_iter([("x", Arc::new(ints) as _)]).unwrap();
    let file = opened(parquet(&batch, Compression::SNAPPY, V1, false)).unwrap();
    assert_eq!(read(&file, &["x"], 0..450, 1000).unwrap()[0].len(), 450);
    let error = read(&file, &["x"], 400..600, 100).unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(
        error.to_string(),
        "column `x`, entries 400..500, in a.parquet:/Events cannot be read: 1 of 100 values are null, and \
         nulls cannot be read: fill them when the file is written (`ak.fill_none`, `fillna`)"
    );
}

#[test]
fn a_damaged_page_names_column_entries_and_row_group() {
    let mut bytes = parquet(&table(), Compression::ZSTD(Default::default()), V1, false);
    let chunk = opened(bytes.clone()).unwrap().plan(&names(&["event"]), 200..400).unwrap().ranges[0].clone();
    // The end of the last page's zstd frame.
    bytes[chunk.end as usize - 2] ^= 0xFF;
    let file = opened(bytes).unwrap();
    read(&file, &["run"], 0..ENTRIES, 1000).unwrap();
    let error = read(&file, &["run", "event"], 200..400, 1000).unwrap_err();
    assert!(matches!(error, Error::Basket { .. }) && error.is_transient());
    let text = error.to_string();
    let start =
        "branch `event` cannot be decoded\n  in a.parquet:/Events, entries 200..400, row group 1\n  because ";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_truncated_or_foreign_file_says_so() {
    let mut bytes = parquet(&table(), Compression::SNAPPY, V1, false);
    bytes.truncate(bytes.len() - 1);
    let error = opened(bytes).unwrap_err().to_string();
    assert!(
        error.ends_with("because it does not end with `PAR1`: it is truncated, or was never closed"),
        "{error}"
    );
    let error = opened(b"PAR1".to_vec()).unwrap_err().to_string();
    assert!(error.contains("it has only 4 bytes"), "{error}");
    let error = opened(b"PARE0000PARE".to_vec()).unwrap_err().to_string();
    assert_eq!(error, "the file in a.parquet cannot be read: it is encrypted");
}

#[test]
fn a_typo_is_answered_with_the_nearest_name() {
    let error = sample(false).column("Muon_pT").unwrap_err().to_string();
    assert_eq!(error, "no branch `Muon_pT` in a.parquet:/Events; did you mean `Muon_pt`?");
}
