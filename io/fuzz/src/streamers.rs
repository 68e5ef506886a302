//! The list of classes in a file, and what branches make of it.

use super::{builder, reading};

/// The first byte of `data` chooses a tree of `kinds.root`, and the rest is the `TList` of
/// `TStreamerInfo` by which that tree is read: its own in sound inputs.
pub fn run(data: &[u8]) -> usize {
    let Some((choice, list)) = data.split_first() else { return 0 };
    let name = if choice % 3 == 1 { "members" } else { "objects" };
    let mut file = builder::KINDS.to_vec();
    if choice % 3 == 2 {
        // A version of TTree that only the file itself can explain, if it does.
        let key = builder::kinds().find(name).unwrap();
        let version = (key.seek + u64::from(key.key_length)) as usize + 4;
        file[version..version + 2].copy_from_slice(&21_u16.to_be_bytes());
    }
    let seek = file.len();
    file.extend(builder::key("TList", "StreamerInfo", list.len(), list.len(), seek));
    file.extend(list);
    builder::point(&mut file, builder::SEEK_STREAMERS, seek);
    let length = file.len() - seek;
    builder::point(&mut file, builder::SEEK_STREAMERS + 4, length);
    let end = file.len();
    builder::point(&mut file, builder::END, end);
    let file = builder::open(file).unwrap();
    if let Ok(streamers) = file.streamers() {
        for class in streamers.classes() {
            assert!(streamers.version(&class.name, class.version).is_some());
            assert!(streamers.checksum(&class.name, class.checksum).is_some());
            assert!(streamers.class(&class.name).unwrap().version >= class.version);
        }
    }
    reading::tree(&file, name).unwrap_or(0)
}
