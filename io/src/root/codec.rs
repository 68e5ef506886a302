//! The framing of compressed objects: blocks of at most 16 MiB, each with a head of 9 bytes that
//! names the codec and both sizes.
//!
//! How much memory decompression takes is bounded by what is really there, not by what a file claims.
//! A block gets memory once the blocks before it were decoded, and only if its codec can express such
//! an expansion at all; a zstd stream must say the same size as the block's head. So a lie costs at
//! most one block, 16 MiB, for which at least 512 bytes must lie in the file. An honest object that
//! expands a thousandfold is legal, and takes its own size and no more; [`Decompressor::limit`] is for
//! those who want less than the 2 GiB that an object can have.

use std::fmt;
use std::hash::Hasher;

use liblzma::stream::{Action, Status, Stream};
use twox_hash::XxHash64;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::checksum::Unverified;

/// The bytes before each compressed block.
pub const HEAD: usize = 9;

/// The memory an xz decoder may take beside its output. Its dictionary is cut to the block's size.
const LZMA_MEMORY: u64 = 20 << 20;

/// The largest expansion that each format can express: a claim beyond it is a lie that is refused
/// before memory is given to it.
///
/// * deflate: 258 bytes for two codes of one bit each, RFC 1951, 3.2.5;
/// * lz4: a byte more in the length of a match stands for 255 more bytes (lz4 block format);
/// * zstd: a block is 3 bytes of head and at least one more, and gives at most 128 KiB, RFC 8878,
///   3.1.1.2;
/// * lzma: a repeated match gives 273 bytes for 14 bits, each of which costs at least
///   log2(2048 / 2017) bits, as probabilities keep 31 / 2048 from certainty: 7,090 to 1.
const DEFLATE_RATIO: usize = 1032;
const LZ4_RATIO: usize = 255;
const ZSTD_RATIO: usize = 32 << 10;
const LZMA_RATIO: usize = 7_100;

/// The largest object: keys count its bytes in signed 32 bits.
const LARGEST: usize = i32::MAX as usize;

/// The largest window a zstd stream may ask for, as a power of two: that of a block of 16 MiB.
const ZSTD_WINDOW: u32 = 24;

/// What a zstd decoder begins with: the magic number and the first byte of the frame's head (RFC 8878, 3.1.1).
const ZSTD_LEAST: usize = 5;

/// How much further than needed a deflate stream is decoded. What stops it is that the next symbol
/// does not fit; all before that symbol is right, and none gives more than a stored block, 65,535
/// bytes.
const DEFLATE_SLACK: usize = 65_535;

/// Decoder contexts, reused from block to block.
pub struct Decompressor {
    skip_checksums: bool,
    limit: usize,
    deflate: Option<libdeflater::Decompressor>,
    zstd: Option<DCtx<'static>>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self { skip_checksums: false, limit: LARGEST, deflate: None, zstd: None }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decompressor")
    }
}

/// What is wrong with a compressed object.
pub type Reason = String;

impl Decompressor {
    /// Whether zlib and lzma streams may be left before their end, where their checksum lies, if the
    /// rest is not needed, and nobody verifies it: a flipped bit may go unnoticed. zstd streams, which
    /// have no checksum in ROOT files, are always left early; lz4 never.
    pub fn skip_checksums(&mut self, skip: bool) {
        self.skip_checksums = skip;
    }

    /// The largest object to decompress, in bytes; 2 GiB unless set. Larger ones are errors.
    pub fn limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Decompresses the blocks in `framed` into `out`, whose former content is lost. Memory is
    /// taken as blocks turn out to be real, so that a wrong `expected` costs none.
    ///
    /// # Errors
    /// Where a block is damaged, or all of them do not give `expected` bytes.
    pub fn decompress_into(
        &mut self,
        framed: &[u8],
        out: &mut Vec<u8>,
        expected: usize,
    ) -> Result<(), Reason> {
        self.decompress_start(framed, out, expected, expected)
    }

