//! What columns are called.
//!
//! A top-level field is a column of its name, and a member of a class is one behind a dot, `Muon.pt`,
//! with the lists around it. On top of that, NanoAOD's names work whichever way a file was written:
//!
//! * CMS writes a collection `Muon` without a C++ type and with members `pt`, `eta`…: `Muon_pt` is its
//!   member, and `nMuon` says how many there are. Likewise records: `HLT_IsoMu24` is in `HLT`.
//! * ROOT's importer of TTrees writes `_collection0` with members `Muon_pt`…, and fields `Muon_pt` and
//!   `nMuon` that show what is in it.
//! * Lists `Muon_pt`, `Muon_eta`… by themselves: `nMuon` is the length of the first of them.
//!
//! * Names of fields have no dots, so that ATLAS writes `AnalysisJetsAuxDyn:pt` for the branch
//!   `AnalysisJetsAuxDyn.pt`, whose name is understood.
//!
//! A field of the very name always comes first.

use std::collections::HashMap;

use super::schema::{Role, Schema};

/// What the importer calls collections that have no name.
const NAMELESS: &str = "_collection";

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A top-level field, or the member to which a path of fields leads.
    Values { field: usize, path: Vec<usize> },
    /// The lengths of the lists of a top-level field.
    Lengths { field: usize },
}

/// The names of a schema.
#[derive(Debug, Default)]
pub(super) struct Names {
    top: HashMap<String, usize>,
    /// Members of collections without a name, and the collection.
    nameless: HashMap<String, (usize, usize)>,
}

impl Names {
    pub(super) fn new(schema: &Schema) -> Self {
        let mut names = Self::default();
        for &field in &schema.top {
            names.top.entry(schema.fields[field].name.clone()).or_insert(field);
            if !schema.fields[field].name.starts_with(NAMELESS) {
                continue;
            }
            for (name, member) in members(schema, field) {
                names.nameless.entry(name).or_insert((field, member));
            }
        }
        names
    }

    /// What `name` stands for.
    pub(super) fn find(&self, schema: &Schema, name: &str) -> Option<Target> {
        if let Some(&field) = self.top.get(name) {
            return Some(Target::Values { field, path: Vec::new() });
        }
        let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
        for end in dots.iter().copied().chain([name.len()]).filter(|_| !dots.is_empty()) {
            let (top, rest) = (&name[..end], name.get(end + 1..).unwrap_or_default());
            let field = self.top.get(top).or_else(|| self.top.get(&top.replace('.', ":")));
            let Some(&field) = field else { continue };
            let path = if rest.is_empty() { Some(Vec::new()) } else { path(schema, field, rest) };
            if let Some(path) = path {
                return Some(Target::Values { field, path });
            }
        }
        self.member(schema, name).or_else(|| self.lengths(schema, name))
    }

    /// `Muon_pt` as the member `pt` of `Muon`, or of a collection without a name.
    fn member(&self, schema: &Schema, name: &str) -> Option<Target> {
        if let Some(&(field, member)) = self.nameless.get(name) {
            return Some(Target::Values { field, path: vec![member] });
        }
        name.match_indices('_').find_map(|(at, _)| {
            let &field = self.top.get(&name[..at])?;
            let mut members = members(schema, field).into_iter();
            let (_, member) = members.find(|(member, _)| *member == name[at + 1..])?;
            Some(Target::Values { field, path: vec![member] })
        })
    }

    /// `nMuon` as the number of what is in `Muon`, or in the first collection of `Muon_…`.
    fn lengths(&self, schema: &Schema, name: &str) -> Option<Target> {
        let counted = name.strip_prefix('n').filter(|counted| !counted.is_empty())?;
        let is_list = |field: usize| {
            let field = &schema.fields[field];
            field.role == Role::Collection && field.repeats.is_none()
        };
        if let Some(&field) = self.top.get(counted).filter(|&&field| is_list(field)) {
            return Some(Target::Lengths { field });
        }
        let of = |name: &str| name.strip_prefix(counted).is_some_and(|rest| rest.starts_with('_'));
        let mut lists = schema.top.iter().copied().filter(|&field| is_list(field));
        let field = lists.find(|&field| {
            let name = &schema.fields[field].name;
            of(name) || name.starts_with(NAMELESS) && members(schema, field).iter().any(|(name, _)| of(name))
        })?;
        Some(Target::Lengths { field })
    }

    /// The names of all columns, in the file's order: each number, string or list of them once.
    pub(super) fn all(&self, schema: &Schema) -> Vec<String> {
        let mut all = Vec::new();
        for &field in &schema.top {
            let described = &schema.fields[field];
            if !described.type_name.is_empty() {
                leaves(schema, field, &described.name, &mut all);
                continue;
            }
            let members = members(schema, field);
            if described.role == Role::Collection {
                let counted = if described.name.starts_with(NAMELESS) {
                    members.first().and_then(|(name, _)| name.split_once('_')).map(|(counted, _)| counted)
                } else {
                    Some(&*described.name)
                };
                all.extend(
                    counted.map(|name| format!("n{name}")).filter(|name| !self.top.contains_key(name)),
                );
            }
            if members.is_empty() {
                leaves(schema, field, &described.name, &mut all);
            }
            for (member, inner) in members {
                let name = if described.name.starts_with(NAMELESS) {
                    member.clone()
                } else {
                    format!("{}_{member}", described.name)
                };
                if schema.record_inside(inner).is_some() {
                    leaves(schema, inner, &format!("{}.{member}", described.name), &mut all);
                } else if !self.top.contains_key(&name) {
                    all.push(name);
                }
            }
        }
        all
    }
}

/// The members of what a field holds; none where it is no record or cannot be read.
fn members(schema: &Schema, field: usize) -> Vec<(String, usize)> {
    schema.record_inside(field).and_then(|record| schema.members(record).ok()).unwrap_or_default()
}

/// The fields on the way from `field` along the names in `rest`.
fn path(schema: &Schema, field: usize, rest: &str) -> Option<Vec<usize>> {
    let mut path = Vec::new();
    let mut inside = field;
    for part in rest.split('.') {
        let (_, member) = members(schema, inside).into_iter().find(|(name, _)| name == part)?;
        path.push(member);
        inside = member;
    }
    Some(path)
}

/// Adds the names of what is inside `field`, or its own where it has no members.
fn leaves(schema: &Schema, field: usize, name: &str, all: &mut Vec<String>) {
    let members = members(schema, field);
    if members.is_empty() {
        all.push(name.to_owned());
    }
    for (member, inner) in members {
        leaves(schema, inner, &format!("{name}.{member}"), all);
    }
}
