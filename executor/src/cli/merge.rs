use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use hep_io::object::Object;
use hep_io::root::{Entry, Key, RootFile};
use hep_io::write::{Copy, File};

use super::ending::{Ending, Format};
use super::storage::StorageArgs;
use super::{batch, merge_partials, parse_fraction, print, tell};
use crate::Registry;
use crate::error::{Error, RunResult};
use crate::fileset::location;
use crate::ledger::Ledger;
use crate::output::place::Inputs;
use crate::output::{LEDGER, Targets, add_ledger, is_partial, read_ledger, write_bytes};
use crate::provenance::Difference;
use crate::storage::open_root;

/// `hep-run merge`.
#[derive(Args)]
pub(super) struct MergeArgs {
    /// Where the merged output goes: .root; of partial outputs also .json or .partial, and it may repeat
    #[arg(long, short, value_name = "OUT")]
    output: Vec<PathBuf>,
    /// Leave out what cannot be merged, trees for example, and say so, instead of refusing
    #[arg(long)]
    leave_out: bool,
    /// Add up outputs that differ in this even so; may repeat
    #[arg(long, value_enum, value_name = "WHAT")]
    allow_different: Vec<Difference>,
    /// Replace files that no hep-run has written; inputs never are
    #[arg(long)]
    force: bool,
    /// The outputs to merge. Before partial ones, without -o, the output: a .root or .json that is not there yet
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<String>,
    /// What fraction of the entries may be missing: 0.1%, or 0.001 [default: 0, or what was submitted with]
    #[arg(long, value_name = "FRACTION", value_parser = parse_fraction)]
    allow_missing: Option<f64>,
    /// The form of what is printed on stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Show where time and bytes went; of partial outputs
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    storage: StorageArgs,
}

/// Everything that the inputs read so far add up to.
#[derive(Default)]
struct Merged {
    /// By path, in order of first appearance.
    items: Vec<(Place, Item)>,
    places: BTreeMap<Place, usize>,
    ledger: Option<Ledger>,
    /// In what outputs of runs may differ.
    allowed: Vec<Difference>,
    /// The inputs so far, for messages.
    names: Vec<String>,
    left_out: BTreeSet<String>,
    /// What is not as one might expect, by class.
    notes: BTreeSet<String>,
    output: File,
}

/// The directory of an object, and its name, which may have a slash: a path does not tell the two apart.
type Place = (String, String);

/// What becomes of all objects of one path.
enum Item {
    /// One that they add up to.
    Sum(Box<Object>),
    /// All that differ: they do not add up.
    Copies(Vec<Copy>),
}

/// `hep-run merge`; returns the exit status.
pub(super) fn merge(registry: &Registry, args: &MergeArgs) -> RunResult<u8> {
    // What the jobs of a batch system have left.
    if let [folder] = &args.inputs[..]
        && Path::new(folder).is_dir()
    {
        let MergeArgs { allow_missing, format, explain, force, .. } = *args;
        return batch::merge(registry, folder.as_ref(), &args.output, allow_missing, format, explain, force);
    }
    let (outputs, inputs) = places(args)?;
    for output in &outputs {
        if let Some(scheme) = output.to_str().and_then(location::scheme) {
            let name = output.to_string_lossy();
            let name = location::without_secrets(&name);
            return Err(Error::Usage(format!("--output {name}: cannot write to {scheme}:// yet")));
        }
    }
    all_differ(&outputs, inputs)?;
    let partial = |input: &&String| is_partial(input.as_ref());
    if let Some(one) = inputs.iter().find(partial) {
        if let Some(other) = inputs.iter().find(|input| !partial(input)) {
            return Err(Error::Usage(format!(
                "{} is a partial output and {} is none: they cannot be merged",
                location::without_secrets(one),
                location::without_secrets(other)
            )));
        }
        let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
        let MergeArgs { format, explain, .. } = *args;
        let ending = Ending { allow_missing: args.allow_missing.unwrap_or(0.0), format, explain };
        if !args.allow_different.is_empty() {
            let message = "--allow-different is for results: partial outputs are of one job";
            return Err(Error::Usage(message.to_owned()));
        }
        return merge_partials::merge(registry, &inputs, &outputs, &ending, args.force);
    }
    if args.explain {
        let message = "--explain is of partial outputs: finished ones do not know where their time went";
        return Err(Error::Usage(message.to_owned()));
    }
    match &outputs[..] {
        [output] => merge_files(args, inputs, output).map(|()| 0),
        _ => Err(Error::Usage("only partial outputs are merged to several --output".to_owned())),
    }
}

