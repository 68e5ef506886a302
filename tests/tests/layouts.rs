//! A processor cannot tell a TTree from an RNTuple of the same events.

use hep_run::local::Executor;
use hep_run::range::RangeSize;
use hep_run::run::Options;
use hep_tests::{bits, run};

#[test]
fn a_ttree_and_an_rntuple_give_the_same_bits() {
    for processor in ["dimuon", "adl_q5", "adl_q6"] {
        for entries in [7, 40] {
            let range_size = RangeSize { bytes: u64::MAX, entries: Some(entries) };
            let options = Options { executor: Executor::Serial, range_size, ..Options::default() };
            let of = |file: &str| {
                bits(&run(processor, &format!("tree: Events\ndatasets: {{dy: [{file}]}}"), &options))
            };
            let tree = of("nano_dy.root");
            assert!(!tree.is_empty());
            assert_eq!(of("nano_dy_rntuple.root"), tree, "{processor}, {entries} entries a range");
        }
    }
}
