use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hep_io::source::Storage;

use super::parse_size;
use crate::storage::{ReadMode, StorageSettings};

/// What the options of remote files stand under in the help.
pub(super) const HEADING: &str = "Remote files";

/// How files are opened and read, wherever they are.
#[derive(Args, Clone)]
#[command(next_help_heading = HEADING)]
pub(super) struct StorageArgs {
    /// Keep what is read of remote files in this folder, for the next run; runs may share it
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The most that is kept there
    #[arg(long, value_name = "SIZE", default_value = "10GB", value_parser = parse_size)]
    cache_size: u64,
    /// How long a server may be silent before it is given up [default: 30, or XRD_STREAMTIMEOUT]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    stall: Option<Duration>,
    /// How much memory files may take that come whole.
    #[arg(skip)]
    pub(super) whole_files: Option<u64>,
    /// Whether root:// reads carry checksums of each page
    #[arg(long, value_enum, default_value_t)]
    read_mode: ReadModeArg,
    /// Read ROOT files that were not closed, as far as their trees were saved; the ledger says which
    #[arg(long, help_heading = "Damaged files")]
    recover: bool,
    /// What becomes of branches that hold fewer entries than their tree; the ledger says which
    #[arg(long, value_enum, default_value_t, help_heading = "Damaged files")]
    short_branches: ShortBranchesArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ShortBranchesArg {
    /// They cannot be read
    #[default]
    Refuse,
    /// The entries that they lack are zero or empty
    Default,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReadModeArg {
    /// Where nothing else protects the bytes: without TLS, off this host
    #[default]
    Auto,
    /// Never
    Plain,
    /// Wherever the server can
    Paged,
}

impl StorageArgs {
    /// What opens files; nothing is connected yet.
    pub(super) fn storage(&self) -> Arc<Storage> {
        self.settings().storage()
    }

    /// The same, for workers.
    pub(super) fn settings(&self) -> StorageSettings {
        let Self { cache, cache_size, stall, whole_files, read_mode, recover, short_branches } = self;
        let read_mode = match read_mode {
            ReadModeArg::Auto => ReadMode::Auto,
            ReadModeArg::Plain => ReadMode::Plain,
            ReadModeArg::Paged => ReadMode::Paged,
        };
        // A worker may have another working folder.
        let cache = cache.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        StorageSettings {
            cache,
            cache_size: Some(*cache_size),
            stall: *stall,
            whole_files: *whole_files,
            read_mode,
            recover: *recover,
            fill_short_branches: *short_branches == ShortBranchesArg::Default,
        }
    }
}

/// `30` or `2.5`: at least a millisecond, at most a day.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds, such as 30".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number_that_makes_sense() {
        assert_eq!(parse_seconds("2.5"), Ok(Duration::from_millis(2500)));
        for wrong in ["", "0", "-1", "NaN", "inf", "1e9", "30s"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }
}
