//! Attacks on the log: its leaves, its keys, its head, its tail.

use super::forge::{entries, forge, leaves, publish, second_key, segments, strange_key};
use super::{Attack, Base};
use crate::log::{HeartbeatLeaf, KeyLeaf, Leaf, LeafHead, RotationLeaf, leaf_type};
use crate::sign::{Envelope, EpochKey, LogSigner};
use crate::support::*;
use std::path::Path;

const ENVELOPES: &[&str] = &["envelope signatures and types"];

/// Changes the entries and publishes them under the log's own key.
fn entry(
    name: &'static str,
    caught_by: &'static [&'static str],
    change: impl Fn(&Path, &mut Vec<Vec<u8>>) + 'static,
) -> Attack {
    Attack::new(name, caught_by, move |path| {
        let mut all = entries(path);
        change(path, &mut all);
        publish(path, &all, key());
    })
}

/// Changes the envelope of the first segment.
fn envelope(name: &'static str, change: impl Fn(&mut Envelope) + 'static) -> Attack {
    entry(name, ENVELOPES, move |path, all| {
        let at = segments(path)[0];
        let (mut envelope, _) = Envelope::parse(&all[at]).unwrap();
        change(&mut envelope);
        all[at] = envelope.to_bytes().unwrap();
    })
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = vec![
        envelope("signature stripped", |envelope| envelope.signatures.clear()),
        envelope("type confused with another", |envelope| leaf_type::HEARTBEAT.clone_into(&mut envelope.payload_type))
            .store_only(),
        envelope("type unknown", |envelope| "text/plain".clone_into(&mut envelope.payload_type)).store_only(),
        envelope("leaf re-signed with a stranger's key", |envelope| {
            let (_, payload) = Envelope::parse(&envelope.to_bytes().unwrap()).unwrap();
            *envelope = EpochKey::generate().seal(leaf_type::SEGMENT, &payload);
        }),
        entry("leaves reordered", &["segments contiguous"], |path, all| {
            let at = segments(path);
            all.swap(at[0], at[1]);
        }),
        entry("retired epoch key used", &["epoch keys"], |_, all| {
            let again = all[0].clone();
            all.insert(1, again);
        }),
        Attack::new("old leaf re-signed with a newer epoch key", ENVELOPES, newer_key),
        Attack::new("whole log re-signed with another key", &["log signature"], |path| {
            let all = entries(path);
            publish(path, &all, strange_key());
        }),
        Attack::new("leaf dropped", &["policy versions"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let at = leaves.iter().position(|leaf| matches!(leaf, Leaf::Policy(_))).unwrap();
                leaves.remove(at);
            });
        }),
        Attack::new("tail truncated to an older checkpoint", &["consistency with the older checkpoint"], |path| {
            let mut all = entries(path);
            all.truncate(segments(path)[1]);
            publish(path, &all, key());
        })
        .remembered(),
        Attack::new("history rewritten before the checkpoint", &["consistency with the older checkpoint"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let at = leaves.iter().position(|leaf| matches!(leaf, Leaf::Policy(_))).unwrap();
                let again = leaves[at].clone();
                leaves.insert(at, again);
            });
        })
        .remembered(),
        Attack::new("fork", &["consistency with the older checkpoint"], |path| {
            std::fs::remove_dir_all(path).unwrap();
            super::make(Base::Plain, path);
        })
        .remembered(),
        Attack::new("truncated and continued after an idle hour", &["heartbeats"], idle_hour),
        Attack::new("clock rolled back", &["clock"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let Some(Leaf::Segment(manifest)) =
                    leaves.iter_mut().rev().find(|leaf| matches!(leaf, Leaf::Segment(_)))
                else {
                    return;
                };
                manifest.predicate.head.time -= 3_600_000_000;
            });
        }),
        Attack::new("hash tile altered", &["hash tiles"], |path| {
            let folder = path.join("log/tile/0/000.p");
            let tile = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
            let mut bytes = std::fs::read(&tile).unwrap();
            bytes[40] ^= 1;
            std::fs::write(tile, bytes).unwrap();
        })
        .store_only(),
        Attack::new("another writer beside the log", &["store description"], |path| {
            let file = path.join("store.json");
            let about: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace(about["writer"].as_str().unwrap(), &uuid::Uuid::nil().to_string()))
                .unwrap();
            assert!(crate::Recorder::open(config(path)).is_err(), "a store of another writer is not gone on with");
        })
        .store_only(),
        Attack::new("a leaf by another writer", &["store description"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let Leaf::Segment(manifest) = leaves.iter_mut().rfind(|leaf| matches!(leaf, Leaf::Segment(_))).unwrap()
                else {
                    return;
                };
                manifest.predicate.head.writer = uuid::Uuid::nil().to_string();
            });
        }),
        Attack::new("attacker's key beside the log", &["store description"], |path| {
            let file = path.join("store.json");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, text.replace(&vkey(), &strange_key().verifier().to_string())).unwrap();
        }),
    ];
    all.extend(rotations());
    all
}

