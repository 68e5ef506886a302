//! One worker process, from its parent's side.

use std::io::{BufReader, BufWriter, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, RunResult};
use crate::worker::frames::{self, PROTOCOL};

/// How long a process may take to say that it is there. The first one waits for the binary to come off the
/// disk.
const START: Duration = Duration::from_secs(60);

/// A worker process.
pub(super) struct Child {
    guard: Arc<Guard>,
    requests: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
    next: u64,
}

/// What may end a process while somebody waits for its answer.
pub(super) struct Guard {
    process: Mutex<std::process::Child>,
    /// When it is to be ended, and how long that will have been.
    deadline: Mutex<Option<(Instant, Duration)>>,
    /// How long it had, if it was ended for it.
    timed_out: Mutex<Option<Duration>>,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// The process is no more, or makes no sense and was ended.
    Died(String),
    /// It says so.
    Answered(String),
    /// It was ended before it was asked.
    Before,
}

type Answer = (Value, Vec<Vec<u8>>);

impl Child {
    /// Starts this very binary as a worker, and gives it a job.
    pub(super) fn start(job: &[u8], register: impl FnOnce(&Arc<Guard>)) -> RunResult<Self> {
        let failed = |why: String| Error::Partial(format!("cannot start a worker process: {why}"));
        // The binary may have been built anew meanwhile: this is the one that runs.
        let mut process = Command::new("/proc/self/exe")
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let guard = Arc::new(Guard {
            process: Mutex::new(process),
            deadline: Mutex::default(),
            timed_out: Mutex::default(),
        });
        register(&guard);
        let (requests, answers) =
            (BufWriter::with_capacity(1 << 16, requests), BufReader::with_capacity(1 << 16, answers));
        let mut child = Self { guard, requests, answers, next: 0 };
        child.guard.set_deadline(Some(START));
        let (hello, _) = child.read().map_err(|failure| failed(failure.to_string()))?;
        if hello["event"] != "hello" || hello["protocol"] != PROTOCOL {
            return Err(failed(format!("it says {hello}")));
        }
        child
            .ask(&json!({"op": "job"}), &[job], Some(START))
            .map_err(|failure| failed(failure.to_string()))?;
        Ok(child)
    }

    /// Asks, and waits for the answer, for so long at most.
    pub(super) fn ask(
        &mut self,
        header: &Value,
        buffers: &[&[u8]],
        time: Option<Duration>,
    ) -> Result<Answer, Failure> {
        // Its time ran out while its last answer was on its way.
        if lock(&self.guard.timed_out).is_some() {
            return Err(Failure::Before);
        }
        self.next += 1;
        let mut header = header.clone();
        header["id"] = self.next.into();
        self.guard.set_deadline(time);
        if frames::write(&mut self.requests, &header, buffers).is_err() {
            return Err(Failure::Died(self.guard.end()));
        }
        loop {
            let answer = self.read()?;
            match answer.0["event"].as_str() {
                Some("ok") if answer.0["id"] == self.next => {
                    self.guard.set_deadline(None);
                    return Ok(answer);
                }
                Some("error") if answer.0["id"] == self.next => {
                    self.guard.set_deadline(None);
                    let message = answer.0["message"].as_str().unwrap_or("no reason");
                    return Err(Failure::Answered(message.to_owned()));
                }
                Some("progress") => {}
                _ => {
                    self.guard.kill();
                    return Err(Failure::Died(format!("its worker process answered with {}", answer.0)));
                }
            }
        }
    }

    fn read(&mut self) -> Result<Answer, Failure> {
        match frames::read(&mut self.answers) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Failure::Died(self.guard.end())),
            Err(error) => {
                let end = self.guard.end();
                let garbage = error.kind() == std::io::ErrorKind::InvalidData;
                Err(Failure::Died(if garbage {
                    format!("its worker process wrote garbage: {error}")
                } else {
                    end
                }))
            }
        }
    }
}

impl Drop for Child {
    /// At the end of its input a worker ends, whatever it does.
    fn drop(&mut self) {
        let _ = self.requests.flush();
        self.guard.kill();
    }
}

impl Guard {
    fn set_deadline(&self, time: Option<Duration>) {
        *lock(&self.deadline) = time.map(|time| (Instant::now() + time, time));
    }

    /// Ends the process if its time is over, of which it has lost so much.
    pub(super) fn check(&self, now: Instant, lost: Duration) {
        let mut deadline = lock(&self.deadline);
        if let Some((end, _)) = &mut *deadline {
            *end += lost;
        }
        if let Some((_, time)) = deadline.take_if(|(end, _)| *end <= now) {
            *lock(&self.timed_out) = Some(time);
            let _ = lock(&self.process).kill();
        }
    }

    pub(super) fn kill(&self) {
        let mut process = lock(&self.process);
        let _ = process.kill();
        let _ = process.wait();
    }

    /// How a process ended that answers no more.
    fn end(&self) -> String {
        let mut process = lock(&self.process);
        // It has closed its output, or broken the protocol: it is of no use, should it live.
        let status = process.try_wait().ok().flatten().or_else(|| {
            std::thread::sleep(Duration::from_millis(20));
            process.try_wait().ok().flatten()
        });
        let _ = process.kill();
        let status = status.or_else(|| process.wait().ok());
        match (*lock(&self.timed_out), status) {
            (Some(time), _) => {
                format!("it took longer than {} s, and its worker process was ended", time.as_secs_f64())
            }
            (None, Some(status)) => format!("its worker process ended with {status}"),
            (None, None) => "its worker process ended".to_owned(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Died(why) | Self::Answered(why) => f.write_str(why),
            Self::Before => f.write_str("its worker process was ended before"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
