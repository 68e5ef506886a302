use std::sync::Arc;

use clap::Args;
use hep_io::source::Storage;

use crate::storage::FileStore;

/// How files are opened and read, wherever they are.
#[derive(Args, Clone)]
#[command(next_help_heading = "Remote files")]
pub(super) struct StorageArgs {}

impl StorageArgs {
    /// What opens files; nothing is connected yet.
    pub(super) fn storage(&self) -> Arc<dyn FileStore> {
        Arc::new(Storage::default())
    }
}
