//! Changes as storage, transfer and broken writers make them, and what reading the result takes.

#[path = "../../fuzz/src/memory.rs"]
mod memory;

pub(crate) use memory::peak;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

pub(crate) struct Xorshift(pub(crate) u64);

impl Xorshift {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Changes a few bytes of `bytes`, whose length stays.
    pub(crate) fn change(&mut self, bytes: &mut [u8]) {
        let length = bytes.len();
        let at = self.below(length);
        let stretch = (1 + self.below(64)).min(length - at);
        match self.below(7) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at..at + stretch].fill(0),
            2 => bytes[at..at + stretch].fill(0xFF),
            3 if at + 4 <= length => {
                let lies: [u32; 6] = [0x7FFF_FFFF, 0x4000_0000, 0xFFFF_FFFE, 0x0FFF_FFFF, 1, 0x8000_0000];
                bytes[at..at + 4].copy_from_slice(&lies[self.below(6)].to_le_bytes());
            }
            4 => {
                let from = self.below(length - stretch + 1);
                bytes.copy_within(from..from + stretch, at);
            }
            5 => bytes[at] = bytes[at].wrapping_add(1 + self.below(4) as u8),
            _ => bytes[at] = self.next() as u8,
        }
    }
}
