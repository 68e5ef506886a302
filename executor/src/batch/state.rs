use std::fmt::{self, Display};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hep_io::source::read_regular;
use serde::{Deserialize, Serialize};

use super::{Script, check_path, htcondor, is_plain, slurm};
use crate::error::{Error, RunResult};
use crate::output::io;
use crate::shard::{Selection, Shard};

/// The version of the form below.
const VERSION: u32 = 1;
/// The most runs of ranges in a part. They are one argument of a program, which Linux limits to 128 KiB
/// (execve(2), `MAX_ARG_STRLEN`), and a run has up to 23 characters.
const MOST_RUNS: usize = 2_500;
/// A state's file.
const NAME: &str = "state.json";

/// A larger file is no state: one of a million parts takes a tenth.
const MAX_STATE: u64 = 1 << 28;

/// A batch system whose jobs share a folder with whoever submits them, or send files there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum System {
    /// Slurm: an array, and a job that depends on it.
    Slurm,
    /// HTCondor: a cluster of jobs, and a process beside the scheduler that waits for them.
    HTCondor,
}

/// What there is to know of a run in a batch system, besides its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// 1.
    pub version: u32,
    /// The batch system.
    pub system: System,
    /// What a person knows it by: the fileset's name.
    pub title: String,
    /// The name of the binary's copy.
    pub binary: String,
    /// Processors of a job.
    pub cpus: u32,
    /// Megabytes of a job.
    pub memory: u64,
    /// The user's own lines for the batch system.
    pub options: Vec<String>,
    /// Where the results go.
    pub outputs: Vec<PathBuf>,
    /// What fraction of the entries may be missing.
    pub allow_missing: f64,
    /// The arrays of jobs, each of what those before it lacked.
    pub rounds: Vec<Round>,
}

/// An array of jobs: the ranges of each, by their numbers in the job.
pub(crate) type Round = Vec<Ranges>;

/// Ranges of a job: half-open runs of their numbers, sorted, apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ranges(Vec<(u32, u32)>);

impl State {
    /// The state of a run that is not submitted, as `parts` jobs over ranges of so many entries.
    pub(crate) fn new(system: System, title: &str, binary: String, parts: u32, entries: &[u64]) -> Self {
        let shards = (1..=parts).map(|number| Shard { number, of: parts }.ranges(entries.iter().copied()));
        let parts = shards
            .filter(|run| !run.is_empty())
            .map(|run: Range<usize>| Ranges(vec![(run.start as u32, run.end as u32)]));
        Self {
            version: VERSION,
            system,
            title: title.to_owned(),
            binary,
            cpus: 1,
            memory: 2000,
            options: Vec::new(),
            outputs: Vec::new(),
            allow_missing: 0.0,
            rounds: vec![parts.collect()],
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// Where there is none, or none of this version.
    pub(crate) fn read(folder: &Path) -> RunResult<Self> {
        let path = folder.join(NAME);
        let wrong =
            |why: String| Error::Usage(format!("{} is no state of a batch run: {why}", folder.display()));
        let bytes = match read_regular(&path, MAX_STATE) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(wrong(format!("it has no {NAME}")));
            }
            Err(error) => return Err(io("read", &path, error)),
        };
        let state: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if state.version != VERSION {
            return Err(wrong(format!("it is of version {}, and this is {VERSION}", state.version)));
        }
        if !is_name(&state.binary) {
            return Err(wrong(format!("its binary `{}` is no name of a file", state.binary.escape_debug())));
        }
        Ok(state)
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where the system does not let us; the one that was there is then as it was.
    pub(crate) fn write(&self, folder: &Path) -> RunResult<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::Usage(error.to_string()))?;
        crate::output::write_private(&folder.join(NAME), &text)
    }

    /// Writes what submits the last round.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub(crate) fn write_scripts(&self, folder: &Path) -> RunResult<()> {
        let Some(round) = self.rounds.len().checked_sub(1) else { return Ok(()) };
        let parts = self.rounds[round].iter().map(|ranges| format!("{ranges}\n")).collect();
        // It may have been moved since it was made.
        check_path(folder)?;
        if let Some(option) = self.options.iter().find(|option| option.contains(char::is_control)) {
            return Err(Error::Usage(format!("`{}` is not one line", option.escape_debug())));
        }
        let mut scripts = vec![Script::new(format!("round-{round}.parts"), parts)];
        scripts.extend(match self.system {
            System::Slurm => slurm::scripts(self, folder, round),
            System::HTCondor => htcondor::scripts(self, folder, round),
        });
        scripts.iter().try_for_each(|script| script.write(folder))
    }

    /// The batch system's own number for the array of a round, if it was submitted.
    pub(super) fn array(&self, folder: &Path, round: usize) -> Option<String> {
        let text = fs::read_to_string(folder.join(format!("round-{round}.jobs"))).ok()?;
        let number = text.lines().find_map(|line| line.strip_prefix("array "))?.trim();
        // It is given to a program; what else a person may have written there is not.
        let sound = |c: char| c.is_ascii_alphanumeric() || "._;-".contains(c);
        (!number.is_empty() && !number.starts_with('-') && number.chars().all(sound))
            .then(|| number.to_owned())
    }

    /// Where a part's partial output is, below the folder.
    pub(super) fn partial(round: usize, part: usize) -> String {
        format!("partials/{round}-{part}.partial")
    }
}

