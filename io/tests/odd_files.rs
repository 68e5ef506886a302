//! Files that are not as ROOT writes them today. Expected values are those of ROOT 6.40 and uproot 5.7.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use hep_io::source::{ByteSource, LocalFile, coalesce};
use hep_io::{EntryFile, EntryReader, Result, Scratch};

fn open(name: &str) -> EntryFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    EntryFile::open(Arc::new(LocalFile::open(path).unwrap())).unwrap()
}

/// The sum of a column of numbers.
fn sum(source: &dyn ByteSource, reader: &dyn EntryReader, name: &str) -> Result<f64> {
    let names = [name.to_owned()];
    let plan = reader.plan(&names, 0..reader.entries())?;
    let bytes = coalesce::read(source, &plan.ranges)?;
    let mut scratch = Scratch::default();
    let mut batches = reader.decode(&plan, &bytes, &mut scratch)?;
    let mut sum = 0.0;
    while let Some(batch) = batches.next(1000)? {
        let column = batch.column(name).unwrap();
        sum += match column.data_type() {
            arrow_schema::DataType::Float32 => {
                column.as_primitive::<Float32Type>().values().iter().map(|&x| f64::from(x)).sum::<f64>()
            }
            arrow_schema::DataType::Float64 => column.as_primitive::<Float64Type>().values().iter().sum(),
            _ => column.as_primitive::<Int64Type>().values().iter().map(|&x| x as f64).sum(),
        };
    }
    Ok(sum)
}

#[test]
fn a_branch_in_another_file_is_refused_by_name_and_the_others_are_read() {
    let file = open("setA.root");
    let reader = file.reader("t").unwrap();
    assert_eq!(sum(&**file.source(), &*reader, "x").unwrap(), 44_850.0);
    let error = reader.column("y").unwrap_err().to_string();
    assert!(error.starts_with("branch `y` in "), "{error}");
    assert!(error.contains("its baskets are in the file `setB.root` (TBranch::SetFile)"), "{error}");
}

#[test]
fn a_file_with_a_negative_version_is_read() {
    let file = open("uproot_update_negative_version.root");
    assert_eq!(file.trees().unwrap(), ["t", "added"]);
    let column = |tree: &str, column: &str| {
        let reader = file.reader(tree).unwrap();
        (reader.entries(), sum(&**file.source(), &*reader, column).unwrap())
    };
    assert_eq!(column("t", "x"), (100, 4950.0));
    assert_eq!(column("added", "y"), (10, 45.0));
}
