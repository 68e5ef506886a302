//! Reading histograms. The layouts are those of ROOT's `TH1::Streamer` and the streamer information
//! that ROOT files carry (classes TH1 3 to 8, TAxis 6 to 10, TProfile 3 to 7); tails that a version
//! adds are passed over by their byte counts.

use super::{Axis, Class, Element, Histogram, Profile};
use crate::root::{Buffer, Key, Malformed, Object, Parse, RootFile};
use crate::{Error, Result};

/// The histogram that `key` names.
///
/// # Errors
/// Where it is of no class that we know, or its bytes are damaged.
pub fn read(file: &RootFile, key: &Key) -> Result<Histogram> {
    let class = Class::parse(&key.class_name).ok_or_else(|| Error::WrongClass {
        path: file.path().to_owned(),
        name: key.name.clone(),
        found: key.class_name.clone(),
        wanted: "a histogram",
    })?;
    let object = file.object(key)?;
    let mut histogram = whole(&mut object.buffer(), class)
        .map_err(|wrong| wrong.within(file.path(), format!("histogram `{}`", key.name), key.seek))?;
    histogram.name.clone_from(&key.name);
    Ok(histogram)
}

fn whole(buffer: &mut Buffer<'_>, class: Class) -> Parse<Histogram> {
    let mut histogram = Histogram {
        class,
        name: String::new(),
        title: String::new(),
        axes: Vec::new(),
        entries: 0.0,
        statistics: Vec::new(),
        contents: Vec::new(),
        sumw2: Vec::new(),
        profile: None,
    };
    if class.profile {
        let end = buffer.version()?.end;
        binned(buffer, &mut histogram)?;
        histogram.profile = Some(profile(buffer, end)?);
    } else {
        binned(buffer, &mut histogram)?;
    }
    let at = buffer.position();
    let cells = histogram.cells().filter(|&cells| cells == histogram.contents.len());
    let Some(cells) = cells else {
        return Err(Malformed::new(at, format!("its {} bins do not fit its axes", histogram.contents.len())));
    };
    let fits = |values: &[f64]| values.is_empty() || values.len() == cells;
    let extras =
        histogram.profile.as_ref().is_none_or(|p| p.bin_entries.len() == cells && fits(&p.bin_sumw2));
    if !fits(&histogram.sumw2) || !extras {
        return Err(Malformed::new(at, "its errors do not fit its bins"));
    }
    Ok(histogram)
}

/// `TH1D`, `TH2F` and so on: the base class, then the array of bins.
fn binned(buffer: &mut Buffer<'_>, histogram: &mut Histogram) -> Parse<()> {
    let end = buffer.version()?.end;
    match histogram.class.dimension {
        1 => base(buffer, histogram)?,
        2 => {
            let inner = buffer.version()?.end;
            base(buffer, histogram)?;
            buffer.f64()?; // fScalefactor
            numbers(buffer, 3, &mut histogram.statistics)?;
            skip_tail(buffer, inner)?;
        }
        _ => {
            let inner = buffer.version()?.end;
            base(buffer, histogram)?;
            buffer.skip_object()?; // TAtt3D
            numbers(buffer, 7, &mut histogram.statistics)?;
            skip_tail(buffer, inner)?;
        }
    }
    histogram.contents = array(buffer, histogram.class.element)?;
    skip_tail(buffer, end)
}

/// The class `TH1`, which all others contain.
fn base(buffer: &mut Buffer<'_>, histogram: &mut Histogram) -> Parse<()> {
    let end = buffer.version()?.end;
    let (_, title) = buffer.tnamed()?;
    histogram.title = String::from_utf8_lossy(title).into_owned();
    for _ in 0..3 {
        buffer.skip_object()?; // TAttLine, TAttFill, TAttMarker
    }
    buffer.i32()?; // fNcells
    for at in 0..3 {
        let axis = axis(buffer)?;
        if at < histogram.class.dimension {
            histogram.axes.push(axis);
        }
    }
    buffer.skip(4)?; // fBarOffset, fBarWidth
    histogram.entries = buffer.f64()?;
    numbers(buffer, 4, &mut histogram.statistics)?;
    buffer.skip(24)?; // fMaximum, fMinimum, fNormFactor
    array(buffer, Element::Float64)?; // fContour
    histogram.sumw2 = array(buffer, Element::Float64)?;
    let Some(end) = end else {
        return Err(Malformed::new(buffer.position(), "a histogram without a byte count"));
    };
    buffer.tstring()?; // fOption
    refuse_unbinned(*buffer, end)?;
    // What later versions add does not change what the bins mean.
    buffer.skip_to(end)
}

/// A histogram that finds its own range keeps its first entries in a buffer. ROOT writes that buffer;
/// without it the bins would be an answer that lacks entries.
fn refuse_unbinned(mut buffer: Buffer<'_>, end: usize) -> Parse<()> {
    // fFunctions is a list in place, or behind a pointer before version 6 of the class.
    if buffer.at(buffer.position()).u32()? == 0 {
        buffer.u32()?;
    } else {
        buffer.skip_object()?;
    }
    if buffer.position() + 5 > end {
        return Ok(());
    }
    let at = buffer.position();
    let size = buffer.i32()?;
    if size > 0 && buffer.u8()? != 0 {
        let entries = buffer.f64()?;
        if entries != 0.0 {
            let reason = format!("{} of its entries are not in bins yet (TH1::BufferEmpty)", entries.abs());
            return Err(Malformed::new(at, reason));
        }
    }
    Ok(())
}

