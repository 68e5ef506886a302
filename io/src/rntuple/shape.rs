//! What a field's columns mean: its values as an Arrow type.
//!
//! Specification: section "Mapping of C++ Types to Fields and Columns".

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, FieldRef, Fields, UnionFields, UnionMode};

use super::encoding::{Element, Encoding};
use super::names::Target;
use super::schema::{Field, Role, Schema};

/// A record with more members than this, bases included, is not read as a whole.
const MOST_MEMBERS: usize = 100_000;

/// The members of a union: its type numbers are of 8 bits, and 0 stands for no value.
const MOST_ALTERNATIVES: usize = 125;

/// How values are made of columns, which are places in [`Schema::columns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Number {
        column: usize,
        element: Element,
    },
    /// The lengths of a collection's lists.
    Count {
        ends: usize,
        element: Element,
    },
    String {
        ends: usize,
        bytes: usize,
    },
    List {
        ends: usize,
        item: Box<Shape>,
    },
    /// Lists of one item or none: the item, or null.
    Optional {
        ends: usize,
        item: Box<Shape>,
    },
    /// `each` items.
    Array {
        each: u64,
        item: Box<Shape>,
    },
    Struct {
        members: Vec<(String, Shape)>,
    },
    /// One of several, or none.
    Union {
        switch: usize,
        alternatives: Vec<Shape>,
    },
}

/// Items of lists and members of structs are null only where C++ says that they may be absent.
fn list_field(shape: &Shape) -> FieldRef {
    Arc::new(ArrowField::new_list_field(shape.data_type(), shape.nullable()))
}

impl Shape {
    /// The Arrow type of its values.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Number { element, .. } | Self::Count { element, .. } => element.data_type(),
            Self::String { .. } => DataType::Binary,
            Self::List { item, .. } => DataType::List(list_field(item)),
            Self::Optional { item, .. } => item.data_type(),
            Self::Array { each, item } => {
                DataType::FixedSizeList(list_field(item), i32::try_from(*each).unwrap_or(i32::MAX))
            }
            Self::Struct { members } => DataType::Struct(Self::fields(members)),
            Self::Union { alternatives, .. } => {
                DataType::Union(Self::union_fields(alternatives), UnionMode::Dense)
            }
        }
    }

    /// Whether a null of it would be the null of a union.
    fn holds_union(&self) -> bool {
        match self {
            Self::Union { .. } => true,
            Self::Number { .. } | Self::Count { .. } | Self::String { .. } | Self::List { .. } => false,
            Self::Optional { item, .. } | Self::Array { item, .. } => item.holds_union(),
            Self::Struct { members } => members.iter().any(|(_, member)| member.holds_union()),
        }
    }

    fn nullable(&self) -> bool {
        matches!(self, Self::Optional { .. })
    }

    /// The field of a list's items.
    pub(super) fn item_field(&self) -> FieldRef {
        list_field(self)
    }

    pub(super) fn fields(members: &[(String, Self)]) -> Fields {
        members
            .iter()
            .map(|(name, shape)| ArrowField::new(name, shape.data_type(), shape.nullable()))
            .collect()
    }

    /// Type 0 is no value, as in the file; the alternatives follow.
    pub(super) fn union_fields(alternatives: &[Self]) -> UnionFields {
        let none = (0, Arc::new(ArrowField::new("none", DataType::Null, true)));
        let some = alternatives.iter().zip(1_i8..).map(|(shape, number)| {
            let field = ArrowField::new(format!("_{}", number - 1), shape.data_type(), shape.nullable());
            (number, Arc::new(field))
        });
        std::iter::once(none).chain(some).collect()
    }
}

/// Why a field cannot be read.
pub(super) type Reason = String;

impl Schema {
    /// The shape of what a name stands for.
    pub(super) fn target_shape(&self, target: &Target) -> Result<Shape, Reason> {
        match target {
            Target::Values { field, path } => self.shape(*field, path),
            Target::Lengths { field } => Ok(Shape::Count { ends: self.ends(*field)?, element: Element::U32 }),
        }
    }

    /// What the file calls the type of what a name stands for. A member has the lists around it.
    pub(super) fn target_type(&self, target: &Target) -> String {
        match target {
            Target::Lengths { .. } => "std::uint32_t".to_owned(),
            Target::Values { field, path } => self.type_around(*field, path),
        }
    }

