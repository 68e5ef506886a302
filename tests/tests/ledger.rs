//! Every entry ends in the ledger exactly once, whatever is asked for and whatever fails.

use hep_run::ledger::FileLedger;
use hep_run::local::Executor;
use hep_run::range::RangeSize;
use hep_run::run::Options;
use hep_tests::{datasets, run};

/// Every entry of the file is done, failed or skipped, and none twice.
fn assert_covered(file: &FileLedger) {
    let missed = file.failed.iter().chain(&file.skipped).filter_map(|missed| missed.entries);
    let mut parts: Vec<(u64, u64)> = file.done.iter().copied().chain(missed).collect();
    parts.sort_unstable();
    let Some(entries) = file.entries else {
        let unknown =
            file.failed.iter().chain(&file.skipped).filter(|missed| missed.entries.is_none()).count();
        assert_eq!((parts.len(), unknown), (0, 1), "{file:?}");
        return;
    };
    let mut reached = 0;
    for (start, end) in parts {
        assert_eq!(start, reached, "a gap or an overlap in {file:?}");
        reached = end;
    }
    assert_eq!(reached, entries, "{file:?}");
}

#[test]
fn every_entry_is_accounted_for_once_under_any_limit() {
    let fileset =
        "tree: Events\ndatasets:\n  both: {files: [nano_dimuon.root, nano_dy.root]}\n  gone: [absent.root]\n";
    for max_entries in [None, Some(0), Some(1), Some(39), Some(40), Some(41), Some(100)] {
        for max_files in [None, Some(0), Some(1)] {
            for entries in [None, Some(1), Some(7)] {
                let options = Options {
                    executor: Executor::Threads(2),
                    range_size: RangeSize { bytes: u64::MAX, entries },
                    max_entries,
                    max_files,
                    ..Options::default()
                };
                let outcome = run("dimuon", fileset, &options);
                for dataset in &outcome.ledger.datasets {
                    dataset.files.iter().for_each(assert_covered);
                }
                let done = outcome.ledger.datasets[0].totals().done;
                let files = max_files.unwrap_or(2) as u64;
                assert_eq!(done, (40 * files).min(max_entries.unwrap_or(80)));
            }
        }
    }
}

#[test]
fn steps_of_a_fileset_are_the_ranges_and_the_rest_is_skipped() {
    let fileset = "datasets: {a: {files: [{path: nano_dy.root, tree: Events, steps: [[5, 10], [20, 40]]}]}}";
    let outcome = run("dimuon", fileset, &Options::default());
    let file = &outcome.ledger.datasets[0].files[0];
    assert_eq!(file.done, [(5, 10), (20, 40)]);
    assert_covered(file);
}

#[test]
fn a_damaged_basket_costs_its_own_range_and_is_named() {
    // The middle of Muon_pt's basket is overwritten; the other branches and the other file are sound.
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged");
    std::fs::create_dir_all(&folder).unwrap();
    let mut bytes = std::fs::read(datasets().join("nano_dy.root")).unwrap();
    let place = basket_of(&bytes, "Muon_pt");
    bytes[place..place + 40].fill(0xA5);
    let path = folder.join("damaged.root");
    std::fs::write(&path, &bytes).unwrap();
    let fileset = format!("tree: Events\ndatasets: {{a: [{}, nano_dimuon.root]}}", path.display());
    let outcome = run("dimuon", &fileset, &Options { retries: 0, ..Options::default() });
    let files = &outcome.ledger.datasets[0].files;
    files.iter().for_each(assert_covered);
    let reason = &files[0].failed[0].reason;
    assert!(reason.contains("branch `Muon_pt` cannot be decoded"), "{reason}");
    assert!(reason.contains("damaged.root:/Events, entries 0..40, basket 0 at byte"), "{reason}");
    assert_eq!((files[0].totals().done, files[1].totals().done), (0, 40));
}

/// Where the compressed bytes of a branch's first basket lie.
fn basket_of(file: &[u8], branch: &str) -> usize {
    let class_and_name = [&[7_u8][..], b"TBasket", &[branch.len() as u8], branch.as_bytes()].concat();
    let at = file.windows(class_and_name.len()).position(|window| window == class_and_name);
    at.expect("the basket's key") + class_and_name.len() + 60
}
