//! The head of a basket, as `TKey` and `TBasket` write it, apart from how `hep-io` reads it.

/// What decompression needs to know of a basket.
pub(crate) struct Basket<'a> {
    /// Its branch.
    pub(crate) name: &'a [u8],
    /// Its compressed blocks; as many bytes as `length` where it is stored as it is.
    pub(crate) payload: &'a [u8],
    /// The bytes of its payload when decompressed,
    pub(crate) length: usize,
    /// and how many of them are values; offsets follow.
    pub(crate) values: usize,
}

impl<'a> Basket<'a> {
    /// From the bytes of its key and all that follows it; none where they are those of something else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
        let key = usize::from(u16::from_be_bytes(bytes.get(14..16)?.try_into().ok()?));
        let class = 26 + usize::from(u16::from_be_bytes(bytes.get(4..6)?.try_into().ok()?) > 1000) * 8;
        let class_length = usize::from(*bytes.get(class)?);
        let name = class + 1 + class_length;
        if bytes.get(class + 1..name)? != b"TBasket" {
            return None;
        }
        let name_length = usize::from(*bytes.get(name)?);
        Some(Self {
            name: bytes.get(name + 1..name + 1 + name_length)?,
            payload: bytes.get(key..word(0)?)?,
            length: word(6)?,
            values: word(key - 5)? - key,
        })
    }
}
