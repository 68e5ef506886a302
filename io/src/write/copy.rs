use super::key::Key;
use crate::root::{self, RootFile};
use crate::{Error, Result};

/// An object that is copied byte for byte, whatever its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) bytes: Vec<u8>,
    /// Whether its key has positions of 64 bits. References inside of an object count from the start of
    /// its key, so a copy's key must be as long.
    pub(super) long: bool,
}

impl Copy {
    /// The object that `key` names.
    ///
    /// # Errors
    /// Where its bytes are damaged, or part of it lies elsewhere in the file: trees, directories, and what
    /// refers to them.
    pub fn read(file: &RootFile, key: &root::Key) -> Result<Self> {
        let refused = |reason: &str| Error::Unsupported {
            path: file.path().to_owned(),
            what: format!("`{}` ({})", key.name, key.class_name),
            reason: reason.to_owned(),
        };
        if lies_elsewhere(file, &key.class_name) {
            return Err(refused("part of it lies elsewhere in the file, so it cannot be copied"));
        }
        let plain = matches!(key.class_name.as_str(), "TNamed" | "TObjString" | "TMacro" | "string");
        if !plain && file.keys().iter().any(|key| key.class_name == "TProcessID") {
            return Err(refused("it may refer to other objects of the file (TRef), so it cannot be copied"));
        }
        let length = Key::head_length(&key.class_name, &key.name, &key.title);
        let long = match (key.key_length as usize).checked_sub(length) {
            Some(0) => false,
            Some(Key::LONGER) => true,
            _ => return Err(refused("its key has an unusual length, so it cannot be copied")),
        };
        Ok(Self {
            class: key.class_name.clone(),
            name: key.name.clone(),
            title: key.title.clone(),
            bytes: file.object(key)?.data.to_vec(),
            long,
        })
    }
}

/// Whether objects of this class, or of one that it is made from, are more than their own record.
fn lies_elsewhere(file: &RootFile, class: &str) -> bool {
    const ELSEWHERE: [&str; 8] =
        ["TTree", "TNtuple", "TNtupleD", "TChain", "TBasket", "TDirectory", "TDirectoryFile", "TProcessID"];
    let ancestry = match file.streamers() {
        Ok(streamers) => streamers.ancestry(class),
        Err(_) => vec![class.to_owned()],
    };
    ancestry.iter().any(|class| ELSEWHERE.contains(&class.as_str()) || class.contains("RNTuple"))
}
