//! What a run prints when it is over.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::PathBuf;

use hep_io::source::HostTraffic;
use serde_json::{Value, json};

use crate::Object;
use crate::ledger::{DatasetLedger, Ledger};
use crate::run::{DatasetOutcome, Outcome, absent};
use crate::terminal;

/// A line for each dataset. `3 + 2` files are three of the dataset and two of its friends.
pub(crate) fn text(outcome: &Outcome) -> String {
    let header =
        ["dataset", "entries", "kept", "files", "read", "wall", "CPU", "events/s"].map(str::to_owned);
    let mut rows = vec![header];
    for (dataset, facts) in facts(outcome) {
        rows.push([
            dataset.dataset.name.clone(),
            facts.entries.to_string(),
            facts.kept.map_or_else(|| "-".to_owned(), |kept| kept.to_string()),
            if facts.friends > 0 {
                format!("{} + {}", facts.files, facts.friends)
            } else {
                facts.files.to_string()
            },
            bytes(dataset.cost.bytes),
            seconds(facts.wall),
            seconds(facts.cpu),
            rate(facts.entries, facts.wall),
        ]);
    }
    let mut text = aligned(&rows, 1);
    if outcome.kept > 0 {
        let _ = writeln!(text, "{} entries were kept of an earlier run", outcome.kept);
    }
    for host in &outcome.traffic {
        text.push_str(&traffic_line(host));
    }
    text.push_str(&weights(&outcome.ledger));
    text
}

/// A line for each histogram that was filled with weights that are no numbers.
fn weights(ledger: &Ledger) -> String {
    let mut text = String::new();
    for dataset in &ledger.datasets {
        for (histogram, fills) in &dataset.non_finite_weights {
            let _ = writeln!(
                text,
                "warning: histogram `{histogram}` of dataset `{}`: the weights of {fills} fills are infinite or not a number",
                dataset.name
            );
        }
    }
    text
}

/// Rows of as many cells as the first, in columns: the first `left` ones begin where their header begins, the
/// others end where it ends.
pub(crate) fn aligned<R: AsRef<[String]>>(rows: &[R], left: usize) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.as_ref().iter().map(|cell| terminal::name(cell)).collect()).collect();
    let length =
        |row: &Vec<Cow<'_, str>>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let width = |column: usize| rows.iter().map(|row| length(row, column)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if at > 0 { "  " } else { "" };
            let _ = match at < left {
                true => write!(text, "{gap}{cell:<width$}"),
                false => write!(text, "{gap}{cell:>width$}"),
            };
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// What came from a host, and what went wrong there.
fn traffic_line(host: &HostTraffic) -> String {
    let counted = |n: u64, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let mut parts = vec![format!("{} in {}", bytes(host.bytes), counted(host.requests, "read", "reads"))];
    if host.cache_hits > 0 {
        parts.push(format!("{} of the cache", bytes(host.cache_bytes)));
    }
    for (n, one, more) in [
        (host.errors, "error", "errors"),
        (host.failovers, "failover to another host", "failovers to other hosts"),
        (host.hedges, "slow answer, asked of another host too", "slow answers, asked of other hosts too"),
    ] {
        if n > 0 {
            parts.push(counted(n, one, more));
        }
    }
    format!("from {}: {}\n", host.host, parts.join(", "))
}

/// The same for scripts, with the ledger.
pub(crate) fn json(outcome: &Outcome, outputs: &[PathBuf]) -> String {
    let datasets: serde_json::Map<String, Value> = facts(outcome)
        .map(|(dataset, facts)| {
            let value = json!({
                "entries": facts.entries,
                "entries_kept": facts.kept,
                "files": facts.files,
                "friend_files": facts.friends,
                "bytes_read": dataset.cost.bytes,
                "wall_seconds": facts.wall,
                "cpu_seconds": facts.cpu,
                "events_per_second": if facts.wall > 0.0 { facts.entries as f64 / facts.wall } else { 0.0 },
            });
            (dataset.dataset.name.clone(), value)
        })
        .collect();
    let hosts: Vec<Value> = outcome
        .traffic
        .iter()
        .map(|host| {
            json!({
                "host": host.host, "files_opened": host.opens, "reads": host.requests,
                "round_trips": host.round_trips, "bytes": host.bytes, "errors": host.errors,
                "failovers": host.failovers, "hedged": host.hedges,
                "cache_reads": host.cache_hits, "cache_bytes": host.cache_bytes,
            })
        })
        .collect();
    let totals = outcome.ledger.totals();
    let value = json!({
        "processor": outcome.ledger.processor,
        "outputs": outputs,
        "datasets": datasets,
        "totals": totals,
        "missing": totals.missing(),
        "entries_of_checkpoints": outcome.kept,
        "hosts": hosts,
        "notices": outcome.notices,
        "explain": outcome.explanation,
        "ledger": outcome.ledger,
    });
    format!("{value}\n")
}

