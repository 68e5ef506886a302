//! Reading `THnT` and `THnSparseT`, in the class versions of ROOT 6.

use super::{Coordinates, ManyAxes};
use crate::hist::read::{array, skip_tail};
use crate::hist::{Axis, Element, axis};
use crate::root::{Buffer, Key, Layouts, Malformed, Object, Parse, RootFile};
use crate::{Error, Result};

const BASE: [&str; 8] =
    ["TNamed", "fNdimensions", "fAxes", "fEntries", "fTsumw", "fTsumw2", "fTsumwx", "fTsumwx2"];
const SPARSE: [&str; 4] = ["THnBase", "fChunkSize", "fFilledBins", "fBinContent"];
const CHUNK: [&str; 6] =
    ["TObject", "fSingleCoordinateSize", "fCoordinatesSize", "fCoordinates", "fContent", "fSumw2"];

/// The histogram that `key` names.
///
/// # Errors
/// Where it is of no class or version that we know, or its bytes are damaged.
pub(crate) fn read(file: &RootFile, key: &Key) -> Result<ManyAxes> {
    let class = ManyAxes::parse(&key.class_name).ok_or_else(|| Error::WrongClass {
        path: file.path().to_owned(),
        name: key.name.clone(),
        found: key.class_name.clone(),
        wanted: "a histogram",
    })?;
    let object = file.object(key)?;
    decode(&mut object.buffer(), &key.class_name, class, Layouts::of(file))
        .map_err(|wrong| wrong.within(file.path(), format!("histogram `{}`", key.name), key.seek))
}

fn decode(
    buffer: &mut Buffer<'_>,
    class: &str,
    (is_sparse, element): (bool, Element),
    layouts: Layouts<'_>,
) -> Parse<ManyAxes> {
    if is_sparse {
        let end = layouts.version(buffer, class, 1..=1, &["THnSparse"])?.end;
        let inner = layouts.version(buffer, "THnSparse", 3..=3, &SPARSE)?.end;
        let mut hist = base(buffer, layouts)?;
        (hist.is_sparse, hist.element) = (true, element);
        buffer.i32()?; // fChunkSize
        buffer.i64()?; // fFilledBins
        chunks(buffer, &mut hist, layouts)?;
        skip_tail(buffer, inner)?;
        skip_tail(buffer, end)?;
        return Ok(hist);
    }
    let end = layouts.version(buffer, class, 1..=1, &["THn", "fArray"])?.end;
    let inner = layouts.version(buffer, "THn", 1..=1, &["THnBase", "fSumw2"])?.end;
    let mut hist = base(buffer, layouts)?;
    (hist.is_sparse, hist.element) = (false, element);
    let at = buffer.position();
    let cells = ManyAxes::cells(&hist.axes).unwrap_or_default();
    let squares = cells_of(buffer, &hist.axes, Element::Float64, layouts)?;
    skip_tail(buffer, inner)?;
    let contents = cells_of(buffer, &hist.axes, element, layouts)?;
    skip_tail(buffer, end)?;
    let fits = |numbers: &[f64]| numbers.is_empty() || numbers.len() as u64 == cells;
    if !fits(&contents) || !fits(&squares) {
        return Err(Malformed::new(at, format!("its {} bins do not fit its axes", contents.len())));
    }
    let errors = hist.has_errors();
    hist.bins = (0..contents.len().max(squares.len()))
        .map(|cell| {
            let content = contents.get(cell).copied().unwrap_or_default();
            let square = if errors { squares.get(cell).copied().unwrap_or_default() } else { content.abs() };
            (cell as u64, [content, square])
        })
        .filter(|(_, cell)| *cell != [0.0; 2])
        .collect();
    Ok(hist)
}

fn base(buffer: &mut Buffer<'_>, layouts: Layouts<'_>) -> Parse<ManyAxes> {
    let end = layouts.version(buffer, "THnBase", 1..=1, &BASE)?.end;
    let (bits, name, title) = buffer.tnamed_bits()?;
    let at = buffer.position();
    let dimension = buffer.i32()?;
    let (slots, list) = buffer.tobjarray()?;
    if usize::try_from(dimension) != Ok(slots) || slots == 0 || slots > ManyAxes::MOST_AXES {
        return Err(Malformed::new(at, format!("a histogram of {dimension} axes has {slots}")));
    }
    let mut axes = Vec::new();
    for _ in 0..slots {
        let at = buffer.position();
        let Object::Here { class: b"TAxis", end, .. } = buffer.object()? else {
            return Err(Malformed::new(at, "an axis is missing"));
        };
        axes.push(axis::read(buffer, layouts)?);
        skip_tail(buffer, end)?;
    }
    skip_tail(buffer, list)?;
    if ManyAxes::cells(&axes).is_none() {
        return Err(Malformed::new(at, "it has more bins than can be numbered"));
    }
    let entries = buffer.f64()?;
    let sums = [buffer.f64()?, buffer.f64()?];
    let [wx, wxx] = [array(buffer, Element::Float64)?, array(buffer, Element::Float64)?];
    skip_tail(buffer, end)?;
    // As long as it has none, ROOT may write empty arrays.
    let number = |sums: &[f64], axis: usize| sums.get(axis).copied().unwrap_or_default();
    let moments = (0..axes.len()).map(|axis| [number(&wx, axis), number(&wxx, axis)]).collect();
    Ok(ManyAxes {
        is_sparse: false,
        element: Element::Float64,
        name,
        title,
        bits: ManyAxes::own_bits(bits),
        axes,
        entries,
        sums,
        moments,
        bins: Vec::new(),
    })
}

