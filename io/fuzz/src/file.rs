//! A whole file: header, keys, directories, and every object by its class.

use super::{builder, reading};
use hep_io::hist;

/// `data` is the file.
pub fn run(data: &[u8]) -> usize {
    let Ok(file) = builder::open(data.to_vec()) else { return 0 };
    let _ = file.uuid();
    let _ = file.streamers();
    let Ok(entries) = file.walk() else { return 0 };
    let mut answers = 0;
    for entry in entries.iter().take(20) {
        let _ = file.find(&entry.path);
        answers += usize::from(file.object(&entry.key).is_ok());
        answers += usize::from(hist::read(&file, &entry.key).is_ok());
        answers += reading::tree(&file, &entry.path).unwrap_or(0);
    }
    let _ = file.find("no such object");
    let _ = file.directory("a/b;1");
    answers
}
