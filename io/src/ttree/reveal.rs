//! Types that only the entries tell: what a `TClonesArray` holds is not in the description of a file.

use super::basket::{Content, Head, Place, decompress};
use super::branch::Branch;
use super::interpretation::{Interpretation, Run};
use super::object::{ItemClasses, Layout, reveal};
use super::plan::position;
use super::tree::Tree;
use crate::Result;
use crate::root::codec::Decompressor;
use crate::source::coalesce;

/// Arrays are looked at inside of the items of arrays, so deep.
const DEEPEST: usize = 4;
/// The largest basket that is read for its types.
const LARGEST: u64 = 1 << 28;

const NOT_SAID: &str = "the entries of its first basket do not name the class of what its TClonesArray holds";

/// The values of a basket, and the length of the key before them.
type Values = (Vec<u8>, usize);

impl Tree {
    /// The interpretation of a branch with `TClonesArray`s, for which its first basket is read once. A member
    /// that no entry of this basket has (all pointers to it are null) is passed over.
    pub(super) fn revealed(
        &self,
        node: usize,
        branch: &Branch,
    ) -> Result<std::result::Result<Interpretation, String>> {
        if let Some(revealed) = branch.revealed.get() {
            return Ok(revealed.clone());
        }
        let (values, key_length) = self.first_values(node, branch)?.unwrap_or_default();
        let mut items = ItemClasses::default();
        let mut interpretation = branch.interpretation.clone();
        let mut unseen = branch.unseen.clone();
        for _ in 0..DEEPEST {
            let Some(layout) = alone(&interpretation).filter(|_| !unseen.is_empty()) else { break };
            let (found, wrong) = reveal(layout, &values, key_length, unseen.len());
            let reason = wrong.as_ref().map_or(NOT_SAID.to_owned(), |wrong| format!("{NOT_SAID}: {wrong}"));
            items.give_up(&unseen, &reason);
            // Enumerations are a guess, which anything that does not fit refutes.
            items.learn(found.into_iter().filter(|(_, item)| wrong.is_none() || !item.is_number()).collect());
            Branch { interpretation, unseen, .. } = self.parse(node, &items)?;
        }
        if !unseen.is_empty() {
            items.give_up(&unseen, NOT_SAID);
            interpretation = self.parse(node, &items)?.interpretation;
        }
        // Another thread may have been faster, and found the same.
        Ok(branch.revealed.get_or_init(|| interpretation).clone())
    }

    /// The values of the first basket that has some.
    fn first_values(&self, node: usize, branch: &Branch) -> Result<Option<Values>> {
        let baskets = &branch.baskets;
        let Some(at) = (0..baskets.places.len()).find(|at| !baskets.range(*at).is_empty()) else {
            return Ok(None);
        };
        let place = match &baskets.places[at] {
            Place::File(place) => place,
            Place::Tree { values, key_length, .. } => {
                let record = self.record_bytes().get(values.clone());
                return Ok(record.map(|values| (values.to_vec(), *key_length)));
            }
        };
        let error =
            |reason: String| self.basket_error(node, baskets.range(at), position(at, place.start), reason);
        let length = place.end - place.start;
        if place.end > self.file().size() || length > LARGEST {
            return Err(error(format!("its {length} bytes are not all in the file, or far too many")));
        }
        let read = coalesce::read(&**self.file().source(), std::slice::from_ref(place))?;
        let Some(record) = read.first() else { return Ok(None) };
        let head =
            Head::read(record).map_err(|wrong| error(format!("its key is damaged: {}", wrong.reason)))?;
        let entries = baskets.range(at);
        head.agrees(place, entries.end - entries.start, None).map_err(error)?;
        let mut values = Vec::new();
        let codec = &mut Decompressor::default();
        let content = decompress(record, &head, head.values, codec, &mut values, false);
        if let Content::Record(range) = content.map_err(error)? {
            values = record.get(range).unwrap_or_default().to_vec();
        }
        values.truncate(head.values);
        Ok(Some((values, head.key_length)))
    }
}

/// The layout of values that lie one behind the other in a basket. Collections that are members of the
/// objects of a collection do not: they have one version in each entry.
fn alone(interpretation: &std::result::Result<Interpretation, String>) -> Option<&Layout> {
    match interpretation {
        Ok(Interpretation::Streamed { layout, run: Run::One }) => Some(layout),
        Ok(Interpretation::Streamed { layout, run: Run::Counted(_) }) => {
            (!matches!(**layout, Layout::Headed(_))).then_some(layout)
        }
        _ => None,
    }
}
