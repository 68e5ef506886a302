//! Every result type merges with an identity and associatively, and survives being written and read.
use std::collections::BTreeMap;
use std::fmt::Debug;

use hep_analysis::hist::{Axis, Count, Hist, Hist2, Hist3, HistN};
use hep_analysis::{Cutflow, Merge};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn merged<T: Merge + Clone>(a: &T, b: &T) -> T {
    let mut sum = a.clone();
    sum.merge(b.clone()).unwrap();
    sum
}

/// Sums of halves and quarters are exact, so that associativity is.
fn laws<T: Merge + Clone + PartialEq + Debug + Serialize + DeserializeOwned>(empty: T, parts: [T; 3]) {
    let [a, b, c] = &parts;
    assert_eq!(&merged(&empty, a), a);
    assert_eq!(&merged(a, &empty), a);
    let all = merged(&merged(a, b), c);
    assert_eq!(all, merged(a, &merged(b, c)));
    for result in [&empty, a, b, c, &all] {
        let text = serde_json::to_string(result).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), result, "{text}");
    }
}

/// Three outputs, filled with what three entry ranges would give.
fn filled<T: Clone>(empty: &T, mut fill: impl FnMut(&mut T, usize)) -> [T; 3] {
    [0..4, 4..5, 5..9].map(|entries| {
        let mut part = empty.clone();
        entries.for_each(|entry| fill(&mut part, entry));
        part
    })
}

const NAMES: [&str; 9] = ["mu", "e", "mu", "tau", "e", "nu", "tau", "mu", "b"];

fn weight(entry: usize) -> f64 {
    entry as f64 * 0.25 - 0.5
}

#[test]
fn weighted_histograms() {
    let empty = Hist::new(Axis::regular(4, 0.0, 8.0).label("m [GeV]").name("mass")).with_title("mass");
    laws(empty.clone(), filled(&empty, |hist, entry| hist.fill(entry, weight(entry))));
    let empty = Hist2::new([Axis::variable([0.0, 1.0, 5.0]), Axis::boolean()]);
    laws(empty.clone(), filled(&empty, |hist, entry| hist.fill(entry, entry % 2 == 0, weight(entry))));
    let empty = HistN::new(vec![Axis::integer(0, 5), Axis::regular(2, 0.0, 1.0)]);
    laws(empty.clone(), filled(&empty, |hist, entry| hist.fill(&[entry as f64, weight(entry)], 0.5)));
}

#[test]
fn counting_histograms() {
    let empty = Count::new(Axis::category(["mu", "e"]));
    laws(empty.clone(), filled(&empty, |hist, entry| hist.fill(NAMES[entry])));
}

#[test]
fn growing_histograms_on_any_axis() {
    let empty = Hist::new(Axis::growing_category());
    laws(empty.clone(), filled(&empty, |hist, entry| hist.fill(NAMES[entry], weight(entry))));
    let empty = Hist2::new([Axis::integer(0, 3), Axis::growing_category()]);
    laws(empty.clone(), filled(&empty, |hist, entry| hist.fill(entry, NAMES[entry], weight(entry))));
    let empty = Hist3::new([Axis::growing_category(), Axis::integer(0, 3), Axis::growing_category()]);
    laws(
        empty.clone(),
        filled(&empty, |hist, entry| hist.fill(NAMES[entry], entry, NAMES[8 - entry], weight(entry))),
    );
}

#[test]
fn merging_histograms_gives_what_filling_one_gives() {
    let empty = Hist2::new([Axis::growing_category(), Axis::regular(3, 0.0, 9.0)]);
    let mut whole = empty.clone();
    let parts = filled(&empty, |hist, entry| hist.fill(NAMES[entry], entry, weight(entry)));
    (0..9).for_each(|entry| whole.fill(NAMES[entry], entry, weight(entry)));
    assert_eq!(merged(&merged(&parts[0], &parts[1]), &parts[2]), whole);
}

