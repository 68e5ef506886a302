use serde_json::{Map, Value};

use crate::{Columnar, Columns, Events, Output, Result};

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
    ///
    /// # Errors
    /// An error ends the run before any file is read: a setting that makes no sense, metadata that are not there.
    fn output(&self, dataset: &Dataset) -> Result<Self::Output>;

    /// Fills `output` from a batch of events, which know their [dataset](Events::dataset).
    ///
    /// # Errors
    /// An error fails the whole entry range these events belong to: its output is dropped, the
    /// range is recorded as failed and the others go on.
    fn process(&self, events: &Events<Self::Event>, output: &mut Self::Output) -> Result<()>;

    /// Called once for each dataset of a result, after the last merge: for scaling and fits.
    ///
    /// A part of a run (`--shard`, `map`, a `.partial`) is not finished; whoever merges the parts to a result finishes it.
    /// An incomplete result (`.incomplete`) and a sample are finished too: what they lack is in their ledger. A result that
    /// this changed says so in its ledger, and is not merged with others: two scaled histograms do not add up to a scaled
    /// one.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// # use hep_run::prelude::*;
    /// # #[derive(Columnar)] struct Event { met: f32 }
    /// #[derive(Output)]
    /// struct Histograms {
    ///     met: Hist,
    ///     weights: Hist,
    /// }
    ///
    /// # #[derive(Default, Settings)]
    /// # struct Analysis { luminosity: f64 }
    /// impl Processor for Analysis {
    ///     # type Event = Event;
    ///     # type Output = Histograms;
    ///     # fn output(&self, _: &Dataset) -> Result<Histograms> {
    ///     #     let axis = Axis::regular(10, 0.0, 100.0).label("met [GeV]");
    ///     #     Ok(Histograms { met: Hist::new(axis), weights: Hist::new(Axis::integer(0, 1)) })
    ///     # }
    ///     # fn process(&self, _: &Events<Event>, _: &mut Histograms) -> Result<()> { Ok(()) }
    ///     fn finish(&self, mut output: Histograms, dataset: &Dataset) -> Histograms {
    ///         if let Some(cross_section) = dataset.number("xsec") {
    ///             output.met.scale(self.luminosity * cross_section / output.weights.sum());
    ///         }
    ///         output
    ///     }
    /// }
    /// ```
    fn finish(&self, output: Self::Output, _dataset: &Dataset) -> Self::Output {
        output
    }

    /// Declares the columns of a dataset that `Event` does not name: those whose names are in the settings or the
    /// metadata, and those that only some datasets have. [`Events::column`] gives them.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// # use hep_run::prelude::*;
    /// # #[derive(Columnar)] struct Event { met: f32 }
    /// #[derive(Default, Settings)]
    /// struct Triggered {
    ///     triggers: Vec<String>,
    /// }
    ///
    /// impl Processor for Triggered {
    ///     # type Event = Event;
    ///     # type Output = Count;
    ///     # fn output(&self, _: &Dataset) -> Result<Count> { Ok(Count::new(Axis::regular(10, 0.0, 1.0))) }
    ///     fn declare(&self, dataset: &Dataset, columns: &mut Columns) -> Result<()> {
    ///         for trigger in &self.triggers {
    ///             columns.read::<Option<bool>>(trigger);
    ///         }
    ///         if dataset.is_mc() {
    ///             columns.read::<f32>("genWeight");
    ///         }
    ///         Ok(())
    ///     }
    ///
    ///     fn process(&self, events: &Events<Event>, met: &mut Count) -> Result<()> {
    ///         for trigger in &self.triggers {
    ///             let fired = events.column::<Option<bool>>(trigger)?;
    ///             for (event, fired) in events.iter().zip(fired.iter()) {
    ///                 if fired.unwrap_or(false) {
    ///                     met.fill(f64::from(event.met));
    ///                 }
    ///             }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// An error ends the run before any file is read.
    fn declare(&self, _dataset: &Dataset, _columns: &mut Columns<'_>) -> Result<()> {
        Ok(())
    }
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
    /// Whether the metadata say `is_mc: true`. The texts `true`, `yes` and `1`, their opposites, and the numbers 1
    /// and 0 are understood too.
    ///
    /// # Panics
    /// Where the metadata have no `is_mc`, or something else under it: taking simulation for data would be silent.
    /// The framework reports the panic as an error before any file is read.
    #[track_caller]
    pub fn is_mc(&self) -> bool {
        let Some(value) = self.metadata.get("is_mc") else {
            let near = hep_columns::nearest("is_mc", self.metadata.keys().map(String::as_str));
            let hint = near.map_or_else(
                || "write `metadata: {is_mc: true}` or `false`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            panic!("the metadata of dataset `{}` have no `is_mc`; {hint}", self.name);
        };
        let known = match value {
            Value::Bool(known) => Some(*known),
            Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
            Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        };
        known.unwrap_or_else(|| self.refuse("is_mc", value, "true or false"))
    }

    /// The number that the metadata give for `key`; none if they do not have the key. A number written as text is
    /// understood too.
    ///
    /// # Panics
    /// Where the key has something else. The framework reports the panic as an error.
    #[track_caller]
    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.metadata.get(key).filter(|value| !value.is_null())?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        };
        Some(number.unwrap_or_else(|| self.refuse(key, value, "a number")))
    }

    /// The text that the metadata give for `key`; none if they do not have the key.
    ///
    /// # Panics
    /// Where the key has something else, such as the number of `year: 2018`. The framework reports the panic as an
    /// error.
    #[track_caller]
    pub fn text(&self, key: &str) -> Option<&str> {
        let value = self.metadata.get(key).filter(|value| !value.is_null())?;
        Some(value.as_str().unwrap_or_else(|| {
            let wanted = match value {
                Value::Number(_) | Value::Bool(_) => {
                    format!("text, which is in quotes: `{key}: \"{value}\"`")
                }
                _ => "text".to_owned(),
            };
            self.refuse(key, value, &wanted)
        }))
    }

    /// The `year` of the metadata as text, whether it is written `2018` or `2016postVFP`; none if they do not have it.
    ///
    /// # Panics
    /// Where it is neither a number nor text. The framework reports the panic as an error.
    #[track_caller]
    pub fn year(&self) -> Option<String> {
        let value = self.metadata.get("year").filter(|value| !value.is_null())?;
        Some(match value {
            Value::Number(year) => year.to_string(),
            Value::String(year) => year.trim().to_owned(),
            _ => self.refuse("year", value, "a number or text"),
        })
    }

    #[track_caller]
    fn refuse(&self, key: &str, value: &Value, wanted: &str) -> ! {
        let found = match value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::String(text) => format!("the text {:?}", text.chars().take(100).collect::<String>()),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a map".to_owned(),
        };
        panic!("the metadata of dataset `{}` have {found} for `{key}`, which should be {wanted}", self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(key: &str, value: impl Into<Value>) -> Dataset {
        Dataset { name: "DY".to_owned(), metadata: Map::from_iter([(key.to_owned(), value.into())]) }
    }

    fn refusal<T>(ask: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
        let panic = std::panic::catch_unwind(ask).err().expect("a refusal");
        *panic.downcast::<String>().expect("a message")
    }

    #[test]
    fn is_mc_is_said_in_any_usual_way_and_never_guessed() {
        for (value, expected) in [
            (Value::from(true), true),
            ("true".into(), true),
            ("Yes".into(), true),
            (1.into(), true),
            (1.0.into(), true),
            (false.into(), false),
            ("no".into(), false),
            (0.into(), false),
        ] {
            assert_eq!(dataset("is_mc", value.clone()).is_mc(), expected, "{value}");
        }
        assert_eq!(
            refusal(|| dataset("is_mc", "mc").is_mc()),
            "the metadata of dataset `DY` have the text \"mc\" for `is_mc`, which should be true or false"
        );
        assert_eq!(
            refusal(|| dataset("isMC", true).is_mc()),
            "the metadata of dataset `DY` have no `is_mc`; did you mean `isMC`?"
        );
        for value in [Value::Null, 2.into(), Value::Array(vec![true.into()])] {
            refusal(|| dataset("is_mc", value).is_mc());
        }
    }

    #[test]
    fn a_year_is_a_number_or_text() {
        assert_eq!(dataset("year", 2018).year().as_deref(), Some("2018"));
        assert_eq!(dataset("year", " 2016postVFP").year().as_deref(), Some("2016postVFP"));
        assert_eq!(dataset("era", 2018).year(), None);
        refusal(|| dataset("year", true).year());
    }

    #[test]
    fn a_number_may_be_text_and_text_is_no_number() {
        assert_eq!(dataset("xsec", "6077.22").number("xsec"), Some(6077.22));
        assert_eq!(dataset("xsec", 2).number("xsec"), Some(2.0));
        assert_eq!(dataset("xsec", 2).number("lumi"), None);
        assert_eq!(dataset("year", "2018").text("year"), Some("2018"));
        assert_eq!(dataset("year", "2018").text("era"), None);
        assert_eq!(
            refusal(|| dataset("year", 2018).text("year").map(str::to_owned)),
            "the metadata of dataset `DY` have 2018 for `year`, which should be text, which is in quotes: \
             `year: \"2018\"`"
        );
        refusal(|| dataset("xsec", "large").number("xsec"));
        refusal(|| dataset("xsec", true).number("xsec"));
    }
}
