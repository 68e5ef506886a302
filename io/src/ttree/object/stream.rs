use std::collections::HashMap;
use std::sync::Arc;

use super::Column;
use super::layout::{Class, Counting, Heir, Items, Layout, Program, Step};
use super::resolve::matrix;
use super::type_name::plain;
use crate::root::{Buffer, Malformed, Object, Parse};
use crate::ttree::Element;

/// `TObject::kIsReferenced`: a process id follows the bits.
const IS_REFERENCED: u32 = 1 << 4;
/// `TClonesArray::kBypassStreamer`: its items are stored by members. It was another bit in version 3.
const BY_MEMBERS: u32 = 1 << 12;
const BY_MEMBERS_IN_3: u32 = 1 << 14;
/// The version of streamed collections from which on member-wise ones say the version of their items.
const ITEMS_HAVE_VERSION: u16 = 9;
/// What takes no bytes of its own (objects referred to again, members that an old version lacks, null
/// pointers) may make so many times the bytes that there are, and so many more.
const FREE: usize = 16;
const FREE_AT_LEAST: usize = 1 << 20;

/// How a `TClonesArray` is called behind a pointer.
const CLONES: &str = "TClonesArray";

/// A walk through the streamed values of a basket.
pub(crate) struct Stream<'a> {
    buffer: Buffer<'a>,
    /// Bytes that may still be made of none.
    free: usize,
    /// Columns of what is passed over, by the address of its step: made once, and never looked at.
    unseen: HashMap<usize, Column>,
    /// The classes of the items of arrays for which these are not known, by the places of the arrays.
    items: HashMap<Arc<str>, ItemClass>,
}

/// What was found out of the items of `TClonesArray`s in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemClass {
    /// They are of this class.
    One(String),
    /// They are of these, and so nothing that a column has room for.
    Two(String, String),
    /// They are numbers, of an enumeration.
    Number,
}

impl ItemClass {
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Number)
    }
}

/// What a pointer leads to.
#[derive(Clone, Copy)]
enum Target<'a> {
    Object(&'a Class, &'a [Heir]),
    Clones(&'a Items),
}

impl<'a> Target<'a> {
    fn class(self) -> &'a str {
        match self {
            Self::Object(class, _) => &class.name,
            Self::Clones(_) => CLONES,
        }
    }
}

/// The head of a `TClonesArray`.
struct ClonesHead<'a> {
    /// The class of its items.
    class: &'a [u8],
    /// The version of that class; 0 where it is not said.
    version: u16,
    by_members: bool,
    length: usize,
    end: Option<usize>,
}

impl<'a> Stream<'a> {
    /// From `position` in `values`. References count from `key_length` bytes before them.
    pub(crate) fn new(values: &'a [u8], key_length: usize, position: usize) -> Self {
        let free = values.len().saturating_mul(FREE).saturating_add(FREE_AT_LEAST);
        let buffer = Buffer::new(values, key_length).at(position);
        Self { buffer, free, unseen: HashMap::new(), items: HashMap::new() }
    }

    /// The classes of the items of `TClonesArray`s passed over so far because these classes are not known.
    pub(crate) fn items(&self) -> &HashMap<Arc<str>, ItemClass> {
        &self.items
    }

    pub(crate) fn position(&self) -> usize {
        self.buffer.position()
    }

    /// Whether the next value of a pointer to an array is there, which a byte says.
    pub(crate) fn flag(&mut self) -> Parse<bool> {
        Ok(self.buffer.u8()? != 0)
    }

