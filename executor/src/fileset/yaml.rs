use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter, budget::BudgetBreach};

use super::location;
use super::{
    Format, MAX_DEPTH, MAX_NODES,
    error::{FilesetError, FilesetProblem},
    node::{Entry, Node, Shape},
};

/// How many values, and ends of lists and maps, aliases and merge keys may repeat for each byte of the text.
const REPEATED_PER_BYTE: usize = 2;
/// Bounds of that: a small fileset may repeat a block often, and no one needs more.
const REPEATED: std::ops::RangeInclusive<usize> = 4_000..=2_000_000;
/// Bounds of how many are kept at a time, to be repeated. A block that holds no other needs one for two of
/// its bytes at most.
const KEPT: std::ops::RangeInclusive<usize> = 1_000..=200_000;
/// The text in each of them, on average.
const BYTES_PER_KEPT: usize = 64;

/// The tree of a YAML text. Keys are unique, only `true` and `false` are booleans (YAML 1.2), merge keys
/// work, and the limits make an alias bomb or deep nesting an error.
pub(super) fn parse(text: &str) -> Result<Node, FilesetError> {
    // Aliases and merge keys may repeat several times what is written, and no more: a bomb multiplies.
    let repeated = text.len().saturating_mul(REPEATED_PER_BYTE).clamp(*REPEATED.start(), *REPEATED.end());
    let kept = (text.len() / 2).clamp(*KEPT.start(), *KEPT.end());
    // What is written takes at least a byte each.
    let written = text.len().saturating_add(1);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_events: MAX_NODES,
            max_nodes: MAX_NODES,
            max_aliases: written,
            max_anchors: written,
            max_merge_keys: written,
            max_recorded_anchor_events: kept,
            max_recorded_anchor_bytes: kept.saturating_mul(BYTES_PER_KEPT),
            // `<<: *defaults` in each of many datasets is what aliases are for.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: repeated,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| explain(&error))
}

fn syntax(message: String) -> FilesetProblem {
    FilesetProblem::Syntax { format: Format::Yaml, message }
}

fn explain(error: &serde_saphyr::Error) -> FilesetError {
    let line = error.location().map_or(0, |location| location.line());
    let mut cause = error;
    while let serde_saphyr::Error::AliasError { error, .. } | serde_saphyr::Error::WithSnippet { error, .. } =
        cause
    {
        cause = error;
    }
    let problem = match cause {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            FilesetProblem::DuplicateKey { key: location::without_secrets(key).into_owned() }
        }
        serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            syntax(format!("it is nested more than {MAX_DEPTH} levels deep"))
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            syntax("it has more than one document (`---`)".to_owned())
        }
        serde_saphyr::Error::Budget { .. } => syntax("it has too many values or aliases".to_owned()),
        other => {
            let message = UserMessageFormatter.format_message(other);
            syntax(message.trim().replace(char::is_control, " "))
        }
    };
    FilesetError::at(line, problem)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Shape>::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), shape: value })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        Shape::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Shape, E> {
        Number::from_f64(value).map(Shape::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Shape, E> {
        Ok(Shape::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Shape::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Node>()? {
            map.push(Entry { line: key.referenced.line(), key: key.value, value });
        }
        Ok(Shape::Map(map))
    }
}
