//! From the first byte to the login.

use tokio::net::TcpListener;
use xrootd::{Cause, Config};

use super::*;
use scripted::*;

/// An address at which nobody listens.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn url(address: SocketAddr) -> xrootd::Url {
    format!("root://{address}//file").parse().unwrap()
}

/// What opening gives at a server that answers requests of `kind` so.
async fn open_where(kind: u16, steps: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Error {
    let server =
        Scripted::start(Content::of(100), move |request| (request.kind == kind).then(|| steps(request)))
            .await;
    failure(within(client().open(&server.url())).await, "open", server.address())
}

#[tokio::test]
async fn nobody_listens() {
    let address = dead().await;
    let error = failure(within(client().open(&url(address))).await, "open", address);
    assert!(matches!(error.cause, Cause::Connect(_)) && error.is_transient(), "{error}");
    assert_eq!(error.attempts, 2);
}

#[tokio::test]
async fn a_host_that_has_no_address() {
    let url = "root://no-such-host.invalid//file".parse().unwrap();
    let error = within(client().open(&url)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Resolve(_)), "{error}");
    assert!(error.to_string().contains("cannot open /file at no-such-host.invalid:1094"), "{error}");
}

#[tokio::test]
async fn it_accepts_and_never_answers() {
    for kind in [HANDSHAKE, PROTOCOL, LOGIN, OPEN] {
        let error = open_where(kind, |_| Vec::new()).await;
        assert!(matches!(error.cause, Cause::TimedOut { .. }) && error.is_transient(), "{kind}: {error}");
    }
}

#[tokio::test]
async fn it_accepts_and_hangs_up() {
    for kind in [HANDSHAKE, PROTOCOL, LOGIN, OPEN] {
        for step in [Step::Close, Step::Reset] {
            let error = open_where(kind, move |_| vec![step.clone()]).await;
            assert!(matches!(error.cause, Cause::Lost(_) | Cause::Connect(_)), "{kind}: {error}");
            assert_eq!(error.attempts, 2, "{kind}: {error}");
        }
    }
}

#[tokio::test]
async fn it_hangs_up_once() {
    for kind in [HANDSHAKE, PROTOCOL, LOGIN, OPEN] {
        let server =
            Scripted::start(Content::of(100), move |request| is(request, kind, 0).then(|| vec![Step::Reset]))
                .await;
        let file = opened(&server).await;
        assert_eq!(within(file.read(0..100)).await.unwrap(), Content::of(100).bytes, "{kind}");
    }
}

