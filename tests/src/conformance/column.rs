//! What was read of one column: the lists, records and alternatives around its numbers and strings,
//! each hashed.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, UnionArray};
use arrow_schema::DataType;
use sha2::{Digest, Sha256};

/// How many values are kept to be shown where a column differs.
const SHOWN: usize = 4;

/// One column, hashed as its arrays are added.
pub struct Column {
    root: Node,
}

/// The numbers or strings at one place inside a column.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The members that lead to it: `fP.fX`, `0` of a pair or map, `<1>` of a variant; empty where the
    /// column is numbers or strings itself.
    pub field: String,
    /// Whether a pointer leads to it.
    pub pointed: bool,
    /// What is around it, from outside in.
    pub levels: Vec<Level>,
    /// What it holds.
    pub content: Content,
}

/// A list, an optional or a variant around values. Hashes are SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// Lists of any length: the hash of their cumulative 64-bit offsets, which start at 0.
    Jagged(String),
    /// Lists of this length.
    Fixed(i32),
    /// Values that may be absent, of which some are: the hash of a byte each, 1 where there is one.
    /// Only the present ones are inside.
    Optional(String),
    /// One of several types: the hash of the types' numbers, a byte each, and the number of this one.
    /// Only the values of this type are inside.
    Union(String, i8),
}

/// The values of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Numbers and bools.
    Numbers {
        /// `f4`, `u1`, `bool`…: NumPy's name without the byte order.
        dtype: &'static str,
        /// How many there are.
        n: u64,
        /// The hash of their little-endian bytes; a bool is the byte 0 or 1.
        hash: String,
        /// The first ones.
        first: Vec<String>,
    },
    /// Strings.
    Strings {
        /// How many there are.
        n: u64,
        /// How many bytes they have.
        bytes: u64,
        /// The hash of their cumulative 64-bit offsets.
        offsets: String,
        /// The hash of their bytes.
        hash: String,
        /// The first ones.
        first: Vec<String>,
    },
    /// A class without members.
    EmptyRecord {
        /// How many there are.
        n: u64,
    },
    /// A type that has only nulls.
    Nothing,
}

/// What the reference's reader makes of each number, where that is not what is stored.
#[derive(Clone)]
pub(super) enum Distortion {
    /// Another floating-point number.
    Floats(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
    /// Its bytes the other way round.
    Swapped,
}

impl Column {
    /// A column of that type, still without entries. Floating-point numbers are hashed as `distortion`
    /// has them, if there is one.
    ///
    /// # Errors
    /// Where it is of an Arrow type that is compared with nothing.
    pub(super) fn new(data_type: &DataType, distortion: Option<&Distortion>) -> Result<Self, String> {
        Ok(Self { root: Node::new(data_type, distortion)? })
    }

    /// Adds entries, of the column's type.
    pub fn add(&mut self, array: &dyn Array) {
        self.root.add(array);
    }

    /// Its leaves, in order.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.root.leaves("", false, &[], &mut leaves);
        leaves
    }
}

/// A part of the column's type.
struct Node {
    validity: Validity,
    shape: Shape,
    distortion: Option<Distortion>,
}

struct Member {
    name: String,
    nullable: bool,
    node: Node,
}

enum Shape {
    Numbers { dtype: &'static str, n: u64, hash: Sha256, first: Vec<String> },
    Strings { n: u64, offsets: Offsets, hash: Sha256, first: Vec<String> },
    List { offsets: Offsets, item: Box<Node> },
    Fixed { size: i32, item: Box<Node> },
    Record { n: u64, fields: Vec<Member> },
    Union { tags: Sha256, members: Vec<(i8, Node)> },
    Nothing,
}

impl Node {
    fn new(data_type: &DataType, distortion: Option<&Distortion>) -> Result<Self, String> {
        let new = |of: &DataType| Self::new(of, distortion);
        let boxed = |item: &DataType| new(item).map(Box::new);
        let shape = match data_type {
            DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
                Shape::List { offsets: Offsets::default(), item: boxed(item.data_type())? }
            }
            DataType::FixedSizeList(item, size) => {
                Shape::Fixed { size: *size, item: boxed(item.data_type())? }
            }
            DataType::Struct(fields) => {
                let field = |field: &arrow_schema::FieldRef| {
                    let (name, nullable) = (field.name().clone(), field.is_nullable());
                    Ok(Member { name, nullable, node: new(field.data_type())? })
                };
                Shape::Record { n: 0, fields: fields.iter().map(field).collect::<Result<_, String>>()? }
            }
            DataType::Union(members, _) => {
                let member = |(tag, field): (i8, &arrow_schema::FieldRef)| Ok((tag, new(field.data_type())?));
                let members = members.iter().map(member).collect::<Result<_, String>>()?;
                Shape::Union { tags: Sha256::new(), members }
            }
            DataType::Binary | DataType::Utf8 | DataType::LargeBinary | DataType::LargeUtf8 => {
                Shape::Strings { n: 0, offsets: Offsets::default(), hash: Sha256::new(), first: Vec::new() }
            }
            DataType::Null => Shape::Nothing,
            other => match dtype(other) {
                Some(dtype) => Shape::Numbers { dtype, n: 0, hash: Sha256::new(), first: Vec::new() },
                None => return Err(format!("columns of Arrow's type {other} are compared with nothing")),
            },
        };
        Ok(Self { validity: Validity::default(), shape, distortion: distortion.cloned() })
    }

