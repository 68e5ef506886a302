//! RNTuples: the same columns as the TTree of the same events, by the names of any layout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use hep_io::source::{LocalFile, coalesce};
use hep_io::{EntryFile, EntryReader, Scratch};

fn dataset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").join(name)
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
