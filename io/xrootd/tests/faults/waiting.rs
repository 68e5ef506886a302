//! Servers that ask for time.

use xrootd::{Cause, Config};

use super::*;
use scripted::*;

#[tokio::test]
async fn a_short_wait_and_then_the_file() {
    for kind in [OPEN, READ, LOGIN] {
        let server = Scripted::start(Content::of(100), move |request| {
            is(request, kind, 0).then(|| send(answer::wait(request, 1)))
        })
        .await;
        let file = opened(&server).await;
        assert_eq!(within(file.read(0..100)).await.unwrap(), Content::of(100).bytes, "{kind}");
        assert_eq!(server.seen(kind).len(), 2, "{kind}");
    }
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_request_may_take() {
    for seconds in [600, i32::MAX] {
        let server = Scripted::start(Content::of(100), move |request| {
            (request.kind == OPEN).then(|| send(answer::wait(request, seconds)))
        })
        .await;
        let error = failure(within(client().open(&server.url())).await, "open", server.address());
        assert!(matches!(error.cause, Cause::WaitTooLong { .. }), "{error}");
        assert!(error.to_string().contains(&format!("wait {seconds} s")) && error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn wait_after_wait() {
    let server = Scripted::start(Content::of(100), |request| {
        (request.kind == OPEN).then(|| send(answer::wait(request, i32::from(request.nth % 2 == 0))))
    })
    .await;
    failure(within(client().open(&server.url())).await, "open", server.address());
    // Without time to wait it is not asked again at once, and again, as fast as it answers.
    assert!(server.seen(OPEN).len() < 200, "{} times", server.seen(OPEN).len());
}

#[tokio::test]
async fn a_wait_of_less_than_nothing() {
    let server = Scripted::start(Content::of(100), |request| match request.kind {
        OPEN if request.nth == 0 => Some(send(answer::wait(request, -5))),
        OPEN if request.nth == 1 => Some(send(answer::frame(request.stream, 4005, &[0]))),
        _ => None,
    })
    .await;
    let outcome = within(client().open(&server.url())).await;
    if let Err(error) = outcome {
        assert!(matches!(error.cause, Cause::Protocol(_) | Cause::WaitTooLong { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_answer_comes_later() {
    let content = Content::of(100_000);
    for kind in [OPEN, READ] {
        let of_script = content.clone();
        let server = Scripted::start(content.clone(), move |request| {
            let whole = answer::right(request, &of_script);
            is(request, kind, 0).then(|| {
                vec![
                    Step::Send(answer::waitresp(request, 3)),
                    Step::Pause(Duration::from_millis(300)),
                    Step::Send(answer::later(&whole)),
                ]
            })
        })
        .await;
        let file = opened(&server).await;
        assert_eq!(within(file.read(5..99_999)).await.unwrap(), content.bytes[5..99_999], "{kind}");
        assert_eq!(server.seen(kind).len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn what_comes_later_is_a_wait_a_redirect_or_an_error() {
    let good = Scripted::start(Content::of(100), |_| None).await;
    let port = i32::from(good.address().port());
    let late = |what: fn(&Request, i32) -> bytes::Bytes| {
        move |request: &Request| {
            is(request, OPEN, 0).then(|| {
                vec![
                    Step::Send(answer::waitresp(request, 3)),
                    Step::Send(answer::later(&what(request, port))),
                ]
            })
        }
    };
    let server = Scripted::start(Content::of(100), late(|request, _| answer::wait(request, 1))).await;
    opened(&server).await;
    assert_eq!(server.seen(OPEN).len(), 2);
    let to_other = late(|request, port| answer::redirect(request, "127.0.0.1", port));
    let server = Scripted::start(Content::of(100), to_other).await;
    assert_eq!(opened(&server).await.server(), good.address().to_string());
    let server =
        Scripted::start(Content::of(100), late(|request, _| answer::error(request, 3011, "gone"))).await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(error.to_string().contains("gone"), "{error}");
}

#[tokio::test]
async fn it_will_answer_later_and_does_not() {
    let server = Scripted::start(Content::of(100), |request| {
        (request.kind == OPEN).then(|| send(answer::waitresp(request, 1)))
    })
    .await;
    let error = failure(within(client().open(&server.url())).await, "open", server.address());
    assert!(matches!(error.cause, Cause::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn later_comes_what_is_no_answer() {
    for garbage in [vec![], vec![0; 3], vec![0xff; 40], answer::frame([0x7f, 0x7f], 0, b"x").to_vec()] {
        let server = Scripted::start(Content::of(100), move |request| {
            (request.kind == OPEN)
                .then(|| vec![Step::Send(answer::waitresp(request, 1)), Step::Send(answer::later(&garbage))])
        })
        .await;
        let client = Client::new(Config { request_timeout: Duration::from_secs(1), ..impatient() });
        failure(within(client.open(&server.url())).await, "open", server.address());
    }
}

#[tokio::test]
async fn an_announcement_in_between_changes_nothing() {
    let server = Scripted::start(Content::of(100), |request| {
        let right = answer::right(request, &Content::of(100));
        (request.kind >= OPEN)
            .then(|| vec![Step::Send(answer::announcement("maintenance at noon")), Step::Send(right)])
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(0..100)).await.unwrap(), Content::of(100).bytes);
}
