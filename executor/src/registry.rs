//! The processors of a binary, by name, with their types erased.
//!
//! The erasure is at the level of a batch: inside [`Processor::process`] everything is
//! monomorphised, and a dynamic call is made once per some ten thousand events.

use std::any::Any;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::sync::Arc;

use hep_analysis::{Columnar, Columns, Dataset, DatasetColumns, Events, Merge, Object, Output, Processor};
use hep_columns::{Batch, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, RunResult};
use crate::settings;

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
    /// Adds `P` under its type's name in snake case. `P`'s `Deserialize` reads its settings, its `Serialize` writes all
    /// that they are, defaults included.
    pub fn add<P: Processor + DeserializeOwned + Serialize>(&mut self, type_name: &str) {
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
    /// The columns it reads of a dataset.
    ///
    /// # Errors
    /// Where the processor cannot declare them.
    fn schema(&self, dataset: &Dataset) -> hep_analysis::Result<Schema>;
    /// Its settings as they are, defaults included.
    ///
    /// # Errors
    /// Where its `Serialize` fails, or gives no map.
    fn settings(&self) -> RunResult<Map<String, Value>>;
    /// An empty output.
    ///
    /// # Errors
    /// Where the processor cannot book it.
    fn output(&self, dataset: &Dataset) -> hep_analysis::Result<Box<dyn AnyOutput>>;
    /// Fills `output`, which this processor made, from a batch of a dataset.
    ///
    /// # Errors
    /// The processor's, or a column's.
    fn process(
        &self,
        batch: Batch,
        dataset: &Arc<DatasetColumns>,
        output: &mut dyn AnyOutput,
    ) -> hep_analysis::Result<()>;
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
    fn reader(&self) -> ReadBack;
    /// The bytes it takes in memory now; see [`Output::memory`].
    fn memory(&self) -> usize;
    /// Fills with a weight that is no number; see [`Output::non_finite_weights`].
    fn non_finite_weights(&self, path: &str, sink: &mut dyn FnMut(&str, u64));
    /// Those that its objects may come to; see [`Output::most_memory`].
    fn most_memory(&self, path: &str, sink: &mut dyn FnMut(&str, usize));
    #[doc(hidden)]
    fn as_any(&mut self) -> &mut dyn Any;
    #[doc(hidden)]
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Reads an output that [`AnyOutput::write`] has written, of which nothing follows.
pub type ReadBack = fn(&mut BufReader<File>) -> RunResult<Box<dyn AnyOutput>>;

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

    fn reader(&self) -> ReadBack {
        read_back::<O>
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }

    fn non_finite_weights(&self, path: &str, sink: &mut dyn FnMut(&str, u64)) {
        self.0.non_finite_weights(path, sink);
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
    match postcard::take_from_bytes::<O>(bytes) {
        Ok((output, [])) => Ok(Box::new(Erased(output))),
        Ok(_) => Err(unread("it has bytes to spare")),
        Err(error) => Err(unread(error)),
    }
}

fn read_back<O: Output>(file: &mut BufReader<File>) -> RunResult<Box<dyn AnyOutput>> {
    // What is taken at a time: a number, or a string.
    let mut scratch = vec![0; 1 << 16];
    let read = postcard::from_io::<O, _>((&mut *file, &mut scratch));
    if let Ok((output, _)) = read
        && file.fill_buf().map_err(unread)?.is_empty()
    {
        return Ok(Box::new(Erased(output)));
    }
    // A longer string, or a failure to be told.
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(unread)?;
    decode::<O>(&bytes)
}

fn unread(why: impl Display) -> Error {
    Error::Partial(format!("the output cannot be read: {why}"))
}

impl<P: Processor + Serialize> AnyProcessor for P {
    fn settings(&self) -> RunResult<Map<String, Value>> {
        let wrong = |why: &dyn Display| {
            Error::Usage(format!("the settings of the processor cannot be written: {why}"))
        };
        match serde_json::to_value(self).map_err(|error| wrong(&error))? {
            Value::Object(settings) => Ok(settings),
            // A unit struct, which has none.
            Value::Null => Ok(Map::new()),
            _ => Err(wrong(&"they are no map")),
        }
    }

    fn schema(&self, dataset: &Dataset) -> hep_analysis::Result<Schema> {
        let mut schema = Schema::default();
        P::Event::declare("", &mut schema);
        self.declare(dataset, &mut Columns::new(&mut schema))?;
        Ok(schema)
    }

    fn output(&self, dataset: &Dataset) -> hep_analysis::Result<Box<dyn AnyOutput>> {
        Ok(Box::new(Erased(Processor::output(self, dataset)?)))
    }

    fn process(
        &self,
        batch: Batch,
        dataset: &Arc<DatasetColumns>,
        output: &mut dyn AnyOutput,
    ) -> hep_analysis::Result<()> {
        let output = output.as_any().downcast_mut::<Erased<P::Output>>().expect(SAME);
        Processor::process(self, &Events::<P::Event>::new(batch)?.of(Arc::clone(dataset)), &mut output.0)
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
    use hep_analysis::hist::{Axis, Hist};

    use super::*;

    #[test]
    fn an_output_is_read_back_from_its_file_whole_or_not_at_all() {
        let path = std::env::temp_dir().join(format!("hep-run-read-back-{}", std::process::id()));
        // The second is longer than what is taken of a file at a time.
        for label in ["m".to_owned(), "m".repeat(100_000)] {
            let mut histogram = Hist::new(Axis::regular(10, 0.0, 1.0).label(label));
            histogram.fill(0.25, 2.0);
            let output: Box<dyn AnyOutput> = Box::new(Erased(histogram));
            let mut written = Vec::new();
            output.encode(&mut written).unwrap();
            let read = |bytes: &[u8]| {
                std::fs::write(&path, bytes).unwrap();
                let mut again = Vec::new();
                output.reader()(&mut BufReader::new(File::open(&path).unwrap()))?.encode(&mut again)?;
                Ok(again)
            };
            assert_eq!(read(&written).map_err(|error: Error| error.to_string()), Ok(written.clone()));
            assert!(read(&written[..written.len() - 1]).is_err());
            assert!(read(&[&written[..], b"!"].concat()).unwrap_err().to_string().contains("to spare"));
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_processor_is_called_by_its_type_in_snake_case() {
        assert_eq!(snake_case("AdlQ1"), "adl_q1");
        assert_eq!(snake_case("crate::top::TopMass"), "top_mass");
        assert_eq!(snake_case("Dimuon"), "dimuon");
    }
}
