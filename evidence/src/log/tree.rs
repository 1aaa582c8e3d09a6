//! The log as its writer sees it: stage, persist, sign, publish. Recovery takes the same road.
//!
//! What will be added is staged in one durable file first. From then on it is decided: after a crash exactly these leaves
//! are added, so two heads that disagree are never signed.

use super::leaf::{Leaf, RotationLeaf};
use super::merkle::{Hash, Tree, leaf_hash};
use super::tiles::{self, ENTRY_LIMIT, WIDTH};
use crate::error::{At, StoreError};
use crate::sign::{
    Checkpoint, LogSigner, VerifierKey, base64, checkpoint_text, parse_checkpoint, unbase64, verify_envelope,
};
use crate::store::write_durably;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
struct Pending {
    size: u64,
    entries: Vec<String>,
}

/// Whether leaves that a sealing staged read, and belong to a log of this size.
pub(crate) fn staged(path: &Path, size: u64) -> Result<(), String> {
    let bytes = crate::store::read_small(path).map_err(|error| error.to_string())?;
    let pending: Pending = serde_json::from_slice(&bytes).map_err(|_| UNREADABLE.to_owned())?;
    let entries: Option<Vec<Vec<u8>>> = pending.entries.iter().map(|entry| unbase64(entry)).collect();
    let entries = entries.ok_or_else(|| UNREADABLE.to_owned())?;
    for entry in &entries {
        Leaf::parse(entry)?;
    }
    let fits = pending.size <= size && pending.size + entries.len() as u64 >= size;
    if fits { Ok(()) } else { Err("staged leaves belong to another state of the log".to_owned()) }
}

/// What is wrong with a file of staged leaves that no writer wrote: one appears whole or not at all.
const UNREADABLE: &str = "staged leaves do not read: no writer leaves such a file";

/// A store's log, open for writing.
pub(crate) struct Log {
    folder: PathBuf,
    key: LogSigner,
    origin: String,
    tree: Tree,
    /// What was wrong with staged leaves that were put aside.
    junk: Option<String>,
}

impl Log {
    /// Opens the log and completes what a crash interrupted.
    pub(crate) fn open(folder: &Path, origin: &str, key: LogSigner) -> Result<Self, StoreError> {
        let mut log =
            Self { folder: folder.to_path_buf(), key, origin: origin.to_owned(), tree: Tree::default(), junk: None };
        let path = log.checkpoint_path();
        match crate::store::read_text(&path) {
            Ok(note) => log.load(&path, &note)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::Io { path, doing: "reading the log's head", source }),
        }
        let pending = log.folder.join("pending");
        match crate::store::read_small(&pending) {
            Ok(bytes) => match log.complete(&pending, &bytes) {
                Err(StoreError::Damaged { what, .. }) => log.put_aside(&pending, what)?,
                done => done?,
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::Io { path: pending, doing: "reading staged leaves", source }),
        }
        Ok(log)
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    fn load(&mut self, path: &Path, note: &str) -> Result<(), StoreError> {
        let place = path.display().to_string();
        let head = parse_checkpoint(note).map_err(|what| StoreError::damaged(&place, what))?;
        if head.origin != self.origin {
            let what = format!("this store's log is `{}`, not `{}` as configured", head.origin, self.origin);
            return Err(StoreError::damaged(&place, what));
        }
        let key = self.key.verifier();
        let signer = match self.handed_over(head.size)? {
            Some(rotation) if rotation.next != key.to_string() => {
                let what = format!("the log's key was rotated to {}; configure that one as signing_key", rotation.next);
                return Err(StoreError::damaged(&place, what));
            }
            Some(rotation) => VerifierKey::parse(&rotation.previous)?,
            None => key,
        };
        if !signer.verifies(note) {
            let what = "the head of the log is not signed by the configured key; use the store's own key";
            return Err(StoreError::damaged(&place, what));
        }
        for hash in tiles::read_hashes(&self.folder, head.size)? {
            self.tree.push(hash);
        }
        if head.size > 0 && self.tree.root() != head.root {
            return Err(StoreError::damaged(&place, "the log's tiles do not add up to its signed head"));
        }
        Ok(())
    }

