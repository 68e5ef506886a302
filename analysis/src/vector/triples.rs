use super::P4;
use crate::simd::{Kernel, widest};

/// Doubles that are added and compared at once.
pub(super) const LANES: usize = 4;

/// Objects up to which the vectorised search pays for its memory: 2,024 masses, 16 kB. No event of a detector
/// has more good jets than that.
const MOST: usize = 24;

const fn triples(n: usize) -> usize {
    n * (n - 1) * (n - 2) / 6
}

/// The triple at each place of the order in which the search writes them: by the last object, then the second.
const TRIPLES: [[u8; 3]; triples(MOST)] = {
    let mut all = [[0; 3]; triples(MOST)];
    let (mut at, mut k) = (0, 2);
    while k < MOST {
        let mut j = 1;
        while j < k {
            let mut i = 0;
            while i < j {
                all[at] = [i as u8, j as u8, k as u8];
                at += 1;
                i += 1;
            }
            j += 1;
        }
        k += 1;
    }
    all
};

/// The triple of a mass, searched among squared masses.
///
/// In the order of the last object, all pairs that an object follows are the first so many of a list: the sums of
/// four pairs and an object are four additions of vectors. The mass grows with its square, so the closest mass is
/// either that of the largest square up to the given mass's, or that of the smallest above; two roots decide.
/// Whatever could be as close, roundings considered, lies in a window of squares. One triple in it is the answer;
/// if there are several, the masses themselves are compared, one after another.
#[derive(Debug, Default)]
pub(super) struct TripleSearch {
    /// `px`, `py`, `pz`, `e` of the pairs, by their second object.
    pairs: [Vec<f64>; 4],
    /// Squared masses of the triples.
    squares: Vec<f64>,
}

impl TripleSearch {
    /// Of the first `n >= 3` objects, whose `components` have room for a vector behind.
    pub(super) fn closest(&mut self, components: [&[f64]; 4], n: usize, mass: f64) -> Option<[usize; 3]> {
        if n > MOST {
            return one_by_one(components, n, mass);
        }
        if self.squares.is_empty() {
            self.squares.resize(triples(MOST) + LANES, 0.0);
            for part in &mut self.pairs {
                part.resize(MOST * (MOST - 1) / 2 + LANES, 0.0);
            }
        }
        match widest(Search { buffers: self, components, n, mass }) {
            Some(place) => TRIPLES.get(place).map(|triple| triple.map(usize::from)),
            None => one_by_one(components, n, mass),
        }
    }

    /// The place of the closest triple, in the order of [`TRIPLES`]; none if several may be.
    #[inline(always)]
    fn place(&mut self, components: [&[f64]; 4], n: usize, mass: f64) -> Option<usize> {
        self.add_pairs(components, n);
        self.square_masses(components, n);
        let count = triples(n);
        // What does not fill a vector is never close.
        self.squares[count..count + LANES].fill(f64::NAN);
        let squares = &self.squares[..count.next_multiple_of(LANES)];

        let (below, above) = around(squares, signed_square(mass));
        let distance = |square: f64| (square.abs().sqrt().copysign(square) - mass).abs();
        let closest = distance(below).min(distance(above));
        // Far wider than the few roundings between a square and a distance.
        let slack = 8.0 * f64::EPSILON * (mass.abs() + closest);
        let window = [signed_square(mass - closest - slack), signed_square(mass + closest + slack)];
        if closest == f64::INFINITY { None } else { only_one(squares, window) }
    }

    #[inline(always)]
    fn add_pairs(&mut self, components: [&[f64]; 4], n: usize) {
        for (sums, part) in self.pairs.iter_mut().zip(components) {
            let mut row = &mut sums[..];
            for j in 1..n - 1 {
                let second = part[j];
                let width = j.next_multiple_of(LANES);
                // What is written beyond the row, the next row overwrites.
                for (sum, first) in
                    row[..width].chunks_exact_mut(LANES).zip(part[..width].chunks_exact(LANES))
                {
                    for lane in 0..LANES {
                        sum[lane] = first[lane] + second;
                    }
                }
                row = &mut row[j..];
            }
        }
    }

