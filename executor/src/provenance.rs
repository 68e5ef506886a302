//! What an output was made with. Outputs add up only if they come of one analysis: its binary, its settings,
//! the files that those name.
//!
//! It is the same for every executor and any number of workers, and the parts of a run that are merged have what
//! one run has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::binary;
use crate::checkpoint::texts;
use crate::error::{Error, RunResult};
use crate::fileset::{FileSpec, Fileset, Friend, location};
use crate::job::hex;

/// A larger file is known by its size: hashing it would take longer than many a run.
const LARGEST: u64 = 1 << 30;
/// Files of a folder that a setting names, at most; a larger folder is not looked at.
const MOST_FILES: usize = 10_000;

/// What an output was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The version of `hep-run`.
    pub program: String,
    /// The commit that `hep-run` was built from, where the build says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What tells the binary from others, by its content: [`binary::fingerprint`]; empty where the system does not give it.
    pub binary: String,
    /// The processor's settings, defaults included.
    pub settings: Map<String, Value>,
    /// The hashes of the filesets: of their datasets, files, friends and metadata. One for a run.
    pub filesets: BTreeSet<String>,
    /// The SHA-256 of each file that a setting or the metadata of a dataset name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
}

/// In what outputs may differ that are merged even so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Difference {
    /// The processor's settings
    Settings,
    /// The binary that made them
    Binary,
    /// The content of files that settings or metadata name
    Inputs,
    /// Some say nothing of all that: an older hep-run wrote them
    Provenance,
}

impl Difference {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Provenance {
    /// That of a run of this binary.
    pub fn of_run(settings: &Map<String, Value>, fileset: &Fileset) -> Self {
        let mut inputs = BTreeMap::new();
        let metadata = fileset.datasets.iter().map(|dataset| &dataset.metadata);
        for values in std::iter::once(settings).chain(metadata) {
            add_named(&mut inputs, values);
        }
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("HEP_RUN_COMMIT").map(str::to_owned),
            // A bare system root has no /proc.
            binary: binary::fingerprint().unwrap_or_default(),
            settings: settings.clone(),
            filesets: BTreeSet::from([hash_of(fileset)]),
            inputs,
        }
    }

    /// In what another one differs, and how, with the names `a` and `b` for the two.
    fn difference(&self, other: &Self, a: &str, b: &str) -> Vec<(Difference, String)> {
        let mut found = Vec::new();
        if (&self.binary, &self.program) != (&other.binary, &other.program) {
            let of = |one: &Self| format!("{:.12} of hep-run {}", one.binary, one.program);
            found.push((Difference::Binary, format!("binary {} made {a} and {} {b}", of(self), of(other))));
        }
        let keys: BTreeSet<&String> = self.settings.keys().chain(other.settings.keys()).collect();
        let differ = keys.into_iter().filter(|key| self.settings.get(*key) != other.settings.get(*key));
        let differ: Vec<String> = differ
            .map(|key| {
                let (mine, theirs) = (said(self.settings.get(key)), said(other.settings.get(key)));
                format!("{key}: {mine} in {a}, {theirs} in {b}")
            })
            .collect();
        if !differ.is_empty() {
            found.push((Difference::Settings, differ.join("; ")));
        }
        let changed =
            |(path, hash): &(&String, &String)| other.inputs.get(*path).is_some_and(|theirs| theirs != *hash);
        let changed: Vec<&str> = self.inputs.iter().filter(changed).map(|(path, _)| path.as_str()).collect();
        if !changed.is_empty() {
            let text = format!("{} had other content for {a} than for {b}", changed.join(", "));
            found.push((Difference::Inputs, text));
        }
        found
    }

    /// Takes over what another one knows that is no difference.
    fn absorb(&mut self, other: &Self) {
        self.filesets.extend(other.filesets.iter().cloned());
        for (path, hash) in &other.inputs {
            self.inputs.entry(path.clone()).or_insert_with(|| hash.clone());
        }
    }
}

/// A setting as a person would write it: `3` is 3.0 to a processor, and 0.1 has more digits in 64 bits than in 32.
fn said(value: Option<&Value>) -> String {
    match value {
        None => "not set".to_owned(),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(number) if f64::from(number as f32) == number => (number as f32).to_string(),
            _ => number.to_string(),
        },
        Some(value) => value.to_string(),
    }
}

