//! Physics in memory: no files, no threads.
//!
//! Three nouns, and how they meet: a [`Processor`] declares its event as a [`Columnar`] struct, is
//! given [`Events`] of it a batch at a time, and fills an [`Output`]: histograms, cutflows, counts.
//! Outputs of different entries [`Merge`]; nothing else passes between two batches.
//!
//! ```
//! # extern crate hep_analysis as hep_run;
//! use hep_run::prelude::*;
//!
//! #[derive(Columnar)]
//! struct Event {
//!     #[column("Muon")]
//!     muons: Jagged<Charged>, // Muon_pt, _eta, _phi, _mass, _charge
//!     #[column("genWeight", may_be_absent)]
//!     gen_weight: Option<f32>, // data have none
//! }
//!
//! #[derive(Default, Settings)]
//! struct Dimuon {
//!     min_pt: f32, // settings come from the fileset's `processor:` entry
//! }
//!
//! impl Processor for Dimuon {
//!     type Event = Event;
//!     type Output = Hist;
//!
//!     fn output(&self, _: &Dataset) -> Result<Hist> {
//!         Ok(Hist::new(Axis::regular(60, 60.0, 120.0).label("m(μμ) [GeV]")))
//!     }
//!
//!     fn process(&self, events: &Events<Event>, mass: &mut Hist) -> Result<()> {
//!         for event in events {
//!             let good = event.muons.iter().filter(|mu| mu.pt > self.min_pt && mu.eta.abs() < 2.4);
//!             let Some((a, b)) = good.pairs().find(|(a, b)| a.charge != b.charge) else { continue };
//!             mass.fill((a.p4() + b.p4()).mass(), event.gen_weight.unwrap_or(1.0).into());
//!         }
//!         Ok(())
//!     }
//! }
//! ```
//!
//! Energies, momenta and masses are in GeV, angles in radians, everywhere.
#![deny(unsafe_code)]

// The derives write `::hep_run::…`, the name every user's crate knows.
extern crate self as hep_run;

pub mod columns;
pub mod combine;
mod cutflow;
mod declared;
mod energy;
mod error;
mod events;
pub mod hist;
mod merge;
mod objects;
mod output;
pub mod pairs;
mod processor;
pub mod selection;
pub mod vector;

pub use columns::{Columnar, Jagged, List};
pub use cutflow::Cutflow;
pub use declared::{Columns, DatasetColumns, NamedColumn};
pub use error::{Error, Result};
pub use events::{Events, SelectedEvents};
pub use hep_analysis_derive::{Columnar, Momentum, Output, Settings};
pub use merge::Merge;
pub use objects::Charged;
pub use output::{Object, Output};
pub use processor::{Dataset, Processor};

/// What an analysis imports: `use hep_run::prelude::*;`.
pub mod prelude {
    pub use crate::combine::{Combinations, cross};
    pub use crate::hist::{Axis, Count, Count2, Hist, Hist2, Hist3, HistN};
    pub use crate::vector::{Momentum, P4};
    pub use crate::{
        Charged, Columnar, Columns, Cutflow, Dataset, Error, Events, Jagged, List, Merge, Momentum, Object,
        Output, Processor, Result, Settings,
    };
}

/// What the derives' output refers to.
#[doc(hidden)]
pub mod __private {
    pub use crate::columns::join;
    pub use crate::energy::Energy;
    pub use hep_columns::{ColumnError, Schema, Scope};
    pub use serde;
}
