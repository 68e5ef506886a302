use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields};

use super::Element;
use super::index::{BranchClass, Index, Node};
use super::leaf::Leaf;
use super::object::{Counting, ItemClasses, Layout, Resolver};
use super::packed::Packed;
use crate::root::streamer::{self, Class, Streamers};
use crate::root::{Buffer, Object, Parse};

/// What a branch's bytes mean. More kinds come here, each with its decoder in `decode`.
#[derive(Clone, Debug)]
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
    /// A C string: its length and its bytes as of other strings, but of an empty one there may be nothing,
    /// which only the basket's table of entry offsets tells.
    CString,
    /// Objects, nested collections and whatever else has a size only its bytes tell.
    Streamed {
        /// How they are stored.
        layout: Arc<Layout>,
        /// How many there are in an entry.
        run: Run,
    },
}

/// How many streamed values an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// One.
    One,
    /// As many as another branch counts: a list.
    Counted(Counter),
    /// As many, behind a byte that says whether they are there: a pointer with a counter.
    Pointer(Counter),
    /// Such pointers in the objects of a collection: a list for each object. What counts them is a branch of
    /// the collection too.
    Pointers(Counter),
}

impl Run {
    pub(super) fn counter(self) -> Option<Counter> {
        match self {
            Self::One => None,
            Self::Counted(counter) | Self::Pointer(counter) | Self::Pointers(counter) => Some(counter),
        }
    }
}

/// One member of a leaf list.
#[derive(Clone, Debug, PartialEq)]
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
            Self::String { .. } | Self::CString => DataType::Binary,
            Self::Streamed { layout, run } => match run {
                Run::One => layout.data_type(),
                Run::Counted(_) | Run::Pointer(_) => DataType::List(layout.item()),
                Run::Pointers(_) => DataType::List(item(DataType::List(layout.item()))),
            },
        }
    }

    /// The branch that counts its values, if one does.
    pub(super) fn counter(&self) -> Option<Counter> {
        match self {
            Self::Counted { counter, .. } => Some(*counter),
            Self::Streamed { run, .. } => run.counter(),
            _ => None,
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
            Self::String { .. } | Self::CString => "string".to_owned(),
            Self::Streamed { layout, run: Run::One } => layout.type_name(),
            Self::Streamed { layout, run: Run::Pointers(_) } => format!("{}[][]", layout.type_name()),
            Self::Streamed { layout, .. } => format!("{}[]", layout.type_name()),
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
    /// What is known of the `TClonesArray`s in it.
    pub(super) items: &'a ItemClasses,
}

/// The members of a `TBranchElement`.
pub(super) struct ClassEvidence<'a> {
    class_name: &'a [u8],
    parent_name: &'a [u8],
    /// That of the class; 0 where it is not known.
    checksum: u32,
    version: i32,
    id: i32,
    kind: i32,
    code: i32,
    count: Option<usize>,
}

impl<'a> ClassEvidence<'a> {
    /// The code of the member that it holds, if it holds one; its leaf has it too. Geant4's writer leaves it at -1.
    pub(super) fn member_code(&self) -> Option<i32> {
        let holds_one = matches!(self.kind, MEMBER | CLONES_MEMBER | COLLECTION_MEMBER) && self.code != -1;
        holds_one.then_some(self.code)
    }

    /// The name of its class and the checksum of that; 0 where it is not known.
    pub(super) fn named(&self) -> (&'a [u8], u32) {
        (self.class_name, self.checksum)
    }

    /// From the cursor behind the `TBranch` part.
    pub(super) fn read(
        buffer: &mut Buffer<'a>,
        version: u16,
        streamers: impl FnOnce() -> Option<Arc<Streamers>>,
    ) -> Parse<Option<Self>> {
        if !(8..=10).contains(&version) {
            let streamers = streamers();
            let class = streamers.as_ref().and_then(|all| all.version("TBranchElement", version.into()));
            return class.map_or(Ok(None), |class| Self::described(buffer, class));
        }
        let class_name = buffer.tstring_bytes()?;
        let parent_name = buffer.tstring_bytes()?;
        buffer.tstring_bytes()?; // fClonesName
        let checksum = buffer.u32()?;
        let class_version = if version < 10 { buffer.i32()? } else { buffer.i16()?.into() };
        let id = buffer.i32()?;
        let kind = buffer.i32()?;
        let code = buffer.i32()?;
        buffer.i32()?; // fMaximum
        let count = match buffer.object()? {
            Object::Reference { place } | Object::Here { place, .. } => Some(place),
            Object::Null => None,
        };
        let version = class_version;
        Ok(Some(Self { class_name, parent_name, checksum, version, id, kind, code, count }))
    }

