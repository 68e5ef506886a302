//! Sums of weighted coordinates, of their squares and products: what means and standard deviations are made of. ROOT
//! calls them `fTsumwx`, `fTsumwx2`, `fTsumwxy` and so on. The sums of weights themselves are those of the bins.
//!
//! Fill number `n` of a histogram adds to the sums of lane `n % 8`, and the lanes are added up when they are asked for.
//! So a loop over a block of fills adds with vectors, to the same bits as one fill at a time.
//!
//! As in ROOT, fills that lie outside of any axis do not count, except with four axes and more.

use hep_columns::simd::{Kernel, widest};

use super::places::BLOCK;
use super::{Axis, Bins, Counts, Weighted};

/// Sums that are added to in turn.
const LANES: usize = 8;
type Sums = [f64; LANES];

/// From this number of variations on, the loop over them is compiled for wider vectors.
const MANY: usize = 24;

/// A storage whose fills have this kind of weight.
pub(super) trait Weights {
    /// A weight, or nothing.
    type Weight: Copy + Default;

    /// The number that counts.
    fn number(weight: Self::Weight) -> f64;
}

impl Weights for Weighted {
    type Weight = f64;

    #[inline(always)]
    fn number(weight: f64) -> f64 {
        weight
    }
}

impl Weights for Counts {
    type Weight = ();

    #[inline(always)]
    fn number((): ()) -> f64 {
        1.0
    }
}

/// How many sums there are for `axes` axes: of each, of its square, and of each pair of up to three axes.
pub(super) fn products(axes: usize) -> usize {
    match axes {
        0..=3 => axes * (axes + 3) / 2,
        _ => 2 * axes,
    }
}

/// Where the sums of an axis begin, the order being ROOT's: `x x² y y² xy z z² xz yz`.
fn first_of(axis: usize, axes: usize) -> usize {
    if axes <= 3 { [0, 2, 5][axis] } else { 2 * axis }
}

/// What a fill adds, for up to three axes: those of the axes that there are come first.
#[inline(always)]
fn terms([x, y, z]: [f64; 3], w: f64) -> [f64; 9] {
    let (wx, wy, wz) = (w * x, w * y, w * z);
    [wx, wx * x, wy, wy * y, wx * y, wz, wz * z, wx * z, wy * z]
}

/// The sums of a histogram, and the number of its fills with a weight that is infinite or not a number.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// Of the first lane all sums, of the second, …
    lanes: Box<[f64]>,
    axes: usize,
    odd: u64,
    varied: Varied,
}

/// What filling all variations together needs.
#[derive(Clone, Debug, Default)]
struct Varied {
    /// The coordinates of the variations, and the weights of one entry: both to a multiple of [`LANES`].
    coordinates: Vec<f64>,
    weights: Vec<f64>,
    variations: usize,
}

impl Moments {
    pub(super) fn new(axes: usize) -> Self {
        let lanes = vec![0.0; LANES * products(axes)].into();
        Self { lanes, axes, odd: 0, varied: Varied::default() }
    }

    /// Sums that were written by [`totals`](Self::totals), if they are as many as there must be.
    pub(super) fn from_totals(axes: usize, totals: &[f64], odd: u64) -> Option<Self> {
        let mut moments = Self::new(axes);
        moments.odd = odd;
        (totals.len() == products(axes)).then(|| moments.set(totals))?;
        Some(moments)
    }

    fn set(&mut self, totals: &[f64]) {
        self.lanes.fill(0.0);
        self.lanes.iter_mut().zip(totals).for_each(|(sum, total)| *sum = *total);
    }

    /// How many fills had a weight that is infinite or not a number.
    pub(super) fn non_finite(&self) -> u64 {
        self.odd
    }

