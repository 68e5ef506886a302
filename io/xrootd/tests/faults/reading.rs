//! Reads of every kind, answered in every way.

use std::ops::Range;
use std::sync::Arc;

use xrootd::{Cause, Config};

use super::*;
use scripted::*;

const SIZE: usize = 400_000;

/// So small, and so many, that they are read as a vector.
fn scattered() -> Vec<Range<u64>> {
    (0..50).map(|n| n * 7001..n * 7001 + 300 + n).collect()
}

fn expected(content: &Content, ranges: &[Range<u64>]) -> Vec<bytes::Bytes> {
    ranges.iter().map(|range| content.bytes.slice(range.start as usize..range.end as usize)).collect()
}

#[tokio::test]
async fn answers_in_pieces() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        matches!(request.kind, READ | READV).then(|| {
            let right = answer::right(request, &of_script);
            // Cut anywhere, also in the head of a vector's element.
            let mut steps: Vec<_> =
                right[8..].chunks(1009).map(|piece| Step::Send(answer::oksofar(request, piece))).collect();
            let Some(Step::Send(last)) = steps.pop() else { panic!("an answer without bytes") };
            steps.push(Step::Send(answer::ok(request, &last[8..])));
            steps
        })
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(3..SIZE as u64)).await.unwrap(), content.bytes[3..]);
    assert_eq!(within(file.read_ranges(&scattered())).await.unwrap(), expected(&content, &scattered()));
    assert!(!server.seen(READV).is_empty(), "nothing was read as a vector");
}

#[tokio::test]
async fn pieces_that_end_with_an_empty_answer() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        matches!(request.kind, READ | READV).then(|| {
            let right = answer::right(request, &of_script);
            vec![Step::Send(answer::oksofar(request, &right[8..])), Step::Send(answer::ok(request, b""))]
        })
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(0..SIZE as u64)).await.unwrap(), content.bytes);
    assert_eq!(within(file.read_ranges(&scattered())).await.unwrap(), expected(&content, &scattered()));
}

#[tokio::test]
async fn fewer_bytes_than_asked_for() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        let some = answer::piece(&of_script, request.offset(), request.length().min(90_001));
        (request.kind == READ).then(|| send(answer::ok(request, &some)))
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(0..SIZE as u64)).await.unwrap(), content.bytes);
}

#[tokio::test]
async fn a_file_that_is_shorter_than_it_was_said_to_be() {
    let short = Content::of(1000);
    let server = Scripted::start(Content::of(SIZE), move |request| match request.kind {
        READ | READV => Some(send(answer::right(request, &short))),
        _ => None,
    })
    .await;
    let file = opened(&server).await;
    let error = failure(within(file.read(0..SIZE as u64)).await, "read", server.address());
    assert!(matches!(error.cause, Cause::Changed(_) | Cause::Protocol(_)), "{error}");
    let error = within(file.read_ranges(&scattered())).await.unwrap_err();
    assert!(error.to_string().contains(&server.address().to_string()), "{error}");
}

#[tokio::test]
async fn behind_the_end_there_is_nothing() {
    let content = Content::of(1000);
    let server = Scripted::start(content.clone(), |_| None).await;
    let file = opened(&server).await;
    assert_eq!(file.size(), 1000);
    assert_eq!(within(file.read(900..2000)).await.unwrap(), content.bytes[900..]);
    assert_eq!(within(file.read(5000..6000)).await.unwrap(), "");
    assert_eq!(within(file.read(7..7)).await.unwrap(), "");
    assert_eq!(within(file.read_ranges(&[])).await.unwrap(), Vec::<bytes::Bytes>::new());
    let read = within(file.read_ranges(&[990..1010, 0..3, 1000..1001])).await.unwrap();
    assert_eq!(read, [content.bytes.slice(990..), content.bytes.slice(..3), "".into()]);
}

