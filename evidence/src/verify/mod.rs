//! `evidence verify`: does the store hold what was recorded, all of it, as it was recorded?
//!
//! Every check ends as PASS, FAIL or NOT CHECKED, with places and reasons. NOT CHECKED is never PASS. The checks do not
//! rely on one another's success: a forged head does not hide which file was changed.

mod approvals;
#[cfg(test)]
mod attacks;
mod chain;
mod coverage;
mod facts;
mod files;
mod inventory;
mod leaves;
mod masked;
mod narrow;
mod package;
mod policies;
mod records;
mod remembered;
mod report;
mod retention;
mod scope;
mod times;

pub use report::{Check, Finding, Outcome, Report};

use crate::error::StoreError;
use crate::export::Scope;
use crate::sign::VerifierKey;
use crate::store::{About, Layout};
use coverage::Coverage;
pub(crate) use files::is_live;
use report::{Checks, name};
use std::path::{Path, PathBuf};
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
    /// What the checkpoint covers was verified before: files of those segments are not read again.
    pub incremental: bool,
    /// The file outside of the store in which the proxy remembers its head: what it knew must be there.
    pub head: Option<PathBuf>,
    /// Every record is hashed again, every text and row held against what commits to it. Without it a file whose signed hash
    /// holds is believed, and only what records say of one another is looked at. Of a package everything is, always.
    pub full: bool,
    /// A package without a signature is looked at all the same. Whoever made it could have left out anything.
    pub unsigned: bool,
    /// People who may order that something is removed, from a source other than the store.
    pub signers: Vec<VerifierKey>,
}

impl Options {
    /// A verification of everything by this key, without anything remembered.
    #[must_use]
    pub fn new(key: VerifierKey) -> Self {
        Self {
            key,
            checkpoint: None,
            max_age: None,
            body_key: None,
            incremental: false,
            head: None,
            full: true,
            unsigned: false,
            signers: Vec::new(),
        }
    }
}

/// Verifies a store, live or copied.
///
/// # Errors
/// Only when nothing can be said: the path does not hold a store. What is wrong with a store is in the report.
pub fn verify(path: &Path, options: &Options) -> Result<Report, StoreError> {
    let layout = Layout::new(path);
    if options.head.is_none() && !path.is_file() && !layout.log().is_dir() && !layout.about().exists() {
        return Err(StoreError::Config(format!(
            "{} holds no audit store; give the folder that [store] path names",
            path.display()
        )));
    }
    if path.is_file() {
        return package::verify(path, options);
    }
    let mut checks = Checks::new(&name::ALL);
    let known = remembered::read(options.head.as_deref())?;
    let mut options = options.clone();
    if let Some(known) = &known
        && options.checkpoint.is_none()
        && !known.checkpoint.is_empty()
    {
        options.checkpoint = Some(known.checkpoint.clone());
    }
    let kept = known.as_ref().and_then(|known| known.head.as_deref());
    let (log, _) = store(&layout, &options, None, kept, &mut checks);
    remembered::check(&layout, &log, known.as_ref(), &mut checks);
    Ok(checks.finish(log.size_and_root()))
}

/// The checks of a store, or of the part of one that a package holds; `kept` is a head of the journal that lies elsewhere.
/// Returns its log, and where its sessions' chains stand.
fn store(
    layout: &Layout,
    options: &Options,
    part: Option<&Scope>,
    kept: Option<&str>,
    checks: &mut Checks,
) -> (leaves::Verified, facts::Ends) {
    let log = leaves::check(layout, options, checks);
    about(layout, &log, options, checks);
    files::recoveries(&log, checks);
    let live = files::is_live(layout);
    let pruned = retention::check(layout, &log, options, checks);
    let remembered = if options.incremental && part.is_none() { log.remembered } else { 0 };
    let coverage = Coverage::new(part, remembered, &log, pruned);
    files::presence(layout, &log, live, part, &coverage, checks);
    let ends = facts::walk(layout, &log, options, &coverage, checks);
    if !options.full {
        let why = "the signed hashes of the files hold; --full hashes every record, text and row again";
        for check in [name::RECORD_HASHES, name::ROWS, name::BODIES, name::MASKED] {
            checks.skip(check, why);
        }
    }
    if part.is_none() {
        files::journal(layout, &log, live, kept, checks);
    } else {
        checks.skip(name::JOURNAL, "a package holds no journal");
    }
    checks.pass(name::READ);
    if let Some(omitted) = coverage.omitted(log.segments()) {
        checks.skip(name::READ, omitted);
    }
    (log, ends)
}

fn about(layout: &Layout, log: &leaves::Verified, options: &Options, checks: &mut Checks) {
    let place = "store.json";
    match About::read(layout) {
        Ok(Some(about)) => {
            checks.pass(name::ABOUT);
            if about.format != 1 {
                checks.fail(name::ABOUT, place, format!("format {} is not known to this version", about.format));
            }
            if about.vkey != log.keys.in_force(0).to_string() {
                checks.fail(name::ABOUT, place, "it names another verification key than the log's first");
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
