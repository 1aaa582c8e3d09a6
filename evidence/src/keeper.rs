//! The background thread that owns everything behind the journal: requests, sealing, heartbeats. Spare files and the watch
//! over the store have their own ([`crate::tenders`]).

use crate::clock;
use crate::config::StoreConfig;
use crate::error::{At, CannotRecord, StoreError};
use crate::identity::{Identity, KnownHead};
use crate::inbox::{self, Request};
use crate::journal::head::{HeadWriter, machine};
use crate::journal::recover::{self, Found};
use crate::journal::{Journal, Urgency, Who, now};
use crate::log::{HoldStep, Leaf, Manifest};
use crate::opening::{describe, lock, lost, may_open};
use crate::record::{self, kind};
use crate::recorder::{Inner, Recovery, SealReport};
use crate::retention::{Action, Ledger, Order, remove};
use crate::seal::{Held, Sealer};
use crate::sign::{LogSigner, VerifierKey};
use crate::signal::Signal;
use crate::store::{About, Layout};
use crate::tenders::{free_bytes, is_loss, lose};
use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the thread looks around when nobody wakes it.
const TICK: Duration = Duration::from_millis(250);
/// How long a failed sealing rests before it is tried again, unless someone asks.
const RETRY: Duration = Duration::from_secs(5);

/// What opening a store gave.
pub(crate) struct OpenedStore {
    pub(crate) keeper: Keeper,
    pub(crate) journal: Journal,
    pub(crate) signal: Arc<Signal>,
    pub(crate) lock: File,
    pub(crate) identity: Arc<Identity>,
    pub(crate) heads: Arc<HeadWriter>,
    pub(crate) found: Found,
}

/// The thread's own things.
pub(crate) struct Keeper {
    config: StoreConfig,
    layout: Layout,
    sealer: Sealer,
    about: About,
    held: Held,
    boot: [u8; 16],
    oldest: Option<Instant>,
    /// By how much the wall clock was ahead of the record's time when it was noted last.
    ahead: i64,
    /// The last sealing failed half-way: what is on the disk decides how to go on.
    reopen: bool,
}

impl Keeper {
    pub(crate) fn open(config: StoreConfig) -> Result<OpenedStore, StoreError> {
        let layout = Layout::new(&config.path);
        let known = config.head.as_deref().map(KnownHead::read).transpose()?.flatten();
        may_open(&config, &layout, known.as_ref())?;
        layout.make()?;
        let lock = lock(&layout)?;
        let boot = *uuid::Uuid::now_v7().as_bytes();
        let about = describe(&config, &layout)?;
        let mut sealer = Sealer::open(&config, &layout, &about, boot)?;
        if let Some(known) = &known {
            sealer.continues(known).map_err(|what| lost(&config, known, what))?;
        }
        let proofs = sealer.proofs(known.as_ref().and_then(|known| known.head.as_deref()));
        let mut found = recover::recover(&layout.journal(), &proofs)?;
        if let Some(known) = known.filter(|known| known.journaled > found.last_lsn) {
            let what = format!("records {} to {} were taken and are not there", found.last_lsn + 1, known.journaled);
            // What the kernel had taken goes with the machine's power, not with a process.
            let same = !known.machine.is_empty() && known.machine == machine();
            let place = if same { &mut found.wrong } else { &mut found.missing };
            place.get_or_insert(what);
        }
        let identity = Arc::new(Identity::of(&layout, &lock, &about)?);
        let signal = Arc::new(Signal::default());
        let heads = Arc::new(HeadWriter::new(&layout));
        let held = Held { identity: Arc::clone(&identity), signal: Arc::clone(&signal), heads: Arc::clone(&heads) };
        sealer.hold_to(held.clone());
        let waker = Arc::clone(&signal);
        let journal =
            Journal::start(&layout.journal(), config.journal.clone(), boot, &found, Box::new(move || waker.rotated()))?;
        journal.set_free(free_bytes(&layout)?);
        let keeper = Self { config, layout, sealer, about, held, boot, oldest: None, ahead: 0, reopen: false };
        keeper.remember(&journal).map_err(|error| {
            StoreError::Config(format!(
                "{error}. The log's head is remembered outside of the store; [store] head names where"
            ))
        })?;
        Ok(OpenedStore { keeper, journal, signal, lock, identity, heads, found })
    }

