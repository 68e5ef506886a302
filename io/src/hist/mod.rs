//! ROOT's histogram objects: what `TH1`, `TH2`, `TH3` and `TProfile` hold, reading and adding them.
//!
//! [`Histogram`] mirrors the object, so that what was read can be written back. Bins are in ROOT's
//! global order, `x + (nx + 2) * (y + (ny + 2) * z)`, under- and overflow included.

mod axis;
mod fill;
mod labels;
mod many;
mod merge;
mod model;
mod read;
mod style;

pub(crate) use many::Coordinates;
pub use many::ManyAxes;
pub(crate) use many::read as read_many;
pub use merge::merge;
pub use model::{Axis, Class, Element, Histogram, Profile, Settings, Waiting};
pub(crate) use read::{decode, functions, skip_tail};
pub use read::{open, read};
pub(crate) use style::attributes;
pub use style::{AxisStyle, Drawing, Style};
