//! A tree's columns as the structs an analysis declares.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use arrow_schema::DataType;
use hep_io::ColumnInfo;

/// A field of a struct: what the file calls it, and its Rust type, or the file's type where it has none.
struct Declared {
    column: String,
    kind: Result<String, String>,
}

/// Rust structs for `columns`: lists that share the part before the first `_` of their names become
/// one collection. What has no Rust type yet is a comment.
pub(super) fn rust(columns: impl Iterator<Item = ColumnInfo>) -> String {
    let mut plain = Vec::new();
    let mut collections: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
    let columns: Vec<ColumnInfo> = columns.collect();
    let counters: Vec<&str> = columns.iter().filter_map(|column| column.name.strip_prefix('n')).collect();
    for column in &columns {
        let collection = column
            .name
            .split_once('_')
            .filter(|(name, field)| !name.is_empty() && !field.is_empty() && counters.contains(name));
        let file_type = || column.type_name.clone();
        match (&column.data_type, collection) {
            (DataType::List(item), Some((name, field))) => {
                let kind = rust_type(item.data_type()).ok_or_else(file_type);
                collections
                    .entry(name.to_owned())
                    .or_default()
                    .push(Declared { column: field.to_owned(), kind });
            }
            (other, _) => {
                let kind = rust_type(other).ok_or_else(file_type);
                plain.push(Declared { column: column.name.clone(), kind });
            }
        }
    }
    // A collection of which nothing has a Rust type is no struct.
    let empty = |fields: &Vec<Declared>| fields.iter().all(|field| field.kind.is_err());
    for (name, fields) in collections.extract_if(.., |_, fields| empty(fields)) {
        let whole =
            fields.into_iter().map(|field| Declared { column: format!("{name}_{}", field.column), ..field });
        plain.extend(whole);
    }
    let mut text = "use hep_run::prelude::*;\n".to_owned();
    let mut types = Types::default();
    let mut names = Names::default();
    let mut event = String::new();
    for (name, fields) in &collections {
        let kind = types.named(name);
        // A row that holds texts or lists cannot be copied.
        let copied = fields.iter().flat_map(|field| &field.kind).all(|kind| is_copied(kind));
        let derived = if copied { "Clone, Copy, Columnar" } else { "Columnar" };
        let _ = writeln!(text, "\n#[derive({derived})]\nstruct {kind} {{");
        let mut names = Names::default();
        for field in fields {
            field_line(&mut text, &mut names, field);
        }
        text.push_str("}\n");
        let _ = writeln!(event, "    #[column({name:?})]");
        let _ = writeln!(event, "    {}: Jagged<{kind}>,", names_of(&mut names, &plural(name)));
    }
    for field in &plain {
        field_line(&mut event, &mut names, field);
    }
    // A struct without fields declares no columns; one of numbers alone is its own row, which must be `Copy`.
    let is_row =
        collections.is_empty() && plain.iter().flat_map(|field| &field.kind).all(|kind| is_copied(kind));
    let derived = match (names.0.is_empty(), is_row) {
        (true, _) => "",
        (false, true) => "#[derive(Clone, Copy, Columnar)]\n",
        (false, false) => "#[derive(Columnar)]\n",
    };
    let _ = write!(text, "\n{derived}struct Event {{\n{event}}}\n");
    text
}

fn field_line(text: &mut String, names: &mut Names, field: &Declared) {
    let name = &field.column;
    match &field.kind {
        Ok(kind) => {
            let identifier = names_of(names, name);
            if identifier.trim_start_matches("r#") != name {
                let _ = writeln!(text, "    #[column({name:?})]");
            }
            let _ = writeln!(text, "    {identifier}: {kind},");
        }
        // Whatever a file's names are, a comment ends with its line.
        Err(file_type) => {
            let _ = writeln!(text, "    // {}: {}", name.escape_default(), file_type.escape_default());
        }
    }
}

/// The names of the fields of one struct.
#[derive(Default)]
struct Names(HashSet<String>);

/// The name of a field for a column, which no other field of the struct has.
fn names_of(names: &mut Names, column: &str) -> String {
    let first = identifier(column);
    unique(&mut names.0, &first, |n| format!("{}_{n}", first.trim_start_matches("r#")))
}

/// The names of structs, and of those that `Columnar` makes for them.
#[derive(Default)]
struct Types(HashSet<String>);

impl Types {
    fn named(&mut self, collection: &str) -> String {
        let first = type_name(collection);
        let name = unique(&mut self.0, &first, |n| format!("{first}{n}"));
        self.0.extend([format!("{name}Row"), format!("{name}Columns")]);
        name
    }
}

/// `first`, or the first of its variants from 2 on that is not taken. It is taken then.
fn unique(taken: &mut HashSet<String>, first: &str, variant: impl Fn(usize) -> String) -> String {
    let variants = (2_usize..).map(variant);
    let mut names = std::iter::once(first.to_owned()).chain(variants);
    names.find(|name| taken.insert(name.clone())).unwrap_or_default()
}

fn is_copied(kind: &str) -> bool {
    kind != "String" && !kind.starts_with("Jagged<")
}

