//! Approvals on disk: one small embedded database, fsynced at each change, readable by the proxy's user only.
//!
//! Format 1: table `approvals`, id → JSON of [`Approval`]; table `meta`, `format` and `clock` (the latest time that any
//! change was made at, microseconds since the epoch: after a restart the clock goes on from there at the earliest).

use super::request::ApprovalId;
use super::state::Approval;
use model::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

const APPROVALS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("approvals");
const META: TableDefinition<'_, &str, i64> = TableDefinition::new("meta");
const FORMAT: i64 = 1;
/// Name of the file within the store.
const FILE: &str = "approvals.redb";

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("{0} is in use by another process; only one proxy can run on a store")]
    InUse(PathBuf),
    /// A newer version wrote it.
    #[error("{file} is in format {format}, and this version reads format {FORMAT}; start a newer version")]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: i64,
    },
    /// An entry does not read back.
    #[error(
        "{file}: the entry {id} is damaged ({cause}); restore the file from a backup, or move it away and lose what waits"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The entry.
        id: String,
        /// In what way.
        cause: String,
    },
    /// The disk or the database failed.
    #[error("{file}: {cause}")]
    Failed {
        /// The file.
        file: PathBuf,
        /// In what way.
        cause: String,
    },
}

/// The open file.
pub struct Store {
    file: PathBuf,
    database: Database,
}

impl Store {
    /// Opens `approvals.redb` in a folder, creating both as needed.
    ///
    /// # Errors
    /// When it cannot be opened, is in use, or is of another format.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let file = folder.join(FILE);
        let failed =
            |cause: &dyn std::fmt::Display| StoreError::Failed { file: file.clone(), cause: cause.to_string() };
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // It holds statements with their literals: nobody else may read it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        drop(options.open(&file).map_err(|error| failed(&error))?);
        let database = Database::create(&file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(file.clone()),
            other => failed(&other),
        })?;
        let store = Self { file, database };
        store.check_format()?;
        Ok(store)
    }

    fn failed(&self, cause: impl Into<redb::Error>) -> StoreError {
        StoreError::Failed { file: self.file.clone(), cause: cause.into().to_string() }
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(|error| self.failed(error))?;
        {
            write.open_table(APPROVALS).map_err(|error| self.failed(error))?;
            let mut meta = write.open_table(META).map_err(|error| self.failed(error))?;
            let format = meta.get("format").map_err(|error| self.failed(error))?.map(|format| format.value());
            match format {
                None => drop(meta.insert("format", FORMAT).map_err(|error| self.failed(error))?),
                Some(FORMAT) => {}
                Some(format) => return Err(StoreError::Newer { file: self.file.clone(), format }),
            }
        }
        write.commit().map_err(|error| self.failed(error))
    }

    /// Everything stored, and the latest time at which anything was changed.
    ///
    /// # Errors
    /// When the file cannot be read, or an entry is damaged.
    pub fn load(&self) -> Result<(Vec<Approval>, Timestamp), StoreError> {
        let read = self.database.begin_read().map_err(|error| self.failed(error))?;
        let table = read.open_table(APPROVALS).map_err(|error| self.failed(error))?;
        let mut approvals = Vec::new();
        for item in table.iter().map_err(|error| self.failed(error))? {
            let (id, value) = item.map_err(|error| self.failed(error))?;
            let damaged =
                |cause: String| StoreError::Damaged { file: self.file.clone(), id: id.value().to_owned(), cause };
            let approval: Approval =
                serde_json::from_slice(value.value()).map_err(|error| damaged(error.to_string()))?;
            if approval.request().id.as_str() != id.value() {
                return Err(damaged("it is filed under another name".to_owned()));
            }
            approvals.push(approval);
        }
        let meta = read.open_table(META).map_err(|error| self.failed(error))?;
        let clock = meta.get("clock").map_err(|error| self.failed(error))?.map_or(0, |clock| clock.value());
        Ok((approvals, Timestamp(clock)))
    }

    /// Stores approvals, forgets others, and remembers the time: all or nothing, on the disk when it returns.
    ///
    /// # Errors
    /// When the disk or the database failed; nothing has changed then.
    pub fn save(&self, changed: &[&Approval], gone: &[ApprovalId], clock: Timestamp) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(|error| self.failed(error))?;
        {
            let mut table = write.open_table(APPROVALS).map_err(|error| self.failed(error))?;
            for approval in changed {
                let id = approval.request().id.as_str();
                let bytes = serde_json::to_vec(approval)
                    .map_err(|error| StoreError::Failed { file: self.file.clone(), cause: error.to_string() })?;
                table.insert(id, bytes.as_slice()).map_err(|error| self.failed(error))?;
            }
            for id in gone {
                table.remove(id.as_str()).map_err(|error| self.failed(error))?;
            }
            let mut meta = write.open_table(META).map_err(|error| self.failed(error))?;
            meta.insert("clock", clock.0).map_err(|error| self.failed(error))?;
        }
        write.commit().map_err(|error| self.failed(error))
    }
}
