use std::collections::BTreeMap;
use std::fmt::Write;

use super::{ColumnTimes, Explanation, FillEstimate, Predictions};
use crate::summary::{aligned, bytes, seconds};

/// Rows of a table of columns or histograms.
const ROWS: usize = 20;
/// Smaller shares of the time are not shown, but of what every run has.
const NOTHING: f64 = 0.0005;

/// What `--explain` prints, and of a sample what is predicted.
pub(crate) fn text(explanation: &Explanation, all: bool) -> String {
    let mut text = String::new();
    if all {
        stages(explanation, &mut text);
        columns(explanation, &mut text);
        if let Some(fills) = &explanation.fills {
            histograms(fills, &mut text);
        }
        files(explanation, &mut text);
        ranges(explanation, &mut text);
        text.extend(hint(explanation).map(|hint| format!("\n{hint}\n")));
    }
    if let Some(predictions) = &explanation.prediction {
        prediction(predictions, &mut text);
    }
    text
}

fn table(
    text: &mut String,
    title: &str,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    left: usize,
) {
    let mut all = vec![header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()];
    all.extend(rows);
    if all.len() > 1 {
        let _ = write!(text, "\n{title}\n{}", aligned(&all, left));
    }
}

/// The time that shares are of: that of the threads, or where their number is not known what they did.
fn whole(explanation: &Explanation) -> f64 {
    match explanation.thread_seconds {
        0.0 => explanation.stages.each().map(|(_, time)| time).sum(),
        known => known,
    }
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", 100.0 * part / whole) } else { "-".to_owned() }
}

fn stages(explanation: &Explanation, text: &mut String) {
    let Explanation { wall_seconds: wall, thread_seconds, stages, .. } = explanation;
    let whole = whole(explanation);
    let threads = thread_seconds / wall;
    let title = match threads {
        one if (one - 1.0).abs() < 0.005 => format!("time: one thread for {}", seconds(*wall)),
        threads if threads.is_finite() && *thread_seconds > 0.0 => {
            format!("time: {threads:.3} threads for {}", seconds(*wall)).replace(".000 ", " ")
        }
        _ => "time, of all workers".to_owned(),
    };
    let always = ["read", "decompress", "decode", "process", "merge", "idle"];
    let filling = explanation.fills.as_ref().map(|fills| filling(fills, stages.process));
    let mut rows = Vec::new();
    for (name, time) in stages.each() {
        if !always.contains(&name) && time < NOTHING * whole {
            continue;
        }
        rows.push(vec![name.to_owned(), seconds(time), percent(time, whole)]);
        if let Some((least, most)) = filling.filter(|_| name == "process") {
            let share = |time| percent(time, whole);
            rows.push(vec![
                "  filling, estimated".to_owned(),
                between(seconds(least), seconds(most)),
                between(share(least), share(most)),
            ]);
        }
    }
    table(text, &title, &["stage", "time", "share"], rows, 1);
    let Explanation { opening_seconds, finishing_seconds, writing_seconds, .. } = explanation;
    let _ = writeln!(
        text,
        "beside it: {} to open files, {} for the last merges, {} to write outputs",
        seconds(*opening_seconds),
        seconds(*finishing_seconds),
        seconds(*writing_seconds)
    );
}

/// The time of all fills, if they were whole columns and if they were one by one; no more than all processing took.
fn filling(fills: &[FillEstimate], process: f64) -> (f64, f64) {
    let most: f64 = fills.iter().map(|fill| fill.seconds).sum();
    let least: f64 = fills.iter().map(FillEstimate::least_seconds).sum();
    (least.min(process), most.min(process))
}

/// `0.4 ms`, or `0.4 ms to 1.2 ms`.
fn between(least: String, most: String) -> String {
    if least == most { most } else { format!("{least} to {most}") }
}

/// All datasets' columns, those that took longest first.
fn by_column(explanation: &Explanation) -> Vec<(String, ColumnTimes)> {
    let mut all: BTreeMap<&str, ColumnTimes> = BTreeMap::new();
    for (name, times) in explanation.datasets.values().flat_map(|dataset| &dataset.columns) {
        all.entry(name).or_default().add(times);
    }
    let mut columns: Vec<(String, ColumnTimes)> =
        all.into_iter().map(|(name, times)| (name.to_owned(), times)).collect();
    let key = |times: &ColumnTimes| (times.seconds(), times.compressed_bytes as f64);
    columns.sort_by(|(_, a), (_, b)| key(b).partial_cmp(&key(a)).unwrap_or(std::cmp::Ordering::Equal));
    columns
}

