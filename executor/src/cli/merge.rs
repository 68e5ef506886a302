use crate::RunResult;
use clap::Args;
use std::path::PathBuf;

/// `hep-run merge`.
#[derive(Args)]
pub(super) struct MergeArgs {
    /// Where the merged output goes
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// The outputs to merge
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
}
pub(super) fn merge(_args: &MergeArgs) -> RunResult<()> {
    Ok(())
}
