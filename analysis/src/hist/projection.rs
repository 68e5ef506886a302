use super::bins::{counts, find_places};
use super::cells::Cells;
use super::moments::{Moments, products, terms};
use super::{Axes, Axis, Bins, Histogram, Storage};

impl<S: Storage, A: Axes> Histogram<S, A> {
    /// The histogram on these axes alone, in this order: bins add up over the others, their under- and overflow included,
    /// as in ROOT and `hist`.
    ///
    /// The sums for means stay exact if nothing is outside of the axes that go. Else, and from four
    /// axes and more to two or three, what is inside counts at the centres of its bins, as after `TH1::ResetStats`.
    ///
    /// # Panics
    /// If there is no such axis, or one is named twice.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::hist::{Axis, Hist, Hist2};
    ///
    /// let axes = [Axis::regular(10, -2.5, 2.5).name("eta"), Axis::regular(20, 0.0, 100.0).name("pt")];
    /// let mut plane = Hist2::new(axes);
    /// plane.fill(0.3, 33.0, 1.0);
    /// plane.fill(4.0, 33.0, 0.5);
    /// let pt: Hist = plane.project([1]);
    /// assert_eq!((pt.axes()[0].id(), pt.value([7])), ("pt", 1.5));
    /// let turned: Hist2 = plane.project([1, 0]);
    /// assert_eq!(turned.value([7, 6]), 1.0);
    /// ```
    #[track_caller]
    pub fn project<const D: usize>(&self, onto: [usize; D]) -> Histogram<S, [Axis; D]> {
        let axes = self.axes();
        for (at, &axis) in onto.iter().enumerate() {
            assert!(axis < axes.len(), "axis {axis} of a histogram of {} axes", axes.len());
            assert!(!onto[..at].contains(&axis), "a projection with axis {axis} twice");
        }
        self.rearranged(onto.map(|axis| axes[axis].clone()), &onto, |from, to| {
            to.iter_mut().zip(onto).for_each(|(to, axis)| *to = from[axis]);
            true
        })
    }

    #[track_caller]
    fn picked<B: Axes>(&self, axis: usize, index: usize) -> Histogram<S, B> {
        let axes = self.axes();
        let n = axes.len();
        assert!(n > 1 && axis < n, "axis {axis} of {n}, of which one must be left");
        assert!(index < axes[axis].len() + 2, "bin {index} of an axis of {} bins", axes[axis].len());
        let kept: Vec<usize> = (0..n).filter(|&other| other != axis).collect();
        let left: Vec<Axis> = kept.iter().map(|&axis| axes[axis].clone()).collect();
        let Ok(left) = B::try_from(left) else { unreachable!("one axis less") };
        self.rearranged(left, &kept, |from, to| {
            to.iter_mut().zip(&kept).for_each(|(to, &axis)| *to = from[axis]);
            from[axis] == index
        })
    }

    /// The histogram with the cells elsewhere: `place` is given the indices of each that holds something, and writes
    /// those on `axes`, of which number `i` was axis `kept[i]`. Cells for which it returns false are dropped.
    pub(super) fn rearranged<B: Axes>(
        &self,
        axes: B,
        kept: &[usize],
        mut place: impl FnMut(&[usize], &mut [usize]) -> bool,
    ) -> Histogram<S, B> {
        let hist = self.settled();
        let (old, new) = (hist.axes(), axes.as_ref());
        let mut cells = Cells::<S>::new(new.iter().map(|axis| axis.len() + 2).product());
        let mut to = vec![0; new.len()];
        let (mut all, mut kept_sums) = (true, true);
        hist.each_held(|from, cell| {
            let stays = place(from, &mut to);
            all &= stays;
            kept_sums &= counts(old, from) == (stays && counts(new, &to));
            if stays {
                let places = new.iter().zip(&to).rev();
                cells.add(places.fold(0, |at, (axis, place)| at * (axis.len() + 2) + place), cell);
            }
        });
        let sums = kept_sums.then(|| selected(&hist.totals(), old.len(), kept)).flatten();
        let sums = sums.unwrap_or_else(|| at_centers::<S>(&cells, new));
        let mut moments = Moments::new(new.len());
        moments.set(&sums);
        moments.add_odd(hist.non_finite_weights());
        let entries = if all { hist.entries } else { effective_entries::<S>(&cells) };
        Histogram::of(hist.title.clone(), axes, cells, entries, moments)
    }
}

