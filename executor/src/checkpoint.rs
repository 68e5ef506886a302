//! The outputs of ranges, kept on disk, so that what was interrupted can go on.
//!
//! An output is found by what it was made of and nothing else: the binary's content, the processor, its
//! settings and the content of the files that they name, the columns, the dataset as the processor sees it,
//! the file by its uuid and revision, the tree, the entries, and the friends. So a changed
//! analysis finds nothing of what it was before, and a checkpoint is never stale. A file is
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `HRC1` |
//! | 32 | what it was made of, hashed |
//! | 8 | XXH3-64 of the rest, little-endian |
//! | | the output, in postcard's wire format |
//!
//! under `<first two digits of the hash>/<the others>`, written under another name and renamed: several
//! writers of one file write the same.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hep_io::source::{open_regular, prepare_own_folder, read_regular};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::binary;
use crate::error::{Error, RunResult};
use crate::registry::{AnyOutput, AnyProcessor};

const MAGIC: [u8; 4] = *b"HRC1";
const PREFIX: usize = 44;
/// A larger file is none of ours: the largest histogram has 16 GiB.
const MAX_BYTES: u64 = 1 << 36;

/// Where outputs are kept, and whether those that are there are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSettings {
    /// An absolute folder, which is made if it is missing.
    pub folder: PathBuf,
    /// Whether outputs that are there are taken instead of being made again.
    pub resume: bool,
}

/// The outputs that are kept of a run.
pub struct Checkpoints {
    settings: CheckpointSettings,
    /// Of all that is the same for every range.
    run: Context,
    /// Whether a failure to write has been told.
    told: AtomicBool,
}

/// What an output was made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    fn hex(&self) -> String {
        crate::job::hex(&self.0)
    }
}

