//! Changed jobs, partial outputs, checkpoints, outputs and filesets: an error, or the result of the sound ones. Where a
//! checksum would find the change, it is set right in a part of the tries, so that what stands behind it is tried too: the
//! result is then what its ledger says, the sum over the entries that are done.
//!
//! The variable `MUTATIONS` says how many changes are made in each way.
#![allow(clippy::print_stdout)] // a table

#[path = "mutations/bytes.rs"]
mod bytes;
#[path = "../../io/tests/damage/mod.rs"]
#[allow(dead_code)] // each test takes what it needs
mod damage;
#[path = "mutations/products.rs"]
mod products;
#[path = "mutations/text.rs"]
mod text;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use damage::{Xorshift, peak};
use hep_io::root::{Key, RootFile};
use hep_io::source::MemorySource;
use hep_io::write::{Copy, File};
use hep_run::fileset::{Fileset, Format};
use hep_run::job::{Job, key_of};
use hep_run::ledger::Ledger;
use hep_run::output;
use hep_run::partial::{Head, PartialFile};
use hep_run::run::Outcome;
use products::{Products, numbers, options, plan};
use serde_json::Value;

/// Changes of each kind, unless the variable `MUTATIONS` says otherwise.
const EACH: usize = 60;
/// How much more memory than the sound input a changed one may take.
const SLACK: usize = 64 << 20;

/// What came of a change.
enum Came {
    /// An error.
    Refused,
    /// The sound result.
    Equal,
    /// Another result that is what it says, of the change of this member.
    Other(String),
}

/// Memory is counted for the whole process: one campaign at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Tries `EACH` changes, each of a seed of its own. `try_one` fails where the result is wrong.
fn campaign(name: &str, start: u64, mut try_one: impl FnMut(&mut Xorshift) -> Result<Came, String>) {
    let each = std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(EACH);
    let mut seeds = Xorshift(0x9E37_79B9_7F4A_7C15 ^ (start << 32));
    let (mut refused, mut equal, mut others, mut wrong) =
        (0, 0, BTreeMap::<String, usize>::new(), Vec::new());
    for _ in 0..each {
        let seed = seeds.next() | 1;
        let (came, taken) = peak(|| catch_unwind(AssertUnwindSafe(|| try_one(&mut Xorshift(seed)))));
        let came = came.unwrap_or_else(|_| Err("it panicked".to_owned()));
        match came {
            _ if taken > SLACK => wrong.push(format!("seed {seed}: {taken} bytes")),
            Ok(Came::Refused) => refused += 1,
            Ok(Came::Equal) => equal += 1,
            Ok(Came::Other(what)) => *others.entry(what).or_default() += 1,
            Err(why) => wrong.push(format!("seed {seed}: {why}")),
        }
    }
    let other: usize = others.values().sum();
    println!("{name:32} {refused:7} refused {equal:7} equal {other:7} other {:5} wrong", wrong.len());
    others.iter().for_each(|(what, times)| println!("    other by {what}: {times}"));
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    assert!(refused > 0);
}

