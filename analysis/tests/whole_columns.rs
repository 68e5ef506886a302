//! What works on whole columns against the plain loops over events, on random and on awkward input.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use hep_analysis::hist::{AnyHist, Count3};
use hep_analysis::prelude::*;
use hep_analysis::vector::Triple;
use hep_columns::Batch;

extern crate hep_analysis as hep_run;

#[derive(Clone, Copy, Columnar, Momentum)]
struct Jet {
    pt: f32,
    eta: f32,
    phi: f32,
    mass: f32,
}

#[derive(Columnar)]
struct Event {
    #[column("Jet")]
    jets: Jagged<Jet>,
    #[column("Muon")]
    muons: Jagged<Jet>,
}

/// Numbers of a linear congruential generator (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() * end as f64) as usize
    }

    fn jet(&mut self) -> [f32; 4] {
        let pt = 15.0 - 20.0 * (1.0 - self.next()).ln();
        [pt, 6.0 * self.next() - 3.0, 6.2 * self.next() - 3.1, 10.0 * self.next()].map(|x| x as f32)
    }

    /// One that a detector does not give: fill values, none, endless, along the beam, a whole number.
    fn awkward_jet(&mut self) -> [f32; 4] {
        const AWKWARD: [f32; 16] = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -999.0,
            0.0,
            -0.0,
            1.0,
            -1.0,
            3.0,
            std::f32::consts::PI,
            -std::f32::consts::PI,
            16.9,
            17.1,
            f32::MAX,
            f32::MIN_POSITIVE,
            1e-42,
        ];
        self.jet().map(|usual| if self.below(3) == 0 { AWKWARD[self.below(16)] } else { usual })
    }
}

/// Events with these jets and muons.
fn events(jets: &[Vec<[f32; 4]>], muons: &[Vec<[f32; 4]>]) -> Events<Event> {
    let (mut names, mut columns) = (HashMap::new(), Vec::<ArrayRef>::new());
    for (collection, objects) in [("Jet", jets), ("Muon", muons)] {
        let offsets = OffsetBuffer::<i32>::from_lengths(objects.iter().map(Vec::len));
        for (part, field) in ["pt", "eta", "phi", "mass"].into_iter().enumerate() {
            let values = Float32Array::from_iter_values(objects.iter().flatten().map(|object| object[part]));
            let item = Arc::new(Field::new_list_field(DataType::Float32, false));
            names.insert(format!("{collection}_{field}"), columns.len());
            columns.push(Arc::new(ListArray::new(item, offsets.clone(), Arc::new(values), None)));
        }
    }
    let batch = Batch::new(0..jets.len() as u64, Arc::new(names), columns);
    Events::new(batch).expect("the columns are there")
}

/// Events of up to `most` objects each, of which some are awkward.
fn random_events(seed: u64, count: usize, most: usize) -> Events<Event> {
    let mut numbers = Numbers(seed);
    let mut collection = || -> Vec<Vec<[f32; 4]>> {
        let mut event = || {
            let awkward = numbers.below(4) == 0;
            let objects = numbers.below(most + 1);
            (0..objects).map(|_| if awkward { numbers.awkward_jet() } else { numbers.jet() }).collect()
        };
        (0..count).map(|_| event()).collect()
    };
    events(&collection(), &collection())
}

fn same(a: P4, b: P4) -> bool {
    [(a.px, b.px), (a.py, b.py), (a.pz, b.pz), (a.e, b.e)]
        .into_iter()
        .all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
}

fn triple_of_plain_search(jets: &[P4], mass: f64) -> Option<[usize; 3]> {
    let triples = (0..jets.len()).triples();
    triples.closest_to(mass, |&(i, j, k)| (jets[i] + jets[j] + jets[k]).mass()).map(|(i, j, k)| [i, j, k])
}