    /// Versions of other times and writers, by what the file says of them: Geant4 writes version 1.
    fn described(buffer: &mut Buffer<'a>, class: &Class) -> Parse<Option<Self>> {
        let mut this = Self {
            class_name: b"",
            parent_name: b"",
            checksum: 0,
            version: 0,
            id: -1,
            kind: 0,
            code: 0,
            count: None,
        };
        for element in class.elements.iter().filter(|element| element.kind != "TStreamerBase") {
            match (element.name.as_str(), element.code) {
                ("fClassName", T_STRING) => this.class_name = buffer.tstring_bytes()?,
                ("fParentName", T_STRING) => this.parent_name = buffer.tstring_bytes()?,
                (_, T_STRING) => drop(buffer.tstring_bytes()?),
                (_, 61..=64 | 69) => match buffer.object()? {
                    Object::Reference { place } | Object::Here { place, .. }
                        if element.name == "fBranchCount" =>
                    {
                        this.count = Some(place);
                    }
                    Object::Here { end: Some(end), .. } => buffer.skip_to(end)?,
                    _ => {}
                },
                (name, code) => {
                    let value = match Element::of_code(code).map(Element::size) {
                        Some(1) => i32::from(buffer.i8()?),
                        Some(2) => buffer.i16()?.into(),
                        Some(4) => buffer.i32()?,
                        Some(8) => {
                            buffer.i64()?;
                            0
                        }
                        _ => return Ok(None),
                    };
                    match name {
                        "fClassVersion" => this.version = value,
                        "fID" => this.id = value,
                        "fType" => this.kind = value,
                        "fStreamerType" => this.code = value,
                        _ => {}
                    }
                }
            }
        }
        Ok((!this.class_name.is_empty()).then_some(this))
    }
}

/// The branch types of `TBranchElement::fType`: an object that streams itself, a member, a base class, a
/// `TClonesArray` and a collection, and the members of their objects.
const STREAMS_ITSELF: i32 = -1;
const MEMBER: i32 = 0;
const BASE: i32 = 1;
const CLONES: i32 = 3;
const COLLECTION: i32 = 4;
const CLONES_MEMBER: i32 = 31;
const COLLECTION_MEMBER: i32 = 41;
/// Codes of `TStreamerInfo::EReadWrite`.
const POINTER: i32 = 40;
const CHAR_STAR: i32 = 7;
const DOUBLE32: i32 = 9;
const BITS: i32 = 15;
const FLOAT16: i32 = 19;
const T_STRING: i32 = 65;

