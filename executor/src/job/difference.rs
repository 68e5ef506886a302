//! Whether two jobs have the same ranges to be processed in the same way, and if not, what tells them apart.
//! The shards of a run plan it each for itself; only if they come to the same may they be merged.

use std::collections::HashSet;

use serde_json::Value;

use super::Job;
use crate::fileset::{DatasetSpec, FileSpec, Friend, location};
use crate::ledger::FileLedger;
use crate::provenance;
use crate::storage::StorageSettings;

impl Job {
    /// What is different in another job, as a sentence with the names `a` and `b` for the two; none if both
    /// have the same ranges and the same comes of each. How files are opened may be different, how often
    /// that had to be tried, and where outputs are kept.
    pub fn difference(&self, other: &Self, a: &str, b: &str) -> Option<String> {
        let (one, two) = (self.essence(), other.essence());
        let changed = provenance::changed_input(&self.ledger.provenance, &other.ledger.provenance, a, b);
        if one == two {
            return changed;
        }
        let text = binaries(&one, &two, a, b)
            .or_else(|| {
                (one.processor != two.processor).then(|| {
                    format!("{a} is of processor `{}` and {b} of `{}`", one.processor, two.processor)
                })
            })
            .or_else(|| settings(&one, &two, a, b))
            .or_else(|| datasets(&one, &two, a, b))
            .unwrap_or_else(|| match one.ranges == two.ranges {
                true => format!("{a} and {b} are not of the same files and friends"),
                false => format!(
                    "{a} and {b} cut the files into other ranges (--entries-per-range, --range-size, \
                     --max-entries, --max-files, --dataset)"
                ),
            });
        Some(text)
    }

    /// Takes over what is known of the files from a job with no [difference](Self::difference). It does not
    /// matter in which order several are taken over, nor how often.
    pub(crate) fn absorb(&mut self, other: &Self) {
        provenance::absorb(&mut self.ledger.provenance, &other.ledger.provenance);
        let files = self.ledger.datasets.iter_mut().flat_map(|dataset| &mut dataset.files);
        for (mine, theirs) in files.zip(other.ledger.datasets.iter().flat_map(|dataset| &dataset.files)) {
            // Every shard has opened every file: that one had to try again is no matter of the others.
            mine.retries = mine.retries.max(theirs.retries);
            for (mine, theirs) in mine.failed.iter_mut().zip(&theirs.failed) {
                if theirs.reason < mine.reason {
                    mine.reason.clone_from(&theirs.reason);
                }
            }
        }
        for (mine, theirs) in self.broken_friends.iter_mut().zip(&other.broken_friends) {
            if theirs.reason < mine.reason {
                mine.reason.clone_from(&theirs.reason);
            }
        }
    }

    /// What must be the same.
    fn essence(&self) -> Self {
        let mut job = self.clone();
        (job.retries, job.skip_checksums, job.storage) = (0, false, StorageSettings::default());
        job.checkpoint = None;
        job.checksum.clear();
        // Settings and binary are in the job besides.
        job.ledger.provenance.clear();
        job.broken_friends.iter_mut().for_each(|broken| broken.reason.clear());
        let friends = job.datasets.iter_mut().flat_map(|dataset| &mut dataset.friends);
        let friends = friends.chain(&mut job.friends).flat_map(|friend: &mut Friend| &mut friend.files);
        friends.for_each(|file| {
            file.hide_secrets();
            // It is looked at where outputs are kept only.
            file.revision = None;
        });
        let files = job.datasets.iter_mut().flat_map(|dataset| &mut dataset.files);
        files.for_each(FileSpec::hide_secrets);
        for file in job.ledger.datasets.iter_mut().flat_map(|dataset| &mut dataset.files) {
            file.retries = 0;
            file.replicas.clear();
            file.failed.iter_mut().for_each(|missed| missed.reason.clear());
        }
        job
    }
}

