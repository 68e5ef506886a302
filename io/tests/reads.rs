//! What is read from where: promises about I/O, proven by a source that records it.
#![allow(clippy::print_stdout)] // what was skipped, and tables

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hep_columns::Batch;
use hep_io::root::RootFile;
use hep_io::source::{ByteSource, LocalFile, MemorySource, Recorded, coalesce};
use hep_io::ttree::Tree;
use hep_io::{EntryReader, Error, Scratch};

use arrow_array::Array;
use arrow_array::cast::AsArray;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/nano_dy.root")
}

fn recorded() -> (Arc<Recorded>, Arc<RootFile>) {
    let source = Arc::new(Recorded::new(Arc::new(LocalFile::open(sample()).unwrap())));
    let file = RootFile::open(source.clone()).unwrap();
    (source, Arc::new(file))
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&name| name.to_owned()).collect()
}

fn read(tree: &Tree, columns: &[&str], at_once: usize) -> Vec<Batch> {
    let plan = tree.plan(&names(columns), 0..tree.entries()).unwrap();
    let bytes = coalesce::read(&**tree.file().source(), &plan.ranges).unwrap();
    let mut scratch = Scratch::default();
    let mut batches = tree.decode(&plan, &bytes, &mut scratch).unwrap();
    std::iter::from_fn(|| batches.next(at_once).unwrap()).collect()
}

#[test]
fn opening_a_file_costs_two_reads_and_its_tree_one_more() {
    let (source, file) = recorded();
    let reads = source.take();
    assert_eq!(reads.len(), 2, "{reads:?}");
    assert_eq!(reads[0][0], 0..4096);
    assert_eq!(reads[0].len(), 1);
    let tree = Tree::open(&file, "Events").unwrap();
    assert_eq!(source.take().len(), 1);
    let columns = names(&["Muon_pt", "Jet_pt", "MET_pt", "run"]);
    tree.boundaries(&columns).unwrap();
    columns.iter().for_each(|name| drop(tree.column(name).unwrap()));
    tree.plan(&columns, 0..tree.entries()).unwrap();
    assert_eq!(source.take(), [[]; 0], "planning reads nothing");
}

/// As wide as real NanoAOD gets: what is read is what opening needs, and the baskets.
#[test]
fn three_columns_of_2656_branches_take_four_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wide.root");
    let source = Arc::new(Recorded::new(Arc::new(LocalFile::open(path).unwrap())));
    let file = Arc::new(RootFile::open(source.clone()).unwrap());
    let tree = Tree::open(&file, "Events").unwrap();
    assert_eq!(tree.column_names().len(), 2656);
    let columns = ["Muon_pt", "MET_pt", "HLT_Path1000"];
    assert_eq!(read(&tree, &columns, 1000)[0].len(), 30);
    let reads = source.take();
    assert!(reads.len() <= 4, "{reads:?}");
    let bytes: u64 = reads.iter().flatten().map(|range| range.end - range.start).sum();
    // The record of the tree, and the baskets of the columns and of their counter.
    let key = file.find("Events").unwrap();
    let baskets: u64 = ["Muon_pt", "MET_pt", "HLT_Path1000", "nMuon"]
        .map(|name| tree.stored(name).unwrap().bytes)
        .iter()
        .sum();
    let needed = u64::from(key.nbytes) + baskets;
    println!("{} reads of {bytes} bytes; {needed} are needed", reads.len());
    assert!(bytes * 10 < needed * 12, "{bytes} bytes, and {needed} are needed");
}

#[test]
fn one_column_reads_one_column_and_its_counter() {
    let (_, file) = recorded();
    let tree = Tree::open(&file, "Events").unwrap();
    let bytes = |name: &str| tree.stored(name).unwrap().bytes;
    let plan = |columns: &[&str]| tree.plan(&names(columns), 0..tree.entries()).unwrap().bytes();
    for name in ["run", "MET_pt", "nMuon"] {
        assert!(bytes(name) > 0);
        assert_eq!(plan(&[name]), bytes(name), "{name}");
    }
    assert_eq!(plan(&["Muon_pt"]), bytes("Muon_pt") + bytes("nMuon"));
    let together = plan(&["Muon_pt", "Muon_eta", "nMuon"]);
    assert_eq!(together, bytes("Muon_pt") + bytes("Muon_eta") + bytes("nMuon"), "a counter is read once");
}

