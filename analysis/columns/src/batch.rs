use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use crate::{ColumnError, nearest};

/// Consecutive entries of one file, decoded: one Arrow array per column, all of the same length.
#[derive(Clone, Debug)]
pub struct Batch {
    entries: Range<u64>,
    names: Arc<HashMap<String, usize>>,
    columns: Vec<ArrayRef>,
}

impl Batch {
    /// A batch of the half-open range `entries` of a file. `names` maps each column's name to its
    /// place in `columns`; a reader builds it once and shares it between its batches. Two names may
    /// stand for one column.
    ///
    /// # Panics
    /// If a column's length differs from the number of entries or a name points past the columns:
    /// both would be a bug of the reader, not of the file.
    pub fn new(entries: Range<u64>, names: Arc<HashMap<String, usize>>, columns: Vec<ArrayRef>) -> Self {
        let length = entries.end - entries.start;
        assert!(columns.iter().all(|column| column.len() as u64 == length), "a column of another length");
        assert!(names.values().all(|&at| at < columns.len()), "a name without a column");
        Self { entries, names, columns }
    }

    /// The entries of the file that this batch holds.
    pub fn entries(&self) -> Range<u64> {
        self.entries.clone()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        (self.entries.end - self.entries.start) as usize
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes its values take; what columns share counts for each.
    pub fn bytes(&self) -> u64 {
        let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX) as u64;
        self.columns.iter().map(bytes).fold(0, u64::saturating_add)
    }

    /// The column called `name`, if it was read.
    pub fn find(&self, name: &str) -> Option<&ArrayRef> {
        self.names.get(name).map(|&at| &self.columns[at])
    }

    /// The column called `name`.
    ///
    /// # Errors
    /// [`ColumnError::Missing`] where it was not read, with the nearest name that was.
    pub fn column(&self, name: &str) -> Result<&ArrayRef, ColumnError> {
        self.find(name).ok_or_else(|| ColumnError::Missing {
            name: name.to_owned(),
            nearest: nearest(name, self.names.keys().map(String::as_str)),
        })
    }

    /// The names of the columns, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}
