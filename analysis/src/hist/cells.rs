//! The cells of a histogram: all of them in memory, or those that hold something.
//!
//! A large histogram begins *sparse*: what a range of entries fills of twenty million cells is a small part
//! of them, and there are as many of these in memory as there are workers. It turns *dense* when that
//! takes less. Which of the two it is shows nowhere: each cell's sum is `0 + first + second + …` either way,
//! so the bits are the same (NaN are made the same where they come out), and what is written follows from the
//! content alone.
//!
//! In memory a sparse one is a table with open addressing. Sorted pages of 16 cells were weighed: with fills that
//! are spread evenly they come to six times as much.

use std::fmt::{self, Formatter};
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Storage;

/// The most cells that are all in memory from the beginning: 1 MiB of weighted ones.
pub(super) const DENSE: usize = 1 << 16;

/// Cells, each at first as if never filled. Of three words, because an output may have thousands of histograms, and
/// merging waits for the memory of each.
#[derive(Clone, Debug)]
pub(super) struct Cells<S: Storage> {
    /// All of them; none while they are sparse.
    dense: Box<[S::Cell]>,
    /// None while they are dense.
    sparse: Option<Box<Sparse<S::Cell>>>,
}

/// Those that hold something, in a table whose length is a power of two or 0.
#[derive(Clone, Debug)]
struct Sparse<C> {
    /// Which cell a place of the table holds, or [`FREE`].
    keys: Vec<u32>,
    cells: Vec<C>,
    filled: usize,
    /// How many cells there are, held or not.
    len: usize,
}

/// No cell has this number: there are at most 2³⁰.
const FREE: u32 = u32::MAX;
/// The places of the smallest table.
const SMALLEST: usize = 64;

impl<C: Copy + Default> Sparse<C> {
    fn with_places(places: usize, len: usize) -> Self {
        Self { keys: vec![FREE; places], cells: vec![C::default(); places], filled: 0, len }
    }

    /// The place of a cell: where it is, or where it would come. There is a free one.
    #[inline]
    fn find(&self, key: u32) -> usize {
        // Fibonacci hashing: neighbours, of which there are many, come far apart.
        let mixed = u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mask = self.keys.len() - 1;
        let mut place = (mixed >> (u64::BITS - self.keys.len().trailing_zeros())) as usize & mask;
        while self.keys[place] != key && self.keys[place] != FREE {
            place = (place + 1) & mask;
        }
        place
    }

    fn get(&self, key: u32) -> Option<C> {
        if self.keys.is_empty() {
            return None;
        }
        let place = self.find(key);
        (self.keys[place] == key).then(|| self.cells[place])
    }

    /// Whether one more would be more than three quarters.
    fn is_full(&self) -> bool {
        (self.filled + 1) * 4 > self.keys.len() * 3
    }

    /// Makes a larger table, unless all cells would take no more; whether it did.
    fn make_room(&mut self) -> bool {
        let places = (self.keys.len() * 2).max(SMALLEST);
        if table_bytes::<C>(places) >= self.len * size_of::<C>() {
            return false;
        }
        let mut larger = Self::with_places(places, self.len);
        self.iter().for_each(|(at, cell)| *larger.entry(at as u32) = cell);
        *self = larger;
        true
    }

    /// The cell, which is made if it is not there. There is room.
    fn entry(&mut self, key: u32) -> &mut C {
        let place = self.find(key);
        if self.keys[place] == FREE {
            self.keys[place] = key;
            self.filled += 1;
        }
        &mut self.cells[place]
    }

    fn iter(&self) -> impl Iterator<Item = (usize, C)> + '_ {
        let held = self.keys.iter().zip(&self.cells).filter(|(key, _)| **key != FREE);
        held.map(|(&key, &cell)| (key as usize, cell))
    }

    /// In the order of their numbers.
    fn sorted(&self) -> Vec<(u32, u32)> {
        let held = (0..).zip(&self.keys).filter(|(_, key)| **key != FREE);
        let mut order: Vec<(u32, u32)> = held.map(|(place, &key)| (key, place)).collect();
        order.sort_unstable();
        order
    }
}

/// The bytes of a table of so many places.
const fn table_bytes<C>(places: usize) -> usize {
    places * (size_of::<u32>() + size_of::<C>())
}

impl<S: Storage> Cells<S> {
    pub(super) fn new(len: usize) -> Self {
        match len <= DENSE {
            true => Self::dense(vec![S::Cell::default(); len]),
            false => Self::sparse(Sparse::with_places(0, len)),
        }
    }

