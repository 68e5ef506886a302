//! The processors of a binary, by name, with their types erased.
//!
//! The erasure is at the level of a batch: inside [`Processor::process`] everything is
//! monomorphised, and a dynamic call is made once per some ten thousand events.

use std::any::Any;
use std::io::Write;

use hep_analysis::{Columnar, Dataset, Events, Merge, Object, Output, Processor};
use hep_columns::{Batch, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, RunResult, settings};

/// The processors a binary knows.
#[derive(Default)]
pub struct Registry {
    entries: Vec<Registered>,
}

struct Registered {
    name: String,
    make: Make,
}

type Make = fn(&str, &Map<String, Value>) -> RunResult<Box<dyn AnyProcessor>>;

impl Registry {
    /// Adds `P` under its type's name in snake case. What comes with the settings' names and types
    /// is `P`'s `Deserialize`.
    pub fn add<P: Processor + DeserializeOwned>(&mut self, type_name: &str) {
        let make: Make = |name, values| Ok(Box::new(settings::read::<P>(name, values)?));
        self.entries.push(Registered { name: snake_case(type_name), make });
    }

    /// The names of all, in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The processor `name` with its settings, and its name. Without a name, the only one there is.
    ///
    /// # Errors
    /// Where there is no such processor, or the settings are not its own.
    pub fn make(
        &self,
        name: Option<&str>,
        settings: &Map<String, Value>,
    ) -> RunResult<(String, Box<dyn AnyProcessor>)> {
        let entry = match (name, &self.entries[..]) {
            (None, [only]) => only,
            (None, _) => {
                let message =
                    "which processor? Name it in the fileset (`processor: NAME`) or with --processor";
                return Err(Error::Usage(format!("{message}; there are {}", self.list())));
            }
            (Some(name), _) => self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
                let message = match hep_columns::nearest(name, self.names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", self.list()),
                };
                Error::Usage(format!("no processor `{name}`; {message}"))
            })?,
        };
        Ok((entry.name.clone(), (entry.make)(&entry.name, settings)?))
    }

    fn list(&self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }
}

/// `TopMass` → `top_mass`, `AdlQ1` → `adl_q1`; a path keeps its last part.
fn snake_case(type_name: &str) -> String {
    let last = type_name.rsplit("::").next().unwrap_or(type_name).trim();
    let mut name = String::new();
    for c in last.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// A processor of a type known only to the binary it was compiled into.
pub trait AnyProcessor: Send + Sync {
    /// The columns it reads.
    fn schema(&self) -> Schema;
    /// An empty output.
    fn output(&self, dataset: &Dataset) -> Box<dyn AnyOutput>;
    /// Fills `output`, which this processor made, from a batch.
    ///
    /// # Errors
    /// The processor's, or a column's.
    fn process(&self, batch: Batch, output: &mut dyn AnyOutput) -> hep_analysis::Result<()>;
    /// An output that [`AnyOutput::encode`] has written.
    ///
    /// # Errors
    /// Where the bytes are none of this processor's.
    fn decode(&self, bytes: &[u8]) -> RunResult<Box<dyn AnyOutput>>;
    /// What is left to do after the last merge.
    fn finish(&self, output: Box<dyn AnyOutput>, dataset: &Dataset) -> Box<dyn AnyOutput>;
}

/// An output of a type known only to its processor.
pub trait AnyOutput: Send {
    /// Adds `other`, which the same processor made.
    ///
    /// # Errors
    /// Where the two do not fit together.
    fn merge(&mut self, other: Box<dyn AnyOutput>) -> hep_analysis::Result<()>;
    /// Its objects with their paths; see [`Output::objects`].
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object));
    /// Appends the output to `bytes`, in postcard's wire format: every bit of a number is kept.
    ///
    /// # Errors
    /// Where its `Serialize` fails, or wants a format that describes itself.
    fn encode(&self, bytes: &mut Vec<u8>) -> RunResult<()>;
    /// Writes what [`encode`](Self::encode) appends.
    ///
    /// # Errors
    /// The same, and where it cannot be written.
    fn write(&self, to: &mut dyn Write) -> RunResult<()>;
    /// What reads back what was written of it.
    fn decoder(&self) -> Decode;
    /// The bytes it takes in memory now; see [`Output::memory`].
    fn memory(&self) -> usize;
    /// Those that its objects may come to; see [`Output::most_memory`].
    fn most_memory(&self, path: &str, sink: &mut dyn FnMut(&str, usize));
    #[doc(hidden)]
    fn as_any(&mut self) -> &mut dyn Any;
    #[doc(hidden)]
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Reads an output that [`AnyOutput::encode`] has written.
pub type Decode = fn(&[u8]) -> RunResult<Box<dyn AnyOutput>>;

