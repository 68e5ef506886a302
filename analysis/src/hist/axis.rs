use serde::{Deserialize, Serialize};

use super::{Category, Integer, Regular, Variable};

/// One axis of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    name: Box<str>,
    label: Box<str>,
    bins: Bins,
}

/// How an axis is divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bins {
    /// Bins of equal width.
    Regular(Regular),
    /// Bins between given edges.
    Variable(Variable),
    /// A bin for each integer.
    Integer(Integer),
    /// A bin for each name.
    Category(Category),
}

impl Axis {
    /// `bins` bins of equal width over the half-open interval `low..high`.
    ///
    /// # Panics
    /// Without bins, or unless `low < high` and both are finite; see [`Axis::try_regular`].
    #[track_caller]
    pub fn regular(bins: usize, low: f64, high: f64) -> Self {
        written(Self::try_regular(bins, low, high))
    }

    /// [`Axis::regular`] for numbers that do not stand in the code.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn try_regular(bins: usize, low: f64, high: f64) -> Result<Self, String> {
        Regular::new(bins, low, high).map(Bins::Regular).map(Self::of)
    }

    /// Bins between the given edges, each half-open.
    ///
    /// # Panics
    /// With fewer than two edges, or unless they increase and are finite; see [`Axis::try_variable`].
    #[track_caller]
    pub fn variable(edges: impl IntoIterator<Item = f64>) -> Self {
        written(Self::try_variable(edges))
    }

    /// [`Axis::variable`] for edges that do not stand in the code.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn try_variable(edges: impl IntoIterator<Item = f64>) -> Result<Self, String> {
        Variable::new(edges.into_iter().collect()).map(Bins::Variable).map(Self::of)
    }

    /// A bin for each integer of the half-open range `low..high`.
    ///
    /// # Panics
    /// Unless `low < high`.
    #[track_caller]
    pub fn integer(low: i32, high: i32) -> Self {
        written(Integer::new(low, high).map(Bins::Integer).map(Self::of))
    }

    /// A bin for `false` and one for `true`.
    pub fn boolean() -> Self {
        Self::integer(0, 2)
    }

    /// A bin for each name; other names go to the overflow.
    ///
    /// # Panics
    /// Without names, or with one twice.
    #[track_caller]
    pub fn category<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::to_owned).collect();
        written(Category::new(names, false).map(Bins::Category).map(Self::of))
    }

    /// A bin for each name that is ever filled, in the order of first use.
    pub fn growing_category() -> Self {
        written(Category::new(Vec::new(), true).map(Bins::Category).map(Self::of))
    }

    fn of(bins: Bins) -> Self {
        Self { name: Box::default(), label: Box::default(), bins }
    }

    /// The same axis with a title for plots, with units: `m(μμ) [GeV]`.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into().into();
        self
    }

    /// The same axis with a name for programs: `mass`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into().into();
        self
    }

    /// The title for plots.
    pub fn title(&self) -> &str {
        &self.label
    }

    /// The name for programs.
    pub fn id(&self) -> &str {
        &self.name
    }

    /// How the axis is divided.
    pub fn bins(&self) -> &Bins {
        &self.bins
    }

    pub(super) fn category_mut(&mut self) -> Option<&mut Category> {
        match &mut self.bins {
            Bins::Category(category) => Some(category),
            _ => None,
        }
    }

    /// The number of bins, without under- and overflow.
    #[inline(always)]
    pub fn len(&self) -> usize {
        match &self.bins {
            Bins::Regular(axis) => axis.bins(),
            Bins::Variable(axis) => axis.edges().len() - 1,
            Bins::Integer(axis) => axis.bins(),
            Bins::Category(axis) => axis.names().len(),
        }
    }

    /// Whether there is no bin yet, as on a growing category axis.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of a number. On a category axis that is the name of this position.
    #[inline(always)]
    pub fn index_of_number(&self, x: f64) -> usize {
        match &self.bins {
            Bins::Regular(axis) => axis.index(x),
            Bins::Variable(axis) => axis.index(x),
            Bins::Integer(axis) => axis.index(x),
            Bins::Category(axis) => {
                let bins = axis.names().len();
                if x < 0.0 {
                    0
                } else if x < bins as f64 {
                    1 + x as usize
                } else {
                    bins + 1
                }
            }
        }
    }

    /// The place of a name; the overflow if there is no such category.
    pub fn index_of_name(&self, name: &str) -> usize {
        match &self.bins {
            Bins::Category(axis) => axis.index(name),
            _ => self.len() + 1,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match &self.bins {
            // Checked while it was read.
            Bins::Regular(_) => Ok(()),
            Bins::Variable(axis) => axis.check(),
            Bins::Integer(axis) => axis.check(),
            Bins::Category(axis) => axis.check(),
        }
    }

    /// How this axis differs from `other`, if their bins cannot be added. Two growing axes unite.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        match (&self.bins, &other.bins) {
            (mine, theirs) if mine == theirs => return None,
            (Bins::Category(mine), Bins::Category(theirs)) if mine.grows() && theirs.grows() => return None,
            _ => {}
        }
        if self.len() != other.len() {
            return Some(format!("has {} bins in A and {} bins in B", self.len(), other.len()));
        }
        Some(format!("is {} in A and {} in B", self.describe(), other.describe()))
    }

    fn describe(&self) -> String {
        match &self.bins {
            Bins::Regular(axis) => format!("regular over {}..{}", axis.low(), axis.high()),
            Bins::Variable(axis) => format!("variable with edges {:?}", axis.edges()),
            Bins::Integer(axis) => format!("integer over {}..{}", axis.low(), axis.high()),
            Bins::Category(axis) => format!("category of {}", axis.names().join(", ")),
        }
    }
}

/// Axes written in code are right or the program is wrong.
#[track_caller]
fn written(axis: Result<Axis, String>) -> Axis {
    match axis {
        Ok(axis) => axis,
        Err(message) => panic!("{message}"),
    }
}

/// What a histogram can be filled with: numbers, bools, names of categories.
pub trait Coordinate: Copy {
    /// Whether all of its kind are numbers, whose place is that of [`Axis::index_of_number`].
    const NUMBER: bool = false;

    /// Its place on `axis`.
    fn index(self, axis: &Axis) -> usize;

    /// Itself as a number, if it is one.
    #[inline(always)]
    fn number(self) -> Option<f64> {
        None
    }

    /// The name of the category it would add to a growing axis.
    #[inline(always)]
    fn category(&self) -> Option<&str> {
        None
    }
}

macro_rules! coordinates {
    ($($number:ty)*) => {$(
        impl Coordinate for $number {
            const NUMBER: bool = true;

            #[inline(always)]
            fn index(self, axis: &Axis) -> usize {
                axis.index_of_number(f64::from(self))
            }

            #[inline(always)]
            fn number(self) -> Option<f64> {
                Some(f64::from(self))
            }
        }
    )*};
}

coordinates! { f64 f32 i32 u32 i16 u16 i8 u8 bool }

macro_rules! wide_coordinates {
    ($($number:ty)*) => {$(
        impl Coordinate for $number {
            const NUMBER: bool = true;

            #[inline(always)]
            fn index(self, axis: &Axis) -> usize {
                axis.index_of_number(self as f64)
            }

            #[inline(always)]
            fn number(self) -> Option<f64> {
                Some(self as f64)
            }
        }
    )*};
}

wide_coordinates! { i64 u64 usize }

impl Coordinate for &str {
    fn index(self, axis: &Axis) -> usize {
        axis.index_of_name(self)
    }

    fn category(&self) -> Option<&str> {
        Some(self)
    }
}