fn turn() -> impl Drop {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whether entries of the same files add the same in two jobs: they have the same settings, and the same entries of friends
/// beside them.
fn adds_the_same(one: &Job, other: &Job) -> bool {
    let friends = |job: &Job| {
        let own: Vec<_> = job.datasets.iter().map(|dataset| dataset.friends.clone()).collect();
        let files = job.ledger.datasets.iter().flat_map(|dataset| &dataset.files);
        let files: Vec<String> = files.map(|file| file.path.clone()).collect();
        (job.friends.clone(), own, files)
    };
    one.settings == other.settings && friends(one) == friends(other)
}

fn judge(products: &Products, job: &Job, outcome: &Outcome, what: &str) -> Result<Came, String> {
    if adds_the_same(job, &products.job) {
        products.check(outcome).map_err(|why| format!("{what}: {why}"))?;
    }
    outcome.ledger.check().map_err(|why| format!("{what}: {why}"))?;
    let totals = outcome.ledger.totals();
    match totals.done == 80 && numbers(outcome) == products.whole {
        // It does not end with status 0.
        _ if totals.missing() > 0.0 => Ok(Came::Refused),
        true => Ok(Came::Equal),
        false => Ok(Came::Other(what.to_owned())),
    }
}

#[test]
fn a_changed_job_is_refused_or_its_result_is_what_it_says() {
    let _turn = turn();
    let products = Products::new("jobs");
    let sound = products.job.to_json().unwrap();
    let document: Value = serde_json::from_slice(&sound).unwrap();
    let read = |text: &[u8], what: &str| match Job::read_own(text) {
        Err(_) => Ok(Came::Refused),
        Ok(job) if job.to_json().unwrap() == sound => Ok(Came::Equal),
        Ok(_) => Err(format!("{what}: it was read")),
    };
    campaign("job, JSON", 1, |random| {
        let changed = text::change(&document, random);
        read(changed.text.as_bytes(), &changed.what)
    });
    campaign("job, bytes", 2, |random| read(&bytes::change(&sound, random), "bytes"));
    campaign("job, JSON with its checksum", 3, |random| {
        let (changed, what) = text::change_value(&document, random, false);
        let Some(job) = resealed(&changed) else { return Ok(Came::Refused) };
        match products::run_job(&job) {
            Ok(outcome) => judge(&products, &job, &outcome, &what),
            Err(_) => Ok(Came::Refused),
        }
    });
}

/// A job with the checksum that fits, if it can be read.
fn resealed(document: &Value) -> Option<Job> {
    let job: Job = serde_json::from_value(document.clone()).ok()?;
    Job::read_own(&job.to_json().ok()?).ok()
}

#[test]
fn a_changed_partial_output_is_refused_or_its_result_is_what_it_says() {
    let _turn = turn();
    let products = Products::new("partials");
    let [one, two, changed] = ["one", "two", "changed"].map(|name| products.folder.join(name));
    products::write_partial(&products.job, vec![0, 2, 3, 5], &one);
    products::write_partial(&products.job, vec![1, 4, 6, 7], &two);
    let sound = std::fs::read(&one).unwrap();
    let merge = |bytes: &[u8]| {
        std::fs::write(&changed, bytes).unwrap();
        products::merge_partials(&[changed.clone(), two.clone()])
    };
    let (job, outcome) = merge(&sound).unwrap();
    assert!(matches!(judge(&products, &job, &outcome, "").unwrap(), Came::Equal));
    campaign("partial, bytes", 4, |random| match merge(&bytes::change(&sound, random)) {
        Err(_) => Ok(Came::Refused),
        Ok((_, outcome)) if numbers(&outcome) == products.whole => Ok(Came::Equal),
        Ok(_) => Err("another result".to_owned()),
    });
    let file = PartialFile::read(&one).unwrap();
    let (head, outputs) = Head::read(file.partial()).unwrap();
    let (head, outputs) = (serde_json::to_value(&head).unwrap(), outputs.to_vec());
    let job: Value = serde_json::from_slice(&file.job().unwrap()).unwrap();
    campaign("partial, job with its checksums", 5, |random| {
        let (changed, what) = text::change_value(&job, random, false);
        let Some(read) = serde_json::from_value::<Job>(changed).ok() else { return Ok(Came::Refused) };
        let json = read.to_json().unwrap();
        let mut head = head.clone();
        head["job"] = key_of(&json).into();
        match merge(&packed(&json, &head, &outputs).unwrap()) {
            Err(_) => Ok(Came::Refused),
            Ok((_, outcome)) if numbers(&outcome) == products.whole => Ok(Came::Equal),
            Ok(_) => Err(format!("{what}: another result")),
        }
    });
    campaign("partial, head with its checksums", 6, |random| {
        let (head, what) = text::change_value(&head, random, false);
        let Some(bytes) = packed(&file.job().unwrap(), &head, &outputs) else { return Ok(Came::Refused) };
        match merge(&bytes) {
            Err(_) => Ok(Came::Refused),
            Ok((job, outcome)) => judge(&products, &job, &outcome, &what),
        }
    });
    campaign("partial, objects with checksums", 7, |random| {
        let mut changed = bytes::change(&outputs, random);
        // An object is as long as the head says.
        changed.resize(outputs.len(), 0);
        let bytes = packed(&file.job().unwrap(), &head, &changed).unwrap();
        match merge(&bytes) {
            Err(_) => Ok(Came::Refused),
            Ok((_, outcome)) if numbers(&outcome) == products.whole => Ok(Came::Equal),
            // Whoever can set the checksum right can set the numbers too.
            Ok((_, outcome)) => {
                let to = products.folder.join("written.root");
                let _ = output::write(&to, &outcome, "rich");
                outcome.ledger.check().map(|()| Came::Other("an object".to_owned()))
            }
        }
    });
}

/// Each was a sum that panicked, or in an optimised build began at 0 again.
#[test]
fn sums_over_numbers_of_partial_outputs_do_not_overflow() {
    let products = Products::new("sums");
    let [one, changed] = ["one", "changed"].map(|name| products.folder.join(name));
    let mut job = products.job.clone();
    job.ledger.datasets[0].files[0].retries = 1;
    products::write_partial(&job, (0..8).collect(), &one);
    let file = PartialFile::read(&one).unwrap();
    let (head, outputs) = Head::read(file.partial()).unwrap();
    let mut head = serde_json::to_value(&head).unwrap();
    head["account"]["files"]["0"] = serde_json::json!({"retries": u64::MAX, "replicas": []});
    for of_file in head["account"]["expense"]["files"].as_object_mut().unwrap().values_mut() {
        of_file["ranges"] = u64::MAX.into();
    }
    std::fs::write(&changed, packed(&file.job().unwrap(), &head, outputs).unwrap()).unwrap();
    let (_, outcome) = products::merge_partials(&[changed]).unwrap();
    assert_eq!(outcome.ledger.datasets[0].files[0].retries, u64::MAX);
    assert_eq!(outcome.explanation.ranges, u64::MAX);
}

/// A partial output of these parts, with checksums; none if the head is none.
fn packed(job: &[u8], head: &Value, outputs: &[u8]) -> Option<Vec<u8>> {
    let head: Head = serde_json::from_value(head.clone()).ok()?;
    let head = postcard::to_allocvec(&head).unwrap();
    let checksum = twox_hash::XxHash3_64::oneshot(&[&head, outputs].concat());
    let length = (head.len() as u64).to_le_bytes();
    let partial = [&b"HRP1"[..], &length, &checksum.to_le_bytes(), &head, outputs].concat();
    let mut packed = Vec::with_capacity(zstd_safe::compress_bound(job.len()));
    zstd_safe::compress(&mut packed, job, 3).unwrap();
    let rest =
        [&(packed.len() as u64).to_le_bytes()[..], &(job.len() as u64).to_le_bytes(), &packed, &partial];
    let rest = rest.concat();
    Some([&b"HRF1"[..], &twox_hash::XxHash3_64::oneshot(&rest).to_le_bytes(), &rest].concat())
}

#[test]
fn a_changed_checkpoint_changes_no_result() {
    let _turn = turn();
    let products = Products::new("checkpoints");
    let folder = products.folder.join("kept");
    let sound = products.fileset.to_string();
    let fileset = Fileset::parse(&sound, Format::Json, Path::new("/nowhere")).unwrap();
    let options = products::checkpoints(&fileset, &folder);
    let run = || plan(&sound, Format::Json, &options).unwrap().run(&options);
    run().unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .flat_map(|part| std::fs::read_dir(part.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert_eq!((files.len(), run().unwrap().kept), (8, 80));
    let tried = |file: &Path, sound: &[u8], changed: &[u8]| {
        std::fs::write(file, changed).unwrap();
        let outcome = run();
        std::fs::write(file, sound).unwrap();
        outcome
    };
    campaign("checkpoint, bytes", 8, |random| {
        let at = random.below(files.len());
        let sound = std::fs::read(&files[at]).unwrap();
        // Another one's content is as wrong as any.
        let changed = match random.below(10) {
            0 => std::fs::read(&files[(at + 1) % files.len()]).unwrap(),
            _ => bytes::change(&sound, random),
        };
        let outcome = tried(&files[at], &sound, &changed)?;
        let totals = outcome.ledger.totals();
        match (totals.done, totals.missing() == 0.0, numbers(&outcome) == products.whole) {
            (80, true, true) if outcome.kept == 80 => Ok(Came::Equal),
            // It was made again.
            (80, true, true) => Ok(Came::Refused),
            _ => Err(format!("another result of {}", files[at].display())),
        }
    });
    campaign("checkpoint, object with checksum", 9, |random| {
        let file = &files[random.below(files.len())];
        let sound = std::fs::read(file).unwrap();
        let output = bytes::change(&sound[44..], random);
        let checksum = twox_hash::XxHash3_64::oneshot(&output).to_le_bytes();
        match tried(file, &sound, &[&sound[..36], &checksum, &output].concat()) {
            Err(_) => Ok(Came::Refused),
            Ok(outcome) if numbers(&outcome) == products.whole && outcome.kept == 80 => Ok(Came::Equal),
            Ok(outcome) if numbers(&outcome) == products.whole => Ok(Came::Refused),
            Ok(outcome) => outcome.ledger.check().map(|()| Came::Other("an object".to_owned())),
        }
    });
}

/// `hep-run` with bounds of memory and processor time: its exit status and what it said.
fn hep_run(folder: &Path, arguments: &[&str]) -> Result<(i32, String), String> {
    let bounded = "ulimit -v 8000000; ulimit -t 30; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", bounded, env!("CARGO_BIN_EXE_hep-run")]).args(arguments).current_dir(folder);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(code @ 0..=3) if !said.contains("panicked") => Ok((code, said)),
        code => Err(format!("status {code:?}: {said}")),
    }
}

