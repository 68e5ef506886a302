use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, RunResult};

/// A processor made from its settings.
pub(crate) fn read<P: DeserializeOwned>(processor: &str, settings: &Map<String, Value>) -> RunResult<P> {
    let mut made = serde_json::from_value(Value::Object(settings.clone()));
    if made.is_err() && settings.is_empty() {
        // A unit struct has no settings, which serde wants to see as null.
        made = serde_json::from_value(Value::Null).or(made);
    }
    made.map_err(|error| {
        let message = error.to_string();
        let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let (key, message) = match unknown {
            Some(key) => {
                let suggestion = suggestion(&message).unwrap_or_default();
                (Some(key.to_owned()), message.clone() + &suggestion)
            }
            None => match culprit::<P>(settings, &message) {
                Some(key) => (Some(key.to_owned()), format!("`{key}`: {message}")),
                None => (None, message),
            },
        };
        Error::Setting { processor: processor.to_owned(), key, message, place: None }
    })
}

/// The setting that is to blame: alone it gives the same message. serde does not say which it is.
fn culprit<'s, P: DeserializeOwned>(settings: &'s Map<String, Value>, message: &str) -> Option<&'s str> {
    let fails = |(key, value): &(&String, &Value)| {
        let alone = Map::from_iter([((*key).clone(), (*value).clone())]);
        serde_json::from_value::<P>(Value::Object(alone)).is_err_and(|error| error.to_string() == message)
    };
    settings.iter().find(fails).map(|(key, _)| key.as_str())
}

/// Whether `--set` gives a setting, by its name on the top level.
pub(crate) fn is_set(assignment: &str, key: &str) -> bool {
    assignment.split(['=', '.']).next() == Some(key)
}

/// serde lists the fields in backticks after the unknown one.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    hep_columns::nearest(unknown, quoted).map(|name| format!("; did you mean `{name}`?"))
}

/// Applies `--set key=value`; the value is read as YAML, so `20`, `true` and `[1, 2]` are what they
/// look like. A dotted key reaches into a map.
pub(crate) fn set(settings: &mut Map<String, Value>, assignment: &str) -> RunResult<()> {
    let usage = |why: &str| Error::Usage(format!("--set {assignment}: {why}"));
    let (key, text) = assignment.split_once('=').ok_or_else(|| usage("expected KEY=VALUE"))?;
    let value: Value = serde_saphyr::from_str(text).map_err(|error| usage(&error.to_string()))?;
    let mut map = settings;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            return Err(usage("the key is empty"));
        }
        if parts.peek().is_none() {
            map.insert(part.to_owned(), value);
            break;
        }
        let inner = map.entry(part).or_insert_with(|| Value::Object(Map::new()));
        map = inner.as_object_mut().ok_or_else(|| usage(&format!("`{part}` is not a map")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Dimuon {
        min_pt: f32,
    }

    #[test]
    fn a_mistyped_setting_is_an_error_with_a_suggestion() {
        let mut settings = Map::new();
        set(&mut settings, "min_ptt=20").unwrap();
        let error = read::<Dimuon>("dimuon", &settings).unwrap_err().to_string();
        assert_eq!(
            error,
            "the settings of processor `dimuon` are wrong: unknown field `min_ptt`, expected `min_pt`; \
             did you mean `min_pt`?"
        );
    }

    #[test]
    fn values_are_read_as_they_look() {
        let mut settings = Map::new();
        for text in ["min_pt=20.5", "cuts.eta=2.4", "on=true", "name=tight"] {
            set(&mut settings, text).unwrap();
        }
        let want = serde_json::json!({"min_pt": 20.5, "cuts": {"eta": 2.4}, "on": true, "name": "tight"});
        assert_eq!(Value::Object(settings), want);
    }
}
