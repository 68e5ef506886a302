use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AnyHist, Axis, Coordinate, Counts, Storage, Weighted};
use crate::{Error, Merge, Result};

/// The axes of a histogram: an array, or a vector if their number is known only at run time.
pub trait Axes:
    AsRef<[Axis]> + AsMut<[Axis]> + Clone + PartialEq + TryFrom<Vec<Axis>> + Send + Sync + 'static
{
    /// One place on each axis.
    type Places: AsRef<[usize]>;
}

impl<const D: usize> Axes for [Axis; D] {
    type Places = [usize; D];
}

impl Axes for Vec<Axis> {
    type Places = Vec<usize>;
}

/// A histogram with axes `A` that keeps an `S` in each bin. See [`super::Hist`] and its siblings.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram<S: Storage, A: Axes> {
    title: String,
    axes: A,
    cells: Vec<S::Cell>,
    entries: u64,
}

/// Cells of the largest histogram: 16 GiB of weighted ones. More would be a slip, or an attack.
const MAX_CELLS: usize = 1 << 30;

fn cells(axes: &[Axis]) -> Option<usize> {
    axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.len() + 2)).filter(|&n| n <= MAX_CELLS)
}

impl<S: Storage, A: Axes> Histogram<S, A> {
    /// An empty histogram. A one-dimensional one takes its axis, others an array (or, for `HistN`, a
    /// vector) of axes.
    ///
    /// # Panics
    /// With more than 2³⁰ bins in all.
    #[track_caller]
    pub fn new(axes: impl IntoAxes<A>) -> Self {
        let axes = axes.into_axes();
        let Some(n) = cells(axes.as_ref()) else { panic!("a histogram of more than {MAX_CELLS} bins") };
        Self { title: String::new(), cells: vec![S::Cell::default(); n], axes, entries: 0 }
    }

    /// The same histogram with a title for plots.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The axes, x first.
    pub fn axes(&self) -> &[Axis] {
        self.axes.as_ref()
    }

    /// How many times it was filled, under- and overflow included.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The sum of weights in a bin; 0 is the underflow of an axis and `n + 1` its overflow.
    ///
    /// # Panics
    /// If a place is past the overflow.
    pub fn value(&self, places: A::Places) -> f64 {
        S::value(self.cells[self.cell(places.as_ref())])
    }

    /// The sum of squared weights in a bin.
    ///
    /// # Panics
    /// If a place is past the overflow.
    pub fn variance(&self, places: A::Places) -> f64 {
        S::variance(self.cells[self.cell(places.as_ref())])
    }

    /// The sum of weights over all bins, under- and overflow included.
    pub fn sum(&self) -> f64 {
        self.cells.iter().map(|&cell| S::value(cell)).sum()
    }

    /// The histogram as writers need it.
    pub fn view(&self) -> AnyHist {
        AnyHist {
            title: self.title.clone(),
            axes: self.axes().to_vec(),
            sumw: self.cells.iter().map(|&cell| S::value(cell)).collect(),
            sumw2: S::WEIGHTED.then(|| self.cells.iter().map(|&cell| S::variance(cell)).collect()),
            entries: self.entries,
        }
    }

    fn cell(&self, places: &[usize]) -> usize {
        let axes = self.axes.as_ref();
        assert_eq!(places.len(), axes.len(), "one place for each axis");
        axes.iter().zip(places).rev().fold(0, |at, (axis, &place)| {
            assert!(place < axis.len() + 2, "place {place} of an axis of {} bins", axis.len());
            at * (axis.len() + 2) + place
        })
    }

    #[inline(always)]
    fn put(&mut self, at: usize, cell: S::Cell) {
        S::add(&mut self.cells[at], cell);
        self.entries += 1;
    }

    /// Adds to a bin what several fills have put there.
    #[inline(always)]
    pub(super) fn put_many(&mut self, at: usize, cell: S::Cell, entries: u64) {
        S::add(&mut self.cells[at], cell);
        self.entries += entries;
    }

    /// The place of `x` on axis `axis`, which grows if it is of that kind.
    #[inline(always)]
    fn place(&mut self, axis: usize, x: impl Coordinate) -> usize {
        let known = &self.axes.as_ref()[axis];
        let place = x.index(known);
        if let Some(name) = x.category()
            && place == known.len() + 1
        {
            return self.grow(axis, name);
        }
        place
    }

