//! Filling, and finding the range of axes: what ROOT does with the fills that a histogram keeps in a
//! buffer (`TH1::BufferEmpty`, `THLimitsFinder`), so that bins are the same.

use super::{Axis, Histogram, Settings};

impl Histogram {
    /// Adds an event of this weight at the coordinates `at`, one for each axis, as `TH1::Fill` does. Profiles
    /// are left as they are.
    pub(super) fn fill(&mut self, at: &[f64], weight: f64) {
        let Some(bin) = self.bin(at).filter(|&bin| self.profile.is_none() && bin < self.contents.len())
        else {
            return;
        };
        self.entries += 1.0;
        let keeps_squares = weight == 1.0 || self.settings.bits & Settings::IS_NOT_WEIGHTED != 0;
        if self.sumw2.is_empty() && !keeps_squares {
            self.sumw2.clone_from(&self.contents);
        }
        if let Some(sum) = self.sumw2.get_mut(bin) {
            *sum += weight * weight;
        }
        self.contents[bin] += weight;
        let inside = |(axis, &x): (&Axis, &f64)| (1..=axis.bins).contains(&axis.find(x));
        if self.settings.overflows == 1 || self.axes.iter().zip(at).all(inside) {
            let terms = Self::terms(at, weight, weight * weight);
            self.statistics.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
    }

    /// Puts the fills that wait into the bins, finding the range of the axes where they have none: what
    /// ROOT shows when it opens the histogram. Without such fills it stays as it is.
    ///
    /// # Errors
    /// Where ROOT would find a range in a way that is not known here.
    pub fn find_range(&mut self) -> Result<(), String> {
        if self.waiting.fills.is_empty() {
            return Ok(());
        }
        self.can_settle()?;
        let dimension = self.class.dimension;
        let fills = std::mem::take(&mut self.waiting.fills);
        if !self.axes.iter().all(Axis::has_range) {
            for (at, axis) in self.axes.iter_mut().enumerate() {
                let values = fills.chunks_exact(dimension + 1).map(|fill| fill[at + 1]);
                let (low, high) = values
                    .filter(|x| x.is_finite())
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
                *axis = good_range(axis, low, high);
            }
            let cells = self.cells().ok_or("its range would need too many bins")?;
            self.contents = vec![0.0; cells];
            if !self.sumw2.is_empty() {
                self.sumw2 = vec![0.0; cells];
            }
        }
        for fill in fills.chunks_exact(dimension + 1) {
            self.fill(&fill[1..], fill[0]);
        }
        Ok(())
    }

    /// Empties the buffer of a histogram that has its range; one without keeps it.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        match self.axes.iter().all(Axis::has_range) {
            true => self.find_range(),
            false => Ok(()),
        }
    }

    /// Whether it is known what ROOT does with the fills that wait.
    fn can_settle(&self) -> Result<(), String> {
        let ranges = self.axes.iter().filter(|axis| axis.has_range()).count();
        let why = if self.profile.is_some() {
            "it is a profile"
        } else if self.settings.bits & Settings::AUTO_BIN_POWER_OF_TWO != 0 {
            "its range is to be found among powers of two"
        } else if ranges == 0 {
            return Ok(());
        } else if ranges < self.axes.len() {
            "only some of its axes have a range"
        } else if self.axes.iter().any(Axis::can_extend) {
            "its axes can extend"
        } else {
            return Ok(());
        };
        let entries = self.waiting.fills.len() / self.fill_width();
        Err(format!("{entries} of its entries are not in bins yet (TH1::BufferEmpty), and {why}"))
    }
}

