//! From a struct to columns and back to rows: what `#[derive(Columnar)]` stands on.

use std::marker::PhantomData;
use std::ops::{Deref, Range};

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, StringArray};
use arrow_buffer::{BooleanBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use hep_columns::{ColumnError, Kind, Number, Schema, Scope};

use crate::events::SelectedEvents;
use crate::vector::{ClosestTriples, FourMomenta, Momentum};

/// Something that is stored as columns and read back entry by entry.
///
/// Numbers, `bool`, `String`, arrays `[f32; 3]`, [`Jagged<T>`] for a list per entry, `Option<T>` for
/// a branch a file may lack, and structs of these with `#[derive(Columnar)]`. An integer or float
/// may be declared wider than the file has it (`i32` reads an `int16` branch), never narrower.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a branch",
    label = "not a column type",
    note = "use a number, `bool`, `String`, `[f32; 3]`, `Jagged<T>` for a list per event, \
            `Option<T>` for a branch that may be absent, or a struct with `#[derive(Columnar)]`"
)]
pub trait Columnar: 'static {
    /// The columns of a batch.
    type Column: Clone + Send + Sync + 'static;
    /// One row: plain values, or windows into the columns.
    type Item<'a>;

    /// Adds the columns that `Self` under the name `name` is read from.
    fn declare(name: &str, schema: &mut Schema);

    /// The columns, found in `scope`.
    ///
    /// # Errors
    /// Where a column is absent or holds another type.
    fn read(name: &str, scope: &Scope<'_>) -> Result<Self::Column, ColumnError>;

    /// Row `i`, in `0..len` of the batch.
    ///
    /// # Panics
    /// If `i` is past the end.
    fn item(column: &Self::Column, i: usize) -> Self::Item<'_>;
}

/// The name of the column `name` of the collection `prefix`; at the top level the prefix is empty.
pub fn join(prefix: &str, separator: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{separator}{name}") }
}

fn mismatch(name: &str, array: &dyn Array, wanted: DataType) -> ColumnError {
    let mut needs = Schema::default();
    needs.push(name, Kind::Number(wanted));
    needs.requirements()[0].check(array.data_type()).err().unwrap_or_else(|| ColumnError::Type {
        name: name.into(),
        found: array.data_type().to_string(),
        wanted: "number".into(),
    })
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Columnar for $number {
            type Column = ScalarBuffer<$number>;
            type Item<'a> = $number;

            fn declare(name: &str, schema: &mut Schema) {
                schema.push(name, Kind::Number(<$number as Number>::TYPE));
            }

            fn read(name: &str, scope: &Scope<'_>) -> Result<Self::Column, ColumnError> {
                let array = scope.array(name)?;
                <$number>::widen(&array).ok_or_else(|| mismatch(name, &array, <$number as Number>::TYPE))
            }

            #[inline(always)]
            fn item(column: &Self::Column, i: usize) -> $number {
                column[i]
            }
        }

        impl<const N: usize> Columnar for [$number; N] {
            type Column = ScalarBuffer<$number>;
            type Item<'a> = [$number; N];

            fn declare(name: &str, schema: &mut Schema) {
                let item = Kind::Number(<$number as Number>::TYPE);
                schema.push(name, Kind::Fixed(Box::new(item), N));
            }

            fn read(name: &str, scope: &Scope<'_>) -> Result<Self::Column, ColumnError> {
                let array = scope.array(name)?;
                let wanted = || ColumnError::Type {
                    name: name.to_owned(),
                    found: array.data_type().to_string(),
                    wanted: format!("{}[{N}]", stringify!($number)),
                };
                let list = array.as_fixed_size_list_opt().ok_or_else(wanted)?;
                if usize::try_from(list.value_length()) != Ok(N) {
                    return Err(wanted());
                }
                <$number>::widen(list.values()).ok_or_else(wanted)
            }

            #[inline(always)]
            fn item(column: &Self::Column, i: usize) -> [$number; N] {
                std::array::from_fn(|k| column[i * N + k])
            }
        }
    )*};
}

numbers! { i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 }

impl Columnar for bool {
    type Column = BooleanBuffer;
    type Item<'a> = bool;

    fn declare(name: &str, schema: &mut Schema) {
        schema.push(name, Kind::Number(DataType::Boolean));
    }

    fn read(name: &str, scope: &Scope<'_>) -> Result<BooleanBuffer, ColumnError> {
        let array = scope.array(name)?;
        let found = array.as_boolean_opt().map(|array| array.values().clone());
        found.ok_or_else(|| mismatch(name, &array, DataType::Boolean))
    }

    #[inline(always)]
    fn item(column: &BooleanBuffer, i: usize) -> bool {
        column.value(i)
    }
}