    /// Adds a category and makes room for it. Returns the overflow if the axis does not grow.
    #[cold]
    fn grow(&mut self, axis: usize, name: &str) -> usize {
        let overflow = self.axes.as_ref()[axis].len() + 1;
        let Some(category) = self.axes.as_mut()[axis].category_mut().filter(|category| category.grows())
        else {
            return overflow;
        };
        category.push(name);
        // The new bin takes the place of the overflow, which moves one up; all the rest stays.
        let inner: usize = self.axes.as_ref()[..axis].iter().map(|axis| axis.len() + 2).product();
        let old = inner * (overflow + 1);
        let mut cells = Vec::with_capacity(self.cells.len() / (overflow + 1) * (overflow + 2));
        for block in self.cells.chunks_exact(old) {
            cells.extend_from_slice(&block[..inner * overflow]);
            cells.extend(std::iter::repeat_n(S::Cell::default(), inner));
            cells.extend_from_slice(&block[inner * overflow..]);
        }
        self.cells = cells;
        overflow
    }

    /// Why the cells cannot be added, if so.
    fn difference(&self, other: &Self) -> Option<String> {
        let (mine, theirs) = (self.axes(), other.axes());
        if mine.len() != theirs.len() {
            return Some(format!("{} axes in A and {} axes in B", mine.len(), theirs.len()));
        }
        let differing = mine.iter().zip(theirs).enumerate();
        differing.filter_map(|(at, (a, b))| a.difference(b).map(|what| format!("axis {at} {what}"))).next()
    }

    /// Gives both histograms the categories of either, in one order.
    fn unite_categories(&mut self, other: &mut Self) {
        for axis in 0..self.axes().len().min(other.axes().len()) {
            let missing = |from: &Self| match from.axes()[axis].bins() {
                super::Bins::Category(category) => category.names().to_vec(),
                _ => Vec::new(),
            };
            for name in missing(other) {
                self.place(axis, name.as_str());
            }
            for name in missing(self) {
                other.place(axis, name.as_str());
            }
        }
    }

    /// The cells of `self` in the order of categories that `like` has.
    fn reordered(self, like: &A) -> Self {
        if self.axes == *like {
            return self;
        }
        let mut fresh =
            Self { axes: like.clone(), cells: vec![S::Cell::default(); self.cells.len()], ..self.clone() };
        for (at, &cell) in self.cells.iter().enumerate() {
            let mut rest = at;
            let places: Vec<usize> = self
                .axes()
                .iter()
                .zip(like.as_ref())
                .map(|(mine, theirs)| {
                    let place = rest % (mine.len() + 2);
                    rest /= mine.len() + 2;
                    match mine.bins() {
                        super::Bins::Category(names) if (1..=mine.len()).contains(&place) => {
                            theirs.index_of_name(&names.names()[place - 1])
                        }
                        _ => place,
                    }
                })
                .collect();
            let to = fresh.cell(&places);
            fresh.cells[to] = cell;
        }
        fresh
    }
}

impl<S: Storage, A: Axes> Merge for Histogram<S, A> {
    fn merge(&mut self, mut other: Self) -> Result<()> {
        if let Some(what) = self.difference(&other) {
            return Err(Error::Binning { name: None, what });
        }
        // Nothing differs but the names on growing axes, perhaps.
        if self.axes != other.axes {
            self.unite_categories(&mut other);
            other = other.reordered(&self.axes);
        }
        for (cell, theirs) in self.cells.iter_mut().zip(other.cells) {
            S::add(cell, theirs);
        }
        self.entries = self.entries.saturating_add(other.entries);
        Ok(())
    }
}

/// What a histogram's axes can be given as: an axis alone, an array, or a vector.
pub trait IntoAxes<A> {
    /// The axes.
    fn into_axes(self) -> A;
}

impl IntoAxes<[Axis; 1]> for Axis {
    fn into_axes(self) -> [Axis; 1] {
        [self]
    }
}

impl<const D: usize> IntoAxes<[Axis; D]> for [Axis; D] {
    fn into_axes(self) -> [Axis; D] {
        self
    }
}

impl IntoAxes<Vec<Axis>> for Vec<Axis> {
    fn into_axes(self) -> Vec<Axis> {
        self
    }
}

impl Histogram<Weighted, [Axis; 1]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, weight: f64) {
        let at = self.place(0, x);
        self.put(at, [weight, weight * weight]);
    }
}

impl Histogram<Weighted, [Axis; 2]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate, weight: f64) {
        let (i, j) = (self.place(0, x), self.place(1, y));
        let at = i + (self.axes[0].len() + 2) * j;
        self.put(at, [weight, weight * weight]);
    }
}

impl Histogram<Weighted, [Axis; 3]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate, z: impl Coordinate, weight: f64) {
        let (i, j, k) = (self.place(0, x), self.place(1, y), self.place(2, z));
        let at = i + (self.axes[0].len() + 2) * (j + (self.axes[1].len() + 2) * k);
        self.put(at, [weight, weight * weight]);
    }
}

