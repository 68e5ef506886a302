//! AES-128 in the mode CBC, the vector in front (`XrdCryptoCipher::Encrypt` with `useiv`).

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

/// With the padding of PKCS #7.
pub(super) fn seal(key: &[u8; 16], iv: [u8; 16], text: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes128Enc::new_from_slice(key).ok()?;
    let padding = 16 - text.len() % 16;
    let mut padded = text.to_vec();
    padded.resize(text.len() + padding, u8::try_from(padding).ok()?);
    let mut sealed = iv.to_vec();
    let mut previous = iv;
    for block in padded.as_chunks::<16>().0 {
        let mut mixed = *block;
        mixed.iter_mut().zip(previous).for_each(|(byte, mask)| *byte ^= mask);
        let mut block = mixed.into();
        cipher.encrypt_block(&mut block);
        previous = block.into();
        sealed.extend(previous);
    }
    Some(sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_standard() {
        // NIST SP 800-38A, F.2.1, and the padding of an empty block behind.
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
        };
        let key: [u8; 16] = bytes("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap();
        let iv: [u8; 16] = bytes("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let text = bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let sealed = seal(&key, iv, &text).unwrap();
        assert_eq!(sealed[..16], iv);
        assert_eq!(sealed[16..48], bytes("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"));
        assert_eq!(sealed.len(), 64);
        assert_eq!(seal(&key, iv, b"").unwrap().len(), 32);
        assert_eq!(seal(&key, iv, &[7; 15]).unwrap().len(), 32);
    }
}