#[tokio::test]
async fn it_is_no_server_of_xrootd() {
    let page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let error = open_where(HANDSHAKE, move |_| send(page.into())).await;
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_handshake_of_nothing_that_makes_sense() {
    for garbage in [vec![0xff; 16], vec![0; 16], (0..=255).collect()] {
        let error = open_where(HANDSHAKE, move |_| send(garbage.clone().into())).await;
        assert!(matches!(error.cause, Cause::Protocol(_) | Cause::TimedOut { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_answer_to_protocol_or_login_that_is_cut() {
    let error = open_where(PROTOCOL, |request| send(answer::ok(request, &[0, 0, 5]))).await;
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
    let error = open_where(LOGIN, |request| send(answer::ok(request, &[1; 5]))).await;
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
    let error = open_where(OPEN, |request| send(answer::ok(request, &[1; 3]))).await;
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
}

#[tokio::test]
async fn an_answer_to_open_whose_size_makes_no_sense() {
    for stat in ["1 2", "x y z w", "1 -5 16 0", "1 99999999999999999999999 16 0"] {
        let server = Scripted::start(Content::of(100), move |request| {
            (request.kind == OPEN).then(|| {
                send(answer::ok(request, &[&[7, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], stat.as_bytes()].concat()))
            })
        })
        .await;
        // It may ask again, with `stat`, and then knows better.
        match within(client().open(&server.url())).await {
            Ok(file) => assert_eq!((file.size(), server.seen(STAT).len()), (100, 1), "{stat}"),
            Err(error) => assert!(matches!(error.cause, Cause::Protocol(_)), "{stat}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_open_that_tells_no_size_has_it_asked_for() {
    let server = Scripted::start(Content::of(100), |request| {
        (request.kind == OPEN).then(|| send(answer::ok(request, &[7, 0, 0, 1])))
    })
    .await;
    let file = opened(&server).await;
    assert_eq!((file.size(), within(file.read(0..1000)).await.unwrap().len()), (100, 100));
}

#[tokio::test]
async fn a_list_of_methods_without_end() {
    let list = "&P=none,x".repeat(200_000);
    let error = open_where(LOGIN, move |request| send(answer::login(request, list.as_bytes()))).await;
    assert!(matches!(error.cause, Cause::Auth(_) | Cause::Protocol(_)), "{:.300}", error.to_string());
    assert!(error.to_string().len() < 10_000, "an error of {} bytes", error.to_string().len());
}

#[tokio::test]
async fn methods_that_we_do_not_have() {
    let error = open_where(LOGIN, |request| send(answer::login(request, b"&P=krb9,x@y&P=pwd9"))).await;
    let text = error.to_string();
    assert!(
        matches!(error.cause, Cause::Auth(_)) && text.contains("krb9") && text.contains("pwd9"),
        "{text}"
    );
}

#[tokio::test]
async fn it_wants_more_and_more_to_authenticate() {
    let server = Scripted::start(Content::of(100), |request| match request.kind {
        LOGIN => Some(send(answer::login(request, b"&P=unix"))),
        AUTH => Some(send(answer::authmore(request, b"more"))),
        _ => None,
    })
    .await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(matches!(error.cause, Cause::Auth(_)), "{error}");
    assert!((1..20).contains(&server.seen(AUTH).len()), "{} times", server.seen(AUTH).len());
}

#[tokio::test]
async fn authentication_is_refused() {
    let server = Scripted::start(Content::of(100), |request| match request.kind {
        LOGIN => Some(send(answer::login(request, b"&P=unix"))),
        AUTH => Some(send(answer::error(request, 3010, "we do not know you"))),
        _ => None,
    })
    .await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(error.to_string().contains("we do not know you"), "{error}");
    // It would be refused again.
    assert!(!error.is_transient() && error.attempts == 1, "{error}");
}

#[tokio::test]
async fn it_promises_tls_and_speaks_clear_text() {
    let error = open_where(PROTOCOL, |request| {
        vec![
            Step::Send(answer::protocol(request, answer::SERVER_FLAGS | answer::TLS_AT_ONCE)),
            Step::Send(answer::frame([0, 1], 0, &[0; 200])),
        ]
    })
    .await;
    assert!(matches!(error.cause, Cause::Tls(_) | Cause::Protocol(_)), "{error}");
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn nothing_is_said_in_clear_text_to_who_was_asked_for_tls() {
    let server = Scripted::start(Content::of(100), |_| None).await;
    let url = format!("roots://{}//file?authz=secret", server.address()).parse().unwrap();
    let error = failure(within(client().open(&url)).await, "open", server.address());
    assert!(matches!(error.cause, Cause::Tls(_)), "{error}");
    assert_eq!((server.seen(LOGIN).len(), server.seen(OPEN).len()), (0, 0));
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_too_busy_to_open() {
    for (code, name) in [(3005, "kXR_FSError"), (3008, "kXR_NoMemory"), (3024, "kXR_Overloaded")] {
        let error =
            open_where(OPEN, move |request| send(answer::error(request, code, "too many open files"))).await;
        let text = error.to_string();
        assert!(text.contains("too many open files") && text.contains(name), "{text}");
        assert!(error.is_transient() && error.attempts == 2, "{text}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_asked_for_once() {
    let server = Scripted::start(Content::of(100), |request| {
        (request.kind == OPEN).then(|| send(answer::error(request, 3011, "no such file")))
    })
    .await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(!error.is_transient() && error.attempts == 1 && server.seen(OPEN).len() == 1, "{error}");
    assert!(error.to_string().contains("no such file (kXR_NotFound (3011))"), "{error}");
}

#[tokio::test]
async fn an_error_without_a_message_or_a_code() {
    let error = open_where(OPEN, |request| send(answer::frame(request.stream, 4003, &[0, 0]))).await;
    assert!(matches!(error.cause, Cause::Protocol(_) | Cause::Server { .. }), "{error}");
    let error = open_where(OPEN, |request| send(answer::error(request, 9999, "\u{1b}[2J\nboo"))).await;
    assert!(!error.to_string().contains(['\u{1b}', '\n']), "{error:?}");
}

#[tokio::test]
async fn without_retries_the_first_failure_is_the_last() {
    let server =
        Scripted::start(Content::of(100), |request| (request.kind == OPEN).then(|| vec![Step::Reset])).await;
    let options = xrootd::OpenOptions::default().retries(0);
    let error = failure(within(client().open_with(&server.url(), &options)).await, "open", server.address());
    assert_eq!((error.attempts, server.seen(OPEN).len()), (1, 1), "{error}");
}

#[tokio::test]
async fn a_connection_attempt_is_given_up_in_its_window_and_not_in_that_of_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config { request_timeout: Duration::from_secs(3600), ..impatient() };
    let error = failure(within(Client::new(config).open(&url(address))).await, "open", address);
    assert!(matches!(error.cause, Cause::TimedOut { .. }), "{error}");
}