#[test]
fn a_changed_output_is_not_merged_or_merges_to_the_same() {
    let _turn = turn();
    let products = Products::new("outputs");
    let folder = &products.folder;
    for (name, steps) in [("one.root", [[0, 20]]), ("two.root", [[20, 40]])] {
        let fileset = products::fileset(&steps).to_string();
        let outcome = plan(&fileset, Format::Json, &options()).unwrap().run(&options()).unwrap();
        output::write(&folder.join(name), &outcome, "rich").unwrap();
        output::write(&folder.join(name).with_extension("json"), &outcome, "rich").unwrap();
    }
    let sound = std::fs::read(folder.join("one.root")).unwrap();
    let merge = |changed: &[u8]| {
        std::fs::write(folder.join("one.root"), changed).unwrap();
        let _ = std::fs::remove_file(folder.join("out.root"));
        let (status, said) = hep_run(folder, &["merge", "-o", "out.root", "one.root", "two.root"])?;
        match (status, std::fs::read(folder.join("out.root"))) {
            (0, Ok(merged)) => Ok(Some(merged)),
            (1..=3, Err(_)) if said.contains("error: ") => Ok(None),
            other => Err(format!("status {status}, an output: {}: {said}", other.1.is_ok())),
        }
    };
    let whole = merge(&sound).unwrap().unwrap();
    let file = opened(&sound);
    let ledger = ledger_of(&file);
    campaign("output, bytes", 10, |random| match merge(&bytes::change(&sound, random))? {
        None => Ok(Came::Refused),
        Some(merged) if merged == whole => Ok(Came::Equal),
        Some(_) => Err("another result".to_owned()),
    });
    let keys = places_of_keys(&file);
    campaign("output, keys", 17, |random| {
        let place = keys[random.below(keys.len())].clone();
        let mut changed = sound.clone();
        drop(changed.splice(place.clone(), bytes::change(&sound[place], random)));
        match merge(&changed)? {
            None => Ok(Came::Refused),
            Some(merged) if merged == whole => Ok(Came::Equal),
            Some(_) => Err("another result".to_owned()),
        }
    });
    campaign("output, ledger", 11, |random| {
        let changed = text::change(&serde_json::from_str(&ledger).unwrap(), random);
        match merge(&with_ledger(&file, &changed.text))? {
            None => Ok(Came::Refused),
            Some(merged) if merged == whole => Ok(Came::Equal),
            // An output of an older hep-run says nothing of its objects.
            Some(_) if changed.what == ".checksums removed" => Ok(Came::Other(changed.what)),
            Some(_) => Err(format!("{}: another result", changed.what)),
        }
    });
    campaign("output, ledger with its checksum", 12, |random| {
        let (changed, what) = text::change_value(&serde_json::from_str(&ledger).unwrap(), random, false);
        let Ok(mut ledger) = serde_json::from_value::<Ledger>(changed) else { return Ok(Came::Refused) };
        let Some(checksums) = &mut ledger.checksums else { return Ok(Came::Refused) };
        checksums.ledger.clear();
        let checksum = twox_hash::XxHash3_64::oneshot(&serde_json::to_vec(&ledger).unwrap());
        ledger.checksums.as_mut().unwrap().ledger = format!("{checksum:016x}");
        match merge(&with_ledger(&file, &serde_json::to_string(&ledger).unwrap()))? {
            None => Ok(Came::Refused),
            Some(merged) if merged == whole => Ok(Came::Equal),
            Some(merged) => {
                let merged = opened(&merged);
                let merged: Ledger = serde_json::from_str(&ledger_of(&merged)).unwrap();
                merged.check().map(|()| Came::Other(what))
            }
        }
    });
    let json = std::fs::read(folder.join("one.json")).unwrap();
    campaign("output, JSON", 13, |random| {
        std::fs::write(folder.join("one.json"), bytes::change(&json, random)).unwrap();
        match hep_run(folder, &["merge", "-o", "out.root", "one.json", "two.json"])? {
            (0, said) => Err(format!("it was merged: {said}")),
            (_, _) => Ok(Came::Refused),
        }
    });
}

