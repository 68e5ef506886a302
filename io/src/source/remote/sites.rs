//! What a run knows of each host: how it behaved, and what went over its wires.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A failure counts half as much after this time.
const HALF_LIFE: f64 = 60.0;
/// From this weight of failures on, a host is gone to last.
const FAILING: f64 = 0.5;
/// How much a new measurement counts against those before.
const WEIGHT: f64 = 0.25;
/// Answers up to this size tell a host's latency, those from the other on its rate.
const SMALL: u64 = 64 << 10;
const LARGE: u64 = 256 << 10;
/// No more notices are kept than that; nobody reads them all.
const NOTICES: usize = 1000;

/// What went to and from one host in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostTraffic {
    /// The host as its URLs name it, with its port.
    pub host: String,
    /// Files opened.
    pub opens: u64,
    /// Ranges of bytes asked for, after neighbours were merged.
    pub requests: u64,
    /// Times that something waited for an answer: each opening, and each read of any number of ranges.
    pub round_trips: u64,
    /// Bytes that came as asked for.
    pub bytes: u64,
    /// Openings and reads that failed.
    pub errors: u64,
    /// Reads and openings that went on at another host because this one failed.
    pub failovers: u64,
    /// Reads and openings for which another host was asked too, because this one did not answer.
    pub hedges: u64,
    /// Ranges that the cache had, and were not asked for.
    pub cache_hits: u64,
    /// Their bytes.
    pub cache_bytes: u64,
}

impl HostTraffic {
    fn counts(&mut self) -> [&mut u64; 9] {
        let Self {
            host: _,
            opens,
            requests,
            round_trips,
            bytes,
            errors,
            failovers,
            hedges,
            cache_hits,
            cache_bytes,
        } = self;
        [opens, requests, round_trips, bytes, errors, failovers, hedges, cache_hits, cache_bytes]
    }

    /// Adds what another process had to do with the host.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (mine, theirs) in self.counts().into_iter().zip(other.counts()) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Adds itself to those of all hosts.
    pub fn add_to(&self, hosts: &mut Vec<Self>) {
        match hosts.iter_mut().find(|known| known.host == self.host) {
            Some(known) => known.add(self),
            None => hosts.push(self.clone()),
        }
    }

    /// What has come to an `earlier` account of the same host since.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        let mut earlier = earlier.clone();
        for (now, then) in self.counts().into_iter().zip(earlier.counts()) {
            *now = now.saturating_sub(*then);
        }
        self
    }
}

#[derive(Debug, Default)]
struct Site {
    traffic: HostTraffic,
    /// The weight of its failures, as of the last one.
    failures: f64,
    failed: Option<Instant>,
    /// Seconds to the answer of a small read.
    latency: Option<f64>,
    /// Bytes a second, of all reads together, while a large one went on.
    rate: Option<f64>,
    /// Bytes of reads under way.
    under_way: u64,
}

impl Site {
    fn failures(&self, now: Instant) -> f64 {
        let ago = self.failed.map_or(0.0, |failed| now.duration_since(failed).as_secs_f64());
        self.failures * (-ago / HALF_LIFE).exp2()
    }

    fn failed(&mut self, weight: f64) {
        let now = Instant::now();
        self.failures = self.failures(now) + weight;
        self.failed = Some(now);
    }

    fn expected(&self, bytes: u64) -> Option<f64> {
        match (self.latency, self.rate) {
            (None, None) => None,
            (latency, None) if bytes <= LARGE => latency,
            (_, None) => None,
            (latency, Some(rate)) => Some(latency.unwrap_or(0.0) + bytes as f64 / rate),
        }
    }
}

/// All hosts of a run, and what there is to tell of them.
#[derive(Debug, Default)]
pub(super) struct Sites {
    hosts: Mutex<HashMap<String, Site>>,
    notices: Mutex<Vec<String>>,
}

