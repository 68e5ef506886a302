//! The output as a ROOT file: a directory for each dataset with its histograms as `TH1D`, `TH2D`, `TH3D`,
//! `THnD` or `THnSparseD`, its cutflows as `TH1D` with labelled bins, and at the top the ledger.

use hep_io::hist::{Axis as RootAxis, Element, Histogram, ManyAxes};
use hep_io::object::Object as RootObject;
use hep_io::root::{Key, RootFile};
use hep_io::write::File;

use super::booked::Names;
use super::each_object;
use crate::error::{Error, RunResult};
use crate::hist::{AnyHist, Axis, Bins};
use crate::ledger::Ledger;
use crate::run::Outcome;
use crate::{Cutflow, Object};

/// The name of the ledger in a ROOT file: a `TObjString` with JSON in it.
pub const LEDGER: &str = "ledger";

pub(super) fn file(outcome: &Outcome, processor: &str) -> RunResult<File> {
    let mut file = File::new();
    for dataset in &outcome.datasets {
        let name = &dataset.dataset.name;
        file.directory(name);
        // What is made while a run goes on, or by `finish`, was not booked.
        let mut names = Names::default();
        each_object(dataset, processor, |path, object| {
            names.add(path, &object)?;
            let (folder, object_name) = match path.rsplit_once('/') {
                Some((folder, object_name)) => (format!("{name}/{folder}"), object_name),
                None => (name.clone(), path),
            };
            match object {
                Object::Histogram(histogram) if histogram.axes.len() > 3 => {
                    let histogram = many_axes(&histogram, object_name)?;
                    file.object(&folder, object_name, &RootObject::ManyAxes(Box::new(histogram)))?;
                }
                Object::Histogram(histogram) => file.histogram(&folder, &convert(histogram, object_name)?),
                Object::Cutflow(cutflow) => {
                    let [weights, events] = tables(&cutflow, object_name);
                    file.histogram(&folder, &weights);
                    file.histogram(&folder, &events);
                }
                Object::Number(number) => file.histogram(&folder, &single(number, object_name)),
            }
            Ok::<(), Error>(())
        })?;
    }
    add_ledger(&mut file, outcome.ledger.clone())?;
    Ok(file)
}

/// Puts the ledger into a file that has all of its objects, with their checksums.
///
/// # Errors
/// Where it cannot be written as JSON.
pub(crate) fn add_ledger(file: &mut File, mut ledger: Ledger) -> RunResult<()> {
    let text = ledger.seal(file).and_then(|()| serde_json::to_string(&ledger));
    file.text("", LEDGER, &text.map_err(|error| Error::Usage(error.to_string()))?);
    Ok(())
}

/// The ledger that `key` of a file names.
///
/// # Errors
/// Where it is damaged, or none.
pub(crate) fn read_ledger(file: &RootFile, key: &Key) -> RunResult<Ledger> {
    let object = file.object(key)?;
    let text = (|| {
        let mut buffer = object.buffer();
        buffer.version()?;
        buffer.tobject()?;
        buffer.tstring()
    })()
    .map_err(|wrong| wrong.within(file.path(), "the ledger", key.seek))?;
    let damaged = |error: serde_json::Error| hep_io::Error::Format {
        path: file.path().to_owned(),
        what: "the ledger".to_owned(),
        at: key.seek,
        reason: error.to_string(),
    };
    let ledger: Ledger = serde_json::from_str(&text).map_err(damaged)?;
    let wrong = |why| Error::Usage(format!("the ledger of {} does not add up: {why}", file.path()));
    ledger.check().map_err(wrong)?;
    Ok(ledger)
}

/// The name of a cutflow's numbers of events beside its weights.
pub(super) fn events_name(name: &str) -> String {
    format!("{name}_events")
}

/// Makes sure that there is a ROOT histogram for a histogram's axes.
pub(super) fn check_axes(histogram: &AnyHist, name: &str) -> RunResult<()> {
    if histogram.axes.is_empty() {
        let message = format!(
            "histogram `{name}` has no axis, which no ROOT histogram has; write it with --output FILE.json"
        );
        return Err(Error::Usage(message));
    }
    if histogram.axes.len() > ManyAxes::MOST_AXES {
        let message = format!(
            "histogram `{name}` has {} axes, and ROOT output at most {}; write it with --output FILE.json",
            histogram.axes.len(),
            ManyAxes::MOST_AXES
        );
        return Err(Error::Usage(message));
    }
    Ok(())
}

