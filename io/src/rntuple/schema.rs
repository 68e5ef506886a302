//! What an RNTuple consists of: its fields, and the columns that store them.
//!
//! Specification: sections "Header Envelope" and "Schema Extension Record Frame".

use std::collections::BTreeMap;

use super::encoding::Encoding;
use super::envelope::{Parsed, Reader};
use crate::root::{Malformed, Parse};

/// No field has more columns than this: a string has two.
const MOST_COLUMNS: usize = 8;

/// Fields nest no deeper than this: it bounds the recursion of all that walks them.
const DEEPEST: u32 = 64;

/// The paths of all fields have so many times the bytes of their descriptions at most: a long name is
/// in the path of everything inside of it. A description has at least 34 bytes beside the name.
const PATHS: usize = 16;
const SMALLEST_FIELD: usize = 34;

const REPETITIVE: u16 = 1;
const DEFERRED: u16 = 1;
const RANGED: u16 = 2;

/// How a field's values come from its columns and subfields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Values of its own columns, or those of its only subfield.
    Leaf,
    /// A list of what its subfield is.
    Collection,
    /// All of its subfields.
    Record,
    /// One of its subfields.
    Variant,
    /// Objects that only the classes' own streamers can read.
    Streamer,
    Unknown(u16),
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// As C++ writes it; empty for untyped collections and records.
    pub(super) type_name: String,
    pub(super) role: Role,
    /// How many copies an entry has, for arrays of fixed size.
    pub(super) repeats: Option<u64>,
    parent: u32,
    pub(super) children: Vec<usize>,
    /// Its columns in order, each in all of its representations: places in [`Schema::columns`].
    pub(super) columns: Vec<usize>,
}

/// The values of one column of a field, in all the representations that clusters may use.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Places in [`Schema::stored`]: one for each representation.
    pub(super) representations: Vec<usize>,
}

/// A column as pages store it.
#[derive(Clone, Debug)]
pub(super) struct StoredColumn {
    pub(super) encoding: Encoding,
    field: u32,
    representation: u16,
    /// For a column that was added while entries were written: the elements before, which are zero.
    /// Negative where another representation has them.
    pub(super) deferred: Option<i64>,
    /// The column it is a representation of.
    pub(super) column: usize,
}

#[derive(Debug)]
struct Alias {
    stored: u32,
    field: u32,
}

/// The fields and columns of header and footer together.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) fields: Vec<Field>,
    pub(super) columns: Vec<Column>,
    pub(super) stored: Vec<StoredColumn>,
    aliases: Vec<Alias>,
    /// The top-level fields, in order.
    pub(super) top: Vec<usize>,
}

