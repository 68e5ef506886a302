use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::root::{Buffer, Malformed, Object, Parse};

/// Branches nest no deeper than this in any sane file.
const DEEPEST: usize = 64;
/// The paths of all branches are together no longer than the record: each of a sane branch's parents is
/// shorter than what the record says of the branch. And so many bytes more, for tiny records.
const ROOM_AT_LEAST: usize = 64 << 10;

/// The versions of `TBranch` that are read. Those before 5 do not say how long baskets are.
pub(super) const KNOWN: RangeInclusive<u16> = 5..=13;

/// A branch whose name and place are known and nothing more.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its name, `Track.PT`.
    pub(super) name: String,
    /// The names of the branches around it and its own, `Track/Track.PT`.
    pub(super) path: String,
    /// Whether it is inside another branch.
    pub(super) nested: bool,
    /// Whether it has sub-branches.
    pub(super) group: bool,
    pub(super) class: BranchClass,
    /// Where the object begins in the tree's record: what references to it say.
    pub(super) place: usize,
    /// Where its name and title are.
    pub(super) named: usize,
    /// The version of `TBranch`, and where its members behind name and title begin.
    pub(super) version: u16,
    pub(super) body: usize,
    /// Where its leaves begin.
    pub(super) leaves: usize,
    /// How many entries it says to have; none where that is not known.
    pub(super) entries: Option<i64>,
    /// Where its `TBranch` part ends and that of the derived class begins.
    pub(super) end: usize,
}

/// The classes of branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BranchClass {
    Plain,
    Element { version: u16 },
    Other(String),
}

/// All branches of a tree, by position and by name.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) nodes: Vec<Node>,
    /// By which name each can be found for sure.
    pub(super) columns: Vec<String>,
    names: HashMap<String, Option<usize>>,
    /// How many bytes the paths of further branches may have.
    room: usize,
    /// Where leaves lie, whose they are, and which of its leaves; sorted.
    leaves: Vec<(usize, usize, usize)>,
}

/// What a branch's fixed-size members say that the index or the baskets need.
pub(super) struct Members {
    pub(super) written: i32,
    pub(super) slots: i32,
    pub(super) entries: i64,
    /// `fTotBytes` and `fZipBytes`.
    pub(super) bytes: (i64, i64),
}

impl Members {
    /// From the cursor at a branch's body, which is left at its sub-branches.
    pub(super) fn read(buffer: &mut Buffer<'_>, version: u16) -> Parse<Self> {
        if !KNOWN.contains(&version) {
            return Err(Malformed::new(
                buffer.position(),
                format!("version {version} of TBranch is not known"),
            ));
        }
        buffer.skip(12)?; // fCompress, fBasketSize, fEntryOffsetLen
        if version < 6 {
            let (slots, written) = (buffer.i32()?, buffer.i32()?);
            buffer.skip(4)?; // fEntryNumber
            let entries = buffer.f64()? as i64;
            let bytes = (buffer.f64()? as i64, buffer.f64()? as i64);
            buffer.skip(4)?; // fOffset
            return Ok(Self { written, slots, entries, bytes });
        }
        let written = buffer.i32()?;
        buffer.skip(if version < 10 { 4 } else { 8 })?; // fEntryNumber
        if version >= 13 {
            buffer.skip_object()?; // fIOFeatures
        }
        buffer.skip(4)?; // fOffset
        let slots = buffer.i32()?;
        if version > 6 {
            buffer.skip(4)?; // fSplitLevel
        }
        let entries = if version < 10 { buffer.f64()? as i64 } else { buffer.i64()? };
        if version >= 11 {
            buffer.skip(8)?; // fFirstEntry
        }
        let mut bytes = || match version {
            ..10 => buffer.f64().map(|bytes| bytes as i64),
            _ => buffer.i64(),
        };
        let bytes = (bytes()?, bytes()?);
        Ok(Self { written, slots, entries, bytes })
    }
}

impl Index {
    /// Scans the branches in the `TObjArray` at the cursor, sub-branches included.
    pub(super) fn read(buffer: &mut Buffer<'_>) -> Parse<Self> {
        let mut index = Self { room: buffer.data().len() + ROOM_AT_LEAST, ..Self::default() };
        index.scan(buffer, None, 0)?;
        index.leaves.sort_unstable();
        let mut copies = HashMap::<&str, usize>::new();
        for (at, node) in index.nodes.iter().enumerate() {
            // A second branch of one path is `path#2`; nothing of the first is lost.
            let copies = copies.entry(&node.path).or_insert(1);
            let mut path = node.path.clone();
            while index.names.contains_key(&path) {
                *copies += 1;
                path = format!("{}#{copies}", node.path);
            }
            index.columns.push(path.clone());
            index.names.insert(path, Some(at));
        }
        for (at, node) in index.nodes.iter().enumerate().filter(|(_, node)| node.nested) {
            let ambiguous = index.names.insert(node.name.clone(), Some(at));
            if let Some(first) = ambiguous {
                // Full paths win over plain names, and of two equal plain names neither is one.
                let keep = first.filter(|&first| index.nodes[first].path == node.name);
                index.names.insert(node.name.clone(), keep);
            }
        }
        Ok(index)
    }

