//! Reading axes: the classes TAxis 2 to 10.

use super::read::{array, skip_tail};
use super::{Axis, AxisStyle, Element};
use crate::root::{Buffer, Layouts, Malformed, Object, Parse, Version};

/// `TAxis::kIsInteger`.
const IS_INTEGER: u32 = 1 << 22;
/// The most bins of an axis, whatever the size of its histogram.
const MOST_BINS: usize = 1 << 20;
/// The members of `TAxis` 10.
const MEMBERS: [&str; 13] = [
    "TNamed",
    "TAttAxis",
    "fNbins",
    "fXmin",
    "fXmax",
    "fXbins",
    "fFirst",
    "fLast",
    "fBits2",
    "fTimeDisplay",
    "fTimeFormat",
    "fLabels",
    "fModLabs",
];

pub(super) fn read(buffer: &mut Buffer<'_>, layouts: Layouts<'_>) -> Parse<Axis> {
    let version = layouts.version(buffer, "TAxis", 2..=10, &MEMBERS)?;
    let (bits, _, title) = buffer.tnamed_bits()?;
    let style = AxisStyle::read(buffer)?.map(|style| AxisStyle { bits: bits & AxisStyle::BITS, ..style });
    let at = buffer.position();
    let bins = buffer.i32()?;
    // `TAxis` had floats for its range before version 6.
    let (low, high) = match version.number {
        0..6 => (f64::from(buffer.f32()?), f64::from(buffer.f32()?)),
        _ => (buffer.f64()?, buffer.f64()?),
    };
    let element = if version.number < 6 { Element::Float32 } else { Element::Float64 };
    let edges = array(buffer, element)?;
    // Each bin takes at least a byte of this very object, but for sparse ones.
    let bins = usize::try_from(bins)
        .ok()
        .filter(|&bins| bins <= buffer.data().len().max(MOST_BINS))
        .ok_or_else(|| Malformed::new(at, format!("an axis has {bins} bins")))?;
    if !edges.is_empty() && edges.len() != bins + 1 {
        return Err(Malformed::new(at, format!("an axis of {bins} bins has {} edges", edges.len())));
    }
    let whole = bits & IS_INTEGER != 0;
    let mut axis = Axis { title, bins, low, high, edges, whole, style, ..Axis::default() };
    if version.number >= 6 {
        display(buffer, version, &mut axis)?;
    } else if version.end.is_none() {
        return Err(Malformed::new(at, "an old axis without a byte count"));
    }
    skip_tail(buffer, version.end)?;
    Ok(axis)
}

/// What concerns drawing, and the labels.
fn display(buffer: &mut Buffer<'_>, version: Version, axis: &mut Axis) -> Parse<()> {
    let range = [buffer.i32()?, buffer.i32()?];
    if version.number >= 8 {
        axis.flags = buffer.u16()?; // fBits2
    }
    let (is_time, format) = (buffer.u8()? != 0, buffer.tstring()?);
    if let Some(style) = &mut axis.style {
        style.range = range;
        style.time = is_time.then_some(format);
    }
    let more = |buffer: &Buffer<'_>, since: u16| match version.end {
        Some(end) => buffer.position() < end,
        None => version.number >= since,
    };
    if more(buffer, 7) {
        labels(buffer, axis)?;
    }
    if version.end.is_none() && more(buffer, 10) {
        skip_pointer(buffer)?; // fModLabs
    }
    Ok(())
}

/// Passes over an object behind a pointer, whose bytes must be counted.
pub(super) fn skip_pointer(buffer: &mut Buffer<'_>) -> Parse<()> {
    let at = buffer.position();
    match buffer.object()? {
        Object::Here { end: Some(end), .. } => buffer.skip_to(end),
        Object::Here { end: None, .. } => Err(Malformed::new(at, "an object has no byte count")),
        _ => Ok(()),
    }
}

/// `THashList *fLabels`: `TObjString`s whose unique id is their bin.
fn labels(buffer: &mut Buffer<'_>, axis: &mut Axis) -> Parse<()> {
    let Object::Here { end, .. } = buffer.object()? else { return Ok(()) };
    buffer.version()?;
    buffer.tobject()?;
    buffer.tstring()?;
    let at = buffer.position();
    let count = buffer.i32()?;
    for _ in 0..count.max(0) {
        let Object::Here { .. } = buffer.object()? else { continue };
        let version = buffer.version()?;
        let id_at = buffer.position() + 2;
        let id = buffer.at(id_at).u32()? as usize;
        buffer.tobject()?;
        let label = buffer.tstring()?;
        skip_tail(buffer, version.end)?;
        buffer.tstring()?; // the option that goes with an item of a list
        if id == 0 || id > axis.bins.min(buffer.data().len()) {
            return Err(Malformed::new(at, format!("a label for bin {id} of {}", axis.bins)));
        }
        if axis.labels.len() < id {
            axis.labels.resize(id, String::new());
        }
        axis.labels[id - 1] = label;
    }
    skip_tail(buffer, end)
}
