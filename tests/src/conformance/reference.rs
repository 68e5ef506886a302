//! How a column differs from what the reference says of it.

use serde_json::Value;

use super::column::{Content, Distortion, Leaf, Level};
use super::{rntuple, uproot};

/// What the reference says of one column: an entry of `branches`.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// What it says.
    pub value: &'a Value,
}

impl<'a> Reference<'a> {
    /// The kind of branch in the reference's terms, its type where there is none.
    pub fn kind(&self) -> &'a str {
        let kind = self.value["kind"].as_str().map(|kind| kind.split(':').next().unwrap_or(kind));
        kind.unwrap_or_else(|| {
            let type_name = self.value["typename"].as_str().unwrap_or("?");
            type_name.split('<').next().unwrap_or(type_name)
        })
    }

    /// Whether the branch has no data of its own.
    pub fn is_group(&self) -> bool {
        self.kind() == "AsGrouped"
    }

    /// Whether there is something to compare with.
    pub fn has_leaves(&self) -> bool {
        self.value["leaves"].is_array()
    }

    /// Why the reference is not to be trusted here.
    pub fn suspect(&self) -> Option<&'a str> {
        self.value["suspect"].as_str()
    }

    /// What uproot makes of the numbers, where that is not what is stored.
    pub(super) fn distortion(&self) -> Option<Distortion> {
        uproot::distortion(self.kind(), self.value["interp"].as_str()?)
    }

    /// How what was read differs, if it does.
    pub fn differs(&self, ours: &[Leaf]) -> Option<String> {
        let leaves = self.value["leaves"].as_array().into_iter().flatten();
        // A type of which uproot found only nulls; the tags of the other types tell how many.
        let leaves: Vec<&Value> = leaves.filter(|leaf| leaf["kind"] != "unknown-empty").collect();
        let listed = |field: &str| {
            leaves
                .iter()
                .any(|leaf| canonical(leaf["field"].as_str().unwrap_or_default()) == canonical(field))
        };
        // uproot leaves out of a class what its pointers lead to.
        let counts =
            |leaf: &&Leaf| leaf.content != Content::Nothing && (!leaf.pointed || listed(&leaf.field));
        let ours: Vec<&Leaf> = ours.iter().filter(counts).collect();
        if leaves.len() != ours.len() {
            let names = ours.iter().map(|leaf| leaf.field.as_str()).collect::<Vec<_>>().join(", ");
            let wanted =
                leaves.iter().filter_map(|leaf| leaf["field"].as_str()).collect::<Vec<_>>().join(", ");
            return Some(format!(
                "{} leaves, and the reference {}: ({names}) and ({wanted})",
                ours.len(),
                leaves.len()
            ));
        }
        leaves.into_iter().find_map(|reference| {
            let field = reference["field"].as_str().unwrap_or_default();
            let same = |leaf: &&&Leaf| canonical(&leaf.field) == canonical(field);
            let Some(leaf) = ours.iter().find(|leaf| leaf.field == field).or_else(|| ours.iter().find(same))
            else {
                return Some(format!("no leaf `{field}`"));
            };
            let wrong = self.leaf_differs(leaf, reference)?;
            Some(if field.is_empty() { wrong } else { format!("`{field}`: {wrong}") })
        })
    }

    fn leaf_differs(&self, leaf: &Leaf, reference: &Value) -> Option<String> {
        let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
        let differ = |what: &str, got: String, wanted: String| {
            (got != wanted).then(|| format!("{what}: {got}, and the reference {wanted}"))
        };
        let count = |n: u64| differ("number of values", n.to_string(), reference["n"].to_string());
        let first = |first: &[String]| format!(" (our first values are {})", first.join(", "));
        let kind = match leaf.content {
            Content::Numbers { .. } => "number",
            Content::Strings { .. } => "string",
            Content::EmptyRecord { .. } => "empty-record",
            Content::Nothing => "unknown-empty",
        };
        if let Some(wrong) = differ("kind", kind.to_owned(), text("kind")) {
            return Some(wrong);
        }
        if let Content::Numbers { dtype, .. } = &leaf.content {
            // It gives uninitialised bools as the bytes they are; a bool is true or false.
            if text("dtype") == "bool" && reference["max"].as_f64().is_some_and(|most| most > 1.0) {
                return None;
            }
            if let Some(wrong) = differ("type", (*dtype).to_owned(), self.wanted_dtype(dtype, reference)) {
                return Some(wrong);
            }
        }
        if self.kind() == "AsStrings" && uproot::is_one_string_per_entry(leaf, reference) {
            return None;
        }
        let type_name = self.value["typename"].as_str().unwrap_or_default();
        let levels = reference["levels"].as_array().map_or(&[][..], Vec::as_slice);
        let levels =
            levels_differ(&leaf.levels, &levels[uproot::extra_levels(type_name, &leaf.levels, levels)..]);
        levels.or_else(|| match &leaf.content {
            Content::Numbers { n, hash, first: values, .. } => count(*n).or_else(|| {
                differ("values", hash.clone(), text("content_sha256")).map(|wrong| wrong + &first(values))
            }),
            Content::Strings { n, offsets, hash, first: values, .. } => count(*n)
                .or_else(|| differ("string offsets", offsets.clone(), text("offsets_sha256")))
                .or_else(|| differ("string bytes", hash.clone(), text("content_sha256")))
                .map(|wrong| wrong + &first(values)),
            Content::EmptyRecord { n } => count(*n),
            Content::Nothing => None,
        })
    }

    /// The type that the reference asks for. Whether an integer has a sign is known where one is negative:
    /// uproot gives members that count others none, which in their classes are `int`.
    fn wanted_dtype(&self, ours: &str, reference: &Value) -> String {
        let wanted = reference["dtype"].as_str().unwrap_or_default();
        let wanted = wanted.replace("uint8", "u1").replace("int8", "i1");
        // It takes a `char` of an RNTuple for a byte.
        if wanted == "u1" && ours == "i1" && rntuple::may_hold_chars(self.value) {
            return ours.to_owned();
        }
        let limits = [&reference["imin"], &reference["imax"]];
        let limit = |value: &Value| value.as_str().map_or(Some(0), |text| text.parse::<i128>().ok());
        let [Some(least), Some(most)] = limits.map(limit) else { return wanted };
        let integers =
            wanted.starts_with(['i', 'u']) && ours.starts_with(['i', 'u']) && wanted[1..] == ours[1..];
        let bits = 8 * wanted.get(1..).and_then(|bytes| bytes.parse::<u32>().ok()).unwrap_or(0);
        if integers && least >= 0 && most < 1 << (bits.max(1) - 1) { ours.to_owned() } else { wanted }
    }
}

