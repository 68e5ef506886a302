use std::borrow::Cow;
use std::fmt::Debug;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bins::{counts, find_places};
use super::cells::{Cells, Read};
use super::moments::Moments;
use super::varied::{Varied, may_wait};
use super::waiting::Waiting;
use super::{AnyHist, Axis, Coordinate, Counts, Storage, Weighted};
use crate::{Error, Merge, Result};

/// The axes of a histogram: an array, or a vector if their number is known only at run time.
pub trait Axes:
    AsRef<[Axis]> + AsMut<[Axis]> + Clone + PartialEq + TryFrom<Vec<Axis>> + Send + Sync + 'static
{
    /// One place on each axis.
    type Places: AsRef<[usize]>;
    /// One number for each axis, or for each of up to three if their number is known only at run time.
    type Numbers: AsRef<[f64]> + Copy + Debug + Send + Sync + 'static;
    /// Zeros.
    const ORIGIN: Self::Numbers;
}

impl<const D: usize> Axes for [Axis; D] {
    type Places = [usize; D];
    type Numbers = [f64; D];
    const ORIGIN: [f64; D] = [0.0; D];
}

impl Axes for Vec<Axis> {
    type Places = Vec<usize>;
    type Numbers = [f64; 3];
    const ORIGIN: [f64; 3] = [0.0; 3];
}

/// A histogram with axes `A` that keeps an `S` in each bin. See [`super::Hist`] and its siblings.
#[derive(Clone, Debug)]
pub struct Histogram<S: Storage, A: Axes> {
    pub(super) title: Box<str>,
    pub(super) axes: A,
    pub(super) cells: Cells<S>,
    /// Without the fills that wait.
    pub(super) entries: u64,
    pub(super) moments: Moments,
    /// Fills that are not yet in the cells and sums. There are none of one kind while there are some of the other.
    waiting: Waiting<S, A>,
    varied: Option<Box<Varied<S>>>,
}

/// Cells of the largest histogram: 16 GiB of weighted ones. More would be a slip, or an attack.
const MAX_CELLS: usize = 1 << 30;

fn cells(axes: &[Axis]) -> Option<usize> {
    axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.len() + 2)).filter(|&n| n <= MAX_CELLS)
}

