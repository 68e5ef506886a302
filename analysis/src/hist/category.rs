use serde::{Deserialize, Serialize};

/// One bin for each of a list of names. An unknown name goes to the overflow, or gets a bin of its
/// own if the axis grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    names: Vec<String>,
    grows: bool,
}

impl Category {
    pub(super) fn new(names: Vec<String>, grows: bool) -> Result<Self, String> {
        if names.is_empty() && !grows {
            return Err("a category axis needs at least one name".to_owned());
        }
        match names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            Some((_, twice)) => Err(format!("a category axis names `{twice}` twice")),
            None => Ok(Self { names, grows }),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Self::new(self.names.clone(), self.grows).map(drop)
    }

    /// The names, in the order of their bins.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether an unknown name gets a bin.
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// The place of `name`; the overflow if it is unknown.
    #[inline]
    pub fn index(&self, name: &str) -> usize {
        1 + self.names.iter().position(|known| known == name).unwrap_or(self.names.len())
    }

    pub(super) fn push(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }
}