/// A `TNDArrayT`: the numbers of places from each axis on, then all numbers or none.
fn cells_of(
    buffer: &mut Buffer<'_>,
    axes: &[Axis],
    element: Element,
    layouts: Layouts<'_>,
) -> Parse<Vec<f64>> {
    let end = layouts.version(buffer, "TNDArrayT", 1..=2, &["TNDArray", "fData"])?.end;
    let inner = layouts.version(buffer, "TNDArray", 1..=2, &["TObject", "fSizes"])?.end;
    buffer.tobject()?;
    let sizes_end = buffer.version()?.end;
    let at = buffer.position();
    let sizes = array(buffer, Element::Int64)?;
    skip_tail(buffer, sizes_end)?;
    skip_tail(buffer, inner)?;
    let mut want = vec![1.0];
    axes.iter().rev().for_each(|axis| want.push(want[want.len() - 1] * (axis.bins as f64 + 2.0)));
    want.reverse();
    if !sizes.is_empty() && sizes != want {
        return Err(Malformed::new(at, "its array does not fit its axes"));
    }
    let data_end = buffer.version()?.end;
    let numbers = array(buffer, element)?;
    skip_tail(buffer, data_end)?;
    skip_tail(buffer, end)?;
    Ok(numbers)
}

/// The filled bins, in blocks.
fn chunks(buffer: &mut Buffer<'_>, hist: &mut ManyAxes, layouts: Layouts<'_>) -> Parse<()> {
    let coordinates = Coordinates::of(&hist.axes);
    let (slots, list) = buffer.tobjarray()?;
    for _ in 0..slots {
        let at = buffer.position();
        let Object::Here { class: b"THnSparseArrayChunk", end, .. } = buffer.object()? else {
            return Err(Malformed::new(at, "a block of bins is missing"));
        };
        let inner = layouts.version(buffer, "THnSparseArrayChunk", 1..=1, &CHUNK)?.end;
        buffer.tobject()?;
        let at = buffer.position();
        let (each, bytes) = (buffer.i32()?, buffer.i32()?);
        let (each, bytes) = (usize::try_from(each).unwrap_or(0), usize::try_from(bytes).unwrap_or(0));
        if each != coordinates.bytes() || each == 0 || !bytes.is_multiple_of(each) {
            return Err(Malformed::new(
                at,
                format!("bins of {each} bytes in {bytes}, not {}", coordinates.bytes()),
            ));
        }
        let packed = if buffer.u8()? == 0 { &[][..] } else { buffer.bytes(bytes)? };
        let contents = pointed(buffer, hist.element)?.unwrap_or_default();
        let squares = pointed(buffer, Element::Float64)?;
        skip_tail(buffer, inner)?;
        skip_tail(buffer, end)?;
        let filled = packed.len() / each;
        if contents.len() < filled || squares.as_ref().is_some_and(|squares| squares.len() < filled) {
            return Err(Malformed::new(at, format!("{} contents of {filled} bins", contents.len())));
        }
        for (bin, packed) in packed.chunks_exact(each).enumerate() {
            let places: Vec<u64> = coordinates.unpack(packed).collect();
            if hist.axes.iter().zip(&places).any(|(axis, &place)| place > axis.bins as u64 + 1) {
                return Err(Malformed::new(at, format!("bin {places:?} is outside of the axes")));
            }
            let content = contents[bin];
            let square = squares.as_ref().map_or(content.abs(), |squares| squares[bin]);
            let cell = (hist.place(places), [content, square]);
            hist.bins.push(cell);
        }
    }
    skip_tail(buffer, list)?;
    ManyAxes::sort(&mut hist.bins);
    Ok(())
}

/// A `TArray` behind a pointer.
fn pointed(buffer: &mut Buffer<'_>, element: Element) -> Parse<Option<Vec<f64>>> {
    match buffer.object()? {
        Object::Here { end, .. } => {
            let numbers = array(buffer, element)?;
            skip_tail(buffer, end)?;
            Ok(Some(numbers))
        }
        _ => Ok(None),
    }
}
