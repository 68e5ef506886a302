//! Batches of Arrow columns from the bytes of pages.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, ListArray, NullArray, StructArray,
    UInt32Array, UInt64Array, UnionArray, make_array,
};
use arrow_buffer::{BooleanBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_data::transform::MutableArrayData;
use bytes::Bytes;
use hep_columns::Batch;

use super::cursor::{Cursor, Given, Reason, Segment, Stretch, Zeros};
use super::encoding::{Element, Value};
use super::ntuple::Ntuple;
use super::steps::{Build, Leaf, Scope, Steps};
use crate::root::codec::Decompressor;
use crate::{Batches, Error, ReadPlan, Result, Scratch};

/// Memory for this many values is taken before they are seen.
const ROOM: usize = 1 << 20;

/// The batches of a plan.
pub(super) struct Decoder<'a> {
    ntuple: &'a Ntuple,
    left: Range<u64>,
    steps: Steps,
    /// How each scope is found, as [`Steps::scopes`].
    scopes: Vec<ScopeReader<'a>>,
    /// The cursor of each leaf, as [`Steps::leaves`].
    leaves: Vec<Cursor<'a>>,
    columns: &'a [String],
    names: Arc<HashMap<String, usize>>,
    zeros: Zeros,
    scratch: &'a mut Scratch,
}

enum ScopeReader<'a> {
    List(Ends<'a>),
    Switch(Cursor<'a>),
    /// It follows from other scopes.
    Derived,
}

impl<'a> ScopeReader<'a> {
    fn cursor(&mut self) -> Option<&mut Cursor<'a>> {
        match self {
            Self::List(ends) => Some(&mut ends.cursor),
            Self::Switch(cursor) => Some(cursor),
            Self::Derived => None,
        }
    }
}

/// A stretch of a cursor's time.
struct Timed(Option<(Instant, Duration)>);

impl Timed {
    fn begin(cursor: Option<&mut Cursor<'_>>) -> Self {
        Self(cursor.map(|cursor| (Instant::now(), cursor.cost.decompress)))
    }

    fn end(self, cursor: Option<&mut Cursor<'_>>) {
        if let (Some((begun, decompressed)), Some(cursor)) = (self.0, cursor) {
            cursor.cost.add_decoding(begun.elapsed(), decompressed);
        }
    }
}

/// The elements of a scope in a batch.
#[derive(Default)]
struct Found {
    segments: Vec<Segment>,
    /// How many elements there are in all segments.
    length: usize,
    /// For a list's scope: where each list of the parent's begins and ends.
    offsets: Option<OffsetBuffer<i32>>,
    /// For a switch's scope: what each element is.
    switch: Option<Switched>,
}

