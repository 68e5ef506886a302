//! Which bin a value falls into, against ROOT's `TAxis` and boost-histogram.
mod golden;

use golden::{double, doubles, index, list, of_unknown_length, read, text, whole};
use hep_analysis::hist::{Axis, Count};

/// Every `[value, bin]` of a case, with what the axis says.
fn check(axis: &Axis, cases: &serde_json::Value) {
    let wrong: Vec<String> = list(cases)
        .iter()
        .map(|case| (double(&case[0]), index(&case[1])))
        .filter(|(x, bin)| axis.index_of_number(*x) != *bin)
        .map(|(x, bin)| format!("{x:?} is in bin {bin}, not {}", axis.index_of_number(x)))
        .collect();
    assert!(wrong.is_empty(), "{} of {axis:?}: {wrong:#?}", wrong.len());

    let (mut filled, mut counts) = (Count::new(axis.clone()), vec![0.0; axis.len() + 2]);
    list(cases).iter().for_each(|case| counts[index(&case[1])] += 1.0);
    filled.fill_all(of_unknown_length(list(cases).iter().map(|case| double(&case[0]))));
    assert_eq!(filled.view().sumw, counts, "{axis:?}");
}

#[test]
fn regular_bins_are_those_of_root_to_the_last_bit_around_each_edge() {
    for case in list(&read("binning")["regular"]) {
        let (bins, lo, hi) = (index(&case["axis"][0]), double(&case["axis"][1]), double(&case["axis"][2]));
        check(&Axis::regular(bins, lo, hi), &case["bins"]);
    }
}

#[test]
fn variable_bins_are_those_of_root_and_boost_histogram() {
    for case in list(&read("binning")["variable"]) {
        check(&Axis::variable(doubles(&case["edges"])), &case["bins"]);
    }
}

#[test]
fn integer_bins_are_those_of_boost_histogram_and_fractions_go_down() {
    for case in list(&read("binning")["integer"]) {
        let ends = [&case["axis"][0], &case["axis"][1]].map(|end| i32::try_from(whole(end)).unwrap());
        check(&Axis::integer(ends[0], ends[1]), &case["bins"]);
    }
}

#[test]
fn names_are_found_as_in_boost_histogram() {
    let axis = Axis::category(["ee", "mumu", "emu"]);
    for case in list(&read("binning")["category"]) {
        assert_eq!(axis.index_of_name(text(&case[0])), index(&case[1]), "{case}");
    }
}

#[test]
fn a_float_falls_where_its_double_falls() {
    // 0.1_f32 is above 0.1, the edge; 0.7_f32 below 0.7.
    let axis = Axis::regular(6, 0.1, 0.7);
    assert_eq!(axis.index_of_number(f64::from(0.1_f32)), 1);
    assert_eq!(axis.index_of_number(f64::from(0.7_f32)), 6);
}

#[test]
fn an_axis_that_makes_no_sense_is_refused_with_the_reason() {
    let reasons = [
        Axis::try_regular(0, 0.0, 1.0),
        Axis::try_regular(1, 1.0, 1.0),
        Axis::try_regular(1, f64::NAN, 1.0),
        Axis::try_regular(1, 0.0, f64::INFINITY),
        Axis::try_regular(1, f64::MIN, f64::MAX),
        Axis::try_regular(1000, 1e16, 1e16 + 4.0),
        Axis::try_variable([]),
        Axis::try_variable([1.0]),
        Axis::try_variable([1.0, 1.0]),
        Axis::try_variable([0.0, f64::NAN]),
        Axis::try_variable([0.0, f64::INFINITY]),
    ];
    for (at, axis) in reasons.into_iter().enumerate() {
        assert!(axis.is_err_and(|reason| reason.contains("axis")), "axis {at} was accepted");
    }
}

#[test]
#[should_panic(expected = "low < high")]
fn an_axis_written_in_code_panics_where_it_is_wrong() {
    let _ = Axis::regular(10, 1.0, 0.0);
}
