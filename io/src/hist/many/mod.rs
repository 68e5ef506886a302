//! Histograms of any number of axes: `THnT` with all of its bins in the file, and `THnSparseT` with those that were
//! filled.

mod coordinates;
mod read;

pub(crate) use coordinates::Coordinates;
pub(crate) use read::read;

use super::merge::{difference, same_bins};
use super::{Axis, Element, Settings};

/// A `THnD`, a `THnSparseD`, or a sibling of theirs with other numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct ManyAxes {
    /// Whether it is a `THnSparseT`.
    pub is_sparse: bool,
    /// The numbers it stores.
    pub element: Element,
    /// Its own name, which need not be that of its key.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The bits of its `TObject`.
    pub bits: u32,
    /// Its axes, the first one first.
    pub axes: Vec<Axis>,
    /// How many times it was filled.
    pub entries: f64,
    /// The sums of weights and of squared weights over all fills; the second is negative where squared weights are not
    /// kept (`fTsumw`, `fTsumw2`).
    pub sums: [f64; 2],
    /// For each axis the sums of `w x` and `w x²` (`fTsumwx`, `fTsumwx2`).
    pub moments: Vec<[f64; 2]>,
    /// The bins that hold something, by [`place`](Self::place), in order: content and squared weights.
    pub bins: Vec<(u64, [f64; 2])>,
}

impl ManyAxes {
    /// The most axes: each has at least two places, and bins are numbered with 63 bits.
    pub const MOST_AXES: usize = 62;

    /// The class called `name`, if it is one of these: whether it is sparse, and its numbers.
    pub(crate) fn parse(name: &str) -> Option<(bool, Element)> {
        let (sparse, dense) = (name.strip_prefix("THnSparseT<TArray"), name.strip_prefix("THnT<"));
        let inner = sparse.or(dense)?.strip_suffix('>')?;
        let element = match (inner, sparse.is_some()) {
            ("C", true) | ("char", false) => Element::Int8,
            ("S", true) | ("short", false) => Element::Int16,
            ("I", true) | ("int", false) => Element::Int32,
            ("L" | "L64", true) | ("Long64_t" | "long", false) => Element::Int64,
            ("F", true) | ("float", false) => Element::Float32,
            ("D", true) | ("double", false) => Element::Float64,
            _ => return None,
        };
        Some((sparse.is_some(), element))
    }

    /// Its class.
    pub fn class(&self) -> String {
        let (array, number) = match self.element {
            Element::Int8 => ("C", "char"),
            Element::Int16 => ("S", "short"),
            Element::Int32 => ("I", "int"),
            Element::Int64 => ("L64", "Long64_t"),
            Element::Float32 => ("F", "float"),
            Element::Float64 => ("D", "double"),
        };
        match self.is_sparse {
            true => format!("THnSparseT<TArray{array}>"),
            false => format!("THnT<{number}>"),
        }
    }

    /// Whether squared weights are kept.
    pub fn has_errors(&self) -> bool {
        self.sums[1] >= 0.0
    }

    /// How many bins there are, under- and overflow included, if 63 bits can count them.
    pub fn cells(axes: &[Axis]) -> Option<u64> {
        let cells = axes.iter().try_fold(1_u64, |cells, axis| cells.checked_mul(axis.bins as u64 + 2))?;
        (cells <= i64::MAX as u64).then_some(cells)
    }

    /// The number of the bin at one place on each axis, 0 for the underflow: the last axis is the fastest, as in
    /// `TNDArray`.
    pub fn place(&self, places: impl IntoIterator<Item = u64>) -> u64 {
        self.axes.iter().zip(places).fold(0, |at, (axis, place)| at * (axis.bins as u64 + 2) + place)
    }

    /// The places on the axes of a bin.
    pub fn places(&self, bin: u64) -> Vec<u64> {
        let mut rest = bin;
        let mut places: Vec<u64> = (self.axes.iter().rev())
            .map(|axis| {
                let place = rest % (axis.bins as u64 + 2);
                rest /= axis.bins as u64 + 2;
                place
            })
            .collect();
        places.reverse();
        places
    }

