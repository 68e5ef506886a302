use std::collections::HashMap;
use std::sync::Arc;

use super::heirs::Heirs;
use super::items::ItemClasses;
use super::layout::{Class, Counting, Items, Layout, Member, Program, Step};
use super::type_name::{is_plain_name, map, plain, sequence, template};
use crate::root::streamer::{self, Streamers};
use crate::ttree::{Element, Packed};

/// Classes nest no deeper than this, and have no more columns, in any sane file.
const DEEPEST: usize = 32;
const MOST_COLUMNS: usize = 20_000;
/// The largest array of fixed length.
const LARGEST: usize = 1 << 24;
/// How much of a file's description is looked at for one type: members, and columns that are compared
/// between versions.
const MOST_WORK: usize = 200_000;

/// The collection whose items are of one class, which its bytes name.
const CLONES: &str = "TClonesArray";

/// Type numbers of `TStreamerInfo::EReadWrite`.
const CHAR_STAR: i32 = 7;
const DOUBLE32: i32 = 9;
const BITS: i32 = 15;
const FLOAT16: i32 = 19;
const ARRAY: i32 = 20;
const POINTER: i32 = 40;
const OBJECT: i32 = 61;
const ANY: i32 = 62;
const OBJECT_HERE: i32 = 63;
const OBJECT_POINTER: i32 = 64;
const T_STRING: i32 = 65;
const T_OBJECT: i32 = 66;
const T_NAMED: i32 = 67;
const ANY_HERE: i32 = 68;
const ANY_POINTER: i32 = 69;
const ANY_POINTER_NO_TABLE: i32 = 70;

/// What types are stored as, by the classes that a file describes.
pub(crate) struct Resolver<'a> {
    streamers: &'a Streamers,
    items: &'a ItemClasses,
    classes: HashMap<(String, Option<i32>), Arc<Class>>,
    heirs: Heirs,
    /// The classes that are being looked at, outermost first.
    open: Vec<String>,
    /// The member that is being looked at, as `zoo::Event.hits`; nothing where it is a branch.
    place: String,
    /// How many types are being looked at, each inside of the one before.
    depth: usize,
    work: usize,
}

impl<'a> Resolver<'a> {
    /// From what the file describes, and what is known of the items of its `TClonesArray`s.
    pub(crate) fn new(streamers: &'a Streamers, items: &'a ItemClasses) -> Self {
        let (classes, open, place) = (HashMap::new(), Vec::new(), String::new());
        let heirs = Heirs::default();
        Self { streamers, items, classes, heirs, open, place, depth: 0, work: 0 }
    }

    /// A value of the type `name`, inside a collection.
    ///
    /// # Errors
    /// Where the file does not say how it is stored.
    pub(crate) fn value(&mut self, name: &str) -> Result<Layout, String> {
        let layout = self.any_value(name)?;
        let (columns, depth) = layout.extent();
        if columns > MOST_COLUMNS || depth > DEEPEST {
            return Err(format!("the type `{name}` has too many members, or they nest too deep"));
        }
        Ok(layout)
    }

    /// The same, without a look at how large it is.
    fn any_value(&mut self, name: &str) -> Result<Layout, String> {
        // Deeper than any sane name, before the stack ends.
        if self.depth > DEEPEST {
            return Err(format!("the type `{name}` nests too deep"));
        }
        self.depth += 1;
        let layout = self.named(plain(name));
        self.depth -= 1;
        layout
    }

    fn named(&mut self, name: &str) -> Result<Layout, String> {
        if let Some(element) = Element::of_name(name) {
            return Ok(Layout::Number(element));
        }
        if name == CLONES {
            return self.clones();
        }
        if let Some(layout) = special(name) {
            return Ok(layout);
        }
        if let Some(pointee) = name.strip_suffix('*') {
            return self.pointer(pointee);
        }
        if let Some(inner) = sequence(name) {
            return Ok(Layout::List(Box::new(self.any_value(inner)?)));
        }
        if let Some((key, value)) = map(name) {
            let pair = [self.of_pair(key, value, 0)?, self.of_pair(key, value, 1)?];
            return Ok(Layout::Map(Box::new(pair.into())));
        }
        if let Some(matrix) = self.symmetric(name) {
            return matrix;
        }
        if let Some(("bitset", arguments)) = template(name) {
            return Ok(Layout::Bitset(length(arguments[0])?));
        }
        if let Some(("array", arguments)) = template(name)
            && let [inner, n] = arguments[..]
            && self.streamers.class(name).is_none()
        {
            let inner = self.any_value(inner)?;
            return array(length(n)?, inner).ok_or_else(|| format!("`{name}` is too large or empty"));
        }
        if let Some(matrix) = matrix(name) {
            return self.any_value(matrix);
        }
        match self.collection(name) {
            Some(items) => Ok(Layout::List(Box::new(self.any_value(&items)?))),
            None => match self.class(name, None) {
                Ok(class) => Ok(Layout::Class(class)),
                Err(reason) => self.enumeration(name, reason),
            },
        }
    }

