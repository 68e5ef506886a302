//! Batches of Arrow columns from the bytes of baskets.
//!
//! Each branch has a [`Cursor`] that holds one decompressed basket. A batch takes the next entries of
//! every cursor, across the borders of baskets as needed. Counters come first: their counts say how
//! many values the counted branches take, so that the values of a batch are one stretch of bytes, and
//! all branches of one counter share one offset buffer.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_buffer::{ArrowNativeType, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use bytes::Bytes;
use hep_columns::Batch;

use super::branch::Branch;
use super::cursor::{Counted, Cursor, Decode};
use super::interpretation::Interpretation;
use super::plan::needs;
use super::tree::Tree;
use crate::{Batches, Error, ReadPlan, Result, Scratch};

/// The batches of a plan.
pub(super) struct Decoder<'a> {
    tree: &'a Tree,
    left: Range<u64>,
    cursors: Vec<Cursor<'a>>,
    names: Arc<HashMap<String, usize>>,
    /// The cursors that are columns, in the order of the batch.
    columns: Vec<usize>,
    scratch: &'a mut Scratch,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        tree: &'a Tree,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        scratch: &'a mut Scratch,
    ) -> Result<Self> {
        if !plan.fits(bytes) {
            return Err(Error::Format {
                path: tree.file().path().to_owned(),
                what: "a plan".to_owned(),
                at: plan.ranges.first().map_or(0, |range| range.start),
                reason: "the bytes given are not those it asked for".to_owned(),
            });
        }
        let needs = needs(tree, &plan.columns, &plan.entries)?;
        // Counters before those they count. What counts for the objects of a collection is counted itself.
        let mut order: Vec<(usize, usize, Arc<Branch>, Interpretation)> = Vec::with_capacity(needs.len());
        for &node in needs.keys() {
            let (branch, interpretation) = tree.interpreted(node)?;
            let level = match interpretation.counter() {
                None => 0,
                Some(counter) => 1 + usize::from(tree.interpreted(counter.node)?.1.counter().is_some()),
            };
            order.push((level, node, branch, interpretation));
        }
        order.sort_by_key(|(level, ..)| *level);
        let places: HashMap<usize, usize> =
            order.iter().enumerate().map(|(at, (_, node, ..))| (*node, at)).collect();
        let cursors = order
            .into_iter()
            .map(|(_, node, branch, interpretation)| {
                let decode = Decode::new(interpretation, |node| places[&node]);
                let buffer = scratch.baskets.pop().unwrap_or_default();
                Cursor::new(
                    tree,
                    plan,
                    bytes,
                    node,
                    branch,
                    decode,
                    buffer,
                    needs[&node].start..plan.entries.end,
                )
            })
            .collect();
        let columns = plan.columns.iter().map(|name| Ok(places[&tree.node(name)?])).collect::<Result<_>>()?;
        let names = plan.columns.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let mut decoder =
            Self { tree, left: plan.entries.clone(), cursors, names: Arc::new(names), columns, scratch };
        if !plan.entries.is_empty() {
            decoder.skip_to_start(&needs)?;
        }
        Ok(decoder)
    }

    /// Moves each cursor to the first entry of the plan, which may lie inside a basket.
    fn skip_to_start(&mut self, needs: &BTreeMap<usize, Range<u64>>) -> Result<()> {
        let start = self.left.start;
        let codec = &mut self.scratch.codec;
        // The counts of each counter, from the first entry needed of it to the start.
        let mut before: HashMap<usize, (u64, ArrayRef)> = HashMap::new();
        // What they stand for, which is often the same for many branches.
        let mut skipped: HashMap<(usize, usize, u64), Counted> = HashMap::new();
        for at in 0..self.cursors.len() {
            let (done, rest) = self.cursors.split_at_mut(at);
            let cursor = &mut rest[0];
            let Some((counter, leaf)) = cursor.decode().counter() else {
                let first = needs[&cursor.node()].start;
                cursor.skip_to(first, codec)?;
                if first < start {
                    before.insert(at, (first, cursor.next((start - first) as usize, None, codec)?));
                }
                continue;
            };
            let (first, needed) = (cursor.first_of_basket(), needs[&cursor.node()].start);
            let counts = |entries: Range<u64>| {
                let (from, counts) = &before[&counter];
                let counts =
                    counts.slice((entries.start - from) as usize, (entries.end - entries.start) as usize);
                counted(&counts, leaf).map_err(|reason| done[counter].error(reason))
            };
            if first < needed {
                let counted = match skipped.entry((counter, leaf, first)) {
                    Entry::Occupied(made) if needed == start => made.into_mut(),
                    Entry::Vacant(place) if needed == start => place.insert(counts(first..start)?),
                    _ => &mut counts(first..needed)?,
                };
                cursor.skip_counted(counted, codec)?;
            }
            if needed < start {
                let array = cursor.next((start - needed) as usize, Some(&counts(needed..start)?), codec)?;
                before.insert(at, (needed, array));
            }
        }
        Ok(())
    }
}

