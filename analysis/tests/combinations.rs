//! The order of pairs, triples and more, against `ROOT::VecOps::Combinations` and awkward.
mod golden;

use golden::{index, list, read};
use hep_analysis::combine::{Combinations, cross};

fn rows(value: &serde_json::Value) -> Vec<Vec<usize>> {
    list(value).iter().map(|row| list(row).iter().map(index).collect()).collect()
}

#[test]
fn choices_come_in_the_order_of_root_and_awkward() {
    for case in list(&read("combinations")["combinations"]) {
        let (objects, expected) = (0..index(&case["of"]), rows(&case["rows"]));
        let ours: Vec<Vec<usize>> = match index(&case["choose"]) {
            1 => objects.combinations::<1>().map(Vec::from).collect(),
            2 => {
                let pairs: Vec<_> = objects.clone().pairs().map(|(a, b)| vec![a, b]).collect();
                assert_eq!(pairs, objects.combinations::<2>().map(Vec::from).collect::<Vec<_>>());
                pairs
            }
            3 => {
                let triples: Vec<_> = objects.clone().triples().map(|(a, b, c)| vec![a, b, c]).collect();
                assert_eq!(triples, objects.combinations::<3>().map(Vec::from).collect::<Vec<_>>());
                triples
            }
            4 => objects.combinations::<4>().map(Vec::from).collect(),
            more => panic!("choices of {more}"),
        };
        assert_eq!(ours, expected, "{case}");
    }
}

#[test]
fn stepping_through_pairs_gives_what_running_through_them_gives() {
    for n in 0..6 {
        let mut stepped = Vec::new();
        let mut pairs = (0..n).filter(|i| i % 2 == 0).pairs();
        for pair in pairs.by_ref() {
            stepped.push(pair);
        }
        assert!(pairs.next().is_none());
        assert_eq!(
            stepped,
            (0..n).filter(|i| i % 2 == 0).pairs().fold(Vec::new(), |mut all, pair| {
                all.push(pair);
                all
            })
        );
        // Half stepped, half run.
        let mut pairs = (0..n).filter(|i| i % 2 == 0).pairs();
        let first: Vec<_> = pairs.next().into_iter().collect();
        assert_eq!(first.into_iter().chain(pairs).collect::<Vec<_>>(), stepped);
    }
}

#[test]
fn the_cross_product_comes_in_the_order_of_root() {
    let golden = &read("combinations")["cross"];
    let (a, b) = (index(&golden["of"][0]), index(&golden["of"][1]));
    assert_eq!(cross(0..a, 0..b).map(|(a, b)| vec![a, b]).collect::<Vec<_>>(), rows(&golden["rows"]));
    assert_eq!(cross(0..a, 0..0).count() + cross(0..0, 0..b).count(), 0);
}

#[test]
fn the_first_of_equally_close_ones_is_closest_and_nan_never_is() {
    let closest =
        |values: &[f64]| values.iter().copied().enumerate().closest_to(10.0, |(_, x)| *x).map(|(at, _)| at);
    assert_eq!(closest(&[]), None);
    assert_eq!(closest(&[f64::NAN]), None);
    assert_eq!(closest(&[f64::NAN, 50.0, 11.0, 9.0, f64::NAN]), Some(2));
    assert_eq!(closest(&[f64::INFINITY, f64::NAN]), Some(0));
    assert_eq!(closest(&[f64::NEG_INFINITY, 1e300]), Some(1));
}

#[test]
fn the_first_of_equal_ones_leads_and_nan_never_does() {
    let leading = |values: &[f32]| values.iter().copied().enumerate().leading(|(_, x)| *x).map(|(at, _)| at);
    assert_eq!(leading(&[]), None);
    assert_eq!(leading(&[f32::NAN, f32::NAN]), None);
    assert_eq!(leading(&[f32::NAN, 1.0, 3.0, 3.0, f32::NAN, 2.0]), Some(2));
    assert_eq!(leading(&[f32::NEG_INFINITY]), Some(0));
}

#[test]
fn no_object_chosen_is_one_choice() {
    assert_eq!((0..3).combinations::<0>().count(), 1);
}
