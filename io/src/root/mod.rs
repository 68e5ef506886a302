//! The ROOT container: files, directories, keys, compressed blocks and the streaming of objects.
//!
//! A [`RootFile`] is a tree of directories; a [`Key`] names an object and says where its bytes lie;
//! [`RootFile::object`] decompresses them; a [`Buffer`] reads them. [`streamer`] lists the classes
//! that the file itself describes.

mod buffer;
mod checksum;
pub mod codec;
mod directory;
mod file;
mod key;
mod layout;
mod recover;
pub mod streamer;

pub use buffer::{Buffer, Malformed, Object, Parse, Version};
pub use checksum::Unverified;
pub use directory::{Directory, Entry};
pub use file::{ObjectBytes, RootFile};
pub use key::Key;
pub(crate) use layout::Layouts;

/// XXH3-64 of an object's class and its bytes.
pub(crate) fn checksum(class: &str, bytes: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = twox_hash::XxHash3_64::new();
    hasher.write(class.as_bytes());
    hasher.write(&[0]);
    hasher.write(bytes);
    hasher.finish()
}
