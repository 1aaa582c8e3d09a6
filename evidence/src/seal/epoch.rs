//! Epoch keys: short-lived keys that sign leaves, each introduced by a leaf that the log's key signs.

use super::to_json;
use crate::clock::{monotonic, now};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::log::{KeyLeaf, LeafHead, Terms, leaf_type};
use crate::sign::{Envelope, EpochKey, LogSigner};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The keys of one start of the writer.
pub(super) struct Epochs {
    last: u64,
    current: Option<(Arc<EpochKey>, Instant)>,
    writer: String,
    boot: String,
    length: Duration,
    heartbeat: Duration,
    retention: Option<Terms>,
}

impl Epochs {
    pub(super) fn new(last: u64, writer: String, boot: [u8; 16], config: &StoreConfig) -> Self {
        monotonic();
        let boot = uuid::Uuid::from_bytes(boot).to_string();
        let retention = config.retention.as_ref().map(|retention| Terms {
            keep: u64::try_from(retention.keep.as_micros()).unwrap_or(u64::MAX),
            signers: retention.signers.iter().map(ToString::to_string).collect(),
        });
        Self { last, current: None, writer, boot, length: config.epoch, heartbeat: config.heartbeat, retention }
    }

    /// What a leaf made now says about itself.
    pub(super) fn head(&self) -> LeafHead {
        LeafHead {
            time: now(),
            monotonic: monotonic(),
            writer: self.writer.clone(),
            boot: self.boot.clone(),
            epoch: self.last,
        }
    }

    /// Makes sure that there is a key which may still sign; a new one is introduced by a leaf before its first use.
    pub(super) fn introduce(&mut self, log_key: &LogSigner, entries: &mut Vec<Vec<u8>>) -> Result<(), StoreError> {
        if self.current.as_ref().is_some_and(|(_, since)| since.elapsed() < self.length) {
            return Ok(());
        }
        // The old private half is wiped here, once the heads of the journal are signed by the new one.
        self.current = None;
        let key = EpochKey::generate();
        let head = LeafHead { epoch: self.last + 1, ..self.head() };
        let length = i64::try_from(self.length.as_micros()).unwrap_or(i64::MAX / 4);
        // A leaf may be signed a little after the rotation was due: the writer looks once a tick.
        let not_after = head.time.saturating_add(length).saturating_add(60_000_000);
        let heartbeat = u64::try_from(self.heartbeat.as_micros()).unwrap_or(u64::MAX / 4);
        let retention = self.retention.clone();
        let leaf = KeyLeaf { head, public: hex::encode(key.public()), not_after, heartbeat, retention };
        let envelope = Envelope::signed_by(leaf_type::KEY, &to_json(&leaf)?, log_key)?;
        entries.push(envelope.to_bytes()?);
        self.last += 1;
        self.current = Some((Arc::new(key), Instant::now()));
        Ok(())
    }

    /// The terms of retention that the key leaves of this start state.
    pub(super) fn terms(&self) -> Option<&Terms> {
        self.retention.as_ref()
    }

    /// The key that signs now.
    pub(super) fn current(&self) -> Option<(Arc<EpochKey>, LeafHead)> {
        self.current.as_ref().map(|(key, _)| (Arc::clone(key), self.head()))
    }

    /// The epoch ends: the next leaf needs a new key.
    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// Signs a leaf with the current key.
    pub(super) fn sign(&self, payload_type: &str, payload: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (key, _) = self.current.as_ref().ok_or_else(|| StoreError::Config("no epoch key".to_owned()))?;
        key.seal(payload_type, payload).to_bytes()
    }
}
