//! What a forger can do who holds the log's key: rewrite every file, re-make and re-sign every manifest, the whole tree.

use crate::log::{KeyLeaf, Leaf, Log, Manifest, Segment, leaf_type};
use crate::seal::hash_file;
use crate::sign::{Envelope, EpochKey, LogKey, LogSigner};
use crate::store::Layout;
use crate::support::*;
use crate::table::{Batches, PartWriter, Record, Table, Value, record_hash};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The key that the log is handed over to.
pub(super) fn second_key() -> LogKey {
    LogKey::of_seed(ORIGIN, [8; 32])
}

/// A key of somebody else.
pub(super) fn strange_key() -> LogKey {
    LogKey::of_seed(ORIGIN, [9; 32])
}

/// People who may sign orders: the first two.
pub(super) fn person(number: u8) -> LogKey {
    LogKey::of_seed(&format!("person-{number}.example"), [number; 32])
}

pub(super) fn size(path: &Path) -> u64 {
    let note = std::fs::read_to_string(path.join("log/checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// The log's entries, as they lie there.
pub(super) fn entries(path: &Path) -> Vec<Vec<u8>> {
    let entries = crate::log::entries(&path.join("log"), 0, size(path)).unwrap();
    entries.into_iter().map(|(_, entry)| entry).collect()
}

pub(super) fn leaves(path: &Path) -> Vec<Leaf> {
    entries(path).iter().map(|entry| Leaf::parse(entry).unwrap().2).collect()
}

/// Where the segments' leaves are.
pub(super) fn segments(path: &Path) -> Vec<usize> {
    let leaves = leaves(path);
    (0..leaves.len()).filter(|at| matches!(leaves[*at], Leaf::Segment(_))).collect()
}

/// A log of these entries, whose head this key signs. Copies of manifests follow.
pub(super) fn publish(path: &Path, entries: &[Vec<u8>], key: LogKey) {
    let layout = Layout::new(path);
    std::fs::remove_dir_all(layout.log()).unwrap();
    std::fs::create_dir_all(layout.log()).unwrap();
    if !entries.is_empty() {
        Log::open(&layout.log(), ORIGIN, LogSigner::Key(key)).unwrap().append(entries).unwrap();
    }
    for entry in entries {
        if let Ok((_, _, Leaf::Segment(manifest))) = Leaf::parse(entry) {
            std::fs::write(layout.envelope(manifest.predicate.segment), entry).unwrap();
        }
    }
}

/// How a forger changes the records of one table of one segment.
pub(super) type Edit<'a> = &'a dyn Fn(u64, Table, &mut Vec<Record>);

/// Rewrites the whole store with the log's keys: new epoch keys, new manifests, new tree. Chains inside the records are
/// left as they are unless the edit mends them.
pub(super) fn forge(path: &Path, edit: Edit<'_>, amend: &dyn Fn(&mut Vec<Leaf>)) {
    let mut all = leaves(path);
    for leaf in &mut all {
        let Leaf::Segment(manifest) = leaf else { continue };
        let number = manifest.predicate.segment;
        for file in manifest.predicate.files.clone() {
            if path.join(&file.name).exists() {
                rewrite(path, &mut manifest.predicate, number, &file.name, edit);
            }
        }
    }
    amend(&mut all);
    let mut keys = vec![LogSigner::Key(second_key()), LogSigner::Key(key())];
    let (mut entries, mut epoch, mut previous) = (Vec::new(), EpochKey::generate(), String::new());
    for leaf in all {
        let json = |leaf: &dyn erased::Json| leaf.bytes();
        let (kind, payload) = match leaf {
            Leaf::Key(old) => {
                epoch = EpochKey::generate();
                let new = KeyLeaf { public: hex::encode(epoch.public()), ..old };
                let signed = Envelope::signed_by(leaf_type::KEY, &json(&new), keys.last().unwrap()).unwrap();
                entries.push(signed.to_bytes().unwrap());
                continue;
            }
            Leaf::Rotation(rotation) => {
                let (payload, old) = (json(&rotation), keys.pop().unwrap());
                let signed = Envelope::signed_by(leaf_type::ROTATION, &payload, &old).unwrap();
                let signed = signed.also_signed_by(&payload, keys.last().unwrap()).unwrap();
                entries.push(signed.to_bytes().unwrap());
                continue;
            }
            Leaf::Segment(mut manifest) => {
                manifest.predicate.previous = previous;
                let listed = manifest.predicate.files.clone();
                let hashes: Vec<(String, String)> = listed
                    .iter()
                    .map(|file| {
                        let old = manifest.subject.iter().find(|subject| subject.name == file.name);
                        let old = old.map(|subject| subject.digest["sha256"].clone());
                        let hash = hash_file(&path.join(&file.name)).map(|(_, hash)| hash).ok().or(old);
                        (file.name.clone(), hash.unwrap())
                    })
                    .collect();
                let payload = json(&Manifest::new(manifest.predicate, &hashes));
                previous = hex::encode(Sha256::digest(&payload));
                (leaf_type::SEGMENT, payload)
            }
            Leaf::Policy(policy) => (leaf_type::POLICY, json(&policy)),
            Leaf::Heartbeat(heartbeat) => (leaf_type::HEARTBEAT, json(&heartbeat)),
            Leaf::Hold(hold) => (leaf_type::HOLD, json(&hold)),
            Leaf::Tombstone(tombstone) => (leaf_type::TOMBSTONE, json(&tombstone)),
            Leaf::Other(_, other) if other.get("approval_id").is_some() => (leaf_type::APPROVAL, json(&other)),
            Leaf::Other(_, other) if other.get("actor").is_some() => (leaf_type::REVIEW, json(&other)),
            Leaf::Other(_, other) => (leaf_type::RECOVERY, json(&other)),
        };
        entries.push(epoch.seal(kind, &payload).to_bytes().unwrap());
    }
    publish(path, &entries, if keys.len() == 2 { key() } else { second_key() });
}

/// Payloads of all kinds of leaves.
mod erased {
    pub(super) trait Json {
        fn bytes(&self) -> Vec<u8>;
    }
    impl<T: serde::Serialize> Json for T {
        fn bytes(&self) -> Vec<u8> {
            serde_json::to_vec(self).unwrap()
        }
    }
}

fn rewrite(path: &Path, segment: &mut Segment, number: u64, name: &str, edit: Edit<'_>) {
    let file = path.join(name);
    let table = Table::by_name(name.split('/').next().unwrap()).unwrap();
    let mut records = Vec::new();
    let source = bytes::Bytes::from(std::fs::read(&file).unwrap());
    // What cannot be taken apart is signed as it is.
    let Ok(batches) = Batches::open(table, source, name, None, |_| None) else { return };
    batches
        .records(table, &mut |record| {
            records.push(record);
            Ok(())
        })
        .unwrap();
    let before = records.clone();
    edit(number, table, &mut records);
    if records == before {
        return;
    }
    let mut writer = PartWriter::create(table, &file, None).unwrap();
    for record in &records {
        writer.push(record, record.int("ts")).unwrap();
    }
    let written = writer.finish().unwrap();
    for listed in segment.files.iter_mut().filter(|listed| listed.name == name) {
        listed.rows = written.rows;
        (listed.first_ts, listed.last_ts) = (written.first_ts, written.last_ts);
        listed.bytes = hash_file(&file).unwrap().0;
    }
}

pub(super) fn set(record: &mut Record, column: &str, value: Value) {
    let at = record.table.index(column).unwrap();
    record.values[at] = value;
}

/// Gives a record the hash of what it now says.
pub(super) fn rehash(record: &mut Record) {
    let hash = hex::encode(record_hash(record));
    set(record, "record_hash", Value::Str(hash));
}
