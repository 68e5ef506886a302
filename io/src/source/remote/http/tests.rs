//! Against a server of our own that does what a test says.
#![allow(clippy::single_range_in_vec_init)]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::xrootd::Config;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{HttpClient, HttpFile};
use crate::source::remote::RemoteFile;
use crate::{Error, Result};

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Ask {
    path: String,
    headers: HashMap<String, String>,
    ranges: Vec<Range<usize>>,
    /// How many requests came before it.
    before: usize,
}

/// What the server does then.
enum Act {
    Answer(Vec<u8>),
    /// The same, and closes the connection.
    Last(Vec<u8>),
    /// The same, and says nothing more.
    Stall(Vec<u8>),
    /// The same, 170 ms after it has got the lock.
    InTurn(Vec<u8>, Arc<tokio::sync::Mutex<()>>),
    /// The same, so many bytes every 20 ms.
    Pace(Vec<u8>, usize),
}

type Script = Arc<dyn Fn(&Ask) -> Act + Send + Sync>;

struct Server {
    port: u16,
    log: Arc<Mutex<Vec<Ask>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn new(script: impl Fn(&Ask) -> Act + Send + Sync + 'static) -> Self {
        Self::with(None, script).await
    }

    async fn with(tls: Option<TlsAcceptor>, script: impl Fn(&Ask) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (log, connections) = (Arc::<Mutex<Vec<Ask>>>::default(), Arc::<AtomicUsize>::default());
        let (script, asked, opened) = (Arc::new(script) as Script, log.clone(), connections.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, Ordering::Relaxed);
                let (tls, script, asked) = (tls.clone(), script.clone(), asked.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, script, asked).await,
                        Some(tls) => serve(tls.accept(stream).await.ok()?, script, asked).await,
                    }
                });
            }
        });
        Self { port, log, connections }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<Ask> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: Script,
    log: Arc<Mutex<Vec<Ask>>>,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let mut more = [0; 4096];
            let n = stream.read(&mut more).await.ok().filter(|&n| n > 0)?;
            buffer.extend_from_slice(&more[..n]);
        };
        let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
        let spelt = head.contains("\r\nRange: bytes=") || !head.to_lowercase().contains("range");
        assert!(spelt, "XrdHttp 5.5 knows no other spelling: {head}");
        let mut lines = head.lines();
        let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let ranges = headers.get("range").map(|range| range.strip_prefix("bytes=").unwrap().split(','));
        let ranges = ranges.into_iter().flatten().map(|range| {
            let (first, last) = range.split_once('-').unwrap();
            first.parse().unwrap()..last.parse::<usize>().unwrap() + 1
        });
        let mut ask = Ask { path, ranges: ranges.collect(), headers, before: 0 };
        {
            let mut log = log.lock().unwrap();
            ask.before = log.len();
            log.push(ask.clone());
        }
        match script(&ask) {
            Act::Answer(bytes) => stream.write_all(&bytes).await.ok()?,
            Act::Last(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return None;
            }
            Act::InTurn(bytes, lock) => {
                let _turn = lock.lock().await;
                tokio::time::sleep(Duration::from_millis(170)).await;
                stream.write_all(&bytes).await.ok()?;
            }
            Act::Pace(bytes, piece) => {
                for piece in bytes.chunks(piece) {
                    stream.write_all(piece).await.ok()?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Act::Stall(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                std::future::pending::<()>().await;
            }
        }
    }
}

mod encrypted;

const SIZE: usize = 3_000_000;

