//! The background thread that owns everything behind the journal: spare files, disk space, requests, sealing, heartbeats.

use crate::config::StoreConfig;
use crate::error::{At, StoreError};
use crate::inbox::{self, Request};
use crate::journal::scan::{self, Found};
use crate::journal::{Journal, Urgency, now};
use crate::log::{HoldStep, Leaf, Manifest};
use crate::record::{self, kind};
use crate::recorder::{Inner, Recovery, SealReport};
use crate::retention::{Action, Ledger, Order, remove};
use crate::seal::Sealer;
use crate::sign::{LogSigner, VerifierKey};
use crate::signal::Signal;
use crate::store::Layout;
use std::fs::{File, OpenOptions};
use std::io::Write;
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
    pub(crate) found: Found,
}

/// The thread's own things.
pub(crate) struct Keeper {
    config: StoreConfig,
    layout: Layout,
    sealer: Sealer,
    boot: [u8; 16],
    oldest: Option<Instant>,
    /// The last sealing failed half-way: what is on the disk decides how to go on.
    reopen: bool,
}

impl Keeper {
    pub(crate) fn open(config: StoreConfig) -> Result<OpenedStore, StoreError> {
        let layout = Layout::new(&config.path);
        layout.make()?;
        let lock = lock(&layout)?;
        let boot = *uuid::Uuid::now_v7().as_bytes();
        let sealer = Sealer::open(&config, &layout, boot)?;
        let found = scan::recover(&layout.journal(), sealer.sealed())?;
        let signal = Arc::new(Signal::default());
        let waker = Arc::clone(&signal);
        let journal = Journal::start(
            &layout.journal(),
            config.journal.clone(),
            boot,
            found.last_lsn + 1,
            found.last_number + 1,
            Box::new(move || waker.rotated()),
        )?;
        journal.set_free(free_bytes(&layout)?);
        let keeper = Self { config, layout, sealer, boot, oldest: None, reopen: false };
        Ok(OpenedStore { keeper, journal, signal, lock, found })
    }

    /// Notes the new start, closes what a crash left open and seals it: the same road as in normal running.
    pub(crate) fn recover(&mut self, journal: &Journal, found: Found) -> Result<Recovery, StoreError> {
        let mut buffer = Vec::new();
        record::boot(self.boot, &mut buffer);
        journal.append(kind::BOOT, Urgency::Closing, &[&buffer])?;
        let mut recovery = Recovery { records: found.records, cut: found.cut.clone(), ..Recovery::default() };
        let open = self.sealer.open_sessions(found.last_lsn)?;
        for (session, statements) in open {
            buffer.clear();
            record::closed(session, "interrupted: the proxy stopped without closing it", &mut buffer);
            journal.append(kind::SESSION_CLOSED, Urgency::Closing, &[&buffer])?;
            recovery.sessions += 1;
            recovery.statements += statements;
        }
        if let Some(cut) = found.cut {
            self.sealer.note_recovery(&cut);
        }
        if found.records > 0 || recovery.sessions > 0 || recovery.cut.is_some() {
            let report = self.seal(journal)?;
            recovery.segment = Some(report.segment);
        }
        // The files of earlier starts hold nothing that is not sealed, unless nothing was worth a segment.
        if self.sealer.sealed() >= found.last_lsn {
            for path in found.files {
                std::fs::remove_file(&path).at(&path, "removing a sealed journal file")?;
            }
        }
        Ok(recovery)
    }

    fn seal(&mut self, journal: &Journal) -> Result<SealReport, StoreError> {
        let bytes = journal.bytes.load(Ordering::Relaxed);
        let rows = journal.rows.load(Ordering::Relaxed);
        let until = journal.backlog().last_lsn;
        if self.reopen {
            self.sealer = Sealer::open(&self.config, &self.layout, self.boot)?;
            self.reopen = false;
        }
        let report = self.sealer.seal(until).inspect_err(|_| self.reopen = true)?;
        journal.recycle(self.sealer.sealed());
        journal.bytes.fetch_sub(bytes, Ordering::Relaxed);
        journal.rows.fetch_sub(rows, Ordering::Relaxed);
        self.oldest = None;
        Ok(report)
    }