    /// As [`decompress_into`](Self::decompress_into), but only the first `needed` bytes are asked for.
    /// `out` may become longer than that.
    ///
    /// # Errors
    /// Where a block is damaged, or all of them do not give `needed` bytes.
    pub fn decompress_start(
        &mut self,
        framed: &[u8],
        out: &mut Vec<u8>,
        expected: usize,
        needed: usize,
    ) -> Result<(), Reason> {
        self.start(framed, out, expected, needed, self.skip_checksums).map(|_| ())
    }

    /// The same for somebody who knows what follows: a last block that has a checksum is left as soon as
    /// the bytes needed are there, and its checksum is given back to be verified with the rest. None where
    /// nothing is left to verify.
    ///
    /// # Errors
    /// Where a block is damaged, or all of them do not give `needed` bytes.
    pub fn decompress_unverified(
        &mut self,
        framed: &[u8],
        out: &mut Vec<u8>,
        expected: usize,
        needed: usize,
    ) -> Result<Option<Unverified>, Reason> {
        let unverified = self.start(framed, out, expected, needed, true)?;
        Ok(unverified.filter(|_| !self.skip_checksums))
    }

    fn start(
        &mut self,
        framed: &[u8],
        out: &mut Vec<u8>,
        expected: usize,
        needed: usize,
        leave: bool,
    ) -> Result<Option<Unverified>, Reason> {
        if expected > self.limit {
            return Err(format!("it has {expected} bytes and at most {} are allowed", self.limit));
        }
        let mut rest = framed;
        let mut filled = 0;
        let mut unverified = None;
        while filled < needed {
            let Some((head, behind)) = rest.split_first_chunk::<HEAD>() else {
                return Err(format!("the compressed blocks end after {filled} of {expected} bytes"));
            };
            let compressed = size([head[3], head[4], head[5]]);
            let length = size([head[6], head[7], head[8]]);
            let Some((block, next)) = behind.split_at_checked(compressed) else {
                return Err(format!("a block of {compressed} bytes has {} left", behind.len()));
            };
            if length > expected - filled {
                return Err(format!("its blocks give more than the {expected} bytes promised"));
            }
            let codec = [head[0], head[1]];
            let most = most(codec, compressed).ok_or_else(|| unknown(codec))?;
            if compressed == 0 || length == 0 || length > most {
                return Err(format!("a block claims to expand from {compressed} to {length} bytes"));
            }
            if &codec == b"ZS"
                && let Ok(Some(size)) = zstd_safe::get_frame_content_size(block)
                && size != length as u64
            {
                return Err(format!("a block of {length} bytes holds a zstd stream of {size}"));
            }
            // Growing without clearing: the buffer of a reused decoder is zeroed only once.
            grow(out, filled + length, expected);
            let target = &mut out[filled..filled + length];
            let wanted = length.min(needed - filled);
            let leave = wanted < length
                && match &codec {
                    b"ZL" => leave && wanted + DEFLATE_SLACK < length,
                    b"XZ" => {
                        leave && (self.skip_checksums || Unverified::of_xz(block, &[], length).is_some())
                    }
                    _ => true,
                };
            let got = self.block(codec, block, target, wanted, leave)?;
            if got < wanted || wanted == length && got != length {
                let name = name(codec);
                return Err(format!("the {name} stream ends after {got} of {length} bytes"));
            }
            if leave {
                unverified = match &codec {
                    b"ZL" => Unverified::of_zlib(block, &target[..wanted], length),
                    b"XZ" => Unverified::of_xz(block, &target[..wanted], length),
                    _ => None,
                };
            }
            filled += length;
            rest = next;
        }
        out.truncate(filled);
        sizes_agree(rest, expected - filled)?;
        Ok(unverified)
    }

