//! Which files an output may replace: never one that the run reads, and of the others only former outputs.
//!
//! The rule is looked at before anything is read, and once more when an output is written: a file may have
//! come there meanwhile. Files are the same if device and inode are, whatever leads to them.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hep_io::root::RootFile;
use hep_io::source::LocalFile;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{LEDGER, extension, incomplete_name, io, is_partial, root};
use crate::checkpoint::texts;
use crate::error::{Error, RunResult};
use crate::fileset::{DatasetSpec, FileSpec, Friend, location};
use crate::job::Job;
use crate::ledger::Ledger;
use crate::partial::FILE_MAGIC;

/// What a command reads, so that no output takes its place.
#[derive(Clone, Debug, Default)]
pub struct Inputs(Vec<Input>);

#[derive(Clone, Debug)]
struct Input {
    /// Its part in the run, as messages call it: ``a file of dataset `DY` ``.
    part: String,
    path: PathBuf,
}

impl Inputs {
    /// Adds a file, which need not exist.
    pub fn add(&mut self, part: impl Into<String>, path: impl Into<PathBuf>) {
        self.0.push(Input { part: part.into(), path: path.into() });
    }

    /// Adds a path, or a URL of this machine.
    pub fn add_place(&mut self, part: &str, place: &str) {
        match place.strip_prefix("file://") {
            Some(path) => self.add(part, path.strip_prefix("localhost").unwrap_or(path)),
            None if location::scheme(place).is_none() => self.add(part, place),
            None => {}
        }
    }

    /// Adds the local files of datasets and of friends, the replicas too, and the files that metadata name.
    pub fn add_datasets(&mut self, datasets: &[DatasetSpec], friends: &[Friend]) {
        let friends_of = |of: &str, friends: &[Friend], inputs: &mut Self| {
            for friend in friends {
                inputs.add_files(&format!("a file of friend `{}`{of}", friend.alias), &friend.files);
            }
        };
        for dataset in datasets {
            let name = &dataset.name;
            self.add_files(&format!("a file of dataset `{name}`"), &dataset.files);
            friends_of(&format!(" of dataset `{name}`"), &dataset.friends, self);
            self.add_values(&format!("named by the metadata of dataset `{name}`"), &dataset.metadata);
        }
        friends_of("", friends, self);
    }

    fn add_files(&mut self, part: &str, files: &[FileSpec]) {
        let places = files.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.replicas));
        places.filter(|place| location::scheme(place).is_none()).for_each(|place| self.add(part, place));
    }

    /// Adds the files that values name: those of settings, or of metadata.
    pub fn add_values(&mut self, part: &str, values: &Map<String, Value>) {
        let mut found = Vec::new();
        values.values().for_each(|value| texts(value, &mut found));
        found.into_iter().filter(|text| Path::new(text).is_file()).for_each(|text| self.add(part, text));
    }

    /// Adds what a job reads.
    pub fn add_job(&mut self, job: &Job) {
        self.add_datasets(&job.datasets, &job.friends);
        self.add_values("named by a setting", &job.settings);
    }

    /// Adds the local files that an output was made of.
    pub fn add_ledger(&mut self, ledger: &Ledger) {
        for dataset in &ledger.datasets {
            let friends =
                dataset.friends.iter().flat_map(|friend| friend.files.iter().map(|file| &file.path));
            let files = dataset.files.iter().map(|file| &file.path).chain(friends);
            let part = format!("a file of dataset `{}`", dataset.name);
            files.filter(|path| location::scheme(path).is_none()).for_each(|path| self.add(&*part, path));
        }
    }

    /// Its part in the run, if a file that there is, or would be at `path`, is among them.
    fn part_of(&self, path: &Path, found: Option<&Metadata>) -> Option<&str> {
        let same = |input: &&Input| match found {
            // Only what is there can be the same file under another name.
            Some(found) => fs::metadata(&input.path)
                .is_ok_and(|input| (input.dev(), input.ino()) == (found.dev(), found.ino())),
            None => absolute(&input.path) == absolute(path),
        };
        self.0.iter().find(same).map(|input| input.part.as_str())
    }
}

/// What is written to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A result or a partial output, by the extension.
    Output,
    /// A job.
    Job,
}

impl Kind {
    /// Whether what is at `path` is such a file of ours, and what it lacks if not.
    fn is_former(self, path: &Path) -> Result<(), &'static str> {
        let (is_ours, lacks) = match self {
            Self::Job => (starts_as_job(path), "it is no job"),
            Self::Output if is_partial(path) => (starts_with(path, &FILE_MAGIC), "it is no partial output"),
            Self::Output if extension(path) == "json" => (is_json_output(path), "it has no ledger"),
            Self::Output => (is_root_output(path), "it has no ledger, or trees beside it"),
        };
        if is_ours { Ok(()) } else { Err(lacks) }
    }
}

