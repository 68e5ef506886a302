//! Objects and collections whose layout only ROOT's own rules tell. The files are those of ROOT 6.40 and of
//! Geant4; what they hold follows from the number of the entry, as a look at their bytes shows.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{Array, ArrayRef, ListArray};
use hep_io::root::RootFile;
use hep_io::source::{LocalFile, coalesce};
use hep_io::ttree::Tree;
use hep_io::{EntryReader, Result, Scratch};

fn opened(file: &str, tree: &str) -> Tree {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/odd").join(file);
    let file = Arc::new(RootFile::open(Arc::new(LocalFile::open(path).unwrap())).unwrap());
    Tree::open(&file, tree).unwrap()
}

/// The entries from `first` on, in batches of `size` entries.
fn batches(tree: &Tree, column: &str, first: u64, size: usize) -> Result<Vec<ArrayRef>> {
    let plan = tree.plan(&[column.to_owned()], first..tree.entries())?;
    let bytes = coalesce::read(&**tree.file().source(), &plan.ranges)?;
    let mut scratch = Scratch::default();
    let mut batches = tree.decode(&plan, &bytes, &mut scratch)?;
    let mut arrays = Vec::new();
    while let Some(batch) = batches.next(size)? {
        arrays.push(batch.column(column).unwrap().clone());
    }
    Ok(arrays)
}

fn whole(tree: &Tree, column: &str) -> ArrayRef {
    batches(tree, column, 0, usize::MAX).unwrap().remove(0)
}

fn floats(array: &dyn Array) -> Vec<f64> {
    if let Some(floats) = array.as_primitive_opt::<Float32Type>() {
        return floats.values().iter().map(|value| f64::from(*value)).collect();
    }
    if let Some(integers) = array.as_primitive_opt::<Int32Type>() {
        return integers.values().iter().map(|value| f64::from(*value)).collect();
    }
    array.as_primitive::<Float64Type>().values().to_vec()
}

/// The numbers of each list of lists.
fn nested(array: &dyn Array) -> Vec<Vec<f64>> {
    let lists = array.as_list::<i32>();
    (0..lists.len()).map(|at| floats(&lists.value(at))).collect()
}

/// Object `j` of entry `i` has the values 10 i + j + k / 10 in one array, and -(10 i + j + k) in the other.
#[test]
fn arrays_of_any_length_in_the_objects_of_a_collection() {
    for file in ["vararr_vec_s99.root", "vararr_tca_s99_by.root"] {
        let tree = opened(file, "t");
        for (counter, column, sign, step) in
            [("o/o.n", "o/o.arr", 1.0, 0.1), ("o/o.m", "o/o.arr2", -1.0, 1.0)]
        {
            let counts = nested(&whole(&tree, counter));
            assert!(counts.iter().flatten().sum::<f64>() > 50.0);
            // Wherever the entries and the batches begin.
            for (first, size) in [(0, usize::MAX), (0, 1), (7, 3), (49, 1), (23, 16)] {
                let batches = batches(&tree, column, first, size).unwrap();
                let entries = batches.iter().flat_map(|batch| {
                    let list: &ListArray = batch.as_list();
                    (0..list.len()).map(|at| nested(&list.value(at))).collect::<Vec<_>>()
                });
                let entries: Vec<_> = entries.collect();
                assert_eq!(entries.len(), 50 - first as usize);
                for (i, objects) in (first as usize..).zip(entries) {
                    let lengths: Vec<f64> = objects.iter().map(|object| object.len() as f64).collect();
                    assert_eq!(lengths, counts[i], "{file} {column} {i}");
                    for (j, object) in objects.iter().enumerate() {
                        for (k, value) in object.iter().enumerate() {
                            let expected = sign * (10.0 * i as f64 + j as f64 + step * k as f64);
                            assert!((value - expected).abs() < 1e-9, "{file} {column} {i} {j} {k}: {value}");
                        }
                    }
                }
            }
        }
    }
}

