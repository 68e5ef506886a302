//! `RNTuple`, format 1.0: entries in fields, whose columns lie in compressed pages.
//!
//! Opening an [`Ntuple`] reads its header, footer and page lists: which fields and columns there are,
//! and where each cluster keeps their pages. A column's pages are parsed when it is first asked for.
//! A field becomes a `Shape`, the Arrow type that its columns make; the shapes of all columns asked for
//! become `Steps`, in which what they share, like the ends of a collection's lists, is there once; a
//! batch follows these steps.
//!
//! Source of the format: "RNTuple Binary Format Specification", `tree/ntuple/doc` of ROOT.

mod anchor;
mod clusters;
mod cursor;
mod decode;
mod encoding;
mod envelope;
mod names;
mod ntuple;
mod plan;
mod schema;
mod shape;
mod steps;

pub use ntuple::Ntuple;
pub(crate) use ntuple::is_ntuple;
