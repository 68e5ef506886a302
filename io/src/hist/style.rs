//! How things are drawn. Nothing here is used; it is kept, so that what was merged looks as before.

use super::Axis;
use crate::root::{Buffer, Parse};

/// Colours and styles of lines, areas and markers: `TAttLine`, `TAttFill` and `TAttMarker`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Colour, style and width.
    pub line: [i16; 3],
    /// Colour and style.
    pub fill: [i16; 2],
    /// Colour and style.
    pub marker: [i16; 2],
    /// The marker's size.
    pub marker_size: f32,
}

impl Default for Style {
    /// That of a new histogram.
    fn default() -> Self {
        Self { line: [602, 1, 1], fill: [0, 1001], marker: [1, 1], marker_size: 1.0 }
    }
}

/// How an axis is drawn: `TAttAxis` and what `TAxis` has beside.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisStyle {
    /// The bits of its `TObject`: a range is set, the title is centred, and so on.
    pub bits: u32,
    /// `fNdivisions`.
    pub divisions: i32,
    /// The axis' and labels' colours, and the labels' font.
    pub labels: [i16; 3],
    /// `fLabelOffset`, `fLabelSize`, `fTickLength`, `fTitleOffset`, `fTitleSize`.
    pub sizes: [f32; 5],
    /// The title's colour and font.
    pub title: [i16; 2],
    /// The first and last bin that are drawn; zeros for all.
    pub range: [i32; 2],
    /// Whether its values are times, and how those are written.
    pub time: Option<String>,
}

impl AxisStyle {
    /// The bits of a `TAxis` that concern its drawing: 7 to 23 without `kIsInteger`.
    pub(super) const BITS: u32 = 0x00BF_FF80;

    /// That of a new histogram's axis; the title of a y axis is closer.
    pub(crate) fn of_axis(number: usize) -> Self {
        let title_offset = if number == 1 { 0.0 } else { 1.0 };
        Self {
            bits: 0,
            divisions: 510,
            labels: [1, 1, 42],
            sizes: [0.005, 0.035, 0.03, title_offset, 0.035],
            title: [1, 42],
            range: [0, 0],
            time: None,
        }
    }

    /// `TAttAxis` 4; an older one is passed over.
    pub(super) fn read(buffer: &mut Buffer<'_>) -> Parse<Option<Self>> {
        let version = buffer.version()?;
        if version.number != 4 && version.end.is_some() {
            super::skip_tail(buffer, version.end)?;
            return Ok(None);
        }
        let style = Self {
            bits: 0,
            divisions: buffer.i32()?,
            labels: [buffer.i16()?, buffer.i16()?, buffer.i16()?],
            sizes: [buffer.f32()?, buffer.f32()?, buffer.f32()?, buffer.f32()?, buffer.f32()?],
            title: [buffer.i16()?, buffer.i16()?],
            range: [0, 0],
            time: None,
        };
        super::skip_tail(buffer, version.end)?;
        Ok(Some(style))
    }
}

/// How a histogram is drawn beside its [`Style`].
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Lines, areas and markers.
    pub style: Style,
    /// `fBarOffset` and `fBarWidth`.
    pub bar: [i16; 2],
    /// `fMaximum` and `fMinimum`.
    pub range: [f64; 2],
    /// `fNormFactor`.
    pub norm: f64,
    /// The levels of contours.
    pub contour: Vec<f64>,
    /// The axes that it has for its drawing alone, the y axis of a `TH1` first: their titles.
    pub other_axes: Vec<Axis>,
    /// The option with which it is drawn.
    pub option: String,
    /// Fits and boxes that are drawn with it. They are counted, not kept.
    pub functions: usize,
}

impl Drawing {
    /// What ROOT stores for "no maximum set" and "no minimum set".
    const UNSET: f64 = -1111.0;
}

impl Default for Drawing {
    /// That of a new histogram.
    fn default() -> Self {
        Self {
            style: Style::default(),
            bar: [0, 1000],
            range: [Self::UNSET; 2],
            norm: 0.0,
            contour: Vec::new(),
            option: String::new(),
            other_axes: Vec::new(),
            functions: 0,
        }
    }
}

/// The bases `TAttLine` 1 or 2, `TAttFill` 1 or 2, and `TAttMarker` 1 or 2.
pub(crate) fn attributes(buffer: &mut Buffer<'_>) -> Parse<Style> {
    let mut style = Style::default();
    let line = buffer.version()?;
    style.line = [buffer.i16()?, buffer.i16()?, buffer.i16()?];
    super::skip_tail(buffer, line.end)?;
    let fill = buffer.version()?;
    style.fill = [buffer.i16()?, buffer.i16()?];
    super::skip_tail(buffer, fill.end)?;
    let marker = buffer.version()?;
    style.marker = [buffer.i16()?, buffer.i16()?];
    style.marker_size = buffer.f32()?;
    super::skip_tail(buffer, marker.end)?;
    Ok(style)
}
