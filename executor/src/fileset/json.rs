use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
    io::{self, Read},
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::location;
use super::{
    Format, MAX_NODES,
    error::{FilesetError, FilesetProblem},
    node::{Entry, Node, Shape},
};

/// The tree of a JSON text. Keys are unique; `serde_json` itself refuses more than 127 levels.
pub(super) fn parse(text: &str) -> Result<Node, FilesetError> {
    let state = State { line: Cell::new(1), nodes: Cell::new(0), duplicate: RefCell::new(None) };
    let mut parser =
        serde_json::Deserializer::from_reader(Lines { text: text.as_bytes(), newline: false, state: &state });
    let node = Seed(&state).deserialize(&mut parser).and_then(|node| parser.end().map(|()| node));
    node.map_err(|error| match state.duplicate.take() {
        Some((line, key)) => {
            let key = location::without_secrets(&key).into_owned();
            FilesetError::at(line, FilesetProblem::DuplicateKey { key })
        }
        None => explain(&error),
    })
}

fn explain(error: &serde_json::Error) -> FilesetError {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&position).unwrap_or(&text).to_owned();
    let line = u64::try_from(error.line()).unwrap_or(0);
    FilesetError::at(line, FilesetProblem::Syntax { format: Format::Json, message })
}

/// What the reader and the visitors share.
struct State {
    line: Cell<u64>,
    nodes: Cell<usize>,
    duplicate: RefCell<Option<(u64, String)>>,
}

/// Hands the text out byte by byte, as `serde_json` asks for it, so that the line counted is the line of the
/// last byte it has seen. A newline counts once the byte after it is read: numbers are read one byte too far.
struct Lines<'a> {
    text: &'a [u8],
    newline: bool,
    state: &'a State,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (Some((&byte, rest)), Some(slot)) = (self.text.split_first(), buffer.first_mut()) else {
            return Ok(0);
        };
        self.state.line.set(self.state.line.get() + u64::from(self.newline));
        self.newline = byte == b'\n';
        self.text = rest;
        *slot = byte;
        Ok(1)
    }
}

#[derive(Clone, Copy)]
struct Seed<'a>(&'a State);

impl Seed<'_> {
    fn node(self, shape: Shape) -> Node {
        Node { line: self.0.line.get(), shape }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let nodes = self.0.nodes.get() + 1;
        self.0.nodes.set(nodes);
        if nodes > MAX_NODES {
            return Err(D::Error::custom(format_args!("more than {MAX_NODES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(self.node(Shape::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(self.node(Shape::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(self.node(Shape::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(self.node(Shape::Number(value.into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that is not finite"))?;
        Ok(self.node(Shape::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(self.node(Shape::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut node = self.node(Shape::Null);
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        node.shape = Shape::List(list);
        Ok(node)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut node = self.node(Shape::Null);
        let mut map = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let line = self.0.line.get();
            if !seen.insert(key.clone()) {
                self.0.duplicate.replace(Some((line, key)));
                return Err(A::Error::custom("a duplicate key"));
            }
            map.push(Entry { key, line, value: entries.next_value_seed(self)? });
        }
        node.shape = Shape::Map(map);
        Ok(node)
    }
}
