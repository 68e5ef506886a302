//! The same bytes as on disk, whatever the server and however they are asked for.

use std::ops::Range;
use std::sync::Arc;

use xrootd::{Cause, Client, Config, ErrorCode, ReadMode, Url};

use crate::bed::{RANDOM, Server};
use crate::{server, within};

/// Ranges around everything that has a limit: pages, the elements of vectors, pieces of reads, the end.
fn awkward(size: u64) -> Vec<Range<u64>> {
    const ELEMENT: u64 = 2_097_136;
    let mut ranges = vec![
        0..1,
        0..4096,
        4095..4097,
        1..8193,
        100..100,
        0..ELEMENT,
        7..7 + ELEMENT + 1,
        10_000_000..10_000_000 + (17 << 20),
        size - 1..size,
        size - 5000..size + 5000,
        size..size + 1,
        size + 10..size + 20,
        u64::MAX - 1..u64::MAX,
    ];
    // More than one vector has room for.
    ranges.extend((0..1500).map(|n| n * 40_001..n * 40_001 + 77 + n % 50));
    ranges
}

async fn same_as_on_disk(client: &Client, url: &Url, bytes: &[u8]) {
    let file = within(client.open(url)).await.unwrap();
    assert_eq!(file.size(), bytes.len() as u64);
    let ranges = awkward(file.size());
    let expected = |range: &Range<u64>| {
        let clamp = |at: u64| at.min(bytes.len() as u64) as usize;
        &bytes[clamp(range.start)..clamp(range.end)]
    };
    let read = within(file.read_ranges(&ranges)).await.unwrap();
    assert_eq!(read.len(), ranges.len());
    for (range, read) in ranges.iter().zip(&read) {
        assert!(read == expected(range), "{url}: {range:?} of a batch");
    }
    for range in &ranges[..13] {
        assert!(within(file.read(range.clone())).await.unwrap() == expected(range), "{url}: {range:?}");
    }
    within(file.close()).await.unwrap();
}

async fn every_mode(server: &Server, url: &Url, path: &str) {
    let bytes = server.bytes(path);
    for mode in [ReadMode::Auto, ReadMode::Plain, ReadMode::Paged] {
        same_as_on_disk(&server.client_that_reads(mode), url, &bytes).await;
    }
}

macro_rules! every_server {
    ($($name:ident: $scheme:ident,)*) => {$(
        #[tokio::test]
        async fn $name() {
            let server = server!(stringify!($name));
            every_mode(&server, &server.$scheme(RANDOM), RANDOM).await;
        }
    )*};
}

every_server! {
    plain: url, tls: url, tlsdata: url, unix: url, host: url, sss: url, ztn: url, http: url, xcache: url,
    thr: url, wan: url, wantls: url,
}

#[tokio::test]
async fn tls_that_is_asked_for() {
    let server = server!("tls");
    every_mode(&server, &server.encrypted(RANDOM), RANDOM).await;
}

#[tokio::test]
async fn where_a_redirect_leads() {
    let server = server!("redir");
    every_mode(&server, &server.url("/good/random.bin"), "/good/random.bin").await;
}

#[tokio::test]
async fn over_four_connections() {
    for name in ["plain", "tlsdata"] {
        let server = server!(name);
        let client = Client::new(Config { streams: Some(4), ..server.config() });
        same_as_on_disk(&client, &server.url(RANDOM), &server.bytes(RANDOM)).await;
        // By now all of them are there.
        same_as_on_disk(&client, &server.url(RANDOM), &server.bytes(RANDOM)).await;
    }
}

#[tokio::test]
async fn many_reads_at_once_of_many_files() {
    let server = server!("plain");
    let client = server.client();
    let mut reads = tokio::task::JoinSet::new();
    for path in [RANDOM, "/nano_dimuon.root", "/nano_dy.root", "/nano_dy_rntuple.root"] {
        let bytes = Arc::new(server.bytes(path));
        let file = Arc::new(within(client.open(&server.url(path))).await.unwrap());
        for n in 0..100_u64 {
            let (bytes, file) = (bytes.clone(), file.clone());
            reads.spawn(async move {
                let start = n * 7919 % (bytes.len() as u64 - 50_000);
                let range = start..start + 1 + n * 499;
                file.read(range.clone()).await.unwrap() == bytes[range.start as usize..range.end as usize]
            });
        }
    }
    while let Some(equal) = within(reads.join_next()).await {
        assert!(equal.unwrap());
    }
}

#[tokio::test]
async fn a_file_with_nothing_in_it() {
    let server = server!("plain");
    let file = within(server.client().open(&server.url("/empty.bin"))).await.unwrap();
    assert_eq!(file.size(), 0);
    assert_eq!(within(file.read(0..100)).await.unwrap(), "");
    assert_eq!(within(file.read_ranges(&[0..1, 5..9])).await.unwrap(), ["", ""]);
}

#[tokio::test]
async fn what_cannot_be_opened() {
    let server = server!("plain");
    for (path, code) in [("/not/there", ErrorCode::NotFound), ("/list", ErrorCode::isDirectory)] {
        let error = within(server.client().open(&server.url(path))).await.unwrap_err();
        assert!(matches!(&error.cause, Cause::Server { code: c, .. } if *c == code), "{error}");
        assert_eq!((error.attempts, error.path.as_str()), (1, path), "{error}");
        assert!(error.host.ends_with(&format!(":{}", server.port())), "{error}");
    }
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    let server = server!("redir");
    let error = within(server.client().open(&server.url("/loop/a"))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Redirects), "{error}");
    let error = within(server.client().open(&server.url("/dead/a"))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Connect(_)), "{error}");
    assert!(
        error.host.ends_with(":1")
            && error.redirects.iter().any(|by| by.contains(&server.port().to_string()))
    );
}

#[tokio::test]
async fn by_every_address_of_this_host() {
    let server = server!("plain");
    for host in ["127.0.0.1", "::1", "localhost", "127.0.0.2"] {
        let url = Url { host: host.to_owned(), ..server.url("/small.txt") };
        match within(server.client().open(&url)).await {
            Ok(file) => assert_eq!(within(file.read(0..100)).await.unwrap(), "hello, xrootd\n"),
            // A machine may have no IPv6.
            Err(error) => assert!(host == "::1" && matches!(error.cause, Cause::Connect(_)), "{error}"),
        }
    }
}
