//! Values that ROOT streams as objects: classes, standard collections, strings, pointers.
//!
//! Their bytes have no fixed size: a [`Layout`] says how they follow each other, as the classes' own
//! descriptions in the file tell; [`Stream`] walks along it and appends to a [`Column`] of the same shape.
//!
//! Formats: `TBufferFile`, `TStreamerInfo::ReadBuffer` and `TCollectionProxy` of ROOT. An object is written
//! member after member behind its version (*object-wise*); a collection of objects may be written as the
//! first member of all, the second of all, and so on (*member-wise*). A standard collection has a version
//! where it is a member or a branch, and none inside another collection.

mod column;
mod heirs;
mod items;
mod layout;
mod resolve;
mod stream;
mod type_name;

pub(super) use column::Column;
pub(super) use items::{ItemClasses, reveal};
pub(super) use resolve::Resolver;
pub(super) use stream::Stream;

pub use layout::{Counting, Heir, Items, Layout};
