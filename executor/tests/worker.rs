//! Workers, and the partial outputs that they give: in this process, and over a pipe.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use hep_run::job::Job;
use hep_run::merge_tree::Node;
use hep_run::partial::{Head, PartialFile};
use hep_run::progress::{Progress, ProgressKind};
use hep_run::worker::{Worker, frames};
use hep_run::{Registry, RunResult};
use serde_json::{Value, json};

/// A job over the two files of the repository, three entries at a time.
fn job(test: &str, settings: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("worker-{test}"));
    std::fs::create_dir_all(&folder).unwrap();
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").canonicalize().unwrap();
    let steps: Vec<[u64; 2]> = (0..13).map(|i| [3 * i, 3 * i + 3]).collect();
    let file = |name: &str| json!({"path": datasets.join(name), "steps": steps});
    let fileset = json!({
        "processor": "dimuon", "tree": "Events",
        "datasets": {"data": {"files": [file("nano_dimuon.root")]}, "dy": {"files": [file("nano_dy.root")]}},
    });
    std::fs::write(folder.join("f.json"), fileset.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hep-run"))
        .args(["plan", "f.json", "-o", "job.json", "--set", settings])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut job: Value = serde_json::from_slice(&std::fs::read(folder.join("job.json")).unwrap()).unwrap();
    // Another binary than this one has planned it.
    job["binary"] = "".into();
    sealed(&job)
}

/// A changed job with the checksum that fits; as it is where it is no job.
fn sealed(job: &Value) -> Vec<u8> {
    let read = serde_json::from_value::<Job>(job.clone());
    read.map_or_else(|_| serde_json::to_vec(job).unwrap(), |job| job.to_json().unwrap())
}

/// Runs `hep-run` in a new folder of a test, or one that is there.
fn hep_run(folder: &Path, arguments: &[&str], status: i32) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_hep-run")).args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
}

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("worker-{test}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A file of the repository.
fn dataset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").canonicalize().unwrap().join(name)
}

#[test]
fn a_number_keeps_its_digits_wherever_a_job_goes() {
    const NUMBER: f64 = 0.9452706955539223;
    let folder = folder("digits");
    let fileset = format!(
        r#"{{"processor": {{"name": "dimuon", "min_pt": {NUMBER}}}, "tree": "Events",
            "datasets": {{"dy": {{"files": [{}], "metadata": {{"xs": {NUMBER}}}}}}}}}"#,
        json!(dataset("nano_dy.root"))
    );
    assert!(fileset.contains("0.9452706955539223"));
    std::fs::write(folder.join("f.json"), fileset).unwrap();
    hep_run(&folder, &["plan", "f.json", "-o", "job.json"], 0);
    hep_run(&folder, &["map", "job.json", "all", "mapped.partial", "--progress", "none"], 0);
    hep_run(&folder, &["merge", "mapped.partial", "-o", "merged.partial"], 0);
    let of_partial = |name: &str| PartialFile::read(&folder.join(name)).unwrap().job().unwrap();
    let planned = std::fs::read(folder.join("job.json")).unwrap();
    for json in [planned, of_partial("mapped.partial"), of_partial("merged.partial")] {
        let text = String::from_utf8(json.clone()).unwrap();
        assert_eq!(text.matches("0.9452706955539223").count(), 2, "{text}");
        let job = Job::read(&json).unwrap();
        assert_eq!(job.settings["min_pt"].as_f64(), Some(NUMBER));
        assert_eq!(job.datasets[0].metadata["xs"].as_f64(), Some(NUMBER));
    }
}

#[test]
fn a_file_of_a_friend_that_appears_after_the_plan_changes_nothing() {
    let folder = folder("friend");
    let tree = |path: PathBuf| format!("{}:Events", path.display());
    let fileset = json!({
        "processor": "dimuon", "tree": "Events",
        "datasets": {"dy": {
            "files": [dataset("nano_dy.root")],
            "friends": {"f": [tree(dataset("nano_dimuon.root")), tree(folder.join("late.root"))]},
        }},
    });
    std::fs::write(folder.join("f.json"), fileset.to_string()).unwrap();
    hep_run(&folder, &["plan", "f.json", "-o", "job.json"], 0);
    let mapped = |name: &str| hep_run(&folder, &["map", "job.json", "all", name, "--progress", "none"], 0);
    let merged = |from: &str, to: &str| {
        hep_run(&folder, &["merge", from, "-o", to], 0);
        std::fs::read_to_string(folder.join(to)).unwrap()
    };
    mapped("before.partial");
    let before = merged("before.partial", "before.json");
    assert!(before.contains("late.root"), "{before}");
    // With it, the friend has twice as many entries as the dataset.
    std::fs::copy(dataset("nano_dy.root"), folder.join("late.root")).unwrap();
    assert_eq!(merged("before.partial", "after.json"), before);
    mapped("after.partial");
    // Nor does it matter to a merge that files have gone.
    std::fs::remove_file(folder.join("late.root")).unwrap();
    let content: Value = serde_json::from_str(&merged("after.partial", "gone.json")).unwrap();
    let wanted: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(content["ledger"], wanted["ledger"]);
}