fn binaries(one: &Job, two: &Job, a: &str, b: &str) -> Option<String> {
    (one.binary != two.binary)
        .then(|| format!("another binary made {a} ({:.12}) than {b} ({:.12})", one.binary, two.binary))
}

fn settings(one: &Job, two: &Job, a: &str, b: &str) -> Option<String> {
    let differs = |key: &&String| one.settings.get(*key) != two.settings.get(*key);
    let key = one.settings.keys().chain(two.settings.keys()).find(differs)?;
    let says = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    let (mine, theirs) = (says(one.settings.get(key)), says(two.settings.get(key)));
    Some(format!("the setting `{key}` is {mine} in {a} and {theirs} in {b}"))
}

fn datasets(one: &Job, two: &Job, a: &str, b: &str) -> Option<String> {
    let only = |of: &Job, other: &Job, name: &str| {
        let names: HashSet<&str> = other.datasets.iter().map(|dataset| dataset.name.as_str()).collect();
        let unknown = |dataset: &&DatasetSpec| !names.contains(dataset.name.as_str());
        of.datasets
            .iter()
            .find(unknown)
            .map(|dataset| format!("dataset `{}` is only in {name}", dataset.name))
    };
    if let Some(text) = only(one, two, a).or_else(|| only(two, one, b)) {
        return Some(text);
    }
    for (mine, theirs) in one.datasets.iter().zip(&two.datasets) {
        if mine.name != theirs.name {
            return Some(format!("the datasets are in another order in {a} and {b}"));
        }
        if mine.metadata != theirs.metadata {
            return Some(format!("the metadata of dataset `{}` is not the same in {a} and {b}", mine.name));
        }
        let at = (0..mine.files.len().max(theirs.files.len())).find(|&at| {
            mine.files.get(at).map(|file| &file.path) != theirs.files.get(at).map(|file| &file.path)
        });
        if let Some(at) = at {
            let name =
                |files: &[FileSpec]| files.get(at).map_or("missing".into(), FileSpec::name).into_owned();
            return Some(format!(
                "file {} of dataset `{}` is {} in {a} and {} in {b}",
                at + 1,
                mine.name,
                name(&mine.files),
                name(&theirs.files)
            ));
        }
    }
    let files = |job: &Job| -> Vec<FileLedger> {
        job.ledger.datasets.iter().flat_map(|dataset| dataset.files.clone()).collect()
    };
    let revisions = |job: &Job| -> Vec<Option<String>> {
        let specs = job.datasets.iter().flat_map(|dataset| &dataset.files);
        specs.map(|spec| spec.revision.clone()).collect()
    };
    let revised = revisions(one).into_iter().zip(revisions(two)).map(|(mine, theirs)| mine != theirs);
    files(one).iter().zip(&files(two)).zip(revised).find_map(|((mine, theirs), revised)| {
        let path = &mine.path;
        match (mine.failed.is_empty(), theirs.failed.is_empty()) {
            (false, true) => {
                Some(format!("{path} could not be used when {a} was planned, but for {b} it could"))
            }
            (true, false) => {
                Some(format!("{path} could not be used when {b} was planned, but for {a} it could"))
            }
            _ if mine.uuid != theirs.uuid || mine.entries != theirs.entries || revised => {
                Some(format!("{path} was replaced between {a} and {b}"))
            }
            _ => None,
        }
    })
}