/// What is found under a key.
pub(crate) enum Found {
    /// The output.
    Output(Box<dyn AnyOutput>),
    /// Nothing, or nothing is asked for.
    Nothing,
    /// Something that is no output, and why.
    Damaged(String),
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoints").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Checkpoints {
    /// Those of a processor of this binary with these settings.
    ///
    /// # Errors
    /// Where this process's own binary cannot be read, or somebody else could put outputs into the folder.
    pub fn new<'m>(
        settings: CheckpointSettings,
        name: &str,
        values: &'m Map<String, Value>,
        skip_checksums: bool,
        processor: &dyn AnyProcessor,
        metadata: impl IntoIterator<Item = &'m Map<String, Value>>,
    ) -> RunResult<Self> {
        // A folder that cannot be made is told of when something is to be kept in it.
        if let Err(why) = prepare_own_folder(&settings.folder)
            && settings.folder.is_dir()
        {
            let folder = settings.folder.display();
            return Err(Error::Usage(format!(
                "--checkpoint {folder}: {why}, and could put outputs there that --resume takes for its own; use \
                 a folder of your own that only you may write to (chmod go-w)"
            )));
        }
        let mut run = Context::new(&SHA256);
        add(&mut run, b"hep-run checkpoint 1");
        add(&mut run, binary::hash()?.as_bytes());
        add(&mut run, name.as_bytes());
        add(&mut run, Value::Object(values.clone()).to_string().as_bytes());
        // What was not given is the processor's default, which may name files as well.
        let settings_in_force = processor.settings()?;
        add(&mut run, Value::Object(settings_in_force.clone()).to_string().as_bytes());
        // What was not verified may be wrong where what is verified would have failed.
        add(&mut run, &[u8::from(skip_checksums)]);
        for named in [values, &settings_in_force] {
            add_named(&mut run, named)?;
        }
        for named in metadata {
            add_named(&mut run, named)?;
        }
        Ok(Self { settings, run, told: AtomicBool::new(false) })
    }

    /// The key of an output that was made of these parts besides.
    pub(crate) fn key<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Key {
        let mut context = self.run.clone();
        parts.into_iter().for_each(|part| add(&mut context, part));
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Key(key)
    }

    /// Whether an output is likely to be found.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.settings.resume && self.path(key).is_file()
    }

    /// The output that is kept under a key.
    pub(crate) fn find(&self, key: Key, processor: &dyn AnyProcessor) -> Found {
        if !self.settings.resume {
            return Found::Nothing;
        }
        let path = self.path(key);
        let bytes = match read_regular(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Damaged(format!("checkpoint {}: {error}", path.display())),
        };
        output(&bytes, key, processor).unwrap_or_else(|why| {
            Found::Damaged(format!(
                "checkpoint {} is damaged ({why}): its range is processed again",
                path.display()
            ))
        })
    }

    /// Keeps an output. The reason if that cannot be done, the first time.
    pub(crate) fn keep(&self, key: Key, output: &dyn AnyOutput) -> Option<String> {
        let why = match self.write(key, output) {
            Ok(()) => return None,
            Err(why) => why,
        };
        let folder = self.settings.folder.display();
        let first = !self.told.swap(true, Ordering::Relaxed);
        first.then(|| {
            format!("nothing can be kept in the checkpoint folder {folder}: {why}; the run goes on without")
        })
    }

    fn write(&self, key: Key, output: &dyn AnyOutput) -> Result<(), String> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&[0; 8]);
        output.encode(&mut bytes).map_err(|error| error.to_string())?;
        let checksum = twox_hash::XxHash3_64::oneshot(&bytes[PREFIX..]);
        bytes[PREFIX - 8..PREFIX].copy_from_slice(&checksum.to_le_bytes());
        let path = self.path(key);
        // By chance: in containers, names of hosts and numbers of processes come again, and what a killed
        // one has left must not be in the way.
        let chance = RandomState::new().build_hasher().finish();
        let temporary = path.with_extension(format!("{chance:016x}.tmp"));
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.settings.folder))?;
            File::create_new(&temporary)?.write_all(&bytes)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|error: io::Error| {
            let _ = fs::remove_file(&temporary);
            error.to_string()
        })
    }

    /// Removes what writers that were killed have left: what they had not written to the end a day ago.
    pub fn sweep(&self) {
        let long_ago = SystemTime::now() - FORGOTTEN;
        let parts = fs::read_dir(&self.settings.folder).into_iter().flatten().flatten();
        for file in parts.filter_map(|part| fs::read_dir(part.path()).ok()).flatten().flatten() {
            let path = file.path();
            let is_old = || file.metadata().and_then(|found| found.modified()).is_ok_and(|at| at < long_ago);
            if path.extension().is_some_and(|extension| extension == "tmp") && is_old() {
                // It may be another run that removes it.
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn path(&self, key: Key) -> PathBuf {
        let hex = key.hex();
        self.settings.folder.join(&hex[..2]).join(&hex[2..])
    }
}

/// Parts are told apart by their lengths.
fn add(context: &mut Context, part: &[u8]) {
    context.update(&(part.len() as u64).to_le_bytes());
    context.update(part);
}

/// What is written takes no longer, on any file system.
const FORGOTTEN: Duration = Duration::from_secs(86_400);

/// Files of a folder that a setting names, at most.
const MOST_FILES: usize = 100_000;

/// Adds the content of the files that settings or metadata name: scale factors, a list of good runs. Of a
/// folder, its files' names, lengths and times. What those name in turn is not known here.
fn add_named(context: &mut Context, values: &Map<String, Value>) -> RunResult<()> {
    let mut found = Vec::new();
    values.values().for_each(|value| texts(value, &mut found));
    for name in found {
        let path = Path::new(name);
        if path.is_file() {
            add(context, name.as_bytes());
            let content = open_regular(path).and_then(binary::digest).unwrap_or_default();
            add(context, content.as_bytes());
        } else if path.is_dir() {
            add_folder(context, path)?;
        }
    }
    Ok(())
}

/// All texts in a value.
pub(crate) fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(values) => values.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn add_folder(context: &mut Context, folder: &Path) -> RunResult<()> {
    let mut files: Vec<(PathBuf, u64, Option<SystemTime>)> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => files.push((entry.path(), found.len(), found.modified().ok())),
                Err(_) => {}
            }
        }
        if files.len() + folders.len() > MOST_FILES {
            return Err(Error::Usage(format!(
                "--checkpoint: {} is named by a setting and has too many files to tell whether they have changed",
                folder.display()
            )));
        }
    }
    files.sort_unstable();
    add(context, format!("{files:?}").as_bytes());
    Ok(())
}

