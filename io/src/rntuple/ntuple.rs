use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::anchor::{Anchor, Link};
use super::clusters::{Cluster, Clusters, ColumnPages, Group};
use super::envelope::{Envelope, EnvelopeKind, Parsed, Refusal};
use super::names::{Names, Target};
use super::plan::Cut;
use super::schema::Schema;
use super::shape::Shape;
use super::steps::Steps;
use super::{decode, plan};
use crate::root::codec::Decompressor;
use crate::root::{Key, Malformed, RootFile};
use crate::source::{check_range, coalesce};
use crate::{Batches, ColumnInfo, CutPiece, EntryReader, Error, ReadPlan, Result, Scratch, Stored};

/// The class of the object by which an RNTuple is found.
const CLASS: &str = "ROOT::RNTuple";
/// What it was called while the format was not final.
const PRERELEASE: &str = "ROOT::Experimental::RNTuple";

/// An envelope may expand by this factor, and by `SMALL` bytes more: repetitive as its lists are, what
/// claims to be longer is made to exhaust memory.
const EXPANSION: u64 = 1024;
const SMALL: u64 = 16 << 20;

/// The most bytes that `size` bytes of envelopes may expand to.
fn longest(size: u64) -> u64 {
    size.saturating_mul(EXPANSION).saturating_add(SMALL)
}

/// Whether the object is an RNTuple, of whichever version.
pub(crate) fn is_ntuple(key: &Key) -> bool {
    matches!(key.class_name.as_str(), CLASS | PRERELEASE)
}

/// An `RNTuple` of a file.
#[derive(Debug)]
pub struct Ntuple {
    file: Arc<RootFile>,
    name: String,
    about: About,
    schema: Schema,
    names: Names,
    clusters: Clusters,
    /// The pages of each of [`Schema::columns`].
    pages: Vec<OnceLock<Result<Arc<ColumnPages>>>>,
    /// What the costs of each are noted under.
    cost_names: Vec<OnceLock<Arc<str>>>,
    /// Ends of lists at which plans cut clusters.
    cuts: Mutex<HashMap<Cut, u64>>,
}

/// What the header says beside the fields.
#[derive(Debug)]
struct About {
    version: [u16; 4],
    description: String,
    writer: String,
}

impl Ntuple {
    /// Opens the RNTuple at `path`, `Events` or `directory/Events;1`, with two reads beside the one of
    /// its key: the footer, and header and page lists.
    ///
    /// # Errors
    /// Where there is no such object, it is not an RNTuple, it uses features that we do not know, or
    /// its metadata is damaged.
    pub fn open(file: &Arc<RootFile>, path: &str) -> Result<Self> {
        let key = file.find(path)?;
        match key.class_name.as_str() {
            CLASS => {}
            PRERELEASE => {
                return Err(Error::Unsupported {
                    path: file.path().to_owned(),
                    what: format!("RNTuple `{path}`"),
                    reason: "it was written before the format was final (ROOT 6.34): write it again"
                        .to_owned(),
                });
            }
            other => {
                let (path, found) = (file.path().to_owned(), other.to_owned());
                return Err(Error::WrongClass { path, name: key.name, found, wanted: "an RNTuple" });
            }
        }
        let object = file.object(&key)?;
        let name = path.trim_matches('/').to_owned();
        let opening = Opening { file, name: &name };
        let anchor = Anchor::read(&object).map_err(|refusal| {
            refusal.within(file.path(), format!("the anchor of RNTuple `{name}`"), key.seek)
        })?;
        opening.read(&anchor).map(|(about, schema, clusters)| {
            let names = Names::new(&schema);
            let pages = schema.columns.iter().map(|_| OnceLock::new()).collect();
            let cost_names = schema.columns.iter().map(|_| OnceLock::new()).collect();
            let (file, name, cuts) = (file.clone(), name.clone(), Mutex::default());
            Self { file, name, about, schema, names, clusters, pages, cost_names, cuts }
        })
    }

