//! Runs a [`Processor`] over the ROOT files of a fileset: on the cores of this machine, with one
//! result whatever their number, and an account of every entry.
//!
//! An analysis is a crate that depends on this one, and its `main.rs` is its processors and
//!
//! ```ignore
//! hep_run::main!(Dimuon, Zpeak);
//! ```
//!
//! which gives that binary the command line of `hep-run` itself. The way through, in the order of
//! the modules: [`fileset`] says which files; [`storage`] opens them; [`range`] splits them into entry ranges; `friends`
//! puts columns of other trees beside theirs; [`local`]
//! maps each range to a partial output on this machine's threads and hands it to the
//! [`merge_tree`]; [`run`] ties them together and keeps the [`ledger`]; [`output`] writes files, and
//! `explain` tells where the time went.
#![deny(unsafe_code)]

// The derives write `::hep_run::…`.
#[cfg(test)]
extern crate self as hep_run;

mod batch;
pub mod binary;
mod build_id;
pub mod checkpoint;
mod checksums;
pub mod cli;
mod dask;
mod descriptors;
mod error;
mod explain;
pub mod fileset;
mod friends;
mod graph;
mod interrupt;
pub mod job;
pub mod ledger;
pub mod local;
mod memory;
pub mod merge_tree;
mod names;
pub mod output;
pub mod partial;
mod processes;
pub mod progress;
pub mod provenance;
pub mod range;
pub mod registry;
pub mod run;
mod settings;
mod shard;
pub mod storage;
mod summary;
mod terminal;
pub mod worker;

pub use error::{Error as RunError, RunResult};
pub use hep_analysis::{
    Charged, Columnar, Columns, Cutflow, Dataset, DatasetColumns, Error, Events, Jagged, List, Merge,
    Momentum, NamedColumn, Object, Output, Processor, Result, SelectedEvents, Settings,
};
pub use hep_analysis::{columns, combine, hist, pairs, selection, vector};
pub use registry::Registry;

/// What an analysis imports: `use hep_run::prelude::*;`.
pub mod prelude {
    pub use hep_analysis::prelude::*;
}

#[doc(hidden)]
pub mod __private {
    pub use hep_analysis::__private::*;
    pub use mimalloc::MiMalloc;
}

/// The whole `main.rs` of an analysis, below its processors: the command line of `hep-run`, for the
/// processors named. Each is called by its type's name in snake case: `Zpeak` is `zpeak`,
/// `TopMass` is `top_mass`. Settings come from the fileset and from `--set`.
///
/// It also sets the binary's allocator: merging partial outputs allocates and frees from many threads, and
/// the C library's is slower at that, by half when it is musl's. A crate that wants another one writes the
/// `main` below itself.
#[macro_export]
macro_rules! main {
    ($($processor:ty),+ $(,)?) => {
        #[global_allocator]
        static ALLOCATOR: $crate::__private::MiMalloc = $crate::__private::MiMalloc;

        fn main() -> ::std::process::ExitCode {
            let mut registry = $crate::Registry::default();
            $(registry.add::<$processor>(::core::stringify!($processor));)+
            $crate::cli::main(&registry)
        }
    };
}