    fn dense(cells: Vec<S::Cell>) -> Self {
        Self { dense: cells.into_boxed_slice(), sparse: None }
    }

    fn sparse(cells: Sparse<S::Cell>) -> Self {
        Self { dense: Box::default(), sparse: Some(Box::new(cells)) }
    }

    pub(super) fn len(&self) -> usize {
        self.sparse.as_ref().map_or(self.dense.len(), |sparse| sparse.len)
    }

    /// The bytes they take.
    pub(super) fn memory(&self) -> usize {
        let places = self.sparse.as_ref().map_or(0, |sparse| sparse.keys.len());
        size_of_val(&*self.dense) + table_bytes::<S::Cell>(places)
    }

    /// Adds to one. The check of the bounds, which there must be, is what tells dense from sparse.
    ///
    /// # Panics
    /// If there is none such.
    #[inline(always)]
    pub(super) fn add(&mut self, at: usize, other: S::Cell) {
        match self.dense.get_mut(at) {
            Some(cell) => S::add(cell, other),
            None => self.add_sparse(at, other),
        }
    }

    /// Adds `others` to those at `places`, in order.
    ///
    /// # Panics
    /// If there is none such.
    #[inline]
    pub(super) fn add_each(&mut self, places: &[u32], others: impl Iterator<Item = S::Cell>) {
        let pairs = places.iter().zip(others);
        if self.sparse.is_none() {
            let dense = &mut *self.dense;
            return pairs.for_each(|(&at, other)| S::add(&mut dense[at as usize], other));
        }
        pairs.for_each(|(&at, other)| self.add(at as usize, other));
    }

    /// All of them, if they are all in memory.
    pub(super) fn dense_mut(&mut self) -> Option<&mut [S::Cell]> {
        self.sparse.is_none().then_some(&mut *self.dense)
    }

    #[cold]
    #[inline(never)]
    fn add_sparse(&mut self, at: usize, other: S::Cell) {
        let len = self.len();
        match &mut self.sparse {
            Some(sparse) if at < len => {
                if !sparse.is_full() || sparse.make_room() {
                    return S::add(sparse.entry(at as u32), other);
                }
                self.make_dense();
                S::add(&mut self.dense[at], other);
            }
            _ => panic!("cell {at} of a histogram of {len}"),
        }
    }

    fn make_dense(&mut self) {
        if let Some(sparse) = self.sparse.take() {
            let mut dense = vec![S::Cell::default(); sparse.len];
            sparse.iter().for_each(|(at, cell)| dense[at] = cell);
            *self = Self::dense(dense);
        }
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none such.
    pub(super) fn get(&self, at: usize) -> S::Cell {
        S::canonical(match &self.sparse {
            Some(sparse) => {
                assert!(at < sparse.len, "cell {at} of a histogram of {}", sparse.len);
                sparse.get(at as u32).unwrap_or_default()
            }
            None => self.dense[at],
        })
    }

    /// Those that hold something, in order, as they are to be seen.
    pub(super) fn held(&self) -> Box<dyn Iterator<Item = (usize, S::Cell)> + '_> {
        let held = |cell: S::Cell| !S::is_empty(cell);
        if let Some(sparse) = &self.sparse {
            let order = sparse.sorted().into_iter();
            let cells = order.map(|(key, place)| (key as usize, sparse.cells[place as usize]));
            return Box::new(
                cells.filter(move |(_, cell)| held(*cell)).map(|(at, cell)| (at, S::canonical(cell))),
            );
        }
        let cells = self.dense.iter().copied().enumerate().filter(move |(_, cell)| held(*cell));
        Box::new(cells.map(|(at, cell)| (at, S::canonical(cell))))
    }

    /// How many hold something.
    fn count(&self) -> usize {
        let held = |cell: &S::Cell| !S::is_empty(*cell);
        match &self.sparse {
            Some(sparse) => sparse.iter().filter(|(_, cell)| held(cell)).count(),
            None => self.dense.iter().filter(|cell| held(cell)).count(),
        }
    }

    /// A number of each.
    pub(super) fn numbers(&self, number: impl Fn(S::Cell) -> f64) -> Vec<f64> {
        let Some(sparse) = &self.sparse else {
            return self.dense.iter().map(|&cell| number(S::canonical(cell))).collect();
        };
        let mut numbers = vec![number(S::Cell::default()); sparse.len];
        sparse.iter().for_each(|(at, cell)| numbers[at] = number(S::canonical(cell)));
        numbers
    }

