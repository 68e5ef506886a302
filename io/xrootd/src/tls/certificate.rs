//! What errors tell of a certificate: its names and its end. Nothing is decided by these: certificates
//! are verified by the library.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;

use super::der::{OBJECT_ID, OCTETS, SEQUENCE, SET, Value, Values};

/// Names longer than this are cut; they go into messages.
const LONGEST_NAME: usize = 200;
const MOST_NAMES: usize = 1000;

/// What a certificate says of itself (RFC 5280, section 4.1).
pub(crate) struct Summary {
    /// As grids write it: `/DC=ch/DC=cern/CN=CERN Grid Certification Authority`.
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// Seconds since 1970.
    pub(crate) not_after: Option<u64>,
    /// The hosts that it is for.
    pub(crate) names: Vec<String>,
}

impl Summary {
    /// `None` if the certificate is not one.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut outer = Values(certificate.as_ref());
        let mut signed = outer.expect(SEQUENCE)?;
        let mut fields = signed.expect(SEQUENCE)?;
        let first = fields.next()?;
        if first.tag == 0xa0 {
            fields.next()?; // the serial number, behind the version
        }
        fields.expect(SEQUENCE)?; // the algorithm
        let issuer = distinguished_name(fields.expect(SEQUENCE)?);
        let mut validity = fields.expect(SEQUENCE)?;
        validity.next()?;
        let not_after = validity.next().and_then(|value| time(&value));
        let subject = distinguished_name(fields.expect(SEQUENCE)?);
        fields.expect(SEQUENCE)?; // the key
        let extensions = fields.find(|value| value.tag == 0xa3);
        let names = extensions.and_then(|value| alternative_names(value.content)).unwrap_or_default();
        Some(Self { issuer, subject, not_after, names })
    }
}

/// A name of X.501 as grids write it.
fn distinguished_name(sets: Values<'_>) -> String {
    let mut text = String::new();
    for set in sets.filter(|value| value.tag == SET) {
        for attribute in Values(set.content).filter(|value| value.tag == SEQUENCE) {
            let mut parts = Values(attribute.content);
            let (Some(id), Some(value)) = (parts.next(), parts.next()) else { continue };
            let key = match id.content {
                _ if id.tag != OBJECT_ID => "?",
                [0x55, 4, 3] => "CN",
                [0x55, 4, 6] => "C",
                [0x55, 4, 7] => "L",
                [0x55, 4, 8] => "ST",
                [0x55, 4, 10] => "O",
                [0x55, 4, 11] => "OU",
                [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
                [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
                [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
                _ => "?",
            };
            text.push('/');
            text.push_str(key);
            text.push('=');
            text.push_str(&printable(value.content));
            if text.len() > LONGEST_NAME {
                text.push('…');
                return text;
            }
        }
    }
    if text.is_empty() { "nobody".to_owned() } else { text }
}

/// Text of a stranger: no control characters, which could move a terminal's cursor, and not too long.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..LONGEST_NAME).unwrap_or(bytes));
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The extension `subjectAltName` (RFC 5280, section 4.2.1.6).
fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let list = Values(extensions).expect(SEQUENCE)?;
    for extension in list.filter(|value| value.tag == SEQUENCE) {
        let mut parts = Values(extension.content);
        if parts.next()?.content != [0x55, 0x1d, 17] {
            continue;
        }
        let octets = parts.find(|value| value.tag == OCTETS)?;
        let names = Values(octets.content).expect(SEQUENCE)?;
        let shown = names.take(MOST_NAMES).filter_map(|name| match (name.tag, name.content) {
            (0x82, host) => Some(printable(host)),
            (0x87, address) => match address.len() {
                4 => <[u8; 4]>::try_from(address).ok().map(|octets| IpAddr::from(octets).to_string()),
                _ => <[u8; 16]>::try_from(address).ok().map(|octets| IpAddr::from(octets).to_string()),
            },
            _ => None,
        });
        return Some(shown.collect());
    }
    None
}

/// `UTCTime` or `GeneralizedTime` (RFC 5280, section 4.1.2.5), both to the second and in UTC.
fn time(value: &Value<'_>) -> Option<u64> {
    let digits = value.content.strip_suffix(b"Z")?;
    let number = |range: std::ops::Range<usize>| {
        digits.get(range)?.iter().try_fold(0u64, |number, &digit| {
            digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
        })
    };
    let (year, at) = match (value.tag, digits.len()) {
        (0x17, 12) => (number(0..2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        (0x18, 14) => (number(0..4)?, 4),
        _ => return None,
    };
    let (month, day) = (number(at..at + 2)?, number(at + 2..at + 4)?);
    let (hour, minute, second) = (number(at + 4..at + 6)?, number(at + 6..at + 8)?, number(at + 8..at + 10)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970 to a date of our calendar, years counted from March.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year / 4 - year / 100 + year / 400;
    year * 365 + leap + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// `2026-11-21 11:10 UTC`.
pub(crate) fn date(seconds: u64) -> String {
    // The largest time of X.509 is in the year 9999.
    let seconds = seconds.min(253_402_300_799);
    let (total, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (total / 146_097, total % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + next;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // From `date -u -d @SECONDS`.
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_795_259_434, "2026-11-21 11:10 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn times_of_both_kinds_are_read() {
        let read = |tag, content: &[u8]| time(&Value { tag, content, whole: &[] });
        assert_eq!(read(0x17, b"261121111034Z"), Some(1_795_259_434));
        assert_eq!(read(0x18, b"20261121111034Z"), Some(1_795_259_434));
        assert_eq!(read(0x18, b"20000229000000Z"), Some(951_782_400));
        assert_eq!(read(0x17, b"2611211110Z"), None, "seconds are not optional");
        assert_eq!(read(0x18, b"20261321111034Z"), None, "the thirteenth month");
        assert_eq!(read(0x18, b"00000101000000Z"), None);
    }
}