fn content() -> &'static [u8] {
    static CONTENT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    CONTENT.get_or_init(|| (0..SIZE).map(|n| (n % 251) as u8).collect())
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn swapped(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

fn clip(range: &Range<usize>) -> Range<usize> {
    range.start..range.end.min(SIZE)
}

/// As XrdHttp answers.
fn fine(ask: &Ask, headers: &str) -> Vec<u8> {
    if let [range] = &ask.ranges[..] {
        let range = clip(range);
        let said = format!("Content-Range: bytes {}-{}/{SIZE}\r\n{headers}", range.start, range.end - 1);
        return answer("206 Partial Content", &said, &content()[range]);
    }
    let mut body = Vec::new();
    for range in ask.ranges.iter().map(clip) {
        let (first, last) = (range.start, range.end - 1);
        body.extend_from_slice(
            format!("\r\n--123456\r\nContent-type: text/plain\r\nContent-range: bytes {first}-{last}/{SIZE}\r\n\r\n")
                .as_bytes(),
        );
        body.extend_from_slice(&content()[range]);
    }
    body.extend_from_slice(b"\r\n--123456--\r\n");
    let said = format!("Content-Type: multipart/byteranges; boundary=123456\r\n{headers}");
    answer("206 Partial Content", &said, &body)
}

fn client() -> Arc<HttpClient> {
    Arc::new(HttpClient::new(Config::default(), Duration::from_millis(300), 4 << 20))
}

async fn open(url: &str, patient: bool) -> Result<Arc<dyn RemoteFile>> {
    HttpFile::open(&client(), url, patient).await
}

async fn check(file: &dyn RemoteFile, ranges: &[Range<u64>]) {
    let answers = file.read(ranges.to_vec()).await.unwrap();
    let expected = ranges.iter().map(|range| &content()[range.start as usize..range.end as usize]);
    assert!(answers.iter().map(Bytes::as_ref).eq(expected));
}

fn large(n: u64) -> Vec<Range<u64>> {
    (0..n).map(|n| 100_000 + n * 140_000..100_000 + n * 140_000 + 132_000).collect()
}

fn small(n: u64) -> Vec<Range<u64>> {
    (0..n).map(|n| 100_000 + n * 2000..100_000 + n * 2000 + 100).collect()
}

fn kind(error: &Error) -> std::io::ErrorKind {
    match error {
        Error::Io { source, .. } => source.kind(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_opening_brings_size_and_head_and_few_ranges_are_requests_of_their_own() {
    let server = Server::new(|ask| Act::Answer(fine(ask, "ETag: \"a\"\r\n"))).await;
    let file = open(&server.url("//f.root?versionid=7"), true).await.unwrap();
    assert_eq!((file.size(), file.version()), (SIZE as u64, "\"a\""));
    assert_eq!(file.url(), server.url("//f.root?versionid=7"));
    check(&*file, &[0..10, 65_000..65_536]).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "the head came with the opening");
    assert_eq!(
        (asked[0].path.as_str(), asked[0].ranges.as_slice()),
        ("//f.root?versionid=7", &[0..65_536][..])
    );
    assert_eq!(asked[0].headers["accept-encoding"], "identity");
    assert_eq!(asked[0].headers["host"], format!("127.0.0.1:{}", server.port));
    assert!(!asked[0].headers.contains_key("authorization"));
    check(&*file, &[2_999_000..3_000_000, 0..4, 70_000..70_001]).await;
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_token_in_a_url_is_not_sent_without_tls() {
    let server = Server::new(|ask| Act::Answer(fine(ask, ""))).await;
    for name in ["authz", "AUTHZ", "access_token"] {
        let error = open(&server.url(&format!("/f?x=1&{name}=hush")), true).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot open {}: its option {name} would be sent without TLS: use https:// or davs://",
                server.url("/f?x=…")
            )
        );
        assert_eq!(kind(&error), std::io::ErrorKind::PermissionDenied);
    }
    assert!(server.asked().is_empty() && server.connections.load(Ordering::Relaxed) == 0);
}

#[tokio::test]
async fn many_small_ranges_are_one_request() {
    let server = Server::new(|ask| Act::Answer(fine(ask, ""))).await;
    let file = open(&server.url("/f"), true).await.unwrap();
    server.asked();
    let mut ranges = small(60);
    ranges.reverse();
    check(&*file, &ranges).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].ranges.len(), 60);
    // More than servers take at once; and a large one among them goes alone.
    check(&*file, &[small(250), large(1)].concat()).await;
    let mut lengths: Vec<usize> = server.asked().iter().map(|ask| ask.ranges.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [1, 50, 100, 100]);
}

#[tokio::test]
async fn a_server_that_does_not_know_many_ranges_is_asked_for_each() {
    type Wrong = fn(&Ask) -> Vec<u8>;
    let wrong: [(&str, Wrong); 7] = [
        ("whole", |_| answer("200 OK", "", content())),
        ("first", |ask| fine(&Ask { ranges: vec![ask.ranges[0].clone()], ..ask.clone() }, "")),
        ("too many", |_| answer("431 Request Header Fields Too Large", "", b"no")),
        ("one missing", |ask| fine(&Ask { ranges: ask.ranges[1..].to_vec(), ..ask.clone() }, "")),
        ("garbage", |_| {
            answer(
                "206 Partial Content",
                "Content-Type: multipart/byteranges; boundary=123456\r\n",
                &[0; 5000],
            )
        }),
        ("endless", |_| {
            answer("206 Partial Content", "Content-Type: multipart/byteranges; boundary=1\r\n", content())
        }),
        ("not said to be parts", |ask| swapped(fine(ask, ""), "multipart/byteranges", "text/plain")),
    ];
    for (name, wrong) in wrong {
        let server = Server::new(move |ask| {
            Act::Answer(if ask.ranges.len() > 1 { wrong(ask) } else { fine(ask, "") })
        })
        .await;
        let file = open(&server.url("/f"), true).await.unwrap();
        server.asked();
        check(&*file, &small(10)).await;
        assert_eq!(server.asked().len(), 11, "{name}");
        check(&*file, &small(10)).await;
        assert_eq!(server.asked().len(), 10, "{name}: not tried again");
    }
}

