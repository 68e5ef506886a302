//! One branch's way through its baskets.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::{Array, ArrayRef, BinaryArray, FixedSizeListArray, ListArray, StructArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields};
use bytes::Bytes;

use super::basket::{Content, Head, Place, decompress, entry_starts};
use super::branch::Branch;
use super::element::{Stored, dispatch};
use super::interpretation::{Interpretation, Member, Run, fixed, item, product};
use super::object::{Column, Layout, Stream};
use super::plan::position;
use super::table::Table;
use super::tree::Tree;
use super::{Element, short};
use crate::root::Malformed;
use crate::root::codec::Decompressor;
use crate::{ColumnCost, Error, ReadPlan, Result};

/// What to do with a branch's bytes, with all that is the same for every batch.
pub(super) enum Decode {
    Fixed { element: Element, dims: Vec<usize>, each: usize },
    Struct { members: Vec<Member>, fields: Fields, stride: usize },
    Counted { counter: usize, leaf: usize, element: Element, dims: Vec<usize>, each: usize, item: FieldRef },
    Vector { element: Element, item: FieldRef },
    String { head: usize },
    CString,
    Streamed { layout: Arc<Layout>, values: DataType, run: Counts, item: FieldRef },
}

/// How many streamed values an entry has; those that count are a cursor and one of its leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counts {
    One,
    Counted(usize, usize),
    Pointer(usize, usize),
    Pointers(usize, usize),
}

/// How many values the entries of a batch have.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) offsets: OffsetBuffer<i32>,
    /// How many values each object has, where the entries are lists of objects.
    pub(super) objects: Option<OffsetBuffer<i32>>,
}

impl Counted {
    /// Those of the first `n` entries.
    fn first(&self, n: usize) -> Self {
        let offsets = self.offsets.slice(0, n);
        let objects = self.objects.as_ref().map(|objects| objects.slice(0, offsets[n] as usize));
        Self { offsets, objects }
    }
}

impl Decode {
    /// The cursor that counts, and which of its leaves.
    pub(super) fn counter(&self) -> Option<(usize, usize)> {
        match self {
            Self::Counted { counter, leaf, .. } => Some((*counter, *leaf)),
            Self::Streamed {
                run:
                    Counts::Counted(counter, leaf)
                    | Counts::Pointer(counter, leaf)
                    | Counts::Pointers(counter, leaf),
                ..
            } => Some((*counter, *leaf)),
            _ => None,
        }
    }

    /// How many bytes an entry has, where all have as many.
    fn stride(&self) -> Option<usize> {
        match self {
            Self::Fixed { element, each, .. } => each.checked_mul(element.size()),
            Self::Struct { stride, .. } => Some(*stride),
            _ => None,
        }
    }

    /// `cursor` gives the cursor of a branch.
    pub(super) fn new(interpretation: Interpretation, cursor: impl Fn(usize) -> usize) -> Self {
        match interpretation {
            Interpretation::Fixed { element, dims } => {
                Self::Fixed { element, each: product(&dims).unwrap_or(0), dims }
            }
            Interpretation::Struct { members } => Self::Struct {
                fields: Interpretation::fields(&members),
                stride: Interpretation::Struct { members: members.clone() }.stride().unwrap_or(0),
                members,
            },
            Interpretation::Counted { counter, element, dims } => Self::Counted {
                counter: cursor(counter.node),
                leaf: counter.leaf,
                element,
                each: product(&dims).unwrap_or(0),
                item: item(fixed(element, &dims)),
                dims,
            },
            Interpretation::Vector { element } => Self::Vector { element, item: item(element.data_type()) },
            Interpretation::String { head } => Self::String { head },
            Interpretation::CString => Self::CString,
            Interpretation::Streamed { layout, run } => {
                let values = layout.data_type();
                let run = match run {
                    Run::One => Counts::One,
                    Run::Counted(counter) => Counts::Counted(cursor(counter.node), counter.leaf),
                    Run::Pointer(counter) => Counts::Pointer(cursor(counter.node), counter.leaf),
                    Run::Pointers(counter) => Counts::Pointers(cursor(counter.node), counter.leaf),
                };
                Self::Streamed { item: layout.item(), layout, values, run }
            }
        }
    }
}