impl Evidence<'_> {
    /// What the bytes mean, or why that is not known.
    pub(super) fn interpret(&self) -> Result<Interpretation, String> {
        // Its own column counts the objects of its sub-branches, also where these have no members.
        if self.class.as_ref().is_some_and(|class| matches!(class.kind, CLONES | COLLECTION)) {
            return Ok(Interpretation::Fixed { element: Element::I32, dims: Vec::new() });
        }
        if self.node.group {
            return Err(GROUP.to_owned());
        }
        match (&self.node.class, &*self.leaves) {
            (BranchClass::Other(class), [leaf]) if class == "TBranchObject" => self.branch_object(leaf),
            (BranchClass::Other(class), _) => Err(format!("branches of class {class} are not supported")),
            // A base class has none of its own.
            (_, []) if self.class.as_ref().is_some_and(|class| class.kind == BASE) => self.object(&[]),
            (_, []) => Err("it has no leaf".to_owned()),
            (_, [leaf]) => self.one(leaf),
            (_, leaves) => members(leaves),
        }
    }

    fn one(&self, leaf: &Leaf<'_>) -> Result<Interpretation, String> {
        if leaf.class == b"TLeafC" {
            return Ok(Interpretation::CString);
        }
        let pointer = matches!(leaf.code, Some(code) if (POINTER..POINTER + 20).contains(&code));
        let element = match leaf.code {
            None => Element::of_leaf(leaf.class, leaf.unsigned, leaf.title),
            // A whole object, a string, or bits with a process id behind some of them.
            Some(..=0 | CHAR_STAR | BITS) => None,
            Some(code) if code < POINTER + 20 => self.number(code % 20),
            Some(_) => None,
        };
        let dims = leaf.dims();
        let inside = self.is_inside();
        let Some(element) = element else { return self.object(&dims) };
        if leaf.counter.is_none() && !inside && !pointer {
            return Ok(Interpretation::Fixed { element, dims });
        }
        if pointer {
            if !dims.is_empty() || self.element().is_some_and(|element| !element.dims.is_empty()) {
                return Err("it is an array of pointers to numbers".to_owned());
            }
            let run = match self.counting_member() {
                Some(counter) if inside => Run::Pointers(counter),
                None if inside => {
                    return Err("the branch that counts its values is not in the tree".to_owned());
                }
                Some(counter) => Run::Pointer(counter),
                None => {
                    let counter = self.counter(Some(leaf))?;
                    let around = self.node.path.strip_suffix(&self.node.name).unwrap_or_default();
                    let named = self.element().is_some_and(|element| element.counter.is_some());
                    if named && !self.index.nodes[counter.node].path.starts_with(around) {
                        return Err("the branch that counts its values is not in the tree".to_owned());
                    }
                    Run::Pointer(counter)
                }
            };
            let layout = Arc::new(Layout::Number(element));
            return Ok(Interpretation::Streamed { layout, run });
        }
        Ok(Interpretation::Counted { counter: self.counter(Some(leaf))?, element, dims })
    }

    /// Whether it holds a member of the objects of a collection.
    fn is_inside(&self) -> bool {
        self.class.as_ref().is_some_and(|class| matches!(class.kind, CLONES_MEMBER | COLLECTION_MEMBER))
    }

    /// The branch that counts its values.
    fn counter(&self, leaf: Option<&Leaf<'_>>) -> Result<Counter, String> {
        let place = leaf.and_then(|leaf| leaf.counter);
        let counter = match place.and_then(|place| self.index.of_leaf(place)) {
            Some((node, leaf)) => Some(Counter { node, leaf }),
            None => self
                .class
                .as_ref()
                .and_then(|class| self.index.of_branch(class.count?))
                .map(|node| Counter { node, leaf: 0 }),
        };
        let counter = counter.ok_or("the branch that counts its values is not in the tree")?;
        if self.index.nodes[counter.node].place == self.node.place {
            return Err("it is said to count itself".to_owned());
        }
        Ok(counter)
    }

    /// The branch beside this one of the member that counts what a pointer leads to. What the leaf and the
    /// branch name is the first `n` in the tree, which may be that of another object.
    fn counting_member(&self) -> Option<Counter> {
        let name = self.element()?.counter?;
        let start = match self.node.name.rsplit_once('.') {
            Some((before, _)) => before.len() + 1,
            None => 0,
        };
        let around = self.node.path.strip_suffix(&self.node.name)?;
        let before = format!("{around}{}", &self.node.name[..start]);
        let counter = |node| Counter { node, leaf: 0 };
        if let Some(node) = self.index.find(&format!("{before}{name}")) {
            return Some(counter(node));
        }
        // The branches of base classes have the names of these, and stand beside this one.
        let class = self.class.as_ref()?;
        let streamers = (self.streamers)()?;
        let class = [class.parent_name, class.class_name].iter().find_map(|class| {
            let class = String::from_utf8_lossy(class);
            streamers.class(&class).filter(|class| find_member(&streamers, class, &name).is_some())
        })?;
        let way = way_to_member(&streamers, class, &name)?;
        let prefix = &self.node.name[..start];
        // With the prefix before each name or only the last, or with those of all base classes before.
        let each: String = way.iter().map(|base| format!("{prefix}{base}/")).collect();
        let mut bases = prefix.to_owned();
        let mut all = String::new();
        for base in &way {
            bases.push_str(base);
            all.push_str(&format!("{bases}/"));
            bases.push('.');
        }
        let ways = [
            format!("{around}{each}{prefix}{name}"),
            format!("{around}{}/{prefix}{name}", way.join("/")),
            format!("{around}{all}{bases}{name}"),
        ];
        ways.iter().find_map(|path| self.index.find(path)).map(counter)
    }

    /// A number of a class, by its type number.
    fn number(&self, code: i32) -> Option<Element> {
        let title = || self.element().map(|element| element.title).unwrap_or_default();
        match code {
            DOUBLE32 => Some(Packed::double32(&title())),
            FLOAT16 => Some(Element::Packed(Packed::float16(&title()))),
            code => Element::of_code(code),
        }
    }

    /// A class, a collection or a string.
    fn object(&self, dims: &[usize]) -> Result<Interpretation, String> {
        let Some(class) = &self.class else {
            let class = self.leaves.first().map_or(&b"?"[..], |leaf| leaf.class);
            return Err(format!("leaves of class {} are not supported", String::from_utf8_lossy(class)));
        };
        let streamers = (self.streamers)().unwrap_or_default();
        let mut resolver = Resolver::new(&streamers, self.items);
        let class_name = String::from_utf8_lossy(class.class_name);
        let layout = if class.id >= 0 {
            match self.element() {
                Some(element) => match resolver.element(&element)? {
                    // The bases of the objects of a collection have no versions of their own.
                    Layout::Class(base) if element.kind == "TStreamerBase" && self.is_inside() => {
                        Layout::Members(base)
                    }
                    layout => layout,
                },
                None if class.code == T_STRING => Layout::TString,
                None => return Err(format!("the file does not describe its class `{class_name}`")),
            }
        } else {
            match resolver.value(&class_name)? {
                Layout::Class(_) => {
                    let version = Some(class.version).filter(|version| *version > 0);
                    let whole = resolver.class(&class_name, version)?;
                    if class.kind == STREAMS_ITSELF { Layout::Class(whole) } else { Layout::Members(whole) }
                }
                // Of a string nothing but its bytes.
                Layout::String => Layout::String,
                layout => layout.into_member(),
            }
        };
        let alone = match &layout {
            Layout::Headed(inner) => &**inner,
            layout => layout,
        };
        if let Layout::Slice(object, _) = alone {
            let counter = self.counting_member().filter(|_| !self.is_inside());
            let counter = counter.ok_or("it points to objects that another branch counts")?;
            // One version for all objects of an entry.
            let layout = Arc::new(Layout::Headed(object.clone()));
            return Ok(Interpretation::Streamed { layout, run: Run::Counted(counter) });
        }
        if matches!(layout, Layout::Unknown | Layout::AnyPointer) {
            let element = if class.id >= 0 { self.element() } else { None };
            let type_name = element.map_or(class_name.into_owned(), |element| element.type_name);
            return Err(format!("the file does not say how values of `{type_name}` are stored"));
        }
        if self.is_inside() {
            let run = Run::Counted(self.counter(self.leaves.first())?);
            return Ok(Interpretation::Streamed { layout: Arc::new(layout), run });
        }
        Ok(match layout {
            // What is common has kernels of its own.
            Layout::TString | Layout::String if dims.is_empty() => Interpretation::String { head: 0 },
            Layout::Headed(inner) => match *inner {
                Layout::String if dims.is_empty() => Interpretation::String { head: STRING_HEAD },
                Layout::List(inner) if matches!(&*inner, Layout::Number(element) if element.is_whole()) => {
                    let Layout::Number(element) = *inner else { unreachable!("it was matched above") };
                    Interpretation::Vector { element }
                }
                inner => {
                    let layout = Arc::new(Layout::Headed(Box::new(inner)));
                    Interpretation::Streamed { layout, run: Run::One }
                }
            },
            layout => Interpretation::Streamed { layout: Arc::new(layout), run: Run::One },
        })
    }

    /// An object behind the name of its class.
    fn branch_object(&self, leaf: &Leaf<'_>) -> Result<Interpretation, String> {
        let class = String::from_utf8_lossy(leaf.title);
        let streamers = (self.streamers)().unwrap_or_default();
        let object = Resolver::new(&streamers, self.items).value(&class)?;
        match object {
            Layout::Class(_)
            | Layout::Members(_)
            | Layout::Clones(..)
            | Layout::Object
            | Layout::Ref
            | Layout::RefArray => {}
            _ => return Err(format!("the file does not say how values of `{class}` are stored")),
        }
        let layout = Layout::Named(class.into(), Box::new(object));
        Ok(Interpretation::Streamed { layout: Arc::new(layout), run: Run::One })
    }

    /// The member or base class that a sub-branch holds.
    fn element(&self) -> Option<streamer::Element> {
        let class = self.class.as_ref()?;
        let streamers = (self.streamers)()?;
        let own = self.node.name.split('[').next()?;
        let own = own.rsplit('.').next()?;
        [class.class_name, class.parent_name].iter().find_map(|name| {
            let name = String::from_utf8_lossy(name);
            let found = streamers.version(&name, class.version).or_else(|| streamers.class(&name))?;
            let by_number = usize::try_from(class.id).ok().and_then(|id| found.elements.get(id));
            match by_number {
                Some(element) if element.name == own => Some(element),
                _ => find_member(&streamers, found, own),
            }
            .cloned()
        })
    }
}

