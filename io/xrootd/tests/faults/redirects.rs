//! Servers that send to others.

use tokio::net::TcpListener;
use xrootd::{Cause, OpenOptions};

use super::*;
use scripted::*;

/// A server that answers `open` with a redirect, made of its own port too.
async fn redirector(to: impl Fn(&Request, u16) -> bytes::Bytes + Send + Sync + 'static) -> Scripted {
    let own_port = std::sync::Arc::new(std::sync::OnceLock::new());
    let known = own_port.clone();
    let server = Scripted::start(Content::of(100), move |request| {
        (request.kind == OPEN).then(|| send(to(request, *known.get().unwrap())))
    })
    .await;
    own_port.set(server.address().port()).unwrap();
    server
}

#[tokio::test]
async fn to_itself_for_ever() {
    let server = redirector(|request, own| answer::redirect(request, "127.0.0.1", own.into())).await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(matches!(error.cause, Cause::Redirects), "{error}");
    assert!(server.seen(OPEN).len() <= 17 * 2, "{} times", server.seen(OPEN).len());
    assert!(error.to_string().contains(&format!("redirected by {} → {0}", server.address())), "{error}");
}

#[tokio::test]
async fn in_a_circle() {
    let first =
        redirector(|request, _| answer::redirect(request, request_host(request), request_port(request)))
            .await;
    let second_to = i32::from(first.address().port());
    let second = redirector(move |request, _| answer::redirect(request, "127.0.0.1", second_to)).await;
    let url = format!("root://{}//file?to={}", first.address(), second.address().port()).parse().unwrap();
    let error = within(client().open(&url)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Redirects), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&first.address().to_string()) && text.contains(&second.address().to_string()),
        "{text}"
    );
}

fn request_host(_: &Request) -> &'static str {
    "127.0.0.1"
}

/// The port that the URL's options name.
fn request_port(request: &Request) -> i32 {
    let path = request.path();
    let digits = path.rsplit("to=").next().unwrap().split('&').next().unwrap();
    digits.trim_end_matches('\0').parse().unwrap()
}

#[tokio::test]
async fn to_where_nobody_listens() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server =
        redirector(move |request, _| answer::redirect(request, "127.0.0.1", nobody.port().into())).await;
    let error = failure(within(client().open(&server.url())).await, "open", nobody);
    assert!(matches!(error.cause, Cause::Connect(_)), "{error}");
    assert!(error.redirects.contains(&server.address().to_string()), "{error}");
    // The redirector is told, and may know of another.
    let again = server.seen(OPEN).last().unwrap().path();
    assert!(again.contains("tried=127.0.0.1"), "{again}");
}

#[tokio::test]
async fn to_a_dead_server_and_then_to_a_living_one() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let good = Scripted::start(Content::of(100), |_| None).await;
    let port = good.address().port();
    let server = redirector(move |request, _| {
        let port = if request.path().contains("tried=") { port } else { nobody.port() };
        answer::redirect(request, "127.0.0.1", port.into())
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(10..20)).await.unwrap(), Content::of(100).bytes[10..20]);
    assert_eq!(file.server(), good.address().to_string());
}

#[tokio::test]
async fn to_a_url_as_a_negative_port_says() {
    let good = Scripted::start(Content::of(100), |_| None).await;
    let to = format!("root://{}//file?kept=1", good.address());
    let server = redirector(move |request, _| answer::redirect(request, &to, -1)).await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(0..100)).await.unwrap(), Content::of(100).bytes);
    assert!(good.seen(OPEN)[0].path().contains("kept=1"), "{}", good.seen(OPEN)[0].path());
}

#[tokio::test]
async fn with_options_for_the_next() {
    let good = Scripted::start(Content::of(100), |_| None).await;
    let port = i32::from(good.address().port());
    let server = redirector(move |request, _| answer::redirect(request, "127.0.0.1?ticket=5", port)).await;
    opened(&server).await;
    assert!(good.seen(OPEN)[0].path().contains("ticket=5"), "{}", good.seen(OPEN)[0].path());
}

#[tokio::test]
async fn to_places_that_are_none() {
    for (host, port) in [
        ("", 1094),
        ("127.0.0.1", 0),
        ("127.0.0.1", 70_000),
        ("file:///etc/passwd", -1),
        ("http://127.0.0.1/file", -1),
        ("\u{fffd}\n", 1),
        ("", i32::MIN),
    ] {
        let server = redirector(move |request, _| answer::redirect(request, host, port)).await;
        let error = within(client().open(&server.url())).await.unwrap_err();
        assert!(error.to_string().contains(&server.address().to_string()), "{host} {port}: {error}");
    }
    let long = "x".repeat(1 << 20);
    let server = redirector(move |request, _| answer::redirect(request, &long, 1)).await;
    let error = within(client().open(&server.url())).await.unwrap_err();
    assert!(error.to_string().len() < 10_000, "an error of {} bytes", error.to_string().len());
}

#[tokio::test]
async fn without_a_port_or_anything() {
    let server = redirector(|request, _| answer::frame(request.stream, 4004, &[0, 1])).await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_token_does_not_follow_to_a_server_without_tls() {
    let other = Scripted::start(Content::of(100), |_| None).await;
    let port = i32::from(other.address().port());
    let server =
        redirector(move |request, _| answer::redirect(request, "127.0.0.1?authz=Bearer%20secret", port))
            .await;
    let options = OpenOptions::default().retries(0);
    let error = within(client().open_with(&server.url(), &options)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Tls(_)), "{error}");
    assert!(!other.all().iter().any(|request| request.path().contains("secret")));
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn to_the_living_copy_in_the_middle_of_a_read() {
    let content = Content::of(100_000);
    let failing =
        Scripted::start(content.clone(), |request| (request.kind == READ).then(|| vec![Step::Reset])).await;
    let good = Scripted::start(content.clone(), |_| None).await;
    let (bad_port, good_port) = (failing.address().port(), good.address().port());
    let server = redirector(move |request, _| {
        let port = if request.path().contains("tried=") { good_port } else { bad_port };
        answer::redirect(request, "127.0.0.1", port.into())
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(file.server(), failing.address().to_string());
    assert_eq!(within(file.read(1000..99_000)).await.unwrap(), content.bytes[1000..99_000]);
    assert_eq!(file.server(), good.address().to_string());
}
