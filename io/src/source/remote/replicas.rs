//! One file in several places: the first that answers, and the next if it fails or stalls.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::cache::Cache;
use super::doubts::Doubts;
use super::measured::Measured;
use super::race::Race;
use super::sites::Sites;
use super::{Opener, RemoteFile, Reply, changed, io_error, place};
use crate::{Error, Result};

/// How much of head and tail another replica must have alike: a ROOT file's UUID lies in its head, its
/// keys and streamers in its tail.
const PROOF: u64 = 4 << 10;
/// Another replica is asked as well if a read takes so many times as long as usual, but not before
/// `SOONEST`, and at the latest after half of the time in which a server must answer.
const SEVERAL: u32 = 4;
const SOONEST: Duration = Duration::from_secs(1);
/// The same of an opening, for which nothing is usual.
const OPENING: Duration = Duration::from_secs(3);

/// What all files of a run are opened with.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub(super) opener: Arc<dyn Opener>,
    pub(super) sites: Arc<Sites>,
    pub(super) doubts: Arc<Doubts>,
    pub(super) cache: Option<Arc<Cache>>,
    pub(super) pace: Pace,
}

/// How replicas are gone about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long a server may be silent.
    pub(super) stall: Duration,
    /// Whether a slow read is asked of a second replica.
    pub(super) hedge: bool,
}

/// A file that is open at one place at least.
#[derive(Debug)]
pub(super) struct Replicas {
    candidates: Candidates,
    size: u64,
    proof: OnceLock<Proof>,
    /// Once its bytes were doubted: whether others may be had.
    doubted: Mutex<Option<bool>>,
}

/// The first and the last bytes.
#[derive(Debug)]
struct Proof {
    ranges: Vec<Range<u64>>,
    bytes: Vec<Bytes>,
}

#[derive(Debug)]
struct Candidates {
    /// What errors call the file: its first place.
    name: String,
    places: Vec<Place>,
    /// The place that answered last.
    current: AtomicUsize,
    means: Means,
}

#[derive(Debug)]
struct Place {
    url: String,
    shown: String,
    host: String,
    /// Whether anything came from it.
    served: AtomicBool,
    slot: Mutex<Slot>,
}

/// A place's file, if it is open, and the server and version as of the last opening.
#[derive(Debug, Default)]
struct Slot {
    file: Option<Arc<dyn RemoteFile>>,
    version: Option<(String, String)>,
    /// When it last could not be opened again, and why.
    failed: Option<(Instant, Error)>,
}

