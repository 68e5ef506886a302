//! A file that is another one when it is opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xrootd::Cause;

use super::*;
use scripted::*;

/// A server of which the first read resets the connection, and which serves `then` after that.
async fn replaced_by(then: Content) -> Scripted {
    let gone = Arc::new(AtomicBool::new(false));
    Scripted::start(Content::of(10_000), move |request| {
        if is(request, READ, 0) {
            gone.store(true, Ordering::SeqCst);
            return Some(vec![Step::Reset]);
        }
        (request.kind >= OPEN && gone.load(Ordering::SeqCst)).then(|| send(answer::right(request, &then)))
    })
    .await
}

#[tokio::test]
async fn of_another_size() {
    let server = replaced_by(Content::of(20_000)).await;
    let error = failure(within(opened(&server).await.read(0..10_000)).await, "read", server.address());
    assert!(matches!(error.cause, Cause::Changed(_)) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("10000") && error.to_string().contains("20000"), "{error}");
}

#[tokio::test]
async fn of_the_same_size_and_a_later_time() {
    let mut then = Content::of(10_000);
    then.modified += 1;
    let server = replaced_by(then).await;
    let error = failure(within(opened(&server).await.read(0..10_000)).await, "read", server.address());
    assert!(matches!(error.cause, Cause::Changed(_)) && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn the_same_is_read_on() {
    let server = replaced_by(Content::of(10_000)).await;
    assert_eq!(within(opened(&server).await.read(0..10_000)).await.unwrap(), Content::of(10_000).bytes);
}

#[tokio::test]
async fn gone() {
    let server = Scripted::start(Content::of(10_000), |request| match request.kind {
        READ => Some(vec![Step::Reset]),
        OPEN if request.nth > 0 => Some(send(answer::error(request, 3011, "no such file"))),
        _ => None,
    })
    .await;
    let error = within(opened(&server).await.read(0..10_000)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/file") && text.contains(&server.address().to_string()), "{text}");
}
