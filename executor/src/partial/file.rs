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

use std::hash::Hasher;
use std::path::Path;

use hep_io::source::read_regular;
use twox_hash::XxHash3_64;
use zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::Partial;
use crate::error::{Error, RunResult};
use crate::job::key_of;
use crate::output::{io, write_parts};

/// How names of such files end.
pub const EXTENSION: &str = "partial";
/// The first bytes.
pub(crate) const MAGIC: [u8; 4] = *b"HRF1";
/// Before the job.
const PREFIX: usize = 28;
/// The largest job that is written and read. JSON of jobs comes to a tenth when it is compressed, but may come
/// to much less.
const MOST: u64 = 1 << 30;
/// So much of a job is decompressed at a time: what a file says of its job's length reserves no memory.
const STEP: usize = 1 << 20;

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
        let bytes = read_regular(path, u64::MAX).map_err(|source| io("read", path, source))?;
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
        if job > MOST {
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
        let damaged = |why: &str| Error::Partial(format!("its job cannot be decompressed: {why}"));
        let other_length = || Error::Partial("its job has another length than it says".to_owned());
        let mut context = DCtx::create();
        let mut packed = InBuffer::around(self.packed_job());
        let (mut json, mut step) = (Vec::new(), vec![0; STEP.min(self.job.saturating_add(1))]);
        loop {
            let mut out = OutBuffer::around(&mut step[..]);
            let left = context
                .decompress_stream(&mut out, &mut packed)
                .map_err(|code| damaged(zstd_safe::get_error_name(code)))?;
            let had = out.as_slice();
            if had.len() > self.job - json.len() {
                return Err(other_length());
            }
            json.extend_from_slice(had);
            if left == 0 {
                break;
            }
            if had.is_empty() && packed.pos() == self.packed_job().len() {
                return Err(damaged("it is cut off"));
            }
        }
        if json.len() != self.job || packed.pos() != self.packed_job().len() {
            return Err(other_length());
        }
        Ok(json)
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
    /// Where it cannot be written, or the job is too large to be read again; `path` is then as it was.
    pub fn write(&self, path: &Path, job: &[u8]) -> RunResult<()> {
        if job.len() as u64 > MOST {
            let length = job.len();
            return Err(Error::Partial(format!("its job has {length} bytes, and at most {MOST} are read")));
        }
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
    use std::fs;

    use super::*;

    fn partial() -> Partial {
        Partial { nodes: Vec::new(), account: crate::partial::Account::default() }
    }

    /// The bytes of a file that a test, which has a name of its own, has written with this job.
    fn written(test: &str, job: &[u8]) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("hep-run-partial-{test}-{}", std::process::id()));
        partial().write(&path, job).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        bytes
    }

    #[test]
    fn a_file_reads_back() {
        let file = PartialFile::of(written("back", b"{\"a\": 1}")).unwrap();
        assert_eq!(file.job().unwrap(), b"{\"a\": 1}");
        assert_eq!(file.partial(), partial().encode(&key_of(b"{\"a\": 1}")).unwrap());
    }

    #[test]
    fn a_job_that_compresses_to_next_to_nothing_reads_back() {
        let json = format!("{{\"metadata\": \"{}\"}}", "x".repeat(4 << 20)).into_bytes();
        let bytes = written("large", &json);
        assert!(bytes.len() < json.len() / 1000);
        assert!(PartialFile::of(bytes).unwrap().job().unwrap() == json);
    }

    #[test]
    fn a_length_that_is_not_the_jobs_is_an_error() {
        let good = written("length", &[b'x'; 3 << 20]);
        for lie in [0, 1, (3 << 20) - 1, (3 << 20) + 1, 1 << 29] {
            let bad = PartialFile::of(with(&good, 20, lie)).unwrap();
            let why = bad.job().unwrap_err().to_string();
            assert_eq!(why, "its job has another length than it says", "{lie}");
        }
        // The frame ends before the file says.
        let length = u64::from_le_bytes(good[12..20].try_into().unwrap());
        assert!(PartialFile::of(with(&good, 12, length - 1)).unwrap().job().is_err());
        assert!(PartialFile::of(with(&good, 12, length + 1)).unwrap().job().is_err());
    }

    /// The file with a number in it replaced and the checksum that fits.
    fn with(good: &[u8], at: usize, number: u64) -> Vec<u8> {
        let mut bad = good.to_vec();
        bad[at..at + 8].copy_from_slice(&number.to_le_bytes());
        let sum = checksum(&[&bad[12..]]).to_le_bytes();
        bad[4..12].copy_from_slice(&sum);
        bad
    }

    #[test]
    fn every_damage_is_found() {
        let good = written("damage", b"{\"a\": 1}");
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
        for (at, lie) in [(12, u64::MAX), (12, 1 << 20), (20, u64::MAX), (20, 1 << 40), (20, MOST + 1)] {
            assert!(
                PartialFile::of(with(&good, at, lie))
                    .is_err_and(|why| why.starts_with("is cut off or damaged")),
                "{at} {lie}"
            );
        }
    }
}
