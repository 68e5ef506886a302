//! What reading columns costs, column by column.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What was spent on one column. Sums, so that those of any ranges add up.
///
/// A piece that several ranges need counts where it is decompressed: once, if they share it. Of Parquet
/// there are bytes only: the `parquet` crate decompresses and decodes all columns in one go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnCost {
    /// Baskets, or pages.
    pub pieces: u64,
    /// Their bytes as they lie in the file: a basket's with its key (`fNbytes`), a page's with its checksum.
    pub stored: u64,
    /// Their bytes decompressed, without key or checksum: of a basket `fObjlen`, the table of entry offsets
    /// included, even where it was left alone.
    pub unpacked: u64,
    /// Time that their decompression took.
    pub decompress: Duration,
    /// Time that it took to make columns of them.
    pub decode: Duration,
}

impl ColumnCost {
    /// Adds what was spent elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.pieces = self.pieces.saturating_add(other.pieces);
        self.stored = self.stored.saturating_add(other.stored);
        self.unpacked = self.unpacked.saturating_add(other.unpacked);
        self.decompress = self.decompress.saturating_add(other.decompress);
        self.decode = self.decode.saturating_add(other.decode);
    }

    /// Counts a piece.
    pub(crate) fn add_piece(&mut self, stored: usize, unpacked: usize) {
        self.pieces += 1;
        self.stored += stored as u64;
        self.unpacked += unpacked as u64;
    }

    /// Decompresses, and notes how long that took.
    pub(crate) fn decompressing<T>(&mut self, decompress: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = decompress();
        self.decompress += start.elapsed();
        result
    }

    /// Notes that `elapsed` was spent on decoding and on what has been decompressed since `decompressed`.
    pub(crate) fn add_decoding(&mut self, elapsed: Duration, decompressed: Duration) {
        self.decode += elapsed.saturating_sub(self.decompress - decompressed);
    }
}

/// What was spent on each column.
#[derive(Debug, Default)]
pub(crate) struct Costs(BTreeMap<String, ColumnCost>);

impl Costs {
    pub(crate) fn add(&mut self, column: &str, cost: &ColumnCost) {
        match self.0.get_mut(column) {
            Some(known) => known.add(cost),
            None => drop(self.0.insert(column.to_owned(), *cost)),
        }
    }

    /// Gives and forgets what was spent; the names stay, for the next time.
    pub(crate) fn take(&mut self, mut sink: impl FnMut(&str, ColumnCost)) {
        for (column, cost) in &mut self.0 {
            let cost = std::mem::take(cost);
            if cost != ColumnCost::default() {
                sink(column, cost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_forgotten() {
        let mut costs = Costs::default();
        let cost = ColumnCost { pieces: 2, stored: 30, unpacked: 70, ..ColumnCost::default() };
        costs.add("Muon_pt", &cost);
        costs.add("Muon_pt", &cost);
        costs.add("nMuon", &ColumnCost::default());
        let mut taken = Vec::new();
        costs.take(|column, cost| taken.push((column.to_owned(), cost.pieces, cost.stored, cost.unpacked)));
        assert_eq!(taken, [("Muon_pt".to_owned(), 4, 60, 140)]);
        costs.take(|column, _| panic!("{column}"));
    }

    #[test]
    fn decompression_is_no_decoding() {
        let ms = Duration::from_millis;
        let mut cost = ColumnCost { decompress: ms(50), ..ColumnCost::default() };
        let before = cost.decompress;
        cost.decompress += ms(7);
        cost.add_decoding(ms(10), before);
        assert_eq!((cost.decompress, cost.decode), (ms(57), ms(3)));
    }
}