#[test]
fn four_momenta_of_a_column_are_those_of_its_objects() {
    let events = random_events(1, 3000, 9);
    let mut jets = events.jets.four_momenta();
    for event in &events {
        let jets = jets.of(event.jets);
        assert_eq!(jets.len(), event.jets.len());
        for ((jet, column), i) in event.jets.iter().zip(jets.iter()).zip(0..) {
            assert!(same(jet.p4(), column), "{column:?}");
            assert!(same(jet.p4(), jets.at(i)));
        }
    }
}

#[test]
fn four_momenta_may_be_asked_for_in_any_order() {
    let events = random_events(2, 700, 9);
    let rows: Vec<_> = events.iter().collect();
    let mut jets = events.jets.four_momenta();
    for event in rows.iter().rev().chain(rows.iter().step_by(7)) {
        for (jet, column) in event.jets.iter().zip(jets.of(event.jets).iter()) {
            assert!(same(jet.p4(), column));
        }
    }
}

#[test]
fn one_event_may_have_more_objects_than_a_block() {
    let mut numbers = Numbers(3);
    let jets: Vec<Vec<_>> =
        [0, 1000, 3, 513, 0].into_iter().map(|n| (0..n).map(|_| numbers.jet()).collect()).collect();
    let events = events(&jets, &vec![Vec::new(); 5]);
    let mut jets = events.jets.four_momenta();
    for event in &events {
        assert!(event.jets.iter().zip(jets.of(event.jets).iter()).all(|(jet, p4)| same(jet.p4(), p4)));
    }
}

#[test]
fn four_momenta_of_chosen_events_are_those_of_their_objects() {
    let events = random_events(8, 3000, 9);
    let none = events.select(|_| false);
    assert!(none.is_empty() && none.iter().next().is_none());
    // Some without jets among them, and more than a block of each.
    for least in [0, 1, 4] {
        let chosen = events.select(|event| event.jets.len() >= least && event.muons.len() != 1);
        let plain = events.iter().filter(|event| event.jets.len() >= least && event.muons.len() != 1);
        assert!(chosen.iter().map(|event| event.jets.range()).eq(plain.map(|event| event.jets.range())));
        let mut jets = events.jets.four_momenta_of(&chosen);
        let rows: Vec<_> = chosen.iter().collect();
        // In their order, in another one, and some of them.
        for event in rows.iter().chain(rows.iter().rev()).chain(rows.iter().step_by(7)) {
            let jets = jets.of(event.jets);
            assert_eq!(jets.len(), event.jets.len());
            assert!(event.jets.iter().zip(jets.iter()).all(|(jet, p4)| same(jet.p4(), p4)));
        }
    }
}

#[test]
#[should_panic(expected = "not chosen")]
fn four_momenta_of_an_event_that_is_not_chosen_are_not_given() {
    let events = random_events(9, 100, 9);
    let chosen = events.select(|event| event.jets.len() % 2 == 0);
    let mut jets = events.jets.four_momenta_of(&chosen);
    events.iter().for_each(|event| _ = jets.of(event.jets));
}

#[test]
#[should_panic(expected = "another collection")]
fn four_momenta_of_other_objects_are_not_given() {
    let events = random_events(4, 10, 3);
    let mut jets = events.jets.four_momenta();
    for event in &events {
        jets.of(event.muons);
    }
}

