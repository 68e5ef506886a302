use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields};

use super::Element;
use super::index::{BranchClass, Index, Node};
use super::leaf::Leaf;
use crate::root::streamer::{Class, Streamers};
use crate::root::{Buffer, Object, Parse};

/// What a branch's bytes mean. More kinds come here, each with its decoder in `decode`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interpretation {
    /// As many numbers per entry as `dims` say; one where they are empty.
    Fixed {
        /// The numbers.
        element: Element,
        /// The fixed dimensions, outermost first.
        dims: Vec<usize>,
    },
    /// A leaf list: several numbers or arrays behind each other.
    Struct {
        /// Its members, in order.
        members: Vec<Member>,
    },
    /// As many numbers, or arrays of fixed size, as another branch counts: `Muon_pt[nMuon]`.
    Counted {
        /// The branch that counts.
        counter: Counter,
        /// The numbers.
        element: Element,
        /// The fixed dimensions inside the list.
        dims: Vec<usize>,
    },
    /// A `std::vector` of numbers, behind a head of 10 bytes that counts them.
    Vector {
        /// The numbers.
        element: Element,
    },
    /// A string, behind its length in one byte, or in four behind the byte 255.
    String {
        /// The bytes before the length, 6 for a `std::string` inside a class.
        head: usize,
    },
}

/// One member of a leaf list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub element: Element,
    /// Its fixed dimensions.
    pub dims: Vec<usize>,
}

/// Which branch counts, and which leaf of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter {
    /// The branch, as the tree numbers them.
    pub(super) node: usize,
    /// The leaf of a leaf list.
    pub(super) leaf: usize,
}

impl Member {
    /// How many bytes it takes.
    pub(super) fn size(&self) -> Option<usize> {
        product(&self.dims)?.checked_mul(self.element.size())
    }
}

/// The product of dimensions, where it is a sensible number.
pub(super) fn product(dims: &[usize]) -> Option<usize> {
    let product = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim))?;
    (product <= i32::MAX as usize).then_some(product)
}

/// Items of lists are never null.
pub(super) fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(data_type, false))
}

/// The type of an array of fixed dimensions.
pub(super) fn fixed(element: Element, dims: &[usize]) -> DataType {
    dims.iter().rev().fold(element.data_type(), |inner, &dim| {
        DataType::FixedSizeList(item(inner), i32::try_from(dim).unwrap_or(0))
    })
}