#[test]
fn one_range_of_entries_is_one_vector_read() {
    let (source, file) = recorded();
    let tree = Tree::open(&file, "Events").unwrap();
    source.take();
    read(&tree, &["Muon_pt", "Jet_pt", "MET_pt"], 1000);
    let reads = source.take();
    // Five baskets that are not next to each other: what is between them is more than 4 % of their bytes.
    assert_eq!((reads.len(), reads[0].len()), (1, 5), "{reads:?}");
}

#[test]
fn columns_of_one_collection_share_their_offsets() {
    let (_, file) = recorded();
    let tree = Tree::open(&file, "Events").unwrap();
    for batch in read(&tree, &["Muon_pt", "nMuon", "Muon_eta"], 7) {
        let offsets = |name| batch.column(name).unwrap().as_list::<i32>().offsets().clone();
        assert!(offsets("Muon_pt").ptr_eq(&offsets("Muon_eta")));
        assert_eq!(offsets("Muon_pt").len(), batch.column("nMuon").unwrap().len() + 1);
    }
}

#[test]
fn any_batch_size_and_any_range_gives_the_same_values() {
    let (_, file) = recorded();
    let tree = Tree::open(&file, "Events").unwrap();
    let columns = ["Muon_pt", "Jet_btagDeepB", "run", "HLT_IsoMu24"];
    let whole = &read(&tree, &columns, usize::MAX)[0];
    let mut scratch = Scratch::default();
    for (start, end, at_once) in [(0, 10, 3), (3, 30, 7), (5, 6, 1), (11, tree.entries(), 1000)] {
        let plan = tree.plan(&names(&columns), start..end).unwrap();
        let bytes = coalesce::read(&**file.source(), &plan.ranges).unwrap();
        let mut batches = tree.decode(&plan, &bytes, &mut scratch).unwrap();
        let mut at = start;
        while let Some(batch) = batches.next(at_once).unwrap() {
            for name in columns {
                let expected = whole.column(name).unwrap().slice(at as usize, batch.len());
                assert_eq!(batch.column(name).unwrap(), &expected, "{name} {start}..{end}");
            }
            at += batch.len() as u64;
        }
        assert_eq!(at, end);
    }
}

#[test]
fn a_typo_is_answered_with_the_nearest_name() {
    let (_, file) = recorded();
    let tree = Tree::open(&file, "Events").unwrap();
    let path = file.path();
    let error = tree.column("Muon_pT").unwrap_err().to_string();
    assert_eq!(error, format!("no branch `Muon_pT` in {path}:/Events; did you mean `Muon_pt`?"));
    let error = Tree::open(&file, "Event").unwrap_err().to_string();
    assert!(error.starts_with(&format!("no object `Event` in {path}; it has Events")), "{error}");
}

#[test]
fn a_truncated_file_says_so() {
    let mut bytes = std::fs::read(sample()).unwrap();
    let whole = bytes.len();
    bytes.truncate(10_000);
    let error = RootFile::open(Arc::new(MemorySource::new("cut.root", bytes))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cut.root is damaged or not a ROOT file: the header at byte 0, because it has 10000 of {whole} \
             bytes: it is truncated; --recover looks for trees that are whole"
        )
    );
    assert!(!error.is_transient());
}

#[test]
fn a_damaged_basket_names_branch_entries_and_byte() {
    let mut bytes = std::fs::read(sample()).unwrap();
    let open = |bytes: &[u8]| {
        let source: Arc<dyn ByteSource> = Arc::new(MemorySource::new("dy.root", bytes.to_vec()));
        Tree::open(&Arc::new(RootFile::open(source).unwrap()), "Events").unwrap()
    };
    let columns = names(&["event"]);
    let plan = open(&bytes).plan(&columns, 0..40).unwrap();
    let basket = plan.ranges[0].clone();
    // The checksum at the end of the zlib stream.
    bytes[basket.end as usize - 1] ^= 1;
    let tree = open(&bytes);
    let ranges = tree.file().source().read(&plan.ranges).unwrap();
    let mut scratch = Scratch::default();
    let mut batches = tree.decode(&plan, &ranges, &mut scratch).unwrap();
    let error = batches.next(usize::MAX).unwrap_err();
    assert!(matches!(error, Error::Basket { .. }) && error.is_transient());
    assert_eq!(
        error.to_string(),
        format!(
            "branch `event` cannot be decoded\n  in dy.root:/Events, entries 0..40, basket 0 at byte {}\n  \
             because the zlib stream is damaged",
            basket.start
        )
    );
}
