//! What ties a writer to the store that it opened: a store that vanishes, is renamed, exchanged or no longer writable must
//! stop the recording, never be replaced by a new and empty one.
//!
//! Two things are watched. While the writer runs, device and inode of the store's folder, lock and journal folder, the
//! writer's name and the log's head on the disk are compared with what was opened ([`Identity::check`]). Across restarts a
//! small file *outside* the store says which log was known ([`KnownHead`]): an older, another or an empty store in its
//! place is refused.

use crate::error::{At, StoreError};
use crate::journal::head::machine;
use crate::sign::parse_checkpoint;
use crate::store::{About, Layout, write_durably};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Device and inode.
type Place = (u64, u64);

fn place(metadata: &Metadata) -> Place {
    (metadata.dev(), metadata.ino())
}

/// The store that this process opened.
pub(crate) struct Identity {
    layout: Layout,
    lock: File,
    places: Vec<(PathBuf, Place)>,
    about: About,
    /// The head that this writer published last, as it lies in the log; empty before the first.
    head: Mutex<String>,
}

impl Identity {
    /// What is on the disk now, which this process has just opened and locked.
    pub(crate) fn of(layout: &Layout, lock: &File, about: &About) -> Result<Self, StoreError> {
        let mut places = Vec::new();
        for path in [layout.root().to_path_buf(), layout.journal(), layout.log(), layout.lock()] {
            let metadata = std::fs::metadata(&path).at(&path, "looking at the store")?;
            places.push((path, place(&metadata)));
        }
        let lock = lock.try_clone().at(&layout.lock(), "looking at the store's lock")?;
        let identity =
            Self { layout: layout.clone(), lock, places, about: about.clone(), head: Mutex::new(String::new()) };
        identity.moved_on()?;
        Ok(identity)
    }

    /// The writer has published a head: what is on the disk is what has to be there from now on.
    pub(crate) fn moved_on(&self) -> Result<(), StoreError> {
        *self.head.lock() = read_head(&self.layout)?;
        Ok(())
    }

    /// Whether the store is still the one that was opened, and can still be written. The reason, where it is not.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (path, opened) in &self.places {
            match std::fs::metadata(path) {
                Ok(found) if place(&found) == *opened => {}
                Ok(_) => return Err(format!("{} is not the one that was opened", path.display())),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        let stat = rustix::fs::statvfs(self.layout.root()).map_err(|error| self.at_root(&error.into()))?;
        if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
            return Err(format!("{}: its file system is read-only now", self.layout.root().display()));
        }
        // A file system that fails everything says so at a write at the latest. A full one is another matter.
        match self.lock.write_at(std::process::id().to_string().as_bytes(), 0) {
            Err(error) if is_lost(&error) => return Err(self.at_root(&error)),
            _ => {}
        }
        match About::read(&self.layout) {
            Ok(Some(about)) if about == self.about => {}
            Ok(Some(_)) => return Err(format!("{} names another writer or key", self.layout.about().display())),
            Ok(None) => return Err(format!("{} is gone", self.layout.about().display())),
            Err(error) => return Err(error.to_string()),
        }
        // Held while reading, so that a head which is being published now is not taken for another one.
        let head = self.head.lock();
        match read_head(&self.layout) {
            Ok(found) if found == *head => Ok(()),
            Ok(_) => Err("the head of the log is not the one that this proxy wrote".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Publishes to the log with the watch held off, and takes what is there then as its head.
    pub(crate) fn while_publishing<T>(&self, publish: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut head = self.head.lock();
        let done = publish();
        // After a failure half-way either head may be there; the writer opens the log anew and says which.
        if let Ok(found) = read_head(&self.layout) {
            *head = found;
        }
        done
    }

    /// What there is now, to be remembered outside of the store.
    pub(crate) fn known(&self, segment: u64, sealed: u64, journaled: u64, head: Option<String>) -> KnownHead {
        let checkpoint = self.head.lock().clone();
        let (origin, writer) = (self.about.origin.clone(), self.about.writer.clone());
        KnownHead { origin, writer, segment, sealed, journaled, checkpoint, head, machine: machine() }
    }

    fn at_root(&self, error: &std::io::Error) -> String {
        format!("{}: {error}", self.layout.root().display())
    }
}

fn read_head(layout: &Layout) -> Result<String, StoreError> {
    let path = layout.log().join("checkpoint");
    match std::fs::read_to_string(&path) {
        Ok(note) => Ok(note),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(StoreError::Io { path, doing: "reading the log's head", source }),
    }
}

/// Whether an error of the system says that the store itself is gone or can no longer be written: everything but a full
/// disk, which is waited for.
pub(crate) fn is_lost(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let lost = [Errno::IO, Errno::NOENT, Errno::NOTDIR, Errno::STALE, Errno::ROFS, Errno::NODEV, Errno::NXIO];
    error.raw_os_error().is_some_and(|code| lost.iter().any(|errno| errno.raw_os_error() == code) || code == EUCLEAN)
}

/// "Structure needs cleaning": what ext4 and xfs answer when they have found themselves damaged.
const EUCLEAN: i32 = 117;

/// The log that a proxy knew when it last ran, kept outside of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownHead {
    /// Name of the log.
    pub(crate) origin: String,
    /// The store's writer.
    pub(crate) writer: String,
    /// The newest segment, 0 before the first.
    pub(crate) segment: u64,
    /// Everything up to this record was sealed.
    pub(crate) sealed: u64,
    /// The newest record that was taken, as last noted: within a second or so.
    pub(crate) journaled: u64,
    /// The log's signed head; empty before the first.
    pub(crate) checkpoint: String,
    /// The newest signed head of the journal.
    #[serde(default)]
    pub(crate) head: Option<String>,
    /// The run of the machine in which this was noted.
    #[serde(default)]
    pub(crate) machine: String,
}

impl KnownHead {
    /// Reads it; `None` when no proxy has run here.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| StoreError::damaged(path.display(), e)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => {
                Err(StoreError::Io { path: path.to_path_buf(), doing: "reading the remembered head", source })
            }
        }
    }

    /// Writes it without waiting for the disk: it is noted again soon, and what holds after a power failure is what a
    /// sealing wrote.
    pub(crate) fn note(&self, path: &Path) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Config(error.to_string()))?;
        let draft = path.with_extension("note");
        std::fs::write(&draft, bytes).at(&draft, "writing a file")?;
        std::fs::rename(&draft, path).at(path, "putting a file in its place")
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| StoreError::Config(error.to_string()))?;
        write_durably(path, &bytes)
    }

    /// Leaves that its head covers.
    pub(crate) fn leaves(&self) -> u64 {
        parse_checkpoint(&self.checkpoint).map_or(0, |head| head.size)
    }

    /// In words, for messages about its loss.
    pub(crate) fn words(&self) -> String {
        format!(
            "the log `{}` of writer {} with {} leaves, {} segments and {} records",
            self.origin,
            self.writer,
            self.leaves(),
            self.segment,
            self.journaled
        )
    }
}
