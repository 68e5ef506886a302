//! Blocks of compressed bytes: their heads, their claims, and what decoders make of them.

use hep_io::root::codec::Decompressor;
use liblzma::stream::{Action, Check, Stream};
use std::hash::Hasher;

/// The names of the codecs in the heads of blocks, raw deflate included.
pub const CODECS: [[u8; 2]; 5] = [*b"ZL", *b"L4", *b"ZS", *b"XZ", *b"CS"];

/// The largest object asked for.
const LARGEST: usize = 64 << 20;

/// The first byte of `data` chooses: blocks as they are, blocks with sound heads, or blocks that are
/// sound but for one bit.
pub fn run(data: &[u8]) -> usize {
    match data.split_first_chunk::<5>() {
        Some(([choice, rest @ ..], behind)) => match choice % 3 {
            0 => raw(u32::from_be_bytes(*rest) as usize % LARGEST, behind),
            1 => headed(u32::from_be_bytes(*rest) as usize, behind),
            _ => flipped(*rest, behind),
        },
        None => 0,
    }
}

fn raw(expected: usize, blocks: &[u8]) -> usize {
    let mut answers = 0;
    for skip in [false, true] {
        for needed in [expected, expected / 2] {
            answers += usize::from(decompress(blocks, expected, needed, skip).is_some());
        }
    }
    answers
}

fn decompress(blocks: &[u8], expected: usize, needed: usize, skip: bool) -> Option<Vec<u8>> {
    let mut decoder = Decompressor::default();
    decoder.skip_checksums(skip);
    let mut out = Vec::new();
    let done = decoder.decompress_start(blocks, &mut out, expected, needed);
    assert!(out.capacity() <= expected, "{} bytes of memory for {expected}", out.capacity());
    done.ok()?;
    assert!((needed..=expected).contains(&out.len()), "{} bytes of {needed}", out.len());
    Some(out)
}

/// Parts of a codec, a claimed length in three bytes, a length in two bytes and so many bytes, which
/// become blocks.
fn headed(seed: usize, mut rest: &[u8]) -> usize {
    let mut blocks = Vec::new();
    let mut expected = 0;
    while let Some(([codec, a, b, c, high, low], behind)) = rest.split_first_chunk() {
        let claim = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let length = usize::from(*high) << 8 | usize::from(*low);
        let (block, next) = behind.split_at(length.min(behind.len()));
        blocks.extend(framed(CODECS[usize::from(*codec) % CODECS.len()], block, claim));
        expected += claim;
        rest = next;
    }
    raw(expected.min(LARGEST), &blocks) + raw(seed % LARGEST, &blocks)
}

/// One block with its head, and with the checksum that lz4 blocks have in front.
pub(super) fn framed(codec: [u8; 2], block: &[u8], length: usize) -> Vec<u8> {
    let size = |n: usize| (n as u32).to_le_bytes()[..3].to_vec();
    let mut sum = Vec::new();
    if codec == *b"L4" {
        let mut hash = twox_hash::XxHash64::with_seed(0);
        hash.write(block);
        sum = hash.finish().to_be_bytes().to_vec();
    }
    [&codec[..], &[1], &size(sum.len() + block.len()), &size(length), &sum, block].concat()
}

/// Blocks of `data`, and the same with one bit flipped: where there is a checksum, that is noticed
/// or does not matter.
fn flipped([codec, place, times, parts]: [u8; 4], data: &[u8]) -> usize {
    let codec = CODECS[usize::from(codec) % CODECS.len()];
    let data = data.repeat(1 + usize::from(times) % 64);
    if data.is_empty() {
        return 0;
    }
    let size = data.len().div_ceil(1 + usize::from(parts) % 3);
    let blocks: Vec<u8> =
        data.chunks(size).flat_map(|part| framed(codec, &compress(codec, part), part.len())).collect();
    let needed = data.len() * usize::from(place) / 256;
    for skip in [false, true] {
        assert!(decompress(&blocks, data.len(), data.len(), skip).as_ref() == Some(&data), "{codec:?}");
        let start = decompress(&blocks, data.len(), needed, skip).unwrap();
        assert!(start[..needed] == data[..needed], "{codec:?} {needed}");
    }
    let mut damaged = blocks;
    let at = damaged.len() * usize::from(place) / 256;
    damaged[at] ^= 1 << (times & 7);
    let answer = decompress(&damaged, data.len(), data.len(), false);
    decompress(&damaged, data.len(), needed, true);
    // zstd in ROOT files has no checksum, raw deflate neither; nor does the head, which names the codec.
    if matches!(&codec, b"ZL" | b"L4" | b"XZ")
        && let Some(answer) = answer
    {
        assert!(answer == data, "a flipped bit at {at} in {codec:?} gives another answer");
    }
    1
}

/// One block of `data`, without its head.
pub(super) fn compress(codec: [u8; 2], data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; data.len() * 2 + 1000];
    match &codec {
        b"ZL" | b"CS" => {
            let mut encoder = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
            let done = if codec == *b"ZL" {
                encoder.zlib_compress(data, &mut out)
            } else {
                encoder.deflate_compress(data, &mut out)
            };
            out.truncate(done.unwrap());
        }
        b"L4" => return lz4_flex::block::compress(data),
        b"ZS" => {
            let length = zstd_safe::compress(&mut out[..], data, 1).unwrap();
            out.truncate(length);
        }
        _ => {
            out.clear();
            let mut encoder = Stream::new_easy_encoder(0, Check::Crc32).unwrap();
            encoder.process_vec(data, &mut out, Action::Finish).unwrap();
        }
    }
    out
}

/// Inputs from which the fuzzer may begin: each codec in each of the three ways.
pub fn seeds() -> Vec<Vec<u8>> {
    let data: Vec<u8> = (0..200_u8).map(|at| at / 8).collect();
    let mut seeds = Vec::new();
    for (at, codec) in CODECS.into_iter().enumerate() {
        let block = compress(codec, &data);
        let whole = framed(codec, &block, data.len());
        seeds.push([&[0, 0, 0, 0, 200][..], &whole].concat());
        seeds.push([&[0, 0, 0, 1, 144][..], &whole, &whole].concat());
        let head = [at as u8, 0, 0, 200, (block.len() >> 8) as u8, block.len() as u8];
        seeds.push([&[1, 0, 0, 0, 200][..], &head, &block].concat());
        seeds.push([&[2, at as u8, 100, 3, 1][..], &data].concat());
    }
    seeds
}