impl Columnar for String {
    type Column = StringArray;
    type Item<'a> = &'a str;

    fn declare(name: &str, schema: &mut Schema) {
        schema.push(name, Kind::String);
    }

    fn read(name: &str, scope: &Scope<'_>) -> Result<StringArray, ColumnError> {
        let array = scope.array(name)?;
        let bytes: &BinaryArray = array.as_binary_opt().ok_or_else(|| ColumnError::Type {
            name: name.to_owned(),
            found: array.data_type().to_string(),
            wanted: "string".to_owned(),
        })?;
        StringArray::try_from_binary(bytes.clone())
            .map_err(|_| ColumnError::NotUtf8 { name: name.to_owned() })
    }

    #[inline(always)]
    fn item(column: &StringArray, i: usize) -> &str {
        column.value(i)
    }
}

/// `Option<T>`: the branch may be absent from the file, as `genWeight` is from data. All rows of a
/// file are `Some`, or all are `None`. A run lists which datasets lack it. If no file of the fileset has it, the
/// name is taken for a misspelt one and the run refuses to start, unless the field says
/// `#[column("genWeight", may_be_absent)]`.
impl<T: Columnar> Columnar for Option<T> {
    type Column = Option<T::Column>;
    type Item<'a> = Option<T::Item<'a>>;

    fn declare(name: &str, schema: &mut Schema) {
        schema.optional(|schema| T::declare(name, schema));
    }

    fn read(name: &str, scope: &Scope<'_>) -> Result<Self::Column, ColumnError> {
        // Decided by what the file has, not by the error: a collection with one branch missing of
        // several is absent as a whole, and a branch of the wrong type is an error all the same.
        let mut needs = Schema::default();
        T::declare(name, &mut needs);
        if needs.requirements().iter().any(|need| !need.optional && !scope.contains(&need.name)) {
            return Ok(None);
        }
        match T::read(name, scope) {
            Err(ColumnError::EmptyCollection { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    #[inline(always)]
    fn item(column: &Self::Column, i: usize) -> Self::Item<'_> {
        column.as_ref().map(|column| T::item(column, i))
    }
}

/// A list of `T` per entry: the muons of an event (`Muon_pt[nMuon]`, `vector<float>`).
///
/// Only a marker in the event struct: the row has a [`List`] in its place.
pub struct Jagged<T>(PhantomData<T>);

/// The columns of a [`Jagged`] collection: the fields of `T` as whole columns over all entries (it
/// dereferences to them), and where each entry's objects begin.
pub struct JaggedColumn<T: Columnar> {
    offsets: OffsetBuffer<i32>,
    content: T::Column,
}

impl<T: Columnar> Clone for JaggedColumn<T> {
    fn clone(&self) -> Self {
        Self { offsets: self.offsets.clone(), content: self.content.clone() }
    }
}

impl<T: Columnar> Deref for JaggedColumn<T> {
    type Target = T::Column;

    #[inline(always)]
    fn deref(&self) -> &T::Column {
        &self.content
    }
}

impl<T: Columnar> JaggedColumn<T> {
    /// Entry `i` owns the objects `offsets[i]..offsets[i + 1]` of the columns.
    pub fn offsets(&self) -> &[i32] {
        &self.offsets
    }

    /// A column of the objects that `change` makes of these: as many.
    pub(crate) fn map_content(self, change: impl FnOnce(T::Column) -> T::Column) -> Self {
        Self { offsets: self.offsets, content: change(self.content) }
    }

    /// The number of objects of all entries.
    pub fn object_count(&self) -> usize {
        self.offsets.last() as usize
    }

    /// The four-momenta of all objects, for those that are in many combinations.
    pub fn four_momenta(&self) -> FourMomenta<'_, T>
    where
        for<'a> T::Item<'a>: Momentum,
    {
        FourMomenta::all(self)
    }

    /// Those of the objects of some of the events, and no others.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::prelude::*;
    ///
    /// #[derive(Columnar)]
    /// struct Event {
    ///     #[column("Muon")]
    ///     muons: Jagged<Charged>,
    /// }
    ///
    /// fn fill(events: &Events<Event>, mass: &mut Count) {
    ///     let two_muons = events.select(|event| event.muons.len() == 2);
    ///     let mut four_momenta = events.muons.four_momenta_of(&two_muons);
    ///     mass.fill_all(two_muons.iter().map(|event| four_momenta.of(event.muons).sum([0, 1]).mass()));
    /// }
    /// ```
    pub fn four_momenta_of<'a, E: Columnar>(&'a self, events: &'a SelectedEvents<'_, E>) -> FourMomenta<'a, T>
    where
        for<'b> T::Item<'b>: Momentum,
    {
        FourMomenta::chosen(self, events.numbers())
    }

    /// Of each event with three objects and more, the three whose mass is closest to `mass` in GeV: those that
    /// `triples().closest_to(mass, …)` gives, for the mass `(a + b + c).mass()`, the first of equally close ones.
    /// None of an event all of whose masses are NaN.
    ///
    /// Events that have equally many objects are searched together, one in each lane of a vector.
    ///
    /// ```
    /// # extern crate hep_analysis as hep_run;
    /// use hep_run::prelude::*;
    ///
    /// #[derive(Clone, Copy, Columnar, Momentum)]
    /// struct Jet { pt: f32, eta: f32, phi: f32, mass: f32 }
    ///
    /// #[derive(Columnar)]
    /// struct Event {
    ///     #[column("Jet")]
    ///     jets: Jagged<Jet>,
    /// }
    ///
    /// fn fill(events: &Events<Event>, top_pt: &mut Count) {
    ///     for top in events.jets.closest_triples(172.5) {
    ///         top_pt.fill(top.p4().pt());
    ///     }
    /// }
    /// ```
    pub fn closest_triples(&self, mass: f64) -> ClosestTriples<'_, T>
    where
        for<'a> T::Item<'a>: Momentum,
    {
        ClosestTriples::new(self, mass)
    }
}

impl<T: Columnar> Columnar for Jagged<T> {
    type Column = JaggedColumn<T>;
    type Item<'a> = List<'a, T>;

    fn declare(name: &str, schema: &mut Schema) {
        schema.list(|schema| T::declare(name, schema));
    }

    fn read(name: &str, scope: &Scope<'_>) -> Result<Self::Column, ColumnError> {
        let (offsets, content) = scope.list(name, |scope| T::read(name, scope))?;
        Ok(JaggedColumn { offsets, content })
    }

    #[inline(always)]
    fn item(column: &Self::Column, i: usize) -> List<'_, T> {
        let (start, end) = (column.offsets[i] as usize, column.offsets[i + 1] as usize);
        List { content: &column.content, start, end }
    }
}

/// The objects of one entry: a window into the flat columns, iterated by value, never allocated.
pub struct List<'a, T: Columnar> {
    content: &'a T::Column,
    start: usize,
    end: usize,
}