fn rust_type(data_type: &DataType) -> Option<String> {
    let plain = match data_type {
        DataType::Boolean => "bool",
        DataType::Int8 => "i8",
        DataType::Int16 => "i16",
        DataType::Int32 => "i32",
        DataType::Int64 => "i64",
        DataType::UInt8 => "u8",
        DataType::UInt16 => "u16",
        DataType::UInt32 => "u32",
        DataType::UInt64 => "u64",
        DataType::Float32 => "f32",
        DataType::Float64 => "f64",
        DataType::Binary => "String",
        DataType::List(item) => return rust_type(item.data_type()).map(|item| format!("Jagged<{item}>")),
        DataType::FixedSizeList(item, n) if item.data_type().is_numeric() => {
            return rust_type(item.data_type()).map(|item| format!("[{item}; {n}]"));
        }
        _ => return None,
    };
    Some(plain.to_owned())
}

/// Words that are no names, and may be with `r#` before them.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
    "union",
];
/// Words that are no names at all, and the field that `Columnar` adds to rows.
const TAKEN: [&str; 4] = ["self", "super", "crate", "marker"];

/// `nMuon`, `HLT_IsoMu24`, `Muon.pt` → a field's name in snake case.
fn identifier(name: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        before = c;
    }
    if out.chars().all(|c| c == '_') {
        return "column".to_owned();
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if TAKEN.contains(&out.as_str()) {
        out.push('_');
    }
    if KEYWORDS.contains(&out.as_str()) { format!("r#{out}") } else { out }
}

/// A collection's struct. Its name is none of those that the structs themselves use.
fn type_name(collection: &str) -> String {
    const USED: [&str; 12] = [
        "Event",
        "EventRow",
        "EventColumns",
        "Jagged",
        "String",
        "Columnar",
        "Self",
        "Option",
        "Result",
        "Clone",
        "Copy",
        "Vec",
    ];
    let mut name: String = collection.chars().filter(char::is_ascii_alphanumeric).collect();
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name[..1].make_ascii_uppercase();
    }
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        name.insert_str(0, "Collection");
    }
    if USED.contains(&name.as_str()) { format!("{name}Object") } else { name }
}

fn plural(collection: &str) -> String {
    if collection.ends_with('s') { collection.to_owned() } else { format!("{collection}s") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    fn column(name: &str, data_type: DataType) -> ColumnInfo {
        ColumnInfo { name: name.into(), type_name: "?".into(), data_type }
    }

    fn list(of: DataType) -> DataType {
        DataType::List(Arc::new(Field::new_list_field(of, false)))
    }

    /// Every name that a branch can have, in one tree: each field has a name of its own.
    #[test]
    fn odd_names_become_different_fields_and_structs() {
        let plain = [
            "a.b", "a/b", "A_b", "self", "crate", "type", "union", "1digit", "µ", "😀", "_", "", "marker",
            "muons", "x\ny",
        ];
        let mut columns: Vec<ColumnInfo> = plain.iter().map(|name| column(name, DataType::Float32)).collect();
        columns.push(column("line\nbreak", DataType::Null));
        for counted in ["muon", "Muon", "MuonRow", "µ", "4e", "String", "Event"] {
            columns.push(column(&format!("n{counted}"), DataType::Int32));
            columns.push(column(&format!("{counted}_pt"), list(DataType::Float32)));
            columns.push(column(&format!("{counted}_Pt"), list(DataType::Float32)));
        }
        columns.push(column("muon_names", list(DataType::Binary)));
        columns.push(column("nBare", DataType::Int32));
        columns.push(column("Bare_any", list(DataType::Null)));
        let text = rust(columns.into_iter());
        for line in [
            "    a_b: f32,",
            "    a_b_2: f32,",
            "    a_b_3: f32,",
            "    self_: f32,",
            "    crate_: f32,",
            "    r#type: f32,",
            "    _1digit: f32,",
            "    column: f32,",
            "    column_2: f32,",
            "    marker_: f32,",
            "    #[column(\"x\\ny\")]",
            "    // line\\nbreak: ?",
            "struct Muon {",
            "struct Muon2 {",
            "struct MuonRow2 {",
            "struct Collection {",
            "struct Collection4e {",
            "struct StringObject {",
            "struct EventObject {",
            "    pt_2: f32,",
            "    // Bare_any: ?",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let structs: Vec<&str> = text.lines().filter(|line| line.starts_with("struct ")).collect();
        assert_eq!(structs.iter().collect::<HashSet<_>>().len(), structs.len());
        assert!(
            text.contains("#[derive(Columnar)]\nstruct Muon2 {")
                || text.contains("#[derive(Columnar)]\nstruct Muon {")
        );
    }

    #[test]
    fn collections_and_names_become_rust() {
        let columns = [
            column("nMuon", DataType::UInt32),
            column("Muon_pt", list(DataType::Float32)),
            column("Muon_jetIdx", list(DataType::Int32)),
            column("HLT_IsoMu24", DataType::Boolean),
            column("type", DataType::Int32),
        ];
        let want = "use hep_run::prelude::*;\n\n\
            #[derive(Clone, Copy, Columnar)]\nstruct Muon {\n    pt: f32,\n    #[column(\"jetIdx\")]\n    jet_idx: i32,\n}\n\n\
            #[derive(Columnar)]\nstruct Event {\n    #[column(\"Muon\")]\n    muons: Jagged<Muon>,\n    \
            #[column(\"nMuon\")]\n    n_muon: u32,\n    #[column(\"HLT_IsoMu24\")]\n    hlt_iso_mu24: bool,\n    r#type: i32,\n}\n";
        assert_eq!(rust(columns.into_iter()), want);
    }
}
