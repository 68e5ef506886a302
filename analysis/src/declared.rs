//! Columns that are declared at run time: whose names are in settings or metadata, or that only some datasets have.

use std::sync::Arc;

use hep_columns::{Batch, ColumnError, Schema, Scope};

use crate::{Columnar, Dataset, Result};

/// The columns of a dataset that a processor reads besides those of its event struct:
/// [`Processor::declare`](crate::Processor::declare).
pub struct Columns<'a>(&'a mut Schema);

impl<'a> Columns<'a> {
    /// Adds to `schema`.
    pub fn new(schema: &'a mut Schema) -> Self {
        Self(schema)
    }

    /// Reads the column `name`, which files must have; `Option<T>` for one that they may lack. A struct is a collection, or
    /// a group of branches, whose names begin with `name`.
    pub fn read<T: Columnar>(&mut self, name: &str) {
        T::declare(name, self.0);
    }

    /// Reads an optional column, `Option<T>`, that every file may lack. Other optional columns that no file of a fileset has
    /// are taken for misspelt ones.
    pub fn may_be_absent<T: Columnar>(&mut self, name: &str) {
        self.0.may_be_absent(|schema| T::declare(name, schema));
    }
}

/// A dataset, and the columns that are read of it.
#[derive(Clone, Debug, Default)]
pub struct DatasetColumns {
    /// The dataset.
    pub dataset: Dataset,
    /// Those of the event struct, and what the processor declares for this dataset.
    pub schema: Schema,
}

/// A column of a batch, by a name known at run time: [`Events::column`](crate::Events::column).
pub struct NamedColumn<T: Columnar> {
    column: T::Column,
    length: usize,
}

impl<T: Columnar> NamedColumn<T> {
    pub(crate) fn find(name: &str, batch: &Batch, known: Option<&Arc<DatasetColumns>>) -> Result<Self> {
        if let Some(known) = known {
            // A file may have one that nobody declared, and that was not read: it would look absent.
            let mut needs = Schema::default();
            T::declare(name, &mut needs);
            let declared = |name: &str| known.schema.requirements().iter().any(|need| need.name == name);
            if let Some(need) = needs.requirements().iter().find(|need| !declared(&need.name)) {
                let (name, dataset) = (need.name.clone(), known.dataset.name.clone());
                return Err(ColumnError::NotDeclared { name, dataset }.into());
            }
        }
        Ok(Self { column: T::read(name, &Scope::new(batch))?, length: batch.len() })
    }

    /// How many events it has a value for: those of the batch.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The value of event `i` of the batch.
    ///
    /// # Panics
    /// If `i` is past the end.
    #[inline(always)]
    pub fn get(&self, i: usize) -> T::Item<'_> {
        T::item(&self.column, i)
    }

    /// The values, one for each event.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T::Item<'_>> + Clone {
        let column = &self.column;
        (0..self.length).map(move |i| T::item(column, i))
    }
}