    /// The writer stops: a journal that holds nothing unsealed goes, and the lock names nobody.
    fn tidy(&self, journal: &Journal) {
        if self.reopen || self.sealer.sealed() < journal.backlog().last_lsn {
            return;
        }
        for path in crate::seal::list(&self.layout.journal()).unwrap_or_default() {
            let _ = std::fs::remove_file(path);
        }
        let _ = OpenOptions::new().write(true).truncate(true).open(self.layout.lock());
    }

    /// Adds to the log; after a failure what is on the disk decides how to go on.
    fn on_log(&mut self, add: impl FnOnce(&mut Sealer) -> Result<(), StoreError>) -> Result<(), String> {
        if self.reopen {
            self.sealer = Sealer::open(&self.config, &self.layout, self.boot).map_err(|error| error.to_string())?;
            self.reopen = false;
        }
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

    /// A leaf, when there was none for long or the writer stops.
    fn heartbeat(&mut self, journal: &Journal, closing: bool) -> Result<SealReport, StoreError> {
        if self.reopen {
            return Ok(self.sealer.report());
        }
        self.sealer.heartbeat(journal.backlog().last_lsn, closing).inspect_err(|_| self.reopen = true)
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

/// Sealing can wait while sessions have work, as long as the journal has room: when it has none they stop by themselves.
/// On Linux a nice value is the calling thread's; elsewhere it would be the process's, so it is left alone.
fn after_traffic() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 5) {
        tracing::debug!(%error, "sealing runs at the sessions' priority");
    }
}

/// Starts the thread.
pub(crate) fn spawn(mut keeper: Keeper, inner: &Arc<Inner>) -> std::io::Result<JoinHandle<()>> {
    let weak = Arc::downgrade(inner);
    let signal = Arc::clone(&inner.signal);
    signal.set(keeper.sealer.report(), None);
    std::thread::Builder::new().name("evidence-seal".into()).spawn(move || {
        after_traffic();
        let mut rest_until = Instant::now();
        while let Some(inner) = weak.upgrade() {
            let (wanted, stop) = signal.wait(TICK);
            turn(&mut keeper, &inner.journal, &signal, wanted, &mut rest_until);
            if stop {
                if let Err(error) = keeper.heartbeat(&inner.journal, true) {
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
    match free_bytes(&keeper.layout) {
        Ok(free) => journal.set_free(free),
        Err(error) => tracing::warn!(%error, "the free space of the audit store cannot be read"),
    }
    let tended = journal.tend();
    let requests = keeper.requests(journal);
    let asked = signal.is_unanswered(wanted) || !requests.is_empty();
    let result = if asked || (keeper.due(journal) && Instant::now() >= *rest_until) {
        keeper.seal(journal)
    } else {
        keeper.heartbeat(journal, false)
    };
    let error = result.err().or(tended.err()).map(|error| error.to_string());
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

/// Hands a store's log over to another key: seals what is there, and adds the leaf in which both keys say so. Nobody else
/// may hold the store. Whoever opens it next must have the new key.
pub(crate) fn rotate(config: StoreConfig, next: &LogSigner) -> Result<VerifierKey, StoreError> {
    let OpenedStore { mut keeper, journal, found, lock, .. } = Keeper::open(config)?;
    keeper.recover(&journal, found)?;
    keeper.seal(&journal)?;
    let key = keeper.sealer.rotate(next)?;
    keeper.tidy(&journal);
    drop(lock);
    Ok(key)
}

/// Takes the store for this process.
fn lock(layout: &Layout) -> Result<File, StoreError> {
    let path = layout.lock();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .at(&path, "opening the store's lock")?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            return Err(StoreError::Locked { path: layout.root().to_path_buf(), holder });
        }
        Err(std::fs::TryLockError::Error(source)) => {
            return Err(StoreError::Io { path, doing: "locking the store", source });
        }
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).at(&path, "noting the lock's holder")?;
    Ok(file)
}

/// Bytes that an unprivileged user may still write on the store's file system.
fn free_bytes(layout: &Layout) -> Result<u64, StoreError> {
    let stat =
        rustix::fs::statvfs(layout.root()).map_err(std::io::Error::from).at(layout.root(), "reading the free space")?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
