use std::collections::HashMap;
use std::ops::Range;

use arrow_schema::DataType;
use bytes::Bytes;
use hep_columns::Batch;

use crate::cost::Costs;
use crate::{ColumnCost, Result};

/// One column as a reader lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// The name a processor declares, `Muon_pt`.
    pub name: String,
    /// What the file calls its type, `Float_t` or `vector<float>`.
    pub type_name: String,
    /// The Arrow type its batches have.
    pub data_type: DataType,
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes in the file.
    pub bytes: u64,
    /// How many pieces they are in: baskets, or pages.
    pub pieces: usize,
}

/// What becomes of columns that hold fewer entries than their tree: branches that were added later, or not always filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShortBranches {
    /// They cannot be read. ROOT gives the values of their last entry again.
    #[default]
    Refuse,
    /// The entries that they lack are zero or empty.
    Default,
}

/// The entries of one tree of one file, TTree or RNTuple alike.
pub trait EntryReader: Send + Sync {
    /// How many entries there are.
    fn entries(&self) -> u64;

    /// The names of all columns, those that cannot be read included, in the file's order. Cheap:
    /// nothing but names is parsed.
    fn column_names(&self) -> Vec<String>;

    /// What the column `name` is.
    ///
    /// # Errors
    /// [`Error::NoColumn`](crate::Error::NoColumn) where it does not exist,
    /// [`Error::Unsupported`](crate::Error::Unsupported) where it cannot be read, with the reason.
    fn column(&self, name: &str) -> Result<ColumnInfo>;

    /// How the column `name` is stored.
    ///
    /// # Errors
    /// Where it does not exist, or the file's record of its baskets is damaged.
    fn stored(&self, name: &str) -> Result<Stored>;

    /// The entries at which clusters begin, and the number of entries as the last: increasing,
    /// starting at 0. A range between two of them needs no basket of `columns` twice, as far as the
    /// file's layout allows.
    ///
    /// # Errors
    /// Where the file's record of its baskets is damaged.
    fn boundaries(&self, columns: &[String]) -> Result<Vec<u64>>;

    /// Whether baskets or pages of `columns` have entries on both sides of the [`boundaries`](Self::boundaries): the
    /// file's columns begin theirs at different entries.
    ///
    /// # Errors
    /// Where the file's record of its baskets is damaged.
    fn boundaries_cut_pieces(&self, _columns: &[String]) -> Result<bool> {
        Ok(false)
    }

    /// Where else a range may be cut: the entries at which the column with the most bytes begins a basket,
    /// increasing. None are known where a cut costs little anywhere.
    ///
    /// # Errors
    /// Where the file's record of its baskets is damaged.
    fn cuts(&self, _columns: &[String]) -> Result<Vec<u64>> {
        Ok(Vec::new())
    }

    /// About how many bytes decoding `columns` keeps in memory besides what it was given and what it gives:
    /// the largest basket of each, decompressed, as far as the file tells. 0 where pieces are small.
    ///
    /// # Errors
    /// Where a column is absent, or the file's record of its baskets is damaged.
    fn kept(&self, _columns: &[String]) -> Result<u64> {
        Ok(0)
    }

    /// Which of the columns that `columns` needs, counters included, hold fewer entries than the tree, and how many:
    /// those behind are defaults, as [`ShortBranches::Default`] has it.
    ///
    /// # Errors
    /// Where a column is absent or unreadable.
    fn short(&self, _columns: &[String]) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }

    /// Which bytes the half-open range `entries` of `columns` needs. A range of whole clusters is
    /// planned without a read; where one is cut, a reader may read what tells which bytes lie behind
    /// the cut.
    ///
    /// # Errors
    /// Where a column is absent or unreadable, or its baskets do not cover the range.
    fn plan(&self, columns: &[String], entries: Range<u64>) -> Result<ReadPlan>;

    /// Decompresses a piece of the plan's, whose bytes are given, for [`ReadPlan::unpacked`] of this plan and of
    /// others that need it. None where that saves nothing, or cannot be done: decoding will say why.
    fn unpack(
        &self,
        plan: &ReadPlan,
        piece: &CutPiece,
        bytes: &[u8],
        scratch: &mut Scratch,
    ) -> Option<Bytes> {
        let _ = (plan, piece, bytes, scratch);
        None
    }

    /// The batches of a plan, decoded one by one as they are asked for. `bytes` are the plan's
    /// ranges, in order.
    ///
    /// # Errors
    /// Where the plan is not of this reader or `bytes` are not of the plan.
    fn decode<'a>(
        &'a self,
        plan: &'a ReadPlan,
        bytes: &'a [Bytes],
        scratch: &'a mut Scratch,
    ) -> Result<Box<dyn Batches + 'a>>;
}

