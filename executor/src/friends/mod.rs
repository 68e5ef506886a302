//! Friends: trees whose columns stand beside those of the tree that is processed, as ROOT's
//! `TTree::AddFriend` has them.
//!
//! * The files of a friend are one [`Chain`] of entries. Entry `i` of a dataset's chain belongs to entry
//!   `i` of the friend's, wherever files and clusters begin: both are read in step.
//! * Or a [`Lookup`] says by two or three whole numbers, the `index`, which entry of the friend belongs
//!   to an entry of the dataset: these are collected batch by batch.
//!
//! Either way [`Join`] puts the friends' arrays into the batch before a processor sees it.

mod chain;
mod join;
mod lookup;
mod recent;

pub(crate) use chain::{Chain, Joined};
pub(crate) use chain::{Found, OpenFiles, resolve};
pub(crate) use join::{Fetched, Fetching, Join, ToFetch, plans};
pub(crate) use lookup::{Key, Lookup, MOST_KEYS, keys_of};
