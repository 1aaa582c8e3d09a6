//! A proof per session: that its chain stands in a manifest's session index, and that manifest in the log.

use crate::error::StoreError;
use crate::log::{Hash, Leaf, Tree, audit_path, leaf_hash};
use crate::search::{Archive, Query};
use crate::seal::session_leaf;
use crate::table::{Record, Table};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A session's place after one of its records: records so far and the hash of this one.
pub(crate) fn stands(record: &Record) -> Option<([u8; 16], u64, [u8; 32])> {
    let id = uuid::Uuid::parse_str(record.str("session_id")).ok()?.into_bytes();
    let hash = hex::decode(record.str("record_hash")).ok()?.try_into().ok()?;
    let before = match (record.table, record.str("event")) {
        (Table::Statements, _) => record.int("session_seq"),
        // The opening, its statements, and the closing itself.
        (_, "close") => record.int("statement_count") + 1,
        _ => 0,
    };
    Some((id, u64::try_from(before).ok()? + 1, hash))
}

fn hex_path(path: &[Hash]) -> Vec<String> {
    path.iter().map(hex::encode).collect()
}

/// The proofs, by file name.
pub(super) fn proofs(
    archive: &Archive,
    sessions: &BTreeSet<String>,
    entries: &[Vec<u8>],
    range: std::ops::Range<u64>,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    let mut proofs = BTreeMap::new();
    for manifest in archive.manifests().iter().filter(|manifest| range.contains(&manifest.predicate.segment)) {
        let segment = &manifest.predicate;
        let mut places: BTreeMap<[u8; 16], (u64, [u8; 32])> = BTreeMap::new();
        for table in [Table::Sessions, Table::Statements] {
            archive.search_segment(&Query::new(table), manifest, &mut |record| {
                if let Some((id, seq, hash)) = stands(&record) {
                    let place = places.entry(id).or_insert((0, [0; 32]));
                    if seq > place.0 {
                        *place = (seq, hash);
                    }
                }
            })?;
        }
        let leaves: Vec<Hash> = places.iter().map(|(id, (seq, head))| leaf_hash(&session_leaf(id, *seq, head))).collect();
        let is_manifest = |entry: &Vec<u8>| match Leaf::parse(entry) {
            Ok((_, _, Leaf::Segment(other))) => other.predicate.segment == segment.segment,
            _ => false,
        };
        let Some(log_index) = entries.iter().position(is_manifest) else { continue };
        let log_path = hex_path(&audit_path(tree.level(0), log_index));
        for (index, (id, (seq, head))) in places.iter().enumerate() {
            let name = uuid::Uuid::from_bytes(*id).to_string();
            if !sessions.contains(&name) {
                continue;
            }
            let proof = json!({
                "session": name,
                "segment": segment.segment,
                "records": seq,
                "head": hex::encode(head),
                "index": index,
                "size": leaves.len(),
                "path": hex_path(&audit_path(&leaves, index)),
                "sessions_root": segment.sessions_root,
                "log_index": log_index,
                "log_path": log_path,
                "tree_size": tree.size(),
                "root": hex::encode(tree.root()),
            });
            // The newest segment wins: it covers all records before.
            proofs.insert(format!("data/proofs/{name}.json"), format!("{proof:#}\n").into_bytes());
        }
    }
    Ok(proofs.into_iter().collect())
}
