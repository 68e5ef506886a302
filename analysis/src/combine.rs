//! Pairs, triples and the best of them, over any iterator, without a buffer.
//!
//! The order is lexicographic, as in awkward's `combinations` and `ROOT::VecOps::Combinations`:
//! `(0, 1), (0, 2), (1, 2)` for three objects.
//!
//! ```
//! use hep_analysis::combine::Combinations;
//!
//! let charges = [1, 1, -1];
//! let opposite = charges.iter().pairs().find(|(a, b)| **a != **b);
//! assert_eq!(opposite, Some((&1, &-1)));
//!
//! let masses = [80.4, 91.0, 125.0];
//! assert_eq!(masses.iter().closest_to(91.2, |m| **m), Some(&91.0));
//! ```
//!
//! An iterator is cloned for each first element, so what it computes (a filter, a four-momentum) is
//! computed again each time. For triples of many objects, collect into memory that is reused first.

/// Combinations of the elements of an iterator.
pub trait Combinations: Iterator + Sized {
    /// All pairs of two different elements, the earlier one first.
    #[inline]
    fn pairs(self) -> Pairs<Self>
    where
        Self: Clone,
        Self::Item: Clone,
    {
        let mut rest = self;
        let first = rest.next();
        Pairs { first, second: rest.clone(), rest }
    }

    /// All triples of three different elements, earlier ones first.
    #[inline]
    fn triples(self) -> impl Iterator<Item = (Self::Item, Self::Item, Self::Item)>
    where
        Self: Clone,
        Self::Item: Clone,
    {
        self.combinations::<3>().map(|[a, b, c]| (a, b, c))
    }

    /// All choices of `N` different elements, earlier ones first; one empty choice for `N = 0`.
    #[inline]
    fn combinations<const N: usize>(self) -> Choices<Self, N>
    where
        Self: Clone,
        Self::Item: Clone,
    {
        Choices { start: Some(self), levels: [const { None }; N] }
    }

    /// The element whose key is closest to `value`; the first of several equally close ones. A NaN key
    /// is never closest.
    #[inline]
    fn closest_to<K: Into<f64>>(
        self,
        value: f64,
        mut key: impl FnMut(&Self::Item) -> K,
    ) -> Option<Self::Item> {
        self.leading(|element| -(key(element).into() - value).abs())
    }

    /// The element of the largest key, such as its transverse momentum; the first of several equal
    /// ones. A NaN key is never the largest.
    #[inline]
    fn leading<K: Into<f64>>(self, mut key: impl FnMut(&Self::Item) -> K) -> Option<Self::Item> {
        let mut best: Option<(f64, Self::Item)> = None;
        self.for_each(|element| {
            let key: f64 = key(&element).into();
            if best.as_ref().map_or(!key.is_nan(), |(largest, _)| key > *largest) {
                best = Some((key, element));
            }
        });
        best.map(|(_, element)| element)
    }
}

impl<I: Iterator> Combinations for I {}

/// All pairs of an element of `first` and one of `second`: the first with each of the second, and so on.
#[inline]
pub fn cross<A, B>(first: A, second: B) -> impl Iterator<Item = (A::Item, B::Item)>
where
    A: IntoIterator<Item: Clone>,
    B: IntoIterator<IntoIter: Clone>,
{
    let second = second.into_iter();
    first.into_iter().flat_map(move |a| second.clone().map(move |b| (a.clone(), b)))
}

/// See [`Combinations::pairs`].
#[derive(Clone, Debug)]
pub struct Pairs<I: Iterator> {
    first: Option<I::Item>,
    /// What follows `first`.
    rest: I,
    /// What of it is yet to be paired with `first`.
    second: I,
}

impl<I: Iterator<Item: Clone> + Clone> Iterator for Pairs<I> {
    type Item = (I::Item, I::Item);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.first.as_ref()?;
            if let Some(second) = self.second.next() {
                return Some((first.clone(), second));
            }
            self.first = self.rest.next();
            self.second = self.rest.clone();
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        while let Some(first) = self.first {
            folded = self.second.fold(folded, |folded, second| f(folded, (first.clone(), second)));
            self.first = self.rest.next();
            self.second = self.rest.clone();
        }
        folded
    }
}

/// See [`Combinations::combinations`].
#[derive(Clone, Debug)]
pub struct Choices<I: Iterator, const N: usize> {
    /// The whole iterator, until the first choice has been made.
    start: Option<I>,
    /// The element chosen at each place, and what may follow it there.
    levels: [Option<(I::Item, I)>; N],
}

impl<I: Iterator<Item: Clone> + Clone, const N: usize> Choices<I, N> {
    /// Chooses the places from `at` on, the first elements that `rest` has.
    #[inline]
    fn choose(&mut self, at: usize, mut rest: I) -> Option<()> {
        for level in &mut self.levels[at..] {
            let element = rest.next()?;
            *level = Some((element, rest.clone()));
        }
        Some(())
    }

    #[inline]
    fn advance(&mut self) -> Option<()> {
        if let Some(start) = self.start.take() {
            return self.choose(0, start);
        }
        for at in (0..N).rev() {
            // A place without a successor that leaves enough for the places after it is passed over.
            if let Some((_, rest)) = self.levels[at].take()
                && self.choose(at, rest).is_some()
            {
                return Some(());
            }
        }
        None
    }
}

impl<I: Iterator<Item: Clone> + Clone, const N: usize> Iterator for Choices<I, N> {
    type Item = [I::Item; N];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.advance()?;
        let chosen = self.levels.each_ref().map(|level| level.as_ref().map(|(element, _)| element.clone()));
        // Every place is taken after a successful advance.
        chosen.iter().all(Option::is_some).then(|| chosen.map(Option::unwrap))
    }
}