fn output(bytes: &[u8], key: Key, processor: &dyn AnyProcessor) -> Result<Found, String> {
    let (prefix, rest) = bytes.split_at_checked(PREFIX).ok_or("it is too short")?;
    if prefix[..4] != MAGIC {
        return Err("it does not begin with HRC1".to_owned());
    }
    if prefix[4..36] != key.0 {
        return Err("it is of something else".to_owned());
    }
    if prefix[36..] != twox_hash::XxHash3_64::oneshot(rest).to_le_bytes() {
        return Err("its checksum is another one".to_owned());
    }
    processor.decode(rest).map(Found::Output).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{Dataset, Registry};

    fn processor(settings: &Map<String, Value>) -> Box<dyn AnyProcessor> {
        let mut registry = Registry::default();
        registry.add::<hep_examples::Dimuon>("Dimuon");
        registry.make(None, settings).unwrap().1
    }

    fn checkpoints(folder: &Path, values: &Map<String, Value>) -> Checkpoints {
        let settings = CheckpointSettings { folder: folder.to_owned(), resume: true };
        let processor = processor(&Map::new());
        Checkpoints::new(settings, "dimuon", values, false, &*processor, []).unwrap()
    }

    fn scratch(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hep-run-checkpoint-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let kept = checkpoints("/dev/null/nowhere".as_ref(), &Map::new());
        let key = |parts: &[&'static str]| kept.key(parts.iter().map(|part| part.as_bytes()));
        assert!(key(&["ab", "c"]) == key(&["ab", "c"]));
        assert!(key(&["ab", "c"]) != key(&["a", "bc"]) && key(&["ab"]) != key(&["ab", ""]));
    }

    #[test]
    fn the_content_of_a_file_that_a_setting_names_is_in_the_key() {
        let folder = scratch("named");
        let file = folder.join("factors");
        let values =
            serde_json::json!({"corrections": {"btag": [file.to_str().unwrap()]}, "other": "no file"});
        let key = || checkpoints(&folder, values.as_object().unwrap()).key([]);
        let missing = key();
        fs::write(&file, "1.0").unwrap();
        let (one, again) = (key(), key());
        fs::write(&file, "1.1").unwrap();
        let other = key();
        fs::remove_dir_all(&folder).unwrap();
        assert!(one == again && one != missing && other != one && other != missing);
    }

    /// A processor that reads a file, whose name nobody has to give.
    #[derive(hep_run::Settings)]
    struct Scaled {
        factors: PathBuf,
    }

    impl Default for Scaled {
        fn default() -> Self {
            Self { factors: std::env::temp_dir().join(format!("hep-run-factors-{}", std::process::id())) }
        }
    }

    impl hep_analysis::Processor for Scaled {
        type Event = Event;
        type Output = hep_analysis::Cutflow;

        fn output(&self, _: &Dataset) -> hep_analysis::Result<hep_analysis::Cutflow> {
            Ok(hep_analysis::Cutflow::default())
        }

        fn process(
            &self,
            _: &hep_analysis::Events<Event>,
            _: &mut hep_analysis::Cutflow,
        ) -> hep_analysis::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Copy, hep_analysis::Columnar)]
    struct Event {
        x: f32,
    }

    #[test]
    fn the_content_of_a_file_that_a_default_names_is_in_the_key() {
        let (folder, file) = (scratch("default"), Scaled::default().factors);
        let key = |processor: &Scaled| {
            let settings = CheckpointSettings { folder: folder.clone(), resume: true };
            Checkpoints::new(settings, "scaled", &Map::new(), false, processor, []).unwrap().key([])
        };
        fs::write(&file, "1.0").unwrap();
        let (one, again) = (key(&Scaled::default()), key(&Scaled::default()));
        let other_default = key(&Scaled { factors: folder.join("others") });
        fs::write(&file, "1.1").unwrap();
        let other = key(&Scaled::default());
        fs::remove_file(&file).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(one == again && other != one && other_default != one);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let folder = scratch("open");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let settings = CheckpointSettings { folder: folder.clone(), resume: true };
        let made = Checkpoints::new(settings, "dimuon", &Map::new(), false, &*processor(&Map::new()), []);
        let error = made.unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("others may write to the folder") && error.contains("chmod go-w"), "{error}");
    }

    #[test]
    fn what_a_killed_writer_has_left_is_removed_after_a_day() {
        let folder = scratch("sweep");
        let kept = checkpoints(&folder, &Map::new());
        let part = folder.join("ab");
        fs::create_dir_all(&part).unwrap();
        let day = Duration::from_secs(86_400);
        for (name, age) in [("one", 3 * day), ("one.tmp", day / 2), ("two.tmp", 2 * day)] {
            let file = File::create(part.join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        kept.sweep();
        let mut names: Vec<_> = fs::read_dir(&part).unwrap().map(|file| file.unwrap().file_name()).collect();
        fs::remove_dir_all(&folder).unwrap();
        names.sort();
        assert_eq!(names, ["one", "one.tmp"]);
        kept.sweep();
    }

    #[test]
    fn damage_to_any_byte_is_noticed() {
        let folder = scratch("damage");
        let (kept, processor) = (checkpoints(&folder, &Map::new()), processor(&Map::new()));
        let made = processor.output(&Dataset { name: "d".to_owned(), metadata: Map::new() }).unwrap();
        let (key, other) = (kept.key([&b"1"[..]]), kept.key([&b"2"[..]]));
        assert_eq!(kept.keep(key, &*made), None);
        assert!(matches!(kept.find(key, &*processor), Found::Output(_)));
        assert!(matches!(kept.find(other, &*processor), Found::Nothing));
        let good = fs::read(kept.path(key)).unwrap();
        let names: Vec<_> = fs::read_dir(kept.path(key).parent().unwrap()).unwrap().collect();
        fs::remove_dir_all(&folder).unwrap();

        assert_eq!(names.len(), 1, "a temporary file is left");
        assert!(output(&good, key, &*processor).is_ok() && output(&good, other, &*processor).is_err());
        for at in 0..good.len() {
            assert!(output(&good[..at], key, &*processor).is_err(), "{at}");
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            assert!(output(&bytes, key, &*processor).is_err(), "{at}");
        }
    }
}
