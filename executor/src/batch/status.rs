use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::collect::choose;
use super::state::{Ranges, Round};
use super::{State, System, htcondor, slurm};
use crate::error::RunResult;
use crate::job::Job;
use crate::partial::{Account, Head, PartialFile};
use crate::terminal;

/// What a batch system knows of a job that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Known {
    /// It is in the queue.
    Waiting,
    /// It runs, or is about to end.
    Running,
    /// It waits for somebody to look at it, for this reason.
    Held(String),
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Seen {
    /// All of it is there.
    Done,
    /// Some of its ranges could not be had: how many, and why one of them.
    Failed(u32, String),
    /// Its job has not ended.
    Known(Known),
    /// It has left nothing, and the batch system knows nothing of its job.
    Lost,
    /// It has left nothing, and nobody has said what the batch system knows: because of this.
    Unknown(String),
    /// A later round has what it lacked.
    Replaced,
}

/// What became of a run in a batch system.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Each part of each round.
    pub rounds: Vec<Vec<Seen>>,
    /// How many ranges there are, and how many are done.
    pub ranges: (u64, u64),
    /// The same of entries.
    pub entries: (u64, u64),
    /// The ranges that nobody is at and that are not done.
    #[serde(skip)]
    left: BTreeSet<u32>,
    /// The batch system's own number for each round, where it was submitted.
    #[serde(skip)]
    arrays: Vec<Option<String>>,
    /// Those of jobs of which nothing is known.
    #[serde(skip)]
    doubtful: BTreeSet<u32>,
    /// Files that cannot be used as partial outputs.
    pub damaged: Vec<String>,
}

/// What there is of a part.
pub(super) struct Left {
    pub(super) round: usize,
    pub(super) part: usize,
    pub(super) account: Account,
}

impl Left {
    /// The ranges that are in it.
    pub(super) fn ranges(&self) -> impl Iterator<Item = u32> {
        self.account.done().iter().flat_map(|&(start, end)| start..end)
    }
}

/// What the jobs have left; and, for messages, what cannot be used.
pub(super) fn accounts(state: &State, folder: &Path, key: &str) -> (Vec<Left>, Vec<String>) {
    let (mut there, mut damaged) = (Vec::new(), Vec::new());
    for (round, parts) in state.rounds.iter().enumerate() {
        for part in 0..parts.len() {
            let name = State::partial(round, part);
            let path = folder.join(&name);
            if !path.exists() {
                continue;
            }
            let head =
                PartialFile::read(&path).and_then(|file| Head::read(file.partial()).map(|(head, _)| head));
            match head {
                Ok(Head { job, account, .. }) if job == key => there.push(Left { round, part, account }),
                Ok(_) => damaged.push(format!("{name}: it is of another job")),
                Err(error) => damaged.push(error.to_string()),
            }
        }
    }
    (there, damaged)
}

