//! How much of the processing is the filling of histograms, estimated when a run is over.
//!
//! Timing each fill would cost more than the fill. A histogram knows how often it was filled; so fills like
//! those it had, a bounded number of them, go into an empty one with the same axes and storage, once with a call
//! each and once as whole columns, and their time is multiplied. Which of the two it was is not known, so there are
//! two estimates: how much a processor that fills one by one would gain from columns is their difference. Values
//! are the bins' centres, as often as the bins' contents say, in an order that jumps between bins. What an event
//! loop adds around its fills, caches that it has emptied for example, is not in it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Object;
use crate::hist::{AnyHist, Axis, Bins, Coordinate, Count, Count2, Count3, Hist, Hist2, Hist3, HistN};
use crate::run::DatasetOutcome;

/// Fills that are timed of one histogram, and of all.
const MOST: u64 = 100_000;
const MOST_OF_ALL: u64 = 20_000_000;
/// And of each of very many.
const LEAST: u64 = 1_000;

/// What filling a histogram took, estimated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FillEstimate {
    /// The dataset.
    pub dataset: String,
    /// The histogram's name in the output.
    pub histogram: String,
    /// How often it was filled.
    pub fills: u64,
    /// Time for one fill, measured.
    pub nanoseconds_per_fill: f64,
    /// Time for one of a whole column, with `fill_all`; none where an axis is filled with names.
    pub nanoseconds_in_columns: Option<f64>,
    /// Time for all, one by one.
    pub seconds: f64,
}

impl FillEstimate {
    /// Time for all in whole columns, or one by one where that is faster or the only way.
    pub fn least_seconds(&self) -> f64 {
        let each = self.nanoseconds_in_columns.unwrap_or(f64::INFINITY).min(self.nanoseconds_per_fill);
        each * self.fills as f64 / 1e9
    }
}

/// Estimates the time that filling took for every histogram that was filled, those that took longest first.
pub(crate) fn estimate(datasets: &[DatasetOutcome], processor: &str) -> Vec<FillEstimate> {
    let mut histograms = 0;
    for dataset in datasets {
        dataset.output.objects("", &mut |_, object| histograms += u64::from(fills(&object) > 0));
    }
    let most = (MOST_OF_ALL / histograms.max(1)).clamp(LEAST, MOST);
    let mut estimates = Vec::new();
    for dataset in datasets {
        dataset.output.objects("", &mut |path, object| {
            if let Object::Histogram(histogram) = object
                && histogram.entries > 0
                && let Some((each, in_columns)) = nanoseconds(&histogram, most)
            {
                estimates.push(FillEstimate {
                    dataset: dataset.dataset.name.clone(),
                    histogram: if path.is_empty() { processor } else { path }.to_owned(),
                    fills: histogram.entries,
                    nanoseconds_per_fill: each,
                    nanoseconds_in_columns: in_columns,
                    seconds: each * histogram.entries as f64 / 1e9,
                });
            }
        });
    }
    estimates.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    estimates
}

fn fills(object: &Object) -> u64 {
    match object {
        Object::Histogram(histogram) => histogram.entries,
        _ => 0,
    }
}

/// Of one fill, alone and of a column: the best of several, as others use the machine too. None of a histogram
/// without content.
fn nanoseconds(histogram: &AnyHist, most: u64) -> Option<(f64, Option<f64>)> {
    const REPEAT: usize = 3;
    let n = histogram.entries.min(most) as usize;
    let (axes, weighted, values) = (&histogram.axes, histogram.sumw2.is_some(), values(histogram, n)?);
    let each = |time: Duration| time.as_nanos() as f64 / n as f64;
    let alone = (0..REPEAT).map(|_| one_by_one(axes, weighted, &values)).min()?;
    // Names are in no column of numbers.
    let numbers: Option<Vec<f64>> = values.iter().map(Value::number).collect();
    let in_columns =
        numbers.and_then(|numbers| (0..REPEAT).map(|_| whole_columns(axes, weighted, &numbers)).min());
    Some((each(alone), in_columns.map(each)))
}

/// A coordinate that is only known to be one when the program runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    Number(f64),
    Name(&'a str),
}

impl Value<'_> {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(_) => None,
        }
    }
}

