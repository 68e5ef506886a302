//! The account of every entry: done, failed or skipped, exactly once. It travels inside the output.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::checksums::Checksums;
use crate::error::{Error, RunResult};
use crate::fileset::location;
use crate::provenance::{self, Difference, Provenance};

/// ROOT counts entries signed.
const MOST_ENTRIES: u64 = i64::MAX as u64;

/// What became of every entry of a fileset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The version of this form: 1.
    pub version: u32,
    /// The processor that filled the output.
    pub processor: String,
    /// What the output was made with: one for a run, several where a merge was allowed to add up different
    /// ones, none of an output of a `hep-run` that did not write it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provenance: Vec<Provenance>,
    /// One account for each dataset, in the fileset's order.
    pub datasets: Vec<DatasetLedger>,
    /// The checksums of the ROOT output that it is in; none anywhere else, and in an output of a `hep-run` that did not
    /// write them yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Checksums>,
}

/// What became of a dataset's entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetLedger {
    /// The dataset.
    pub name: String,
    /// One account for each file, in the fileset's order.
    pub files: Vec<FileLedger>,
    /// The friends whose columns stood beside theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub friends: Vec<FriendLedger>,
    /// Whether the processor's `finish` changed the output. It adds up with no other then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finished: bool,
    /// The histograms that were filled with weights that are infinite or not a number, and how often.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub non_finite_weights: BTreeMap<String, u64>,
}

/// The files of a friend. Their entries are read where the dataset's are, and not counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FriendLedger {
    /// The friend's name in the fileset.
    pub alias: String,
    /// Its files, in the fileset's order.
    pub files: Vec<FriendFile>,
}

/// A file of a friend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FriendFile {
    /// The file, as the fileset names it.
    pub path: String,
    /// The tree.
    pub tree: String,
    /// The file's own identity; empty where it was not opened.
    pub uuid: String,
    /// How many entries the tree has; none where it was not opened.
    pub entries: Option<u64>,
}

/// What became of a file's entries. The ranges are half-open, sorted, disjoint, and cover
/// `0..entries`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLedger {
    /// The file, as the fileset names it.
    pub path: String,
    /// The tree.
    pub tree: String,
    /// The file's own identity; empty where it could not be opened.
    pub uuid: String,
    /// A hash of its size, head and tail, which tells files of one uuid apart; empty where it could not be opened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// How many entries the tree has; none where it could not be opened.
    pub entries: Option<u64>,
    /// The entries whose results are in the output.
    pub done: Vec<(u64, u64)>,
    /// The entries whose results are not in the output because they could not be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Missed>,
    /// The entries that were not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Missed>,
    /// Places other than `path` that bytes of it came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// Whether the file was not closed, so that entries may be missing behind those it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
    /// What tells that the file did not change while it was read, where that is less than its time of modification or its
    /// ETag: `size, head and tail`, of a server that tells neither.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// How many times a range of this file was tried again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// The optional columns that neither this file nor a friend has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<AbsentColumn>,
    /// The columns that hold fewer entries than the tree, of which the others count as zero or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<ShortColumn>,
}

/// A column that holds fewer entries than its tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortColumn {
    /// Its name.
    pub column: String,
    /// How many entries it holds: the tree's first ones.
    pub entries: u64,
}

/// An optional column that a file lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbsentColumn {
    /// The name that the processor asks for.
    pub column: String,
    /// The existing name that is most like it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// Entries that are not in the output, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missed {
    /// The entries; none for a whole file whose number of entries is unknown.
    pub entries: Option<(u64, u64)>,
    /// Why.
    pub reason: String,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Numbers of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Entries whose results are in the output.
    pub done: u64,
    /// Entries that failed, as far as their number is known.
    pub failed: u64,
    /// Entries that were not asked for.
    pub skipped: u64,
    /// Files that could not even be opened: nobody knows how many entries they hold.
    pub files_unknown: u64,
    /// All files.
    pub files: u64,
}

