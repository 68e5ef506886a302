use std::ops::Range;

use super::components::Components;
use super::{Momentum, P4, triples};
use crate::Columnar;
use crate::columns::{JaggedColumn, List};

/// Four-momenta that are made at once: 16 kB of components, which stay in the first-level cache.
const BLOCK: usize = 512;

/// The four-momenta of a collection's objects, from [`JaggedColumn::four_momenta`] and
/// [`JaggedColumn::four_momenta_of`].
///
/// For objects that are in many combinations: each four-momentum is made once, many of them in one vectorised
/// loop, a block ahead of the events that are asked for in turn. They are bit for bit those of
/// [`Momentum::p4`].
pub struct FourMomenta<'a, T: Columnar> {
    objects: &'a JaggedColumn<T>,
    made: Made<'a>,
    components: Components,
}

/// Which objects the components are of.
enum Made<'a> {
    /// Those of these places in the column.
    All(Range<usize>),
    Chosen(Chosen<'a>),
}

/// The objects of some events, one event after the other.
struct Chosen<'a> {
    /// All events that are chosen, by their numbers, rising.
    events: &'a [u32],
    /// Those of them that are made, by their places in `events`.
    made: Range<usize>,
    /// Where the objects of each of these begin in the components.
    begin: Vec<u32>,
    /// The place of the one that is likely to be asked for next.
    next: usize,
}

impl<'a, T: Columnar> FourMomenta<'a, T>
where
    for<'b> T::Item<'b>: Momentum,
{
    pub(crate) fn all(objects: &'a JaggedColumn<T>) -> Self {
        Self { objects, made: Made::All(0..0), components: Components::default() }
    }

    pub(crate) fn chosen(objects: &'a JaggedColumn<T>, events: &'a [u32]) -> Self {
        let chosen = Chosen { events, made: 0..0, begin: Vec::new(), next: 0 };
        Self { objects, made: Made::Chosen(chosen), components: Components::default() }
    }

    /// The four-momenta of one event's objects, in their order.
    ///
    /// # Panics
    /// If the objects are of another collection, or of an event that is not among those chosen.
    #[inline]
    pub fn of(&mut self, objects: List<'_, T>) -> P4s<'_> {
        assert!(objects.is_of(self.objects), "four-momenta of another collection's objects");
        let range = objects.range();
        let len = range.len();
        let start = match &mut self.made {
            Made::All(made) => {
                if range.start < made.start || range.end > made.end {
                    *made = make_all(self.objects, &range, &mut self.components);
                }
                range.start - made.start
            }
            Made::Chosen(_) if len == 0 => 0,
            Made::Chosen(chosen) => chosen.find(self.objects, &range, &mut self.components),
        };
        P4s { len, components: self.components.of(start..start + len) }
    }
}

/// Makes a block that begins with the objects `needed`; which it has.
#[inline(never)]
fn make_all<T: Columnar>(
    objects: &JaggedColumn<T>,
    needed: &Range<usize>,
    components: &mut Components,
) -> Range<usize>
where
    for<'b> T::Item<'b>: Momentum,
{
    let end = needed.start.saturating_add(BLOCK).min(objects.object_count()).max(needed.end);
    let made = needed.start..end;
    let mut polar = components.polar(made.len());
    for (place, object) in made.clone().enumerate() {
        polar.put(place, &T::item(objects, object));
    }
    polar.make();
    made
}

impl Chosen<'_> {
    /// Where the objects `range` of an event begin in the components.
    #[inline]
    fn find<T: Columnar>(
        &mut self,
        objects: &JaggedColumn<T>,
        range: &Range<usize>,
        components: &mut Components,
    ) -> usize
    where
        for<'b> T::Item<'b>: Momentum,
    {
        let starts_at = |event: u32| objects.offsets()[event as usize] as usize == range.start;
        // Events without objects are not asked for, and so stepped over.
        while self.next < self.made.end
            && (objects.offsets()[self.events[self.next] as usize + 1] as usize) <= range.start
        {
            self.next += 1;
        }
        if !self.made.contains(&self.next) || !starts_at(self.events[self.next]) {
            self.make(objects, range, components);
        }
        let begin = self.begin[self.next - self.made.start] as usize;
        self.next += 1;
        begin
    }

    /// Makes a block that begins with the event whose objects are `needed`, which is next then.
    #[inline(never)]
    fn make<T: Columnar>(
        &mut self,
        objects: &JaggedColumn<T>,
        needed: &Range<usize>,
        components: &mut Components,
    ) where
        for<'b> T::Item<'b>: Momentum,
    {
        let list = |place: usize| {
            let event = self.events[place] as usize;
            objects.offsets()[event] as usize..objects.offsets()[event + 1] as usize
        };
        let ends_before = |event: &u32| objects.offsets()[*event as usize + 1] as usize <= needed.start;
        let first = self.events.partition_point(ends_before);
        assert!(
            first < self.events.len() && list(first) == *needed,
            "four-momenta of an event that is not chosen"
        );
        self.begin.clear();
        let (mut end, mut count) = (first, 0);
        while end < self.events.len() && (count < BLOCK || end == first) {
            self.begin.push(count as u32);
            count += list(end).len();
            end += 1;
        }
        let mut polar = components.polar(count);
        for (place, object) in (first..end).flat_map(list).enumerate() {
            polar.put(place, &T::item(objects, object));
        }
        polar.make();
        (self.made, self.next) = (first..end, first);
    }
}

/// The four-momenta of one event's objects.
#[derive(Clone, Copy)]
pub struct P4s<'a> {
    len: usize,
    /// `px`, `py`, `pz`, `e`.
    components: [&'a [f64]; 4],
}

impl<'a> P4s<'a> {
    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The four-momentum of object `i`.
    ///
    /// # Panics
    /// If there are not so many objects.
    #[inline(always)]
    pub fn at(&self, i: usize) -> P4 {
        assert!(i < self.len, "object {i} of {}", self.len);
        let [px, py, pz, e] = self.components;
        P4::new(px[i], py[i], pz[i], e[i])
    }

    /// All of them, in the objects' order.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = P4> + Clone + use<'a> {
        let [px, py, pz, e] = self.components.map(|part| &part[..self.len]);
        (0..self.len).map(move |i| P4::new(px[i], py[i], pz[i], e[i]))
    }

    /// The sum of the objects at these places, added from left to right.
    ///
    /// # Panics
    /// If there are not so many objects.
    #[inline]
    pub fn sum<const N: usize>(&self, places: [usize; N]) -> P4 {
        places.into_iter().map(|i| self.at(i)).reduce(|sum, next| sum + next).unwrap_or_default()
    }

    /// The places of the three objects whose mass is closest to `mass`: those that
    /// `triples().closest_to(mass, …)` gives, for the mass `(a + b + c).mass()`, the first of equally close ones.
    /// `None` with fewer than three objects, or if every mass is NaN.
    #[inline]
    pub fn closest_triple(&self, mass: f64) -> Option<[usize; 3]> {
        if self.len < 3 { None } else { triples::closest(self.components, self.len, mass) }
    }
}