fn opened(bytes: &[u8]) -> RootFile {
    RootFile::open(Arc::new(MemorySource::new("one.root", bytes.to_vec()))).unwrap()
}

/// Where the keys of objects are, and the lists of them, which are last.
fn places_of_keys(file: &RootFile) -> Vec<Range<usize>> {
    let entries = file.walk().unwrap().into_iter();
    let key = |key: &Key| key.seek as usize..key.seek as usize + key.key_length as usize;
    let keys: Vec<Range<usize>> = entries.map(|entry| key(&entry.key)).collect();
    let length: usize = keys.iter().map(Range::len).sum();
    let end = file.size() as usize;
    let lists = vec![end - length..end; keys.len()];
    [keys, lists].concat()
}

fn ledger_of(file: &RootFile) -> String {
    let object = file.object(&file.find("ledger").unwrap()).unwrap();
    let mut buffer = object.buffer();
    buffer.version().unwrap();
    buffer.tobject().unwrap();
    buffer.tstring().unwrap()
}

/// The file with another text as its ledger.
fn with_ledger(file: &RootFile, ledger: &str) -> Vec<u8> {
    rewritten(file, ledger, |path| Some(path.to_owned()))
}

/// The file with another text as its ledger, and each object under the path that `to` gives it, if any.
fn rewritten(file: &RootFile, ledger: &str, to: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = File::new();
    out.describe(file).unwrap();
    for entry in file.walk().unwrap() {
        if entry.key.is_directory() {
            out.directory(&entry.path);
        } else if entry.path != "ledger"
            && let Some(path) = to(&entry.path)
        {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            out.copy(folder, Copy::read(file, &entry.key).unwrap());
        }
    }
    out.text("", "ledger", ledger);
    out.into_bytes(Path::new("one.root")).unwrap()
}

