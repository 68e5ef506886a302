//! Filesets as users write them: what each form means, and the exact message for each mistake.
//!
//! `filesets/accepted/NAME` must read as the own form in `NAME.means`; `filesets/refused/NAME` must give the
//! message in `NAME.message`. To write these anew: `UPDATE_GOLDEN=1 cargo test -p hep-run --test fileset`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hep_run::fileset::{DatasetSpec, FileSpec, Fileset, FilesetProblem, Format, Friend, ProcessorSpec};
use serde_json::{Map, Value};

#[test]
fn each_form_means_what_its_authors_say() {
    let wrong = golden("accepted", "means", |path| {
        let fileset = Fileset::read(path).unwrap_or_else(|error| panic!("{error}"));
        serde_json::to_string_pretty(&fileset).unwrap() + "\n"
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_mistake_has_its_message() {
    let wrong = golden("refused", "message", |path| match Fileset::read(path) {
        Ok(fileset) => format!("ACCEPTED as {fileset:?}\n"),
        Err(error) => format!("{error}\n"),
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The cases whose text differs from the golden file's, with `$HERE` for the folder the cases are in.
fn golden(folder: &str, extension: &str, text_of: impl Fn(&Path) -> String) -> Vec<String> {
    // Relative, so that messages name the fileset alike on every machine.
    let folder = Path::new("tests/filesets").join(folder);
    let here = std::path::absolute(&folder).unwrap();
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "json"))
        .collect();
    cases.sort();
    assert!(cases.len() > 5, "no cases in {}", folder.display());
    let mut wrong = Vec::new();
    for case in cases {
        let got = text_of(&case).replace(here.to_str().unwrap(), "$HERE");
        let got = got.replace(here.parent().unwrap().to_str().unwrap(), "$PARENT");
        let file = PathBuf::from(format!("{}.{extension}", case.display()));
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, &got).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        if got != wanted {
            wrong.push(format!("{}\n--- wanted\n{wanted}--- got\n{got}", case.display()));
        }
    }
    wrong
}

#[test]
fn what_is_read_can_be_written_and_read_again() {
    for case in fs::read_dir("tests/filesets/accepted").unwrap() {
        let case = case.unwrap().path();
        if case.extension().is_some_and(|e| e == "yaml" || e == "json") {
            survives(&Fileset::read(&case).unwrap());
        }
    }
}

#[test]
fn any_fileset_survives_both_formats() {
    for seed in 1..400 {
        survives(&Dice(seed).fileset());
    }
}

fn survives(fileset: &Fileset) {
    let yaml = serde_saphyr::to_string(fileset).unwrap();
    let json = serde_json::to_string(fileset).unwrap();
    for (text, format) in [(yaml, Format::Yaml), (json, Format::Json)] {
        let again = Fileset::parse(&text, format, &fileset.place);
        let again = again.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(&again, fileset, "{text}");
    }
}

/// A small deterministic source of filesets.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Text that YAML would like to read as something else.
    fn text(&mut self) -> String {
        const WORDS: [&str; 24] = [
            "DY", "2018", "true", "no", "null", "~", "1e5", "0x1F", "-", "a: b", "# c", " pad ", "é", "'",
            "\"", "[x]", "{y}", "*z", "&z", "!t", "1.50", "<<", "%", "@ü",
        ];
        WORDS[self.roll(24) as usize].to_owned()
    }

    /// The beginning of a name that can be one.
    fn name(&mut self) -> String {
        self.text().trim().replace(':', "_")
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.roll(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => (self.roll(2) == 0).into(),
            2 => (self.roll(1 << 30) as i64 - (1 << 29)).into(),
            3 => u64::MAX.into(),
            4 => [6077.22, 1.0, -0.5, 1e-9, 1e300][self.roll(5) as usize].into(),
            5 => (self.text() + &"\n".repeat(self.roll(3) as usize) + &self.text()).into(),
            6 => (0..self.roll(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object(self.map(depth - 1)),
        }
    }

    fn map(&mut self, depth: u32) -> Map<String, Value> {
        (0..self.roll(5)).map(|i| (format!("{}{i}", self.text()), self.value(depth))).collect()
    }

    fn fileset(&mut self) -> Fileset {
        let common = (self.roll(2) == 0).then(|| "Events".to_owned());
        let mut serial = 0;
        let mut file = |dice: &mut Self| {
            serial += 1;
            let ending = ["", ":t", ".root:x", "#y", "?x=1"];
            let start = ["/no such folder/", "root://h.root:1094//", "https://h/"][dice.roll(3) as usize];
            let ending = ending[dice.roll(if start.starts_with('/') { 4 } else { 5 }) as usize];
            let steps = (dice.roll(3) == 0).then(|| {
                let mut at = 0;
                let mut bound = || {
                    at += dice.roll(100);
                    at
                };
                (0..3).map(|_| (bound(), bound())).collect()
            });
            let replicas = (0..dice.roll(4).saturating_sub(1)).map(|at| {
                ["/elsewhere/", "root://other//"][at as usize % 2].to_owned()
                    + &format!("{serial}_{at}.root:t")
            });
            FileSpec {
                replicas: replicas.collect(),
                path: format!("{start}{serial}.root{ending}"),
                tree: common.clone().or_else(|| (dice.roll(2) == 0).then(|| format!("d/t{serial}"))),
                uuid: (dice.roll(3) == 0).then(|| dice.text()),
                entries: (dice.roll(3) == 0).then(|| 1000 + dice.roll(1 << 20)),
                revision: None,
                steps,
            }
        };
        let mut friends = |dice: &mut Self, level: &str| -> Vec<Friend> {
            if dice.roll(3) > 0 {
                return Vec::new();
            }
            let friend = |i| Friend {
                alias: format!("{}{level}{i}", dice.name()).replace('.', "_"),
                files: (0..=dice.roll(2)).map(|_| FileSpec { steps: None, ..file(dice) }).collect(),
                index: if dice.roll(2) == 0 { vec![] } else { vec![dice.text(), "event".to_owned()] },
            };
            (0..2).map(friend).collect()
        };
        let friends = [friends(self, "all"), friends(self, "own")];
        let [all, own] = friends;
        let datasets = (0..=self.roll(4)).map(|i| DatasetSpec {
            name: format!("{}{i}", self.name()),
            files: (0..=self.roll(3)).map(|_| file(self)).collect(),
            friends: if i == 1 { own.clone() } else { Vec::new() },
            metadata: self.map(2),
        });
        let datasets: Vec<_> = datasets.collect();
        let processor = (self.roll(3) > 0).then(|| ProcessorSpec {
            name: (self.roll(2) == 0).then(|| self.text()),
            path: (self.roll(2) == 0).then(|| "/somewhere/my analysis".into()),
            settings: self.map(2),
        });
        Fileset { processor, datasets, friends: all, place: "/place".into() }
    }
}

#[test]
fn hostile_text_ends_in_an_error_and_soon() {
    let deep = |open: &str, close: &str| format!("DY: {}{}", open.repeat(100_000), close.repeat(100_000));
    let bomb: String = (1..40).map(|i| format!("k{i}: &k{i} [*k{0}, *k{0}, *k{0}]\n", i - 1)).collect();
    let merge: String = (1..40).map(|i| format!("k{i}: &k{i} {{<<: [*k{0}, *k{0}]}}\n", i - 1)).collect();
    let texts = [
        deep("[", "]"),
        deep("{a: ", "}"),
        deep("- ", ""),
        deep("? ", ""),
        "[".repeat(1_000_000),
        "- ".repeat(1_000_000),
        "{\"a\":".repeat(1_000_000),
        format!("k0: &k0 [x, x]\n{bomb}"),
        format!("k0: &k0 {{x: y}}\n{merge}"),
        "a: &a [*a, *a]".to_owned(),
        "&a *a".to_owned(),
        "!!binary \"".repeat(10_000),
        "\"\\".repeat(100_000),
        "|\n".repeat(100_000),
        "%YAML 1.2\n".repeat(10_000),
        "#".repeat(1_000_000),
        "\u{0}\u{1}\u{2}".repeat(1000),
        "é: ".repeat(100_000),
        format!("DY: [{}", "a.root, ".repeat(1_000_000)),
        format!("DY: [{}]", "*x, ".repeat(100_000)),
    ];
    for text in texts {
        for format in [Format::Yaml, Format::Json] {
            let start = Instant::now();
            let error = Fileset::parse(&text, format, Path::new("/p")).unwrap_err().to_string();
            assert!(error.len() < 2000, "{error}");
            let took = start.elapsed();
            assert!(took < Duration::from_secs(20), "{took:?} for {:?}…", text.get(..40));
        }
    }
}

#[test]
fn cut_or_garbled_filesets_do_not_panic() {
    let mut dice = Dice(7);
    for case in fs::read_dir("tests/filesets/accepted").unwrap() {
        let Ok(text) = fs::read_to_string(case.unwrap().path()) else { continue };
        for _ in 0..300 {
            let mut bytes = text.clone().into_bytes();
            bytes.truncate(dice.roll(bytes.len() as u64 + 1) as usize + bytes.len() / 2);
            for _ in 0..dice.roll(4) {
                let at = dice.roll(bytes.len().max(1) as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b"{}[]:,-&*'\"\n 0a?!|"[dice.roll(18) as usize];
                }
            }
            let garbled = String::from_utf8_lossy(&bytes);
            for format in [Format::Yaml, Format::Json] {
                let _ = Fileset::parse(&garbled, format, Path::new("/p"));
            }
        }
    }
}

#[test]
fn a_fileset_that_cannot_be_read_is_named() {
    let error = Fileset::read("tests/filesets/nowhere.yaml").unwrap_err();
    assert!(matches!(error.problem(), FilesetProblem::Read(_)));
    assert_eq!(
        error.to_string(),
        "the fileset cannot be read: No such file or directory (os error 2)\n  in tests/filesets/nowhere.yaml"
    );
    let error = Fileset::read("tests/filesets").unwrap_err();
    assert_eq!(error.to_string(), "the fileset cannot be read: it is a directory\n  in tests/filesets");
}

#[test]
fn a_preprocessed_fileset_of_many_files_is_read_quickly() {
    let steps: Vec<_> = (0..20).map(|i| format!("[{}, {}]", i * 100, i * 100 + 100)).collect();
    let steps = steps.join(", ");
    let file = |i| format!("\"root://h//{i}.root\": {{\"object_path\": \"Events\", \"steps\": [{steps}]}}");
    let files: Vec<_> = (0..10_000).map(file).collect();
    let text = format!("{{\"DY\": {{\"files\": {{{}}}}}}}", files.join(",\n"));
    for format in [Format::Json, Format::Yaml] {
        let start = Instant::now();
        let fileset = Fileset::parse(&text, format, Path::new("/p")).unwrap();
        assert_eq!(fileset.files().count(), 10_000);
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }
}

#[cfg(unix)]
#[test]
fn a_linked_file_is_the_file_and_a_linked_loop_is_not_followed() {
    let folder = env::temp_dir().join(format!("hep-run-fileset-{}", std::process::id()));
    fs::create_dir_all(folder.join("a")).unwrap();
    fs::write(folder.join("a/[1].root"), "").unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("a/loop")).unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("a/loop2")).unwrap();
    std::os::unix::fs::symlink("a/[1].root", folder.join("other.root")).unwrap();

    let parse = |text: &str| Fileset::parse(text, Format::Yaml, &folder);
    let deep = parse("datasets: {DY: 'a/**/*.root'}").unwrap();
    let literal = parse("datasets: {DY: 'a/[1].root'}").unwrap();
    let twice = parse("datasets: {DY: 'a/*.root', TT: other.root}").unwrap_err();
    fs::remove_dir_all(&folder).unwrap();

    assert_eq!(deep.files().count(), 1);
    assert_eq!(deep.datasets, literal.datasets);
    assert!(matches!(twice.problem(), FilesetProblem::DuplicateFile { first, .. } if first == "DY"));
}