impl Interpretation {
    /// The Arrow type of its batches.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Fixed { element, dims } => fixed(*element, dims),
            Self::Struct { members } => DataType::Struct(Self::fields(members)),
            Self::Counted { element, dims, .. } => DataType::List(item(fixed(*element, dims))),
            Self::Vector { element } => DataType::List(item(element.data_type())),
            Self::String { .. } => DataType::Binary,
        }
    }

    pub(super) fn fields(members: &[Member]) -> Fields {
        members.iter().map(|m| Field::new(&m.name, fixed(m.element, &m.dims), false)).collect()
    }

    /// What the file calls it.
    pub fn type_name(&self) -> String {
        let brackets = |dims: &[usize]| dims.iter().map(|dim| format!("[{dim}]")).collect::<String>();
        match self {
            Self::Fixed { element, dims } => format!("{}{}", element.type_name(), brackets(dims)),
            Self::Counted { element, dims, .. } => format!("{}[]{}", element.type_name(), brackets(dims)),
            Self::Vector { element } => format!("vector<{}>", element.type_name()),
            Self::String { .. } => "string".to_owned(),
            Self::Struct { members } => {
                let member =
                    |m: &Member| format!("{} {}{}", m.element.type_name(), m.name, brackets(&m.dims));
                format!("struct {{{}}}", members.iter().map(member).collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// The number of bytes of an entry, where all entries have the same.
    pub(super) fn stride(&self) -> Option<usize> {
        match self {
            Self::Fixed { element, dims } => product(dims)?.checked_mul(element.size()),
            Self::Struct { members } => {
                members.iter().try_fold(0_usize, |sum, member| sum.checked_add(member.size()?))
            }
            _ => None,
        }
    }
}

/// What is known of a branch when it is interpreted.
pub(super) struct Evidence<'a> {
    pub(super) node: &'a Node,
    pub(super) index: &'a Index,
    pub(super) leaves: Vec<Leaf<'a>>,
    /// What a `TBranchElement` says of itself.
    pub(super) class: Option<ClassEvidence<'a>>,
    /// The classes the file describes: read from it only where a rule needs them.
    pub(super) streamers: &'a dyn Fn() -> Option<Arc<Streamers>>,
}

/// The members of a `TBranchElement`.
pub(super) struct ClassEvidence<'a> {
    class_name: &'a [u8],
    parent_name: &'a [u8],
    version: i32,
    kind: i32,
    code: i32,
    count: Option<usize>,
}

impl<'a> ClassEvidence<'a> {
    /// From the cursor behind the `TBranch` part.
    pub(super) fn read(buffer: &mut Buffer<'a>, version: u16) -> Parse<Option<Self>> {
        if !(8..=10).contains(&version) {
            return Ok(None);
        }
        let class_name = buffer.tstring_bytes()?;
        let parent_name = buffer.tstring_bytes()?;
        buffer.tstring_bytes()?; // fClonesName
        buffer.u32()?; // fCheckSum
        let class_version = if version < 10 { buffer.i32()? } else { buffer.i16()?.into() };
        buffer.i32()?; // fID
        let kind = buffer.i32()?;
        let code = buffer.i32()?;
        buffer.i32()?; // fMaximum
        let count = match buffer.object()? {
            Object::Reference { place } | Object::Here { place, .. } => Some(place),
            Object::Null => None,
        };
        Ok(Some(Self { class_name, parent_name, version: class_version, kind, code, count }))
    }
}

/// The branch types of `TBranchElement::fType` that stand for a `TClonesArray` and a collection,
/// and for the members of their objects.
const CLONES: i32 = 3;
const COLLECTION: i32 = 4;
const CLONES_MEMBER: i32 = 31;
const COLLECTION_MEMBER: i32 = 41;
/// Codes of `TStreamerInfo::EReadWrite` from here on are counted pointers.
const POINTER: i32 = 40;
const DOUBLE32: i32 = 9;
const T_STRING: i32 = 65;

impl Evidence<'_> {
    /// What the bytes mean, or why that is not known.
    pub(super) fn interpret(&self) -> Result<Interpretation, String> {
        if self.node.group {
            return match &self.class {
                // Its own column counts the objects of its sub-branches.
                Some(class) if matches!(class.kind, CLONES | COLLECTION) => {
                    Ok(Interpretation::Fixed { element: Element::I32, dims: Vec::new() })
                }
                _ => Err(GROUP.to_owned()),
            };
        }
        if let BranchClass::Other(class) = &self.node.class {
            return Err(format!("branches of class {class} are not supported"));
        }
        match &*self.leaves {
            [] => Err("it has no leaf".to_owned()),
            [leaf] => self.one(leaf),
            leaves => members(leaves),
        }
    }

    fn one(&self, leaf: &Leaf<'_>) -> Result<Interpretation, String> {
        if leaf.class == b"TLeafC" {
            return Ok(Interpretation::String { head: 0 });
        }
        let class = self.class.as_ref();
        let code = leaf.code.unwrap_or(0);
        let element = match leaf.code {
            None => Element::of_leaf(leaf.class, leaf.unsigned),
            Some(code @ 1..POINTER) if code % 20 == DOUBLE32 => self.double32(),
            Some(code @ 1..POINTER) => Element::of_code(code % 20),
            Some(_) => None,
        };
        let Some(element) = element else {
            if (POINTER..POINTER + 20).contains(&code) {
                return Err("it is a pointer to an array that another member counts".to_owned());
            }
            return self.object(leaf);
        };
        let dims = leaf.dims();
        let inside = class.is_some_and(|class| matches!(class.kind, CLONES_MEMBER | COLLECTION_MEMBER));
        if leaf.counter.is_none() && !inside {
            return Ok(Interpretation::Fixed { element, dims });
        }
        let counter = leaf.counter.and_then(|place| self.index.of_leaf(place).map(|node| (node, place)));
        let counter = match counter {
            Some((node, place)) => Some(Counter { node, leaf: self.index.leaf_of(node, place) }),
            None => class
                .and_then(|class| self.index.of_branch(class.count?))
                .map(|node| Counter { node, leaf: 0 }),
        };
        let counter = counter.ok_or("the branch that counts its values is not in the tree")?;
        if self.index.nodes[counter.node].place == self.node.place {
            return Err("it is said to count itself".to_owned());
        }
        Ok(Interpretation::Counted { counter, element, dims })
    }

    /// A class: the rules that look at names of types.
    fn object(&self, leaf: &Leaf<'_>) -> Result<Interpretation, String> {
        let Some(class) = &self.class else {
            let class = String::from_utf8_lossy(leaf.class);
            return Err(format!("leaves of class {class} are not supported"));
        };
        if matches!(class.kind, CLONES_MEMBER | COLLECTION_MEMBER) {
            return Err("it is a class inside a collection".to_owned());
        }
        if class.code == T_STRING {
            return Ok(Interpretation::String { head: 0 });
        }
        let (type_name, head) = if self.node.nested {
            let name = self.member_type().ok_or("the file does not describe its class")?;
            (name, 6)
        } else {
            (String::from_utf8_lossy(class.class_name).into_owned(), 0)
        };
        let dims = leaf.dims();
        match plain(&type_name) {
            "string" if dims.is_empty() => Ok(Interpretation::String { head }),
            "TString" if dims.is_empty() => Ok(Interpretation::String { head: 0 }),
            name => match sequence(name).and_then(Element::of_name) {
                Some(element) if dims.is_empty() => Ok(Interpretation::Vector { element }),
                _ => Err(format!("the type `{type_name}` is not supported")),
            },
        }
    }

    /// The type of the member of a class that a sub-branch holds.
    fn member_type(&self) -> Option<String> {
        self.member(|element| element.type_name.clone())
    }

    /// `Double32_t` is a float on disk, unless its comment gives a range.
    fn double32(&self) -> Option<Element> {
        match self.member(|element| element.title.contains('[')) {
            Some(true) => None,
            Some(false) | None => Some(Element::Double32),
        }
    }

    fn member<T>(&self, of: impl Fn(&crate::root::streamer::Element) -> T + Copy) -> Option<T> {
        let class = self.class.as_ref()?;
        let streamers = (self.streamers)()?;
        let own = self.node.name.split('[').next()?;
        let own = own.rsplit('.').next()?;
        [class.parent_name, class.class_name].iter().find_map(|name| {
            let name = String::from_utf8_lossy(name);
            let found = streamers.version(&name, class.version).or_else(|| streamers.class(&name))?;
            find_member(&streamers, found, own, 0, of)
        })
    }
}

