//! From a file's schema to columns: numbers, strings and lists of them, each one leaf of the schema.
//!
//! The members of a record are columns of their own. `MET: struct<pt, phi>` has the columns `MET_pt`
//! and `MET_phi`, and `Muon: list<struct<pt, eta>>` has the lists `Muon_pt` and `Muon_eta` and, for the
//! number of muons, `nMuon`: what NanoAOD calls them. `MET.pt` and `Muon.pt` name the same columns. A
//! column of the file that has such a name itself keeps it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema};

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// The name it is listed under.
    pub(super) name: String,
    /// Its leaf of the file's schema. A counter's is any leaf of its collection.
    pub(super) leaf: usize,
    /// The way to it from the file's top.
    pub(super) steps: Vec<Step>,
    /// Its type in batches, or why it cannot be read.
    pub(super) data_type: Result<DataType, String>,
    /// What the file calls its type.
    pub(super) type_name: String,
}

impl Column {
    /// Whether it is the lengths of a list, made from any column of the list.
    pub(super) fn is_counter(&self) -> bool {
        self.steps.last() == Some(&Step::Count)
    }
}

/// One step on the way to a column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into the member of a record, or at first into a column of the file.
    Member(String),
    /// Into the items of a list.
    Items,
    /// Into the items of a list that has so many in each entry.
    Fixed(i32),
    /// From a list to its lengths.
    Count,
}

/// All columns of a file, in its order.
#[derive(Debug)]
pub(super) struct Columns {
    all: Vec<Column>,
    names: HashMap<String, usize>,
}

impl Columns {
    /// The columns of `schema`, whose leaves are the file's. `written` is the schema of the writer,
    /// where it left one: only it tells lists of one fixed length from others.
    pub(super) fn new(schema: &Schema, written: Option<&Schema>) -> Self {
        let mut walk = Walk { leaf: 0, found: Vec::new() };
        for field in schema.fields() {
            let twin = written.and_then(|written| written.field_with_name(field.name()).ok());
            let steps = vec![Step::Member(field.name().clone())];
            walk.enter(&mut vec![field.name().clone()], steps, field, twin);
        }
        Self::named(walk.found)
    }

    /// Gives names: first to what has one in the file, then to counters, then to members of records.
    fn named(found: Vec<Found>) -> Self {
        let mut names: HashMap<String, usize> = HashMap::new();
        let mut chosen: Vec<Option<String>> = vec![None; found.len()];
        let rank = |found: &Found| match (found.counter, found.path.len()) {
            (false, 1) => 0,
            (true, _) => 1,
            _ => 2,
        };
        for wanted in 0..3 {
            for (at, column) in found.iter().enumerate().filter(|(_, column)| rank(column) == wanted) {
                let prefix = if column.counter { "n" } else { "" };
                let aliases = ["_", "."].map(|separator| format!("{prefix}{}", column.path.join(separator)));
                for alias in aliases {
                    if let Entry::Vacant(free) = names.entry(alias) {
                        chosen[at].get_or_insert_with(|| free.key().clone());
                        free.insert(at);
                    }
                }
            }
        }
        let mut places = vec![usize::MAX; found.len()];
        let mut all: Vec<Column> = Vec::with_capacity(found.len());
        for (at, Found { mut column, counter, path }) in found.into_iter().enumerate() {
            match chosen[at].take() {
                Some(name) => column.name = name,
                // The file counts these objects itself.
                None if counter => continue,
                None => {
                    column.name = unique(&path.join("."), &names);
                    column.data_type = Err("another column has the same name".to_owned());
                    names.insert(column.name.clone(), at);
                }
            }
            places[at] = all.len();
            all.push(column);
        }
        names.values_mut().for_each(|at| *at = places[*at]);
        Self { all, names }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Column> {
        self.all.iter()
    }

    /// The column of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Column> {
        self.names.get(name).map(|&at| &self.all[at])
    }

    /// The listed name most like `name`.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        hep_columns::nearest(name, self.all.iter().map(|column| column.name.as_str()))
    }
}

fn unique(name: &str, taken: &HashMap<String, usize>) -> String {
    (2..).map(|copy| format!("{name}#{copy}")).find(|name| !taken.contains_key(name)).unwrap_or_default()
}

