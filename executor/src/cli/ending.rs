//! How a run ends, wherever its ranges were processed: outputs, a summary, an exit status.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::{INCOMPLETE, heading, parse_fraction, print, print_json, tell};
use crate::error::{Error, RunResult};
use crate::interrupt::Signal;
use crate::ledger::Totals;
use crate::output::Targets;
use crate::partial::Reduction;
use crate::provenance::Provenance;
use crate::registry::AnyProcessor;
use crate::run::{Lost, Options, Outcome, Plan};
use crate::{explain, output, summary};

#[derive(Args, Clone)]
pub(super) struct Ending {
    /// What fraction of the entries may be missing: 0.1%, or 0.001
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = parse_fraction, help_heading = heading::OUTPUT)]
    pub(super) allow_missing: f64,
    /// The form of what is printed on stdout
    #[arg(long, value_enum, default_value_t, help_heading = heading::OUTPUT)]
    pub(super) format: Format,
    /// Show where time and bytes went: by stage, column, histogram, the slowest files and ranges
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(super) explain: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For scripts
    Json,
}

/// What is to be done with a plan.
pub(super) struct Work<'a> {
    /// The plan as a job, if there are partial outputs.
    pub(super) job: &'a [u8],
    pub(super) made: Made<'a>,
    pub(super) processor: &'a dyn AnyProcessor,
    pub(super) options: &'a Options,
    pub(super) process: &'a dyn Fn(&Plan, Lost) -> RunResult<Reduction>,
    /// Whether others do other ranges of the job. What became of those is then no matter of the exit status,
    /// nor are files that have no ranges because they could not be opened: `merge` tells of them.
    pub(super) is_part: bool,
}

/// What a result is made by.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    /// The processor's name.
    pub(super) name: &'a str,
    pub(super) provenance: &'a [Provenance],
}

impl Work<'_> {
    /// Processes what the plan asks for and writes the outputs; returns the exit status.
    pub(super) fn carry_out(&self, plan: Plan, targets: &Targets, ending: &Ending) -> RunResult<u8> {
        let Self { job, made, processor, options, process, is_part } = *self;
        let (partials, finished) = targets.split();
        options.interrupt.begin();
        if partials.is_empty() {
            let reduction = process(&plan, Lost::Closed)?;
            let outcome = plan.conclude(reduction, processor, options)?;
            return conclude(outcome, made, (targets, &finished), ending, options);
        }
        let mut partial = process(&plan, Lost::Open)?.into_partial()?;
        let own = partial.account.clone();
        options.storage.traffic().into_iter().for_each(|host| partial.account.add_traffic(host));
        let written = targets.write_each(&partials, |path| partial.write(path, job));
        let totals = is_part.then(|| plan.totals(&own));
        // Whoever concludes the run here adds the traffic to and from here.
        partial.account = own;
        let reduction = Reduction::new(plan.shape());
        reduction.add(partial)?;
        let outcome = match finished.is_empty() {
            true => plan.conclude_part(reduction, processor, options)?,
            false => plan.conclude(reduction, processor, options)?,
        };
        if !finished.is_empty() {
            let status = conclude(outcome, made, (targets, &finished), ending, options);
            written.check()?;
            return status;
        }
        let totals = totals.unwrap_or_else(|| outcome.ledger.totals());
        let mut outcome = made.outcome(outcome);
        report(&mut outcome, &written.paths, ending)?;
        let status = status(&outcome, totals, &written.paths, ending, options);
        written.check()?;
        Ok(status)
    }
}

