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
    /// The journal has a hole: valid frames follow damaged ones. Opening it would hide a loss.
    #[error(
        "the journal is damaged at {place}, and valid records follow: this is not a torn tail. Keep a copy of the \
         store, find out what changed the file, and do not delete anything"
    )]
    Hole {
        /// File and offset.
        place: String,
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
