//! Reading histograms. The layouts are those of ROOT's `TH1::Streamer` and the streamer information
//! that ROOT files carry (classes TH1 3 to 8, TAxis 2 to 10, TProfile 3 to 7); tails that a version
//! adds are passed over by their byte counts. Writers that count no bytes, as Geant4's, are read by
//! their versions.

use super::axis::{self, skip_pointer};
use super::style::attributes;
use super::{Axis, Class, Drawing, Element, Histogram, Profile, Settings, Waiting};
use crate::root::{Buffer, Key, Layouts, Malformed, Object, Parse, RootFile, Version};
use crate::{Error, Result};

/// The bit of a class in the word before an object: the list is behind a pointer.
const CLASS: u32 = 0x8000_0000;
/// The members of `TH1` 8.
const TH1: [&str; 26] = [
    "TNamed",
    "TAttLine",
    "TAttFill",
    "TAttMarker",
    "fNcells",
    "fXaxis",
    "fYaxis",
    "fZaxis",
    "fBarOffset",
    "fBarWidth",
    "fEntries",
    "fTsumw",
    "fTsumw2",
    "fTsumwx",
    "fTsumwx2",
    "fMaximum",
    "fMinimum",
    "fNormFactor",
    "fContour",
    "fSumw2",
    "fOption",
    "fFunctions",
    "fBufferSize",
    "fBuffer",
    "fBinStatErrOpt",
    "fStatOverflows",
];
/// Those of `TH2` 5, `TH3` 6 and `TProfile` 7.
const TH2: [&str; 5] = ["TH1", "fScalefactor", "fTsumwy", "fTsumwy2", "fTsumwxy"];
const TH3: [&str; 9] =
    ["TH1", "TAtt3D", "fTsumwy", "fTsumwy2", "fTsumwxy", "fTsumwz", "fTsumwz2", "fTsumwxz", "fTsumwyz"];
const PROFILE: [&str; 3] = ["fBinEntries", "fErrorMode", "fYmin"];

/// The histogram that `key` names.
///
/// # Errors
/// Where it is of no class or version that we know, or its bytes are damaged.
pub fn read(file: &RootFile, key: &Key) -> Result<Histogram> {
    let class = Class::parse(&key.class_name).ok_or_else(|| Error::WrongClass {
        path: file.path().to_owned(),
        name: key.name.clone(),
        found: key.class_name.clone(),
        wanted: "a histogram",
    })?;
    let object = file.object(key)?;
    decode(&mut object.buffer(), class, Layouts::of(file))
        .map_err(|wrong| wrong.within(file.path(), format!("histogram `{}`", key.name), key.seek))
}

/// The histogram at `path`, `dir/name` or `name;cycle`, with its fills in bins: what a table of scale
/// factors is read with.
///
/// # Errors
/// Where there is none, or it is damaged, or it is not known which range ROOT would find for it.
pub fn open(file: &RootFile, path: &str) -> Result<Histogram> {
    let key = file.find(path)?;
    let mut histogram = read(file, &key)?;
    histogram.find_range().map_err(|reason| Error::Unsupported {
        path: file.path().to_owned(),
        what: format!("histogram `{path}`"),
        reason,
    })?;
    Ok(histogram)
}

/// The histogram of class `class` at the cursor, which is left behind it.
pub(crate) fn decode(buffer: &mut Buffer<'_>, class: Class, layouts: Layouts<'_>) -> Parse<Histogram> {
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
        waiting: Waiting::default(),
        settings: Settings::default(),
        drawing: Drawing::default(),
    };
    if class.profile {
        let bins = Class::doubles(class.dimension).name();
        let members = [&[bins.as_str()], PROFILE.as_slice()].concat();
        let (oldest, newest) = if class.dimension == 1 { (3, 7) } else { (1, 8) };
        let version = layouts.version(buffer, &class.name(), oldest..=newest, &members)?;
        binned(buffer, &mut histogram, layouts)?;
        histogram.profile = Some(profile(buffer, version)?);
    } else {
        binned(buffer, &mut histogram, layouts)?;
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
    histogram.settle().map_err(|reason| Malformed::new(at, reason))?;
    Ok(histogram)
}

