//! Changes of binary files: as storage, transfers and broken writers make them.

use super::damage::Xorshift;

/// Changes some bytes, or how many there are.
pub(super) fn change(sound: &[u8], random: &mut Xorshift) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let (at, other) = (random.below(bytes.len()), random.below(bytes.len()));
    let stretch = (1 + random.below(64)).min(bytes.len() - at.max(other));
    match random.below(9) {
        0..=2 => bytes[at] ^= 1 << random.below(8),
        3 => {
            let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
            let extremes = [0, u64::MAX, i64::MAX as u64, 1 << 63, 1 << 31, i32::MAX as u64, 1 << 32, 1];
            let number = extremes[random.below(extremes.len())];
            let little = random.below(2) == 0;
            let number = if little { number.to_le_bytes() } else { number.to_be_bytes() };
            let number = if little { &number[..width] } else { &number[8 - width..] };
            bytes[at..at + width].copy_from_slice(number);
        }
        4 => bytes.truncate(at),
        5 => drop(bytes.splice(at..at, (0..stretch).map(|_| random.next() as u8).collect::<Vec<u8>>())),
        6 => drop(bytes.drain(at..at + stretch)),
        7 => {
            let block = bytes[other..other + stretch].to_vec();
            bytes.copy_within(at..at + stretch, other);
            bytes[at..at + stretch].copy_from_slice(&block);
        }
        _ => bytes[at..at + stretch].fill([0, 0xFF][random.below(2)]),
    }
    bytes
}
