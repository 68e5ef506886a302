//! The entry point of an RNTuple: the object that its key names.
//!
//! Specification: section "ROOT File embedding". As an object of a ROOT file it is big-endian.

use std::ops::Range;

use super::envelope::{CHECKSUM, Parsed, Refusal, checksum};
use crate::root::{Buffer, Malformed, ObjectBytes};

/// What is before the fields in the object: a byte count and the version of the class.
const HEAD: usize = 6;

/// Where an envelope lies in the file, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seek: u64,
    /// Its bytes in the file.
    pub(super) size: u64,
    /// Its bytes once decompressed.
    pub(super) length: u64,
}

impl Link {
    pub(super) fn range(&self) -> Range<u64> {
        self.seek..self.seek.saturating_add(self.size)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// Epoch, major, minor, patch of the format.
    pub(super) version: [u16; 4],
    pub(super) header: Link,
    pub(super) footer: Link,
    /// What is longer than this lies in several pieces.
    pub(super) max_key_size: u64,
}

impl Anchor {
    pub(super) fn read(object: &ObjectBytes) -> Parsed<Self> {
        let mut buffer = object.buffer();
        buffer.version()?;
        let mut version = [0; 4];
        for part in &mut version {
            *part = buffer.u16()?;
        }
        // Epoch 0 are the pre-releases: no one promised that they stay readable.
        if version[0] != 1 {
            let [epoch, major, minor, patch] = version;
            return Err(Refusal::Unknown(format!(
                "it is of version {epoch}.{major}.{minor}.{patch} of the format, and versions 1.x are known"
            )));
        }
        let link = |buffer: &mut Buffer<'_>| {
            Ok::<_, Malformed>(Link { seek: buffer.u64()?, size: buffer.u64()?, length: buffer.u64()? })
        };
        let (header, footer) = (link(&mut buffer)?, link(&mut buffer)?);
        let max_key_size = buffer.u64()?;
        // Later versions append fields; the checksum stays last.
        if let Some((fields, seal)) = object.data.split_last_chunk::<CHECKSUM>()
            && fields.len() >= buffer.position()
        {
            let (found, said) = (checksum(&fields[HEAD..]), u64::from_be_bytes(*seal));
            if found != said {
                let reason = format!("its checksum is {found:016x}, and it says {said:016x}");
                return Err(Malformed::new(fields.len(), reason).into());
            }
            return Ok(Self { version, header, footer, max_key_size });
        }
        Err(Malformed::new(buffer.position(), "it ends before its checksum").into())
    }
}