fn convert(histogram: AnyHist, name: &str) -> RunResult<Histogram> {
    check_axes(&histogram, name)?;
    let AnyHist { title, axes, sumw, sumw2, entries, statistics, .. } = histogram;
    let axes = axes.iter().map(axis).collect();
    // Counts are their own variances, and ROOT knows that without a second array.
    let sumw2 = sumw2.unwrap_or_else(|| sumw.clone());
    let histogram = Histogram::doubles(name, title, axes, sumw, sumw2, entries as f64);
    Ok(Histogram { statistics, ..histogram })
}

/// A histogram of four axes or more: a `THnD`, or where less than half of the bins hold something a `THnSparseD`.
fn many_axes(histogram: &AnyHist, name: &str) -> RunResult<ManyAxes> {
    check_axes(histogram, name)?;
    let axes: Vec<RootAxis> = histogram.axes.iter().map(axis).collect();
    let sums = &histogram.statistics;
    let mut many = ManyAxes {
        is_sparse: true,
        element: Element::Float64,
        name: name.to_owned(),
        title: histogram.title.clone(),
        bits: 0,
        axes,
        entries: histogram.entries as f64,
        sums: [sums[0], sums[1]],
        moments: sums[2..].as_chunks::<2>().0.to_vec(),
        bins: Vec::new(),
    };
    for (at, &content) in histogram.sumw.iter().enumerate() {
        let square = histogram.sumw2.as_ref().map_or(content, |squares| squares[at]);
        if content == 0.0 && square == 0.0 {
            continue;
        }
        // Ours has the first axis fastest, ROOT's the last.
        let mut rest = at;
        let places = histogram.axes.iter().map(|axis| {
            let place = rest % (axis.len() + 2);
            rest /= axis.len() + 2;
            place as u64
        });
        let place = many.place(places);
        many.bins.push((place, [content, square]));
    }
    many.bins.sort_unstable_by_key(|(at, _)| *at);
    many.is_sparse = many.bins.len() <= histogram.sumw.len() / 2;
    Ok(many)
}

fn axis(axis: &Axis) -> RootAxis {
    let plain = RootAxis { title: axis.title().to_owned(), bins: axis.len(), ..RootAxis::default() };
    match axis.bins() {
        Bins::Regular(bins) => RootAxis { low: bins.low(), high: bins.high(), ..plain },
        Bins::Integer(bins) => RootAxis { low: bins.low().into(), high: bins.high().into(), ..plain },
        Bins::Variable(bins) => {
            let edges = bins.edges().to_vec();
            let (low, high) = (edges[0], edges[edges.len() - 1]);
            RootAxis { low, high, edges, ..plain }
        }
        Bins::Category(bins) => RootAxis { high: axis.len() as f64, labels: bins.names().to_vec(), ..plain },
    }
}

/// A cutflow as two histograms: of weights, and of events.
fn tables(cutflow: &Cutflow, name: &str) -> [Histogram; 2] {
    let rows = cutflow.rows();
    let axis = RootAxis {
        bins: rows.len(),
        high: rows.len() as f64,
        labels: rows.iter().map(|row| row.name.to_string()).collect(),
        ..RootAxis::default()
    };
    let with_flow = |values: Vec<f64>| [vec![0.0], values, vec![0.0]].concat();
    let events = with_flow(rows.iter().map(|row| row.events as f64).collect());
    let sumw = with_flow(rows.iter().map(|row| row.sumw).collect());
    let sumw2 = with_flow(rows.iter().map(|row| row.sumw2).collect());
    let entries: f64 = events.iter().sum();
    [
        Histogram::doubles(name, "", vec![axis.clone()], sumw, sumw2, entries),
        Histogram::doubles(events_name(name), "", vec![axis], events.clone(), events, entries),
    ]
}

/// A number as a histogram of one bin, which merges as numbers do.
fn single(number: f64, name: &str) -> Histogram {
    let axis = RootAxis { bins: 1, high: 1.0, ..RootAxis::default() };
    Histogram::doubles(name, "", vec![axis], vec![0.0, number, 0.0], Vec::new(), 1.0)
}
