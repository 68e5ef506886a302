use std::io::Write;

/// Reports what cannot run, also to the file that `make test` collects such lines in.
pub(crate) fn skip(what: &str) {
    println!("skipped: {what}");
    if let Some(path) = std::env::var_os("HEP_RUN_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "skipped: {what}").unwrap();
    }
}
