//! What the log and the signed heads prove of a journal that nobody holds in memory any more.

use super::chain::{Link, START};
use super::head::{self, HeadLeaf};
use crate::log::{Leaf, leaf_type};
use crate::sign::{Envelope, verify_envelope};
use crate::store::Layout;
use std::collections::BTreeMap;

/// The chain behind a record, as its writer signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) lsn: u64,
    pub(crate) link: Link,
    /// The run of the machine; empty when it is not known.
    pub(crate) machine: String,
}

/// All that is proven beyond the last segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proofs {
    /// Everything up to this record is sealed, and the chain there.
    pub(crate) sealed: u64,
    pub(crate) base: Link,
    /// In the order of their records, each once.
    pub(crate) heads: Vec<Proof>,
    /// What is wrong with the heads themselves.
    pub(crate) wrong: Option<String>,
    /// The writer signed heads: what follows the last of them is a second's worth.
    pub(crate) promised: bool,
}

impl Proofs {
    /// `leaves` are those of the log, or its end: from the newest segment on, and all of the newest start of the writer.
    /// `kept` is a head that lies elsewhere.
    pub(crate) fn of<'l>(layout: &Layout, leaves: impl Iterator<Item = &'l Leaf>, kept: Option<&str>) -> Self {
        let mut found = Self { base: START, ..Self::default() };
        let mut keys: BTreeMap<u64, (String, [u8; 32])> = BTreeMap::new();
        let (mut boot, mut owed) = (String::new(), false);
        let mut proven: BTreeMap<u64, Proof> = BTreeMap::new();
        for leaf in leaves {
            let head = leaf.head();
            if head.boot != boot {
                (boot, owed) = (head.boot.clone(), false);
            }
            match leaf {
                Leaf::Key(key) => {
                    if let Some(public) = hex::decode(&key.public).ok().and_then(|public| public.try_into().ok()) {
                        keys.insert(head.epoch, (head.boot.clone(), public));
                    }
                }
                Leaf::Segment(manifest) => {
                    let segment = &manifest.predicate;
                    found.sealed = segment.last_lsn;
                    found.base = segment.journal.as_deref().and_then(link).unwrap_or(START);
                }
                Leaf::Heartbeat(heartbeat) => {
                    if let Some(link) = heartbeat.journal.as_deref().and_then(link) {
                        let lsn = heartbeat.last_lsn;
                        proven.insert(lsn, Proof { lsn, link, machine: String::new() });
                        owed = !heartbeat.closing;
                    }
                }
                Leaf::Rotation(_) => owed = false,
                _ => {}
            }
        }
        let (envelopes, junk) = head::read(layout);
        let kept = kept.and_then(|line| Envelope::parse(line.as_bytes()).ok()).map(|(envelope, _)| envelope);
        let mut own = false;
        for envelope in envelopes.iter().chain(kept.iter()) {
            let Some(leaf) = verified(envelope, &keys) else {
                continue;
            };
            own |= leaf.head.boot == boot;
            if let Some(link) = leaf.link() {
                proven.insert(leaf.last_lsn, Proof { lsn: leaf.last_lsn, link, machine: leaf.machine });
            }
        }
        found.promised = owed || !proven.is_empty();
        found.heads = proven.into_values().filter(|proof| proof.lsn >= found.sealed).collect();
        if owed && !own {
            let what = match (envelopes.len(), junk) {
                (0, 0) => "log/head is gone: the writer signed there, every second, where the journal stood".to_owned(),
                _ => "log/head holds no head that the writer signed in its last run".to_owned(),
            };
            found.wrong = Some(what);
        }
        found
    }

    /// The run of the machine in which the newest head was signed.
    pub(crate) fn machine(&self) -> Option<&str> {
        self.heads.iter().rev().map(|proof| proof.machine.as_str()).find(|machine| !machine.is_empty())
    }
}

fn link(text: &str) -> Option<Link> {
    hex::decode(text).ok()?.try_into().ok()
}

/// A head that an epoch key of the log signed, in that key's start of the writer.
fn verified(envelope: &Envelope, keys: &BTreeMap<u64, (String, [u8; 32])>) -> Option<HeadLeaf> {
    let payload = crate::sign::unbase64(&envelope.payload)?;
    let leaf: HeadLeaf = serde_json::from_slice(&payload).ok()?;
    let (boot, public) = keys.get(&leaf.head.epoch)?;
    let good = envelope.payload_type == leaf_type::HEAD && leaf.head.boot == *boot;
    (good && verify_envelope(envelope, &payload, public)).then_some(leaf)
}
