//! `multipart/byteranges` (RFC 9110, section 14.6; RFC 2046, section 5.1).

use std::ops::Range;

use bytes::Bytes;

use super::headers::ContentRange;

/// Headers of one part: no server sends more.
const HEADERS: usize = 16;
/// Bytes of a boundary and the headers of a part at most.
pub(super) const OVERHEAD: u64 = 1024;

/// The parts of a body, each with its range of a file of `size` bytes. Lengths are taken from the
/// headers of each part, and the boundary must stand where they say.
pub(super) fn parse(body: &Bytes, boundary: &str, size: u64) -> Result<Vec<(Range<u64>, Bytes)>, String> {
    let mut at = usize::from(body.starts_with(b"\r\n")) * 2;
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let behind = rest.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary.as_bytes()));
        let Some(behind) = behind else { return Err(format!("no boundary at byte {at} of the answer")) };
        if behind.starts_with(b"--") {
            return Ok(parts);
        }
        let mut lines = Lines { body, at: body.len() - behind.len() };
        if !lines.next()?.is_empty() {
            return Err(format!("something behind the boundary at byte {at} of the answer"));
        }
        let mut range = None;
        for n in 0.. {
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            if n == HEADERS {
                return Err("a part has too many headers".to_owned());
            }
            let (name, value) = line.split_once(':').ok_or("a header of a part has no colon")?;
            if name.trim().eq_ignore_ascii_case("content-range") {
                range = Some(ContentRange::parse(value).ok_or_else(|| format!("a part is `{value}`"))?);
            }
        }
        let range = match range {
            Some(ContentRange::Part(range, of)) if of == size => range,
            Some(other) => return Err(format!("a part is {other:?} of a file of {size} bytes")),
            None => return Err("a part has no Content-Range".to_owned()),
        };
        let end =
            usize::try_from(range.end - range.start).ok().and_then(|length| lines.at.checked_add(length));
        let end = end.filter(|&end| body.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n")));
        let Some(end) = end else { return Err(format!("the part of bytes {range:?} has another length")) };
        parts.push((range, body.slice(lines.at..end)));
        at = end + 2;
    }
}

struct Lines<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, String> {
        let rest = &self.body[self.at..];
        let rest = &rest[..rest.len().min(OVERHEAD as usize)];
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let line = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        let line = line.ok_or_else(|| format!("no line of text at byte {} of the answer", self.at))?;
        self.at += line.len() + 2;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str, data: &str) -> String {
        format!(
            "\r\n--B\r\nContent-type: text/plain; charset=UTF-8\r\nContent-range: bytes {range}\r\n\r\n{data}"
        )
    }

    #[test]
    fn parts_have_the_bytes_that_their_headers_say() {
        let body = part("0-3/100", "\r\n--") + &part("90-91/100", "yz") + "\r\n--B--\r\n";
        let expected = [(0..4, Bytes::from("\r\n--")), (90..92, Bytes::from("yz"))];
        assert_eq!(parse(&body.clone().into(), "B", 100).unwrap(), expected);
        assert_eq!(parse(&body[2..].to_owned().into(), "B", 100).unwrap(), expected, "without a first line");
    }

    #[test]
    fn what_does_not_add_up_is_refused_whole() {
        let whole = part("0-3/100", "abcd") + "\r\n--B--\r\n";
        for cut in 0..whole.len() - 2 {
            let got = parse(&whole[..cut].to_owned().into(), "B", 100);
            assert!(got.is_err() || cut >= whole.len() - 4, "{cut}");
        }
        for (body, why) in [
            (part("0-3/100", "abc") + "\r\n--B--", "another length"),
            (part("0-3/100", "abcde") + "\r\n--B--", "another length"),
            (part("0-3/101", "abcd") + "\r\n--B--", "of a file of 100"),
            (part("0-3/100", "abcd") + "\r\n--C--", "no boundary"),
            (part("0-18446744073709551614/18446744073709551615", "abcd") + "\r\n--B--", "of a file of 100"),
            ("--B\r\nA: b\r\n\r\n".to_owned(), "no Content-Range"),
            ("--Bx\r\n".to_owned(), "something behind"),
            ("--B\r\n".to_owned() + &"a: b\r\n".repeat(20), "too many headers"),
            ("--B\r\n".to_owned() + &"a".repeat(2000) + "\r\n", "no line of text"),
        ] {
            let error = parse(&body.into(), "B", 100).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
