//! Credentials on disk, so that they survive a restart: one small embedded database, fsynced at each change, readable by the
//! proxy's user only.
//!
//! Format 1: table `credentials`, user name → 32 bytes of seal, then JSON of [`Credential`]; table `meta`, `format` and `clock`
//! (the latest time that any change was made at, microseconds since the epoch: after a restart the clock goes on from there
//! at the earliest).

use super::credential::Credential;
use super::seal::Keys;
use model::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

const CREDENTIALS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("credentials");
const META: TableDefinition<'_, &str, i64> = TableDefinition::new("meta");
const FORMAT: i64 = 1;
/// Name of the file within the store.
const FILE: &str = "credentials.redb";

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
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
    /// The disk or the database failed.
    #[error("{file}: {cause}")]
    Failed {
        /// The file.
        file: PathBuf,
        /// In what way.
        cause: String,
    },
}

/// What was found in the file.
pub(super) struct Found {
    pub(super) credentials: Vec<Credential>,
    /// Entries that are not ours, or damaged: removed when this is told.
    pub(super) foreign: Vec<String>,
    pub(super) clock: Timestamp,
}

/// The open file.
pub(super) struct Store {
    file: PathBuf,
    database: Database,
    keys: Keys,
}

impl Store {
    /// Opens `credentials.redb` in a folder, creating both as needed.
    pub(super) fn open(folder: &Path, keys: Keys) -> Result<Self, StoreError> {
        let file = folder.join(FILE);
        let failed =
            |cause: &dyn std::fmt::Display| StoreError::Failed { file: file.clone(), cause: cause.to_string() };
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        drop(options.open(&file).map_err(|error| failed(&error))?);
        let database = Database::create(&file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(file.clone()),
            other => failed(&other),
        })?;
        let store = Self { file, database, keys };
        store.check_format()?;
        Ok(store)
    }

    /// What makes the salts.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn failed(&self, cause: impl Into<redb::Error>) -> StoreError {
        StoreError::Failed { file: self.file.clone(), cause: cause.into().to_string() }
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(|error| self.failed(error))?;
        {
            write.open_table(CREDENTIALS).map_err(|error| self.failed(error))?;
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

    /// Everything stored, and the latest time at which anything was changed. What does not open is not believed: it lasts
    /// minutes and can be asked for again, so it is dropped and told instead of stopping the proxy.
    pub(super) fn load(&self) -> Result<Found, StoreError> {
        let read = self.database.begin_read().map_err(|error| self.failed(error))?;
        let table = read.open_table(CREDENTIALS).map_err(|error| self.failed(error))?;
        let (mut credentials, mut foreign) = (Vec::new(), Vec::new());
        for item in table.iter().map_err(|error| self.failed(error))? {
            let (user, sealed) = item.map_err(|error| self.failed(error))?;
            let entry = self.keys.open(user.value(), sealed.value());
            match entry.and_then(|entry| serde_json::from_slice::<Credential>(entry).ok()) {
                Some(credential) if credential.user == user.value() => credentials.push(credential),
                _ => foreign.push(user.value().to_owned()),
            }
        }
        let meta = read.open_table(META).map_err(|error| self.failed(error))?;
        let clock = meta.get("clock").map_err(|error| self.failed(error))?.map_or(0, |clock| clock.value());
        Ok(Found { credentials, foreign, clock: Timestamp(clock) })
    }

    /// Stores a credential, forgets others, and remembers the time: all or nothing, on the disk when it returns.
    pub(super) fn save(
        &self,
        changed: Option<&Credential>,
        gone: &[String],
        clock: Timestamp,
    ) -> Result<(), StoreError> {
        let cannot = |cause: String| StoreError::Failed { file: self.file.clone(), cause };
        let write = self.database.begin_write().map_err(|error| self.failed(error))?;
        {
            let mut table = write.open_table(CREDENTIALS).map_err(|error| self.failed(error))?;
            if let Some(credential) = changed {
                let entry = serde_json::to_vec(credential).map_err(|error| cannot(error.to_string()))?;
                let sealed = self.keys.seal(&credential.user, &entry).ok_or_else(|| cannot("no seal".to_owned()))?;
                table.insert(credential.user.as_str(), sealed.as_slice()).map_err(|error| self.failed(error))?;
            }
            for user in gone {
                table.remove(user.as_str()).map_err(|error| self.failed(error))?;
            }
            let mut meta = write.open_table(META).map_err(|error| self.failed(error))?;
            meta.insert("clock", clock.0).map_err(|error| self.failed(error))?;
        }
        write.commit().map_err(|error| self.failed(error))
    }
}
