//! Remembers facts by the shape of their text, within bounds.

use crate::Settings;
use model::Facts;
use std::collections::HashMap;
use std::sync::Arc;

/// Texts remembered at most.
const ENTRIES: usize = 4096;
/// Bytes of keys remembered at most; facts are of the keys' order of size.
const BYTES: usize = 8 << 20;
/// A longer key is not remembered: it would crowd out what recurs.
const LONGEST: usize = 64 << 10;

/// Two generations: what is asked for moves to the young one; when that is full, the old one goes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Holds a sixteenth of what it may.
    small: bool,
    epoch: u64,
    young: Generation,
    old: Generation,
}

#[derive(Debug, Default)]
struct Generation {
    by_settings: HashMap<Settings, HashMap<Vec<u8>, Arc<Facts>>>,
    entries: usize,
    bytes: usize,
}

impl Generation {
    fn find(&self, key: &[u8], settings: &Settings) -> Option<&Arc<Facts>> {
        self.by_settings.get(settings)?.get(key)
    }

    fn take(&mut self, key: &[u8], settings: &Settings) -> Option<Arc<Facts>> {
        self.by_settings.get_mut(settings)?.remove(key)
    }
}

impl Memory {
    /// For one session.
    pub(crate) fn small() -> Self {
        Self { small: true, ..Self::default() }
    }

    pub(crate) fn find(&mut self, key: &[u8], epoch: u64, settings: &Settings) -> Option<Arc<Facts>> {
        if epoch != self.epoch {
            return None;
        }
        if let Some(facts) = self.young.find(key, settings) {
            return Some(Arc::clone(facts));
        }
        let facts = self.old.take(key, settings)?;
        self.keep(key.to_vec(), epoch, settings, &facts);
        Some(facts)
    }

    pub(crate) fn keep(&mut self, key: Vec<u8>, epoch: u64, settings: &Settings, facts: &Arc<Facts>) {
        if key.len() > LONGEST || epoch < self.epoch {
            return;
        }
        if epoch > self.epoch {
            *self = Self { epoch, small: self.small, ..Self::default() };
        }
        let share = if self.small { 32 } else { 2 };
        if self.young.entries >= ENTRIES / share || self.young.bytes + key.len() > BYTES / share {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entries += 1;
        self.young.bytes += key.len();
        let known = self.young.by_settings.entry(settings.clone()).or_default();
        known.insert(key, Arc::clone(facts));
    }
}