/// What became of a run, by what is in its folder and what its batch system says.
///
/// # Errors
/// Where the state's job cannot be read.
pub(crate) fn status(state: &State, folder: &Path, job: &Job, key: &str) -> RunResult<Status> {
    let (there, damaged) = accounts(state, folder, key);
    let mut done: BTreeSet<u32> = BTreeSet::new();
    let mut accounts = BTreeMap::new();
    // What a merge does not take is not done, whatever else is there.
    let (taken, dropped) = choose(there);
    taken.iter().for_each(|left| done.extend(left.ranges()));
    for Left { round, part, account } in taken.into_iter().chain(dropped) {
        accounts.insert((round, part), account);
    }
    let total = job.ranges.len() as u32;
    done.retain(|range| *range < total);
    let mut left: BTreeSet<u32> = (0..total).filter(|range| !done.contains(range)).collect();
    let mut doubtful = BTreeSet::new();
    let mut rounds: Vec<Vec<Seen>> = Vec::new();
    // The last first: a range that is in a later round too is that round's.
    let mut later: BTreeSet<u32> = BTreeSet::new();
    for (round, parts) in state.rounds.iter().enumerate().rev() {
        let asked = unfinished(parts, &done, &later, |part| accounts.contains_key(&(round, part)))
            .then(|| ask(state, folder, round));
        let mut seen = Vec::new();
        for (part, ranges) in parts.iter().enumerate() {
            let lacks: Vec<u32> = ranges.numbers().filter(|range| !done.contains(range)).collect();
            let what = if lacks.is_empty() {
                Seen::Done
            } else if lacks.iter().all(|range| later.contains(range)) {
                Seen::Replaced
            } else {
                match (accounts.get(&(round, part)), &asked) {
                    (Some(account), _) => failed(account, &lacks),
                    (None, Some(Ok(known))) => match known.iter().find(|(element, _)| *element == part) {
                        Some((_, known)) => Seen::Known(known.clone()),
                        None => Seen::Lost,
                    },
                    (None, Some(Err(why))) => Seen::Unknown(why.clone()),
                    (None, None) => Seen::Lost,
                }
            };
            match what {
                Seen::Known(_) => left.retain(|range| lacks.binary_search(range).is_err()),
                Seen::Unknown(_) => doubtful.extend(&lacks),
                _ => {}
            }
            seen.push(what);
        }
        later.extend(parts.iter().flat_map(Ranges::numbers));
        rounds.push(seen);
    }
    rounds.reverse();
    let entries = |range: u32| job.ranges[range as usize].2 - job.ranges[range as usize].1;
    doubtful.retain(|range| left.contains(range));
    Ok(Status {
        rounds,
        ranges: (u64::from(total), done.len() as u64),
        entries: ((0..total).map(entries).sum(), done.iter().map(|&range| entries(range)).sum()),
        left,
        arrays: (0..state.rounds.len()).map(|round| state.array(folder, round)).collect(),
        doubtful,
        damaged,
    })
}

/// Whether the batch system must be asked about a round.
fn unfinished(
    parts: &Round,
    done: &BTreeSet<u32>,
    later: &BTreeSet<u32>,
    there: impl Fn(usize) -> bool,
) -> bool {
    let lacks =
        |ranges: &Ranges| ranges.numbers().any(|range| !done.contains(&range) && !later.contains(&range));
    parts.iter().enumerate().any(|(part, ranges)| lacks(ranges) && !there(part))
}

fn failed(account: &Account, lacks: &[u32]) -> Seen {
    let reason = lacks.iter().find_map(|range| account.failed().get(range)).cloned();
    let otherwise = match lacks.iter().any(|&range| account.holds(range)) {
        true => "other partial outputs hold others of its ranges too, so that it cannot be merged",
        false => "it has not been processed",
    };
    Seen::Failed(lacks.len() as u32, reason.unwrap_or_else(|| otherwise.to_owned()))
}

fn ask(state: &State, folder: &Path, round: usize) -> Result<Vec<(usize, Known)>, String> {
    let array = state.array(folder, round).ok_or_else(|| format!("submit-{round}.sh was not run"))?;
    match state.system {
        System::Slurm => slurm::known(&array),
        System::HTCondor => htcondor::known(&array),
    }
}

/// What a program of a batch system writes; nothing if it fails with these words.
pub(super) fn lines_of(command: &[&str], nothing: Option<&str>) -> Result<Vec<String>, String> {
    let name = command.first().copied().unwrap_or_default();
    let output = Command::new(name)
        .args(&command[1..])
        .output()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return if nothing.is_some_and(|nothing| error.contains(nothing)) {
            Ok(Vec::new())
        } else {
            Err(format!("{name}: {error}"))
        };
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect())
}

impl Status {
    /// Whether everything is done.
    pub(crate) fn complete(&self) -> bool {
        self.ranges.0 == self.ranges.1
    }

    /// The next round: what no job is at, in the parts that it was in.
    ///
    /// # Errors
    /// Where there is something of which nobody knows whether a job is at it, and that is not to be taken
    /// for lost.
    pub(crate) fn next_round(&self, state: &State, take_doubtful: bool) -> Result<Round, String> {
        if let (false, Some(range)) = (take_doubtful, self.doubtful.first()) {
            let why = self.rounds.iter().flatten().find_map(|seen| match seen {
                Seen::Unknown(why) => Some(why.as_str()),
                _ => None,
            });
            return Err(format!(
                "nobody knows whether a job is at range {range} and {} others: {}; --force takes them for lost",
                self.doubtful.len() - 1,
                why.unwrap_or_default()
            ));
        }
        let mut left = self.left.clone();
        let mut parts = Vec::new();
        for ranges in state.rounds.iter().rev().flatten() {
            let again = Ranges::of(ranges.numbers().filter(|range| left.remove(range)));
            parts.extend(again.cut());
        }
        parts.sort_by_key(Ranges::first);
        Ok(parts)
    }

