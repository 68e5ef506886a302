//! What `inspect` shows of histograms, graphs, efficiencies, parameters and texts.

use std::fmt::Write;

use hep_io::hist::{Axis, Histogram, ManyAxes};
use hep_io::object::{Efficiency, Graph, Object, Value as Number};
use hep_io::root::{Key, RootFile};
use serde_json::{Map, Value, json};

use crate::terminal;

/// An object in one line; the reason where it cannot be read, and nothing where its class is unknown.
pub(super) fn line(file: &RootFile, key: &Key) -> Option<Result<String, String>> {
    Some(read(file, key).transpose()?.map(|object| match object {
        Object::Histogram(histogram) => {
            let settled = settled(&histogram);
            format!("{}, {} entries", axes(&settled.0), settled.0.entries)
        }
        Object::ManyAxes(histogram) => {
            format!("{}, {} entries", many_axes(&histogram), histogram.entries)
        }
        Object::Efficiency(efficiency) => {
            let entries = |histogram: &Histogram| histogram.entries;
            let (passed, total) = (entries(&efficiency.passed), entries(&efficiency.total));
            format!("{}, {passed} of {total} entries passed", axes(&efficiency.total))
        }
        Object::Graph(graph) => format!("{} points", graph.points()),
        Object::Parameter(parameter) => format!("= {}", parameter.value),
        Object::Text(text) => quoted(&text),
        _ => String::new(),
    }))
}

/// The object that `key` names; none where its class is unknown.
pub(super) fn read(file: &RootFile, key: &Key) -> Result<Option<Object>, String> {
    Object::read(file, key).map_err(|error| error.to_string())
}

/// The histogram with its fills in bins, and why that cannot be done.
fn settled(histogram: &Histogram) -> (Histogram, Option<String>) {
    let mut settled = histogram.clone();
    let problem = settled.find_range().err();
    (settled, problem)
}

fn axes(histogram: &Histogram) -> String {
    axes_text(&histogram.axes)
}

fn axes_text(axes: &[Axis]) -> String {
    let one = |axis: &Axis| format!("{} bins {}..{}", axis.bins, axis.low, axis.high);
    axes.iter().map(one).collect::<Vec<_>>().join(" × ")
}

fn many_axes(histogram: &ManyAxes) -> String {
    let cells = ManyAxes::cells(&histogram.axes).unwrap_or_default();
    format!("{}, {} of {cells} bins filled", axes_text(&histogram.axes), histogram.bins.len())
}

fn many_axes_text(histogram: &ManyAxes, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}, {} entries  {}", many_axes(histogram), histogram.entries, histogram.title)?;
    let edges: Vec<Vec<f64>> = histogram.axes.iter().map(Axis::all_edges).collect();
    for &(bin, [content, square]) in &histogram.bins {
        let places = histogram.axes.iter().zip(&edges).zip(histogram.places(bin));
        let places: Vec<String> =
            places.map(|((axis, edges), place)| place_text(axis, edges, place as usize)).collect();
        writeln!(out, "  {}  {content} ± {}", places.join(", "), square.sqrt())?;
    }
    Ok(())
}

fn axes_json(axes: &[Axis]) -> Vec<Value> {
    let one = |axis: &Axis| {
        json!({
            "title": axis.title, "edges": axis.all_edges(),
            "labels": if axis.is_labelled() { json!(axis.labels) } else { Value::Null },
        })
    };
    axes.iter().map(one).collect()
}

/// The filled bins by their places, 0 for an underflow.
fn many_axes_json(histogram: &ManyAxes) -> Value {
    let places: Vec<Vec<u64>> = histogram.bins.iter().map(|(bin, _)| histogram.places(*bin)).collect();
    let numbers = |which: usize| histogram.bins.iter().map(|(_, cell)| cell[which]).collect::<Vec<f64>>();
    json!({
        "title": histogram.title, "entries": histogram.entries, "axes": axes_json(&histogram.axes),
        "filled": places, "values": numbers(0), "variances": numbers(1),
    })
}

/// The beginning of a text, on one line.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut line: String = text.chars().take(SHOWN).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    format!("{line:?}")
}

/// Everything an object holds, for people.
pub(super) fn text(path: &str, object: &Object) -> String {
    let mut out = format!("{} {}: ", object.class(), terminal::name(path));
    let _ = match object {
        Object::Histogram(histogram) => histogram_text(histogram, &mut out),
        Object::ManyAxes(histogram) => many_axes_text(histogram, &mut out),
        Object::Efficiency(efficiency) => efficiency_text(efficiency, &mut out),
        Object::Graph(graph) => graph_text(graph, &mut out),
        Object::Parameter(parameter) => writeln!(out, "{}", parameter.value),
        // Its further lines are indented: none passes for one of another object.
        Object::Text(text) => writeln!(out, "{}", terminal::message(text)),
        _ => writeln!(out),
    };
    out
}

