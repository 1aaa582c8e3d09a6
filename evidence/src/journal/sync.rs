//! Group commit: what a sync makes durable, and the one rule about failing syncs.

use std::fs::File;
use std::sync::Arc;

/// The files that must reach the disk for everything up to `lsn` to be there.
pub(crate) struct SyncPoint {
    pub(crate) lsn: u64,
    pub(crate) files: Vec<Arc<File>>,
}

impl SyncPoint {
    /// Syncs. A failure is final: the kernel may have dropped the dirty pages, so a second try could succeed without
    /// the data being there. The caller stops the journal.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync_data())
    }
}