impl Replicas {
    /// Opens the file at the best of the places.
    pub(super) async fn open(means: Means, location: &str, replicas: &[String]) -> Result<Self> {
        let mut places: Vec<Place> = Vec::new();
        for url in std::iter::once(location).chain(replicas.iter().map(String::as_str)) {
            if places.iter().all(|place| place.url != url) {
                let (shown, host) = (place::shown(url), place::host(url));
                let (served, slot) = (AtomicBool::new(false), Mutex::default());
                places.push(Place { url: url.to_owned(), shown, host, served, slot });
            }
        }
        let (name, current) = (place::shown(location), AtomicUsize::new(0));
        let pace = means.pace;
        let candidates = Candidates { name, places, current, means };
        let usual = |_: usize| OPENING.min(pace.stall / 4);
        let attempt = |at: usize, patient: bool| -> Reply<'_, Arc<dyn RemoteFile>> {
            Box::pin(candidates.open_at(at, patient))
        };
        let (at, file) = candidates.first("open", usual, attempt).await?;
        let size = file.size();
        let slot = Slot { version: Some(version_of(&*file)), file: Some(file), failed: None };
        *candidates.places[at].slot.lock().await = slot;
        Ok(Self { candidates, size, proof: OnceLock::new(), doubted: Mutex::default() })
    }

    /// What errors call it.
    pub(super) fn name(&self) -> &str {
        &self.candidates.name
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The places that anything came from, by their number.
    pub(super) fn served_by(&self) -> Vec<usize> {
        let places = self.candidates.places.iter().enumerate();
        places.filter(|(_, place)| place.served.load(Ordering::Relaxed)).map(|(at, _)| at).collect()
    }

    /// The first and the last bytes, which every place opened later must have.
    pub(super) fn prove(&self, head: &Bytes, tail: &Bytes) {
        if self.candidates.places.len() == 1 && head.is_empty() {
            return;
        }
        let first = (head.len() as u64).min(PROOF);
        let last = (tail.len() as u64).min(PROOF).min(self.size.saturating_sub(first));
        let pieces = [
            (0..first, &head[..first as usize]),
            (self.size.saturating_sub(last)..self.size, &tail[tail.len() - last as usize..]),
        ];
        let (ranges, bytes) = pieces
            .into_iter()
            .filter(|(range, _)| !range.is_empty())
            // A copy, so that the rest of what was read ahead can go.
            .map(|(range, bytes)| (range, Bytes::copy_from_slice(bytes)))
            .unzip();
        // Once: what came first is what the reader has seen.
        let _ = self.proof.set(Proof { ranges, bytes });
        // What was opened elsewhere while there was none is opened anew, and compared.
        let current = self.candidates.current.load(Ordering::Relaxed);
        for place in self.candidates.places.iter().enumerate().filter(|(at, _)| *at != current) {
            if let Ok(mut slot) = place.1.slot.try_lock() {
                slot.file = None;
            }
        }
    }

    /// The bytes of each range, from whichever place gives them.
    pub(super) async fn read(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let Candidates { places, means: Means { sites, pace, .. }, .. } = &self.candidates;
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let usual = |at: usize| {
            let usual = sites.expected(&places[at].host, bytes).map(|time| (time * SEVERAL).max(SOONEST));
            usual.unwrap_or(pace.stall).min(pace.stall / 2)
        };
        let ranges = &ranges;
        let attempt = |at: usize, patient: bool| -> Reply<'_, Vec<Bytes>> {
            Box::pin(self.read_at(at, patient, ranges))
        };
        let (_, answers) = self.candidates.first("read", usual, attempt).await?;
        Ok(answers)
    }

    async fn read_at(&self, at: usize, patient: bool, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let place = &self.candidates.places[at];
        let file = self.file(at, patient).await?;
        match file.read(ranges.to_vec()).await {
            Ok(answers) => Ok(answers),
            Err(error) => {
                // Opened anew the next time, unless another read has done that already.
                let mut slot = place.slot.lock().await;
                if slot.file.as_ref().is_some_and(|open| Arc::ptr_eq(open, &file)) {
                    slot.file = None;
                }
                Err(error)
            }
        }
    }

    /// The file at one place, opened if it is not, and then compared with what is known of it.
    async fn file(&self, at: usize, patient: bool) -> Result<Arc<dyn RemoteFile>> {
        let place = &self.candidates.places[at];
        let asked = Instant::now();
        // Others that need it wait for this opening, and share its failure.
        let mut slot = place.slot.lock().await;
        if let Some(file) = &slot.file {
            return Ok(file.clone());
        }
        if let Some((when, error)) = &slot.failed
            && *when >= asked
        {
            return Err(error.clone());
        }
        let opened = self.open_again(at, patient, slot.version.as_ref()).await;
        match &opened {
            Ok(file) => {
                *slot = Slot { file: Some(file.clone()), version: Some(version_of(&**file)), failed: None };
            }
            Err(error) => slot.failed = Some((Instant::now(), error.clone())),
        }
        opened
    }

    /// Notes that bytes of it could not be decoded, so that the next opening goes elsewhere: past the cache if that had
    /// some of them, else to another place than the one that answered last. Whether there is such a thing.
    pub(super) async fn doubt(&self, why: &Error) -> bool {
        let mut doubted = self.doubted.lock().await;
        // By another range of the file, perhaps, of whose bytes some were these.
        if let Some(elsewhere) = *doubted {
            return elsewhere;
        }
        let Candidates { places, current, means: Means { sites, doubts, .. }, .. } = &self.candidates;
        let mut cached = None;
        for place in places {
            if let Some(file) = &place.slot.lock().await.file {
                cached = cached.or_else(|| Some((&place.shown, file.cached_in()?.display().to_string())));
                // It keeps what comes from servers too.
                file.forget();
            }
        }
        let why = reason(why);
        if let Some((shown, folder)) = cached {
            sites.notice(format!(
                "{shown}: {why}; dropping what the cache {folder} has of it, and reading past that"
            ));
            return *doubted.insert(true);
        }
        let at = current.load(Ordering::Relaxed);
        let others = || places.iter().enumerate().filter(|(other, _)| *other != at);
        let Some((_, next)) = others().find(|(_, place)| doubts.may_be_sound(&place.url)) else {
            return *doubted.insert(false);
        };
        doubts.add(&places[at].url);
        sites.failed(&places[at].host, true);
        sites.failed_over(&places[at].host);
        sites.notice(format!("{}: {why}; reading again from {}", places[at].shown, next.shown));
        *doubted.insert(true)
    }

    /// Where bytes came from last, if not from the place that names the file.
    pub(super) async fn origin(&self) -> Option<String> {
        let at = self.candidates.current.load(Ordering::Relaxed);
        let place = &self.candidates.places[at];
        let slot = place.slot.lock().await;
        match slot.file.as_ref().and_then(|file| file.cached_in()) {
            Some(folder) => Some(format!("{} and the cache {}", place.shown, folder.display())),
            None => (at != 0).then(|| place.shown.clone()),
        }
    }

    /// Whether the place that answered last tells a version, or is a file system here.
    pub(super) async fn has_version(&self) -> bool {
        let place = &self.candidates.places[self.candidates.current.load(Ordering::Relaxed)];
        let slot = place.slot.lock().await;
        slot.file.as_ref().is_some_and(|file| !file.version().is_empty())
            || place::scheme(&place.url).is_none()
    }

    /// Makes sure that the place that answered last has the file that was opened. Where there are other places, one that
    /// does not answer is no failure: each has been found to have the same size, head and tail.
    pub(super) async fn check_unchanged(&self) -> Result<()> {
        let at = self.candidates.current.load(Ordering::Relaxed);
        let checked = self.check_unchanged_at(at).await;
        let is_changed = |error: &Error| matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::StaleNetworkFileHandle);
        match checked {
            Err(error) if self.candidates.places.len() > 1 && !is_changed(&error) => Ok(()),
            checked => checked,
        }
    }

    async fn check_unchanged_at(&self, at: usize) -> Result<()> {
        let (file, version) = {
            let slot = self.candidates.places[at].slot.lock().await;
            (slot.file.clone(), slot.version.clone())
        };
        let Some(file) = file.filter(|file| !file.verifies_each_read()) else { return Ok(()) };
        match file.now().await? {
            Some((size, now)) if size == self.size && now == file.version() => Ok(()),
            Some(_) => Err(changed(file.url(), "its size or its time of modification is another")),
            // Head and tail of a new opening are compared: the server tells no version.
            None => self.open_again(at, true, version.as_ref()).await.map(drop),
        }
    }

    async fn open_again(
        &self,
        at: usize,
        patient: bool,
        version: Option<&(String, String)>,
    ) -> Result<Arc<dyn RemoteFile>> {
        let file = self.candidates.open_at(at, patient).await?;
        self.compare(&*file, version).await?;
        Ok(file)
    }

    async fn compare(&self, file: &dyn RemoteFile, version: Option<&(String, String)>) -> Result<()> {
        if file.size() != self.size {
            let sizes = format!("it has {} bytes, and had or has elsewhere {}", file.size(), self.size);
            return Err(changed(file.url(), sizes));
        }
        // Two servers' clocks and ETags need not agree.
        if version.is_some_and(|(server, version)| *server == file.server() && version != file.version()) {
            return Err(changed(file.url(), "its time of modification or its ETag is another"));
        }
        let Some(proof) = self.proof.get() else { return Ok(()) };
        if !proof.ranges.is_empty() && file.read(proof.ranges.clone()).await? != proof.bytes {
            return Err(changed(
                file.url(),
                "its first or last bytes are not those of the file that was opened",
            ));
        }
        Ok(())
    }
}

