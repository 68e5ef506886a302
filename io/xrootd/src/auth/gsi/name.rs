//! The hash by which the authorities of a grid are filed: `bb74b9b4.0` (`X509_NAME_hash` of OpenSSL).

use crate::tls::der::{OBJECT_ID, SEQUENCE, SET, Values};

const UTF8: u8 = 0x0c;
const TELETEX: u8 = 0x14;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;
/// `PrintableString`, `IA5String`, `VisibleString`.
const PLAIN: [u8; 3] = [0x13, 0x16, 0x1a];

/// Of a name in DER. `None` if it is not one.
pub(super) fn hash(name: &[u8]) -> Option<String> {
    let mut canonical = Vec::new();
    for set in Values(Values(name).content(SEQUENCE)?).filter(|value| value.tag == SET) {
        let mut attributes = Vec::new();
        for attribute in Values(set.content) {
            let mut parts = Values(attribute.content);
            let id = parts.next().filter(|id| id.tag == OBJECT_ID)?;
            let value = parts.next()?;
            let mut pair = id.whole.to_vec();
            match text(value.tag, value.content) {
                Some(text) => pair.extend(encode(UTF8, plain(&text).as_bytes())?),
                None => pair.extend(value.whole),
            }
            attributes.push(encode(SEQUENCE, &pair)?);
        }
        // The order of a set in DER.
        attributes.sort();
        canonical.extend(encode(SET, &attributes.concat())?);
    }
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &canonical);
    let first = digest.as_ref().first_chunk::<4>()?;
    Some(format!("{:08x}", u32::from_le_bytes(*first)))
}

fn text(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        UTF8 => String::from_utf8(content.to_vec()).ok(),
        TELETEX => Some(content.iter().copied().map(char::from).collect()),
        BMP => {
            let (pairs, _) = content.as_chunks::<2>();
            Some(
                char::decode_utf16(pairs.iter().copied().map(u16::from_be_bytes))
                    .map(|c| c.unwrap_or('?'))
                    .collect(),
            )
        }
        UNIVERSAL => {
            let (fours, _) = content.as_chunks::<4>();
            fours.iter().copied().map(|four| char::from_u32(u32::from_be_bytes(four))).collect()
        }
        _ if PLAIN.contains(&tag) => Some(content.iter().copied().map(char::from).collect()),
        _ => None,
    }
}

/// Small letters, and one space for any white space, none around.
fn plain(text: &str) -> String {
    let words: Vec<_> = text
        .split(|c: char| c.is_ascii_whitespace() || c == '\x0b')
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").to_ascii_lowercase()
}

fn encode(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?;
    let [high, low] = length.to_be_bytes();
    let mut whole = vec![tag];
    match length {
        0..0x80 => whole.push(low),
        0x80..0x100 => whole.extend([0x81, low]),
        _ => whole.extend([0x82, high, low]),
    }
    whole.extend(content);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_openssl() {
        // `openssl x509 -noout -subject_hash` of certificates with these subjects.
        for (hex, expected) in [
            ("3021310d300b060355040a0c04546573743110300e06035504030c0754657374204341", "bb74b9b4"),
            (
                "305631123010060a0992268993f22c6401191602636831143012060a0992268993f22c64011916046365726e312a302806035504030c214345524e20477269642043657274696669636174696f6e20417574686f72697479",
                "5168735f",
            ),
            (
                "3056310b300906035504061302444531133011060355040a0c0a4765726d616e4772696431173015060355040b0c0e202054776f2020537061636573203119301706035504030c10c39c6265727365652053747261c39f65",
                "99979703",
            ),
            (
                "3038310b3009060355040613025553311d300c060355040a0c054d756c7469300d060355040b0c0656616c756564310a300806035504030c0178",
                "a05ba65e",
            ),
            (
                "30820103310b3009060355040613024742311f301d06092a864886f70d0109011610526f6f74404578616d706c652e4f52473145304306035504030c3c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c31453043060355040b0c3c6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d31453043060355040a0c3c6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e",
                "9690b975",
            ),
        ] {
            let name: Vec<u8> =
                (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
            assert_eq!(hash(&name).as_deref(), Some(expected), "{hex}");
        }
    }

    #[test]
    fn damaged_names_do_no_harm() {
        let name = [0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 0x41];
        assert!(hash(&name).is_some());
        for length in 0..name.len() {
            let _ = hash(&name[..length]);
        }
        for at in 0..name.len() {
            for byte in [0, 1, 0x1e, 0x30, 0x84, 0xff] {
                let mut damaged = name;
                damaged[at] = byte;
                let _ = hash(&damaged);
            }
        }
    }
}