    /// The next `n` values.
    pub(crate) fn run(&mut self, layout: &Layout, n: usize, column: &mut Column) -> Parse<()> {
        if layout.takes_no_bytes() {
            column.default(n);
            return Ok(());
        }
        match layout {
            Layout::Number(element) => self.numbers(*element, n, column),
            Layout::Bits => self.each(n, |stream| stream.bits(column)),
            Layout::String | Layout::TString => self.each(n, |stream| {
                let text = stream.buffer.tstring_bytes()?;
                column.string(text, stream.position())
            }),
            Layout::CString => self.each(n, |stream| {
                let length = stream.length(1)?;
                let text = stream.buffer.bytes(length)?;
                column.string(text, stream.position())
            }),
            Layout::Array(element) => {
                self.list(n, column, |stream, length, item| stream.numbers(*element, length, item))
            }
            Layout::Bitset(size) => self.each(n, |stream| {
                let length = stream.length(1)?;
                if length != *size {
                    return Err(stream.wrong(format!("a bitset of {size} bits has {length}")));
                }
                stream.fixed(1, column, |stream, item| stream.numbers(Element::Bool, length, item))
            }),
            Layout::List(inner) => {
                self.list(n, column, |stream, length, item| stream.run(inner, length, item))
            }
            Layout::Map(pair) => self.list(n, column, |stream, length, item| {
                let Column::Struct { columns, len } = item else { return Ok(()) };
                let [keys, values] = &mut columns[..] else { return Ok(()) };
                *len += length;
                stream.each(length, |stream| {
                    stream.run(&pair.0, 1, keys)?;
                    stream.run(&pair.1, 1, values)
                })
            }),
            Layout::Fixed(each, inner) => {
                let all =
                    n.checked_mul(*each).ok_or_else(|| self.wrong("an array is too large".to_owned()))?;
                self.fixed(n, column, |stream, item| stream.run(inner, all, item))
            }
            Layout::Headed(inner) => self.headed(inner, n, column),
            Layout::Class(class) => self.each(n, |stream| stream.object(class, column)),
            Layout::Members(class) => match class.programs.first() {
                Some(program) => self.each(n, |stream| stream.members(program, column)),
                None => Ok(()),
            },
            Layout::Named(class, object) => self.each(n, |stream| {
                stream.class_name(class)?;
                stream.run(object, 1, column)
            }),
            Layout::Enumeration(name) => {
                if n > 0 {
                    self.items.insert(Arc::clone(name), ItemClass::Number);
                }
                self.numbers(Element::I32, n, column)
            }
            Layout::Pointer(class, heirs) => {
                self.each(n, |stream| stream.pointer(Target::Object(class, heirs), column))
            }
            Layout::Clones(items) => self.each(n, |stream| stream.clones(items, column)),
            Layout::ClonesPointer(items) => {
                self.each(n, |stream| stream.pointer(Target::Clones(items), column))
            }
            Layout::Slice(..) => Err(self.wrong("a pointer is read without its counter".to_owned())),
            Layout::Object => self.each(n, |stream| stream.tobject(column)),
            Layout::Ref => self.each(n, |stream| stream.reference(column)),
            Layout::RefArray => self.each(n, |stream| stream.references(column)),
            Layout::Unknown => self.each(n, |stream| {
                stream.buffer.skip_object()?;
                column.default(1);
                Ok(())
            }),
            Layout::AnyPointer => self.each(n, |stream| {
                if let Object::Here { place, end, .. } = stream.buffer.object()? {
                    let end = end.ok_or_else(|| Malformed::new(place, "an object has no byte count"))?;
                    stream.buffer.skip_to(end)?;
                }
                column.default(1);
                Ok(())
            }),
        }
    }

    fn wrong(&self, reason: String) -> Malformed {
        Malformed::new(self.position(), reason)
    }

    fn each(&mut self, n: usize, mut one: impl FnMut(&mut Self) -> Parse<()>) -> Parse<()> {
        (0..n).try_for_each(|_| one(self))
    }

    fn numbers(&mut self, element: Element, n: usize, column: &mut Column) -> Parse<()> {
        let stored = self.buffer.items(n, element.size())?;
        if let Column::Numbers { bytes, .. } = column {
            bytes.extend_from_slice(stored);
        }
        Ok(())
    }

    fn bits(&mut self, column: &mut Column) -> Parse<()> {
        let bits = self.buffer.u32()?;
        if bits & IS_REFERENCED != 0 {
            self.buffer.u16()?;
        }
        append(column, &bits.to_be_bytes());
        Ok(())
    }