fn worker(json: &[u8]) -> RunResult<Worker> {
    let mut registry = Registry::default();
    registry.add::<hep_examples::Dimuon>("Dimuon");
    Worker::new(&registry, json, Progress::new(ProgressKind::None))
}

fn range(worker: &mut Worker, at: usize) -> Vec<u8> {
    let ranged = worker.range(at, true, None, &|_| true).unwrap();
    assert_eq!((ranged.reason, ranged.entries), (None, 3));
    ranged.partial.encode(worker.key()).unwrap()
}

/// A partial without what it took.
#[derive(Debug, PartialEq)]
struct Content {
    nodes: Vec<(Node, Option<u64>)>,
    done: Vec<(u32, u32)>,
    outputs: Vec<u8>,
}

fn content(bytes: &[u8]) -> Content {
    let (head, outputs) = Head::read(bytes).unwrap();
    Content { nodes: head.nodes, done: head.account.done().to_vec(), outputs: outputs.to_vec() }
}

#[test]
fn partials_merge_to_the_same_bits_in_any_grouping() {
    let mut worker = worker(&job("grouping", "min_pt=5")).unwrap();
    assert_eq!(worker.ranges(), 26);
    let parts: Vec<Vec<u8>> = (0..26).map(|at| range(&mut worker, at)).collect();
    let merge = |parts: &[&[u8]]| worker.merge(parts.iter().copied()).unwrap().encode(worker.key()).unwrap();
    let all: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let want = content(&merge(&all));
    assert_eq!(want.done, [(0, 26)]);
    assert_eq!(want.nodes.len(), 2, "one output for each dataset");
    let mut backwards = all.clone();
    backwards.reverse();
    assert_eq!(content(&merge(&backwards)), want);
    for groups in [2, 3, 7] {
        let merged: Vec<Vec<u8>> = (0..groups)
            .map(|group| merge(&all.iter().skip(group).step_by(groups).copied().collect::<Vec<_>>()))
            .collect();
        let merged: Vec<&[u8]> = merged.iter().rev().map(Vec::as_slice).collect();
        assert_eq!(content(&merge(&merged)), want, "{groups} groups");
    }
}

#[test]
fn a_damaged_partial_is_an_error_wherever_the_damage_is() {
    let mut worker = worker(&job("damage", "min_pt=5")).unwrap();
    let good = range(&mut worker, 2);
    assert!(worker.decode(&good).is_ok());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(worker.decode(&bad).is_err(), "byte {at}");
        assert!(worker.decode(&good[..at]).is_err(), "{at} bytes");
    }
    // Even where whoever has damaged it has set the checksum right, nothing panics or runs away.
    for at in 20..good.len() {
        for bit in [1, 0x10, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            let checksum = twox_hash::XxHash3_64::oneshot(&bad[20..]);
            bad[12..20].copy_from_slice(&checksum.to_le_bytes());
            if let Ok(partial) = worker.decode(&bad) {
                let _ = worker.merge([bad.as_slice(), good.as_slice()]);
                drop(partial);
            }
        }
    }
}

/// A worker would merge it, and the driver would conclude a run with a range that is done and in no output.
#[test]
fn a_partial_whose_account_is_not_of_its_outputs_is_refused() {
    let mut worker = worker(&job("account", "min_pt=5")).unwrap();
    let good = range(&mut worker, 2);
    let (head, outputs) = Head::read(&good).unwrap();
    let refused = |change: &dyn Fn(&mut Value), words: &str| {
        let mut head = serde_json::to_value(&head).unwrap();
        change(&mut head);
        let head: Head = serde_json::from_value(head).unwrap();
        let head = postcard::to_allocvec(&head).unwrap();
        let rest = [&head, outputs].concat();
        let checksum = twox_hash::XxHash3_64::oneshot(&rest).to_le_bytes();
        let bytes = [&b"HRP1"[..], &(head.len() as u64).to_le_bytes(), &checksum, &rest].concat();
        let error = worker.decode(&bytes).err().expect("an error").to_string();
        assert!(error.contains(words), "{error}");
    };
    assert_eq!(serde_json::to_value(&head).unwrap()["account"]["done"], json!([[2, 3]]));
    for done in [json!([]), json!([[2, 4]]), json!([[3, 4]]), json!([[0, 1], [2, 3]])] {
        refused(&|head| head["account"]["done"] = done.clone(), "its account is not of its outputs");
    }
    refused(&|head| head["account"]["failed"] = json!({"2": "gone"}), "that it is done and that it failed");
    refused(&|head| head["nodes"] = json!([]), "bytes to spare");
}

