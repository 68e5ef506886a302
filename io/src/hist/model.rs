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
    /// 32-bit floats, `TH1F`.
    Float32,
    /// 64-bit floats, `TH1D`.
    Float64,
}

impl Element {
    const LETTERS: [(char, Self); 5] = [
        ('C', Self::Int8),
        ('S', Self::Int16),
        ('I', Self::Int32),
        ('F', Self::Float32),
        ('D', Self::Float64),
    ];

    /// Its size in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
            Self::Int32 | Self::Float32 => 4,
            Self::Float64 => 8,
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
}

impl Axis {
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
    /// Its name.
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
        };
        histogram.statistics = histogram.statistics_of_bins();
        histogram
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
            let [x, y, z] = center;
            let w2 = self.sumw2.get(bin).copied().unwrap_or(w.abs());
            // In the order of TH3::GetStats; a TH1 has the first 4, a TH2 the first 7.
            let terms = [
                w,
                w2,
                w * x,
                w * x * x,
                w * y,
                w * y * y,
                w * x * y,
                w * z,
                w * z * z,
                w * x * z,
                w * y * z,
            ];
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum += term;
            }
        }
        sums
    }

    /// How many bins the axes make, under- and overflow included.
    pub fn cells(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.bins.checked_add(2)?))
    }
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn class_names_survive() {
        for name in ["TH1D", "TH1C", "TH2F", "TH3I", "TH1S", "TProfile", "TProfile2D", "TProfile3D"] {
            assert_eq!(Class::parse(name).map(Class::name).as_deref(), Some(name));
        }
        assert!(
            ["TH4D", "TH1", "TH1X", "TH1DD", "TTree", "THStack"]
                .iter()
                .all(|name| Class::parse(name).is_none())
        );
    }
}