    /// A length of items that have at least `size` bytes each.
    fn length(&mut self, size: usize) -> Parse<usize> {
        let length = self.buffer.i32()?;
        match usize::try_from(length) {
            Ok(length) if length.saturating_mul(size) <= self.buffer.remaining() => Ok(length),
            _ => Err(self.wrong(format!("{length} items do not fit in {} bytes", self.buffer.remaining()))),
        }
    }

    fn list(
        &mut self,
        n: usize,
        column: &mut Column,
        items: impl Fn(&mut Self, usize, &mut Column) -> Parse<()>,
    ) -> Parse<()> {
        self.each(n, |stream| {
            let length = stream.length(0)?;
            if let Column::List { item, .. } = column {
                items(stream, length, item)?;
            }
            column.close_list(length, stream.position())
        })
    }

    fn fixed(
        &mut self,
        n: usize,
        column: &mut Column,
        items: impl FnOnce(&mut Self, &mut Column) -> Parse<()>,
    ) -> Parse<()> {
        let Column::Fixed { item, len, .. } = column else { return Ok(()) };
        *len += n;
        items(self, item)
    }

    /// `n` values behind one version.
    fn headed(&mut self, inner: &Layout, n: usize, column: &mut Column) -> Parse<()> {
        let version = self.buffer.version()?;
        if version.memberwise {
            self.memberwise(inner, n, version.number, column)?;
        } else {
            self.run(inner, n, column)?;
        }
        self.ends_at(version.end)
    }

    fn ends_at(&self, end: Option<usize>) -> Parse<()> {
        match end {
            Some(end) if end != self.position() => {
                let at = self.position();
                Err(self.wrong(format!("{} bytes are counted too many", end as i64 - at as i64)))
            }
            _ => Ok(()),
        }
    }

    /// `n` collections, or arrays of them, whose objects are stored first member first.
    fn memberwise(&mut self, inner: &Layout, n: usize, version: u16, column: &mut Column) -> Parse<()> {
        let (mut collection, mut all) = (inner, n);
        while let Layout::Fixed(each, inner) = collection {
            all = all.saturating_mul(*each);
            collection = inner;
        }
        let (mut items, mut checksum) = (0, None);
        if version >= ITEMS_HAVE_VERSION {
            items = self.buffer.u16()?;
            checksum = self.checksum(items)?;
        }
        let mut column = column;
        let mut n = n;
        while let Column::Fixed { n: each, item, len } = column {
            *len += n;
            n = n.saturating_mul(*each);
            column = item;
        }
        match collection {
            Layout::List(item) => {
                let (Layout::Class(class) | Layout::Members(class)) = &**item else {
                    return Err(self.wrong("what is no object is said to be stored by members".to_owned()));
                };
                let program = match class.programs.first() {
                    // Older ones do not say the version of their items.
                    Some(newest) if version < ITEMS_HAVE_VERSION => newest,
                    _ => self.program(class, items, checksum)?,
                };
                self.list(all, column, |stream, length, item| stream.by_members(program, length, item))
            }
            Layout::Map(pair) => self.list(all, column, |stream, length, item| {
                let Column::Struct { columns, len } = item else { return Ok(()) };
                let [keys, values] = &mut columns[..] else { return Ok(()) };
                *len += length;
                // Of an empty collection nothing is stored, not even the versions of its members.
                if length == 0 {
                    return Ok(());
                }
                stream.member(&pair.0, length, keys)?;
                stream.member(&pair.1, length, values)
            }),
            _ => Err(self.wrong("what is no collection is said to be stored by members".to_owned())),
        }
    }

    /// One member of `n` objects that are stored by members.
    fn member(&mut self, layout: &Layout, n: usize, column: &mut Column) -> Parse<()> {
        if layout.is_standard() { self.headed(layout, n, column) } else { self.run(layout, n, column) }
    }

