//! Blowfish in the mode CFB with 64 bits, from an initial vector of zeros, over the packet and its
//! checksum (`XrdCryptoLite_bf32.cc`).
//!
//! It is what the protocol has, not what one would choose: the packet's first 32 bytes are random and
//! stand in for the vector.

use blowfish::Blowfish;

/// OpenSSL, which the server uses, reads no more of a key.
const LONGEST_KEY: usize = 72;

/// Encrypts it with its checksum behind.
pub(super) fn seal(key: &[u8], mut clear: Vec<u8>) -> Vec<u8> {
    let crc = crc32(&clear);
    clear.extend(crc.to_be_bytes());
    let cipher = schedule(key);
    let mut previous = [0; 8];
    for block in clear.chunks_mut(8) {
        for (byte, mask) in block.iter_mut().zip(encrypt(&cipher, previous)) {
            *byte ^= mask;
        }
        if let Ok(sealed) = <[u8; 8]>::try_from(&*block) {
            previous = sealed;
        }
    }
    clear
}

/// The key schedule takes keys of any length; the crate's usual way in takes 56 bytes at most.
fn schedule(key: &[u8]) -> Blowfish {
    let mut cipher = Blowfish::bc_init_state();
    cipher.bc_expand_key(key.get(..LONGEST_KEY).unwrap_or(key));
    cipher
}

fn encrypt(cipher: &Blowfish, block: [u8; 8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h] = block;
    let [left, right] =
        cipher.bc_encrypt([u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]);
    let mut sealed = [0; 8];
    for (byte, from) in sealed.iter_mut().zip(left.to_be_bytes().into_iter().chain(right.to_be_bytes())) {
        *byte = from;
    }
    sealed
}

/// The checksum of Ethernet, `XrdOucCRC::CRC32`; CRC-32C, which pages have, is another.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The other way, for packets of others. `None` if the checksum is wrong.
    pub(in crate::auth::sss) fn open(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let cipher = schedule(key);
        let mut previous = [0; 8];
        let mut clear = Vec::new();
        for block in sealed.chunks(8) {
            clear.extend(block.iter().zip(encrypt(&cipher, previous)).map(|(byte, mask)| byte ^ mask));
            previous = <[u8; 8]>::try_from(block).unwrap_or_default();
        }
        let crc = clear.split_off(clear.len() - 4);
        (crc == crc32(&clear).to_be_bytes()).then_some(clear)
    }

    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn blocks_are_those_of_the_cipher_s_author() {
        // Schneier's test vectors: key, clear, sealed.
        for (key, clear, sealed) in [
            (0x0000_0000_0000_0000_u64, 0x0000_0000_0000_0000_u64, 0x4ef9_9745_6198_dd78_u64),
            (0x0123_4567_89ab_cdef, 0x1111_1111_1111_1111, 0x61f9_c380_2281_b096),
            (0x7ca1_1045_4a1a_6e57, 0x01a1_d6d0_3977_6742, 0x59c6_8245_eb05_282b),
        ] {
            let cipher = schedule(&key.to_be_bytes());
            assert_eq!(encrypt(&cipher, clear.to_be_bytes()), sealed.to_be_bytes());
        }
    }
}
