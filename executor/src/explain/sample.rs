use std::fmt::{self, Display};
use std::ops::Range;
use std::str::FromStr;

/// Which part of a fileset is processed to predict what all of it takes: of each dataset some of its ranges,
/// evenly spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// This fraction of its ranges, in 0..1; two at least, as one has no spread.
    Fraction(f64),
    /// So many of its ranges.
    Ranges(u32),
}

impl Sample {
    /// The ranges to process, by their numbers in order, where each dataset has these runs of ranges.
    pub fn ranges(self, datasets: impl IntoIterator<Item = Range<usize>>) -> Vec<usize> {
        datasets.into_iter().flat_map(|ranges| self.of(ranges)).collect()
    }

    /// Those in the middles of as many equal parts of a dataset as are asked for.
    fn of(self, ranges: Range<usize>) -> impl Iterator<Item = usize> {
        let all = ranges.len();
        let wanted = match self {
            Self::Fraction(fraction) => ((fraction * all as f64).ceil() as usize).max(2),
            Self::Ranges(n) => n as usize,
        };
        let wanted = wanted.min(all);
        (0..wanted).map(move |at| ranges.start + (2 * at + 1) * all / (2 * wanted))
    }
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(ranges) = text.parse::<u32>() {
            return match ranges {
                0 => Err("a sample of no range predicts nothing".to_owned()),
                ranges => Ok(Self::Ranges(ranges)),
            };
        }
        let (number, unit) = match text.strip_suffix('%') {
            Some(percent) => (percent.trim(), 0.01),
            None => (text, 1.0),
        };
        match number.parse::<f64>().map(|number| number * unit) {
            Ok(fraction) if fraction > 0.0 && fraction < 1.0 => Ok(Self::Fraction(fraction)),
            _ => Err("expected a fraction of the ranges, such as 1% or 0.01, or a number of them".to_owned()),
        }
    }
}

impl Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fraction(fraction) => write!(f, "{fraction}"),
            Self::Ranges(ranges) => write!(f, "{ranges}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_fractions_or_numbers_of_ranges() {
        assert_eq!("5%".parse(), Ok(Sample::Fraction(0.05)));
        assert_eq!("0.25".parse(), Ok(Sample::Fraction(0.25)));
        assert_eq!("20".parse(), Ok(Sample::Ranges(20)));
        assert_eq!("1".parse(), Ok(Sample::Ranges(1)));
        for wrong in ["0", "0%", "100%", "1.0", "-1", "NaN", "", "half"] {
            assert!(wrong.parse::<Sample>().is_err(), "{wrong}");
        }
        for text in ["0.05", "20"] {
            assert_eq!(text.parse::<Sample>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn ranges_of_every_dataset_are_spread_evenly() {
        assert_eq!(Sample::Ranges(2).ranges([0..8, 8..9, 9..9, 9..13]), [2, 6, 8, 10, 12]);
        assert_eq!(Sample::Fraction(0.3).ranges([0..10, 10..12]), [1, 5, 8, 10, 11]);
        // One has no spread.
        assert_eq!(Sample::Fraction(0.001).ranges([0..100, 100..101]), [25, 75, 100]);
        // Any sample has different ranges.
        for wanted in 1..40 {
            let mut sample = Sample::Ranges(wanted).ranges([5..35, 35..36]);
            let n = sample.len();
            sample.dedup();
            assert!(sample.len() == n && sample.is_sorted() && sample.iter().all(|at| (5..36).contains(at)));
            assert_eq!(n, wanted.min(30) as usize + 1);
        }
    }
}