/// Damage that another layer does not find: an object that a list of keys has lost is no error of the ROOT file.
#[test]
fn an_output_whose_objects_are_not_those_of_its_ledger_is_not_merged() {
    let products = Products::new("objects");
    let folder = &products.folder;
    let outcome =
        plan(&products.fileset.to_string(), Format::Json, &options()).unwrap().run(&options()).unwrap();
    output::write(&folder.join("sound.root"), &outcome, "rich").unwrap();
    let file = opened(&std::fs::read(folder.join("sound.root")).unwrap());
    let ledger = ledger_of(&file);
    let merge = |bytes: &[u8], status: i32, says: &str| {
        std::fs::write(folder.join("one.root"), bytes).unwrap();
        let (ended, said) = hep_run(folder, &["merge", "-o", "out.root", "one.root"]).unwrap();
        assert!(ended == status && said.contains(says), "{ended}: {said}");
    };
    let same = |path: &str| Some(path.to_owned());
    merge(&rewritten(&file, &ledger, same), 0, "");
    let without = |path: &str| same(path).filter(|path| path != "dy/pt");
    merge(
        &rewritten(&file, &ledger, without),
        1,
        "one.root: object `dy/pt` is missing, so the file is damaged",
    );
    let swapped = |path: &str| match path {
        "data/pt" => same("dy/pt"),
        "dy/pt" => same("data/pt"),
        path => same(path),
    };
    merge(&rewritten(&file, &ledger, swapped), 1, "object `data/pt` is another one than was written");
    let other = outcome.ledger.datasets[1].files[0].path.replace("nano_dy", "nano_dz");
    let changed = ledger.replace(&outcome.ledger.datasets[1].files[0].path, &other);
    merge(&rewritten(&file, &changed, same), 1, "does not add up: its checksum is another one");
    let mut older: Value = serde_json::from_str(&ledger).unwrap();
    older.as_object_mut().unwrap().remove("checksums");
    merge(&rewritten(&file, &older.to_string(), same), 0, "");
    older["datasets"][0]["name"] = "date".into();
    merge(
        &rewritten(&file, &older.to_string(), same),
        1,
        "dataset `date` has entries in the ledger and no directory",
    );
    // A newer cycle would take the place of what was written.
    let mut added = File::new();
    added.describe(&file).unwrap();
    for entry in
        file.walk().unwrap().iter().filter(|entry| !entry.key.is_directory() && entry.path != "ledger")
    {
        let folder = entry.path.rsplit_once('/').unwrap().0;
        let times = if entry.path == "dy/pt" { 2 } else { 1 };
        (0..times).for_each(|_| added.copy(folder, Copy::read(&file, &entry.key).unwrap()));
    }
    added.text("", "ledger", &ledger);
    let added = added.into_bytes(Path::new("one.root")).unwrap();
    merge(&added, 1, "object `dy/pt;2` was not there when it was written");
}

