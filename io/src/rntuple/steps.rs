//! What is decoded for a set of columns, each thing once.
//!
//! Columns share much: all members of a collection have one column of list ends. So the shapes of
//! the columns asked for become a list of scopes (entries, lists inside them, lists inside those) and
//! a list of leaves, the numbers in those scopes. A batch decodes scopes, then leaves, and puts the
//! columns together from them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow_schema::{FieldRef, Fields, UnionFields};

use super::encoding::Element;
use super::shape::Shape;

/// Elements that lie behind each other: what a leaf or a list of ends has values for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// One for each entry: the first scope.
    Entries,
    /// The items of the lists in scope `parent` that end where `ends` says.
    List { parent: usize, ends: usize },
    /// `each` for each of `parent`.
    Array { parent: usize, each: u64 },
    /// One for each of `parent`: which alternative it is.
    Switch { parent: usize, switch: usize, alternatives: usize },
    /// Those elements of a switch's scope that hold the alternative `number`, from 1.
    Alternative { switch: usize, number: usize },
}

/// The numbers of one column in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaf {
    pub(super) scope: usize,
    pub(super) column: usize,
    pub(super) element: Element,
}

/// How arrays are put together.
#[derive(Debug)]
pub(super) enum Build {
    Number { leaf: usize },
    Count { scope: usize, element: Element },
    String { scope: usize, leaf: usize },
    List { scope: usize, field: FieldRef, item: Box<Build> },
    Optional { scope: usize, item: Box<Build> },
    Array { parent: usize, each: i32, field: FieldRef, item: Box<Build> },
    Struct { scope: usize, fields: Fields, members: Vec<Build> },
    Union { scope: usize, fields: UnionFields, alternatives: Vec<Build> },
}

#[derive(Debug)]
pub(super) struct Steps {
    /// Parents come before what is inside them.
    pub(super) scopes: Vec<Scope>,
    pub(super) leaves: Vec<Leaf>,
    /// One for each shape.
    pub(super) columns: Vec<Build>,
    known_scopes: HashMap<Scope, usize>,
    known_leaves: HashMap<Leaf, usize>,
}

/// A column to be read, and of which of its elements.
pub(super) struct Need {
    pub(super) column: usize,
    /// The scope of its elements.
    pub(super) scope: usize,
    /// How many elements an entry has; none where only lists before them can tell.
    pub(super) each: Option<u64>,
    /// Whether the element before those of a range is needed, too.
    pub(super) before: bool,
}

impl Steps {
    pub(super) fn new<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Self {
        let mut steps = Self {
            scopes: Vec::new(),
            leaves: Vec::new(),
            columns: Vec::new(),
            known_scopes: HashMap::new(),
            known_leaves: HashMap::new(),
        };
        let entries = steps.scope(Scope::Entries);
        for shape in shapes {
            let column = steps.build(shape, entries);
            steps.columns.push(column);
        }
        steps
    }

    fn scope(&mut self, scope: Scope) -> usize {
        match self.known_scopes.entry(scope) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                self.scopes.push(scope);
                *place.insert(self.scopes.len() - 1)
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf) -> usize {
        match self.known_leaves.entry(leaf) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                self.leaves.push(leaf);
                *place.insert(self.leaves.len() - 1)
            }
        }
    }

    fn build(&mut self, shape: &Shape, scope: usize) -> Build {
        match shape {
            Shape::Number { column, element } => {
                Build::Number { leaf: self.leaf(Leaf { scope, column: *column, element: *element }) }
            }
            Shape::Count { ends, element } => {
                let scope = self.scope(Scope::List { parent: scope, ends: *ends });
                Build::Count { scope, element: *element }
            }
            Shape::String { ends, bytes } => {
                let scope = self.scope(Scope::List { parent: scope, ends: *ends });
                let leaf = self.leaf(Leaf { scope, column: *bytes, element: Element::U8 });
                Build::String { scope, leaf }
            }
            Shape::List { ends, item } => {
                let scope = self.scope(Scope::List { parent: scope, ends: *ends });
                Build::List { scope, field: item.item_field(), item: Box::new(self.build(item, scope)) }
            }
            Shape::Optional { ends, item } => {
                let scope = self.scope(Scope::List { parent: scope, ends: *ends });
                Build::Optional { scope, item: Box::new(self.build(item, scope)) }
            }
            Shape::Array { each, item } => {
                let inner = self.scope(Scope::Array { parent: scope, each: *each });
                let item_build = Box::new(self.build(item, inner));
                // The shape has checked that it is small enough.
                let each = i32::try_from(*each).unwrap_or(i32::MAX);
                Build::Array { parent: scope, each, field: item.item_field(), item: item_build }
            }
            Shape::Struct { members } => Build::Struct {
                scope,
                fields: Shape::fields(members),
                members: members.iter().map(|(_, member)| self.build(member, scope)).collect(),
            },
            Shape::Union { switch, alternatives } => {
                let scope = self.scope(Scope::Switch {
                    parent: scope,
                    switch: *switch,
                    alternatives: alternatives.len(),
                });
                let fields = Shape::union_fields(alternatives);
                let alternatives = alternatives.iter().zip(1..).map(|(alternative, number)| {
                    let inner = self.scope(Scope::Alternative { switch: scope, number });
                    self.build(alternative, inner)
                });
                Build::Union { scope, alternatives: alternatives.collect(), fields }
            }
        }
    }

    /// How many elements of `scope` an entry has; none where that differs between entries.
    pub(super) fn each(&self, scope: usize) -> Option<u64> {
        match self.scopes[scope] {
            Scope::Entries => Some(1),
            Scope::Array { parent, each } => self.each(parent)?.checked_mul(each),
            Scope::Switch { parent, .. } => self.each(parent),
            Scope::List { .. } | Scope::Alternative { .. } => None,
        }
    }

    /// The columns that are read. A column may be needed more than once.
    pub(super) fn needs(&self) -> impl Iterator<Item = Need> {
        let scopes = self.scopes.iter().filter_map(|scope| match *scope {
            Scope::List { parent, ends } => {
                Some(Need { column: ends, scope: parent, each: self.each(parent), before: true })
            }
            Scope::Switch { parent, switch, .. } => {
                Some(Need { column: switch, scope: parent, each: self.each(parent), before: false })
            }
            Scope::Entries | Scope::Array { .. } | Scope::Alternative { .. } => None,
        });
        let leaves = self.leaves.iter().map(|leaf| Need {
            column: leaf.column,
            scope: leaf.scope,
            each: self.each(leaf.scope),
            before: false,
        });
        scopes.chain(leaves)
    }
}