impl<T: Columnar> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Columnar> Copy for List<'_, T> {}

impl<'a, T: Columnar> List<'a, T> {
    /// How many objects there are.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Object `i`, if there are so many: what an index branch such as `Muon_jetIdx` points at.
    #[inline(always)]
    pub fn get(self, i: usize) -> Option<T::Item<'a>> {
        if i < self.len() { Some(T::item(self.content, self.start + i)) } else { None }
    }

    /// Object `i`.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline(always)]
    pub fn at(self, i: usize) -> T::Item<'a> {
        assert!(i < self.len(), "object {i} of {}", self.len());
        T::item(self.content, self.start + i)
    }

    /// The places of the objects in the columns over all entries.
    #[inline(always)]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    #[inline(always)]
    pub(crate) fn is_of(self, column: &JaggedColumn<T>) -> bool {
        std::ptr::eq(self.content, &raw const column.content)
    }

    /// The first object, if there is one.
    #[inline(always)]
    pub fn first(self) -> Option<T::Item<'a>> {
        self.get(0)
    }

    /// The objects in the file's order, by value.
    #[inline(always)]
    pub fn iter(self) -> ListIter<'a, T> {
        ListIter(self)
    }
}

impl<'a, T: Number + Columnar<Column = ScalarBuffer<T>>> List<'a, T> {
    /// The numbers of the entry as a slice, for loops that the compiler can vectorise.
    #[inline(always)]
    pub fn values(self) -> &'a [T] {
        &self.content[self.start..self.end]
    }
}

impl<'a, T: Columnar> IntoIterator for List<'a, T> {
    type Item = T::Item<'a>;
    type IntoIter = ListIter<'a, T>;

    #[inline(always)]
    fn into_iter(self) -> ListIter<'a, T> {
        ListIter(self)
    }
}

/// The objects of a [`List`], by value.
pub struct ListIter<'a, T: Columnar>(List<'a, T>);

impl<T: Columnar> Clone for ListIter<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<'a, T: Columnar> Iterator for ListIter<'a, T> {
    type Item = T::Item<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<T::Item<'a>> {
        // Not `then`, whose closure may stay a call: the iterator would have to be in memory.
        let at = self.0.start;
        if at < self.0.end {
            self.0.start = at + 1;
            Some(T::item(self.0.content, at))
        } else {
            None
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<T: Columnar> ExactSizeIterator for ListIter<'_, T> {}
