//! The classes a file describes: what each version of a class has as members.

use std::collections::{HashMap, HashSet};

use super::buffer::{Buffer, Malformed, Object, Parse};

/// All classes that a file describes.
#[derive(Clone, Debug, Default)]
pub struct Streamers {
    classes: HashMap<String, Vec<Class>>,
}

/// One version of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i32,
    /// Its checksum, which tells versions apart where numbers do not.
    pub checksum: u32,
    /// Its base classes and members, in the order in which they are written.
    pub elements: Vec<Element>,
}

/// A base class or a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// `TStreamerBase`, `TStreamerBasicType`, `TStreamerSTL`…
    pub kind: String,
    /// The member's name, or the base class.
    pub name: String,
    /// The member's comment, which gives ranges and counters.
    pub title: String,
    /// Its type as `TStreamerInfo::EReadWrite` numbers it: 5 float, 20 + 5 an array, 40 + 5 a counted one.
    pub code: i32,
    /// Its type as C++ writes it.
    pub type_name: String,
    /// Its array dimensions; empty for a single value.
    pub dims: Vec<u32>,
    /// The version of a base class.
    pub base_version: Option<i32>,
    /// The member that counts the values of a pointer.
    pub counter: Option<String>,
    /// The type number of what a standard collection holds.
    pub contained: Option<i32>,
}

impl Streamers {
    /// The newest version of the class `name`.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)?.iter().max_by_key(|class| class.version)
    }

    /// All versions of the class `name`.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &Class> {
        self.classes.get(name).into_iter().flatten()
    }

    /// The class `name` in exactly this version.
    pub fn version(&self, name: &str, version: i32) -> Option<&Class> {
        self.classes.get(name)?.iter().find(|class| class.version == version)
    }

    /// The class `name` with this checksum.
    pub fn checksum(&self, name: &str, checksum: u32) -> Option<&Class> {
        self.classes.get(name)?.iter().find(|class| class.checksum == checksum)
    }

    /// All classes, in no particular order.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.values().flatten()
    }

    /// The class `name` and those that it is made from, `name` first.
    pub(crate) fn ancestry(&self, name: &str) -> Vec<String> {
        let mut found = vec![name.to_owned()];
        let mut known = HashSet::from([name.to_owned()]);
        let mut at = 0;
        while let Some(class) = found.get(at) {
            let bases = self.class(class).into_iter().flat_map(|class| &class.elements);
            let bases: Vec<String> =
                bases.filter(|base| base.kind == "TStreamerBase").map(|base| base.name.clone()).collect();
            found.extend(bases.into_iter().filter(|base| known.insert(base.clone())));
            at += 1;
        }
        found
    }

    /// These classes.
    #[cfg(test)]
    pub(crate) fn of(classes: Vec<Class>) -> Self {
        let mut streamers = Self::default();
        for class in classes {
            streamers.classes.entry(class.name.clone()).or_default().push(class);
        }
        streamers
    }

    pub(super) fn read(mut buffer: Buffer<'_>) -> Parse<Self> {
        buffer.version()?;
        buffer.tobject()?;
        buffer.tstring_bytes()?;
        let n = buffer.i32()?;
        let mut streamers = Self::default();
        for _ in 0..n {
            let Object::Here { class, end, .. } = buffer.object()? else { continue };
            if class == b"TStreamerInfo" {
                let class = Class::read(&mut buffer)?;
                streamers.classes.entry(class.name.clone()).or_default().push(class);
            }
            // Rules for schema evolution are lists of strings: passed over.
            buffer.skip_to(counted(end, &buffer)?)?;
            buffer.tstring_bytes()?; // an option of each link
        }
        Ok(streamers)
    }
}

/// The longest name of a class that describes a member is `TStreamerObjectAnyPointer`.
const LONGEST_KIND: usize = 25;
/// The dimensions that an array can have: `TStreamerElement::fMaxIndex`.
const MOST_DIMS: i32 = 5;

/// The bytes that describe one version of a class, to be copied into another file: in pieces, because
/// what stands before each piece counts from the start of the file's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// The class.
    pub(crate) class: String,
    /// Its version and checksum.
    pub(crate) version: i32,
    pub(crate) checksum: u32,
    /// The version of `TStreamerInfo`.
    pub(crate) layout: u16,
    /// Its `TNamed`, from the count of its bytes on.
    pub(crate) named: Vec<u8>,
    /// For each member the class of its element, and the element's bytes.
    pub(crate) elements: Vec<(String, Vec<u8>)>,
}

