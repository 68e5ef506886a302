//! Checksums of what is written as JSON and of the objects of ROOT outputs. Neither format has one of its own over all of
//! it, so that a flipped bit would be another setting, another file or another number, with nothing that tells.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hasher;
use std::io::{self, BufWriter, Write};

use hep_io::root::{Entry, RootFile};
use hep_io::write::File;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::error::{Error, RunResult};
use crate::ledger::{DatasetLedger, Ledger};

/// The checksums of a ROOT output, in its ledger. All are XXH3-64, as 16 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksums {
    /// Of the class and the bytes of each object, by `path;cycle`. An object whose name has a slash is not in it: no run
    /// writes one, and its path may be another object's.
    pub objects: BTreeMap<String, String>,
    /// Of the ledger, as JSON without this.
    pub ledger: String,
}

/// Writes what it is given into a hash.
#[derive(Default)]
pub(crate) struct HashWriter(XxHash3_64);

impl HashWriter {
    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The checksum of a value's JSON. White space and the order of members in a text that the value was read from do not
/// matter to it.
///
/// # Errors
/// Where the value is no JSON: a path is no Unicode text.
pub(crate) fn of_json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut hash = BufWriter::with_capacity(1 << 16, HashWriter::default());
    serde_json::to_writer(&mut hash, value)?;
    let hash = hash.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    Ok(hex(hash.finish()))
}

fn hex(checksum: u64) -> String {
    format!("{checksum:016x}")
}

impl Ledger {
    /// Takes the checksums of the objects of `file`, and of itself.
    ///
    /// # Errors
    /// Where the ledger cannot be written as JSON.
    pub(crate) fn seal(&mut self, file: &File) -> serde_json::Result<()> {
        let objects = file.checksums().map(|(path, checksum)| (path, hex(checksum))).collect();
        self.checksums = Some(Checksums { objects, ledger: String::new() });
        let own = of_json(self)?;
        self.checksums.iter_mut().for_each(|checksums| checksums.ledger.clone_from(&own));
        Ok(())
    }

    /// Makes sure that nothing in the ledger was changed since it was written, where it has checksums.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the ledger.
    pub(crate) fn check_seal(&self) -> Result<(), String> {
        let mut bare = self.clone();
        let Some(checksums) = &mut bare.checksums else { return Ok(()) };
        let said = std::mem::take(&mut checksums.ledger);
        let own = of_json(&bare).map_err(|error| error.to_string())?;
        if said == own {
            return Ok(());
        }
        Err("its checksum is another one, so it is damaged or something else has changed it".to_owned())
    }

    /// Makes sure that the objects of `file`, whose ledger this is, are those that it was written with. Others may have
    /// been added to it.
    ///
    /// # Errors
    /// The first object that is missing or has changed, or the first dataset that has entries and no directory.
    pub(crate) fn check_objects(&self, file: &RootFile, entries: &[Entry]) -> RunResult<()> {
        let folders: HashSet<&str> = entries
            .iter()
            .filter(|entry| entry.key.is_directory())
            .map(|entry| entry.path.as_str())
            .collect();
        let done = |dataset: &&DatasetLedger| dataset.files.iter().any(|file| !file.done.is_empty());
        let lost = |dataset: &&DatasetLedger| !folders.contains(dataset.name.as_str());
        if let Some(lost) = self.datasets.iter().filter(done).find(lost) {
            return Err(Error::Usage(format!(
                "{}: dataset `{}` has entries in the ledger and no directory in the file",
                file.path(),
                lost.name.escape_debug()
            )));
        }
        let Some(checksums) = &self.checksums else { return Ok(()) };
        let wrong = |path: &str, what: &str| {
            Error::Usage(format!(
                "{}: object `{}` {what}, so the file is damaged or something other than hep-run has changed it",
                file.path(),
                path.strip_suffix(";1").unwrap_or(path).escape_debug()
            ))
        };
        let of_cycle = |entry: &Entry| format!("{};{}", entry.path, entry.key.cycle);
        let plain = entries.iter().filter(|entry| !entry.key.name.contains('/'));
        let found: BTreeMap<String, &Entry> = plain.map(|entry| (of_cycle(entry), entry)).collect();
        for (path, checksum) in &checksums.objects {
            let entry = found.get(path).ok_or_else(|| wrong(path, "is missing"))?;
            if hex(file.checksum(&entry.key)?) != *checksum {
                return Err(wrong(path, "is another one than was written"));
            }
        }
        // The newest is taken, so that one that came later would take the place of what was written.
        let paths: HashSet<&str> =
            checksums.objects.keys().filter_map(|path| path.rsplit_once(';')).map(|two| two.0).collect();
        let newer = |(path, entry): &(&String, &&Entry)| {
            paths.contains(entry.path.as_str()) && !checksums.objects.contains_key(*path)
        };
        found
            .iter()
            .find(newer)
            .map_or(Ok(()), |(path, _)| Err(wrong(path, "was not there when it was written")))
    }
}
