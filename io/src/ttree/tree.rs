use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow_schema::DataType;
use bytes::Bytes;

use super::basket::{Content, Head, Place, decompress};
use super::branch::Branch;
use super::index::Index;
use super::interpretation::{Counter, Interpretation, Run};
use super::object::ItemClasses;
use super::{decode, plan};
use crate::root::{Buffer, Malformed, ObjectBytes, Parse, RootFile};
use crate::{
    Batches, ColumnCost, ColumnInfo, CutPiece, EntryReader, Error, ReadPlan, Result, Scratch, ShortBranches,
    Stored,
};

/// A `TTree` of a file.
#[derive(Debug)]
pub struct Tree {
    file: Arc<RootFile>,
    name: String,
    title: String,
    entries: u64,
    object: ObjectBytes,
    at: u64,
    index: Index,
    branches: Vec<OnceLock<Result<Arc<Branch>>>>,
    short: ShortBranches,
}

impl Tree {
    /// Opens the tree at `path`, `Events` or `directory/Events;1`: reads its record, and parses the
    /// names of its branches.
    ///
    /// # Errors
    /// Where there is no such object, it is not a tree, or its record is damaged.
    pub fn open(file: &Arc<RootFile>, path: &str) -> Result<Self> {
        let key = file.find(path)?;
        let derived = match key.class_name.as_str() {
            "TTree" => false,
            "TNtuple" | "TNtupleD" => true,
            other => {
                let (path, found) = (file.path().to_owned(), other.to_owned());
                return Err(Error::WrongClass { path, name: key.name, found, wanted: "a TTree" });
            }
        };
        let object = file.object(&key)?;
        let within = |wrong: Malformed| wrong.within(file.path(), format!("tree `{path}`"), key.seek);
        let mut buffer = object.buffer();
        let (header, index) = (|| {
            if derived {
                buffer.version()?;
            }
            let header = Header::read(&mut buffer, file)?;
            let (at, index) = (buffer.position(), Index::read(&mut buffer)?);
            // Branches that are shorter are refused one by one.
            match index.entries().map(u64::try_from) {
                Some(Ok(entries)) if entries > header.entries => {
                    let reason = format!("it says {} entries, and each branch {entries}", header.entries);
                    Err(Malformed::new(at, reason))
                }
                _ => Ok((header, index)),
            }
        })()
        .map_err(within)?;
        let branches = index.nodes.iter().map(|_| OnceLock::new()).collect();
        let name = path.trim_matches('/').to_owned();
        let (entries, title) = (header.entries, header.title);
        let short = ShortBranches::default();
        Ok(Self { file: file.clone(), name, title, entries, object, at: key.seek, index, branches, short })
    }

    /// The same, with what is to become of branches that hold fewer entries than it.
    #[must_use]
    pub fn with_short_branches(self, short: ShortBranches) -> Self {
        Self { short, ..self }
    }

    /// The path by which it was opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The file.
    pub fn file(&self) -> &Arc<RootFile> {
        &self.file
    }

    /// What the bytes of the branch `name` mean.
    ///
    /// # Errors
    /// Those of [`EntryReader::column`].
    pub fn interpretation(&self, name: &str) -> Result<Interpretation> {
        let node = self.node(name)?;
        self.readable(node)?;
        Ok(self.interpreted(node)?.1)
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn record(&self) -> Buffer<'_> {
        self.object.buffer()
    }

    pub(super) fn record_bytes(&self) -> &Bytes {
        &self.object.data
    }

    /// What a processor calls the branch `node`.
    pub(super) fn column_name(&self, node: usize) -> &str {
        self.index.columns.get(node).map_or("", String::as_str)
    }

    pub(super) fn node(&self, name: &str) -> Result<usize> {
        self.index.find(name).ok_or_else(|| Error::NoColumn {
            path: self.file.path().to_owned(),
            tree: self.name.clone(),
            name: name.to_owned(),
            nearest: hep_columns::nearest(name, self.index.names()),
        })
    }

    pub(super) fn branch(&self, node: usize) -> Result<Arc<Branch>> {
        let parse = || self.parse(node, &ItemClasses::default()).map(Arc::new);
        self.branches[node].get_or_init(parse).clone()
    }

