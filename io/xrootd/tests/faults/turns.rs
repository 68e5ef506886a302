//! How often a client waits for a server, counted: that, and not bytes, is what a far server costs.

use super::*;
use scripted::*;

/// What comes within this time is one turn.
const LATENCY: Duration = Duration::from_millis(80);

async fn far(size: usize) -> Scripted {
    Scripted::with_latency(Content::of(size), LATENCY, |_| None).await
}

#[tokio::test]
async fn a_cold_open_takes_four_turns_with_the_connection() {
    let server = far(1000).await;
    within(client().open(&server.url())).await.unwrap();
    assert!(server.turns() <= 4, "{} turns: {:?}", server.turns(), server.all());
}

#[tokio::test]
async fn a_warm_open_and_a_read_take_one_each() {
    let server = far(1000).await;
    let client = client();
    let file = within(client.open(&server.url())).await.unwrap();
    let before = server.turns();
    within(file.read(0..1000)).await.unwrap();
    assert_eq!(server.turns() - before, 1);
    let other = format!("root://{}//other", server.address()).parse().unwrap();
    within(client.open(&other)).await.unwrap();
    assert_eq!(server.turns() - before, 2);
}

#[tokio::test]
async fn a_host_known_to_ask_for_no_name_takes_two() {
    // It ends the connection when the file is closed.
    let server = Scripted::with_latency(Content::of(1000), LATENCY, |request| {
        (request.kind == CLOSE).then(|| vec![Step::Close])
    })
    .await;
    let client = client();
    drop(within(client.open(&server.url())).await.unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = server.turns();
    let file = within(client.open(&server.url())).await.unwrap();
    assert_eq!(server.connections(), 2);
    assert!(server.turns() - before <= 2, "{} turns", server.turns() - before);
    assert_eq!(within(file.read(0..1000)).await.unwrap(), Content::of(1000).bytes);
}

#[tokio::test]
async fn a_host_that_asks_for_a_name_after_all_costs_no_more_than_one_that_is_not_known() {
    // Of the first connection it does not want to know who it is; of those after it, it does.
    let server = Scripted::with_latency(Content::of(1000), LATENCY, |request| match request.kind {
        CLOSE => Some(vec![Step::Close]),
        LOGIN if request.connection > 0 => Some(send(answer::login(request, b"&P=host"))),
        // As a server does before it knows who asks.
        OPEN if request.connection == 1 => {
            Some(vec![Step::Send(answer::error(request, 3006, "not logged in")), Step::Close])
        }
        _ => None,
    })
    .await;
    let client = client();
    drop(within(client.open(&server.url())).await.unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let file = within(client.open(&server.url())).await.unwrap();
    assert_eq!(within(file.read(0..1000)).await.unwrap(), Content::of(1000).bytes);
}

#[tokio::test]
async fn a_batch_takes_one_turn_however_many_ranges_it_has() {
    const SIZE: u64 = 8 << 20;
    let server = far(SIZE as usize).await;
    let client = client();
    let file = within(client.open(&server.url())).await.unwrap();
    // What is asked for once per server, not once per batch.
    within(file.read_ranges(&[0..10, 5000..5010])).await.unwrap();
    let content = Content::of(SIZE as usize);
    for length in [100, 3000, 35_000] {
        let ranges: Vec<_> = (0..200).map(|n| n * 40_000..n * 40_000 + length).collect();
        let before = server.turns();
        let read = within(file.read_ranges(&ranges)).await.unwrap();
        for (range, bytes) in ranges.iter().zip(read) {
            assert_eq!(bytes, content.bytes[range.start as usize..range.end as usize]);
        }
        assert_eq!(server.turns() - before, 1, "ranges of {length} bytes");
    }
}

#[tokio::test]
async fn the_first_batch_takes_one_too() {
    let server = far(1 << 20).await;
    let file = opened(&server).await;
    let before = server.turns();
    let ranges: Vec<_> = (0..100).map(|n| n * 10_000..n * 10_000 + 500).collect();
    within(file.read_ranges(&ranges)).await.unwrap();
    assert_eq!(server.turns() - before, 1, "{:?}", server.all());
}
