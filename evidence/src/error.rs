//! What can go wrong, in words for the person who has to act on it.

use std::path::{Path, PathBuf};

/// A record could not be taken. Nothing was written; the caller refuses what it was about to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotRecord {
    /// The journal holds as much unsealed data as it may. Wait with [`crate::Recorder::poll_room`] and try again.
    #[error("the journal is full until the next segment is sealed; try again")]
    Busy,
    /// Too little disk space is left for new work. PostgreSQL 53100, MySQL 1021.
    #[error("the audit store has only {free} bytes left on its disk (it needs {needed}); free some space")]
    DiskFull {
        /// Bytes free on the store's file system.
        free: u64,
        /// Bytes below which this kind of record is refused.
        needed: u64,
    },
    /// The record is larger than the journal takes.
    #[error("a record of {bytes} bytes is larger than the journal takes ({limit})")]
    TooLarge {
        /// Size of the record.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The record contradicts itself; it would make the store fail its own verification.
    #[error("the record is not valid: {0}")]
    Invalid(String),
    /// Writing or syncing failed once. The recorder stays closed: the process should end its sessions and exit.
    #[error("the audit store failed and takes no more records: {0}")]
    Poisoned(String),
    /// The store is not there any more, is not the one that was opened, or its file system fails. Nothing is taken until
    /// somebody has looked: what would be written now might be all that is left. PostgreSQL 53100, MySQL 1021.
    #[error("the audit store is lost: {0}. Bring it back as it was, then start again")]
    StoreLost(String),
    /// Sealing cannot go on and the journal has no more room. Records are taken again once it can. PostgreSQL 53100,
    /// MySQL 1021.
    #[error("the journal of the audit store is full and cannot be sealed: {0}")]
    Stalled(String),
    /// The recorder was closed.
    #[error("the audit store is closed")]
    Closed,
}

/// The store cannot be opened, sealed or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An operation on a file failed.
    #[error("{path}: {doing} failed: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the store.
    #[error("{path} is in use by another process (pid {holder}); stop it, or use another store")]
    Locked {
        /// The store.
        path: PathBuf,
        /// The holder's process id, as it noted it.
        holder: String,
    },
    /// There is no store, and nobody has asked for one to be made.
    #[error(
        "there is no audit store in {path}. If it should be there, bring it back (is the disk mounted?); for a new one run \
         evidence init --config FILE, or write create = true in [store]"
    )]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The store is not the one that was known, or not all of it.
    #[error(
        "{path} does not hold what was recorded: {what}. {head} remembers {known}. Bring the store back as it was; if it is \
         lost for good, evidence init --lost \"REASON\" begins a new one that says so"
    )]
    Lost {
        /// The store.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// The file that remembers the head.
        head: PathBuf,
        /// What was known.
        known: String,
    },
    /// A file of the store does not say what it should.
    #[error("{place}: {what}")]
    Damaged {
        /// Which file, and where in it.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A key is missing or malformed.
    #[error("signing key: {0}")]
    Key(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// The recorder refused.
    #[error(transparent)]
    Record(#[from] CannotRecord),
}

impl StoreError {
    pub(crate) fn damaged(place: impl std::fmt::Display, what: impl std::fmt::Display) -> Self {
        Self::Damaged { place: place.to_string(), what: what.to_string() }
    }
}

/// Adds the place to an I/O error.
pub(crate) trait At<T> {
    /// The same, as a [`StoreError`] that names the file and what was tried.
    fn at(self, path: &Path, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, path: &Path, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { path: path.to_path_buf(), doing, source })
    }
}
