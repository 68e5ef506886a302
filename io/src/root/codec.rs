//! The framing of compressed objects: blocks of at most 16 MiB, each with a head of 9 bytes that
//! names the codec and both sizes.

use std::fmt;
use std::hash::Hasher;

use liblzma::stream::{Action, Status, Stream};
use twox_hash::XxHash64;
use zstd_safe::DCtx;

/// The bytes before each compressed block.
pub const HEAD: usize = 9;

/// The memory an xz decoder may take beside its output. Its dictionary is cut to the block's size.
const LZMA_MEMORY: u64 = 20 << 20;

/// The largest expansion that the deflate and lz4 formats can express: a claim beyond it is a lie
/// that is refused before memory is given to it. zstd and xz have no such bound.
const DEFLATE_RATIO: usize = 1032;
const LZ4_RATIO: usize = 255;

/// Decoder contexts, reused from block to block.
#[derive(Default)]
pub struct Decompressor {
    deflate: Option<libdeflater::Decompressor>,
    zstd: Option<DCtx<'static>>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decompressor")
    }
}

/// What is wrong with a compressed object.
pub type Reason = String;

impl Decompressor {
    /// Decompresses the blocks in `framed` into `out`, whose former content is lost. Memory is
    /// taken as blocks turn out to be real, so that a wrong `expected` costs none.
    ///
    /// # Errors
    /// Where a block is damaged, or all of them do not give `expected` bytes.
    pub fn decompress_into(&mut self, framed: &[u8], out: &mut Vec<u8>, expected: usize) -> Result<(), Reason> {
        let mut rest = framed;
        let mut filled = 0;
        while filled < expected {
            let Some((head, behind)) = rest.split_first_chunk::<HEAD>() else {
                return Err(format!("the compressed blocks end after {filled} of {expected} bytes"));
            };
            let compressed = size(head[3..6].try_into().unwrap());
            let length = size(head[6..9].try_into().unwrap());
            let Some((block, next)) = behind.split_at_checked(compressed) else {
                return Err(format!("a block of {compressed} bytes has {} left", behind.len()));
            };
            if length > expected - filled {
                return Err(format!("its blocks give more than the {expected} bytes promised"));
            }
            let codec = [head[0], head[1]];
            if compressed == 0 || length == 0 || length > most(codec, compressed) {
                return Err(format!("a block claims to expand from {compressed} to {length} bytes"));
            }
            // Growing without clearing: the buffer of a reused decoder is zeroed only once.
            if out.len() < filled + length {
                out.resize(filled + length, 0);
            }
            let target = &mut out[filled..filled + length];
            let got = self.block(codec, block, target)?;
            if got != length {
                let name = name(codec);
                return Err(format!("the {name} stream ends after {got} of {length} bytes"));
            }
            filled += length;
            rest = next;
        }
        out.truncate(filled);
        Ok(())
    }

    fn block(&mut self, codec: [u8; 2], block: &[u8], out: &mut [u8]) -> Result<usize, Reason> {
        use libdeflater::DecompressionError::InsufficientSpace;
        match &codec {
            b"ZL" | b"CS" => {
                let decoder = self.deflate.get_or_insert_with(libdeflater::Decompressor::new);
                let done = if &codec == b"ZL" {
                    decoder.zlib_decompress(block, out)
                } else {
                    decoder.deflate_decompress(block, out)
                };
                done.map_err(|error| match error {
                    InsufficientSpace => format!("the zlib stream is longer than {} bytes", out.len()),
                    _ => "the zlib stream is damaged".to_owned(),
                })
            }
            b"L4" => lz4(block, out),
            b"ZS" => {
                let decoder = self.zstd.get_or_insert_with(DCtx::create);
                decoder
                    .decompress(out, block)
                    .map_err(|code| format!("the zstd stream is damaged: {}", zstd_safe::get_error_name(code)))
            }
            b"XZ" => lzma(block, out),
            _ => Err(format!("there is no codec `{}`", codec.escape_ascii())),
        }
    }
}

fn size(bytes: [u8; 3]) -> usize {
    usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16
}

fn name(codec: [u8; 2]) -> &'static str {
    match &codec {
        b"ZL" | b"CS" => "zlib",
        b"L4" => "lz4",
        b"ZS" => "zstd",
        _ => "lzma",
    }
}

