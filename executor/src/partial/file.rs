//! A partial output in a file, with its job, so that it can be merged and concluded by itself.
//! Little-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `HRF1` |
//! | 8 | XXH3-64 of all that follows |
//! | 8 | length of the job as it is here |
//! | 8 | length of the job |
//! | | the job as JSON, in a zstd frame |
//! | | the partial, see [`encoding`](super::encoding) |

use std::fs;
use std::hash::Hasher;
use std::path::Path;

use twox_hash::XxHash3_64;

use super::Partial;
use crate::job::key_of;
use crate::output::{io, write_parts};
use crate::{Error, RunResult};

/// How names of such files end.
pub const EXTENSION: &str = "partial";
/// The first bytes.
const MAGIC: [u8; 4] = *b"HRF1";
/// Before the job.
const PREFIX: usize = 28;
/// The largest job that is read.
const MOST: u64 = 1 << 30;
/// JSON of jobs comes to a tenth; what claims to be compressed more than this is none.
const MOST_COMPRESSED: u64 = 1000;

/// The bytes of such a file.
pub struct PartialFile {
    bytes: Vec<u8>,
    /// Where the partial begins.
    partial: usize,
    /// The length of the job's JSON.
    job: usize,
}

impl PartialFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, is none of these, or is damaged: the message names it.
    pub fn read(path: &Path) -> RunResult<Self> {
        let bytes = fs::read(path).map_err(|source| io("read", path, source))?;
        Self::of(bytes).map_err(|why| Error::Partial(format!("{}: {why}", path.display())))
    }

    fn of(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("is empty: it was not written to its end".to_owned());
        }
        if bytes.get(..4).is_none_or(|first| first != MAGIC) {
            return Err("is no partial output of hep-run: it does not begin with HRF1".to_owned());
        }
        let damaged = |why: &str| format!("is cut off or damaged: {why}");
        let (prefix, rest) = bytes.split_at_checked(PREFIX).ok_or_else(|| damaged("it is too short"))?;
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&prefix[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        if checksum(&[&prefix[12..], rest]) != number(4) {
            return Err(damaged("its checksum is another one"));
        }
        let (compressed, job) = (number(12), number(20));
        if job > MOST.min(compressed.saturating_mul(MOST_COMPRESSED)) {
            return Err(damaged("its job is too large"));
        }
        let at = usize::try_from(compressed).ok().filter(|&length| length <= rest.len());
        let partial = PREFIX + at.ok_or_else(|| damaged("its job is cut off"))?;
        Ok(Self { bytes, partial, job: job as usize })
    }

    /// The job as it is in the file: the same for the same job.
    pub fn packed_job(&self) -> &[u8] {
        &self.bytes[PREFIX..self.partial]
    }

    /// The job's JSON.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn job(&self) -> RunResult<Vec<u8>> {
        let mut json = Vec::with_capacity(self.job);
        match zstd_safe::decompress(&mut json, self.packed_job()) {
            Ok(length) if length == self.job => Ok(json),
            Ok(_) => Err(Error::Partial("its job has another length than it says".to_owned())),
            Err(code) => {
                let why = zstd_safe::get_error_name(code);
                Err(Error::Partial(format!("its job cannot be decompressed: {why}")))
            }
        }
    }

    /// The partial.
    pub fn partial(&self) -> &[u8] {
        &self.bytes[self.partial..]
    }
}

impl Partial {
    /// Writes the partial to a file that its owner alone may read, since jobs may hold tokens.
    ///
    /// # Errors
    /// Where it cannot be written; `path` is then as it was.
    pub fn write(&self, path: &Path, job: &[u8]) -> RunResult<()> {
        let partial = self.encode(&key_of(job))?;
        let mut packed = Vec::with_capacity(zstd_safe::compress_bound(job.len()));
        zstd_safe::compress(&mut packed, job, 3).map_err(|code| {
            Error::Partial(format!("cannot compress: {}", zstd_safe::get_error_name(code)))
        })?;
        let lengths = [packed.len() as u64, job.len() as u64].map(u64::to_le_bytes).concat();
        let checksum = checksum(&[&lengths, &packed, &partial]).to_le_bytes();
        write_parts(path, &[&MAGIC, &checksum, &lengths, &packed, &partial])
    }
}

fn checksum(parts: &[&[u8]]) -> u64 {
    let mut hasher = XxHash3_64::new();
    parts.iter().for_each(|part| hasher.write(part));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial() -> Partial {
        Partial { nodes: Vec::new(), account: crate::partial::Account::default() }
    }

    fn written() -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("hep-run-partial-{}", std::process::id()));
        partial().write(&path, b"{\"a\": 1}").unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        bytes
    }

    #[test]
    fn a_file_reads_back() {
        let file = PartialFile::of(written()).unwrap();
        assert_eq!(file.job().unwrap(), b"{\"a\": 1}");
        assert_eq!(file.partial(), partial().encode(&key_of(b"{\"a\": 1}")).unwrap());
    }

    #[test]
    fn every_damage_is_found() {
        let good = written();
        for cut in 0..good.len() {
            assert!(PartialFile::of(good[..cut].to_vec()).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(PartialFile::of(bad).is_err(), "{at}");
        }
        let why = |bytes: &[u8]| PartialFile::of(bytes.to_vec()).err().unwrap();
        assert_eq!(why(b""), "is empty: it was not written to its end");
        assert_eq!(why(b"root"), "is no partial output of hep-run: it does not begin with HRF1");
        // Lengths that lie and a checksum that fits them.
        for (at, lie) in [(12, u64::MAX), (12, 1 << 20), (20, u64::MAX), (20, 1 << 40), (20, 1 << 29)] {
            let mut bad = good.clone();
            bad[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            let sum = checksum(&[&bad[12..]]).to_le_bytes();
            bad[4..12].copy_from_slice(&sum);
            assert!(
                PartialFile::of(bad).is_err_and(|why| why.starts_with("is cut off or damaged")),
                "{at} {lie}"
            );
        }
    }
}
