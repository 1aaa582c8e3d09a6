//! The door through which the proxy records. Every call is an encoding, a checksum and a copy under a short lock; what
//! follows (syncing, sealing) happens in background threads.

use crate::config::{Durability, StoreConfig};
use crate::durable::Durable;
use crate::error::{CannotRecord, StoreError};
use crate::event::{AccessEvent, ApprovalEvent, LoginDenied, Lsn, PolicyEvent, PolicyOrigin};
use crate::journal::{Journal, Urgency};
use crate::keeper::{self, Keeper};
use crate::record::{self, kind};
use crate::signal::Signal;
use crate::store::Layout;
use crate::tenders::{self, Watched};
use model::{
    Column, ColumnMask, Outcome, PolicyVersion, RowLayout, SessionId, SessionInfo, Statement, StatementId, Verdict,
};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

/// What opening the store found and repaired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that were in the journal and are sealed now.
    pub records: u64,
    /// Sessions that had no end; they are recorded as interrupted.
    pub sessions: u64,
    /// Statements that had no end; they are recorded as interrupted.
    pub statements: u64,
    /// Where the journal ended in a torn frame that was cut off, if it did.
    pub cut: Option<String>,
    /// What was taken, as a head remembers, and is gone from the journal; or what else is wrong with it.
    pub missing: Option<String>,
    /// Records that are not what was taken, and are left out of the record: first and last.
    pub lost: Vec<(u64, u64)>,
    /// Records that no signed head of the journal covers: first and last.
    pub unproven: Option<(u64, u64)>,
    /// The segment that recovery sealed, if there was something to seal.
    pub segment: Option<u64>,
}

/// What sealing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealReport {
    /// The newest segment, 0 before the first.
    pub segment: u64,
    /// Everything up to this record is sealed.
    pub sealed: u64,
    /// Leaves in the log.
    pub tree_size: u64,
}

/// How the store is, for a health page and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The newest record.
    pub journaled: u64,
    /// Everything up to this record is sealed.
    pub sealed: u64,
    /// Bytes in the journal that are not sealed.
    pub unsealed_bytes: u64,
    /// Newest segment, 0 before the first.
    pub segment: u64,
    /// Leaves in the log.
    pub tree_size: u64,
    /// Bytes free on the store's file system.
    pub free_bytes: u64,
    /// Bytes that the journal may hold.
    pub room_bytes: u64,
    /// Whether what comes now has to wait for the sealing, or is refused.
    pub is_short: bool,
    /// Whether the disk has too little left for new sessions.
    pub refuses_sessions: bool,
    /// Why the last sealing failed; it is tried again.
    pub sealing_error: Option<String>,
    /// Why the store takes no more records. The process should end its sessions and exit.
    pub stopped: Option<CannotRecord>,
}

impl Health {
    /// Whether records are taken and sealed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.stopped.is_none() && self.sealing_error.is_none()
    }
}

pub(crate) struct Inner {
    pub(crate) journal: Journal,
    pub(crate) signal: Arc<Signal>,
    durability: Durability,
    pub(crate) durable: Durable,
    policies: RwLock<HashSet<PolicyVersion>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: std::fs::File,
}

/// Records what happens. Cheap to clone; all clones write to one journal.
#[derive(Clone)]
pub struct Recorder(pub(crate) Arc<Inner>);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs `write` with a buffer that is reused by this thread.
fn scratch<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with(|buffer| {
        let mut buffer = buffer.take();
        buffer.clear();
        let result = write(&mut buffer);
        if buffer.capacity() <= 1 << 20 {
            SCRATCH.set(buffer);
        }
        result
    })
}

impl Recorder {
    /// Opens the store, making it if it is missing and the configuration says so. What a crash left in the journal is sealed first, by the same code
    /// that seals in normal running.
    ///
    /// # Errors
    /// The store is in use, damaged, not writable, or belongs to another key or origin.
    pub fn open(config: StoreConfig) -> Result<(Self, Recovery), StoreError> {
        let durability = config.durability;
        let (path, head, every) = (config.path.clone(), config.head.clone(), config.heads);
        let opened = Keeper::open(config)?;
        let mut keeper = opened.keeper;
        let inner = Arc::new(Inner {
            journal: opened.journal,
            signal: opened.signal,
            durability,
            durable: Durable::default(),
            policies: RwLock::default(),
            threads: Mutex::default(),
            _lock: opened.lock,
        });
        let recovery = keeper.recover(&inner.journal, opened.found)?;
        if durability == Durability::Strict {
            Durable::spawn(&inner).map_err(|error| StoreError::Config(format!("starting the sync thread: {error}")))?;
        }
        let (identity, heads) = (opened.identity, opened.heads);
        let watched = Watched { layout: Layout::new(&path), identity, heads, head, every };
        let mut threads = tenders::spawn(watched, &inner)
            .map_err(|error| StoreError::Config(format!("starting the store's threads: {error}")))?;
        let thread = keeper::spawn(keeper, &inner)
            .map_err(|error| StoreError::Config(format!("starting the sealing thread: {error}")))?;
        threads.push(thread);
        *inner.threads.lock() = threads;
        Ok((Self(inner), recovery))
    }