    fn type_around(&self, field: usize, path: &[usize]) -> String {
        let described = &self.fields[field];
        let Some((&member, rest)) = path.split_first() else {
            return match (described.type_name.as_str(), described.role) {
                ("", Role::Collection) => "collection".to_owned(),
                ("", _) => "record".to_owned(),
                (name, _) => name.to_owned(),
            };
        };
        match (described.role, described.repeats, &described.children[..]) {
            (Role::Record, None, _) => self.type_around(member, rest),
            (_, Some(each), [child]) => format!("std::array<{},{each}>", self.type_around(*child, path)),
            (Role::Collection, _, [child]) => format!("std::vector<{}>", self.type_around(*child, path)),
            (_, _, [child]) => self.type_around(*child, path),
            _ => described.type_name.clone(),
        }
    }

    /// The shape of `field`, or of what `path` leads to inside it: lists around a member stay lists.
    pub(super) fn shape(&self, field: usize, path: &[usize]) -> Result<Shape, Reason> {
        let described = &self.fields[field];
        if let Some(each) = described.repeats {
            let item = Box::new(self.repeated(field, path)?);
            if i32::try_from(each).is_err() {
                return Err(format!("its arrays have {each} items"));
            }
            return Ok(Shape::Array { each, item });
        }
        match described.role {
            Role::Leaf => self.leaf(field, path),
            Role::Collection => {
                let ends = self.ends(field)?;
                let item = Box::new(self.shape(self.only_child(field)?, path)?);
                Ok(if is_optional(&described.type_name) {
                    // Arrow's unions cannot say that a value is absent.
                    if item.holds_union() {
                        return Err(format!("`{}` holds a variant that may be absent", described.type_name));
                    }
                    Shape::Optional { ends, item }
                } else {
                    Shape::List { ends, item }
                })
            }
            Role::Record => match path.split_first() {
                Some((&member, rest)) => self.shape(member, rest),
                None => {
                    let members = self.members(field)?.into_iter().map(|(name, member)| {
                        let shape = self.shape(member, &[]);
                        shape.map(|shape| (name.clone(), shape)).map_err(|reason| inside(&name, &reason))
                    });
                    Ok(Shape::Struct { members: members.collect::<Result<_, _>>()? })
                }
            },
            Role::Variant => {
                let switch = match described.columns[..] {
                    [switch] if self.encoded(switch, |encoding| encoding == Encoding::Switch) => switch,
                    _ => return Err(self.strange(field)),
                };
                if described.children.len() > MOST_ALTERNATIVES {
                    return Err(format!("its variant has {} alternatives", described.children.len()));
                }
                let alternatives = described.children.iter().map(|&child| self.shape(child, &[]));
                Ok(Shape::Union { switch, alternatives: alternatives.collect::<Result<_, _>>()? })
            }
            Role::Streamer => Err(format!("`{}` is stored by its class's own streamer", described.type_name)),
            Role::Unknown(role) => Err(format!("it has the unknown structure {role}")),
        }
    }

    /// The shape of one item of an array of fixed size.
    fn repeated(&self, field: usize, path: &[usize]) -> Result<Shape, Reason> {
        let described = &self.fields[field];
        match (&described.columns[..], &described.children[..]) {
            ([], [child]) => self.shape(*child, path),
            // `std::bitset` has its bits itself.
            ([column], []) => self.number(field, *column, Some(Element::Bool)),
            _ => Err(self.strange(field)),
        }
    }

    fn leaf(&self, field: usize, path: &[usize]) -> Result<Shape, Reason> {
        let described = &self.fields[field];
        match (&described.columns[..], &described.children[..]) {
            // `std::atomic` and enumerations are what they hold.
            ([], [child]) => self.shape(*child, path),
            ([ends, bytes], []) if self.is_index(*ends) => {
                let holds = |encoding: Encoding| encoding.holds(Element::U8);
                if !self.encoded(*bytes, holds) {
                    return Err(self.strange(field));
                }
                Ok(Shape::String { ends: *ends, bytes: *bytes })
            }
            ([ends], []) if self.is_index(*ends) => {
                let wide = described.type_name.contains("64");
                Ok(Shape::Count { ends: *ends, element: if wide { Element::U64 } else { Element::U32 } })
            }
            ([column], []) => self.number(field, *column, Element::of_name(&described.type_name)),
            _ => Err(self.strange(field)),
        }
    }