    /// The bytes of the sums.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.lanes) + 2 * self.varied.coordinates.len() * size_of::<f64>()
    }

    /// The sums over all lanes, with one kind of NaN.
    pub(super) fn totals(&self) -> Vec<f64> {
        let count = products(self.axes);
        let lane = |lane: usize, product: usize| self.lanes[lane * count + product];
        let total = |product| {
            let halves: [f64; 4] = std::array::from_fn(|at| lane(at, product) + lane(at + 4, product));
            let sum = (halves[0] + halves[2]) + (halves[1] + halves[3]);
            if sum.is_nan() { f64::NAN } else { sum }
        };
        (0..count).map(total).collect()
    }

    /// Adds those of a histogram with as many axes.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut totals = self.totals();
        totals.iter_mut().zip(other.totals()).for_each(|(mine, theirs)| *mine += theirs);
        self.set(&totals);
        self.odd = self.odd.saturating_add(other.odd);
    }

    /// Notes a weight that may not be finite.
    #[inline(always)]
    pub(super) fn check(&mut self, weight: f64, square: f64) {
        // The square is at hand; that of a finite weight may be infinite too.
        let is_finite = square < f64::INFINITY;
        if !is_finite {
            self.note_odd(&[weight]);
        }
    }

    #[cold]
    #[inline(never)]
    fn note_odd(&mut self, weights: &[f64]) {
        self.odd += weights.iter().filter(|weight| !weight.is_finite()).count() as u64;
    }

    /// Adds fill number `fill`, of one to three axes with `M` products.
    #[inline(always)]
    pub(super) fn add<const M: usize>(&mut self, fill: u64, at: [f64; 3], weight: f64) {
        let first = fill as usize % LANES * M;
        if let Some(sums) = self.lanes.get_mut(first..first + M) {
            let terms = terms(at, weight);
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
    }

    /// Adds fill number `fill` at as many coordinates as there are axes; whether all are `inside` matters with up to
    /// three.
    pub(super) fn add_any(&mut self, fill: u64, at: &[f64], inside: bool, weight: f64) {
        let count = products(self.axes);
        let first = fill as usize % LANES * count;
        let sums = &mut self.lanes[first..first + count];
        if self.axes > 3 {
            for (sums, &x) in sums.as_chunks_mut::<2>().0.iter_mut().zip(at) {
                sums[0] += weight * x;
                sums[1] += weight * x * x;
            }
        } else if inside {
            let mut three = [0.0; 3];
            three.iter_mut().zip(at).for_each(|(to, x)| *to = *x);
            sums.iter_mut().zip(terms(three, weight)).for_each(|(sum, term)| *sum += term);
        }
    }

    /// Adds the first `count` fills of a block, of which the first is number `fill`: a column for each axis, and their
    /// weights, which is what they are without the fills behind `count` too.
    pub(super) fn add_block<S: Weights>(
        &mut self,
        fill: u64,
        axes: &[Axis],
        columns: &mut [&mut [f64; BLOCK]],
        weights: &mut [S::Weight; BLOCK],
        count: usize,
    ) {
        weights[count..].fill(S::Weight::default());
        // Outside of any axis, or where that does not matter, nothing.
        let beyond = if self.axes > 3 { 0.0 } else { f64::NAN };
        columns.iter_mut().for_each(|column| column[count..].fill(beyond));
        let products = products(self.axes);
        let (mut room, turn) = ([[0.0; LANES]; 9], fill as usize % LANES);
        let mut more = Vec::new();
        let sums = match products {
            0..=9 => &mut room[..products],
            _ => {
                more.resize(products, [0.0; LANES]);
                &mut more[..]
            }
        };
        let place = |lane: usize, product: usize| (lane + turn) % LANES * products + product;
        for (product, sums) in sums.iter_mut().enumerate() {
            sums.iter_mut().enumerate().for_each(|(lane, sum)| *sum = self.lanes[place(lane, product)]);
        }
        let mut odd = false;
        let blocks = count.div_ceil(LANES);
        widest(Block::<S> { axes, columns, weights, blocks, sums, odd: &mut odd });
        for (product, sums) in sums.iter().enumerate() {
            sums.iter().enumerate().for_each(|(lane, sum)| self.lanes[place(lane, product)] = *sum);
        }
        if odd {
            self.note_odd(&weights.map(S::number));
        }
    }

    /// Takes the weights of one entry, of which there must be as many as bins on the first axis.
    #[inline]
    pub(super) fn take_varied(&mut self, first: &Axis, weights: impl IntoIterator<Item = f64>) -> &[f64] {
        let (variations, varied) = (first.len(), &mut self.varied);
        if varied.variations != variations || varied.coordinates.is_empty() {
            varied.book(first);
        }
        let mut weights = weights.into_iter();
        let mut taken = 0;
        let pairs = varied.weights[..variations].iter_mut().zip(weights.by_ref());
        pairs.for_each(|(to, weight)| {
            *to = weight;
            taken += 1;
        });
        assert!(
            taken == variations && weights.next().is_none(),
            "one weight for each of {variations} variations"
        );
        &varied.weights[..variations]
    }

    /// Adds the weights that were taken, at `y` on the second axis if it is inside of that.
    #[inline]
    pub(super) fn add_varied(&mut self, y: f64, inside: bool) {
        let Varied { coordinates, weights, variations } = &self.varied;
        let (coordinates, weights) = (coordinates.as_chunks::<LANES>().0, weights.as_chunks::<LANES>().0);
        let mut sums = [[0.0; LANES]; 3];
        let kernel = Variations { coordinates, weights, sums: &mut sums };
        match *variations < MANY {
            true => kernel.run(),
            false => widest(kernel),
        }
        let [w, wx, wxx] = sums;
        if !w.iter().all(|sum| sum.is_finite()) {
            let weights = std::mem::take(&mut self.varied.weights);
            self.note_odd(&weights);
            self.varied.weights = weights;
        }
        if inside {
            // Lanes without a variation would get zeros.
            let used = self.varied.variations.min(LANES);
            for (lane, sums) in self.lanes.as_chunks_mut::<5>().0.iter_mut().take(used).enumerate() {
                let (w, wx, wxx) = (w[lane], wx[lane], wxx[lane]);
                let terms = [wx, wxx, w * y, w * y * y, wx * y];
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
        }
    }
}

/// Equal in what they add up to.
impl PartialEq for Moments {
    fn eq(&self, other: &Self) -> bool {
        (self.totals(), self.odd) == (other.totals(), other.odd)
    }
}

impl Varied {
    #[cold]
    fn book(&mut self, axis: &Axis) {
        self.variations = axis.len();
        self.coordinates = (1..=axis.len()).map(|place| axis.coordinate(place)).collect();
        self.coordinates.resize(axis.len().next_multiple_of(LANES).max(LANES), 0.0);
        self.weights = vec![0.0; self.coordinates.len()];
    }
}

/// The sums over an entry's variations of weights, and of their products with the coordinate and its square.
struct Variations<'a> {
    coordinates: &'a [Sums],
    weights: &'a [Sums],
    sums: &'a mut [Sums; 3],
}