/// Writes the outputs, each on its own, prints the summary, and says how complete the result is.
pub(super) fn conclude(
    outcome: Outcome,
    made: Made<'_>,
    (targets, outputs): (&Targets, &[PathBuf]),
    ending: &Ending,
    options: &Options,
) -> RunResult<u8> {
    let mut outcome = made.outcome(outcome);
    let totals = outcome.ledger.totals();
    let nothing = totals.done == 0 && (totals.failed > 0 || totals.files_unknown > 0);
    let incomplete = is_incomplete(totals, ending, options);
    let begun = Instant::now();
    // What lacks more than was allowed never takes the name of a complete result.
    let paths: Vec<PathBuf> = match incomplete || outcome.explanation.prediction.is_some() {
        true => outputs.iter().map(|path| output::incomplete_name(path)).collect(),
        false => outputs.to_vec(),
    };
    let written = targets.write_each(&paths, |path| output::write(path, &outcome, made.name));
    outcome.explanation.writing_seconds = begun.elapsed().as_secs_f64();
    let reported = report(&mut outcome, &written.paths, ending);
    if incomplete && nothing && !options.interrupt.is_set() {
        let message = summary::failures(&outcome.ledger);
        let kept = match written.paths.is_empty() {
            true => String::new(),
            false => format!("\nthe ledger is in {}", names(&written.paths)),
        };
        return Err(Error::Nothing(message + &kept));
    }
    let status = status(&outcome, totals, &written.paths, ending, options);
    written.check()?;
    reported?;
    Ok(status)
}

impl Made<'_> {
    fn outcome(self, mut outcome: Outcome) -> Outcome {
        self.name.clone_into(&mut outcome.ledger.processor);
        outcome.ledger.provenance = self.provenance.to_vec();
        for dataset in &outcome.datasets {
            let ledgers = &mut outcome.ledger.datasets;
            let Some(ledger) = ledgers.iter_mut().find(|known| known.name == dataset.dataset.name) else {
                continue;
            };
            dataset.output.non_finite_weights("", &mut |path, fills| {
                let name = if path.is_empty() { self.name } else { path };
                ledger.non_finite_weights.insert(name.to_owned(), fills);
            });
        }
        outcome
    }
}

fn report(outcome: &mut Outcome, written: &[PathBuf], ending: &Ending) -> RunResult<()> {
    if ending.explain {
        outcome.explanation.fills = Some(explain::estimate(&outcome.datasets, &outcome.ledger.processor));
    }
    match ending.format {
        Format::Text => {
            print(&(summary::text(outcome) + &explain::text(&outcome.explanation, ending.explain)))?;
        }
        Format::Json => print_json(&summary::json(outcome, written))?,
    }
    summary::closing(outcome, written).iter().for_each(|line| tell(line));
    Ok(())
}

/// The exit status, with a message if it is not 0.
fn status(outcome: &Outcome, totals: Totals, written: &[PathBuf], ending: &Ending, options: &Options) -> u8 {
    if !is_incomplete(totals, ending, options) {
        return 0;
    }
    let signal = options.interrupt.signal();
    let mut message = match signal {
        Some(signal) => signal.reason(),
        None => summary::failures(&outcome.ledger),
    };
    let about = if totals.files_unknown > 0 { "about " } else { "" };
    let missing = 100.0 * totals.missing();
    let _ = match signal {
        Some(_) => write!(message, ": {} entries are done, {about}{missing:.3} % are missing", totals.done),
        None => write!(
            message,
            "\nincomplete: {about}{missing:.3} % of the entries are missing, more than --allow-missing {:.3} %",
            100.0 * ending.allow_missing,
        ),
    };
    if totals.files_unknown > 0 {
        let _ = write!(
            message,
            " (an estimate: how many entries {} of {} files have is not known)",
            totals.files_unknown, totals.files
        );
    }
    // A sample is written only where that was asked for.
    if !written.is_empty() {
        let _ = write!(message, "; what was done, and the ledger, is in {}", names(written));
    }
    if signal.is_some() {
        message += match options.checkpoints {
            Some(_) => "\nthe same command with --resume goes on from what --checkpoint has kept",
            None => "\nwith --checkpoint DIR, a run that was interrupted goes on with --resume",
        };
    }
    tell(&format!("error: {message}"));
    signal.map_or(INCOMPLETE, Signal::exit_status)
}

/// What was interrupted is incomplete if anything is missing, however much may be.
fn is_incomplete(totals: Totals, ending: &Ending, options: &Options) -> bool {
    let interrupted = options.interrupt.is_set() && (totals.failed > 0 || totals.files_unknown > 0);
    interrupted
        || totals.missing() > ending.allow_missing
        || (totals.files_unknown > 0 && ending.allow_missing == 0.0)
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
