//! Cutflows: order, counting, the table.
use hep_analysis::{Cutflow, Merge};

fn names(flow: &Cutflow) -> Vec<&str> {
    flow.rows().iter().map(|row| &*row.name).collect()
}

#[test]
fn cuts_keep_their_declared_order_and_others_follow_by_first_use() {
    let mut flow = Cutflow::new(["all", "two muons", "mass"]);
    flow.pass("trigger", 1.0);
    flow.pass("mass", 1.0);
    flow.pass_named(&format!("{} jets", 2), 1.0);
    flow.pass("trigger", 1.0);
    assert_eq!(names(&flow), ["all", "two muons", "mass", "trigger", "2 jets"]);
    assert_eq!(flow.rows().iter().map(|row| row.events).collect::<Vec<_>>(), [0, 0, 1, 2, 1]);
}

#[test]
fn weights_and_their_squares_are_summed() {
    let mut flow = Cutflow::default();
    for weight in [0.5, -2.0, 1.0] {
        flow.pass("all", weight);
    }
    let row = &flow.rows()[0];
    assert_eq!((row.events, row.sumw, row.sumw2), (3, -0.5, 5.25));
}

#[test]
fn the_same_name_is_the_same_cut_wherever_its_text_lies() {
    let elsewhere: &'static str = Box::leak("all".to_owned().into_boxed_str());
    // A part of a longer text: the same start in memory, another length.
    let start: &'static str = &"all muons"[..3];
    let mut flow = Cutflow::new(["all muons", "all"]);
    for name in ["all", elsewhere, "all", start, elsewhere] {
        flow.pass(name, 1.0);
    }
    flow.pass("all muons", 1.0);
    assert_eq!(flow.rows().iter().map(|row| row.events).collect::<Vec<_>>(), [1, 5]);
}

#[test]
fn the_empty_name_is_a_name() {
    let mut flow = Cutflow::new(["a", ""]);
    flow.pass("", 1.0);
    flow.pass("a", 1.0);
    flow.pass("", 1.0);
    assert_eq!(flow.rows().iter().map(|row| row.events).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_cutflow_read_back_counts_on() {
    let mut flow = Cutflow::new(["all", "two muons"]);
    flow.pass("all", 1.0);
    let mut back: Cutflow = serde_json::from_str(&serde_json::to_string(&flow).unwrap()).unwrap();
    assert_eq!(back, flow);
    back.pass("all", 1.0);
    back.merge(flow).unwrap();
    assert_eq!((back.rows()[0].events, back.rows().len()), (3, 2));
}

#[test]
fn the_table_shows_shares_of_the_last_cut_and_of_all() {
    let mut flow = Cutflow::new(["all", "two μ", "none", "after none"]);
    for entry in 0..8 {
        flow.pass("all", 0.5);
        if entry % 2 == 0 {
            flow.pass("two μ", 0.5);
        }
    }
    let expected = "\
cut              events       sum of w   of last    of all
all                   8     4.000000e0  100.00 %  100.00 %
two μ                 4     2.000000e0   50.00 %   50.00 %
none                  0     0.000000e0    0.00 %    0.00 %
after none            0     0.000000e0         -    0.00 %
";
    assert_eq!(flow.to_string(), expected);
}