impl Candidates {
    async fn open_at(&self, at: usize, patient: bool) -> Result<Arc<dyn RemoteFile>> {
        let place = &self.places[at];
        let Means { opener, sites, cache, .. } = &self.means;
        let file = opener.open(&place.url, patient).await?;
        sites.opened(&place.host);
        let file = Arc::new(Measured::new(file, place.host.clone(), sites.clone()));
        match cache {
            Some(cache) => Ok(cache.over(file, &place.host, &place::told_apart(&place.url)).await),
            None => Ok(file),
        }
    }

    /// What the first place to succeed gives. Each is tried once: the next when one fails, or as well
    /// when one takes longer than `usual`.
    async fn first<'a, T: 'a>(
        &'a self,
        action: &'static str,
        usual: impl Fn(usize) -> Duration,
        attempt: impl Fn(usize, bool) -> Reply<'a, T>,
    ) -> Result<(usize, T)> {
        let hosts: Vec<&str> = self.places.iter().map(|place| place.host.as_str()).collect();
        let mut order = self.means.sites.order(&hosts, self.current.load(Ordering::Relaxed));
        // Those with damaged bytes last, even if they are the only ones that answer.
        order.sort_by_cached_key(|&at| self.means.doubts.of(&self.places[at].url));
        let mut order = order.into_iter().peekable();
        let mut failures: Vec<(usize, Error)> = Vec::new();
        let mut race = Race::new();
        let Some(first) = order.next() else { return Err(self.none_left(action, failures)) };
        let mut newest = first;
        let mut slow = None;
        race.add(first, attempt(first, order.peek().is_none()));
        loop {
            let spare = order.peek().filter(|_| self.means.pace.hedge && race.len() == 1);
            let wait = match spare {
                // It may be well again, but it is not asked for the sake of speed.
                Some(&next) if self.means.sites.is_failing(&self.places[next].host) => {
                    self.means.pace.stall / 2
                }
                _ => usual(newest),
            };
            let hedge = spare.is_some();
            tokio::select! {
                (at, result) = race.next() => match result {
                    Ok(answer) => {
                        self.won(at, slow.filter(|&slow| slow != at && race.len() > 0));
                        return Ok((at, answer));
                    }
                    Err(error) => {
                        self.means.sites.failed(&self.places[at].host, error.is_transient());
                        failures.push((at, error));
                        // A third is better than a second wait for the first.
                        let another = self.means.pace.hedge && order.peek().is_some();
                        if race.len() > 0 && !another {
                            continue;
                        }
                        let Some(next) = order.next() else {
                            return Err(self.none_left(action, failures));
                        };
                        self.tell(action, &failures[failures.len() - 1], next);
                        newest = next;
                        race.add(next, attempt(next, order.peek().is_none()));
                    }
                },
                () = sleep(wait), if hedge => {
                    if let Some(next) = order.next() {
                        self.means.sites.hedged(&self.places[newest].host);
                        slow = Some(newest);
                        newest = next;
                        race.add(next, attempt(next, false));
                    }
                }
            }
        }
    }

