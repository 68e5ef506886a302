//! Text around DER as OpenSSL writes it (RFC 7468): servers compare it byte by byte.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn write(label: &str, der: &[u8]) -> String {
    let mut letters = Vec::with_capacity(der.len() * 4 / 3 + 4);
    for group in der.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for n in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * n) & 63) as usize).copied().unwrap_or(b'=');
            letters.push(if n <= group.len() { letter } else { b'=' });
        }
    }
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in letters.chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// What is within the first of that label; lines may end and be as long as they like.
pub(super) fn read(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let letters: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut der = Vec::with_capacity(letters.len() / 4 * 3);
    let (groups, rest) = letters.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut groups = groups.iter().peekable();
    while let Some(group) = groups.next() {
        let padding = group.iter().rev().take_while(|&&letter| letter == b'=').count();
        if padding > 2 || (padding > 0 && groups.peek().is_some()) {
            return None;
        }
        let mut bits = 0u32;
        for letter in group.iter().take(4 - padding) {
            let six = LETTERS.iter().position(|known| known == letter)?;
            bits = bits << 6 | u32::try_from(six).ok()?;
        }
        let [_, all @ ..] = (bits << (6 * padding)).to_be_bytes();
        der.extend(all.iter().take(3 - padding));
    }
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        // RFC 4648, section 10.
        for (bytes, letters) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let text = write("X", bytes.as_bytes());
            assert_eq!(text.lines().filter(|line| !line.starts_with('-')).collect::<String>(), letters);
            assert_eq!(read("X", &text).unwrap(), bytes.as_bytes());
        }
        let text = write("X", &[0xff; 49]);
        assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [17, 64, 4, 15]);
        for damaged in ["", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9*"] {
            let text = format!("-----BEGIN X-----{damaged}-----END X-----");
            assert_eq!(read("X", &text), damaged.is_empty().then(Vec::new), "{damaged}");
        }
    }
}