impl Sites {
    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Site>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, host: &str, change: impl FnOnce(&mut Site)) {
        let mut hosts = self.hosts();
        if !hosts.contains_key(host) {
            let traffic = HostTraffic { host: host.to_owned(), ..HostTraffic::default() };
            hosts.insert(host.to_owned(), Site { traffic, ..Site::default() });
        }
        hosts.entry(host.to_owned()).and_modify(change);
    }

    pub(super) fn opened(&self, host: &str) {
        self.with(host, |site| {
            site.traffic.opens += 1;
            site.traffic.round_trips += 1;
        });
    }

    /// Begins a read of `bytes` bytes.
    pub(super) fn begin<'a>(&'a self, host: &'a str, bytes: u64) -> UnderWay<'a> {
        let mut before = 0;
        self.with(host, |site| {
            site.under_way += bytes;
            before = site.traffic.bytes;
        });
        UnderWay { sites: self, host, bytes, before, begun: Instant::now() }
    }

    pub(super) fn cached(&self, host: &str, ranges: u64, bytes: u64) {
        self.with(host, |site| {
            site.traffic.cache_hits += ranges;
            site.traffic.cache_bytes += bytes;
        });
    }

    /// `its_fault` if it is the host that failed: a file that is not there says nothing of the others.
    pub(super) fn failed(&self, host: &str, its_fault: bool) {
        self.with(host, |site| {
            site.traffic.errors += 1;
            if its_fault {
                site.failed(1.0);
            }
        });
    }

    pub(super) fn failed_over(&self, host: &str) {
        self.with(host, |site| site.traffic.failovers += 1);
    }

    pub(super) fn hedged(&self, host: &str) {
        self.with(host, |site| site.traffic.hedges += 1);
    }

    /// Another host was asked later and answered earlier.
    pub(super) fn overtaken(&self, host: &str) {
        self.with(host, |site| site.failed(1.0));
    }

    /// How long a read of `bytes` from `host` usually takes, with all that is under way there.
    pub(super) fn expected(&self, host: &str, bytes: u64) -> Option<Duration> {
        let hosts = self.hosts();
        let site = hosts.get(host)?;
        let seconds = site.expected(bytes.saturating_add(site.under_way))?;
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 3600.0)))
    }

    /// Whether it failed lately.
    pub(super) fn is_failing(&self, host: &str) -> bool {
        let now = Instant::now();
        self.hosts().get(host).is_some_and(|site| site.failures(now) > FAILING)
    }

    /// The order in which to go to `hosts`: those that failed lately last, then those that are much
    /// slower than the best; else the one used now first, and the others as they were given.
    pub(super) fn order(&self, hosts: &[&str], now_used: usize) -> Vec<usize> {
        const MIB: u64 = 1 << 20;
        let now = Instant::now();
        let sites = self.hosts();
        let expected = |at: usize| sites.get(hosts[at]).and_then(|site| site.expected(MIB));
        let best = (0..hosts.len()).filter_map(expected).fold(f64::INFINITY, f64::min);
        let mut order: Vec<usize> = (0..hosts.len()).collect();
        order.sort_by_cached_key(|&at| {
            let failures = sites.get(hosts[at]).map_or(0.0, |site| site.failures(now));
            let failing = if failures > FAILING { (failures * 1000.0) as u64 } else { 0 };
            let slow = expected(at).is_some_and(|time| time > 3.0 * best);
            (failing, slow, at != now_used)
        });
        order
    }

    /// Something that a person may want to know.
    pub(super) fn notice(&self, text: String) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() < NOTICES {
            notices.push(text);
        }
    }

    pub(super) fn take_notices(&self) -> Vec<String> {
        mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn traffic(&self) -> Vec<HostTraffic> {
        let mut all: Vec<HostTraffic> = self.hosts().values().map(|site| site.traffic.clone()).collect();
        all.sort_by(|a, b| a.host.cmp(&b.host));
        all
    }
}

