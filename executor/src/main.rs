//! `hep-run` with the built-in processors.

use hep_examples::Dimuon;
use hep_examples::adl::{AdlQ1, AdlQ2, AdlQ3, AdlQ4, AdlQ5, AdlQ6, AdlQ7, AdlQ8};

hep_run::main!(Dimuon, AdlQ1, AdlQ2, AdlQ3, AdlQ4, AdlQ5, AdlQ6, AdlQ7, AdlQ8);
