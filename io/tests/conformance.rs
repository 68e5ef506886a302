//! Every branch of real files against what uproot reads: the repository's own `datasets/reference.json`,
//! and `../shared/fixtures/reference.json`, whose `_doc` explains its fields. The latter files are not
//! part of this repository; where they are absent the test says so and passes.
#![allow(clippy::print_stdout)] // what was skipped, and tables

mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, types::*};
use arrow_schema::DataType;
use hep_io::root::RootFile;
use hep_io::source::{LocalFile, coalesce};
use hep_io::ttree::Tree;
use hep_io::{EntryReader, Error, Scratch};
use serde_json::Value;
use sha2::{Digest, Sha256};
use skip::skip;

/// Entries of a batch: odd, so that batches end inside baskets.
const BATCH: usize = 777;

/// What the reference says of one number or string inside a branch.
#[derive(Debug, Default)]
struct Leaf {
    dtype: String,
    n: u64,
    content: Sha256,
    /// Of each list around it: the cumulative offsets, hashed, or its fixed length.
    levels: Vec<Level>,
    string: Option<Level>,
}

#[derive(Clone, Debug)]
enum Level {
    Jagged { hash: Sha256, last: i64 },
    Fixed(i32),
}

impl Level {
    fn jagged() -> Self {
        let mut hash = Sha256::new();
        hash.update(0_i64.to_le_bytes());
        Self::Jagged { hash, last: 0 }
    }

    fn add(&mut self, offsets: &[i32]) {
        let Self::Jagged { hash, last } = self else { return };
        for pair in offsets.windows(2) {
            *last += i64::from(pair[1] - pair[0]);
            hash.update(last.to_le_bytes());
        }
    }
}

fn hex(hash: &Sha256) -> String {
    hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Column {
    leaves: BTreeMap<String, Leaf>,
}

impl Column {
    fn add(&mut self, array: &dyn Array, field: &str, depth: usize) {
        match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                for leaf in leaf_names(array, field) {
                    let leaf = self.leaves.entry(leaf).or_default();
                    if leaf.levels.len() == depth {
                        leaf.levels.push(Level::jagged());
                    }
                    leaf.levels[depth].add(offsets);
                }
                let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
                self.add(&*list.values().slice(first, last - first), field, depth + 1);
            }
            DataType::FixedSizeList(_, n) => {
                for leaf in leaf_names(array, field) {
                    let leaf = self.leaves.entry(leaf).or_default();
                    if leaf.levels.len() == depth {
                        leaf.levels.push(Level::Fixed(*n));
                    }
                }
                self.add(&**array.as_fixed_size_list().values(), field, depth + 1);
            }
            DataType::Struct(fields) => {
                for (child, column) in fields.iter().zip(array.as_struct().columns()) {
                    self.add(&**column, &join(field, child.name()), depth);
                }
            }
            DataType::Binary => {
                let strings = array.as_binary::<i32>();
                let leaf = self.leaves.entry(field.to_owned()).or_default();
                leaf.n += strings.len() as u64;
                leaf.string.get_or_insert_with(Level::jagged).add(strings.value_offsets());
                strings.iter().flatten().for_each(|string| leaf.content.update(string));
            }
            _ => self.leaves.entry(field.to_owned()).or_default().numbers(array),
        }
    }
}

fn join(field: &str, child: &str) -> String {
    if field.is_empty() { child.to_owned() } else { format!("{field}.{child}") }
}

fn leaf_names(array: &dyn Array, field: &str) -> Vec<String> {
    fn names(data_type: &DataType, field: &str, out: &mut Vec<String>) {
        match data_type {
            DataType::List(item) | DataType::FixedSizeList(item, _) => names(item.data_type(), field, out),
            DataType::Struct(fields) => {
                fields.iter().for_each(|child| names(child.data_type(), &join(field, child.name()), out));
            }
            _ => out.push(field.to_owned()),
        }
    }
    let mut out = Vec::new();
    names(array.data_type(), field, &mut out);
    out
}

impl Leaf {
    fn numbers(&mut self, array: &dyn Array) {
        macro_rules! hash {
            ($($arrow:ident $dtype:literal $type:ty;)*) => {
                match array.data_type() {
                    DataType::Boolean => {
                        self.dtype = "bool".to_owned();
                        array.as_boolean().values().iter().for_each(|bit| self.content.update([u8::from(bit)]));
                    }
                    $(DataType::$arrow => {
                        self.dtype = $dtype.to_owned();
                        let values = array.as_primitive::<$type>().values();
                        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                        self.content.update(bytes);
                    })*
                    other => panic!("{other}"),
                }
            };
        }
        self.n += array.len() as u64;
        hash! {
            Int8 "i1" Int8Type; Int16 "i2" Int16Type; Int32 "i4" Int32Type; Int64 "i8" Int64Type;
            UInt8 "u1" UInt8Type; UInt16 "u2" UInt16Type; UInt32 "u4" UInt32Type; UInt64 "u8" UInt64Type;
            Float32 "f4" Float32Type; Float64 "f8" Float64Type;
        }
    }