fn columns(explanation: &Explanation, text: &mut String) {
    let whole = whole(explanation);
    let columns = by_column(explanation);
    let row = |name: String, times: &ColumnTimes| {
        let ratio = times.uncompressed_bytes as f64 / times.compressed_bytes as f64;
        let mut row = vec![
            name,
            times.pieces.to_string(),
            bytes(times.compressed_bytes),
            bytes(times.uncompressed_bytes),
            if ratio.is_finite() { format!("{ratio:.2}") } else { "-".to_owned() },
        ];
        // Of Parquet the time of a column is not known.
        match times.seconds() {
            0.0 => row.extend(["-"; 3].map(str::to_owned)),
            time => row.extend([
                seconds(times.decompress_seconds),
                seconds(times.decode_seconds),
                percent(time, whole),
            ]),
        }
        row
    };
    let mut all = ColumnTimes::default();
    columns.iter().for_each(|(_, times)| all.add(times));
    let mut rows: Vec<Vec<String>> = Vec::new();
    if columns.len() > ROWS {
        let mut rest = ColumnTimes::default();
        columns[ROWS..].iter().for_each(|(_, times)| rest.add(times));
        rows.extend(columns[..ROWS].iter().map(|(name, times)| row(name.clone(), times)));
        rows.push(row(format!("{} others", columns.len() - ROWS), &rest));
    } else {
        rows.extend(columns.iter().map(|(name, times)| row(name.clone(), times)));
    }
    if columns.len() > 1 {
        rows.push(row("all".to_owned(), &all));
    }
    let header = ["column", "pieces", "compressed", "uncompressed", "ratio", "decompress", "decode", "share"];
    table(text, "columns: baskets or pages", &header, rows, 1);
}

fn histograms(fills: &[FillEstimate], text: &mut String) {
    let row = |dataset: String, histogram: String, of: &[FillEstimate]| {
        let fills: u64 = of.iter().map(|fill| fill.fills).sum();
        let (least, most) = filling(of, f64::INFINITY);
        let each = |time: f64| format!("{:.2} ns", if fills > 0 { time * 1e9 / fills as f64 } else { 0.0 });
        vec![
            dataset,
            histogram,
            fills.to_string(),
            each(most),
            each(least),
            between(seconds(least), seconds(most)),
        ]
    };
    let (first, rest) = fills.split_at(ROWS.min(fills.len()));
    let mut rows: Vec<Vec<String>> = first
        .iter()
        .map(|fill| row(fill.dataset.clone(), fill.histogram.clone(), std::slice::from_ref(fill)))
        .collect();
    if !rest.is_empty() {
        rows.push(row(format!("{} others", rest.len()), String::new(), rest));
    }
    let header = ["dataset", "histogram", "fills", "one by one", "in columns", "filling, estimated"];
    table(text, "histograms: filled again, with values like theirs", &header, rows, 2);
}

fn files(explanation: &Explanation, text: &mut String) {
    let files = &explanation.slowest_files;
    // Of one there is nothing to compare.
    let rows = files.iter().filter(|_| files.len() > 1).map(|file| {
        vec![
            file.dataset.clone(),
            file.path.clone(),
            file.ranges.to_string(),
            file.entries.to_string(),
            bytes(file.bytes),
            seconds(file.seconds),
        ]
    });
    table(text, "slowest files", &["dataset", "file", "ranges", "entries", "read", "time"], rows, 2);
}

fn ranges(explanation: &Explanation, text: &mut String) {
    let rows = explanation.slowest_ranges.iter().map(|range| {
        vec![
            range.dataset.clone(),
            range.path.clone(),
            format!("{}..{}", range.entries.0, range.entries.1),
            bytes(range.bytes),
            seconds(range.seconds),
            range.mostly.to_owned(),
        ]
    });
    table(text, "slowest ranges", &["dataset", "file", "entries", "read", "time", "mostly"], rows, 2);
}

