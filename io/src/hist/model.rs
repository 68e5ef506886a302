use std::borrow::Cow;

use super::{AxisStyle, Drawing};

/// Which class a histogram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Axes, 1 to 3.
    pub dimension: usize,
    /// Numbers it stores; doubles for profiles.
    pub element: Element,
    /// Whether it is a profile: the mean of one more quantity in each bin.
    pub profile: bool,
}

/// What a histogram stores in a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 8-bit integers, `TH1C`.
    Int8,
    /// 16-bit integers, `TH1S`.
    Int16,
    /// 32-bit integers, `TH1I`.
    Int32,
    /// 64-bit integers, `TH1L` of ROOT 6.34 and later. They are taken as doubles, as ROOT itself does
    /// when it adds them: beyond 2⁵³ the last digits are lost.
    Int64,
    /// 32-bit floats, `TH1F`.
    Float32,
    /// 64-bit floats, `TH1D`.
    Float64,
}

impl Element {
    const LETTERS: [(char, Self); 6] = [
        ('C', Self::Int8),
        ('S', Self::Int16),
        ('I', Self::Int32),
        ('L', Self::Int64),
        ('F', Self::Float32),
        ('D', Self::Float64),
    ];

    /// Its size in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
            Self::Int32 | Self::Float32 => 4,
            Self::Int64 | Self::Float64 => 8,
        }
    }
}

impl Class {
    /// Doubles on so many axes: `TH1D`, `TH2D`, `TH3D`.
    pub fn doubles(dimension: usize) -> Self {
        Self { dimension, element: Element::Float64, profile: false }
    }

    /// The class called `name`, if it is one of ours.
    pub fn parse(name: &str) -> Option<Self> {
        let profile = |dimension| Some(Self { dimension, element: Element::Float64, profile: true });
        match name {
            "TProfile" => return profile(1),
            "TProfile2D" => return profile(2),
            "TProfile3D" => return profile(3),
            _ => {}
        }
        let mut rest = name.strip_prefix("TH")?.chars();
        let dimension = rest.next()?.to_digit(10).filter(|digit| (1..=3).contains(digit))? as usize;
        let letter = rest.next().filter(|_| rest.next().is_none())?;
        let (_, element) = Element::LETTERS.into_iter().find(|(known, _)| *known == letter)?;
        Some(Self { dimension, element, profile: false })
    }

    /// Its name.
    pub fn name(self) -> String {
        match (self.profile, self.dimension) {
            (true, 1) => "TProfile".to_owned(),
            (true, dimension) => format!("TProfile{dimension}D"),
            (false, dimension) => {
                let letter = Element::LETTERS.into_iter().find(|(_, element)| *element == self.element);
                format!("TH{dimension}{}", letter.map_or('D', |(letter, _)| letter))
            }
        }
    }

    /// How many sums ROOT keeps beside the bins: `Σw, Σw², Σwx, Σwx²` and those of further axes.
    pub fn statistics(self) -> usize {
        [4, 7, 11][self.dimension.clamp(1, 3) - 1]
    }
}

/// One axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// The title, with units.
    pub title: String,
    /// The number of bins, without under- and overflow.
    pub bins: usize,
    /// The lower edge of the first bin.
    pub low: f64,
    /// The upper edge of the last bin.
    pub high: f64,
    /// All edges of bins of different widths; empty for equal ones.
    pub edges: Vec<f64>,
    /// The labels of the bins, in order; empty, or empty texts, where there is none.
    pub labels: Vec<String>,
    /// `fBits2` of `TAxis`: 1 has labels, 2 may be extended, 4 never has labels.
    pub flags: u16,
    /// Whether bins should begin at whole numbers where ROOT finds the range (`TAxis::kIsInteger`).
    pub whole: bool,
    /// How it is drawn; none for ROOT's default.
    pub style: Option<AxisStyle>,
}

impl Axis {
    const CAN_EXTEND: u16 = 1 << 1;