impl Totals {
    /// The fraction of what was asked for that is missing, in 0..=1. An unopened file counts as one
    /// of average size.
    pub fn missing(&self) -> f64 {
        let known_files = self.files - self.files_unknown;
        let asked = (self.done + self.failed) as f64;
        if self.files_unknown == 0 {
            return if asked == 0.0 { 0.0 } else { self.failed as f64 / asked };
        }
        let average = if known_files == 0 || asked == 0.0 { 1.0 } else { asked / known_files as f64 };
        let unknown = self.files_unknown as f64 * average;
        (self.failed as f64 + unknown) / (asked + unknown)
    }

    fn add(&mut self, other: Self) {
        // Several outputs add up to more than each may say.
        self.done = self.done.saturating_add(other.done);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.files_unknown += other.files_unknown;
        self.files += other.files;
    }
}

impl FileLedger {
    /// Entries by what became of them.
    pub fn totals(&self) -> Totals {
        let length = |missed: &[Missed]| {
            missed.iter().filter_map(|m| m.entries).map(|(start, end)| end.saturating_sub(start)).sum()
        };
        Totals {
            done: self.done.iter().map(|(start, end)| end.saturating_sub(*start)).sum(),
            failed: length(&self.failed),
            skipped: length(&self.skipped),
            files_unknown: u64::from(self.entries.is_none() && !self.failed.is_empty()),
            files: 1,
        }
    }

    /// Makes sure that every entry is accounted for once: done, in one of the `planned` ranges, failed or skipped.
    ///
    /// # Errors
    /// The first entries that are not, or that are more than once.
    pub(crate) fn check(&self, planned: impl IntoIterator<Item = (u64, u64)>) -> Result<(), String> {
        let path = &self.path;
        let missed = || self.failed.iter().chain(&self.skipped);
        let is_whole = missed().any(|missed| missed.entries.is_none());
        let mut parts: Vec<(u64, u64)> = self.done.iter().copied().chain(planned).collect();
        parts.extend(missed().filter_map(|missed| missed.entries));
        let Some(entries) = self.entries else {
            return match parts.first() {
                Some((start, end)) => Err(format!(
                    "entries {start}..{end} of {path} are accounted for, but it has not been opened"
                )),
                None if is_whole => Ok(()),
                None => Err(format!("nothing is known of {path}")),
            };
        };
        if is_whole {
            parts.push((0, entries));
        }
        parts.sort_unstable();
        let mut reached = 0;
        for (start, end) in parts {
            if start > end || end > entries {
                return Err(format!(
                    "{path} has {entries} entries, but entries {start}..{end} are accounted for"
                ));
            }
            if start < end && start < reached {
                let end = end.min(reached);
                return Err(format!("entries {start}..{end} of {path} are accounted for twice"));
            }
            if start > reached {
                return Err(format!("entries {reached}..{start} of {path} are accounted for nowhere"));
            }
            reached = reached.max(end);
        }
        match reached < entries {
            true => Err(format!("entries {reached}..{entries} of {path} are accounted for nowhere")),
            false => Ok(()),
        }
    }

    /// Records that `entries` are in the output.
    pub(crate) fn add_done(&mut self, entries: Range<u64>) {
        self.done.push((entries.start, entries.end));
    }

    /// Records that `entries` were not asked for.
    pub(crate) fn skip(&mut self, entries: Range<u64>, reason: &str) {
        match self.skipped.last_mut() {
            Some(Missed { entries: Some((_, end)), reason: last })
                if *end == entries.start && last == reason =>
            {
                *end = entries.end;
            }
            _ if entries.start < entries.end => {
                let entries = Some((entries.start, entries.end));
                self.skipped.push(Missed { entries, reason: reason.to_owned() });
            }
            _ => {}
        }
    }

