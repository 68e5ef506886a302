//! Merging histograms whose bins have labels: what counts is the label, not where its bin is.

use std::collections::{HashMap, HashSet};

use super::merge::{add, difference, same_bins};
use super::{Axis, Histogram};

/// The most bins that labels of two histograms may make: on two axes, a few labels more make many.
const MOST_CELLS: usize = 1 << 24;

/// Adds `other` to `into`, whose axes differ.
///
/// # Errors
/// Where they differ in more than their labels, or bins without labels stand among those that have some.
pub(super) fn meet(into: &mut Histogram, other: &Histogram) -> Result<(), String> {
    let mut axes = Vec::new();
    for at in 0..into.axes.len().min(other.axes.len()) {
        let axis = axis(into, other, at).map_err(|what| format!("axis {at} {what}"))?;
        axes.push(axis);
    }
    let cells =
        axes.iter().try_fold(1_usize, |cells, (axis, _)| cells.checked_mul(axis.bins.checked_add(2)?));
    let Some(cells) = cells.filter(|&cells| cells <= MOST_CELLS.max(into.contents.len())) else {
        return Err(format!("has labels in A and B that together make more than {MOST_CELLS} bins"));
    };
    *into = on_axes(into, &axes, cells);
    add(into, &on_axes(other, &axes, cells));
    Ok(())
}

/// The axis on which both can be, and whether bins go where their label is.
fn axis(into: &Histogram, other: &Histogram, at: usize) -> Result<(Axis, bool), String> {
    let (a, b) = (&into.axes[at], &other.axes[at]);
    if same_bins(a, b) && a.labels == b.labels {
        return Ok((a.clone(), false));
    }
    let labels = a.is_labelled() || b.is_labelled();
    if labels && named(into, at) && named(other, at) {
        return Ok((unite(a, b), true));
    }
    if !same_bins(a, b) {
        return Err(difference(a, b));
    }
    Ok((Axis { labels: labels_of_both(a, b)?, ..a.clone() }, false))
}

/// Whether labels say all of an axis: the first bins have them, each another, and the rest is empty.
fn named(histogram: &Histogram, at: usize) -> bool {
    let axis = &histogram.axes[at];
    let first = axis.labels.iter().position(String::is_empty).unwrap_or(axis.labels.len());
    let mut seen = HashSet::new();
    let in_order = axis.labels[first..].iter().all(String::is_empty);
    if !in_order || !axis.labels[..first].iter().all(|label| seen.insert(label)) {
        return false;
    }
    let stride: usize = histogram.axes[..at].iter().map(|axis| axis.bins + 2).product();
    let empty = |values: &[f64]| {
        let cells = values.iter().enumerate().filter(|(_, value)| **value != 0.0);
        cells.map(|(cell, _)| cell / stride % (axis.bins + 2)).all(|bin| bin <= first || bin > axis.bins)
    };
    empty(&histogram.contents)
        && empty(&histogram.sumw2)
        && histogram.profile.as_ref().is_none_or(|profile| empty(&profile.bin_entries))
}

/// The labels of two axes with the same bins, where bins stay where they are.
fn labels_of_both(a: &Axis, b: &Axis) -> Result<Vec<String>, String> {
    let mut labels = a.labels.clone();
    labels.resize(a.labels.len().max(b.labels.len()), String::new());
    let mut places: HashMap<&str, usize> =
        a.labels.iter().enumerate().map(|(at, label)| (label.as_str(), at)).collect();
    for (at, theirs) in b.labels.iter().enumerate().filter(|(_, label)| !label.is_empty()) {
        let mine = &mut labels[at];
        if !mine.is_empty() && mine != theirs {
            return Err(format!("has label `{mine}` at bin {} in A and `{theirs}` in B", at + 1));
        }
        if let Some(&place) = places.get(theirs.as_str()).filter(|&&place| place != at && mine.is_empty()) {
            return Err(format!("has label `{theirs}` at bin {} in A and at bin {} in B", place + 1, at + 1));
        }
        mine.clone_from(theirs);
        places.insert(theirs, at);
    }
    Ok(labels)
}

/// An axis with the labels of both, those of `a` first.
fn unite(a: &Axis, b: &Axis) -> Axis {
    let named = |axis: &Axis| axis.labels.iter().filter(|label| !label.is_empty()).cloned().collect();
    let mut labels: Vec<String> = named(a);
    let mut known: HashSet<String> = labels.iter().cloned().collect();
    let theirs: Vec<String> = named(b);
    labels.extend(theirs.into_iter().filter(|label| known.insert(label.clone())));
    let bins = labels.len().max(a.bins);
    if bins == a.bins {
        return Axis { labels, ..a.clone() };
    }
    let style = a.style.clone().map(|mut style| {
        style.range = [0, 0];
        style
    });
    Axis { bins, low: 0.0, high: bins as f64, edges: Vec::new(), labels, style, ..a.clone() }
}

/// `histogram` with its bins moved to where `axes` have their labels, if they say so.
fn on_axes(histogram: &Histogram, axes: &[(Axis, bool)], cells: usize) -> Histogram {
    let there = axes.iter().map(|(axis, _)| axis.clone()).collect();
    let mut moved = Histogram { axes: there, ..histogram.clone() };
    let each = histogram.axes.iter().zip(axes);
    let places: Vec<Vec<usize>> = each.map(|(from, (to, by_label))| places(from, to, *by_label)).collect();
    let place = |bin: usize| {
        let (mut rest, mut to, mut stride) = (bin, 0, 1);
        for (places, (axis, _)) in places.iter().zip(axes) {
            to += stride * places[rest % places.len()];
            rest /= places.len();
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

/// Where each bin of `from` is on the axis `to`: underflow, bins, overflow.
fn places(from: &Axis, to: &Axis, by_label: bool) -> Vec<usize> {
    let there: HashMap<&str, usize> =
        to.labels.iter().enumerate().map(|(at, label)| (label.as_str(), at + 1)).collect();
    let place = |bin: usize| match bin {
        bin if bin == from.bins + 1 => to.bins + 1,
        bin if bin == 0 || !by_label => bin,
        // Bins without a label are empty; they may be more than there are now.
        bin => from.labels.get(bin - 1).and_then(|label| there.get(label.as_str())).copied().unwrap_or(0),
    };
    (0..from.bins + 2).map(place).collect()
}