/// The outputs and the inputs. `merge OUT IN...` without -o is understood where nothing else can be meant:
/// before partial outputs, and where nothing would be overwritten.
fn places(args: &MergeArgs) -> RunResult<(Vec<PathBuf>, &[String])> {
    if !args.output.is_empty() {
        return Ok((args.output.clone(), &args.inputs));
    }
    let missing = || Error::Usage("where to? `hep-run merge -o OUT IN...`".to_owned());
    let (first, inputs) = args.inputs.split_first().ok_or_else(missing)?;
    let output = PathBuf::from(first);
    let finished = output.extension().is_some_and(|extension| extension == "root" || extension == "json");
    if !finished || inputs.is_empty() || !inputs.iter().all(|input| is_partial(input.as_ref())) {
        return Err(missing());
    }
    if output.exists() {
        return Err(Error::Usage(format!("{first} exists; `-o {first}` replaces it")));
    }
    Ok((vec![output], inputs))
}

/// Makes sure that no file is given twice.
fn all_differ(outputs: &[PathBuf], inputs: &[String]) -> RunResult<()> {
    // Of a URL there is nothing to tell apart but its text.
    let place = |input: &str| match location::scheme(input) {
        Some(_) => PathBuf::from(input),
        None => Path::new(input).canonicalize().unwrap_or_else(|_| PathBuf::from(input)),
    };
    let outputs: Vec<PathBuf> = outputs.iter().map(|output| place(&output.to_string_lossy())).collect();
    let mut seen = BTreeSet::new();
    for input in inputs {
        let name = location::without_secrets(input);
        let place = place(input);
        if outputs.contains(&place) {
            return Err(Error::Usage(format!("{name} is both an input and the output")));
        }
        if !seen.insert(place) {
            return Err(Error::Usage(format!("{name} is given twice")));
        }
    }
    Ok(())
}

/// Merges ROOT files: outputs of runs, or plain ones.
fn merge_files(args: &MergeArgs, inputs: &[String], output: &Path) -> RunResult<()> {
    if output.extension().is_none_or(|extension| extension != "root") {
        return Err(Error::Usage(format!(
            "--output {}: a merge of these writes .root only",
            output.display()
        )));
    }
    let mut own = Inputs::default();
    inputs.iter().for_each(|input| own.add_place("one of the files to merge", input));
    let targets = Targets::new(vec![output.to_owned()], own, args.force)?;
    let mut merged = Merged { allowed: args.allow_different.clone(), ..Merged::default() };
    let storage = args.storage.storage();
    for input in inputs {
        let file = open_root(&*storage, input)?;
        merged.add(&file, &location::without_secrets(input))?;
    }
    let Merged { items, ledger, left_out, notes, output: mut file, .. } = merged;
    let targets = targets.beside(|inputs| ledger.iter().for_each(|ledger| inputs.add_ledger(ledger)))?;
    if !left_out.is_empty() && !args.leave_out {
        let objects = left_out.into_iter().collect::<Vec<_>>().join("\n  ");
        return Err(Error::Usage(format!(
            "these cannot be merged (--leave-out leaves them out):\n  {objects}"
        )));
    }
    let notes = left_out.iter().map(|what| format!("left out: {what}")).chain(notes);
    for note in notes {
        tell(&format!("note: {note}"));
    }
    let (mut sums, mut copies) = (0, 0);
    for ((folder, name), item) in items {
        match item {
            Item::Sum(object) => {
                file.object(&folder, &name, &object)?;
                sums += 1;
            }
            Item::Copies(all) => {
                copies += all.len();
                all.into_iter().for_each(|copy| file.copy(&folder, copy));
            }
        }
    }
    if let Some(ledger) = &ledger {
        for dataset in &ledger.datasets {
            file.directory(&dataset.name);
        }
        add_ledger(&mut file, ledger.clone())?;
    }
    let bytes = file.into_bytes(output)?;
    targets.write_each(&[output.to_owned()], |path| write_bytes(path, &bytes)).check()?;
    let copied = if copies == 0 { String::new() } else { format!(" and {copies} copies") };
    let mut text = format!("{sums} objects{copied} of {} files in {}\n", inputs.len(), output.display());
    if let Some(ledger) = ledger {
        let totals = ledger.totals();
        text +=
            &format!("entries: {} done, {} failed, {} skipped\n", totals.done, totals.failed, totals.skipped);
    }
    print(&text)
}