/// `TH1D`, `TH2F` and so on: the base class, then the array of bins.
fn binned(buffer: &mut Buffer<'_>, histogram: &mut Histogram, layouts: Layouts<'_>) -> Parse<()> {
    let class = Class { profile: false, ..histogram.class };
    let bins = ["TArrayC", "TArrayS", "TArrayI", "TArrayL64", "TArrayF", "TArrayD"][match class.element {
        Element::Int8 => 0,
        Element::Int16 => 1,
        Element::Int32 => 2,
        Element::Int64 => 3,
        Element::Float32 => 4,
        Element::Float64 => 5,
    }];
    let (base_class, oldest) = [("TH1", 1), ("TH2", 3), ("TH3", 3)][class.dimension.clamp(1, 3) - 1];
    // The classes of 64-bit integers have the version 0.
    let versions = if class.element == Element::Int64 { 0..=0 } else { oldest..=4 };
    let end = layouts.version(buffer, &class.name(), versions, &[base_class, bins])?.end;
    match class.dimension {
        1 => base(buffer, histogram, layouts)?,
        2 => {
            let inner = layouts.version(buffer, "TH2", 3..=5, &TH2)?.end;
            base(buffer, histogram, layouts)?;
            buffer.f64()?; // fScalefactor
            numbers(buffer, 3, &mut histogram.statistics)?;
            skip_tail(buffer, inner)?;
        }
        _ => {
            let inner = layouts.version(buffer, "TH3", 4..=6, &TH3)?.end;
            base(buffer, histogram, layouts)?;
            let attributes = buffer.version()?.end; // TAtt3D has no members
            skip_tail(buffer, attributes)?;
            numbers(buffer, 7, &mut histogram.statistics)?;
            skip_tail(buffer, inner)?;
        }
    }
    histogram.contents = array(buffer, class.element)?;
    skip_tail(buffer, end)
}

/// The class `TH1`, which all others contain.
fn base(buffer: &mut Buffer<'_>, histogram: &mut Histogram, layouts: Layouts<'_>) -> Parse<()> {
    let version = layouts.version(buffer, "TH1", 3..=8, &TH1)?;
    let (bits, name, title) = buffer.tnamed_bits()?;
    (histogram.name, histogram.title) = (name, title);
    histogram.settings.bits = bits & Settings::BITS;
    histogram.drawing.style = attributes(buffer)?;
    buffer.i32()?; // fNcells
    for at in 0..3 {
        let axis: Axis = axis::read(buffer, layouts)?;
        match at < histogram.class.dimension {
            true => histogram.axes.push(axis),
            false => histogram.drawing.other_axes.push(axis),
        }
    }
    let drawing = &mut histogram.drawing;
    drawing.bar = [buffer.i16()?, buffer.i16()?];
    histogram.entries = buffer.f64()?;
    numbers(buffer, 4, &mut histogram.statistics)?;
    drawing.range = [buffer.f64()?, buffer.f64()?];
    drawing.norm = buffer.f64()?;
    drawing.contour = array(buffer, Element::Float64)?;
    histogram.sumw2 = array(buffer, Element::Float64)?;
    drawing.option = buffer.tstring()?;
    drawing.functions = functions(buffer)?;
    let at = buffer.position();
    let more = |buffer: &Buffer<'_>, since: u16| match version.end {
        Some(end) => buffer.position().saturating_add(4) <= end,
        None => version.number >= since,
    };
    if version.end.is_none() && (4..6).contains(&version.number) {
        return Err(Malformed::new(at, format!("TH1 {} without a byte count", version.number)));
    }
    if more(buffer, 6) {
        waiting(buffer, histogram)?;
    }
    if more(buffer, 7) {
        histogram.settings.errors = buffer.i32()?;
    }
    if more(buffer, 8) {
        histogram.settings.overflows = buffer.i32()?;
    }
    skip_tail(buffer, version.end)
}

