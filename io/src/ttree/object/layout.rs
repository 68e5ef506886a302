use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields};

use crate::ttree::Element;
use crate::ttree::interpretation::item;

/// How the bytes of a value follow each other, and so what a column of such values looks like.
#[derive(Clone, Debug)]
pub enum Layout {
    /// A number.
    Number(Element),
    /// A number of type `kBits`: the bits of a `TObject`, with a process id behind them where they say so.
    Bits,
    /// A `std::string`: a `TString` that has a version where it is a member.
    String,
    /// A `TString`: its length in one byte, or in four behind the byte 255.
    TString,
    /// A `char*`: its length in four bytes.
    CString,
    /// A `TArrayF` and its like: their number, and numbers.
    Array(Element),
    /// A `std::bitset`: its size, and a byte for each bit.
    Bitset(usize),
    /// A standard sequence: its length, and its items.
    List(Box<Layout>),
    /// A standard map: its length, and keys and values in turn.
    Map(Box<(Layout, Layout)>),
    /// An array of fixed length.
    Fixed(usize, Box<Layout>),
    /// A collection or a `std::string` behind a version that may say *member-wise*.
    Headed(Box<Layout>),
    /// An object behind its version.
    Class(Arc<Class>),
    /// An object's members and nothing else.
    Members(Arc<Class>),
    /// An object behind the name of its class, which is the declared one: a branch of class `TBranchObject`.
    Named(Arc<str>, Box<Layout>),
    /// A number of an enumeration that the file does not describe: 4 bytes, if its name is not that of a class.
    Enumeration(Arc<str>),
    /// A pointer to an object of the declared class, or of a class that derives from it.
    Pointer(Arc<Class>, Arc<[Heir]>),
    /// As many values as another member of the class counts.
    Slice(Box<Layout>, Counting),
    /// A `TObject`: its version, id and bits.
    Object,
    /// A `TRef`: a `TObject` whose id is that of the object referred to, and its process, which is not kept.
    Ref,
    /// A `TRefArray`: its name, and the ids of the objects referred to.
    RefArray,
    /// A `TClonesArray`: a head that names the class of its items, and these. An empty slot is null.
    Clones(Items),
    /// A pointer to a `TClonesArray`.
    ClonesPointer(Items),
    /// An object that only its byte count is known of.
    Unknown,
    /// A pointer that may lead to any class: passed over.
    AnyPointer,
}

/// What a `TClonesArray` holds, which only its bytes say.
#[derive(Clone, Debug)]
pub enum Items {
    /// Objects of this class.
    Of(Arc<Class>),
    /// What no bytes were asked for yet, and then passed over. The place is that of the array: the member
    /// of a class, or nothing where it is a branch.
    Unseen(Arc<str>),
}

/// Which member counts, and how.
#[derive(Clone, Debug, Default)]
pub struct Counting {
    /// The field that counts; before it the base classes that it is in.
    pub(super) place: Vec<usize>,
    /// Whether a byte before the values says that they are there: a pointer to numbers.
    pub(super) flag: bool,
    /// Whether the member counts the rows of a triangle: of a symmetric matrix the upper half is stored.
    pub(super) triangle: bool,
}

/// A class that derives from another one.
#[derive(Clone, Debug)]
pub struct Heir {
    pub(super) name: String,
    /// For each class on the way to the base class, its base classes that are stored before it: whether each
    /// is a `TObject`, whose bytes are not counted.
    pub(super) way: Vec<Vec<bool>>,
}

/// A class as its objects are stored.
#[derive(Debug)]
pub struct Class {
    pub(super) name: String,
    /// What its objects become: members in order, those of base classes where the base class is.
    pub(super) fields: Vec<Member>,
    /// How each version that the file describes is stored; the first is that of `fields`.
    pub(super) programs: Vec<Program>,
    /// How many columns there are for it, itself one of them: what it costs to make it.
    pub(super) columns: usize,
    /// The longest way down to a number.
    pub(super) depth: usize,
}

/// One field of a class.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) layout: Layout,
    /// Whether it is a base class, whose members become those of the derived one.
    pub(super) base: bool,
}

/// How one version of a class is stored.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) version: i32,
    pub(super) checksum: u32,
    pub(super) steps: Vec<Step>,
    /// Whether every field of the class has a step.
    pub(super) complete: bool,
}

/// One base class or member of a version.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) layout: Layout,
    /// The field it becomes; what is passed over has none.
    pub(super) field: Option<usize>,
    /// Whether it is a base class.
    pub(super) base: bool,
}

