//! What a server answers to an XRootD client.

/// Makes requests and takes `data` for the answers.
pub fn run(data: &[u8]) -> usize {
    ::xrootd::fuzzing::converse(data);
    1
}
