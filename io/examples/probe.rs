#![allow(missing_docs, clippy::print_stdout)]
use arrow_array::Array;
use hep_io::{
    EntryReader, Scratch,
    root::RootFile,
    source::{LocalFile, coalesce},
    ttree::Tree,
};
use std::sync::Arc;
use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let columns: Vec<String> = args[2..].to_vec();
    for round in 0..5 {
        let t = Instant::now();
        let c = cpu();
        let f = Arc::new(RootFile::open(Arc::new(LocalFile::open(&args[0]).unwrap())).unwrap());
        let tree = Tree::open(&f, &args[1]).unwrap();
        let bounds = tree.boundaries(&columns).unwrap();
        let (opened, oc) = (t.elapsed(), cpu() - c);
        let mut scratch = Scratch::default();
        let (mut n, mut read, mut rc) = (0usize, std::time::Duration::ZERO, 0.0);
        let c = cpu();
        let t = Instant::now();
        for w in bounds.windows(2) {
            let plan = tree.plan(&columns, w[0]..w[1]).unwrap();
            let (r, r0) = (Instant::now(), cpu());
            let bytes = coalesce::read(&**tree.file().source(), &plan.ranges).unwrap();
            read += r.elapsed();
            rc += cpu() - r0;
            let mut b = tree.decode(&plan, &bytes, &mut scratch).unwrap();
            while let Some(batch) = b.next(20_000).unwrap() {
                for c in &columns {
                    n += batch.column(c).unwrap().len();
                }
            }
        }
        println!(
            "{round}: open {opened:?} cpu {:.2}ms; {} ranges; decode wall {:?} cpu {:.1}ms (read {:.1}ms wall {read:?}) {n} entries·columns",
            oc * 1e3,
            bounds.len() - 1,
            t.elapsed(),
            (cpu() - c) * 1e3,
            rc * 1e3
        );
    }
}