#[tokio::test]
async fn one_kilobyte_a_second_is_too_slow_for_much_and_not_for_little() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        (request.kind == READ).then(|| vec![Step::Dribble(answer::right(request, &of_script), 100)])
    })
    .await;
    let file = opened(&server).await;
    assert_eq!(within(file.read(0..1500)).await.unwrap(), content.bytes[..1500]);
    let error = failure(within(file.read(0..SIZE as u64)).await, "read", server.address());
    assert!(matches!(error.cause, Cause::TimedOut { .. }) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_slow_and_steady_link_is_not_a_stalled_one() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        (request.kind == READ).then(|| vec![Step::Paced(answer::right(request, &of_script), 5000)])
    })
    .await;
    let config = Config { request_timeout: Duration::from_secs(1), connection_retry: 1, ..impatient() };
    let file = within(Client::new(config).open(&server.url())).await.unwrap();
    // Four seconds for all: each answer waits behind those before it, and the last one longer than a request may take.
    let ranges: Vec<_> = (0..10_u64).map(|n| n * 20_000..(n + 1) * 20_000).collect();
    let reads = futures_util::future::join_all(ranges.iter().map(|range| file.read(range.clone())));
    for (range, read) in ranges.iter().zip(within(reads).await) {
        assert_eq!(read.unwrap(), content.bytes[range.start as usize..range.end as usize], "{range:?}");
    }
    // One answer of two seconds.
    assert_eq!(within(file.read(0..100_000)).await.unwrap(), content.bytes[..100_000]);
    assert_eq!(server.seen(READ).len(), 11, "nothing was asked for again");
}

#[tokio::test]
async fn a_read_that_is_never_answered() {
    for kind in [READ, READV] {
        let server =
            Scripted::start(Content::of(SIZE), move |request| (request.kind == kind).then(Vec::new)).await;
        let file = opened(&server).await;
        let outcome = if kind == READ {
            within(file.read(0..100)).await.map(drop)
        } else {
            within(file.read_ranges(&scattered())).await.map(drop)
        };
        let error = outcome.expect_err("nothing was answered");
        assert!(matches!(error.cause, Cause::TimedOut { .. }) && error.is_transient(), "{error}");
        assert!(error.to_string().contains(&format!("/file at {}", server.address())), "{error}");
    }
}

