use std::ops::Range;

use hep_columns::simd::{Kernel, widest};

use super::components::Components;
use super::{Momentum, P4};
use crate::Columnar;
use crate::columns::JaggedColumn;

/// Events that are searched together, one in each lane of a vector: they have equally many objects.
const LANES: usize = 8;
/// The objects of an event that is searched with others. The more there are, the fewer have as many.
const MOST: usize = 16;
/// Events and objects of a block: about 100 kB, which stay in the second-level cache.
const BLOCK: (usize, i32) = (2048, 8192);

/// The triple of an event's objects whose mass is the closest one.
pub struct Triple<'a, T: Columnar> {
    column: &'a JaggedColumn<T>,
    found: Found,
}

/// The event and the objects by their places in the columns, and their sum.
#[derive(Clone, Copy)]
struct Found {
    event: u32,
    objects: [u32; 3],
    p4: P4,
}

impl<'a, T: Columnar> Triple<'a, T> {
    /// Which event of the batch it is of.
    #[inline]
    pub fn event(&self) -> usize {
        self.found.event as usize
    }

    /// The places of the three objects among those of the event, rising.
    #[inline]
    pub fn places(&self) -> [usize; 3] {
        let first = self.column.offsets()[self.event()] as u32;
        self.found.objects.map(|object| (object - first) as usize)
    }

    /// The three objects, in their order.
    #[inline]
    pub fn objects(&self) -> [T::Item<'a>; 3] {
        self.found.objects.map(|object| T::item(self.column, object as usize))
    }

    /// The sum of their four-momenta, added from left to right.
    #[inline]
    pub fn p4(&self) -> P4 {
        self.found.p4
    }
}

/// The closest triples of a batch's events, in their order: from [`JaggedColumn::closest_triples`].
pub struct ClosestTriples<'a, T: Columnar> {
    column: &'a JaggedColumn<T>,
    mass: f64,
    /// The first event of the next block.
    next: usize,
    block: Block,
    /// How many of the block's events have been given.
    given: usize,
}

impl<'a, T: Columnar> ClosestTriples<'a, T>
where
    for<'b> T::Item<'b>: Momentum,
{
    pub(crate) fn new(column: &'a JaggedColumn<T>, mass: f64) -> Self {
        Self { column, mass, next: 0, block: Block::default(), given: 0 }
    }

    /// Searches the next block, if there is one.
    fn search_next(&mut self) -> bool {
        if self.next + 1 >= self.column.offsets().len() {
            return false;
        }
        let end = block_end(self.column.offsets(), self.next);
        self.block.search(self.column, self.next..end, self.mass);
        (self.given, self.next) = (0, end);
        true
    }
}

impl<'a, T: Columnar> Iterator for ClosestTriples<'a, T>
where
    for<'b> T::Item<'b>: Momentum,
{
    type Item = Triple<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<Triple<'a, T>> {
        loop {
            while self.given < self.block.events.len() {
                self.given += 1;
                if let Some(found) = self.block.found(self.column, self.given - 1) {
                    return Some(Triple { column: self.column, found });
                }
            }
            if !self.search_next() {
                return None;
            }
        }
    }

    /// Without going through `self` for each.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, mut all: B, mut add: F) -> B {
        loop {
            for at in self.given..self.block.events.len() {
                if let Some(found) = self.block.found(self.column, at) {
                    all = add(all, Triple { column: self.column, found });
                }
            }
            if !self.search_next() {
                return all;
            }
        }
    }
}

/// Where the block ends that begins with an event.
fn block_end(offsets: &[i32], start: usize) -> usize {
    let (events, objects) = BLOCK;
    let most = (start + events).min(offsets.len() - 1);
    let within = offsets[start + 1..=most].partition_point(|end| end - offsets[start] <= objects);
    (start + within).max(start + 1)
}

/// What is searched at once; the memory is used again.
#[derive(Default)]
struct Block {
    /// Those with three objects and more, and how many they have.
    events: Vec<(u32, u32)>,
    /// Their places in `events`: those with fewer objects first.
    sorted: Vec<u32>,
    groups: Vec<Group>,
    components: Components,
    /// Of each group, the closest triple in each lane.
    closest: Vec<[u64; LANES]>,
    /// Of each event, the places of the closest triple's objects in it, and those of their components.
    best: Vec<[[u32; 2]; 3]>,
}

/// Up to [`LANES`] events of `n` objects. Object `i` of the one in lane `l` is at `begin + i * LANES + l` of the
/// components.
#[derive(Clone, Copy)]
struct Group {
    n: usize,
    begin: usize,
    /// The events, by their places in `sorted`.
    first: usize,
    count: usize,
}