/// `TList *fFunctions`: a list in place, or behind a pointer before version 6 of `TH1`. What it holds,
/// fits and boxes of a plot, is counted and passed over.
pub(crate) fn functions(buffer: &mut Buffer<'_>) -> Parse<usize> {
    if buffer.at(buffer.position()).u32()? == 0 {
        buffer.u32()?;
        return Ok(0);
    }
    let tag = buffer.at(buffer.position().saturating_add(4)).u32()?;
    let end = match tag & CLASS {
        0 => None,
        _ => match buffer.object()? {
            Object::Here { end, .. } => end,
            _ => return Ok(0),
        },
    };
    let version = buffer.version()?;
    buffer.tobject()?;
    buffer.tstring_bytes()?;
    let count = usize::try_from(buffer.i32()?).unwrap_or(0);
    match end.or(version.end) {
        Some(end) => buffer.skip_to(end)?,
        // A list whose bytes are not counted.
        None => {
            for _ in 0..count {
                skip_pointer(buffer)?;
                buffer.tstring_bytes()?;
            }
        }
    }
    Ok(count)
}

/// A histogram that finds its own range keeps its first fills in a buffer, and ROOT writes it: the
/// number of fills, which is negative where the bins have them already, then weight and coordinates.
fn waiting(buffer: &mut Buffer<'_>, histogram: &mut Histogram) -> Parse<()> {
    let at = buffer.position();
    let size = buffer.i32()?;
    let size =
        usize::try_from(size).map_err(|_| Malformed::new(at, format!("a buffer of {size} numbers")))?;
    if buffer.u8()? == 0 {
        return Ok(());
    }

    let mut numbers = Buffer::new(buffer.items(size, 8)?, 0);
    if size == 0 {
        return Ok(());
    }
    histogram.waiting.size = size;
    let count = numbers.f64()?;
    if count < 0.0 {
        return Ok(());
    }
    let each = histogram.fill_width();
    let fits = count.fract() == 0.0 && count * each as f64 <= (size - 1) as f64;
    if !fits {
        return Err(Malformed::new(at, format!("a buffer of {size} numbers with {count} fills")));
    }
    for _ in 0..count as usize * each {
        histogram.waiting.fills.push(numbers.f64()?);
    }
    Ok(())
}

fn profile(buffer: &mut Buffer<'_>, version: Version) -> Parse<Profile> {
    let mut profile = Profile {
        bin_entries: array(buffer, Element::Float64)?,
        error_mode: buffer.i32()?,
        low: buffer.f64()?,
        high: buffer.f64()?,
        ..Profile::default()
    };
    let more = |buffer: &Buffer<'_>, since: u16| match version.end {
        Some(end) => buffer.position() < end,
        None => version.number >= since,
    };
    if more(buffer, 5) {
        profile.sumwy = buffer.f64()?;
        profile.sumwy2 = buffer.f64()?;
    }
    if more(buffer, 6) {
        profile.bin_sumw2 = array(buffer, Element::Float64)?;
    }
    skip_tail(buffer, version.end)?;
    Ok(profile)
}

fn numbers(buffer: &mut Buffer<'_>, n: usize, into: &mut Vec<f64>) -> Parse<()> {
    for _ in 0..n {
        into.push(buffer.f64()?);
    }
    Ok(())
}

/// A `TArray`: its length, then its numbers.
pub(crate) fn array(buffer: &mut Buffer<'_>, element: Element) -> Parse<Vec<f64>> {
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
        Element::Int64 => bytes.as_chunks().0.iter().map(|&word| i64::from_be_bytes(word) as f64).collect(),
        Element::Float32 => {
            bytes.as_chunks().0.iter().map(|&word| f64::from(f32::from_be_bytes(word))).collect()
        }
        Element::Float64 => bytes.as_chunks().0.iter().map(|&word| f64::from_be_bytes(word)).collect(),
    })
}

pub(crate) fn skip_tail(buffer: &mut Buffer<'_>, end: Option<usize>) -> Parse<()> {
    end.map_or(Ok(()), |end| buffer.skip_to(end))
}
