//! What `hep-io` and `hep-analysis` share, and the only thing they share: the memory of columns.
//!
//! * A [`Batch`] is a stretch of consecutive entries of one file, one Arrow array per column:
//!   what a reader decodes and a processor reads.
//! * A [`Schema`] lists the columns a processor needs, known before any file is opened.
//! * A [`Scope`] finds columns in a batch by name, at the nesting depth of the struct that asks.
//! * [`simd`] runs a loop over columns with the widest vectors of the processor.
//!
//! Column types are Arrow's: numbers are primitive arrays, a bool is a [`BooleanArray`], a string is
//! a [`BinaryArray`] (ROOT does not promise UTF-8), `Muon_pt[nMuon]` and `vector<float>` are a
//! [`ListArray`], `x[3]` is a [`FixedSizeListArray`], a class is a [`StructArray`]. Offsets have 32
//! bits and are counted from the start of the batch. Values are never null.
//!
//! [`BooleanArray`]: arrow_array::BooleanArray
//! [`BinaryArray`]: arrow_array::BinaryArray
//! [`ListArray`]: arrow_array::ListArray
//! [`FixedSizeListArray`]: arrow_array::FixedSizeListArray
//! [`StructArray`]: arrow_array::StructArray
#![deny(unsafe_code)]

mod batch;
mod cast;
mod error;
mod schema;
mod scope;
pub mod simd;

pub use batch::Batch;
pub use cast::Number;
pub use error::{ColumnError, nearest};
pub use schema::{Kind, Requirement, Schema};
pub use scope::Scope;