    #[inline(always)]
    fn square_masses(&mut self, components: [&[f64]; 4], n: usize) {
        let [px, py, pz, e] = components;
        let mut row = &mut self.squares[..];
        for k in 2..n {
            let third = P4::new(px[k], py[k], pz[k], e[k]);
            let count = k * (k - 1) / 2;
            let width = count.next_multiple_of(LANES);
            let [px, py, pz, e] = self.pairs.each_ref().map(|part| part[..width].chunks_exact(LANES));
            let squares = row[..width].chunks_exact_mut(LANES);
            for ((((square, px), py), pz), e) in squares.zip(px).zip(py).zip(pz).zip(e) {
                for lane in 0..LANES {
                    let pair = P4::new(px[lane], py[lane], pz[lane], e[lane]);
                    square[lane] = (pair + third).mass2();
                }
            }
            row = &mut row[count..];
        }
    }
}

struct Search<'a> {
    buffers: &'a mut TripleSearch,
    components: [&'a [f64]; 4],
    n: usize,
    mass: f64,
}

impl Kernel for Search<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self) -> Option<usize> {
        self.buffers.place(self.components, self.n, self.mass)
    }
}

/// `x²` with the sign of `x`.
#[inline(always)]
fn signed_square(x: f64) -> f64 {
    x * x.abs()
}

/// The largest number up to `middle` and the smallest one above; infinite where there is none.
#[inline(always)]
fn around(numbers: &[f64], middle: f64) -> (f64, f64) {
    let (mut below, mut above) = ([f64::NEG_INFINITY; LANES], [f64::INFINITY; LANES]);
    for numbers in numbers.chunks_exact(LANES) {
        for lane in 0..LANES {
            let x = numbers[lane];
            let low = if x <= middle { x } else { f64::NEG_INFINITY };
            let high = if x > middle { x } else { f64::INFINITY };
            below[lane] = if low > below[lane] { low } else { below[lane] };
            above[lane] = if high < above[lane] { high } else { above[lane] };
        }
    }
    (below.into_iter().fold(f64::NEG_INFINITY, f64::max), above.into_iter().fold(f64::INFINITY, f64::min))
}

/// The place of the number in a closed window, if there is one and no second.
#[inline(always)]
fn only_one(numbers: &[f64], [low, high]: [f64; 2]) -> Option<usize> {
    // Places are summed as doubles, which as numbers of 8 bytes fill the same vectors.
    let (mut count, mut sum) = ([0.0; LANES], [0.0; LANES]);
    let mut place: [f64; LANES] = std::array::from_fn(|lane| lane as f64);
    for numbers in numbers.chunks_exact(LANES) {
        for lane in 0..LANES {
            let inside = (numbers[lane] >= low) & (numbers[lane] <= high);
            count[lane] += if inside { 1.0 } else { 0.0 };
            sum[lane] += if inside { place[lane] } else { 0.0 };
            place[lane] += LANES as f64;
        }
    }
    (count.iter().sum::<f64>() == 1.0).then(|| sum.iter().sum::<f64>() as usize)
}

/// The straightforward search, in the order of `Combinations::triples`.
#[cold]
fn one_by_one([px, py, pz, e]: [&[f64]; 4], n: usize, mass: f64) -> Option<[usize; 3]> {
    let at = |i: usize| P4::new(px[i], py[i], pz[i], e[i]);
    let mut best: Option<(f64, [usize; 3])> = None;
    for i in 0..n {
        for j in i + 1..n {
            let pair = at(i) + at(j);
            for k in j + 1..n {
                let distance = ((pair + at(k)).mass() - mass).abs();
                if best.map_or(!distance.is_nan(), |(least, _)| distance < least) {
                    best = Some((distance, [i, j, k]));
                }
            }
        }
    }
    best.map(|(_, triple)| triple)
}
