//! The threads that keep an open store in order beside the one that seals, which may be at one segment for minutes: one
//! makes spare journal files, one signs where the journal stands, one watches whether the store is still there, how much its disk has left, and whether
//! sealing gets on.

use crate::error::{At, CannotRecord, StoreError};
use crate::identity::{Identity, is_lost};
use crate::journal::head::HeadWriter;
use crate::journal::{Journal, Who};
use crate::recorder::Inner;
use crate::signal::Signal;
use crate::store::Layout;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the head is noted outside of the store.
const NOTE: Duration = Duration::from_secs(1);
/// How long sealing may stand still, the journal being full, before statements are refused instead of kept waiting.
const STANDSTILL: Duration = Duration::from_secs(20);
/// Between two log lines about the same trouble.
const QUIET: Duration = Duration::from_secs(30);

/// Where the watch finds things.
pub(crate) struct Watched {
    pub(crate) layout: Layout,
    pub(crate) identity: Arc<Identity>,
    pub(crate) heads: Arc<HeadWriter>,
    pub(crate) head: Option<PathBuf>,
    /// How often heads are signed.
    pub(crate) every: Duration,
}

/// Starts the threads. They end when the recorder does.
pub(crate) fn spawn(watched: Watched, inner: &Arc<Inner>) -> std::io::Result<Vec<JoinHandle<()>>> {
    let (weak, signal) = (Arc::downgrade(inner), Arc::clone(&inner.signal));
    let named = |name: &str| std::thread::Builder::new().name(name.into());
    let spares = named("evidence-spare").spawn(move || make_spares(&weak, &signal))?;
    let (weak, signal) = (Arc::downgrade(inner), Arc::clone(&inner.signal));
    let (heads, every) = (Arc::clone(&watched.heads), watched.every);
    let signing = named("evidence-head").spawn(move || sign_heads(&heads, every, &weak, &signal))?;
    let (weak, signal) = (Arc::downgrade(inner), Arc::clone(&inner.signal));
    let watch = named("evidence-watch").spawn(move || watch(&watched, &weak, &signal))?;
    Ok(vec![spares, signing, watch])
}

fn make_spares(inner: &Weak<Inner>, signal: &Signal) {
    let mut told: Option<Instant> = None;
    // The store is not held while there is nothing to do.
    while !signal.wait_for_rotation(LOOK) {
        let Some(inner) = inner.upgrade() else { return };
        if inner.journal.stopped().is_some() {
            return;
        }
        match inner.journal.tend() {
            Ok(()) => {
                inner.journal.files_fail(None);
                told = None;
            }
            Err(error) => {
                inner.journal.files_fail(Some(error.to_string()));
                if told.is_none_or(|at| at.elapsed() >= QUIET) {
                    tracing::error!(%error, "no further journal file can be made");
                    told = Some(Instant::now());
                }
                drop(inner);
                signal.rest(LOOK);
            }
        }
    }
}

fn watch(watched: &Watched, inner: &Weak<Inner>, signal: &Signal) {
    let mut noted = (Instant::now(), 0);
    let mut moving = (0, Instant::now());
    while !signal.rest(LOOK) {
        let Some(inner) = inner.upgrade() else { return };
        if matches!(inner.journal.stopped(), Some(CannotRecord::StoreLost(_))) {
            return;
        }
        match free_bytes(&watched.layout) {
            Ok(free) => inner.journal.set_free(free),
            Err(error) => tracing::debug!(%error, "the free space of the audit store cannot be read"),
        }
        if let Err(what) = watched.identity.check() {
            lose(&inner.journal, &what);
            return;
        }
        stalls(&inner, &mut moving);
        let journaled = inner.journal.backlog().last_lsn;
        if noted.0.elapsed() >= NOTE && noted.1 != journaled {
            note_head(watched, &inner, journaled);
            noted = (Instant::now(), journaled);
        }
    }
}

/// Signs where the journal stands, once a second while it grows: first it is synced, however little of it is new.
fn sign_heads(heads: &HeadWriter, every: Duration, inner: &Weak<Inner>, signal: &Signal) {
    let mut signed = 0;
    while !signal.rest(every) {
        let Some(inner) = inner.upgrade() else { return };
        let journal = &inner.journal;
        if matches!(journal.stopped(), Some(CannotRecord::StoreLost(_) | CannotRecord::Poisoned(_))) {
            return;
        }
        if journal.backlog().last_lsn == signed {
            continue;
        }
        let point = journal.sync_point(Who::Heads);
        if let Err(error) = point.sync() {
            tracing::error!(%error, "syncing the journal failed; no more records are taken");
            journal.stop(CannotRecord::Poisoned(format!("syncing the journal: {error}")));
            return;
        }
        match heads.sign(&point.mark) {
            Ok(()) => signed = point.mark.lsn,
            Err(error) => tracing::warn!(%error, "where the journal stands could not be signed; it is tried again"),
        }
    }
}

/// The store is lost: nothing is recorded any more, so nothing runs any more.
pub(crate) fn lose(journal: &Journal, what: &str) {
    let reason = CannotRecord::StoreLost(what.to_owned());
    tracing::error!(%reason, "statements are refused from now on");
    journal.stop(reason);
}

/// Whether an error while sealing means that the store is lost.
pub(crate) fn is_loss(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Io { source, .. } if is_lost(source) => Some(error.to_string()),
        StoreError::Record(CannotRecord::StoreLost(what)) => Some(what.clone()),
        _ => None,
    }
}

/// A journal without room waits for the sealing; when that does not move, or fails, waiting is over.
fn stalls(inner: &Arc<Inner>, moving: &mut (u64, Instant)) {
    let progress = inner.signal.progress();
    let status = inner.signal.status();
    if progress != moving.0 || !inner.journal.is_short() {
        *moving = (progress, Instant::now());
    }
    let why = match status.error {
        Some(error) if inner.journal.is_short() => Some(error),
        None if moving.1.elapsed() >= STANDSTILL => {
            Some(format!("the sealing has not moved for {} s", moving.1.elapsed().as_secs()))
        }
        _ => None,
    };
    inner.journal.stall(why);
}

fn note_head(watched: &Watched, inner: &Arc<Inner>, journaled: u64) {
    let Some(path) = &watched.head else { return };
    let report = inner.signal.status().report;
    let head = watched.heads.newest();
    let written = watched.identity.known(report.segment, report.sealed, journaled, head).note(path);
    if let Err(error) = written {
        tracing::warn!(%error, "the head of the log cannot be remembered outside of the store");
    }
}

/// Bytes that an unprivileged user may still write on the store's file system.
pub(crate) fn free_bytes(layout: &Layout) -> Result<u64, StoreError> {
    let stat =
        rustix::fs::statvfs(layout.root()).map_err(std::io::Error::from).at(layout.root(), "reading the free space")?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
