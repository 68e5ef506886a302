use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use super::agreement;
use super::basket::{Baskets, Place, embedded};
use super::index::{BranchClass, KNOWN, Members, Node};
use super::interpretation::{ClassEvidence, Evidence, Interpretation};
use super::leaf::Leaf;
use super::object::ItemClasses;
use super::tree::Tree;
use crate::root::{Buffer, Malformed, Object, Parse};

/// A branch, parsed: what its entries mean and where they lie.
#[derive(Debug)]
pub(super) struct Branch {
    /// Or why that is not known.
    pub(super) interpretation: Result<Interpretation, String>,
    /// The places of `TClonesArray`s in it whose items only its baskets can tell.
    pub(super) unseen: Vec<Arc<str>>,
    /// The interpretation after a look at its first basket, where that was needed.
    pub(super) revealed: OnceLock<Result<Interpretation, String>>,
    pub(super) baskets: Baskets,
    /// Whether a table of entry offsets was seen that is not as [`Table`](super::table::Table) makes it.
    pub(super) odd_tables: AtomicBool,
}

impl Branch {
    /// From its record. `items` is what is known of the `TClonesArray`s in it.
    pub(super) fn read(tree: &Tree, node: &Node, items: &ItemClasses) -> Parse<Self> {
        if !KNOWN.contains(&node.version) {
            let reason = match &node.class {
                BranchClass::Other(class) => format!("branches of class {class} are not supported"),
                _ => format!("version {} of TBranch is not known", node.version),
            };
            return Ok(Self::new(Err(reason), Vec::new(), Baskets::default()));
        }
        let record = tree.record();
        let members = Members::read(&mut record.at(node.body), node.version)?;
        let mut buffer = record.at(node.leaves);
        let (slots, end) = buffer.tobjarray()?;
        let mut leaves = Vec::new();
        let mut places = HashSet::new();
        for _ in 0..slots {
            let at = buffer.position();
            if let Some(leaf) = Leaf::read(&mut buffer)? {
                // Otherwise a short record could have any number of long leaves.
                if !places.insert(leaf.place) {
                    return Err(Malformed::new(at, "a leaf is there twice"));
                }
                leaves.push(leaf);
            }
        }
        if let Some(end) = end {
            buffer.skip_to(end)?;
        }
        let baskets = read_baskets(&mut buffer, &members, node.version)?;
        let streamers = || tree.file().streamers().ok();
        let class = match node.class {
            BranchClass::Element { version } => {
                ClassEvidence::read(&mut record.at(node.end), version, streamers)?
            }
            _ => None,
        };
        let evidence = Evidence { node, index: tree.index(), leaves, class, streamers: &streamers, items };
        let agreed = match node.class {
            BranchClass::Plain => agreement::of_leaves(tree.index(), node, record, &evidence.leaves),
            _ => evidence.class.as_ref().map_or(Ok(()), |class| agreement::of_class(class, &evidence.leaves)),
        };
        let here = match &baskets.elsewhere {
            Some(file) if !is_file(tree.file().path(), file) => Err(format!(
                "its baskets are in the file `{file}` (TBranch::SetFile), and only those in the file of the tree are read"
            )),
            _ => Ok(()),
        };
        let interpretation = here.and(agreed).and_then(|()| evidence.interpret());
        Ok(Self::new(interpretation, items.asked(), baskets))
    }

    fn new(interpretation: Result<Interpretation, String>, unseen: Vec<Arc<str>>, baskets: Baskets) -> Self {
        Self {
            interpretation,
            unseen,
            revealed: OnceLock::new(),
            baskets,
            odd_tables: AtomicBool::new(false),
        }
    }
}