    /// Notes the new start, closes what a crash left open and seals it: the same road as in normal running.
    pub(crate) fn recover(&mut self, journal: &Journal, found: Found) -> Result<Recovery, StoreError> {
        let mut buffer = Vec::new();
        record::boot(self.boot, &mut buffer);
        journal.append(kind::BOOT, Urgency::Closing, &[&buffer])?;
        let mut recovery = Recovery { records: found.records, cut: found.cut.clone(), ..Recovery::default() };
        let open = self.sealer.open_sessions(&found.unsealed)?;
        for (session, statements) in open {
            buffer.clear();
            record::closed(session, "interrupted: the proxy stopped without closing it", &mut buffer);
            journal.append(kind::SESSION_CLOSED, Urgency::Closing, &[&buffer])?;
            recovery.sessions += 1;
            recovery.statements += statements;
        }
        recovery.missing = found.missing.clone().or_else(|| found.wrong.clone());
        recovery.lost.clone_from(&found.lost);
        recovery.unproven = found.unproven;
        let notes = found.notes();
        notes.into_iter().for_each(|note| self.sealer.note_recovery(note));
        let worth = found.records > 0 || recovery.sessions > 0 || self.sealer.has_notes() || !found.lost.is_empty();
        self.set_back()?;
        if worth {
            let report = self.seal(journal)?;
            recovery.segment = Some(report.segment);
        }
        let end = journal.sync_point(Who::Leaves);
        end.sync().at(&self.layout.journal(), "syncing the journal")?;
        self.sealer.start(&end.mark).inspect_err(|_| self.reopen = true)?;
        // The files of earlier starts hold nothing that is not sealed, unless nothing was worth a segment.
        if self.sealer.sealed() >= found.last_lsn {
            let tampered = found.is_tampered();
            for path in found.files {
                // What somebody changed is kept for whoever looks into it.
                let done = if tampered {
                    std::fs::rename(&path, path.with_extension("kept"))
                } else {
                    std::fs::remove_file(&path)
                };
                done.at(&path, "removing a sealed journal file")?;
            }
        }
        Ok(recovery)
    }

    fn seal(&mut self, journal: &Journal) -> Result<SealReport, StoreError> {
        let bytes = journal.bytes.load(Ordering::Relaxed);
        let rows = journal.rows.load(Ordering::Relaxed);
        self.reopen()?;
        let unsealed = journal.unsealed(self.sealer.sealed());
        let report = self.sealer.seal(&unsealed).inspect_err(|_| self.reopen = true)?;
        if let Err(error) = self.remember(journal) {
            tracing::warn!(%error, "the head of the log cannot be remembered outside of the store");
        }
        journal.recycle(self.sealer.sealed());
        journal.bytes.fetch_sub(bytes, Ordering::Relaxed);
        journal.rows.fetch_sub(rows, Ordering::Relaxed);
        self.oldest = None;
        Ok(report)
    }

