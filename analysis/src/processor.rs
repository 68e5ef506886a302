use serde_json::{Map, Value};

use hep_columns::Schema;

use crate::{Columnar, Events, Output, Result};

/// An analysis: the columns it reads, its selections and its histograms.
///
/// A processor holds settings, never running state: [`process`](Processor::process) is called for
/// batches in any order, on any thread, and all it may change is the output it is given.
pub trait Processor: Send + Sync + 'static {
    /// What is read of an event.
    type Event: Columnar;
    /// What is filled.
    type Output: Output;

    /// An empty output for a dataset: histograms booked, nothing filled.
    fn output(&self, dataset: &Dataset) -> Self::Output;

    /// Fills `output` from a batch of events.
    ///
    /// # Errors
    /// An error fails the whole entry range these events belong to: its output is dropped, the
    /// range is recorded as failed and the others go on.
    fn process(&self, events: &Events<Self::Event>, output: &mut Self::Output) -> Result<()>;

    /// Called once for each dataset, after the last merge: for scaling and fits.
    fn finish(&self, output: Self::Output, _dataset: &Dataset) -> Self::Output {
        output
    }

    /// Columns that `Event` does not name, for names known only at run time, to be read from
    /// [`Events::batch`].
    fn declare(&self, _schema: &mut Schema) {}
}

/// A dataset as the fileset names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What the fileset's `metadata:` says of it.
    pub metadata: Map<String, Value>,
}

impl Dataset {
    /// Whether the metadata say `is_mc: true`; data unless said.
    pub fn is_mc(&self) -> bool {
        self.metadata.get("is_mc").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The number that the metadata give for `key`.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.metadata.get(key).and_then(Value::as_f64)
    }

    /// The text that the metadata give for `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }
}