/// From the cursor at `fBaskets`.
fn read_baskets(buffer: &mut Buffer<'_>, members: &Members, version: u16) -> Parse<Baskets> {
    let mut in_tree = Vec::new();
    let (slots, end) = buffer.tobjarray()?;
    for _ in 0..slots {
        let Object::Here { place, class, end, .. } = buffer.object()? else { continue };
        let end = end.ok_or_else(|| Malformed::new(place, "a basket has no byte count"))?;
        if class == b"TBasket" {
            let (entries, place) = embedded(buffer)?;
            if entries > 0 {
                in_tree.push((entries, place));
            }
        }
        buffer.skip_to(end)?;
    }
    if let Some(end) = end {
        buffer.skip_to(end)?;
    }
    let at = buffer.position();
    let wrong = |reason: String| Malformed::new(at, reason);
    let slots = usize::try_from(members.slots).map_err(|_| wrong(format!("{} baskets", members.slots)))?;
    let long = version >= 10;
    let (bytes, starts, seeks, long_seek);
    if version >= 6 {
        buffer.u8()?;
        bytes = buffer.items(slots, 4)?;
        buffer.u8()?;
        starts = buffer.items(slots, if long { 8 } else { 4 })?;
        long_seek = buffer.u8()? == 2 || long;
        seeks = buffer.items(slots, if long_seek { 8 } else { 4 })?;
    } else {
        // Before `TBranch` had a description: each array behind its length, first entries first.
        starts = counted(buffer)?;
        bytes = counted(buffer)?;
        long_seek = false;
        seeks = counted(buffer)?;
    }
    let slots = [
        bytes.len() / 4,
        starts.len() / if long { 8 } else { 4 },
        seeks.len() / if long_seek { 8 } else { 4 },
    ]
    .into_iter()
    .fold(slots, usize::min);

    let integer = |bytes: &[u8], at: usize, long: bool| -> i64 {
        if long {
            i64::from_be_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap())
        } else {
            i32::from_be_bytes(bytes[at * 4..at * 4 + 4].try_into().unwrap()).into()
        }
    };
    let known = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
    let said = (known(members.bytes.0), known(members.bytes.1));
    let mut baskets = Baskets { said, ..Baskets::default() };
    for basket in 0..usize::try_from(members.written).unwrap_or(0).min(slots) {
        let (seek, length) = (integer(seeks, basket, long_seek), integer(bytes, basket, false));
        if seek == 0 {
            break;
        }
        baskets.starts.push(start(integer(starts, basket, long), &baskets).map_err(wrong)?);
        baskets.places.push(Place::File(extent(seek, length).map_err(wrong)?));
    }
    no_two_in_one_place(&baskets.places).map_err(wrong)?;
    let written = baskets.places.len();
    let next = if written == 0 {
        0
    } else if written < slots {
        integer(starts, written, long)
    } else {
        // The array ends with the last basket, which then ends with the branch.
        members.entries
    };
    let next = start(next, &baskets).map_err(wrong)?;
    baskets.starts.push(next);
    for (entries, place) in in_tree {
        baskets.places.push(place);
        baskets.starts.push(baskets.entries().saturating_add(entries));
    }
    let file = buffer.tstring()?; // fFileName
    if !file.is_empty() && baskets.places.iter().any(|place| matches!(place, Place::File(_))) {
        baskets.elsewhere = Some(file);
    }
    Ok(baskets)
}

/// Whether `name`, as `TBranch::SetFile` was given it, is the file at `path` itself.
fn is_file(path: &str, name: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    path.strip_suffix(name).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// Makes sure that no two baskets lie in one place, where a damaged position would lead to another basket of
/// the branch.
fn no_two_in_one_place(places: &[Place]) -> Result<(), String> {
    let seek = |place: &Place| match place {
        Place::File(range) => range.start,
        Place::Tree { .. } => 0,
    };
    // Most often they are in order.
    if places.is_sorted_by(|one, other| seek(one) < seek(other)) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    match places.iter().map(seek).find(|place| !seen.insert(*place)) {
        Some(place) => Err(format!("two baskets lie at byte {place}")),
        None => Ok(()),
    }
}

/// An array of integers behind its length.
fn counted<'a>(buffer: &mut Buffer<'a>) -> Parse<&'a [u8]> {
    let at = buffer.position();
    let n = buffer.i32()?;
    let n = usize::try_from(n).map_err(|_| Malformed::new(at, format!("an array of {n} integers")))?;
    buffer.items(n, 4)
}

fn start(start: i64, before: &Baskets) -> Result<u64, String> {
    let basket = before.places.len();
    match u64::try_from(start) {
        Ok(start) if basket == 0 || start >= before.entries() => Ok(start),
        _ => Err(format!("basket {basket} begins at entry {start}, before the basket before it")),
    }
}

fn extent(seek: i64, length: i64) -> Result<Range<u64>, String> {
    match (u64::try_from(seek), u64::try_from(length)) {
        (Ok(seek), Ok(length)) => Ok(seek..seek.saturating_add(length)),
        _ => Err(format!("a basket of {length} bytes lies at byte {seek}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_may_name_the_file_that_it_is_in() {
        for path in ["a.root", "/data/a.root", "root://host//data/a.root?authz=x", "data/a.root"] {
            assert!(is_file(path, "a.root"), "{path}");
        }
        for name in ["b.root", "ba.root", "other/a.root", "oot"] {
            assert!(!is_file("/data/a.root", name), "{name}");
        }
    }

    #[test]
    fn two_baskets_in_one_place_are_refused() {
        let places = |seeks: &[u64]| seeks.iter().map(|&at| Place::File(at..at + 10)).collect::<Vec<_>>();
        assert!(no_two_in_one_place(&places(&[100, 300, 200])).is_ok());
        let error = no_two_in_one_place(&places(&[100, 300, 200, 300])).unwrap_err();
        assert_eq!(error, "two baskets lie at byte 300");
    }
}