fn cell(axes: &[Axis], places: &[usize]) -> usize {
    assert_eq!(places.len(), axes.len(), "one place for each axis");
    axes.iter().zip(places).rev().fold(0, |at, (axis, &place)| {
        assert!(place < axis.len() + 2, "place {place} of an axis of {} bins", axis.len());
        at * (axis.len() + 2) + place
    })
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
        let moments = Moments::new(axes.as_ref().len());
        Self::of(Box::default(), axes, Cells::new(n), 0, moments)
    }

    pub(super) fn of(title: Box<str>, axes: A, cells: Cells<S>, entries: u64, moments: Moments) -> Self {
        Self { title, axes, cells, entries, moments, waiting: Waiting::default(), varied: None }
    }

    /// The same histogram with a title for plots.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into().into();
        self
    }

    /// The axes, x first.
    pub fn axes(&self) -> &[Axis] {
        self.axes.as_ref()
    }

    /// How many times it was filled, under- and overflow included.
    pub fn entries(&self) -> u64 {
        self.entries + self.waiting.len() as u64 + self.varied.as_ref().map_or(0, |varied| varied.fills())
    }

    /// The sum of weights in a bin; 0 is the underflow of an axis and `n + 1` its overflow.
    ///
    /// # Panics
    /// If a place is past the overflow.
    pub fn value(&self, places: A::Places) -> f64 {
        S::value(self.get(self.cell(places.as_ref())))
    }

    /// The sum of squared weights in a bin.
    ///
    /// # Panics
    /// If a place is past the overflow.
    pub fn variance(&self, places: A::Places) -> f64 {
        S::variance(self.get(self.cell(places.as_ref())))
    }

    /// The sum of weights over all bins, under- and overflow included.
    pub fn sum(&self) -> f64 {
        self.settled().cells.sum(S::value)
    }

    /// The bytes of its bins that are in memory. One of many bins has only those that were filled there, as long
    /// as that takes less.
    pub(crate) fn cells_memory(&self) -> usize {
        let varied = self.varied.as_ref().map_or(0, |varied| varied.memory());
        self.cells.memory() + self.moments.memory() + self.waiting.memory() + varied
    }

    /// The same when all are filled; axes that grow apart.
    pub(crate) fn most_cells_memory(&self) -> usize {
        let varied = self.varied.as_ref().map_or(0, |varied| varied.memory());
        let waiting = if may_wait(self.cells.len()) { Waiting::<S, A>::most_memory() } else { 0 };
        self.cells.len() * size_of::<S::Cell>() + self.moments.memory() + waiting + varied
    }

    /// The histogram as writers need it.
    pub fn view(&self) -> AnyHist {
        let hist = self.settled();
        AnyHist {
            title: hist.title.to_string(),
            axes: hist.axes().to_vec(),
            sumw: hist.cells.numbers(S::value),
            sumw2: S::WEIGHTED.then(|| hist.cells.numbers(S::variance)),
            entries: hist.entries,
            statistics: hist.statistics(),
            non_finite_weights: hist.moments.non_finite(),
        }
    }

    /// How many times it was filled with a weight that is infinite or not a number.
    pub fn non_finite_weights(&self) -> u64 {
        let varied = self.varied.iter().flat_map(|varied| varied.waiting());
        let waiting = self.waiting.weights().chain(varied).filter(|weight| !weight.is_finite());
        self.moments.non_finite() + waiting.count() as u64
    }

    /// The sums over all fills from which means and standard deviations are made, in ROOT's order (`TH3::GetStats`):
    /// of `w`, `w²`, `w x`, `w x²`, then with two axes `w y`, `w y²`, `w x y`, and with three `w z`, `w z²`, `w x z`,
    /// `w y z`. Fills outside of an axis are not part of them. With four axes and more (`THnD`) they are, and the sums
    /// are of `w`, `w²`, and of `w x` and `w x²` for each axis.
    ///
    /// A bin that was filled by name counts at its centre, 0.5 for the first; on a growing axis at 0.
    ///
    /// ```
    /// use hep_analysis::hist::{Axis, Hist};
    ///
    /// let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0));
    /// mass.fill(91.2, 0.5);
    /// mass.fill(90.2, 1.5);
    /// mass.fill(1000.0, 1.0);
    /// let sums = mass.statistics();
    /// assert_eq!(sums[2] / sums[0], 90.45);
    /// ```
    pub fn statistics(&self) -> Vec<f64> {
        let (hist, axes) = (self.settled(), self.axes());
        let mut places = vec![0; axes.len()];
        let counted = |at| {
            find_places(axes, at, &mut places);
            counts(axes, &places)
        };
        let [sumw, sumw2] = hist.cells.sums(counted, [S::value, S::variance]);
        [vec![sumw, sumw2], hist.totals()].concat()
    }

    /// The sums for means of the fills that do not wait, with one kind of NaN.
    pub(super) fn totals(&self) -> Vec<f64> {
        let mut totals = self.moments.totals();
        if let (Some(varied), [first, ..]) = (&self.varied, self.axes()) {
            varied.add_totals(first, &mut totals);
        }
        totals.iter_mut().filter(|sum| sum.is_nan()).for_each(|sum| *sum = f64::NAN);
        totals
    }

    /// One cell, with the fills that wait.
    fn get(&self, at: usize) -> S::Cell {
        let cell = self.waiting.with_waiting(self.axes(), at, self.cells.get(at));
        match &self.varied {
            Some(varied) => S::canonical(varied.with_waiting(self.axes(), at, cell)),
            None => S::canonical(cell),
        }
    }

    /// Adds the fills that wait.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.waiting.len() > 0 {
            let cells = &mut self.cells;
            self.waiting.settle(&self.axes, cells, &mut self.entries, &mut self.moments);
        }
        if let Some(varied) = &mut self.varied {
            self.entries += varied.fills();
            varied.settle(self.axes.as_ref(), &mut self.cells, &mut self.moments);
        }
    }

    /// A histogram in which no fills wait.
    pub(super) fn settled(&self) -> Cow<'_, Self> {
        if self.entries() == self.entries {
            return Cow::Borrowed(self);
        }
        let mut settled = self.clone();
        settled.settle();
        Cow::Owned(settled)
    }

    /// Takes a fill, if there is room.
    #[inline(always)]
    pub(super) fn wait(&mut self, numbers: A::Numbers, weight: S::Weight) -> bool {
        self.waiting.push(numbers, weight)
    }

    /// Makes room for fills to wait, if they may.
    pub(super) fn make_room(&mut self) -> bool {
        let may_wait = may_wait(self.cells.len());
        if may_wait && !self.waiting.is_booked() {
            self.waiting.book();
        }
        may_wait
    }

    /// Adds entries with the weights of all variations, each at a place or number of the second axis.
    #[inline]
    pub(super) fn put_varied<W: IntoIterator<Item = S::Weight>>(
        &mut self,
        entries: impl Iterator<Item = ((f64, usize), W)>,
    ) {
        let variations = self.axes()[0].len();
        if self.waiting.is_booked() {
            // The first fill of the other kind, which finds no room then, adds those of this kind before.
            self.settle();
            self.waiting = Waiting::default();
        }
        if self.varied.as_ref().is_none_or(|varied| varied.variations() != variations) {
            self.book_varied(variations);
        }
        let Some(varied) = &mut self.varied else { return };
        let may_wait = may_wait(self.cells.len());
        entries.for_each(|((y, place), weights)| {
            if varied.push(y, place, weights) || !may_wait {
                self.entries += varied.fills();
                varied.settle(self.axes.as_ref(), &mut self.cells, &mut self.moments);
            }
        });
    }

    /// Room for the weights of so many variations, of which there were none or fewer.
    #[cold]
    fn book_varied(&mut self, variations: usize) {
        let totals = self.totals();
        self.moments.set(&totals);
        self.varied = Some(Box::new(Varied::new(variations)));
    }

    fn cell(&self, places: &[usize]) -> usize {
        cell(self.axes.as_ref(), places)
    }

    #[inline(always)]
    pub(super) fn put(&mut self, at: usize, weight: S::Weight) {
        self.moments.check(S::number(weight));
        self.cells.add(at, S::cell(weight));
        self.entries += 1;
    }

    /// The cell at one place on each axis.
    #[inline(always)]
    pub(super) fn cell_of(&self, places: impl AsRef<[usize]>) -> usize {
        let axes = self.axes().iter().zip(places.as_ref()).rev();
        axes.fold(0, |at, (axis, place)| at * (axis.len() + 2) + place)
    }

    /// Adds the coordinates of the entry that is put next to the sums of `M` products, if it is inside of all axes.
    #[inline(always)]
    pub(super) fn note<const D: usize, const M: usize>(
        &mut self,
        at: [f64; D],
        places: [usize; D],
        weight: f64,
    ) {
        let axes = self.axes.as_ref().iter();
        if axes.zip(places).all(|(axis, place)| place.wrapping_sub(1) < axis.len()) {
            let mut three = [0.0; 3];
            three[..D].copy_from_slice(&at);
            self.moments.add::<M>(self.entries, three, weight);
        }
    }

    /// The number of `x`, or that of its place if it has none.
    #[inline(always)]
    pub(super) fn coordinate(&self, axis: usize, x: impl Coordinate, place: usize) -> f64 {
        match x.number() {
            Some(number) => number,
            None => self.axes.as_ref()[axis].coordinate(place),
        }
    }

    /// The axes, the cells, the number of entries and the sums, when no fills wait.
    pub(super) fn parts(&mut self) -> (&A, &mut Cells<S>, &mut u64, &mut Moments) {
        self.settle();
        (&self.axes, &mut self.cells, &mut self.entries, &mut self.moments)
    }

    /// The place of `x` on axis `axis`, which grows if it is of that kind.
    #[inline(always)]
    pub(super) fn place(&mut self, axis: usize, x: impl Coordinate) -> usize {
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
        self.settle();
        let overflow = self.axes.as_ref()[axis].len() + 1;
        let Some(category) = self.axes.as_mut()[axis].category_mut().filter(|category| category.grows())
        else {
            return overflow;
        };
        category.push(name);
        let Some(len) = cells(self.axes.as_ref()) else {
            panic!("a histogram of more than {MAX_CELLS} bins")
        };
        // The new bin takes the place of the overflow, which moves one up; all the rest stays.
        let inner: usize = self.axes.as_ref()[..axis].iter().map(|axis| axis.len() + 2).product();
        let old = inner * (overflow + 1);
        self.cells = self.cells.moved(len, |at| {
            let (block, rest) = (at / old, at % old);
            block * (old + inner) + rest + if rest < inner * overflow { 0 } else { inner }
        });
        overflow
    }

    /// Why the cells cannot be added, if so.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (mine, theirs) = (self.axes(), other.axes());
        if mine.len() != theirs.len() {
            return Some(format!("{} axes in A and {} axes in B", mine.len(), theirs.len()));
        }
        let differing = mine.iter().zip(theirs).enumerate();
        differing.filter_map(|(at, (a, b))| a.difference(b).map(|what| format!("axis {at} {what}"))).next()
    }

    /// Why the categories of either cannot be in one histogram, if so.
    fn too_many_together(&self, other: &Self) -> Option<String> {
        let mut bins = 1_usize;
        for (mine, theirs) in self.axes().iter().zip(other.axes()) {
            let more = match (mine.bins(), theirs.bins()) {
                (super::Bins::Category(mine), super::Bins::Category(theirs)) => {
                    theirs.names().iter().filter(|name| !mine.names().contains(name)).count()
                }
                _ => 0,
            };
            bins = bins.saturating_mul(mine.len() + 2 + more);
        }
        (bins > MAX_CELLS).then(|| format!("with the categories of A and B has more than {MAX_CELLS} bins"))
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
        let cells = self.cells.moved(self.cells.len(), |at| {
            let mut rest = at;
            let axes = self.axes().iter().zip(like.as_ref());
            let places = axes.map(|(mine, theirs)| {
                let place = rest % (mine.len() + 2);
                rest /= mine.len() + 2;
                match mine.bins() {
                    super::Bins::Category(names) if (1..=mine.len()).contains(&place) => {
                        theirs.index_of_name(&names.names()[place - 1])
                    }
                    _ => place,
                }
            });
            let places: Vec<usize> = places.collect();
            cell(like.as_ref(), &places)
        });
        Self { axes: like.clone(), cells, ..self }
    }
}

