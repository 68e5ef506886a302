use super::encoder::Encoder;

/// 2026-01-01 00:00:00 in `TDatime`'s bits. Dates would make equal results differ.
pub(super) const DATE: u32 = (2026 - 1995) << 26 | 1 << 22 | 1 << 17;

/// The head of a record.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) title: String,
    /// Where the record begins.
    pub(super) seek: u32,
    /// Where its directory's record begins.
    pub(super) directory: u32,
    /// The bytes behind the head, as stored and once decompressed.
    pub(super) stored: u32,
    pub(super) length: u32,
    /// Which of the objects of one name; the highest is the newest.
    pub(super) cycle: u16,
    /// Whether positions have 64 bits.
    pub(super) long: bool,
}

impl Key {
    /// By how much a head with positions of 64 bits is longer.
    pub(super) const LONGER: usize = 8;

    /// The bytes of a head with positions of 32 bits.
    pub(super) fn head_length(class: &str, name: &str, title: &str) -> usize {
        let string = |text: &str| text.len() + if text.len() < 255 { 1 } else { 5 };
        26 + string(class) + string(name) + string(title)
    }

    pub(super) fn own_length(&self) -> usize {
        let longer = if self.long { Self::LONGER } else { 0 };
        Self::head_length(&self.class, &self.name, &self.title) + longer
    }

    pub(super) fn write(&self, out: &mut Encoder) {
        let head = self.own_length();
        out.u32(head as u32 + self.stored);
        out.u16(if self.long { 1004 } else { 4 });
        out.u32(self.length);
        out.u32(DATE);
        out.u16(head as u16);
        out.u16(self.cycle);
        match self.long {
            true => [self.seek, self.directory].into_iter().for_each(|at| out.i64(at.into())),
            false => [self.seek, self.directory].into_iter().for_each(|at| out.u32(at)),
        }
        out.string(&self.class);
        out.string(&self.name);
        out.string(&self.title);
    }
}
