use std::collections::HashMap;
use std::sync::Arc;

use super::layout::{Class, Layout, Member, Program, Step};
use super::type_name::{map, plain, sequence, template};
use crate::root::streamer::{self, Streamers};
use crate::ttree::{Element, Packed};

/// Classes nest no deeper than this, and have no more columns, in any sane file.
const DEEPEST: usize = 32;
const MOST_COLUMNS: usize = 20_000;
/// The largest array of fixed length.
const LARGEST: usize = 1 << 24;

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
    classes: HashMap<(String, Option<i32>), Arc<Class>>,
    /// The classes that are being looked at, outermost first.
    open: Vec<String>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(streamers: &'a Streamers) -> Self {
        Self { streamers, classes: HashMap::new(), open: Vec::new() }
    }

    /// A value of the type `name`, inside a collection.
    ///
    /// # Errors
    /// Where the file does not say how it is stored.
    pub(crate) fn value(&mut self, name: &str) -> Result<Layout, String> {
        let layout = self.any_value(name)?;
        let (columns, depth) = layout.extent();
        if columns > MOST_COLUMNS || depth > DEEPEST || self.open.len() > DEEPEST {
            return Err(format!("the type `{name}` has too many members, or they nest too deep"));
        }
        Ok(layout)
    }

    fn any_value(&mut self, name: &str) -> Result<Layout, String> {
        let name = plain(name);
        if let Some(element) = Element::of_name(name) {
            return Ok(Layout::Number(element));
        }
        if let Some(layout) = special(name) {
            return Ok(layout);
        }
        if let Some(pointee) = name.strip_suffix('*') {
            return self.pointer(pointee);
        }
        // Deeper than any sane name, before the stack ends.
        if name.bytes().filter(|byte| *byte == b'<').count() > DEEPEST {
            return Err(format!("the type `{name}` nests too deep"));
        }
        if let Some(inner) = sequence(name) {
            return Ok(Layout::List(Box::new(self.any_value(inner)?)));
        }
        if let Some((key, value)) = map(name) {
            return Ok(Layout::Map(Box::new((self.any_value(key)?, self.any_value(value)?))));
        }
        if let Some(("bitset", arguments)) = template(name) {
            return Ok(Layout::Bitset(length(arguments[0])?));
        }
        if let Some(("array", arguments)) = template(name)
            && let [inner, n] = arguments[..]
        {
            return Ok(Layout::Fixed(length(n)?, Box::new(self.any_value(inner)?)));
        }
        match self.collection(name) {
            Some(items) => Ok(Layout::List(Box::new(self.any_value(&items)?))),
            None => Ok(Layout::Class(self.class(name, None)?)),
        }
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

    fn pointer(&mut self, pointee: &str) -> Result<Layout, String> {
        let pointee = plain(pointee);
        // What has itself as a member, further down, has no end as a column.
        if pointee == "TObject"
            || matches!(special(pointee), Some(Layout::Unknown))
            || self.open.iter().any(|open| open == pointee)
        {
            return Ok(Layout::AnyPointer);
        }
        match self.class(pointee, None) {
            Ok(class) => Ok(Layout::Pointer(class)),
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
            let (layout, base) = self.step(&class.fields, element)?;
            let passed_over = matches!(layout, Layout::Unknown | Layout::AnyPointer)
                || (base && matches!(layout, Layout::Object));
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
            let (layout, base) = self.step(&class.fields, element).ok()?;
            let field =
                class.fields.iter().position(|field| field.name == element.name && field.base == base);
            if let Some(field) = field
                && class.fields[field].layout.data_type() != layout.data_type()
            {
                return None;
            }
            steps.push(Step { layout, field, base });
        }
        let complete = (0..class.fields.len()).all(|at| steps.iter().any(|step| step.field == Some(at)));
        Some(Program { version: other.version, checksum: other.checksum, steps, complete })
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
        for (name, type_name) in members {
            let layout = self.any_value(type_name)?.into_member();
            let base = name == type_name;
            steps.push(Step { layout: layout.clone(), field: Some(class.fields.len()), base });
            class.add(Member { name, layout, base });
        }
        class.programs.push(Program { version: 1, checksum: 0, steps, complete: true });
        Ok(class)
    }

    /// A base class or member of an object whose fields so far are `fields`, and whether it is a base class.
    fn step(&mut self, fields: &[Member], element: &streamer::Element) -> Result<(Layout, bool), String> {
        let mut layout = self.element(element)?;
        if let Layout::Slice(_, counter) = &mut layout {
            let name = element.counter.as_deref().unwrap_or("");
            let found = fields.iter().position(|field| field.name == name);
            *counter = found.ok_or_else(|| format!("no member `{name}` counts `{}`", element.name))?;
        }
        Ok((layout, element.kind == "TStreamerBase"))
    }

    /// A base class or member of `class`, as it is stored in objects and in branches of its own.
    pub(crate) fn element(&mut self, element: &streamer::Element) -> Result<Layout, String> {
        let layout = match element.kind.as_str() {
            "TStreamerBase" => self.base(element),
            "TStreamerSTL" | "TStreamerSTLstring" => {
                let name = element.type_name.trim_end_matches('*');
                let value = match self.any_value(name) {
                    Ok(layout) => layout,
                    Err(reason) => self.enumeration(element, name).ok_or(reason)?,
                };
                return Ok(Layout::Headed(Box::new(repeated(element, value)?)));
            }
            "TStreamerBasicPointer" => {
                let number = Layout::Number(number(element.code - POINTER, &element.title)?);
                // Its counter is a field of the class, which whoever asks for the class finds.
                return Ok(Layout::Slice(Box::new(number), usize::MAX));
            }
            "TStreamerLoop" => Err("it points to objects that another member counts".to_owned()),
            _ => self.member(element),
        };
        let layout = layout.map_err(|reason| format!("member `{}`: {reason}", element.name))?;
        // Arrays of what streams itself in a member function have one version in front.
        let headed = matches!(element.code - ARRAY, T_STRING | T_OBJECT | T_NAMED);
        let layout = repeated(element, layout)?;
        Ok(if headed { Layout::Headed(Box::new(layout)) } else { layout })
    }

    fn base(&mut self, element: &streamer::Element) -> Result<Layout, String> {
        match special(&element.name) {
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
            OBJECT | ANY | OBJECT_HERE | ANY_HERE => match special(name) {
                Some(layout) => Ok(layout),
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

    /// A collection of values of an enumeration, which no class describes.
    fn enumeration(&mut self, element: &streamer::Element, name: &str) -> Option<Layout> {
        let number = Element::of_code(element.contained?)?;
        sequence(plain(name)).map(|_| Layout::List(Box::new(Layout::Number(number))))
    }
}

impl Class {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: Vec::new(), programs: Vec::new(), columns: 0, depth: 0 }
    }

    fn add(&mut self, member: Member) {
        let (columns, depth) = member.layout.extent();
        self.columns = self.columns.saturating_add(columns);
        self.depth = self.depth.max(depth);
        self.fields.push(member);
    }
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
        // Half of the elements only.
        "TMatrixTSym<float>" | "TMatrixTSym<double>" => Layout::Unknown,
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
    let product = element.dims.iter().try_fold(1_usize, |product, n| product.checked_mul(*n as usize));
    if product.is_none_or(|product| product > LARGEST) {
        return Err(format!("member `{}` is an array of {:?}", element.name, element.dims));
    }
    Ok(element.dims.iter().rev().fold(value, |inner, n| Layout::Fixed(*n as usize, Box::new(inner))))
}

fn length(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    digits.parse().ok().filter(|n| *n <= LARGEST).ok_or_else(|| format!("an array of length `{text}`"))
}
