//! The other end: a Python driver, as a child of this process or as its parent.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::process::Child;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::python;
use crate::worker::frames;
use crate::{Error, RunResult};

/// The version of what is asked and answered.
const PROTOCOL: u64 = 1;
/// How long the driver may take to leave the cluster, and to end a cluster that it has started, which it gives
/// up itself after 90 s.
const FAREWELL: Duration = Duration::from_secs(30);
const CLOSING: Duration = Duration::from_secs(100);

type Answers = BufReader<Box<dyn Read + Send>>;

/// A driver that answers one request at a time.
pub(super) struct Driver {
    child: Option<Child>,
    /// None once it has been told that nothing will follow.
    requests: Option<Box<dyn Write>>,
    answers: Answers,
    last: u64,
}

impl Driver {
    /// Starts a driver.
    pub(super) fn start(python: Option<OsString>) -> RunResult<Self> {
        let (child, requests, answers) = python::start(python)?;
        Self::new(Some(child), Box::new(requests), Box::new(answers))
    }

    /// A driver that has started this process, at its standard input and output. What else writes to standard
    /// output writes to standard error from now on.
    pub(super) fn of_parent() -> RunResult<Self> {
        let moved = || -> io::Result<_> {
            let requests = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
            let answers = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
            rustix::stdio::dup2_stdout(io::stderr())?;
            Ok((File::from(requests), File::from(answers)))
        };
        let (requests, answers) = moved().map_err(|error| Error::Dask(error.to_string()))?;
        Self::new(None, Box::new(requests), Box::new(answers))
    }

    fn new(child: Option<Child>, requests: Box<dyn Write>, answers: Box<dyn Read + Send>) -> RunResult<Self> {
        let answers = BufReader::with_capacity(1 << 16, answers);
        let mut driver = Self { child, requests: Some(requests), answers, last: 0 };
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
    ) -> RunResult<(Value, Vec<Vec<u8>>)> {
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

    fn read(&mut self) -> RunResult<(Value, Vec<Vec<u8>>)> {
        match frames::read(&mut self.answers) {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.gone("")),
            Err(error) => Err(self.gone(&error.to_string())),
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
        // Where it does not answer, a thread is left that waits for it, and goes with this process.
        let nothing: Box<dyn Read + Send> = Box::new(io::empty());
        let (mut answers, last) = (std::mem::replace(&mut self.answers, BufReader::new(nothing)), self.last);
        let (tell, told) = mpsc::channel::<()>();
        let waits = move || {
            while let Ok(Some((answer, _))) = frames::read::<Value>(&mut answers) {
                if answer["id"].as_u64() == Some(last) {
                    break;
                }
            }
            drop(tell);
        };
        // Without a thread, nothing waits for the answer.
        let _ = std::thread::Builder::new().spawn(waits);
        let _ = told.recv_timeout(deadline);
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
        let driver = Driver::new(None, Box::new(ours.try_clone().unwrap()), Box::new(ours)).unwrap();
        driver.close_within(Duration::from_millis(20));
        assert_eq!(frames::read::<Value>(&mut theirs).unwrap().unwrap().0["op"], "close");
    }

    #[test]
    fn a_driver_that_has_left_is_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        frames::write::<Vec<u8>>(&mut theirs, &json!({"event": "hello", "protocol": PROTOCOL}), &[]).unwrap();
        let driver = Driver::new(None, Box::new(ours.try_clone().unwrap()), Box::new(ours)).unwrap();
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