    /// Sorts the ranges and joins neighbours.
    pub(crate) fn tidy(&mut self) {
        self.done.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for &(start, end) in self.done.iter().filter(|(start, end)| start < end) {
            match joined.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => joined.push((start, end)),
            }
        }
        self.done = joined;
        self.replicas.sort_unstable();
        self.replicas.dedup();
        self.failed.sort_by_key(|missed| missed.entries);
        self.skipped.sort_by_key(|missed| missed.entries);
    }

    /// Whether both are of one file: by its own identity, which no path changes; by path where one of
    /// the runs has not opened it. A path without the values of its options is that of one file only if
    /// `path_is_enough`.
    fn is_same(&self, other: &Self, path_is_enough: bool) -> bool {
        let same_file = match (self.uuid.as_str(), other.uuid.as_str()) {
            ("", _) | (_, "") => {
                self.path == other.path && (path_is_enough || !location::hides_options(&self.path))
            }
            (mine, theirs) => {
                let known = !self.fingerprint.is_empty() && !other.fingerprint.is_empty();
                mine == theirs && (!known || self.fingerprint == other.fingerprint)
            }
        };
        let same_tree = self.tree.is_empty() || other.tree.is_empty() || self.tree == other.tree;
        same_file && same_tree
    }

    /// What another account of the same file can be found by.
    fn handles(&self) -> impl Iterator<Item = String> {
        let uuid = (!self.uuid.is_empty()).then(|| format!("uuid {}", self.uuid));
        uuid.into_iter().chain([format!("path {}", self.path)])
    }

    /// Adds the account of the same file in another output, whose done entries are others.
    fn absorb(&mut self, other: Self) {
        self.done.extend(&other.done);
        self.retries = self.retries.saturating_add(other.retries);
        self.recovered |= other.recovered;
        self.replicas.extend(other.replicas);
        self.entries = self.entries.or(other.entries);
        if self.uuid.is_empty() {
            self.uuid = other.uuid;
            self.fingerprint = other.fingerprint;
        }
        if self.tree.is_empty() {
            self.tree = other.tree;
        }
        if self.absent.is_empty() {
            self.absent = other.absent;
        }
        if self.short.is_empty() {
            self.short = other.short;
        }
        // What one output lacks the other may have; and what both lack is lacking once.
        let mut covered = self.done.clone();
        for (mine, theirs) in [(&mut self.failed, other.failed), (&mut self.skipped, other.skipped)] {
            let all: Vec<Missed> = mine.drain(..).chain(theirs).collect();
            for Missed { entries, reason } in all {
                let whole = entries.or(self.entries.map(|entries| (0, entries)));
                let Some(whole) = whole else {
                    if mine.is_empty() {
                        mine.push(Missed { entries: None, reason });
                    }
                    continue;
                };
                for left in without(whole, &covered) {
                    covered.push(left);
                    mine.push(Missed { entries: Some(left), reason: reason.clone() });
                }
            }
        }
        // A file that failed in one run and was not asked for in the other has failed.
        if self.failed.iter().any(|missed| missed.entries.is_none()) {
            self.skipped.clear();
        }
        self.tidy();
    }
}

impl DatasetLedger {
    /// Entries by what became of them.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for file in &self.files {
            totals.add(file.totals());
        }
        totals
    }
}

impl Ledger {
    /// Makes sure of a ledger that was read: every entry of every file is in it once.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the ledger.
    pub fn check(&self) -> Result<(), String> {
        if self.version != 1 {
            return Err(format!("it is of version {}, and this hep-run knows version 1", self.version));
        }
        for (at, dataset) in self.datasets.iter().enumerate() {
            if self.datasets[..at].iter().any(|other| other.name == dataset.name) {
                return Err(format!("dataset `{}` is in it twice", dataset.name));
            }
            dataset.files.iter().try_for_each(|file| file.check([]))?;
        }
        self.check_total()?;
        self.check_seal()
    }

    /// Makes sure that the entries of all files can be counted.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the ledger.
    pub(crate) fn check_total(&self) -> Result<(), String> {
        let mut files = self.datasets.iter().flat_map(|dataset| &dataset.files);
        let add = |sum: u64, file: &FileLedger| sum.checked_add(file.entries.unwrap_or(0));
        match files.try_fold(0, add) {
            Some(..=MOST_ENTRIES) => Ok(()),
            _ => Err(format!("its files have more than {MOST_ENTRIES} entries")),
        }
    }

