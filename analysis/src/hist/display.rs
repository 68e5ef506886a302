//! Histograms as text: what `println!("{mass}")` draws.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Axes, Axis, Histogram, Storage};

/// The longest bar, and the longest name.
const BAR: usize = 36;
const NAME: usize = 24;
/// The most rows for bins: with more bins, neighbours are drawn in one.
const ROWS: usize = 40;

/// One axis is drawn, a row for each bin with its edges, its value and a bar, in at most 40 rows of 90 columns; negative
/// values have a light bar. Of several axes there are the bins and the sums. Plain text, without escape sequences.
///
/// ```
/// # extern crate hep_analysis as hep_run;
/// use hep_run::hist::{Axis, Hist};
///
/// let mut pt = Hist::new(Axis::variable([0.0, 20.0, 50.0]).label("pt [GeV]"));
/// pt.fill(10.0, 1.0);
/// pt.fill(30.0, 2.0);
/// pt.fill(30.0, 2.0);
/// assert_eq!(
///     pt.to_string(),
///     "pt [GeV]: 3 entries, sum 5\n\
///      underflow 0\n\
///      [0, 20)   1 █████████\n\
///      [20, 50)  4 ████████████████████████████████████\n\
///      overflow  0\n"
/// );
/// ```
impl<S: Storage, A: Axes> Display for Histogram<S, A> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = match self.axes() {
            _ if !self.title.is_empty() => short(&self.title),
            [axis] => heading(axis, "histogram"),
            _ => "histogram".to_owned(),
        };
        let (entries, sum) = (self.entries(), number(self.sum()));
        writeln!(f, "{what}: {entries} {}, sum {sum}", if entries == 1 { "entry" } else { "entries" })?;
        match self.axes() {
            [axis] => draw(f, axis, &self.view().sumw),
            axes => axes.iter().enumerate().try_for_each(|(at, axis)| {
                let n = axis.len();
                writeln!(
                    f,
                    "axis {at}: {}, {n} {}",
                    heading(axis, "no name"),
                    if n == 1 { "bin" } else { "bins" }
                )
            }),
        }
    }
}

