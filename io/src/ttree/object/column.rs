use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, FixedSizeListArray, ListArray, StructArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields};

use super::layout::{Class, Items, Layout};
use crate::root::{Malformed, Parse};
use crate::ttree::Element;

/// A column that grows: the shape of a [`Layout`], without what only its bytes have.
#[derive(Debug)]
pub(crate) enum Column {
    /// Numbers as they are stored: turned around all at once in the end.
    Numbers {
        element: Element,
        bytes: Vec<u8>,
    },
    Strings {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
    },
    List {
        offsets: Vec<i32>,
        item: Box<Column>,
    },
    Fixed {
        n: usize,
        item: Box<Column>,
        len: usize,
    },
    Struct {
        columns: Vec<Column>,
        len: usize,
    },
    /// A base class: its columns become those of the struct it is in.
    Base {
        columns: Vec<Column>,
        len: usize,
    },
    Optional {
        valid: Vec<bool>,
        inner: Box<Column>,
    },
}

impl Column {
    pub(crate) fn new(layout: &Layout) -> Self {
        let list = |item| Self::List { offsets: vec![0], item: Box::new(item) };
        let numbers = |element| Self::Numbers { element, bytes: Vec::new() };
        let strings = || Self::Strings { offsets: vec![0], bytes: Vec::new() };
        let record = |columns| Self::Struct { columns, len: 0 };
        let optional = |inner| Self::Optional { valid: Vec::new(), inner: Box::new(inner) };
        let class = |class: &Class| Self::Struct {
            columns: class.fields.iter().map(|field| Self::of_field(&field.layout, field.base)).collect(),
            len: 0,
        };
        match layout {
            Layout::Number(element) => numbers(*element),
            Layout::Bits => numbers(Element::U32),
            Layout::Enumeration(_) => numbers(Element::I32),
            Layout::String | Layout::TString | Layout::CString => strings(),
            Layout::Array(element) => list(numbers(*element)),
            Layout::Bitset(n) => Self::Fixed { n: *n, item: Box::new(numbers(Element::Bool)), len: 0 },
            Layout::List(inner) | Layout::Slice(inner, _) => list(Self::new(inner)),
            Layout::Map(of) => list(record(vec![Self::new(&of.0), Self::new(&of.1)])),
            Layout::Fixed(n, inner) => Self::Fixed { n: *n, item: Box::new(Self::new(inner)), len: 0 },
            Layout::Headed(inner) => Self::new(inner),
            Layout::Class(of) | Layout::Members(of) => class(of),
            Layout::Named(_, object) => Self::new(object),
            Layout::Pointer(of, _) => optional(class(of)),
            Layout::Clones(Items::Of(of)) => list(optional(class(of))),
            Layout::ClonesPointer(Items::Of(of)) => optional(list(optional(class(of)))),
            Layout::Object => record(vec![numbers(Element::U32), numbers(Element::U32)]),
            Layout::Ref => record(vec![numbers(Element::U32)]),
            Layout::RefArray => record(vec![strings(), numbers(Element::I32), list(numbers(Element::U32))]),
            Layout::Clones(_) | Layout::ClonesPointer(_) | Layout::Unknown | Layout::AnyPointer => {
                record(Vec::new())
            }
        }
    }

    fn of_field(layout: &Layout, base: bool) -> Self {
        // Other bases, as `TRef`, are one field of the class that has them.
        match (Self::new(layout), layout) {
            (Self::Struct { columns, len }, Layout::Class(_)) if base => Self::Base { columns, len },
            (column, _) => column,
        }
    }