    /// A key or a value of a map. Of an enumeration, the description of the pair says which numbers they are.
    fn of_pair(&mut self, key: &str, value: &str, at: usize) -> Result<Layout, String> {
        let name = [key, value][at];
        if is_plain_name(plain(name))
            && Element::of_name(plain(name)).is_none()
            && special(plain(name)).is_none()
        {
            let close = if value.ends_with('>') { " >" } else { ">" };
            let pair = self.streamers.class(&format!("pair<{key},{value}{close}"));
            if let Some(member) = pair.and_then(|pair| pair.elements.get(at))
                && let Some(number) = Element::of_code(member.code)
            {
                return Ok(Layout::Number(number));
            }
        }
        self.any_value(name)
    }

    /// A name that no class has may be that of an enumeration, which no file describes. `reason` is why it is not.
    fn enumeration(&self, name: &str, reason: String) -> Result<Layout, String> {
        if self.streamers.class(name).is_some() || !is_plain_name(name) {
            return Err(reason);
        }
        let items = self.items;
        match items.at(name) {
            Some(Ok(_)) => Ok(Layout::Number(Element::I32)),
            Some(Err(_)) => Err(reason),
            None => Ok(Layout::Enumeration(items.ask(name))),
        }
    }

    /// A symmetric matrix: its base class, and the rows of its upper half: `TMatrixTSym::Streamer`.
    fn symmetric(&mut self, name: &str) -> Option<Result<Layout, String>> {
        let Some(("TMatrixTSym", arguments)) = template(name) else { return None };
        let element = Element::of_name(arguments[0])?;
        Some(self.triangle(name, arguments[0], element))
    }

    fn triangle(&mut self, name: &str, of: &str, element: Element) -> Result<Layout, String> {
        let base_name = format!("TMatrixTBase<{of}>");
        let base = self.class(&base_name, None)?;
        let rows = base.fields.iter().position(|field| field.name == "fNrows");
        let rows = rows.ok_or_else(|| format!("`{base_name}` has no member `fNrows`"))?;
        let counting = Counting { place: vec![0, rows], flag: false, triangle: true };
        let elements = Layout::Slice(Box::new(Layout::Number(element)), counting);
        let mut class = Class::new(name);
        let base = Layout::Class(base);
        let steps = vec![
            Step { layout: base.clone(), field: Some(0), base: true },
            Step { layout: elements.clone(), field: Some(1), base: false },
        ];
        class.add(Member { name: base_name, layout: base, base: true });
        class.add(Member { name: "fElements".to_owned(), layout: elements, base: false });
        class.programs.push(Program { version: 1, checksum: 0, steps, complete: true });
        Ok(Layout::Members(Arc::new(class)))
    }

    /// What a class of the file's own that behaves like a collection holds: `DataVector<T>` of ATLAS.
    fn collection(&self, name: &str) -> Option<String> {
        let [this] = &self.streamers.class(name)?.elements[..] else { return None };
        if this.name != "This" || this.kind != "TStreamerSTL" {
            return None;
        }
        let (_, inside) = this.title.split_once('<')?;
        let (items, _) = inside.rsplit_once("> Used")?;
        (items != name).then(|| items.to_owned())
    }

    /// A `TClonesArray`. A branch must have items of a known class; a member is passed over else.
    fn clones(&mut self) -> Result<Layout, String> {
        match self.item_class() {
            Ok(items) => Ok(Layout::Clones(items)),
            Err(reason) if self.place.is_empty() => Err(reason),
            Err(_) => Ok(Layout::Unknown),
        }
    }