    /// Entries by what became of them.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for dataset in &self.datasets {
            totals.add(dataset.totals());
        }
        totals
    }

    /// Adds the account of another output. `a` and `b` are the names of the outputs, for messages. Returns in what
    /// they differ, if that is `allowed`.
    ///
    /// # Errors
    /// [`Error::Overlap`] if any entry is done in both, [`Error::Usage`] if different analyses made them.
    pub fn merge(
        &mut self,
        other: Self,
        a: &str,
        b: &str,
        allowed: &[Difference],
    ) -> RunResult<Option<String>> {
        if self.processor != other.processor {
            let message = format!(
                "{a} was made by processor `{}` and {b} by `{}`: they cannot be merged",
                self.processor, other.processor
            );
            return Err(Error::Usage(message));
        }
        let filesets = |ledger: &Self| -> BTreeSet<String> {
            ledger.provenance.iter().flat_map(|made| &made.filesets).cloned().collect()
        };
        let mine = filesets(self);
        let one_fileset = mine.len() == 1 && mine == filesets(&other);
        let note = provenance::merge(&mut self.provenance, other.provenance, (a, b), allowed)?;
        // They are of one output.
        self.checksums = None;
        let known = self.datasets.iter().enumerate();
        let known: HashMap<String, usize> = known.map(|(at, dataset)| (dataset.name.clone(), at)).collect();
        for dataset in other.datasets {
            match known.get(&dataset.name) {
                Some(&at) => self.datasets[at].merge(dataset, (a, b), one_fileset)?,
                None => self.datasets.push(dataset),
            }
        }
        Ok(note)
    }
}

impl DatasetLedger {
    /// Adds the account of the dataset in another output, of the same fileset if `one_fileset`.
    fn merge(&mut self, other: Self, (a, b): (&str, &str), one_fileset: bool) -> RunResult<()> {
        // A dataset may have many thousand files: they are looked up, not compared one by one.
        let mut known: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, file) in self.files.iter().enumerate() {
            file.handles().for_each(|handle| known.entry(handle).or_default().push(at));
        }
        if self.finished || other.finished {
            let which = if self.finished { a } else { b };
            return Err(Error::Usage(format!(
                "dataset `{}` of {which} is finished (scaled, perhaps) by the processor and does not add up with {}: merge \
                 `.partial` outputs, which are finished once",
                self.name,
                if self.finished { b } else { a }
            )));
        }
        for file in other.files {
            let candidates: Vec<usize> =
                file.handles().filter_map(|handle| known.get(&handle)).flatten().copied().collect();
            // The other has all files of the fileset too.
            let alike = candidates.iter().filter(|&&at| self.files[at].path == file.path).count();
            let path_is_enough = one_fileset && alike == 1;
            let same = |at: &usize| self.files[*at].is_same(&file, path_is_enough);
            let Some(at) = candidates.iter().copied().find(same) else {
                self.files.push(file);
                continue;
            };
            let ours = &mut self.files[at];
            if let Some((start, end)) = overlap(&ours.done, &file.done) {
                let (dataset, file) = (self.name.clone(), file.path);
                return Err(Error::Overlap { a: a.into(), b: b.into(), dataset, file, start, end });
            }
            ours.absorb(file);
        }
        for (histogram, fills) in other.non_finite_weights {
            let known = self.non_finite_weights.entry(histogram).or_default();
            *known = known.saturating_add(fills);
        }
        for FriendLedger { alias, files } in other.friends {
            match self.friends.iter_mut().find(|known| known.alias == alias) {
                Some(known) => {
                    let new = files.into_iter().filter(|file| !known.files.contains(file));
                    let new: Vec<FriendFile> = new.collect();
                    known.files.extend(new);
                }
                None => self.friends.push(FriendLedger { alias, files }),
            }
        }
        Ok(())
    }
}

fn overlap(a: &[(u64, u64)], b: &[(u64, u64)]) -> Option<(u64, u64)> {
    a.iter().find_map(|&(start, end)| {
        b.iter().map(|&(s, e)| (s.max(start), e.min(end))).find(|(start, end)| start < end)
    })
}