impl Counting {
    /// The field of a record that counts.
    pub(crate) fn of(field: usize) -> Self {
        Self { place: vec![field], ..Self::default() }
    }
}

impl Class {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: Vec::new(), programs: Vec::new(), columns: 1, depth: 0 }
    }

    pub(super) fn add(&mut self, member: Member) {
        let (columns, depth) = member.layout.extent();
        self.columns = self.columns.saturating_add(columns);
        self.depth = self.depth.max(depth);
        self.fields.push(member);
    }

    /// The program of a version, by its checksum where it has one.
    pub(super) fn program(&self, version: u16, checksum: Option<u32>) -> Option<&Program> {
        // What the file does not describe is known in one version.
        if let [only] = &self.programs[..]
            && only.checksum == 0
        {
            return Some(only);
        }
        match checksum {
            Some(checksum) => self.programs.iter().find(|program| program.checksum == checksum),
            None => self.programs.iter().find(|program| program.version == i32::from(version)),
        }
    }

    /// Its fields and those of its base classes. A name that occurs again has its class before it.
    fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        self.collect(&mut fields);
        // How often each name was there.
        let mut seen = HashMap::<String, usize>::new();
        let mut named = |(class, field): (String, Field)| {
            let mut name = field.name().clone();
            while let Some(copies) = seen.get_mut(&name) {
                *copies += 1;
                name = match copies {
                    2 => format!("{class}::{}", field.name()),
                    copies => format!("{class}::{}#{}", field.name(), *copies - 1),
                };
            }
            seen.insert(name.clone(), 1);
            field.with_name(name)
        };
        fields.into_iter().map(&mut named).collect()
    }

    fn collect(&self, fields: &mut Vec<(String, Field)>) {
        for member in &self.fields {
            match &member.layout {
                Layout::Class(base) if member.base => base.collect(fields),
                layout => {
                    let field = Field::new(&member.name, layout.data_type(), layout.nullable());
                    fields.push((self.name.clone(), field));
                }
            }
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        DataType::Struct(Fields::from(self.fields()))
    }
}

impl Layout {
    /// Values behind each other, without a version.
    pub(crate) fn record(name: &str, members: Vec<(String, Layout)>) -> Self {
        let mut class = Class::new(name);
        let mut steps = Vec::new();
        for (name, layout) in members {
            steps.push(Step { layout: layout.clone(), field: Some(class.fields.len()), base: false });
            class.add(Member { name, layout, base: false });
        }
        class.programs.push(Program { version: 1, checksum: 0, steps, complete: true });
        Self::Members(Arc::new(class))
    }

    /// The Arrow type of a column of such values.
    pub fn data_type(&self) -> DataType {
        let list = |inner| DataType::List(item(inner));
        let record = |fields: &[(&str, DataType)]| {
            let field = |(name, of): &(&str, DataType)| Field::new(*name, of.clone(), false);
            DataType::Struct(fields.iter().map(field).collect())
        };
        match self {
            Self::Number(element) => element.data_type(),
            Self::Bits => DataType::UInt32,
            Self::Enumeration(_) => DataType::Int32,
            Self::String | Self::TString | Self::CString => DataType::Binary,
            Self::Array(element) => list(element.data_type()),
            Self::Bitset(n) => fixed(*n, DataType::Boolean, false),
            Self::List(inner) | Self::Slice(inner, _) => DataType::List(inner.item()),
            Self::Map(pair) => list(DataType::Struct(Fields::from(vec![
                Field::new("0", pair.0.data_type(), pair.0.nullable()),
                Field::new("1", pair.1.data_type(), pair.1.nullable()),
            ]))),
            Self::Fixed(n, inner) => fixed(*n, inner.data_type(), inner.nullable()),
            Self::Headed(inner) => inner.data_type(),
            Self::Class(class) | Self::Members(class) | Self::Pointer(class, _) => class.data_type(),
            Self::Named(_, object) => object.data_type(),
            Self::Clones(Items::Of(class)) | Self::ClonesPointer(Items::Of(class)) => {
                DataType::List(Arc::new(Field::new_list_field(class.data_type(), true)))
            }
            Self::Object => record(&[("fUniqueID", DataType::UInt32), ("fBits", DataType::UInt32)]),
            Self::Ref => record(&[("ref", DataType::UInt32)]),
            Self::RefArray => record(&[
                ("fName", DataType::Binary),
                ("fSize", DataType::Int32),
                ("refs", list(DataType::UInt32)),
            ]),
            Self::Clones(_) | Self::ClonesPointer(_) | Self::Unknown | Self::AnyPointer => {
                DataType::Struct(Fields::empty())
            }
        }
    }

