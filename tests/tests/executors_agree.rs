//! One result, bit for bit, for any executor and any number of workers; any partition of the entries
//! counts the same events.

use hep_run::local::Executor;
use hep_run::range::RangeSize;
use hep_run::run::Options;
use hep_tests::{bits, run};

const FILESET: &str = "tree: Events\ndatasets: {data: [nano_dimuon.root], dy: [nano_dy.root]}";

fn options(executor: Executor, entries: u64) -> Options {
    let range_size = RangeSize { bytes: u64::MAX, entries: Some(entries) };
    Options { executor, range_size, ..Options::default() }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_workers() {
    for processor in ["dimuon", "adl_q5"] {
        // The files have one cluster of 40 entries: 1 entry a range cuts it into 40.
        for entries in [1, 3, 40] {
            let want = bits(&run(processor, FILESET, &options(Executor::Serial, entries)));
            assert!(want.len() >= 2);
            for workers in [1, 2, 3, 8] {
                let got = run(processor, FILESET, &options(Executor::Threads(workers), entries));
                assert_eq!(bits(&got), want, "{processor}, {workers} workers, {entries} entries a range");
            }
        }
    }
}

#[test]
fn skipping_checksums_changes_nothing_in_sound_files() {
    let verified = options(Executor::Serial, 3);
    let skipped = Options { skip_checksums: true, ..verified.clone() };
    assert_eq!(bits(&run("adl_q5", FILESET, &skipped)), bits(&run("adl_q5", FILESET, &verified)));
}

#[test]
fn any_partition_counts_the_same_events() {
    let kept = |entries| {
        let mut events = Vec::new();
        for dataset in run("dimuon", FILESET, &options(Executor::Serial, entries)).datasets {
            dataset.output.objects("", &mut |_, object| {
                if let hep_run::Object::Cutflow(cutflow) = object {
                    events.extend(cutflow.rows().iter().map(|row| row.events));
                }
            });
        }
        events
    };
    let whole = kept(1000);
    assert_eq!(whole[0], 40);
    for entries in 1..10 {
        assert_eq!(kept(entries), whole, "{entries} entries a range");
    }
}