    /// The place `at` answered, earlier than the `slow` one that was asked before it.
    fn won(&self, at: usize, slow: Option<usize>) {
        self.current.store(at, Ordering::Relaxed);
        self.places[at].served.store(true, Ordering::Relaxed);
        if let Some(slow) = slow.map(|slow| &self.places[slow]) {
            self.means.sites.overtaken(&slow.host);
            let next = &self.places[at].shown;
            self.means.sites.notice(format!("{}: slower than usual; reading on from {next}", slow.shown));
        }
    }

    fn tell(&self, action: &str, (at, error): &(usize, Error), next: usize) {
        let (place, next) = (&self.places[*at], &self.places[next]);
        self.means.sites.failed_over(&place.host);
        let doing = if action == "open" { "opening" } else { "reading on from" };
        self.means.sites.notice(format!("{}: {}; {doing} {}", place.shown, reason(error), next.shown));
    }

    /// The one error, or all of them.
    fn none_left(&self, action: &'static str, mut failures: Vec<(usize, Error)>) -> Error {
        if failures.len() <= 1 && self.places.len() <= 1 {
            let error = failures.pop().map(|(_, error)| error);
            return error
                .unwrap_or_else(|| io_error(action, &self.name, ErrorKind::NotFound, "no place of it"));
        }
        // Trying again helps if it may help with one of them.
        let kind = failures.iter().filter_map(|(_, error)| match error {
            Error::Io { source, .. } => Some((!error.is_transient(), source.kind())),
            _ => None,
        });
        let kind = kind.min_by_key(|(permanent, _)| *permanent).map_or(ErrorKind::Other, |(_, kind)| kind);
        let mut text = format!("none of its {} replicas can be", self.places.len());
        text.push_str(if action == "open" { " opened" } else { " read" });
        for (at, error) in &failures {
            text.push_str(&format!("\n  {}: {}", self.places[*at].shown, reason(error)));
        }
        io_error(action, &self.name, kind, text)
    }
}

/// Who says which version it is.
fn version_of(file: &dyn RemoteFile) -> (String, String) {
    (file.server(), file.version().to_owned())
}

/// An error without the URL, which stands before it.
fn reason(error: &Error) -> String {
    match error {
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
