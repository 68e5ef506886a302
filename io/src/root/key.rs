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
        let wrong = |what: &str, got: i64| Malformed::new(start, format!("a key's {what} is {got}"));
        let nbytes = buffer.i32()?;
        let version = buffer.u16()?;
        let object_length = buffer.i32()?;
        let written = buffer.u32()?;
        let key_length = buffer.u16()?;
        let cycle = buffer.u16()?;
        // Versions above 1000 have 64-bit positions: files, or keys, beyond 2 GiB.
        let seek = if version > 1000 {
            let seek = buffer.i64()?;
            buffer.i64()?;
            seek
        } else {
            let seek = i64::from(buffer.i32()?);
            buffer.i32()?;
            seek
        };
        Ok(Self {
            class_name: buffer.tstring()?,
            name: buffer.tstring()?,
            title: buffer.tstring()?,
            cycle,
            seek: u64::try_from(seek).map_err(|_| wrong("position", seek))?,
            nbytes: u32::try_from(nbytes).map_err(|_| wrong("length", nbytes.into()))?,
            key_length: key_length.into(),
            written,
            object_length: u32::try_from(object_length)
                .map_err(|_| wrong("object length", object_length.into()))?,
        })
    }

    /// Whether it is the key of a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.class_name.as_str(), "TDirectory" | "TDirectoryFile")
    }
}