    /// After a failure half-way what is on the disk decides how to go on, if it is still the store that was opened.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.reopen {
            self.held.identity.check().map_err(CannotRecord::StoreLost)?;
            let open = || Sealer::open(&self.config, &self.layout, &self.about, self.boot);
            self.sealer = self.held.identity.while_publishing(open)?;
            self.sealer.hold_to(self.held.clone());
            self.reopen = false;
        }
        Ok(())
    }

    /// Notes the head outside of the store.
    fn remember(&self, journal: &Journal) -> Result<(), StoreError> {
        let Some(path) = &self.config.head else { return Ok(()) };
        let report = self.sealer.report();
        let head = self.held.heads.newest();
        self.held.identity.known(report.segment, report.sealed, journal.backlog().last_lsn, head).write(path)
    }

    /// The writer stops: a journal that holds nothing unsealed goes, and the lock names nobody.
    fn tidy(&self, journal: &Journal) {
        let unsealed = self.reopen || self.sealer.sealed() < journal.backlog().last_lsn;
        // Another store may lie there now: its files are not ours to remove.
        if unsealed || self.held.identity.check().is_err() {
            return;
        }
        let files = crate::seal::list(&self.layout.journal()).unwrap_or_default();
        for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "wal")) {
            let _ = std::fs::remove_file(path);
        }
        // The leaf with which the writer stops says where the journal ended.
        let _ = std::fs::remove_file(self.layout.heads());
        let _ = OpenOptions::new().write(true).truncate(true).open(self.layout.lock());
    }

    /// Adds to the log; after a failure what is on the disk decides how to go on.
    fn on_log(&mut self, add: impl FnOnce(&mut Sealer) -> Result<(), StoreError>) -> Result<(), String> {
        self.reopen().map_err(|error| error.to_string())?;
        add(&mut self.sealer).inspect_err(|_| self.reopen = true).map_err(|error| error.to_string())
    }

    /// Follows an order: first the leaf, then what it says. An order whose leaf is there already is completed.
    fn follow(&mut self, note: &str) -> Result<String, String> {
        let (mut ledger, manifests) = self.ledger().map_err(|error| error.to_string())?;
        if let Ok((hold, _)) = ledger.release(note) {
            let order = note.to_owned();
            self.on_log(|sealer| sealer.hold(&hold, HoldStep::Released { order }))?;
            return Ok(format!("hold {hold} is released"));
        }
        let known = Order::parse(note, &self.config.origin)?;
        if let Action::Release { .. } = known.action {
            return Err(ledger.release(note).map_or_else(|why| why, |_| "it cannot be followed".to_owned()));
        }
        if !ledger.tombstones.iter().any(|tombstone| tombstone.order == known) {
            // The terms that this writer goes by may not be in the log yet; its next key states them.
            ledger.terms = self.sealer.terms();
            ledger.prune(note, now())?;
            self.on_log(|sealer| sealer.tombstone(note))?;
            ledger = self.ledger().map_err(|error| error.to_string())?.0;
        }
        let left = remove(&self.layout, &ledger.pruned, manifests.iter()).map_err(|error| error.to_string())?;
        Ok(format!("{} files ({} bytes) were removed; the tombstone is in the log", left.files, left.bytes))
    }

    /// What the log says about retention, and all manifests.
    fn ledger(&self) -> Result<(Ledger, Vec<Manifest>), StoreError> {
        let log = self.sealer.log();
        let mut ledger = Ledger::new(&self.config.origin);
        let mut manifests = Vec::new();
        for (index, entry) in crate::log::entries(log.folder(), 0, log.size())? {
            let (_, _, leaf) =
                Leaf::parse(&entry).map_err(|what| StoreError::damaged(format!("leaf {index} of the log"), what))?;
            ledger.take(index, &leaf);
            if let Leaf::Segment(manifest) = leaf {
                manifests.push(*manifest);
            }
        }
        Ok((ledger, manifests))
    }

    /// The wall clock was set back since the last run: what follows in the log is dated before what stands there.
    fn set_back(&mut self) -> Result<(), StoreError> {
        let Some(newest) = self.sealer.newest()? else { return Ok(()) };
        let back = newest.saturating_sub(now());
        if back <= self.slack() {
            return Ok(());
        }
        tracing::warn!(seconds = back / 1_000_000, "the wall clock was set back since the last run; the log says so");
        self.sealer.clock(back.saturating_neg(), crate::log::SET_BACK).inspect_err(|_| self.reopen = true)
    }

    fn slack(&self) -> i64 {
        i64::try_from(self.config.clock_slack.as_micros()).unwrap_or(i64::MAX)
    }

    /// A jump of the wall clock becomes a leaf. The record's own time goes on as before.
    fn watch_clock(&mut self) {
        let ahead = clock::ahead();
        let step = ahead.saturating_sub(self.ahead);
        if step.saturating_abs() <= self.slack() {
            return;
        }
        tracing::warn!(milliseconds = step / 1000, "the wall clock was set; records go on by the time of the start");
        match self.on_log(|sealer| sealer.clock(step, "set while the writer ran")) {
            Ok(()) => self.ahead = ahead,
            Err(error) => tracing::warn!(%error, "that the wall clock was set could not be noted yet"),
        }
    }

    /// A leaf, when there was none for long or the writer stops.
    fn heartbeat(&mut self, journal: &Journal, closing: bool) -> Result<SealReport, StoreError> {
        if self.reopen || (!closing && !self.sealer.is_silent()) {
            return Ok(self.sealer.report());
        }
        let end = journal.sync_point(Who::Leaves);
        end.sync().at(&self.layout.journal(), "syncing the journal")?;
        self.sealer.heartbeat(&end.mark, closing).inspect_err(|_| self.reopen = true)
    }

    fn due(&mut self, journal: &Journal) -> bool {
        let backlog = journal.backlog();
        if backlog.last_lsn <= self.sealer.sealed() {
            self.oldest = None;
            return false;
        }
        if backlog.starved {
            return true;
        }
        let oldest = *self.oldest.get_or_insert_with(Instant::now);
        let limits = &self.config.segment;
        // Half of the journal's room is the latest moment: the other half takes what comes in while this is sealed.
        let most = limits.bytes.min(self.config.journal.max_bytes / 2);
        journal.bytes.load(Ordering::Relaxed) >= most
            || journal.rows.load(Ordering::Relaxed) >= limits.rows
            || oldest.elapsed() >= limits.age
    }

    /// Takes up what lies in the inbox. Returns those who wait for a sealing.
    fn requests(&mut self, journal: &Journal) -> Vec<inbox::Asked> {
        let mut seals = Vec::new();
        for request in inbox::take(&self.layout) {
            match request {
                Request::Seal(seal) => seals.push(seal),
                Request::Hold(hold, step, asked) => {
                    let done = self.on_log(|sealer| sealer.hold(&hold, step));
                    let done = done.map(|()| format!("hold {hold} is in the log"));
                    asked.answer(&self.sealer.report(), done.as_deref().map_err(String::as_str));
                }
                Request::Order(note, asked) => {
                    let done = self.follow(&note);
                    asked.answer(&self.sealer.report(), done.as_deref().map_err(String::as_str));
                }
                Request::Access(event, done) => {
                    let mut buffer = Vec::new();
                    record::access(&event, &mut buffer);
                    match journal.append(kind::ACCESS, Urgency::Working, &[&buffer]) {
                        Ok(_) => done.finish(),
                        Err(error) => tracing::warn!(%error, "a reading of the record could not be noted yet"),
                    }
                }
            }
        }
        seals
    }
}