#[test]
fn a_changed_fileset_is_refused_or_its_result_is_what_it_says() {
    let _turn = turn();
    let products = Products::new("filesets");
    let sound = Fileset::parse(&products.fileset.to_string(), Format::Json, Path::new("/nowhere")).unwrap();
    let yaml = serde_saphyr::to_string(&sound).unwrap();
    let run = |text: &str, format: Format, what: &str| {
        let Ok(fileset) = Fileset::parse(text, format, Path::new("/nowhere")) else {
            return Ok(Came::Refused);
        };
        if fileset.files().any(|(_, file)| file.is_remote()) {
            return Ok(Came::Other("a URL".to_owned()));
        }
        let Ok(planned) = plan(text, format, &options()) else { return Ok(Came::Refused) };
        let job = planned.job();
        let Ok(outcome) = planned.run(&options()) else { return Ok(Came::Refused) };
        for (spec, file) in
            fileset.files().map(|(_, spec)| spec).zip(outcome.ledger.datasets.iter().flat_map(|d| &d.files))
        {
            if spec.entries.is_some_and(|entries| entries != 40) && !file.done.is_empty() {
                return Err(format!("{what}: a file of another number of entries"));
            }
        }
        judge(&products, &job, &outcome, what)
    };
    campaign("fileset, JSON", 14, |random| {
        let changed = text::change(&products.fileset, random);
        run(&changed.text, Format::Json, &changed.what)
    });
    campaign("fileset, JSON as YAML", 15, |random| {
        let changed = text::change(&products.fileset, random);
        run(&changed.text, Format::Yaml, &changed.what)
    });
    campaign("fileset, YAML", 16, |random| {
        let changed = text::change_lines(&yaml, random);
        run(&changed.text, Format::Yaml, &changed.what)
    });
}

