//! Frames that are not what the protocol has.

use xrootd::Cause;

use super::*;
use scripted::*;

const SIZE: usize = 100_000;

/// What a read of everything gives at a server whose answer to the first reads, or to all, is made so.
async fn read_where(
    times: usize,
    steps: impl Fn(&Request, &Content) -> Vec<Step> + Send + Sync + 'static,
) -> (Scripted, Result<bytes::Bytes, Error>) {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content, move |request| {
        (request.kind == READ && request.nth < times).then(|| steps(request, &of_script))
    })
    .await;
    let file = opened(&server).await;
    let read = within(file.read(0..SIZE as u64)).await;
    (server, read)
}

/// Once, it is repaired; always, it is an error. Neither time it is wrong bytes.
async fn repaired_or_told(
    steps: impl Fn(&Request, &Content) -> Vec<Step> + Clone + Send + Sync + 'static,
) -> Error {
    let (_, read) = read_where(1, steps.clone()).await;
    assert_eq!(read.unwrap(), Content::of(SIZE).bytes);
    let (server, read) = read_where(usize::MAX, steps).await;
    let error = failure(read, "read", server.address());
    assert!(error.attempts > 1 && error.is_transient(), "{error}");
    error
}

#[tokio::test]
async fn garbage_in_the_place_of_an_answer() {
    repaired_or_told(|_, _| send(vec![0xa5; 4096].into())).await;
    // Status and stream of nothing, and a length that fits what follows.
    repaired_or_told(|request, _| send(answer::frame(request.stream, 0x7777, &[1; 64]))).await;
}

#[tokio::test]
async fn lengths_that_no_answer_has() {
    for length in [i32::MAX, -1, i32::MIN, SIZE as i32 + 1] {
        let error = repaired_or_told(move |request, content| {
            vec![Step::Send(answer::promise(request, length)), Step::Send(content.bytes.clone())]
        })
        .await;
        assert!(matches!(error.cause, Cause::Protocol(_) | Cause::TimedOut { .. }), "{length}: {error}");
    }
}

#[tokio::test]
async fn more_bytes_than_asked_for() {
    repaired_or_told(|request, content| send(answer::ok(request, &[&content.bytes[..], &[0; 10]].concat())))
        .await;
    let pieces = |request: &Request, content: &Content| {
        let piece = answer::oksofar(request, &content.bytes[..60_000]);
        vec![Step::Send(piece.clone()), Step::Send(piece), Step::Send(answer::ok(request, b"x"))]
    };
    repaired_or_told(pieces).await;
}

#[tokio::test]
async fn pieces_without_end() {
    let error = repaired_or_told(|request, _| {
        (0..200).map(|_| Step::Send(answer::oksofar(request, &[7; 1000]))).collect()
    })
    .await;
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
    // None of them has anything in it.
    let nothing = |request: &Request, _: &Content| {
        (0..300)
            .flat_map(|_| [Step::Send(answer::oksofar(request, b"")), Step::Pause(Duration::from_millis(20))])
            .collect()
    };
    let (server, read) = read_where(usize::MAX, nothing).await;
    failure(read, "read", server.address());
}

#[tokio::test]
async fn an_answer_to_a_request_that_was_not_made() {
    let (_, read) = read_where(usize::MAX, |request, content| {
        let stream = [request.stream[0] ^ 0x55, request.stream[1]];
        let stranger = answer::frame(stream, 0, &vec![1; content.bytes.len()]);
        vec![Step::Send(stranger), Step::Send(answer::right(request, content))]
    })
    .await;
    // Whoever does not trust such a connection any more makes another, on which it happens again.
    match read {
        Ok(bytes) => assert_eq!(bytes, Content::of(SIZE).bytes),
        Err(error) => assert!(matches!(error.cause, Cause::Protocol(_)), "{error}"),
    }
}

#[tokio::test]
async fn an_answer_that_comes_twice() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        let right = answer::right(request, &of_script);
        (request.kind == READ && request.nth % 2 == 0)
            .then(|| vec![Step::Send(right.clone()), Step::Send(right)])
    })
    .await;
    let file = opened(&server).await;
    for at in (0..90_000).step_by(1000) {
        let read = within(file.read(at..at + 1000)).await.unwrap();
        assert_eq!(read, content.bytes[at as usize..at as usize + 1000], "{at}");
    }
}

#[tokio::test]
async fn reset_in_the_middle() {
    let error = repaired_or_told(|request, content| {
        let right = answer::right(request, content);
        vec![Step::Send(right.slice(..right.len() / 2)), Step::Reset]
    })
    .await;
    assert!(matches!(error.cause, Cause::Lost(_)), "{error}");
}

#[tokio::test]
async fn closed_in_the_middle() {
    let error = repaired_or_told(|request, content| {
        let right = answer::right(request, content);
        vec![Step::Send(right.slice(..right.len() / 2)), Step::Close]
    })
    .await;
    assert!(matches!(error.cause, Cause::Lost(_)), "{error}");
}

#[tokio::test]
async fn silence_in_the_middle() {
    let error = repaired_or_told(|request, content| {
        let right = answer::right(request, content);
        send(right.slice(..right.len() / 2))
    })
    .await;
    assert!(matches!(error.cause, Cause::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_status_frame_for_a_plain_read() {
    repaired_or_told(|request, content| {
        send(answer::paged(request.stream, PGREAD, 0, &content.bytes, false))
    })
    .await;
}

#[tokio::test]
async fn a_frame_byte_by_byte() {
    let content = Content::of(40);
    let server = Scripted::start(content.clone(), |request| {
        (request.kind == READ).then(|| vec![Step::Dribble(answer::right(request, &Content::of(40)), 5)])
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(0..40)).await.unwrap(), content.bytes);
}
