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

    /// Called once for each dataset of a result, after the last merge: for scaling and fits.
    ///
    /// A part of a run (`--shard`, `map`, a `.partial`) is not finished; whoever merges the parts to a result finishes it.
    /// An incomplete result (`.incomplete`) and a sample are finished too: what they lack is in their ledger. A result that
    /// this changed says so in its ledger, and is not merged with others: two scaled histograms do not add up to a scaled
    /// one.
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