struct Switched {
    numbers: ScalarBuffer<i8>,
    offsets: ScalarBuffer<i32>,
    nothing: usize,
    alternatives: Vec<(Vec<Segment>, usize)>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        ntuple: &'a Ntuple,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        scratch: &'a mut Scratch,
    ) -> Result<Self> {
        if !plan.fits(bytes) {
            return Err(Error::Format {
                path: ntuple.file().path().to_owned(),
                what: "a plan".to_owned(),
                at: plan.ranges.first().map_or(0, |range| range.start),
                reason: "the bytes given are not those it asked for".to_owned(),
            });
        }
        ntuple.check_range(&plan.entries)?;
        let steps = ntuple.steps(&plan.columns)?;
        let given = Given { ntuple, plan, bytes };
        let zeros = Zeros::new();
        let mut cursor = |column: usize, each: Option<u64>| {
            Cursor::new(given, column, each, &zeros, scratch.baskets.pop().unwrap_or_default())
        };
        let scopes = steps
            .scopes
            .iter()
            .map(|scope| {
                Ok(match *scope {
                    Scope::List { parent, ends } => {
                        ScopeReader::List(Ends::new(cursor(ends, steps.each(parent))?))
                    }
                    Scope::Switch { parent, switch, .. } => {
                        ScopeReader::Switch(cursor(switch, steps.each(parent))?)
                    }
                    Scope::Entries | Scope::Array { .. } | Scope::Alternative { .. } => ScopeReader::Derived,
                })
            })
            .collect::<Result<_>>()?;
        let leaves = steps.leaves.iter();
        let leaves = leaves.map(|leaf| cursor(leaf.column, steps.each(leaf.scope))).collect::<Result<_>>()?;
        let names = plan.columns.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let (left, columns, names) = (plan.entries.clone(), &plan.columns[..], Arc::new(names));
        Ok(Self { ntuple, left, steps, scopes, leaves, columns, names, zeros, scratch })
    }

    /// The entries of `range`, by cluster.
    fn entries(&self, range: &Range<u64>) -> Found {
        let clusters = self.ntuple.clusters();
        let segments = self.ntuple.overlapping(range).filter_map(|cluster| {
            let entries = &clusters[cluster].entries;
            let elements = range.start.max(entries.start) - entries.start
                ..range.end.min(entries.end).max(entries.start) - entries.start;
            (!elements.is_empty()).then_some(Segment { cluster, elements })
        });
        let length = (range.end - range.start) as usize;
        Found { segments: segments.collect(), length, ..Found::default() }
    }

    /// The elements of every scope.
    fn found(&mut self, range: &Range<u64>) -> Result<Vec<Found>> {
        let mut found: Vec<Found> = Vec::with_capacity(self.scopes.len());
        for (at, scope) in self.steps.scopes.iter().enumerate() {
            let codec = &mut self.scratch.codec;
            let timed = Timed::begin(self.scopes[at].cursor());
            let next = match (*scope, &mut self.scopes[at]) {
                (Scope::List { parent, .. }, ScopeReader::List(ends)) => ends.next(&found[parent], codec)?,
                (Scope::Switch { parent, alternatives, .. }, ScopeReader::Switch(cursor)) => {
                    switched(cursor, &found[parent], alternatives, codec)?
                }
                (Scope::Array { parent, each }, _) => {
                    let inner = array(&found[parent], each);
                    let reason = || {
                        let n = found[parent].length;
                        format!(
                            "{n} arrays of {each} values are too large for a batch: ask for fewer entries at once"
                        )
                    };
                    inner.ok_or_else(|| self.ntuple.batch_error(&self.columns.join(", "), range, reason()))?
                }
                (Scope::Alternative { switch, number }, _) => {
                    let chosen = found[switch].switch.as_mut();
                    let chosen = chosen.and_then(|chosen| chosen.alternatives.get_mut(number - 1));
                    let (segments, length) = chosen.map(std::mem::take).unwrap_or_default();
                    Found { segments, length, ..Found::default() }
                }
                _ => self.entries(range),
            };
            timed.end(self.scopes[at].cursor());
            found.push(next);
        }
        Ok(found)
    }
}

impl Batches for Decoder<'_> {
    fn next(&mut self, entries: usize) -> Result<Option<Batch>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let n = (self.left.end - self.left.start).min(entries.max(1) as u64);
        let range = self.left.start..self.left.start + n;
        self.zeros.renew();
        let found = self.found(&range)?;
        let mut numbers = Vec::with_capacity(self.leaves.len());
        for (leaf, cursor) in self.steps.leaves.iter().zip(&mut self.leaves) {
            let timed = Timed::begin(Some(cursor));
            numbers.push(read_leaf(leaf, cursor, &found[leaf.scope], &mut self.scratch.codec)?);
            timed.end(Some(cursor));
        }
        let columns = self.steps.columns.iter().zip(self.columns).map(|(build, name)| {
            let column = put_together(build, &found, &numbers).and_then(|column| match column.len() as u64 {
                length if length == n => Ok(column),
                length => Err(format!("there are {length} values for {n} entries")),
            });
            column.map_err(|reason| self.ntuple.batch_error(name, &range, reason))
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        self.left.start = range.end;
        Ok(Some(Batch::new(range, self.names.clone(), columns)))
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        let scopes = self.scopes.drain(..).filter_map(|scope| match scope {
            ScopeReader::List(ends) => Some(ends.cursor),
            ScopeReader::Switch(cursor) => Some(cursor),
            ScopeReader::Derived => None,
        });
        for cursor in scopes.chain(self.leaves.drain(..)) {
            self.scratch.costs.add(&self.ntuple.cost_name(cursor.column()), &cursor.cost);
            self.scratch.baskets.push(cursor.into_buffer());
        }
    }
}