#[test]
fn the_closest_triples_of_all_events_are_those_of_each() {
    let events_of = |most, n| random_events(10 + most as u64, n, most);
    let mut large = Numbers(11);
    // Fewer events than lanes, and some with more objects than go through lanes, or than a block.
    let sizes = [40, 3, 0, 17, 16, 60, 2, 16, 17, 5];
    let jets: Vec<Vec<_>> = sizes.iter().map(|&n| (0..n).map(|_| large.jet()).collect()).collect();
    let large = events(&jets, &vec![Vec::new(); jets.len()]);
    for events in [&events_of(5, 5000), &events_of(12, 5000), &events_of(20, 700), &large, &events_of(2, 100)]
    {
        for mass in [172.5, 0.0, -20.0, 1e6, f64::INFINITY, f64::NAN] {
            let mut ours = events.jets.closest_triples(mass);
            let mut four_momenta = events.jets.four_momenta();
            for (number, event) in events.iter().enumerate() {
                let jets = four_momenta.of(event.jets);
                let Some(triple) = jets.closest_triple(mass) else { continue };
                let found = ours.next().unwrap();
                assert_eq!((found.event(), found.places()), (number, triple), "of {}, {mass}", jets.len());
                let pts = triple.map(|i| event.jets.at(i).pt.to_bits());
                assert_eq!(found.objects().map(|jet| jet.pt.to_bits()), pts);
                assert!(same(found.p4(), jets.sum(triple)));
            }
            assert!(ours.next().is_none());

            // One after the other, and the rest at once.
            let triple = |triple: Triple<'_, Jet>| (triple.event(), triple.places());
            let mut next = events.jets.closest_triples(mass);
            let mut one_by_one: Vec<_> = next.by_ref().take(700).map(triple).collect();
            let at_once: Vec<_> = events.jets.closest_triples(mass).map(triple).fold(Vec::new(), add);
            one_by_one.extend(next.map(triple).fold(Vec::new(), add));
            assert_eq!(one_by_one, at_once);
        }
    }
}

fn add<T>(mut all: Vec<T>, one: T) -> Vec<T> {
    all.push(one);
    all
}

#[test]
fn the_closest_triple_is_that_of_the_plain_search() {
    for (seed, most) in [(5, 5), (6, 12), (7, 30)] {
        let events = random_events(seed, 400, most);
        let mut jets = events.jets.four_momenta();
        for event in &events {
            let plain: Vec<P4> = event.jets.iter().map(|jet| jet.p4()).collect();
            for mass in [172.5, 0.0, -20.0, 1e6, f64::INFINITY, f64::NAN] {
                let ours = jets.of(event.jets).closest_triple(mass);
                assert_eq!(ours, triple_of_plain_search(&plain, mass), "{mass}: {plain:?}");
            }
        }
    }
}

#[test]
fn the_first_of_equally_close_triples_is_the_closest() {
    // Copies of a few jets: most masses are there several times, each exactly alike.
    let mut numbers = Numbers(8);
    let mut event = || {
        let jets: Vec<_> = (0..3).map(|_| numbers.jet()).collect();
        (0..9).map(|_| jets[numbers.below(3)]).collect()
    };
    let jets: Vec<Vec<_>> = (0..300).map(|_| event()).collect();
    let events = events(&jets, &vec![Vec::new(); 300]);
    let mut jets = events.jets.four_momenta();
    let mut found = events.jets.closest_triples(172.5);
    let mut ties = 0;
    for event in &events {
        let plain: Vec<P4> = event.jets.iter().map(|jet| jet.p4()).collect();
        let closest = triple_of_plain_search(&plain, 172.5);
        assert_eq!(jets.of(event.jets).closest_triple(172.5), closest);
        assert_eq!(found.next().map(|triple| triple.places()), closest);
        let mass = |[i, j, k]: [usize; 3]| (plain[i] + plain[j] + plain[k]).mass();
        let closest = mass(closest.unwrap());
        ties += usize::from(
            plain
                .iter()
                .combinations()
                .filter(|p| {
                    let [a, b, c] = p;
                    (**a + **b + **c).mass() == closest
                })
                .count()
                > 1,
        );
    }
    assert!(ties > 200, "{ties} ties");
}

#[test]
fn as_many_triples_as_one_can_wait_for_are_searched() {
    let mut numbers = Numbers(9);
    for n in [0, 1, 2, 3, 4, 23, 24, 25, 26, 60] {
        let jets: Vec<_> = (0..n).map(|_| numbers.jet()).collect();
        let events = events(&[jets], &[Vec::new()]);
        for event in &events {
            let plain: Vec<P4> = event.jets.iter().map(|jet| jet.p4()).collect();
            let ours = events.jets.four_momenta().of(event.jets).closest_triple(172.5);
            assert_eq!(ours, triple_of_plain_search(&plain, 172.5), "{n} jets");
        }
    }
}