/// `axis` with the range that ROOT takes for values from `low` to `high`
/// (`THLimitsFinder::FindGoodLimits`): a tenth more on both sides, rounded outwards to bins whose width
/// is 1, 2 or 5 times a power of ten.
fn good_range(axis: &Axis, low: f64, high: f64) -> Axis {
    let (mut low, mut high) = match (low < high, axis.labels.is_empty()) {
        (true, _) => (low, high),
        (false, true) => (low - 1.0, high + 1.0),
        (false, false) => (0.0, axis.bins as f64),
    };
    let mut bins = axis.bins;
    let margin = if axis.whole { 5.0 * (high - low) / bins as f64 } else { 0.1 * (high - low) };
    // The margin does not cross zero.
    let outer_low = if low >= 0.0 { (low - margin).max(0.0) } else { low - margin };
    let outer_high = if high <= 0.0 { (high + margin).min(0.0) } else { high + margin };
    let round = round_bins(outer_low, outer_high, bins);
    (low, high) = match round {
        Some((round_low, round_high)) => {
            let least = 0.01 * (high - low);
            (round_low.min(low - least), round_high.max(high + least))
        }
        None => (-1.0, 1.0),
    };
    if axis.whole {
        (low, high, bins) = whole_bins(low, high, bins, outer_low, outer_high);
    }
    Axis { bins, low, high, edges: Vec::new(), ..axis.clone() }
}

/// The range around `low..high` that bins of a round width make (`THLimitsFinder::Optimize`); none where
/// the width is absurd.
fn round_bins(low: f64, high: f64, wanted: usize) -> Option<(f64, f64)> {
    let high = if low == high { low + 1.0 } else { high };
    let mut divisions = wanted.max(2);
    loop {
        let raw = (high - low) / divisions as f64;
        if !(raw > 0.0 && raw < f64::from(f32::MAX)) {
            return None;
        }
        let mut exponent = raw.log10() as i32;
        if exponent.abs() > 200 {
            return Some((0.0, 1.0));
        }
        if raw <= 1.0 {
            exponent -= 1;
        }
        let mantissa = raw * 10_f64.powi(-exponent) - 1e-10;
        let width = match mantissa {
            m if m <= 1.0 => 10_f64.powi(exponent),
            m if m <= 2.0 => 2.0 * 10_f64.powi(exponent),
            m if m <= 5.0 => 5.0 * 10_f64.powi(exponent),
            _ => 10_f64.powi(exponent + 1),
        };
        let below = low / width;
        if below.abs() > 1e9 {
            return Some((low, high));
        }
        let first = below as i64 - i64::from(below < 0.0);
        let above = high / width + 1.00001;
        let last = above as i64 - i64::from(above < 0.0);
        let bins = last.saturating_sub(first);
        if wanted > 5 && usize::try_from(bins.saturating_mul(2)) == Ok(wanted) {
            divisions += 1;
            continue;
        }
        let (round_low, round_high) = (width * first as f64, width * last as f64);
        let width = if wanted == 1 && bins != 1 { 2.0 * width } else { width };
        // Whole bins that hold nothing are dropped.
        let slack = width * 0.0001;
        let cut_low = if low - round_low >= slack { round_low + width } else { round_low };
        let cut_high = if round_high - high >= slack { round_high - width } else { round_high };
        return Some(if cut_low >= cut_high { (round_low, round_high) } else { (cut_low, cut_high) });
    }
}

/// The same for bins that begin at whole numbers.
fn whole_bins(low: f64, high: f64, bins: usize, outer_low: f64, outer_high: f64) -> (f64, f64, usize) {
    let mut low = if low < 0.0 && low != low.trunc() { low.trunc() - 1.0 } else { low.trunc() };
    let mut high = match high {
        high if high > 0.0 && high != high.trunc() => high.trunc() + 1.0,
        0.0 => 1.0,
        high => high.trunc(),
    };
    if low >= high {
        high = low + 1.0;
    }
    let width = ((high - low) / bins as f64).trunc().max(1.0);
    let mut bins = ((high - low) / width) as usize;
    if low + bins as f64 * width < outer_high {
        bins = bins.saturating_add(1);
        high = low + bins as f64 * width;
    }
    if low > outer_low {
        bins = bins.saturating_add(1);
        low = high - bins as f64 * width;
    }
    (low, high, bins)
}