/// The ends of lists, page by page.
struct Ends<'a> {
    cursor: Cursor<'a>,
    /// Those of the page of that number.
    ends: Vec<u64>,
    page: Option<usize>,
    /// The last end given, by cluster and position behind it.
    last: Option<(usize, u64, u64)>,
}

impl<'a> Ends<'a> {
    fn new(cursor: Cursor<'a>) -> Self {
        Self { cursor, ends: Vec::new(), page: None, last: None }
    }

    /// The items of the lists that are in `parent`.
    fn next(&mut self, parent: &Found, codec: &mut Decompressor) -> Result<Found> {
        let mut offsets = Vec::with_capacity(parent.length.min(ROOM) + 1);
        offsets.push(0_i32);
        let mut segments = Vec::with_capacity(parent.segments.len());
        let mut total = 0_u64;
        for segment in &parent.segments {
            let items = self.segment(segment, total, &mut offsets, codec)?;
            total += items.end - items.start;
            if !items.is_empty() {
                segments.push(Segment { cluster: segment.cluster, elements: items });
            }
        }
        let offsets = Some(OffsetBuffer::new(ScalarBuffer::from(offsets)));
        Ok(Found { segments, length: total as usize, offsets, switch: None })
    }

    /// Appends the offsets of the lists in `segment`, of which `before` items come first, and
    /// returns their items.
    fn segment(
        &mut self,
        segment: &Segment,
        before: u64,
        offsets: &mut Vec<i32>,
        codec: &mut Decompressor,
    ) -> Result<Range<u64>> {
        let Self { cursor, ends, page: decoded, last } = self;
        let mut start = match *last {
            _ if segment.elements.start == 0 => Some(0),
            Some((cluster, position, end))
                if (cluster, position) == (segment.cluster, segment.elements.start) =>
            {
                Some(end)
            }
            _ => None,
        };
        // The list before says where the first one begins.
        let first = segment.elements.start - u64::from(start.is_none());
        let wanted = Segment { cluster: segment.cluster, elements: first..segment.elements.end };
        let mut previous = start.unwrap_or(0);
        cursor.each(&wanted, codec, |stretch| {
            let all = match stretch {
                Stretch::Zeros(mut count) => {
                    if start.is_none() {
                        start = Some(0);
                        count -= 1;
                    }
                    let now = offsets.last().copied().unwrap_or(0);
                    offsets.resize(offsets.len() + count, now);
                    return Ok(());
                }
                Stretch::Page { number, encoding, page, elements } => {
                    if *decoded != Some(number) {
                        page.ends(encoding, ends);
                        *decoded = Some(number);
                    }
                    &ends[elements]
                }
            };
            let (begin, all) = match (start, all) {
                (None, [first, rest @ ..]) => {
                    previous = *first;
                    (*first, rest)
                }
                (start, all) => (start.unwrap_or(0), all),
            };
            start = Some(begin);
            let Some(&end) = all.last() else { return Ok(()) };
            // No early exit: the loop stays simple enough to be fast.
            let grows = all.windows(2).fold(all[0] >= previous, |grows, pair| grows & (pair[0] <= pair[1]));
            if !grows {
                return Err("its lists end before they begin".to_owned());
            }
            if (end - begin).saturating_add(before) > i32::MAX as u64 {
                let items = (end - begin).saturating_add(before);
                return Err(format!("a batch of {items} values is too large: ask for fewer entries at once"));
            }
            offsets.extend(all.iter().map(|&end| (before + (end - begin)) as i32));
            previous = end;
            Ok(())
        })?;
        *last = Some((segment.cluster, segment.elements.end, previous));
        Ok(start.unwrap_or(0)..previous)
    }
}

/// `each` elements for each of `parent`; none where they are too many.
fn array(parent: &Found, each: u64) -> Option<Found> {
    let mut segments = Vec::with_capacity(parent.segments.len());
    for Segment { cluster, elements } in &parent.segments {
        let elements = elements.start.checked_mul(each)?..elements.end.checked_mul(each)?;
        segments.push(Segment { cluster: *cluster, elements });
    }
    let length = parent.length.checked_mul(usize::try_from(each).ok()?)?;
    (length <= i32::MAX as usize).then_some(Found { segments, length, ..Found::default() })
}