impl Block {
    /// The closest triples of the `events`.
    #[inline(never)]
    fn search<T: Columnar>(&mut self, column: &JaggedColumn<T>, events: Range<usize>, mass: f64)
    where
        for<'b> T::Item<'b>: Momentum,
    {
        self.sort(column.offsets(), events);
        self.make(column);
        self.closest.resize(self.groups.len(), [NONE; LANES]);
        let components = self.components.of(0..self.components.len());
        widest(Search { groups: &self.groups, components, mass, closest: &mut self.closest });
        self.gather(mass);
    }

    /// What was found in one of the events with three objects and more.
    #[inline]
    fn found<T: Columnar>(&self, column: &JaggedColumn<T>, at: usize) -> Option<Found> {
        let ((event, _), [a, b, c]) = (self.events[at], self.best[at]);
        if a == ABSENT {
            return None;
        }
        let first = column.offsets()[event as usize] as u32;
        let p4 = |[_, place]: [u32; 2]| self.components.at(place as usize);
        Some(Found { event, objects: [first + a[0], first + b[0], first + c[0]], p4: p4(a) + p4(b) + p4(c) })
    }

    /// Chooses the events with three objects and more, and sorts them by their number.
    fn sort(&mut self, offsets: &[i32], events: Range<usize>) {
        self.events.resize(events.len(), (0, 0));
        let mut chosen = 0;
        for (event, ends) in (events.start as u32..).zip(offsets[events.start..=events.end].windows(2)) {
            let n = (ends[1] - ends[0]) as u32;
            // Without a branch: one that has too few is overwritten by the next.
            self.events[chosen] = (event, n);
            chosen += usize::from(n >= 3);
        }
        self.events.truncate(chosen);
        let mut at = [0; MOST + 3];
        self.events.iter().for_each(|&(_, n)| at[class(n) + 1] += 1);
        for class in 1..at.len() {
            at[class] += at[class - 1];
        }
        self.groups.clear();
        let mut begin = 0;
        for n in 3..=MOST {
            for first in (at[n]..at[n + 1]).step_by(LANES) {
                let count = LANES.min(at[n + 1] - first);
                self.groups.push(Group { n, begin, first, count });
                begin += n * LANES;
            }
        }
        self.sorted.resize(chosen, 0);
        for (place, &(_, n)) in (0..).zip(&self.events) {
            let at = &mut at[class(n)];
            self.sorted[*at] = place;
            *at += 1;
        }
        // What is left are the events with more: one after the other, and each alone.
        for first in self.groups.last().map_or(0, |group| group.first + group.count)..chosen {
            let n = self.events[self.sorted[first] as usize].1 as usize;
            self.groups.push(Group { n, begin, first, count: 1 });
            begin += n;
        }
    }

    /// Makes the four-momenta of the objects.
    fn make<T: Columnar>(&mut self, column: &JaggedColumn<T>)
    where
        for<'b> T::Item<'b>: Momentum,
    {
        let Self { events, sorted, groups, components, .. } = self;
        let end = groups.last().map_or(0, |group| group.begin + group.n * group.stride());
        let mut polar = components.polar(end);
        for group in groups {
            let stride = group.stride();
            for lane in 0..group.count {
                let (event, _) = events[sorted[group.first + lane] as usize];
                let first = column.offsets()[event as usize] as usize;
                for i in 0..group.n {
                    polar.put(group.begin + i * stride + lane, &T::item(column, first + i));
                }
            }
            for lane in group.count..stride {
                (0..group.n).for_each(|i| polar.put_nothing(group.begin + i * stride + lane));
            }
        }
        polar.make();
    }

    /// Brings what was found into the events' order.
    fn gather(&mut self, mass: f64) {
        self.best.resize(self.events.len(), [ABSENT; 3]);
        for (group, closest) in self.groups.iter().zip(&self.closest) {
            let stride = group.stride();
            for (lane, &closest) in closest.iter().enumerate().take(group.count) {
                let place = |i: usize| group.begin + i * stride + lane;
                let objects = match closest {
                    // Too many objects, or no finite distance.
                    NONE => {
                        let objects = (0..group.n).map(|i| self.components.at(place(i)));
                        let ((px, py), (pz, e)): ((Vec<_>, Vec<_>), (Vec<_>, Vec<_>)) =
                            objects.map(|p4| ((p4.px, p4.py), (p4.pz, p4.e))).unzip();
                        self::closest([&px, &py, &pz, &e], group.n, mass)
                    }
                    packed => Some(unpack(packed)),
                };
                let best = objects.map(|objects| objects.map(|i| [i as u32, place(i) as u32]));
                self.best[self.sorted[group.first + lane] as usize] = best.unwrap_or([ABSENT; 3]);
            }
        }
    }
}