/// What a cursor finds wrong with a basket; it adds where.
type Reason<T> = Result<T, String>;

pub(super) struct Cursor<'a> {
    tree: &'a Tree,
    plan: &'a ReadPlan,
    bytes: &'a [Bytes],
    node: usize,
    branch: Arc<Branch>,
    decode: Arc<Decode>,
    /// The entry that comes next, once those before the first that is needed are passed over.
    entry: u64,
    /// The basket to load next.
    next: usize,
    /// The entries of the loaded basket, and how many of them are left.
    range: Range<u64>,
    left: u64,
    /// Its values: borrowed where they are not compressed, else the first `values` bytes of `buffer`.
    held: Option<&'a [u8]>,
    buffer: Vec<u8>,
    values: usize,
    /// The length of its key, from whose start references inside the values count.
    key_length: usize,
    /// Where its next entry begins.
    at: usize,
    /// Where each entry begins, if that must be known and is.
    starts: Vec<usize>,
    /// The table of entry offsets of the loaded basket, while it is to be verified.
    table: Option<Table>,
    /// What was spent on it.
    pub(super) cost: ColumnCost,
}

impl<'a> Cursor<'a> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        tree: &'a Tree,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        node: usize,
        branch: Arc<Branch>,
        decode: Decode,
        buffer: Vec<u8>,
        needed: Range<u64>,
    ) -> Self {
        let next = branch.baskets.overlapping(&needed).start;
        let (entry, range, decode) = (needed.start, needed.start..needed.start, Arc::new(decode));
        Self {
            tree,
            plan,
            bytes,
            node,
            branch,
            decode,
            entry,
            next,
            range,
            left: 0,
            held: None,
            buffer,
            values: 0,
            key_length: 0,
            at: 0,
            starts: Vec::new(),
            table: None,
            cost: ColumnCost::default(),
        }
    }

    pub(super) fn decode(&self) -> &Decode {
        &self.decode
    }

    pub(super) fn node(&self) -> usize {
        self.node
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Something wrong with the basket that is loaded.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        let basket = self.next.saturating_sub(1);
        let place = match self.branch.baskets.places.get(basket) {
            Some(Place::File(place)) => position(basket, place.start),
            _ => format!("basket {basket} in the record of the tree"),
        };
        self.tree.basket_error(self.node, self.range.clone(), place, reason)
    }

    /// Entries of the loaded basket that cannot be read.
    fn unreadable(&self, reason: String) -> Error {
        if self.values > 0 {
            return self.error(reason);
        }
        // ROOT writes such branches, of what it cannot split: its own values of them are any.
        let Range { start, end } = self.range;
        self.tree.unsupported(self.node, format!("nothing was written for its entries {start}..{end}"))
    }

    /// Makes sure that an entry is left, loading the next basket where none is.
    fn load(&mut self, codec: &mut Decompressor) -> Result<()> {
        while self.left == 0 {
            let basket = self.next;
            self.next += 1;
            let branch = self.branch.clone();
            let Some(place) = branch.baskets.places.get(basket) else {
                return Err(self.error(format!("no basket holds entry {}", self.range.end)));
            };
            self.range = branch.baskets.range(basket);
            self.at = 0;
            self.starts.clear();
            self.table = None;
            self.left = self.range.end - self.range.start;
            if self.left == 0 {
                continue;
            }
            let loaded = match place {
                Place::File(place) => self.load_record(place, codec),
                Place::Tree { values, key_length, table } => {
                    let record: &'a [u8] = self.tree.record_bytes();
                    self.held = record.get(values.clone());
                    self.values = values.len();
                    self.key_length = *key_length;
                    // It was read with the tree.
                    self.cost.add_piece(0, values.len());
                    match (self.held, record.get(table.clone())) {
                        (Some(_), Some(table)) => self.find_entries(table, false),
                        _ => Err("it passes the end of the tree's record".to_owned()),
                    }
                }
            };
            loaded.map_err(|reason| self.error(reason))?;
        }
        Ok(())
    }

    /// The bytes of a basket with its key, decompressed if it was unpacked; and whether it was.
    fn record(&self, place: &Range<u64>) -> Reason<(&'a [u8], bool)> {
        let plan = self.plan;
        let at =
            plan.ranges.binary_search_by_key(&(place.start, place.end), |range| (range.start, range.end));
        let at = at.map_err(|_| "the plan does not have it")?;
        Ok(plan.unpacked.get(&at).map_or((&self.bytes[at], false), |unpacked| (unpacked, true)))
    }

    fn load_record(&mut self, place: &Range<u64>, codec: &mut Decompressor) -> Reason<()> {
        let (record, unpacked) = self.record(place)?;
        let head = Head::read(record).map_err(|wrong| format!("its key is damaged: {}", wrong.reason))?;
        head.agrees(place, self.range.end - self.range.start, self.decode.stride())?;
        self.tree.owns(self.node, head.name, place)?;
        if !unpacked {
            self.cost.add_piece(record.len(), head.object_length);
        }
        self.values = head.values;
        self.key_length = head.key_length;
        // The table of entry offsets behind the values is hardly ever needed.
        let bytes = if matches!(*self.decode, Decode::CString) { head.object_length } else { head.values };
        let leave = self.knows_table(&head);
        let Self { cost, buffer, .. } = self;
        match cost.decompressing(|| decompress(record, &head, bytes, codec, buffer, leave))? {
            Content::Record(range) => self.held = record.get(range),
            Content::Out(sum) => {
                self.held = None;
                let entries = self.range.end - self.range.start;
                self.table = sum.map(|sum| Table::new(sum, self.key_length, self.values, entries));
            }
        }
        if self.held.is_none() && self.buffer.len() < self.values {
            return Err(format!("it has {} of {} bytes", self.buffer.len(), self.values));
        }
        if bytes > head.values {
            const COUNT: usize = 4;
            let all = self.held.unwrap_or(&self.buffer);
            let table = all.get(head.values + COUNT..bytes).unwrap_or_default().to_vec();
            self.find_entries(&table, head.sizes)?;
        }
        Ok(())
    }

    /// Whether the loaded basket's table of entry offsets will be known when its last entry has been taken.
    fn knows_table(&self, head: &Head<'_>) -> bool {
        let length = Table::length(self.range.end - self.range.start);
        matches!(*self.decode, Decode::Counted { .. })
            && self.range.end <= self.plan.entries.end
            && !head.sizes
            && length == Some(head.object_length - head.values)
            && !self.branch.odd_tables.load(Ordering::Relaxed)
    }

    /// Verifies the loaded basket, of which all entries were taken, if that is still to be done.
    fn verify(&mut self, codec: &mut Decompressor) -> Reason<()> {
        if self.table.take().is_none_or(|table| table.agrees()) {
            return Ok(());
        }
        let Some(Place::File(place)) = self.branch.baskets.places.get(self.next - 1) else { return Ok(()) };
        let (record, _) = self.record(place)?;
        let head = Head::read(record).map_err(|wrong| format!("its key is damaged: {}", wrong.reason))?;
        let mut whole = Vec::new();
        let all = head.object_length;
        self.cost.decompressing(|| decompress(record, &head, all, codec, &mut whole, false))?;
        if whole.get(..self.values) != self.buffer.get(..self.values) {
            return Err("it does not match its checksum".to_owned());
        }
        // It is the table that is written in another way.
        self.branch.odd_tables.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Finds where the entries of the loaded basket begin, if that is needed.
    fn find_entries(&mut self, table: &[u8], sizes: bool) -> Reason<()> {
        if matches!(*self.decode, Decode::CString) {
            let entries = self.range.end - self.range.start;
            self.starts = entry_starts(table, sizes, self.key_length, entries, self.values)?;
        }
        Ok(())
    }

    /// The first entry of the basket with which the cursor begins; the first that is needed where no basket has it.
    pub(super) fn first_of_basket(&self) -> u64 {
        let baskets = &self.branch.baskets;
        if self.next < baskets.places.len() { baskets.starts[self.next] } else { self.entry }
    }

    /// Gives `take` the entries of one basket after another, `n` in all: which of the `n` they are,
    /// and the bytes from the first on. It answers how many bytes they take.
    fn each(
        &mut self,
        n: usize,
        codec: &mut Decompressor,
        mut take: impl FnMut(Range<usize>, &[u8]) -> Reason<usize>,
    ) -> Result<()> {
        self.walk(n, None, codec, |entries, values, at, _| take(entries, &values[at..]))
    }

    /// The same where an entry has so many objects of `size` bytes as the offsets say, if given.
    fn each_counted(
        &mut self,
        n: usize,
        offsets: Option<&OffsetBuffer<i32>>,
        size: usize,
        codec: &mut Decompressor,
        mut take: impl FnMut(Range<usize>, &[u8]) -> Reason<usize>,
    ) -> Result<()> {
        let counted = offsets.map(|offsets| (&**offsets, size));
        self.walk(n, counted, codec, |entries, values, at, _| take(entries, &values[at..]))
    }

    /// The same with all values of the basket, where in them the first entry lies, and the length of
    /// the key before them.
    fn each_at(
        &mut self,
        n: usize,
        codec: &mut Decompressor,
        take: impl FnMut(Range<usize>, &[u8], usize, usize) -> Reason<usize>,
    ) -> Result<()> {
        self.walk(n, None, codec, take)
    }

    fn walk(
        &mut self,
        n: usize,
        counted: Option<(&[i32], usize)>,
        codec: &mut Decompressor,
        mut take: impl FnMut(Range<usize>, &[u8], usize, usize) -> Reason<usize>,
    ) -> Result<()> {
        let mut done = 0;
        while done < n {
            self.load(codec)?;
            let now = self.left.min((n - done) as u64) as usize;
            let values = self.held.unwrap_or(&self.buffer);
            let used = take(done..done + now, &values[..self.values], self.at, self.key_length)
                .map_err(|reason| self.unreadable(reason))?;
            if let (Some(table), Some((offsets, size))) = (&mut self.table, counted) {
                table.follow(self.at, &offsets[done..=done + now], size);
            }
            self.at += used;
            self.left -= now as u64;
            done += now;
            if self.left == 0 {
                self.verify(codec).map_err(|reason| self.error(reason))?;
                if self.at != self.values {
                    let rest = self.values - self.at;
                    return Err(self.error(format!("{rest} of its {} bytes belong to no entry", self.values)));
                }
            }
        }
        Ok(())
    }

    /// Passes over the entries before `entry`, which is in the first basket.
    pub(super) fn skip_to(&mut self, entry: u64, codec: &mut Decompressor) -> Result<()> {
        let n = entry.saturating_sub(self.first_of_basket()) as usize;
        let decode = self.decode.clone();
        if let Decode::Streamed { layout, run: Counts::One, .. } = &*decode {
            return self.objects(n, layout, Counts::One, None, codec).map(drop);
        }
        if let Decode::CString = &*decode {
            return self.c_strings(n, codec).map(drop);
        }
        self.each(n, codec, |entries, rest| match &*decode {
            Decode::Fixed { element, each, .. } => stretch(rest, entries.len(), each * element.size()),
            Decode::Struct { stride, .. } => stretch(rest, entries.len(), *stride),
            Decode::Vector { element, .. } => {
                entries.into_iter().try_fold(0, |at, _| Ok(at + vector_entry(&rest[at..], element.size())?))
            }
            Decode::String { head } => {
                entries.into_iter().try_fold(0, |at, _| Ok(at + string_entry(&rest[at..], *head)?.end))
            }
            Decode::Streamed { .. } | Decode::Counted { .. } | Decode::CString => {
                Err("it is skipped without its counter".to_owned())
            }
        })
    }

    /// Passes over the entries whose values `offsets` counts, at the start of the first basket.
    pub(super) fn skip_counted(&mut self, counted: &Counted, codec: &mut Decompressor) -> Result<()> {
        self.load(codec)?;
        let (decode, offsets) = (self.decode.clone(), &counted.offsets);
        if let Decode::Streamed { layout, run, .. } = &*decode {
            return self.objects(offsets.len() - 1, layout, *run, Some(counted), codec).map(drop);
        }
        let Decode::Counted { element, each, .. } = &*decode else { return Ok(()) };
        let count = offsets[offsets.len() - 1] as usize;
        let rest = self.values - self.at;
        let size = each * element.size();
        match count.checked_mul(size).filter(|bytes| *bytes <= rest) {
            Some(bytes) => {
                if let Some(table) = &mut self.table {
                    table.follow(self.at, offsets, size);
                }
                self.at += bytes;
            }
            None => return Err(self.error(too_few(rest, count, size))),
        }
        self.left = self.left.saturating_sub(offsets.len() as u64 - 1);
        Ok(())
    }

    /// The next `n` entries, those behind the branch's last filled up. `counted` are those of a counted branch.
    pub(super) fn next(
        &mut self,
        n: usize,
        counted: Option<&Counted>,
        codec: &mut Decompressor,
    ) -> Result<ArrayRef> {
        let held = self.branch.baskets.entries().saturating_sub(self.entry);
        self.entry += n as u64;
        if held >= n as u64 {
            return self.take(n, counted, codec);
        }
        let present =
            self.take(held as usize, counted.map(|all| all.first(held as usize)).as_ref(), codec)?;
        short::filled(&present, n, counted.map(|all| &all.offsets)).map_err(|reason| self.error(reason))
    }

    fn take(&mut self, n: usize, counted: Option<&Counted>, codec: &mut Decompressor) -> Result<ArrayRef> {
        let decode = self.decode.clone();
        let offsets = counted.map(|counted| &counted.offsets);
        match &*decode {
            Decode::Fixed { element, dims, each } => {
                let array = dispatch!(*element,
                    T => self.numbers::<T>(n, *each, None, codec),
                    packed => Ok(packed.array(&self.raw(n, *each, packed.size(), None, codec)?)))?;
                Ok(nest(array, dims))
            }
            Decode::Counted { element, dims, each, item, .. } => {
                let offsets = offsets.ok_or_else(|| self.error("its counter was not decoded"))?;
                let array = dispatch!(*element,
                    T => self.numbers::<T>(n, *each, Some(offsets), codec),
                    packed => Ok(packed.array(&self.raw(n, *each, packed.size(), Some(offsets), codec)?)))?;
                Ok(Arc::new(ListArray::new(item.clone(), offsets.clone(), nest(array, dims), None)))
            }
            Decode::Struct { members, fields, stride } => self.records(n, members, fields, *stride, codec),
            Decode::Vector { element, item } => {
                let (offsets, array) = dispatch!(*element,
                    T => self.vectors::<T>(n, codec),
                    _packed => Err(self.error("a vector holds whole numbers only")))?;
                Ok(Arc::new(ListArray::new(item.clone(), offsets, array, None)))
            }
            Decode::String { head } => self.strings(n, *head, codec),
            Decode::CString => self.c_strings(n, codec),
            Decode::Streamed { layout, values, run, item } => {
                let (column, lengths) = self.objects(n, layout, *run, counted, codec)?;
                let values = column.finish(values);
                let offsets = match run {
                    Counts::One => return Ok(values),
                    // The very offsets of the counter, so that its columns are seen to belong together.
                    Counts::Counted(..) => offsets.cloned(),
                    Counts::Pointer(..) => Some(OffsetBuffer::from_lengths(lengths)),
                    Counts::Pointers(..) => {
                        let offsets = offsets.ok_or_else(|| self.error("its counter was not decoded"))?;
                        let lists =
                            ListArray::new(item.clone(), OffsetBuffer::from_lengths(lengths), values, None);
                        let field = crate::ttree::interpretation::item(lists.data_type().to_owned());
                        return Ok(Arc::new(ListArray::new(field, offsets.clone(), Arc::new(lists), None)));
                    }
                };
                let offsets = offsets.ok_or_else(|| self.error("its counter was not decoded"))?;
                Ok(Arc::new(ListArray::new(item.clone(), offsets, values, None)))
            }
        }
    }

    /// Streamed values of `n` entries, and how many there are behind each pointer.
    fn objects(
        &mut self,
        n: usize,
        layout: &Layout,
        run: Counts,
        counted: Option<&Counted>,
        codec: &mut Decompressor,
    ) -> Result<(Column, Vec<usize>)> {
        let mut column = Column::new(layout);
        let mut lengths = Vec::new();
        let offsets = counted.map(|counted| &counted.offsets);
        if let (Counts::Pointers(..), Some(counted)) = (run, counted) {
            self.pointers(n, layout, counted, &mut column, &mut lengths, codec)?;
            return Ok((column, lengths));
        }
        let count = |entry: usize| match offsets {
            Some(offsets) => (offsets[entry + 1] - offsets[entry]) as usize,
            None => 1,
        };
        self.each_at(n, codec, |entries, values, at, key_length| {
            let mut stream = Stream::new(values, key_length, at);
            for entry in entries {
                let count = match run {
                    Counts::Pointer(..) if !stream.flag().map_err(wrong)? => 0,
                    _ => count(entry),
                };
                if matches!(run, Counts::Pointer(..)) {
                    lengths.push(count);
                }
                // Of no object nothing is stored; a member that is a collection has its version even so.
                if count > 0 || matches!(layout, Layout::Headed(_)) {
                    stream.run(layout, count, &mut column).map_err(wrong)?;
                }
            }
            Ok(stream.position() - at)
        })?;
        Ok((column, lengths))
    }

    /// Values behind pointers that are members of the objects of a collection.
    fn pointers(
        &mut self,
        n: usize,
        layout: &Layout,
        counted: &Counted,
        column: &mut Column,
        lengths: &mut Vec<usize>,
        codec: &mut Decompressor,
    ) -> Result<()> {
        let Some(counts) = &counted.objects else {
            return Err(self.error("its counter was not decoded"));
        };
        self.each_at(n, codec, |entries, values, at, key_length| {
            let mut stream = Stream::new(values, key_length, at);
            for object in counted.offsets[entries.start] as usize..counted.offsets[entries.end] as usize {
                let there = stream.flag().map_err(wrong)?;
                let count = if there { (counts[object + 1] - counts[object]) as usize } else { 0 };
                lengths.push(count);
                stream.run(layout, count, column).map_err(wrong)?;
            }
            Ok(stream.position() - at)
        })
    }

    /// Numbers that lie behind each other: `each` per entry, or per object that `offsets` counts.
    fn numbers<T: Stored>(
        &mut self,
        n: usize,
        each: usize,
        offsets: Option<&OffsetBuffer<i32>>,
        codec: &mut Decompressor,
    ) -> Result<ArrayRef> {
        let mut values = Vec::new();
        let count = |entries: &Range<usize>| match offsets {
            Some(offsets) => (offsets[entries.end] - offsets[entries.start]) as usize,
            None => entries.len(),
        };
        let whole = count(&(0..n)).saturating_mul(each);
        let size = each * T::SIZE;
        self.each_counted(n, offsets, size, codec, |entries, rest| {
            let used = stretch(rest, count(&entries), size)?;
            // All at once, where what was seen makes it plausible that they come.
            let room = if whole / 4 * T::SIZE <= rest.len() { whole } else { used / T::SIZE };
            if values.is_empty() {
                values.reserve_exact(room);
            }
            T::extend(&mut values, &rest[..used]);
            Ok(used)
        })?;
        Ok(T::array(values))
    }

    /// The bytes of such numbers.
    fn raw(
        &mut self,
        n: usize,
        each: usize,
        size: usize,
        offsets: Option<&OffsetBuffer<i32>>,
        codec: &mut Decompressor,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.each_counted(n, offsets, each * size, codec, |entries, rest| {
            let count = match offsets {
                Some(offsets) => (offsets[entries.end] - offsets[entries.start]) as usize,
                None => entries.len(),
            };
            let used = stretch(rest, count, each * size)?;
            bytes.extend_from_slice(&rest[..used]);
            Ok(used)
        })?;
        Ok(bytes)
    }

    fn records(
        &mut self,
        n: usize,
        members: &[Member],
        fields: &Fields,
        stride: usize,
        codec: &mut Decompressor,
    ) -> Result<ArrayRef> {
        let mut records = Vec::new();
        self.each(n, codec, |entries, rest| {
            let used = stretch(rest, entries.len(), stride)?;
            records.extend_from_slice(&rest[..used]);
            Ok(used)
        })?;
        let mut at = 0;
        let columns = members.iter().map(|member| {
            let place = at..at + member.size().unwrap_or(0);
            at = place.end;
            let array = dispatch!(member.element,
                T => column::<T>(&records, stride, place),
                packed => packed.array(&gathered(&records, stride, place)));
            nest(array, &member.dims)
        });
        Ok(Arc::new(StructArray::new(fields.clone(), columns.collect(), None)))
    }

    fn vectors<T: Stored>(
        &mut self,
        n: usize,
        codec: &mut Decompressor,
    ) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
        let mut values = Vec::new();
        let mut offsets = vec![0];
        self.each(n, codec, |entries, rest| {
            let mut at = 0;
            // Every entry has a head: more entries than that are refused before memory is taken.
            stretch(rest, entries.len(), VECTOR_HEAD)?;
            offsets.reserve(entries.len());
            for _ in entries {
                let end = at + vector_entry(&rest[at..], T::SIZE)?;
                T::extend(&mut values, &rest[at + VECTOR_HEAD..end]);
                at = end;
                offsets.push(values.len() as i32);
            }
            fits(values.len())?;
            Ok(at)
        })?;
        Ok((OffsetBuffer::new(ScalarBuffer::from(offsets)), T::array(values)))
    }

    fn strings(&mut self, n: usize, head: usize, codec: &mut Decompressor) -> Result<ArrayRef> {
        let mut values = Vec::new();
        let mut offsets = vec![0];
        self.each(n, codec, |entries, rest| {
            let mut at = 0;
            stretch(rest, entries.len(), head + 1)?;
            offsets.reserve(entries.len());
            for _ in entries {
                let entry = string_entry(&rest[at..], head)?;
                values.extend_from_slice(&rest[at + entry.start..at + entry.end]);
                at += entry.end;
                offsets.push(values.len() as i32);
            }
            fits(values.len())?;
            Ok(at)
        })?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(BinaryArray::new(offsets, Buffer::from(values), None)))
    }

    /// C strings. An empty one may take no byte, not even for its length: the table of entry offsets says so.
    fn c_strings(&mut self, n: usize, codec: &mut Decompressor) -> Result<ArrayRef> {
        let mut texts = Vec::new();
        let mut offsets = vec![0];
        while offsets.len() <= n {
            self.load(codec)?;
            let starts = std::mem::take(&mut self.starts);
            let first = (self.range.end - self.range.start - self.left) as usize;
            let now = self.left.min((n + 1 - offsets.len()) as u64) as usize;
            let found = self.each_at(now, codec, |entries, values, at, _| {
                let mut end = at;
                for entry in first..first + entries.len() {
                    let bounds = starts.get(entry).copied().zip(starts.get(entry + 1).copied());
                    let (start, all) = bounds.unwrap_or((end, values.len()));
                    if bounds.is_none() || start < all {
                        let text = string_entry(&values[start..all], 0)?;
                        texts.extend_from_slice(&values[start + text.start..start + text.end]);
                        end = start + text.end;
                    }
                    if bounds.is_some_and(|(_, all)| end != all) {
                        return Err(format!("a string at byte {start} ends at {end} instead of {all}"));
                    }
                    offsets.push(texts.len() as i32);
                }
                fits(texts.len())?;
                Ok(end - at)
            });
            self.starts = starts;
            found?;
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(BinaryArray::new(offsets, Buffer::from(texts), None)))
    }
}