#[test]
fn cutflows_and_numbers_and_collections_of_them() {
    let empty = Cutflow::new(["mu", "e"]);
    let parts = filled(&empty, |flow, entry| flow.pass(NAMES[entry], weight(entry)));
    laws(empty.clone(), parts.clone());
    laws(Some(empty), parts.map(Some));
    laws(0_u64, [1, 2, 3]);
    laws(0.0_f64, [0.5, 0.25, -4.0]);
    laws(None, [Some(1_u64), None, Some(3)]);
    laws(vec![0_u64, 0], [vec![1, 2], vec![3, 4], vec![5, 6]]);
    laws((0_u64, 0.0_f64), [(1, 0.5), (2, 0.25), (3, 8.0)]);
    let map =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect::<BTreeMap<_, _>>();
    laws(map(&[]), [map(&[("a", 1)]), map(&[("b", 2), ("a", 3)]), map(&[("c", 5)])]);
}

#[test]
fn what_cannot_be_merged_says_what_differs() {
    let message = |mut a: Hist2, b: Hist2| a.merge(b).unwrap_err().of("mass").to_string();
    let with = |x: Axis| Hist2::new([Axis::boolean(), x]);
    let regular = || with(Axis::regular(60, 60.0, 120.0));
    assert_eq!(
        message(regular(), with(Axis::regular(50, 60.0, 120.0))),
        "histogram `mass`: axis 1 has 60 bins in A and 50 bins in B"
    );
    for other in [
        Axis::regular(60, 60.0, 121.0),
        Axis::integer(60, 120),
        Axis::growing_category(),
        Axis::category(["x"]),
    ] {
        let said = message(regular(), with(other));
        assert!(said.starts_with("histogram `mass`: axis 1 ") && said.contains(" in A and "), "{said}");
    }
    let fixed = message(with(Axis::category(["x", "y"])), with(Axis::category(["x", "z"])));
    assert!(fixed.contains("x, y in A") && fixed.contains("x, z in B"), "{fixed}");
    let lengths = vec![1_u64].merge(vec![1, 2]).unwrap_err().to_string();
    assert!(lengths.contains("1 elements in A and 2 in B"), "{lengths}");

    let mut map = BTreeMap::from([("mass".to_owned(), regular())]);
    let other = BTreeMap::from([("mass".to_owned(), with(Axis::regular(50, 60.0, 120.0)))]);
    assert!(Merge::merge(&mut map, other).unwrap_err().to_string().starts_with("histogram `mass`: axis 1 "));
}

#[test]
fn labels_and_names_are_no_reason_not_to_merge() {
    let mut a = Hist::new(Axis::regular(2, 0.0, 1.0).label("m [GeV]").name("mass"));
    a.merge(Hist::new(Axis::regular(2, 0.0, 1.0))).unwrap();
    assert_eq!(a.axes()[0].title(), "m [GeV]");
}

#[test]
fn a_failed_merge_leaves_a_histogram_as_it_was() {
    let mut a = Hist2::new([Axis::growing_category(), Axis::regular(2, 0.0, 1.0)]);
    a.fill("x", 0.5, 1.0);
    let before = a.clone();
    let mut b = Hist2::new([Axis::growing_category(), Axis::regular(3, 0.0, 1.0)]);
    b.fill("y", 0.5, 1.0);
    a.merge(b).unwrap_err();
    assert_eq!(a, before);
}

#[test]
fn growing_axes_do_not_hide_that_another_axis_differs() {
    let with = |names: [&str; 2], x: Axis| {
        let mut hist = Hist2::new([Axis::growing_category(), x]);
        names.iter().for_each(|name| hist.fill(*name, 0.5, 1.0));
        hist
    };
    let mut a = with(["x", "y"], Axis::regular(2, 0.0, 1.0));
    let said = a.merge(with(["y", "x"], Axis::regular(2, 0.0, 2.0))).unwrap_err().to_string();
    assert_eq!(said, "histogram: axis 1 is regular over 0..1 in A and regular over 0..2 in B");

    let fixed = |names: [&str; 2]| {
        with(["x", "y"], Axis::integer(0, 2)).axes()[..1]
            .iter()
            .cloned()
            .chain([Axis::category(names)])
            .collect::<Vec<_>>()
    };
    let mut a = HistN::new(fixed(["e", "mu"]));
    assert!(a.merge(HistN::new(fixed(["mu", "e"]))).is_err());
}
