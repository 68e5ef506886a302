//! Histograms: axes, storages, filling, merging.
//!
//! [`Hist`] is the one most analyses need: one axis, weighted. [`Hist2`] and [`Hist3`] have two and
//! three axes, [`HistN`] any number; [`Count`], [`Count2`] and [`Count3`] store exact counts instead
//! of sums of weights.
//!
//! ```
//! # extern crate hep_analysis as hep_run;
//! use hep_run::hist::{Axis, Hist, Hist2};
//!
//! let mut mass = Hist::new(Axis::regular(60, 60.0, 120.0).label("m(μμ) [GeV]"));
//! mass.fill(91.2, 0.5);
//! assert_eq!(mass.value([32]), 0.5);
//!
//! let channel = Axis::category(["ee", "mumu"]);
//! let mut by_channel = Hist2::new([channel, Axis::variable([0.0, 20.0, 50.0, 200.0]).label("pt [GeV]")]);
//! by_channel.fill("mumu", 33.0, 1.0);
//! assert_eq!(by_channel.value([2, 2]), 1.0);
//! ```
//!
//! Each is filled with an entry (`fill`), or, up to three times as fast and to the same bits, with whole columns
//! (`fill_all`). Variations of the weight are bins of the first axis, filled together (`fill_varied`,
//! `fill_all_varied`):
//!
//! ```
//! # extern crate hep_analysis as hep_run;
//! # use hep_run::hist::{Axis, Hist2};
//! let (pts, weights) = ([31.0_f32, 47.5, 22.0], [0.9, 1.0, 1.1]);
//! let variations = Axis::category(["nominal", "scale_up", "scale_down"]);
//! let mut pt = Hist2::new([variations, Axis::variable([0.0, 25.0, 40.0, 100.0]).label("pt [GeV]")]);
//! pt.fill_all_varied(pts.iter().zip(weights).map(|(&pt, weight)| (pt, [weight, 1.1 * weight, 0.9 * weight])));
//! assert_eq!((pt.value([1, 1]), pt.value([1, 2])), (1.1, 0.9));
//! ```
//!
//! Bins are read with their edges ([`Histogram::bins`], [`Histogram::integral`]); histograms are scaled, added and
//! divided ([`Histogram::scale`]), projected, sliced and rebinned ([`Histogram::project`]), and printed with `{}`.
//!
//! Every axis of `n` bins has `n + 2` places: 0 for the underflow, `1..=n`, and `n + 1` for the
//! overflow. NaN goes to the overflow, as in ROOT (`TAxis::FindFixBin`) and boost-histogram.

mod any;
mod arithmetic;
mod axis;
mod bins;
mod block;
mod category;
mod cells;
mod display;
mod edges;
mod fill_all;
mod histogram;
mod integer;
mod moments;
mod places;
mod projection;
mod rebin;
mod regular;
mod storage;
mod tables;
mod variable;
mod varied;
mod waiting;

pub use any::AnyHist;
pub use axis::{Axis, Bins, Coordinate};
pub use bins::{Bin, Sum};
pub use category::Category;
pub use histogram::{Axes, Histogram};
pub use integer::Integer;
pub use regular::Regular;
pub use storage::{Counts, Storage, Weighted};
pub use variable::Variable;

/// One axis, weighted: sum of weights and of squared weights in each bin.
pub type Hist = Histogram<Weighted, [Axis; 1]>;
/// Two axes, weighted.
pub type Hist2 = Histogram<Weighted, [Axis; 2]>;
/// Three axes, weighted.
pub type Hist3 = Histogram<Weighted, [Axis; 3]>;
/// Any number of axes, weighted.
pub type HistN = Histogram<Weighted, Vec<Axis>>;
/// One axis, exact counts.
pub type Count = Histogram<Counts, [Axis; 1]>;
/// Two axes, exact counts.
pub type Count2 = Histogram<Counts, [Axis; 2]>;
/// Three axes, exact counts.
pub type Count3 = Histogram<Counts, [Axis; 3]>;