    fn scan(&mut self, buffer: &mut Buffer<'_>, parent: Option<usize>, depth: usize) -> Parse<usize> {
        if depth > DEEPEST {
            return Err(Malformed::new(buffer.position(), "branches nest too deep"));
        }
        let (slots, array_end) = buffer.tobjarray()?;
        let mut found = 0;
        for _ in 0..slots {
            let Object::Here { place, class, end, .. } = buffer.object()? else { continue };
            let end = end.ok_or_else(|| Malformed::new(place, "a branch has no byte count"))?;
            found += 1;
            self.branch(buffer, place, class, parent, depth)?;
            buffer.skip_to(end)?;
        }
        if let Some(end) = array_end {
            buffer.skip_to(end)?;
        }
        Ok(found)
    }

    fn branch(
        &mut self,
        buffer: &mut Buffer<'_>,
        place: usize,
        class: &[u8],
        parent: Option<usize>,
        depth: usize,
    ) -> Parse<()> {
        let class = match class {
            b"TBranch" => BranchClass::Plain,
            b"TBranchElement" => BranchClass::Element { version: buffer.version()?.number },
            other => {
                let class = BranchClass::Other(String::from_utf8_lossy(other).into_owned());
                if !matches!(other, b"TBranchObject" | b"TBranchRef" | b"TBranchSTL") {
                    return self.unknown(class, place, parent);
                }
                buffer.version()?;
                class
            }
        };
        let version = buffer.version()?;
        let named = buffer.position();
        let (name, _) = buffer.tnamed()?;
        let name = String::from_utf8_lossy(name).into_owned();
        let path = self.path(parent, &name)?;
        if version.number > 7 {
            buffer.skip_object()?; // TAttFill
        }
        let body = buffer.position();
        let own = self.nodes.len();
        self.nodes.push(Node {
            name,
            path,
            nested: parent.is_some(),
            group: false,
            class,
            place,
            named,
            version: version.number,
            body,
            leaves: body,
            entries: None,
            end: version.end.unwrap_or(body),
        });
        if !KNOWN.contains(&version.number) {
            return Ok(());
        }
        self.nodes[own].entries = Some(Members::read(buffer, version.number)?.entries);
        self.nodes[own].group = self.scan(buffer, Some(own), depth + 1)? > 0;
        self.nodes[own].leaves = buffer.position();
        let (slots, _) = buffer.tobjarray()?;
        let mut leaf = 0;
        for _ in 0..slots {
            let (place, end) = match buffer.object()? {
                Object::Null => continue,
                Object::Reference { place } => (place, buffer.position()),
                Object::Here { place, end, .. } => {
                    (place, end.ok_or_else(|| Malformed::new(place, "a leaf has no byte count"))?)
                }
            };
            self.leaves.push((place, own, leaf));
            leaf += 1;
            buffer.skip_to(end)?;
        }
        Ok(())
    }

    /// Lists a branch of which nothing is known but that it is there.
    fn unknown(&mut self, class: BranchClass, place: usize, parent: Option<usize>) -> Parse<()> {
        let name = format!("?{}", self.nodes.len());
        let path = self.path(parent, &name)?;
        let (nested, body) = (parent.is_some(), place);
        let (version, group) = (0, false);
        self.nodes.push(Node {
            name,
            path,
            nested,
            group,
            class,
            place,
            named: place,
            version,
            body,
            leaves: body,
            entries: None,
            end: body,
        });
        Ok(())
    }

    /// The path of a branch.
    fn path(&mut self, parent: Option<usize>, name: &str) -> Parse<String> {
        let path = match parent {
            Some(parent) => {
                let parent = &self.nodes[parent];
                let left = self.room.checked_sub(parent.path.len());
                self.room =
                    left.ok_or_else(|| Malformed::new(parent.place, "its sub-branches have too long names"))?;
                format!("{}/{name}", parent.path)
            }
            None => name.to_owned(),
        };
        Ok(path)
    }

    /// Whether another branch has the path of this one.
    pub(super) fn has_namesake(&self, node: usize) -> bool {
        let path = &self.nodes[node].path;
        self.columns[node] != *path || self.names.contains_key(&format!("{path}#2"))
    }

    /// How many entries all branches have, if they agree.
    pub(super) fn entries(&self) -> Option<i64> {
        let mut entries = self.nodes.iter().map(|node| node.entries);
        let first = entries.next()??;
        entries.all(|entries| entries == Some(first)).then_some(first)
    }

    /// The branch called `name`, by path or by a plain name that is unique.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied().flatten()
    }

    /// All names by which a branch can be found.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|(_, at)| at.is_some()).map(|(name, _)| name.as_str())
    }

    /// The branch whose leaf lies at `place`, and which of its leaves that is.
    pub(super) fn of_leaf(&self, place: usize) -> Option<(usize, usize)> {
        let at = self.leaves.binary_search_by_key(&place, |(place, ..)| *place).ok()?;
        let (_, node, leaf) = self.leaves[at];
        Some((node, leaf))
    }

    /// The branch that lies at `place`.
    pub(super) fn of_branch(&self, place: usize) -> Option<usize> {
        // Branches are found in the order of their places.
        self.nodes.binary_search_by_key(&place, |node| node.place).ok()
    }
}
