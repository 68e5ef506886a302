//! Servers that do what a script says, for tests.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::{Opener, RemoteFile, Reply, io_error};
use crate::Result;

/// What a server does to one opening or one read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// Answers after so long.
    Answer(Duration),
    /// Fails at once.
    Fail(ErrorKind),
    /// Never answers.
    Stall,
    /// Gives a byte less than asked for.
    Short,
}

/// Answers after a round trip of 10 ms.
pub(super) const FINE: Act = Act::Answer(Duration::from_millis(10));

/// One file of one server, and what the server does: each act once, the last for ever.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) bytes: Bytes,
    pub(super) version: String,
    pub(super) opens: Vec<Act>,
    pub(super) reads: Vec<Act>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    /// URLs as they were opened, and whether patiently.
    pub(super) opens: Vec<(String, bool)>,
    /// URLs and ranges as they were read.
    pub(super) reads: Vec<(String, Vec<Range<u64>>)>,
    /// Reads that were begun and neither answered nor given up.
    pub(super) under_way: usize,
}

/// All servers.
#[derive(Debug, Default)]
pub(super) struct Fakes {
    scripts: Arc<Mutex<HashMap<String, Script>>>,
    pub(super) log: Arc<Mutex<Log>>,
}

impl Fakes {
    pub(super) fn serve(&self, url: &str, bytes: &[u8], opens: &[Act], reads: &[Act]) {
        let (bytes, version) = (Bytes::copy_from_slice(bytes), "1".to_owned());
        let script = Script { bytes, version, opens: opens.to_vec(), reads: reads.to_vec() };
        self.scripts.lock().unwrap().insert(url.to_owned(), script);
    }

    pub(super) fn change(&self, url: &str, change: impl FnOnce(&mut Script)) {
        change(self.scripts.lock().unwrap().get_mut(url).unwrap());
    }

    pub(super) fn opened(&self) -> Vec<String> {
        self.log.lock().unwrap().opens.iter().map(|(url, _)| url.clone()).collect()
    }

    pub(super) fn take_reads(&self) -> Vec<(String, Vec<Range<u64>>)> {
        std::mem::take(&mut self.log.lock().unwrap().reads)
    }
}

fn next(acts: &mut Vec<Act>) -> Act {
    match acts.len() {
        0 => FINE,
        1 => acts[0],
        _ => acts.remove(0),
    }
}

async fn act(act: Act, action: &'static str, url: &str) -> Result<()> {
    match act {
        Act::Answer(after) => sleep(after).await,
        Act::Fail(kind) => return Err(io_error(action, url, kind, format!("scripted {kind:?}"))),
        Act::Stall => std::future::pending().await,
        Act::Short => {}
    }
    Ok(())
}

impl Opener for Fakes {
    fn open<'a>(&'a self, url: &'a str, patient: bool) -> Reply<'a, Arc<dyn RemoteFile>> {
        self.log.lock().unwrap().opens.push((url.to_owned(), patient));
        Box::pin(async move {
            let script = |scripts: &mut HashMap<String, Script>| {
                let script = scripts.get_mut(url)?;
                Some((next(&mut script.opens), script.bytes.len() as u64, script.version.clone()))
            };
            let found = script(&mut self.scripts.lock().unwrap());
            let (what, size, version) =
                found.ok_or_else(|| io_error("open", url, ErrorKind::NotFound, "no such file"))?;
            act(what, "open", url).await?;
            let (scripts, log) = (self.scripts.clone(), self.log.clone());
            let file = FakeFile { url: url.to_owned(), size, version, scripts, log };
            Ok(Arc::new(file) as Arc<dyn RemoteFile>)
        })
    }
}

#[derive(Debug)]
struct FakeFile {
    url: String,
    size: u64,
    version: String,
    scripts: Arc<Mutex<HashMap<String, Script>>>,
    log: Arc<Mutex<Log>>,
}

struct UnderWay<'a>(&'a Mutex<Log>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

impl RemoteFile for FakeFile {
    fn url(&self) -> &str {
        &self.url
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn read(&self, ranges: Vec<Range<u64>>) -> Reply<'_, Vec<Bytes>> {
        {
            let mut log = self.log.lock().unwrap();
            log.reads.push((self.url.clone(), ranges.clone()));
            log.under_way += 1;
        }
        Box::pin(async move {
            let _under_way = UnderWay(&self.log);
            let (what, bytes) = {
                let mut scripts = self.scripts.lock().unwrap();
                let script = scripts.get_mut(&self.url).unwrap();
                (next(&mut script.reads), script.bytes.clone())
            };
            act(what, "read", &self.url).await?;
            let cut = usize::from(matches!(what, Act::Short));
            let slice = |range: Range<u64>| bytes.slice(range.start as usize..range.end as usize - cut);
            Ok(ranges.into_iter().map(slice).collect())
        })
    }
}