    /// Parses a branch, with what is known of the `TClonesArray`s in it.
    pub(super) fn parse(&self, node: usize, items: &ItemClasses) -> Result<Branch> {
        let place = &self.index.nodes[node];
        let what = || format!("branch `{}` of tree `{}`", place.path, self.name);
        Branch::read(self, place, items).map_err(|wrong| wrong.within(self.file.path(), what(), self.at))
    }

    /// A branch and its interpretation, groups that count included.
    pub(super) fn interpreted(&self, node: usize) -> Result<(Arc<Branch>, Interpretation)> {
        let branch = self.branch(node)?;
        let interpretation = match &branch.interpretation {
            Ok(_) if !branch.unseen.is_empty() => self.revealed(node, &branch)?,
            known => known.clone(),
        };
        let interpretation = interpretation.map_err(|reason| self.unsupported(node, reason))?;
        Ok((branch, interpretation))
    }

    pub(super) fn unsupported(&self, node: usize, reason: impl Into<String>) -> Error {
        Error::Unsupported {
            path: format!("{}:/{}", self.file.path(), self.name),
            what: format!("branch `{}`", self.index.nodes[node].path),
            reason: reason.into(),
        }
    }

    /// Makes sure that the branch, and its counter, can be decoded.
    pub(super) fn readable(&self, node: usize) -> Result<()> {
        let (branch, interpretation) = self.interpreted(node)?;
        self.complete(node, &branch)?;
        if let Interpretation::Streamed { run: Run::Pointers(counter), .. } = interpretation {
            // The objects' counts are counted themselves.
            let (branch, counts) = self.interpreted(counter.node)?;
            self.complete(counter.node, &branch)?;
            if let Interpretation::Counted { counter, element, dims } = counts
                && element.is_integer()
                && dims.is_empty()
            {
                return self.counts(node, counter);
            }
            let name = &self.index.nodes[counter.node].path;
            return Err(self.unsupported(node, format!("its counter `{name}` does not hold integers")));
        }
        if let Some(counter) = interpretation.counter() {
            return self.counts(node, counter);
        }
        match interpretation {
            Interpretation::Fixed { .. } | Interpretation::Struct { .. } => {
                let stride =
                    interpretation.stride().filter(|&stride| 0 < stride && stride <= i32::MAX as usize);
                stride.map(drop).ok_or_else(|| self.unsupported(node, "its entries have an absurd size"))
            }
            // Nothing would end them but the number of entries, which is a mere claim.
            Interpretation::Streamed { layout, .. } if layout.takes_no_bytes() => {
                Err(self.unsupported(node, "its class has no members"))
            }
            _ => Ok(()),
        }
    }

    fn complete(&self, node: usize, branch: &Branch) -> Result<()> {
        match branch.baskets.entries() {
            entries if entries >= self.entries || self.short == ShortBranches::Default => Ok(()),
            entries => {
                let reason = format!(
                    "it holds {entries} of the tree's {} entries; --short-branches default reads zeros and empty lists behind",
                    self.entries
                );
                Err(self.unsupported(node, reason))
            }
        }
    }

    fn counts(&self, node: usize, counter: Counter) -> Result<()> {
        let (branch, interpretation) = self.interpreted(counter.node)?;
        self.complete(counter.node, &branch)?;
        let integer = match &interpretation {
            Interpretation::Fixed { element, dims } => dims.is_empty() && element.is_integer(),
            Interpretation::Struct { members } => members
                .get(counter.leaf)
                .is_some_and(|member| member.dims.is_empty() && member.element.is_integer()),
            // A leaf list of which some members are counted by others.
            Interpretation::Streamed { run: Run::One, .. } => match interpretation.data_type() {
                DataType::Struct(fields) => {
                    fields.get(counter.leaf).is_some_and(|field| field.data_type().is_integer())
                }
                _ => false,
            },
            _ => false,
        };
        if integer {
            return Ok(());
        }
        let name = &self.index.nodes[counter.node].path;
        Err(self.unsupported(node, format!("its counter `{name}` does not hold integers")))
    }

