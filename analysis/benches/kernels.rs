//! `cargo bench -p hep-analysis --bench kernels [-- NAME]`
//!
//! What the loops cost that follow decompression: nanoseconds a fill, a four-momentum, a combination, an event;
//! the least of several runs on one thread, over generated events of the size of a batch. With `NAME`, only what
//! contains it: then `perf stat -e instructions:u` says more than the time.
#![allow(clippy::print_stdout)]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, ListArray, PrimitiveArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use hep_analysis::prelude::*;
use hep_columns::Batch;

extern crate hep_analysis as hep_run;

/// Repetitions, of which the fastest counts: the machine may be shared.
const REPEAT: usize = 200;
const EVENTS: usize = 16_384;

#[derive(Columnar)]
struct Event {
    #[column("Jet")]
    jets: Jagged<Charged>,
    #[column("Muon")]
    muons: Jagged<Charged>,
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| argument != "--bench");
    let events = Events::<Event>::new(batch()).expect("the columns are there");
    let jets = events.jets.pt.len();
    let triples: usize = events.iter().map(|event| event.jets.iter().triples().count()).sum();
    let measure = |name: &str, each: &str, count: usize, run: &mut dyn FnMut()| {
        if only.as_ref().is_some_and(|only| !name.contains(only)) {
            return;
        }
        let mut least = f64::MAX;
        for _ in 0..REPEAT {
            let start = Instant::now();
            run();
            least = least.min(start.elapsed().as_secs_f64());
        }
        println!("{name:<44} {:8.2} ns a {each}", least * 1e9 / count as f64);
    };

    let axis = || Axis::regular(100, 15.0, 60.0);
    let even = || Axis::variable((0..=100).map(|i| 15.0 + 0.45 * f64::from(i)));
    let logarithmic = || Axis::variable((0..=100).map(|i| 15.0 * 20.0_f64.powf(f64::from(i) / 100.0)));
    let bins: [(&str, &dyn Fn() -> Axis); 4] = [
        ("regular", &axis),
        ("variable, even", &even),
        ("variable, logarithmic", &logarithmic),
        ("integer", &|| Axis::integer(0, 100)),
    ];
    let (pts, etas) = (&*events.jets.pt, &*events.jets.eta);
    // Weights of each jet: the first, and as many as an analysis with theory variations has.
    let mut numbers = Numbers(2);
    let weights: Vec<[f64; 41]> = pts.iter().map(|_| [(); 41].map(|()| numbers.next() + 0.5)).collect();
    let weight: Vec<f64> = weights.iter().map(|weights| weights[0]).collect();
    for (name, axis) in bins {
        let mut count = Count::new(axis());
        let name = |what| format!("{what}: {name}");
        measure(&name("fill, counts"), "fill", jets, &mut || pts.iter().for_each(|&pt| count.fill(pt)));
        measure(&name("fill_all, counts"), "fill", jets, &mut || count.fill_all(pts.iter().copied()));
        let mut hist = Hist::new(axis());
        let points = || pts.iter().copied().zip(weight.iter().copied());
        measure(&name("fill, weights"), "fill", jets, &mut || points().for_each(|(pt, w)| hist.fill(pt, w)));
        measure(&name("fill_all, weights"), "fill", jets, &mut || hist.fill_all(points()));
    }
    let eta = || Axis::regular(50, -2.5, 2.5);
    for (name, axes) in [("two regular", [axis(), eta()]), ("variable and regular", [logarithmic(), eta()])] {
        let points = || (0..jets).map(|i| (pts[i], etas[i], weight[i]));
        let mut hist = Hist2::new(axes.clone());
        let name = |what| format!("{what}: {name}");
        measure(&name("fill, weights"), "fill", jets, &mut || {
            points().for_each(|(x, y, w)| hist.fill(x, y, w));
        });
        measure(&name("fill_all, weights"), "fill", jets, &mut || hist.fill_all(points()));
        let mut hist = HistN::new(axes.to_vec());
        let columns = [pts, etas].map(|column| column.iter().map(|&x| x.into()).collect::<Vec<f64>>());
        let [x, y] = &columns;
        measure(&name("fill, weights, HistN"), "fill", jets, &mut || {
            (0..jets).for_each(|i| hist.fill(&[x[i], y[i]], weight[i]));
        });
        measure(&name("fill_all, weights, HistN"), "fill", jets, &mut || hist.fill_all(&[x, y], &weight));
    }
    varied::<3>(&measure, pts, &weights);
    varied::<41>(&measure, pts, &weights);

    measure("p4 of each jet", "jet", jets, &mut || {
        for event in &events {
            black_box(event.jets.iter().map(|jet| jet.p4()).sum::<P4>());
        }
    });
    measure("four_momenta of the column", "jet", jets, &mut || {
        let mut four_momenta = events.jets.four_momenta();
        for event in &events {
            black_box(four_momenta.of(event.jets).len());
        }
    });

    measure("triples().closest_to", "triple", triples, &mut || {
        let mut jets = Vec::new();
        for event in &events {
            jets.clear();
            jets.extend(event.jets.iter().map(|jet| jet.p4()));
            let mass = |(a, b, c): &(P4, P4, P4)| (*a + *b + *c).mass();
            black_box(jets.iter().copied().triples().closest_to(172.5, mass));
        }
    });
    measure("closest_triple", "triple", triples, &mut || {
        let mut four_momenta = events.jets.four_momenta();
        for event in &events {
            black_box(four_momenta.of(event.jets).closest_triple(172.5));
        }
    });
    measure("closest_triples of the column", "triple", triples, &mut || {
        events.jets.closest_triples(172.5).for_each(|triple| _ = black_box(triple.p4()));
    });

    let pairs: usize =
        events.iter().map(|event| event.jets.len() * event.jets.len().saturating_sub(1) / 2).sum();
    measure("pairs() and their masses", "pair", pairs, &mut || {
        let mut four_momenta = events.jets.four_momenta();
        for event in &events {
            let jets = four_momenta.of(event.jets);
            black_box((0..jets.len()).pairs().map(|(i, j)| jets.sum([i, j]).mass()).sum::<f64>());
        }
    });
    measure("select_pairs and their masses", "pair", pairs, &mut || {
        black_box(events.jets.select_pairs(|_, _| true).masses().iter().sum::<f64>());
    });

    measure("delta_r in a loop over events", "event", EVENTS, &mut || {
        for event in &events {
            for jet in event.jets {
                black_box(event.muons.iter().any(|muon| muon.pt > 10.0 && jet.delta_r(&muon) < 0.4));
            }
        }
    });
    measure("away_from", "event", EVENTS, &mut || {
        let jets = events.jets.select(|_| true);
        black_box(jets.away_from(&events.muons, 0.4, |muon| muon.pt > 10.0).len());
    });
    measure("count in a loop over events", "event", EVENTS, &mut || {
        let hard = |jets: List<'_, Charged>| jets.iter().filter(|jet| jet.pt > 40.0).count();
        black_box(events.iter().filter(|event| hard(event.jets) >= 2).count());
    });
    measure("count_where", "event", EVENTS, &mut || {
        black_box(events.jets.count_where(|jet| jet.pt > 40.0).iter().filter(|&&hard| hard >= 2).count());
    });
}