    /// The first member of `n` objects, the second…
    fn by_members(&mut self, program: &Program, n: usize, column: &mut Column) -> Parse<()> {
        let (Column::Struct { columns, len } | Column::Base { columns, len }) = column else { return Ok(()) };
        *len += n;
        if n == 0 {
            return Ok(());
        }
        for step in &program.steps {
            match (step.field, &step.layout) {
                // Here a base class has no version of its own, but where it streams itself.
                (Some(field), Layout::Class(base))
                    if matches!(columns[field], Column::Base { .. }) && base.name != "TNamed" =>
                {
                    let Some(program) = base.programs.first() else { continue };
                    self.by_members(program, n, &mut columns[field])?;
                }
                (None, Layout::Unknown) if step.base => {}
                (Some(field), layout) => self.field(layout, n, field, columns)?,
                (None, _) => self.pass_over(step, n)?,
            }
        }
        if program.complete { Ok(()) } else { self.fill(columns, *len) }
    }

    /// The members of no object: collections have their versions even so.
    fn no_objects(&mut self, program: &Program, column: &mut Column) -> Parse<()> {
        let (Column::Struct { columns, .. } | Column::Base { columns, .. }) = column else { return Ok(()) };
        for step in &program.steps {
            match (step.field, &step.layout) {
                (Some(field), Layout::Class(base)) if matches!(columns[field], Column::Base { .. }) => {
                    let Some(program) = base.programs.first() else { continue };
                    self.no_objects(program, &mut columns[field])?;
                }
                (Some(field), layout @ Layout::Headed(_)) => self.field(layout, 0, field, columns)?,
                (None, Layout::Headed(_)) => self.pass_over(step, 0)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The members of one object.
    fn members(&mut self, program: &Program, column: &mut Column) -> Parse<()> {
        let (Column::Struct { columns, len } | Column::Base { columns, len }) = column else { return Ok(()) };
        *len += 1;
        for step in &program.steps {
            match step.field {
                Some(field) => self.field(&step.layout, 1, field, columns)?,
                None => self.pass_over(step, 1)?,
            }
        }
        if program.complete { Ok(()) } else { self.fill(columns, *len) }
    }

    /// The next `n` values of what becomes no field.
    fn pass_over(&mut self, step: &Step, n: usize) -> Parse<()> {
        let address = std::ptr::from_ref(step).addr();
        let mut column = self.unseen.remove(&address).unwrap_or_else(|| Column::new(&step.layout));
        self.run(&step.layout, n, &mut column)?;
        self.unseen.insert(address, column);
        Ok(())
    }

    /// Fields that a version does not have are zero.
    fn fill(&mut self, columns: &mut [Column], len: usize) -> Parse<()> {
        columns.iter_mut().try_for_each(|column| {
            let missing = len.saturating_sub(column.len());
            self.default(column, missing)
        })
    }

    fn default(&mut self, column: &mut Column, n: usize) -> Parse<()> {
        self.spend(column.weight().saturating_mul(n))?;
        column.default(n);
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Parse<()> {
        self.free = self
            .free
            .checked_sub(bytes)
            .ok_or_else(|| self.wrong("it says far more than its bytes can hold".to_owned()))?;
        Ok(())
    }

    /// The next `n` values of one field of objects.
    fn field(&mut self, layout: &Layout, n: usize, field: usize, columns: &mut [Column]) -> Parse<()> {
        match layout {
            Layout::Slice(inner, counting) => self.slices(inner, counting, n, field, columns),
            // Pointers to objects: one version for all of them.
            Layout::Headed(headed) if matches!(**headed, Layout::Slice(..)) => {
                let version = self.buffer.version()?;
                self.field(headed, n, field, columns)?;
                self.ends_at(version.end)
            }
            _ => self.run(layout, n, &mut columns[field]),
        }
    }

    /// The values that another field counts.
    fn slices(
        &mut self,
        inner: &Layout,
        counting: &Counting,
        n: usize,
        field: usize,
        columns: &mut [Column],
    ) -> Parse<()> {
        let counts = counter(columns, &counting.place).and_then(|counter| counter.tail(n));
        let counts = counts.ok_or_else(|| self.wrong("a counter has no sensible count".to_owned()))?;
        for count in counts {
            let count = match count {
                _ if counting.flag && !self.flag()? => 0,
                rows if counting.triangle => {
                    let all = rows.checked_mul(rows.saturating_add(1)).map(|twice| twice / 2);
                    all.ok_or_else(|| self.wrong(format!("a matrix has {rows} rows")))?
                }
                count => count,
            };
            if let Column::List { item, .. } = &mut columns[field] {
                self.counted(inner, count, item)?;
            }
            columns[field].close_list(count, self.position())?;
        }
        Ok(())
    }

    /// `count` values, which is a mere claim where they take no bytes.
    fn counted(&mut self, inner: &Layout, count: usize, column: &mut Column) -> Parse<()> {
        if inner.takes_no_bytes() {
            self.spend(column.weight().saturating_mul(count))?;
        }
        self.run(inner, count, column)
    }

    fn checksum(&mut self, version: u16) -> Parse<Option<u32>> {
        // A class that never said its version has its checksum behind a zero.
        if version == 0 { self.buffer.u32().map(Some) } else { Ok(None) }
    }

    fn program<'c>(&self, class: &'c Class, version: u16, checksum: Option<u32>) -> Parse<&'c Program> {
        class.program(version, checksum).ok_or_else(|| {
            let version = match checksum {
                Some(checksum) => format!("checksum {checksum:#x}"),
                None => format!("version {version}"),
            };
            self.wrong(format!(
                "{version} of class {} is not described, or has other members: it may have a streamer of its own, \
                 which is not supported",
                class.name
            ))
        })
    }

    /// One object behind its version.
    fn object(&mut self, class: &Class, column: &mut Column) -> Parse<()> {
        let version = self.buffer.version()?;
        // A class that is not to be stored says its version, 0, and nothing else.
        if version.number == 0 && version.end.is_none() {
            return self.default(column, 1);
        }
        // Where the bytes are counted, and enough: `TBufferFile::ReadVersion`.
        let has_checksum = version.end.is_some_and(|end| end >= self.position() + size_of::<u32>());
        let checksum = if has_checksum { self.checksum(version.number)? } else { None };
        let program = self.program(class, version.number, checksum)?;
        self.members(program, column)?;
        self.ends_at(version.end)
    }

    /// The part of an object of a derived class that is of the declared class.
    fn base_of(&mut self, heir: &Heir, class: &Class, column: &mut Column) -> Parse<()> {
        for before in &heir.way {
            let version = self.buffer.version()?;
            if version.end.is_some_and(|end| end >= self.position() + size_of::<u32>()) {
                self.checksum(version.number)?;
            }
            for is_object in before {
                if *is_object { self.buffer.tobject()? } else { self.buffer.skip_object()? }
            }
        }
        self.object(class, column)
    }

    /// The name of a class in front of an object.
    fn class_name(&mut self, class: &str) -> Parse<()> {
        let length = usize::from(self.buffer.u8()?);
        let name = self.buffer.bytes(length)?;
        self.buffer.u8()?; // the zero behind the name
        if name != class.as_bytes() && matrix(class).is_none_or(|class| name != class.as_bytes()) {
            let name = String::from_utf8_lossy(name);
            return Err(self.wrong(format!("an object of class {name} is where a {class} is declared")));
        }
        Ok(())
    }

    fn pointer(&mut self, target: Target<'_>, column: &mut Column) -> Parse<()> {
        if let Target::Clones(items @ Items::Unseen(_)) = target {
            return self.pointer_to_unseen(items, column);
        }
        let Column::Optional { valid, inner } = column else { return Ok(()) };
        let (found, end) = match self.buffer.object()? {
            Object::Null => {
                valid.push(false);
                return self.default(inner, 1);
            }
            Object::Reference { place } => return self.referred(place, target, column),
            Object::Here { class, end, .. } => (class, end),
        };
        if found != target.class().as_bytes() {
            let heir = match target {
                Target::Object(class, heirs) => {
                    heirs.iter().find(|heir| heir.name.as_bytes() == found).map(|heir| (class, heir))
                }
                Target::Clones(_) => None,
            };
            let Some((class, heir)) = heir else {
                let name = String::from_utf8_lossy(found);
                return Err(self.wrong(format!("a pointer to {} leads to a {name}", target.class())));
            };
            let end = end.ok_or_else(|| self.wrong("an object has no byte count".to_owned()))?;
            valid.push(true);
            self.base_of(heir, class, inner)?;
            return self.buffer.skip_to(end);
        }
        valid.push(true);
        match target {
            Target::Object(class, _) => self.object(class, inner)?,
            Target::Clones(items) => self.clones(items, inner)?,
        }
        self.ends_at(end)
    }

    /// An object that was written before.
    fn referred(&mut self, place: usize, target: Target<'_>, column: &mut Column) -> Parse<()> {
        if !matches!(self.buffer.at(place).object()?, Object::Here { .. }) {
            return Err(self.wrong("a pointer refers to no object".to_owned()));
        }
        let there = self.buffer.at(place);
        let here = std::mem::replace(&mut self.buffer, there);
        self.pointer(target, column)?;
        let there = std::mem::replace(&mut self.buffer, here);
        self.spend(there.position().saturating_sub(place))
    }

    /// A pointer to a `TClonesArray` that is passed over.
    fn pointer_to_unseen(&mut self, items: &Items, column: &mut Column) -> Parse<()> {
        column.default(1);
        let (array, end) = match self.buffer.object()? {
            Object::Null => return Ok(()),
            Object::Reference { place } => (self.buffer.at(place).object().ok(), None),
            here @ Object::Here { place, end, .. } => {
                let end = end.ok_or_else(|| Malformed::new(place, "an object has no byte count"))?;
                (Some(here), Some(end))
            }
        };
        if let (Items::Unseen(place), Some(Object::Here { class, start, .. })) = (items, array)
            && class == CLONES.as_bytes()
        {
            let there = self.buffer.at(start);
            let here = std::mem::replace(&mut self.buffer, there);
            let head = self.clones_head();
            self.buffer = here;
            // What is passed over may be damaged.
            if let Ok(head) = head {
                self.found(place, head.class);
            }
        }
        end.map_or(Ok(()), |end| self.buffer.skip_to(end))
    }

    /// A `TClonesArray`: `TClonesArray::Streamer`.
    fn clones(&mut self, items: &Items, column: &mut Column) -> Parse<()> {
        let head = self.clones_head()?;
        let class = match items {
            Items::Of(class) => class,
            Items::Unseen(place) => {
                let end = head.end.ok_or_else(|| self.wrong("an object has no byte count".to_owned()))?;
                self.found(place, head.class);
                column.default(1);
                return self.buffer.skip_to(end);
            }
        };
        if head.class != class.name.as_bytes() {
            let found = String::from_utf8_lossy(head.class);
            // As the class was named where it was looked for.
            if plain(&found) != class.name {
                let reason = format!(
                    "a TClonesArray of {found} is where the first basket has one of {}: a column has one class",
                    class.name
                );
                return Err(self.wrong(reason));
            }
        }
        let Column::List { item, .. } = column else { return Ok(()) };
        let Column::Optional { valid, inner } = &mut **item else { return Ok(()) };
        if head.by_members {
            // Items of a class without members have no bytes of their own.
            self.spend(head.length)?;
            valid.resize(valid.len() + head.length, true);
            let newest = if head.version == 0 { class.programs.first() } else { None };
            if head.length > 0 {
                let program = newest.map_or_else(|| self.program(class, head.version, None), Ok)?;
                self.by_members(program, head.length, inner)?;
            } else if head.end.is_some_and(|end| end > self.position()) {
                let program = newest.map_or_else(|| self.program(class, head.version, None), Ok)?;
                self.no_objects(program, inner)?;
            }
        } else {
            for _ in 0..head.length {
                let there = self.flag()?;
                valid.push(there);
                if there { self.object(class, inner)? } else { self.default(inner, 1)? }
            }
        }
        column.close_list(head.length, self.position())?;
        self.ends_at(head.end)
    }

    fn clones_head(&mut self) -> Parse<ClonesHead<'a>> {
        let version = self.buffer.version()?;
        let bits = if version.number > 2 { self.buffer.tobject_bits()? } else { 0 };
        if version.number > 1 {
            self.buffer.tstring_bytes()?; // fName
        }
        let class = self.buffer.tstring_bytes()?;
        let class = self.buffer.short(class)?;
        // `zoo::Hit;3`: older arrays have no version there.
        let (class, of) = match class.iter().position(|&byte| byte == b';') {
            Some(at) => (&class[..at], &class[at + 1..]),
            None => (class, &[][..]),
        };
        let digits = std::str::from_utf8(of).ok().filter(|digits| !digits.is_empty()).unwrap_or("0");
        let of: u16 = digits.trim().parse().map_err(|_| {
            self.wrong(format!("{digits} is no version of class {}", String::from_utf8_lossy(class)))
        })?;
        // Old ones may have a negative length.
        let length = self.buffer.i32()?.unsigned_abs() as usize;
        self.buffer.i32()?; // fLowerBound
        let by_members = bits & if version.number == 3 { BY_MEMBERS_IN_3 } else { BY_MEMBERS } != 0;
        Ok(ClonesHead { class, version: of, by_members, length, end: version.end })
    }

    /// Keeps what the items of the array in `place` are.
    fn found(&mut self, place: &Arc<str>, class: &[u8]) {
        let class = String::from_utf8_lossy(class);
        match self.items.get_mut(place) {
            None => {
                self.items.insert(place.clone(), ItemClass::One(class.into_owned()));
            }
            Some(known) => {
                if let ItemClass::One(first) = known
                    && *first != class
                {
                    *known = ItemClass::Two(std::mem::take(first), class.into_owned());
                }
            }
        }
    }

    fn tobject(&mut self, column: &mut Column) -> Parse<()> {
        let (id, bits) = self.object_bits()?;
        if bits & IS_REFERENCED != 0 {
            self.buffer.u16()?;
        }
        if let Column::Struct { columns, len } | Column::Base { columns, len } = column
            && let [ids, all_bits] = &mut columns[..]
        {
            *len += 1;
            append(ids, &id.to_be_bytes());
            append(all_bits, &bits.to_be_bytes());
        }
        Ok(())
    }

    fn reference(&mut self, column: &mut Column) -> Parse<()> {
        /// `TRef::kHasUUID`: the process is named by a text.
        const HAS_UUID: u32 = 1 << 5;
        let (id, bits) = self.object_bits()?;
        if bits & HAS_UUID != 0 {
            self.buffer.tstring_bytes()?;
        } else {
            self.buffer.u16()?;
        }
        let Column::Struct { columns, len } = column else { return Ok(()) };
        *len += 1;
        columns.iter_mut().for_each(|column| append(column, &id.to_be_bytes()));
        Ok(())
    }

    fn references(&mut self, column: &mut Column) -> Parse<()> {
        let version = self.buffer.version()?;
        self.object_bits()?;
        let name = self.buffer.tstring_bytes()?;
        let length = self.length(0)?;
        self.buffer.i32()?; // fLowerBound
        self.buffer.u16()?; // the process that the objects are of
        let ids = self.buffer.items(length, size_of::<u32>())?;
        if let Column::Struct { columns, len } = column
            && let [names, sizes, lists] = &mut columns[..]
        {
            *len += 1;
            names.string(name, self.position())?;
            append(sizes, &(length as i32).to_be_bytes());
            if let Column::List { item, .. } = lists {
                append(item, ids);
            }
            lists.close_list(length, self.position())?;
        }
        self.ends_at(version.end)
    }

    fn object_bits(&mut self) -> Parse<(u32, u32)> {
        self.buffer.version()?;
        Ok((self.buffer.u32()?, self.buffer.u32()?))
    }
}

/// The field at a place, which may be inside of base classes.
fn counter<'c>(columns: &'c [Column], place: &[usize]) -> Option<&'c Column> {
    let (first, inside) = place.split_first()?;
    match (columns.get(*first)?, inside) {
        (column, []) => Some(column),
        (Column::Base { columns, .. }, inside) => counter(columns, inside),
        _ => None,
    }
}

/// Appends numbers as they are stored.
fn append(column: &mut Column, value: &[u8]) {
    if let Column::Numbers { bytes, .. } = column {
        bytes.extend_from_slice(value);
    }
}