/// A second key is introduced before the last segment, which is signed by it though it says the first epoch.
fn newer_key(path: &Path) {
    let mut all = entries(path);
    let at = segments(path)[0];
    let Leaf::Key(first) = Leaf::parse(&all[0]).unwrap().2 else { return };
    let epoch = EpochKey::generate();
    let head = LeafHead { epoch: 2, ..leaves(path)[at].head().clone() };
    let next = KeyLeaf { head, public: hex::encode(epoch.public()), ..first };
    let signer = LogSigner::Key(key());
    let leaf = Envelope::signed_by(leaf_type::KEY, &serde_json::to_vec(&next).unwrap(), &signer).unwrap();
    all.insert(at + 1, leaf.to_bytes().unwrap());
    let (old, payload) = Envelope::parse(&all[at]).unwrap();
    all[at] = epoch.seal(&old.payload_type, &payload).to_bytes().unwrap();
    publish(path, &all, key());
}

/// The writer goes on in the same start, an hour after its last leaf, as if nothing had been between.
fn idle_hour(path: &Path) {
    forge(path, &|_, _, _| (), &|leaves| {
        let at = leaves.iter().rposition(|leaf| matches!(leaf, Leaf::Segment(_))).unwrap();
        leaves.truncate(at + 1);
        for leaf in leaves.iter_mut() {
            if let Leaf::Key(key) = leaf {
                key.not_after += 7_200_000_000;
            }
        }
        let mut head = leaves[at].head().clone();
        (head.time, head.monotonic) = (head.time + 3_600_000_000, head.monotonic + 3_600_000_000);
        leaves.push(Leaf::Heartbeat(HeartbeatLeaf { head, last_lsn: 1, journal: None, closing: false }));
    });
}

/// A rotation leaf at the end of the log, signed by these keys, and what follows.
fn rotated(path: &Path, next: &crate::LogKey, signers: &[crate::LogKey], head_by: crate::LogKey) {
    let mut all = entries(path);
    let head = leaves(path).last().unwrap().head().clone();
    let leaf = RotationLeaf { head, previous: vkey(), next: next.verifier().to_string() };
    let payload = serde_json::to_vec(&leaf).unwrap();
    let mut envelope =
        Envelope::signed_by(leaf_type::ROTATION, &payload, &LogSigner::Key(signers[0].to_text_and_back())).unwrap();
    for key in &signers[1..] {
        envelope = envelope.also_signed_by(&payload, &LogSigner::Key(key.to_text_and_back())).unwrap();
    }
    all.push(envelope.to_bytes().unwrap());
    // Both keys need not have signed for the attacker's own writer to go on.
    let folder = path.join("log");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    crate::log::Log::open(&folder, ORIGIN, LogSigner::Key(head_by)).unwrap().append(&all).unwrap();
}

impl crate::LogKey {
    fn to_text_and_back(&self) -> Self {
        Self::parse(&self.to_text()).unwrap()
    }
}

fn rotations() -> Vec<Attack> {
    vec![
        Attack::new(
            "rotation to an attacker's key without the old signature",
            &["envelope signatures and types", "log signature"],
            |path| {
                rotated(path, &strange_key(), &[strange_key()], strange_key());
            },
        ),
        Attack::new("rotation to a key that did not agree", ENVELOPES, |path| {
            rotated(path, &strange_key(), &[key()], key());
        }),
        // Whoever kept the old key after the rotation signs the head of a longer log with it.
        Attack::new("old key used for the head after a rotation", &["log signature"], |path| {
            let all = entries(path);
            publish(path, &all, key());
        })
        .on(Base::Rotated),
        Attack::new("old key used for an epoch after a rotation", ENVELOPES, |path| {
            let mut all = entries(path);
            let at = leaves(path).iter().rposition(|leaf| matches!(leaf, Leaf::Key(_))).unwrap();
            let (_, payload) = Envelope::parse(&all[at]).unwrap();
            let signer = LogSigner::Key(key());
            all[at] = Envelope::signed_by(leaf_type::KEY, &payload, &signer).unwrap().to_bytes().unwrap();
            publish(path, &all, second_key());
        })
        .on(Base::Rotated),
    ]
}
