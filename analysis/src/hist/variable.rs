use hep_columns::simd::Kernel;
use serde::{Deserialize, Serialize};

use super::places::ROUND;

/// Bins between given edges, each half-open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    edges: Vec<f64>,
}

impl Variable {
    pub(super) fn new(edges: Vec<f64>) -> Result<Self, String> {
        if edges.len() < 2 {
            return Err("a variable axis needs at least two edges".to_owned());
        }
        if !edges.windows(2).all(|pair| pair[0] < pair[1]) || !edges.iter().all(|edge| edge.is_finite()) {
            return Err("the edges of a variable axis must increase and be finite".to_owned());
        }
        Ok(Self { edges })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Self::new(self.edges.clone()).map(drop)
    }

    /// The edges, one more than there are bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The place of `x`.
    #[inline]
    pub fn index(&self, x: f64) -> usize {
        // NaN compares false with every edge, and belongs in the overflow.
        if x.is_nan() { self.edges.len() } else { self.edges.partition_point(|edge| *edge <= x) }
    }
}

/// The places of many numbers between edges, each that of [`Variable::index`]: by halving, all numbers a step at a
/// time, so that none waits for another.
pub(super) fn find<const N: usize>(edges: &[f64], numbers: &[f64; N], places: &mut [u32; N]) {
    places.fill(0);
    let mut left = edges.len();
    while left > 0 {
        // At least one, so that the last edge is compared too.
        let half = left.div_ceil(2);
        for (place, x) in places.iter_mut().zip(numbers) {
            let past = edges[*place as usize + half - 1] <= *x;
            *place += if past { half as u32 } else { 0 };
        }
        left -= half;
    }
    for (place, x) in places.iter_mut().zip(numbers) {
        *place = if x.is_nan() { edges.len() as u32 } else { *place };
    }
}

/// Strips of equal width over the edges, few edges in each: of the edges, only those in the strip of a number have to
/// be compared with it.
///
/// The strip is found by a function that never falls as the number grows, however it rounds. So the edges of earlier
/// strips are below the number, and those of later ones above it.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// How many edges are in earlier strips.
    before: Vec<u32>,
    /// The edges, and behind them numbers that are never reached.
    edges: Vec<f64>,
    strips: Strips,
    /// The most edges in a strip.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Strips {
    low: f64,
    /// Strips per unit.
    density: f64,
    count: f64,
}

impl Strips {
    /// 0 is below all, `count + 1` above, and `count + 2` for what is no number.
    #[inline(always)]
    fn of(self, x: f64) -> f64 {
        let Self { low, density, count } = self;
        let quotient = (x - low) * density;
        let inside = 1.0 + (((quotient - 0.5) + ROUND) - ROUND);
        let strip = if quotient < count { inside } else { count + 1.0 };
        let strip = if quotient < 0.0 { 0.0 } else { strip };
        if x.is_nan() { count + 2.0 } else { strip }
    }
}

impl Grid {
    /// None if the edges lie so unevenly that it would take too many strips.
    pub(super) fn new(edges: &[f64]) -> Option<Self> {
        /// Strips for each edge: with eight, the table fits the second cache as long as the edges fit the first.
        const STRIPS: f64 = 8.0;
        /// Edges that may be in one: more are found faster by halving.
        const MOST: usize = 2;
        let (low, span) = (edges[0], edges[edges.len() - 1] - edges[0]);
        let narrowest = edges.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        // A little narrower, so that rounding puts no two edges into one.
        let needed = (1.01 * span / narrowest).ceil();
        let most = STRIPS * edges.len() as f64;
        let count = if needed <= most { needed } else { most };
        let strips = Strips { low, density: count / span, count };
        if !(strips.density.is_normal() && count < f64::from(1 << 24)) {
            return None;
        }
        let mut before = vec![0; count as usize + 3];
        for &edge in edges {
            before[strips.of(edge) as usize + 1] += 1;
        }
        let most = *before.iter().max()? as usize;
        (most <= MOST).then(|| {
            for strip in 1..before.len() {
                before[strip] += before[strip - 1];
            }
            let edges = [edges, &[f64::NAN; MOST]].concat();
            Self { before, edges, strips, most }
        })
    }