/// Starts the thread.
pub(crate) fn spawn(mut keeper: Keeper, inner: &Arc<Inner>) -> std::io::Result<JoinHandle<()>> {
    let weak = Arc::downgrade(inner);
    let signal = Arc::clone(&inner.signal);
    signal.set(keeper.sealer.report(), None);
    std::thread::Builder::new().name("evidence-seal".into()).spawn(move || {
        let mut rest_until = Instant::now();
        while let Some(inner) = weak.upgrade() {
            let (wanted, stop) = signal.wait(TICK);
            turn(&mut keeper, &inner.journal, &signal, wanted, &mut rest_until);
            if stop {
                let noted = keeper.heartbeat(&inner.journal, true).and_then(|_| keeper.remember(&inner.journal));
                if let Err(error) = noted {
                    tracing::warn!(%error, "the store's stop could not be noted in the log");
                }
                signal.set(keeper.sealer.report(), None);
                keeper.tidy(&inner.journal);
                break;
            }
        }
        signal.stopped();
    })
}

fn turn(keeper: &mut Keeper, journal: &Journal, signal: &Signal, wanted: u64, rest_until: &mut Instant) {
    if let Some(reason @ CannotRecord::StoreLost(_)) = journal.stopped() {
        signal.set(keeper.sealer.report(), Some(reason.to_string()));
        signal.answer(wanted, Some(reason.to_string()));
        return;
    }
    keeper.watch_clock();
    let requests = keeper.requests(journal);
    let asked = signal.is_unanswered(wanted) || !requests.is_empty();
    let result = if asked || (keeper.due(journal) && Instant::now() >= *rest_until) {
        keeper.seal(journal)
    } else {
        keeper.heartbeat(journal, false)
    };
    let error = result.err();
    if let Some(what) = error.as_ref().and_then(is_loss) {
        lose(journal, &what);
    }
    let error = error.map(|error| error.to_string());
    if let Some(error) = &error {
        tracing::error!(%error, "sealing failed; the journal keeps what is not sealed, and it is tried again");
        *rest_until = Instant::now() + RETRY;
    }
    for request in requests {
        let failed = error.as_ref().map(|error| format!("the proxy could not seal: {error}"));
        request.answer(&keeper.sealer.report(), failed.as_deref().map_or(Ok("sealed"), Err));
    }
    signal.set(keeper.sealer.report(), error.clone());
    signal.answer(wanted, error);
}

/// Makes a store, or opens it, seals what is there and leaves it closed. `lost` becomes a leaf about what is missing.
pub(crate) fn init(config: StoreConfig, lost: Option<String>) -> Result<VerifierKey, StoreError> {
    let OpenedStore { mut keeper, journal, mut found, lock, .. } = Keeper::open(config)?;
    found.missing = lost.or(found.missing);
    keeper.recover(&journal, found)?;
    keeper.seal(&journal)?;
    keeper.heartbeat(&journal, true)?;
    keeper.remember(&journal)?;
    keeper.tidy(&journal);
    drop(lock);
    VerifierKey::parse(&keeper.about.vkey)
}

/// The head that is remembered in a file, if there is one.
pub(crate) fn known(head: &std::path::Path) -> Result<Option<KnownHead>, StoreError> {
    KnownHead::read(head)
}

/// Hands a store's log over to another key: seals what is there, and adds the leaf in which both keys say so. Nobody else
/// may hold the store. Whoever opens it next must have the new key.
pub(crate) fn rotate(config: StoreConfig, next: &LogSigner) -> Result<VerifierKey, StoreError> {
    let OpenedStore { mut keeper, journal, found, lock, .. } = Keeper::open(config)?;
    keeper.recover(&journal, found)?;
    keeper.seal(&journal)?;
    let key = keeper.sealer.rotate(next)?;
    keeper.remember(&journal)?;
    keeper.tidy(&journal);
    drop(lock);
    Ok(key)
}