    /// How it differs from the reference, if it does.
    fn differs(&self, reference: &Value, counts: bool) -> Option<String> {
        let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
        let of = |what: &str, got: String, wanted: String| {
            (got != wanted).then(|| format!("{what}: {got}, and the reference {wanted}"))
        };
        if let Some(Level::Jagged { hash, .. }) = &self.string {
            if let Some(wrong) = of("string offsets", hex(hash), text("offsets_sha256")) {
                return Some(wrong);
            }
        } else {
            let mut wanted = text("dtype").replace("uint8", "u1").replace("int8", "i1");
            // uproot takes a member that counts for unsigned; it is an `int` in the class.
            if wanted == "u4" && self.dtype == "i4" && counts {
                wanted = "i4".to_owned();
            }
            // It gives uninitialised bools as the bytes they are; a bool is true or false.
            if wanted == "bool" && reference["max"].as_f64().is_some_and(|most| most > 1.0) {
                return None;
            }
            if let Some(wrong) = of("type", self.dtype.clone(), wanted) {
                return Some(wrong);
            }
        }
        let levels: Vec<String> = self
            .levels
            .iter()
            .map(|level| match level {
                Level::Jagged { hash, .. } => hex(hash),
                Level::Fixed(n) => n.to_string(),
            })
            .collect();
        let wanted: Vec<String> = reference["levels"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|level| match level["offsets_sha256"].as_str() {
                Some(hash) => hash.to_owned(),
                None => level["fixed"].to_string(),
            })
            .collect();
        of("levels", format!("{levels:?}"), format!("{wanted:?}"))
            .or_else(|| of("number of values", self.n.to_string(), reference["n"].to_string()))
            .or_else(|| of("values", hex(&self.content), text("content_sha256")))
    }
}

/// Reads a whole column in two ranges of entries and in batches that ignore the baskets.
fn read(tree: &Tree, name: &str, scratch: &mut Scratch) -> Result<Column, Error> {
    let mut column = Column::default();
    let info = tree.column(name)?;
    let columns = [name.to_owned()];
    let middle = tree.entries() / 3;
    for range in [0..middle, middle..tree.entries()] {
        let plan = tree.plan(&columns, range)?;
        let bytes = coalesce::read(&**tree.file().source(), &plan.ranges)?;
        let mut batches = tree.decode(&plan, &bytes, scratch)?;
        while let Some(batch) = batches.next(BATCH)? {
            let array = batch.column(name).unwrap();
            assert_eq!(*array.data_type(), info.data_type, "{name}");
            column.add(&**array, "", 0);
        }
    }
    Ok(column)
}

fn compare(tree: &Tree, name: &str, reference: &Value, scratch: &mut Scratch) -> Outcome {
    let column = match read(tree, name, scratch) {
        Ok(column) => column,
        Err(Error::Unsupported { reason, .. }) => return Outcome::Unsupported(reason),
        Err(Error::NoColumn { .. }) => return Outcome::Unsupported("no such name".to_owned()),
        Err(error) => return Outcome::Error(error.to_string()),
    };
    let Some(leaves) = reference["leaves"].as_array().filter(|_| reference["suspect"].is_null()) else {
        return Outcome::NoReference;
    };
    if tree.entries() == 0 {
        return Outcome::Equal;
    }
    if leaves.len() != column.leaves.len() {
        return Outcome::Different(format!(
            "{} leaves, and the reference {}",
            column.leaves.len(),
            leaves.len()
        ));
    }
    for reference in leaves {
        let field = reference["field"].as_str().unwrap_or_default();
        let Some(leaf) = column.leaves.get(field) else {
            return Outcome::Different(format!("no leaf `{field}`"));
        };
        if let Some(wrong) = leaf.differs(reference, name.ends_with("/N") || name.ends_with(".numberOfHits"))
        {
            return Outcome::Different(wrong);
        }
    }
    Outcome::Equal
}

enum Outcome {
    Equal,
    NoReference,
    Different(String),
    Unsupported(String),
    Error(String),
}

fn fixtures() -> Option<(PathBuf, Value)> {
    // Any folder with files and their `reference.json` will do.
    let folder = std::env::var_os("HEP_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("reference.json")) else {
        skip("conformance with the fixtures: their folder is not beside this repository");
        return None;
    };
    Some((folder, serde_json::from_str(&text).unwrap()))
}

/// Kinds of branches in the reference's terms, each with its outcomes.
#[derive(Default)]
struct Table {
    kinds: BTreeMap<String, [usize; 5]>,
    complaints: Vec<String>,
}

