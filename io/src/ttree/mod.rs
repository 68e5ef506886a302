//! `TTree`: entries in columns called branches, each stored as a row of compressed baskets.
//!
//! Opening a [`Tree`] parses the names and positions of its branches and nothing else: a CMS NanoAOD
//! tree has 1,700 of them and an analysis reads 30. A branch's leaves and baskets are parsed when it
//! is first asked for; an [`Interpretation`] says what its bytes mean.

mod agreement;
mod basket;
mod branch;
mod cursor;
mod decode;
mod element;
mod index;
mod interpretation;
mod leaf;
mod object;
mod packed;
mod plan;
mod reveal;
mod short;
mod table;
mod tree;

pub use element::{Element, Packed};
pub use interpretation::{Counter, Interpretation, Member, Run};
pub use object::{Counting, Heir, Items, Layout};
pub use tree::Tree;