/// Entry 1 has {{10}, {11, 11}, {}}, the strings s1 and s2, {{0: 1}, {0: 1, 1: 1}}, and a pointer to a `Mu`.
#[test]
fn arrays_of_standard_collections_and_objects_of_derived_classes() {
    let (split, whole_objects) =
        (opened("array_of_stl_split99.root", "t"), opened("array_of_stl_split0.root", "t"));
    let object = whole(&whole_objects, "o.");
    let object = object.as_struct();
    let column = |name: &str, branch: &str| {
        let array = whole(&split, branch);
        assert_eq!(&array, object.column_by_name(name).unwrap(), "{name}");
        array
    };
    let vectors = column("av", "o./o.av[3]");
    assert_eq!(nested(&vectors.as_fixed_size_list().value(1)), [vec![10.0], vec![11.0, 11.0], vec![]]);
    assert_eq!(nested(&vectors.as_fixed_size_list().value(0)), [vec![], vec![1.0], vec![2.0, 2.0]]);
    let strings = column("as", "o./o.as[2]");
    assert_eq!(
        strings.as_fixed_size_list().value(3).as_binary::<i32>().iter().flatten().collect::<Vec<_>>(),
        [b"s3", b"s4"]
    );
    let maps = column("am", "o./o.am[2]").as_fixed_size_list().value(1);
    let pair = maps.as_list::<i32>().value(1);
    assert_eq!(floats(pair.as_struct().column(0)), [0.0, 1.0]);
    assert_eq!(floats(pair.as_struct().column(1)), [1.0, 1.0]);
    // Of an object of a derived class, the members that the declared class has.
    let parts = column("parts", "o./o.parts").as_list::<i32>().value(2);
    assert_eq!(floats(parts.as_struct().column_by_name("id").unwrap()), [-2.0, 2.0]);
    assert_eq!(floats(parts.as_struct().column_by_name("e").unwrap()), [0.0, 1.0]);
    let one = column("one", "o./o.one");
    assert!(one.is_null(0) && one.is_valid(1));
    assert_eq!(floats(one.as_struct().column_by_name("id").unwrap())[1..3], [1.0, 2.0]);
    column("tail", "o./o.tail");
}

/// Element (r, c) of the symmetric matrices of entry `i` is i + r + 10 c, and of the others 100 i + 10 r + c.
#[test]
fn matrices_and_vectors_of_them() {
    let tree = opened("matrices_and_enums.root", "t");
    for column in ["ms", "md"] {
        let matrices = whole(&tree, column);
        let matrices = matrices.as_struct();
        let names = ["fNrows", "fNcols", "fRowLwb", "fColLwb", "fNelems", "fNrowIndex", "fTol", "fElements"];
        assert_eq!(matrices.column_names(), names);
        let elements = nested(matrices.column_by_name("fElements").unwrap());
        let in_vectors = whole(&tree, &format!("v{column}"));
        for (i, elements) in elements.iter().enumerate() {
            let all = match column {
                // The upper half, as it is stored and as uproot reads it.
                "ms" => (0..3).flat_map(|r| (r..3).map(move |c| (i + r + 10 * c) as f64)).collect::<Vec<_>>(),
                _ => (0..2).flat_map(|r| (0..3).map(move |c| (100 * i + 10 * r + c) as f64)).collect(),
            };
            assert_eq!(elements, &all, "{column} {i}");
            let in_vector = in_vectors.as_list::<i32>().value(i);
            for elements in nested(in_vector.as_struct().column_by_name("fElements").unwrap()) {
                assert_eq!(elements, all, "v{column} {i}");
            }
        }
    }
}

/// No description says that the items are of an enumeration: 5 of `Color`, 200 of `E8`.
#[test]
fn vectors_of_enumerations() {
    let tree = opened("matrices_and_enums.root", "t");
    for (column, value) in [("vcol", 5.0), ("ve8", 200.0)] {
        let lists = nested(&whole(&tree, column));
        assert_eq!(lists[..3], [vec![], vec![value], vec![value, value]], "{column}");
    }
}

/// ROOT 6.40 writes no byte of a member of a split `std::array` of objects.
#[test]
fn what_was_not_written_is_not_damaged() {
    let tree = opened("matrices_and_enums.root", "t");
    for column in ["a3/_M_elems[3]", "va/va._M_elems[4]"] {
        let error = batches(&tree, column, 0, usize::MAX).unwrap_err();
        assert!(matches!(error, hep_io::Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("nothing was written for its entries 0..40"), "{error}");
    }
}

/// Expected: uproot 5.7.
#[test]
fn vector_columns_of_geant4() {
    let tree = opened("geant4_vector_columns.root", "hits");
    for (column, n, sum) in [("vd", 4500, 1_687_875.0), ("vf", 3000, 4_501_000.0), ("vi", 3000, 45_006_000.0)]
    {
        let lists = nested(&whole(&tree, column));
        let values: Vec<f64> = lists.iter().flatten().copied().collect();
        assert_eq!(values.len(), n, "{column}");
        // uproot sums 32-bit floats as such.
        assert!((values.iter().sum::<f64>() - sum).abs() < 1e3, "{column}");
    }
    assert_eq!(nested(&whole(&tree, "vd"))[..4], [vec![], vec![0.25], vec![0.5, 0.5], vec![0.75; 3]]);
    assert_eq!(nested(&whole(&tree, "vf"))[..3], [vec![], vec![1.0], vec![2.0, 2.5]]);
    assert_eq!(nested(&whole(&tree, "vi"))[..3], [vec![], vec![10.0], vec![20.0, 21.0]]);
}
