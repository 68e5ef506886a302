use std::sync::Arc;

use super::cache::Cache;
use super::doubts::Doubts;
use super::protocols::Protocols;
use super::replicas::{Means, Pace, Replicas};
use super::runtime::{Pending, Runtime};
use super::sites::Sites;
use super::{HostTraffic, Opener, io_error, shown};
use crate::Result;
use crate::source::{Listed, StorageOptions};

/// All that the remote files of a run share: the thread, the clients, what is known of each host.
#[derive(Debug)]
pub(in crate::source) struct Network {
    runtime: Runtime,
    means: Means,
}

impl Network {
    /// Starts the thread. Nothing is connected yet.
    pub(in crate::source) fn start(options: &StorageOptions) -> std::io::Result<Self> {
        let sites = Arc::new(Sites::default());
        let opener = Arc::new(Protocols::new(options));
        Self::with(opener, sites, options)
    }

    pub(super) fn with(
        opener: Arc<dyn Opener>,
        sites: Arc<Sites>,
        options: &StorageOptions,
    ) -> std::io::Result<Self> {
        let doubts = Arc::new(Doubts::default());
        let pace = Pace { stall: options.stall(), hedge: options.hedge };
        let cache = options.cache_dir.as_deref();
        let cache = cache.map(|folder| Arc::new(Cache::new(folder, options.cache_size, sites.clone())));
        Ok(Self { runtime: Runtime::start()?, means: Means { opener, sites, doubts, cache, pace } })
    }

    pub(super) fn open(
        &self,
        location: &str,
        replicas: &[String],
    ) -> impl Future<Output = Result<Replicas>> + Send + 'static {
        let (means, location, replicas) = (self.means.clone(), location.to_owned(), replicas.to_vec());
        async move { Replicas::open(means, &location, &replicas).await }
    }

    /// What is in a folder. Waits for the answer.
    pub(in crate::source) fn list(&self, location: &str) -> Result<Vec<Listed>> {
        let (opener, url, name) = (self.means.opener.clone(), location.to_owned(), shown(location));
        let listed = self.spawn("list", &name, async move { opener.list(&url).await })?.wait();
        let ended = || io_error("list", &name, std::io::ErrorKind::Other, "the storage was closed");
        listed.unwrap_or_else(|| Err(ended()))
    }

    /// Begins what is asked of the file `name`.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        action: &'static str,
        name: &str,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Pending<Result<T>>> {
        let refused = |error: std::io::Error| io_error(action, name, error.kind(), error.to_string());
        self.runtime.spawn(future).map_err(refused)
    }

    /// Ends all that is under way.
    pub(in crate::source) fn close(&self) {
        self.runtime.close();
    }

    pub(in crate::source) fn traffic(&self) -> Vec<HostTraffic> {
        self.means.sites.traffic()
    }

    pub(in crate::source) fn take_notices(&self) -> Vec<String> {
        self.means.sites.take_notices()
    }
}
