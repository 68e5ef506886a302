use std::ops::Range;

use bytes::Bytes;

use super::{ByteSource, check_range};
use crate::Result;

/// A file that is in memory already. Reading it copies nothing.
#[derive(Clone, Debug)]
pub struct MemorySource {
    name: String,
    bytes: Bytes,
}

impl MemorySource {
    /// The file `name` with these bytes.
    pub fn new(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        ranges
            .iter()
            .map(|range| {
                check_range(&self.name, self.bytes.len() as u64, range)?;
                Ok(self.bytes.slice(range.start as usize..range.end as usize))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_past_the_end_names_the_size() {
        let error =
            MemorySource::new("a.root", vec![0; 10]).read(std::slice::from_ref(&(5..15))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.root is damaged or not a ROOT file: a read of 10 bytes at byte 5, because the file ends at \
             byte 10: it is truncated, or a position in it is wrong"
        );
    }
}