/// The sums for means on some of `axes` axes, if those on all contain them.
fn selected(sums: &[f64], axes: usize, kept: &[usize]) -> Option<Vec<f64>> {
    // In ROOT's order: x x² y y² xy z z² xz yz.
    const OF_ONE: [usize; 3] = [0, 2, 5];
    let of_one = |axis: usize| if axes > 3 { 2 * axis } else { OF_ONE[axis] };
    let of_two = |a: usize, b: usize| match a + b {
        1 => 4,
        2 => 7,
        _ => 8,
    };
    let ones = kept.iter().map(|&axis| [sums[of_one(axis)], sums[of_one(axis) + 1]]);
    let ones: Vec<[f64; 2]> = ones.collect();
    Some(match *kept {
        // Products of two axes are not kept with more than three.
        [_, _] | [_, _, _] if axes > 3 => return None,
        [a, b] => [&ones[0][..], &ones[1], &[sums[of_two(a, b)]]].concat(),
        [a, b, c] => {
            let (xy, xz, yz) = (sums[of_two(a, b)], sums[of_two(a, c)], sums[of_two(b, c)]);
            [&ones[0][..], &ones[1], &[xy], &ones[2], &[xz, yz]].concat()
        }
        _ => ones.concat(),
    })
}

/// The sums for means if all fills were at the centres of their bins; with four axes and more, those outside of an axis at
/// its end.
fn at_centers<S: Storage>(cells: &Cells<S>, axes: &[Axis]) -> Vec<f64> {
    let mut sums = vec![0.0; products(axes.len())];
    let mut places = vec![0; axes.len()];
    for (at, cell) in cells.held() {
        find_places(axes, at, &mut places);
        if !counts(axes, &places) {
            continue;
        }
        let weight = S::value(cell);
        let coordinates = axes.iter().zip(&places).map(|(axis, &place)| match place {
            place if (1..=axis.len()).contains(&place) => axis.coordinate(place),
            _ if matches!(axis.bins(), Bins::Category(names) if names.grows()) => 0.0,
            0 => axis.edge(0),
            _ => axis.edge(axis.len()),
        });
        if axes.len() > 3 {
            for (sums, x) in sums.as_chunks_mut::<2>().0.iter_mut().zip(coordinates) {
                sums[0] += weight * x;
                sums[1] += weight * x * x;
            }
        } else {
            let mut three = [0.0; 3];
            three.iter_mut().zip(coordinates).for_each(|(to, x)| *to = x);
            sums.iter_mut().zip(terms(three, weight)).for_each(|(sum, term)| *sum += term);
        }
    }
    sums
}

/// The number of entries of weight 1 that would have the relative uncertainty of these: of counts, how many there are.
fn effective_entries<S: Storage>(cells: &Cells<S>) -> u64 {
    let (value, variance) = (cells.sum(S::value), cells.sum(S::variance));
    let entries = if S::WEIGHTED { value * value / variance } else { value };
    entries.round() as u64
}

macro_rules! picks {
    ($($from:ty => $to:ty, $example:literal;)*) => {$(
        impl<S: Storage> Histogram<S, $from> {
            /// The bins at one index of an axis, on the other axes: a category, a variation. What else there was is
            /// dropped, and the number of entries is the effective one, `(Σw)² / Σw²`, for counts the count.
            ///
            /// The sums for means are taken at the centres of the bins, unless nothing was elsewhere.
            ///
            /// # Panics
            /// If there is no such axis or the index is past its overflow, and with one axis.
            ///
            #[doc = $example]
            #[track_caller]
            pub fn pick(&self, axis: usize, index: usize) -> Histogram<S, $to> {
                self.picked(axis, index)
            }
        }
    )*};
}

