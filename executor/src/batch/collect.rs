use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::State;
use super::status::{Left, accounts};

/// What a merge takes of what the jobs have left.
pub(crate) struct Collected {
    /// The partial outputs, each of other ranges than the others, in the order of the ranges.
    pub partials: Vec<PathBuf>,
    /// What is not taken, and why.
    pub notes: Vec<String>,
}

/// Finds the partial outputs that are to be merged.
pub(crate) fn collect(state: &State, folder: &Path, key: &str) -> Collected {
    let (there, mut notes) = accounts(state, folder, key);
    let (mut taken, dropped) = choose(there);
    notes.extend(dropped.iter().map(|Left { round, part, .. }| {
        format!("{}: other partial outputs hold its ranges too", State::partial(*round, *part))
    }));
    // In the order of the ranges: what is next to each other merges at once.
    taken.sort_by_key(|left| left.account.done().first().copied());
    let place = |Left { round, part, .. }: Left| folder.join(State::partial(round, part));
    Collected { partials: taken.into_iter().map(place).collect(), notes }
}

/// Those that a merge takes, and those that it does not. A job that was taken for lost may have left its
/// output after all: of those that hold a range twice the one with more ranges is taken, and of the others
/// nothing.
///
/// What is taken stays so when outputs come of ranges that those taken lack.
pub(super) fn choose(mut there: Vec<Left>) -> (Vec<Left>, Vec<Left>) {
    let size = |left: &Left| left.ranges().count();
    // What is equal stays in the order of the rounds.
    there.sort_by_key(|left| Reverse(size(left)));
    let mut held: BTreeSet<u32> = BTreeSet::new();
    let (mut taken, mut dropped) = (Vec::new(), Vec::new());
    for left in there {
        if left.ranges().any(|range| held.contains(&range)) {
            dropped.push(left);
        } else {
            held.extend(left.ranges());
            taken.push(left);
        }
    }
    (taken, dropped)
}
