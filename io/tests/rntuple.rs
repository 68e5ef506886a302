//! RNTuples: the same columns as the TTree of the same events, by the names of any layout.
#![allow(clippy::print_stdout)] // what was skipped

mod skip;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int16Type, Int32Type};
use arrow_array::{Array, ArrayRef};
use hep_io::source::{LocalFile, MemorySource, Recorded, coalesce};
use hep_io::{ByteSource, EntryFile, EntryReader, Error, Scratch};

fn dataset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").join(name)
}

/// `data/make_pages.py` has written it: one cluster, hundreds of pages.
fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pages.root")
}

fn open(path: &Path) -> EntryFile {
    EntryFile::open(Arc::new(LocalFile::open(path).unwrap())).unwrap()
}

/// All entries of a column, as one batch.
fn column(file: &EntryFile, reader: &dyn EntryReader, name: &str) -> ArrayRef {
    let plan = reader.plan(&[name.to_owned()], 0..reader.entries()).unwrap();
    let bytes = coalesce::read(&**file.source(), &plan.ranges).unwrap();
    let mut scratch = Scratch::default();
    let mut batches = reader.decode(&plan, &bytes, &mut scratch).unwrap();
    let batch = batches.next(usize::MAX).unwrap().unwrap();
    assert!(batches.next(1).unwrap().is_none());
    batch.column(name).unwrap().clone()
}

#[test]
fn a_file_is_read_alike_in_both_layouts() {
    let (tree_file, ntuple_file) = (open(&dataset("nano_dy.root")), open(&dataset("nano_dy_rntuple.root")));
    assert_eq!(ntuple_file.trees().unwrap(), ["Events"]);
    let (tree, ntuple) = (tree_file.reader("Events").unwrap(), ntuple_file.reader("Events").unwrap());
    assert_eq!(ntuple.entries(), tree.entries());
    for name in tree.column_names() {
        let ours = column(&ntuple_file, &*ntuple, &name);
        let theirs = column(&tree_file, &*tree, &name);
        assert_eq!(ntuple.column(&name).unwrap().data_type, *ours.data_type());
        assert_eq!(ours.to_data(), theirs.to_data(), "{name}");
    }
    assert_eq!(ntuple.column_names().len(), tree.column_names().len());
}

/// The values of `pages.root`, by its script.
fn check_pages(batch: &hep_columns::Batch) {
    let (number, list) = (batch.column("number").unwrap(), batch.column("list").unwrap());
    let (number, list) = (number.as_primitive::<Int32Type>(), list.as_list::<i32>());
    let nested = batch.column("nested").unwrap().as_list::<i32>();
    for (at, i) in batch.entries().enumerate() {
        assert_eq!(number.value(at), i as i32);
        let values = list.value(at);
        assert_eq!(values.as_primitive::<Float32Type>().values(), &vec![i as f32 + 0.5; i as usize % 4]);
        let lists = nested.value(at);
        assert_eq!(lists.len(), i as usize % 3);
        for j in 0..lists.len() {
            let values = lists.as_list::<i32>().value(j);
            assert_eq!(values.as_primitive::<Int16Type>().values(), &vec![i as i16 - j as i16; j + 1]);
        }
    }
}

#[test]
fn a_range_inside_a_cluster_reads_its_own_pages() {
    let source = Arc::new(Recorded::new(Arc::new(LocalFile::open(pages()).unwrap())));
    let file = EntryFile::open(source.clone()).unwrap();
    let reader = file.reader("pages").unwrap();
    let columns = ["number", "list", "nested"].map(str::to_owned);
    assert_eq!(reader.boundaries(&columns).unwrap(), [0, 6000]);
    source.take();
    let whole = reader.plan(&columns, 0..6000).unwrap();
    assert_eq!(source.take(), Vec::<Vec<Range<u64>>>::new());
    let mut scratch = Scratch::default();
    let mut read = 0;
    for start in (0..6000).step_by(600) {
        let plan = reader.plan(&columns, start..start + 600).unwrap();
        // One read finds where the lists at the cuts end, a second one where those inside them do.
        assert!(source.take().len() <= 2);
        assert!(reader.plan(&columns, start..start + 600).unwrap() == plan && source.take().is_empty());
        let bytes = coalesce::read(&**file.source(), &plan.ranges).unwrap();
        source.take();
        read += plan.bytes();
        let mut batches = reader.decode(&plan, &bytes, &mut scratch).unwrap();
        let mut next = start;
        while let Some(batch) = batches.next(77).unwrap() {
            assert_eq!(batch.entries().start, next);
            check_pages(&batch);
            next = batch.entries().end;
        }
        assert_eq!(next, start + 600);
    }
    // Each cut costs a page or two of each column.
    assert!(read > whole.bytes() && read < whole.bytes() * 3 / 2, "{read} and {}", whole.bytes());
}

