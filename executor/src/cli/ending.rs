//! How a run ends, wherever its ranges were processed: outputs, a summary, an exit status.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::{INCOMPLETE, heading, parse_fraction, print, print_json, tell};
use crate::ledger::Totals;
use crate::partial::Reduction;
use crate::registry::AnyProcessor;
use crate::run::{Lost, Options, Outcome, Plan};
use crate::{Error, RunResult, explain, output, summary};

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
    /// The processor's name.
    pub(super) name: &'a str,
    pub(super) processor: &'a dyn AnyProcessor,
    pub(super) options: &'a Options,
    pub(super) process: &'a dyn Fn(&Plan, Lost) -> RunResult<Reduction>,
    /// Whether others do other ranges of the job. What became of those is then no matter of the exit status,
    /// nor are files that have no ranges because they could not be opened: `merge` tells of them.
    pub(super) is_part: bool,
}

impl Work<'_> {
    /// Processes what the plan asks for and writes the outputs; returns the exit status.
    pub(super) fn carry_out(&self, plan: Plan, outputs: &[PathBuf], ending: &Ending) -> RunResult<u8> {
        let Self { job, name, processor, options, process, is_part } = *self;
        let (partials, finished): (Vec<PathBuf>, Vec<PathBuf>) =
            outputs.iter().cloned().partition(|path| output::is_partial(path));
        if partials.is_empty() {
            let reduction = process(&plan, Lost::Closed)?;
            let outcome = plan.conclude(reduction, processor, options)?;
            return conclude(outcome, name, &finished, ending);
        }
        let mut partial = process(&plan, Lost::Open)?.into_partial()?;
        let own = partial.account.clone();
        options.storage.traffic().into_iter().for_each(|host| partial.account.add_traffic(host));
        for path in &partials {
            partial.write(path, job)?;
        }
        let totals = is_part.then(|| plan.totals(&own));
        // Whoever concludes the run here adds the traffic to and from here.
        partial.account = own;
        let reduction = Reduction::new(plan.shape());
        reduction.add(partial)?;
        let outcome = plan.conclude(reduction, processor, options)?;
        if !finished.is_empty() {
            return conclude(outcome, name, &finished, ending);
        }
        let totals = totals.unwrap_or_else(|| outcome.ledger.totals());
        let mut outcome = with_processor(outcome, name);
        report(&mut outcome, &partials, ending)?;
        Ok(status(&outcome, totals, &partials, ending))
    }
}

/// Writes the outputs, prints the summary, and says how complete the result is.
pub(super) fn conclude(
    outcome: Outcome,
    processor: &str,
    outputs: &[PathBuf],
    ending: &Ending,
) -> RunResult<u8> {
    let mut outcome = with_processor(outcome, processor);
    let totals = outcome.ledger.totals();
    let nothing = totals.done == 0 && (totals.failed > 0 || totals.files_unknown > 0);
    let incomplete = is_incomplete(totals, ending);
    let begun = Instant::now();
    // What lacks more than was allowed never takes the name of a complete result.
    let paths: Vec<PathBuf> = match incomplete || outcome.explanation.prediction.is_some() {
        true => outputs.iter().map(|path| output::incomplete_name(path)).collect(),
        false => outputs.to_vec(),
    };
    for path in &paths {
        output::write(path, &outcome, processor)?;
    }
    outcome.explanation.writing_seconds = begun.elapsed().as_secs_f64();
    report(&mut outcome, &paths, ending)?;
    if incomplete && nothing {
        let message = summary::failures(&outcome.ledger);
        let kept =
            if paths.is_empty() { String::new() } else { format!("\nthe ledger is in {}", names(&paths)) };
        return Err(Error::Nothing(message + &kept));
    }
    Ok(status(&outcome, totals, &paths, ending))
}

fn with_processor(mut outcome: Outcome, processor: &str) -> Outcome {
    processor.clone_into(&mut outcome.ledger.processor);
    for dataset in &outcome.datasets {
        let ledgers = &mut outcome.ledger.datasets;
        let Some(ledger) = ledgers.iter_mut().find(|known| known.name == dataset.dataset.name) else {
            continue;
        };
        dataset.output.non_finite_weights("", &mut |path, fills| {
            let name = if path.is_empty() { processor } else { path };
            ledger.non_finite_weights.insert(name.to_owned(), fills);
        });
    }
    outcome
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
fn status(outcome: &Outcome, totals: Totals, written: &[PathBuf], ending: &Ending) -> u8 {
    if !is_incomplete(totals, ending) {
        return 0;
    }
    let mut message = summary::failures(&outcome.ledger);
    let _ = write!(
        message,
        "\nincomplete: {}{:.3} % of the entries are missing, more than --allow-missing {:.3} %",
        if totals.files_unknown > 0 { "about " } else { "" },
        100.0 * totals.missing(),
        100.0 * ending.allow_missing,
    );
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
    tell(&format!("error: {message}"));
    INCOMPLETE
}

fn is_incomplete(totals: Totals, ending: &Ending) -> bool {
    totals.missing() > ending.allow_missing || (totals.files_unknown > 0 && ending.allow_missing == 0.0)
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