    /// The bin in which `x` lies, as `TAxis::FindFixBin` finds it: 0 for the underflow, `bins` + 1 for
    /// the overflow and for what is no number. Bins hold their lower edge.
    pub fn find(&self, x: f64) -> usize {
        if x < self.low {
            return 0;
        }
        if x.is_nan() || x >= self.high {
            return self.bins.saturating_add(1);
        }
        if self.edges.is_empty() {
            let place = (self.bins as f64 * (x - self.low) / (self.high - self.low)) as usize;
            return place.saturating_add(1);
        }
        self.edges.partition_point(|&edge| edge <= x)
    }

    /// The bins' edges, one more than bins.
    pub fn all_edges(&self) -> Vec<f64> {
        if !self.edges.is_empty() {
            return self.edges.clone();
        }
        let width = (self.high - self.low) / self.bins as f64;
        (0..=self.bins).map(|bin| self.low + bin as f64 * width).collect()
    }

    /// Whether its range is known. One that ROOT still has to find has `low` at or above `high`.
    pub fn has_range(&self) -> bool {
        self.low < self.high
    }

    /// Whether ROOT extends it to take in what lies outside.
    pub fn can_extend(&self) -> bool {
        self.flags & Self::CAN_EXTEND != 0
    }

    /// The centre of a bin, 1 to `bins`.
    pub fn center(&self, bin: usize) -> f64 {
        match (self.edges.get(bin.wrapping_sub(1)), self.edges.get(bin)) {
            (Some(low), Some(high)) => 0.5 * (low + high),
            _ => self.low + (bin as f64 - 0.5) * (self.high - self.low) / self.bins as f64,
        }
    }

    /// Whether any bin has a label.
    pub fn is_labelled(&self) -> bool {
        self.labels.iter().any(|label| !label.is_empty())
    }
}

/// A histogram or profile as ROOT stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Its class.
    pub class: Class,
    /// Its own name, which need not be that of its key.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its axes, x first: as many as the class has.
    pub axes: Vec<Axis>,
    /// How many times it was filled, as ROOT counts.
    pub entries: f64,
    /// The sums of [`Class::statistics`], in ROOT's order.
    pub statistics: Vec<f64>,
    /// The bins; for a profile, sums of `w y`.
    pub contents: Vec<f64>,
    /// Sums of squared weights; none where ROOT takes the contents for them. For a profile, sums of
    /// `w y²`.
    pub sumw2: Vec<f64>,
    /// What a profile has beside.
    pub profile: Option<Profile>,
    /// Fills that are in no bin yet; see [`Histogram::find_range`].
    pub waiting: Waiting,
    /// The settings that come with it.
    pub settings: Settings,
    /// How it is drawn.
    pub drawing: Drawing,
}

/// Fills that wait for the axes' range (`TH1::fBuffer`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    /// How many numbers ROOT's buffer has room for, its own count included.
    pub size: usize,
    /// Each fill: its weight, then a coordinate for each axis.
    pub fills: Vec<f64>,
}

/// What a histogram says of itself beside its bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The bits 9 to 21 of its `TObject`: `TH1::kNoStats`, `kIsAverage`, `kIsNotW`, `kAutoBinPTwo`…
    pub bits: u32,
    /// `fBinStatErrOpt`: 0 normal errors, 1 Poisson, 2 Poisson 95 %.
    pub errors: i32,
    /// `fStatOverflows`: 0 statistics without under- and overflow, 1 with, 2 as ROOT is set.
    pub overflows: i32,
}

impl Settings {
    /// The bits of `TObject` that are `TH1`'s own.
    pub const BITS: u32 = 0x003F_8600;
    /// Finds its range among powers of two.
    pub(crate) const AUTO_BIN_POWER_OF_TWO: u32 = 1 << 20;
    /// Takes weights without keeping squared ones.
    pub(crate) const IS_NOT_WEIGHTED: u32 = 1 << 19;
}

impl Default for Settings {
    /// Those of ROOT's new histograms.
    fn default() -> Self {
        Self { bits: 0, errors: 0, overflows: 2 }
    }
}

