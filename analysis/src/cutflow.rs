//! How many events survive each cut.
use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Merge, Result};

/// The events that pass each of a sequence of cuts.
///
/// ```
/// use hep_analysis::Cutflow;
///
/// let mut cuts = Cutflow::new(["all", "two muons"]);
/// cuts.pass("all", 0.5);
/// cuts.pass("all", 2.0);
/// cuts.pass("two muons", 2.0);
/// assert_eq!(cuts.rows()[1].events, 1);
/// assert_eq!(cuts.rows()[0].sumw, 2.5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cutflow {
    rows: Vec<Row>,
}

/// One cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Row {
    /// The cut, as it was given to [`Cutflow::pass`].
    pub name: Cow<'static, str>,
    /// How many events passed.
    pub events: u64,
    /// The sum of their weights.
    pub sumw: f64,
    /// The sum of their squared weights, the variance of `sumw`.
    pub sumw2: f64,
}

impl Cutflow {
    /// Cuts in the order they are to be shown in, none passed yet.
    pub fn new(cuts: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        let mut flow = Self::default();
        for name in cuts {
            let name = name.into();
            if flow.rows.iter().all(|row| row.name != name) {
                flow.rows.push(Row { name, ..Row::default() });
            }
        }
        flow
    }

    /// Counts an event that passed `cut`. A cut that was not declared comes after those there are.
    #[inline]
    pub fn pass(&mut self, cut: &'static str, weight: f64) {
        // The same literal is mostly the same memory: no text is compared then.
        let at = self.rows.iter().position(|row| std::ptr::eq::<str>(&*row.name, cut));
        let at = at.unwrap_or_else(|| self.by_text(cut));
        self.rows[at].add(weight);
    }

    /// [`Cutflow::pass`] for names made at run time.
    pub fn pass_named(&mut self, cut: &str, weight: f64) {
        let at = self.rows.iter().position(|row| row.name == cut).unwrap_or_else(|| {
            self.rows.push(Row { name: Cow::Owned(cut.to_owned()), ..Row::default() });
            self.rows.len() - 1
        });
        self.rows[at].add(weight);
    }

    /// The cuts, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Finds or appends a cut, and remembers where its name lies in memory.
    #[cold]
    fn by_text(&mut self, cut: &'static str) -> usize {
        if let Some(at) = self.rows.iter().position(|row| row.name == cut) {
            self.rows[at].name = Cow::Borrowed(cut);
            return at;
        }
        self.rows.push(Row { name: Cow::Borrowed(cut), ..Row::default() });
        self.rows.len() - 1
    }
}

impl Row {
    #[inline]
    fn add(&mut self, weight: f64) {
        self.events += 1;
        self.sumw += weight;
        self.sumw2 += weight * weight;
    }
}

/// Cut by cut; cuts that `self` lacks come last, in the order of `other`.
impl Merge for Cutflow {
    fn merge(&mut self, other: Self) -> Result<()> {
        for theirs in other.rows {
            match self.rows.iter_mut().find(|row| row.name == theirs.name) {
                Some(mine) => {
                    mine.events = mine.events.saturating_add(theirs.events);
                    mine.sumw += theirs.sumw;
                    mine.sumw2 += theirs.sumw2;
                }
                None => self.rows.push(theirs),
            }
        }
        Ok(())
    }
}

/// A table: events, sum of weights, and the share of events of the cut before and of the first.
impl fmt::Display for Cutflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(3);
        writeln!(
            f,
            "{:<width$} {:>12} {:>14} {:>9} {:>9}",
            "cut", "events", "sum of w", "of last", "of all"
        )?;
        for (at, row) in self.rows.iter().enumerate() {
            let last = Percent(row.events, self.rows[at.saturating_sub(1)].events);
            let all = Percent(row.events, self.rows[0].events);
            let (name, sumw) = (&row.name, format!("{:.6e}", row.sumw));
            writeln!(f, "{name:<width$} {:>12} {sumw:>14} {last:>9} {all:>9}", row.events)?;
        }
        Ok(())
    }
}

/// A share, in percent; a dash where there is nothing to take a share of.
struct Percent(u64, u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(_, 0) => f.pad("-"),
            Self(part, whole) => f.pad(&format!("{:.2} %", 100.0 * *part as f64 / *whole as f64)),
        }
    }
}
