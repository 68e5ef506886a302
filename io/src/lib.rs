//! Bytes and formats of high-energy physics. No physics, no scheduling.
//!
//! Three nouns, and how they meet:
//!
//! * a [`ByteSource`] is the bytes of one file, wherever it lives;
//! * an [`EntryReader`] knows one tree of that file: which columns it has, where its clusters end,
//!   which bytes a range of entries needs ([`ReadPlan`]), and what they mean;
//! * decoding a plan's bytes gives [`Batch`](hep_columns::Batch)es of Arrow columns.
//!
//! Only a `ByteSource` touches the outside world. Planning and decoding are pure functions of bytes,
//! and bytes come from strangers: whatever they are, the answer is a batch or an [`Error`].
#![deny(unsafe_code)]

mod cost;
mod entries;
mod error;
pub mod hist;
pub mod object;
mod open;
pub mod parquet;
pub mod rntuple;
pub mod root;
pub mod source;
pub mod ttree;
pub mod write;

pub use cost::ColumnCost;
pub use entries::{Batches, ColumnInfo, CutPiece, EntryReader, ReadPlan, Scratch, ShortBranches, Stored};
pub use error::{Error, Result};
pub use open::EntryFile;
pub use source::ByteSource;
