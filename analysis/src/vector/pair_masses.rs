use std::ops::Range;

use hep_columns::simd::{Kernel, widest};

use super::components::Components;
use super::{Momentum, P4};
use crate::Columnar;
use crate::columns::JaggedColumn;

/// Pairs whose masses are computed at once: their objects' components stay in the first-level cache.
const BLOCK: usize = 256;

/// The masses of pairs of a collection's objects. Each object's four-momentum is made once for all pairs that
/// follow each other and are of the same event, many of them in one vectorised loop.
pub(crate) struct PairMasses<'a, T: Columnar> {
    column: &'a JaggedColumn<T>,
    /// The objects of the block.
    objects: Vec<u32>,
    components: Components,
    /// Of each pair of the block, where its objects are in the components.
    places: Vec<[u32; 2]>,
}

impl<'a, T: Columnar> PairMasses<'a, T>
where
    for<'b> T::Item<'b>: Momentum,
{
    pub(crate) fn new(column: &'a JaggedColumn<T>) -> Self {
        Self { column, objects: Vec::new(), components: Components::default(), places: Vec::new() }
    }

    /// Those of `pairs`: the objects of the event, and which of them the two are, all by their places in the
    /// column.
    pub(crate) fn of(mut self, pairs: impl ExactSizeIterator<Item = (Range<usize>, [u32; 2])>) -> Vec<f64> {
        let mut masses = Vec::with_capacity(pairs.len());
        let (mut last, mut begin) = (0..0, 0);
        for (event, objects) in pairs {
            if event != last || self.places.is_empty() {
                begin = self.objects.len() as u32;
                self.objects.extend(event.start as u32..event.end as u32);
                last = event;
            }
            self.places.push(objects.map(|object| begin + object - last.start as u32));
            if self.places.len() == BLOCK {
                self.flush(&mut masses);
            }
        }
        self.flush(&mut masses);
        masses
    }

    #[inline(never)]
    fn flush(&mut self, masses: &mut Vec<f64>) {
        let mut polar = self.components.polar(self.objects.len());
        for (place, &object) in self.objects.iter().enumerate() {
            polar.put(place, &T::item(self.column, object as usize));
        }
        polar.make();
        let mut sums = [[0.0; BLOCK]; 4];
        for (at, [a, b]) in self.places.iter().enumerate() {
            let sum = self.components.at(*a as usize) + self.components.at(*b as usize);
            [sums[0][at], sums[1][at], sums[2][at], sums[3][at]] = [sum.px, sum.py, sum.pz, sum.e];
        }
        let mut block = [0.0; BLOCK];
        widest(Masses { sums: &sums, masses: &mut block });
        masses.extend_from_slice(&block[..self.places.len()]);
        self.objects.clear();
        self.places.clear();
    }
}

struct Masses<'a> {
    sums: &'a [[f64; BLOCK]; 4],
    masses: &'a mut [f64; BLOCK],
}

impl Kernel for Masses<'_> {
    #[inline(always)]
    fn run(self) {
        let [px, py, pz, e] = self.sums;
        for (at, mass) in self.masses.iter_mut().enumerate() {
            *mass = P4::new(px[at], py[at], pz[at], e[at]).mass();
        }
    }
}