#[test]
fn away_from_is_what_delta_r_says() {
    for (seed, most) in [(10, 4), (11, 12)] {
        let events = random_events(seed, 1000, most);
        // Exactly as far apart as two objects are, too.
        let apart = events.iter().filter_map(|event| event.jets.first().zip(event.muons.first()));
        let apart: Vec<f64> =
            apart.map(|(jet, muon)| jet.delta_r(&muon)).filter(|r| *r > 1.0).take(20).collect();
        for delta_r in [0.4, 2.0, 100.0, f64::NAN].into_iter().chain(apart) {
            let jets = events.jets.select(|jet| jet.pt > 20.0);
            let before = jets.len();
            let jets = jets.away_from(&events.muons, delta_r, |muon| muon.pt > 20.0);
            let plain = events.iter().map(|event| {
                let muons = event.muons.iter().filter(|muon| muon.pt > 20.0);
                let away = |jet: &Jet| !muons.clone().any(|muon| jet.delta_r(&muon) < delta_r);
                event.jets.iter().filter(|jet| jet.pt > 20.0 && away(jet)).count() as u32
            });
            assert_eq!(jets.counts(), plain.collect::<Vec<_>>());
            assert_eq!(jets.len() == before, delta_r.is_nan());
        }
    }
}

#[test]
fn counts_and_sums_of_each_event_are_those_of_a_loop() {
    for most in [0, 1, 7] {
        let events = random_events(12, 1000, most);
        let jets = events.jets.select(|jet| jet.pt > 40.0);
        let counts = events.jets.count_where(|jet| jet.pt > 40.0);
        assert_eq!(jets.counts(), counts);
        assert_eq!(jets.len(), counts.iter().sum::<u32>() as usize);
        let sums = jets.sums(|jet| jet.pt.into());
        assert_eq!((counts.len(), sums.len()), (events.len(), events.len()));
        for ((event, count), sum) in events.iter().zip(counts).zip(sums) {
            let hard = event.jets.iter().filter(|jet| jet.pt > 40.0);
            assert_eq!(hard.clone().count(), count as usize);
            let plain = hard.fold(0.0, |sum, jet| sum + f64::from(jet.pt));
            assert!(plain.to_bits() == sum.to_bits() || plain.is_nan() && sum.is_nan());
        }
    }
}

/// On and next to each edge, around it, outside, and what is no number.
fn around_edges(axis: &Axis, low: f64, high: f64, numbers: &mut Numbers) -> Vec<f64> {
    let edges = (0..=axis.len()).map(|i| low + (high - low) / axis.len() as f64 * i as f64);
    let mut values: Vec<f64> = edges.flat_map(|edge| [edge.next_down(), edge, edge.next_up()]).collect();
    values.extend([f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 0.0, -0.0]);
    values.extend([-999.0, 1e-320, 1e18, -1e18, 1e300, -1e300, 4503599627370496.0, 6755399441055744.0]);
    values.extend((0..2000).map(|_| low + (high - low) * (1.2 * numbers.next() - 0.1)));
    values
}

fn equal(a: &AnyHist, b: &AnyHist) {
    equal_bins(a, b);
    let bits = |sums: &[f64]| sums.iter().map(|sum| sum.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&a.statistics), bits(&b.statistics), "{:?}", a.axes);
}

fn equal_bins(a: &AnyHist, b: &AnyHist) {
    assert_eq!((a.entries, a.non_finite_weights), (b.entries, b.non_finite_weights));
    let bits = |sums: &[f64]| sums.iter().map(|sum| sum.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&a.sumw), bits(&b.sumw), "{:?}", a.axes);
    assert_eq!(a.sumw2.as_deref().map(bits), b.sumw2.as_deref().map(bits));
}