    /// Makes sure that the basket at `place`, which says that it is of the branch `name`, is not that of
    /// another branch. A branch can be renamed after its baskets were written: a name alone proves nothing, unless it
    /// has the name of another branch now.
    pub(super) fn owns(&self, node: usize, name: &[u8], place: &Range<u64>) -> Result<(), String> {
        if name == self.index.nodes[node].name.as_bytes() {
            return Ok(());
        }
        if self.index.has_namesake(node) {
            return Err(format!("it is a basket of `{}`", String::from_utf8_lossy(name)));
        }
        let Some(other) = std::str::from_utf8(name).ok().and_then(|name| self.index.find(name)) else {
            return Ok(());
        };
        match self.branch(other) {
            Ok(branch) if other != node && branch.baskets.places.contains(&Place::File(place.clone())) => {
                Err(format!("it is a basket of branch `{}`", self.index.nodes[other].path))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn basket_error(
        &self,
        node: usize,
        entries: Range<u64>,
        place: String,
        reason: impl Into<String>,
    ) -> Error {
        Error::Basket {
            path: self.file.path().to_owned(),
            tree: self.name.as_str().into(),
            branch: self.index.nodes[node].path.as_str().into(),
            entries,
            place: place.into(),
            reason: reason.into().into(),
        }
    }
}

impl EntryReader for Tree {
    fn entries(&self) -> u64 {
        self.entries
    }

    fn column_names(&self) -> Vec<String> {
        let columns = self.index.nodes.iter().zip(&self.index.columns);
        columns.filter(|(node, _)| !node.group).map(|(_, column)| column.clone()).collect()
    }

    fn column(&self, name: &str) -> Result<ColumnInfo> {
        let interpretation = self.interpretation(name)?;
        Ok(ColumnInfo {
            name: name.to_owned(),
            type_name: interpretation.type_name(),
            data_type: interpretation.data_type(),
        })
    }

    fn stored(&self, name: &str) -> Result<Stored> {
        let branch = self.branch(self.node(name)?)?;
        Ok(Stored { bytes: branch.baskets.bytes(), pieces: branch.baskets.places.len() })
    }

    fn boundaries(&self, columns: &[String]) -> Result<Vec<u64>> {
        Ok(plan::boundaries(self, columns)?.0)
    }

    fn boundaries_cut_pieces(&self, columns: &[String]) -> Result<bool> {
        Ok(plan::boundaries(self, columns)?.1)
    }

    fn cuts(&self, columns: &[String]) -> Result<Vec<u64>> {
        plan::cuts(self, columns)
    }

    fn kept(&self, columns: &[String]) -> Result<u64> {
        plan::kept(self, columns)
    }

    fn short(&self, columns: &[String]) -> Result<Vec<(String, u64)>> {
        let mut short = Vec::new();
        for node in plan::needs(self, columns, &(0..self.entries))?.into_keys() {
            let held = self.branch(node)?.baskets.entries();
            if held < self.entries {
                short.push((self.column_name(node).to_owned(), held));
            }
        }
        Ok(short)
    }

    fn plan(&self, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
        plan::plan(self, columns, entries)
    }

    fn unpack(&self, _: &ReadPlan, piece: &CutPiece, bytes: &[u8], scratch: &mut Scratch) -> Option<Bytes> {
        let head = Head::read(bytes).ok()?;
        let (codec, mut content) = (&mut scratch.codec, Vec::new());
        let mut cost = ColumnCost::default();
        let all = head.object_length;
        let unpacked = cost.decompressing(|| decompress(bytes, &head, all, codec, &mut content, false));
        match unpacked.ok()? {
            Content::Record(_) => None,
            Content::Out(_) => {
                cost.add_piece(bytes.len(), all);
                scratch.costs.add(self.column_name(piece.column), &cost);
                // A basket like one that was never compressed.
                Some([&bytes[..head.key_length], &content].concat().into())
            }
        }
    }

    fn decode<'a>(
        &'a self,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        scratch: &'a mut Scratch,
    ) -> Result<Box<dyn Batches + 'a>> {
        Ok(Box::new(decode::Decoder::new(self, plan, bytes, scratch)?))
    }
}

struct Header {
    entries: u64,
    title: String,
}

impl Header {
    /// From the cursor at the tree's record, which is left at its branches.
    fn read(buffer: &mut Buffer<'_>, file: &RootFile) -> Parse<Self> {
        let version = buffer.version()?.number;
        let (_, title) = buffer.tnamed()?;
        let title = String::from_utf8_lossy(title).into_owned();
        let at = buffer.position();
        let entries = if (16..=20).contains(&version) {
            Self::known(buffer, version)?
        } else if version < 5 {
            Self::ancient(buffer)?
        } else {
            Self::described(buffer, version, file)?
        };
        let entries =
            u64::try_from(entries).map_err(|_| Malformed::new(at, format!("it has {entries} entries")))?;
        Ok(Self { entries, title })
    }