impl Merged {
    fn add(&mut self, file: &RootFile, input: &str) -> RunResult<()> {
        let entries = file.walk_cycles()?;
        let ledger = ledger(file, &entries)?;
        ledger.iter().try_for_each(|ledger| ledger.check_objects(file, &entries))?;
        match (&mut self.ledger, ledger) {
            (known, Some(ledger)) if self.names.is_empty() => *known = Some(ledger),
            (Some(known), Some(ledger)) => {
                let note = known.merge(ledger, &self.names.join(" + "), input, &self.allowed)?;
                self.notes.extend(note);
            }
            (None, None) => {}
            (known, _) => {
                let (with, without) = match known {
                    Some(_) => (self.names[0].as_str(), input),
                    None => (input, self.names[0].as_str()),
                };
                let message = format!(
                    "{with} has a ledger and {without} has none: an output of a run and a plain ROOT file cannot be merged"
                );
                return Err(Error::Usage(message));
            }
        }
        let mut copies = false;
        let slashed = |entry: &&Entry| entry.key.is_directory() && entry.key.name.contains('/');
        let slashed: Vec<String> =
            entries.iter().filter(slashed).map(|entry| format!("{}/", entry.path)).collect();
        for below in &slashed {
            // What is below it cannot be told from what is in directories within each other.
            self.left_out.insert(format!(
                "`{}` (directory) of {input}, and what is in it: its name has a slash",
                below.trim_end_matches('/').escape_debug()
            ));
        }
        let same = |one: &Entry, other: &Entry| one.path == other.path && one.key.name == other.key.name;
        for cycles in entries.chunk_by(same) {
            let Some(Entry { path, key: newest }) = cycles.last() else { continue };
            if slashed.iter().any(|below| path.starts_with(below)) {
                continue;
            }
            // What says which objects others refer to is no object of its own.
            let nothing = newest.is_directory() || newest.class_name == "TProcessID";
            if nothing || (path == LEDGER && newest.class_name == "TObjString") {
                continue;
            }
            if Object::merges(&newest.class_name) {
                self.sum(file, path.clone(), newest, input)?;
                continue;
            }
            for Entry { path, key } in cycles {
                copies |= self.copy(file, path.clone(), key, input)?;
            }
        }
        if copies {
            self.output.describe(file)?;
        }
        self.names.push(input.to_owned());
        Ok(())
    }
}

impl Merged {
    /// Adds the object of `key` to those of the same path.
    fn sum(&mut self, file: &RootFile, path: String, key: &Key, input: &str) -> RunResult<()> {
        let Some(object) = Object::read(file, key)? else { return Ok(()) };
        if object.functions() > 0 {
            self.notes.insert(format!(
                "`{path}` ({}) of {input} has fits or boxes of a plot, which are not kept",
                key.class_name
            ));
        }
        let differs = |what: &str, before: &[String]| {
            let kind = if key.class_name.starts_with("TH") { "histogram" } else { "object" };
            let before = before.join(", ");
            Error::Usage(format!("{kind} `{path}`: {what}\n  where A is {before} and B is {input}"))
        };
        let place = place(&path, key);
        match self.places.get(&place).map(|&at| &mut self.items[at].1) {
            Some(Item::Sum(known)) => known.merge(&object).map_err(|what| differs(&what, &self.names)),
            Some(Item::Copies(_)) => Err(differs("is of different classes in A and B", &self.names)),
            None => {
                self.places.insert(place.clone(), self.items.len());
                self.items.push((place, Item::Sum(Box::new(object))));
                Ok(())
            }
        }
    }

    /// Keeps the object of `key` if it is not the same as one of that path; whether it was kept.
    fn copy(&mut self, file: &RootFile, path: String, key: &Key, input: &str) -> RunResult<bool> {
        let what = format!("`{path}` ({}) of {input}", key.class_name);
        if Object::merges_elsewhere(file, &key.class_name) {
            self.left_out.insert(what);
            return Ok(false);
        }
        let copy = match Copy::read(file, key) {
            Ok(copy) => copy,
            Err(hep_io::Error::Unsupported { reason, .. }) => {
                self.left_out.insert(format!("{what}: {reason}"));
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let place = place(&path, key);
        match self.places.get(&place).map(|&at| &mut self.items[at].1) {
            Some(Item::Copies(known)) if known.contains(&copy) => Ok(false),
            Some(Item::Copies(known)) => {
                known.push(copy);
                self.notes.insert(format!(
                    "`{path}` ({}): those that differ are all kept, as cycles; readers find the last",
                    key.class_name
                ));
                Ok(true)
            }
            Some(Item::Sum(_)) => {
                let before = self.names.join(", ");
                Err(Error::Usage(format!(
                    "object `{path}`: is of different classes in A and B\n  where A is {before} and B is {input}"
                )))
            }
            None => {
                self.places.insert(place.clone(), self.items.len());
                self.items.push((place, Item::Copies(vec![copy])));
                Ok(true)
            }
        }
    }
}

/// Where the object of `key` is, whose path is `path`.
fn place(path: &str, key: &Key) -> Place {
    let folder = path.strip_suffix(key.name.as_str()).unwrap_or_default();
    (folder.strip_suffix('/').unwrap_or(folder).to_owned(), key.name.clone())
}

/// The ledger of an output, if it is one of ours.
fn ledger(file: &RootFile, entries: &[Entry]) -> RunResult<Option<Ledger>> {
    let found = entries.iter().rfind(|entry| entry.path == LEDGER && entry.key.class_name == "TObjString");
    found.map(|found| read_ledger(file, &found.key)).transpose()
}
