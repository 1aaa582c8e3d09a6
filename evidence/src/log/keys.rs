//! Which of the log's keys is in force where: rotation leaves hand over from one to the next.
//!
//! A rotation leaf is signed by the key before (which hands over) and by the key that follows (which takes over). The next
//! leaf introduces an epoch key and is signed by the new key, as is every head from then on; the head that ends in the
//! rotation leaf itself is the old key's last. Who knows one key of the log therefore knows them all.

use super::leaf::{Leaf, RotationLeaf};
use crate::sign::{Envelope, VerifierKey, verify_envelope};

/// The log's keys.
#[derive(Clone, Debug)]
pub(crate) struct LogKeys {
    first: VerifierKey,
    /// Those that followed, each with the first leaf that it signs.
    later: Vec<(u64, VerifierKey)>,
}

impl LogKeys {
    /// A log that begins with this key.
    pub(crate) fn new(first: VerifierKey) -> Self {
        Self { first, later: Vec::new() }
    }

    /// The log's first key as its first rotation names it. It proves nothing until a known key turns up among the keys.
    pub(crate) fn named<'a>(leaves: impl Iterator<Item = &'a Leaf>) -> Option<VerifierKey> {
        leaves.into_iter().find_map(|leaf| match leaf {
            Leaf::Rotation(rotation) => VerifierKey::parse(&rotation.previous).ok(),
            _ => None,
        })
    }

    /// Takes a rotation leaf. It changes nothing unless both keys signed it.
    pub(crate) fn rotated(
        &mut self,
        index: u64,
        rotation: &RotationLeaf,
        envelope: &Envelope,
        payload: &[u8],
    ) -> Result<(), String> {
        let previous = self.in_force(index);
        let next = VerifierKey::parse(&rotation.next).map_err(|error| format!("the key that follows: {error}"))?;
        if rotation.previous != previous.to_string() {
            return Err("the key that it hands over from is not the one in force".to_owned());
        }
        if next.name() != previous.name() {
            return Err("the key that it hands over to is that of another log".to_owned());
        }
        if !verify_envelope(envelope, payload, previous.public().as_bytes()) {
            return Err("the log's key is rotated without a good signature by the key in force".to_owned());
        }
        if !verify_envelope(envelope, payload, next.public().as_bytes()) {
            return Err("the key that follows did not sign that it takes over".to_owned());
        }
        self.later.push((index + 1, next));
        Ok(())
    }

    /// The key that signs this leaf, and the head of a log that ends in it.
    pub(crate) fn in_force(&self, index: u64) -> VerifierKey {
        self.later.iter().rev().find(|(from, _)| *from <= index).map_or(&self.first, |(_, key)| key).clone()
    }

    /// The key that signs the head of a log of this size.
    pub(crate) fn of_head(&self, size: u64) -> VerifierKey {
        self.in_force(size.saturating_sub(1))
    }

    /// Whether a note was signed by the key in force at a log of this size, or by the one that takes over there.
    pub(crate) fn signed(&self, size: u64, note: &str) -> bool {
        self.of_head(size).verifies(note) || self.in_force(size).verifies(note)
    }

    /// Whether this is one of the keys.
    pub(crate) fn has(&self, key: &VerifierKey) -> bool {
        self.first == *key || self.later.iter().any(|(_, known)| known == key)
    }

    /// The first leaf of each key but the first.
    pub(crate) fn rotations(&self) -> impl Iterator<Item = u64> {
        self.later.iter().map(|(from, _)| *from)
    }
}