impl<S: Storage, A: Axes> Histogram<S, A> {
    /// Whether its axes are divided as those of `other`.
    pub(super) fn has_bins_of(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.axes(), other.axes());
        mine.len() == theirs.len()
            && mine.iter().zip(theirs).all(|(mine, theirs)| mine.bins() == theirs.bins())
    }

    /// `other` with its cells in the order of `self`, after both got the categories of either.
    #[cold]
    fn reconciled(&mut self, mut other: Self) -> Result<Self> {
        if let Some(what) = self.difference(&other).or_else(|| self.too_many_together(&other)) {
            return Err(Error::Binning { name: None, what });
        }
        self.unite_categories(&mut other);
        Ok(other.reordered(&self.axes))
    }
}

impl<S: Storage, A: Axes> Merge for Histogram<S, A> {
    fn merge(&mut self, mut other: Self) -> Result<()> {
        self.settle();
        other.settle();
        if !self.has_bins_of(&other) {
            other = self.reconciled(other)?;
        }
        let mut totals = self.totals();
        totals.iter_mut().zip(other.totals()).for_each(|(mine, theirs)| *mine += theirs);
        self.moments.set(&totals);
        self.moments.add_odd(other.moments.non_finite());
        // What is merged is seldom filled again.
        (self.waiting, self.varied) = (Waiting::default(), None);
        self.cells.merge(other.cells);
        self.entries = self.entries.saturating_add(other.entries);
        Ok(())
    }
}

