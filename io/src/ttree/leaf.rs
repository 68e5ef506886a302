use crate::root::{Buffer, Malformed, Object, Parse};

/// More dimensions than this are one with the product of all.
const MOST_DIMS: usize = 16;

/// A leaf: one member of what a branch stores per entry.
#[derive(Clone, Debug)]
pub(super) struct Leaf<'a> {
    /// Where in the tree's record it lies.
    pub(super) place: usize,
    pub(super) class: &'a [u8],
    pub(super) name: &'a [u8],
    /// The name with its dimensions, `Muon_pt[nMuon]`.
    pub(super) title: &'a [u8],
    /// How many values there are for each count, the product of the fixed dimensions.
    pub(super) length: i32,
    pub(super) unsigned: bool,
    /// How many bytes it says that one value has.
    pub(super) size: i32,
    /// Where in the tree's record the leaf that counts lies, and what it is called.
    pub(super) counter: Option<usize>,
    /// The type number of a `TLeafElement`.
    pub(super) code: Option<i32>,
}

impl<'a> Leaf<'a> {
    /// Reads the leaf behind the pointer at the cursor, and passes over it. None where it is null.
    pub(super) fn read(buffer: &mut Buffer<'a>) -> Parse<Option<Self>> {
        match buffer.object()? {
            Object::Null => Ok(None),
            Object::Reference { place } => match buffer.at(place).object()? {
                // Without a byte count, a damaged reference has led into the midst of an object.
                Object::Here { class, start, end: Some(_), .. } => {
                    Self::body(&mut buffer.at(start), place, class).map(Some)
                }
                _ => Err(Malformed::new(place, "a leaf is referred to where there is none")),
            },
            Object::Here { place, class, end, .. } => {
                let leaf = Self::body(buffer, place, class)?;
                let end = end.ok_or_else(|| Malformed::new(buffer.position(), "a leaf has no byte count"))?;
                buffer.skip_to(end)?;
                Ok(Some(leaf))
            }
        }
    }

    fn body(buffer: &mut Buffer<'a>, place: usize, class: &'a [u8]) -> Parse<Self> {
        if !class.starts_with(b"TLeaf") {
            return Err(Malformed::new(buffer.position(), "a leaf is expected and something else found"));
        }
        buffer.version()?; // of the class
        let base = buffer.version()?; // of TLeaf
        let (name, title) = buffer.tnamed()?;
        buffer.short(name)?;
        let length = buffer.i32()?;
        let size = buffer.i32()?; // fLenType
        buffer.i32()?; // fOffset
        buffer.u8()?; // fIsRange
        let unsigned = buffer.u8()? != 0;
        let counter = match buffer.object()? {
            Object::Null => None,
            // A counter whose own branch comes later is written here, and referred to there.
            Object::Reference { place } | Object::Here { place, .. } => Some(place),
        };
        let mut code = None;
        if class == b"TLeafElement" {
            let end =
                base.end.ok_or_else(|| Malformed::new(buffer.position(), "a leaf has no byte count"))?;
            buffer.skip_to(end)?;
            buffer.i32()?; // fID
            code = Some(buffer.i32()?);
        }
        Ok(Self { place, class, name, title, length, unsigned, size, counter, code })
    }

    /// The fixed dimensions in the title, `[2][3]`; those that are names are counters.
    pub(super) fn dims(&self) -> Vec<usize> {
        let title = String::from_utf8_lossy(self.title);
        let dims: Vec<usize> = title
            .split('[')
            .skip(1)
            .filter_map(|part| part.split(']').next()?.parse().ok())
            .filter(|&dim| dim > 0)
            .collect();
        let length = usize::try_from(self.length).unwrap_or(1).max(1);
        let product = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        match product {
            Some(product) if product == length && dims.len() <= MOST_DIMS => dims,
            _ if length > 1 => vec![length],
            _ => Vec::new(),
        }
    }
}