/// `V` variations of a weight: an axis of them filled bin by bin, and the bin of the number found once.
fn varied<const V: usize>(
    measure: &impl Fn(&str, &str, usize, &mut dyn FnMut()),
    pts: &[f32],
    weights: &[[f64; 41]],
) {
    let book = || Hist2::new([Axis::integer(0, V as i32), Axis::regular(100, 15.0, 60.0)]);
    let weights: Vec<[f64; V]> = weights.iter().map(|of_each| std::array::from_fn(|i| of_each[i])).collect();
    let points = || pts.iter().copied().zip(&weights);
    let (count, each) = (pts.len() * V, "weight");
    let [mut one, mut varied, mut all] = [(); 3].map(|()| book());
    measure(&format!("fill: {V} variations"), each, count, &mut || {
        points().for_each(|(pt, weights)| {
            weights.iter().zip(0_i32..).for_each(|(&weight, variation)| one.fill(variation, pt, weight));
        });
    });
    measure(&format!("fill_varied: {V} variations"), each, count, &mut || {
        points().for_each(|(pt, weights)| varied.fill_varied(pt, weights.iter().copied()));
    });
    measure(&format!("fill_all_varied: {V} variations"), each, count, &mut || {
        all.fill_all_varied(points().map(|(pt, weights)| (pt, weights.iter().copied())));
    });
}

/// Numbers of a linear congruential generator (Knuth's MMIX), the same in each run.
struct Numbers(u64);

impl Numbers {
    /// In `0..1`.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn batch() -> Batch {
    let mut numbers = Numbers(1);
    let (mut names, mut columns) = (HashMap::new(), Vec::<ArrayRef>::new());
    for (name, mean) in [("Jet", 4.0_f64), ("Muon", 1.3)] {
        // Geometrically distributed numbers of objects.
        let counts: Vec<usize> = (0..EVENTS)
            .map(|_| ((1.0 - numbers.next()).ln() / (mean / (1.0 + mean)).ln()) as usize)
            .collect();
        let objects = counts.iter().sum();
        let offsets = OffsetBuffer::<i32>::from_lengths(counts.iter().map(|&count| count.min(12)));
        let mut floats = |make: &dyn Fn(f64) -> f64| -> ArrayRef {
            Arc::new(
                (0..objects)
                    .map(|_| Some(make(numbers.next()) as f32))
                    .collect::<PrimitiveArray<Float32Type>>(),
            )
        };
        let values = [
            ("pt", floats(&|x| 15.0 - 20.0 * (1.0 - x).ln())),
            ("eta", floats(&|x| 5.0 * x - 2.5)),
            ("phi", floats(&|x| 6.2 * x - 3.1)),
            ("mass", floats(&|x| 10.0 * x)),
            (
                "charge",
                Arc::new(
                    (0..objects).map(|i| Some(1 - 2 * (i as i32 % 2))).collect::<PrimitiveArray<Int32Type>>(),
                ),
            ),
        ];
        for (field, values) in values {
            let kind = if field == "charge" { DataType::Int32 } else { DataType::Float32 };
            let last = offsets.last() as usize;
            let list = ListArray::new(
                Arc::new(Field::new_list_field(kind, false)),
                offsets.clone(),
                values.slice(0, last),
                None,
            );
            names.insert(format!("{name}_{field}"), columns.len());
            columns.push(Arc::new(list));
        }
    }
    Batch::new(0..EVENTS as u64, Arc::new(names), columns)
}
