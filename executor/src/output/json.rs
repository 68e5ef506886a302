//! The output as JSON: histograms in the UHI serialisation schema (scikit-hep, `uhi_schema` 1), which
//! `boost_histogram` and `hist` read back.

use std::io::{self, Write};

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::each_object;
use crate::Object;
use crate::hist::{AnyHist, Axis, Bins};
use crate::ledger::Ledger;
use crate::run::{DatasetOutcome, Outcome};

/// Written as it goes: as one value in memory, a bin would take many times its eight bytes.
pub(super) fn write(outcome: &Outcome, processor: &str, to: &mut dyn Write) -> io::Result<()> {
    let datasets = Datasets { datasets: &outcome.datasets, processor };
    serde_json::to_writer(&mut *to, &Written { processor, datasets, ledger: &outcome.ledger })?;
    to.write_all(b"\n")
}

#[derive(Serialize)]
struct Written<'a> {
    processor: &'a str,
    datasets: Datasets<'a>,
    ledger: &'a Ledger,
}

struct Datasets<'a> {
    datasets: &'a [DatasetOutcome],
    processor: &'a str,
}

#[derive(Serialize)]
struct Dataset<'a> {
    metadata: &'a serde_json::Map<String, Value>,
    objects: Objects<'a>,
}

struct Objects<'a> {
    dataset: &'a DatasetOutcome,
    processor: &'a str,
}

impl Serialize for Datasets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.datasets.iter().map(|dataset| {
            let objects = Objects { dataset, processor: self.processor };
            (&dataset.dataset.name, Dataset { metadata: &dataset.dataset.metadata, objects })
        }))
    }
}

impl Serialize for Objects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        each_object(self.dataset, self.processor, |path, object| match object {
            Object::Histogram(histogram) => map.serialize_entry(path, &Uhi::of(&histogram)),
            Object::Cutflow(cutflow) => map.serialize_entry(path, &json!({ "cutflow": cutflow.rows() })),
            Object::Number(number) => map.serialize_entry(path, &json!({ "number": number })),
        })?;
        map.end()
    }
}

#[derive(Serialize)]
struct Uhi<'a> {
    uhi_schema: u32,
    writer_info: Value,
    metadata: Value,
    axes: Vec<Value>,
    storage: Storage<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Storage<'a> {
    Weighted { values: Nested<'a>, variances: Nested<'a> },
    Double { values: Nested<'a> },
}

impl<'a> Uhi<'a> {
    fn of(histogram: &'a AnyHist) -> Self {
        let nested = |cells: &'a [f64]| Nested { cells, axes: &histogram.axes, stride: 1, at: 0 };
        let values = nested(&histogram.sumw);
        Self {
            uhi_schema: 1,
            writer_info: json!({
                "hep-run": { "version": env!("CARGO_PKG_VERSION"), "entries": histogram.entries }
            }),
            metadata: metadata(histogram),
            axes: histogram.axes.iter().map(axis).collect(),
            storage: match &histogram.sumw2 {
                Some(sumw2) => Storage::Weighted { values, variances: nested(sumw2) },
                None => Storage::Double { values },
            },
        }
    }
}

/// The title, and the sums of which means and standard deviations are made, called as in ROOT. What is not finite is
/// `null`, as in the bins.
fn metadata(histogram: &AnyHist) -> Value {
    const UP_TO_THREE: [&str; 11] = [
        "sumw", "sumw2", "sumwx", "sumwx2", "sumwy", "sumwy2", "sumwxy", "sumwz", "sumwz2", "sumwxz",
        "sumwyz",
    ];
    let name = |at: usize| match at {
        0 | 1 => UP_TO_THREE[at].to_owned(),
        _ if histogram.axes.len() <= 3 => UP_TO_THREE[at].to_owned(),
        _ => format!("sumwx{}_{}", if at.is_multiple_of(2) { "" } else { "2" }, at / 2 - 1),
    };
    let mut metadata = json!({ "title": histogram.title });
    for (at, sum) in histogram.statistics.iter().enumerate() {
        metadata[name(at)] = json!(sum);
    }
    if histogram.non_finite_weights > 0 {
        metadata["non_finite_weights"] = histogram.non_finite_weights.into();
    }
    metadata
}

fn axis(axis: &Axis) -> Value {
    let mut value = match axis.bins() {
        Bins::Variable(bins) => json!({ "type": "variable", "edges": bins.edges() }),
        Bins::Category(bins) => json!({ "type": "category_str", "categories": bins.names(), "flow": true }),
        Bins::Integer(bins) => {
            json!({ "type": "regular", "lower": bins.low(), "upper": bins.high(), "bins": bins.bins() })
        }
        Bins::Regular(bins) => {
            json!({ "type": "regular", "lower": bins.low(), "upper": bins.high(), "bins": bins.bins() })
        }
    };
    if !matches!(axis.bins(), Bins::Category(_)) {
        value["underflow"] = true.into();
        value["overflow"] = true.into();
        value["circular"] = false.into();
    }
    value["metadata"] = json!({ "label": axis.title(), "name": axis.id() });
    value
}

/// The cells as nested arrays, the first axis outermost. A category axis has no underflow in UHI.
struct Nested<'a> {
    cells: &'a [f64],
    axes: &'a [Axis],
    stride: usize,
    at: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { cells, axes, stride, at } = *self;
        let Some((axis, rest)) = axes.split_first() else {
            let cell = cells.get(at).ok_or_else(|| S::Error::custom("a bin is missing"))?;
            return cell.serialize(serializer);
        };
        let first = usize::from(matches!(axis.bins(), Bins::Category(_)));
        let inner = |place: usize| Nested {
            cells,
            axes: rest,
            stride: stride * (axis.len() + 2),
            at: at + place * stride,
        };
        serializer.collect_seq((first..axis.len() + 2).map(inner))
    }
}
