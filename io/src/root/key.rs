use super::buffer::{Buffer, Malformed, Parse};

/// The label of an object in a file: its name, class and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The object's name.
    pub name: String,
    /// The object's title.
    pub title: String,
    /// The object's class, `TTree`.
    pub class_name: String,
    /// Which of several objects of one name; the highest is the newest.
    pub cycle: u16,
    /// Where the key and, behind it, the object lie in the file.
    pub seek: u64,
    /// Where the directory lies that lists it.
    pub directory: u64,
    /// How many bytes they take there.
    pub nbytes: u32,
    /// How many of those are the key.
    pub key_length: u32,
    /// How many bytes the object has once decompressed.
    pub object_length: u32,
    /// When it was written, as `TDatime` packs it: to the second.
    pub written: u32,
}

impl Key {
    /// Reads the key at the cursor.
    ///
    /// # Errors
    /// Where it ends too early or contradicts itself.
    pub fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        let start = buffer.position();
        let (key, deleted) = Self::before_object(buffer)?;
        match deleted {
            true => Err(Malformed::new(start, "a key is that of a deleted object")),
            false => Ok(key),
        }
    }

    /// The key at the cursor, where its object may be deleted: then it does not say how long it is, and all else may still
    /// be there for a list of keys that was written before.
    pub(super) fn before_object(buffer: &mut Buffer<'_>) -> Parse<(Self, bool)> {
        let start = buffer.position();
        let wrong = |what: &str, got: i64| Malformed::new(start, format!("a key's {what} is {got}"));
        let nbytes = buffer.i32()?;
        let version = buffer.i16()?;
        let object_length = buffer.i32()?;
        let written = buffer.u32()?;
        let key_length = buffer.i16()?;
        // `TKey::Keep` makes it negative.
        let cycle = buffer.i16()?.unsigned_abs();
        // Versions above 1000 have 64-bit positions: files, or keys, beyond 2 GiB.
        let (seek, directory) = match version > 1000 {
            true => (buffer.i64()?, buffer.i64()?),
            false => (buffer.i32()?.into(), buffer.i32()?.into()),
        };
        let key = Self {
            class_name: buffer.tstring()?,
            name: buffer.tstring()?,
            title: buffer.tstring()?,
            cycle,
            seek: u64::try_from(seek).map_err(|_| wrong("position", seek))?,
            directory: u64::try_from(directory).unwrap_or(0),
            nbytes: u32::try_from(nbytes).unwrap_or(0),
            key_length: u32::try_from(key_length).map_err(|_| wrong("own length", key_length.into()))?,
            written,
            object_length: u32::try_from(object_length)
                .map_err(|_| wrong("object length", object_length.into()))?,
        };
        Ok((key, nbytes < 0))
    }

    /// Where it differs from the key of one object in another place, as a directory lists it: in which member, what
    /// it has and what the other has.
    pub(super) fn differs(&self, other: &Self) -> Option<(&'static str, String, String)> {
        // Old versions of ROOT wrote `TDirectory` before what they list as `TDirectoryFile`.
        let class = |key: &Self| match key.is_directory() {
            true => "TDirectoryFile".to_owned(),
            false => key.class_name.clone(),
        };
        let text = |key: &Self| [class(key), key.name.clone()];
        let numbers = |key: &Self| {
            [
                u64::from(key.nbytes),
                key.key_length.into(),
                key.object_length.into(),
                key.cycle.into(),
                key.seek,
            ]
        };
        let texts = ["class", "name"].into_iter().zip(text(self)).zip(text(other));
        let mut texts =
            texts.map(|((member, own), other)| (member, format!("`{own}`"), format!("`{other}`")));
        let members = ["length", "key length", "object length", "cycle", "position"];
        let numbers = members.into_iter().zip(numbers(self)).zip(numbers(other));
        let mut numbers = numbers.map(|((member, own), other)| (member, own.to_string(), other.to_string()));
        texts.find(|(_, own, other)| own != other).or_else(|| numbers.find(|(_, own, other)| own != other))
    }

    /// Whether it is the key of a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.class_name.as_str(), "TDirectory" | "TDirectoryFile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of a tree `x` of 40 bytes at byte 300.
    fn record(key_length: i16, cycle: i16) -> Vec<u8> {
        let mut record = [40_i32.to_be_bytes(), [0, 4, 0, 0], [0, 9, 0, 0]].concat();
        record.extend([0, 0]);
        record.extend(key_length.to_be_bytes());
        record.extend(cycle.to_be_bytes());
        record.extend(300_i32.to_be_bytes());
        record.extend(100_i32.to_be_bytes());
        record.extend(b"\x05TTree\x01x\x00");
        record
    }

    #[test]
    fn a_key_that_is_kept_has_a_negative_cycle() {
        let key = |cycle| Key::read(&mut Buffer::new(&record(31, cycle), 0)).unwrap();
        assert_eq!((key(3).cycle, key(-3).cycle, key(3).object_length), (3, 3, 9));
        assert!(Key::read(&mut Buffer::new(&record(-31, 1), 0)).is_err());
    }

    #[test]
    fn two_keys_of_one_object_agree_or_differ_by_name() {
        let key = Key::read(&mut Buffer::new(&record(31, 3), 0)).unwrap();
        assert_eq!(key.differs(&key), None);
        let other = Key { cycle: 2, ..key.clone() };
        assert_eq!(key.differs(&other), Some(("cycle", "3".to_owned(), "2".to_owned())));
        let other = Key { class_name: "TH1D".to_owned(), ..key.clone() };
        assert_eq!(key.differs(&other), Some(("class", "`TTree`".to_owned(), "`TH1D`".to_owned())));
        let directory = |class: &str| Key { class_name: class.to_owned(), ..key.clone() };
        assert_eq!(directory("TDirectory").differs(&directory("TDirectoryFile")), None);
    }
}
