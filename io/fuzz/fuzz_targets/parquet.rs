#![no_main]

use std::backtrace::Backtrace;
use std::panic::{Location, set_hook};

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // Panics of the `parquet` crate are caught by `hep-io` and no reason to stop: all that get so far
    // as libFuzzer end it even so. What cannot be caught is worth a look wherever it is.
    init: set_hook(Box::new(|panic| {
        let quiet = |location: &Location<'_>| location.file().contains("/parquet-");
        if !panic.location().is_some_and(quiet) {
            eprintln!("{panic}\n{}", Backtrace::force_capture());
        }
    })),
    |data: &[u8]| {
        hep_io_fuzz::fuzz("parquet", data);
    }
);