    /// The sum of a number of each, in order.
    pub(super) fn sum(&self, number: impl Fn(S::Cell) -> f64) -> f64 {
        // Those that hold nothing add 0, which no sum that begins with 0 notices.
        self.held().fold(0.0, |sum, (_, cell)| sum + number(cell))
    }

    /// The sums of two numbers of each of which `counts` says so, in order.
    pub(super) fn sums(
        &self,
        mut counts: impl FnMut(usize) -> bool,
        numbers: [fn(S::Cell) -> f64; 2],
    ) -> [f64; 2] {
        let counted = self.held().filter(|(at, _)| counts(*at));
        counted.fold([0.0; 2], |sums, (_, cell)| [sums[0] + numbers[0](cell), sums[1] + numbers[1](cell)])
    }

    /// Adds others, of as many cells, one by one: mine first.
    pub(super) fn merge(&mut self, other: Self) {
        match (&self.sparse, &other.sparse) {
            (None, None) => {
                self.dense.iter_mut().zip(&other.dense).for_each(|(cell, more)| S::add(cell, *more));
            }
            (_, Some(more)) => more.iter().for_each(|(at, more)| self.add(at, more)),
            (Some(mine), None) => {
                let mut dense = other.dense;
                for (at, cell) in mine.iter() {
                    let more = std::mem::replace(&mut dense[at], cell);
                    S::add(&mut dense[at], more);
                }
                *self = Self { dense, sparse: None };
            }
        }
    }

    /// As many cells as `len` in which each has the place that `place` gives it, no two the same.
    pub(super) fn moved(&self, len: usize, mut place: impl FnMut(usize) -> usize) -> Self {
        let mut moved = Self::new(len);
        for (at, cell) in self.held() {
            moved.add(place(at), cell);
        }
        moved
    }
}

impl<S: Storage> PartialEq for Cells<S> {
    fn eq(&self, other: &Self) -> bool {
        if self.sparse.is_none() && other.sparse.is_none() {
            return self.dense == other.dense;
        }
        self.len() == other.len() && self.count() == other.count() && self.held().eq(other.held())
    }
}

/// Of cells most of which hold something all are written; else how many there are, and those that do, each
/// behind the number of cells between it and the one before.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
#[serde(rename_all = "lowercase", bound(deserialize = "C: Deserialize<'de>"))]
enum Stored<C> {
    All(#[serde(deserialize_with = "exactly")] Vec<C>),
    Held(u32, #[serde(deserialize_with = "exactly")] Vec<(u32, C)>),
}

/// A sequence in as much memory as it takes: serde's own grows by doubling, which takes up to three times as
/// much while it is copied.
fn exactly<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Exactly<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Exactly<T> {
        type Value = Vec<T>;

        fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
            to.write_str("cells")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut read = Vec::new();
            // Of bytes in memory, postcard says no more than are left of them.
            read.try_reserve_exact(sequence.size_hint().unwrap_or(0)).map_err(A::Error::custom)?;
            while let Some(one) = sequence.next_element()? {
                read.push(one);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_seq(Exactly(PhantomData))
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase", bound = "")]
enum Written<'a, S: Storage> {
    #[serde(serialize_with = "all")]
    All(&'a Cells<S>),
    Held(u32, #[serde(serialize_with = "held")] &'a Cells<S>),
}

fn all<S: Storage, Z: Serializer>(cells: &Cells<S>, serializer: Z) -> Result<Z::Ok, Z::Error> {
    if cells.sparse.is_none() {
        return serializer.collect_seq(cells.dense.iter().map(|&cell| S::canonical(cell)));
    }
    let mut sequence = serializer.serialize_seq(Some(cells.len()))?;
    let mut held = cells.held().peekable();
    for at in 0..cells.len() {
        let cell = held.next_if(|(next, _)| *next == at).map_or_else(S::Cell::default, |(_, cell)| cell);
        sequence.serialize_element(&cell)?;
    }
    sequence.end()
}

fn held<S: Storage, Z: Serializer>(cells: &Cells<S>, serializer: Z) -> Result<Z::Ok, Z::Error> {
    let mut sequence = serializer.serialize_seq(Some(cells.count()))?;
    let mut next = 0;
    for (at, cell) in cells.held() {
        sequence.serialize_element(&((at - next) as u32, cell))?;
        next = at + 1;
    }
    sequence.end()
}

impl<S: Storage> Serialize for Cells<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        match self.count() > self.len() / 2 {
            true => Written::All(self).serialize(serializer),
            false => Written::Held(self.len() as u32, self).serialize(serializer),
        }
    }
}

/// Cells as they were read: how many there are to be is not known yet.
pub(super) struct Read<S: Storage>(Stored<S::Cell>);

impl<'de, S: Storage> Deserialize<'de> for Read<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer).map(Self)
    }
}

