//! What a sync makes durable, and the one rule about failing syncs.

use super::chain::Mark;
use std::fs::File;
use std::sync::Arc;

/// Who syncs: what one of them has done says nothing to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The group commit of [`crate::Durability::Strict`].
    Sessions = 0,
    /// Whoever signs where the chain stands, every second.
    Heads = 1,
    /// Leaves of the log that say it.
    Leaves = 2,
}

/// The files that must reach the disk for everything up to `mark` to be there.
pub(crate) struct SyncPoint {
    pub(crate) mark: Mark,
    pub(crate) files: Vec<Arc<File>>,
}

impl SyncPoint {
    /// Syncs. A failure is final: the kernel may have dropped the dirty pages, so a second try could succeed without
    /// the data being there. The caller stops the journal.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync_data())
    }
}
