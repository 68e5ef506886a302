//! Pages of 4 KiB with a checksum before each: what `kXR_pgread` answers and `kXR_pgwrite` sends.
//! A page starts at a multiple of 4,096 in the file, so the first and the last may be shorter.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;

/// How many pages, whole or not, a range touches.
pub(crate) fn count(range: &Range<u64>) -> u64 {
    if range.is_empty() { 0 } else { (range.end - 1) / PAGE - range.start / PAGE + 1 }
}

/// Checks pages that begin at byte `offset` of the file and takes their checksums out. The error is
/// the place in the file of the first page that does not agree with its checksum, or none if the bytes
/// cannot be pages at all.
pub(crate) fn check(offset: u64, mut body: BytesMut) -> Result<Bytes, Option<u64>> {
    let (mut at, mut from, mut to) = (offset, 0, 0);
    while from < body.len() {
        let sum = body.get(from..from + 4).ok_or(None)?;
        let sum = u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]]);
        from += 4;
        let length = ((PAGE - at % PAGE) as usize).min(body.len() - from);
        if length == 0 {
            return Err(None);
        }
        if crc32c::crc32c(&body[from..from + length]) != sum {
            return Err(Some(at));
        }
        body.copy_within(from..from + length, to);
        (at, from, to) = (at + length as u64, from + length, to + length);
    }
    body.truncate(to);
    Ok(body.freeze())
}

/// The places in the file of pages that came damaged, as `kXR_pgwrite` answers: a checksum of the list, the
/// lengths of its first and last page, and an offset for each.
pub(crate) fn damaged(list: &[u8]) -> Option<Vec<u64>> {
    let (head, offsets) = list.split_at_checked(8)?;
    let sum = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    if crc32c::crc32c(&list[4..]) != sum || offsets.is_empty() || offsets.len() % 8 != 0 {
        return None;
    }
    let offset = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
    offsets.chunks_exact(8).map(offset).collect()
}

/// `data` for byte `offset` of a file, with a checksum before each page.
pub(crate) fn seal(offset: u64, mut data: &[u8]) -> Bytes {
    let mut sealed = BytesMut::with_capacity(data.len() + data.len() / 1024 + 8);
    let mut at = offset;
    while !data.is_empty() {
        let (page, rest) = data.split_at(((PAGE - at % PAGE) as usize).min(data.len()));
        sealed.put_u32(crc32c::crc32c(page));
        sealed.put_slice(page);
        (at, data) = (at + page.len() as u64, rest);
    }
    sealed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_sealed_and_checked_wherever_it_starts() {
        let data: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        for (offset, length) in [(0, 10_000), (4095, 2), (1, 4095), (8192, 4096), (100, 0)] {
            let sealed = seal(offset, &data[..length]);
            let pages = count(&(offset..offset + length as u64));
            assert_eq!(sealed.len() as u64, length as u64 + 4 * pages);
            assert_eq!(check(offset, BytesMut::from(&sealed[..])).unwrap(), &data[..length]);
        }
    }

    /// As `ServerResponseBody_pgWrCSE` and its list are laid out.
    #[test]
    fn a_list_of_damaged_pages_has_a_checksum_of_its_own() {
        let rest = [&[0, 10, 0, 20][..], &4096_u64.to_be_bytes(), &12_288_u64.to_be_bytes()].concat();
        let list = [&crc32c::crc32c(&rest).to_be_bytes()[..], &rest].concat();
        assert_eq!(damaged(&list), Some(vec![4096, 12_288]));
        let mut bad = list.clone();
        bad[9] ^= 1;
        assert_eq!((damaged(&bad), damaged(&list[..15]), damaged(&[])), (None, None, None));
    }

    /// The checksum of 32 zero bytes is in RFC 3720, B.4.
    #[test]
    fn a_flipped_bit_is_found_and_placed() {
        let sealed = seal(4096, &[0; 32]);
        assert_eq!(sealed[..4], 0x8a91_36aa_u32.to_be_bytes());
        let mut two = BytesMut::from(&seal(4000, &[7; 5000])[..]);
        two[200] ^= 1;
        assert_eq!(check(4000, two), Err(Some(4096)));
        assert_eq!(check(0, BytesMut::from(&[1, 2, 3][..])), Err(None));
        assert_eq!(check(0, BytesMut::from(&[1, 2, 3, 4][..])), Err(None));
    }
}