    fn item_class(&mut self) -> Result<Items, String> {
        let items = self.items;
        let Some(name) = items.at(&self.place) else { return Ok(Items::Unseen(items.ask(&self.place))) };
        let name = plain(name?);
        if special(name).is_some() {
            return Err(format!("it is a TClonesArray of {name}, which is not supported"));
        }
        self.class(name, None).map(Items::Of)
    }

    fn pointer(&mut self, pointee: &str) -> Result<Layout, String> {
        let pointee = plain(pointee);
        if pointee == CLONES {
            return Ok(match self.clones()? {
                Layout::Clones(items) => Layout::ClonesPointer(items),
                _ => Layout::AnyPointer,
            });
        }
        // What has itself as a member, further down, has no end as a column.
        if pointee == "TObject"
            || matches!(special(pointee), Some(Layout::Unknown))
            || self.open.iter().any(|open| open == pointee)
        {
            return Ok(Layout::AnyPointer);
        }
        if let Some(("TMatrixTSym", _)) = template(pointee) {
            return Ok(Layout::AnyPointer);
        }
        match self.class(pointee, None) {
            Ok(class) => {
                let heirs = self.heirs.of(self.streamers, pointee);
                self.spend(heirs.len())?;
                Ok(Layout::Pointer(class, heirs))
            }
            Err(_) => Ok(Layout::AnyPointer),
        }
    }

    /// The class `name`, with the members of `version` or, without one, of its newest.
    pub(crate) fn class(&mut self, name: &str, version: Option<i32>) -> Result<Arc<Class>, String> {
        let name = plain(name);
        if let Some(class) = self.classes.get(&(name.to_owned(), version)) {
            return Ok(class.clone());
        }
        if self.open.len() > DEEPEST || self.open.iter().any(|open| open == name) {
            return Err(format!("the class `{name}` contains itself"));
        }
        self.open.push(name.to_owned());
        let class = self.new_class(name, version);
        self.open.pop();
        let class = Arc::new(class?);
        if class.columns > MOST_COLUMNS || class.depth > DEEPEST {
            return Err(format!("the class `{name}` has too many members, or they nest too deep"));
        }
        self.classes.insert((name.to_owned(), version), class.clone());
        Ok(class)
    }

    fn new_class(&mut self, name: &str, version: Option<i32>) -> Result<Class, String> {
        let streamers = self.streamers;
        let newest =
            version.and_then(|version| streamers.version(name, version)).or_else(|| streamers.class(name));
        let Some(first) = newest else { return self.undescribed(name) };
        let mut class = Class::new(name);
        let mut steps = Vec::new();
        for element in &first.elements {
            let (layout, base) = self.step(name, &class.fields, element)?;
            let passed_over = layout.is_passed_over() || (base && matches!(layout, Layout::Object));
            let field = (!passed_over).then_some(class.fields.len());
            steps.push(Step { layout: layout.clone(), field, base });
            if !passed_over {
                class.add(Member { name: element.name.clone(), layout, base });
            }
        }
        let (version, checksum) = (first.version, first.checksum);
        class.programs.push(Program { version, checksum, steps, complete: true });
        let others: Vec<&streamer::Class> =
            streamers.versions(name).filter(|other| *other != first).collect();
        for other in others {
            // A version that has become something else is an error where an entry has it.
            if let Some(program) = self.other_version(&class, other) {
                class.programs.push(program);
            }
        }
        Ok(class)
    }

    /// How another version is stored, if what it has in common with `class` has the same types.
    fn other_version(&mut self, class: &Class, other: &streamer::Class) -> Option<Program> {
        let mut steps = Vec::new();
        for element in &other.elements {
            let (layout, base) = self.step(&class.name, &class.fields, element).ok()?;
            let field =
                class.fields.iter().position(|field| field.name == element.name && field.base == base);
            if let Some(field) = field {
                let known = &class.fields[field].layout;
                self.spend(known.extent().0.saturating_add(layout.extent().0)).ok()?;
                if known.data_type() != layout.data_type() {
                    return None;
                }
            }
            steps.push(Step { layout, field, base });
        }
        let complete = (0..class.fields.len()).all(|at| steps.iter().any(|step| step.field == Some(at)));
        Some(Program { version: other.version, checksum: other.checksum, steps, complete })
    }

