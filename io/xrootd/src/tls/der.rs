//! Reading DER (X.690), value by value, without trusting any length in it.

#[cfg(feature = "gsi")]
pub(crate) const INTEGER: u8 = 0x02;
#[cfg(feature = "gsi")]
pub(crate) const BITS: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const OBJECT_ID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One value after another.
#[derive(Clone)]
pub(crate) struct Values<'a>(pub(crate) &'a [u8]);

pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// With the tag and the length.
    #[cfg_attr(not(feature = "gsi"), expect(dead_code, reason = "for the names and keys of `gsi`"))]
    pub(crate) whole: &'a [u8],
}

impl<'a> Values<'a> {
    /// What is within the next, if it is of that kind.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Self> {
        self.content(tag).map(Self)
    }

    /// The same as bytes.
    pub(crate) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|value| value.tag == tag).map(|value| value.content)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let start = self.0;
        let (&[tag, first], mut rest) = start.split_first_chunk::<2>()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let bytes = usize::from(first & 0x7f);
            if bytes == 0 || bytes > 4 {
                return None;
            }
            let (digits, behind) = rest.split_at_checked(bytes)?;
            length = digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit));
            rest = behind;
        }
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        let whole = start.get(..start.len() - behind.len())?;
        Some(Value { tag, content, whole })
    }
}
