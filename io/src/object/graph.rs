//! Graphs: points in a plane or in space. The layouts are those of the streamer information that ROOT
//! files carry (TGraph 3 to 5, TGraphErrors and TGraphAsymmErrors 3, TGraph2D 1).

use super::SETTINGS;
use crate::hist::{Class, Histogram, Style, attributes, decode, functions, skip_tail};
use crate::root::{Buffer, Layouts, Malformed, Object as Slot, Parse};

/// Which class a graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphKind {
    /// `TGraph`: no errors.
    Plain,
    /// `TGraphErrors`: the same error to both sides.
    Errors,
    /// `TGraphAsymmErrors`: errors to either side.
    AsymmErrors,
    /// `TGraph2D`: points in space. `hadd` does not merge them.
    Surface,
}

impl GraphKind {
    const ALL: [Self; 4] = [Self::Plain, Self::Errors, Self::AsymmErrors, Self::Surface];

    /// The class called `name`, if it is one of ours.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.class() == name)
    }

    /// Its name.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "TGraph",
            Self::Errors => "TGraphErrors",
            Self::AsymmErrors => "TGraphAsymmErrors",
            Self::Surface => "TGraph2D",
        }
    }

    /// What it knows of each point.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["x", "y"],
            Self::Errors => &["x", "y", "ex", "ey"],
            Self::AsymmErrors => &["x", "y", "ex_low", "ex_high", "ey_low", "ey_high"],
            Self::Surface => &["x", "y", "z"],
        }
    }
}

/// A graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Its class.
    pub kind: GraphKind,
    /// Its own name, which need not be that of its key.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The points: a list of numbers for each of [`GraphKind::columns`].
    pub columns: Vec<Vec<f64>>,
    /// The empty histogram that has its axes and their titles.
    pub frame: Option<Box<Histogram>>,
    /// How many fits and boxes of a plot come with it; they are not kept.
    pub functions: usize,
    /// How it is drawn.
    pub style: Style,
    /// The lower and upper end of the y axis, if set.
    pub(crate) range: [f64; 2],
    /// The option with which it is drawn.
    pub(crate) option: String,
    /// The bits of its `TObject`.
    pub(crate) bits: u32,
}

impl Graph {
    /// `TGraph::kResetHisto`: the frame's ranges are to be found anew, for there are new points.
    const RESET_FRAME: u32 = 1 << 17;

    /// The number of points.
    pub fn points(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<(), String> {
        if self.kind != other.kind {
            return Err(format!("is a {} in A and a {} in B", self.kind.class(), other.kind.class()));
        }
        if self.frame.is_some() && other.points() > 0 {
            self.bits |= Self::RESET_FRAME;
        }
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.extend(theirs);
        }
        Ok(())
    }
}

pub(super) fn read(buffer: &mut Buffer<'_>, kind: GraphKind, layouts: Layouts<'_>) -> Parse<Graph> {
    let derived: &[&str] = match kind {
        GraphKind::Plain | GraphKind::Surface => &[],
        GraphKind::Errors => &["TGraph", "fEX", "fEY"],
        GraphKind::AsymmErrors => &["TGraph", "fEXlow", "fEXhigh", "fEYlow", "fEYhigh"],
    };
    if kind == GraphKind::Surface {
        return surface(buffer, layouts);
    }
    let outer = match derived.is_empty() {
        true => None,
        false => layouts.version(buffer, kind.class(), 3..=3, derived)?.end,
    };
    let mut graph = base(buffer, kind, layouts)?;
    let points = graph.points();
    for _ in derived.iter().skip(1) {
        graph.columns.push(numbers(buffer, points)?);
    }
    skip_tail(buffer, outer)?;
    Ok(graph)
}