impl Coordinate for Value<'_> {
    #[inline(always)]
    fn index(self, axis: &Axis) -> usize {
        match self {
            Self::Number(number) => axis.index_of_number(number),
            Self::Name(name) => axis.index_of_name(name),
        }
    }

    #[inline(always)]
    fn category(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// `n` points, one coordinate of each axis after the other: bins' centres, each about as often as its content is of
/// all. None where all bins are empty.
fn values(histogram: &AnyHist, n: usize) -> Option<Vec<Value<'_>>> {
    let mut filled = Vec::new();
    let mut sum = 0.0;
    for (cell, content) in histogram.sumw.iter().enumerate().filter(|(_, content)| **content != 0.0) {
        sum += content.abs();
        filled.push((sum, cell));
    }
    if filled.is_empty() || !sum.is_finite() {
        return None;
    }
    // The golden ratio: points are spread evenly at any time, and neighbours are far apart.
    const STEP: f64 = 0.618_033_988_749_894_9;
    let mut values = Vec::with_capacity(n * histogram.axes.len());
    for point in 0..n {
        let place = (point as f64 * STEP).fract() * sum;
        let at = filled.partition_point(|(sum, _)| *sum <= place).min(filled.len() - 1);
        let mut rest = filled[at].1;
        for axis in &histogram.axes {
            values.push(centre(axis, rest % (axis.len() + 2)));
            rest /= axis.len() + 2;
        }
    }
    Some(values)
}

/// Something in the bin at `place` of an axis.
fn centre(axis: &Axis, place: usize) -> Value<'_> {
    let middle = |edges: (f64, f64)| Value::Number(edges.0 + (edges.1 - edges.0) / 2.0);
    let beside = |low: f64, high: f64, place: usize| match place {
        0 => Value::Number(low - (high - low)),
        _ => Value::Number(high + (high - low)),
    };
    let is_flow = place == 0 || place > axis.len();
    match axis.bins() {
        Bins::Regular(bins) if is_flow => beside(bins.low(), bins.high(), place),
        Bins::Regular(bins) => {
            let width = (bins.high() - bins.low()) / bins.bins() as f64;
            let low = bins.low() + width * (place - 1) as f64;
            middle((low, low + width))
        }
        Bins::Integer(bins) if is_flow => beside(bins.low().into(), bins.high().into(), place),
        Bins::Integer(bins) => Value::Number(f64::from(bins.low()) + (place - 1) as f64),
        Bins::Variable(bins) => match bins.edges() {
            [low, .., high] if is_flow => beside(*low, *high, place),
            edges => middle((edges[place - 1], edges[place])),
        },
        // A name that is none of the axis's is looked for among all.
        Bins::Category(bins) => {
            Value::Name(bins.names().get(place.wrapping_sub(1)).map_or("", String::as_str))
        }
    }
}