    /// Adds values, those that are null to nothing but `validity`.
    fn add(&mut self, array: &dyn Array) {
        self.validity.add(array);
        match array.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                for (first, end) in nulls.valid_slices() {
                    self.shape.add(&*array.slice(first, end - first), self.distortion.as_ref());
                }
            }
            _ => self.shape.add(array, self.distortion.as_ref()),
        }
    }

    fn leaves(&self, field: &str, pointed: bool, around: &[Level], out: &mut Vec<Leaf>) {
        let mut levels = around.to_vec();
        levels.extend(self.validity.level());
        let content = match &self.shape {
            Shape::List { offsets, item } => {
                levels.push(Level::Jagged(hex(&offsets.hash)));
                return item.leaves(field, pointed, &levels, out);
            }
            Shape::Fixed { size, item } => {
                levels.push(Level::Fixed(*size));
                return item.leaves(field, pointed, &levels, out);
            }
            Shape::Record { fields, .. } if !fields.is_empty() => {
                for Member { name, nullable, node } in fields {
                    node.leaves(&join(field, name), pointed || *nullable, &levels, out);
                }
                return;
            }
            Shape::Union { tags, members } => {
                for (tag, node) in members {
                    levels.push(Level::Union(hex(tags), *tag));
                    node.leaves(&join(field, &format!("<{tag}>")), pointed, &levels, out);
                    levels.pop();
                }
                return;
            }
            Shape::Record { n, .. } => Content::EmptyRecord { n: *n },
            Shape::Nothing => Content::Nothing,
            Shape::Numbers { dtype, n, hash, first } => {
                Content::Numbers { dtype, n: *n, hash: hex(hash), first: first.clone() }
            }
            Shape::Strings { n, offsets, hash, first } => Content::Strings {
                n: *n,
                bytes: offsets.last as u64,
                offsets: hex(&offsets.hash),
                hash: hex(hash),
                first: first.clone(),
            },
        };
        out.push(Leaf { field: field.to_owned(), pointed, levels, content });
    }
}

impl Shape {
    fn add(&mut self, array: &dyn Array, distortion: Option<&Distortion>) {
        match self {
            Self::Numbers { n, hash, first, .. } => {
                *n += array.len() as u64;
                match distortion {
                    Some(Distortion::Floats(of)) => numbers(&*floats(array, &**of), false, hash, first),
                    Some(Distortion::Swapped) => numbers(array, true, hash, first),
                    None => numbers(array, false, hash, first),
                }
            }
            Self::Strings { n, offsets, hash, first } => {
                *n += array.len() as u64;
                strings(array, |string| {
                    offsets.add(string.len());
                    hash.update(string);
                    if first.len() < SHOWN {
                        first.push(String::from_utf8_lossy(string).chars().take(40).collect());
                    }
                });
            }
            Self::List { offsets, item } => match array.data_type() {
                DataType::LargeList(_) => {
                    let list = array.as_list::<i64>();
                    lists(offsets, item, list.value_offsets(), list.values());
                }
                DataType::Map(..) => {
                    let map = array.as_map();
                    lists(offsets, item, map.value_offsets(), map.entries());
                }
                _ => {
                    let list = array.as_list::<i32>();
                    lists(offsets, item, list.value_offsets(), list.values());
                }
            },
            Self::Fixed { item, .. } => item.add(&**array.as_fixed_size_list().values()),
            Self::Record { n, fields } => {
                *n += array.len() as u64;
                for (field, column) in fields.iter_mut().zip(array.as_struct().columns()) {
                    field.node.add(&**column);
                }
            }
            Self::Union { tags, members } => union(array.as_union(), tags, members),
            Self::Nothing => {}
        }
    }
}