    /// Decodes at least the first `wanted` bytes of a block that has as many as `out`: no more than needed
    /// if it may `leave` the block, else all.
    fn block(
        &mut self,
        codec: [u8; 2],
        block: &[u8],
        out: &mut [u8],
        wanted: usize,
        leave: bool,
    ) -> Result<usize, Reason> {
        use libdeflater::DecompressionError::InsufficientSpace;
        match &codec {
            b"ZL" | b"CS" => {
                let decoder = self.deflate.get_or_insert_with(libdeflater::Decompressor::new);
                let whole = out.len();
                let stop = if leave { whole.min(wanted + DEFLATE_SLACK) } else { whole };
                let out = &mut out[..stop];
                let done = if &codec == b"ZL" {
                    decoder.zlib_decompress(block, out)
                } else {
                    decoder.deflate_decompress(block, out)
                };
                match done {
                    Err(InsufficientSpace) if stop < whole => Ok(wanted),
                    Err(InsufficientSpace) => Err(format!("the zlib stream is longer than {whole} bytes")),
                    Err(_) => Err("the zlib stream is damaged".to_owned()),
                    Ok(got) if stop < whole => {
                        Err(format!("the zlib stream ends after {got} of {whole} bytes"))
                    }
                    Ok(got) => Ok(got),
                }
            }
            b"L4" => lz4(block, out),
            b"ZS" => {
                let decoder = self.zstd.get_or_insert_with(DCtx::create);
                let done = if leave {
                    zstd_start(decoder, block, out, wanted)
                } else {
                    decoder.decompress(out, block)
                };
                done.map_err(|code| {
                    format!("the zstd stream is damaged: {}", zstd_safe::get_error_name(code))
                })
            }
            b"XZ" => {
                let whole = out.len();
                lzma(block, if leave { &mut out[..wanted] } else { out }, whole)
            }
            _ => Err(unknown(codec)),
        }
    }
}

fn size(bytes: [u8; 3]) -> usize {
    usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16
}

/// Makes sure that the blocks in `rest`, which are not decoded, give `expected` bytes: a length that is wrong in the
/// key of the object would go unnoticed where only its start is decompressed.
fn sizes_agree(mut rest: &[u8], expected: usize) -> Result<(), Reason> {
    let mut found = 0;
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>()
        && found < expected
    {
        let compressed = size([head[3], head[4], head[5]]);
        let behind = behind.get(compressed..);
        rest = behind.ok_or_else(|| format!("a block of {compressed} bytes passes the end of the object"))?;
        found += size([head[6], head[7], head[8]]);
    }
    // Bytes behind the last block do not matter, as in ROOT.
    match found == expected {
        true => Ok(()),
        false => Err(format!("its last blocks give {found} of {expected} bytes")),
    }
}

fn unknown(codec: [u8; 2]) -> Reason {
    format!("there is no codec `{}`", codec.escape_ascii())
}

/// Makes `out` at least `length` long. It grows as vectors do, but never past `whole`.
fn grow(out: &mut Vec<u8>, length: usize, whole: usize) {
    if out.capacity() < length {
        let room = length.max(2 * out.capacity()).min(whole);
        out.reserve_exact(room - out.len());
    }
    if out.len() < length {
        out.resize(length, 0);
    }
}

fn name(codec: [u8; 2]) -> &'static str {
    match &codec {
        b"ZL" | b"CS" => "zlib",
        b"L4" => "lz4",
        b"ZS" => "zstd",
        _ => "lzma",
    }
}

/// How many bytes so many compressed ones can give; none for an unknown codec.
fn most(codec: [u8; 2], compressed: usize) -> Option<usize> {
    let ratio = match &codec {
        b"ZL" | b"CS" => DEFLATE_RATIO,
        b"L4" => LZ4_RATIO,
        b"ZS" => ZSTD_RATIO,
        b"XZ" => LZMA_RATIO,
        _ => return None,
    };
    Some(compressed * ratio)
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
    lz4_flex::block::decompress_into(block, out)
        .map_err(|error| format!("the lz4 stream is damaged: {error}"))
}