/// Makes sure that outputs may be written to `paths`, and results also to the names that they have if they are
/// incomplete. With `force` any regular file may be replaced, except for an input.
///
/// # Errors
/// Which path is another file's, and what to do.
pub fn check(paths: &[PathBuf], kind: Kind, inputs: &Inputs, force: bool) -> RunResult<()> {
    let mut taken: Vec<(PathBuf, usize)> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let incomplete = (kind == Kind::Output && !is_partial(path)).then(|| incomplete_name(path));
        for name in std::iter::once(path.clone()).chain(incomplete) {
            let place = place_of(&name);
            if let Some((_, other)) = taken.iter().find(|(known, other)| *known == place && *other != at) {
                return Err(Error::Usage(format!(
                    "outputs {} and {} would be one file, {}",
                    paths[*other].display(),
                    path.display(),
                    name.display()
                )));
            }
            taken.push((place, at));
            check_one(&name, kind, inputs, force)?;
        }
    }
    Ok(())
}

/// Makes sure that an output may be written to `path`.
///
/// # Errors
/// Why not, and what to do.
pub fn check_one(path: &Path, kind: Kind, inputs: &Inputs, force: bool) -> RunResult<()> {
    let found = match fs::metadata(path) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io("look at", path, error)),
    };
    let name = path.display();
    if let Some(part) = inputs.part_of(path, found.as_ref()) {
        return Err(Error::Usage(format!(
            "output {name} is {part}, which is read: an input is never replaced; write to another file with -o"
        )));
    }
    let Some(found) = found else { return Ok(()) };
    if found.is_dir() {
        return Err(Error::Usage(format!("output {name} is a folder; write to a file with -o")));
    }
    if !found.is_file() {
        return Err(Error::Usage(format!("output {name} is no regular file; write to one with -o")));
    }
    // Nothing is lost with an empty file: `mktemp` makes one.
    if force || found.len() == 0 {
        return Ok(());
    }
    kind.is_former(path).map_err(|lacks| {
        Error::Usage(format!(
            "output {name} exists, and hep-run has not written it ({lacks}); \
             write to another file with -o, or replace it with --force"
        ))
    })
}

/// Makes sure that a folder for checkpoints is one, or is empty, or is not there yet.
///
/// # Errors
/// What it is instead.
pub fn check_checkpoints(folder: &Path, force: bool) -> RunResult<()> {
    let name = folder.display();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Error::Usage(format!("--checkpoint {name}: it is a file, and a folder is wanted")));
        }
        Err(error) => return Err(io("read", folder, error)),
    };
    let mut other = None;
    for entry in entries.flatten() {
        let entry = entry.file_name();
        let text = entry.to_string_lossy();
        if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        // Batch systems and file systems leave hidden files.
        if !text.starts_with('.') {
            other.get_or_insert(text.into_owned());
        }
    }
    match other {
        Some(other) if !force => Err(Error::Usage(format!(
            "--checkpoint {name}: it has other files (`{}`) and no checkpoint; \
             name an empty or a new folder, or use it even so with --force",
            other.escape_debug()
        ))),
        _ => Ok(()),
    }
}

/// The path with the links of its folder resolved.
fn place_of(path: &Path) -> PathBuf {
    let absolute = absolute(path);
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else { return absolute };
    parent.canonicalize().map_or_else(|_| absolute.clone(), |parent| parent.join(name))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn starts_with(path: &Path, magic: &[u8]) -> bool {
    let mut first = vec![0; magic.len()];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok_and(|()| first == magic)
}

/// Jobs are written in one way, and may be long.
fn starts_as_job(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut first));
    let text = String::from_utf8_lossy(&first);
    let after = text.strip_prefix("{\"version\":").map(|rest| rest.trim_start_matches(char::is_numeric));
    read.is_ok() && after.is_some_and(|rest| rest.starts_with(",\"program\":\""))
}

fn is_json_output(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Written {
        #[serde(rename = "processor")]
        _processor: String,
        #[serde(rename = "datasets")]
        _datasets: IgnoredAny,
        #[serde(rename = "ledger")]
        _ledger: Account,
    }
    #[derive(Deserialize)]
    struct Account {
        #[serde(rename = "version")]
        _version: u32,
        #[serde(rename = "datasets")]
        _datasets: IgnoredAny,
    }
    if !starts_with(path, b"{\"processor\":") {
        return false;
    }
    let Ok(file) = fs::File::open(path) else { return false };
    serde_json::from_reader::<_, Written>(io::BufReader::with_capacity(1 << 16, file)).is_ok()
}

