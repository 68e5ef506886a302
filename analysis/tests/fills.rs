//! Contents after weighted fills, against ROOT's TH1D, TH2D and TH3D and a growing boost-histogram.
mod golden;

use golden::{double, doubles, index, list, of_unknown_length, read, same, text};
use hep_analysis::Merge;
use hep_analysis::hist::{AnyHist, Axis, Count, Count2, Count3, Hist, Hist2, Hist3, HistN};
use serde_json::Value;

fn x() -> Axis {
    Axis::regular(4, -1.0, 1.0)
}

fn pt() -> Axis {
    Axis::variable([0.0, 20.0, 50.0, 200.0])
}

fn three() -> [Axis; 3] {
    [Axis::regular(2, 0.0, 1.0), Axis::integer(0, 3), Axis::regular(2, -1.0, 1.0)]
}

/// Bit by bit: the same additions in the same order.
fn check(hist: &AnyHist, root: &Value) {
    let sumw2 = hist.sumw2.as_ref().expect("a weighted histogram");
    for (name, ours, root) in
        [("sumw", &hist.sumw, doubles(&root["sumw"])), ("sumw2", sumw2, doubles(&root["sumw2"]))]
    {
        assert_eq!(ours.len(), root.len());
        for (bin, (ours, root)) in ours.iter().zip(root).enumerate() {
            assert!(same(*ours, root), "{name} of bin {bin}: {ours:e}, ROOT {root:e}");
        }
    }
    assert_eq!(hist.entries, index(&root["entries"]) as u64);
    check_statistics(hist, &root["statistics"]);
}

/// ROOT adds them up in one row, which rounds otherwise.
fn check_statistics(hist: &AnyHist, root: &Value) {
    let root = doubles(root);
    assert_eq!(hist.statistics.len(), root.len());
    for (at, (ours, root)) in hist.statistics.iter().zip(&root).enumerate() {
        assert!((ours - root).abs() <= 1e-12 * root.abs().max(1.0), "sum {at}: {ours:e}, ROOT {root:e}");
    }
}

#[test]
fn one_axis_holds_what_th1d_holds() {
    let golden = &read("fills")["h1"];
    let mut hist = Hist::new(Axis::regular(7, 0.1, 0.7));
    for fill in list(&golden["fills"]) {
        hist.fill(double(&fill[0]), double(&fill[1]));
    }
    check(&hist.view(), golden);
    let mut all = Hist::new(Axis::regular(7, 0.1, 0.7));
    let fills = list(&golden["fills"]).iter().map(|fill| (double(&fill[0]), double(&fill[1])));
    all.fill_all(of_unknown_length(fills));
    check(&all.view(), golden);
}

#[test]
fn two_axes_hold_what_th2d_holds_in_its_order_of_bins() {
    let golden = &read("fills")["h2"];
    let mut hist = Hist2::new([x(), pt()]);
    for fill in list(&golden["fills"]) {
        hist.fill(double(&fill[0]), double(&fill[1]), double(&fill[2]));
    }
    check(&hist.view(), golden);
    let mut all = Hist2::new([x(), pt()]);
    let fills = list(&golden["fills"]).iter().map(doubles).map(|fill| (fill[0], fill[1], fill[2]));
    all.fill_all(of_unknown_length(fills));
    check(&all.view(), golden);
}

#[test]
fn three_axes_hold_what_th3d_holds_in_its_order_of_bins() {
    let golden = &read("fills")["h3"];
    let mut hist = Hist3::new(three());
    let mut any = HistN::new(three().to_vec());
    for fill in list(&golden["fills"]) {
        let fill = doubles(fill);
        hist.fill(fill[0], fill[1], fill[2], fill[3]);
        any.fill(&fill[..3], fill[3]);
    }
    check(&hist.view(), golden);
    check(&any.view(), golden);
    let (mut all, mut any) = (Hist3::new(three()), HistN::new(three().to_vec()));
    let fills: Vec<Vec<f64>> = list(&golden["fills"]).iter().map(doubles).collect();
    all.fill_all(of_unknown_length(fills.iter().map(|fill| (fill[0], fill[1], fill[2], fill[3]))));
    check(&all.view(), golden);
    let [x, y, z, weights] = [0, 1, 2, 3].map(|i| fills.iter().map(|fill| fill[i]).collect::<Vec<f64>>());
    any.fill_all(&[&x, &y, &z], &weights);
    check(&any.view(), golden);
}