#[test]
fn a_flipped_bit_in_a_page_is_told_with_its_place() {
    let path = dataset("nano_dy_rntuple.root");
    let file = open(&path);
    let columns = ["Muon_pt".to_owned()];
    let plan = file.reader("Events").unwrap().plan(&columns, 0..40).unwrap();
    let values = plan.ranges.last().unwrap().clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[values.start as usize + 20] ^= 1;
    let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("a.root", bytes));
    let file = EntryFile::open(source).unwrap();
    let reader = file.reader("Events").unwrap();
    let bytes = coalesce::read(&**file.source(), &plan.ranges).unwrap();
    let mut scratch = Scratch::default();
    let error = reader.decode(&plan, &bytes, &mut scratch).unwrap().next(40).unwrap_err();
    assert!(matches!(error, Error::Basket { .. }) && error.is_transient());
    let text = error.to_string();
    let (place, reason) = text.split_once("because its checksum is ").unwrap();
    let at = values.start;
    assert!(
        place.contains("Muon_pt` cannot be decoded\n  in a.root:/Events, entries 0..40, cluster 0, page 0"),
        "{text}"
    );
    assert!(place.contains(&format!("at byte {at}\n")) && reason.contains("and the file says"), "{text}");
}

/// `RNTupleWriter::Recreate` gives all its files the UUID 0, and two of them are not the same file.
#[test]
fn a_file_without_an_identifier_has_one_by_its_content() {
    let honest = std::fs::read(pages()).unwrap();
    let uuid = |bytes: &[u8]| {
        let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("a.root", bytes.to_vec()));
        EntryFile::open(source).unwrap().uuid()
    };
    let first = uuid(&honest);
    assert_eq!((first.len(), &first[14..15]), (36, "8"));
    assert_eq!(open(&pages()).uuid(), first);
    let mut other = honest.clone();
    let middle = other.len() / 2;
    other[middle..middle + 100].fill(7);
    assert_ne!(uuid(&other), first);
    other.truncate(0);
    other.extend(&honest);
    other.push(0);
    assert_ne!(uuid(&other), first);
    // Written with one, it is kept.
    assert_eq!(open(&dataset("nano_dy_rntuple.root")).uuid(), "5aa41eba-a9f5-11f0-ba63-0f00a8c0beef");
}

#[test]
fn names_that_are_wrong_are_told() {
    let file = open(&dataset("nano_dy_rntuple.root"));
    let reader = file.reader("Events").unwrap();
    let error = reader.column("Muon_pT").unwrap_err().to_string();
    assert!(error.ends_with("nano_dy_rntuple.root:/Events; did you mean `Muon_pt`?"), "{error}");
    let info = reader.column("Muon_pt").unwrap();
    assert_eq!(info.type_name, "ROOT::VecOps::RVec<float>");
    assert!(file.reader("Evnts").map(drop).unwrap_err().to_string().contains("it has Events"));
}

/// ATLAS: names of fields have no dots.
#[test]
fn a_colon_is_a_dot() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let path = shared.join("skhep/uproot-physlite-rntuple_v1-0-0-0.root");
    if !path.exists() {
        return skip::skip(&format!("names of ATLAS, {} is absent", path.display()));
    }
    let file = open(&path);
    let reader = file.reader("EventData").unwrap();
    let column = |name: &str| column(&file, &*reader, name);
    assert_eq!(column("AnalysisJetsAuxDyn.pt").to_data(), column("AnalysisJetsAuxDyn:pt").to_data());
    let keys = column("AnalysisElectronsAuxDyn.caloClusterLinks.m_persKey");
    assert_eq!(keys.len(), 100);
    assert_eq!(
        reader.column("AnalysisElectronsAuxDyn.caloClusterLinks.m_persKey").unwrap().data_type,
        *keys.data_type()
    );
}
