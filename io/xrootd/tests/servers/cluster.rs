//! A redirector with two data servers.

use std::time::Duration;

use tokio::sync::Mutex;
use xrootd::{Cause, Client, Config, ErrorCode};

use crate::bed::{RANDOM, Server};
use crate::{server, within};

/// Who stops a server has the cluster to himself.
static CLUSTER: Mutex<()> = Mutex::const_new(());

fn signal(server: &Server, name: &str) {
    let status = std::process::Command::new("kill").args([name, &server.pid().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A server that does not answer until this is dropped.
struct Stopped<'a>(&'a Server);

impl<'a> Stopped<'a> {
    fn new(server: &'a Server) -> Self {
        signal(server, "-STOP");
        Self(server)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

#[tokio::test]
async fn each_file_is_found_where_it_is() {
    let server = server!("man");
    let _alone = CLUSTER.lock().await;
    let client = server.client();
    for (path, members) in
        [("/only-near.bin", &["near"][..]), ("/only-far.bin", &["far"]), (RANDOM, &["near", "far"])]
    {
        let file = within(client.open(&server.url(path))).await.unwrap();
        let expected: Vec<_> = members
            .iter()
            .map(|name| server.member(name))
            .map(|m| format!("{}:{}", m.text("host"), m.port()))
            .collect();
        assert!(expected.contains(&file.server()), "{path}: {} is not of {expected:?}", file.server());
        let bytes = server.member(members[0]).bytes(path);
        assert!(within(file.read(0..bytes.len() as u64)).await.unwrap() == bytes, "{path}");
        let mut found: Vec<_> =
            within(client.locate(&server.url(path))).await.unwrap().into_iter().map(|l| l.port).collect();
        let mut ports: Vec<_> = members.iter().map(|name| server.member(name).port()).collect();
        found.sort_unstable();
        ports.sort_unstable();
        assert_eq!(found, ports, "{path}");
    }
}

#[tokio::test]
async fn a_file_that_nobody_has() {
    let server = server!("man");
    let _alone = CLUSTER.lock().await;
    let error = within(server.client().open(&server.url("/nowhere"))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::NotFound, .. }), "{error}");
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

#[tokio::test]
async fn a_read_goes_on_at_the_other_server_when_one_stops() {
    let server = server!("man");
    let _alone = CLUSTER.lock().await;
    let members = [server.member("near"), server.member("far")];
    let bytes = members[0].bytes(RANDOM);
    let config = Config {
        stream_timeout: Duration::from_secs(2),
        connection_window: Duration::from_secs(3),
        request_timeout: Duration::from_secs(60),
        ..server.config()
    };
    let file = within(Client::new(config).open(&server.url(RANDOM))).await.unwrap();
    assert!(within(file.read(0..1 << 20)).await.unwrap() == bytes[..1 << 20]);
    let first = file.server();
    let serving = members.iter().find(|m| first.ends_with(&format!(":{}", m.port()))).unwrap();
    let _stopped = Stopped::new(serving);
    assert!(within(file.read(1 << 20..9 << 20)).await.unwrap() == bytes[1 << 20..9 << 20]);
    assert_ne!(file.server(), first);
    // And stays there.
    assert!(within(file.read(0..100)).await.unwrap() == bytes[..100]);
}
