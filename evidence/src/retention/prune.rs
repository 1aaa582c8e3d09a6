//! Removing files of pruned segments.

use super::is_pruned;
use crate::error::{At, StoreError};
use crate::log::Manifest;
use crate::seal::part_name;
use crate::store::{Layout, sync_folder};
use crate::table::Table;
use std::collections::BTreeSet;

/// What a removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Files removed.
    pub(crate) files: u64,
    /// Their size.
    pub(crate) bytes: u64,
}

/// Removes the files of segments that a tombstone in the log names. Done again, it goes on where it was interrupted.
pub(crate) fn remove<'a>(
    layout: &Layout,
    pruned: &BTreeSet<u64>,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> Result<Left, StoreError> {
    let mut left = Left::default();
    for segment in manifests.map(|manifest| &manifest.predicate).filter(|s| pruned.contains(&s.segment)) {
        for file in &segment.files {
            let Some(table) = Table::by_name(&file.table).filter(|table| is_pruned(*table)) else { continue };
            if !file.date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
                continue;
            }
            // Built from its parts: a name in a manifest is not followed.
            let path = layout.root().join(part_name(table, &file.date, segment.segment));
            match std::fs::metadata(&path) {
                Ok(found) => {
                    std::fs::remove_file(&path).at(&path, "removing a pruned file")?;
                    left.files += 1;
                    left.bytes += found.len();
                    let folder = path.parent().unwrap_or(layout.root());
                    // A partition that is empty goes too; one that is not stays.
                    if std::fs::remove_dir(folder).is_err() {
                        sync_folder(folder)?;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::Io { path, doing: "looking at a pruned file", source }),
            }
        }
    }
    Ok(left)
}
