use super::{Axis, Histogram};

/// Adds `other` to `into`, as `hadd` does: contents, squared weights, statistics and entries add up.
/// Axes must be the same, or all bins labelled: then equal labels meet and new ones come behind. Fills
/// that wait for a range go into the bins of the histogram that has one; where none has, they go on
/// waiting together, until they are more than ROOT's buffer takes.
///
/// # Errors
/// What differs, as ``axis 0 has 60 bins in A and 50 bins in B``.
pub fn merge(into: &mut Histogram, other: &Histogram) -> Result<(), String> {
    if into.class != other.class {
        return Err(format!("is a {} in A and a {} in B", into.class.name(), other.class.name()));
    }
    let ranges = |h: &Histogram| h.axes.iter().all(Axis::has_range);
    if !ranges(into) || !ranges(other) {
        return wait_together(into, other);
    }
    let same = into.axes.iter().zip(&other.axes).all(|(a, b)| same_bins(a, b) && a.labels == b.labels);
    if same {
        add(into, other);
        return Ok(());
    }
    for (at, (a, b)) in into.axes.iter().zip(&other.axes).enumerate() {
        if !(a.is_labelled() && b.is_labelled() || same_bins(a, b)) {
            return Err(format!("axis {at} {}", difference(a, b)));
        }
    }
    let axes: Vec<Axis> = into.axes.iter().zip(&other.axes).map(|(a, b)| unite(a, b)).collect();
    *into = on_axes(into, &axes);
    add(into, &on_axes(other, &axes));
    Ok(())
}

/// Merges where at least one of the two has no range yet.
fn wait_together(into: &mut Histogram, other: &Histogram) -> Result<(), String> {
    let width = into.fill_width();
    let ranges = |h: &Histogram| h.axes.iter().all(Axis::has_range);
    if into.profile.is_some() || into.axes.iter().any(Axis::has_range) != ranges(into) {
        let found = into.clone().find_range().err();
        return Err(found.unwrap_or_else(|| "has a range in one file only".to_owned()));
    }
    if !ranges(into) && ranges(other) {
        let waiting = std::mem::replace(into, other.clone());
        refill(into, &waiting.waiting.fills, width);
        return Ok(());
    }
    if ranges(into) {
        refill(into, &other.waiting.fills, width);
        return Ok(());
    }
    into.clone().find_range()?;
    other.clone().find_range()?;
    into.waiting.size = into.waiting.size.max(other.waiting.size);
    for fill in other.waiting.fills.chunks_exact(width) {
        if !ranges(into) && into.waiting.fills.len() + width < into.waiting.size {
            into.waiting.fills.extend(fill);
            continue;
        }
        into.find_range()?;
        into.fill(&fill[1..], fill[0]);
    }
    Ok(())
}

fn refill(into: &mut Histogram, fills: &[f64], width: usize) {
    fills.chunks_exact(width).for_each(|fill| into.fill(&fill[1..], fill[0]));
}

fn same_bins(a: &Axis, b: &Axis) -> bool {
    // Edges may have been rounded by whoever wrote them, as TAxis allows for.
    let width = (a.high - a.low) / a.bins.max(1) as f64;
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * width.abs();
    a.bins == b.bins
        && close(a.low, b.low)
        && close(a.high, b.high)
        && a.edges.len() == b.edges.len()
        && a.edges.iter().zip(&b.edges).all(|(&x, &y)| close(x, y))
}

fn difference(a: &Axis, b: &Axis) -> String {
    if a.bins != b.bins {
        return format!("has {} bins in A and {} bins in B", a.bins, b.bins);
    }
    if a.low != b.low || a.high != b.high {
        return format!("is over {}..{} in A and {}..{} in B", a.low, a.high, b.low, b.high);
    }
    "has other edges in A than in B".to_owned()
}