    fn spend(&mut self, work: usize) -> Result<(), String> {
        self.work = self.work.saturating_add(work);
        if self.work > MOST_WORK {
            return Err("the file describes too many members and versions of its classes".to_owned());
        }
        Ok(())
    }

    /// Pairs, tuples and links are as their names say, also where the file does not describe them.
    fn undescribed(&mut self, name: &str) -> Result<Class, String> {
        let members: Vec<(String, &str)> = match template(name) {
            Some(("pair", types)) if types.len() == 2 => {
                vec![("first".to_owned(), types[0]), ("second".to_owned(), types[1])]
            }
            Some(("tuple", types)) => {
                // As the standard library of GCC has them in memory: the last one first.
                types.iter().enumerate().rev().map(|(at, name)| (format!("_{at}"), *name)).collect()
            }
            // ATLAS declares many more of its links than it fills.
            Some(("ElementLink", _)) => vec![("ElementLinkBase".to_owned(), "ElementLinkBase")],
            _ if name == "ElementLinkBase" => {
                vec![("m_persKey".to_owned(), "unsigned int"), ("m_persIndex".to_owned(), "unsigned int")]
            }
            _ if name == "TNamed" => vec![("fName".to_owned(), "TString"), ("fTitle".to_owned(), "TString")],
            _ => return Err(format!("the file does not describe the class `{name}`")),
        };
        let mut class = Class::new(name);
        let mut steps = Vec::new();
        if name == "TNamed" {
            steps.push(Step { layout: Layout::Object, field: None, base: true });
        }
        for (member, type_name) in members {
            let layout = self.within(name, &member, |this| this.any_value(type_name))?.into_member();
            let base = member == type_name;
            steps.push(Step { layout: layout.clone(), field: Some(class.fields.len()), base });
            class.add(Member { name: member, layout, base });
        }
        class.programs.push(Program { version: 1, checksum: 0, steps, complete: true });
        Ok(class)
    }

    /// A base class or member of a `class` whose fields so far are `fields`, and whether it is a base class.
    fn step(
        &mut self,
        class: &str,
        fields: &[Member],
        element: &streamer::Element,
    ) -> Result<(Layout, bool), String> {
        self.spend(1)?;
        let mut layout = self.within(class, &element.name, |this| this.element(element))?;
        let slice = match &mut layout {
            Layout::Headed(inner) => &mut **inner,
            layout => layout,
        };
        if let Layout::Slice(_, counting) = slice {
            let name = element.counter.as_deref().unwrap_or("");
            let found = counter(fields, name);
            counting.place = found.ok_or_else(|| format!("no member `{name}` counts `{}`", element.name))?;
        }
        Ok((layout, element.kind == "TStreamerBase"))
    }

    /// Looks at a member of a class.
    fn within<T>(&mut self, class: &str, member: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let outside = std::mem::replace(&mut self.place, format!("{class}.{member}"));
        let seen = look(self);
        self.place = outside;
        seen
    }

    /// A base class or member of `class`, as it is stored in objects and in branches of its own.
    pub(crate) fn element(&mut self, element: &streamer::Element) -> Result<Layout, String> {
        let layout = match element.kind.as_str() {
            "TStreamerBase" => self.base(element),
            "TStreamerSTL" | "TStreamerSTLstring" => {
                let name = element.type_name.trim_end_matches('*');
                let value = match described_number(element, name) {
                    Some(number) => number,
                    None => self.any_value(name)?,
                };
                return Ok(Layout::Headed(Box::new(repeated(element, value)?)));
            }
            "TStreamerBasicPointer" => {
                let number = Layout::Number(number(element.code - POINTER, &element.title)?);
                // Its counter is a field of the class, which whoever asks for the class finds.
                if !element.dims.is_empty() {
                    return Err(format!("member `{}` is an array of pointers to numbers", element.name));
                }
                return Ok(Layout::Slice(Box::new(number), Counting { flag: true, ..Counting::default() }));
            }
            "TStreamerLoop" => return self.counted_objects(element),
            _ => self.member(element),
        };
        let layout = layout.map_err(|reason| format!("member `{}`: {reason}", element.name))?;
        // Arrays of what streams itself in a member function have one version in front.
        let headed = matches!(element.code - ARRAY, T_STRING | T_OBJECT | T_NAMED);
        let layout = repeated(element, layout)?;
        Ok(if headed { Layout::Headed(Box::new(layout)) } else { layout })
    }