    /// `element` if the type is one we know, else what the column holds by itself.
    fn number(&self, field: usize, column: usize, element: Option<Element>) -> Result<Shape, Reason> {
        let representations = &self.columns[column].representations;
        let first = representations.first().map(|&stored| self.stored[stored].encoding);
        let element = element.or_else(|| first?.natural()).ok_or_else(|| self.strange(field))?;
        if !self.encoded(column, |encoding| encoding.holds(element)) {
            return Err(self.strange(field));
        }
        Ok(Shape::Number { column, element })
    }

    /// Whether all representations of a column are as `wanted`.
    fn encoded(&self, column: usize, wanted: impl Fn(Encoding) -> bool) -> bool {
        self.columns[column].representations.iter().all(|&stored| wanted(self.stored[stored].encoding))
    }

    fn is_index(&self, column: usize) -> bool {
        self.encoded(column, |encoding| matches!(encoding, Encoding::Index { .. }))
    }

    /// The column that says where the lists of a collection end.
    pub(super) fn ends(&self, field: usize) -> Result<usize, Reason> {
        match self.fields[field].columns[..] {
            [ends] if self.is_index(ends) => Ok(ends),
            _ => Err(self.strange(field)),
        }
    }

    fn only_child(&self, field: usize) -> Result<usize, Reason> {
        match self.fields[field].children[..] {
            [child] => Ok(child),
            _ => Err(self.strange(field)),
        }
    }

    fn strange(&self, field: usize) -> Reason {
        let Field { type_name, columns, children, .. } = &self.fields[field];
        let stored = columns.iter().flat_map(|&column| &self.columns[column].representations);
        let encodings: Vec<String> = stored.map(|&stored| self.stored[stored].encoding.to_string()).collect();
        let encodings = if encodings.is_empty() { "no columns".to_owned() } else { encodings.join(", ") };
        format!("`{type_name}` is stored in a way we do not know: {encodings}, {} subfields", children.len())
    }

    /// The members of a record by name. Those of base classes are members too, unless the class has
    /// one of the same name; the base class is then a member by itself, called `:_0`.
    pub(super) fn members(&self, record: usize) -> Result<Vec<(String, usize)>, Reason> {
        let children = &self.fields[record].children;
        let mut inherited = Vec::with_capacity(children.len());
        let mut uses: HashMap<String, usize> = HashMap::new();
        for &child in children {
            let base = if self.is_base(child) { Some(self.members(child)?) } else { None };
            let own = base.is_none().then(|| self.fields[child].name.clone());
            let names = base.iter().flatten().map(|(name, _)| name.clone()).chain(own);
            names.for_each(|name| *uses.entry(name).or_default() += 1);
            inherited.push(base);
        }
        let mut members = Vec::new();
        for (&child, base) in children.iter().zip(inherited) {
            match base.filter(|base| base.iter().all(|(name, _)| uses[name] == 1)) {
                Some(base) => members.extend(base),
                None => members.push((self.fields[child].name.clone(), child)),
            }
        }
        if members.len() > MOST_MEMBERS {
            return Err(format!("a class of it has {} members", members.len()));
        }
        Ok(members)
    }

    fn is_base(&self, field: usize) -> bool {
        let field = &self.fields[field];
        field.name.starts_with(":_") && field.role == Role::Record && field.repeats.is_none()
    }

    /// The record whose members can be named after a dot: of a record itself, of what a collection
    /// or an array holds, or of what an atomic wraps.
    pub(super) fn record_inside(&self, field: usize) -> Option<usize> {
        let described = &self.fields[field];
        match (described.role, &described.children[..]) {
            (Role::Record, _) if described.repeats.is_none() => Some(field),
            (Role::Collection, _) if is_optional(&described.type_name) => None,
            (Role::Collection | Role::Leaf, [child]) => self.record_inside(*child),
            _ => None,
        }
    }
}

fn is_optional(type_name: &str) -> bool {
    type_name.starts_with("std::optional<") || type_name.starts_with("std::unique_ptr<")
}

fn inside(name: &str, reason: &str) -> Reason {
    format!("in its member `{name}`, {reason}")
}