#[test]
fn filling_all_is_filling_each() {
    let mut numbers = Numbers(13);
    let regular = [(100, 15.0, 60.0), (1, 0.0, 1.0), (7, 0.1, 0.7), (254, -1.0, 1.0), (255, 0.0, 1e9)];
    let mut axes: Vec<_> = regular.map(|(n, low, high)| (Axis::regular(n, low, high), low, high)).into();
    axes.push((Axis::regular(3000, -1e-3, 1e5), -1e-3, 1e5));
    axes.push((Axis::variable([0.0, 1.0, 4.0]), 0.0, 4.0));
    axes.push((Axis::integer(-2, 5), -2.0, 5.0));
    axes.push((Axis::category(["a", "b"]), 0.0, 2.0));
    for (axis, low, high) in axes {
        let values = around_edges(&axis, low, high, &mut numbers);
        for values in [&values[..], &values[..10], &values[..255], &values[..256], &values[..257], &[]] {
            let (mut each, mut all) = (Count::new(axis.clone()), Count::new(axis.clone()));
            values.iter().for_each(|&x| each.fill(x));
            all.fill_all(values.iter().copied());
            equal(&all.view(), &each.view());

            let (mut each, mut all) = (Count::new(axis.clone()), Count::new(axis.clone()));
            let chosen: Vec<_> = values.iter().map(|&x| (x, numbers.below(3) == 0)).collect();
            chosen.iter().filter(|(_, chosen)| *chosen).for_each(|&(x, _)| each.fill(x));
            all.fill_where(chosen);
            equal(&all.view(), &each.view());

            let (mut each, mut all) = (Hist::new(axis.clone()), Hist::new(axis.clone()));
            let weighted: Vec<_> = values.iter().map(|&x| (x, numbers.next() - 0.1)).collect();
            weighted.iter().for_each(|&(x, weight)| each.fill(x, weight));
            all.fill_all(weighted);
            equal(&all.view(), &each.view());
        }
    }
}

/// Edges are rounded, so that the last bin may end a little before the axis does: what is between is not in the sums.
#[test]
fn what_is_behind_the_last_bin_is_outside() {
    let mut found = 0;
    for bins in 1..2000 {
        let axis = Axis::regular(bins, 0.1, 0.7);
        let behind = 0.7_f64.next_down();
        let (mut each, mut all) = (Hist::new(axis.clone()), Hist::new(axis));
        each.fill(behind, 2.0);
        all.fill_all(vec![(behind, 2.0); 300]);
        let is_outside = each.value([bins + 1]) == 2.0;
        found += usize::from(is_outside);
        for (hist, fills) in [(&each, 1.0), (&all, 300.0)] {
            let sums = hist.statistics();
            let want = if is_outside { 0.0 } else { 2.0 * fills };
            assert_eq!(sums[0], want, "{bins} bins");
            assert!((sums[2] - want * behind).abs() <= 1e-12 * want, "{bins} bins: {sums:?}");
        }
    }
    assert!((10..1990).contains(&found), "{found} axes end before their upper edge");
}

/// Axes of every kind that numbers are filled on, with an interval that holds their edges.
fn axes_of_numbers() -> Vec<(Axis, f64, f64)> {
    let logarithmic = (0..=40).map(|i| 10.0_f64.powf(f64::from(i) / 8.0));
    vec![
        (Axis::regular(7, 0.1, 0.7), 0.1, 0.7),
        (Axis::variable([0.0, 20.0, 50.0, 200.0]), 0.0, 200.0),
        (Axis::variable(logarithmic), 1.0, 1e5),
        (Axis::variable((0..=9).map(f64::from)), 0.0, 9.0),
        (Axis::integer(-3, 4), -3.0, 4.0),
        (Axis::category(["a", "b", "c"]), 0.0, 3.0),
        // With which a histogram of two axes begins sparse.
        (Axis::regular(40_000, -1.0, 1.0), -1.0, 1.0),
    ]
}