    /// A pointer to objects that another member counts, or to pointers to such.
    fn counted_objects(&mut self, element: &streamer::Element) -> Result<Layout, String> {
        let name = plain(&element.type_name);
        let object = match name.strip_suffix("**") {
            Some(pointee) => self.pointer(pointee)?,
            None => self.any_value(name.trim_end_matches('*').trim_end())?,
        };
        if !element.dims.is_empty() || object.is_passed_over() {
            return Err(format!(
                "member `{}`: it points to objects that another member counts",
                element.name
            ));
        }
        Ok(Layout::Headed(Box::new(Layout::Slice(Box::new(object), Counting::default()))))
    }

    fn base(&mut self, element: &streamer::Element) -> Result<Layout, String> {
        if let Some(matrix) = self.symmetric(&element.name) {
            return matrix;
        }
        match special(&element.name) {
            Some(_) if element.name == CLONES => self.clones(),
            Some(layout) => Ok(layout),
            // A base class without anything of its own need not be described.
            None if self.streamers.class(&element.name).is_none() && element.name != "TNamed" => {
                Ok(Layout::Unknown)
            }
            None => Ok(Layout::Class(self.class(&element.name, element.base_version.filter(|v| *v > 0))?)),
        }
    }

    fn member(&mut self, element: &streamer::Element) -> Result<Layout, String> {
        let name = plain(&element.type_name).trim_end_matches('*').trim_end();
        let code = match element.code {
            code @ 81.. if code <= ANY_POINTER_NO_TABLE + ARRAY => code - ARRAY,
            code => code,
        };
        match code {
            CHAR_STAR => Ok(Layout::CString),
            BITS => Ok(Layout::Bits),
            1..POINTER => Ok(Layout::Number(number(code, &element.title)?)),
            OBJECT | ANY | OBJECT_HERE | ANY_HERE if name == CLONES => self.clones(),
            OBJECT | ANY | OBJECT_HERE | ANY_HERE => match special(name) {
                Some(layout) => Ok(layout),
                // A `std::array` of standard collections, which have no version here.
                None if is_collection(name) => self.any_value(name),
                None if template(name).is_some_and(|(of, _)| of == "TMatrixTSym") => self.any_value(name),
                None if self.streamers.class(name).is_none() => Ok(Layout::Unknown),
                None => Ok(Layout::Class(self.class(name, None)?)),
            },
            OBJECT_POINTER | ANY_POINTER | ANY_POINTER_NO_TABLE => self.pointer(name),
            T_STRING => Ok(Layout::TString),
            T_OBJECT => Ok(Layout::Object),
            T_NAMED => Ok(Layout::Class(self.class("TNamed", None)?)),
            _ => Err(format!("the type `{}` (number {}) is not supported", element.type_name, element.code)),
        }
    }
}

/// Whether it is a sequence or a map of the standard library.
fn is_collection(name: &str) -> bool {
    sequence(name).is_some() || map(name).is_some()
}

/// A sequence of values of an enumeration, which no class describes, but the member says that it is numbers. They
/// have 4 bytes, whatever the member says that they have in memory.
fn described_number(element: &streamer::Element, name: &str) -> Option<Layout> {
    let item = sequence(plain(name))?;
    Element::of_code(element.contained?)?;
    let number = Element::I32;
    let unknown = Element::of_name(plain(item)).is_none() && special(plain(item)).is_none();
    (unknown && is_plain_name(plain(item))).then(|| Layout::List(Box::new(Layout::Number(number))))
}

/// The field that counts, in the class itself or in one of its base classes.
fn counter(fields: &[Member], name: &str) -> Option<Vec<usize>> {
    if let Some(at) = fields.iter().position(|field| !field.base && field.name == name) {
        return Some(vec![at]);
    }
    fields.iter().enumerate().find_map(|(at, field)| match &field.layout {
        Layout::Class(base) if field.base => {
            let mut place = counter(&base.fields, name)?;
            place.insert(0, at);
            Some(place)
        }
        _ => None,
    })
}