    /// The rotation that the log ends in, if it does: whoever opens it now must have the key that follows. Both keys
    /// signed it; the head was signed by the one before.
    fn handed_over(&self, size: u64) -> Result<Option<RotationLeaf>, StoreError> {
        let Some(last) = size.checked_sub(1) else { return Ok(None) };
        let entries = tiles::entries(&self.folder, last, size)?;
        let Some((_, entry)) = entries.last() else { return Ok(None) };
        let parsed = Leaf::parse(entry).map_err(|what| StoreError::damaged(format!("leaf {last} of the log"), what))?;
        let (envelope, payload, Leaf::Rotation(rotation)) = parsed else { return Ok(None) };
        for key in [&rotation.previous, &rotation.next] {
            let key = VerifierKey::parse(key)?;
            if !verify_envelope(&envelope, &payload, key.public().as_bytes()) {
                return Err(StoreError::damaged(
                    format!("leaf {last} of the log"),
                    "a rotation that both keys did not sign",
                ));
            }
        }
        Ok(Some(rotation))
    }

    fn complete(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let damaged = |what: &str| StoreError::damaged(path.display(), what);
        let pending: Pending = serde_json::from_slice(bytes).map_err(|_| damaged(UNREADABLE))?;
        let entries: Option<Vec<Vec<u8>>> = pending.entries.iter().map(|entry| unbase64(entry)).collect();
        let entries = entries.ok_or_else(|| damaged(UNREADABLE))?;
        if pending.size == self.size() {
            // The file is not signed; its leaves are. Nothing that this writer did not make is ever signed over.
            self.check_staged(&entries).map_err(|what| damaged(&what))?;
            self.publish(&entries)?;
        } else if pending.size + entries.len() as u64 != self.size() {
            return Err(damaged("staged leaves belong to another state of the log"));
        }
        std::fs::remove_file(path).at(path, "removing staged leaves")
    }

    /// Nothing of it was added, and what it stood for is made again from the journal: it must not keep the writer from its
    /// work. It is kept with what else was tampered with.
    fn put_aside(&mut self, path: &Path, what: String) -> Result<(), StoreError> {
        let folder = self.folder.with_file_name("journal");
        std::fs::create_dir_all(&folder).at(&folder, "making a folder of the store")?;
        let kept = folder.join(format!("pending-{}.kept", uuid::Uuid::now_v7().simple()));
        std::fs::rename(path, &kept).at(path, "putting staged leaves aside")?;
        tracing::error!(what, kept = %kept.display(), "staged leaves that this writer did not make were put aside");
        self.junk = Some(what);
        Ok(())
    }

    /// What was wrong with staged leaves, if they were put aside when the log was opened.
    pub(crate) fn take_junk(&mut self) -> Option<String> {
        self.junk.take()
    }