#[test]
fn bins_that_are_named_count_at_their_centres_and_not_at_all_while_the_axis_grows() {
    let golden = &read("fills")["named"];
    let names: Vec<&str> = list(&golden["names"]).iter().map(text).collect();
    let fills: Vec<(&str, f64, f64)> = list(&golden["fills"])
        .iter()
        .map(|fill| (text(&fill[0]), double(&fill[1]), double(&fill[2])))
        .collect();
    for (axis, one, two) in
        [(Axis::category(names), "fixed1", "fixed2"), (Axis::growing_category(), "growing1", "growing2")]
    {
        let (mut h1, mut all1) = (Hist::new(axis.clone()), Hist::new(axis.clone()));
        let (mut h2, mut all2) = (Hist2::new([axis.clone(), x()]), Hist2::new([axis.clone(), x()]));
        for &(name, y, weight) in &fills {
            h1.fill(name, weight);
            h2.fill(name, y, weight);
        }
        all1.fill_all(of_unknown_length(fills.iter().map(|&(name, _, weight)| (name, weight))));
        all2.fill_all(of_unknown_length(fills.iter().copied()));
        for hist in [h1.view(), all1.view()] {
            check_statistics(&hist, &golden[one]);
        }
        for hist in [h2.view(), all2.view()] {
            check_statistics(&hist, &golden[two]);
        }
        assert_eq!((h1, h2), (all1, all2));
    }
}

#[test]
fn four_axes_hold_the_sums_of_a_thnd() {
    let golden = &read("fills")["four"];
    let (low, high) = (doubles(&golden["low"]), doubles(&golden["high"]));
    let bins = list(&golden["bins"]).iter().map(index);
    let axes: Vec<Axis> =
        bins.zip(low.iter().zip(&high)).map(|(bins, (&low, &high))| Axis::regular(bins, low, high)).collect();
    let fills: Vec<Vec<f64>> = list(&golden["fills"]).iter().map(doubles).collect();
    let (mut each, mut all) = (HistN::new(axes.clone()), HistN::new(axes));
    fills.iter().for_each(|fill| each.fill(&fill[..4], fill[4]));
    let columns = [0, 1, 2, 3, 4].map(|i| fills.iter().map(|fill| fill[i]).collect::<Vec<f64>>());
    let [a, b, c, d, weights] = &columns;
    all.fill_all(&[a, b, c, d], weights);
    check_statistics(&each.view(), &golden["statistics"]);
    assert_eq!(each, all);
}

#[test]
fn merging_and_writing_keep_the_sums() {
    let fill = |from: usize| {
        let mut hist = Hist2::new([x(), pt()]);
        (from..from + 50)
            .for_each(|i| hist.fill(0.01 * i as f64 - 0.5, 2.0 * i as f64, 1.0 + 0.1 * i as f64));
        hist
    };
    let (a, b) = (fill(0), fill(50));
    let text = serde_json::to_string(&a).unwrap();
    let mut read: Hist2 = serde_json::from_str(&text).unwrap();
    assert_eq!(read.statistics(), a.statistics());
    let mut merged = a.clone();
    merged.merge(b.clone()).unwrap();
    read.merge(serde_json::from_str(&serde_json::to_string(&b).unwrap()).unwrap()).unwrap();
    assert_eq!(merged.statistics(), read.statistics());
    let sums = a.statistics().into_iter().zip(b.statistics()).zip(merged.statistics());
    assert!(sums.into_iter().all(|((a, b), sum)| (a + b - sum).abs() <= 1e-12 * sum.abs()));
    let short = text.replace("\"moments\":[", "\"moments\":[1.0,");
    assert!(short != text && serde_json::from_str::<Hist2>(&short).is_err());
}