/// What to look at first, where that is clear.
fn hint(explanation: &Explanation) -> Option<String> {
    /// Of the time; half of it is more than all else together.
    const MOST: f64 = 0.5;
    const IDLE: f64 = 0.25;
    /// Ranges for each thread.
    const FEW: f64 = 8.0;
    let whole = whole(explanation);
    let Explanation { stages, cpu_seconds, ranges, wall_seconds, thread_seconds, .. } = explanation;
    let busy: f64 =
        stages.each().filter(|(name, _)| !["wait", "read", "idle"].contains(name)).map(|(_, t)| t).sum();
    if *cpu_seconds > 0.0 && *cpu_seconds < MOST * busy {
        return Some(format!(
            "the threads had a processor for {} of the time they worked: others use this machine",
            percent(*cpu_seconds, busy)
        ));
    }
    if let Some(idle) = stages.idle.filter(|idle| *idle > IDLE * whole)
        && (*ranges as f64) < FEW * thread_seconds / wall_seconds
    {
        return Some(format!(
            "the threads had nothing to do for {} of their time: there were {ranges} ranges, \
             and --range-size cuts smaller ones",
            percent(idle, whole)
        ));
    }
    let (name, time) = stages.each().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    if time < MOST * whole {
        return None;
    }
    let what = match name {
        "read" => "waiting for bytes",
        "decompress" => "decompression",
        "decode" => "decoding",
        "process" => "the processor",
        "merge" => "merging",
        _ => return None,
    };
    let mut hint = format!("{} of the time is {what}", percent(time, whole));
    let columns = by_column(explanation);
    let all: u64 = columns.iter().map(|(_, times)| times.uncompressed_bytes).sum();
    if name == "decompress" && all > 0 {
        let _ = write!(hint, ", at {} of content a second on a thread", bytes((all as f64 / time) as u64));
    }
    if let Some((column, times)) = columns.first()
        && matches!(name, "decompress" | "decode")
        && times.seconds() > IDLE * whole
        && columns.len() > 1
    {
        let _ = write!(hint, "; `{column}` alone takes {}", percent(times.seconds(), whole));
    }
    Some(hint)
}

fn prediction(predictions: &Predictions, text: &mut String) {
    let Predictions { sample, threads, thread_seconds, uncertainty_seconds, wall_seconds, datasets } =
        predictions;
    let plus_minus = |time: f64, uncertainty: &Option<f64>| match uncertainty {
        Some(uncertainty) => format!("{} ± {}", seconds(time), seconds(*uncertainty)),
        None => seconds(time),
    };
    let rows = datasets.iter().map(|(name, dataset)| {
        vec![
            name.clone(),
            format!("{} of {}", dataset.sampled_ranges, dataset.ranges),
            format!("{} of {}", dataset.sampled_entries, dataset.entries),
            format!("{} of {}", bytes(dataset.sampled_bytes), bytes(dataset.bytes)),
            plus_minus(dataset.thread_seconds, &dataset.uncertainty_seconds),
        ]
    });
    let title = format!("sample {sample}: what all of it would take");
    table(text, &title, &["dataset", "ranges", "entries", "read", "time of all threads"], rows, 1);
    let _ = match (thread_seconds, wall_seconds, threads) {
        (Some(all), Some(wall), Some(threads)) => {
            let uncertainty = uncertainty_seconds.map(|uncertainty| uncertainty / threads);
            let threads = format!("{threads:.1}").replace(".0", "");
            let (all, wall) = (plus_minus(*all, uncertainty_seconds), plus_minus(*wall, &uncertainty));
            writeln!(text, "in all {all} of all threads: {wall} on {threads} of them")
        }
        (Some(all), ..) => writeln!(text, "in all {} of all workers", plus_minus(*all, uncertainty_seconds)),
        (None, ..) => writeln!(text, "of some datasets nothing was done: nothing is predicted for all"),
    };
}

#[cfg(test)]
mod tests {
    use super::super::{DatasetTimes, Prediction, SlowRange, StageTimes};
    use super::*;

