use super::{Axis, Histogram, labels};

/// Adds `other` to `into`, as `hadd` does: contents, squared weights, statistics and entries add up.
/// Axes must be the same, or all filled bins labelled: then equal labels meet and new ones come behind. Fills
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
    labels::meet(into, other)
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

pub(super) fn same_bins(a: &Axis, b: &Axis) -> bool {
    // Edges may have been rounded by whoever wrote them, as TAxis allows for.
    let width = (a.high - a.low) / a.bins.max(1) as f64;
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * width.abs();
    a.bins == b.bins
        && close(a.low, b.low)
        && close(a.high, b.high)
        && a.edges.len() == b.edges.len()
        && a.edges.iter().zip(&b.edges).all(|(&x, &y)| close(x, y))
}

pub(super) fn difference(a: &Axis, b: &Axis) -> String {
    if a.bins != b.bins {
        return format!("has {} bins in A and {} bins in B", a.bins, b.bins);
    }
    if a.low != b.low || a.high != b.high {
        return format!("is over {}..{} in A and {}..{} in B", a.low, a.high, b.low, b.high);
    }
    "has other edges in A than in B".to_owned()
}

pub(super) fn add(into: &mut Histogram, other: &Histogram) {
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
    fn a_job_without_events_has_no_labels_yet() {
        let mut a = labelled(&["", ""], &[0.0, 0.0]);
        merge(&mut a, &labelled(&["y", "z", "x"], &[10.0, 20.0, 30.0])).unwrap();
        assert_eq!(
            (a.axes[0].labels.join(""), a.contents),
            ("yzx".to_owned(), vec![0.0, 10.0, 20.0, 30.0, 0.0])
        );
    }

    #[test]
    fn bins_that_only_some_labels_name_stay_where_they_are() {
        let mut a = labelled(&["", "b", ""], &[1.0, 2.0, 3.0]);
        merge(&mut a, &labelled(&["", "", "c"], &[10.0, 20.0, 30.0])).unwrap();
        assert_eq!(a.axes[0].labels, ["", "b", "c"]);
        assert_eq!(a.contents, [0.0, 11.0, 22.0, 33.0, 0.0]);
        let other = labelled(&["b", "", ""], &[10.0, 20.0, 30.0]);
        assert_eq!(
            merge(&mut a, &other).unwrap_err(),
            "axis 0 has label `b` at bin 2 in A and at bin 1 in B"
        );
        let other = labelled(&["", "x", ""], &[10.0, 20.0, 30.0]);
        assert_eq!(merge(&mut a, &other).unwrap_err(), "axis 0 has label `b` at bin 2 in A and `x` in B");
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
