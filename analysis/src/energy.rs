use arrow_buffer::ScalarBuffer;

use crate::columns::{Columnar, Jagged, JaggedColumn};

/// Columns of energies, momenta or masses, which `#[column("pt", unit = "MeV")]` converts to GeV.
#[diagnostic::on_unimplemented(
    message = "a column of `{Self}` has no unit",
    label = "no float",
    note = "`unit = \"MeV\"` is for `f32`, `f64`, arrays, `Option` and `Jagged` of these"
)]
pub trait Energy: Columnar {
    /// From MeV to GeV: each number divided by 1000, rounded once.
    fn from_mev(column: Self::Column) -> Self::Column;
}

macro_rules! floats {
    ($($float:ty)*) => {$(
        impl Energy for $float {
            fn from_mev(column: ScalarBuffer<$float>) -> ScalarBuffer<$float> {
                column.iter().map(|energy| energy / 1000.0).collect()
            }
        }

        impl<const N: usize> Energy for [$float; N] {
            fn from_mev(column: ScalarBuffer<$float>) -> ScalarBuffer<$float> {
                <$float>::from_mev(column)
            }
        }
    )*};
}

floats! { f32 f64 }

impl<T: Energy> Energy for Option<T> {
    fn from_mev(column: Option<T::Column>) -> Option<T::Column> {
        column.map(T::from_mev)
    }
}

impl<T: Energy> Energy for Jagged<T> {
    fn from_mev(column: JaggedColumn<T>) -> JaggedColumn<T> {
        column.map_content(T::from_mev)
    }
}