/// Whether it has a ledger that can be read, and no tree: events are nothing that a run could write again.
fn is_root_output(path: &Path) -> bool {
    let open = || -> RunResult<bool> {
        let file = RootFile::open(Arc::new(LocalFile::open(path)?))?;
        let holds_events = |class: &str| {
            class.contains("RNTuple") || matches!(class, "TTree" | "TNtuple" | "TNtupleD" | "TChain")
        };
        if file.keys().iter().any(|key| holds_events(&key.class_name)) {
            return Ok(false);
        }
        let key = file.keys().iter().rfind(|key| key.name == LEDGER && key.class_name == "TObjString");
        Ok(key.is_some_and(|key| root::read_ledger(&file, key).is_ok()))
    };
    open().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("hep-run-place-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn why(paths: &[PathBuf], inputs: &Inputs, force: bool) -> String {
        check(paths, Kind::Output, inputs, force).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn an_input_is_never_replaced_whatever_leads_to_it() {
        let folder = Folder::new("input");
        let input = folder.file("in.root", "events");
        let (link, hard) = (folder.0.join("link.root"), folder.0.join("hard.root"));
        std::os::unix::fs::symlink(&input, &link).unwrap();
        fs::hard_link(&input, &hard).unwrap();
        let (target, missing) = (folder.file("other.incomplete.root", "events"), folder.0.join("gone.root"));
        let mut inputs = Inputs::default();
        inputs.add("a file of dataset `a`", &input);
        inputs.add("a file of friend `f`", &target);
        inputs.add("a file of dataset `b`", &missing);
        let dotted = folder.0.join(".").join("in.root");
        for path in [&input, &link, &hard, &dotted, &missing, &folder.0.join("other.root")] {
            for force in [false, true] {
                let text = why(std::slice::from_ref(path), &inputs, force);
                assert!(text.contains("which is read"), "{}: {text}", path.display());
            }
        }
        assert_eq!(why(&[folder.0.join("new.root")], &inputs, false), "");
    }

    #[test]
    fn only_former_outputs_are_replaced_and_others_with_force() {
        let folder = Folder::new("former");
        let none = Inputs::default();
        let text = folder.file("a.root", "not a ROOT file");
        assert!(
            why(std::slice::from_ref(&text), &none, false)
                .contains("hep-run has not written it (it has no ledger")
        );
        assert_eq!(why(&[text], &none, true), "");
        let json = folder.file("b.json", "{\"processor\": \"p\", \"ledger\": 1}");
        assert!(why(&[json], &none, false).contains("(it has no ledger)"));
        let ours = folder.file(
            "c.json",
            "{\"processor\":\"p\",\"datasets\":{},\"ledger\":{\"version\":1,\"processor\":\"p\",\"datasets\":[]}}",
        );
        assert_eq!(why(&[ours], &none, false), "");
        let partial = folder.file("d.partial", "HRF0");
        assert!(why(&[partial], &none, false).contains("(it is no partial output)"));
        assert_eq!(why(&[folder.file("e.partial", "HRF1 and more")], &none, false), "");
        assert_eq!(why(&[folder.file("empty.root", "")], &none, false), "");
        let taken = folder.file("f.incomplete.root", "mine");
        assert!(why(&[folder.0.join("f.root")], &none, false).contains(taken.to_str().unwrap()));
        let job = |content: &str| check(&[folder.file("job.json", content)], Kind::Job, &none, false).is_ok();
        assert!(job("{\"version\":1,\"program\":\"0.1.0\",\"binary\":\"\"}"));
        assert!(!job("{\"version\":1,\"datasets\":{}}"));
    }

    #[test]
    fn two_names_of_one_output_are_refused() {
        let folder = Folder::new("twice");
        let paths = [folder.0.join("a.root"), folder.0.join(".").join("a.root")];
        assert!(why(&paths, &Inputs::default(), false).contains("would be one file"));
        let paths = [folder.0.join("a.root"), folder.0.join("a.incomplete.root")];
        assert!(why(&paths, &Inputs::default(), false).contains("would be one file"));
    }

    #[test]
    fn a_folder_of_other_files_keeps_no_checkpoints() {
        let folder = Folder::new("checkpoints");
        let check = |force| check_checkpoints(&folder.0, force).map_err(|error| error.to_string());
        assert!(check(false).is_ok());
        folder.file("thesis.tmp", "x");
        assert!(check(false).unwrap_err().contains("no checkpoint"));
        assert!(check(true).is_ok());
        fs::create_dir(folder.0.join("a9")).unwrap();
        assert!(check(false).is_ok());
        let file = folder.file("file", "x");
        assert!(check_checkpoints(&file, true).unwrap_err().to_string().contains("it is a file"));
    }
}
