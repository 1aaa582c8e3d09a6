//! Epoch keys: short-lived keys that sign leaves, each introduced by a leaf that the log's key signs.

use super::{to_json, wall};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::log::{KeyLeaf, LeafHead, leaf_type};
use crate::sign::{Envelope, EpochKey, LogKey, key_id};
use ed25519_dalek::VerifyingKey;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// By this clock `monotonic` is counted: it starts with the process and nobody sets it.
fn monotonic() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The keys of one start of the writer.
pub(super) struct Epochs {
    last: u64,
    current: Option<(EpochKey, Instant)>,
    writer: String,
    boot: String,
    length: Duration,
    heartbeat: Duration,
}

impl Epochs {
    pub(super) fn new(last: u64, writer: String, boot: [u8; 16], config: &StoreConfig) -> Self {
        monotonic();
        let boot = uuid::Uuid::from_bytes(boot).to_string();
        Self { last, current: None, writer, boot, length: config.epoch, heartbeat: config.heartbeat }
    }

    /// What a leaf made now says about itself.
    pub(super) fn head(&self) -> LeafHead {
        LeafHead {
            time: wall(),
            monotonic: monotonic(),
            writer: self.writer.clone(),
            boot: self.boot.clone(),
            epoch: self.last,
        }
    }

    /// Makes sure that there is a key which may still sign; a new one is introduced by a leaf before its first use.
    pub(super) fn introduce(&mut self, log_key: &LogKey, entries: &mut Vec<Vec<u8>>) -> Result<(), StoreError> {
        if self.current.as_ref().is_some_and(|(_, since)| since.elapsed() < self.length) {
            return Ok(());
        }
        // The old private half is wiped here.
        self.current = None;
        self.last += 1;
        let key = EpochKey::generate();
        let head = self.head();
        let length = i64::try_from(self.length.as_micros()).unwrap_or(i64::MAX / 4);
        // A leaf may be signed a little after the rotation was due: the writer looks once a tick.
        let not_after = head.time.saturating_add(length).saturating_add(60_000_000);
        let heartbeat = u64::try_from(self.heartbeat.as_micros()).unwrap_or(u64::MAX / 4);
        let leaf = KeyLeaf { head, public: hex::encode(key.public()), not_after, heartbeat };
        let payload = to_json(&leaf)?;
        let keyid = log_key_id(log_key)?;
        let envelope = Envelope::new(leaf_type::KEY, &payload, &keyid, |message| log_key.sign_bytes(message));
        entries.push(envelope.to_bytes()?);
        self.current = Some((key, Instant::now()));
        Ok(())
    }

    /// Signs a leaf with the current key.
    pub(super) fn sign(&self, payload_type: &str, payload: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (key, _) = self.current.as_ref().ok_or_else(|| StoreError::Config("no epoch key".to_owned()))?;
        key.seal(payload_type, payload).to_bytes()
    }
}

fn log_key_id(key: &LogKey) -> Result<String, StoreError> {
    let public: VerifyingKey = key.verifier().public();
    Ok(key_id(public.as_bytes()))
}
