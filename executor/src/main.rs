//! `hep-run` with the built-in processors.

use hep_examples::Dimuon;
use hep_examples::adl::{AdlQ1, AdlQ2, AdlQ3, AdlQ4, AdlQ5, AdlQ6, AdlQ7, AdlQ8};

// Merging partial outputs allocates and frees from many threads; the system's allocator is twice as
// slow at that when linked statically.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

hep_run::main!(Dimuon, AdlQ1, AdlQ2, AdlQ3, AdlQ4, AdlQ5, AdlQ6, AdlQ7, AdlQ8);
