//! The bytes of `THnT` and `THnSparseT`.

use super::encoder::Encoder;
use super::histogram::{array, named_axis};
use crate::hist::{Coordinates, Element, ManyAxes};

/// The filled bins of a block of a `THnSparse`: ROOT's own number, for fewer as many as there are.
const CHUNK: usize = 16 * 1024;
const SMALLEST_CHUNK: usize = 64;
/// The version that ROOT writes for a `std::vector`.
const VECTOR: u16 = 10;

pub(super) fn write(hist: &ManyAxes, out: &mut Encoder) {
    match hist.is_sparse {
        true => sparse(hist, out),
        false => out.class(1, |out| {
            out.class(1, |out| {
                base(hist, out);
                let squares = if hist.has_errors() { Some(1) } else { None };
                cells(hist, squares, Element::Float64, out);
            });
            cells(hist, Some(0), hist.element, out);
        }),
    }
}

fn base(hist: &ManyAxes, out: &mut Encoder) {
    out.class(1, |out| {
        out.tnamed(hist.bits, &hist.name, &hist.title);
        out.u32(hist.axes.len() as u32);
        objects(hist.axes.len(), out, |at, out| {
            out.pointer("TAxis", |out| named_axis(&format!("axis{at}"), at, &hist.axes[at], out));
        });
        for value in [hist.entries, hist.sums[0], hist.sums[1]] {
            out.f64(value);
        }
        for power in 0..2 {
            let sums: Vec<f64> = hist.moments.iter().map(|sums| sums[power]).collect();
            array(&sums, Element::Float64, out);
        }
    });
}

/// A `TObjArray` that owns its objects.
fn objects(count: usize, out: &mut Encoder, mut object: impl FnMut(usize, &mut Encoder)) {
    const IS_OWNER: u32 = 1 << 14;
    out.class(3, |out| {
        out.tobject(0, IS_OWNER);
        out.string("");
        out.u32(count as u32);
        out.u32(0); // the lower bound
        (0..count).for_each(|at| object(at, out));
    });
}

/// A `TNDArrayT` of one of the numbers of all bins; of none, or where no bin holds anything, an empty one.
fn cells(hist: &ManyAxes, which: Option<usize>, element: Element, out: &mut Encoder) {
    let mut sizes = vec![1_i64];
    hist.axes.iter().rev().for_each(|axis| sizes.push(sizes[sizes.len() - 1] * (axis.bins as i64 + 2)));
    sizes.reverse();
    out.class(2, |out| {
        out.class(2, |out| {
            out.tobject(0, 0);
            out.class(VECTOR, |out| {
                out.u32(sizes.len() as u32);
                sizes.iter().for_each(|&size| out.i64(size));
            });
        });
        out.class(VECTOR, |out| {
            let mut numbers = Vec::new();
            if let Some(which) = which.filter(|_| !hist.bins.is_empty()) {
                numbers.resize(sizes[0] as usize, 0.0);
                hist.bins.iter().for_each(|(at, cell)| numbers[*at as usize] = cell[which]);
            }
            array(&numbers, element, out);
        });
    });
}

fn sparse(hist: &ManyAxes, out: &mut Encoder) {
    let coordinates = Coordinates::of(&hist.axes);
    // ROOT goes on filling the last block, for which its arrays must be of full length.
    let chunk = hist.bins.len().clamp(SMALLEST_CHUNK, CHUNK);
    out.class(1, |out| {
        out.class(3, |out| {
            base(hist, out);
            out.u32(chunk as u32);
            out.i64(hist.bins.len() as i64);
            let chunks: Vec<_> = hist.bins.chunks(chunk).collect();
            objects(chunks.len(), out, |at, out| {
                out.object("THnSparseArrayChunk", 1, |out| {
                    out.tobject(0, 0);
                    let mut packed = Vec::new();
                    chunks[at].iter().for_each(|(bin, _)| coordinates.pack(&hist.places(*bin), &mut packed));
                    out.u32(coordinates.bytes() as u32);
                    out.u32(packed.len() as u32);
                    out.u8(1);
                    out.raw(&packed);
                    let class = match hist.element {
                        Element::Int8 => "TArrayC",
                        Element::Int16 => "TArrayS",
                        Element::Int32 => "TArrayI",
                        Element::Int64 => "TArrayL64",
                        Element::Float32 => "TArrayF",
                        Element::Float64 => "TArrayD",
                    };
                    let numbers = |which: usize| {
                        let mut numbers: Vec<f64> = chunks[at].iter().map(|(_, cell)| cell[which]).collect();
                        numbers.resize(chunk, 0.0);
                        numbers
                    };
                    out.pointer(class, |out| array(&numbers(0), hist.element, out));
                    match hist.has_errors() {
                        true => out.pointer("TArrayD", |out| array(&numbers(1), Element::Float64, out)),
                        false => out.u32(0),
                    }
                });
            });
        });
    });
}
