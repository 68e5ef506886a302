use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hep_io::source::{Storage, StorageOptions};

use super::parse_size;

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
    /// Whether root:// reads carry checksums of each page
    #[arg(long, value_enum, default_value_t)]
    read_mode: ReadMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReadMode {
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
        let mut options = StorageOptions::default();
        options.xrootd = xrootd::Config::from_env();
        options.xrootd.read_mode = match self.read_mode {
            ReadMode::Auto => xrootd::ReadMode::Auto,
            ReadMode::Plain => xrootd::ReadMode::Plain,
            ReadMode::Paged => xrootd::ReadMode::Paged,
        };
        options.cache_dir.clone_from(&self.cache);
        options.cache_size = self.cache_size;
        options.stall = self.stall;
        Arc::new(Storage::new(options))
    }
}

/// `30` or `2.5`: at least a millisecond, at most a day.
fn parse_seconds(text: &str) -> Result<Duration, String> {
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