fn histogram_text(histogram: &Histogram, out: &mut String) -> std::fmt::Result {
    let (histogram, problem) = settled(histogram);
    writeln!(
        out,
        "{}, {} entries  {}",
        axes(&histogram),
        histogram.entries,
        terminal::name(&histogram.title)
    )?;
    if let Some(problem) = problem {
        writeln!(out, "  {problem}")?;
    }
    bins(&histogram, out, |bin| {
        Some(format!("{} ± {}", histogram.value(bin)?, histogram.variance(bin)?.sqrt()))
    })
}

fn efficiency_text(efficiency: &Efficiency, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}  {}", axes(&efficiency.total), terminal::name(&efficiency.title))?;
    bins(&efficiency.total, out, |bin| {
        let (passed, total) = (efficiency.passed.value(bin)?, efficiency.total.value(bin)?);
        Some(format!("{passed} of {total}: {}", efficiency.value(bin)?))
    })
}

/// A line for each bin; of several axes only for bins that hold something.
fn bins(
    histogram: &Histogram,
    out: &mut String,
    content: impl Fn(usize) -> Option<String>,
) -> std::fmt::Result {
    let edges: Vec<Vec<f64>> = histogram.axes.iter().map(Axis::all_edges).collect();
    for bin in 0..histogram.contents.len() {
        let empty = histogram.contents[bin] == 0.0 && histogram.variance(bin) == Some(0.0);
        if empty && histogram.axes.len() > 1 {
            continue;
        }
        let mut rest = bin;
        let mut places = Vec::new();
        for (axis, edges) in histogram.axes.iter().zip(&edges) {
            let place = rest % (axis.bins + 2);
            rest /= axis.bins + 2;
            places.push(place_text(axis, edges, place));
        }
        if let Some(content) = content(bin) {
            writeln!(out, "  {}  {content}", places.join(", "))?;
        }
    }
    Ok(())
}

fn place_text(axis: &Axis, edges: &[f64], place: usize) -> String {
    let label = axis.labels.get(place.wrapping_sub(1)).filter(|label| !label.is_empty());
    match (label, edges.get(place.wrapping_sub(1)), edges.get(place)) {
        (Some(label), ..) => format!("{label:?}"),
        (_, Some(low), Some(high)) => format!("{low}..{high}"),
        _ if place == 0 => format!("below {}", axis.low),
        _ => format!("from {}", axis.high),
    }
}

fn graph_text(graph: &Graph, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{} points  {}", graph.points(), terminal::name(&graph.title))?;
    writeln!(out, "  {}", graph.kind.columns().join("  "))?;
    for point in 0..graph.points() {
        let numbers = graph.columns.iter().filter_map(|column| column.get(point));
        let numbers: Vec<String> = numbers.map(f64::to_string).collect();
        writeln!(out, "  {}", numbers.join("  "))?;
    }
    Ok(())
}

/// Everything an object holds, for scripts. Numbers that are none are null.
pub(super) fn json(path: &str, object: &Object) -> Value {
    let mut value = match object {
        Object::Histogram(histogram) => histogram_json(histogram),
        Object::ManyAxes(histogram) => many_axes_json(histogram),
        Object::Efficiency(efficiency) => json!({
            "title": efficiency.title,
            "passed": histogram_json(&efficiency.passed),
            "total": histogram_json(&efficiency.total),
            "weight": efficiency.weight, "confidence": efficiency.confidence,
            "statistic": efficiency.statistic,
        }),
        Object::Graph(graph) => {
            let columns = graph.kind.columns().iter().zip(&graph.columns);
            let points: Map<String, Value> =
                columns.map(|(name, numbers)| ((*name).to_owned(), json!(numbers))).collect();
            json!({ "title": graph.title, "points": points })
        }
        Object::Parameter(parameter) => json!({ "value": match parameter.value {
            Number::Bool(value) => json!(value),
            Number::Int(value) => json!(value),
            Number::Long(value) => json!(value),
            Number::Float(value) => json!(value),
            Number::Double(value) => json!(value),
        }}),
        Object::Text(text) => json!({ "text": text }),
        _ => json!({}),
    };
    value["path"] = path.into();
    value["class"] = object.class().into();
    value
}

fn histogram_json(histogram: &Histogram) -> Value {
    let (histogram, problem) = settled(histogram);
    let axes = axes_json(&histogram.axes);
    let bins = 0..histogram.contents.len();
    let values: Vec<Option<f64>> = bins.clone().map(|bin| histogram.value(bin)).collect();
    let variances: Vec<Option<f64>> = bins.map(|bin| histogram.variance(bin)).collect();
    json!({
        "class": histogram.class.name(), "title": histogram.title, "entries": histogram.entries,
        "axes": axes, "values": values, "variances": variances, "problem": problem,
    })
}
