//! The bytes of graphs, efficiencies and parameters, in the class versions of ROOT 6.40: those that
//! `streamers.bin` describes.

use super::encoder::Encoder;
use super::histogram::{self, attributes};
use super::many;
use crate::hist::Histogram;
use crate::object::{Efficiency, Graph, GraphKind, Object, Parameter, Value};

/// The checksum of `pair<double, double>`.
const PAIR: u32 = 0x00D7_BED2;

/// Writes `object`, unless it is one that is copied instead: then it says so.
pub(super) fn write(object: &Object, out: &mut Encoder) -> bool {
    match object {
        Object::Graph(object) if object.kind == GraphKind::Surface => return false,
        Object::Text(_) => return false,
        Object::Histogram(histogram) => histogram::write(histogram, out),
        Object::ManyAxes(histogram) => many::write(histogram, out),
        Object::Efficiency(object) => efficiency(object, out),
        Object::Graph(object) => graph(object, out),
        Object::Parameter(object) => parameter(object, out),
    }
    true
}

/// A `TObjString`.
pub(super) fn text(text: &str, out: &mut Encoder) {
    out.class(1, |out| {
        out.tobject(0, 0);
        out.string(text);
    });
}

fn parameter(parameter: &Parameter, out: &mut Encoder) {
    out.class(2, |out| {
        out.tobject(0, parameter.bits);
        out.string(&parameter.name);
        match parameter.value {
            Value::Bool(value) => out.u8(u8::from(value)),
            Value::Int(value) => out.i32(value),
            Value::Long(value) => out.i64(value),
            Value::Float(value) => out.f32(value),
            Value::Double(value) => out.f64(value),
        }
    });
}

fn graph(graph: &Graph, out: &mut Encoder) {
    match graph.kind {
        GraphKind::Errors | GraphKind::AsymmErrors => out.class(3, |out| {
            points(graph, out);
            graph.columns.iter().skip(2).for_each(|column| numbers(column, out));
        }),
        GraphKind::Plain | GraphKind::Surface => points(graph, out),
    }
}

fn points(graph: &Graph, out: &mut Encoder) {
    out.class(5, |out| {
        out.tnamed(graph.bits, &graph.name, &graph.title);
        attributes(&graph.style, out);
        out.u32(graph.points() as u32);
        graph.columns.iter().take(2).for_each(|column| numbers(column, out));
        out.pointer("TList", |out| out.empty_list(0)); // fFunctions
        match &graph.frame {
            Some(frame) => pointed(frame, out),
            None => out.u32(0),
        }
        graph.range.into_iter().for_each(|end| out.f64(end));
        out.string(&graph.option);
    });
}

/// A `double*` with its counter.
fn numbers(numbers: &[f64], out: &mut Encoder) {
    out.u8(u8::from(!numbers.is_empty()));
    numbers.iter().for_each(|&number| out.f64(number));
}

fn pointed(histogram: &Histogram, out: &mut Encoder) {
    out.pointer(&histogram.class.name(), |out| histogram::write(histogram, out));
}

fn efficiency(efficiency: &Efficiency, out: &mut Encoder) {
    /// The bit in a version that says that members stand together.
    const MEMBER_WISE: u16 = 1 << 14;
    out.class(2, |out| {
        out.tnamed(efficiency.bits, &efficiency.name, &efficiency.title);
        attributes(&efficiency.style, out);
        efficiency.prior.into_iter().for_each(|number| out.f64(number));
        out.class(MEMBER_WISE | 10, |out| {
            out.u16(0);
            out.u32(PAIR);
            out.u32(efficiency.bin_priors.len() as u32);
            for member in 0..2 {
                efficiency.bin_priors.iter().for_each(|prior| out.f64(prior[member]));
            }
        });
        out.f64(efficiency.confidence);
        out.empty_list(0); // fFunctions
        pointed(&efficiency.passed, out);
        out.i32(efficiency.statistic);
        pointed(&efficiency.total, out);
        out.f64(efficiency.weight);
    });
}
