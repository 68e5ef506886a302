//! How long all ranges of a dataset will take, by some of them.
//!
//! Reading and decompressing take the longer the more bytes there are, all else the more entries. With `n`
//! ranges of `N` done, of which range `i` has `b_i` bytes and `e_i` entries and took `t_i = t_i^b + t_i^e`, in
//! a dataset of `B` bytes and `E` entries:
//!
//! ```text
//! r_b = Σ t_i^b / Σ b_i       r_e = Σ t_i^e / Σ e_i
//! T   = B r_b + E r_e
//! σ²  = N² / n · (1 − n / N) · Σ (t_i − r_b b_i − r_e e_i)² / (n − 1)
//! ```
//!
//! It is the ratio estimator of a finite population (W. G. Cochran, *Sampling Techniques*, 3rd edition, 1977,
//! equation 6.9), with a ratio for either part of the time; σ says how well `T` is known as far as ranges
//! differ, and nothing of what all of them have in common: a machine that gets busier, a cold page cache. Of
//! one range there is no spread, and σ is not known.

use super::{Moments, Prediction};

/// What a dataset has in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Ranges.
    pub ranges: u64,
    /// Entries.
    pub entries: u64,
    /// Compressed bytes of the columns that are read.
    pub bytes: u64,
}

/// The time that a dataset takes; none where none of its ranges was done.
pub(crate) fn predict(sample: &Moments, whole: &Whole) -> Option<Prediction> {
    let n = sample.n as f64;
    if sample.n == 0 || sample.e == 0 {
        return None;
    }
    let e = sample.e as f64;
    let (r_b, r_e) = match sample.b {
        0 => (0.0, (sample.t_bytes + sample.t_entries) as f64 / e),
        b => (sample.t_bytes as f64 / b as f64, sample.t_entries as f64 / e),
    };
    let seconds = (whole.bytes as f64 * r_b + whole.entries as f64 * r_e) / 1e9;
    let all = whole.ranges as f64;
    let uncertainty = (sample.n > 1).then(|| {
        let squares = sample.tt as f64 + r_b * r_b * sample.bb as f64 + r_e * r_e * sample.ee as f64;
        let crossed = r_b * sample.tb as f64 + r_e * sample.te as f64 - r_b * r_e * sample.be as f64;
        let residuals = (squares - 2.0 * crossed).max(0.0);
        let rest = (1.0 - n / all).max(0.0);
        all * (rest / n * residuals / (n - 1.0)).sqrt() / 1e9
    });
    Some(Prediction {
        sampled_ranges: sample.n,
        ranges: whole.ranges,
        sampled_entries: sample.e,
        entries: whole.entries,
        sampled_bytes: sample.b,
        bytes: whole.bytes,
        thread_seconds: seconds,
        uncertainty_seconds: uncertainty,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Stage, Stages};
    use super::*;

    /// Of ranges of so many seconds of reading and of processing, bytes and entries.
    fn moments(ranges: &[(u64, u64, u64, u64)]) -> Moments {
        let mut moments = Moments::default();
        for &(read, process, bytes, entries) in ranges {
            let mut stages = Stages::default();
            (stages[Stage::Read], stages[Stage::Process]) = (read * 1_000_000_000, process * 1_000_000_000);
            moments.add(&Moments::of(&stages, bytes, entries));
        }
        moments
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * b.abs().max(1.0)
    }

    /// Σ t^b = 6 s of 30 bytes: 0.2 s a byte; Σ t^e = 12 s of 40 entries: 0.3 s an entry. 120 bytes and 200
    /// entries: 24 + 60 = 84 s. The two took 7 and 11 s, by the rates 0.2·10 + 0.3·20 = 8 and
    /// 0.2·20 + 0.3·20 = 10, so that the residuals are −1 and 1, their squares 2. σ² = 10²/2 · 0.8 · 2/1 = 80.
    #[test]
    fn a_dataset_takes_what_its_bytes_and_entries_take_in_the_sample() {
        let sample = moments(&[(2, 5, 10, 20), (4, 7, 20, 20)]);
        let whole = Whole { ranges: 10, entries: 200, bytes: 120 };
        let prediction = predict(&sample, &whole).unwrap();
        assert!(near(prediction.thread_seconds, 84.0), "{prediction:?}");
        assert!(near(prediction.uncertainty_seconds.unwrap(), 80_f64.sqrt()), "{prediction:?}");
    }

    #[test]
    fn ranges_that_do_not_differ_leave_no_doubt_and_one_leaves_all_of_it() {
        let same = moments(&[(3, 4, 10, 20), (3, 4, 10, 20), (3, 4, 10, 20)]);
        let whole = Whole { ranges: 9, entries: 180, bytes: 90 };
        let prediction = predict(&same, &whole).unwrap();
        assert!(near(prediction.thread_seconds, 63.0));
        // As exact as doubles are.
        assert!(prediction.uncertainty_seconds.unwrap() < 1e-5, "{prediction:?}");
        let one = predict(&moments(&[(3, 4, 10, 20)]), &whole).unwrap();
        assert!(near(one.thread_seconds, 63.0) && one.uncertainty_seconds.is_none());
        assert!(predict(&Moments::default(), &whole).is_none());
    }

    /// All of it was done: what differs is known.
    #[test]
    fn a_sample_of_everything_is_exact() {
        let all = moments(&[(2, 5, 10, 20), (4, 7, 20, 20)]);
        let prediction = predict(&all, &Whole { ranges: 2, entries: 40, bytes: 30 }).unwrap();
        assert!(near(prediction.thread_seconds, 18.0));
        assert_eq!(prediction.uncertainty_seconds, Some(0.0));
    }

    #[test]
    fn ranges_of_which_nothing_is_read_take_time_by_entries() {
        let sample = moments(&[(1, 1, 0, 10)]);
        let prediction = predict(&sample, &Whole { ranges: 2, entries: 20, bytes: 0 }).unwrap();
        assert!(near(prediction.thread_seconds, 4.0));
    }
}