#[test]
fn a_partial_of_other_settings_is_refused() {
    let mut one = worker(&job("one", "min_pt=5")).unwrap();
    let other = worker(&job("other", "min_pt=6")).unwrap();
    let error = other.decode(&range(&mut one, 0)).err().unwrap().to_string();
    assert!(error.starts_with("it is of another job"), "{error}");
    let twice = range(&mut one, 1);
    let error = one.merge([twice.as_slice(), twice.as_slice()]).err().unwrap().to_string();
    assert!(error.contains("range 1 is in two"), "{error}");
}

#[test]
fn a_job_that_is_none_of_ours_is_refused() {
    let json = job("refused", "min_pt=5");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut job: Value = serde_json::from_slice(&json).unwrap();
        change(&mut job);
        worker(&sealed(&job)).err().expect("an error").to_string()
    };
    let says = |error: String, words: &str| assert!(error.contains(words), "{error}");
    says(changed(&|job| job["version"] = 2.into()), "reads version 1");
    says(changed(&|job| job["program"] = "9.0.0".into()), "hep-run 9.0.0 made it");
    says(changed(&|job| job["binary"] = "00".into()), "another binary has planned the job");
    let unknown = changed(&|job| {
        job["processor"] = "zpeak".into();
        job["ledger"]["processor"] = "zpeak".into();
    });
    says(unknown, "no processor `zpeak`");
    says(changed(&|job| job["settings"] = json!({"min_tp": 3})), "did you mean `min_pt`?");
    // Entries in no range would be missing in a result that calls itself complete; in two they would count twice.
    let first = |ranges: Value| changed(&|job| job["ranges"] = ranges.clone());
    says(first(json!([])), "entries 0..39 of");
    says(first(json!([[0, 0, 39], [7, 0, 3]])), "accounted for nowhere");
    says(first(json!([[0, 0, 39], [1, 0, 39], [7, 0, 3]])), "a range of file 7");
    says(first(json!([[0, 3, 3], [0, 0, 39]])), "out of order");
    says(first(json!([[0, 0, 4], [0, 3, 39], [1, 0, 39]])), "out of order, or overlap");
    says(first(json!([[0, 0, 41], [1, 0, 39]])), "has 40 entries, but entries 0..41");
    says(changed(&|job| drop(job["ranges"].as_array_mut().unwrap().remove(4))), "entries 12..15 of");
    says(changed(&|job| job["joined"] = json!([13])), "joined that are not of one file");
    says(changed(&|job| job["joined"] = json!([0])), "joined that are not of one file");
    says(changed(&|job| job["joined"] = json!([2, 1])), "joined that are not of one file");
    says(changed(&|job| job["chosen"] = json!([0])), "its dataset is not processed");
    let account =
        |change: &dyn Fn(&mut Value)| changed(&|job| change(&mut job["ledger"]["datasets"][0]["files"][0]));
    says(account(&|file| file["skipped"] = json!([])), "entries 39..40 of");
    says(account(&|file| file["done"] = json!([[39, 40]])), "are done already");
    says(account(&|file| file["entries"] = 39.into()), "is of another");
    says(account(&|file| file["path"] = "other.root".into()), "not of the files of dataset `data`");
    says(account(&|file| file["failed"] = json!([{"entries": [0, 3], "reason": ""}])), "accounted for twice");
    says(changed(&|job| job["ledger"]["processor"] = "adl_q1".into()), "its ledger is of processor `adl_q1`");
    says(
        changed(&|job| drop(job["ledger"]["datasets"].as_array_mut().unwrap().pop())),
        "not of its datasets",
    );
    for chosen in [json!([2]), json!([0, 7]), json!([1, 0]), json!([0, 0])] {
        says(changed(&|job| job["chosen"] = chosen.clone()), "not among its datasets");
    }
    let unsealed = String::from_utf8(json.clone()).unwrap().replace("\"min_pt\":5", "\"min_pt\":7");
    says(worker(unsealed.as_bytes()).err().unwrap().to_string(), "its checksum is another one");
    says(changed(&|job| job["surprise"] = 1.into()), "unknown field");
    says(worker(b"{").err().unwrap().to_string(), "it is no job");
}

