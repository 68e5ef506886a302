#![allow(missing_docs, clippy::print_stdout)]
use std::sync::Arc;
use hep_io::{root::RootFile, source::LocalFile};
fn main() {
    let f = RootFile::open(Arc::new(LocalFile::open(std::env::args().nth(1).unwrap()).unwrap())).unwrap();
    match f.streamers() { Ok(s) => println!("{} classes", s.classes().count()), Err(e) => println!("{e}") }
}