fn add(into: &mut Histogram, other: &Histogram) {
    // Statistics first: they may have to be taken from the bins.
    into.statistics = into.current_statistics().into_owned();
    sum(&mut into.statistics, &other.current_statistics());
    // Without squared weights, the contents are what they would be.
    if into.sumw2.is_empty() != other.sumw2.is_empty() {
        let squares = |h: &Histogram| match h.sumw2.is_empty() {
            true => h.contents.iter().map(|content| content.abs()).collect(),
            false => h.sumw2.clone(),
        };
        into.sumw2 = squares(into);
        sum(&mut into.sumw2, &squares(other));
    } else {
        sum(&mut into.sumw2, &other.sumw2);
    }
    sum(&mut into.contents, &other.contents);
    into.entries += other.entries;
    if let (Some(mine), Some(theirs)) = (&mut into.profile, &other.profile) {
        if mine.bin_sumw2.is_empty() != theirs.bin_sumw2.is_empty() && mine.bin_sumw2.is_empty() {
            mine.bin_sumw2.clone_from(&mine.bin_entries);
        }
        let squares = if theirs.bin_sumw2.is_empty() { &theirs.bin_entries } else { &theirs.bin_sumw2 };
        sum(&mut mine.bin_sumw2, squares);
        sum(&mut mine.bin_entries, &theirs.bin_entries);
        mine.sumwy += theirs.sumwy;
        mine.sumwy2 += theirs.sumwy2;
    }
}

fn sum(into: &mut [f64], other: &[f64]) {
    into.iter_mut().zip(other).for_each(|(mine, theirs)| *mine += theirs);
}

/// An axis with the labels of both, those of `a` first.
fn unite(a: &Axis, b: &Axis) -> Axis {
    if same_bins(a, b) && a.labels == b.labels {
        return a.clone();
    }
    let named =
        |axis: &Axis| axis.labels.iter().filter(|label| !label.is_empty()).cloned().collect::<Vec<_>>();
    let mut labels = named(a);
    for label in named(b) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let bins = labels.len().max(a.bins);
    let mut style = a.style.clone();
    if let Some(style) = style.as_mut().filter(|_| bins != a.bins) {
        style.range = [0, 0];
    }
    Axis { style, bins, low: 0.0, high: bins as f64, edges: Vec::new(), labels, ..a.clone() }
}

/// `histogram` with its bins moved to where `axes` have their labels.
fn on_axes(histogram: &Histogram, axes: &[Axis]) -> Histogram {
    let mut moved = Histogram { axes: axes.to_vec(), ..histogram.clone() };
    let cells = moved.cells().unwrap_or(0);
    let place = |bin: usize| {
        let (mut rest, mut to, mut stride) = (bin, 0, 1);
        for (from, axis) in histogram.axes.iter().zip(axes) {
            let place = rest % (from.bins + 2);
            rest /= from.bins + 2;
            let label = from.labels.get(place.wrapping_sub(1)).filter(|label| !label.is_empty());
            let there = match label.and_then(|label| axis.labels.iter().position(|known| known == label)) {
                Some(position) => position + 1,
                None if place == from.bins + 1 => axis.bins + 1,
                None => place,
            };
            to += stride * there;
            stride *= axis.bins + 2;
        }
        to
    };
    let scatter = |values: &[f64]| {
        if values.is_empty() {
            return Vec::new();
        }
        let mut out = vec![0.0; cells];
        for (bin, value) in values.iter().enumerate() {
            if let Some(cell) = out.get_mut(place(bin)) {
                *cell += value;
            }
        }
        out
    };
    moved.contents = scatter(&histogram.contents);
    moved.sumw2 = scatter(&histogram.sumw2);
    if let (Some(to), Some(from)) = (&mut moved.profile, &histogram.profile) {
        to.bin_entries = scatter(&from.bin_entries);
        to.bin_sumw2 = scatter(&from.bin_sumw2);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(labels: &[&str], contents: &[f64]) -> Histogram {
        let axis = Axis {
            bins: labels.len(),
            high: labels.len() as f64,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            ..Axis::default()
        };
        let contents = [&[0.0], contents, &[0.0]].concat();
        Histogram::doubles("h", "", vec![axis], contents.clone(), contents, 1.0)
    }

    #[test]
    fn labels_meet_wherever_their_bins_are() {
        let mut a = labelled(&["x", "y"], &[1.0, 2.0]);
        merge(&mut a, &labelled(&["y", "z"], &[10.0, 20.0])).unwrap();
        assert_eq!(a.axes[0].labels, ["x", "y", "z"]);
        assert_eq!(a.contents, [0.0, 1.0, 12.0, 20.0, 0.0]);
    }

    #[test]
    fn other_bins_are_an_error_that_says_which() {
        let of = |bins: usize| {
            let axis = Axis { bins, high: 1.0, ..Axis::default() };
            Histogram::doubles("h", "", vec![axis], vec![0.0; bins + 2], Vec::new(), 0.0)
        };
        assert_eq!(merge(&mut of(60), &of(50)).unwrap_err(), "axis 0 has 60 bins in A and 50 bins in B");
    }
}
