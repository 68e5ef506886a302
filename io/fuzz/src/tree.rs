//! The record of a tree: its branches, leaves and baskets, which are inside of it.

use super::{builder, reading};

/// `data` is a `TTree`, as its key would hold it.
pub fn run(data: &[u8]) -> usize {
    let file = builder::open(builder::file_of("TTree", "t", data)).unwrap();
    reading::tree(&file, "t").unwrap_or(0)
}