/// The start of a zstd stream, at least `wanted` bytes if it has as many. `out` takes all of the stream: so its
/// blocks are decoded to where they belong, and not into a window to be copied from.
fn zstd_start(
    decoder: &mut DCtx<'static>,
    stream: &[u8],
    out: &mut [u8],
    wanted: usize,
) -> Result<usize, zstd_safe::ErrorCode> {
    decoder.reset(ResetDirective::SessionOnly)?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
    decoder.set_parameter(DParameter::StableOutBuffer(true))?;
    let mut output = OutBuffer::around(out);
    let (mut read, mut next) = (0, ZSTD_LEAST);
    // Block by block, as the decoder asks for them: given more, it would go on.
    while output.pos() < wanted && next > 0 {
        let before = (read, output.pos());
        let mut input = InBuffer::around(&stream[read..stream.len().min(read + next)]);
        next = decoder.decompress_stream(&mut output, &mut input)?;
        read += input.pos();
        if (read, output.pos()) == before {
            break;
        }
    }
    Ok(output.pos())
}

/// An xz stream of `whole` bytes, of which `out` takes all or the first. The encoder's preset 9 asks for
/// a dictionary of 64 MiB, of which a block of at most 16 MiB can use no more than its own size; so its
/// head is rewritten before the decoder sees it.
fn lzma(block: &[u8], out: &mut [u8], whole: usize) -> Result<usize, Reason> {
    let damaged = |error| format!("the lzma stream is damaged: {error}");
    let mut stream = Stream::new_stream_decoder(LZMA_MEMORY, 0).map_err(damaged)?;
    let head = small_dictionary(block, whole);
    if let Some(head) = head {
        stream.process(&head, out, Action::Run).map_err(damaged)?;
    }
    while stream.total_out() < out.len() as u64 {
        let (read, written) = (stream.total_in() as usize, stream.total_out() as usize);
        let status = stream.process(&block[read..], &mut out[written..], Action::Run).map_err(damaged)?;
        let still = stream.total_in() as usize == read && stream.total_out() as usize == written;
        if still || status == Status::StreamEnd {
            break;
        }
    }
    // The last output byte comes before the stream's own checksum; let it be verified.
    if out.len() == whole && stream.total_out() == whole as u64 {
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
        for codec in [b"L4", b"ZS", b"XZ"] {
            let framed = [&codec[..], &framed[2..]].concat();
            let error = Decompressor::default().decompress_into(&framed, &mut out, 1 << 30).unwrap_err();
            assert_eq!(error, "a block claims to expand from 4 to 16777215 bytes");
            assert_eq!(out.capacity(), 0);
        }
    }

    #[test]
    fn a_zstd_stream_of_another_size_takes_no_memory() {
        let mut stream = vec![0; 4000];
        let length = zstd_safe::compress(&mut stream[..], &[7; 2000], 3).unwrap();
        stream.resize(length.max(600), 0);
        let mut out = Vec::new();
        let framed = framed(b"ZS", &stream, 0xFF_FFFF);
        let error = Decompressor::default().decompress_into(&framed, &mut out, 1 << 30).unwrap_err();
        assert_eq!(error, "a block of 16777215 bytes holds a zstd stream of 2000");
        assert_eq!(out.capacity(), 0);
    }

    /// Zeros, which every codec shrinks as far as it can.
    #[test]
    fn an_honest_object_that_expands_a_thousandfold_takes_its_own_size() {
        let zeros = vec![0; 12_000_000];
        let mut out = vec![0; 200_000];
        let level = libdeflater::CompressionLvl::best();
        let n = libdeflater::Compressor::new(level).zlib_compress(&zeros, &mut out).unwrap();
        let deflate = out[..n].to_vec();
        let n = zstd_safe::compress(&mut out[..], &zeros, 19).unwrap();
        let zstd = out[..n].to_vec();
        let mut xz = Vec::with_capacity(200_000);
        let mut stream = Stream::new_easy_encoder(9, liblzma::stream::Check::Crc32).unwrap();
        stream.process_vec(&zeros, &mut xz, Action::Finish).unwrap();
        let lz4 = lz4_flex::block::compress(&zeros);
        let mut hash = XxHash64::with_seed(0);
        hash.write(&lz4);
        let lz4 = [&hash.finish().to_be_bytes()[..], &lz4].concat();
        for (codec, compressed) in [(b"ZL", deflate), (b"L4", lz4), (b"ZS", zstd), (b"XZ", xz)] {
            assert!(zeros.len() > 250 * compressed.len(), "{codec:?} {}", compressed.len());
            let object = framed(codec, &compressed, zeros.len()).repeat(3);
            let mut out = Vec::new();
            Decompressor::default().decompress_into(&object, &mut out, 3 * zeros.len()).unwrap();
            assert!(out.len() == 3 * zeros.len() && out.iter().all(|&byte| byte == 0));
            assert_eq!(out.capacity(), out.len());
            let mut decoder = Decompressor::default();
            decoder.limit(zeros.len());
            let error = decoder.decompress_into(&object, &mut out, 3 * zeros.len()).unwrap_err();
            assert_eq!(error, "it has 36000000 bytes and at most 12000000 are allowed");
        }
    }

    /// One block as ROOT frames it.
    fn framed(codec: &[u8; 2], compressed: &[u8], length: usize) -> Vec<u8> {
        let size = |n: usize| (n as u32).to_le_bytes()[..3].to_vec();
        [&codec[..], &[8], &size(compressed.len()), &size(length), compressed].concat()
    }

    /// Floats that grow, noise and zeros: compressible, incompressible and stored stretches.
    fn content(seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        let mut content = Vec::new();
        while content.len() < 400_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match state >> 30 {
                0 => content.extend((0..2000_u32).flat_map(|n| (n as f32).to_be_bytes())),
                1 => content.extend((0..50_000_u32).map(|n| (n.wrapping_mul(state) >> 13) as u8)),
                2 => content.extend([0; 9000]),
                _ => content.extend(state.to_be_bytes()),
            }
        }
        content
    }

    #[test]
    fn the_start_of_a_stream_is_that_of_the_whole() {
        for seed in 0..40 {
            let whole = content(seed);
            let mut deflate = vec![0; whole.len() + 1000];
            let level = libdeflater::CompressionLvl::new(i32::try_from(seed % 10).unwrap()).unwrap();
            let n = libdeflater::Compressor::new(level).zlib_compress(&whole, &mut deflate).unwrap();
            let mut zstd = vec![0; whole.len() + 1000];
            let m = zstd_safe::compress(&mut zstd[..], &whole, 3).unwrap();
            let mut xz = Vec::with_capacity(whole.len() + 1000);
            let mut stream = Stream::new_easy_encoder(9, liblzma::stream::Check::Crc32).unwrap();
            stream.process_vec(&whole, &mut xz, Action::Finish).unwrap();
            for (codec, compressed) in [(b"ZL", &deflate[..n]), (b"ZS", &zstd[..m]), (b"XZ", &xz[..])] {
                let framed = framed(codec, compressed, whole.len());
                let mut decoder = Decompressor::default();
                decoder.skip_checksums(true);
                for needed in [1, 1000, 123_457, whole.len() - 300, whole.len()] {
                    // What an earlier block left behind must not look like an answer.
                    let mut out = vec![0xAA; whole.len()];
                    decoder.decompress_start(&framed, &mut out, whole.len(), needed).unwrap();
                    assert!(out[..needed] == whole[..needed], "{codec:?} {seed} {needed}");
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_unless_checksums_are_skipped() {
        let whole = content(7);
        let mut xz = Vec::with_capacity(whole.len() + 1000);
        let mut stream = Stream::new_easy_encoder(6, liblzma::stream::Check::Crc32).unwrap();
        stream.process_vec(&whole, &mut xz, Action::Finish).unwrap();
        let at = xz.len() / 2;
        xz[at] ^= 4;
        let framed = framed(b"XZ", &xz, whole.len());
        let error =
            Decompressor::default().decompress_into(&framed, &mut Vec::new(), whole.len()).unwrap_err();
        assert!(error.starts_with("the lzma stream is damaged"), "{error}");
    }

    /// Streams of `whole` with each kind of checksum.
    fn checked(whole: &[u8]) -> Vec<([u8; 2], Vec<u8>)> {
        let mut deflate = vec![0; whole.len() + 1000];
        let level = libdeflater::CompressionLvl::fastest();
        let n = libdeflater::Compressor::new(level).zlib_compress(whole, &mut deflate).unwrap();
        let xz = |check| {
            let mut xz = Vec::with_capacity(whole.len() + 1000);
            Stream::new_easy_encoder(1, check).unwrap().process_vec(whole, &mut xz, Action::Finish).unwrap();
            xz
        };
        let checks = [liblzma::stream::Check::Crc32, liblzma::stream::Check::Crc64];
        let streams = checks.map(|check| (*b"XZ", xz(check)));
        [vec![(*b"ZL", deflate[..n].to_vec())], streams.to_vec()].concat()
    }

    #[test]
    fn a_stream_that_is_left_is_verified_by_what_must_follow() {
        let whole = content(3);
        for (codec, stream) in checked(&whole) {
            let object = framed(&codec, &stream, whole.len());
            let mut out = Vec::new();
            let mut start = || {
                let mut codec = Decompressor::default();
                codec.decompress_unverified(&object, &mut out, whole.len(), 300_000).unwrap().unwrap()
            };
            let mut sum = start();
            assert!(!sum.agrees());
            // In pieces, and with bytes behind the block, which are not its own.
            sum.follow(&whole[300_000..300_007]);
            sum.follow(&whole[300_007..]);
            sum.follow(b"more");
            assert!(sum.agrees(), "{codec:?}");
            let mut wrong = start();
            let mut rest = whole[300_000..].to_vec();
            rest[70_000] ^= 1;
            wrong.follow(&rest);
            assert!(!wrong.agrees(), "{codec:?}");
        }
    }

    #[test]
    fn a_flipped_bit_in_what_was_decompressed_is_noticed_by_what_follows() {
        let whole = content(5);
        for (codec, mut stream) in checked(&whole) {
            // One that still can be decompressed.
            let noticed = (100..stream.len() / 2).step_by(997).any(|at| {
                stream[at] ^= 1;
                let object = framed(&codec, &stream, whole.len());
                let mut out = Vec::new();
                let sum =
                    Decompressor::default().decompress_unverified(&object, &mut out, whole.len(), 300_000);
                stream[at] ^= 1;
                let Ok(Some(mut sum)) = sum else { return false };
                assert!(out[..300_000] != whole[..300_000]);
                sum.follow(&whole[300_000..]);
                assert!(!sum.agrees(), "{codec:?} {at}");
                true
            });
            assert!(noticed || codec == *b"XZ", "{codec:?}: no flipped bit gave a stream that can be read");
        }
    }

    #[test]
    fn a_stream_with_another_checksum_is_not_left() {
        let whole = content(3);
        let mut xz = Vec::with_capacity(whole.len() + 1000);
        let mut stream = Stream::new_easy_encoder(1, liblzma::stream::Check::Sha256).unwrap();
        stream.process_vec(&whole, &mut xz, Action::Finish).unwrap();
        let object = framed(b"XZ", &xz, whole.len());
        let mut out = Vec::new();
        let left =
            Decompressor::default().decompress_unverified(&object, &mut out, whole.len(), 1000).unwrap();
        assert!(left.is_none() && out == whole);
    }

    #[test]
    fn an_unknown_codec_is_named() {
        let framed = [b'Q', b'Q', 8, 1, 0, 0, 1, 0, 0, 1];
        let error = Decompressor::default().decompress_into(&framed, &mut Vec::new(), 1).unwrap_err();
        assert_eq!(error, "there is no codec `QQ`");
    }
}