fn floats(array: &dyn Array, distortion: &dyn Fn(f64) -> f64) -> ArrayRef {
    if let Some(array) = array.as_primitive_opt::<Float32Type>() {
        return Arc::new(array.unary::<_, Float32Type>(|value| distortion(f64::from(value)) as f32));
    }
    match array.as_primitive_opt::<Float64Type>() {
        Some(array) => Arc::new(array.unary::<_, Float64Type>(distortion)),
        None => array.slice(0, array.len()),
    }
}

fn lists<O: Copy + TryInto<usize>>(around: &mut Offsets, item: &mut Node, offsets: &[O], values: &dyn Array) {
    let at = |offset: O| offset.try_into().unwrap_or_else(|_| panic!("a negative offset"));
    offsets.windows(2).for_each(|pair| around.add(at(pair[1]) - at(pair[0])));
    let (first, last) = (at(offsets[0]), at(offsets[offsets.len() - 1]));
    item.add(&*values.slice(first, last - first));
}

fn union(array: &UnionArray, tags: &mut Sha256, members: &mut [(i8, Node)]) {
    for at in 0..array.len() {
        let tag = array.type_id(at);
        tags.update(tag.to_le_bytes());
        if let Some((_, node)) = members.iter_mut().find(|(of, _)| *of == tag) {
            node.add(&*array.value(at));
        }
    }
}

fn strings(array: &dyn Array, mut each: impl FnMut(&[u8])) {
    match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().iter().flatten().for_each(each),
        DataType::LargeBinary => array.as_binary::<i64>().iter().flatten().for_each(each),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().flatten().for_each(|s| each(s.as_bytes())),
        _ => array.as_string::<i32>().iter().flatten().for_each(|s| each(s.as_bytes())),
    }
}

macro_rules! primitives {
    ($($arrow:ident $dtype:literal $type:ty;)*) => {
        /// NumPy's name of a type of numbers.
        fn dtype(data_type: &DataType) -> Option<&'static str> {
            match data_type {
                DataType::Boolean => Some("bool"),
                $(DataType::$arrow => Some($dtype),)*
                _ => None,
            }
        }

        fn numbers(array: &dyn Array, swapped: bool, hash: &mut Sha256, first: &mut Vec<String>) {
            let few = SHOWN - first.len();
            match array.data_type() {
                DataType::Boolean => {
                    let values = array.as_boolean().values();
                    let bytes: Vec<u8> = values.iter().map(u8::from).collect();
                    hash.update(bytes);
                    first.extend(values.iter().take(few).map(|value| value.to_string()));
                }
                $(DataType::$arrow => {
                    let values = array.as_primitive::<$type>().values();
                    let bytes = values.iter().flat_map(|value| match swapped {
                        true => value.to_be_bytes(),
                        false => value.to_le_bytes(),
                    });
                    let bytes: Vec<u8> = bytes.collect();
                    hash.update(bytes);
                    first.extend(values.iter().take(few).map(|value| value.to_string()));
                })*
                other => panic!("an array of {other} among numbers"),
            }
        }
    };
}

primitives! {
    Int8 "i1" Int8Type; Int16 "i2" Int16Type; Int32 "i4" Int32Type; Int64 "i8" Int64Type;
    UInt8 "u1" UInt8Type; UInt16 "u2" UInt16Type; UInt32 "u4" UInt32Type; UInt64 "u8" UInt64Type;
    Float16 "f2" Float16Type; Float32 "f4" Float32Type; Float64 "f8" Float64Type;
}

/// Cumulative offsets over all batches.
#[derive(Debug)]
struct Offsets {
    hash: Sha256,
    last: i64,
}

impl Default for Offsets {
    fn default() -> Self {
        let mut hash = Sha256::new();
        hash.update(0_i64.to_le_bytes());
        Self { hash, last: 0 }
    }
}

impl Offsets {
    fn add(&mut self, length: usize) {
        self.last += length as i64;
        self.hash.update(self.last.to_le_bytes());
    }
}

/// Which values are there. Nothing is hashed before the first null: most columns have none.
#[derive(Debug, Default)]
struct Validity {
    /// Values behind the last hashed one, all of them present.
    pending: u64,
    nulls: u64,
    hash: Sha256,
}