struct Erased<O>(O);

const SAME: &str = "a processor is only given outputs that it made itself";

impl<O: Output> AnyOutput for Erased<O> {
    fn merge(&mut self, other: Box<dyn AnyOutput>) -> hep_analysis::Result<()> {
        let other = other.into_any().downcast::<Self>().expect(SAME);
        Merge::merge(&mut self.0, other.0)
    }

    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        self.0.objects(path, sink);
    }

    fn encode(&self, bytes: &mut Vec<u8>) -> RunResult<()> {
        *bytes = postcard::to_extend(&self.0, std::mem::take(bytes))
            .map_err(|error| Error::Partial(format!("the output cannot be written: {error}")))?;
        Ok(())
    }

    fn write(&self, to: &mut dyn Write) -> RunResult<()> {
        let written = postcard::to_io(&self.0, to);
        written.map(drop).map_err(|error| Error::Partial(format!("the output cannot be written: {error}")))
    }

    fn decoder(&self) -> Decode {
        decode::<O>
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }

    fn most_memory(&self, path: &str, sink: &mut dyn FnMut(&str, usize)) {
        self.0.most_memory(path, sink);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn decode<O: Output>(bytes: &[u8]) -> RunResult<Box<dyn AnyOutput>> {
    let why = |what: &str| Error::Partial(format!("the output cannot be read: {what}"));
    match postcard::take_from_bytes::<O>(bytes) {
        Ok((output, [])) => Ok(Box::new(Erased(output))),
        Ok(_) => Err(why("it has bytes to spare")),
        Err(error) => Err(why(&error.to_string())),
    }
}

impl<P: Processor> AnyProcessor for P {
    fn schema(&self) -> Schema {
        let mut schema = Schema::default();
        P::Event::declare("", &mut schema);
        self.declare(&mut schema);
        schema
    }

    fn output(&self, dataset: &Dataset) -> Box<dyn AnyOutput> {
        Box::new(Erased(Processor::output(self, dataset)))
    }

    fn process(&self, batch: Batch, output: &mut dyn AnyOutput) -> hep_analysis::Result<()> {
        let output = output.as_any().downcast_mut::<Erased<P::Output>>().expect(SAME);
        Processor::process(self, &Events::new(batch)?, &mut output.0)
    }

    fn decode(&self, bytes: &[u8]) -> RunResult<Box<dyn AnyOutput>> {
        decode::<P::Output>(bytes)
    }

    fn finish(&self, output: Box<dyn AnyOutput>, dataset: &Dataset) -> Box<dyn AnyOutput> {
        let output = output.into_any().downcast::<Erased<P::Output>>().expect(SAME);
        Box::new(Erased(Processor::finish(self, output.0, dataset)))
    }
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn a_processor_is_called_by_its_type_in_snake_case() {
        assert_eq!(snake_case("AdlQ1"), "adl_q1");
        assert_eq!(snake_case("crate::top::TopMass"), "top_mass");
        assert_eq!(snake_case("Dimuon"), "dimuon");
    }
}