fn axis(buffer: &mut Buffer<'_>) -> Parse<Axis> {
    let version = buffer.version()?;
    let (_, title) = buffer.tnamed()?;
    let title = String::from_utf8_lossy(title).into_owned();
    buffer.skip_object()?; // TAttAxis
    let at = buffer.position();
    let bins = buffer.i32()?;
    // `TAxis` had floats for its range before version 6.
    let (low, high) = match version.number {
        0..6 => (f64::from(buffer.f32()?), f64::from(buffer.f32()?)),
        _ => (buffer.f64()?, buffer.f64()?),
    };
    let element = if version.number < 6 { Element::Float32 } else { Element::Float64 };
    let edges = array(buffer, element)?;
    // Each bin takes at least a byte of this very object.
    let bins = usize::try_from(bins)
        .ok()
        .filter(|&bins| bins <= buffer.data().len())
        .ok_or_else(|| Malformed::new(at, format!("an axis has {bins} bins")))?;
    if !edges.is_empty() && edges.len() != bins + 1 {
        return Err(Malformed::new(at, format!("an axis of {bins} bins has {} edges", edges.len())));
    }
    let mut axis = Axis { title, bins, low, high, edges, labels: Vec::new() };
    if version.number >= 6 {
        buffer.skip(8)?; // fFirst, fLast
        if version.number >= 8 {
            buffer.skip(2)?; // fBits2
        }
        buffer.u8()?; // fTimeDisplay
        buffer.tstring()?; // fTimeFormat
        if version.end.is_some_and(|end| buffer.position() < end) {
            labels(buffer, &mut axis)?;
        }
    }
    match version.end {
        Some(end) => buffer.skip_to(end)?,
        None => return Err(Malformed::new(at, "an axis without a byte count")),
    }
    Ok(axis)
}

/// `THashList *fLabels`: `TObjString`s whose unique id is their bin.
fn labels(buffer: &mut Buffer<'_>, axis: &mut Axis) -> Parse<()> {
    let Object::Here { .. } = enter(buffer)? else { return Ok(()) };
    buffer.version()?;
    buffer.tobject()?;
    buffer.tstring()?;
    let at = buffer.position();
    let count = buffer.i32()?;
    for _ in 0..count.max(0) {
        let Object::Here { .. } = enter(buffer)? else { continue };
        let end = buffer.version()?.end;
        let id_at = buffer.position() + 2;
        let id = buffer.at(id_at).u32()? as usize;
        buffer.tobject()?;
        let label = buffer.tstring()?;
        if let Some(end) = end {
            buffer.skip_to(end)?;
        }
        buffer.tstring()?; // the option that goes with an item of a list
        if id == 0 || id > axis.bins {
            return Err(Malformed::new(at, format!("a label for bin {id} of {}", axis.bins)));
        }
        if axis.labels.len() < id {
            axis.labels.resize(id, String::new());
        }
        axis.labels[id - 1] = label;
    }
    if !axis.labels.is_empty() {
        axis.labels.resize(axis.bins.min(axis.labels.len().max(1)), String::new());
    }
    Ok(())
}

/// The head of an object behind a pointer, with the cursor moved to its members.
fn enter<'a>(buffer: &mut Buffer<'a>) -> Parse<Object<'a>> {
    let object = buffer.object()?;
    if let Object::Here { start, .. } = &object {
        buffer.skip_to(*start)?;
    }
    Ok(object)
}

fn profile(buffer: &mut Buffer<'_>, end: Option<usize>) -> Parse<Profile> {
    let mut profile = Profile {
        bin_entries: array(buffer, Element::Float64)?,
        error_mode: buffer.i32()?,
        low: buffer.f64()?,
        high: buffer.f64()?,
        ..Profile::default()
    };
    let more = |buffer: &Buffer<'_>| end.is_some_and(|end| buffer.position() < end);
    if more(buffer) {
        profile.sumwy = buffer.f64()?;
        profile.sumwy2 = buffer.f64()?;
    }
    if more(buffer) {
        profile.bin_sumw2 = array(buffer, Element::Float64)?;
    }
    skip_tail(buffer, end)?;
    Ok(profile)
}

fn numbers(buffer: &mut Buffer<'_>, n: usize, into: &mut Vec<f64>) -> Parse<()> {
    for _ in 0..n {
        into.push(buffer.f64()?);
    }
    Ok(())
}

/// A `TArray`: its length, then its numbers.
fn array(buffer: &mut Buffer<'_>, element: Element) -> Parse<Vec<f64>> {
    let at = buffer.position();
    let n = buffer.i32()?;
    let n = usize::try_from(n).map_err(|_| Malformed::new(at, format!("an array of {n} numbers")))?;
    let bytes = buffer.items(n, element.size())?;
    Ok(match element {
        Element::Int8 => bytes.iter().map(|&byte| f64::from(byte as i8)).collect(),
        Element::Int16 => {
            bytes.as_chunks().0.iter().map(|&word| f64::from(i16::from_be_bytes(word))).collect()
        }
        Element::Int32 => {
            bytes.as_chunks().0.iter().map(|&word| f64::from(i32::from_be_bytes(word))).collect()
        }
        Element::Float32 => {
            bytes.as_chunks().0.iter().map(|&word| f64::from(f32::from_be_bytes(word))).collect()
        }
        Element::Float64 => bytes.as_chunks().0.iter().map(|&word| f64::from_be_bytes(word)).collect(),
    })
}

fn skip_tail(buffer: &mut Buffer<'_>, end: Option<usize>) -> Parse<()> {
    end.map_or(Ok(()), |end| buffer.skip_to(end))
}