    /// What a person wants to know.
    pub(crate) fn text(&self, folder: &Path) -> String {
        /// Parts that are told of, one by one.
        const TOLD: usize = 20;
        let mut text = String::new();
        let mut told = 0;
        let mut held = Vec::new();
        for (round, seen) in self.rounds.iter().enumerate() {
            let count = |what: fn(&Seen) -> bool| seen.iter().filter(|seen| what(seen)).count();
            let counts = [
                (count(|seen| *seen == Seen::Done), "done"),
                (count(|seen| matches!(seen, Seen::Known(Known::Running))), "running"),
                (count(|seen| matches!(seen, Seen::Known(Known::Waiting))), "waiting"),
                (count(|seen| matches!(seen, Seen::Known(Known::Held(_)))), "held"),
                (count(|seen| matches!(seen, Seen::Failed(..))), "failed"),
                (count(|seen| *seen == Seen::Lost), "lost"),
                (count(|seen| matches!(seen, Seen::Unknown(_))), "unknown"),
                (count(|seen| *seen == Seen::Replaced), "replaced"),
            ];
            let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
            let _ = writeln!(
                text,
                "round {round}: {} parts: {}",
                seen.len(),
                counts.collect::<Vec<_>>().join(", ")
            );
            let array = self.arrays.get(round).and_then(Option::as_deref).unwrap_or_default();
            for (part, seen) in seen.iter().enumerate() {
                let log = folder.join(format!("logs/{round}-{part}.txt"));
                let line = match seen {
                    Seen::Failed(ranges, why) => format!("{ranges} ranges failed: {why}"),
                    Seen::Lost => format!("its job has ended and left nothing; see {}", log.display()),
                    Seen::Known(Known::Held(why)) => {
                        held.push(format!("{array}.{part}"));
                        format!("its job {array}.{part} is held: {why}")
                    }
                    Seen::Unknown(why) => why.clone(),
                    _ => continue,
                };
                told += 1;
                if told <= TOLD {
                    let _ = writeln!(text, "  part {part}: {}", terminal::name(&line));
                }
            }
        }
        if told > TOLD {
            let _ = writeln!(text, "  and {} more parts", told - TOLD);
        }
        if !held.is_empty() {
            let more = if held.len() > TOLD { " ..." } else { "" };
            held.truncate(TOLD);
            let _ = writeln!(
                text,
                "held jobs wait for you, and what merges for them: condor_release, or condor_rm and then \
                 hep-run resubmit, {}{more}",
                held.join(" ")
            );
        }
        for what in &self.damaged {
            let _ = writeln!(text, "damaged, and as if it were not there: {}", terminal::name(what));
        }
        let (entries, done) = self.entries;
        let percent = if entries == 0 { 100.0 } else { 100.0 * done as f64 / entries as f64 };
        let _ = writeln!(text, "entries: {done} of {entries} done ({percent:.1} %)");
        let folder = folder.display();
        let _ = match (self.complete(), self.left.is_empty()) {
            (true, _) => writeln!(text, "complete: hep-run merge {folder}"),
            (false, true) => writeln!(text, "what is missing is being done"),
            (false, false) => {
                writeln!(text, "{} ranges are left: hep-run resubmit {folder}", self.left.len())
            }
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_jobs_are_named_with_what_ends_the_waiting() {
        let held = Seen::Known(Known::Held("failed to send file(s)".to_owned()));
        let status = Status {
            rounds: vec![vec![Seen::Done, held]],
            ranges: (2, 1),
            entries: (20, 10),
            left: BTreeSet::new(),
            arrays: vec![Some("17".to_owned())],
            doubtful: BTreeSet::new(),
            damaged: Vec::new(),
        };
        let text = status.text("/state".as_ref());
        assert!(text.contains("part 1: its job 17.1 is held: failed to send file(s)"), "{text}");
        assert!(text.contains("condor_release") && text.contains("condor_rm"), "{text}");
    }
}