/// Adds what the output `b` was made with to what is known of the outputs `a`; what a person may want to know.
///
/// # Errors
/// Where they differ in something that is not `allowed`: in what, and how.
pub(crate) fn merge(
    known: &mut Vec<Provenance>,
    other: Vec<Provenance>,
    (a, b): (&str, &str),
    allowed: &[Difference],
) -> RunResult<Option<String>> {
    let refused = |difference: Difference, text: &str| {
        Error::Usage(format!(
            "{text}: outputs of different analyses do not add up (--allow-different {} adds them even so)",
            difference.name()
        ))
    };
    match (known.is_empty(), other.is_empty()) {
        (true, true) => {
            return Ok(Some(format!(
                "{a} and {b} do not say what they were made with: whether they belong together is not known"
            )));
        }
        (false, false) => {}
        (is_a, _) => {
            let (with, without) = if is_a { (b, a) } else { (a, b) };
            let text = format!("{without} does not say what it was made with, and {with} does");
            if !allowed.contains(&Difference::Provenance) {
                return Err(refused(Difference::Provenance, &text));
            }
            known.extend(other);
            return Ok(Some(text));
        }
    }
    let mut notes = Vec::new();
    for theirs in other {
        let mut same = None;
        for (at, mine) in known.iter().enumerate() {
            let differences = mine.difference(&theirs, a, b);
            if differences.is_empty() {
                same = Some(at);
                continue;
            }
            for (difference, text) in differences {
                if !allowed.contains(&difference) {
                    return Err(refused(difference, &text));
                }
                notes.push(text);
            }
        }
        match same {
            Some(at) => known[at].absorb(&theirs),
            None => known.push(theirs),
        }
    }
    Ok((!notes.is_empty()).then(|| notes.join("; ")))
}

/// What is different between the provenance of two plans of one job: a file that changed between them.
pub(crate) fn changed_input(mine: &[Provenance], theirs: &[Provenance], a: &str, b: &str) -> Option<String> {
    let differences = mine.iter().zip(theirs).flat_map(|(one, other)| one.difference(other, a, b));
    differences.into_iter().find(|(what, _)| *what == Difference::Inputs).map(|(_, text)| text)
}

/// Takes over what another plan of the same job knows of files.
pub(crate) fn absorb(mine: &mut [Provenance], theirs: &[Provenance]) {
    mine.iter_mut().zip(theirs).for_each(|(one, other)| one.absorb(other));
}

/// The hash of what a fileset names. What is found out of files when they are opened is not in it, nor is what
/// is secret.
fn hash_of(fileset: &Fileset) -> String {
    let files = |files: &[FileSpec]| -> Value {
        files.iter().map(|file| serde_json::json!([location::identity(&file.path), file.steps])).collect()
    };
    let friends = |friends: &[Friend]| -> Value {
        friends.iter().map(|one| serde_json::json!([one.alias, one.index, files(&one.files)])).collect()
    };
    let datasets = fileset.datasets.iter().map(|dataset| {
        let friends = friends(&dataset.friends);
        serde_json::json!([dataset.name, dataset.metadata, files(&dataset.files), friends])
    });
    let text = serde_json::json!([datasets.collect::<Value>(), friends(&fileset.friends)]).to_string();
    hex(ring::digest::digest(&SHA256, text.as_bytes()).as_ref())
}

/// Adds the hashes of the files that values name.
fn add_named(inputs: &mut BTreeMap<String, String>, values: &Map<String, Value>) {
    let mut found = Vec::new();
    values.values().for_each(|value| texts(value, &mut found));
    for name in found {
        if inputs.contains_key(name) {
            continue;
        }
        let path = Path::new(name);
        let hash = match fs::metadata(path) {
            Ok(found) if found.is_file() && found.len() > LARGEST => Some(format!("{} bytes", found.len())),
            Ok(found) if found.is_file() => File::open(path).and_then(binary::digest).ok(),
            Ok(found) if found.is_dir() => hash_of_folder(path),
            _ => None,
        };
        if let Some(hash) = hash {
            inputs.insert(name.to_owned(), hash);
        }
    }
}