fn draw(f: &mut Formatter<'_>, axis: &Axis, values: &[f64]) -> fmt::Result {
    let n = axis.len();
    let step = n.div_ceil(ROWS).max(1);
    if step > 1 {
        writeln!(f, "({n} bins, {step} to a row)")?;
    }
    let mut rows = vec![("underflow".to_owned(), values[0])];
    for first in (1..=n).step_by(step) {
        let last = (first + step - 1).min(n);
        rows.push((interval(axis, first, last), values[first..=last].iter().sum()));
    }
    rows.push(("overflow".to_owned(), values[n + 1]));
    let texts: Vec<String> = rows.iter().map(|(_, value)| number(*value)).collect();
    let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let value_width = texts.iter().map(String::len).max().unwrap_or(0);
    let sizes = rows.iter().map(|(_, value)| value.abs()).filter(|size| size.is_finite());
    let largest = sizes.fold(0.0, f64::max);
    for ((name, value), text) in rows.iter().zip(texts) {
        let bar = bar(*value, largest);
        let line = format!("{name:name_width$} {text:>value_width$} {bar}");
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// None for what is no number, and for values that are small next to the largest.
fn bar(value: f64, largest: f64) -> String {
    let share = value.abs() / largest;
    if !(value.is_finite() && share > 0.0) {
        return String::new();
    }
    let length = (share * BAR as f64).round() as usize;
    if value < 0.0 { "░".repeat(length) } else { "█".repeat(length) }
}

fn heading(axis: &Axis, without: &str) -> String {
    match (axis.title(), axis.id()) {
        ("", "") => without.to_owned(),
        ("", name) => short(name),
        (label, _) => short(label),
    }
}

fn interval(axis: &Axis, first: usize, last: usize) -> String {
    match (axis.bin_name(first), axis.bin_name(last)) {
        (Some(name), _) if first == last => short(name),
        (Some(from), Some(to)) => short(&format!("{from} … {to}")),
        _ => format!("[{}, {})", edge(axis.interval(first).0), edge(axis.interval(last).1)),
    }
}

/// A name in bounded width. Names can be of events, so what moves the cursor is shown as `?`.
fn short(name: &str) -> String {
    let mut shown: String =
        name.chars().take(NAME + 1).map(|c| if c.is_control() { '?' } else { c }).collect();
    if shown.chars().count() > NAME {
        shown = shown.chars().take(NAME - 1).collect();
        shown.push('…');
    }
    shown
}

/// An edge with as many digits as it has, ten at most: 0.3 for what 3 × 0.1 is.
fn edge(x: f64) -> String {
    let rounded: f64 = format!("{x:.9e}").parse().unwrap_or(x);
    let plain = rounded.to_string();
    if plain.len() <= 12 { plain } else { format!("{rounded:e}") }
}

/// A value with five digits, or all of a whole number.
fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() || x == 0.0 || (size < 1e9 && x.fract() == 0.0) {
        return (x + 0.0).to_string();
    }
    if !(1e-3..1e9).contains(&size) {
        return format!("{x:.4e}");
    }
    let decimals = (4 - size.log10().floor() as i32).max(0) as usize;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(text, "{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Count, Hist, Hist3, HistN};
    use super::*;

    #[test]
    fn a_histogram_is_drawn_with_its_flow_and_negative_values() {
        let h = super::super::rebin::filled(Axis::regular(10, 0.0, 1.0)).with_title("a title");
        // All but the first two fills are past 1, with a sum of 18.25.
        let lines: Vec<String> = h.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "a title: 9 entries, sum 21.25");
        assert_eq!((lines[1].as_str(), lines[7].as_str()), ("underflow      1 ██", "[0.5, 0.6)     2 ████"));
        assert_eq!(lines[12], format!("overflow   18.25 {}", "█".repeat(36)));
        let mut h = Hist::new(Axis::category(["a", "b"]));
        h.fill("a", -1.0);
        h.fill("b", f64::INFINITY);
        let text = format!(
            "histogram: 2 entries, sum inf\nunderflow   0\na          -1 {}\nb         inf\noverflow    0\n",
            "░".repeat(36)
        );
        assert_eq!(h.to_string(), text);
    }

    #[test]
    fn many_bins_and_long_names_stay_within_the_width() {
        let mut h = Count::new(Axis::regular(1001, -1.23456789e-7, 9.87654321e12).label("x".repeat(500)));
        h.fill(5e12);
        let mut names = Count::new(Axis::growing_category());
        for at in 0..3 {
            names.fill(format!("\u{1b}[2J\n{at}{}", "長".repeat(100)).as_str());
        }
        for text in [h.to_string(), names.to_string()] {
            assert!(text.lines().count() <= ROWS + 4, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 90), "{text}");
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
        assert!(h.to_string().contains("\n(1001 bins, 26 to a row)\n"));
    }

    #[test]
    fn several_axes_are_told_by_their_bins() {
        let axes =
            [Axis::integer(0, 3).label("jets"), Axis::boolean().name("tight"), Axis::regular(1, 0.0, 1.0)];
        let mut h = Hist3::new(axes.clone());
        h.fill(1, true, 0.5, 0.1);
        let text = "histogram: 1 entry, sum 0.1\naxis 0: jets, 3 bins\naxis 1: tight, 2 bins\naxis 2: no name, 1 bin\n";
        assert_eq!(h.to_string(), text);
        assert_eq!(HistN::new(axes.to_vec()).to_string().lines().count(), 4);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (123_456_789.0, "123456789"),
            (0.1 + 0.2, "0.3"),
            (12.3456, "12.346"),
            (-1234.56, "-1234.6"),
            (1.5e12, "1.5000e12"),
            (1e-7, "1.0000e-7"),
            (f64::NAN, "NaN"),
            (99999.96, "100000"),
        ];
        cases.iter().for_each(|&(x, text)| assert_eq!(number(x), text));
        assert_eq!(
            (edge(3.0 * 0.1), edge(60.0), edge(1e-9 / 3.0)),
            ("0.3".into(), "60".into(), "3.333333333e-10".into())
        );
    }
}
