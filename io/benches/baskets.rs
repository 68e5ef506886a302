//! `cargo bench -p hep-io --bench baskets -- LARGE SMALL [--tree Events] [--columns MET_pt,Muon_pt,Muon_eta]`
//!
//! What a basket costs beyond its decompression. The two files hold the same entries uncompressed, LARGE in few
//! baskets and SMALL in many, so that all the difference between them is that of their baskets: processor time of
//! this thread to plan and to decode all entries of the columns, divided by how many baskets SMALL has more. Best of
//! several, one line of JSON.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;

use hep_io::source::{LocalFile, coalesce};
use hep_io::{EntryFile, Scratch};
use rustix::time::{ClockId, clock_gettime};

/// Repetitions, of which the fastest counts: the machine may be shared.
const REPEAT: usize = 15;
const BATCH: usize = 16 << 10;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut files, mut tree) = (Vec::new(), "Events".to_owned());
    let mut columns = "MET_pt,Muon_pt,Muon_eta".to_owned();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--tree" => tree = arguments.next().expect("a name after --tree"),
            "--columns" => columns = arguments.next().expect("names after --columns"),
            _ => files.push(argument),
        }
    }
    let [large, small] = &files[..] else {
        println!("baskets: not two files, nothing measured");
        return;
    };
    let columns: Vec<String> = columns.split(',').map(str::to_owned).collect();
    let (large, small) = (File::open(large, &tree, &columns), File::open(small, &tree, &columns));
    assert_eq!(large.entries(), small.entries(), "the files hold other entries");
    let (mut least, mut most) = ([f64::MAX; 2], [f64::MAX; 2]);
    for _ in 0..REPEAT {
        least = fastest(least, large.seconds());
        most = fastest(most, small.seconds());
    }
    let more =
        small.baskets.checked_sub(large.baskets).filter(|&more| more > 0).expect("SMALL has more baskets");
    let each = |at: usize| (most[at] - least[at]) * 1e6 / more as f64;
    println!(
        "{{\"what\": \"baskets\", \"large\": {}, \"small\": {}, \"plan_us\": {:.3}, \"decode_us\": {:.3}}}",
        large.baskets,
        small.baskets,
        each(0),
        each(1)
    );
}

/// A file, and what is read of it.
struct File {
    reader: Arc<dyn hep_io::EntryReader>,
    file: EntryFile,
    columns: Vec<String>,
    baskets: usize,
}

impl File {
    fn open(path: &str, tree: &str, columns: &[String]) -> Self {
        let source = LocalFile::open(Path::new(path)).expect("the file opens");
        let file = EntryFile::open(Arc::new(source)).expect("it is a file of entries");
        let reader = file.reader(tree).expect("the tree is there");
        let baskets = reader.plan(columns, 0..reader.entries()).expect("a plan").ranges.len();
        Self { reader, file, columns: columns.to_vec(), baskets }
    }

    fn entries(&self) -> u64 {
        self.reader.entries()
    }

    /// Seconds to plan all entries, and to decode them from memory.
    fn seconds(&self) -> [f64; 2] {
        let start = cpu();
        let plan = self.reader.plan(&self.columns, 0..self.entries()).expect("a plan");
        let planned = cpu() - start;
        let bytes = coalesce::read(&**self.file.source(), &plan.ranges).expect("its bytes");
        let mut scratch = Scratch::default();
        let start = cpu();
        let mut batches = self.reader.decode(&plan, &bytes, &mut scratch).expect("a decoder");
        while let Some(batch) = batches.next(BATCH).expect("a batch") {
            std::hint::black_box(batch);
        }
        drop(batches);
        [planned, cpu() - start]
    }
}

fn fastest(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0].min(b[0]), a[1].min(b[1])]
}

/// Seconds of processor time of this thread.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
