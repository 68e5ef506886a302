//! Sums of weighted coordinates, of their squares and products: what means and standard deviations are made of. ROOT
//! calls them `fTsumwx`, `fTsumwx2`, `fTsumwxy` and so on. The sums of weights themselves are those of the bins.
//!
//! Fill number `n` of a histogram adds to the sums of lane `n % 8`, and the lanes are added up when they are asked for.
//! So a loop over a block of fills adds with vectors, to the same bits as one fill at a time.
//!
//! As in ROOT, fills that lie outside of any axis do not count, except with four axes and more.

use super::block::PRODUCTS;
use super::{Axis, Bins};

/// Sums that are added to in turn.
pub(super) const LANES: usize = 8;
pub(super) type Sums = [f64; LANES];

/// How many sums there are for `axes` axes: of each, of its square, and of each pair of up to three axes.
pub(super) const fn products(axes: usize) -> usize {
    match axes {
        0..=3 => axes * (axes + 3) / 2,
        _ => 2 * axes,
    }
}

/// What a fill adds, for up to three axes, in ROOT's order: `x x² y y² xy z z² xz yz`.
#[inline(always)]
pub(super) fn terms([x, y, z]: [f64; 3], w: f64) -> [f64; 9] {
    let (wx, wy, wz) = (w * x, w * y, w * z);
    [wx, wx * x, wy, wy * y, wx * y, wz, wz * z, wx * z, wy * z]
}

/// The sums of a histogram, and the number of its fills with a weight that is infinite or not a number.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// The lanes of each product.
    lanes: Box<[Sums]>,
    axes: usize,
    odd: u64,
}

impl Moments {
    pub(super) fn new(axes: usize) -> Self {
        Self { lanes: vec![[0.0; LANES]; products(axes)].into(), axes, odd: 0 }
    }

    /// Sums that were written by [`totals`](Self::totals), if they are as many as there must be.
    pub(super) fn from_totals(axes: usize, totals: &[f64], odd: u64) -> Option<Self> {
        let mut moments = Self::new(axes);
        moments.odd = odd;
        (totals.len() == products(axes)).then(|| moments.set(totals))?;
        Some(moments)
    }

    /// Replaces the sums by these.
    pub(super) fn set(&mut self, totals: &[f64]) {
        self.lanes.fill([0.0; LANES]);
        self.lanes.iter_mut().zip(totals).for_each(|(lanes, total)| lanes[0] = *total);
    }

    /// How many fills had a weight that is infinite or not a number.
    pub(super) fn non_finite(&self) -> u64 {
        self.odd
    }

    /// The bytes of the sums.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.lanes)
    }

    /// The sums over all lanes.
    pub(super) fn totals(&self) -> Vec<f64> {
        let total = |lanes: &Sums| {
            let halves: [f64; 4] = std::array::from_fn(|at| lanes[at] + lanes[at + 4]);
            (halves[0] + halves[2]) + (halves[1] + halves[3])
        };
        self.lanes.iter().map(total).collect()
    }

    /// Adds weights to the number of those that are not finite, if they are.
    #[cold]
    #[inline(never)]
    pub(super) fn note_odd(&mut self, weights: impl IntoIterator<Item = f64>) {
        let odd = weights.into_iter().filter(|weight| !weight.is_finite()).count();
        self.add_odd(odd as u64);
    }

    /// Adds to the number of weights that are not finite.
    pub(super) fn add_odd(&mut self, odd: u64) {
        self.odd = self.odd.saturating_add(odd);
    }

    /// Notes a weight that may not be finite.
    #[inline(always)]
    pub(super) fn check(&mut self, weight: f64) {
        if !weight.is_finite() {
            self.note_odd([weight]);
        }
    }

    /// Adds fill number `fill`, of one to three axes with `M` products.
    #[inline(always)]
    pub(super) fn add<const M: usize>(&mut self, fill: u64, at: [f64; 3], weight: f64) {
        let terms = terms(at, weight);
        let sums = self.lanes.iter_mut().zip(terms).take(M);
        sums.for_each(|(lanes, term)| lanes[fill as usize % LANES] += term);
    }

    /// Adds fill number `fill` at as many coordinates as there are axes; whether all are `inside` matters with up to
    /// three.
    pub(super) fn add_any(&mut self, fill: u64, at: &[f64], inside: bool, weight: f64) {
        let lane = fill as usize % LANES;
        if self.axes > 3 {
            for (sums, &x) in self.lanes.as_chunks_mut::<2>().0.iter_mut().zip(at) {
                sums[0][lane] += weight * x;
                sums[1][lane] += weight * x * x;
            }
        } else if inside {
            let mut three = [0.0; 3];
            three.iter_mut().zip(at).for_each(|(to, x)| *to = *x);
            self.lanes.iter_mut().zip(terms(three, weight)).for_each(|(sums, term)| sums[lane] += term);
        }
    }

    /// The sums as blocks of fills of up to three axes find them: lane `turn` is the first there.
    #[inline]
    pub(super) fn lanes(&self, turn: usize) -> [Sums; PRODUCTS] {
        let mut block = [[0.0; LANES]; PRODUCTS];
        for (to, lanes) in block.iter_mut().zip(&self.lanes) {
            *to = *lanes;
            // Not for nothing: that costs half as much as a block of few fills.
            if turn > 0 {
                to.rotate_left(turn);
            }
        }
        block
    }

    /// Replaces the sums by what blocks made of them.
    #[inline]
    pub(super) fn set_lanes(&mut self, turn: usize, block: &[Sums; PRODUCTS]) {
        for (lanes, of_block) in self.lanes.iter_mut().zip(block) {
            *lanes = *of_block;
            if turn > 0 {
                lanes.rotate_right(turn);
            }
        }
    }
}

impl Axis {
    /// The interval from the first bin to past the last: the numbers whose place is that of a bin.
    #[inline]
    pub(super) fn range(&self) -> (f64, f64) {
        match self.bins() {
            Bins::Regular(axis) => (axis.low(), axis.past_last()),
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