/// A column before it has its name.
struct Found {
    column: Column,
    path: Vec<String>,
    counter: bool,
}

/// The walk over the leaves, in their order. Its depth is bounded: the footer's was checked.
struct Walk {
    leaf: usize,
    found: Vec<Found>,
}

impl Walk {
    fn enter(&mut self, path: &mut Vec<String>, steps: Vec<Step>, field: &Field, written: Option<&Field>) {
        let inner = |step: Step| steps.iter().cloned().chain([step]).collect::<Vec<_>>();
        match field.data_type() {
            DataType::Struct(members) => {
                for member in members {
                    let twin = written.and_then(|written| twin(written, member.name()));
                    path.push(member.name().clone());
                    self.enter(path, inner(Step::Member(member.name().clone())), member, twin);
                    path.pop();
                }
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let (step, twin) = match written.map(Field::data_type) {
                    Some(DataType::FixedSizeList(twin, n)) if *n > 0 => (Step::Fixed(*n), Some(twin)),
                    Some(DataType::List(twin) | DataType::LargeList(twin)) => (Step::Items, Some(twin)),
                    _ => (Step::Items, None),
                };
                let outermost = !steps.iter().any(|step| matches!(step, Step::Items | Step::Fixed(_)));
                if outermost && step == Step::Items && matches!(item.data_type(), DataType::Struct(_)) {
                    let column = Column {
                        name: String::new(),
                        leaf: self.leaf,
                        steps: inner(Step::Count),
                        data_type: Ok(DataType::UInt32),
                        type_name: "number of objects".to_owned(),
                    };
                    self.found.push(Found { column, path: path.clone(), counter: true });
                }
                self.enter(path, inner(step), item, twin.map(|twin| &**twin));
            }
            DataType::Map(..) => {
                let leaves = leaves(field.data_type());
                let reason = "it is a map".to_owned();
                self.push(path, steps, Err(reason), "map".to_owned());
                self.leaf += leaves - 1;
            }
            value => {
                let value = plain(value);
                let name = type_name(&steps, field, &value);
                let data_type = value.map(|value| wrapped(&steps, value));
                self.push(path, steps, data_type, name);
            }
        }
    }

    fn push(
        &mut self,
        path: &[String],
        steps: Vec<Step>,
        data_type: Result<DataType, String>,
        type_name: String,
    ) {
        let column = Column { name: String::new(), leaf: self.leaf, steps, data_type, type_name };
        self.found.push(Found { column, path: path.to_vec(), counter: false });
        self.leaf += 1;
    }
}

/// The member `name` of the record that `written` is, or is a list of.
fn twin<'a>(written: &'a Field, name: &str) -> Option<&'a Field> {
    match written.data_type() {
        DataType::Struct(members) => members.find(name).map(|(_, member)| &**member),
        _ => None,
    }
}

fn leaves(data_type: &DataType) -> usize {
    let all = |fields: &Fields| fields.iter().map(|field| leaves(field.data_type())).sum::<usize>();
    match data_type {
        DataType::Struct(members) => all(members),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => leaves(item.data_type()),
        _ => 1,
    }
}

/// The type in batches of a value of the file.
fn plain(value: &DataType) -> Result<DataType, String> {
    use DataType::{
        Binary, Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Decimal256, Duration, Float16,
        Float32, Float64, Int8, Int16, Int32, Int64, Interval, LargeBinary, LargeUtf8, Null, Time32, Time64,
        Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
    };
    let what = match value {
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float32 | Float64 => {
            return Ok(value.clone());
        }
        Float16 => return Ok(Float32),
        Utf8 | LargeUtf8 | Binary | LargeBinary => return Ok(Binary),
        Date32 | Date64 => "dates",
        Timestamp(..) => "times",
        Time32(_) | Time64(_) => "times of day",
        Duration(_) | Interval(_) => "durations",
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => "decimal numbers",
        DataType::FixedSizeBinary(n) => return Err(format!("it holds pieces of {n} bytes")),
        Null => "nothing but nulls",
        other => return Err(format!("it holds {other}")),
    };
    Err(format!("it holds {what}"))
}

