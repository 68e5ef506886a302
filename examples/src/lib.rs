//! The built-in processors, each a page to copy from: replace nothing but the physics.
//!
//! They are written exactly as a user's own crate would write them; only the last line of such a
//! crate, `hep_run::main!(Dimuon);`, is missing here.
#![forbid(unsafe_code)]

pub mod adl;
mod dimuon;

pub use dimuon::Dimuon;