/// The members of `TGraph` 5.
const GRAPH: [&str; 12] = [
    "TNamed",
    "TAttLine",
    "TAttFill",
    "TAttMarker",
    "fNpoints",
    "fX",
    "fY",
    "fFunctions",
    "fHistogram",
    "fMinimum",
    "fMaximum",
    "fOption",
];
/// Those of `TGraph2D` 1.
const SURFACE: [&str; 17] = [
    "TNamed",
    "TAttLine",
    "TAttFill",
    "TAttMarker",
    "fNpoints",
    "fNpx",
    "fNpy",
    "fMaxIter",
    "fX",
    "fY",
    "fZ",
    "fMinimum",
    "fMaximum",
    "fMargin",
    "fZout",
    "fFunctions",
    "fUserHisto",
];

/// The class `TGraph`, which those with errors contain.
fn base(buffer: &mut Buffer<'_>, kind: GraphKind, layouts: Layouts<'_>) -> Parse<Graph> {
    let version = layouts.version(buffer, "TGraph", 3..=5, &GRAPH)?;
    let (bits, name, title) = buffer.tnamed_bits()?;
    let style = attributes(buffer)?;
    let points = points(buffer)?;
    let columns = vec![numbers(buffer, points)?, numbers(buffer, points)?];
    let functions = functions(buffer)?;
    let frame = histogram(buffer, layouts)?;
    let range = [buffer.f64()?, buffer.f64()?];
    let more = match version.end {
        Some(end) => buffer.position() < end,
        None => version.number >= 5,
    };
    let option = if more { buffer.tstring()? } else { String::new() };
    skip_tail(buffer, version.end)?;
    let bits = bits & SETTINGS;
    Ok(Graph { kind, name, title, columns, frame, functions, style, range, option, bits })
}

fn surface(buffer: &mut Buffer<'_>, layouts: Layouts<'_>) -> Parse<Graph> {
    let end = layouts.version(buffer, "TGraph2D", 1..=1, &SURFACE)?.end;
    let (bits, name, title) = buffer.tnamed_bits()?;
    let style = attributes(buffer)?;
    let points = points(buffer)?;
    buffer.skip(12)?; // fNpx, fNpy, fMaxIter: of the interpolation
    let columns = vec![numbers(buffer, points)?, numbers(buffer, points)?, numbers(buffer, points)?];
    let range = [buffer.f64()?, buffer.f64()?];
    buffer.skip(16)?; // fMargin, fZout
    let functions = functions(buffer)?;
    skip_tail(buffer, end)?;
    let (kind, bits) = (GraphKind::Surface, bits & SETTINGS);
    Ok(Graph {
        kind,
        name,
        title,
        columns,
        frame: None,
        functions,
        style,
        range,
        option: String::new(),
        bits,
    })
}

fn points(buffer: &mut Buffer<'_>) -> Parse<usize> {
    let at = buffer.position();
    let points = buffer.i32()?;
    usize::try_from(points).map_err(|_| Malformed::new(at, format!("a graph has {points} points")))
}

/// A `double*` with its counter: a byte that is 0 where there are none, then the numbers.
fn numbers(buffer: &mut Buffer<'_>, points: usize) -> Parse<Vec<f64>> {
    let at = buffer.position();
    match (buffer.u8()?, points) {
        (0, 0) => Ok(Vec::new()),
        (0, _) => Err(Malformed::new(at, format!("a graph of {points} points lacks numbers"))),
        _ => {
            let bytes = buffer.items(points, 8)?;
            Ok(bytes.as_chunks().0.iter().map(|&number| f64::from_be_bytes(number)).collect())
        }
    }
}

/// A histogram behind a pointer, which may be null.
pub(super) fn histogram(buffer: &mut Buffer<'_>, layouts: Layouts<'_>) -> Parse<Option<Box<Histogram>>> {
    let at = buffer.position();
    match buffer.object()? {
        Slot::Null => Ok(None),
        Slot::Reference { .. } => Err(Malformed::new(at, "a histogram that was written before")),
        Slot::Here { class, end, .. } => {
            let class = String::from_utf8_lossy(class);
            let known = Class::parse(&class)
                .ok_or_else(|| Malformed::new(at, format!("a {class} instead of a histogram")))?;
            let histogram = decode(buffer, known, layouts)?;
            skip_tail(buffer, end)?;
            Ok(Some(Box::new(histogram)))
        }
    }
}