/// What a profile has beside its bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Sums of weights of each bin.
    pub bin_entries: Vec<f64>,
    /// What the errors mean (`EErrorType`).
    pub error_mode: i32,
    /// The least value that is taken, where it is below `high`.
    pub low: f64,
    /// The largest value that is taken.
    pub high: f64,
    /// Sum of `w y`.
    pub sumwy: f64,
    /// Sum of `w y²`.
    pub sumwy2: f64,
    /// Sums of squared weights of each bin; may be empty.
    pub bin_sumw2: Vec<f64>,
}

impl Profile {
    /// The square of the error of the mean of a bin with the sums `wy` and `wyy`, as
    /// `TProfile::GetBinError` defines it.
    fn variance(&self, bin: usize, wy: f64, wyy: f64) -> Option<f64> {
        let w = *self.bin_entries.get(bin)?;
        if w == 0.0 {
            return Some(0.0);
        }
        let ww = self.bin_sumw2.get(bin).copied().unwrap_or(w);
        let effective = if ww > 0.0 { w * w / ww } else { 0.0 };
        let spread = (wyy / w - (wy / w) * (wy / w)).abs();
        Some(match self.error_mode {
            1 => spread,
            2 if spread == 0.0 => 1.0 / (12.0 * effective),
            3 => 1.0 / w,
            _ => spread / effective,
        })
    }
}

impl Histogram {
    /// A `TH1D`, `TH2D` or `TH3D` with these bins. The statistics are taken from the bins' centres,
    /// as `TH1::ResetStats` does; under- and overflow are not part of them.
    pub fn doubles(
        name: impl Into<String>,
        title: impl Into<String>,
        axes: Vec<Axis>,
        contents: Vec<f64>,
        sumw2: Vec<f64>,
        entries: f64,
    ) -> Self {
        let class = Class::doubles(axes.len());
        let mut histogram = Self {
            class,
            name: name.into(),
            title: title.into(),
            statistics: Vec::new(),
            axes,
            entries,
            contents,
            sumw2,
            profile: None,
            waiting: Waiting::default(),
            settings: Settings::default(),
            drawing: Drawing::default(),
        };
        histogram.statistics = histogram.statistics_of_bins();
        histogram
    }

