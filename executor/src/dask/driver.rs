//! The other end: a Python driver, as a child of this process or as its parent.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::python;
use crate::error::{Error, RunResult};
use crate::interrupt::Interrupt;
use crate::worker::frames;

/// The version of what is asked and answered.
const PROTOCOL: u64 = 1;
/// How long the driver may take to leave the cluster, and to end a cluster that it has started, which it gives
/// up itself after 90 s.
const FAREWELL: Duration = Duration::from_secs(30);
const CLOSING: Duration = Duration::from_secs(100);

/// How often it is looked whether a signal has come.
const LOOK: Duration = Duration::from_millis(50);
/// Answers that are read before they are looked at.
const AHEAD: usize = 4;

type Frame = (Value, Vec<Vec<u8>>);

/// A driver that answers one request at a time.
pub(super) struct Driver {
    child: Option<Child>,
    /// None once it has been told that nothing will follow.
    requests: Option<Box<dyn Write + Send>>,
    /// What a thread reads of it.
    answers: mpsc::Receiver<io::Result<Option<Frame>>>,
    interrupt: Interrupt,
    last: u64,
}

impl Driver {
    /// Starts a driver.
    pub(super) fn start(python: Option<OsString>, interrupt: Interrupt) -> RunResult<Self> {
        let (child, requests, answers) = python::start(python)?;
        Self::new(Some(child), Box::new(requests), Box::new(answers), interrupt)
    }

    /// A driver that has started this process, at its standard input and output. What else writes to standard
    /// output writes to standard error from now on.
    pub(super) fn of_parent(interrupt: Interrupt) -> RunResult<Self> {
        let moved = || -> io::Result<_> {
            let requests = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
            let answers = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
            rustix::stdio::dup2_stdout(io::stderr())?;
            Ok((File::from(requests), File::from(answers)))
        };
        let (requests, answers) = moved().map_err(|error| Error::Dask(error.to_string()))?;
        Self::new(None, Box::new(requests), Box::new(answers), interrupt)
    }

    fn new(
        child: Option<Child>,
        requests: Box<dyn Write + Send>,
        answers: Box<dyn Read + Send>,
        interrupt: Interrupt,
    ) -> RunResult<Self> {
        // A thread reads them, so that a signal is heeded between two: it goes with this process.
        let (frames, read) = mpsc::sync_channel(AHEAD);
        let read_all = move || {
            let mut answers = BufReader::with_capacity(1 << 16, answers);
            loop {
                let frame = frames::read::<Value>(&mut answers);
                let last = !matches!(frame, Ok(Some(_)));
                if frames.send(frame).is_err() || last {
                    return;
                }
            }
        };
        std::thread::Builder::new().spawn(read_all).map_err(|error| Error::Dask(error.to_string()))?;
        let mut driver = Self { child, requests: Some(requests), answers: read, interrupt, last: 0 };
        let (hello, _) = driver.read()?;
        match hello["event"].as_str() {
            Some("hello") if hello["protocol"].as_u64() == Some(PROTOCOL) => Ok(driver),
            Some("hello") => Err(Error::Dask(format!(
                "the driver speaks version {} of the protocol, and this is version {PROTOCOL}: \
                 the installed hep_run and this binary do not belong together",
                hello["protocol"]
            ))),
            _ => Err(Error::Usage(hello["message"].as_str().unwrap_or("no driver answers").to_owned())),
        }
    }

    /// Asks, and waits for the answer; `event` is told of what comes before it.
    pub(super) fn ask(
        &mut self,
        mut header: Value,
        buffers: &[Vec<u8>],
        mut event: impl FnMut(&Value, Vec<Vec<u8>>) -> RunResult<()>,
    ) -> RunResult<Frame> {
        self.last += 1;
        header["id"] = self.last.into();
        let requests = self.requests.as_mut().ok_or(Error::Cancelled)?;
        if let Err(error) = frames::write(requests, &header, buffers) {
            return Err(self.gone(&error.to_string()));
        }
        loop {
            let (answer, buffers) = self.read()?;
            if answer["id"].as_u64() != Some(self.last) {
                continue;
            }
            match answer["event"].as_str() {
                Some("ok") => return Ok((answer, buffers)),
                Some("error") => {
                    let message = answer["message"].as_str().unwrap_or("it does not say why");
                    return Err(Error::Dask(message.to_owned()));
                }
                _ => event(&answer, buffers)?,
            }
        }
    }

