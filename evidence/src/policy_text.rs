//! A policy's text by its version, for those who compare what was in force with what is to be.

use crate::cli::note_access;
use crate::error::StoreError;
use crate::search::{Archive, Query};
use crate::table::Table;
use std::collections::BTreeMap;
use std::path::Path;

/// The full version and the canonical text of the policy whose version begins with `prefix`. The reading is noted in the
/// store, as every reading is.
///
/// # Errors
/// [`StoreError`] when the folder is no store, when nothing in it begins so, or when several versions do.
pub fn policy_text(store: &Path, prefix: &str) -> Result<(String, String), StoreError> {
    let archive = Archive::open(store)?;
    note_access(&archive, "queried", "policies");
    let found = archive.collect(&Query::new(Table::PolicyVersions), None)?;
    let mut texts: BTreeMap<String, String> = found
        .into_iter()
        .filter(|(record, _)| record.str("event") == "loaded" && record.str("version").starts_with(prefix))
        .map(|(record, _)| (record.str("version").to_owned(), record.str("content").to_owned()))
        .collect();
    match texts.pop_first() {
        Some(one) if texts.is_empty() => Ok(one),
        Some(_) => Err(StoreError::Config(format!("several policy versions begin with {prefix:?}; write more of it"))),
        None => Err(StoreError::Config(format!("no policy version in {} begins with {prefix:?}", store.display()))),
    }
}