#[test]
fn counts_are_what_unit_weights_sum_to() {
    let (mut one, mut two, mut three_axes) =
        (Count::new(x()), Count2::new([x(), pt()]), Count3::new(three()));
    let (mut w1, mut w2, mut w3) = (Hist::new(x()), Hist2::new([x(), pt()]), Hist3::new(three()));
    for fill in list(&read("fills")["h3"]["fills"]) {
        let [a, b, c, _] = doubles(fill)[..] else { panic!("{fill}") };
        one.fill(a);
        w1.fill(a, 1.0);
        two.fill(a, 30.0 * b);
        w2.fill(a, 30.0 * b, 1.0);
        three_axes.fill(a, b, c);
        w3.fill(a, b, c, 1.0);
    }
    for (count, weighted) in
        [(one.view(), w1.view()), (two.view(), w2.view()), (three_axes.view(), w3.view())]
    {
        assert_eq!(count.sumw, weighted.sumw);
        assert_eq!(count.sumw2, None);
        assert_eq!(count.entries, weighted.entries);
        assert_eq!(count.statistics, weighted.statistics);
    }
}

#[test]
fn a_growing_axis_holds_what_boost_histogram_holds() {
    let golden = &read("binning")["growing"];
    let mut hist = Hist2::new([Axis::growing_category(), Axis::regular(2, 0.0, 2.0)]);
    for fill in list(&golden["fills"]) {
        hist.fill(text(&fill[0]), double(&fill[1]), double(&fill[2]));
    }
    // The names are known, so that the axis need not grow: the same in blocks.
    let known: Vec<&str> = list(&golden["names"]).iter().map(text).collect();
    let mut all = Hist2::new([Axis::category(known), Axis::regular(2, 0.0, 2.0)]);
    let fills =
        list(&golden["fills"]).iter().map(|fill| (text(&fill[0]), double(&fill[1]), double(&fill[2])));
    all.fill_all(of_unknown_length(fills));
    assert_eq!((all.view().sumw, all.view().sumw2), (hist.view().sumw, hist.view().sumw2));
    let names = list(&golden["names"]);
    assert_eq!(hist.axes()[0].len(), names.len());
    for (at, name) in names.iter().enumerate() {
        assert_eq!(hist.axes()[0].index_of_name(text(name)), at + 1);
        let (sumw, sumw2) = (doubles(&golden["sumw"][at]), doubles(&golden["sumw2"][at]));
        for bin in 0..4 {
            assert!(same(hist.value([at + 1, bin]), sumw[bin]), "sumw of {name} in bin {bin}");
            assert!(same(hist.variance([at + 1, bin]), sumw2[bin]), "sumw2 of {name} in bin {bin}");
        }
    }
    assert!((0..4).all(|bin| hist.value([0, bin]) == 0.0 && hist.value([names.len() + 1, bin]) == 0.0));
}

#[test]
fn every_kind_of_number_is_a_coordinate() {
    let mut hist = Count::new(Axis::integer(0, 10));
    hist.fill(3_u8);
    hist.fill(3_i8);
    hist.fill(3_u16);
    hist.fill(3_i16);
    hist.fill(3_u32);
    hist.fill(3_i32);
    hist.fill(3_u64);
    hist.fill(3_i64);
    hist.fill(3_usize);
    hist.fill(3.0_f32);
    hist.fill(3.9_f64);
    assert_eq!(hist.value([4]), 11.0);
    hist.fill(-1);
    hist.fill(true);
    assert_eq!((hist.value([0]), hist.value([2])), (1.0, 1.0));

    let mut truth = Count::new(Axis::boolean());
    truth.fill(false);
    truth.fill(true);
    truth.fill(true);
    assert_eq!((truth.value([1]), truth.value([2])), (1.0, 2.0));
}

#[test]
fn a_weight_that_is_not_a_number_spoils_its_bin_and_no_other() {
    let mut hist = Hist::new(x());
    hist.fill(0.1, f64::NAN);
    hist.fill(0.6, 2.0);
    assert!(hist.value([3]).is_nan());
    assert_eq!(hist.value([4]), 2.0);
}

#[test]
fn there_must_be_a_number_for_each_axis_and_a_row_for_each_weight() {
    let panics = |fill: fn(&mut HistN)| {
        let mut hist = HistN::new(three().to_vec());
        std::panic::catch_unwind(move || fill(&mut hist)).is_err()
    };
    assert!(!panics(|hist| hist.fill(&[0.5, 1.0, 0.5], 1.0)));
    assert!(panics(|hist| hist.fill(&[0.5, 1.0], 1.0)));
    assert!(panics(|hist| hist.fill(&[0.5, 1.0, 0.5, 0.5], 1.0)));
    assert!(!panics(|hist| hist.fill_all(&[&[0.5], &[1.0], &[0.5]], &[1.0])));
    assert!(panics(|hist| hist.fill_all(&[&[0.5], &[1.0]], &[1.0])));
    assert!(panics(|hist| hist.fill_all(&[&[0.5], &[1.0], &[]], &[1.0])));
    assert!(panics(|hist| hist.fill_all(&[&[0.5], &[1.0], &[0.5]], &[])));
}

