//! Where a store stands, by the end of its log and what its last segment left open.

use crate::assemble::{State, read_carry};
use crate::error::{At, StoreError};
use crate::log::{Leaf, Log, Manifest};
use crate::store::Layout;
use sha2::{Digest, Sha256};

#[derive(Default)]
pub(super) struct LastLeaves {
    pub(super) segment: Option<(Box<Manifest>, String)>,
    pub(super) epoch: u64,
    /// All that was looked at, in their order.
    pub(super) leaves: Vec<Leaf>,
}

/// The last segment and epoch in the log, looked for from its end; all leaves of the newest start of the writer, and from
/// the key of epoch `oldest` on.
pub(super) fn last_segment(log: &Log, oldest: u64) -> Result<LastLeaves, StoreError> {
    let mut found = LastLeaves::default();
    let mut end = log.size();
    let mut boots = std::collections::BTreeSet::new();
    let mut first = u64::MAX;
    while end > 0 && (found.segment.is_none() || found.epoch == 0 || boots.len() < 2 || first > oldest) {
        let start = (end - 1) / 256 * 256;
        let mut entries = crate::log::entries(log.folder(), start, end)?;
        entries.reverse();
        for (index, entry) in entries {
            let (_, payload, leaf) =
                Leaf::parse(&entry).map_err(|what| StoreError::damaged(format!("leaf {index} of the log"), what))?;
            boots.insert(leaf.head().boot.clone());
            match &leaf {
                Leaf::Segment(manifest) if found.segment.is_none() => {
                    found.segment = Some((manifest.clone(), hex::encode(Sha256::digest(&payload))));
                }
                Leaf::Key(key) => {
                    first = key.head.epoch;
                    found.epoch = found.epoch.max(first);
                }
                _ => {}
            }
            found.leaves.push(leaf);
        }
        end = start;
    }
    found.leaves.reverse();
    Ok(found)
}

pub(super) fn load_carry(layout: &Layout, segment: u64, hash: &str) -> Result<State, StoreError> {
    let path = layout.carry(segment);
    let bytes = std::fs::read(&path).at(&path, "reading what was open after the last segment")?;
    if hex::encode(Sha256::digest(&bytes)) != hash {
        return Err(StoreError::damaged(path.display(), "it is not what the last manifest says"));
    }
    read_carry(&bytes).map_err(|error| StoreError::damaged(path.display(), error))
}
