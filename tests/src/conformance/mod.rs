//! Every column of real files against what another reader made of it.
//!
//! A folder of files has a `reference.json` beside them; its `_doc` explains its fields. [`Column`] is
//! what we read of one column, hashed the way the reference is; [`Reference`] finds how it differs;
//! [`check`] reads the columns of one file; [`Table`] counts the outcomes and prints them.
//!
//! `tests/tests/conformance.rs` holds the folders that must be equal, and `conformance DIR` checks any
//! other.

mod check;
mod column;
mod folder;
mod panics;
mod reference;
mod rntuple;
mod table;
mod uproot;

pub use check::{Checked, Outcome, check};
pub use column::{Column, Content, Leaf, Level};
pub use folder::Folder;
pub use panics::record as record_panics;
pub use reference::Reference;
pub use table::{Counts, Table};