/// After each fill, on histograms that are small and so large that they begin sparse: bins, sums, what is written and what
/// is equal, against sums of the test's own.
#[test]
fn whatever_looks_at_a_histogram_sees_all_of_its_fills() {
    for bins in [10, 70_000] {
        let axis = || Axis::regular(bins, 0.0, 1.0);
        let (mut hist, mut want) = (Hist::new(axis()), vec![0.0; bins + 2]);
        for i in 0..200 {
            let (x, weight) = (0.0078125 * f64::from(i % 140) - 0.0625, 0.25 * f64::from(i) - 3.0);
            let before = hist.clone();
            hist.fill(x, weight);
            let bin = if x < 0.0 { 0 } else { 1 + ((x * bins as f64) as usize).min(bins) };
            want[bin] += weight;
            assert_eq!(hist.value([bin]), want[bin], "fill {i}");
            assert_eq!((hist.entries(), before.entries()), (i as u64 + 1, i as u64));
            assert_ne!(hist, before);
            if i % 50 == 7 {
                assert_eq!(hist.view().sumw, want);
                assert_eq!(hist.sum(), want.iter().sum::<f64>());
                let read: Hist = serde_json::from_str(&serde_json::to_string(&hist).unwrap()).unwrap();
                assert_eq!(read, hist);
                assert_eq!(read.statistics(), hist.statistics());
            }
        }
        hist.fill(0.5, f64::NAN);
        assert_eq!(hist.non_finite_weights(), 1);
        let mut merged = Hist::new(axis());
        merged.merge(hist.clone()).unwrap();
        assert_eq!((merged.entries(), merged.non_finite_weights()), (201, 1));
    }
}

/// Fills of both kinds wait apart, and so do those by name: in turn, against one axis of numbers that is filled once.
#[test]
fn fills_of_all_kinds_keep_their_order() {
    let axes = |first: Axis| [first, Axis::regular(10, 0.0, 1.0)];
    let mut mixed = Hist2::new(axes(Axis::growing_category()));
    let mut plain = Hist2::new(axes(Axis::integer(0, 3)));
    // Weights of which the order can be told from the sum: that of 1e16 and 1 is 1e16.
    let weight = |i: u64| [1e16, 1.0, -1e16, 3.0][i as usize % 4];
    for name in ["a", "b", "c"] {
        mixed.fill(name, 2.0, 0.5);
    }
    (0..3).for_each(|place| plain.fill(place, 2.0, 0.5));
    for i in 0..500_u64 {
        let y = (i * i % 13) as f64 / 12.0;
        let weights = [weight(i), weight(i + 1), weight(i + 2)];
        match i / 7 % 3 {
            0 => mixed.fill_varied(y, weights),
            1 => ["a", "b", "c"].iter().zip(weights).for_each(|(name, w)| mixed.fill(*name, y, w)),
            _ => (0..3).zip(weights).for_each(|(place, w)| mixed.fill(place, y, w)),
        }
        (0..3).zip(weights).for_each(|(place, w)| plain.fill(place, y, w));
        if i % 11 == 0 {
            let bin = 1 + (y * 10.0) as usize;
            assert_eq!(mixed.value([2, bin]).to_bits(), plain.value([2, bin]).to_bits());
        }
    }
    let bits = |sums: Vec<f64>| sums.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let (mixed, plain) = (mixed.view(), plain.view());
    assert_eq!((mixed.entries, bits(mixed.sumw)), (plain.entries, bits(plain.sumw)));
    assert_eq!(mixed.sumw2.map(bits), plain.sumw2.map(bits));
    // Those of the second axis; on the first, names and numbers stand for other coordinates.
    for (ours, want) in mixed.statistics[4..6].iter().zip(&plain.statistics[4..6]) {
        assert!((ours - want).abs() <= 1e-15 * 500.0 * 1e16, "{ours} {want}");
    }
}
