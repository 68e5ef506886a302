//! How often a client waits for a real server, counted in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use xrootd::{Client, Config, Url};

use crate::bed::{RANDOM, Server};
use crate::{server, within};

/// How long bytes are under way. What comes within this time is one turn.
const LATENCY: Duration = Duration::from_millis(60);

/// A long line to a server, which counts.
struct Line {
    port: u16,
    count: Arc<Count>,
    accepts: JoinHandle<()>,
}

#[derive(Default)]
struct Count {
    connections: AtomicUsize,
    turns: AtomicUsize,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Line {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(Count::default());
        let (counts, target) = (count.clone(), server.port());
        let accepts = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, target, counts.clone()));
            }
        });
        Self { port, count, accepts }
    }

    /// The URL of a path behind the line; the server is asked for by a name that its certificate has.
    fn url(&self, server: &Server, path: &str) -> Url {
        Url { host: "127.0.0.1".to_owned(), port: self.port, ..server.url(path) }
    }

    /// Turns, and one for each connection.
    fn turns(&self) -> usize {
        self.count.turns.load(Ordering::SeqCst) + self.connections()
    }

    fn connections(&self) -> usize {
        self.count.connections.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, target: u16, count: Arc<Count>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Whether the client has heard anything since it spoke: then what it says next is another turn.
    let heard = Arc::new(AtomicBool::new(true));
    let hears = heard.clone();
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            tokio::time::sleep(LATENCY).await;
            hears.store(true, Ordering::SeqCst);
            if to_client.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        if heard.swap(false, Ordering::SeqCst) {
            count.turns.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(LATENCY / 2).await;
        if to_server.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    back.abort();
}

/// Turns of the first open at a server, and of the second of another file.
async fn opens(server: &Server, tls: bool) -> (usize, usize) {
    let line = Line::to(server).await;
    let client = server.client();
    let url = |path| Url { tls, ..line.url(server, path) };
    let file = within(client.open(&url(RANDOM))).await.unwrap();
    let cold = line.turns();
    // What goes on beside the first open has to end before the second is counted.
    tokio::time::sleep(LATENCY * 5).await;
    let before = line.turns();
    within(client.open(&url("/small.txt"))).await.unwrap();
    let warm = line.turns() - before;
    assert_eq!(line.connections(), 1);
    drop(file);
    (cold, warm)
}

#[tokio::test]
async fn plain() {
    let server = server!("plain");
    let (cold, warm) = opens(&server, false).await;
    assert!(cold <= 4 && warm <= 1, "{cold} turns cold, {warm} warm");
}

#[tokio::test]
async fn tls() {
    let server = server!("tls");
    let (cold, warm) = opens(&server, true).await;
    assert!(cold <= 5 && warm <= 1, "{cold} turns cold, {warm} warm");
}

#[tokio::test]
async fn token() {
    let server = server!("ztn");
    let (cold, warm) = opens(&server, false).await;
    assert!(cold <= 6 && warm <= 1, "{cold} turns cold, {warm} warm");
}

#[tokio::test]
async fn four_connections_if_four_are_wanted_and_one_if_not() {
    let server = server!("plain");
    for streams in [1, 4] {
        let line = Line::to(&server).await;
        let client = Client::new(Config { streams: Some(streams), ..server.config() });
        let file = within(client.open(&line.url(&server, RANDOM))).await.unwrap();
        for _ in 0..10 {
            within(file.read(0..1 << 20)).await.unwrap();
        }
        assert_eq!(line.connections(), streams);
    }
}
