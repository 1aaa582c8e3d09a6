//! What the proxy remembers of its store in a file outside of it: what it knew must still be there.

use super::files::{is_live, unsealed};
use super::leaves::Verified;
use super::report::{Checks, name};
use crate::error::StoreError;
use crate::identity::KnownHead;
use crate::log::Leaf;
use crate::store::{About, Layout};
use std::path::Path;

/// Reads the file. One that is named and not there is an error: nothing could be said.
pub(super) fn read(path: Option<&Path>) -> Result<Option<KnownHead>, StoreError> {
    let Some(path) = path else { return Ok(None) };
    let known = KnownHead::read(path)?;
    known.map(Some).ok_or_else(|| StoreError::Config(format!("{} does not exist", path.display())))
}

/// Names what is lost of it.
pub(super) fn check(layout: &Layout, log: &Verified, known: Option<&KnownHead>, checks: &mut Checks) {
    let Some(known) = known else {
        checks.skip(name::REMEMBERED, "the file in which the proxy remembers its head was not given (--head)");
        return;
    };
    checks.pass(name::REMEMBERED);
    match About::read(layout) {
        Ok(Some(about)) if about.writer == known.writer && about.origin == known.origin => {}
        Ok(Some(about)) => {
            let what = format!(
                "it is another store, of writer {} of `{}`; lost is {}",
                about.writer,
                about.origin,
                known.words()
            );
            checks.fail(name::REMEMBERED, "store.json", what);
            return;
        }
        Ok(None) => {
            checks.fail(name::REMEMBERED, "store.json", format!("there is no store; lost is {}", known.words()));
            return;
        }
        Err(error) => checks.fail(name::REMEMBERED, "store.json", error),
    }
    let leaves = log.head.as_ref().map_or(0, |head| head.size);
    let sealed = log.leaves.iter().rev().find_map(|leaf| match &leaf.leaf {
        Leaf::Segment(manifest) => Some((manifest.predicate.segment, manifest.predicate.last_lsn)),
        _ => None,
    });
    let (segment, sealed) = sealed.unwrap_or_default();
    if leaves < known.leaves() || sealed < known.sealed {
        let what = format!(
            "{} leaves were known and {leaves} are there; segments {} to {} with records {} to {} are lost",
            known.leaves(),
            segment + 1,
            known.segment.max(segment + 1),
            sealed + 1,
            known.sealed.max(sealed + 1)
        );
        checks.fail(name::REMEMBERED, "log/checkpoint", what);
    }
    // The writer knows best what it has not sealed yet; of a store that nobody holds the journal must have it.
    let unsealed = if is_live(layout) { None } else { unsealed(layout, log, known.head.as_deref()).ok() };
    if let Some(found) = unsealed.filter(|found| found.last_lsn < known.journaled.max(known.sealed)) {
        let told =
            log.leaves.iter().any(|leaf| matches!(&leaf.leaf, Leaf::Other(_, json) if json.get("what").is_some()));
        let what = format!(
            "records {} to {} were taken and are in neither segment nor journal",
            found.last_lsn + 1,
            known.journaled
        );
        if told && sealed >= known.sealed {
            checks.note(name::REMEMBERED, format!("{what}; a recovery leaf says that something is missing"));
        } else {
            checks.fail(name::REMEMBERED, "journal", what);
        }
    }
}
