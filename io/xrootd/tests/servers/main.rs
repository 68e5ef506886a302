//! Against real servers: those of `tests/python/xrootd/bed.py`. Without them each test reports itself as
//! skipped.

mod bed;
mod cluster;
mod files;
mod reading;
mod security;
#[path = "../../../tests/skip/mod.rs"]
#[allow(clippy::print_stdout, reason = "whoever runs the tests reads it")]
mod skip;
mod turns;
mod writing;

use std::future::Future;
use std::time::Duration;

/// Guards against hanging, and measures nothing.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("it hangs")
}

/// The server of that name, or the end of the test.
macro_rules! server {
    ($name:expr) => {
        match crate::bed::server($name) {
            Some(server) => server,
            None => return,
        }
    };
}
use server;
