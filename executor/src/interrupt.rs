//! Signals that ask a run to end: it stops where it is, writes what is done, and says how to go on.
//!
//! | signal | who sends it |
//! | --- | --- |
//! | `SIGINT`, `SIGTERM`, `SIGHUP` | a terminal, `kill`, a batch system that wants the slot; a second one ends the process at once |
//! | `SIGUSR1`, `SIGUSR2`, `SIGXCPU` | a batch system's warning (`sbatch --signal`, HTCondor, LSF, PBS) before the time is over |
//!
//! Until ranges are processed signals do what they always do. One that was ignored when the process began
//! (`nohup`, a background job of a script) stays ignored.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// With their names, and whether the second of them ends the process.
const HEEDED: [(i32, &str, bool); 6] = [
    (SIGINT, "SIGINT", true),
    (SIGTERM, "SIGTERM", true),
    (SIGHUP, "SIGHUP", true),
    (SIGUSR1, "SIGUSR1", false),
    (SIGUSR2, "SIGUSR2", false),
    (SIGXCPU, "SIGXCPU", false),
];

/// A terminal's interrupt goes to a whole group of processes, and what runs this one may pass it on: both are
/// one.
const ECHO: Duration = Duration::from_millis(100);

/// The first signal; 0 if there was none.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// Whether a run heeds signals, and the signal that it has to heed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interrupt {
    heeds: bool,
}

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl Interrupt {
    /// Heeds the signals to this process from [`begin`](Self::begin) on.
    pub fn of_signals() -> Self {
        Self { heeds: true }
    }

    /// Takes over the signals of this process.
    pub fn begin(self) {
        static BEGUN: OnceLock<io::Result<()>> = OnceLock::new();
        if self.heeds {
            // Without, a signal ends the process as it always does.
            let _ = BEGUN.get_or_init(listen);
        }
    }

    /// Whether the run heeds signals.
    pub fn is_heeded(self) -> bool {
        self.heeds
    }

    /// The signal that has come.
    pub fn signal(self) -> Option<Signal> {
        let first = if self.heeds { FIRST.load(Ordering::Relaxed) } else { 0 };
        (first != 0).then_some(Signal(first))
    }

    /// Whether one has come.
    pub fn is_set(self) -> bool {
        self.signal().is_some()
    }
}

impl Signal {
    /// `SIGINT`.
    pub fn name(self) -> &'static str {
        HEEDED.iter().find(|(number, ..)| *number == self.0).map_or("a signal", |(_, name, _)| name)
    }

    /// The exit status of a process that it ended, as shells give it: 128 and its number.
    pub fn exit_status(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(u8::MAX)
    }

    /// Why a range is missing.
    pub fn reason(self) -> String {
        format!("interrupted by {}", self.name())
    }
}

fn listen() -> io::Result<()> {
    let ignored = ignored();
    let heeded = HEEDED.iter().map(|(number, ..)| *number).filter(|number| ignored >> (number - 1) & 1 == 0);
    let mut signals = Signals::new(heeded)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked: Option<Instant> = None;
        for signal in signals.forever() {
            let ends = HEEDED.iter().any(|&(number, _, ends)| number == signal && ends);
            let is_first = FIRST.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if is_first {
                let _ = writeln!(
                    io::stderr(),
                    "{}: what is done will be written; SIGINT or SIGTERM {} ends at once",
                    Signal(signal).reason(),
                    if ends { "again" } else { "twice" },
                );
            }
            match asked {
                _ if !ends => {}
                None => asked = Some(Instant::now()),
                Some(before) if before.elapsed() < ECHO => {}
                Some(_) => {
                    let _ = low_level::emulate_default_handler(signal);
                }
            }
        }
    })?;
    Ok(())
}

/// What a worker process does about signals that are for its parent: nothing. The end of its standard input ends
/// it.
pub(crate) fn leave_to_parent() {
    for signal in [SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// The signals that are ignored, a bit each; none where the system does not say it.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name_and_the_status_that_shells_give() {
        let said = |number| (Signal(number).reason(), Signal(number).exit_status());
        assert_eq!(said(SIGINT), ("interrupted by SIGINT".to_owned(), 130));
        assert_eq!(said(SIGTERM), ("interrupted by SIGTERM".to_owned(), 143));
        assert_eq!(said(SIGUSR1).0, "interrupted by SIGUSR1");
    }

    #[test]
    fn a_run_that_heeds_no_signal_is_never_interrupted() {
        assert!(!Interrupt::default().is_set());
    }
}