    fn put(&self, kind: u8, urgency: Urgency, write: impl FnOnce(&mut Vec<u8>)) -> Result<Lsn, CannotRecord> {
        scratch(|buffer| {
            write(buffer);
            self.0.journal.append(kind, urgency, &[buffer])
        })
    }

    fn known(&self, policy: PolicyVersion) -> Result<(), CannotRecord> {
        if self.0.policies.read().contains(&policy) {
            return Ok(());
        }
        Err(CannotRecord::Invalid(format!("policy {policy} is not in the store yet; record it as loaded first")))
    }

    /// A session begins. `policy` is the version in force.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn session_opened(&self, info: &SessionInfo, policy: PolicyVersion) -> Result<Lsn, CannotRecord> {
        self.known(policy)?;
        self.put(kind::SESSION_OPENED, Urgency::Opening, |out| record::opened(info, policy, out))
    }

    /// A login was refused.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn login_denied(&self, denial: &LoginDenied) -> Result<Lsn, CannotRecord> {
        self.put(kind::LOGIN_DENIED, Urgency::Working, |out| record::denied(denial, out))
    }

    /// A statement, before the upstream sees it; refused ones too. `approval` is the id of the grant that it uses.
    ///
    /// # Errors
    /// See [`CannotRecord`]; the statement must then not be sent.
    pub fn intent(
        &self,
        session: SessionId,
        statement: &Statement,
        verdict: &Verdict,
        approval: Option<&str>,
    ) -> Result<Lsn, CannotRecord> {
        self.known(verdict.policy)?;
        self.put(kind::SENT_INTENT, Urgency::Working, |out| record::intent(session, statement, verdict, approval, out))
    }

    /// The columns of a result, before its rows. `plan` is what the record holds of each; when it is shorter (or empty), the
    /// rest passes untouched. `raw` says of which the client sees the values unmasked all the same, because its identity is
    /// exempt from the rule.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn columns(
        &self,
        session: SessionId,
        statement: StatementId,
        result: u32,
        columns: &[Column],
        plan: &[ColumnMask],
        raw: &[bool],
    ) -> Result<Lsn, CannotRecord> {
        self.put(kind::SHOWN_COLUMNS, Urgency::Working, |out| {
            record::columns(session, statement, result, columns, plan, raw, out);
        })
    }

    /// Rows as the client gets them (masked), before it gets them. Pieces need not end where rows end; `rows` counts
    /// the rows that end in this piece. A piece is at most 64 MiB; well below 1 MiB is best, since the journal's lock is
    /// held while it is copied.
    ///
    /// # Errors
    /// See [`CannotRecord`]; nothing of the piece is recorded then, and its rows must not be released.
    pub fn rows(
        &self,
        session: SessionId,
        statement: StatementId,
        result: u32,
        layout: &RowLayout,
        rows: u64,
        bytes: &[u8],
    ) -> Result<Lsn, CannotRecord> {
        let journal = &self.0.journal;
        let last = scratch(|head| {
            record::rows_head(session, statement, result, layout, rows, head);
            journal.append(kind::ROWS, Urgency::Working, &[head, bytes])
        })?;
        journal.rows.fetch_add(rows, Ordering::Relaxed);
        Ok(last)
    }

    /// A statement ended, or one part of it (`last` says which). Refused statements end here too.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn done(
        &self,
        session: SessionId,
        statement: StatementId,
        outcome: &Outcome,
        last: bool,
    ) -> Result<Lsn, CannotRecord> {
        self.put(kind::DONE, Urgency::Closing, |out| record::done(session, statement, outcome, last, out))
    }

    /// A session ended. Statements of it that have no end yet are recorded as interrupted.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn session_closed(&self, session: SessionId, reason: &str) -> Result<Lsn, CannotRecord> {
        self.put(kind::SESSION_CLOSED, Urgency::Closing, |out| record::closed(session, reason, out))
    }

    /// A policy version's text, before its first use. `content` is the canonical text: its SHA-256 is the version.
    ///
    /// # Errors
    /// [`CannotRecord::Invalid`] when content and version do not belong together; else see [`CannotRecord`].
    pub fn policy_loaded(
        &self,
        version: PolicyVersion,
        content: &str,
        origin: &PolicyOrigin,
    ) -> Result<Lsn, CannotRecord> {
        let hash: [u8; 32] = Sha256::digest(content.as_bytes()).into();
        if hash != version.0 {
            return Err(CannotRecord::Invalid(format!("policy {version} is not the SHA-256 of its content")));
        }
        let lsn = self.put(kind::POLICY, Urgency::Opening, |out| {
            record::policy(PolicyEvent::Loaded, version, content, origin, out);
        })?;
        self.0.policies.write().insert(version);
        Ok(lsn)
    }

    /// A policy version decides from now on; the one before it is superseded. It must have been loaded.
    ///
    /// # Errors
    /// See [`CannotRecord`]; the version must then not be used.
    pub fn policy_activated(&self, version: PolicyVersion, origin: &PolicyOrigin) -> Result<Lsn, CannotRecord> {
        self.known(version)?;
        self.put(kind::POLICY, Urgency::Opening, |out| {
            record::policy(PolicyEvent::Activated, version, "", origin, out);
        })
    }

    /// A step in the life of an approval, before it has an effect.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn approval(&self, event: &ApprovalEvent) -> Result<Lsn, CannotRecord> {
        self.put(kind::APPROVAL, Urgency::Working, |out| record::approval(event, out))
    }

    /// Someone read the record through the console.
    ///
    /// # Errors
    /// See [`CannotRecord`].
    pub fn accessed(&self, event: &AccessEvent) -> Result<Lsn, CannotRecord> {
        self.put(kind::ACCESS, Urgency::Working, |out| record::access(event, out))
    }

    /// Ready when everything up to `lsn` is kept as the configuration demands: at once with
    /// [`Durability::Process`], after a group commit with [`Durability::Strict`].
    pub fn poll_durable(&self, cx: &mut Context<'_>, lsn: Lsn) -> Poll<Result<(), CannotRecord>> {
        match self.0.durability {
            Durability::Process => Poll::Ready(Ok(())),
            Durability::Strict => self.0.durable.poll(&self.0.journal, cx, lsn.0),
        }
    }

    /// Ready when a record that was refused with [`CannotRecord::Busy`] may be tried again. A session with a bulk result
    /// waits earlier than others, so that those who ask little find room.
    pub fn poll_room(&self, cx: &mut Context<'_>, bulk: bool) -> Poll<Result<(), CannotRecord>> {
        match self.0.journal.poll_room(cx.waker(), bulk) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(reason) => Poll::Ready(Err(reason)),
        }
    }

    /// Seals everything that is journaled, and waits for it. Blocks: call it from a thread that may.
    ///
    /// # Errors
    /// Sealing failed; what is journaled is safe and sealing is tried again.
    pub fn seal_now(&self) -> Result<SealReport, StoreError> {
        self.0.signal.seal_and_wait()
    }

    /// How the store is.
    #[must_use]
    pub fn health(&self) -> Health {
        let backlog = self.0.journal.backlog();
        let status = self.0.signal.status();
        Health {
            journaled: backlog.last_lsn,
            sealed: status.report.sealed,
            unsealed_bytes: self.0.journal.bytes.load(Ordering::Relaxed),
            segment: status.report.segment,
            tree_size: status.report.tree_size,
            free_bytes: self.0.journal.free(),
            room_bytes: self.0.journal.room(),
            is_short: self.0.journal.is_short(),
            refuses_sessions: self.0.journal.refuses_sessions(),
            sealing_error: status.error,
            stopped: self.0.journal.stopped(),
        }
    }

    /// Seals everything and closes the store. Sessions that are still open are carried over and closed as interrupted
    /// when the store is opened again, so the proxy closes its sessions first. Other clones refuse from now on.
    ///
    /// # Errors
    /// The last sealing failed; what is journaled is safe and sealed when the store is opened again.
    pub fn close(self) -> Result<SealReport, StoreError> {
        self.0.journal.stop(CannotRecord::Closed);
        let sealed = self.0.signal.seal_and_wait();
        self.0.signal.stop();
        self.0.durable.stop();
        // None of them holds the store any more when this returns.
        for thread in std::mem::take(&mut *self.0.threads.lock()) {
            let _ = thread.join();
        }
        sealed
    }
}
