//! The checksum of a block that is left before its end.
//!
//! What lies behind a basket's values is a table of the places where its entries begin, and whoever has
//! decoded its counter knows that table. So the checksum over both can be verified without decompressing
//! the second: see [`Unverified`].

use crc::{CRC_64_XZ, Crc, Table};
use libdeflater::Adler32;

const CRC_64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// The checksum of a block of which only the first bytes were decompressed: to go on with, by whoever
/// knows what the rest must be.
#[derive(Clone, Copy, Debug)]
pub struct Unverified {
    sum: Sum,
    left: usize,
}

/// What was computed so far, and what it must become.
#[derive(Clone, Copy, Debug)]
enum Sum {
    /// RFC 1950, 2.2.
    Adler32 {
        now: u32,
        end: u32,
    },
    /// The xz file format, 2.1.1.2 and 3.4.
    Crc32 {
        now: u32,
        end: u32,
    },
    Crc64 {
        now: u64,
        end: u64,
    },
}

impl Unverified {
    /// Of a zlib stream that gives `length` bytes and begins with `start`.
    pub(super) fn of_zlib(stream: &[u8], start: &[u8], length: usize) -> Option<Self> {
        let end = u32::from_be_bytes(*stream.last_chunk()?);
        Self { sum: Sum::Adler32 { now: 1, end }, left: length }.after(start)
    }

    /// The same of an xz stream of one block (the xz file format, 2.1.2). Its checksum is the last thing
    /// before the index, whose size stands in the footer. None where it has another checksum.
    pub(super) fn of_xz(stream: &[u8], start: &[u8], length: usize) -> Option<Self> {
        const FOOTER: usize = 12;
        let (blocks, footer) = stream.split_last_chunk::<FOOTER>()?;
        let [_, _, _, _, a, b, c, d, 0, check, b'Y', b'Z'] = *footer else { return None };
        let index = (u32::from_le_bytes([a, b, c, d]) as usize).checked_add(1)?.checked_mul(4)?;
        let block = &blocks[..blocks.len().checked_sub(index)?];
        let sum = match check {
            1 => Sum::Crc32 { now: 0, end: u32::from_le_bytes(*block.last_chunk()?) },
            4 => Sum::Crc64 { now: 0, end: u64::from_le_bytes(*block.last_chunk()?) },
            _ => return None,
        };
        Self { sum, left: length }.after(start)
    }

    fn after(mut self, start: &[u8]) -> Option<Self> {
        self.follow(start);
        (self.left > 0).then_some(self)
    }

    /// Goes on with the bytes that follow; those past the block's end do not count.
    pub fn follow(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(self.left)];
        self.left -= bytes.len();
        match &mut self.sum {
            Sum::Adler32 { now, .. } => {
                let mut sum = Adler32::with_initial(*now);
                sum.update(bytes);
                *now = sum.sum();
            }
            Sum::Crc32 { now, .. } => {
                let mut sum = libdeflater::Crc::with_initial(*now);
                sum.update(bytes);
                *now = sum.sum();
            }
            Sum::Crc64 { now, .. } => {
                // The library wants the register as it was before the last step, and in the polynomial's
                // own order of bits.
                let mut sum = CRC_64.digest_with_initial((*now ^ u64::MAX).reverse_bits());
                sum.update(bytes);
                *now = sum.finalize();
            }
        }
    }

    /// Whether all bytes of the block have come, and were those that it was made of.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.left == 0
            && match self.sum {
                Sum::Adler32 { now, end } | Sum::Crc32 { now, end } => now == end,
                Sum::Crc64 { now, end } => now == end,
            }
    }
}