/// All descriptions of the list at the cursor; what is not a `TStreamerInfo` is passed over.
pub(crate) fn descriptions(mut buffer: Buffer<'_>) -> Parse<Vec<Description>> {
    buffer.version()?;
    buffer.tobject()?;
    buffer.tstring_bytes()?;
    let mut found = Vec::new();
    for _ in 0..buffer.i32()? {
        let Object::Here { class, end, .. } = buffer.object()? else { continue };
        if class == b"TStreamerInfo" {
            found.push(Description::read(&mut buffer)?);
        }
        buffer.skip_to(counted(end, &buffer)?)?;
        buffer.tstring_bytes()?; // an option of each link
    }
    Ok(found)
}

impl Description {
    fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        let layout = buffer.version()?.number;
        let start = buffer.position();
        let (name, _) = buffer.tnamed()?;
        let class = String::from_utf8_lossy(name).into_owned();
        let named = buffer.data()[start..buffer.position()].to_vec();
        let checksum = buffer.u32()?;
        let version = buffer.i32()?;
        let mut elements = Vec::new();
        if let Object::Here { .. } = buffer.object()? {
            let (n, _) = buffer.tobjarray()?;
            for _ in 0..n {
                let Object::Here { class, end, start, .. } = buffer.object()? else { continue };
                let class = String::from_utf8_lossy(class).into_owned();
                buffer.skip_to(counted(end, buffer)?)?;
                elements.push((class, buffer.data()[start..buffer.position()].to_vec()));
            }
        }
        Ok(Self { class, version, checksum, layout, named, elements })
    }
}

fn counted(end: Option<usize>, buffer: &Buffer<'_>) -> Parse<usize> {
    end.ok_or_else(|| Malformed::new(buffer.position(), "an object has no byte count"))
}

impl Class {
    fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        buffer.version()?;
        let (name, _) = buffer.tnamed()?;
        let name = String::from_utf8_lossy(buffer.short(name)?).into_owned();
        let checksum = buffer.u32()?;
        let version = buffer.i32()?;
        let mut elements = Vec::new();
        if let Object::Here { .. } = buffer.object()? {
            let (n, _) = buffer.tobjarray()?;
            for _ in 0..n {
                let Object::Here { class, end, .. } = buffer.object()? else { continue };
                elements.push(Element::read(class, buffer)?);
                buffer.skip_to(counted(end, buffer)?)?;
            }
        }
        Ok(Self { name, version, checksum, elements })
    }
}

impl Element {
    fn read(class: &[u8], buffer: &mut Buffer<'_>) -> Parse<Self> {
        if class.len() > LONGEST_KIND {
            return Err(Malformed::new(buffer.position(), "a member is of no class that describes members"));
        }
        let kind = String::from_utf8_lossy(class);
        let kind = &*kind;
        // The derived class, which adds to the common part, and the common part.
        let derived = if kind == "TStreamerElement" { None } else { Some(buffer.version()?) };
        if kind == "TStreamerSTLstring" {
            buffer.version()?; // it is a TStreamerSTL in between
        }
        let version = buffer.version()?;
        let (name, title) = buffer.tnamed()?;
        buffer.short(name)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, title) = (text(name), text(title));
        let code = buffer.i32()?;
        buffer.i32()?; // size in memory
        buffer.i32()?; // array length, the product of the dimensions
        let n = buffer.i32()?;
        let slots = if version.number == 1 { buffer.i32()? } else { MOST_DIMS };
        if slots > MOST_DIMS {
            return Err(Malformed::new(buffer.position() - 4, format!("an array of {slots} dimensions")));
        }
        let mut dims = Vec::new();
        for at in 0..slots {
            let length = buffer.i32()?;
            if at < n {
                dims.push(u32::try_from(length).unwrap_or(0));
            }
        }
        let type_name = buffer.tstring()?;
        if let Some(end) = version.end {
            buffer.skip_to(end)?;
        }
        let (mut base_version, mut counter, mut contained) = (None, None, None);
        match kind {
            "TStreamerBase" if derived.is_some_and(|version| version.number > 2) => {
                base_version = Some(buffer.i32()?);
            }
            "TStreamerBasicPointer" | "TStreamerLoop" => {
                buffer.i32()?;
                counter = Some(buffer.tstring()?);
            }
            "TStreamerSTL" => {
                buffer.i32()?; // the kind of collection
                contained = Some(buffer.i32()?);
            }
            _ => {}
        }
        let kind = kind.to_owned();
        Ok(Self { kind, name, title, code, type_name, dims, base_version, counter, contained })
    }
}
