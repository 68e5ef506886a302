use std::ops::{Deref, Range};
use std::sync::{Arc, LazyLock};

use hep_columns::{Batch, Scope};

use crate::{Columnar, Dataset, DatasetColumns, NamedColumn, Result};

/// That of events that nobody gave one.
static NO_DATASET: LazyLock<Dataset> = LazyLock::new(Dataset::default);

/// The declared columns of one batch. Iterate over it for rows (`for event in events`), or use its
/// fields as whole columns in a hot kernel (`events.muons.pt`).
pub struct Events<E: Columnar> {
    columns: E::Column,
    batch: Batch,
    of: Option<Arc<DatasetColumns>>,
}

impl<E: Columnar> Events<E> {
    /// The columns that `E` declares, found in `batch`.
    ///
    /// # Errors
    /// Where one is absent or holds another type.
    pub fn new(batch: Batch) -> Result<Self> {
        let columns = E::read("", &Scope::new(&batch))?;
        Ok(Self { columns, batch, of: None })
    }

    /// The same events, of a dataset.
    #[must_use]
    pub fn of(self, dataset: Arc<DatasetColumns>) -> Self {
        Self { of: Some(dataset), ..self }
    }

    /// The dataset that the events are of.
    pub fn dataset(&self) -> &Dataset {
        self.of.as_ref().map_or(&*NO_DATASET, |of| &of.dataset)
    }

    /// A column that [`Processor::declare`](crate::Processor::declare) has declared, by its name: to be looked up once for
    /// a batch, not for each event. An `Option<T>` is none for every event of a file that lacks it.
    ///
    /// # Errors
    /// Where it was not declared, is absent, or holds another type.
    pub fn column<T: Columnar>(&self, name: &str) -> Result<NamedColumn<T>> {
        NamedColumn::find(name, &self.batch, self.of.as_ref())
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The entries of the file that these events are.
    pub fn entries(&self) -> Range<u64> {
        self.batch.entries()
    }

    /// The columns as they were read.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The events, one row each.
    #[inline(always)]
    pub fn iter(&self) -> Rows<'_, E> {
        Rows { columns: &self.columns, range: 0..self.batch.len() }
    }

    /// The events that are `good`, chosen without a branch: which ones are cannot be foreseen, and a mispredicted
    /// branch for each event costs more than most selections.
    pub fn select(&self, good: impl Fn(E::Item<'_>) -> bool) -> SelectedEvents<'_, E> {
        let mut numbers = vec![0; self.len()];
        let mut length = 0;
        for (event, number) in self.iter().zip(0_u32..) {
            // One that is not good is overwritten by the next.
            numbers[length] = number;
            length += usize::from(good(event));
        }
        numbers.truncate(length);
        SelectedEvents { columns: &self.columns, numbers }
    }
}

/// Some of the events of a batch, from [`Events::select`].
pub struct SelectedEvents<'a, E: Columnar> {
    columns: &'a E::Column,
    numbers: Vec<u32>,
}

impl<'a, E: Columnar> SelectedEvents<'a, E> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Which of the batch's events they are, rising.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// The events, one row each.
    #[inline(always)]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = E::Item<'a>> + Clone {
        let columns = self.columns;
        self.numbers.iter().map(move |&number| E::item(columns, number as usize))
    }
}

impl<E: Columnar> Deref for Events<E> {
    type Target = E::Column;

    #[inline(always)]
    fn deref(&self) -> &E::Column {
        &self.columns
    }
}

impl<'a, E: Columnar> IntoIterator for &'a Events<E> {
    type Item = E::Item<'a>;
    type IntoIter = Rows<'a, E>;

    #[inline(always)]
    fn into_iter(self) -> Rows<'a, E> {
        self.iter()
    }
}

/// The rows of [`Events`].
pub struct Rows<'a, E: Columnar> {
    columns: &'a E::Column,
    range: Range<usize>,
}

impl<'a, E: Columnar> Iterator for Rows<'a, E> {
    type Item = E::Item<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<E::Item<'a>> {
        self.range.next().map(|i| E::item(self.columns, i))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}