#[test]
fn filling_all_on_two_axes_is_filling_each() {
    let mut numbers = Numbers(14);
    for (x, low, high) in axes_of_numbers() {
        let xs = around_edges(&x, low, high, &mut numbers);
        for (y, low, high) in axes_of_numbers().into_iter().take(6) {
            let ys = around_edges(&y, low, high, &mut numbers);
            let axes = [x.clone(), y];
            for count in [0, 100, 256, 1000, xs.len()] {
                let points: Vec<_> =
                    (0..count).map(|i| (xs[i], ys[numbers.below(ys.len())], numbers.next() - 0.1)).collect();
                let (mut each, mut all) = (Hist2::new(axes.clone()), Hist2::new(axes.clone()));
                points.iter().for_each(|&(x, y, weight)| each.fill(x, y, weight));
                all.fill_all(points.iter().copied());
                equal(&all.view(), &each.view());

                let mut of_columns = HistN::new(axes.to_vec());
                let column = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(of).collect::<Vec<f64>>();
                of_columns.fill_all(&[&column(|p| p.0), &column(|p| p.1)], &column(|p| p.2));
                equal(&of_columns.view(), &each.view());

                let (mut each, mut all) = (Count2::new(axes.clone()), Count2::new(axes.clone()));
                points.iter().for_each(|&(x, y, _)| each.fill(x, y));
                all.fill_all(points.iter().map(|&(x, y, _)| (x, y)));
                equal(&all.view(), &each.view());
            }
        }
    }
}

#[test]
fn filling_all_on_three_axes_is_filling_each() {
    let mut numbers = Numbers(15);
    for (x, low, high) in axes_of_numbers().into_iter().take(6) {
        let xs = around_edges(&x, low, high, &mut numbers);
        let axes = [x, Axis::variable([-1.0, 0.0, 0.25, 2.0]), Axis::boolean()];
        let points: Vec<_> =
            xs.iter().map(|&x| (x, 4.0 * numbers.next() - 1.5, numbers.below(2) > 0)).collect();
        let (mut each, mut all) = (Hist3::new(axes.clone()), Hist3::new(axes.clone()));
        points.iter().for_each(|&(x, y, z)| each.fill(x, y, z, y * 0.3));
        all.fill_all(points.iter().map(|&(x, y, z)| (x, y, z, y * 0.3)));
        equal(&all.view(), &each.view());
        let (mut each, mut all) = (Count3::new(axes.clone()), Count3::new(axes));
        points.iter().for_each(|&(x, y, z)| each.fill(x, y, z));
        all.fill_all(points);
        equal(&all.view(), &each.view());
    }
}

#[test]
fn filling_varied_is_filling_each_variation() {
    let mut numbers = Numbers(16);
    for (axis, low, high) in axes_of_numbers() {
        let values = around_edges(&axis, low, high, &mut numbers);
        let names = ["nominal", "up", "down"];
        let axes = [Axis::category(names), axis];
        for values in [&values[..], &values[..100], &[]] {
            let weights: Vec<[f64; 3]> =
                values.iter().map(|_| [1.0, numbers.next(), numbers.next() - 0.1]).collect();
            let [mut each, mut one, mut all] = [(); 3].map(|()| Hist2::new(axes.clone()));
            for (&x, weights) in values.iter().zip(&weights) {
                (0..3).for_each(|variation| each.fill(names[variation], x, weights[variation]));
                one.fill_varied(x, *weights);
            }
            all.fill_all_varied(
                values.iter().copied().zip(weights.iter().map(|weights| weights.iter().copied())),
            );
            equal_bins(&one.view(), &each.view());
            equal(&all.view(), &one.view());
            // The sums of an entry's variations are added up before they are multiplied by its coordinate.
            let largest = low.abs().max(high.abs()).max(1.0);
            for (one, each) in one.statistics().iter().zip(each.statistics()) {
                assert!((one - each).abs() <= 1e-8 * largest * largest, "{one} {each}");
            }
        }
    }
}