impl Validity {
    fn add(&mut self, array: &dyn Array) {
        match array.nulls() {
            Some(nulls) if nulls.null_count() > 0 => {
                (0..std::mem::take(&mut self.pending)).for_each(|_| self.hash.update([1]));
                nulls.iter().for_each(|valid| self.hash.update([u8::from(valid)]));
                self.nulls += nulls.null_count() as u64;
            }
            _ => self.pending += array.len() as u64,
        }
    }

    fn level(&self) -> Option<Level> {
        let mut hash = self.hash.clone();
        (0..self.pending).for_each(|_| hash.update([1]));
        (self.nulls > 0).then(|| Level::Optional(hex(&hash)))
    }
}

fn join(field: &str, child: &str) -> String {
    if field.is_empty() { child.to_owned() } else { format!("{field}.{child}") }
}

fn hex(hash: &Sha256) -> String {
    hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int32Builder, ListBuilder};
    use arrow_array::{Int32Array, StringArray, StructArray};
    use arrow_buffer::ScalarBuffer;
    use arrow_schema::{Field, Fields, UnionFields};

    use super::*;

    fn sha(bytes: &[u8]) -> String {
        hex(&Sha256::new_with_prefix(bytes))
    }

    fn leaves(arrays: &[&dyn Array]) -> Vec<Leaf> {
        let mut column = Column::new(arrays[0].data_type(), None).unwrap();
        arrays.iter().for_each(|array| column.add(*array));
        column.leaves()
    }

    fn little<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
        values.into_iter().flatten().collect()
    }

    #[test]
    fn offsets_go_on_from_batch_to_batch_and_slices_are_respected() {
        let mut builder = ListBuilder::new(Int32Builder::new());
        for entry in [&[1, 2][..], &[], &[3]] {
            builder.values().append_slice(entry);
            builder.append(true);
        }
        let list = builder.finish();
        let all = leaves(&[&list.slice(0, 1), &list.slice(1, 2)]);
        assert_eq!(all[0].levels, [Level::Jagged(sha(&little([0_i64, 2, 2, 3].map(i64::to_le_bytes))))]);
        let values = little([1_i32, 2, 3].map(i32::to_le_bytes));
        let Content::Numbers { dtype: "i4", n: 3, hash, .. } = &all[0].content else { panic!("{all:?}") };
        assert_eq!(*hash, sha(&values));
    }

    #[test]
    fn nulls_are_a_level_and_leave_no_value() {
        let all = leaves(&[&Int32Array::from(vec![7]), &Int32Array::from(vec![None, Some(5)])]);
        assert_eq!(all[0].levels, [Level::Optional(sha(&[1, 0, 1]))]);
        let Content::Numbers { n: 2, hash, .. } = &all[0].content else { panic!("{all:?}") };
        assert_eq!(*hash, sha(&little([7_i32, 5].map(i32::to_le_bytes))));
    }

    #[test]
    fn a_variant_has_its_tags_around_each_type() {
        let fields = UnionFields::try_new(
            [1, 2],
            [Field::new("a", DataType::Int32, false), Field::new("b", DataType::Utf8, false)],
        );
        let ids = ScalarBuffer::from(vec![2_i8, 1, 2]);
        let offsets = ScalarBuffer::from(vec![0, 0, 1]);
        let children: Vec<ArrayRef> =
            vec![Arc::new(Int32Array::from(vec![4])), Arc::new(StringArray::from(vec!["x", "yz"]))];
        let array = UnionArray::try_new(fields.unwrap(), ids, Some(offsets), children).unwrap();
        let all = leaves(&[&array]);
        assert_eq!(all[0].field, "<1>");
        assert_eq!(all[0].levels, [Level::Union(sha(&[2, 1, 2]), 1)]);
        let Content::Strings { n: 2, bytes: 3, offsets, hash, .. } = &all[1].content else {
            panic!("{all:?}")
        };
        assert_eq!(*offsets, sha(&little([0_i64, 1, 3].map(i64::to_le_bytes))));
        assert_eq!(*hash, sha(b"xyz"));
    }

    #[test]
    fn a_record_without_entries_still_has_its_leaves() {
        let inner = Fields::from(vec![Field::new("x", DataType::Float32, false)]);
        let fields = vec![Field::new("p", DataType::Struct(inner), false)];
        let column = Column::new(&DataType::Struct(fields.into()), None).unwrap();
        assert_eq!(column.leaves()[0].field, "p.x");
        let empty = StructArray::new_empty_fields(3, None);
        assert_eq!(leaves(&[&empty])[0].content, Content::EmptyRecord { n: 3 });
    }
}