    /// The path by which it was opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn file(&self) -> &Arc<RootFile> {
        &self.file
    }

    /// Epoch, major, minor and patch of the format's version.
    pub fn version(&self) -> [u16; 4] {
        self.about.version
    }

    /// Its description.
    pub fn description(&self) -> &str {
        &self.about.description
    }

    /// The program or library that wrote it.
    pub fn writer(&self) -> &str {
        &self.about.writer
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn clusters(&self) -> &[Cluster] {
        &self.clusters.all
    }

    /// The clusters that hold entries of `range`.
    pub(super) fn overlapping(&self, range: &Range<u64>) -> Range<usize> {
        self.clusters.overlapping(range)
    }

    /// Where the pages of a column of [`Schema::columns`] lie.
    pub(super) fn pages(&self, column: usize) -> Result<Arc<ColumnPages>> {
        let parse = || {
            let pages = self.clusters.pages(&self.schema, &self.schema.columns[column]);
            let what =
                || format!("the page list of column `{}` of RNTuple `{}`", self.place(column), self.name);
            pages.map(Arc::new).map_err(|refusal| refusal.within(self.file.path(), what(), 0))
        };
        self.pages[column].get_or_init(parse).clone()
    }

    /// The end of a list, if a plan has asked for it before.
    pub(super) fn cut(&self, cut: &Cut) -> Option<u64> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner).get(cut).copied()
    }

    pub(super) fn remember(&self, cut: Cut, end: u64) {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner).insert(cut, end);
    }

    /// What is decoded for `columns`.
    pub(super) fn steps(&self, columns: &[String]) -> Result<Steps> {
        let shapes = columns.iter().map(|name| Ok(self.find(name)?.1)).collect::<Result<Vec<Shape>>>()?;
        Ok(Steps::new(shapes.iter()))
    }

    fn find(&self, name: &str) -> Result<(Target, Shape)> {
        let Some(target) = self.names.find(&self.schema, name) else {
            let all = self.names.all(&self.schema);
            return Err(Error::NoColumn {
                path: self.file.path().to_owned(),
                tree: self.name.clone(),
                name: name.to_owned(),
                nearest: hep_columns::nearest(name, all.iter().map(String::as_str)),
            });
        };
        match self.schema.target_shape(&target) {
            Ok(shape) => Ok((target, shape)),
            Err(reason) => Err(Error::Unsupported {
                path: format!("{}:/{}", self.file.path(), self.name),
                what: format!("field `{name}`"),
                reason,
            }),
        }
    }

    /// The fields that lead to a column.
    fn place(&self, column: usize) -> String {
        self.schema.place(column)
    }

    /// What a column's cost is noted under: the fields that lead to it, `Muon.pt` and `Muon_pt`; those that
    /// are but the items of a list (`_0`) are left out.
    pub(super) fn cost_name(&self, column: usize) -> Arc<str> {
        let known = self.cost_names.get(column);
        let name = || self.place(column).replace("._0", "").into();
        known.map_or_else(name, |known| Arc::clone(known.get_or_init(name)))
    }

    pub(super) fn check_range(&self, entries: &Range<u64>) -> Result<()> {
        if entries.start <= entries.end && entries.end <= self.clusters.entries() {
            return Ok(());
        }
        Err(Error::Unsupported {
            path: self.file.path().to_owned(),
            what: format!("entries {}..{} of `{}`", entries.start, entries.end, self.name),
            reason: format!("it has {} entries", self.clusters.entries()),
        })
    }

    /// Something wrong with a page of a column, or with what a cluster has of it.
    pub(super) fn page_error(
        &self,
        column: usize,
        pages: &ColumnPages,
        cluster: usize,
        page: Option<usize>,
        reason: impl Into<String>,
    ) -> Error {
        let entries = self.clusters.all.get(cluster).map_or(0..0, |cluster| cluster.entries.clone());
        let place = match page.and_then(|number| Some((number, pages.pages.get(number)?))) {
            Some((number, page)) => {
                format!("cluster {cluster}, page {number} at byte {}", page.range().start)
            }
            None => format!("cluster {cluster}"),
        };
        self.error(&self.place(column), entries, place, reason.into())
    }

    /// Something wrong with what a batch makes of the column `name`.
    pub(super) fn batch_error(&self, name: &str, entries: &Range<u64>, reason: String) -> Error {
        self.error(name, entries.clone(), "in all its pages".to_owned(), reason)
    }

    fn error(&self, branch: &str, entries: Range<u64>, place: String, reason: String) -> Error {
        Error::Basket {
            path: self.file.path().to_owned(),
            tree: self.name.as_str().into(),
            branch: branch.into(),
            entries,
            place: place.into(),
            reason: reason.into(),
        }
    }
}