/// Enough variations for the loop that is compiled for wider vectors, and weights that are no numbers.
#[test]
fn many_variations_have_the_sums_of_each() {
    const V: i32 = 41;
    let mut numbers = Numbers(18);
    let [mut each, mut one, mut all] =
        [(); 3].map(|()| Hist2::new([Axis::integer(0, V), Axis::regular(10, 0.0, 1.0)]));
    let rows: Vec<(f64, Vec<f64>)> = (0..1000)
        .map(|i| {
            let weight = |_| if i % 400 == 399 { f64::INFINITY } else { numbers.next() - 0.3 };
            let weights = (0..V).map(weight).collect();
            (if i % 400 == 399 { 7.0 } else { 1.2 * numbers.next() - 0.1 }, weights)
        })
        .collect();
    for (y, weights) in &rows {
        weights.iter().zip(0..).for_each(|(&weight, variation)| each.fill(variation, *y, weight));
        one.fill_varied(*y, weights.iter().copied());
    }
    all.fill_all_varied(rows.iter().map(|(y, weights)| (*y, weights.iter().copied())));
    equal(&all.view(), &one.view());
    assert_eq!((each.non_finite_weights(), one.non_finite_weights()), (2 * 41, 2 * 41));
    for (one, each) in one.statistics().iter().zip(each.statistics()) {
        assert!((one - each).abs() <= 1e-12 * each.abs(), "{one} {each}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_counted_wherever_they_are() {
    let weights = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN, f64::MAX, 1e200, 0.0, -1.0];
    let mut numbers = Numbers(19);
    let points: Vec<(f64, f64, f64)> = (0..3000)
        .map(|i| {
            (3.0 * numbers.next() - 1.0, numbers.next(), if i % 7 == 0 { weights[i / 7 % 8] } else { 1.0 })
        })
        .collect();
    let want = points.iter().filter(|point| !point.2.is_finite()).count() as u64;
    assert!(want > 200);
    let axis = || Axis::regular(4, 0.0, 1.0);
    let (mut each, mut all) = (Hist::new(axis()), Hist::new(axis()));
    points.iter().for_each(|&(x, _, weight)| each.fill(x, weight));
    all.fill_all(points.iter().map(|&(x, _, weight)| (x, weight)));
    equal(&each.view(), &all.view());
    assert_eq!(each.non_finite_weights(), want);
    let (mut each, mut all, mut any) =
        (Hist2::new([axis(), axis()]), Hist2::new([axis(), axis()]), HistN::new(vec![axis(); 4]));
    points.iter().for_each(|&(x, y, weight)| each.fill(x, y, weight));
    all.fill_all(points.iter().copied());
    let [x, y, weights]: [Vec<f64>; 3] = [
        points.iter().map(|point| point.0).collect(),
        points.iter().map(|point| point.1).collect(),
        points.iter().map(|point| point.2).collect(),
    ];
    any.fill_all(&[&x, &y, &x, &y], &weights);
    let mut any_each = HistN::new(vec![axis(); 4]);
    points.iter().for_each(|&(x, y, weight)| any_each.fill(&[x, y, x, y], weight));
    equal(&each.view(), &all.view());
    equal(&any_each.view(), &any.view());
    assert_eq!((all.non_finite_weights(), any.non_finite_weights()), (want, want));
    let mut twice = all.clone();
    twice.merge(all).unwrap();
    assert_eq!(twice.non_finite_weights(), 2 * want);
}

#[test]
fn each_variation_must_have_a_weight() {
    let fill = |weights: &'static [f64], times: usize| {
        let mut hist = Hist2::new([Axis::integer(0, 3), Axis::regular(4, 0.0, 1.0)]);
        std::panic::catch_unwind(move || {
            hist.fill_all_varied(std::iter::repeat_n((0.5, weights.iter().copied()), times));
        })
    };
    for times in [1, 300] {
        assert!(fill(&[1.0, 2.0, 3.0], times).is_ok());
        for wrong in [&[][..], &[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0]] {
            let said = *fill(wrong, times).unwrap_err().downcast::<String>().unwrap();
            assert_eq!(said, "one weight for each of 3 variations");
        }
    }
}