/// `hep-run worker`.
struct Pipe {
    child: Child,
    answers: BufReader<ChildStdout>,
    id: u64,
}

impl Pipe {
    fn new() -> Self {
        let mut child = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_hep-run")))
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut pipe = Self { child, answers, id: 0 };
        let hello = pipe.read().0;
        assert_eq!((&hello["event"], &hello["protocol"]), (&json!("hello"), &json!(1)));
        pipe
    }

    fn read(&mut self) -> (Value, Vec<Vec<u8>>) {
        frames::read(&mut self.answers).unwrap().expect("an answer")
    }

    fn ask(&mut self, mut header: Value, buffers: &[&[u8]]) -> (Value, Vec<Vec<u8>>) {
        self.id += 1;
        header["id"] = self.id.into();
        frames::write(self.child.stdin.as_mut().unwrap(), &header, buffers).unwrap();
        let answer = self.read();
        assert_eq!(answer.0["id"], self.id);
        answer
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_worker_answers_over_a_pipe_as_it_does_here() {
    let json = job("pipe", "min_pt=5");
    let mut here = worker(&json).unwrap();
    let mut pipe = Pipe::new();
    let described = pipe.ask(json!({"op": "describe"}), &[]).0;
    assert!(described["processors"].as_array().unwrap().contains(&json!("dimuon")));
    let key = here.key().to_owned();
    for _ in 0..2 {
        let answer = pipe.ask(json!({"op": "job"}), &[&json]).0;
        assert_eq!((&answer["job"], &answer["ranges"]), (&json!(key), &json!(26)));
    }
    let (answer, buffers) = pipe.ask(json!({"op": "range", "job": key, "range": 4}), &[]);
    assert_eq!(
        (&answer["event"], &answer["done"], &answer["entries"]),
        (&json!("ok"), &json!(true), &json!(3))
    );
    assert_eq!(content(&buffers[0]), content(&range(&mut here, 4)));
    let next = pipe.ask(json!({"op": "range", "job": key, "range": 5}), &[]).1;
    let (_, merged) = pipe.ask(json!({"op": "merge", "job": key}), &[&next[0], &buffers[0]]);
    assert_eq!(content(&merged[0]).done, [(4, 6)]);
    let stats = pipe.ask(json!({"op": "stats"}), &[]).0;
    assert_eq!((&stats["ranges"], &stats["merges"]), (&json!(2), &json!(1)));
}

#[test]
fn wrong_requests_are_answered_and_the_worker_lives() {
    let json = job("wrong", "min_pt=5");
    let mut pipe = Pipe::new();
    let key = pipe.ask(json!({"op": "job"}), &[&json]).0["job"].clone();
    for (request, buffers, words) in [
        (json!({"op": "range", "job": key, "range": 26}), vec![], "no range 26"),
        (json!({"op": "range", "job": "abc", "range": 0}), vec![], "job abc was not sent"),
        (json!({"op": "job"}), vec![], "one buffer"),
        (json!({"op": "job"}), vec![&b"[1]"[..]], "it is no job"),
        (json!({"op": "merge", "job": key}), vec![&b"HRP1"[..]], "too short"),
    ] {
        let answer = pipe.ask(request, &buffers).0;
        assert_eq!(answer["event"], "error");
        assert!(answer["message"].as_str().unwrap().contains(words), "{answer}");
    }
    assert_eq!(pipe.ask(json!({"op": "noop"}), &[]).0["event"], "ok");
}

#[test]
fn a_worker_ends_with_its_input_and_at_garbage() {
    let mut pipe = Pipe::new();
    drop(pipe.child.stdin.take());
    assert_eq!(pipe.child.wait().unwrap().code(), Some(0));
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"HRW1\xff\xff\xff\xff\0\0\0\0", b"HRW1\x02\0\0\0\0\0\0\0{}"]
    {
        let mut pipe = Pipe::new();
        pipe.child.stdin.as_mut().unwrap().write_all(garbage).unwrap();
        let output = {
            let mut errors = pipe.child.stderr.take().unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut errors, &mut text).unwrap();
            text
        };
        assert_eq!(pipe.child.wait().unwrap().code(), Some(1));
        assert!(output.starts_with("hep-run worker: "), "{output}");
    }
}
