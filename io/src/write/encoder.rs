use std::collections::HashMap;

/// Big-endian bytes of one object, with byte counts and class tags as `TBufferFile` writes them.
pub(super) struct Encoder {
    bytes: Vec<u8>,
    /// References count from the start of the key before the object.
    key_length: usize,
    classes: HashMap<String, u32>,
}

const BYTE_COUNT: u32 = 0x4000_0000;
const NEW_CLASS: u32 = 0xFFFF_FFFF;
const CLASS: u32 = 0x8000_0000;
/// References are never 0 or 1.
const MAP_OFFSET: u32 = 2;

impl Encoder {
    pub(super) fn new(key_length: usize) -> Self {
        Self { bytes: Vec::new(), key_length, classes: HashMap::new() }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes room for so many bytes, and no more.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A `TString`.
    pub(super) fn string(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(length) if length < 255 => self.u8(length),
            _ => {
                self.u8(255);
                self.u32(text.len() as u32);
            }
        }
        self.raw(text.as_bytes());
    }

    /// A class of this version with its members, behind their byte count.
    pub(super) fn class(&mut self, version: u16, members: impl FnOnce(&mut Self)) {
        self.counted(|encoder| {
            encoder.u16(version);
            members(encoder);
        });
    }

    /// An object behind a pointer, or in a list: its class's name where it is the first, else where
    /// that stands.
    pub(super) fn object(&mut self, class: &str, version: u16, members: impl FnOnce(&mut Self)) {
        self.pointer(class, |encoder| encoder.class(version, members));
    }

    /// The same for an object that brings its own version.
    pub(super) fn pointer(&mut self, class: &str, content: impl FnOnce(&mut Self)) {
        self.counted(|encoder| {
            let here = (encoder.key_length + encoder.bytes.len()) as u32 + MAP_OFFSET;
            match encoder.classes.get(class) {
                Some(at) => encoder.u32(CLASS | at),
                None => {
                    encoder.classes.insert(class.to_owned(), here);
                    encoder.u32(NEW_CLASS);
                    encoder.raw(class.as_bytes());
                    encoder.u8(0);
                }
            }
            content(encoder);
        });
    }

    /// A `TNamed` base.
    pub(super) fn tnamed(&mut self, bits: u32, name: &str, title: &str) {
        self.class(1, |encoder| {
            encoder.tobject(0, bits);
            encoder.string(name);
            encoder.string(title);
        });
    }

    /// A `TList` in place that holds nothing.
    pub(super) fn empty_list(&mut self, bits: u32) {
        self.class(5, |encoder| {
            encoder.tobject(0, bits);
            encoder.string("");
            encoder.u32(0);
        });
    }

    fn counted(&mut self, content: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.u32(0);
        content(self);
        let count = (self.bytes.len() - at - 4) as u32 | BYTE_COUNT;
        self.bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
    }

    /// A `TObject` base: version, unique id, bits.
    pub(super) fn tobject(&mut self, id: u32, bits: u32) {
        self.u16(1);
        self.u32(id);
        self.u32(bits);
    }
}