/// A read that goes on.
#[derive(Debug)]
pub(super) struct UnderWay<'a> {
    sites: &'a Sites,
    host: &'a str,
    bytes: u64,
    /// What the host had given before.
    before: u64,
    begun: Instant,
}

impl UnderWay<'_> {
    /// It brought all its bytes, of `ranges` ranges.
    pub(super) fn done(self, ranges: usize) {
        let time = self.begun.elapsed().as_secs_f64();
        self.sites.with(self.host, |site| {
            site.traffic.requests += ranges as u64;
            site.traffic.round_trips += 1;
            site.traffic.bytes += self.bytes;
            let blend = |old: Option<f64>, new: f64| Some(old.map_or(new, |old| old + WEIGHT * (new - old)));
            if self.bytes <= SMALL {
                site.latency = blend(site.latency, time);
            } else if self.bytes >= LARGE {
                // What came for others in the meantime tells of the rate too.
                let came = site.traffic.bytes - self.before;
                let moving = (time - site.latency.unwrap_or(0.0)).max(time / 10.0).max(1e-6);
                site.rate = blend(site.rate, came as f64 / moving);
            }
        });
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.sites.with(self.host, |site| site.under_way -= self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_forgotten_in_time() {
        let sites = Sites::default();
        assert_eq!(sites.order(&["a", "b"], 0), [0, 1]);
        sites.failed("a", true);
        assert!(sites.is_failing("a"));
        assert_eq!(sites.order(&["a", "b"], 0), [1, 0]);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(!sites.is_failing("a"));
        assert_eq!(sites.order(&["a", "b"], 0), [0, 1]);
    }

    async fn read(sites: &Sites, host: &str, bytes: u64, time: Duration) {
        let under_way = sites.begin(host, bytes);
        tokio::time::advance(time).await;
        under_way.done(1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_much_slower_host_comes_after_a_fast_one_and_a_little_slower_one_does_not() {
        let sites = Sites::default();
        read(&sites, "far", 1 << 20, Duration::from_secs(1)).await;
        read(&sites, "near", 1 << 20, Duration::from_millis(500)).await;
        assert_eq!(sites.order(&["far", "near"], 0), [0, 1]);
        read(&sites, "nearest", 1 << 20, Duration::from_millis(100)).await;
        assert_eq!(sites.order(&["far", "near", "nearest"], 0), [2, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_read_takes_is_latency_and_bytes_by_rate() {
        let sites = Sites::default();
        assert_eq!(sites.expected("a", 1), None);
        read(&sites, "a", 100, Duration::from_millis(100)).await;
        assert_eq!(sites.expected("a", 1000), Some(Duration::from_millis(100)));
        assert_eq!(sites.expected("a", 10 << 20), None, "nothing is known of its rate");
        read(&sites, "a", 1_000_000, Duration::from_millis(1100)).await;
        assert_eq!(sites.expected("a", 2_000_000), Some(Duration::from_millis(2100)));
    }

    /// Else a busy host would look like one that stalls.
    #[tokio::test(start_paused = true)]
    async fn reads_at_the_same_time_share_the_rate() {
        let sites = Sites::default();
        read(&sites, "a", 1_000_000, Duration::from_secs(1)).await;
        let others: Vec<UnderWay<'_>> = (0..10).map(|_| sites.begin("a", 1_000_000)).collect();
        assert_eq!(sites.expected("a", 1_000_000), Some(Duration::from_secs(11)));
        tokio::time::advance(Duration::from_secs(10)).await;
        others.into_iter().for_each(|other| other.done(1));
        // The last of them saw ten million bytes in ten seconds; those before it less.
        let seconds = sites.expected("a", 1_000_000).unwrap().as_secs_f64();
        assert!((1.0..2.0).contains(&seconds), "{seconds}");
        drop(sites.begin("a", 1 << 40));
        assert_eq!(sites.expected("a", 1_000_000).unwrap().as_secs_f64(), seconds, "given up");
    }
}
