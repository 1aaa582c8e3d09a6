//! The payload of a package.

use super::scope::{LeftOut, Scope, is_cut};
use super::{Content, proofs, report};
use crate::cli::csv_field;
use crate::error::{At, StoreError};
use crate::log::{Leaf, entries, files};
use crate::retention::Ledger;
use crate::search::{Archive, Condition, Query};
use crate::sign::parse_checkpoint;
use crate::store::Layout;
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What every package holds as it is.
pub(crate) const OWN_FILES: [(&str, &str); 3] = [
    ("data/README.md", include_str!("../../tools/README.md")),
    ("data/VERIFY.md", include_str!("../../tools/VERIFY.md")),
    ("data/tools/verify.py", include_str!("../../tools/verify.py")),
];

/// The log as it stood at one moment: the store may go on being written.
pub(super) struct Snapshot {
    checkpoint: String,
    pub(super) size: u64,
    entries: Vec<Vec<u8>>,
}

impl Snapshot {
    pub(super) fn take(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.log().join("checkpoint");
        let checkpoint = std::fs::read_to_string(&path).at(&path, "reading the log's head")?;
        let head = parse_checkpoint(&checkpoint).map_err(|what| StoreError::damaged(path.display(), what))?;
        let entries = entries(&layout.log(), 0, head.size)?.into_iter().map(|(_, entry)| entry).collect();
        Ok(Self { checkpoint, size: head.size, entries })
    }

    /// What its leaves say of retention.
    fn ledger(&self, origin: &str) -> Ledger {
        let mut ledger = Ledger::new(origin);
        for (index, entry) in (0..).zip(&self.entries) {
            if let Ok((_, _, leaf)) = Leaf::parse(entry) {
                ledger.take(index, &leaf);
            }
        }
        ledger
    }
}

/// The segments from the first to the last that hold records of these sessions.
pub(crate) fn segments(archive: &Archive, sessions: &BTreeSet<String>) -> Result<std::ops::Range<u64>, StoreError> {
    let (mut first, mut last) = (u64::MAX, 0);
    for table in [Table::Sessions, Table::Statements] {
        let query = Query::new(table).with(Condition::In("session_id", sessions.clone()));
        archive.search(&query, &mut |record, _| {
            let lsn = u64::try_from(record.int("lsn")).unwrap_or(0);
            (first, last) = (first.min(lsn), last.max(lsn));
            Ok(true)
        })?;
    }
    let segment_of = |lsn: u64| {
        let holds = |m: &&crate::log::Manifest| m.predicate.first_lsn <= lsn && lsn <= m.predicate.last_lsn;
        archive.manifests().iter().find(holds).map(|manifest| manifest.predicate.segment)
    };
    Ok(match (segment_of(first), segment_of(last)) {
        (Some(first), Some(last)) => first..last + 1,
        _ => 1..1,
    })
}

/// The approvals that the sessions asked for or used.
fn approvals_of(archive: &Archive, sessions: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let mut ids = BTreeSet::new();
    for table in [Table::Approvals, Table::Statements] {
        let query = Query::new(table).with(Condition::In("session_id", sessions.clone()));
        archive.search(&query, &mut |record, _| {
            if let Some(id) = record.get("approval_id").as_str() {
                ids.insert(id.to_owned());
            }
            Ok(true)
        })?;
    }
    Ok(ids)
}

/// Cuts the files of a filtered package: into `folder` go the records of the chosen sessions, and nothing of anybody else.
/// Returns what was left out.
pub(super) fn cut(
    archive: &Archive,
    scope: &Scope,
    with_bodies: bool,
    folder: &Path,
) -> Result<Vec<LeftOut>, StoreError> {
    let approvals = approvals_of(archive, &scope.sessions)?;
    let mut left_out = Vec::new();
    for manifest in archive.manifests() {
        let segment = &manifest.predicate;
        if segment.segment > scope.last_segment {
            continue;
        }
        let mut missing: BTreeMap<Table, u64> = BTreeMap::new();
        for file in &segment.files {
            let Some(table) = Table::by_name(&file.table) else { continue };
            let path = folder.join(&file.name);
            let early = segment.segment < scope.first_segment;
            if !is_cut(table) {
                copy(&archive.layout.root().join(&file.name), &path)?;
                continue;
            }
            if early && table != Table::Approvals || (table == Table::StatementBodies && !with_bodies) {
                continue;
            }
            let chosen = match table {
                Table::Approvals => Some(("approval_id", &approvals)),
                Table::Reviews | Table::AuditAccesses => None,
                _ => Some(("session_id", &scope.sessions)),
            };
            let kept = match chosen {
                None => 0,
                Some((column, values)) => archive.cut_file(table, &file.name, column, values, &path)?,
            };
            *missing.entry(table).or_default() += file.rows.saturating_sub(kept);
        }
        let counts = missing.into_iter().filter(|(_, records)| *records > 0);
        left_out.extend(counts.map(|(table, records)| LeftOut {
            segment: segment.segment,
            table: table.name().to_owned(),
            records,
        }));
    }
    Ok(left_out)
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).at(parent, "making a folder to cut files in")?;
    }
    std::fs::copy(from, to).at(from, "copying a file to export").map(drop)
}