/// The bytes before a `std::string` that is a member: the count of its bytes, and a version.
const STRING_HEAD: usize = 6;

/// Why a branch that only groups others is not a column.
const GROUP: &str = "it is a group: read its sub-branches";

/// The member `name` of a class or of its base classes.
fn find_member<'a>(streamers: &'a Streamers, class: &'a Class, name: &str) -> Option<&'a streamer::Element> {
    // Each class is looked at once, also where classes are said to be bases of each other.
    let mut seen = HashSet::from([class.name.as_str()]);
    let mut open = vec![class.elements.iter()];
    while let Some(elements) = open.last_mut() {
        let Some(element) = elements.next() else {
            open.pop();
            continue;
        };
        if element.name == name {
            return Some(element);
        }
        if element.kind == "TStreamerBase"
            && let Some(base) = streamers.class(&element.name)
            && seen.insert(&base.name)
        {
            open.push(base.elements.iter());
        }
    }
    None
}

/// The base classes, outermost first, that the member `name` of a class is in.
fn way_to_member<'a>(streamers: &'a Streamers, class: &'a Class, name: &str) -> Option<Vec<&'a str>> {
    // How deep classes derive from each other in a sane file.
    const DEEPEST: usize = 16;
    let mut class = class;
    let mut way = Vec::new();
    while way.len() < DEEPEST && !class.elements.iter().any(|element| element.name == name) {
        let bases = class.elements.iter().filter(|element| element.kind == "TStreamerBase");
        let bases = bases.filter_map(|base| streamers.class(&base.name));
        class = bases.into_iter().find(|base| find_member(streamers, base, name).is_some())?;
        way.push(class.name.as_str());
    }
    Some(way)
}

