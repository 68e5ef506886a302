//! Reads a file and throws the bytes away: what `benchmarks/remote.py` measures beside the official client.
//!
//! `xrdread URL MODE`, with `bulk`: all of it, 8 MiB at a time, four at once; `vector`: 1,024 ranges of
//! 4 KiB in one vector read; `random DEPTH`: 2,000 ranges of 64 KiB, so many at once. Prints bytes and
//! seconds, the opening apart.

use std::ops::Range;
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use xrootd::{Client, Config, File, ReadMode, Url};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, mode, rest @ ..] = args.as_slice() else {
        return Err("usage: xrdread URL bulk|vector|random [DEPTH]".into());
    };
    let mut config = Config::from_env();
    config.read_mode = match std::env::var("XRDREAD_MODE").as_deref() {
        Ok("plain") => ReadMode::Plain,
        Ok("paged") => ReadMode::Paged,
        _ => ReadMode::Auto,
    };
    let client = Client::new(config);
    let start = Instant::now();
    let file = client.open(&url.parse::<Url>()?).await?;
    let opened = start.elapsed();
    let start = Instant::now();
    let bytes = match mode.as_str() {
        "bulk" => {
            let ranges = (0..file.size()).step_by(8 << 20).map(|at| at..file.size().min(at + (8 << 20)));
            read(&file, ranges, 4).await?
        }
        "vector" => {
            let step = file.size() / 1024;
            let ranges: Vec<_> = (0..1024).map(|n| n * step..n * step + 4096).collect();
            file.read_ranges(&ranges).await?.iter().map(|bytes| bytes.len() as u64).sum()
        }
        "random" => {
            let depth = rest.first().map_or(Ok(1), |depth| depth.parse())?;
            let blocks = file.size() / 65_536;
            let ranges = (0..2000_u64).map(|n| n * 2_654_435_761 % blocks * 65_536).map(|at| at..at + 65_536);
            read(&file, ranges, depth).await?
        }
        other => return Err(format!("no mode {other}").into()),
    };
    let read = start.elapsed();
    #[allow(clippy::print_stdout, reason = "the result")]
    {
        println!(
            "{bytes} bytes, opened in {:.4} s, read in {:.4} s",
            opened.as_secs_f64(),
            read.as_secs_f64()
        );
    }
    Ok(())
}

async fn read(
    file: &File,
    ranges: impl Iterator<Item = Range<u64>>,
    depth: usize,
) -> Result<u64, xrootd::Error> {
    let reads = stream::iter(ranges).map(|range| file.read(range)).buffer_unordered(depth);
    reads.try_fold(0, |sum, bytes| async move { Ok(sum + bytes.len() as u64) }).await
}
