use std::borrow::Cow;
use std::path::PathBuf;

use hep_analysis::Dataset;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::location;

/// What is to be processed: datasets of files and, if the fileset says so, by which processor.
///
/// It serialises to the own form with every path absolute, which reads back as the same fileset from any
/// folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Fileset {
    /// The processor and its settings, if the fileset names one.
    pub processor: Option<ProcessorSpec>,
    /// At least one dataset, in the fileset's order; their names differ.
    pub datasets: Vec<DatasetSpec>,
    /// Friends of all datasets: of the chain of all their files, in the fileset's order.
    pub friends: Vec<Friend>,
    /// The absolute folder that relative paths started from.
    pub place: PathBuf,
}

impl Fileset {
    /// All files with their datasets, in the fileset's order.
    pub fn files(&self) -> impl Iterator<Item = (&DatasetSpec, &FileSpec)> {
        self.datasets.iter().flat_map(|dataset| dataset.files.iter().map(move |file| (dataset, file)))
    }

    /// The tree that every file reads, if it is one and the same.
    fn common_tree(&self) -> Option<&str> {
        let mut trees = self.files().map(|(_, file)| file.tree.as_deref());
        let first = trees.next()??;
        trees.all(|tree| tree == Some(first)).then_some(first)
    }
}

/// Which processor runs, and with which settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessorSpec {
    /// The processor's name, in this binary or in the one at `path`. Without it, the only one there is.
    pub name: Option<String>,
    /// A crate's folder or a binary, absolute.
    pub path: Option<PathBuf>,
    /// Everything else in the `processor:` map.
    pub settings: Map<String, Value>,
}

/// Files that are processed alike and fill the same outputs, and what is known about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// The name; also that of the directory of its outputs, so without a `/`.
    pub name: String,
    /// At least one file.
    pub files: Vec<FileSpec>,
    /// Friends of the chain of its files.
    pub friends: Vec<Friend>,
    /// Whatever the fileset says about the dataset, for the processor: `is_mc`, a cross-section.
    pub metadata: Map<String, Value>,
}

impl DatasetSpec {
    /// What processors know of it.
    pub(crate) fn known(&self) -> Dataset {
        Dataset { name: self.name.clone(), metadata: self.metadata.clone() }
    }
}

/// Trees whose columns stand beside those of the trees that are processed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Friend {
    /// What stands before the dot in `alias.column`.
    pub alias: String,
    /// At least one file. They need not correspond to the files that are processed: their entries are
    /// one chain. A friend has no steps.
    pub files: Vec<FileSpec>,
    /// The branches, one to three integers in both trees, that tell which of its entries belongs to
    /// an entry. None if it is the one at the same place in the chain.
    pub index: Vec<String>,
}

/// One file, and what the fileset already knows about it.
///
/// What is serialised of it alone is every field as it is; the own form of a fileset is the
/// [`Fileset`]'s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// An absolute local path, or a URL as the fileset gives it.
    pub path: String,
    /// Other places of the same bytes, absolute local paths and URLs, in the order to go to them. The
    /// file is known by its `path` all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// The tree to read, by its path in the file. Without it, the only one there is.
    pub tree: Option<String>,
    /// The file's uuid, as an earlier look at it found.
    pub uuid: Option<String>,
    /// The tree's number of entries, as an earlier look at it found.
    pub entries: Option<u64>,
    /// What changes when the file is updated, as the plan of this very run has found it; no fileset has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The entry ranges `start..stop` to process, in order and without overlap; all entries if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<(u64, u64)>>,
}

impl FileSpec {
    /// Whether the file is read over the network.
    pub fn is_remote(&self) -> bool {
        location::scheme(&self.path).is_some()
    }

    /// What ledgers and messages call the file: its path, without what is secret in a URL.
    pub fn name(&self) -> Cow<'_, str> {
        location::without_secrets(&self.path)
    }
}

impl Serialize for Fileset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = self.common_tree();
        let mut map = serializer.serialize_map(None)?;
        if let Some(processor) = &self.processor {
            map.serialize_entry("processor", processor)?;
        }
        if let Some(tree) = tree {
            map.serialize_entry("tree", tree)?;
        }
        let datasets = DatasetMap { datasets: &self.datasets, write_tree: tree.is_none() };
        map.serialize_entry("datasets", &datasets)?;
        if !self.friends.is_empty() {
            map.serialize_entry("friends", &FriendMap(&self.friends))?;
        }
        map.end()
    }
}

impl Serialize for ProcessorSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        if let Some(path) = &self.path {
            map.serialize_entry("path", path)?;
        }
        for (key, value) in &self.settings {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct DatasetMap<'a> {
    datasets: &'a [DatasetSpec],
    write_tree: bool,
}

impl Serialize for DatasetMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.datasets.iter().map(|dataset| {
            let files = dataset.files.iter().map(|file| FileEntry { file, write_tree: self.write_tree });
            let friends = FriendMap(&dataset.friends);
            let body = DatasetEntry { files: files.collect(), friends, metadata: &dataset.metadata };
            (&dataset.name, body)
        }))
    }
}

#[derive(Serialize)]
struct DatasetEntry<'a> {
    files: Vec<FileEntry<'a>>,
    #[serde(skip_serializing_if = "FriendMap::is_empty")]
    friends: FriendMap<'a>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
}

struct FriendMap<'a>(&'a [Friend]);

impl FriendMap<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for FriendMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|Friend { alias, files, index }| {
            let files = files.iter().map(|file| FileEntry { file, write_tree: true });
            (alias, FriendEntry { files: files.collect(), index })
        }))
    }
}

#[derive(Serialize)]
struct FriendEntry<'a> {
    files: Vec<FileEntry<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    index: &'a [String],
}

struct FileEntry<'a> {
    file: &'a FileSpec,
    write_tree: bool,
}

impl Serialize for FileEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FileSpec { path, replicas, tree, uuid, entries, steps, revision: _ } = self.file;
        let tree = tree.as_ref().filter(|_| self.write_tree);
        let bare =
            replicas.is_empty() && tree.is_none() && uuid.is_none() && entries.is_none() && steps.is_none();
        // As a plain text, `a.root:b.root` would be a tree of `a.root`.
        if bare && location::split_tree(path).1.is_none() {
            return serializer.serialize_str(path);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", path)?;
        if !replicas.is_empty() {
            map.serialize_entry("replicas", replicas)?;
        }
        if let Some(tree) = tree {
            map.serialize_entry("tree", tree)?;
        }
        if let Some(uuid) = uuid {
            map.serialize_entry("uuid", uuid)?;
        }
        if let Some(entries) = entries {
            map.serialize_entry("entries", entries)?;
        }
        if let Some(steps) = steps {
            map.serialize_entry("steps", steps)?;
        }
        map.end()
    }
}