impl Schema {
    /// Adds the four lists of a schema description.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Parsed<()> {
        let mut list = reader.list()?;
        for _ in 0..list.items {
            let field = Field::read(&mut list.reader.record()?)?;
            self.fields.push(field);
        }
        let mut list = reader.list()?;
        for _ in 0..list.items {
            let column = StoredColumn::read(&mut list.reader.record()?)?;
            self.stored.push(column);
        }
        let mut list = reader.list()?;
        for _ in 0..list.items {
            let mut record = list.reader.record()?;
            self.aliases.push(Alias { stored: record.u32()?, field: record.u32()? });
        }
        // What follows are streamers of fields that we do not read.
        Ok(())
    }

    /// Links fields and columns once all are there.
    pub(super) fn link(&mut self) -> Parse<()> {
        for at in 0..self.fields.len() {
            let parent = self.fields[at].parent as usize;
            if parent == at {
                self.top.push(at);
                continue;
            }
            let count = self.fields.len();
            let Some(field) = self.fields.get_mut(parent) else {
                let reason = format!("field {at} is inside field {parent}, and there are {count}");
                return Err(Malformed::new(0, reason));
            };
            field.children.push(at);
        }
        self.check_depths()?;
        // The columns of a field come in groups, one for each representation; what has the same place
        // in each group holds the same values.
        let mut places: BTreeMap<(u32, u16), usize> = BTreeMap::new();
        for at in 0..self.stored.len() {
            let (field, representation) = (self.stored[at].field, self.stored[at].representation);
            let count = self.fields.len();
            let Some(owner) = self.fields.get_mut(field as usize) else {
                let reason = format!("column {at} belongs to field {field}, and there are {count}");
                return Err(Malformed::new(0, reason));
            };
            let place = places.entry((field, representation)).or_default();
            let column = match owner.columns.get(*place) {
                Some(&column) => column,
                None if representation == 0 => {
                    owner.columns.push(self.columns.len());
                    self.columns.push(Column { representations: Vec::new() });
                    self.columns.len() - 1
                }
                None => {
                    let reason = format!("column {at} represents no column of field {field}");
                    return Err(Malformed::new(0, reason));
                }
            };
            *place += 1;
            self.columns[column].representations.push(at);
            self.stored[at].column = column;
        }
        for alias in std::mem::take(&mut self.aliases) {
            let stored = self.stored.get(alias.stored as usize);
            let field = self.fields.get_mut(alias.field as usize);
            let (Some(stored), Some(field)) = (stored, field) else {
                let reason =
                    format!("an alias of column {} for field {} points nowhere", alias.stored, alias.field);
                return Err(Malformed::new(0, reason));
            };
            if !field.columns.contains(&stored.column) {
                field.columns.push(stored.column);
            }
            if field.columns.len() > MOST_COLUMNS {
                let reason = format!("field {} has more columns than any type", alias.field);
                return Err(Malformed::new(0, reason));
            }
        }
        Ok(())
    }

    /// The names of the fields that lead to a column, between dots.
    pub(super) fn place(&self, column: usize) -> String {
        let stored = self.columns.get(column).and_then(|column| column.representations.first());
        let Some(&stored) = stored else { return String::new() };
        let mut at = self.stored[stored].field as usize;
        let mut names = Vec::new();
        // `link` has checked that all parents exist and that the way up ends.
        loop {
            names.push(self.fields[at].name.as_str());
            let parent = self.fields[at].parent as usize;
            if parent == at {
                break;
            }
            at = parent;
        }
        names.reverse();
        names.join(".")
    }

    /// Makes sure that every field is inside a top-level one, and none is too deep.
    fn check_depths(&self) -> Parse<()> {
        let mut seen = 0;
        // Each field with the length of the path to what it is in.
        let mut level: Vec<(usize, usize)> = self.top.iter().map(|&field| (field, 0)).collect();
        let described = |field: &Field| field.name.len() + SMALLEST_FIELD;
        let mut room = PATHS * self.fields.iter().map(described).sum::<usize>();
        for _ in 0..DEEPEST {
            seen += level.len();
            let mut next = Vec::new();
            for (at, before) in level {
                let field = &self.fields[at];
                let path = before + 1 + field.name.len();
                let left = room.checked_sub(path);
                room = left.ok_or_else(|| Malformed::new(0, "fields are inside of absurdly long names"))?;
                next.extend(field.children.iter().map(|&child| (child, path)));
            }
            level = next;
            if level.is_empty() {
                break;
            }
        }
        if !level.is_empty() {
            return Err(Malformed::new(0, format!("fields nest deeper than {DEEPEST}")));
        }
        if seen < self.fields.len() {
            return Err(Malformed::new(0, "fields contain each other"));
        }
        Ok(())
    }
}

impl Field {
    fn read(record: &mut Reader<'_>) -> Parse<Self> {
        record.u32()?; // the version of the field
        record.u32()?; // the version of its type
        let parent = record.u32()?;
        let role = match record.u16()? {
            0 => Role::Leaf,
            1 => Role::Collection,
            2 => Role::Record,
            3 => Role::Variant,
            4 => Role::Streamer,
            other => Role::Unknown(other),
        };
        let flags = record.u16()?;
        let (name, type_name) = (record.string()?, record.string()?);
        record.string()?; // the alias of its type
        record.string()?; // its description
        let repeats = if flags & REPETITIVE != 0 { Some(record.u64()?) } else { None };
        Ok(Self { name, type_name, role, repeats, parent, children: Vec::new(), columns: Vec::new() })
    }
}

impl StoredColumn {
    fn read(record: &mut Reader<'_>) -> Parse<Self> {
        let (kind, bits) = (record.u16()?, record.u16()?);
        let field = record.u32()?;
        let (flags, representation) = (record.u16()?, record.u16()?);
        let deferred = if flags & DEFERRED != 0 { Some(record.i64()?) } else { None };
        let range = if flags & RANGED != 0 { Some((record.f64()?, record.f64()?)) } else { None };
        let encoding = Encoding::new(kind, bits, range);
        Ok(Self { encoding, field, representation, deferred, column: usize::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: String, parent: u32) -> Field {
        let (type_name, children, columns) = (String::new(), Vec::new(), Vec::new());
        Field { name, type_name, role: Role::Record, repeats: None, parent, children, columns }
    }

    #[test]
    fn a_long_name_is_not_multiplied_by_what_is_inside_of_it() {
        let members = |n: u32| (1..=n).map(|at| field(format!("m{at}"), 0));
        let with = |name: String, n: u32| {
            let fields = [field(name, 0)].into_iter().chain(members(n)).collect();
            Schema { fields, ..Schema::default() }.link()
        };
        assert_eq!(with("Jet".to_owned(), 10_000), Ok(()));
        let error = with("x".repeat(100_000), 10_000).unwrap_err();
        assert_eq!(error.reason, "fields are inside of absurdly long names");
    }
}
