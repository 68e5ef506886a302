//! What a client makes of servers that misbehave: the right bytes, or an error that says which server,
//! which file, which request and after how many attempts. Never a hang, never wrong bytes.

mod connecting;
mod frames;
mod identity;
mod reading;
mod redirects;
mod scripted;
mod turns;
mod waiting;

use std::fmt::Debug;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use xrootd::{Client, Config, Error, File, ReadMode};

use scripted::{Request, Scripted, Step};

/// A client that gives up early.
fn impatient() -> Config {
    Config {
        connection_window: Duration::from_secs(1),
        connection_retry: 2,
        request_timeout: Duration::from_secs(4),
        stream_timeout: Duration::from_secs(1),
        read_mode: ReadMode::Plain,
        ..Config::default()
    }
}

fn client() -> Client {
    Client::new(impatient())
}

/// The same with page checksums.
fn paging_client() -> Client {
    Client::new(Config { read_mode: ReadMode::Paged, ..impatient() })
}

/// Far more than all time-outs together. It guards against hanging, and measures nothing.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(40), work).await.expect("it hangs")
}

async fn opened(server: &Scripted) -> File {
    within(client().open(&server.url())).await.unwrap()
}

/// The error of what must fail, which has to name what failed and where.
fn failure<T: Debug>(result: Result<T, Error>, request: &str, server: SocketAddr) -> Error {
    let error = result.expect_err("it must not succeed");
    let text = error.to_string();
    assert_eq!((error.host.as_str(), error.path.as_str()), (server.to_string().as_str(), "/file"), "{text}");
    assert!(text.starts_with(&format!("cannot {request} /file at {server}: ")), "{text}");
    let told = format!("tried {} times", error.attempts);
    assert_eq!(text.contains(&told), error.attempts > 1, "{text}");
    error
}

/// A step that sends this.
fn send(bytes: bytes::Bytes) -> Vec<Step> {
    vec![Step::Send(bytes)]
}

/// For a request of `kind`, the `nth` of them.
fn is(request: &Request, kind: u16, nth: usize) -> bool {
    request.kind == kind && request.nth == nth
}