/// The type of a column whose values, behind `steps`, are of the type `value`.
fn wrapped(steps: &[Step], value: DataType) -> DataType {
    steps.iter().rev().fold(value, |inner, step| match step {
        Step::Items => DataType::List(item(inner)),
        Step::Fixed(n) => DataType::FixedSizeList(item(inner), *n),
        Step::Member(_) | Step::Count => inner,
    })
}

/// The item of a list in batches: never null.
pub(super) fn item(of: DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(of, false))
}

/// `list<float>`, `list<optional int32>`, `float[3]`, `string`.
fn type_name(steps: &[Step], field: &Field, value: &Result<DataType, String>) -> String {
    let optional = if field.is_nullable() { "optional " } else { "" };
    let value = match value {
        Ok(DataType::Float32) if *field.data_type() == DataType::Float16 => "half".to_owned(),
        Ok(DataType::Float32) => "float".to_owned(),
        Ok(DataType::Float64) => "double".to_owned(),
        Ok(DataType::Boolean) => "bool".to_owned(),
        Ok(DataType::Binary) if *field.data_type() == DataType::Utf8 => "string".to_owned(),
        _ => field.data_type().to_string().to_lowercase(),
    };
    steps.iter().rev().fold(format!("{optional}{value}"), |inner, step| match step {
        Step::Items => format!("list<{inner}>"),
        Step::Fixed(n) => format!("{inner}[{n}]"),
        Step::Member(_) | Step::Count => inner,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(of: Field) -> DataType {
        DataType::List(Arc::new(of.with_name("element")))
    }

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, false)
    }

    fn columns(fields: Vec<Field>) -> Columns {
        Columns::new(&Schema::new(fields), None)
    }

    fn listed(columns: &Columns) -> Vec<(String, usize)> {
        columns.iter().map(|column| (column.name.clone(), column.leaf)).collect()
    }

    fn muons() -> Field {
        let members = vec![field("pt", DataType::Float32), field("hits", list(field("", DataType::Int16)))];
        field("Muon", list(field("", DataType::Struct(members.into()))))
    }

    #[test]
    fn records_have_the_names_of_nanoaod_and_a_counter() {
        let columns =
            columns(vec![field("run", DataType::UInt32), muons(), field("MET_pt", DataType::Float32)]);
        let want = [("run", 0), ("nMuon", 1), ("Muon_pt", 1), ("Muon_hits", 2), ("MET_pt", 3)];
        assert_eq!(listed(&columns), want.map(|(name, leaf)| (name.to_owned(), leaf)));
        assert_eq!(columns.find("Muon.hits").unwrap().type_name, "list<list<int16>>");
        assert_eq!(columns.find("nMuon").unwrap().data_type, Ok(DataType::UInt32));
        assert!(columns.find("Muon").is_none());
    }

    #[test]
    fn a_name_in_the_file_goes_before_one_that_is_made() {
        let columns =
            columns(vec![muons(), field("nMuon", DataType::Int64), field("Muon_pt", DataType::Int8)]);
        let want = [("Muon.pt", 0), ("Muon_hits", 1), ("nMuon", 2), ("Muon_pt", 3)];
        assert_eq!(listed(&columns), want.map(|(name, leaf)| (name.to_owned(), leaf)));
        assert_eq!(columns.find("Muon_pt").unwrap().data_type, Ok(DataType::Int8));
    }

    #[test]
    fn the_same_name_twice_is_listed_and_not_read() {
        let columns = columns(vec![field("x", DataType::Int8), field("x", DataType::Int16)]);
        assert_eq!(listed(&columns), [("x".to_owned(), 0), ("x#2".to_owned(), 1)]);
        assert!(columns.find("x#2").unwrap().data_type.is_err());
    }

    #[test]
    fn fixed_lengths_come_from_the_writer() {
        let written = field("x", DataType::FixedSizeList(Arc::new(field("", DataType::Float16)), 3));
        let stored = field("x", list(Field::new("", DataType::Float16, true)));
        let columns = Columns::new(&Schema::new(vec![stored]), Some(&Schema::new(vec![written])));
        let x = columns.find("x").unwrap();
        assert_eq!(x.type_name, "optional half[3]");
        assert_eq!(x.data_type, Ok(DataType::FixedSizeList(item(DataType::Float32), 3)));
    }
}