/// Whether it is the name of a file in the state's folder, and not a path to elsewhere.
fn is_name(binary: &str) -> bool {
    is_plain(binary) && !binary.contains('/') && !matches!(binary, "" | "." | "..")
}

impl Ranges {
    /// Of these numbers, which are sorted.
    pub(super) fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some((_, end)) if *end == number => *end = number + 1,
                _ => runs.push((number, number.saturating_add(1))),
            }
        }
        Self(runs)
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.0.first().map(|(start, _)| *start)
    }

    /// The same as parts that are not too long for a command line.
    pub(super) fn cut(self) -> impl Iterator<Item = Self> {
        let parts: Vec<Self> = self.0.chunks(MOST_RUNS).map(|runs| Self(runs.to_vec())).collect();
        parts.into_iter()
    }

    /// The numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|&(start, end)| start..end)
    }
}

impl Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Selection::Runs(self.0.iter().map(|&(start, end)| start..end).collect()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_runs() {
        let ranges = Ranges::of([0, 1, 2, 5, 7, 8]);
        assert_eq!(ranges.to_string(), "0..3,5,7..9");
        assert_eq!(ranges.numbers().collect::<Vec<_>>(), [0, 1, 2, 5, 7, 8]);
        assert_eq!(Ranges::of([]), Ranges::default());
    }

    #[test]
    fn no_part_is_too_long_for_an_argument() {
        let scattered = Ranges::of((0..100_000).map(|at| 4_000_000_000 + at * 3 + at % 2));
        assert!(scattered.to_string().len() > 128 << 10);
        let parts: Vec<Ranges> = scattered.clone().cut().collect();
        assert!(parts.iter().all(|part| part.first().is_some() && part.to_string().len() < 64 << 10));
        assert!(parts.iter().flat_map(Ranges::numbers).eq(scattered.numbers()));
        assert_eq!(Ranges::of([]).cut().count(), 0);
    }

    #[test]
    fn the_binary_is_in_the_folder() {
        for wrong in ["", ".", "..", "/bin/sh", "../a", "a/b", "a b", "a;b"] {
            assert!(!is_name(wrong), "{wrong}");
        }
        assert!(is_name("hep-run-0123456789ab"));
    }

    #[test]
    fn an_option_is_one_line() {
        let mut state = State::new(System::Slurm, "t", String::new(), 1, &[1]);
        state.options = vec!["--comment=a\ntouch x".to_owned()];
        let error = state.write_scripts("/nowhere".as_ref()).unwrap_err().to_string();
        assert!(error.contains("is not one line"), "{error}");
        let error = state.write_scripts("/no;where".as_ref()).unwrap_err().to_string();
        assert!(error.contains("--state"), "{error}");
    }

    #[test]
    fn every_range_is_in_one_part_and_no_part_is_empty() {
        for (parts, ranges) in [(1, 5), (3, 10), (10, 3)] {
            let state = State::new(System::Slurm, "t", String::new(), parts, &vec![100; ranges]);
            let numbers: Vec<u32> = state.rounds[0].iter().flat_map(Ranges::numbers).collect();
            assert_eq!(numbers, (0..ranges as u32).collect::<Vec<_>>());
            assert_eq!(state.rounds[0].len(), ranges.min(parts as usize));
            assert!(!state.rounds[0].iter().any(|part| part.first().is_none()));
        }
    }
}