    fn explanation() -> Explanation {
        let column = |pieces, compressed_bytes, uncompressed_bytes, decompress_seconds, decode_seconds| {
            ColumnTimes { pieces, compressed_bytes, uncompressed_bytes, decompress_seconds, decode_seconds }
        };
        let columns =
            [("nMuon", column(2, 1_000, 4_000, 0.1, 0.1)), ("Muon_pt", column(4, 9_000, 18_000, 0.9, 0.1))];
        let columns = columns.map(|(name, times)| (name.to_owned(), times)).into();
        let stages = StageTimes {
            open: 0.0001,
            read: 0.1,
            decompress: 1.0,
            decode: 0.2,
            process: 0.5,
            merge: Some(0.0),
            idle: Some(0.2),
            ..StageTimes::default()
        };
        Explanation {
            wall_seconds: 1.0,
            thread_seconds: 2.0,
            stages,
            datasets: [("DY".to_owned(), DatasetTimes { stages, columns })].into(),
            slowest_ranges: vec![SlowRange {
                dataset: "DY".to_owned(),
                path: "a.root".to_owned(),
                entries: (0, 100),
                seconds: 0.5,
                mostly: "decompress",
                bytes: 5_000,
            }],
            ..Explanation::default()
        }
    }

    #[test]
    fn the_time_adds_up_to_that_of_the_threads() {
        let wanted = "
time: 2 threads for 1.0 s
stage           time   share
read        100.0 ms   5.0 %
decompress     1.0 s  50.0 %
decode      200.0 ms  10.0 %
process     500.0 ms  25.0 %
merge         0.0 ms   0.0 %
idle        200.0 ms  10.0 %
beside it: 0.0 ms to open files, 0.0 ms for the last merges, 0.0 ms to write outputs

columns: baskets or pages
column   pieces  compressed  uncompressed  ratio  decompress    decode   share
Muon_pt       4      9.0 kB       18.0 kB   2.00    900.0 ms  100.0 ms  50.0 %
nMuon         2      1.0 kB        4.0 kB   4.00    100.0 ms  100.0 ms  10.0 %
all           6     10.0 kB       22.0 kB   2.20       1.0 s  200.0 ms  60.0 %

slowest ranges
dataset  file    entries    read      time      mostly
DY       a.root   0..100  5.0 kB  500.0 ms  decompress

50.0 % of the time is decompression, at 22.0 kB of content a second on a thread; `Muon_pt` alone takes 50.0 %
";
        assert_eq!(text(&explanation(), true), wanted);
        assert_eq!(text(&explanation(), false), "");
    }

    #[test]
    fn what_a_sample_tells_is_shown_with_how_well_it_is_known() {
        let dataset = Prediction {
            sampled_ranges: 2,
            ranges: 10,
            sampled_entries: 40,
            entries: 200,
            sampled_bytes: 30_000,
            bytes: 120_000,
            thread_seconds: 84.0,
            uncertainty_seconds: Some(9.0),
        };
        let prediction = Predictions {
            sample: "20%".to_owned(),
            threads: Some(2.0),
            thread_seconds: Some(84.0),
            uncertainty_seconds: Some(9.0),
            wall_seconds: Some(42.0),
            datasets: [("DY".to_owned(), dataset)].into(),
        };
        let explanation = Explanation { prediction: Some(prediction), ..Explanation::default() };
        let wanted = "
sample 20%: what all of it would take
dataset   ranges    entries                 read  time of all threads
DY       2 of 10  40 of 200  30.0 kB of 120.0 kB       84.0 s ± 9.0 s
in all 84.0 s ± 9.0 s of all threads: 42.0 s ± 4.5 s on 2 of them
";
        assert_eq!(text(&explanation, false), wanted);
    }

    #[test]
    fn what_keeps_all_of_it_from_being_fast_is_said_first() {
        let mut idle = explanation();
        (idle.stages.idle, idle.thread_seconds, idle.ranges) = (Some(1.8), 3.6, 3);
        let wanted = "the threads had nothing to do for 50.0 % of their time: there were 3 ranges, \
                      and --range-size cuts smaller ones";
        assert_eq!(hint(&idle).as_deref(), Some(wanted));
        // Of many ranges that would not help.
        idle.ranges = 3_000;
        assert_eq!(hint(&idle), None);
        let busy = Explanation { cpu_seconds: 0.34, ..explanation() };
        let wanted =
            "the threads had a processor for 20.0 % of the time they worked: others use this machine";
        assert_eq!(hint(&busy).as_deref(), Some(wanted));
    }
}
