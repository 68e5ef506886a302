//! Some of a job's ranges: those of a shard, or those that somebody names.

use std::fmt::{self, Display};
use std::ops::Range;
use std::str::FromStr;

/// The most parts that a job can be cut into.
const MOST_SHARDS: u32 = 1_000_000;

/// One of several parts of a job, `3/7`: a run of its ranges, with about as many entries as the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which it is, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// Its ranges, by their numbers; none if there are fewer ranges than parts. `entries` are how many each
    /// range of the job has. All parts together are all ranges, each once.
    pub fn ranges(self, entries: impl IntoIterator<Item = u64, IntoIter: Clone>) -> Range<usize> {
        let entries = entries.into_iter();
        let total: u128 = entries.clone().map(u128::from).sum();
        // A range is of the part that its middle is in: no part has more than its share and one range.
        let part = |middle: u128| middle * u128::from(self.of) / (2 * total).max(1);
        let mut before = 0_u128;
        let parts = entries.map(|entries| {
            let twice_the_middle = 2 * before + u128::from(entries);
            before += u128::from(entries);
            part(twice_the_middle)
        });
        let (mut start, mut end) = (0, 0);
        for part in parts {
            start += usize::from(part < u128::from(self.number - 1));
            end += usize::from(part < u128::from(self.number));
        }
        start..end
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u32>().ok();
        let two = text.split_once('/').and_then(|(i, n)| number(i).zip(number(n)));
        let (number, of) = two.ok_or("expected I/N, such as 3/7: the third of seven parts")?;
        if of > MOST_SHARDS {
            return Err(format!("at most {MOST_SHARDS} parts"));
        }
        if number == 0 || number > of {
            return Err(format!("there is no part {number} of {of}: they are counted from 1"));
        }
        Ok(Self { number, of })
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Which ranges of a job: `17`, `0..100`, `3,5,9..12`, `3/7`, or `all`. `a..b` is without `b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All.
    All,
    /// A part.
    Shard(Shard),
    /// These: sorted, apart, none empty.
    Runs(Vec<Range<u32>>),
}

impl Selection {
    /// The numbers of the ranges, in order, where `entries` are how many each range of the job has.
    ///
    /// # Errors
    /// Where the job does not have one of them.
    pub(crate) fn ranges(&self, entries: &[u64]) -> Result<Vec<usize>, String> {
        match self {
            Self::All => Ok((0..entries.len()).collect()),
            Self::Shard(shard) => Ok(shard.ranges(entries.iter().copied()).collect()),
            Self::Runs(runs) => {
                if let Some(run) = runs.last().filter(|run| run.end as usize > entries.len()) {
                    let last = run.end - 1;
                    return Err(match entries.len() {
                        0 => format!("there is no range {last}: the job has none"),
                        n => format!("there is no range {last}: the job has 0..{n}"),
                    });
                }
                Ok(runs.iter().flat_map(|run| run.start as usize..run.end as usize).collect())
            }
        }
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "all" {
            return Ok(Self::All);
        }
        if text.contains('/') {
            return text.parse().map(Self::Shard);
        }
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|&n| n < u32::MAX);
        let mut runs = Vec::new();
        for part in text.split(',') {
            let run = match part.split_once("..") {
                Some((start, end)) => number(start).zip(number(end)).map(|(start, end)| start..end),
                None => number(part).map(|at| at..at + 1),
            };
            let run = run.ok_or_else(|| {
                format!(
                    "`{}` is no range; expected some such as 17, 0..100, 3,5,9..12, 3/7 or all",
                    part.trim()
                )
            })?;
            if run.is_empty() {
                return Err(format!("{} is empty: the end is not in it", part.trim()));
            }
            runs.push(run);
        }
        runs.sort_unstable_by_key(|run: &Range<u32>| run.start);
        if let Some(two) = runs.windows(2).find(|two| two[0].end > two[1].start) {
            return Err(format!("range {} is given twice", two[1].start));
        }
        Ok(Self::Runs(runs))
    }
}

impl Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Shard(shard) => shard.fmt(f),
            Self::Runs(runs) => {
                for (at, Range { start, end }) in runs.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    match end - start {
                        1 => write!(f, "{comma}{start}")?,
                        _ => write!(f, "{comma}{start}..{end}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(of: u32, entries: &[u64]) -> Vec<Range<usize>> {
        (1..=of).map(|number| Shard { number, of }.ranges(entries.iter().copied())).collect()
    }

    #[test]
    fn shards_are_counted_from_1() {
        assert_eq!("3/7".parse(), Ok(Shard { number: 3, of: 7 }));
        assert_eq!("1/1".parse(), Ok(Shard { number: 1, of: 1 }));
        for wrong in ["0/7", "8/7", "3", "3/", "/7", "3/7/9", "-1/7", "a/b", "1/99999999", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        let error = "0/7".parse::<Shard>().unwrap_err();
        assert_eq!(error, "there is no part 0 of 7: they are counted from 1");
    }

    #[test]
    fn every_range_is_in_one_shard() {
        let some: Vec<u64> = (0..97).map(|at| 1 + at * at % 31).collect();
        for entries in [&[][..], &[5], &[1, 1, 1], &[u64::MAX, 1, u64::MAX], &some] {
            for of in [1, 2, 3, 7, 96, 97, 98, 1000] {
                let parts = parts(of, entries);
                let mut next = 0;
                for part in parts {
                    assert_eq!(part.start, next);
                    next = part.end;
                }
                assert_eq!(next, entries.len());
            }
        }
    }

    #[test]
    fn shards_have_about_as_many_entries() {
        assert_eq!(parts(2, &[1, 1, 1, 1]), [0..2, 2..4]);
        assert_eq!(parts(2, &[6, 1, 1, 1, 1, 1, 1]), [0..1, 1..7]);
        assert_eq!(parts(3, &[10, 10]), [0..1, 1..1, 1..2]);
        let some: Vec<u64> = (0..1000).map(|at| 100 + at * 7 % 50).collect();
        let (total, largest) = (some.iter().sum::<u64>(), *some.iter().max().unwrap());
        for of in [2, 3, 7, 64] {
            for part in parts(of, &some) {
                let entries: u64 = some[part].iter().sum();
                assert!(entries.abs_diff(total / u64::from(of)) <= largest, "{entries} of {total} in {of}");
            }
        }
    }

    #[test]
    fn ranges_are_named_as_people_write_them() {
        let twelve = [1; 12];
        let ranges = |text: &str| text.parse::<Selection>().and_then(|selection| selection.ranges(&twelve));
        assert_eq!(ranges("7"), Ok(vec![7]));
        assert_eq!(ranges("0..3"), Ok(vec![0, 1, 2]));
        assert_eq!(ranges("9..12, 3,5"), Ok(vec![3, 5, 9, 10, 11]));
        assert_eq!(ranges("2/4"), Ok(vec![3, 4, 5]));
        assert_eq!(ranges("all"), Ok((0..12).collect()));
        assert_eq!(ranges("10..13"), Err("there is no range 12: the job has 0..12".to_owned()));
        assert_eq!(ranges("1,0..3"), Err("range 1 is given twice".to_owned()));
        assert_eq!(ranges("4..4"), Err("4..4 is empty: the end is not in it".to_owned()));
        for wrong in ["", ",", "3..", "..3", "3-5", "-1", "x", "4294967295", "1..2..3", "5..2"] {
            assert!(ranges(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_selection_reads_back_as_it_is_shown() {
        for text in ["all", "3/7", "3,5,9..12"] {
            assert_eq!(text.parse::<Selection>().unwrap().to_string(), text);
        }
    }
}