    fn read(&mut self) -> RunResult<Frame> {
        loop {
            return match self.answers.recv_timeout(LOOK) {
                Ok(Ok(Some(frame))) => Ok(frame),
                Ok(Ok(None)) | Err(RecvTimeoutError::Disconnected) => Err(self.gone("")),
                Ok(Err(error)) => Err(self.gone(&error.to_string())),
                Err(RecvTimeoutError::Timeout) if self.interrupt.is_set() => Err(Error::Cancelled),
                Err(RecvTimeoutError::Timeout) => continue,
            };
        }
    }

    /// What is known of its end.
    fn gone(&mut self, why: &str) -> Error {
        let status = self.child.as_mut().and_then(|child| {
            let begun = Instant::now();
            loop {
                match child.try_wait() {
                    Ok(None) if begun.elapsed() < Duration::from_secs(2) => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    status => break status.ok().flatten(),
                }
            }
        });
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        Error::Dask(format!(
            "the driver of the cluster has ended{status}{why}; what was done is lost with it"
        ))
    }

    /// Lets the driver leave the cluster, and waits for it.
    pub(super) fn close(self) {
        self.close_within(CLOSING);
    }

    fn close_within(mut self, deadline: Duration) {
        self.last += 1;
        let header = json!({"op": "close", "id": self.last});
        let Some(Ok(())) = self.requests.as_mut().map(|to| frames::write::<Vec<u8>>(to, &header, &[])) else {
            return;
        };
        let end = Instant::now() + deadline;
        let left = || end.saturating_duration_since(Instant::now());
        while let Ok(Ok(Some((answer, _)))) = self.answers.recv_timeout(left()) {
            if answer["id"].as_u64() == Some(self.last) {
                break;
            }
        }
    }

    /// Lets the driver leave the cluster by itself: what was done is to be written first.
    pub(super) fn abandon(self) {
        // Without a thread it is waited for here.
        let _ = std::thread::Builder::new().spawn(move || drop(self));
    }
}

impl Drop for Driver {
    /// Its standard input ends, and so does it; a cluster that it has started too.
    fn drop(&mut self) {
        self.requests = None;
        let Some(child) = &mut self.child else { return };
        let begun = Instant::now();
        while let Ok(None) = child.try_wait() {
            if begun.elapsed() > FAREWELL {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_driver_that_does_not_answer_is_not_waited_for_for_ever() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        frames::write::<Vec<u8>>(&mut theirs, &json!({"event": "hello", "protocol": PROTOCOL}), &[]).unwrap();
        let driver =
            Driver::new(None, Box::new(ours.try_clone().unwrap()), Box::new(ours), Interrupt::default())
                .unwrap();
        driver.close_within(Duration::from_millis(20));
        assert_eq!(frames::read::<Value>(&mut theirs).unwrap().unwrap().0["op"], "close");
    }

    #[test]
    fn a_driver_that_has_left_is_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        frames::write::<Vec<u8>>(&mut theirs, &json!({"event": "hello", "protocol": PROTOCOL}), &[]).unwrap();
        let driver =
            Driver::new(None, Box::new(ours.try_clone().unwrap()), Box::new(ours), Interrupt::default())
                .unwrap();
        let (left, has_left) = mpsc::channel();
        std::thread::spawn(move || {
            let (request, _) = frames::read::<Value>(&mut theirs).unwrap().unwrap();
            left.send(()).unwrap();
            frames::write::<Vec<u8>>(&mut theirs, &json!({"event": "progress", "id": 0}), &[]).unwrap();
            frames::write::<Vec<u8>>(&mut theirs, &json!({"event": "ok", "id": request["id"]}), &[]).unwrap();
        });
        driver.close();
        has_left.try_recv().unwrap();
    }
}