/// Why a branch that only groups others is not a column.
const GROUP: &str = "it is a group: read its sub-branches";

fn find_member<T>(
    streamers: &Streamers,
    class: &Class,
    name: &str,
    depth: usize,
    of: impl Fn(&crate::root::streamer::Element) -> T + Copy,
) -> Option<T> {
    if depth > 16 {
        return None;
    }
    class.elements.iter().find_map(|element| {
        if element.kind == "TStreamerBase" {
            let base = streamers.class(&element.name)?;
            return find_member(streamers, base, name, depth + 1, of);
        }
        (element.name == name).then(|| of(element))
    })
}

/// A leaf list.
fn members(leaves: &[Leaf<'_>]) -> Result<Interpretation, String> {
    let member = |leaf: &Leaf<'_>| {
        if leaf.counter.is_some() {
            return Err("it is a leaf list with a counter".to_owned());
        }
        let element = Element::of_leaf(leaf.class, leaf.unsigned).ok_or_else(|| {
            format!("leaves of class {} are not supported", String::from_utf8_lossy(leaf.class))
        })?;
        Ok(Member { name: String::from_utf8_lossy(leaf.name).into_owned(), element, dims: leaf.dims() })
    };
    Ok(Interpretation::Struct { members: leaves.iter().map(member).collect::<Result<_, String>>()? })
}

/// A type's name without `std::` and `const`.
fn plain(name: &str) -> &str {
    let name = name.trim();
    let name = name.strip_prefix("const ").unwrap_or(name);
    name.strip_prefix("std::").unwrap_or(name)
}

/// What a standard sequence holds: `float` of `vector<float>`.
fn sequence(name: &str) -> Option<&str> {
    let inner = name.strip_suffix('>')?;
    let (container, inner) = inner.split_once('<')?;
    if !matches!(
        container.trim(),
        "vector" | "list" | "deque" | "set" | "multiset" | "forward_list" | "ROOT::VecOps::RVec"
    ) {
        return None;
    }
    // An allocator or a comparison may follow.
    Some(inner.split(',').next().unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_numbers_are_told_from_nested_ones() {
        let of = |name| sequence(plain(name)).and_then(Element::of_name);
        assert_eq!(of("vector<float>"), Some(Element::F32));
        assert_eq!(of("std::vector<unsigned int,allocator<unsigned int> >"), Some(Element::U32));
        assert_eq!(of("vector<vector<float> >"), None);
    }
}
