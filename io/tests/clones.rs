//! `TClonesArray`s in one piece, whose class only their bytes name. `tests/python/make_clones.py` says what
//! the file holds.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use hep_io::root::RootFile;
use hep_io::source::{LocalFile, Recorded, coalesce};
use hep_io::ttree::Tree;
use hep_io::{EntryReader, Result, Scratch};

const ENTRIES: usize = 6;

fn opened(tree: &str) -> (Arc<Recorded>, Tree) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clones.root");
    let source = Arc::new(Recorded::new(Arc::new(LocalFile::open(path).unwrap())));
    let file = Arc::new(RootFile::open(source.clone()).unwrap());
    let tree = Tree::open(&file, tree).unwrap();
    (source, tree)
}

fn read(tree: &Tree, column: &str, first: u64, end: u64) -> Result<ArrayRef> {
    let plan = tree.plan(&[column.to_owned()], first..end)?;
    let bytes = coalesce::read(&**tree.file().source(), &plan.ranges)?;
    let mut scratch = Scratch::default();
    let batch = tree.decode(&plan, &bytes, &mut scratch)?.next(usize::MAX)?.unwrap();
    Ok(batch.column(column).unwrap().clone())
}

fn whole(column: &str) -> ArrayRef {
    read(&opened("tree").1, column, 0, ENTRIES as u64).unwrap()
}

fn field<'a>(record: &'a StructArray, name: &str) -> &'a ArrayRef {
    record.column_by_name(name).unwrap()
}

/// Entry n has n vectors (n, 0.5), (n, 1.5)…
fn has_vectors(list: &ListArray, entries: impl IntoIterator<Item = usize>) {
    for entry in entries {
        let vectors = list.value(entry);
        assert_eq!(vectors.null_count(), 0);
        let (x, y) = (field(vectors.as_struct(), "fX"), field(vectors.as_struct(), "fY"));
        assert_eq!(x.as_primitive::<Float64Type>().values(), &vec![entry as f64; entry]);
        let expected: Vec<f64> = (0..entry).map(|at| at as f64 + 0.5).collect();
        assert_eq!(y.as_primitive::<Float64Type>().values(), &expected);
    }
}

#[test]
fn items_are_stored_by_objects_and_by_members() {
    for column in ["objects", "members"] {
        has_vectors(whole(column).as_list(), 0..ENTRIES);
    }
}

#[test]
fn an_empty_slot_is_null() {
    let column = whole("sparse");
    let list = column.as_list::<i32>();
    has_vectors(list, 0..4);
    for entry in 4..ENTRIES {
        let vectors = list.value(entry);
        let empty: Vec<usize> = (0..entry).filter(|at| vectors.is_null(*at)).collect();
        assert_eq!(empty, [1]);
        let y = field(vectors.as_struct(), "fY").as_primitive::<Float64Type>();
        assert_eq!(y.value(2), 2.5);
    }
}

#[test]
fn members_and_pointers_are_columns_of_the_object() {
    let column = whole("holder");
    let holder = column.as_struct();
    let names: Vec<&str> = holder.fields().iter().map(|field| field.name().as_str()).collect();
    // To `never`, all pointers are null.
    assert_eq!(names, ["before", "here", "direct", "pointed", "same", "after"]);
    assert_eq!(field(holder, "before").as_primitive::<Int32Type>().values(), &[1; ENTRIES]);
    assert_eq!(field(holder, "after").as_primitive::<Int32Type>().values(), &[2; ENTRIES]);
    has_vectors(field(holder, "here").as_list(), 0..ENTRIES);
    has_vectors(field(holder, "direct").as_list(), 0..ENTRIES);
    // `same` points to the same array as `pointed`, in every other entry.
    for name in ["pointed", "same"] {
        let list = field(holder, name).as_list::<i32>();
        assert_eq!((0..ENTRIES).map(|at| list.is_valid(at)).collect::<Vec<_>>(), [false, true].repeat(3));
        has_vectors(list, [1, 3, 5]);
    }
}

#[test]
fn a_member_that_holds_different_classes_is_passed_over() {
    let column = whole("two");
    let two = column.as_struct();
    assert_eq!(field(two, "first").as_struct().num_columns(), 0);
    assert_eq!(field(two, "after").as_primitive::<Int32Type>().values(), &[3; ENTRIES]);
}

#[test]
fn another_class_in_another_basket_is_an_error() {
    let (_, tree) = opened("tree");
    has_vectors(read(&tree, "changing", 0, 3).unwrap().as_list(), 0..3);
    let error = read(&tree, "changing", 0, 6).unwrap_err().to_string();
    for part in ["`changing`", "entries 3..6", "a TClonesArray of TNamed", "one of TVector2"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn without_entries_nothing_names_the_class() {
    let (source, tree) = opened("empty");
    source.take();
    let error = tree.column("objects").unwrap_err().to_string();
    assert!(error.contains("do not name the class of what its TClonesArray holds"), "{error}");
}

#[test]
fn the_first_basket_is_read_once_and_only_where_it_is_needed() {
    let (source, tree) = opened("tree");
    source.take();
    tree.column("number").unwrap();
    assert_eq!(source.take(), [[]; 0]);
    let whole = [("objects", "TClonesArray(TVector2)"), ("holder", "Holder")];
    for (column, type_name) in whole {
        // The description of the classes is read where the first object is asked for.
        tree.stored(column).unwrap();
        source.take();
        assert_eq!(tree.column(column).unwrap().type_name, type_name);
        let reads = source.take();
        assert_eq!(reads.len(), 1, "{reads:?}");
        let plan = tree.plan(&[column.to_owned()], 0..6).unwrap();
        assert_eq!(reads[0][0], plan.ranges[0]);
        tree.column(column).unwrap();
        assert_eq!(source.take(), [[]; 0], "what was found is kept");
    }
}