/// What a person may want to see last, a line each: what datasets lack, the cutflows, the files that were written.
pub(crate) fn closing(outcome: &Outcome, written: &[PathBuf]) -> Vec<String> {
    /// Of a fileset with many datasets the cutflows are in the output.
    const SHOWN: usize = 20;
    let mut lines = absent::lines(&outcome.ledger);
    let mut flows = Vec::new();
    for dataset in &outcome.datasets {
        let of = terminal::name(&dataset.dataset.name);
        dataset.output.objects("", &mut |path, object| {
            if let Object::Cutflow(cutflow) = object {
                let rows = cutflow.rows().iter();
                let cuts = rows.map(|row| format!("{} {}", terminal::name(&row.name), row.events));
                let cuts = cuts.collect::<Vec<_>>().join(", ");
                let path = path.trim_matches('/');
                let slash = if path.is_empty() { "" } else { "/" };
                flows.push(format!("{of}{slash}{}: {cuts}", terminal::name(path)));
            }
        });
    }
    let more = flows.len().saturating_sub(SHOWN);
    lines.extend(flows.into_iter().take(SHOWN));
    if more > 0 {
        lines.push(format!("and {more} more cutflows, all of them in the output"));
    }
    if !written.is_empty() {
        let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        lines.push(format!("wrote {}", names.join(", ")));
    }
    lines
}

/// What failed, each reason once.
pub(crate) fn failures(ledger: &Ledger) -> String {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for missed in ledger.datasets.iter().flat_map(|d| &d.files).flat_map(|f| &f.failed) {
        let at = *seen.entry(&missed.reason).or_insert_with(|| {
            reasons.push((&missed.reason, 0));
            reasons.len() - 1
        });
        reasons[at].1 += 1;
    }
    const SHOWN: usize = 5;
    let mut text: Vec<String> = reasons.iter().take(SHOWN).map(|(reason, _)| (*reason).to_owned()).collect();
    if reasons.len() > SHOWN {
        text.push(format!("and {} more, all of them in the ledger", reasons.len() - SHOWN));
    }
    text.join("\n")
}

struct Facts {
    entries: u64,
    kept: Option<u64>,
    files: usize,
    /// Files of friends.
    friends: usize,
    wall: f64,
    cpu: f64,
}

fn facts(outcome: &Outcome) -> impl Iterator<Item = (&DatasetOutcome, Facts)> {
    let ledgers: HashMap<&str, &DatasetLedger> =
        outcome.ledger.datasets.iter().map(|ledger| (ledger.name.as_str(), ledger)).collect();
    outcome.datasets.iter().map(move |dataset| {
        let ledger = ledgers.get(dataset.dataset.name.as_str());
        let files =
            ledger.map_or(0, |ledger| ledger.files.iter().filter(|file| !file.done.is_empty()).count());
        let facts = Facts {
            entries: ledger.map_or(0, |ledger| ledger.totals().done),
            kept: kept(dataset),
            files,
            friends: ledger.map_or(0, |ledger| ledger.friends.iter().map(|friend| friend.files.len()).sum()),
            wall: dataset.cost.wall().as_secs_f64(),
            cpu: dataset.cost.cpu.as_secs_f64(),
        };
        (dataset, facts)
    })
}

/// The events that passed the last cut of the output's first cutflow, if it has one.
fn kept(dataset: &DatasetOutcome) -> Option<u64> {
    let mut kept = None;
    dataset.output.objects("", &mut |_, object| {
        if let (Object::Cutflow(cutflow), None) = (object, kept) {
            kept = cutflow.rows().last().map(|row| row.events);
        }
    });
    kept
}

pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

pub(crate) fn seconds(s: f64) -> String {
    if s < 1.0 { format!("{:.1} ms", s * 1e3) } else { format!("{s:.1} s") }
}

fn rate(entries: u64, seconds: f64) -> String {
    if seconds > 0.0 { format!("{:.0}", entries as f64 / seconds) } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_what_came_and_what_went_wrong() {
        let mut host = HostTraffic::default();
        host.host = "eos.example:1094".to_owned();
        (host.bytes, host.requests) = (5_120_000, 133);
        assert_eq!(traffic_line(&host), "from eos.example:1094: 5.1 MB in 133 reads\n");
        (host.errors, host.failovers, host.hedges) = (1, 1, 2);
        (host.cache_hits, host.cache_bytes) = (3, 2_000);
        assert_eq!(
            traffic_line(&host),
            "from eos.example:1094: 5.1 MB in 133 reads, 2.0 kB of the cache, 1 error, \
             1 failover to another host, 2 slow answers, asked of other hosts too\n"
        );
    }
}