/// No triple was found in a lane.
const NONE: u64 = u64::MAX;
/// An event has none.
const ABSENT: [u32; 2] = [u32::MAX; 2];

/// Events of the same class are searched together.
fn class(n: u32) -> usize {
    (n as usize).min(MOST + 1)
}

impl Group {
    /// How far apart the components of an event's objects are.
    fn stride(&self) -> usize {
        if self.n <= MOST { LANES } else { 1 }
    }
}

/// Finds the closest triple in each lane of the groups that have lanes.
struct Search<'a> {
    groups: &'a [Group],
    components: [&'a [f64]; 4],
    mass: f64,
    closest: &'a mut [[u64; LANES]],
}

impl Kernel for Search<'_> {
    #[inline(always)]
    fn run(self) {
        for (group, closest) in self.groups.iter().zip(self.closest) {
            *closest = [NONE; LANES];
            if group.stride() == 1 {
                continue;
            }
            let (n, size) = (group.n, group.n * LANES);
            let [px, py, pz, e] = self
                .components
                .map(|part| &part[group.begin..group.begin + size].as_chunks::<LANES>().0[..n]);
            let mut least = [f64::INFINITY; LANES];
            let mut best = [NONE; LANES];
            for i in 0..n {
                for j in i + 1..n {
                    // Closures of arrays stay calls, and vectors would go through memory.
                    let mut pair = [[0.0; LANES]; 4];
                    for lane in 0..LANES {
                        pair[0][lane] = px[i][lane] + px[j][lane];
                        pair[1][lane] = py[i][lane] + py[j][lane];
                        pair[2][lane] = pz[i][lane] + pz[j][lane];
                        pair[3][lane] = e[i][lane] + e[j][lane];
                    }
                    for k in j + 1..n {
                        let places = pack(i, j, k);
                        for lane in 0..LANES {
                            let sum = P4::new(
                                pair[0][lane] + px[k][lane],
                                pair[1][lane] + py[k][lane],
                                pair[2][lane] + pz[k][lane],
                                pair[3][lane] + e[k][lane],
                            );
                            let distance = (sum.mass() - self.mass).abs();
                            let closer = distance < least[lane];
                            least[lane] = if closer { distance } else { least[lane] };
                            best[lane] = if closer { places } else { best[lane] };
                        }
                    }
                }
            }
            *closest = best;
        }
    }
}

/// Bits of an object's place in a triple's.
const BITS: u32 = 21;

#[inline(always)]
fn pack(i: usize, j: usize, k: usize) -> u64 {
    (i as u64) << (2 * BITS) | (j as u64) << BITS | k as u64
}

#[inline(always)]
fn unpack(places: u64) -> [usize; 3] {
    [places >> (2 * BITS), places >> BITS, places].map(|place| place as usize % (1 << BITS))
}

/// The triple of the `n` objects of these `px`, `py`, `pz`, `e` whose mass is closest to `mass`, as
/// `triples().closest_to(mass, …)` finds it: the first of equally close ones, in their order.
///
/// Which triple is the closest so far cannot be foreseen, so there is no branch for it: 2.8 ns a triple instead of
/// 6.3 in events of 3 to 16 jets. Vectors of one event's triples were tried and lost: most have few.
#[inline(never)]
pub(super) fn closest([px, py, pz, e]: [&[f64]; 4], n: usize, mass: f64) -> Option<[usize; 3]> {
    let ([px, py], [pz, e]) = ([&px[..n], &py[..n]], [&pz[..n], &e[..n]]);
    let at = |i: usize| P4::new(px[i], py[i], pz[i], e[i]);
    let (mut least, mut best) = (f64::INFINITY, NONE);
    for i in 0..n {
        for j in i + 1..n {
            let pair = at(i) + at(j);
            let places = pack(i, j, 0);
            for k in j + 1..n {
                let distance = ((pair + at(k)).mass() - mass).abs();
                let closer = distance < least;
                least = if closer { distance } else { least };
                best = if closer { places | k as u64 } else { best };
            }
        }
    }
    if best == NONE {
        return endless(n, |[i, j, k]| (at(i) + at(j) + at(k)).mass() - mass);
    }
    Some(unpack(best))
}

/// The first triple with a distance, where none has a finite one.
#[cold]
fn endless(n: usize, distance: impl Fn([usize; 3]) -> f64) -> Option<[usize; 3]> {
    let mut triples = (0..n).flat_map(|i| (i + 1..n).flat_map(move |j| (j + 1..n).map(move |k| [i, j, k])));
    triples.find(|&triple| !distance(triple).is_nan())
}