/// Batches of consecutive entries, in order.
pub trait Batches {
    /// The next at most `entries` entries, and none at the end of the plan. The checksum of a basket may be
    /// verified with its last entry in the plan: what came of a plan is right once it has come to its end.
    ///
    /// # Errors
    /// Where a basket cannot be decoded: with file, branch, entries and reason.
    fn next(&mut self, entries: usize) -> Result<Option<Batch>>;
}

/// A piece of a plan that has entries outside of it too: a basket or a page that another plan needs as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutPiece {
    /// Which of [`ReadPlan::ranges`] it is.
    pub at: usize,
    /// The branch or column that it belongs to, by the reader's own number.
    pub column: usize,
    /// The entries of which it has values; there may be fewer.
    pub entries: Range<u64>,
}

/// The bytes a range of entries needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadPlan {
    /// The entries, half-open.
    pub entries: Range<u64>,
    /// The columns, as asked for.
    pub columns: Vec<String>,
    /// Where the bytes lie in the file, one range for each basket, sorted.
    pub ranges: Vec<Range<u64>>,
    /// Those of the pieces that have entries outside of the plan too, in order.
    pub cut: Vec<CutPiece>,
    /// Pieces that [`EntryReader::unpack`] has decompressed already, by their place in `ranges`: these need not
    /// be read. None at first.
    pub unpacked: HashMap<usize, Bytes>,
}

impl ReadPlan {
    /// Whether these are the bytes of its ranges. Those of pieces that are unpacked need not be there.
    pub(crate) fn fits(&self, bytes: &[Bytes]) -> bool {
        let fits = |(at, (range, bytes)): (usize, (&Range<u64>, &Bytes))| {
            range.end.checked_sub(range.start) == Some(bytes.len() as u64) || self.unpacked.contains_key(&at)
        };
        self.ranges.len() == bytes.len() && self.ranges.iter().zip(bytes).enumerate().all(fits)
    }

    /// How many bytes it needs.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }
}

/// Memory that one worker reuses from range to range: decompressed baskets and decoder contexts.
#[derive(Default)]
pub struct Scratch {
    pub(crate) baskets: Vec<Vec<u8>>,
    pub(crate) codec: crate::root::codec::Decompressor,
    pub(crate) costs: Costs,
}

impl Scratch {
    /// The largest basket to decompress, in bytes; 2 GiB unless set. A larger one is an error.
    /// Memory is taken as blocks of at most 16 MiB turn out to be real, whatever the limit.
    pub fn largest_basket(&mut self, bytes: usize) {
        self.codec.limit(bytes);
    }

    /// Gives what was spent on each column, branches that count others included, since this was asked the last
    /// time. What a [`Batches`] spends is there when it is dropped.
    pub fn take_costs(&mut self, sink: impl FnMut(&str, ColumnCost)) {
        self.costs.take(sink);
    }

    /// Whether the checksums of zlib and lzma streams may go unverified where the values end before the
    /// stream does. Off unless asked for; it saves little where the checksum can be verified without the
    /// rest of the stream, as it can for branches with a counter.
    pub fn skip_checksums(&mut self, skip: bool) {
        self.codec.skip_checksums(skip);
    }
}