#[test]
fn names_are_filled_all_too() {
    let mut names = Count::new(Axis::growing_category());
    names.fill_all(["mu", "e", "mu"]);
    names.fill_where([("e", true), ("tau", false)]);
    assert_eq!((names.value([1]), names.value([2]), names.entries()), (2.0, 2.0, 4));

    // In blocks, where the axis does not grow, and one by one, where it does.
    let known = ["mu", "e", "tau"];
    for axis in [Axis::category(["mu", "e"]), Axis::growing_category()] {
        let axes = [axis, Axis::regular(5, 0.0, 1.0)];
        let points = (0..1000).map(|i| (known[i * i % 7 % 3], i as f64 / 800.0, 0.1 * i as f64));
        let [mut each, mut all] = [(); 2].map(|()| Hist2::new(axes.clone()));
        points.clone().for_each(|(name, x, weight)| each.fill(name, x, weight));
        all.fill_all(points);
        equal(&all.view(), &each.view());
        let [mut each, mut all] = [(); 2].map(|()| Hist2::new([axes[1].clone(), axes[0].clone()]));
        let points = (0..1000).map(|i| (known[i * i % 7 % 3], [0.1 * i as f64; 5]));
        points.clone().for_each(|(name, weights)| each.fill_varied(name, weights));
        all.fill_all_varied(points);
        equal(&all.view(), &each.view());
    }
}

#[test]
fn selected_pairs_are_those_of_the_plain_loops() {
    for (seed, most) in [(12, 3), (13, 9), (14, 60)] {
        let events = random_events(seed, 600, most);
        let good = |a: Jet, b: Jet| a.eta * b.eta < 0.0 || a.pt > 60.0;
        let chosen = events.select(|event| event.muons.len() != 1);
        let (all, some) = (events.jets.select_pairs(good), events.jets.select_pairs_of(&chosen, good));
        assert_eq!((all.event_count(), some.event_count()), (events.len(), chosen.len()));
        let none = events.jets.select_pairs(|_, _| false);
        assert!(none.is_empty() && none.masses().is_empty() && !none.any([]).contains(&true));

        let plain = |rows: Vec<List<'_, Jet>>, pairs: hep_analysis::pairs::PairSelection<'_, Jet>| {
            let masses = pairs.masses();
            let any = pairs.any(masses.iter().map(|&mass| mass > 60.0 && mass < 120.0));
            for target in [91.2, 0.0, f64::INFINITY, f64::NAN] {
                let closest = pairs.closest_to(target);
                assert_eq!(closest.len(), rows.len());
                let (mut left, mut found) = (masses.iter(), pairs.iter());
                for (number, jets) in rows.iter().enumerate() {
                    let of_event: Vec<_> =
                        (0..jets.len()).pairs().filter(|&(i, j)| good(jets.at(i), jets.at(j))).collect();
                    let mass = |(i, j): (usize, usize)| (jets.at(i).p4() + jets.at(j).p4()).mass();
                    for &(i, j) in &of_event {
                        let (ours, plain) = (*left.next().unwrap(), mass((i, j)));
                        assert!(ours.to_bits() == plain.to_bits() || ours.is_nan() && plain.is_nan());
                        let objects = [jets.at(i), jets.at(j)].map(|jet| jet.pt.to_bits());
                        assert_eq!(found.next().unwrap().map(|jet| jet.pt.to_bits()), objects);
                    }
                    let within = |&pair: &(usize, usize)| mass(pair) > 60.0 && mass(pair) < 120.0;
                    assert_eq!(any[number], of_event.iter().any(within));
                    let best = of_event.into_iter().closest_to(target, |&pair| mass(pair));
                    assert_eq!(
                        closest[number].map(|pair| pair.places),
                        best.map(|(i, j)| [i, j]),
                        "{target}"
                    );
                }
                assert!(left.next().is_none() && found.next().is_none());
            }
        };
        plain(events.iter().map(|event| event.jets).collect(), all);
        plain(chosen.iter().map(|event| event.jets).collect(), some);
    }
}