impl EntryReader for Ntuple {
    fn entries(&self) -> u64 {
        self.clusters.entries()
    }

    fn column_names(&self) -> Vec<String> {
        self.names.all(&self.schema)
    }

    fn column(&self, name: &str) -> Result<ColumnInfo> {
        let (target, shape) = self.find(name)?;
        Ok(ColumnInfo {
            name: name.to_owned(),
            type_name: self.schema.target_type(&target),
            data_type: shape.data_type(),
        })
    }

    fn stored(&self, name: &str) -> Result<Stored> {
        let steps = self.steps(&[name.to_owned()])?;
        let columns: BTreeSet<usize> = steps.needs().map(|need| need.column).collect();
        let mut stored = Stored::default();
        for column in columns {
            let pages = self.pages(column)?;
            stored.bytes = stored.bytes.saturating_add(pages.bytes());
            stored.pieces += pages.pages.len();
        }
        Ok(stored)
    }

    fn boundaries(&self, columns: &[String]) -> Result<Vec<u64>> {
        self.steps(columns)?;
        let starts = self.clusters.all.iter().filter(|cluster| !cluster.entries.is_empty());
        let mut starts: Vec<u64> = starts.map(|cluster| cluster.entries.start).collect();
        match starts.is_empty() {
            true => starts.push(0),
            false => starts.push(self.clusters.entries()),
        }
        Ok(starts)
    }

    fn plan(&self, columns: &[String], entries: Range<u64>) -> Result<ReadPlan> {
        plan::plan(self, columns, entries)
    }

    fn unpack(
        &self,
        plan: &ReadPlan,
        piece: &CutPiece,
        bytes: &[u8],
        scratch: &mut Scratch,
    ) -> Option<Bytes> {
        plan::unpack(self, plan, piece, bytes, scratch)
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

fn list_name(number: usize) -> String {
    format!("page list {number}")
}

/// An RNTuple of which only the anchor is known.
struct Opening<'a> {
    file: &'a RootFile,
    name: &'a str,
}

impl Opening<'_> {
    fn read(&self, anchor: &Anchor) -> Result<(About, Schema, Clusters)> {
        let [header_link, footer_link] = [&anchor.header, &anchor.footer].map(Link::clone);
        let limit = anchor.max_key_size;
        let [header_range, footer_range] = [&header_link, &footer_link].map(Link::range);
        self.check("the header", &header_link, limit)?;
        self.check("the footer", &footer_link, limit)?;
        // The footer first: of a remote file it has come with the tail, and it says where the page lists
        // lie, so that header and page lists are one round trip.
        let source = &**self.file.source();
        let stored = coalesce::read(source, std::slice::from_ref(&footer_range))?;
        let footer = self.decompress("the footer", footer_range.start, footer_link.length, &stored[0])?;
        let in_footer =
            |refusal: Refusal| refusal.within(self.file.path(), self.what("the footer"), footer_range.start);
        let groups = footer_groups(&footer).map_err(in_footer)?;
        self.check_groups(&groups, limit)?;
        let lists = groups.iter().map(|group| group.place.clone());
        let places: Vec<Range<u64>> = std::iter::once(header_range.clone()).chain(lists).collect();
        let mut stored = coalesce::read(source, &places)?.into_iter();
        let header = stored.next().unwrap_or_default();
        let header = self.decompress("the header", header_range.start, header_link.length, &header)?;

        let mut schema = Schema::default();
        let (about, checksum) = header_content(&header, anchor.version, &mut schema).map_err(|refusal| {
            refusal.within(self.file.path(), self.what("the header"), header_range.start)
        })?;
        footer_content(&footer, checksum, &mut schema).map_err(in_footer)?;
        let clusters = self.clusters(&groups, checksum, stored)?;
        Ok((about, schema, clusters))
    }