impl Kernel for Variations<'_> {
    // Iterators over the lanes are not vectorised here.
    #[expect(clippy::needless_range_loop)]
    #[inline(always)]
    fn run(self) {
        let mut sums = *self.sums;
        for at in 0..self.weights.len().min(self.coordinates.len()) {
            for lane in 0..LANES {
                let (w, x) = (self.weights[at][lane], self.coordinates[at][lane]);
                let terms = [w, w * x, w * x * x];
                for product in 0..3 {
                    sums[product][lane] += terms[product];
                }
            }
        }
        *self.sums = sums;
    }
}

/// Adds up the products of a block of fills.
struct Block<'a, 'b, S: Weights> {
    axes: &'a [Axis],
    columns: &'a [&'b mut [f64; BLOCK]],
    weights: &'a [S::Weight; BLOCK],
    /// Of [`LANES`] fills each.
    blocks: usize,
    sums: &'a mut [Sums],
    /// Whether the sum of the weights is not finite.
    odd: &'a mut bool,
}

impl<S: Weights> Kernel for Block<'_, '_, S> {
    #[inline(always)]
    fn run(self) {
        let Self { axes, columns, weights, blocks, sums, odd } = self;
        if size_of::<S::Weight>() > 0 {
            *odd = poisoned::<S>(weights);
        }
        if let ([axis], [x]) = (axes, columns) {
            if let Some(sums) = sums.first_chunk_mut::<2>() {
                powers::<S, true>(weights, x, axis.range(), blocks, sums);
            }
        } else if axes.len() > 3 {
            for (sums, x) in sums.as_chunks_mut::<2>().0.iter_mut().zip(columns) {
                powers::<S, false>(weights, x, (0.0, 0.0), blocks, sums);
            }
        } else {
            let (mut w, mut inner) = ([0.0; BLOCK], [[0.0; BLOCK]; 3]);
            w.iter_mut().zip(weights).for_each(|(to, &weight)| *to = S::number(weight));
            for ((axis, column), inner) in axes.iter().zip(columns).zip(&mut inner) {
                only_inside(&mut w, column, axis.range(), inner);
            }
            for axis in 0..axes.len() {
                let first = first_of(axis, axes.len());
                if let Some((squares, pairs)) = sums[first..].split_first_chunk_mut::<2>() {
                    powers::<Weighted, false>(&w, &inner[axis], (0.0, 0.0), blocks, squares);
                    for (sums, before) in pairs.iter_mut().zip(&inner[..axis]) {
                        pair(&w, before, &inner[axis], blocks, sums);
                    }
                }
            }
        }
    }
}