impl Batches for Decoder<'_> {
    fn next(&mut self, entries: usize) -> Result<Option<Batch>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let n = (self.left.end - self.left.start).min(entries.max(1) as u64);
        let range = self.left.start..self.left.start + n;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.cursors.len());
        let mut shared: HashMap<(usize, usize), Counted> = HashMap::new();
        let mut begun = Instant::now();
        for at in 0..self.cursors.len() {
            let mut counts = None;
            if let Some((counter, leaf)) = self.cursors[at].decode().counter() {
                counts = Some(match shared.entry((counter, leaf)) {
                    Entry::Occupied(made) => made.into_mut(),
                    Entry::Vacant(place) => {
                        let made = counted(&arrays[counter], leaf);
                        place.insert(made.map_err(|reason| self.cursors[counter].error(reason))?)
                    }
                });
            }
            let counts = counts.map(|counts| &*counts);
            let cursor = &mut self.cursors[at];
            let decompressed = cursor.cost.decompress;
            arrays.push(cursor.next(n as usize, counts, &mut self.scratch.codec)?);
            let now = Instant::now();
            cursor.cost.add_decoding(now - begun, decompressed);
            begun = now;
        }
        self.left.start = range.end;
        let columns = self.columns.iter().map(|&at| arrays[at].clone()).collect();
        Ok(Some(Batch::new(range, self.names.clone(), columns)))
    }
}

impl Drop for Decoder<'_> {
    fn drop(&mut self) {
        for cursor in self.cursors.drain(..) {
            self.scratch.costs.add(self.tree.column_name(cursor.node()), &cursor.cost);
            self.scratch.baskets.push(cursor.into_buffer());
        }
    }
}

/// How many values counts stand for; those of a collection's objects are lists.
fn counted(counts: &dyn Array, leaf: usize) -> Result<Counted, String> {
    let DataType::List(_) = counts.data_type() else {
        return Ok(Counted { offsets: offsets(counts, leaf)?, objects: None });
    };
    let lists = counts.as_list::<i32>();
    let ends = lists.value_offsets();
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    let objects = offsets(&lists.values().slice(first as usize, (last - first) as usize), 0)?;
    let offsets = match first {
        0 => lists.offsets().clone(),
        _ => OffsetBuffer::new(ends.iter().map(|end| end - first).collect()),
    };
    Ok(Counted { offsets, objects: Some(objects) })
}

/// The offsets that counts stand for; `leaf` chooses among those of a leaf list.
fn offsets(counts: &dyn Array, leaf: usize) -> Result<OffsetBuffer<i32>, String> {
    match counts.data_type() {
        DataType::Int8 => summed::<Int8Type>(counts),
        DataType::Int16 => summed::<Int16Type>(counts),
        DataType::Int32 => summed::<Int32Type>(counts),
        DataType::Int64 => summed::<Int64Type>(counts),
        DataType::UInt8 => summed::<UInt8Type>(counts),
        DataType::UInt16 => summed::<UInt16Type>(counts),
        DataType::UInt32 => summed::<UInt32Type>(counts),
        DataType::UInt64 => summed::<UInt64Type>(counts),
        DataType::Struct(fields) if leaf < fields.len() => offsets(counts.as_struct().column(leaf), 0),
        other => Err(format!("{other} cannot count")),
    }
}

fn summed<T: ArrowPrimitiveType>(counts: &dyn Array) -> Result<OffsetBuffer<i32>, String> {
    let counts = counts.as_primitive::<T>().values();
    // A negative count becomes a huge one. All of them in one: it is too large if any is.
    let (mut total, mut bits) = (0_u64, 0);
    let mut offsets = Vec::with_capacity(counts.len() + 1);
    offsets.push(0);
    offsets.extend(counts.iter().map(|count| {
        bits |= count.as_usize();
        total = total.wrapping_add(count.as_usize() as u64);
        total as i32
    }));
    if bits > i32::MAX as usize {
        let worst = counts.iter().find(|count| count.as_usize() > i32::MAX as usize);
        return Err(format!(
            "it counts {} values in an entry",
            worst.map_or_else(String::new, |n| format!("{n:?}"))
        ));
    }
    if total > i32::MAX as u64 {
        return Err(format!("a batch of {total} values is too large: ask for fewer entries at once"));
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int8Array, Int32Array};

    #[test]
    fn counts_become_offsets_and_absurd_counts_are_refused() {
        assert_eq!(*offsets(&Int8Array::from(vec![2, 0, 1]), 0).unwrap(), [0, 2, 2, 3]);
        let error = offsets(&Int32Array::from(vec![2, -1]), 0).unwrap_err();
        assert_eq!(error, "it counts -1 values in an entry");
    }
}