/// Equal in what they add up to.
impl<S: Storage, A: Axes> PartialEq for Histogram<S, A> {
    fn eq(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.settled(), other.settled());
        mine.title == theirs.title
            && mine.axes == theirs.axes
            && mine.entries == theirs.entries
            && mine.cells == theirs.cells
            && mine.totals() == theirs.totals()
            && mine.moments.non_finite() == theirs.moments.non_finite()
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
        self.put_point((x,), weight);
    }
}

impl Histogram<Weighted, [Axis; 2]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate, weight: f64) {
        self.put_point((x, y), weight);
    }
}

impl Histogram<Weighted, [Axis; 3]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate, z: impl Coordinate, weight: f64) {
        self.put_point((x, y, z), weight);
    }
}

impl Histogram<Weighted, Vec<Axis>> {
    /// Adds an entry: one number for each axis.
    ///
    /// # Panics
    /// If there are more or fewer numbers than axes.
    pub fn fill(&mut self, at: &[f64], weight: f64) {
        assert_eq!(at.len(), self.axes.len(), "one number for each axis");
        if let 1..=3 = at.len() {
            let mut numbers = [0.0; 3];
            numbers.iter_mut().zip(at).for_each(|(to, x)| *to = *x);
            if self.wait(numbers, weight) {
                return;
            }
            self.settle();
            if self.make_room() && self.wait(numbers, weight) {
                return;
            }
        }
        let axes = self.axes.iter().zip(at).rev();
        let (cell, inside) = axes.fold((0, true), |(cell, inside), (axis, &x)| {
            let place = axis.index_of_number(x);
            (cell * (axis.len() + 2) + place, inside & (place.wrapping_sub(1) < axis.len()))
        });
        self.moments.add_any(self.entries, at, inside, weight);
        self.put(cell, weight);
    }
}