/// The time of filling an empty histogram with the points, one call each.
fn one_by_one(axes: &[Axis], weighted: bool, values: &[Value<'_>]) -> Duration {
    match (axes, weighted) {
        ([x], true) => timed(Hist::new(x.clone()), |histogram| {
            points(values).for_each(|[x]| histogram.fill(x, 1.0));
        }),
        ([x], false) => timed(Count::new(x.clone()), |histogram| {
            points(values).for_each(|[x]| histogram.fill(x));
        }),
        ([x, y], true) => timed(Hist2::new([x.clone(), y.clone()]), |histogram| {
            points(values).for_each(|[x, y]| histogram.fill(x, y, 1.0));
        }),
        ([x, y], false) => timed(Count2::new([x.clone(), y.clone()]), |histogram| {
            points(values).for_each(|[x, y]| histogram.fill(x, y));
        }),
        ([x, y, z], true) => timed(Hist3::new([x.clone(), y.clone(), z.clone()]), |histogram| {
            points(values).for_each(|[x, y, z]| histogram.fill(x, y, z, 1.0));
        }),
        ([x, y, z], false) => timed(Count3::new([x.clone(), y.clone(), z.clone()]), |histogram| {
            points(values).for_each(|[x, y, z]| histogram.fill(x, y, z));
        }),
        _ => {
            let numbers: Vec<f64> = values.iter().map(|value| value.number().unwrap_or(0.0)).collect();
            timed(HistN::new(axes.to_vec()), |histogram| {
                numbers.chunks_exact(axes.len().max(1)).for_each(|point| histogram.fill(point, 1.0));
            })
        }
    }
}

/// The time of filling one with whole columns of them.
fn whole_columns(axes: &[Axis], weighted: bool, numbers: &[f64]) -> Duration {
    match (axes, weighted) {
        ([x], true) => timed(Hist::new(x.clone()), |histogram| {
            histogram.fill_all(points(numbers).map(|[x]| (x, 1.0)));
        }),
        ([x], false) => timed(Count::new(x.clone()), |histogram| {
            histogram.fill_all(points(numbers).map(|[x]| x));
        }),
        ([x, y], true) => timed(Hist2::new([x.clone(), y.clone()]), |histogram| {
            histogram.fill_all(points(numbers).map(|[x, y]| (x, y, 1.0)));
        }),
        ([x, y], false) => timed(Count2::new([x.clone(), y.clone()]), |histogram| {
            histogram.fill_all(points(numbers).map(|[x, y]| (x, y)));
        }),
        ([x, y, z], true) => timed(Hist3::new([x.clone(), y.clone(), z.clone()]), |histogram| {
            histogram.fill_all(points(numbers).map(|[x, y, z]| (x, y, z, 1.0)));
        }),
        ([x, y, z], false) => timed(Count3::new([x.clone(), y.clone(), z.clone()]), |histogram| {
            histogram.fill_all(points(numbers).map(|[x, y, z]| (x, y, z)));
        }),
        _ => {
            let every = axes.len().max(1);
            let columns: Vec<Vec<f64>> = (0..axes.len())
                .map(|axis| numbers.iter().skip(axis).step_by(every).copied().collect())
                .collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let weights = vec![1.0; numbers.len() / every];
            timed(HistN::new(axes.to_vec()), |histogram| histogram.fill_all(&columns, &weights))
        }
    }
}

/// The coordinates of one point after the other.
fn points<T: Copy, const D: usize>(coordinates: &[T]) -> impl Iterator<Item = [T; D]> {
    coordinates.as_chunks().0.iter().copied()
}

fn timed<H>(mut histogram: H, fill: impl FnOnce(&mut H)) -> Duration {
    let start = Instant::now();
    fill(&mut histogram);
    let elapsed = start.elapsed();
    black_box(&histogram);
    elapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a histogram has when it was filled with the values that stand for its fills.
    fn again(histogram: &Hist) -> Hist {
        let view = histogram.view();
        let mut again = Hist::new(view.axes[0].clone());
        for value in values(&view, view.entries as usize).unwrap() {
            again.fill(value, 1.0);
        }
        again
    }

    #[test]
    fn fills_are_replayed_into_the_bins_they_were_in() {
        let axes =
            [Axis::regular(10, -1.0, 1.0), Axis::variable([-1.0, -0.3, 0.1, 0.7, 1.0]), Axis::integer(-1, 1)];
        for axis in axes {
            let mut histogram = Hist::new(axis.clone());
            // From −2 on: under- and overflow too.
            (0..40_000).for_each(|n| histogram.fill(f64::from(n) / 1e4 - 2.0, 1.0));
            let again = again(&histogram);
            for place in 0..axis.len() + 2 {
                let (all, of) = (again.value([place]), histogram.value([place]));
                assert!((all - of).abs() < 20.0, "{all} for {of} in {place} of {axis:?}");
            }
        }
        let mut names = Hist::new(Axis::category(["ee", "mumu"]));
        for name in ["ee", "mumu", "mumu", "tau"].repeat(1_000) {
            names.fill(name, 1.0);
        }
        let again = again(&names);
        for (place, fills) in [(1, 1_000.0), (2, 2_000.0), (3, 1_000.0)] {
            assert!((again.value([place]) - fills).abs() < 20.0, "{} of {fills}", again.value([place]));
        }
    }

    #[test]
    fn coordinates_are_those_of_the_cell() {
        let mut histogram = Hist2::new([Axis::regular(4, 0.0, 4.0), Axis::category(["a", "b"])]);
        histogram.fill(2.5, "b", 3.0);
        let view = histogram.view();
        assert_eq!(values(&view, 1).unwrap(), [Value::Number(2.5), Value::Name("b")]);
    }

    #[test]
    fn histograms_of_any_kind_can_be_replayed_and_empty_ones_need_not_be() {
        let axis = || Axis::regular(4, 0.0, 1.0);
        let mut count = Count::new(axis());
        count.fill(0.1);
        let mut many = HistN::new(vec![axis(), axis(), axis(), axis()]);
        many.fill(&[0.1; 4], 1.0);
        let mut of_none = HistN::new(Vec::new());
        of_none.fill(&[], 1.0);
        for view in [count.view(), many.view(), of_none.view()] {
            let (alone, in_columns) = nanoseconds(&view, 10).unwrap();
            assert!(alone.is_finite() && in_columns.is_some_and(f64::is_finite));
        }
        let mut cancelled = Hist::new(axis());
        cancelled.fill(0.1, 1.0);
        cancelled.fill(0.1, -1.0);
        assert!(nanoseconds(&cancelled.view(), 10).is_none());
        let mut names = Hist2::new([axis(), Axis::category(["a"])]);
        names.fill(0.1, "a", 1.0);
        assert!(nanoseconds(&names.view(), 10).is_some_and(|(_, in_columns)| in_columns.is_none()));
    }
}