/// The parts of `whole` that none of `covered` holds.
fn without(whole: (u64, u64), covered: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut parts = vec![whole];
    for &(start, end) in covered {
        parts = parts
            .into_iter()
            .flat_map(|(s, e)| [(s, e.min(start)), (s.max(end), e)])
            .filter(|(s, e)| s < e)
            .collect();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(done: &[(u64, u64)], skipped: Option<(u64, u64)>) -> Ledger {
        let skipped = skipped
            .map(|entries| Missed { entries: Some(entries), reason: "--max-entries 10".into() })
            .into_iter()
            .collect();
        let file = FileLedger {
            path: "a.root".into(),
            tree: "Events".into(),
            uuid: "u".into(),
            entries: Some(30),
            done: done.to_vec(),
            skipped,
            ..FileLedger::default()
        };
        let dataset = DatasetLedger { name: "DY".into(), files: vec![file], ..DatasetLedger::default() };
        Ledger {
            version: 1,
            processor: "dimuon".into(),
            provenance: Vec::new(),
            datasets: vec![dataset],
            checksums: None,
        }
    }

    #[test]
    fn the_same_entries_twice_are_an_error_that_names_them() {
        let mut a = ledger(&[(0, 10), (20, 30)], None);
        let error = a.merge(ledger(&[(15, 25)], None), "a.root", "b.root", &[]).unwrap_err().to_string();
        assert!(error.starts_with("a.root and b.root both hold entries 20..25 of a.root"), "{error}");
    }

    #[test]
    fn what_one_output_skipped_the_other_has_done() {
        let mut a = ledger(&[(0, 10)], Some((10, 30)));
        a.merge(ledger(&[(10, 20)], None), "a", "b", &[]).unwrap();
        let file = &a.datasets[0].files[0];
        assert_eq!(file.done, [(0, 20)]);
        assert_eq!(file.skipped[0].entries, Some((20, 30)));
        let totals = a.totals();
        assert_eq!((totals.done, totals.skipped), (20, 10));
    }

    #[test]
    fn a_file_that_one_run_did_not_open_is_the_one_that_the_other_did() {
        let mut a = ledger(&[], None);
        let file = &mut a.datasets[0].files[0];
        (file.uuid, file.entries) = (String::new(), None);
        file.skipped.push(Missed { entries: None, reason: "--dataset".into() });
        let whole = ledger(&[(0, 30)], None);
        a.merge(whole.clone(), "a", "b", &[]).unwrap();
        assert_eq!(a, whole);
    }

    #[test]
    fn two_files_of_one_uuid_are_told_apart() {
        let (mut a, mut b) = (ledger(&[(0, 30)], None), ledger(&[(0, 30)], None));
        for (ledger, path, fingerprint) in [(&mut a, "a.root", "1"), (&mut b, "b.root", "2")] {
            let file = &mut ledger.datasets[0].files[0];
            (file.path, file.fingerprint) = (path.to_owned(), fingerprint.to_owned());
        }
        let mut both = a.clone();
        both.merge(b, "a", "b", &[]).unwrap();
        assert_eq!(both.totals().done, 60);
        let mut moved = a.clone();
        moved.datasets[0].files[0].path = "c.root".to_owned();
        assert!(both.merge(moved, "a", "c", &[]).is_err());
    }

    #[test]
    fn files_that_only_hidden_options_tell_apart_are_not_taken_for_one() {
        let of = |fileset: &str, path: &str, opened: bool| {
            let mut ledger = ledger(if opened { &[(0, 30)] } else { &[] }, None);
            let file = &mut ledger.datasets[0].files[0];
            file.path = path.to_owned();
            if !opened {
                (file.uuid, file.entries) = (String::new(), None);
                file.failed.push(Missed { entries: None, reason: "no answer".into() });
            }
            let filesets = BTreeSet::from([fileset.to_owned()]);
            ledger.provenance.push(Provenance {
                program: String::new(),
                commit: None,
                binary: String::new(),
                settings: serde_json::Map::new(),
                filesets,
                inputs: BTreeMap::new(),
            });
            ledger
        };
        let failed = |path: &str, filesets: [&str; 2]| {
            let mut ledger = of(filesets[0], path, false);
            ledger.merge(of(filesets[1], path, true), "a", "b", &[]).unwrap();
            ledger.totals().files_unknown
        };
        assert_eq!(failed("https://h/get?x=…", ["1", "2"]), 1, "x may be another");
        assert_eq!(failed("https://h/get?x=…", ["1", "1"]), 0);
        assert_eq!(failed("https://h/get?id=7", ["1", "2"]), 0);
        let mut two = of("1", "https://h/get?x=…", false);
        let file = two.datasets[0].files[0].clone();
        two.datasets[0].files.push(file);
        two.merge(of("1", "https://h/get?x=…", true), "a", "b", &[]).unwrap();
        assert_eq!(two.totals().files_unknown, 2);
    }

    #[test]
    fn what_is_finished_is_not_merged() {
        let (mut a, mut b) = (ledger(&[(0, 10)], Some((10, 30))), ledger(&[(10, 30)], Some((0, 10))));
        b.datasets[0].finished = true;
        let error = a.merge(b.clone(), "a.root", "b.root", &[]).unwrap_err().to_string();
        assert!(error.starts_with("dataset `DY` of b.root is finished"), "{error}");
        // Other datasets are not in its way.
        b.datasets[0].name = "TT".to_owned();
        a.merge(b, "a.root", "b.root", &[]).unwrap();
    }

    #[test]
    fn every_entry_is_accounted_for_once() {
        let check = |done: &[(u64, u64)], skipped, planned: &[(u64, u64)]| {
            let ledger = ledger(done, skipped);
            ledger.datasets[0].files[0].check(planned.iter().copied())
        };
        assert_eq!(check(&[(0, 30)], None, &[]), Ok(()));
        assert_eq!(check(&[(10, 20)], Some((0, 10)), &[(20, 30)]), Ok(()));
        for (done, skipped, planned, why) in [
            (&[(0, 10)][..], None, &[(20, 30)][..], "entries 10..20 of a.root are accounted for nowhere"),
            (&[(0, 10)], Some((10, 29)), &[], "entries 29..30 of a.root are accounted for nowhere"),
            (&[], None, &[], "entries 0..30 of a.root are accounted for nowhere"),
            (&[(0, 10), (5, 30)], None, &[], "entries 5..10 of a.root are accounted for twice"),
            (&[(0, 30)], Some((4, 6)), &[], "entries 4..6 of a.root are accounted for twice"),
            (&[(0, 30)], None, &[(29, 30)], "entries 29..30 of a.root are accounted for twice"),
            (&[(0, 31)], None, &[], "a.root has 30 entries, but entries 0..31 are accounted for"),
            (&[(9, 3), (0, 30)], None, &[], "a.root has 30 entries, but entries 9..3 are accounted for"),
        ] {
            assert_eq!(check(done, skipped, planned), Err(why.to_owned()));
        }
        let mut unopened = ledger(&[], None);
        unopened.datasets[0].files[0].entries = None;
        assert_eq!(unopened.check(), Err("nothing is known of a.root".to_owned()));
        unopened.datasets[0].files[0].failed.push(Missed { entries: None, reason: "gone".into() });
        assert_eq!(unopened.check(), Ok(()));
        let mut many = unopened.clone();
        let full = |entries| FileLedger {
            entries: Some(entries),
            done: vec![(0, entries)],
            ..FileLedger::default()
        };
        many.datasets[0].files = [u64::MAX, 1].map(full).to_vec();
        assert_eq!(many.check(), Err(format!("its files have more than {MOST_ENTRIES} entries")));
        let twice = Ledger { datasets: [unopened.datasets.clone(), unopened.datasets].concat(), ..unopened };
        assert_eq!(twice.check(), Err("dataset `DY` is in it twice".to_owned()));
    }

    #[test]
    fn an_unopened_file_counts_as_one_of_average_size() {
        let totals = Totals { done: 300, files: 4, files_unknown: 1, ..Totals::default() };
        assert_eq!(totals.missing(), 0.25);
        assert_eq!(Totals { files: 1, files_unknown: 1, ..Totals::default() }.missing(), 1.0);
    }
}