#[tokio::test]
async fn vectors_that_are_not_what_was_asked_for() {
    let content = Content::of(SIZE);
    let spoilers: [fn(&mut Vec<u8>); 6] = [
        |body| body[15] ^= 1,  // another offset
        |body| body[7] ^= 1,   // another length
        |body| body[4] = 0xff, // a negative length
        |body| body.truncate(body.len() - 1),
        |body| body.extend([0; 40]),
        |body| body.clear(),
    ];
    for (at, spoil) in spoilers.into_iter().enumerate() {
        for times in [1, usize::MAX] {
            let of_script = content.clone();
            let server = Scripted::start(content.clone(), move |request| {
                (request.kind == READV && request.nth < times).then(|| {
                    let mut body = answer::vector(request, &of_script).unwrap();
                    spoil(&mut body);
                    send(answer::ok(request, &body))
                })
            })
            .await;
            let file = opened(&server).await;
            match within(file.read_ranges(&scattered())).await {
                Ok(read) => assert_eq!(read, expected(&content, &scattered()), "{at}"),
                Err(error) => {
                    assert!(error.to_string().contains(&server.address().to_string()), "{at}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_vector_that_the_server_refuses() {
    let content = Content::of(SIZE);
    let server = Scripted::start(content.clone(), |request| {
        (request.kind == READV).then(|| send(answer::error(request, 3007, "readv is not for you")))
    })
    .await;
    let file = opened(&server).await;
    match within(file.read_ranges(&scattered())).await {
        Ok(read) => assert_eq!(read, expected(&content, &scattered())),
        Err(error) => assert!(error.to_string().contains("readv is not for you"), "{error}"),
    }
}

#[tokio::test]
async fn answers_in_another_order() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        let late = Duration::from_millis(10 * (20 - request.nth.min(20)) as u64);
        let right = answer::right(request, &of_script);
        (request.kind == READ).then(|| vec![Step::Pause(late), Step::Send(right)])
    })
    .await;
    let file = Arc::new(opened(&server).await);
    let mut reads = tokio::task::JoinSet::new();
    for n in 0..20_u64 {
        let file = file.clone();
        reads.spawn(async move { (n, file.read(n * 9000..n * 9000 + 8000).await) });
    }
    while let Some(read) = within(reads.join_next()).await {
        let (n, bytes) = read.unwrap();
        assert_eq!(bytes.unwrap(), content.bytes[n as usize * 9000..][..8000], "{n}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_goes_to_nobody() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    // The first read is answered long after it was given up, in the middle of others of the same length.
    let server = Scripted::start(content.clone(), move |request| {
        let right = answer::right(request, &of_script);
        let late = if request.nth == 0 { 2500 } else { 30 };
        (request.kind == READ).then(|| vec![Step::Pause(Duration::from_millis(late)), Step::Send(right)])
    })
    .await;
    let config = Config {
        request_timeout: Duration::from_secs(1),
        stream_timeout: Duration::from_secs(20),
        connection_retry: 1,
        ..impatient()
    };
    for cancelled in [false, true] {
        let file = within(Client::new(config.clone()).open(&server.url())).await.unwrap();
        if cancelled {
            // Whoever asked has gone.
            tokio::time::timeout(Duration::from_millis(200), file.read(0..1000)).await.ok();
        } else {
            let error = failure(within(file.read(0..1000)).await, "read", server.address());
            assert!(matches!(error.cause, Cause::TimedOut { .. }), "{error}");
        }
        for n in 1..120_u64 {
            let read = within(file.read(n * 1000..n * 1000 + 1000)).await.unwrap();
            assert_eq!(read, content.bytes[n as usize * 1000..][..1000], "{n}");
        }
    }
    let reads = server.seen(READ);
    let same =
        |request: &&Request| request.connection == reads[0].connection && request.stream == reads[0].stream;
    assert_eq!(
        reads.iter().take(80).filter(same).count(),
        1,
        "its stream was used again before it was answered"
    );
}

/// Of which answers to pgread are spoilt, `times` times.
async fn paged_where(
    times: usize,
    spoil: impl Fn(&Request, Vec<u8>) -> bytes::Bytes + Send + Sync + 'static,
) -> (Scripted, Result<bytes::Bytes, Error>) {
    let content = Content::of(SIZE).with_pages();
    let of_script = content.clone();
    let server = Scripted::start(content, move |request| {
        (request.kind == PGREAD && request.nth < times).then(|| {
            let bytes = answer::piece(&of_script, request.offset(), request.length());
            send(spoil(request, answer::pages(request.offset(), &bytes)))
        })
    })
    .await;
    let file = within(paging_client().open(&server.url())).await.unwrap();
    let read = within(file.read(1000..200_000)).await;
    (server, read)
}

#[tokio::test]
async fn pages_whose_checksum_is_wrong_once() {
    for at in [0, 2, 5000, 100_000] {
        let (server, read) = paged_where(1, move |request, mut body| {
            body[at] ^= 0x10;
            answer::paged(request.stream, PGREAD, request.offset(), &body, false)
        })
        .await;
        assert_eq!(read.unwrap(), Content::of(SIZE).bytes[1000..200_000], "{at}");
        // It is asked for again as the protocol wants to be told: `kXR_pgRetry` in the second byte.
        let again = &server.seen(PGREAD)[1];
        assert_eq!(again.payload.get(1).map(|flags| flags & 1), Some(1), "{again:?}");
    }
}

#[tokio::test]
async fn pages_whose_checksum_is_always_wrong() {
    let (server, read) = paged_where(usize::MAX, |request, mut body| {
        body[10] ^= 1;
        answer::paged(request.stream, PGREAD, request.offset(), &body, false)
    })
    .await;
    let error = failure(read, "read", server.address());
    assert!(matches!(error.cause, Cause::Checksum { at: 1000 }), "{error}");
    assert!(server.seen(PGREAD).len() < 20);
}

#[tokio::test]
async fn a_flipped_byte_of_a_plain_read_is_not_seen_and_that_is_why_there_are_pages() {
    let flip = |request: &Request| {
        (request.kind == READ).then(|| {
            let mut bytes = answer::piece(&Content::of(SIZE), request.offset(), request.length()).to_vec();
            bytes[0] ^= 1;
            send(answer::ok(request, &bytes))
        })
    };
    let server = Scripted::start(Content::of(SIZE), flip).await;
    let read = within(opened(&server).await.read(0..100)).await.unwrap();
    assert_ne!(read, Content::of(SIZE).bytes[..100]);
}

#[tokio::test]
async fn pages_in_parts() {
    let content = Content::of(SIZE).with_pages();
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        (request.kind == PGREAD).then(|| {
            let (start, end) = (request.offset(), request.offset() + request.length() as u64);
            // Parts end where pages do.
            let cuts: Vec<u64> =
                (0..).map(|n| n * 5 * 4096).skip_while(|&c| c <= start).take_while(|&c| c < end).collect();
            let starts = [&[start], &cuts[..]].concat();
            let ends = [&cuts[..], &[end]].concat();
            let parts = starts.iter().zip(&ends).map(|(&from, &to)| {
                let bytes = answer::piece(&of_script, from, (to - from) as usize);
                Step::Send(answer::paged(
                    request.stream,
                    PGREAD,
                    from,
                    &answer::pages(from, &bytes),
                    to != end,
                ))
            });
            parts.collect()
        })
    })
    .await;
    let file = within(paging_client().open(&server.url())).await.unwrap();
    assert_eq!(within(file.read(1234..399_999)).await.unwrap(), content.bytes[1234..399_999]);
}

#[tokio::test]
async fn page_answers_that_are_not_what_was_asked_for() {
    type Spoil = fn(&Request, Vec<u8>) -> bytes::Bytes;
    let spoilers: [Spoil; 8] = [
        |request, body| answer::paged(request.stream, PGREAD - 4, request.offset(), &body, false),
        |request, body| answer::paged(request.stream, PGREAD, request.offset() + 4096, &body, false),
        |request, body| answer::paged(request.stream, PGREAD, 0, &body, false),
        |request, body| answer::paged(request.stream, PGREAD, u64::MAX, &body, false),
        // The streams of its two headers differ.
        |request, body| {
            let mut frame = answer::paged([0x33, 0x44], PGREAD, request.offset(), &body, false).to_vec();
            frame[..2].copy_from_slice(&request.stream);
            frame.into()
        },
        // The checksum of its own header is wrong.
        |request, body| {
            let mut frame = answer::paged(request.stream, PGREAD, request.offset(), &body, false).to_vec();
            frame[8] ^= 1;
            frame.into()
        },
        // The last page has no byte left.
        |request, body| answer::paged(request.stream, PGREAD, request.offset(), &body[..3], false),
        // Its header is too short.
        |request, _| answer::frame(request.stream, 4007, &[0; 12]),
    ];
    for (at, spoil) in spoilers.into_iter().enumerate() {
        for times in [1, usize::MAX] {
            let (server, read) = paged_where(times, spoil).await;
            match read {
                Ok(bytes) => assert_eq!(bytes, Content::of(SIZE).bytes[1000..200_000], "{at}"),
                Err(error) => {
                    assert!(error.to_string().contains(&server.address().to_string()), "{at}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        let right = answer::right(request, &of_script);
        is(request, READ, 0).then(|| vec![Step::Send(right), Step::Close])
    })
    .await;
    let file = opened(&server).await;
    for at in [0, 1000] {
        assert_eq!(within(file.read(at..at + 1000)).await.unwrap(), content.bytes[at as usize..][..1000]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn silence_before_a_request_is_not_held_against_the_server() {
    let content = Content::of(SIZE);
    let of_script = content.clone();
    let server = Scripted::start(content.clone(), move |request| {
        let right = answer::right(request, &of_script);
        (request.kind == READ).then(|| vec![Step::Pause(Duration::from_millis(400)), Step::Send(right)])
    })
    .await;
    let file = opened(&server).await;
    // Longer than a server may be silent that owes an answer.
    tokio::time::sleep(impatient().stream_timeout + Duration::from_millis(500)).await;
    assert_eq!(within(file.read(0..1000)).await.unwrap(), content.bytes[..1000]);
    assert_eq!((server.connections(), server.seen(READ).len()), (1, 1));
}

#[tokio::test]
async fn all_that_was_under_way_survives_a_reset() {
    let content = Content::of(SIZE);
    let server =
        Scripted::start(content.clone(), |request| is(request, READ, 7).then(|| vec![Step::Reset])).await;
    let file = Arc::new(opened(&server).await);
    let mut reads = tokio::task::JoinSet::new();
    for n in 0..40_u64 {
        let file = file.clone();
        reads.spawn(async move { (n, file.read(n * 9000..n * 9000 + 9000).await) });
    }
    while let Some(read) = within(reads.join_next()).await {
        let (n, bytes) = read.unwrap();
        assert_eq!(bytes.unwrap(), content.bytes[n as usize * 9000..][..9000], "{n}");
    }
    assert_eq!((server.connections(), server.seen(OPEN).len()), (2, 2), "each read made its own connection");
}
