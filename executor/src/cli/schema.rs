//! A tree's columns as the structs an analysis declares.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow_schema::DataType;
use hep_io::ColumnInfo;

/// Rust structs for `columns`: lists that share the part before the first `_` of their names become
/// one collection. What has no Rust type yet is a comment.
pub(super) fn rust(columns: impl Iterator<Item = ColumnInfo>) -> String {
    let mut plain = Vec::new();
    let mut collections: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    let columns: Vec<ColumnInfo> = columns.collect();
    let counters: Vec<&str> = columns.iter().filter_map(|column| column.name.strip_prefix('n')).collect();
    for column in &columns {
        let collection = column.name.split_once('_').filter(|(name, _)| counters.contains(name));
        match (&column.data_type, collection) {
            (DataType::List(item), Some((name, field))) => {
                let entry =
                    (field.to_owned(), column.name.clone(), rust_type(item.data_type()).unwrap_or_default());
                collections.entry(name.to_owned()).or_default().push(entry);
            }
            (other, _) => plain.push((column.name.clone(), rust_type(other), column.type_name.clone())),
        }
    }
    let mut text = "use hep_run::prelude::*;\n".to_owned();
    for (name, fields) in &collections {
        let _ = writeln!(text, "\n#[derive(Clone, Copy, Columnar)]\nstruct {} {{", type_name(name));
        for (field, _, kind) in fields {
            if kind.is_empty() {
                let _ = writeln!(text, "    // {field}: no Rust type for it yet");
            } else {
                field_line(&mut text, field, kind);
            }
        }
        text.push_str("}\n");
    }
    text.push_str("\n#[derive(Columnar)]\nstruct Event {\n");
    for name in collections.keys() {
        let _ = writeln!(text, "    #[column({name:?})]");
        let _ = writeln!(text, "    {}: Jagged<{}>,", identifier(&plural(name)), type_name(name));
    }
    for (name, kind, file_type) in &plain {
        match kind {
            Some(kind) => field_line(&mut text, name, kind),
            None => drop(writeln!(text, "    // {name}: {file_type}")),
        }
    }
    text.push_str("}\n");
    text
}

fn field_line(text: &mut String, name: &str, kind: &str) {
    let identifier = identifier(name);
    if identifier.trim_start_matches("r#") != name {
        let _ = writeln!(text, "    #[column({name:?})]");
    }
    let _ = writeln!(text, "    {identifier}: {kind},");
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

/// `nMuon`, `HLT_IsoMu24`, `Muon.pt` → a field's name in snake case.
fn identifier(name: &str) -> String {
    const KEYWORDS: [&str; 14] = [
        "type", "match", "mod", "move", "ref", "loop", "impl", "fn", "for", "in", "use", "where", "as", "box",
    ];
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
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if KEYWORDS.contains(&out.as_str()) { format!("r#{out}") } else { out }
}

fn type_name(collection: &str) -> String {
    let mut name: String = collection.chars().filter(char::is_ascii_alphanumeric).collect();
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name[..1].make_ascii_uppercase();
    }
    // `Event` is the struct of the tree itself.
    if name == "Event" { "EventObject".to_owned() } else { name }
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
