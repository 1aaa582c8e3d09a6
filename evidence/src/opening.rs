//! Whether a store may be opened, what it says of itself, and who holds it.

use crate::config::StoreConfig;
use crate::error::{At, StoreError};
use crate::identity::KnownHead;
use crate::sign::LogSigner;
use crate::store::{About, Layout};
use std::fs::{File, OpenOptions};
use std::io::Write;

/// A store is opened where there is one, and made only where somebody asked for it and none is remembered.
pub(crate) fn may_open(config: &StoreConfig, layout: &Layout, known: Option<&KnownHead>) -> Result<(), StoreError> {
    if layout.about().exists() {
        return Ok(());
    }
    if let Some(known) = known {
        return Err(lost(config, known, "there is no store".to_owned()));
    }
    if layout.log().join("checkpoint").exists() {
        return Err(StoreError::damaged(layout.about().display(), "it is missing, and there is a log beside it"));
    }
    if !config.create {
        return Err(StoreError::Missing { path: config.path.clone() });
    }
    Ok(())
}

pub(crate) fn lost(config: &StoreConfig, known: &KnownHead, what: String) -> StoreError {
    let (path, head) = (config.path.clone(), config.head.clone().unwrap_or_default());
    StoreError::Lost { path, what, head, known: known.words() }
}

/// What the store says of itself; a new one gets its writer here.
pub(crate) fn describe(config: &StoreConfig, layout: &Layout) -> Result<About, StoreError> {
    if let Some(about) = About::read(layout)? {
        return Ok(about);
    }
    let vkey = LogSigner::open(&config.signing_key)?.verifier();
    if vkey.name() != config.origin {
        let what =
            format!("signing_key is the key of `{}`, but the store's origin is `{}`", vkey.name(), config.origin);
        return Err(StoreError::Key(what));
    }
    let writer = uuid::Uuid::now_v7().to_string();
    let about = About { format: 1, origin: config.origin.clone(), writer, vkey: vkey.to_string() };
    about.write(layout)?;
    Ok(about)
}

/// Takes the store for this process.
pub(crate) fn lock(layout: &Layout) -> Result<File, StoreError> {
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