fn most(codec: [u8; 2], compressed: usize) -> usize {
    match &codec {
        b"ZL" | b"CS" => compressed * DEFLATE_RATIO,
        b"L4" => compressed * LZ4_RATIO,
        _ => usize::MAX,
    }
}

/// An lz4 block behind the XXH64 of its compressed bytes.
fn lz4(block: &[u8], out: &mut [u8]) -> Result<usize, Reason> {
    let Some((sum, block)) = block.split_first_chunk::<8>() else {
        return Err("an lz4 block is too short for its checksum".to_owned());
    };
    let mut hash = XxHash64::with_seed(0);
    hash.write(block);
    if hash.finish() != u64::from_be_bytes(*sum) {
        return Err("an lz4 block does not match its checksum".to_owned());
    }
    lz4_flex::block::decompress_into(block, out).map_err(|error| format!("the lz4 stream is damaged: {error}"))
}

/// An xz stream. The encoder's preset 9 asks for a dictionary of 64 MiB, of which a block of at most
/// 16 MiB can use no more than its own size; so its head is rewritten before the decoder sees it.
fn lzma(block: &[u8], out: &mut [u8]) -> Result<usize, Reason> {
    let damaged = |error| format!("the lzma stream is damaged: {error}");
    let mut stream = Stream::new_stream_decoder(LZMA_MEMORY, 0).map_err(damaged)?;
    let head = small_dictionary(block, out.len());
    let consumed = head.as_ref().map_or(0, Vec::len);
    if let Some(head) = head {
        stream.process(&head, out, Action::Run).map_err(damaged)?;
    }
    while stream.total_out() < out.len() as u64 {
        let (read, written) = (stream.total_in() as usize, stream.total_out() as usize);
        debug_assert!(read >= consumed);
        let status = stream.process(&block[read..], &mut out[written..], Action::Run).map_err(damaged)?;
        let still = stream.total_in() as usize == read && stream.total_out() as usize == written;
        if still || status == Status::StreamEnd {
            break;
        }
    }
    // The last output byte comes before the stream's own checksum; let it be verified.
    if stream.total_out() == out.len() as u64 {
        let read = stream.total_in() as usize;
        if stream.process(&block[read..], &mut [], Action::Finish).map_err(damaged)? != Status::StreamEnd {
            return Err(format!("the lzma stream is longer than {} bytes", out.len()));
        }
    }
    Ok(stream.total_out() as usize)
}

/// The heads of the xz stream and of its first block with a dictionary just large enough for
/// `length` bytes; none where they are not as ROOT writes them, and the decoder may judge them.
fn small_dictionary(block: &[u8], length: usize) -> Option<Vec<u8>> {
    const STREAM: usize = 12;
    let size = (usize::from(*block.get(STREAM)?) + 1) * 4;
    let mut head = block.get(..STREAM + size)?.to_vec();
    let flags = head[STREAM + 1];
    // One filter, and neither size given: LZMA2 (id 0x21) with one byte of properties.
    if size < 12 || flags & 0xC3 != 0 || head[STREAM + 2..STREAM + 4] != [0x21, 1] {
        return None;
    }
    // The property p stands for a dictionary of (2 | p & 1) << (p / 2 + 11) bytes.
    let fits = (0..head[STREAM + 4]).find(|p| (2 | usize::from(p & 1)) << (p / 2 + 11) >= length)?;
    head[STREAM + 4] = fits;
    let sum = STREAM + size - 4;
    let crc = libdeflater::crc32(&head[STREAM..sum]);
    head[sum..].copy_from_slice(&crc.to_le_bytes());
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lie_about_the_size_takes_no_memory() {
        let mut out = Vec::new();
        let framed = [b'Z', b'L', 8, 4, 0, 0, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4];
        let error = Decompressor::default().decompress_into(&framed, &mut out, 1 << 30).unwrap_err();
        assert_eq!(error, "a block claims to expand from 4 to 16777215 bytes");
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn an_unknown_codec_is_named() {
        let framed = [b'Q', b'Q', 8, 1, 0, 0, 1, 0, 0, 1];
        let error = Decompressor::default().decompress_into(&framed, &mut Vec::new(), 1).unwrap_err();
        assert_eq!(error, "there is no codec `QQ`");
    }
}
