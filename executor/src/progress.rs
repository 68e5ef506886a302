//! What a person sees while a run goes on: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;

use crate::terminal::tell;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// A line every few seconds.
    Plain,
    /// No progress; warnings are shown all the same.
    None,
}

/// Progress of one run, on stderr.
pub struct Progress {
    view: View,
}

/// How far a run is that goes on elsewhere.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Elsewhere {
    /// Ranges that workers have begun.
    pub running: u64,
    /// Ranges that are done.
    pub done: u64,
    /// Ranges that could not be had.
    pub failed: u64,
    /// Entries that are done.
    pub entries: u64,
    /// Compressed bytes that were read for them.
    pub bytes: u64,
    /// Workers.
    pub workers: u64,
}

enum View {
    Bar(ProgressBar),
    Plain(Mutex<Plain>),
    None,
}

struct Plain {
    started: Instant,
    printed: Instant,
    total: u64,
    done: u64,
    bytes: u64,
    /// Files to open, and how many have been tried.
    files: (usize, usize),
    /// How it goes elsewhere.
    elsewhere: String,
}

/// How long a plain progress line stands before the next.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

impl Plain {
    /// Whether the last line has stood for long enough; then the next one is to be printed.
    fn is_due(&mut self) -> bool {
        let due = self.printed.elapsed() >= PLAIN_INTERVAL;
        if due {
            self.printed = Instant::now();
        }
        due
    }
}

/// Begins a bar of another kind.
fn restart(bar: &ProgressBar, length: u64, template: &str) {
    bar.reset();
    bar.set_length(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl Progress {
    /// Nothing shown yet.
    pub fn new(kind: ProgressKind) -> Self {
        let bar = match kind {
            ProgressKind::Auto => std::io::stderr().is_terminal(),
            ProgressKind::Bar => true,
            ProgressKind::Plain => false,
            ProgressKind::None => return Self { view: View::None },
        };
        let view = if bar {
            View::Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)))
        } else {
            let now = Instant::now();
            View::Plain(Mutex::new(Plain {
                started: now,
                printed: now,
                total: 0,
                done: 0,
                bytes: 0,
                files: (0, 0),
                elsewhere: String::new(),
            }))
        };
        Self { view }
    }

    /// So many files are to be opened.
    pub fn opening(&self, files: usize) {
        match &self.view {
            View::Bar(bar) => restart(bar, files as u64, "{bar:30} {pos}/{len} files opened, {elapsed}"),
            View::Plain(plain) => {
                if let Ok(mut plain) = plain.lock() {
                    plain.files = (files, 0);
                }
            }
            View::None => {}
        }
    }

    /// A file is open, or could not be opened.
    pub fn opened(&self) {
        match &self.view {
            View::Bar(bar) => bar.inc(1),
            View::Plain(plain) => {
                let Ok(mut plain) = plain.lock() else { return };
                plain.files.1 += 1;
                if plain.is_due() {
                    let ((files, opened), seconds) = (plain.files, plain.started.elapsed().as_secs_f64());
                    self.line(&format!("{opened}/{files} files opened, {seconds:.0} s"));
                }
            }
            View::None => {}
        }
    }

    /// The work is known: so many entries in so many ranges of so many files.
    pub fn start(&self, entries: u64, ranges: usize, files: usize) {
        match &self.view {
            View::Bar(bar) => {
                restart(
                    bar,
                    entries,
                    "{bar:30} {human_pos}/{human_len} entries, {msg}, {elapsed} (left {eta})",
                );
            }
            View::Plain(plain) => {
                if let Ok(mut plain) = plain.lock() {
                    plain.total = entries;
                }
                self.line(&format!("{entries} entries in {ranges} ranges of {files} files"));
            }
            View::None => {}
        }
    }

    /// A range is done.
    pub fn advance(&self, entries: u64, bytes_read: u64) {
        match &self.view {
            View::Bar(bar) => {
                bar.inc(entries);
                bar.set_message(format!("{:.0} kHz", bar.per_sec() / 1e3));
            }
            View::Plain(plain) => {
                let Ok(mut plain) = plain.lock() else { return };
                plain.done += entries;
                plain.bytes += bytes_read;
                if !plain.is_due() {
                    return;
                }
                let seconds = plain.started.elapsed().as_secs_f64();
                let (done, total) = (plain.done, plain.total);
                let percent = 100.0 * done as f64 / total.max(1) as f64;
                let megabytes = plain.bytes as f64 / 1e6;
                let elsewhere = &plain.elsewhere;
                self.line(&format!(
                    "{done}/{total} entries ({percent:.0} %), {megabytes:.0} MB read, {seconds:.0} s{elsewhere}"
                ));
            }
            View::None => {}
        }
    }

    /// How far a run is whose ranges are processed elsewhere. [`advance`](Self::advance) counts the entries, before.
    pub fn elsewhere(&self, state: &Elsewhere) {
        let Elsewhere { running, done, failed, bytes, workers, .. } = state;
        let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
        let ranges = format!("{done} ranges done, {running} running{failed}, {workers} workers");
        match &self.view {
            View::Bar(bar) => bar.set_message(format!("{ranges}, {:.0} MB", *bytes as f64 / 1e6)),
            View::Plain(plain) => {
                if let Ok(mut plain) = plain.lock() {
                    plain.elsewhere = format!(", {ranges}");
                }
            }
            View::None => {}
        }
    }

    /// Something a person may want to know, and nothing to worry about.
    pub fn say(&self, message: &str) {
        match &self.view {
            View::Bar(bar) => bar.suspend(|| self.line(message)),
            View::Plain(_) => self.line(message),
            View::None => {}
        }
    }

    /// Something a person should know now: a range is tried again, a file is lost.
    pub fn warn(&self, message: &str) {
        match &self.view {
            View::Bar(bar) => bar.suspend(|| self.line(&format!("warning: {message}"))),
            // Who wants no progress wants to know of losses all the same.
            View::Plain(_) | View::None => self.line(&format!("warning: {message}")),
        }
    }

    /// All files are open, or the run is over: the bar goes.
    pub fn finish(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        tell(text);
    }
}
