//! The binary as a user meets it: what it prints, what it writes, how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").canonicalize().unwrap()
}

/// A folder of this test's own, with a fileset in it.
struct Place(PathBuf);

impl Place {
    fn new(test: &str, fileset: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let fileset = fileset.replace("DATA", datasets().to_str().unwrap());
        fs::write(folder.join("f.yaml"), fileset).unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hep-run"));
        command.args(arguments).current_dir(&self.0).output().unwrap()
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.join(file)).unwrap()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    let folder = datasets();
    String::from_utf8_lossy(&output.stderr).replace(folder.to_str().unwrap(), "DATA")
}

const DIMUON: &str = "processor: {name: dimuon, min_pt: 10}\ntree: Events\n\
    datasets: {data: [DATA/nano_dimuon.root], dy: [DATA/nano_dy.root]}\n";

#[test]
fn a_complete_run_ends_with_0_and_accounts_for_every_entry() {
    let place = Place::new("complete", DIMUON);
    let output = place.run(&["f.yaml", "--output", "out.json", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["totals"]["done"], 80);
    assert_eq!(summary["missing"], 0.0);
    assert_eq!(summary["datasets"]["dy"]["entries"], 40);
    let file = &place.json("out.json")["ledger"]["datasets"][1]["files"][0];
    assert_eq!(file["done"], serde_json::json!([[0, 40]]));
    assert_eq!(file["uuid"], "a9490124-3648-11ea-89e9-f5b55c90beef");
    assert_eq!(place.files(), ["f.yaml", "out.json"]);
}

#[test]
fn a_missing_file_costs_itself_only_and_the_result_has_another_name() {
    let place = Place::new(
        "missing",
        "processor: dimuon\ntree: Events\ndatasets: {a: [DATA/nano_dy.root, gone.root]}",
    );
    fs::write(place.0.join("out.json"), "kept").unwrap();
    let output = place.run(&["f.yaml", "--output", "out.json", "--force"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("gone.root: No such file or directory"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(place.0.join("out.json")).unwrap(), "kept");
    let files = &place.json("out.incomplete.json")["ledger"]["datasets"][0]["files"];
    assert_eq!(files[0]["done"], serde_json::json!([[0, 40]]));
    assert!(files[1]["failed"][0]["reason"].as_str().unwrap().contains("No such file"));

    let allowed = place.run(&["f.yaml", "--output", "out.json", "--allow-missing", "50%", "--force"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", stderr(&allowed));
    assert_eq!(place.json("out.json")["ledger"]["datasets"][0]["files"][0]["done"][0][1], 40);
}

#[test]
fn without_a_readable_file_the_run_fails_with_2() {
    let place = Place::new(
        "nothing",
        "processor: dimuon\ndatasets: {a: [empty.root, random.root, folder, cut.root]}",
    );
    fs::write(place.0.join("empty.root"), "").unwrap();
    fs::write(place.0.join("random.root"), [7; 4000]).unwrap();
    fs::create_dir(place.0.join("folder")).unwrap();
    let whole = fs::read(datasets().join("nano_dy.root")).unwrap();
    fs::write(place.0.join("cut.root"), &whole[..whole.len() / 2]).unwrap();
    let output = place.run(&["f.yaml", "--output", "out.json"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for name in ["empty.root", "random.root", "folder", "cut.root"] {
        assert_eq!(text.matches(name).count(), 1, "one message about {name} in\n{text}");
    }
    assert!(!place.0.join("out.json").exists());
}

/// The last byte is of what says where free room is: the tree's record is whole.
#[test]
fn a_file_that_was_not_closed_is_read_on_request_and_marked_in_the_ledger() {
    let place = Place::new("recovered", "processor: dimuon\ntree: Events\ndatasets: {a: [cut.root]}");
    let whole = fs::read(datasets().join("nano_dy.root")).unwrap();
    fs::write(place.0.join("cut.root"), &whole[..whole.len() - 1]).unwrap();
    let output = place.run(&["f.yaml", "--output", "out.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("it is truncated; --recover looks for trees that are whole"));
    let output = place.run(&["f.yaml", "--output", "out.json", "--recover"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("cut.root was not closed, or its end is missing: it has 40 entries"));
    let file = &place.json("out.json")["ledger"]["datasets"][0]["files"][0];
    assert_eq!((&file["done"], &file["recovered"]), (&serde_json::json!([[0, 40]]), &true.into()));
    // A worker opens it as the plan has.
    let output = place.run(&["plan", "f.yaml", "--recover", "--output", "job.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = place.run(&["map", "job.json", "0..1", "part.partial"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = place.run(&["merge", "part.partial", "--output", "merged.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(place.json("merged.json")["ledger"]["datasets"][0]["files"][0]["recovered"], true);
}

/// A run that opened one of these would wait for ever, or read without an end.
#[test]
fn pipes_and_devices_are_refused_as_inputs() {
    let place =
        Place::new("pipes", "processor: dimuon\ntree: Events\ndatasets: {a: [pipe.root, /dev/zero]}\n");
    let made = Command::new("mkfifo").args([place.0.join("pipe.root"), place.0.join("pipe.yaml")]).status();
    assert!(made.unwrap().success());
    fs::copy(place.0.join("f.yaml"), place.0.join("friend.yaml")).unwrap();
    fs::write(
        place.0.join("friend.yaml"),
        "processor: dimuon\ntree: Events\ndatasets: {a: DATA/nano_dy.root}\nfriends: {other: pipe.root}\n"
            .replace("DATA", datasets().to_str().unwrap()),
    )
    .unwrap();
    let refused = "it is a named pipe, and only regular files are read";
    for (arguments, status) in [
        (&["f.yaml", "--output", "o.json"][..], 2),
        (&["friend.yaml", "--output", "o.json"], 2),
        (&["pipe.yaml"], 1),
        (&["map", "pipe.yaml", "0", "o.partial"], 2),
        (&["inspect", "pipe.root"], 2),
        (&["merge", "-o", "o.root", "pipe.root", "f.yaml"], 2),
    ] {
        let output = place.run(arguments);
        assert!(stderr(&output).contains(refused), "{arguments:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
}

/// Each wrong request with its status and message; none of them writes anything.
#[test]
fn what_is_wrong_is_said_in_one_message() {
    let one = "tree: Events\ndatasets: {a: [DATA/nano_dy.root]}\n";
    let cases: &[(&str, String, &[&str], u8, &str)] = &[
        (
            "processor",
            format!("processor: dimuom\n{one}"),
            &[],
            1,
            "error: no processor `dimuom`; did you mean `dimuon`?\n",
        ),
        (
            "setting",
            format!("processor: {{name: dimuon, min_ptt: 3}}\n{one}"),
            &[],
            1,
            "error: the settings of processor `dimuon` are wrong: unknown field `min_ptt`, expected `min_pt`; did you mean `min_pt`?\n  in f.yaml, line 1\n",
        ),
        (
            "set",
            format!("processor: dimuon\n{one}"),
            &["--set", "min_pt=high"],
            1,
            "error: the settings of processor `dimuon` are wrong: `min_pt`: invalid type: string \"high\", expected f32\n  in --set min_pt=high\n",
        ),
        (
            "dataset",
            format!("processor: dimuon\n{one}"),
            &["--dataset", "b"],
            1,
            "error: --dataset b: no such dataset in the fileset; did you mean `a`?\n",
        ),
        (
            "output",
            format!("processor: dimuon\n{one}"),
            &["--output", "x.csv"],
            1,
            "error: --output x.csv: cannot write `.csv`; use .root, .json or .partial\n",
        ),
        (
            "sample",
            format!("processor: dimuon\n{one}"),
            &["--sample", "5%", "--output", "x.partial"],
            1,
            "error: --sample leaves no .partial: --shard makes parts that can be merged\n",
        ),
        (
            "unwritable",
            format!("processor: dimuon\n{one}"),
            &["--output", "no/such/folder.root"],
            2,
            "error: cannot write no/such/folder.root: No such file or directory (os error 2)\n",
        ),
    ];
    for (name, fileset, arguments, status, message) in cases {
        let place = Place::new(&format!("wrong_{name}"), fileset);
        let output = place.run(&[&["f.yaml", "--progress", "none"], *arguments].concat());
        assert_eq!(stderr(&output), *message, "{name}");
        assert_eq!(output.status.code(), Some((*status).into()), "{name}");
        assert_eq!(place.files(), ["f.yaml"], "{name}");
    }
}

#[test]
fn a_missing_tree_or_branch_is_named_with_what_there_is() {
    let cases = [
        ("no_tree", "tree: Evnts", "no object `Evnts` in DATA/nano_dy.root; it has Events, Runs"),
        ("no_branch", "tree: Runs", "no branch `Muon_pt` in DATA/nano_dy.root:/Runs"),
    ];
    for (name, tree, message) in cases {
        let place =
            Place::new(name, &format!("processor: dimuon\n{tree}\ndatasets: {{a: [DATA/nano_dy.root]}}"));
        let output = place.run(&["f.yaml", "--progress", "none"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

#[test]
fn one_file_under_two_names_is_an_error() {
    let place =
        Place::new("twice", "processor: dimuon\ntree: Events\ndatasets: {a: [DATA/nano_dy.root, copy.root]}");
    fs::copy(datasets().join("nano_dy.root"), place.0.join("copy.root")).unwrap();
    let output = place.run(&["f.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("have the same uuid"), "{}", stderr(&output));
}

#[test]
fn limits_skip_entries_and_the_ledger_says_so() {
    let place = Place::new("limits", DIMUON);
    let output = place.run(&[
        "f.yaml",
        "--max-entries",
        "10",
        "--dataset",
        "dy",
        "--format",
        "json",
        "--output",
        "o.json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["totals"]["done"], 10);
    let datasets = &summary["ledger"]["datasets"];
    assert_eq!(datasets[0]["files"][0]["skipped"][0]["reason"], "--dataset");
    assert_eq!(datasets[1]["files"][0]["skipped"][0]["entries"], serde_json::json!([10, 40]));
}

/// What a sample leaves is incomplete by name, and nothing where no name was given.
#[test]
fn a_sample_is_never_taken_for_the_whole() {
    let place = Place::new("sample", DIMUON);
    let ranges = ["f.yaml", "--entries-per-range", "2", "--sample", "1", "--format", "json"];
    let output = place.run(&ranges);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(place.files(), ["f.yaml"]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    for dataset in summary["ledger"]["datasets"].as_array().unwrap() {
        assert_eq!(dataset["files"][0]["done"], serde_json::json!([[20, 22]]));
        assert_eq!(dataset["files"][0]["skipped"][1]["reason"], "--sample 1");
    }
    let prediction = &summary["explain"]["prediction"];
    assert_eq!(prediction["datasets"]["data"]["ranges"], 20);
    // One range has no spread.
    assert_eq!(prediction["uncertainty_seconds"], Value::Null);
    let output = place.run(&[&ranges[..], &["--output", "out.json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(place.files(), ["f.yaml", "out.incomplete.json"]);
    assert_eq!(place.json("out.incomplete.json")["ledger"], summary["ledger"]);
}

#[test]
fn a_dry_run_reads_no_basket_and_writes_nothing() {
    let place = Place::new("dry", DIMUON);
    let output = place.run(&["f.yaml", "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.starts_with("processor dimuon: 80 entries in 2 ranges of 2 files"), "{text}");
    assert!(
        text.contains("columns: Muon_pt, Muon_eta, Muon_phi, Muon_mass, Muon_charge, genWeight"),
        "{text}"
    );
    assert_eq!(place.files(), ["f.yaml"]);
}

#[test]
fn usage_errors_end_with_1_and_help_with_0() {
    let place = Place::new("usage", DIMUON);
    for (arguments, status) in [
        (&["--bogus"][..], 1),
        (&[], 1),
        (&["f.yaml", "--workers", "0"], 1),
        (&["f.yaml", "--allow-missing", "2"], 1),
        (&["absent.yaml"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_fileset_may_have_more_files_than_a_process_may_open() {
    let mut fileset = "processor: dimuon\ntree: Events\ndatasets:\n".to_owned();
    for at in 0..150 {
        fileset += &format!("  d{at}: {{files: [{at}.root], friends: {{f: [{at}.root:Events]}}}}\n");
    }
    let place = Place::new("many_files", &fileset);
    fs::copy(datasets().join("nano_dy.root"), place.0.join("0.root")).unwrap();
    for at in 1..150 {
        fs::hard_link(place.0.join("0.root"), place.0.join(format!("{at}.root"))).unwrap();
    }
    let run = "ulimit -n 120; exec \"$0\" f.yaml --progress none --output out.json";
    let command =
        Command::new("sh").args(["-c", run, env!("CARGO_BIN_EXE_hep-run")]).current_dir(&place.0).output();
    let output = command.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    fs::remove_dir_all(&place.0).unwrap();
}

/// A file that was made to do harm; see the README there.
fn fault(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/faults").join(name).display().to_string()
}

fn is_printable(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)))
}

#[test]
fn what_a_file_names_its_objects_never_reaches_the_terminal_as_it_is() {
    let place = Place::new("evil", DIMUON);
    for (file, arguments) in [
        ("evil.root", &[][..]),
        ("evil.root", &["--format", "json"]),
        ("evil3.root", &[]),
        ("evil3.root", &["--format", "json"]),
        ("evil3.root", &["--schema", "rust"]),
        ("evil3.root", &["--branches", "MET_q"]),
    ] {
        let output = place.run(&[&["inspect", &fault(file)], arguments].concat());
        for text in [&output.stdout, &output.stderr] {
            let text = std::str::from_utf8(text).unwrap();
            assert!(is_printable(text), "{file} {arguments:?}: {text:?}");
        }
    }
    // Its names are all there, each in a line of its own.
    let output = place.run(&["inspect", &fault("evil.root")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("new\\nline;1") && text.contains("esc\\u{1b}[31mred\\u{1b}[0m;1"), "{text}");
    let json = place.run(&["inspect", &fault("evil.root"), "--format", "json"]).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    let keys = json["keys"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["path"] == "esc\u{1b}[31mred\u{1b}[0m"), "{keys:?}");
    let trees = json["trees"].as_object().unwrap().values();
    let lines: usize = trees.map(|tree| 1 + tree["branches"].as_array().unwrap().len()).sum();
    assert_eq!(text.lines().count(), 1 + keys.len() + lines);
    // Errors and warnings too: a name in a fileset, and one of a command line.
    let evil = "\u{1b}]0;owned\u{7}\u{9b}31m";
    for arguments in
        [&["inspect", evil][..], &["f.yaml", "--dataset", evil], &["f.yaml", "-o", evil], &[evil]]
    {
        let output = place.run(arguments);
        assert_ne!(output.status.code(), Some(0));
        let text = std::str::from_utf8(&output.stderr).unwrap();
        assert!(is_printable(text), "{arguments:?}: {text:?}");
    }
}

#[test]
fn a_message_has_no_line_that_passes_for_another() {
    let place = Place::new("forged", DIMUON);
    let output = place.run(&["inspect", "x\nwarning: forged"]);
    let text = stderr(&output);
    assert!(text.starts_with("error: ") && !text.contains("\nwarning"), "{text}");
}

#[test]
fn a_full_standard_output_is_an_error_and_a_closed_one_is_none() {
    let place = Place::new("full", DIMUON);
    let run = |arguments: &[&str]| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hep-run"));
        command.args(arguments).current_dir(&place.0).stdout(full).output().unwrap()
    };
    let file = datasets().join("nano_dy.root");
    for arguments in [&["inspect", file.to_str().unwrap()][..], &["f.yaml", "-o", "o.json"], &["--help"]] {
        let output = run(arguments);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?} {output:?}");
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
    // What was written before stays.
    assert!(place.files().contains(&"o.json".to_owned()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hep-run"));
    let output = command.arg("inspect").arg(file).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn warnings_are_shown_without_progress() {
    let place =
        Place::new("quiet", "processor: dimuon\ntree: Events\ndatasets: {a: [DATA/nano_dy.root, gone.root]}");
    let output = place.run(&["f.yaml", "--progress", "none", "-o", "o.json"]);
    assert!(stderr(&output).starts_with("warning: "), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_line_gets_the_hint_that_helps() {
    let place = Place::new("hints", DIMUON);
    fs::write(place.0.join("g.yaml"), "").unwrap();
    let file = datasets().join("nano_dy.root");
    let file = file.to_str().unwrap();
    for (arguments, hint) in [
        (&["merg"][..], "there is no fileset `merg`, and no such command; did you mean `hep-run merge`?"),
        (
            &["merg", "a.root", "b.root", "-o", "c.root"],
            "no such command: `merg`; did you mean `hep-run merge`?",
        ),
        (&["inspct", "a.root"], "no such command: `inspct`; did you mean `hep-run inspect`?"),
        (&["f.yaml", "g.yaml"], "one fileset at a time, and `g.yaml` is one more argument"),
        (&[file], "is a ROOT file, no fileset: `hep-run inspect DATA/nano_dy.root` shows"),
        (&["plan", file, "-o", "j.json"], "is a ROOT file, no fileset"),
        (
            &["inspect", file, "--branches", "Moun_*"],
            "none of the 1507 branches matches; the nearest are Muon_",
        ),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(hint), "{arguments:?}: {}", stderr(&output));
    }
    let wrong =
        DIMUON.replace("min_pt: 10", "\n  min_pt: high").replace("DATA", datasets().to_str().unwrap());
    fs::write(place.0.join("f.yaml"), wrong).unwrap();
    assert_eq!(
        stderr(&place.run(&["f.yaml"])),
        "error: the settings of processor `dimuon` are wrong: `min_pt`: invalid type: string \"high\", expected f32\n  \
         in f.yaml, line 2\n"
    );
}

#[test]
fn a_share_of_files_that_nobody_could_open_is_an_estimate() {
    let place = Place::new(
        "estimate",
        "processor: dimuon\ntree: Events\ndatasets: {a: [DATA/nano_dy.root, gone.root]}",
    );
    let text = stderr(&place.run(&["f.yaml", "-o", "o.json"]));
    assert!(text.contains("incomplete: about 50.000 % of the entries are missing"), "{text}");
    assert!(text.contains("(an estimate: how many entries 1 of 2 files have is not known)"), "{text}");
}

#[test]
fn a_run_ends_with_its_cutflows_and_the_files_that_it_wrote() {
    let place = Place::new("closing", DIMUON);
    let output = place.run(&["f.yaml", "-o", "o.json", "-o", "o.root"]);
    // The counts are uproot's: tests/python/check_dimuon.py.
    assert_eq!(
        stderr(&output),
        "80 entries in 2 ranges of 2 files\n\
         dataset `data`: its file lacks the optional column `genWeight`\n\
         data/cutflow: all 40, two muons 17, opposite charge 12\n\
         dy/cutflow: all 40, two muons 6, opposite charge 6\n\
         wrote o.json, o.root\n"
    );
}

#[test]
fn yaml_that_multiplies_is_refused_within_its_bounds() {
    for name in ["bomb.yaml", "merge_bomb.yaml"] {
        let place = Place::new(name, DIMUON);
        // 256 MiB of addresses are what the binary itself, its threads and 32 MiB take.
        let script = format!("ulimit -v 262144; exec \"$0\" '{}'", fault(name));
        let mut command = Command::new("sh");
        let output = command
            .args(["-c", &script, env!("CARGO_BIN_EXE_hep-run")])
            .current_dir(&place.0)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("too many values or aliases"), "{name}: {}", stderr(&output));
    }
}
