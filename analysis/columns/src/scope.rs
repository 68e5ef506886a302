use std::cell::RefCell;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::OffsetBuffer;

use crate::error::describe;
use crate::{Batch, ColumnError};

/// Where a struct looks for its columns: the batch itself, or inside the lists of a collection.
///
/// Inside a collection every column is a list; the scope strips it and makes sure that all columns
/// agree on its offsets, so that `muon.pt` and `muon.charge` can never belong to different muons.
pub struct Scope<'a> {
    batch: &'a Batch,
    outer: Option<&'a Scope<'a>>,
    offsets: RefCell<Option<(String, OffsetBuffer<i32>)>>,
}

impl<'a> Scope<'a> {
    /// The columns of `batch` as they are.
    pub fn new(batch: &'a Batch) -> Self {
        Self { batch, outer: None, offsets: RefCell::new(None) }
    }

    /// Whether the batch has a column of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.batch.find(name).is_some()
    }

    /// The column `name`, stripped of the lists around this scope.
    ///
    /// # Errors
    /// Where it is absent, is not a list as deep as this scope, or disagrees with the other columns
    /// of the collection.
    pub fn array(&self, name: &str) -> Result<ArrayRef, ColumnError> {
        let Some(outer) = self.outer else { return self.batch.column(name).cloned() };
        let array = outer.array(name)?;
        let list = array.as_list_opt::<i32>().ok_or_else(|| ColumnError::Type {
            name: name.to_owned(),
            found: describe(array.data_type()),
            wanted: "a list".to_owned(),
        })?;
        let mut known = self.offsets.borrow_mut();
        match &*known {
            None => *known = Some((name.to_owned(), list.offsets().clone())),
            Some((first, offsets)) => {
                // Branches that share a counter share the very buffer; others are compared.
                if !offsets.ptr_eq(list.offsets()) && offsets != list.offsets() {
                    return Err(ColumnError::Lengths { a: first.clone(), b: name.to_owned() });
                }
            }
        }
        Ok(list.values().clone())
    }

    /// What `read` makes of the scope inside the collection `name`, and the collection's offsets.
    ///
    /// # Errors
    /// Those of `read`, and [`ColumnError::EmptyCollection`] if it read no column.
    pub fn list<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Scope<'_>) -> Result<T, ColumnError>,
    ) -> Result<(OffsetBuffer<i32>, T), ColumnError> {
        let inner = Scope { batch: self.batch, outer: Some(self), offsets: RefCell::new(None) };
        let columns = read(&inner)?;
        let Some((_, offsets)) = inner.offsets.into_inner() else {
            return Err(ColumnError::EmptyCollection { name: name.to_owned() });
        };
        Ok((offsets, columns))
    }
}