/// Which alternative each element of `parent` is, and what elements that alternative has.
fn switched(
    cursor: &mut Cursor<'_>,
    parent: &Found,
    alternatives: usize,
    codec: &mut Decompressor,
) -> Result<Found> {
    let mut numbers: Vec<i8> = Vec::new();
    let mut offsets: Vec<i32> = Vec::new();
    let mut nothing = 0;
    let mut found: Vec<(Vec<Segment>, usize)> = vec![(Vec::new(), 0); alternatives];
    for segment in &parent.segments {
        let mut ranges: Vec<Option<Range<u64>>> = vec![None; alternatives];
        cursor.each(segment, codec, |stretch| {
            let (page, elements) = match stretch {
                Stretch::Zeros(count) => {
                    for _ in 0..count {
                        numbers.push(0);
                        offsets.push(nothing as i32);
                        nothing += 1;
                    }
                    return Ok(());
                }
                Stretch::Page { page, elements, .. } => (page, elements),
            };
            for (place, number) in page.switches(elements) {
                if number == 0 {
                    numbers.push(0);
                    offsets.push(nothing as i32);
                    nothing += 1;
                    continue;
                }
                let chosen = number as usize - 1;
                let Some(range) = ranges.get_mut(chosen) else {
                    return Err(format!("a variant of {alternatives} alternatives holds number {number}"));
                };
                let range = range.get_or_insert(place..place);
                // They are stored in the order in which they were written.
                if range.end != place || place == u64::MAX {
                    return Err(format!("a variant's value {place} follows value {}", range.end));
                }
                range.end += 1;
                numbers.push(number as i8);
                offsets.push(found[chosen].1 as i32);
                found[chosen].1 += 1;
            }
            Ok(())
        })?;
        for ((segments, _), range) in found.iter_mut().zip(ranges) {
            segments.extend(range.map(|elements| Segment { cluster: segment.cluster, elements }));
        }
    }
    if numbers.len() > i32::MAX as usize {
        let cluster = parent.segments.first().map_or(0, |segment| segment.cluster);
        return Err(
            cursor.error(cluster, "a batch of its values is too large: ask for fewer entries at once")
        );
    }
    let switch = Switched {
        numbers: ScalarBuffer::from(numbers),
        offsets: ScalarBuffer::from(offsets),
        nothing,
        alternatives: found,
    };
    Ok(Found {
        segments: parent.segments.clone(),
        length: parent.length,
        switch: Some(switch),
        offsets: None,
    })
}

fn read_leaf(
    leaf: &Leaf,
    cursor: &mut Cursor<'_>,
    found: &Found,
    codec: &mut Decompressor,
) -> Result<ArrayRef> {
    match leaf.element {
        Element::Bool => bools(cursor, found, codec),
        Element::I8 => numbers::<i8>(cursor, found, codec),
        Element::I16 => numbers::<i16>(cursor, found, codec),
        Element::I32 => numbers::<i32>(cursor, found, codec),
        Element::I64 => numbers::<i64>(cursor, found, codec),
        Element::U8 => numbers::<u8>(cursor, found, codec),
        Element::U16 => numbers::<u16>(cursor, found, codec),
        Element::U32 => numbers::<u32>(cursor, found, codec),
        Element::U64 => numbers::<u64>(cursor, found, codec),
        Element::F32 => numbers::<f32>(cursor, found, codec),
        Element::F64 => numbers::<f64>(cursor, found, codec),
    }
}

fn numbers<T: Value>(cursor: &mut Cursor<'_>, found: &Found, codec: &mut Decompressor) -> Result<ArrayRef> {
    let mut values: Vec<T> = Vec::with_capacity(found.length.min(ROOM));
    for segment in &found.segments {
        cursor.each(segment, codec, |stretch| {
            match stretch {
                Stretch::Zeros(count) => values.resize(values.len() + count, T::default()),
                Stretch::Page { encoding, page, elements, .. } => {
                    T::append(page, encoding, elements, &mut values);
                }
            }
            Ok(())
        })?;
    }
    Ok(T::array(values))
}