impl FileSpec {
    fn hide_secrets(&mut self) {
        for path in std::iter::once(&mut self.path).chain(&mut self.replicas) {
            *path = location::identity(path).into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Missed;

    fn job(change: impl FnOnce(&mut Value)) -> Job {
        let mut json = serde_json::json!({
            "version": 1, "program": env!("CARGO_PKG_VERSION"), "binary": "aa", "processor": "dimuon",
            "settings": {"min_pt": 10}, "retries": 2, "skip_checksums": false,
            "storage": {"cache": null, "cache_size": null, "stall": null, "read_mode": "auto"},
            "datasets": [{
                "name": "DY", "friends": [], "metadata": {},
                "files": [
                    {"path": "root://h//a.root?authz=one", "tree": "Events", "uuid": "u", "entries": 9},
                    {"path": "/b.root", "tree": null, "uuid": null, "entries": null},
                ],
            }],
            "friends": [], "chosen": [0],
            "ledger": {"version": 1, "processor": "dimuon", "datasets": [{"name": "DY", "files": [
                {"path": "root://h//a.root", "tree": "Events", "uuid": "u", "entries": 9, "done": []},
                {"path": "/b.root", "tree": "", "uuid": "", "entries": null, "done": [],
                 "failed": [{"entries": null, "reason": "No such file"}]},
            ]}]},
            "ranges": [[0, 0, 5], [0, 5, 9]],
        });
        change(&mut json);
        // Not by `Job::read`, which refuses what a single change leaves.
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn how_files_are_opened_makes_no_other_job() {
        let one = job(|_| {});
        let two = job(|json| {
            json["retries"] = 5.into();
            json["storage"]["cache"] = "/scratch".into();
            json["checkpoint"] = serde_json::json!({"folder": "/scratch", "resume": true});
            json["datasets"][0]["files"][0]["path"] = "root://h//a.root?authz=two".into();
            json["ledger"]["datasets"][0]["files"][0]["retries"] = 3.into();
            json["ledger"]["datasets"][0]["files"][1]["failed"][0]["reason"] = "Gone".into();
        });
        assert_eq!(one.difference(&two, "a", "b"), None);
        let taken = |mut into: Job, of: [&Job; 2]| {
            of.into_iter().for_each(|job| into.absorb(job));
            into.ledger
        };
        let ledger = taken(one.clone(), [&two, &two]);
        assert_eq!(ledger, taken(two.clone(), [&one, &two]));
        let files = &ledger.datasets[0].files;
        assert_eq!(files[0].retries, 3);
        assert_eq!(files[1].failed, [Missed { entries: None, reason: "Gone".to_owned() }]);
    }

    #[test]
    fn what_is_different_is_said() {
        let one = job(|_| {});
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 10] = [
            (|json| json["binary"] = "bb".into(), "another binary made a (aa) than b (bb)"),
            (|json| json["processor"] = "zpeak".into(), "a is of processor `dimuon` and b of `zpeak`"),
            (|json| json["settings"]["min_pt"] = 11.into(), "the setting `min_pt` is 10 in a and 11 in b"),
            (
                |json| json["settings"] = serde_json::json!({}),
                "the setting `min_pt` is 10 in a and not set in b",
            ),
            (|json| json["datasets"][0]["name"] = "TT".into(), "dataset `DY` is only in a"),
            (
                |json| json["datasets"][0]["files"][1]["path"] = "/c.root".into(),
                "file 2 of dataset `DY` is /b.root in a and /c.root in b",
            ),
            (
                |json| json["datasets"][0]["files"][0]["path"] = "root://h//a.root?x=hush".into(),
                "file 1 of dataset `DY` is root://h//a.root in a and root://h//a.root?x=… in b",
            ),
            (
                |json| json["ledger"]["datasets"][0]["files"][1]["failed"] = serde_json::json!([]),
                "/b.root could not be used when a was planned, but for b it could",
            ),
            (
                |json| json["ledger"]["datasets"][0]["files"][0]["uuid"] = "v".into(),
                "root://h//a.root was replaced between a and b",
            ),
            (
                |json| json["ranges"] = serde_json::json!([[0, 0, 9]]),
                "a and b cut the files into other ranges (--entries-per-range, --range-size, --max-entries, \
                 --max-files, --dataset)",
            ),
        ];
        for (change, text) in cases {
            assert_eq!(one.difference(&job(change), "a", "b").as_deref(), Some(text));
        }
    }
}
