//! The payload of a package.

use super::scope::Scope;
use super::{Content, proofs, report};
use crate::cli::csv_field;
use crate::error::{At, StoreError};
use crate::log::{Leaf, entries, files};
use crate::retention::Ledger;
use crate::search::{Archive, Condition, Query};
use crate::sign::parse_checkpoint;
use crate::store::Layout;
use crate::table::{Table, Value};
use std::collections::{BTreeMap, BTreeSet};

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
pub(super) fn segments(archive: &Archive, sessions: &BTreeSet<String>) -> Result<std::ops::Range<u64>, StoreError> {
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
) -> Result<BTreeMap<String, Content>, StoreError> {
    let mut all = BTreeMap::new();
    let range = scope.first_segment..scope.last_segment + 1;
    let text = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    all.insert("data/README.md".to_owned(), text(include_str!("../../tools/README.md")));
    all.insert("data/VERIFY.md".to_owned(), text(include_str!("../../tools/VERIFY.md")));
    all.insert("data/tools/verify.py".to_owned(), text(include_str!("../../tools/verify.py")));
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
            if (range.contains(&segment.segment) || early) && !body {
                all.insert(format!("data/store/{}", file.name), Content::File(layout.root().join(&file.name)));
            }
        }
    }
    // Everything that is derived is derived from what the package holds, and from nothing else.
    let mut part = archive.limited(range.clone(), from_the_beginning, with_bodies);
    part.ledger = snapshot.ledger(&scope.origin);
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

/// A table's CSV: the records in scope, oldest first. `None` when there are none.
pub(crate) fn csv_of(archive: &Archive, scope: &Scope, table: Table) -> Result<Option<Vec<u8>>, StoreError> {
    let mut out = table.columns().map(|column| column.name).collect::<Vec<_>>().join(",").into_bytes();
    out.extend_from_slice(b"\r\n");
    let mut any = false;
    for manifest in archive.manifests() {
        archive.search_segment(&Query::new(table), manifest, &mut |record| {
            if scope.includes(&record) {
                any = true;
                let fields: Vec<String> = record.values.iter().map(Value::text).map(|text| csv_field(&text)).collect();
                out.extend_from_slice(fields.join(",").as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        })?;
    }
    Ok(any.then_some(out))
}