impl<S: Storage> Read<S> {
    /// The cells, of which there are to be so many. Takes memory for what was read, not for what it says:
    /// the cells are dense only if that is no more than a few times as much.
    pub(super) fn into_cells<E: serde::de::Error>(self, len: usize) -> Result<Cells<S>, E> {
        /// What even an empty histogram may take.
        const LITTLE: usize = 4096;
        let wrong = || E::custom("a histogram whose bins do not fit its axes");
        let read = match self.0 {
            Stored::All(dense) if dense.len() == len => {
                return Ok(Cells::dense(dense));
            }
            Stored::Held(said, read) if said as usize == len => read,
            _ => return Err(wrong()),
        };
        let places = (read.len().saturating_mul(4) / 3 + 1).next_power_of_two().max(SMALLEST);
        let all = len * size_of::<S::Cell>();
        let mut cells = match all <= 2 * table_bytes::<S::Cell>(places) + LITTLE {
            true => Cells::dense(vec![S::Cell::default(); len]),
            false => Cells::sparse(Sparse::with_places(places, len)),
        };
        let mut next = 0_usize;
        for (gap, cell) in read {
            let at = next.checked_add(gap as usize).filter(|&at| at < len).ok_or_else(wrong)?;
            // As it was written: nothing is added to it.
            match &mut cells.sparse {
                Some(sparse) => *sparse.entry(at as u32) = cell,
                None => cells.dense[at] = cell,
            }
            next = at + 1;
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, Weighted};
    use super::*;

    /// Large enough to be sparse.
    const LEN: usize = DENSE + 1000;

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % sides as u64) as usize
        }

        /// Weights that no other order adds up to the same, that cancel, and that are no numbers.
        fn weight(&mut self) -> f64 {
            let odd = [0.0, -0.0, 1e300, -1e300, f64::INFINITY, f64::NAN, -f64::NAN, 5e-324, 1.0, -1.0];
            match self.roll(20) {
                at @ 0..10 => odd[at],
                _ => self.roll(1000) as f64 / 7.0 - 30.0,
            }
        }
    }

    fn dense(len: usize) -> Cells<Weighted> {
        Cells::dense(vec![[0.0; 2]; len])
    }

    fn bits(cells: &Cells<Weighted>) -> Vec<[u64; 2]> {
        (0..cells.len()).map(|at| cells.get(at).map(f64::to_bits)).collect()
    }

    fn bytes(cells: &Cells<Weighted>) -> Vec<u8> {
        postcard::to_allocvec(cells).unwrap()
    }

    fn read(bytes: &[u8], len: usize) -> Result<Cells<Weighted>, postcard::Error> {
        postcard::from_bytes::<Read<Weighted>>(bytes)?.into_cells(len)
    }

    /// Any fills, merged in any tree, through bytes or not: bit for bit what it is with all cells in memory.
    #[test]
    fn sparse_and_dense_cells_are_the_same_to_the_last_bit() {
        for seed in 1..30 {
            let mut dice = Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
            // Some fill few cells often, some nearly all.
            let (spread, fills) = ([100, 5000, LEN][dice.roll(3)], [10, 3000, 60_000][dice.roll(3)]);
            let mut parts: Vec<(Cells<Weighted>, Cells<Weighted>)> = Vec::new();
            for _ in 0..2 + dice.roll(5) {
                let (mut one, mut other) = (Cells::new(LEN), dense(LEN));
                assert!(one.sparse.is_some());
                for _ in 0..dice.roll(fills) {
                    let (at, w) = (LEN - 1 - dice.roll(spread), dice.weight());
                    one.add(at, [w, w * w]);
                    other.add(at, [w, w * w]);
                }
                if dice.roll(3) == 0 {
                    one = read(&bytes(&one), LEN).unwrap();
                }
                if dice.roll(4) == 0 && one.sparse.is_some() {
                    one.make_dense();
                }
                parts.push((one, other));
            }
            while parts.len() > 1 {
                let at = dice.roll(parts.len() - 1);
                let (one, other) = parts.remove(at + 1);
                parts[at].0.merge(one);
                parts[at].1.merge(other);
            }
            let (one, other) = parts.remove(0);
            assert!(other.sparse.is_none());
            assert!(bits(&one) == bits(&other), "seed {seed}");
            assert!(bytes(&one) == bytes(&other), "seed {seed}");
            assert!(bits(&read(&bytes(&one), LEN).unwrap()) == bits(&other), "seed {seed}");
            let numbers = |cells: &Cells<Weighted>| {
                let numbers = cells.numbers(|cell| cell[0]);
                numbers.iter().map(|w| w.to_bits()).collect::<Vec<_>>()
            };
            assert!(numbers(&one) == numbers(&other));
            let sum = |cells: &Cells<Weighted>| cells.sum(|cell| cell[0]).to_bits();
            assert_eq!(sum(&one), sum(&other));
            assert_eq!(one == other, other == other.clone(), "seed {seed}");
        }
    }

    #[test]
    fn cells_turn_dense_when_that_is_smaller_and_stay_equal() {
        let (mut one, mut other) = (Cells::<Weighted>::new(LEN), dense(LEN));
        let mut most = 0;
        for at in 0..LEN {
            one.add(at, [1.0, 1.0]);
            other.add(at, [1.0, 1.0]);
            most = most.max(one.memory());
            assert!(at % 1000 > 0 || one == other);
        }
        assert!(one.sparse.is_none());
        assert_eq!(most, other.memory());
    }

    #[test]
    fn what_was_filled_with_nothing_is_as_if_it_never_was() {
        let mut one = Cells::<Weighted>::new(LEN);
        one.add(7, [0.0, 0.0]);
        one.add(8, [-0.0, 0.0]);
        assert_eq!(one, Cells::new(LEN));
        assert_eq!(bytes(&one), bytes(&Cells::new(LEN)));
        assert_eq!(one.get(8)[0].to_bits(), 0);
    }

    #[test]
    fn few_cells_take_few_bytes_and_most_of_them_less_than_twice_theirs() {
        let mut one = Cells::<Weighted>::new(20_000_000);
        assert!(bytes(&one).len() < 16 && one.memory() == 0);
        (0..100).for_each(|at| one.add(at * 200_000, [1.0, 1.0]));
        assert!(bytes(&one).len() < 100 * 20 && one.memory() < 100 * 60);
        let mut counts = Cells::<Counts>::new(LEN);
        (0..LEN / 2 + 1).for_each(|at| counts.add(at, 1));
        assert_eq!(postcard::to_allocvec(&counts).unwrap().len(), 1 + 3 + LEN);
    }

    #[test]
    #[should_panic(expected = "cell 66536 of a histogram of 66536")]
    fn a_cell_past_the_end_is_none_of_a_sparse_one() {
        Cells::<Counts>::new(LEN).add(LEN, 1);
    }

    #[test]
    #[should_panic(expected = "cell 12 of a histogram of 12")]
    fn a_cell_past_the_end_is_none_of_a_dense_one() {
        Cells::<Counts>::new(12).add(12, 1);
    }

    /// Bytes are of strangers: what they say of themselves takes no memory and gives no cell twice.
    #[test]
    fn bytes_that_lie_are_refused_or_take_no_memory() {
        let held = |cells: &[(u32, u64)], len| {
            let bytes = postcard::to_allocvec(&Stored::Held(len as u32, cells.to_vec())).unwrap();
            postcard::from_bytes::<Read<Counts>>(&bytes)?.into_cells::<postcard::Error>(len)
        };
        assert_eq!(held(&[(2, 5), (0, 6)], 4).unwrap().dense[..], [0, 0, 5, 6]);
        assert!(held(&[(2, 5), (1, 6)], 4).is_err());
        assert!(held(&[(4, 5)], 4).is_err());
        assert!(held(&[(u32::MAX, 5), (u32::MAX, 6)], LEN).is_err());
        assert!(held(&[(0, 1)], 1 << 30).unwrap().memory() < 4096);
        assert!(held(&[], DENSE).unwrap().memory() < 8192);
        let all = |n| postcard::from_bytes::<Read<Counts>>(&[&[0, n][..], &[0; 9]].concat());
        assert!(all(9).unwrap().into_cells::<postcard::Error>(10).is_err());
        assert!(all(10).is_err());
        // A length that no bytes follow.
        let liar = [&[1, 12][..], &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F], &[0; 100]].concat();
        assert!(postcard::from_bytes::<Read<Counts>>(&liar).is_err());
    }
}