impl Table {
    fn file(&mut self, folder: &Path, name: &str, reference: &Value) {
        let Some(trees) = reference["trees"].as_object().filter(|trees| !trees.is_empty()) else { return };
        let path = folder.join(name);
        if !path.exists() {
            skip(&format!("{name} is absent"));
            return;
        }
        let file = match LocalFile::open(&path).and_then(|source| RootFile::open(Arc::new(source))) {
            Ok(file) => Arc::new(file),
            Err(error) => return self.complaints.push(format!("FILE {name}: {error}")),
        };
        let mut scratch = Scratch::default();
        for (tree_name, reference) in trees {
            let tree = match Tree::open(&file, tree_name) {
                Ok(tree) => tree,
                Err(Error::WrongClass { .. }) => continue,
                Err(error) => {
                    self.complaints.push(format!("TREE {name}:{tree_name}: {error}"));
                    continue;
                }
            };
            assert_eq!(Some(tree.entries()), reference["entries"].as_u64(), "{name}:{tree_name}");
            for (branch, reference) in reference["branches"].as_object().into_iter().flatten() {
                let outcome = compare(&tree, branch, reference, &mut scratch);
                let kind = reference["kind"].as_str().unwrap_or("?").split(':').next().unwrap_or("?");
                let counts = self.kinds.entry(kind.to_owned()).or_default();
                let (at, complaint) = match outcome {
                    Outcome::Equal => (0, None),
                    Outcome::NoReference => (1, None),
                    Outcome::Unsupported(why) => (2, Some(format!("unsupported {kind}: {why}"))),
                    Outcome::Error(why) => (3, Some(format!("ERROR {kind}: {why}"))),
                    Outcome::Different(why) => (4, Some(format!("DIFFERENT {kind}: {why}"))),
                };
                counts[at] += 1;
                self.complaints.extend(complaint.map(|why| format!("{why}  [{name}:{tree_name}:{branch}]")));
            }
        }
    }

    fn print(&self) {
        println!(
            "{:24} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "kind", "equal", "no ref.", "unsupp.", "error", "different"
        );
        for (kind, [equal, none, unsupported, error, different]) in &self.kinds {
            println!("{kind:24} {equal:8} {none:8} {unsupported:8} {error:8} {different:8}");
        }
        let limit = std::env::var("COMPLAINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
        self.complaints
            .iter()
            .filter(|text| !text.starts_with("unsupported"))
            .take(limit)
            .for_each(|text| println!("{text}"));
        if std::env::var_os("UNSUPPORTED").is_some() {
            self.complaints
                .iter()
                .filter(|text| text.starts_with("unsupported"))
                .for_each(|text| println!("{text}"));
        }
    }

    fn total(&self, at: usize) -> usize {
        self.kinds.values().map(|counts| counts[at]).sum()
    }
}

/// The files of this repository: always there.
#[test]
fn every_column_of_our_own_data_equals_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
    let reference: Value =
        serde_json::from_slice(&std::fs::read(folder.join("reference.json")).unwrap()).unwrap();
    let mut table = Table::default();
    for (name, reference) in reference["files"].as_object().unwrap() {
        table.file(&folder, name, reference);
    }
    table.print();
    assert!(table.total(0) > 3000);
    assert_eq!(table.complaints, Vec::<String>::new());
}

/// The bar: all columns of all NanoAOD-like files.
#[test]
fn every_column_of_nanoaod_equals_the_reference() {
    let Some((folder, reference)) = fixtures() else { return };
    let mut table = Table::default();
    for (name, reference) in reference["files"].as_object().unwrap() {
        let nano = name.starts_with("coffea/nano_")
            || name.starts_with("coffea/pfnano")
            || name.starts_with("skhep/nanoAOD")
            || name.starts_with("adl_real_1000")
            || name == "func_adl/Run2012B_SingleMu_1000.root";
        if nano {
            table.file(&folder, name, reference);
        }
    }
    table.print();
    assert!(table.total(0) > 3000);
    let others = table.kinds.iter().filter(|(kind, _)| matches!(kind.as_str(), "flat" | "jagged" | "fixed"));
    for (kind, counts) in others {
        assert_eq!(counts[1..], [0; 4], "{kind}");
    }
    assert_eq!(table.complaints.iter().filter(|text| !text.starts_with("unsupported")).count(), 0);
}

/// No column of any file differs, and those that cannot be read say so.
#[test]
fn no_column_of_any_file_differs() {
    let Some((folder, reference)) = fixtures() else { return };
    let mut table = Table::default();
    for (name, reference) in reference["files"].as_object().unwrap() {
        table.file(&folder, name, reference);
    }
    table.print();
    assert_eq!(table.total(4), 0);
}