    /// Every staged leaf is signed by the log's key or by the epoch key in force.
    fn check_staged(&self, staged: &[Vec<u8>]) -> Result<(), String> {
        let log_key = self.key.verifier().public();
        let mut epoch: Option<[u8; 32]> = None;
        let before = tiles::entries(&self.folder, 0, self.size()).map_err(|error| error.to_string())?;
        let known = before.len();
        let all = before.into_iter().map(|(_, entry)| entry).chain(staged.iter().cloned());
        for (at, entry) in all.enumerate() {
            let (envelope, payload, leaf) = Leaf::parse(&entry)?;
            let signer = match &leaf {
                Leaf::Key(key) => {
                    let public = hex::decode(&key.public).ok().and_then(|public| public.try_into().ok());
                    epoch = Some(public.ok_or("a staged key does not read")?);
                    Some(*log_key.as_bytes())
                }
                Leaf::Rotation(_) => Some(*log_key.as_bytes()),
                _ => epoch,
            };
            if at >= known && !signer.is_some_and(|signer| verify_envelope(&envelope, &payload, &signer)) {
                return Err("a staged leaf was not made by this store's writer".to_owned());
            }
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The root of the first `size` leaves.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        self.tree.root_at(size)
    }

    pub(crate) fn key(&self) -> &LogSigner {
        &self.key
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds entries and publishes the new head.
    pub(crate) fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), StoreError> {
        if let Some(entry) = entries.iter().find(|entry| entry.len() > ENTRY_LIMIT) {
            return Err(StoreError::Config(format!("a leaf of {} bytes is too large for the log", entry.len())));
        }
        let pending = self.folder.join("pending");
        let staged = Pending { size: self.size(), entries: entries.iter().map(|entry| base64(entry)).collect() };
        let bytes = serde_json::to_vec(&staged).map_err(|error| StoreError::Config(error.to_string()))?;
        write_durably(&pending, &bytes)?;
        self.publish(entries)?;
        crate::faults::point();
        std::fs::remove_file(&pending).at(&pending, "removing staged leaves")
    }

    /// Tiles first, then the signed head. The tree in memory changes only when all of it is on the disk.
    fn publish(&mut self, entries: &[Vec<u8>]) -> Result<(), StoreError> {
        let before = self.size();
        let mut tree = self.tree.clone();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let bundle_start = before / WIDTH * WIDTH;
        let old: Vec<Vec<u8>> =
            tiles::entries(&self.folder, bundle_start, before)?.into_iter().map(|(_, entry)| entry).collect();
        let (write, superseded) = tiles::changes(&self.folder, &tree, before, entries, &old);
        for (path, bytes) in write {
            write_durably(&path, &bytes)?;
        }
        let head = Checkpoint { origin: self.origin.clone(), size: tree.size(), root: tree.root() };
        let note = self.key.sign_note(&checkpoint_text(&head))?;
        write_durably(&self.checkpoint_path(), note.as_bytes())?;
        self.tree = tree;
        for path in superseded {
            // Left behind, it only takes room.
            let _ = std::fs::remove_file(&path);
            let _ = path.parent().map(std::fs::remove_dir);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::leaf_type;
    use crate::sign::{Envelope, LogKey};
    use crate::support::copy_store;

    fn key_leaf(key: &LogSigner, epoch: u64) -> Vec<u8> {
        let payload = format!(
            "{{\"time\":1,\"monotonic\":1,\"writer\":\"w\",\"boot\":\"b\",\"epoch\":{epoch},\"public\":\"{}\",\"not_after\":9,\"heartbeat\":1}}",
            "00".repeat(32)
        );
        Envelope::signed_by(leaf_type::KEY, payload.as_bytes(), key).unwrap().to_bytes().unwrap()
    }

    fn stage(folder: &Path, size: u64, entries: &[Vec<u8>]) {
        let pending = Pending { size, entries: entries.iter().map(|entry| base64(entry)).collect() };
        std::fs::write(folder.join("pending"), serde_json::to_vec(&pending).unwrap()).unwrap();
    }

    fn head(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("checkpoint")).unwrap()
    }

    /// A crash at each point between staging and the end leads to the one head that was decided.
    #[test]
    fn what_was_staged_is_added_wherever_the_crash_was() {
        let key = || LogSigner::Key(crate::support::key());
        let origin = crate::support::ORIGIN;
        let whole = tempfile::tempdir().unwrap();
        let mut log = Log::open(whole.path(), origin, key()).unwrap();
        let (first, second) = (vec![key_leaf(&key(), 1)], vec![key_leaf(&key(), 2), key_leaf(&key(), 3)]);
        log.append(&first).unwrap();
        let before = tempfile::tempdir().unwrap();
        copy_store(whole.path(), before.path());
        log.append(&second).unwrap();
        drop(log);

        // Staged, nothing else done.
        stage(before.path(), 1, &second);
        assert_eq!(Log::open(before.path(), origin, key()).unwrap().size(), 3);
        assert_eq!(head(before.path()), head(whole.path()));
        // All done but for the removal of what was staged.
        stage(whole.path(), 1, &second);
        assert_eq!(Log::open(whole.path(), origin, key()).unwrap().size(), 3);
        assert!(!whole.path().join("pending").exists());
        // Staged for a log that is not this one, and junk.
        let other = tempfile::tempdir().unwrap();
        let folder = other.path().join("log");
        copy_store(whole.path(), &folder);
        stage(&folder, 7, &second);
        let mut log = Log::open(&folder, origin, key()).unwrap();
        assert!(log.take_junk().is_some() && log.size() == 3 && !folder.join("pending").exists());
        std::fs::write(folder.join("pending"), "junk").unwrap();
        assert_eq!(Log::open(&folder, origin, key()).unwrap().take_junk().as_deref(), Some(UNREADABLE));
        assert_eq!(std::fs::read_dir(other.path().join("journal")).unwrap().count(), 2);
    }

    #[test]
    fn staged_leaves_of_strangers_are_not_signed_over() {
        let whole = tempfile::tempdir().unwrap();
        let folder = whole.path().join("log");
        std::fs::create_dir_all(&folder).unwrap();
        let origin = crate::support::ORIGIN;
        let mut log = Log::open(&folder, origin, LogSigner::Key(crate::support::key())).unwrap();
        log.append(&[key_leaf(&LogSigner::Key(crate::support::key()), 1)]).unwrap();
        drop(log);
        let stranger = LogSigner::Key(LogKey::generate(origin).unwrap());
        stage(&folder, 1, &[key_leaf(&stranger, 2)]);
        let mut log = Log::open(&folder, origin, LogSigner::Key(crate::support::key())).unwrap();
        let what = log.take_junk().unwrap();
        assert!(what.contains("not made by this store's writer") && log.size() == 1, "{what}");
    }
}