/// The byte count, the version and the number of values before a `std::vector`.
const VECTOR_HEAD: usize = 10;

fn wrong(wrong: Malformed) -> String {
    format!("{} (its byte {})", wrong.reason, wrong.at)
}

/// How many bytes the vector at the start of `rest` takes.
#[inline]
fn vector_entry(rest: &[u8], size: usize) -> Reason<usize> {
    let Some(head) = rest.first_chunk::<VECTOR_HEAD>() else {
        return Err(format!("a vector begins {} bytes before the end", rest.len()));
    };
    let count = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) & 0x3FFF_FFFF;
    let values = u32::from_be_bytes([head[6], head[7], head[8], head[9]]);
    let end = VECTOR_HEAD + values as usize * size;
    if count as usize + 4 != end || head[4] & 0x40 != 0 {
        return Err(format!("a vector of {values} values of {size} bytes says that it has {count} bytes"));
    }
    if end > rest.len() {
        return Err(format!("a vector of {values} values has {} bytes left", rest.len()));
    }
    Ok(end)
}

/// Where in `rest` the first string lies, behind its length.
#[inline]
fn string_entry(rest: &[u8], head: usize) -> Reason<Range<usize>> {
    let ends = || format!("a string begins {} bytes before the end", rest.len());
    let (start, length) = match rest.get(head).ok_or_else(ends)? {
        255 => {
            let length = rest.get(head + 1..head + 5).ok_or_else(ends)?;
            (head + 5, u32::from_be_bytes(length.try_into().unwrap()) as usize)
        }
        short => (head + 1, usize::from(*short)),
    };
    if length > rest.len() - start {
        return Err(format!("a string of {length} bytes has {} left", rest.len() - start));
    }
    Ok(start..start + length)
}