    /// The statistics, taken from the bins where there are none though there are entries: bins that were
    /// set instead of filled (`TH1::GetStats`).
    pub(super) fn current_statistics(&self) -> Cow<'_, [f64]> {
        let kept = self.statistics.first().is_some_and(|&sum| sum != 0.0);
        match kept || self.profile.is_some() || self.entries <= 0.0 {
            true => Cow::Borrowed(&self.statistics),
            false => Cow::Owned(self.statistics_of_bins()),
        }
    }

    fn statistics_of_bins(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.class.statistics()];
        for (bin, &w) in self.contents.iter().enumerate() {
            let mut rest = bin;
            let mut center = [0.0; 3];
            let mut inside = true;
            for (axis, center) in self.axes.iter().zip(&mut center) {
                let place = rest % (axis.bins + 2);
                rest /= axis.bins + 2;
                inside &= (1..=axis.bins).contains(&place);
                *center = axis.center(place);
            }
            if !inside {
                continue;
            }
            let w2 = self.sumw2.get(bin).copied().unwrap_or(w.abs());
            for (sum, term) in sums.iter_mut().zip(Self::terms(&center, w, w2)) {
                *sum += term;
            }
        }
        sums
    }

    /// What the weight `w` at these coordinates adds to the statistics, in the order of `TH3::GetStats`:
    /// a `TH1` has the first 4, a `TH2` the first 7.
    pub(super) fn terms(at: &[f64], w: f64, w2: f64) -> [f64; 11] {
        let [x, y, z] = [0, 1, 2].map(|axis| at.get(axis).copied().unwrap_or_default());
        [w, w2, w * x, w * x * x, w * y, w * y * y, w * x * y, w * z, w * z * z, w * x * z, w * y * z]
    }

    /// The global bin of these coordinates, one for each axis; those that lie outside of an axis are in
    /// its under- or overflow. `None` where there are fewer coordinates than axes.
    pub fn bin(&self, coordinates: &[f64]) -> Option<usize> {
        self.global(coordinates, Axis::find)
    }

    /// As [`bin`](Self::bin), but what lies outside of an axis belongs to its first or last bin: how
    /// scale factors are read beyond their range.
    pub fn nearest_bin(&self, coordinates: &[f64]) -> Option<usize> {
        self.global(coordinates, |axis, x| axis.find(x).clamp(1, axis.bins.max(1)))
    }

    fn global(&self, coordinates: &[f64], find: impl Fn(&Axis, f64) -> usize) -> Option<usize> {
        let (mut bin, mut stride) = (0_usize, 1_usize);
        for (at, axis) in self.axes.iter().enumerate() {
            bin = bin.checked_add(stride.checked_mul(find(axis, *coordinates.get(at)?))?)?;
            stride = stride.checked_mul(axis.bins.checked_add(2)?)?;
        }
        Some(bin)
    }

    /// What a global bin holds (`TH1::GetBinContent`): for a profile, the mean of its quantity. `None`
    /// where there is no such bin.
    pub fn value(&self, bin: usize) -> Option<f64> {
        let content = *self.contents.get(bin)?;
        match &self.profile {
            None => Some(content),
            Some(profile) => {
                let weights = *profile.bin_entries.get(bin)?;
                Some(if weights == 0.0 { 0.0 } else { content / weights })
            }
        }
    }

    /// The square of a bin's error (`TH1::GetBinError`): the sum of squared weights, or the content
    /// where none are kept; for a profile as its error mode says. `None` where there is no such bin.
    pub fn variance(&self, bin: usize) -> Option<f64> {
        let content = *self.contents.get(bin)?;
        match &self.profile {
            None => Some(self.sumw2.get(bin).copied().unwrap_or(content.abs())),
            Some(profile) => profile.variance(bin, content, *self.sumw2.get(bin)?),
        }
    }

    /// How many numbers a fill in its buffer has: a weight and the coordinates, that of a profile included.
    pub(crate) fn fill_width(&self) -> usize {
        self.class.dimension + if self.class.profile { 2 } else { 1 }
    }

    /// How many bins the axes make, under- and overflow included.
    pub fn cells(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.bins.checked_add(2)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Class, Histogram};

    #[test]
    fn scale_factors_are_found_by_their_coordinates() {
        let pt =
            Axis { bins: 3, low: 20.0, high: 100.0, edges: vec![20.0, 30.0, 50.0, 100.0], ..Axis::default() };
        let eta = Axis { bins: 2, low: -2.4, high: 2.4, ..Axis::default() };
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let squares = vec![0.25; 20];
        let table = Histogram::doubles("sf", "", vec![pt, eta], values, squares, 1.0);
        // Global bins run over x first: x + 5 y.
        assert_eq!(table.bin(&[30.0, -1.0]), Some(2 + 5));
        assert_eq!(table.bin(&[29.999, 0.0]), Some(1 + 5 * 2));
        assert_eq!(table.bin(&[100.0, 3.0]), Some(4 + 5 * 3));
        assert_eq!(table.bin(&[f64::NAN, -3.0]), Some(4));
        assert_eq!(table.nearest_bin(&[500.0, 3.0]), Some(3 + 5 * 2));
        assert_eq!(table.nearest_bin(&[1.0, -3.0]), Some(1 + 5));
        assert_eq!((table.value(7), table.variance(7)), (Some(7.0), Some(0.25)));
        assert_eq!((table.bin(&[30.0]), table.value(20)), (None, None));
    }

    #[test]
    fn class_names_survive() {
        for name in
            ["TH1D", "TH1C", "TH2F", "TH3I", "TH1S", "TH1L", "TH3L", "TProfile", "TProfile2D", "TProfile3D"]
        {
            assert_eq!(Class::parse(name).map(Class::name).as_deref(), Some(name));
        }
        assert!(
            ["TH4D", "TH1", "TH1X", "TH1DD", "TTree", "THStack"]
                .iter()
                .all(|name| Class::parse(name).is_none())
        );
    }
}
