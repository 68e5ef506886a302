//! The loop of a worker process.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ranged, Worker, frames};
use crate::error::{Error, RunResult};
use crate::local::without_panic;
use crate::progress::{Progress, ProgressKind};
use crate::{Registry, interrupt};

/// Jobs that are kept ready. Who asks for another one again sends it again.
const JOBS: usize = 4;
/// How often it is told how far a range is.
const PROGRESS: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct Request {
    id: u64,
    op: Op,
    #[serde(default)]
    job: String,
    #[serde(default)]
    range: usize,
    /// Whether nobody will ask for the range again if it fails.
    #[serde(default)]
    last: bool,
    /// The range that will be asked for next, to be read meanwhile.
    next: Option<usize>,
    #[serde(default)]
    progress: bool,
    #[serde(default)]
    target: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Op {
    Describe,
    Job,
    Range,
    Merge,
    Cancel,
    Stats,
    Noop,
}

/// Answers requests on standard input until it ends. Whatever else writes to standard output writes to
/// standard error.
///
/// # Errors
/// Where standard output cannot be moved away, or whoever reads the answers is gone.
pub fn serve(registry: &Registry) -> io::Result<()> {
    interrupt::leave_to_parent();
    // What a processor prints must not get between the frames.
    let answers = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    let requests = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    // Nor may a process that it starts read them. (A pipe's end, as a bare system root has no `/dev/null`.)
    rustix::stdio::dup2_stdin(io::pipe()?.0)?;
    let answers = Arc::new(Mutex::new(BufWriter::with_capacity(1 << 16, File::from(answers))));
    // Nothing is cancelled yet, and no request has this number.
    let cancelled = Arc::new(AtomicU64::new(u64::MAX));
    answer(
        &answers,
        &json!({
            "event": "hello", "protocol": frames::PROTOCOL, "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
        }),
        &[],
    )?;
    let (sender, receiver) = mpsc::channel::<(Request, Vec<Vec<u8>>)>();
    let cancels = Arc::clone(&cancelled);
    std::thread::Builder::new().name("requests".to_owned()).spawn(move || {
        let mut requests = BufReader::with_capacity(1 << 16, File::from(requests));
        loop {
            match frames::read::<Request>(&mut requests) {
                Ok(Some((request, _))) if request.op == Op::Cancel => {
                    cancels.store(request.target, Ordering::Relaxed);
                }
                Ok(Some(request)) => {
                    if sender.send(request).is_err() {
                        return;
                    }
                }
                // Nobody wants what is being done any more.
                Ok(None) => std::process::exit(0),
                Err(error) => {
                    let _ = writeln!(io::stderr(), "hep-run worker: {error}");
                    std::process::exit(1)
                }
            }
        }
    })?;
    let mut service = Service { registry, jobs: Vec::new(), answers, cancelled, ranges: 0, merges: 0 };
    for (request, buffers) in receiver {
        service.serve(&request, &buffers)?;
    }
    Ok(())
}

type Answers = Arc<Mutex<BufWriter<File>>>;

fn answer(answers: &Answers, header: &Value, buffers: &[Vec<u8>]) -> io::Result<()> {
    frames::write(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner), header, buffers)
}

struct Service<'a> {
    registry: &'a Registry,
    /// By their keys; the one that was used last is the last.
    jobs: Vec<Worker>,
    answers: Answers,
    /// The request that nobody waits for any more.
    cancelled: Arc<AtomicU64>,
    ranges: u64,
    merges: u64,
}

impl Service<'_> {
    fn serve(&mut self, request: &Request, buffers: &[Vec<u8>]) -> io::Result<()> {
        let result = without_panic(|| self.answer_to(request, buffers));
        let id = request.id;
        let (header, buffers) = match result {
            Ok(Ok((mut header, buffers))) => {
                header["id"] = id.into();
                header["event"] = "ok".into();
                (header, buffers)
            }
            Ok(Err(error)) => {
                let kind = match error {
                    Error::Cancelled => "cancelled",
                    Error::Usage(_) | Error::Fileset(_) => "usage",
                    _ => "failed",
                };
                (json!({"id": id, "event": "error", "kind": kind, "message": error.to_string()}), Vec::new())
            }
            Err(panic) => {
                (json!({"id": id, "event": "error", "kind": "panic", "message": panic}), Vec::new())
            }
        };
        answer(&self.answers, &header, &buffers)
    }

    fn answer_to(&mut self, request: &Request, buffers: &[Vec<u8>]) -> RunResult<(Value, Vec<Vec<u8>>)> {
        match request.op {
            Op::Describe => {
                let names: Vec<&str> = self.registry.names().collect();
                Ok((json!({"processors": names, "version": env!("CARGO_PKG_VERSION")}), Vec::new()))
            }
            Op::Job => {
                let [json] = buffers else {
                    return Err(Error::Usage("a job is one buffer".to_owned()));
                };
                let worker = self.start(json)?;
                Ok((json!({"job": worker.key(), "ranges": worker.ranges()}), Vec::new()))
            }
            Op::Range => {
                let (answers, cancelled, id) =
                    (Arc::clone(&self.answers), Arc::clone(&self.cancelled), request.id);
                let told = Mutex::new(Instant::now());
                let watch = |entries: u64| {
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    if request.progress && told.elapsed() >= PROGRESS {
                        *told = Instant::now();
                        let header = json!({"id": id, "event": "progress", "entries": entries});
                        // If nobody reads it, the end of standard input ends this process.
                        let _ = answer(&answers, &header, &[]);
                    }
                    cancelled.load(Ordering::Relaxed) != id
                };
                let worker = self.job(&request.job)?;
                let Ranged { partial, reason, entries, bytes, cpu } =
                    worker.range(request.range, request.last, request.next, &watch)?;
                let partial = partial.encode(worker.key())?;
                self.ranges += 1;
                let header = json!({
                    "done": reason.is_none(), "reason": reason, "entries": entries, "bytes": bytes,
                    "cpu_ns": u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX),
                });
                Ok((header, vec![partial]))
            }
            Op::Merge => {
                let worker = self.job(&request.job)?;
                let partial = worker.merge(buffers.iter().map(Vec::as_slice))?.encode(worker.key())?;
                self.merges += 1;
                Ok((json!({}), vec![partial]))
            }
            Op::Stats => {
                let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
                let cpu = cpu.tv_sec * 1_000_000_000 + cpu.tv_nsec;
                Ok((json!({"cpu_ns": cpu, "ranges": self.ranges, "merges": self.merges}), Vec::new()))
            }
            Op::Cancel | Op::Noop => Ok((json!({}), Vec::new())),
        }
    }

    /// The worker of a job that was sent before.
    fn job(&mut self, key: &str) -> RunResult<&mut Worker> {
        let known = self.jobs.iter().position(|worker| worker.key() == key);
        let at = known.ok_or_else(|| Error::Usage(format!("job {key:.12} was not sent, or too long ago")))?;
        let worker = self.jobs.remove(at);
        self.jobs.push(worker);
        // It was pushed just now.
        self.jobs.last_mut().ok_or(Error::Cancelled)
    }

    fn start(&mut self, json: &[u8]) -> RunResult<&mut Worker> {
        let key = crate::job::key_of(json);
        if !self.jobs.iter().any(|worker| worker.key() == key) {
            let worker = Worker::new(self.registry, json, Progress::new(ProgressKind::Plain))?;
            if self.jobs.len() >= JOBS {
                self.jobs.remove(0);
            }
            self.jobs.push(worker);
        }
        self.job(&key)
    }
}