fn bools(cursor: &mut Cursor<'_>, found: &Found, codec: &mut Decompressor) -> Result<ArrayRef> {
    let mut bits = BooleanBufferBuilder::new(found.length.min(ROOM));
    for segment in &found.segments {
        cursor.each(segment, codec, |stretch| {
            match stretch {
                Stretch::Zeros(count) => bits.append_n(count, false),
                Stretch::Page { page, elements, .. } => bits.append_packed_range(elements, page.bytes),
            }
            Ok(())
        })?;
    }
    Ok(Arc::new(BooleanArray::new(bits.finish(), None)))
}

/// The array that `build` describes.
fn put_together(build: &Build, found: &[Found], numbers: &[ArrayRef]) -> Reason<ArrayRef> {
    let wrong = |error: arrow_schema::ArrowError| error.to_string();
    let offsets = |scope: usize| found[scope].offsets.clone().ok_or_else(|| "no lists were found".to_owned());
    Ok(match build {
        Build::Number { leaf } => numbers[*leaf].clone(),
        Build::Count { scope, element } => {
            let offsets = offsets(*scope)?;
            let counts = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as u32);
            match element {
                Element::U64 => Arc::new(counts.map(u64::from).collect::<UInt64Array>()),
                _ => Arc::new(UInt32Array::from(counts.collect::<Vec<u32>>())),
            }
        }
        Build::String { scope, leaf } => {
            let bytes = numbers[*leaf].as_primitive::<UInt8Type>().values().inner().clone();
            Arc::new(BinaryArray::try_new(offsets(*scope)?, bytes, None).map_err(wrong)?)
        }
        Build::List { scope, field, item } => {
            let item = put_together(item, found, numbers)?;
            Arc::new(ListArray::try_new(field.clone(), offsets(*scope)?, item, None).map_err(wrong)?)
        }
        Build::Optional { scope, item } => spread(&*put_together(item, found, numbers)?, &offsets(*scope)?)?,
        Build::Array { parent, each, field, item } => {
            let (item, length) = (put_together(item, found, numbers)?, found[*parent].length);
            let array = FixedSizeListArray::try_new_with_length(field.clone(), *each, item, None, length);
            Arc::new(array.map_err(wrong)?)
        }
        Build::Struct { scope, members, .. } if members.is_empty() => {
            Arc::new(StructArray::new_empty_fields(found[*scope].length, None))
        }
        Build::Struct { fields, members, .. } => {
            let members = members.iter().map(|member| put_together(member, found, numbers));
            let members = members.collect::<Reason<Vec<ArrayRef>>>()?;
            Arc::new(StructArray::try_new(fields.clone(), members, None).map_err(wrong)?)
        }
        Build::Union { scope, fields, alternatives } => {
            let switch = found[*scope].switch.as_ref().ok_or_else(|| "no variants were found".to_owned())?;
            let none: ArrayRef = Arc::new(NullArray::new(switch.nothing));
            let some = alternatives.iter().map(|alternative| put_together(alternative, found, numbers));
            let children = std::iter::once(Ok(none)).chain(some).collect::<Reason<Vec<ArrayRef>>>()?;
            let (numbers, offsets) = (switch.numbers.clone(), Some(switch.offsets.clone()));
            Arc::new(UnionArray::try_new(fields.clone(), numbers, offsets, children).map_err(wrong)?)
        }
    })
}

/// `items` with nulls between them: `offsets` are those of lists of one item or none.
fn spread(items: &dyn Array, offsets: &OffsetBuffer<i32>) -> Reason<ArrayRef> {
    let data = items.to_data();
    let mut spread = MutableArrayData::new(vec![&data], true, offsets.len() - 1);
    let mut at = 0;
    while at + 1 < offsets.len() {
        let first = offsets[at];
        let run = offsets[at..].windows(2).take_while(|pair| pair[1] - pair[0] == 1).count();
        if run > 0 {
            spread.try_extend(0, first as usize, first as usize + run).map_err(|error| error.to_string())?;
            at += run;
            continue;
        }
        let nulls = offsets[at..].windows(2).take_while(|pair| pair[1] == pair[0]).count();
        if nulls == 0 {
            return Err(format!("an optional value is {} values", offsets[at + 1] - first));
        }
        spread.try_extend_nulls(nulls).map_err(|error| error.to_string())?;
        at += nulls;
    }
    Ok(make_array(spread.freeze()))
}