    /// Adds `other`, as `THnBase::Merge` does: contents, squared weights, sums and entries add up. A sparse histogram and
    /// one that is not make one that is not.
    ///
    /// # Errors
    /// What differs, as ``axis 0 has 60 bins in A and 50 bins in B``.
    pub fn merge(&mut self, other: &Self) -> Result<(), String> {
        if self.element != other.element {
            return Err(format!("is a {} in A and a {} in B", self.class(), other.class()));
        }
        if self.axes.len() != other.axes.len() {
            return Err(format!("{} axes in A and {} axes in B", self.axes.len(), other.axes.len()));
        }
        for (at, (mine, theirs)) in self.axes.iter().zip(&other.axes).enumerate() {
            if !same_bins(mine, theirs) {
                return Err(format!("axis {at} {}", difference(mine, theirs)));
            }
            if mine.labels != theirs.labels {
                return Err(format!("axis {at} has other labels in A than in B"));
            }
        }
        // Which of the two a run writes depends on how many bins it has filled.
        // One whose bins were all in its file can be written so again; an empty one may have any number of bins.
        let holds_all = |hist: &Self| !hist.is_sparse && !hist.bins.is_empty();
        self.is_sparse = (self.is_sparse || other.is_sparse) && !holds_all(self) && !holds_all(other);
        // Without squared weights, the contents are what they would be.
        if self.has_errors() != other.has_errors() {
            let without = if self.has_errors() { other.sums[0] } else { self.sums[0] };
            self.sums[1] = self.sums[1].max(0.0) + other.sums[1].max(0.0) + without;
        } else if self.has_errors() {
            self.sums[1] += other.sums[1];
        }
        self.sums[0] += other.sums[0];
        self.entries += other.entries;
        for (mine, theirs) in self.moments.iter_mut().zip(&other.moments) {
            *mine = [mine[0] + theirs[0], mine[1] + theirs[1]];
        }
        let mut bins = Vec::with_capacity(self.bins.len().max(other.bins.len()));
        let (mut mine, mut theirs) = (self.bins.iter().peekable(), other.bins.iter().peekable());
        while let Some(&&(at, cell)) = match (mine.peek(), theirs.peek()) {
            (Some((a, _)), Some((b, _))) if b < a => theirs.peek(),
            (Some(_), _) => mine.peek(),
            (None, _) => theirs.peek(),
        } {
            let a = mine.next_if(|(a, _)| *a == at);
            let b = theirs.next_if(|(b, _)| *b == at);
            bins.push(match (a, b) {
                (Some((_, a)), Some((_, b))) => (at, [a[0] + b[0], a[1] + b[1]]),
                _ => (at, cell),
            });
        }
        self.bins = bins;
        Ok(())
    }

    /// Bins in order, each once: those that come twice are added up.
    pub(crate) fn sort(bins: &mut Vec<(u64, [f64; 2])>) {
        bins.sort_by_key(|(at, _)| *at);
        bins.dedup_by(|(at, cell), (before, sum)| {
            let same = at == before;
            if same {
                *sum = [sum[0] + cell[0], sum[1] + cell[1]];
            }
            same
        });
    }

    /// The bits of its object that are its own settings.
    pub(crate) fn own_bits(bits: u32) -> u32 {
        bits & Settings::BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bins: &[(u64, f64)]) -> ManyAxes {
        let axis = |bins: usize| Axis { bins, high: bins as f64, ..Axis::default() };
        ManyAxes {
            is_sparse: true,
            element: Element::Float64,
            name: "h".to_owned(),
            title: String::new(),
            bits: 0,
            axes: [1, 2, 3, 4].map(axis).to_vec(),
            entries: 1.0,
            sums: [1.0, 2.0],
            moments: vec![[1.0, 2.0]; 4],
            bins: bins.iter().map(|&(at, w)| (at, [w, w * w])).collect(),
        }
    }

    #[test]
    fn places_are_those_of_a_tndarray() {
        let hist = of(&[]);
        assert_eq!(ManyAxes::cells(&hist.axes), Some(3 * 4 * 5 * 6));
        assert_eq!(hist.place([1, 2, 3, 4]), ((4 + 2) * 5 + 3) * 6 + 4);
        assert_eq!(hist.places(hist.place([2, 0, 4, 5])), [2, 0, 4, 5]);
    }

    #[test]
    fn bins_of_either_add_up_in_order() {
        let mut hist = of(&[(1, 1.0), (5, 2.0)]);
        hist.merge(&of(&[(0, 4.0), (5, 8.0), (9, 16.0)])).unwrap();
        assert_eq!(hist.bins, [(0, [4.0, 16.0]), (1, [1.0, 1.0]), (5, [10.0, 68.0]), (9, [16.0, 256.0])]);
        assert_eq!((hist.entries, hist.sums, hist.moments[3]), (2.0, [2.0, 4.0], [2.0, 4.0]));
        let mut other = of(&[]);
        other.is_sparse = false;
        hist.merge(&other).unwrap();
        assert_eq!(hist.class(), "THnSparseT<TArrayD>");
        other.bins = vec![(0, [1.0; 2])];
        hist.merge(&other).unwrap();
        assert_eq!(hist.class(), "THnT<double>");
        other.axes[1].bins = 3;
        assert_eq!(hist.merge(&other).unwrap_err(), "axis 1 has 2 bins in A and 3 bins in B");
    }
}
