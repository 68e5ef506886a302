//! Outputs as a user meets them: which files they may replace, how they are called, and what may be merged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder of this test's own, with two files of events and a fileset of the first.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("outputs-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
        fs::copy(datasets.join("nano_dy.root"), folder.join("dy.root")).unwrap();
        fs::copy(datasets.join("nano_dimuon.root"), folder.join("data.root")).unwrap();
        let place = Self(folder);
        place.fileset("dy.yaml", "dy: [dy.root]");
        place.fileset("data.yaml", "data: [data.root]");
        place
    }

    fn fileset(&self, name: &str, datasets: &str) {
        let text =
            format!("processor: {{name: dimuon, min_pt: 10}}\ntree: Events\ndatasets: {{{datasets}}}\n");
        fs::write(self.0.join(name), text).unwrap();
    }

    /// The status and what was said on stderr.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hep-run"));
        let Output { status, stderr, .. } = command.args(arguments).current_dir(&self.0).output().unwrap();
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (status, said) = self.run(arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {said}");
        said
    }

    fn refused(&self, arguments: &[&str], why: &str) {
        let (status, said) = self.run(arguments);
        assert_eq!(status, Some(1), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }
}

#[test]
fn no_output_takes_the_place_of_an_input() {
    let place = Place::new("input");
    let events = place.bytes("dy.root");
    std::os::unix::fs::symlink("dy.root", place.0.join("link.root")).unwrap();
    fs::hard_link(place.0.join("dy.root"), place.0.join("hard.root")).unwrap();
    // By its default name, by a pattern, as a friend, and by other names of the same file.
    place.refused(&["dy.yaml"], "output dy.root is a file of dataset `dy`, which is read");
    place.fileset("all.yaml", "dy: ['d*.root']");
    place.refused(&["all.yaml", "-o", "data.root", "--force"], "is a file of dataset `dy`");
    fs::write(
        place.0.join("friend.yaml"),
        "processor: dimuon\ntree: Events\ndatasets: {data: [data.root]}\nfriends: {f: [dy.root]}",
    )
    .unwrap();
    place.refused(&["friend.yaml", "-o", "dy.root"], "is a file of friend `f`");
    for name in ["link.root", "hard.root", "./dy.root", "../outputs-input/dy.root"] {
        place.refused(&["dy.yaml", "-o", name, "--force"], "which is read");
        place.refused(&["dy.yaml", "-o", "new.root", "-o", name], "which is read");
    }
    place.refused(&["plan", "dy.yaml", "-o", "dy.yaml", "--force"], "is the fileset, which is read");
    place.good(&["plan", "dy.yaml", "-o", "job.json"]);
    place.refused(&["map", "job.json", "all", "dy.root"], "which is read");
    place.good(&["map", "job.json", "all", "dy.partial"]);
    place.refused(&["merge", "-o", "dy.root", "dy.partial", "--force"], "which is read");
    place.good(&["dy.yaml", "-o", "out.root"]);
    place.good(&["data.yaml", "-o", "other.root"]);
    place.refused(&["merge", "-o", "dy.root", "out.root", "other.root", "--force"], "which is read");
    place.refused(&["submit", "dy.yaml", "--system", "slurm", "-n", "1"], "output dy.root is a file of");
    assert!(place.bytes("dy.root") == events, "an input was changed");
}

#[test]
fn a_former_output_is_replaced_and_another_file_only_with_force() {
    let place = Place::new("former");
    for name in ["out.root", "out.json", "out.partial"] {
        place.good(&["dy.yaml", "-o", name]);
        place.good(&["dy.yaml", "-o", name]);
    }
    let events = place.bytes("data.root");
    place.refused(&["dy.yaml", "-o", "data.root"], "hep-run has not written it");
    place.refused(&["merge", "-o", "data.root", "out.partial"], "hep-run has not written it");
    fs::write(place.0.join("notes.json"), "{\"processor\": 1}").unwrap();
    place.refused(&["dy.yaml", "-o", "notes.json"], "it has no ledger");
    place.refused(&["plan", "dy.yaml", "-o", "notes.json"], "it is no job");
    fs::write(place.0.join("new.incomplete.root"), "mine").unwrap();
    place.refused(&["dy.yaml", "-o", "new.root"], "output new.incomplete.root exists");
    let (status, said) = place.run(&["dy.yaml", "-o", "no/new.root"]);
    assert!(status == Some(2) && said.contains("cannot write no/new.root"), "{said}");
    place.refused(&["dy.yaml", "-o", "a.json", "--checkpoint", "dy.root"], "it is a file");
    place.refused(&["dy.yaml", "-o", "a.json", "--checkpoint", "."], "no checkpoint");
    assert!(place.bytes("data.root") == events && place.bytes("new.incomplete.root") == b"mine");
    place.good(&["dy.yaml", "-o", "data.root", "--force"]);
    assert!(place.bytes("data.root") != events);
}

