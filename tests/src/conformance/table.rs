//! How many columns had which outcome.

use std::fmt::{self, Write};

use super::check::{Checked, Outcome};

/// Columns by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Columns of the reference that are the same.
    pub equal: usize,
    /// Those that are not.
    pub different: usize,
    /// Those that the reader says it cannot read.
    pub unsupported: usize,
    /// Those at which it fails.
    pub error: usize,
    /// Those without data, or read where the reference has nothing.
    pub no_reference: usize,
    /// Those where the reference is not to be trusted.
    pub suspect: usize,
    /// Columns that the reference does not list: read,
    pub extra_read: usize,
    /// such that cannot be read,
    pub extra_unsupported: usize,
    /// and such at which the reader fails.
    pub extra_error: usize,
}

impl Counts {
    /// Counts one column.
    pub fn add(&mut self, checked: &Checked) {
        let extra = checked.kind.is_empty();
        *match &checked.outcome {
            Outcome::Equal => &mut self.equal,
            Outcome::Different(_) => &mut self.different,
            Outcome::Suspect(_) => &mut self.suspect,
            Outcome::NoReference => &mut self.no_reference,
            Outcome::Read => &mut self.extra_read,
            Outcome::Unsupported(_) if extra => &mut self.extra_unsupported,
            Outcome::Unsupported(_) => &mut self.unsupported,
            Outcome::Error(_) if extra => &mut self.extra_error,
            Outcome::Error(_) => &mut self.error,
        } += 1;
    }

    /// Whether nothing differs and nothing fails.
    pub fn sound(&self) -> bool {
        self.different == 0 && self.error == 0 && self.extra_error == 0
    }

    /// Their names, as they are printed.
    pub const NAMES: [&str; 9] = [
        "equal",
        "different",
        "unsupported",
        "error",
        "no_reference",
        "suspect",
        "extra_read",
        "extra_unsupported",
        "extra_error",
    ];

    /// The numbers, in the order of [`Counts::NAMES`].
    pub fn numbers(&self) -> [usize; 9] {
        [
            self.equal,
            self.different,
            self.unsupported,
            self.error,
            self.no_reference,
            self.suspect,
            self.extra_read,
            self.extra_unsupported,
            self.extra_error,
        ]
    }
}

/// Counts under names, in the order in which these came.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The rows.
    pub rows: Vec<(String, Counts)>,
}

impl Table {
    /// Counts a column in the row `name`.
    pub fn add(&mut self, name: &str, checked: &Checked) {
        self.row(name).add(checked);
    }

    /// The row `name`, which is there afterwards.
    pub fn row(&mut self, name: &str) -> &mut Counts {
        let at = self.rows.iter().position(|(row, _)| row == name).unwrap_or_else(|| {
            self.rows.push((name.to_owned(), Counts::default()));
            self.rows.len() - 1
        });
        &mut self.rows[at].1
    }

    /// The sum of the rows.
    pub fn total(&self) -> Counts {
        let mut total = [0; 9];
        for (_, counts) in &self.rows {
            total.iter_mut().zip(counts.numbers()).for_each(|(sum, n)| *sum += n);
        }
        let [equal, different, unsupported, error, no_reference, suspect, ..] = total;
        let [.., extra_read, extra_unsupported, extra_error] = total;
        Counts {
            equal,
            different,
            unsupported,
            error,
            no_reference,
            suspect,
            extra_read,
            extra_unsupported,
            extra_error,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(5);
        let heads =
            ["equal", "differ.", "unsupp.", "error", "no ref.", "suspect", "read", "unsupp.", "error"];
        let line = |name: &str, cells: &[String]| {
            let mut text = format!("{name:width$}");
            for (at, cell) in cells.iter().enumerate() {
                let bar = if at == 6 { " |" } else { "" };
                let _ = write!(text, "{bar} {cell:>8}");
            }
            text
        };
        writeln!(f, "{}", line("", &heads.map(str::to_owned)))?;
        for (name, counts) in &self.rows {
            writeln!(f, "{}", line(name, &counts.numbers().map(|n| n.to_string())))?;
        }
        write!(f, "{}", line("total", &self.total().numbers().map(|n| n.to_string())))
    }
}
