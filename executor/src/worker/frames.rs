//! The form of what goes to and comes from a worker, little-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `HRW1` |
//! | 4 | length of the header, at most 16 MiB |
//! | 4 | number of buffers, at most 65,536 |
//! | 8 each | their lengths |
//! | | the header, a JSON object |
//! | | the buffers |

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first bytes of a frame.
pub const MAGIC: [u8; 4] = *b"HRW1";
/// The version of what headers mean.
pub const PROTOCOL: u32 = 1;
const MAX_HEADER: usize = 16 << 20;
const MAX_BUFFERS: usize = 1 << 16;
/// All buffers of a frame: more than any partial output that a machine can hold twice.
const MAX_BYTES: u64 = 1 << 40;

/// Writes a frame and flushes.
///
/// # Errors
/// Where the other end is gone, or the header or the buffers are more than a frame may hold.
pub fn write<B: AsRef<[u8]>>(out: &mut impl Write, header: &impl Serialize, buffers: &[B]) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    if header.len() > MAX_HEADER || buffers.len() > MAX_BUFFERS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too large for a frame"));
    }
    let mut start = Vec::with_capacity(12 + 8 * buffers.len() + header.len());
    start.extend_from_slice(&MAGIC);
    start.extend_from_slice(&(header.len() as u32).to_le_bytes());
    start.extend_from_slice(&(buffers.len() as u32).to_le_bytes());
    for buffer in buffers {
        start.extend_from_slice(&(buffer.as_ref().len() as u64).to_le_bytes());
    }
    start.extend_from_slice(&header);
    out.write_all(&start)?;
    buffers.iter().try_for_each(|buffer| out.write_all(buffer.as_ref()))?;
    out.flush()
}

/// Reads a frame; none where the other end has gone between two.
///
/// # Errors
/// Where the bytes are no frame, or end in the middle of one.
pub fn read<H: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(H, Vec<Vec<u8>>)>> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut start = [0; 12];
    let mut got = 0;
    while got < start.len() {
        match from.read(&mut start[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let number =
        |at: usize| u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]) as usize;
    let (header, buffers) = (number(4), number(8));
    if start[..4] != MAGIC || header > MAX_HEADER || buffers > MAX_BUFFERS {
        return Err(wrong(format!("no frame begins with {}", start.escape_ascii())));
    }
    let lengths = exactly(from, 8 * buffers as u64)?;
    let lengths: Vec<u64> =
        lengths.as_chunks::<8>().0.iter().map(|length| u64::from_le_bytes(*length)).collect();
    if lengths
        .iter()
        .try_fold(0_u64, |sum, length| sum.checked_add(*length))
        .is_none_or(|sum| sum > MAX_BYTES)
    {
        return Err(wrong("a frame of absurd length".to_owned()));
    }
    let header = exactly(from, header as u64)?;
    let header = serde_json::from_slice(&header).map_err(|error| wrong(error.to_string()))?;
    let buffers = lengths.into_iter().map(|length| exactly(from, length)).collect::<io::Result<_>>()?;
    Ok(Some((header, buffers)))
}

/// So many bytes. What is allocated for them grows as they come: their number is a stranger's.
fn exactly(from: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    const AT_ONCE: u64 = 4 << 20;
    let mut buffer = Vec::with_capacity(bytes.min(AT_ONCE) as usize);
    match from.by_ref().take(bytes).read_to_end(&mut buffer)? as u64 == bytes {
        true => Ok(buffer),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut pipe = Vec::new();
        write(&mut pipe, &json!({"id": 1}), &[vec![1, 2, 3], vec![]]).unwrap();
        write(&mut pipe, &json!({"id": 2}), &[[0_u8; 0]; 0]).unwrap();
        let mut from = pipe.as_slice();
        let (header, buffers) = read::<Value>(&mut from).unwrap().unwrap();
        assert_eq!((header, buffers), (json!({"id": 1}), vec![vec![1, 2, 3], vec![]]));
        let (header, buffers) = read::<Value>(&mut from).unwrap().unwrap();
        assert_eq!((header, buffers), (json!({"id": 2}), Vec::<Vec<u8>>::new()));
        assert!(read::<Value>(&mut from).unwrap().is_none());
        // Written by hand, as the table has it.
        assert!(pipe.starts_with(
            b"HRW1\x08\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0{\"id\":1}\x01\x02\x03"
        ));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let mut good = Vec::new();
        write(&mut good, &json!({}), &[[7; 9]]).unwrap();
        for cut in 1..good.len() {
            let error = read::<Value>(&mut &good[..cut]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
        let absurd = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            read::<Value>(&mut bytes.as_slice()).unwrap_err().kind()
        };
        assert_eq!(absurd(0, b'h'), io::ErrorKind::InvalidData);
        assert_eq!(absurd(7, 255), io::ErrorKind::InvalidData);
        assert_eq!(absurd(11, 255), io::ErrorKind::InvalidData);
        assert_eq!(absurd(19, 255), io::ErrorKind::InvalidData);
        assert_eq!(absurd(20, b'?'), io::ErrorKind::InvalidData);
        // Lengths that no frame has been filled to cost no memory.
        assert_eq!(absurd(16, 255), io::ErrorKind::UnexpectedEof);
    }
}