#[test]
fn outputs_of_different_analyses_are_not_added_up() {
    let place = Place::new("different");
    place.good(&["dy.yaml", "-o", "dy10.root"]);
    place.good(&["data.yaml", "-o", "data10.root", "-o", "data10.json"]);
    place.good(&["data.yaml", "-o", "data50.root", "--set", "min_pt=50"]);
    place.good(&["merge", "-o", "all.root", "dy10.root", "data10.root"]);
    let merge = ["merge", "-o", "mixed.root", "dy10.root", "data50.root"];
    place.refused(&merge, "min_pt: 10 in dy10.root, 50 in data50.root");
    place.refused(&merge, "--allow-different settings");
    assert!(!place.0.join("mixed.root").exists());
    let said = place.good(&[&merge[..], &["--allow-different", "settings"]].concat());
    assert!(said.contains("note: min_pt: 10 in dy10.root, 50 in data50.root"), "{said}");
    // A mixture says that it is one.
    fs::remove_file(place.0.join("dy10.root")).unwrap();
    place.good(&["dy.yaml", "-o", "dy10.root", "--max-entries", "0"]);
    place.refused(&["merge", "-o", "x.root", "mixed.root", "dy10.root"], "min_pt");
    let json: Value = serde_json::from_slice(&place.bytes("data10.json")).unwrap();
    let made = &json["ledger"]["provenance"][0];
    assert_eq!(made["settings"]["min_pt"], 10.0);
    assert_eq!(made["program"].as_str(), Some("0.1.0"));
    // A build id, as long as the linker makes it, or an XXH3.
    let binary = made["binary"].as_str().unwrap();
    assert!(binary.len() >= 16 && binary.bytes().all(|digit| digit.is_ascii_hexdigit()), "{binary}");
}

#[test]
fn parts_that_are_merged_say_what_one_run_says() {
    let place = Place::new("parts");
    place.fileset("both.yaml", "dy: [dy.root], data: [data.root]");
    let cut = ["--entries-per-range", "7", "--range-size", "1"];
    for part in ["1/3", "2/3", "3/3"] {
        let name = format!("{}.partial", &part[..1]);
        place.good(&[&["both.yaml", "--shard", part, "-o", &name][..], &cut[2..]].concat());
    }
    fs::create_dir(place.0.join("whole")).unwrap();
    place.good(&[&["both.yaml", "-o", "whole/both.root"][..], &cut[2..]].concat());
    place.good(&["merge", "-o", "both.root", "3.partial", "1.partial", "2.partial"]);
    assert!(place.bytes("both.root") == place.bytes("whole/both.root"), "other bytes");
}

#[test]
fn names_that_collide_or_that_something_reads_otherwise_are_refused() {
    let place = Place::new("names");
    for (name, instead) in
        [("ledger", "`ledger_`"), ("'A:B'", "`A_B`"), ("'a/b'", "`a_b`"), ("'a;1'", "`a_1`"), ("' a'", "`a`")]
    {
        place.fileset("bad.yaml", &format!("{name}: [dy.root]"));
        place.refused(&["bad.yaml", "-o", "out.root"], &format!("{instead} would do"));
    }
    fs::write(
        place.0.join("friend.yaml"),
        "processor: dimuon\ntree: Events\ndatasets: {data: [data.root]}\nfriends: {'f:g': [dy.root]}",
    )
    .unwrap();
    place.refused(&["friend.yaml", "-o", "out.root"], "`f_g` would do");
}
