//! One file listed twice counts its events twice; two files of one uuid are two files.

use hep_run::fileset::{Fileset, Format};
use hep_run::prelude::*;
use hep_run::progress::{Progress, ProgressKind};
use hep_run::run::{Options, Outcome, Plan};
use hep_run::{Registry, RunResult};

#[derive(Clone, Copy, Columnar)]
struct Event {
    x: f32,
}

#[derive(Default, Settings)]
struct Sum;

impl Processor for Sum {
    type Event = Event;
    type Output = Cutflow;

    fn output(&self, _: &Dataset) -> Result<Cutflow> {
        Ok(Cutflow::new(["all"]))
    }

    fn process(&self, events: &Events<Event>, cuts: &mut Cutflow) -> Result<()> {
        events.iter().for_each(|event| cuts.pass("all", event.x.into()));
        Ok(())
    }
}

fn run(files: &[&str], allow_duplicates: bool) -> RunResult<Outcome> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/faults");
    let copy = std::env::temp_dir().join(format!("hep-tests-duplicates-{}.root", std::process::id()));
    std::fs::copy(folder.join("run1.root"), &copy).unwrap();
    let files = files.iter().map(|file| file.replace("COPY", copy.to_str().unwrap())).collect::<Vec<_>>();
    let fileset = format!("tree: t\ndatasets: {{a: [{}]}}", files.join(", "));
    let fileset = Fileset::parse(&fileset, Format::Yaml, &folder).unwrap();
    let mut registry = Registry::default();
    registry.add::<Sum>("Sum");
    let (_, processor) = registry.make(None, &serde_json::Map::new())?;
    let options = Options { allow_duplicates, ..Options::default() };
    let progress = Progress::new(ProgressKind::None);
    Plan::new(&fileset, &*processor, &options, &progress)?.run(&*processor, &options, &progress)
}

#[test]
fn two_files_of_one_uuid_are_read() {
    let outcome = run(&["run1.root", "run2.root"], false).unwrap();
    let mut sum = 0.0;
    outcome.datasets[0].output.objects("", &mut |_, object| {
        if let Object::Cutflow(cuts) = object {
            sum = cuts.rows()[0].sumw;
        }
    });
    assert_eq!(outcome.ledger.totals().done, 21);
    // 0 + … + 9 and 100 + … + 110, as uproot reads them.
    assert_eq!(sum, 45.0 + 1155.0);
}

#[test]
fn one_file_under_two_paths_is_read_twice_only_on_request() {
    let error = run(&["run1.root", "COPY"], false).err().unwrap().to_string();
    assert!(error.contains("lists one file twice") && error.contains("--allow-duplicates"), "{error}");
    assert_eq!(run(&["run1.root", "COPY"], true).unwrap().ledger.totals().done, 20);
}