/// What ROOT's names of matrices stand for. A branch keeps the name that it was made with.
pub(super) fn matrix(name: &str) -> Option<&'static str> {
    Some(match name {
        "TMatrix" | "TMatrixF" => "TMatrixT<float>",
        "TMatrixD" => "TMatrixT<double>",
        "TMatrixFSym" => "TMatrixTSym<float>",
        "TMatrixDSym" => "TMatrixTSym<double>",
        "TVector" | "TVectorF" => "TVectorT<float>",
        "TVectorD" => "TVectorT<double>",
        _ => return None,
    })
}

/// Classes whose streamer is not their description.
fn special(name: &str) -> Option<Layout> {
    Some(match name {
        "string" => Layout::String,
        "TString" => Layout::TString,
        "TObject" => Layout::Object,
        "TRef" => Layout::Ref,
        "TRefArray" => Layout::RefArray,
        "TDatime" => datime(),
        // What any of these holds, only its bytes say.
        "TCollection" | "TSeqCollection" | "TList" | "THashList" | "TSortedList" | "TObjArray"
        | "TClonesArray" | "TOrdCollection" | "TMap" | "THashTable" | "TBtree" => Layout::Unknown,
        "TArrayC" => Layout::Array(Element::I8),
        "TArrayS" => Layout::Array(Element::I16),
        "TArrayI" => Layout::Array(Element::I32),
        "TArrayL" | "TArrayL64" => Layout::Array(Element::I64),
        "TArrayF" => Layout::Array(Element::F32),
        "TArrayD" => Layout::Array(Element::F64),
        _ => return None,
    })
}

/// A date: nothing but its one member.
fn datime() -> Layout {
    let mut class = Class::new("TDatime");
    let layout = Layout::Number(Element::U32);
    let steps = vec![Step { layout: layout.clone(), field: Some(0), base: false }];
    class.add(Member { name: "fDatime".to_owned(), layout, base: false });
    class.programs.push(Program { version: 1, checksum: 0, steps, complete: true });
    Layout::Members(Arc::new(class))
}

fn number(code: i32, title: &str) -> Result<Element, String> {
    match code % ARRAY {
        DOUBLE32 => Ok(Packed::double32(title)),
        FLOAT16 => Ok(Element::Packed(Packed::float16(title))),
        code => Element::of_code(code).ok_or_else(|| format!("numbers of type {code} are not known")),
    }
}

/// As many values behind each other as the dimensions of a member say.
fn repeated(element: &streamer::Element, value: Layout) -> Result<Layout, String> {
    let arrays = element.dims.iter().rev().try_fold(value, |inner, n| array(*n as usize, inner));
    arrays.ok_or_else(|| format!("member `{}` is an array of {:?}", element.name, element.dims))
}

/// An array of fixed length. None where it is empty, as no array in C++ is, or absurdly large.
fn array(n: usize, inner: Layout) -> Option<Layout> {
    let all = n.saturating_mul(inner.repeated());
    (0 < all && all <= LARGEST).then(|| Layout::Fixed(n, Box::new(inner)))
}