impl Histogram<Counts, [Axis; 1]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate) {
        self.put_point((x,), ());
    }
}

impl Histogram<Counts, [Axis; 2]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate) {
        self.put_point((x, y), ());
    }
}

impl Histogram<Counts, [Axis; 3]> {
    /// Adds an entry.
    #[inline(always)]
    pub fn fill(&mut self, x: impl Coordinate, y: impl Coordinate, z: impl Coordinate) {
        self.put_point((x, y, z), ());
    }
}

#[derive(Serialize)]
#[serde(bound = "")]
struct Written<'a, S: Storage> {
    title: &'a str,
    axes: &'a [Axis],
    cells: &'a Cells<S>,
    entries: u64,
    moments: Vec<f64>,
    non_finite_weights: u64,
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct Stored<S: Storage> {
    title: Box<str>,
    axes: Vec<Axis>,
    cells: Read<S>,
    entries: u64,
    moments: Vec<f64>,
    non_finite_weights: u64,
}

impl<S: Storage, A: Axes> Serialize for Histogram<S, A> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let hist = self.settled();
        let Self { title, axes, cells, entries, moments, .. } = &*hist;
        let (axes, sums, non_finite_weights) = (axes.as_ref(), hist.totals(), moments.non_finite());
        Written { title, axes, cells, entries: *entries, moments: sums, non_finite_weights }
            .serialize(serializer)
    }
}

impl<'de, S: Storage, A: Axes> Deserialize<'de> for Histogram<S, A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { title, axes, cells: read, entries, moments, non_finite_weights } =
            Stored::<S>::deserialize(deserializer)?;
        axes.iter().try_for_each(Axis::check).map_err(D::Error::custom)?;
        let len = cells(&axes).ok_or_else(|| D::Error::custom("a histogram of too many bins"))?;
        let cells = read.into_cells(len)?;
        let axes = A::try_from(axes).map_err(|_| D::Error::custom("a histogram of another dimension"))?;
        let moments = Moments::from_totals(axes.as_ref().len(), &moments, non_finite_weights)
            .ok_or_else(|| D::Error::custom("a histogram whose sums do not fit its axes"))?;
        Ok(Self::of(title, axes, cells, entries, moments))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bins, Count, Hist, Hist2};
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

    /// A growing axis, and one so long that not all cells are in memory: against exact counts of the same.
    #[test]
    fn growing_axes_of_large_histograms_unite_too() {
        let book = || Hist2::new([Axis::growing_category(), Axis::regular(40_000, 0.0, 40_000.0)]);
        let names = ["a", "b", "c", "d"];
        let (mut parts, mut want) = ([book(), book()], std::collections::BTreeMap::new());
        for i in 0..4000_u32 {
            let (name, y) = (names[(i * i % 7 % 4) as usize], f64::from(i * 37 % 5000));
            // The second part meets the names in another order.
            let part = usize::from(i > 2000);
            let name =
                if part == 1 { names[3 - names.iter().position(|n| *n == name).unwrap()] } else { name };
            parts[part].fill(name, y, 1.0);
            *want.entry((name, y as usize)).or_insert(0.0) += 1.0;
        }
        let [mut all, other] = parts;
        all.merge(other).unwrap();
        let Bins::Category(known) = all.axes()[0].bins() else { panic!() };
        for (at, name) in known.names().iter().enumerate() {
            for y in 0..5000 {
                let want = want.get(&(name.as_str(), y)).copied().unwrap_or(0.0);
                assert_eq!(all.value([at + 1, y + 1]), want, "{name} {y}");
            }
        }
        assert_eq!((all.sum(), all.entries()), (4000.0, 4000));
        assert_eq!(all.view().sumw.iter().sum::<f64>(), 4000.0);
    }

    #[test]
    fn what_does_not_fit_its_axes_is_not_read() {
        let text = serde_json::to_string(&Hist::new(Axis::regular(3, 0.0, 1.0))).unwrap();
        assert!(serde_json::from_str::<Hist>(&text).is_ok());
        assert!(serde_json::from_str::<Hist>(&text.replace("\"bins\":3", "\"bins\":4")).is_err());
        assert!(serde_json::from_str::<Hist2>(&text).is_err());
    }
}