    fn check_groups(&self, groups: &[Group], limit: u64) -> Result<()> {
        let (mut total, mut lengths) = (0_u64, 0_u64);
        for (number, group) in groups.iter().enumerate() {
            let (seek, size) = (group.place.start, group.place.end - group.place.start);
            self.check(&list_name(number), &Link { seek, size, length: group.length }, limit)?;
            // Honest lists do not overlap, and together they are no longer than the file.
            total = total.saturating_add(size);
            lengths = lengths.saturating_add(group.length);
            let wrong = if total > self.file.size() {
                Some("the page lists together are longer than the file")
            } else if lengths > longest(total) {
                Some("the page lists together claim to expand to absurdly much")
            } else {
                None
            };
            if let Some(reason) = wrong {
                return Err(Malformed::new(0, reason).within(
                    self.file.path(),
                    self.what(&list_name(number)),
                    seek,
                ));
            }
        }
        Ok(())
    }

    fn clusters(
        &self,
        groups: &[Group],
        checksum: u64,
        stored: impl Iterator<Item = Bytes>,
    ) -> Result<Clusters> {
        let mut clusters = Clusters::default();
        for (number, (group, stored)) in groups.iter().zip(stored).enumerate() {
            let (what, at) = (list_name(number), group.place.start);
            let bytes = self.decompress(&what, at, group.length, &stored)?;
            clusters
                .add(group, bytes, checksum)
                .map_err(|refusal| refusal.within(self.file.path(), self.what(&what), at))?;
        }
        Ok(clusters)
    }

    fn what(&self, envelope: &str) -> String {
        format!("{envelope} of RNTuple `{}`", self.name)
    }

    /// Makes sure that an envelope lies in the file in one piece.
    fn check(&self, what: &str, link: &Link, limit: u64) -> Result<()> {
        if limit > 0 && link.size > limit {
            return Err(Error::Unsupported {
                path: self.file.path().to_owned(),
                what: self.what(what),
                reason: format!("its {} bytes lie in several pieces of {limit}", link.size),
            });
        }
        if link.length > longest(link.size) {
            let reason = format!("{} bytes claim to expand to {}", link.size, link.length);
            return Err(Malformed::new(0, reason).within(self.file.path(), self.what(what), link.seek));
        }
        check_range(self.file.path(), self.file.size(), &link.range())
    }

    fn decompress(&self, what: &str, at: u64, length: u64, stored: &Bytes) -> Result<Bytes> {
        if stored.len() as u64 == length {
            return Ok(stored.clone());
        }
        let mut bytes = Vec::new();
        let done = match usize::try_from(length) {
            Ok(length) => Decompressor::default().decompress_into(stored, &mut bytes, length),
            Err(_) => Err(format!("{length} bytes are more than fit into memory")),
        };
        match done {
            Ok(()) => Ok(bytes.into()),
            Err(reason) => Err(Malformed::new(0, reason).within(self.file.path(), self.what(what), at)),
        }
    }
}

/// Reads the header, and returns its checksum, too.
fn header_content(bytes: &[u8], version: [u16; 4], schema: &mut Schema) -> Parsed<(About, u64)> {
    let envelope = Envelope::open(bytes, EnvelopeKind::Header)?;
    let mut reader = envelope.reader;
    reader.features()?;
    reader.string()?; // its name
    let (description, writer) = (reader.string()?, reader.string()?);
    schema.read(&mut reader)?;
    Ok((About { version, description, writer }, envelope.checksum))
}

/// Reads of the footer what completes the schema.
fn footer_content(bytes: &[u8], header: u64, schema: &mut Schema) -> Parsed<()> {
    let mut reader = Envelope::open(bytes, EnvelopeKind::Footer)?.reader;
    reader.features()?;
    if reader.u64()? != header {
        return Err(Malformed::new(reader.position(), "it belongs to another header").into());
    }
    let mut extension = reader.record()?;
    if extension.remaining() > 0 {
        schema.read(&mut extension)?;
    }
    Ok(schema.link()?)
}

/// Reads of the footer the groups of clusters: all that does not need the header.
fn footer_groups(bytes: &[u8]) -> Parsed<Vec<Group>> {
    let mut reader = Envelope::open(bytes, EnvelopeKind::Footer)?.reader;
    reader.features()?;
    reader.u64()?; // the header's checksum
    reader.record()?; // the schema's extension
    let mut list = reader.list()?;
    let mut groups = Vec::new();
    for _ in 0..list.items {
        groups.push(Group::read(&mut list.reader.record()?)?);
    }
    Ok(groups)
}