/// How many bytes `count` items take, if so many are left.
fn stretch(rest: &[u8], count: usize, size: usize) -> Reason<usize> {
    count.checked_mul(size).filter(|used| *used <= rest.len()).ok_or_else(|| too_few(rest.len(), count, size))
}

fn too_few(rest: usize, count: usize, size: usize) -> String {
    format!("{count} values of {size} bytes are expected and {rest} bytes are left")
}

fn fits(values: usize) -> Reason<()> {
    if values <= i32::MAX as usize {
        return Ok(());
    }
    Err(format!("a batch of {values} values is too large: ask for fewer entries at once"))
}

/// One member of fixed-size records.
fn column<T: Stored>(records: &[u8], stride: usize, place: Range<usize>) -> ArrayRef {
    let mut values = Vec::with_capacity(records.len() / stride * (place.len() / T::SIZE));
    for record in records.chunks_exact(stride) {
        T::extend(&mut values, &record[place.clone()]);
    }
    T::array(values)
}

/// The bytes of one member of fixed-size records.
fn gathered(records: &[u8], stride: usize, place: Range<usize>) -> Vec<u8> {
    records.chunks_exact(stride).flat_map(|record| &record[place.clone()]).copied().collect()
}

/// Puts fixed dimensions around numbers.
fn nest(numbers: ArrayRef, dims: &[usize]) -> ArrayRef {
    dims.iter().rev().fold(numbers, |inner, &dim| {
        let field = item(inner.data_type().clone());
        // `product` has bounded the dimensions.
        Arc::new(FixedSizeListArray::new(field, i32::try_from(dim).unwrap_or(1), inner, None))
    })
}