impl Histogram<Weighted, Vec<Axis>> {
    /// Adds an entry: one number for each axis.
    ///
    /// # Panics
    /// If there are more or fewer numbers than axes.
    pub fn fill(&mut self, at: &[f64], weight: f64) {
        let places: Vec<usize> = self.axes.iter().zip(at).map(|(axis, &x)| axis.index_of_number(x)).collect();
        let cell = self.cell(&places);
        self.put(cell, [weight, weight * weight]);
    }
}

impl Histogram<Counts, [Axis; 1]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate) {
        let at = self.place(0, x);
        self.put(at, 1);
    }
}

impl Histogram<Counts, [Axis; 2]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate) {
        let (i, j) = (self.place(0, x), self.place(1, y));
        let at = i + (self.axes[0].len() + 2) * j;
        self.put(at, 1);
    }
}

impl Histogram<Counts, [Axis; 3]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate, z: impl Coordinate) {
        let (i, j, k) = (self.place(0, x), self.place(1, y), self.place(2, z));
        let at = i + (self.axes[0].len() + 2) * (j + (self.axes[1].len() + 2) * k);
        self.put(at, 1);
    }
}

#[derive(Serialize)]
struct Written<'a, C> {
    title: &'a str,
    axes: &'a [Axis],
    cells: &'a [C],
    entries: u64,
}

#[derive(Deserialize)]
struct Stored<C> {
    title: String,
    axes: Vec<Axis>,
    cells: Vec<C>,
    entries: u64,
}

impl<S: Storage, A: Axes> Serialize for Histogram<S, A> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Self { title, axes, cells, entries } = self;
        Written { title, axes: axes.as_ref(), cells, entries: *entries }.serialize(serializer)
    }
}

impl<'de, S: Storage, A: Axes> Deserialize<'de> for Histogram<S, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { title, axes, cells: stored, entries } = Stored::deserialize(deserializer)?;
        axes.iter().try_for_each(Axis::check).map_err(D::Error::custom)?;
        if cells(&axes) != Some(stored.len()) {
            return Err(D::Error::custom("a histogram whose bins do not fit its axes"));
        }
        let axes = A::try_from(axes).map_err(|_| D::Error::custom("a histogram of another dimension"))?;
        Ok(Self { title, axes, cells: stored, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Count, Hist, Hist2};
    use super::*;

    #[test]
    fn a_growing_axis_keeps_what_was_filled() {
        let mut h = Hist2::new([Axis::growing_category(), Axis::regular(2, 0.0, 2.0)]);
        h.fill("mu", 0.5, 1.0);
        h.fill("e", 1.5, 2.0);
        h.fill("mu", 1.5, 4.0);
        assert_eq!((h.value([1, 1]), h.value([2, 2]), h.value([1, 2])), (1.0, 2.0, 4.0));
        assert_eq!(h.sum(), 7.0);
    }

    #[test]
    fn growing_axes_unite_whatever_the_order_of_their_names() {
        let make = |names: &[&str]| {
            let mut h = Hist::new(Axis::growing_category());
            for (weight, name) in names.iter().enumerate() {
                h.fill(*name, weight as f64 + 1.0);
            }
            h
        };
        let mut a = make(&["x", "y"]);
        a.merge(make(&["y", "z", "x"])).unwrap();
        assert_eq!((a.value([1]), a.value([2]), a.value([3])), (1.0 + 3.0, 2.0 + 1.0, 2.0));
        assert_eq!(a.entries(), 5);
    }

    #[test]
    fn different_axes_are_an_error_that_says_how() {
        let mut a = Hist::new(Axis::regular(60, 0.0, 1.0));
        let error = a.merge(Hist::new(Axis::regular(50, 0.0, 1.0))).unwrap_err().of("mass").to_string();
        assert_eq!(error, "histogram `mass`: axis 0 has 60 bins in A and 50 bins in B");
        let error = a.merge(Hist::new(Axis::regular(60, 0.0, 2.0))).unwrap_err().to_string();
        assert_eq!(error, "histogram: axis 0 is regular over 0..1 in A and regular over 0..2 in B");
    }

    #[test]
    fn an_empty_histogram_is_the_identity_of_merge() {
        let empty = Count::new(Axis::integer(0, 3));
        let mut filled = empty.clone();
        filled.fill(1);
        let (mut left, mut right) = (empty.clone(), filled.clone());
        left.merge(filled.clone()).unwrap();
        right.merge(empty).unwrap();
        assert_eq!(left, filled);
        assert_eq!(right, filled);
    }

    #[test]
    fn what_does_not_fit_its_axes_is_not_read() {
        let text = serde_json::to_string(&Hist::new(Axis::regular(3, 0.0, 1.0))).unwrap();
        assert!(serde_json::from_str::<Hist>(&text).is_ok());
        assert!(serde_json::from_str::<Hist>(&text.replace("\"bins\":3", "\"bins\":4")).is_err());
        assert!(serde_json::from_str::<Hist2>(&text).is_err());
    }
}