/// A leaf's path with the members of pairs, tuples and maps numbered, as uproot has them.
fn canonical(field: &str) -> String {
    let member = |name: &str| match name {
        "first" | "key" | "keys" => "0".to_owned(),
        "second" | "value" | "values" => "1".to_owned(),
        _ => match name.strip_prefix('_') {
            Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.to_owned()
            }
            _ => name.to_owned(),
        },
    };
    field.split('.').map(member).collect::<Vec<_>>().join(".")
}

/// How the lists, optionals and variants around a leaf differ.
fn levels_differ(ours: &[Level], reference: &[Value]) -> Option<String> {
    let mut ours = ours.iter().peekable();
    for (at, level) in reference.iter().enumerate() {
        // Of no list nobody knows how long it is, and lists of one length are of that length.
        if let (Some(&&Level::Fixed(size)), Some(lists)) = (ours.peek(), level["jagged_lists"].as_u64())
            && level["total"].as_u64() == lists.checked_mul(size as u64)
            && (lists == 0 || level["max_len"] == size)
        {
            ours.next();
            continue;
        }
        let wanted =
            match (&level["offsets_sha256"], &level["option_valid_sha256"], &level["union_tags_sha256"]) {
                (Value::String(hash), ..) => Level::Jagged(hash.clone()),
                (_, Value::String(hash), _) => {
                    // None is absent: uproot's wrapping, not the file's, and no level of ours either.
                    if level["n"] == level["n_valid"] && !matches!(ours.peek(), Some(Level::Optional(_))) {
                        continue;
                    }
                    Level::Optional(hash.clone())
                }
                (_, _, Value::String(hash)) => {
                    let tag = level["tag"].as_i64().and_then(|tag| i8::try_from(tag).ok()).unwrap_or(-1);
                    Level::Union(hash.clone(), tag)
                }
                _ => {
                    let size = level["fixed"].as_i64().and_then(|size| i32::try_from(size).ok());
                    Level::Fixed(size.unwrap_or(-1))
                }
            };
        let got = ours.next();
        if got != Some(&wanted) {
            let got = got.map_or_else(|| "nothing".to_owned(), |got| format!("{got:?}"));
            return Some(format!("level {at}: {got}, and the reference {wanted:?}"));
        }
    }
    ours.next().map(|level| format!("levels: {level:?} where the reference has none"))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{Array, Int32Array, ListArray};
    use serde_json::json;

    use super::*;
    use crate::conformance::Column;

    fn leaves(array: &dyn Array) -> Vec<Leaf> {
        let mut column = Column::new(array.data_type(), None).unwrap();
        column.add(array);
        column.leaves()
    }

    /// SHA-256 of the `i32` values 1, 2, 3 and of the offsets 0, 2, 3, by Python's `hashlib`.
    const VALUES: &str = "4636993d3e1da4e9d6b8f87b79e8f7c6d018580d52661950eabc3845c5897a4d";
    const OFFSETS: &str = "c431e82c011aea2f542a2a9f84785b221781ca9fc905cbf2d67b1177f67e5efa";

    fn leaf(dtype: &str, n: u64, levels: Value) -> Value {
        let leaf = json!({"field": "", "kind": "number", "dtype": dtype, "n": n, "content_sha256": VALUES, "levels": levels});
        json!({"kind": "jagged:>i4", "leaves": [leaf]})
    }

    #[test]
    fn every_part_of_a_leaf_is_compared() {
        let array = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            Some(vec![Some(3)]),
        ]);
        let leaves = leaves(&array);
        let differs = |value: &Value| Reference { value }.differs(&leaves);
        let jagged = json!([{"offsets_sha256": OFFSETS}]);
        assert_eq!(differs(&leaf("i4", 3, jagged.clone())), None);
        assert!(differs(&leaf("f4", 3, jagged.clone())).unwrap().starts_with("type: i4"));
        assert_eq!(differs(&leaf("u4", 3, jagged.clone())), None);
        let mut negative = leaf("u4", 3, jagged.clone());
        negative["leaves"][0]["imin"] = json!("-1");
        assert!(differs(&negative).unwrap().starts_with("type: i4"));
        assert!(differs(&leaf("i4", 4, jagged.clone())).unwrap().starts_with("number of values"));
        assert!(differs(&leaf("i4", 3, json!([]))).unwrap().starts_with("levels"));
        assert!(differs(&leaf("i4", 3, json!([{"fixed": 3}]))).unwrap().starts_with("level 0"));
        assert!(differs(&json!({"leaves": []})).unwrap().starts_with("1 leaves"));
        let mut other = leaf("i4", 3, jagged);
        other["leaves"][0]["content_sha256"] = json!("00");
        assert!(differs(&other).unwrap().starts_with("values"));
        other["leaves"][0]["field"] = json!("x");
        assert_eq!(differs(&other).unwrap(), "no leaf `x`");
    }

    #[test]
    fn an_option_of_which_nothing_is_absent_is_no_level() {
        let leaves = leaves(&Int32Array::from(vec![1, 2, 3]));
        let differs = |value: &Value| Reference { value }.differs(&leaves);
        let option = |valid: u64| json!([{"option_valid_sha256": "00", "n": 3, "n_valid": valid}]);
        assert_eq!(differs(&leaf("i4", 3, option(3))), None);
        assert!(differs(&leaf("i4", 3, option(2))).unwrap().starts_with("level 0"));
    }

    #[test]
    fn members_of_pairs_and_maps_are_numbered() {
        assert_eq!(canonical("m_map.key"), "m_map.0");
        assert_eq!(canonical("second._2"), "1.2");
        assert_eq!(canonical("_rel"), "_rel");
    }
}