/// The program itself, of a processor that it has.
#[test]
fn the_program_refuses_what_is_changed_or_gives_the_sound_result() {
    let _turn = turn();
    let products = Products::new("program");
    let folder = &products.folder;
    let mut fileset = products.fileset.clone();
    fileset["processor"]["name"] = "dimuon".into();
    std::fs::write(folder.join("f.json"), fileset.to_string()).unwrap();
    let good = |arguments: &[&str]| assert_eq!(hep_run(folder, arguments).unwrap().0, 0, "{arguments:?}");
    let datasets = || -> Option<Value> {
        let written = std::fs::read(folder.join("out.json")).ok()?;
        std::fs::remove_file(folder.join("out.json")).unwrap();
        serde_json::from_slice::<Value>(&written).ok()?.get_mut("datasets").map(Value::take)
    };
    good(&["plan", "f.json", "-o", "job.json"]);
    good(&["map", "job.json", "all", "all.partial"]);
    good(&["merge", "-o", "out.json", "all.partial"]);
    let whole = datasets().unwrap();
    let resume = ["f.json", "-o", "out.json", "--checkpoint", "kept", "--resume"];
    good(&resume);
    let part = std::fs::read_dir(folder.join("kept")).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read_dir(part).unwrap().next().unwrap().unwrap().path();
    let [job, partial] = ["job.json", "all.partial"].map(|name| std::fs::read(folder.join(name)).unwrap());
    let checkpoint = std::fs::read(&kept).unwrap();
    let document: Value = serde_json::from_slice(&job).unwrap();
    campaign("program", 18, |random| {
        let _ = std::fs::remove_file(folder.join("out.json"));
        let (runs, what): (Vec<Vec<&str>>, String) = match random.below(4) {
            0 => {
                let changed = text::change(&document, random);
                std::fs::write(folder.join("changed.json"), changed.text).unwrap();
                let map = vec!["map", "changed.json", "all", "changed.partial", "--force"];
                (vec![map, vec!["merge", "-o", "out.json", "changed.partial"]], changed.what)
            }
            1 => {
                std::fs::write(folder.join("changed.partial"), bytes::change(&partial, random)).unwrap();
                (vec![vec!["merge", "-o", "out.json", "changed.partial"]], "partial".to_owned())
            }
            2 => {
                std::fs::write(&kept, bytes::change(&checkpoint, random)).unwrap();
                (vec![resume.to_vec()], "checkpoint".to_owned())
            }
            _ => {
                let changed = text::change(&fileset, random);
                std::fs::write(folder.join("changed.json"), changed.text).unwrap();
                (vec![vec!["changed.json", "-o", "out.json"]], format!("fileset {}", changed.what))
            }
        };
        for arguments in &runs {
            let (status, said) = hep_run(folder, arguments)?;
            if status != 0 {
                return if said.contains("error: ") || status == 3 { Ok(Came::Refused) } else { Err(said) };
            }
        }
        match datasets() {
            Some(result) if result == whole => Ok(Came::Equal),
            Some(_) if what.starts_with("fileset") => Ok(Came::Other(what)),
            _ => Err(format!("{what}: another result")),
        }
    });
}
