//! `TEfficiency` 2: two histograms, of all events and of those that passed, and how their ratio is to be
//! understood.

use super::SETTINGS;
use super::graph::histogram;
use crate::hist::{self, Histogram, Style, attributes, functions, skip_tail};
use crate::root::{Buffer, Layouts, Malformed, Parse};

/// A `TEfficiency`.
#[derive(Clone, Debug, PartialEq)]
pub struct Efficiency {
    /// Its own name, which need not be that of its key.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Events that passed.
    pub passed: Histogram,
    /// All events.
    pub total: Histogram,
    /// The weight of this object among others that it is combined with.
    pub weight: f64,
    /// The confidence level of its errors.
    pub confidence: f64,
    /// How they are found (`TEfficiency::EStatOption`): 0 Clopper-Pearson, 1 normal, 2 Wilson, 3
    /// Agresti-Coull, 4 Feldman-Cousins, 5 Jeffreys, 6 uniform prior, 7 Bayesian, 8 mid-P.
    pub statistic: i32,
    /// The parameters of the prior, alpha and beta.
    pub prior: [f64; 2],
    /// Those of each bin, where bins have their own.
    pub bin_priors: Vec<[f64; 2]>,
    /// How many fits and boxes of a plot come with it; they are not kept.
    pub functions: usize,
    /// How it is drawn.
    pub style: Style,
    /// The bits of its `TObject`: Bayesian, weighted, and so on.
    pub(crate) bits: u32,
}

impl Efficiency {
    /// The share of events that passed in a global bin: 0 where there are none, as
    /// `TEfficiency::GetEfficiency` has it without a prior. `None` where there is no such bin.
    pub fn value(&self, bin: usize) -> Option<f64> {
        let (passed, total) = (self.passed.value(bin)?, self.total.value(bin)?);
        Some(if total == 0.0 { 0.0 } else { passed / total })
    }

    /// Adds as `TEfficiency::Add` does: both histograms add up, and the inverse weights too.
    pub(super) fn merge(&mut self, other: &Self) -> Result<(), String> {
        let (mut passed, mut total) = (self.passed.clone(), self.total.clone());
        hist::merge(&mut passed, &other.passed)
            .map_err(|what| format!("the histogram of passed events {what}"))?;
        hist::merge(&mut total, &other.total)
            .map_err(|what| format!("the histogram of all events {what}"))?;
        (self.passed, self.total) = (passed, total);
        self.weight = self.weight * other.weight / (self.weight + other.weight);
        Ok(())
    }
}

/// The members of version 2.
const MEMBERS: [&str; 13] = [
    "TNamed",
    "TAttLine",
    "TAttFill",
    "TAttMarker",
    "fBeta_alpha",
    "fBeta_beta",
    "fBeta_bin_params",
    "fConfLevel",
    "fFunctions",
    "fPassedHistogram",
    "fStatisticOption",
    "fTotalHistogram",
    "fWeight",
];

pub(super) fn read(buffer: &mut Buffer<'_>, layouts: Layouts<'_>) -> Parse<Efficiency> {
    let end = layouts.version(buffer, "TEfficiency", 2..=2, &MEMBERS)?.end;
    let (bits, name, title) = buffer.tnamed_bits()?;
    let style = attributes(buffer)?;
    let prior = [buffer.f64()?, buffer.f64()?];
    let bin_priors = pairs(buffer)?;
    let confidence = buffer.f64()?;
    let functions = functions(buffer)?;
    let at = buffer.position();
    let passed = histogram(buffer, layouts)?;
    let statistic = buffer.i32()?;
    let total = histogram(buffer, layouts)?;
    let weight = buffer.f64()?;
    skip_tail(buffer, end)?;
    let (Some(passed), Some(total)) = (passed, total) else {
        return Err(Malformed::new(at, "an efficiency without its histograms"));
    };
    if passed.contents.len() != total.contents.len() {
        return Err(Malformed::new(at, "an efficiency of histograms with different bins"));
    }
    let (passed, total, bits) = (*passed, *total, bits & SETTINGS);
    Ok(Efficiency {
        name,
        title,
        passed,
        total,
        weight,
        confidence,
        statistic,
        prior,
        bin_priors,
        functions,
        style,
        bits,
    })
}

/// A `vector<pair<double, double>>`: pair by pair, or all first numbers before all second ones.
fn pairs(buffer: &mut Buffer<'_>) -> Parse<Vec<[f64; 2]>> {
    let version = buffer.version()?;
    if version.memberwise {
        // The version of the pair; 0 is followed by a checksum.
        if buffer.u16()? == 0 {
            buffer.u32()?;
        }
    }
    let at = buffer.position();
    let count = buffer.i32()?;
    let count = usize::try_from(count).map_err(|_| Malformed::new(at, format!("{count} priors")))?;
    let bytes = buffer.items(count, 16)?;
    let numbers = bytes.as_chunks().0.iter().map(|&number| f64::from_be_bytes(number));
    let numbers: Vec<f64> = numbers.collect();
    skip_tail(buffer, version.end)?;
    Ok(match version.memberwise {
        true => {
            let (first, second) = numbers.split_at(count);
            first.iter().zip(second).map(|(&first, &second)| [first, second]).collect()
        }
        false => numbers.as_chunks::<2>().0.to_vec(),
    })
}
