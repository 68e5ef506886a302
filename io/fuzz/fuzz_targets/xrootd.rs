#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    hep_io_fuzz::fuzz("xrootd", data);
});
