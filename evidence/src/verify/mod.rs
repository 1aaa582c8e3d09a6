//! `evidence verify`: does the store hold what was recorded, all of it, as it was recorded?
//!
//! Every check ends as PASS, FAIL or NOT CHECKED, with places and reasons. NOT CHECKED is never PASS. The checks do not
//! rely on one another's success: a forged head does not hide which file was changed.

mod approvals;
#[cfg(test)]
mod attacks;
mod chain;
mod facts;
mod files;
mod leaves;
mod masked;
mod policies;
mod report;

pub use report::{Check, Finding, Outcome, Report};

use crate::error::StoreError;
use crate::sign::VerifierKey;
use crate::store::{About, Layout};
pub(crate) use files::is_live;
use report::{Checks, name};
use std::path::Path;
use zeroize::Zeroizing;

/// What a verification goes by.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's key, from a source other than the store.
    pub key: VerifierKey,
    /// A checkpoint that was kept earlier: the log must be an extension of it.
    pub checkpoint: Option<String>,
    /// The newest leaf must not be older than this many seconds.
    pub max_age: Option<u64>,
    /// Opens `statement_bodies`, if they are encrypted. Not needed for anything else.
    pub body_key: Option<Zeroizing<Vec<u8>>>,
}

/// Verifies a store, live or copied.
///
/// # Errors
/// Only when nothing can be said: the path does not hold a store. What is wrong with a store is in the report.
pub fn verify(path: &Path, options: &Options) -> Result<Report, StoreError> {
    let layout = Layout::new(path);
    if !layout.log().is_dir() && !layout.about().exists() {
        return Err(StoreError::Config(format!(
            "{} holds no audit store; give the folder that [store] path names",
            path.display()
        )));
    }
    let mut checks = Checks::new();
    let log = leaves::check(&layout, options, &mut checks);
    about(&layout, options, &log, &mut checks);
    let live = files::is_live(&layout);
    files::presence(&layout, &log, live, &mut checks);
    facts::walk(&layout, &log, options, &mut checks);
    files::journal(&layout, &log, live, &mut checks);
    let head = log.head.as_ref();
    Ok(checks.finish(head.map(|head| (head.size, hex::encode(head.root)))))
}

fn about(layout: &Layout, options: &Options, log: &leaves::Verified, checks: &mut Checks) {
    let place = "store.json";
    match About::read(layout) {
        Ok(Some(about)) => {
            checks.pass(name::ABOUT);
            if about.format != 1 {
                checks.fail(name::ABOUT, place, format!("format {} is not known to this version", about.format));
            }
            if about.vkey != options.key.to_string() {
                checks.fail(name::ABOUT, place, "it names another verification key than the one supplied");
            }
            if about.origin != options.key.name() {
                checks.fail(name::ABOUT, place, "it names another origin than the supplied key");
            }
            if let Some(leaf) = log.leaves.iter().find(|leaf| leaf.leaf.head().writer != about.writer) {
                checks.fail(name::ABOUT, place, format!("leaf {} was made by another writer", leaf.index));
            }
        }
        Ok(None) => checks.fail(name::ABOUT, place, "it is missing"),
        Err(error) => checks.fail(name::ABOUT, place, error),
    }
}
