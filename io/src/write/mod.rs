//! Writing ROOT files of histograms and other objects, which ROOT, uproot and JSROOT read.
//!
//! A [`File`] is put together in memory and saved whole: under a temporary name, then renamed. The
//! same content gives the same bytes: the date in its keys is fixed and its uuid is a hash of them.

mod copy;
mod encoder;
mod file;
mod histogram;
mod key;
mod many;
mod object;
mod streamers;

pub use copy::Copy;
pub use file::File;