    /// The bytes in memory.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.before) + size_of_val(&*self.edges)
    }

    #[inline(always)]
    pub(super) fn find_in_loop<const N: usize>(&self, numbers: &[f64; N], places: &mut [u32; N]) {
        StripsOf { strips: self.strips, numbers, found: places }.run();
        for (place, &x) in places.iter_mut().zip(numbers) {
            let before = self.before[*place as usize];
            // Those of later strips compare false.
            let in_strip = &self.edges[before as usize..][..self.most];
            *place = before + in_strip.iter().map(|&edge| u32::from(edge <= x)).sum::<u32>();
        }
    }
}

/// The strips of many numbers.
struct StripsOf<'a, const N: usize> {
    strips: Strips,
    numbers: &'a [f64; N],
    found: &'a mut [u32; N],
}

impl<const N: usize> Kernel for StripsOf<'_, N> {
    #[inline(always)]
    fn run(self) {
        for (found, &x) in self.found.iter_mut().zip(self.numbers) {
            *found = (self.strips.of(x) + ROUND).to_bits() as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use hep_columns::simd::{Width, run};

    use super::super::places::{BLOCK, EXTREMES};
    use super::*;

    /// Even, uneven, few, many, as close together and as far apart as there are doubles.
    fn axes() -> Vec<Vec<f64>> {
        let one = 1.0_f64;
        vec![
            vec![0.0, 1.0],
            vec![0.0, 20.0, 50.0, 200.0],
            (0..=100).map(|i| 15.0 + 0.45 * f64::from(i)).collect(),
            (0..=60).map(|i| 10.0_f64.powf(f64::from(i) / 10.0 - 3.0)).collect(),
            (0..1000).map(|i| f64::from(i) + f64::from(i * i % 7) / 20.0).collect(),
            vec![one, one.next_up(), one.next_up().next_up(), 2.0, 3.0],
            vec![f64::MIN, -1.0, -0.0, 1.0, f64::MAX],
            vec![-1e300, 0.0, 1e300],
            vec![-5e-324, 0.0, 5e-324],
            vec![1e15, 1e15 + 1.0, 1e15 + 2.5],
            vec![-3.0, -2.999, 0.0, 0.001, 4.0],
        ]
    }

    fn numbers(edges: &[f64]) -> Vec<[f64; BLOCK]> {
        let mut numbers: Vec<f64> =
            edges.iter().flat_map(|&edge| [edge.next_down(), edge, edge.next_up()]).collect();
        numbers.extend(edges.windows(2).map(|pair| 0.5 * pair[0] + 0.5 * pair[1]));
        numbers.extend(EXTREMES);
        numbers.resize(numbers.len().next_multiple_of(BLOCK), edges[0]);
        numbers.as_chunks().0.to_vec()
    }

    #[test]
    fn halving_and_the_grid_find_the_places_that_are_found_one_at_a_time() {
        let mut grids = 0;
        for edges in axes() {
            let axis = Variable::new(edges.clone()).unwrap();
            let grid = Grid::new(&edges);
            grids += usize::from(grid.is_some());
            for numbers in numbers(&edges) {
                let mut by_halving = [u32::MAX; BLOCK];
                find(&edges, &numbers, &mut by_halving);
                let mut by_grid = by_halving;
                if let Some(grid) = &grid {
                    grid.find_in_loop(&numbers, &mut by_grid);
                }
                for (i, x) in numbers.into_iter().enumerate() {
                    let want = axis.index(x);
                    assert_eq!(
                        [by_halving[i], by_grid[i]].map(|place| place as usize),
                        [want; 2],
                        "{x:e}: {edges:?}"
                    );
                }
            }
        }
        assert!((5..9).contains(&grids), "{grids} of the axes have a grid");
    }

    #[test]
    fn strips_never_fall_and_are_the_same_in_vectors_of_every_width() {
        for edges in axes() {
            let Some(Grid { strips, .. }) = Grid::new(&edges) else { continue };
            for mut numbers in numbers(&edges) {
                numbers.sort_by(f64::total_cmp);
                let real: Vec<f64> = numbers.iter().filter(|x| !x.is_nan()).map(|&x| strips.of(x)).collect();
                assert!(real.is_sorted(), "{edges:?}");
                for width in Width::all() {
                    let mut found = [u32::MAX; BLOCK];
                    run(StripsOf { strips, numbers: &numbers, found: &mut found }, width);
                    assert!(
                        found.iter().zip(numbers).all(|(&found, x)| f64::from(found) == strips.of(x)),
                        "{width:?}"
                    );
                }
            }
        }
    }
}