/// A leaf list of which some members are counted by others, or are texts.
fn varying(leaves: &[Leaf<'_>]) -> Result<Interpretation, String> {
    let mut members = Vec::new();
    for (at, leaf) in leaves.iter().enumerate() {
        let name = String::from_utf8_lossy(leaf.name).into_owned();
        if leaf.class == b"TLeafC" {
            members.push((name, Layout::TString));
            continue;
        }
        let element = Element::of_leaf(leaf.class, leaf.unsigned, leaf.title).ok_or_else(|| {
            format!("leaves of class {} are not supported", String::from_utf8_lossy(leaf.class))
        })?;
        let number = Layout::Number(element);
        let fixed = leaf.dims().into_iter().rev().fold(number, |of, n| Layout::Fixed(n, Box::new(of)));
        let Some(counter) = leaf.counter else {
            members.push((name, fixed));
            continue;
        };
        let counter = leaves[..at].iter().position(|leaf| leaf.place == counter);
        let counter = counter.ok_or("another branch counts the values of one of its leaves")?;
        members.push((name, Layout::Slice(Box::new(fixed), Counting::of(counter))));
    }
    let layout = Arc::new(Layout::record("leaves", members));
    Ok(Interpretation::Streamed { layout, run: Run::One })
}

/// A leaf list.
fn members(leaves: &[Leaf<'_>]) -> Result<Interpretation, String> {
    if leaves.iter().any(|leaf| leaf.counter.is_some() || leaf.class == b"TLeafC") {
        return varying(leaves);
    }
    let member = |leaf: &Leaf<'_>| {
        let element = Element::of_leaf(leaf.class, leaf.unsigned, leaf.title).ok_or_else(|| {
            format!("leaves of class {} are not supported", String::from_utf8_lossy(leaf.class))
        })?;
        Ok(Member { name: String::from_utf8_lossy(leaf.name).into_owned(), element, dims: leaf.dims() })
    };
    Ok(Interpretation::Struct { members: leaves.iter().map(member).collect::<Result<_, String>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 times itself and 60 times another, which has the same bases: looked at again and again there
    /// would be no end to it.
    #[test]
    fn classes_that_are_bases_of_each_other_are_looked_at_once() {
        let base = |name: &str| streamer::Element {
            kind: "TStreamerBase".to_owned(),
            name: name.to_owned(),
            title: String::new(),
            code: 0,
            type_name: "BASE".to_owned(),
            dims: Vec::new(),
            base_version: None,
            counter: None,
            contained: None,
        };
        let class = |name: &str, last: &str| {
            let mut elements: Vec<_> = (0..60).flat_map(|_| [base("A"), base("B")]).collect();
            elements.push(base(last));
            Class { name: name.to_owned(), version: 1, checksum: 1, elements }
        };
        let streamers = Streamers::of(vec![class("A", "B"), class("B", "C")]);
        let from = streamers.class("A").unwrap();
        assert_eq!(find_member(&streamers, from, "C").map(|element| &*element.name), Some("C"));
        assert!(find_member(&streamers, from, "x").is_none());
    }
}
