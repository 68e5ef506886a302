//! The list of classes in a file, and what branches make of it.

use std::sync::OnceLock;

use super::{builder, reading};

/// `data` is the `TList` of `TStreamerInfo`.
pub fn run(data: &[u8]) -> usize {
    // A version of TTree that only the file itself can explain, if it does.
    static TREE: OnceLock<Vec<u8>> = OnceLock::new();
    let tree = TREE.get_or_init(|| {
        let mut tree = builder::tree_of_kind("objects");
        tree[4..6].copy_from_slice(&21_u16.to_be_bytes());
        tree
    });
    let file = builder::open(builder::file_of("TTree", "objects", tree, Some(data))).unwrap();
    if let Ok(streamers) = file.streamers() {
        for class in streamers.classes() {
            assert!(streamers.version(&class.name, class.version).is_some());
            assert!(streamers.checksum(&class.name, class.checksum).is_some());
            assert!(streamers.class(&class.name).unwrap().version >= class.version);
        }
    }
    let mut answers = reading::tree(&file, "objects").unwrap_or(0);
    let known = builder::tree_of_kind("objects");
    let file = builder::open(builder::file_of("TTree", "objects", &known, Some(data))).unwrap();
    answers += reading::tree(&file, "objects").unwrap_or(0);
    answers
}
