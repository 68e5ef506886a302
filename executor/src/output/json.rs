//! The output as JSON: histograms in the UHI serialisation schema (scikit-hep, `uhi_schema` 1), which
//! `boost_histogram` and `hist` read back.

use serde_json::{Map, Value, json};

use super::objects;
use crate::Object;
use crate::hist::{AnyHist, Axis, Bins};
use crate::run::Outcome;

pub(super) fn text(outcome: &Outcome, processor: &str) -> String {
    let datasets: Map<String, Value> = outcome
        .datasets
        .iter()
        .map(|dataset| {
            let objects: Map<String, Value> =
                objects(dataset, processor).into_iter().map(|(path, object)| (path, value(object))).collect();
            let value = json!({ "metadata": dataset.dataset.metadata, "objects": objects });
            (dataset.dataset.name.clone(), value)
        })
        .collect();
    let value = json!({ "processor": processor, "datasets": datasets, "ledger": outcome.ledger });
    format!("{value}\n")
}

fn value(object: Object) -> Value {
    match object {
        Object::Histogram(histogram) => uhi(&histogram),
        Object::Cutflow(cutflow) => json!({ "cutflow": cutflow.rows() }),
        Object::Number(number) => json!({ "number": number }),
    }
}

fn uhi(histogram: &AnyHist) -> Value {
    let axes: Vec<Value> = histogram.axes.iter().map(axis).collect();
    let nested = |cells: &[f64]| nested(cells, &histogram.axes, 1, 0);
    let storage = match &histogram.sumw2 {
        Some(sumw2) => {
            json!({ "type": "weighted", "values": nested(&histogram.sumw), "variances": nested(sumw2) })
        }
        None => json!({ "type": "double", "values": nested(&histogram.sumw) }),
    };
    json!({
        "uhi_schema": 1,
        "writer_info": { "hep-run": { "version": env!("CARGO_PKG_VERSION"), "entries": histogram.entries } },
        "metadata": { "title": histogram.title },
        "axes": axes,
        "storage": storage,
    })
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
fn nested(cells: &[f64], axes: &[Axis], stride: usize, at: usize) -> Value {
    let Some((axis, rest)) = axes.split_first() else {
        return cells.get(at).copied().map_or(Value::Null, Value::from);
    };
    let first = usize::from(matches!(axis.bins(), Bins::Category(_)));
    let places = first..axis.len() + 2;
    places.map(|place| nested(cells, rest, stride * (axis.len() + 2), at + place * stride)).collect()
}