    /// The field of a list of such values.
    pub(crate) fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(self.data_type(), self.nullable()))
    }

    pub(super) fn nullable(&self) -> bool {
        matches!(self, Self::Pointer(..) | Self::ClonesPointer(Items::Of(_)))
    }

    /// What C++ calls it.
    pub fn type_name(&self) -> String {
        match self {
            Self::Number(element) => element.type_name().to_owned(),
            Self::Bits => "UInt_t".to_owned(),
            Self::Enumeration(name) => name.to_string(),
            Self::String => "string".to_owned(),
            Self::TString => "TString".to_owned(),
            Self::CString => "char*".to_owned(),
            Self::Array(element) => format!("{}[]", element.type_name()),
            Self::Bitset(n) => format!("bitset<{n}>"),
            Self::List(inner) => format!("vector<{}>", inner.type_name()),
            Self::Map(pair) => format!("map<{},{}>", pair.0.type_name(), pair.1.type_name()),
            Self::Fixed(n, inner) => format!("{}[{n}]", inner.type_name()),
            Self::Headed(inner) => inner.type_name(),
            Self::Class(class) | Self::Members(class) => class.name.clone(),
            Self::Named(_, object) => object.type_name(),
            Self::Pointer(class, _) => format!("{}*", class.name),
            Self::Slice(inner, _) => format!("{}*", inner.type_name()),
            Self::Object => "TObject".to_owned(),
            Self::Ref => "TRef".to_owned(),
            Self::RefArray => "TRefArray".to_owned(),
            Self::Clones(Items::Of(class)) => format!("TClonesArray({})", class.name),
            Self::ClonesPointer(Items::Of(class)) => format!("TClonesArray({})*", class.name),
            Self::Clones(_) => "TClonesArray".to_owned(),
            Self::ClonesPointer(_) => "TClonesArray*".to_owned(),
            Self::Unknown => "unknown".to_owned(),
            Self::AnyPointer => "TObject*".to_owned(),
        }
    }

    /// Whether it is passed over: no column can be made of it.
    pub(crate) fn is_passed_over(&self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::AnyPointer
                | Self::Clones(Items::Unseen(_))
                | Self::ClonesPointer(Items::Unseen(_))
        )
    }

    /// Whether it has a version of its own where it is a member of a class.
    pub(super) fn is_standard(&self) -> bool {
        matches!(self, Self::String | Self::List(_) | Self::Map(_) | Self::Bitset(_))
    }

    /// As it is stored where it is a member of a class or a branch.
    pub(crate) fn into_member(self) -> Self {
        if self.is_standard() { Self::Headed(Box::new(self)) } else { self }
    }

    /// How many values of what is inside nested arrays of fixed length there are.
    pub(super) fn repeated(&self) -> usize {
        match self {
            Self::Fixed(n, inner) => n.saturating_mul(inner.repeated()),
            _ => 1,
        }
    }

    /// Whether values take no bytes, so that any number of them is plausible.
    pub(crate) fn takes_no_bytes(&self) -> bool {
        match self {
            Self::Members(class) => class.programs.first().is_some_and(|program| program.steps.is_empty()),
            Self::Fixed(_, inner) => inner.takes_no_bytes(),
            _ => false,
        }
    }

    /// How many columns there are for it, and the longest way down to a number.
    pub(super) fn extent(&self) -> (usize, usize) {
        let deeper = |(columns, depth): (usize, usize)| (columns, depth + 1);
        match self {
            Self::List(inner) | Self::Slice(inner, _) | Self::Fixed(_, inner) | Self::Headed(inner) => {
                deeper(inner.extent())
            }
            Self::Map(pair) => {
                let (key, value) = (pair.0.extent(), pair.1.extent());
                deeper((key.0.saturating_add(value.0), key.1.max(value.1)))
            }
            Self::Class(class) | Self::Members(class) | Self::Pointer(class, _) => {
                (class.columns, class.depth + 1)
            }
            Self::Named(_, object) => object.extent(),
            Self::Clones(Items::Of(class)) | Self::ClonesPointer(Items::Of(class)) => {
                (class.columns.saturating_add(1), class.depth + 2)
            }
            _ => (1, 1),
        }
    }
}

pub(super) fn fixed(n: usize, inner: DataType, nullable: bool) -> DataType {
    // Sizes were bounded when the layout was made.
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    DataType::FixedSizeList(Arc::new(Field::new_list_field(inner, nullable)), n)
}
