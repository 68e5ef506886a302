//! A process that has opened and read for long has no more descriptors, tasks and memory than before. In a
//! process of its own, because what others have open would count too.

#[path = "../servers/bed.rs"]
#[allow(dead_code, reason = "of the servers' tests, of which this needs little")]
mod bed;
#[path = "../../../tests/skip/mod.rs"]
#[allow(clippy::print_stdout, reason = "whoever runs the tests reads it")]
mod skip;

use std::fs;
use std::time::Duration;

use xrootd::{Client, Url};

use bed::RANDOM;

const CYCLES: usize = 1000;
const RANGES: u64 = 10_000;

#[derive(Debug)]
struct Held {
    descriptors: usize,
    tasks: usize,
    /// Resident bytes.
    memory: u64,
    /// Descriptors of the server, if we may look.
    at_server: Option<usize>,
}

fn descriptors(process: &str) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{process}/fd")).ok()?.count())
}

/// What is held when all that goes on in the background has ended.
async fn held(server: u64) -> Held {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    Held {
        descriptors: descriptors("self").unwrap(),
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        memory: kilobytes << 10,
        at_server: descriptors(&server.to_string()),
    }
}

/// Opens, reads and closes; every second file is just dropped.
async fn cycle(client: &Client, url: &Url, number: usize) {
    let file = client.open(url).await.unwrap();
    assert_eq!(file.read(0..1000).await.unwrap().len(), 1000);
    if number.is_multiple_of(2) {
        file.close().await.unwrap();
    }
}

async fn read_all_over(client: &Client, url: &Url) {
    let file = client.open(url).await.unwrap();
    let ranges: Vec<_> = (0..RANGES).map(|n| n * 6700..n * 6700 + 100 + n % 3000).collect();
    for part in ranges.chunks(500) {
        let read = file.read_ranges(part).await.unwrap();
        assert!(part.iter().zip(read).all(|(range, bytes)| bytes.len() as u64 == range.end - range.start));
    }
}

fn no_more(after: &Held, before: &Held, memory: u64) {
    assert_eq!(
        (after.descriptors, after.tasks),
        (before.descriptors, before.tasks),
        "{after:?}, before {before:?}"
    );
    assert!(after.memory <= before.memory + memory, "{after:?}, before {before:?}");
    assert_eq!(after.at_server, before.at_server, "descriptors of the server");
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_files_and_ten_thousand_ranges() {
    for name in ["plain", "tlsdata"] {
        let Some(server) = bed::server(name) else { return };
        let (client, url) = (server.client(), server.url(RANDOM));
        for number in 0..50 {
            cycle(&client, &url, number).await;
        }
        read_all_over(&client, &url).await;
        let before = held(server.pid()).await;
        for number in 0..CYCLES {
            cycle(&client, &url, number).await;
        }
        no_more(&held(server.pid()).await, &before, 4 << 20);
        for _ in 0..3 {
            read_all_over(&client, &url).await;
        }
        no_more(&held(server.pid()).await, &before, 8 << 20);
        // Each with a connection of its own.
        for number in 0..100 {
            cycle(&server.client(), &url, number).await;
        }
        no_more(&held(server.pid()).await, &before, 8 << 20);
        client.close();
    }
}