#[tokio::test]
async fn parts_may_come_joined_and_in_any_order() {
    let server = Server::new(|ask| {
        let mut ranges = ask.ranges.clone();
        if ranges.len() > 1 {
            ranges.reverse();
            ranges[0] = ranges[1].start..ranges[0].end;
        }
        Act::Answer(fine(&Ask { ranges, ..ask.clone() }, ""))
    })
    .await;
    let file = open(&server.url("/f"), true).await.unwrap();
    server.asked();
    let ranges: Vec<Range<u64>> = (0..10).map(|n| 100_000 + n * 110..100_100 + n * 110).collect();
    check(&*file, &ranges).await;
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn four_connections_at_most_and_they_are_kept() {
    let server = Server::new(|ask| Act::Answer(fine(ask, ""))).await;
    let file = open(&server.url("/f"), true).await.unwrap();
    for _ in 0..5 {
        check(&*file, &large(20)).await;
    }
    assert_eq!(server.asked().len(), 101);
    assert!(server.connections.load(Ordering::Relaxed) <= 4);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = Server::new(|ask| Act::Last(fine(ask, "Connection: keep-alive\r\n"))).await;
    let file = open(&server.url("/f"), false).await.unwrap();
    for _ in 0..5 {
        check(&*file, &large(1)).await;
    }
}

#[tokio::test]
async fn redirects_are_followed_once_and_anew_when_the_place_is_gone() {
    let pool = Server::new(|ask| {
        let gone = ask.path == "/pool/1?t=x" && (3..5).contains(&ask.before);
        Act::Answer(if gone { answer("404 Not Found", "", b"gone") } else { fine(ask, "") })
    })
    .await;
    let to = format!("Location: {}\r\n", pool.url("/pool/1?t=x"));
    let door = Server::new(move |ask| {
        let to = if ask.path == "/f" { "Location: /g\r\n" } else { &to };
        Act::Answer(answer("307 Temporary Redirect", to, b"there"))
    })
    .await;
    let file = open(&door.url("/f"), true).await.unwrap();
    assert_eq!(door.asked().len(), 2, "/f and /g");
    check(&*file, &large(1)).await;
    check(&*file, &large(1)).await;
    assert_eq!(door.asked().len(), 0, "reads go to the pool");
    // Request 3 finds it gone; the door sends it to the same place, gone once more.
    let error = file.read(large(1)).await.unwrap_err();
    assert!(error.to_string().contains("answers 404 Not Found; redirected by 127.0.0.1:"), "{error}");
    assert_eq!(kind(&error), std::io::ErrorKind::NotFound);
    assert_eq!(door.asked().len(), 2);
    check(&*file, &large(1)).await;
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let server = Server::new(|_| Act::Answer(answer("302 Found", "Location: /f\r\n", b""))).await;
    let error = open(&server.url("/f"), false).await.unwrap_err().to_string();
    assert!(error.contains("too many redirects; redirected by"), "{error}");
    for (location, says) in [("", "does not say where to"), ("Location: ftp://h/a\r\n", "no URL")] {
        let server = Server::new(move |_| Act::Answer(answer("302 Found", location, b""))).await;
        let error = open(&server.url("/f"), false).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_noticed() {
    type Later = fn(&Ask) -> Vec<u8>;
    let later: [(Later, &str); 4] = [
        (|ask| fine(ask, "ETag: \"b\"\r\nLast-Modified: monday\r\n"), "its ETag was \"a\" and is \"b\""),
        (
            |ask| fine(ask, "ETag: \"a\"\r\nLast-Modified: tuesday\r\n"),
            "its time of modification was monday and is tuesday",
        ),
        (
            |_| {
                answer("206 Partial Content", "Content-Range: bytes 100000-231999/3000001\r\n", &[0; 132_000])
            },
            "it had 3000000 bytes and has 3000001",
        ),
        (
            |_| answer("416 Range Not Satisfiable", "Content-Range: bytes */50\r\n", b""),
            "it had 3000000 bytes and has 50",
        ),
    ];
    for (later, says) in later {
        let server = Server::new(move |ask| match ask.before {
            0 => Act::Answer(fine(ask, "ETag: \"a\"\r\nLast-Modified: monday\r\n")),
            _ => Act::Answer(later(ask)),
        })
        .await;
        let file = open(&server.url("/f"), true).await.unwrap();
        let error = file.read(large(1)).await.unwrap_err();
        assert!(!error.is_transient());
        let expected =
            format!("cannot read {}: the file changed while it was read: {says}", server.url("/f"));
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn wrong_answers_are_errors_that_say_why() {
    use std::io::ErrorKind::{
        InvalidData, NotFound, PermissionDenied, ResourceBusy, TimedOut, UnexpectedEof, Unsupported,
    };
    type Wrong = fn(&Ask) -> Act;
    let wrong: [(Wrong, std::io::ErrorKind, &str); 16] = [
        (|_| Act::Answer(answer("404 Not Found", "", b"")), NotFound, "answers 404 Not Found"),
        (
            |_| Act::Answer(answer("403 Forbidden", "", b"")),
            PermissionDenied,
            "answers 403 Forbidden: a token is sent over https only",
        ),
        (
            |_| Act::Answer(answer("503 Service Unavailable", "Retry-After: 7\r\n", b"")),
            ResourceBusy,
            "answers 503 Service Unavailable, and asks to wait 7 s",
        ),
        (|_| Act::Answer(answer("429 Too Many Requests", "", b"")), ResourceBusy, "answers 429"),
        (|_| Act::Answer(answer("405 Method Not Allowed", "", b"")), Unsupported, "answers 405"),
        (|ask| Act::Answer(fine(ask, "Content-Encoding: gzip\r\n")), Unsupported, "is encoded with gzip"),
        (
            |_| Act::Answer(answer("206 Partial Content", "", &[0; 132_000])),
            InvalidData,
            "no proper Content-Range: None",
        ),
        (
            |_| Act::Answer(answer("206 Partial Content", "Content-Range: bytes 0-9/*\r\n", &[0; 10])),
            InvalidData,
            "no proper Content-Range",
        ),
        (
            |ask| Act::Answer(fine(&Ask { ranges: vec![7..132_007], ..ask.clone() }, "")),
            InvalidData,
            "bytes 100000..232000 were asked for and 7..132007 came",
        ),
        (
            |ask| Act::Last(swapped(fine(ask, ""), "Length: 132000", "Length: 131999")),
            UnexpectedEof,
            "131999 of 132000 bytes came",
        ),
        (
            |ask| {
                let mut cut = fine(ask, "");
                cut.truncate(100_000);
                Act::Last(cut)
            },
            UnexpectedEof,
            "the answer broke off after",
        ),
        (
            |ask| {
                let whole = fine(ask, "Connection: close\r\n");
                Act::Last([swapped(whole, "Content-Length: 132000\r\n", ""), b"more".to_vec()].concat())
            },
            InvalidData,
            "more than 132000 bytes came",
        ),
        (
            |_| Act::Answer(answer("416 Range Not Satisfiable", "Content-Range: bytes */3000000\r\n", b"")),
            InvalidData,
            "does not have bytes 100000..232000 of 3000000",
        ),
        (|_| Act::Last(b"garbage without end".to_vec()), InvalidData, "did not answer"),
        (|_| Act::Stall(Vec::new()), TimedOut, "did not come within 0.3 s"),
        (|ask| Act::Stall(fine(ask, "")[..50_000].to_vec()), TimedOut, "the rest of an answer of 127.0.0.1"),
    ];
    for (wrong, expected, says) in wrong {
        let server =
            Server::new(move |ask| if ask.before == 0 { Act::Answer(fine(ask, "")) } else { wrong(ask) })
                .await;
        let file = open(&server.url("/f"), false).await.unwrap();
        let error = file.read(large(1)).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(kind(&error), expected, "{error}");
        assert!(server.asked().iter().all(|ask| !ask.headers.contains_key("authorization")));
    }
}

#[tokio::test]
async fn a_passing_failure_is_overlooked_where_there_is_no_other_replica() {
    let script = |ask: &Ask| match ask.before {
        1 => Act::Answer(answer("503 Service Unavailable", "Retry-After: 0\r\n", b"")),
        2 => Act::Last(Vec::new()),
        _ => Act::Answer(fine(ask, "")),
    };
    let server = Server::new(script).await;
    let file = open(&server.url("/f"), true).await.unwrap();
    check(&*file, &large(1)).await;
    let server = Server::new(script).await;
    let file = open(&server.url("/f"), false).await.unwrap();
    assert!(file.read(large(1)).await.unwrap_err().is_transient());
    let server = Server::new(|_| Act::Answer(answer("500 Internal Server Error", "", b""))).await;
    let error = open(&server.url("/f"), true).await.unwrap_err().to_string();
    assert!(error.ends_with("answers 500 Internal Server Error; tried 3 times"), "{error}");
}

mod whole;

#[tokio::test]
async fn a_server_that_breaks_off_many_ranges_is_asked_for_each() {
    type Wrong = fn(&Ask) -> Act;
    let wrong: [(&str, Wrong); 4] = [
        ("at once", |_| Act::Last(Vec::new())),
        ("in the head", |ask| Act::Last(fine(ask, "")[..20].to_vec())),
        ("in the body", |ask| Act::Last(fine(ask, "")[..400].to_vec())),
        ("with an error", |_| Act::Answer(answer("502 Bad Gateway", "", b""))),
    ];
    for (name, wrong) in wrong {
        let server = Server::new(
            move |ask| if ask.ranges.len() > 1 { wrong(ask) } else { Act::Answer(fine(ask, "")) },
        )
        .await;
        let file = open(&server.url("/f"), false).await.unwrap();
        server.asked();
        check(&*file, &small(10)).await;
        // A connection that was kept may have been closed for another reason: a new one is tried too.
        assert!((11..=12).contains(&server.asked().len()), "{name}");
        check(&*file, &small(10)).await;
        assert_eq!(server.asked().len(), 10, "{name}: not tried again");
    }
    // One that has answered many has another reason, once.
    let server = Server::new(|ask| match ask.before {
        2 | 3 => Act::Last(Vec::new()),
        _ => Act::Answer(fine(ask, "")),
    })
    .await;
    let file = open(&server.url("/f"), false).await.unwrap();
    check(&*file, &small(10)).await;
    check(&*file, &small(10)).await;
    server.asked();
    check(&*file, &small(10)).await;
    assert_eq!(server.asked().len(), 1);
}

fn impatient() -> Arc<HttpClient> {
    let config = Config { request_timeout: Duration::from_millis(600), ..Config::default() };
    Arc::new(HttpClient::new(config, Duration::from_millis(300), 0))
}

#[tokio::test]
async fn a_slow_and_steady_answer_is_not_a_stalled_one() {
    let server = Server::new(|ask| Act::Pace(fine(ask, ""), 2000)).await;
    let file = HttpFile::open(&impatient(), &server.url("/f"), false).await.unwrap();
    // 100 kB/s: more than twice as long as a request may take.
    check(&*file, &large(1)).await;
    // 1 kB/s.
    let server = Server::new(|ask| match ask.before {
        0 => Act::Answer(fine(ask, "")),
        _ => Act::Pace(fine(ask, ""), 20),
    })
    .await;
    let file = HttpFile::open(&impatient(), &server.url("/f"), false).await.unwrap();
    let error = file.read(large(1)).await.unwrap_err();
    assert_eq!(kind(&error), std::io::ErrorKind::TimedOut);
    assert!(error.to_string().contains(" bytes came in 0.6 s"), "{error}");
}

#[tokio::test]
async fn a_server_that_answers_one_after_the_other_is_not_silent() {
    let lock = Arc::<tokio::sync::Mutex<()>>::default();
    // Three wait longer than a server may be silent.
    let server = Server::new(move |ask| match ask.before {
        0 => Act::Answer(fine(ask, "")),
        _ => Act::InTurn(fine(ask, ""), lock.clone()),
    })
    .await;
    let file = HttpFile::open(&impatient(), &server.url("/f"), false).await.unwrap();
    check(&*file, &large(8)).await;
}

#[tokio::test]
async fn an_empty_file_may_be_said_in_many_ways() {
    for reply in [
        answer("416 Range Not Satisfiable", "Content-Range: bytes */0\r\n", b""),
        answer("206 Partial Content", "Content-Range: bytes 0--1/0\r\n", b""),
        answer("200 OK", "", b""),
    ] {
        let server = Server::new(move |_| Act::Answer(reply.clone())).await;
        assert_eq!(open(&server.url("/f"), true).await.unwrap().size(), 0);
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_the_host() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = open(&format!("http://127.0.0.1:{port}/f"), false).await.unwrap_err();
    assert!(error.is_transient());
    let text = error.to_string();
    let expected = format!("cannot open http://127.0.0.1:{port}/f: no connection to 127.0.0.1:{port}: ");
    assert!(text.starts_with(&expected), "{text}");
    let error = open("http://no.such.host.invalid/f", false).await.unwrap_err().to_string();
    assert!(error.contains("the address of no.such.host.invalid cannot be found"), "{error}");
}
