use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::State;
use super::status::{Left, accounts};

/// What a merge takes of what the jobs have left.
pub struct Collected {
    /// The partial outputs, each of other ranges than the others, in the order of the ranges.
    pub partials: Vec<PathBuf>,
    /// What is not taken, and why.
    pub notes: Vec<String>,
}

/// Finds the partial outputs that are to be merged. A job that was taken for lost may have left its output
/// after all: of those that hold a range twice the one with more ranges is taken.
pub fn collect(state: &State, folder: &Path, key: &str) -> Collected {
    let (mut there, mut notes) = accounts(state, folder, key);
    let done =
        |left: &Left| -> u64 { left.account.done().iter().map(|(start, end)| u64::from(end - start)).sum() };
    // What is equal stays in the order of the rounds.
    there.sort_by_key(|left| Reverse(done(left)));
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let mut chosen = Vec::new();
    for Left { round, part, account } in there {
        let ranges = || account.done().iter().flat_map(|&(start, end)| start..end);
        let name = State::partial(round, part);
        if ranges().any(|range| taken.contains(&range)) {
            notes.push(format!("{name}: other partial outputs hold its ranges too"));
            continue;
        }
        taken.extend(ranges());
        chosen.push((account.done().first().copied(), name));
    }
    // In the order of the ranges: what is next to each other merges at once.
    chosen.sort();
    Collected { partials: chosen.into_iter().map(|(_, name)| folder.join(name)).collect(), notes }
}
