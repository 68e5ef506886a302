//! A fileset's text as a tree in which every value knows its line, before its meaning is looked for.

use serde_json::{Map, Number, Value};

use super::error::{FilesetError, FilesetProblem};

/// A value and the line it starts at, 0 where that is unknown.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) shape: Shape,
}

/// What JSON and the YAML that is accepted have in common. Keys of a map are unique: the parsers see to it.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map, its line and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) value: Node,
}

/// A map whose keys are all known.
pub(crate) struct Fields<'n>(&'n [Entry]);

impl<'n> Fields<'n> {
    /// The value of a key; one that is null counts as absent.
    pub(crate) fn find(&self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|e| e.key == key).map(|e| &e.value).filter(|n| !n.is_null())
    }
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.shape, Shape::Null)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Shape::Text(text) = &self.shape { Some(text) } else { None }
    }

    pub(crate) fn as_map(&self) -> Option<&[Entry]> {
        if let Shape::Map(entries) = &self.shape { Some(entries) } else { None }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        if let Shape::List(items) = &self.shape { Some(items) } else { None }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        if let Shape::Number(number) = &self.shape { number.as_u64() } else { None }
    }

    /// The value of a key, if this is a map that has it.
    pub(crate) fn find(&self, key: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The map at `place`, all of whose keys are known.
    pub(crate) fn fields(
        &self,
        place: &str,
        wanted: &'static str,
        known: &'static [&'static str],
    ) -> Result<Fields<'_>, FilesetError> {
        let entries = self.as_map().ok_or_else(|| self.wrong(place, wanted))?;
        match entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            Some(entry) => Err(entry.unknown(place, known)),
            None => Ok(Fields(entries)),
        }
    }

    /// The text at `what`.
    pub(crate) fn text(&self, what: &str, wanted: &'static str) -> Result<&str, FilesetError> {
        self.as_text().ok_or_else(|| self.wrong(what, wanted))
    }

    /// The error that says what was found here and what was wanted.
    pub(crate) fn wrong(&self, what: &str, wanted: &'static str) -> FilesetError {
        let found = match &self.shape {
            Shape::Null => "null".to_owned(),
            Shape::Bool(value) => format!("the boolean {value}"),
            Shape::Number(value) => format!("the number {value}"),
            Shape::Text(value) => format!("the text `{}`", shortened(value).escape_debug()),
            Shape::List(_) => "a list".to_owned(),
            Shape::Map(_) => "a map".to_owned(),
        };
        self.error(FilesetProblem::Type { what: what.to_owned(), wanted, found })
    }

    /// A problem with this value.
    pub(crate) fn error(&self, problem: FilesetProblem) -> FilesetError {
        FilesetError::at(self.line, problem)
    }

    /// The value without its lines. The depth is bounded by the parsers' limits.
    pub(crate) fn to_json(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Bool(value) => Value::Bool(*value),
            Shape::Number(value) => Value::Number(value.clone()),
            Shape::Text(value) => Value::String(value.clone()),
            Shape::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Shape::Map(entries) => Value::Object(to_json_map(entries)),
        }
    }
}

impl Entry {
    pub(crate) fn unknown(&self, place: &str, known: &'static [&'static str]) -> FilesetError {
        let nearest = hep_columns::nearest(&self.key, known.iter().copied());
        let key = shortened(&self.key).to_owned();
        FilesetError::at(
            self.line,
            FilesetProblem::UnknownKey { key, place: place.to_owned(), nearest, known },
        )
    }
}

/// A map's entries without their lines.
pub(crate) fn to_json_map(entries: &[Entry]) -> Map<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
}

/// As much of a value as is worth repeating in a message.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(end, _)| &text[..end])
}