/// Tables that are included from the beginning: without them nothing that names a policy or an approval could be checked.
fn from_the_beginning(table: Table) -> bool {
    matches!(table, Table::PolicyVersions | Table::Approvals)
}

pub(super) fn payload(
    layout: &Layout,
    archive: &Archive,
    scope: &Scope,
    snapshot: &Snapshot,
    with_bodies: bool,
    cut: Option<&Path>,
) -> Result<BTreeMap<String, Content>, StoreError> {
    let mut all = BTreeMap::new();
    let range = scope.first_segment..scope.last_segment + 1;
    let text = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    for (name, words) in OWN_FILES {
        all.insert(name.to_owned(), text(words));
    }
    let json = serde_json::to_string_pretty(scope).map_err(|error| StoreError::Config(error.to_string()))?;
    all.insert("data/scope.json".to_owned(), text(&format!("{json}\n")));
    all.insert("data/store/store.json".to_owned(), Content::File(layout.about()));
    all.insert("data/store/log/checkpoint".to_owned(), text(&snapshot.checkpoint));
    for (path, bytes) in files(&snapshot.entries) {
        all.insert(format!("data/store/log/{}", path.display()), Content::Bytes(bytes));
    }
    for manifest in archive.manifests() {
        let segment = &manifest.predicate;
        let envelope = layout.envelope(segment.segment);
        let name = envelope.strip_prefix(layout.root()).unwrap_or(&envelope).display().to_string();
        all.insert(format!("data/store/{name}"), Content::File(envelope));
        for file in &segment.files {
            let table = Table::by_name(&file.table);
            let early = table.is_some_and(from_the_beginning) && segment.segment < scope.first_segment;
            let body = table == Some(Table::StatementBodies) && !with_bodies;
            let path = cut.unwrap_or(layout.root()).join(&file.name);
            // Of a file that was cut nothing may be left.
            if (range.contains(&segment.segment) || early) && !body && (cut.is_none() || path.exists()) {
                all.insert(format!("data/store/{}", file.name), Content::File(path));
            }
        }
    }
    // Everything that is derived is derived from what the package holds, and from nothing else.
    let mut part = archive.limited(range.clone(), from_the_beginning, with_bodies);
    part.ledger = snapshot.ledger(&scope.origin);
    if let Some(folder) = cut {
        part.read_from(folder);
    }
    for table in Table::ALL {
        if let Some(csv) = csv_of(&part, scope, table)? {
            all.insert(format!("data/csv/{}.csv", table.name()), Content::Bytes(csv));
        }
    }
    all.insert("data/report.html".to_owned(), text(&report::render(&part, scope)?));
    for (version, content) in policies(&part)? {
        all.insert(format!("data/policies/{version}.toml"), text(&content));
    }
    for (name, proof) in proofs::proofs(archive, &scope.sessions, &snapshot.entries, range)? {
        all.insert(name, Content::Bytes(proof));
    }
    Ok(all)
}

fn policies(archive: &Archive) -> Result<BTreeMap<String, String>, StoreError> {
    let found = archive.collect(&Query::new(Table::PolicyVersions), None)?;
    let loaded = found.iter().map(|(record, _)| record).filter(|record| record.str("event") == "loaded");
    Ok(loaded.map(|record| (record.str("version").to_owned(), record.str("content").to_owned())).collect())
}

/// A table's CSV: the records in scope, oldest first, with the columns of the newest version among them. `None` when there
/// are none.
pub(crate) fn csv_of(archive: &Archive, scope: &Scope, table: Table) -> Result<Option<Vec<u8>>, StoreError> {
    let mut newest = 0;
    let mut lines: Vec<Vec<String>> = Vec::new();
    for manifest in archive.manifests() {
        archive.search_segment(&Query::new(table), manifest, &mut |record| {
            if scope.includes(&record) {
                newest = newest.max(record.version());
                let known = table.columns_of(record.version()).count();
                let values = record.values.iter().take(known);
                lines.push(values.map(|value| csv_field(&value.text())).collect());
            }
        })?;
    }
    let names: Vec<&str> = table.columns_of(newest).map(|column| column.name).collect();
    let mut out = names.join(",").into_bytes();
    out.extend_from_slice(b"\r\n");
    for mut line in lines {
        line.resize(names.len(), String::new());
        out.extend_from_slice(line.join(",").as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    Ok((newest > 0).then_some(out))
}