    /// Appends `n` zeros, empty strings and empty lists: what a member is that was not written.
    pub(super) fn default(&mut self, n: usize) {
        match self {
            Self::Numbers { element, bytes } => bytes.resize(bytes.len() + n * element.size(), 0),
            Self::Strings { offsets, .. } | Self::List { offsets, .. } => {
                let last = offsets[offsets.len() - 1];
                offsets.resize(offsets.len() + n, last);
            }
            Self::Fixed { n: each, item, len } => {
                item.default(n * *each);
                *len += n;
            }
            Self::Struct { columns, len } | Self::Base { columns, len } => {
                columns.iter_mut().for_each(|column| column.default(n));
                *len += n;
            }
            Self::Optional { valid, inner } => {
                valid.resize(valid.len() + n, false);
                inner.default(n);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers { element, bytes } => bytes.len() / element.size(),
            Self::Strings { offsets, .. } | Self::List { offsets, .. } => offsets.len() - 1,
            Self::Fixed { len, .. } | Self::Struct { len, .. } | Self::Base { len, .. } => *len,
            Self::Optional { valid, .. } => valid.len(),
        }
    }

    /// How many bytes [`default`](Self::default) takes for one value.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Numbers { element, .. } => element.size(),
            Self::Strings { .. } | Self::List { .. } => size_of::<i32>(),
            Self::Fixed { n, item, .. } => n.saturating_mul(item.weight()),
            Self::Struct { columns, .. } | Self::Base { columns, .. } => {
                columns.iter().fold(1, |sum, column| sum.saturating_add(column.weight()))
            }
            Self::Optional { inner, .. } => inner.weight().saturating_add(1),
        }
    }

    pub(super) fn string(&mut self, text: &[u8], at: usize) -> Parse<()> {
        if let Self::Strings { offsets, bytes } = self {
            bytes.extend_from_slice(text);
            offsets.push(offset(bytes.len(), at)?);
        }
        Ok(())
    }

    /// Ends a list that has got `n` more items.
    pub(super) fn close_list(&mut self, n: usize, at: usize) -> Parse<()> {
        if let Self::List { offsets, .. } = self {
            let last = offsets[offsets.len() - 1] as usize;
            offsets.push(offset(last.saturating_add(n), at)?);
        }
        Ok(())
    }

    /// The last `n` values, which count.
    pub(super) fn tail(&self, n: usize) -> Option<Vec<usize>> {
        let Self::Numbers { element, bytes } = self else { return None };
        let size = element.size();
        if !element.is_integer() {
            return None;
        }
        let tail = bytes.get(bytes.len().checked_sub(n * size)?..)?;
        let value = |word: &[u8]| {
            let negative = !matches!(element, Element::U8 | Element::U16 | Element::U32 | Element::U64)
                && word[0] & 0x80 != 0;
            let value = word.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            if negative { None } else { usize::try_from(value).ok() }
        };
        tail.chunks_exact(size).map(value).collect()
    }

    /// The array. `data_type` is that of the layout.
    pub(crate) fn finish(self, data_type: &DataType) -> ArrayRef {
        match (self, data_type) {
            (Self::Numbers { element, bytes }, _) => element.array(&bytes),
            (Self::Strings { offsets, bytes }, _) => {
                Arc::new(BinaryArray::new(buffer(offsets), Buffer::from(bytes), None))
            }
            (Self::List { offsets, item }, DataType::List(field)) => {
                Arc::new(list(offsets, *item, None, field))
            }
            (Self::Fixed { item, len, .. }, DataType::FixedSizeList(field, n)) => {
                let item = item.finish(field.data_type());
                let array = FixedSizeListArray::try_new_with_length(field.clone(), *n, item, None, len);
                Arc::new(array.expect("as many items as the lists have"))
            }
            (Self::Struct { columns, len }, DataType::Struct(fields)) => {
                Arc::new(record(columns, len, None, fields))
            }
            (Self::Optional { valid, inner }, data_type) => {
                let nulls = Some(NullBuffer::new(BooleanBuffer::from(valid)));
                match (*inner, data_type) {
                    (Self::Struct { columns, len }, DataType::Struct(fields)) => {
                        Arc::new(record(columns, len, nulls, fields))
                    }
                    (Self::List { offsets, item }, DataType::List(field)) => {
                        Arc::new(list(offsets, *item, nulls, field))
                    }
                    (column, other) => unreachable!("a pointer to a column {column:?} of type {other}"),
                }
            }
            (column, other) => unreachable!("a column {column:?} of type {other}"),
        }
    }
}

/// The columns of a struct, those of base classes in place of the base classes.
fn flatten(columns: Vec<Column>, fields: &mut std::slice::Iter<'_, Arc<Field>>, arrays: &mut Vec<ArrayRef>) {
    for column in columns {
        if let Column::Base { columns, .. } = column {
            flatten(columns, fields, arrays);
        } else if let Some(field) = fields.next() {
            arrays.push(column.finish(field.data_type()));
        }
    }
}

fn record(columns: Vec<Column>, len: usize, nulls: Option<NullBuffer>, fields: &Fields) -> StructArray {
    let mut arrays = Vec::with_capacity(fields.len());
    flatten(columns, &mut fields.iter(), &mut arrays);
    StructArray::try_new_with_length(fields.clone(), arrays, nulls, len).expect("one array for each field")
}

fn list(offsets: Vec<i32>, item: Column, nulls: Option<NullBuffer>, field: &Arc<Field>) -> ListArray {
    ListArray::new(field.clone(), buffer(offsets), item.finish(field.data_type()), nulls)
}

fn buffer(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

fn offset(n: usize, at: usize) -> Parse<i32> {
    i32::try_from(n).map_err(|_| {
        Malformed::new(at, format!("a batch of {n} values is too large: ask for fewer entries at once"))
    })
}