fn length(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    digits.parse().ok().filter(|n| *n <= LARGEST).ok_or_else(|| format!("an array of length `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttree::object::{Column, Stream, reveal};

    fn element(kind: &str, name: &str, code: i32, type_name: &str) -> streamer::Element {
        streamer::Element {
            kind: kind.to_owned(),
            name: name.to_owned(),
            title: String::new(),
            code,
            type_name: type_name.to_owned(),
            dims: Vec::new(),
            base_version: None,
            counter: None,
            contained: None,
        }
    }

    fn class(name: &str, elements: Vec<streamer::Element>) -> streamer::Class {
        streamer::Class { name: name.to_owned(), version: 1, checksum: 1, elements }
    }

    fn object(name: &str, type_name: &str) -> streamer::Element {
        element("TStreamerObjectAny", name, ANY, type_name)
    }

    /// What of a class with such elements, and with other classes in the file, is said to be wrong.
    fn refused(name: &str, classes: Vec<streamer::Class>) -> String {
        let streamers = Streamers::of(classes);
        Resolver::new(&streamers, &ItemClasses::default()).value(name).unwrap_err()
    }

    /// A collection whose one element says what it holds.
    fn collection(name: &str, items: &str) -> streamer::Class {
        let mut this = element("TStreamerSTL", "This", 300, "");
        this.title = format!("<{items}> Used to call the proper TStreamerInfo case");
        class(name, vec![this])
    }

    #[test]
    fn collections_of_each_other_have_no_end() {
        let reason = refused("A", vec![collection("A", "B"), collection("B", "A")]);
        assert!(reason.contains("nests too deep"), "{reason}");
        let chain = (0..100_000).map(|n| collection(&format!("C{n}"), &format!("C{}", n + 1)));
        let reason = refused("C0", chain.collect());
        assert!(reason.contains("nests too deep"), "{reason}");
    }

    #[test]
    fn names_may_not_nest_deeper_than_the_stack() {
        for (start, end) in [("vector<", ">"), ("pair<int,", ">"), ("array<", ",2>"), ("map<int,", ">")] {
            let name = format!("{}int{}", start.repeat(50_000), end.repeat(50_000));
            let reason = refused(&name, Vec::new());
            assert!(reason.contains("nests too deep"), "{start}");
        }
    }

    #[test]
    fn arrays_of_arrays_are_no_larger_than_arrays() {
        let reason = refused("array<array<array<int,1>,16777216>,16777216>", Vec::new());
        assert_eq!(reason, "`array<array<array<int,1>,16777216>,16777216>` is too large or empty");
        assert_eq!(refused("array<int,0>", Vec::new()), "`array<int,0>` is too large or empty");
        let mut many = element("TStreamerSTL", "x", 300, "array<int,5000>");
        many.dims = vec![5000];
        let reason = refused("A", vec![class("A", vec![many])]);
        assert!(reason.contains("5000"), "{reason}");
    }

    /// 100 members of 100 members of 100 members…, and a class without members at the bottom.
    #[test]
    fn empty_classes_count_where_they_are_members() {
        let mut classes = vec![class("C0", Vec::new())];
        for n in 1..30 {
            let members = (0..100).map(|at| object(&format!("m{at}"), &format!("C{}", n - 1)));
            classes.push(class(&format!("C{n}"), members.collect()));
        }
        let reason = refused("C29", classes);
        assert!(reason.contains("too many members"), "{reason}");
    }

    #[test]
    fn names_that_occur_again_and_again_differ() {
        let numbers = (0..19_000).map(|_| element("TStreamerBasicType", "x", 3, "int"));
        let streamers = Streamers::of(vec![class("A", numbers.collect())]);
        let layout = Resolver::new(&streamers, &ItemClasses::default()).value("A").unwrap();
        let arrow_schema::DataType::Struct(fields) = layout.data_type() else { panic!() };
        let names: Vec<&str> = fields.iter().take(4).map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["x", "A::x", "A::x#2", "A::x#3"]);
        let different: std::collections::HashSet<_> = fields.iter().map(|field| field.name()).collect();
        assert_eq!(different.len(), 19_000);
    }

    #[test]
    fn versions_beyond_all_measure_are_not_compared() {
        let member = || object("m", "B");
        let numbers = (0..10_000).map(|n| element("TStreamerBasicType", &format!("x{n}"), 3, "int"));
        let mut classes = vec![class("B", numbers.collect())];
        classes.extend((1..20_000).map(|version| streamer::Class { version, ..class("A", vec![member()]) }));
        let streamers = Streamers::of(classes);
        let class = Resolver::new(&streamers, &ItemClasses::default()).class("A", None).unwrap();
        assert!(class.programs.len() < 20, "{}", class.programs.len());
    }

    /// A `TClonesArray` of `version` with these bits, and what follows its head.
    fn clones(version: u16, bits: u32, class: &str, length: i32, items: &[u8]) -> Vec<u8> {
        let mut bytes = version.to_be_bytes().to_vec();
        if version > 2 {
            bytes.extend([0, 1, 0, 0, 0, 0]);
            bytes.extend(bits.to_be_bytes());
        }
        if version > 1 {
            bytes.push(0); // its name
        }
        bytes.push(class.len() as u8);
        bytes.extend(class.as_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(items);
        let count = 0x4000_0000 | bytes.len() as u32;
        [&count.to_be_bytes()[..], &bytes].concat()
    }

    /// The counts of arrays of class `A`, which has one short number or none.
    fn counts(members: usize, bytes: &[u8]) -> Result<Vec<i32>, String> {
        let members = (0..members).map(|_| element("TStreamerBasicType", "x", 2, "short"));
        let streamers = Streamers::of(vec![class("A", members.collect())]);
        let mut items = ItemClasses::default();
        let unseen = Resolver::new(&streamers, &items).value("TClonesArray").unwrap();
        let asked = items.asked();
        assert_eq!(asked.len(), 1);
        let (found, wrong) = reveal(&unseen, bytes, 0, 1);
        items.give_up(&asked, &wrong.unwrap_or_default());
        items.learn(found);
        let layout = Resolver::new(&streamers, &items).value("TClonesArray")?;
        assert_eq!(items.asked().len(), 0);
        let mut column = Column::new(&layout);
        let mut stream = Stream::new(bytes, 0, 0);
        while stream.position() < bytes.len() {
            stream.run(&layout, 1, &mut column).map_err(|wrong| wrong.reason.into_owned())?;
        }
        let array = column.finish(&layout.data_type());
        assert_eq!(array.data_type(), &layout.data_type());
        let offsets = arrow_array::cast::AsArray::as_list::<i32>(&array).value_offsets();
        Ok(offsets.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }

    #[test]
    fn clones_of_all_times_are_read() {
        let (by_members, then) = (1 << 12, 1 << 14);
        let whole = [1, 0x40, 0, 0, 4, 0, 1, 0, 7];
        let bytes = [
            clones(4, 0, "A;1", 0, &[]),
            clones(4, by_members, "A;1", 2, &[0, 7, 0, 8]),
            clones(4, 0, "A;1", 1, &whole),
            clones(4, then, "A;1", 1, &whole),
            clones(4, 0, "A;1", 2, &[&[0][..], &whole].concat()),
            clones(3, then, "A;1", 1, &[0, 7]),
            clones(3, by_members, "A;1", 1, &whole),
            clones(2, 0, "A", -1, &whole),
            clones(1, 0, "A", 1, &whole),
            clones(4, by_members, "A", 1, &[0, 7]),
        ];
        assert_eq!(counts(1, &bytes.concat()).unwrap(), [0, 2, 1, 1, 2, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn clones_that_cannot_be_are_an_error() {
        let (by_members, whole) = (1 << 12, [1, 0x40, 0, 0, 4, 0, 1, 0, 7]);
        for (members, array, reason) in [
            // Objects of no bytes, as many as one can say.
            (0, clones(4, by_members, "A;1", i32::MAX, &[]), "far more than its bytes can hold"),
            (0, clones(4, by_members, "A;1", i32::MIN, &[]), "far more than its bytes can hold"),
            (1, clones(4, by_members, "A;1", i32::MAX, &[0, 7]), "far more than its bytes can hold"),
            (1, clones(4, 0, "A;1", i32::MAX, &whole), "1 bytes were expected"),
            (1, clones(4, by_members, "A;9", 1, &[0, 7]), "version 9 of class A is not described"),
            (1, clones(4, by_members, "A;nine", 1, &[0, 7]), "nine is no version of class A"),
            (1, clones(4, by_members, "A;1", 1, &[0, 7, 0, 8]), "bytes are counted too many"),
            (1, clones(4, by_members, "B;1", 1, &[0, 7]), "does not describe the class `B`"),
            (1, clones(4, by_members, "TString;1", 1, &[0, 7]), "a TClonesArray of TString"),
            (1, vec![0x40, 0, 0, 2, 0, 4], "2 bytes were expected"),
        ] {
            let error = counts(members, &array).unwrap_err();
            assert!(error.contains(reason), "{error}, and not {reason}");
        }
        let two = [clones(4, 0, "A;1", 0, &[]), clones(4, 0, "B;1", 0, &[])].concat();
        assert!(counts(1, &two).unwrap_err().starts_with("a TClonesArray of B is where"));
    }

    /// A `TRef` has a version, an id and bits, and a process.
    #[test]
    fn a_class_may_derive_from_tref() {
        let streamers =
            Streamers::of(vec![class("A", vec![element("TStreamerBase", "TRef", OBJECT_HERE, "BASE")])]);
        let layout = Resolver::new(&streamers, &ItemClasses::default()).value("A").unwrap();
        let mut column = Column::new(&layout);
        let bytes = [0, 1, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0];
        Stream::new(&bytes, 0, 0).run(&layout, 1, &mut column).unwrap();
        let array = column.finish(&layout.data_type());
        assert_eq!(array.data_type(), &layout.data_type());
        assert_eq!(array.len(), 1);
    }
}
