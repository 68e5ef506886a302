//! The bytes of histogram objects, in the class versions of ROOT 6.40: those that `streamers.bin`
//! describes.

use super::encoder::Encoder;
use crate::hist::{Axis, AxisStyle, Element, Histogram, Profile, Style, Waiting};

/// `kMustCleanup`, which ROOT sets on histograms.
const MUST_CLEANUP: u32 = 1 << 3;
/// `TAxis::kIsInteger`.
const IS_INTEGER: u32 = 1 << 22;

pub(super) fn write(histogram: &Histogram, out: &mut Encoder) {
    // At once: to make room for one array after the other would copy the ones before.
    let bins = histogram.contents.len() * histogram.class.element.size();
    out.reserve(bins + histogram.sumw2.len() * size_of::<f64>() + (1 << 12));
    match &histogram.profile {
        None => binned(histogram, out),
        Some(profile) => {
            let version = if histogram.class.dimension == 1 { 7 } else { 8 };
            out.class(version, |out| {
                binned(histogram, out);
                extras(profile, out);
            });
        }
    }
}

/// `TH1D` and its siblings: the base class, then the bins.
fn binned(histogram: &Histogram, out: &mut Encoder) {
    let statistics = |from: usize| histogram.statistics.get(from..).unwrap_or_default();
    let version = match (histogram.class.element, histogram.class.dimension) {
        (Element::Int64, _) => 0,
        (_, 1) => 3,
        _ => 4,
    };
    out.class(version, |out| {
        match histogram.class.dimension {
            1 => base(histogram, out),
            2 => out.class(5, |out| {
                base(histogram, out);
                out.f64(1.0); // fScalefactor
                statistics(4).iter().for_each(|&sum| out.f64(sum));
            }),
            _ => out.class(6, |out| {
                base(histogram, out);
                out.class(1, |_| {}); // TAtt3D
                statistics(4).iter().for_each(|&sum| out.f64(sum));
            }),
        }
        array(&histogram.contents, histogram.class.element, out);
    });
}

fn base(histogram: &Histogram, out: &mut Encoder) {
    out.class(8, |out| {
        out.tnamed(MUST_CLEANUP | histogram.settings.bits, &histogram.name, &histogram.title);
        let drawing = &histogram.drawing;
        attributes(&drawing.style, out);
        out.u32(histogram.contents.len() as u32);
        let unused = Axis { bins: 1, high: 1.0, ..Axis::default() };
        let mut axes = histogram.axes.iter().chain(&drawing.other_axes);
        for at in 0..3 {
            axis(at, axes.next().unwrap_or(&unused), out);
        }
        drawing.bar.into_iter().for_each(|value| out.i16(value));
        out.f64(histogram.entries);
        histogram.statistics.iter().take(4).for_each(|&sum| out.f64(sum));
        drawing.range.into_iter().for_each(|value| out.f64(value));
        out.f64(drawing.norm);
        array(&drawing.contour, Element::Float64, out);
        array(&histogram.sumw2, Element::Float64, out);
        out.string(&drawing.option);
        out.empty_list(1 << 16); // fFunctions
        waiting(histogram, out);
        out.i32(histogram.settings.errors);
        out.i32(histogram.settings.overflows);
    });
}

/// `fBuffer`: the number of fills, the fills, and zeros up to its size.
fn waiting(histogram: &Histogram, out: &mut Encoder) {
    let Waiting { size, fills } = &histogram.waiting;
    if fills.is_empty() {
        out.u32(0);
        out.u8(0);
        return;
    }
    let count = fills.len() / histogram.fill_width();
    let size = (*size).max(fills.len() + 1);
    out.u32(size as u32);
    out.u8(1);
    out.f64(count as f64);
    fills.iter().for_each(|&number| out.f64(number));
    (fills.len() + 1..size).for_each(|_| out.f64(0.0));
}

/// The bases `TAttLine`, `TAttFill` and `TAttMarker`.
pub(super) fn attributes(style: &Style, out: &mut Encoder) {
    out.class(2, |out| style.line.into_iter().for_each(|value| out.i16(value)));
    out.class(2, |out| style.fill.into_iter().for_each(|value| out.i16(value)));
    out.class(3, |out| {
        style.marker.into_iter().for_each(|value| out.i16(value));
        out.f32(style.marker_size);
    });
}

fn axis(number: usize, axis: &Axis, out: &mut Encoder) {
    named_axis(["xaxis", "yaxis", "zaxis"][number.min(2)], number, axis, out);
}

pub(super) fn named_axis(name: &str, number: usize, axis: &Axis, out: &mut Encoder) {
    let style = axis.style.clone().unwrap_or_else(|| AxisStyle::of_axis(number));
    out.class(10, |out| {
        out.tnamed(style.bits | if axis.whole { IS_INTEGER } else { 0 }, name, &axis.title);
        out.class(4, |out| {
            out.i32(style.divisions);
            style.labels.into_iter().for_each(|value| out.i16(value));
            style.sizes.into_iter().for_each(|value| out.f32(value));
            style.title.into_iter().for_each(|value| out.i16(value));
        });
        out.u32(axis.bins as u32);
        out.f64(axis.low);
        out.f64(axis.high);
        array(&axis.edges, Element::Float64, out);
        style.range.into_iter().for_each(|value| out.i32(value));
        out.u16(axis.flags); // fBits2
        out.u8(u8::from(style.time.is_some()));
        out.string(style.time.as_deref().unwrap_or_default());
        match axis.is_labelled() {
            true => labels(&axis.labels, out),
            false => out.u32(0),
        }
        out.u32(0); // no fModLabs
    });
}

/// `THashList *fLabels`; the unique id of a label is its bin.
fn labels(labels: &[String], out: &mut Encoder) {
    let named = || labels.iter().enumerate().filter(|(_, label)| !label.is_empty());
    out.object("THashList", 5, |out| {
        out.tobject(0, 0);
        out.string("");
        out.u32(named().count() as u32);
        for (at, label) in named() {
            out.object("TObjString", 1, |out| {
                out.tobject(at as u32 + 1, 0);
                out.string(label);
            });
            out.u8(0); // the option that goes with an item of a list
        }
    });
}

fn extras(profile: &Profile, out: &mut Encoder) {
    array(&profile.bin_entries, Element::Float64, out);
    out.i32(profile.error_mode);
    for value in [profile.low, profile.high, profile.sumwy, profile.sumwy2] {
        out.f64(value);
    }
    array(&profile.bin_sumw2, Element::Float64, out);
}

/// A `TArray`. Integers saturate at the same number on both sides, as `AddBinContent` does.
pub(super) fn array(values: &[f64], element: Element, out: &mut Encoder) {
    out.u32(values.len() as u32);
    for &value in values {
        match element {
            Element::Int8 => out.u8((value as i8).max(-i8::MAX) as u8),
            Element::Int16 => out.i16((value as i16).max(-i16::MAX)),
            Element::Int32 => out.i32((value as i32).max(-i32::MAX)),
            Element::Int64 => out.i64((value as i64).max(-i64::MAX)),
            Element::Float32 => out.f32(value as f32),
            Element::Float64 => out.f64(value),
        }
    }
}