/// The hash of the names and sizes of a folder's files.
fn hash_of_folder(folder: &Path) -> Option<String> {
    let mut files: Vec<(PathBuf, u64)> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).ok()?.flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => {
                    let path = entry.path();
                    files.push((path.strip_prefix(folder).unwrap_or(&path).to_owned(), found.len()));
                }
                Err(_) => {}
            }
        }
        if files.len() + folders.len() > MOST_FILES {
            return None;
        }
    }
    files.sort_unstable();
    let mut context = Context::new(&SHA256);
    context.update(format!("{files:?}").as_bytes());
    Some(hex(context.finish().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(settings: Value, binary: &str) -> Vec<Provenance> {
        let Value::Object(settings) = settings else { panic!() };
        vec![Provenance {
            program: "1".to_owned(),
            commit: None,
            binary: binary.to_owned(),
            settings,
            filesets: BTreeSet::from([binary.to_owned()]),
            inputs: BTreeMap::from([("f".to_owned(), "1".to_owned())]),
        }]
    }

    fn merged(mine: Vec<Provenance>, theirs: Vec<Provenance>, allowed: &[Difference]) -> String {
        let mut known = mine;
        match merge(&mut known, theirs, ("a.root", "b.root"), allowed) {
            Ok(None) => format!("{} alike", known.len()),
            Ok(Some(note)) => format!("{}, {note}", known.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_differs_is_said_and_refused_unless_it_is_allowed() {
        let one = || made(serde_json::json!({"min_pt": 3, "eta": 2}), "aa");
        let two = || made(serde_json::json!({"min_pt": 50, "eta": 2}), "aa");
        assert_eq!(merged(one(), one(), &[]), "1 alike");
        let refused = merged(one(), two(), &[Difference::Binary]);
        assert!(refused.starts_with("min_pt: 3 in a.root, 50 in b.root: outputs of"), "{refused}");
        assert!(refused.contains("--allow-different settings"), "{refused}");
        assert_eq!(merged(one(), two(), &[Difference::Settings]), "2, min_pt: 3 in a.root, 50 in b.root");
        let other = made(serde_json::json!({"min_pt": 3}), "aa");
        assert!(merged(one(), other, &[]).starts_with("eta: 2 in a.root, not set in b.root"));
        let other = made(serde_json::json!({"min_pt": 3, "eta": 2}), "bb");
        assert!(merged(one(), other, &[]).starts_with("binary aa of hep-run 1 made a.root and bb"));
        let mut other = one();
        other[0].inputs.insert("f".to_owned(), "2".to_owned());
        assert!(merged(one(), other, &[]).starts_with("f had other content for a.root than for b.root"));
        // What only one of them names may be of its own datasets.
        let mut other = one();
        other[0].inputs = BTreeMap::from([("g".to_owned(), "2".to_owned())]);
        other[0].filesets = BTreeSet::from(["other".to_owned()]);
        assert_eq!(merged(one(), other, &[]), "1 alike");
    }

    #[test]
    fn options_that_are_shown_alike_make_other_filesets_and_tokens_do_not() {
        use crate::fileset::Format;
        let hash = |options: &str| {
            let text = format!("tree: t\ndatasets: {{DY: ['https://h/get?{options}']}}");
            hash_of(&Fileset::parse(&text, Format::Yaml, Path::new("/")).unwrap())
        };
        assert_ne!(hash("x=1"), hash("x=2"));
        assert_eq!(hash("x=1&authz=a"), hash("x=1&authz=b"));
    }

    #[test]
    fn a_setting_is_said_as_it_is_written() {
        let said = |value: Value| said(Some(&value));
        assert_eq!([said(3.0.into()), said(50.into()), said("x".into())], ["3", "50", "\"x\""]);
        assert_eq!([said(f64::from(0.1_f32).into()), said(0.1.into())], ["0.1", "0.1"]);
    }

    #[test]
    fn an_output_that_says_nothing_is_refused_beside_one_that_does() {
        let one = || made(serde_json::json!({}), "aa");
        for (mine, theirs) in [(one(), Vec::new()), (Vec::new(), one())] {
            assert!(merged(mine.clone(), theirs.clone(), &[]).contains("--allow-different provenance"));
            assert!(merged(mine, theirs, &[Difference::Provenance]).starts_with("1, "));
        }
        assert!(merged(Vec::new(), Vec::new(), &[]).starts_with("0, a.root and b.root do not say"));
    }

    #[test]
    fn a_third_output_is_compared_with_each_of_the_two_that_were_allowed() {
        let (one, two) = (made(serde_json::json!({"x": 1}), "a"), made(serde_json::json!({"x": 2}), "a"));
        let mut known = one;
        merge(&mut known, two.clone(), ("a", "b"), &[Difference::Settings]).unwrap();
        assert!(merge(&mut known, two, ("a + b", "c"), &[]).is_err());
    }
}