/// Whether a weight is infinite or not a number, or so it seems because the sum of zeros times weights is not zero.
#[inline(always)]
fn poisoned<S: Weights>(weights: &[S::Weight; BLOCK]) -> bool {
    let mut zeros = [0.0; LANES];
    for weights in weights.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            zeros[lane] += S::number(weights[lane]) * 0.0;
        }
    }
    zeros.iter().sum::<f64>().is_nan()
}

/// Weights and numbers of zero where a number is outside of the axis.
#[inline(always)]
fn only_inside(w: &mut [f64; BLOCK], x: &[f64; BLOCK], (low, high): (f64, f64), inner: &mut [f64; BLOCK]) {
    for ((w, inner), &x) in w.iter_mut().zip(inner).zip(x) {
        let inside = (x >= low) & (x < high);
        *w = if inside { *w } else { 0.0 };
        *inner = if inside { x } else { 0.0 };
    }
}

/// Written with places, as are the loops around: so they are compiled to vectors as wide as the lanes.
#[inline(always)]
fn powers<S: Weights, const RANGE: bool>(
    weights: &[S::Weight; BLOCK],
    x: &[f64; BLOCK],
    (low, high): (f64, f64),
    blocks: usize,
    to: &mut [Sums; 2],
) {
    let mut sums = *to;
    let (weights, xs) = (weights.as_chunks::<LANES>().0, x.as_chunks::<LANES>().0);
    for block in 0..blocks.min(BLOCK / LANES) {
        for lane in 0..LANES {
            let (w, x) = (S::number(weights[block][lane]), xs[block][lane]);
            let inside = !RANGE | ((x >= low) & (x < high));
            let w = if inside { w } else { 0.0 };
            let x = if inside { x } else { 0.0 };
            let terms = [w * x, w * x * x];
            for product in 0..2 {
                sums[product][lane] += terms[product];
            }
        }
    }
    *to = sums;
}

#[inline(always)]
fn pair(w: &[f64; BLOCK], x: &[f64; BLOCK], y: &[f64; BLOCK], blocks: usize, to: &mut Sums) {
    let mut sums = *to;
    let (ws, xs, ys) = (w.as_chunks::<LANES>().0, x.as_chunks::<LANES>().0, y.as_chunks::<LANES>().0);
    for block in 0..blocks.min(BLOCK / LANES) {
        for lane in 0..LANES {
            sums[lane] += ws[block][lane] * xs[block][lane] * ys[block][lane];
        }
    }
    *to = sums;
}

impl Axis {
    /// The interval from the first bin to past the last.
    #[inline]
    fn range(&self) -> (f64, f64) {
        match self.bins() {
            Bins::Regular(axis) => (axis.low(), axis.high()),
            Bins::Variable(axis) => (axis.edges()[0], axis.edges()[axis.edges().len() - 1]),
            Bins::Integer(axis) => (axis.low().into(), axis.high().into()),
            Bins::Category(axis) => (0.0, axis.names().len() as f64),
        }
    }

    /// The coordinate that ROOT takes for a bin which was named instead of a number: the centre, and none if names
    /// may still be added, because then they have no order. For an integer, that itself.
    #[inline]
    pub(super) fn coordinate(&self, place: usize) -> f64 {
        match self.bins() {
            Bins::Category(axis) if axis.grows() => 0.0,
            Bins::Category(_) => place as f64 - 0.5,
            Bins::Integer(axis) => f64::from(axis.low()) + (place as f64 - 1.0),
            Bins::Regular(axis) => {
                axis.low() + (place as f64 - 0.5) * ((axis.high() - axis.low()) / axis.bins() as f64)
            }
            Bins::Variable(axis) => {
                match (axis.edges().get(place.wrapping_sub(1)), axis.edges().get(place)) {
                    (Some(low), Some(high)) => 0.5 * (low + high),
                    _ => f64::NAN,
                }
            }
        }
    }
}