picks! {
    [Axis; 2] => [Axis; 1], "```
# extern crate hep_analysis as hep_run;
use hep_run::hist::{Axis, Hist, Hist2};

let mut pt = Hist2::new([Axis::category([\"nominal\", \"up\"]), Axis::regular(20, 0.0, 100.0)]);
pt.fill_varied(33.0, [1.0, 1.5]);
let up: Hist = pt.pick(0, pt.axes()[0].index(\"up\"));
assert_eq!(up.value([7]), 1.5);
```";
    [Axis; 3] => [Axis; 2], "";
    Vec<Axis> => Vec<Axis>, "";
}

#[cfg(test)]
mod tests {
    use super::super::{Count2, Hist, Hist2, Hist3, HistN};
    use super::*;

    fn filled() -> Hist2 {
        let mut h = Hist2::new([Axis::regular(3, 0.0, 3.0), Axis::variable([0.0, 1.0, 4.0, 6.0])]);
        let xs = [-1.0, 0.5, 1.5, 2.5, 2.5, 0.1, 5.0, 1.1];
        let ys = [0.5, 2.0, 5.0, -1.0, 4.5, 7.0, 1.0, 0.5];
        let weights = [1.0, 2.0, 3.0, 4.0, 0.5, 1.5, 7.0, 2.5];
        (0..8).for_each(|at| h.fill(xs[at], ys[at], weights[at]));
        h
    }

    /// From `hist` 2.12: `Hist.new.Reg(3, 0, 3).Var([0, 1, 4, 6]).Weight()`, filled alike; `h.project(axis)`,
    /// `h[:, 1]`, each with `flow=True`.
    #[test]
    fn projections_and_picks_are_those_of_hist() {
        let (x, y) = (filled().project([0]).view(), filled().project([1]).view());
        assert_eq!(x.sumw, [1.0, 3.5, 5.5, 4.5, 7.0]);
        assert_eq!(x.sumw2.unwrap(), [1.0, 6.25, 15.25, 16.25, 49.0]);
        assert_eq!(y.sumw, [4.0, 3.5, 9.0, 3.5, 1.5]);
        assert_eq!(y.sumw2.unwrap(), [16.0, 7.25, 53.0, 9.25, 2.25]);
        assert_eq!((x.entries, y.entries), (8, 8));
        let row = filled().pick(1, 2).view();
        assert_eq!(row.sumw, [0.0, 2.0, 0.0, 0.0, 7.0]);
        assert_eq!(row.sumw2.unwrap(), [0.0, 4.0, 0.0, 0.0, 49.0]);
        // (2 + 7)² / (4 + 49) = 1.53
        assert_eq!(row.entries, 2);
    }

    /// By hand: each axis filled alone, inside, gives what the projection must give, to the last bit for these numbers.
    #[test]
    fn sums_for_means_stay_exact_if_nothing_is_outside() {
        let axes = || [Axis::regular(4, 0.0, 4.0), Axis::regular(2, 0.0, 8.0), Axis::integer(0, 8)];
        let (mut all, mut x, mut zx) = (
            Hist3::new(axes()),
            Hist::new(axes()[0].clone()),
            Hist2::new([axes()[2].clone(), axes()[0].clone()]),
        );
        for (at, weight) in [([0.25, 7.5, 1.0], 2.0), ([3.75, 0.5, 6.0], -0.5), ([9.0, 0.5, 3.0], 4.0)] {
            all.fill(at[0], at[1], at[2], weight);
            x.fill(at[0], weight);
            zx.fill(at[2], at[0], weight);
        }
        assert_eq!(all.project([0]), x);
        assert_eq!(all.project([2, 0]), zx);
        assert_eq!(all.project([2, 1, 0]).project([2, 1, 0]), all);
        let mut more = HistN::new([&axes()[..], &[Axis::boolean()]].concat());
        more.fill(&[0.25, 7.5, 1.0, 0.0], 2.0);
        let mut one = Hist::new(axes()[0].clone());
        one.fill(0.25, 2.0);
        assert_eq!(more.project([0]), one);
        // No product of two axes is known with four: at the centres 0.5 and 6.
        assert_eq!(more.pick(3, 1).project([0]).statistics(), [2.0, 4.0, 1.0, 0.5]);
        assert_eq!(more.project([0, 1]).statistics(), [2.0, 4.0, 1.0, 0.5, 12.0, 72.0, 6.0]);
    }

    /// By hand: of the fills in `x`, that at 0.1 lies outside of `y` and the exact sums lack it.
    #[test]
    fn sums_for_means_are_at_centres_if_something_is_outside_of_what_goes() {
        let sums = filled().project([0]).statistics();
        let want = 3.5 * 0.5 + 5.5 * 1.5 + 4.5 * 2.5;
        let squares = 3.5 * 0.25 + 5.5 * 2.25 + 4.5 * 6.25;
        assert_eq!(sums, [13.5, 37.75, want, squares]);
    }

    #[test]
    fn entries_of_picked_counts_are_their_number() {
        let mut h = Count2::new([Axis::growing_category(), Axis::integer(0, 3)]);
        ["e", "mu", "mu", "mu"].iter().for_each(|name| h.fill(*name, 1));
        let mu = h.pick(0, h.axes()[0].index("mu"));
        assert_eq!((mu.entries(), mu.value([2])), (3, 3.0));
    }

    #[test]
    #[should_panic(expected = "a projection with axis 1 twice")]
    fn an_axis_twice_is_a_slip() {
        filled().project([1, 1]);
    }
}