    fn known(buffer: &mut Buffer<'_>, version: u16) -> Parse<i64> {
        for _ in 0..3 {
            buffer.skip_object()?; // TAttLine, TAttFill, TAttMarker
        }
        let entries = buffer.i64()?;
        buffer.skip(if version >= 18 { 32 } else { 24 })?; // bytes: total, zipped, saved, flushed
        buffer.skip(8 + 12)?; // fWeight, fTimerInterval, fScanField, fUpdate
        buffer.skip(if version >= 17 { 4 } else { 0 })?; // fDefaultEntryOffsetLen
        let clusters = if version >= 19 { buffer.u32()? as usize } else { 0 };
        buffer.skip(if version >= 18 { 48 } else { 40 })?; // fMaxEntries … fAutoSave, fAutoFlush, fEstimate
        if version >= 19 {
            for _ in 0..2 {
                buffer.u8()?;
                buffer.items(clusters, 8)?; // fClusterRangeEnd, fClusterSize
            }
        }
        if version >= 20 {
            buffer.skip_object()?; // fIOFeatures
        }
        Ok(entries)
    }

    /// Versions before the class had a description.
    fn ancient(buffer: &mut Buffer<'_>) -> Parse<i64> {
        for _ in 0..3 {
            buffer.skip_object()?; // TAttLine, TAttFill, TAttMarker
        }
        buffer.skip(12)?; // fScanField, fMaxEntryLoop, fMaxVirtualSize
        let entries = buffer.f64()? as i64;
        buffer.skip(8 + 8 + 8)?; // fTotBytes, fZipBytes, fAutoSave, fEstimate
        Ok(entries)
    }

    /// Versions of other times, by what the file says of them.
    fn described(buffer: &mut Buffer<'_>, version: u16, file: &RootFile) -> Parse<i64> {
        let unknown = || Malformed::new(0, format!("version {version} of TTree is not known"));
        let streamers = file.streamers().map_err(|_| unknown())?;
        let class = streamers.version("TTree", version.into()).ok_or_else(unknown)?;
        let mut entries = None;
        let mut counters: HashMap<&str, i64> = HashMap::new();
        for element in class.elements.iter().filter(|element| element.name != "TNamed") {
            if element.name == "fBranches" {
                return entries.ok_or_else(unknown);
            }
            if element.kind == "TStreamerBase" || matches!(element.code, 61 | 62) {
                buffer.skip_object()?;
                continue;
            }
            let size = match element.code % 20 {
                1 | 11 | 18 => 1,
                2 | 12 => 2,
                3 | 5 | 6 | 13 | 15 => 4,
                4 | 8 | 14 | 16 | 17 => 8,
                _ => return Err(unknown()),
            };
            if element.code >= 40 {
                buffer.u8()?;
                let count =
                    element.counter.as_deref().and_then(|name| counters.get(name)).copied().unwrap_or(0);
                buffer.items(usize::try_from(count).unwrap_or(0), size)?;
                continue;
            }
            let value = match (element.code, size) {
                (8, _) => buffer.f64()? as i64,
                (_, 8) => buffer.i64()?,
                (_, 4) => buffer.i32()?.into(),
                (_, size) => {
                    buffer.skip(size)?;
                    0
                }
            };
            if element.name == "fEntries" {
                entries = Some(value);
            }
            counters.insert(&element.name, value);
        }
        Err(unknown())
    }
}
