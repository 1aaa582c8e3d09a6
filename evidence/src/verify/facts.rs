//! Reads the segments, many files at once, and hands what they say to the checks, one segment after the other.
//!
//! A file is read once: the bytes that are hashed are the bytes that are taken apart.

use super::chain::Merger;
use super::coverage::Coverage;
use super::leaves::{Verified, VerifiedLeaf};
use super::records::ChainRecord;
use super::report::{Checks, name};
use super::{Options, masked, narrow};
use crate::error::StoreError;
use crate::log::{Leaf, Segment, SegmentFile};
use crate::seal::part_name;
use crate::store::Layout;
use crate::table::{
    Batches, Body, Record, RowsCommit, RowsOf, SCHEMA_VERSION, Table, Value, date, each_row, record_hash,
};
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where each session's chain stands at the end: records, and the hash of the last.
pub(super) type Ends = BTreeMap<[u8; 16], (u64, [u8; 32])>;

/// A statement's place: session and number.
pub(super) type Key = ([u8; 16], i64);

/// What one segment says.
#[derive(Default)]
pub(super) struct Facts {
    /// Records of sessions and statements.
    pub(super) chain: Vec<ChainRecord>,
    /// Records of the tables that have a chain of their own, with their recomputed hashes.
    pub(super) tables: Vec<(Record, [u8; 32])>,
    /// Commitments recomputed from the bodies.
    pub(super) bodies: BTreeMap<Key, [u8; 32]>,
    /// Bodies that could not be opened.
    pub(super) closed_bodies: u64,
    /// Per statement: hash of its rows in this segment, how many, and the columns where an identifier was seen.
    pub(super) rows: BTreeMap<Key, ([u8; 32], u64, u64)>,
    /// Rows of a version that this program does not know: their files' hashes hold, and that is all that is said of them.
    pub(super) newer_rows: u64,
    /// The newest version of records that was seen, where it is newer than this program.
    pub(super) newer: Option<i64>,
    /// Rows per statement, where only those were counted.
    pub(super) counts: BTreeMap<Key, u64>,
    findings: Vec<(&'static str, String, String)>,
}

impl Facts {
    fn fail(&mut self, check: &'static str, place: impl ToString, reason: impl ToString) {
        self.findings.push((check, place.to_string(), reason.to_string()));
    }

    fn absorb(&mut self, other: Self) {
        self.chain.extend(other.chain);
        self.tables.extend(other.tables);
        self.bodies.extend(other.bodies);
        self.closed_bodies += other.closed_bodies;
        self.rows.extend(other.rows);
        self.counts.extend(other.counts);
        self.newer_rows += other.newer_rows;
        self.newer = self.newer.max(other.newer);
        self.findings.extend(other.findings);
    }
}

/// One table of one segment: its files, in the order of their dates.
struct Job<'a> {
    slot: usize,
    table: Table,
    files: Vec<(&'a SegmentFile, Option<String>)>,
}

/// Segments whose files are read before any is judged: bounds the memory.
const AHEAD: usize = 8;

pub(super) fn walk(
    layout: &Layout,
    log: &Verified,
    options: &Options,
    coverage: &Coverage,
    checks: &mut Checks,
) -> Ends {
    for check in [
        name::HASHES,
        name::SCHEMA,
        name::RECORD_HASHES,
        name::SESSION_CHAINS,
        name::SESSION_IDS,
        name::SESSION_TOTALS,
        name::OPEN_SESSIONS,
        name::SESSION_INDEX,
        name::ROWS,
        name::BODIES,
        name::TABLE_CHAINS,
        name::POLICIES,
        name::APPROVALS,
        name::APPROVAL_STATES,
        name::MASKED,
        name::SEGMENTS,
    ] {
        checks.pass(check);
    }
    let segments: Vec<(&VerifiedLeaf, &Segment, BTreeMap<&str, &str>)> = log
        .leaves
        .iter()
        .filter_map(|leaf| match &leaf.leaf {
            Leaf::Segment(manifest) => {
                let hashes = manifest.subject.iter();
                let hashes = hashes.filter_map(|s| Some((s.name.as_str(), s.digest.get("sha256")?.as_str()))).collect();
                Some((leaf, &manifest.predicate, hashes))
            }
            _ => None,
        })
        .collect();
    if segments.is_empty() {
        checks.note(name::SEGMENTS, "no segments yet");
    }
    let mut merger = Merger::new(log, options, coverage);
    for batch in segments.chunks(AHEAD) {
        let mut jobs = Vec::new();
        for (slot, (_, segment, hashes)) in batch.iter().enumerate() {
            for table in Table::ALL.into_iter().filter(|table| coverage.reads(segment.segment, *table)) {
                let files: Vec<_> = segment
                    .files
                    .iter()
                    .filter(|file| file.table == table.name())
                    .map(|file| (file, hashes.get(file.name.as_str()).map(|hash| (*hash).to_owned())))
                    .collect();
                if !files.is_empty() {
                    jobs.push(Job { slot, table, files });
                }
            }
        }
        let facts = run(layout, &jobs, batch.len(), options, coverage);
        for ((leaf, segment, hashes), mut facts) in batch.iter().zip(facts) {
            listed(segment, hashes, checks);
            for (check, place, reason) in std::mem::take(&mut facts.findings) {
                checks.fail(check, place, reason);
            }
            merger.segment(leaf, segment, facts, checks);
        }
    }
    merger.finish(checks)
}

/// The manifest's two lists of files are the same, and of known tables.
fn listed(segment: &Segment, hashes: &BTreeMap<&str, &str>, checks: &mut Checks) {
    let place = format!("segment {}", segment.segment);
    for file in &segment.files {
        if !hashes.contains_key(file.name.as_str()) {
            checks.fail(name::LISTED, &place, format!("{} is listed without a hash", file.name));
        }
        let known = Table::by_name(&file.table).map(|table| part_name(table, &file.date, segment.segment));
        if known.as_deref() != Some(file.name.as_str()) {
            checks.fail(name::LISTED, &place, format!("{} is not where it belongs", file.name));
        }
    }
    if hashes.len() != segment.files.len() {
        checks.fail(name::LISTED, &place, "hashes are listed for files that are not described");
    }
}

fn run(layout: &Layout, jobs: &[Job<'_>], slots: usize, options: &Options, coverage: &Coverage) -> Vec<Facts> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Facts>> = Mutex::new((0..slots).map(|_| Facts::default()).collect());
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(jobs.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let facts = table(layout, job, options, coverage.cuts(job.table));
                    if let Some(slot) = done.lock().get_mut(job.slot) {
                        slot.absorb(facts);
                    }
                }
            });
        }
    });
    done.into_inner()
}

/// Reads one table of one segment. Of a file that was `cut` the manifest's hash and counts do not hold: what it holds is proven
/// by its sessions' chains.
fn table(layout: &Layout, job: &Job<'_>, options: &Options, cut: bool) -> Facts {
    let mut facts = Facts::default();
    let mut rows = RowsByStatement::default();
    let mut counts = BTreeMap::new();
    // Of what was cut the file's hash proves nothing: its records have to.
    let full = options.full || cut;
    for (file, hash) in &job.files {
        let path = layout.root().join(&file.name);
        // Of a file that is not as long as it was nothing is read: it may be as long as a disk.
        if !cut
            && let Ok(found) = std::fs::metadata(&path)
            && found.len() != file.bytes
        {
            let what = format!("{} bytes, the manifest says {}", found.len(), file.bytes);
            facts.fail(name::HASHES, &file.name, what);
            continue;
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => Bytes::from(bytes),
            // Said by the check of what is present.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                facts.closed_bodies += if job.table == Table::StatementBodies && !cut { file.rows } else { 0 };
                continue;
            }
            Err(error) => {
                facts.fail(name::PRESENT, &file.name, error);
                continue;
            }
        };
        let found = hex::encode(Sha256::digest(&bytes));
        if hash.as_ref() != Some(&found) && !cut {
            // What it says is not what was recorded: nothing is concluded from it.
            facts.fail(name::HASHES, &file.name, "its SHA-256 is not the one in the manifest");
            continue;
        }
        if !full && job.table == Table::StatementBodies {
            continue;
        }
        let encrypted = bytes.starts_with(b"PARE");
        let key = options.body_key.as_deref().map(Vec::as_slice).filter(|_| encrypted);
        if encrypted && key.is_none() {
            facts.closed_bodies += file.rows;
            continue;
        }
        let mut seen = Seen::default();
        let mut read = || {
            let mut note = |lsn, ts| seen.add(lsn, ts);
            match job.table {
                // The hash of the file holds.
                Table::Statements if !full => {
                    return narrow::statements(bytes.clone(), &file.name, &mut facts, &mut note);
                }
                Table::Rows if !full => return narrow::rows(bytes.clone(), &file.name, &mut counts, &mut note),
                _ => {}
            }
            let batches = Batches::open(job.table, bytes.clone(), &file.name, key, |_| None)?;
            if job.table == Table::Rows {
                each_row(batches, &mut |row| {
                    seen.add(row.lsn, row.ts);
                    rows.add(row);
                    Ok(())
                })
            } else {
                batches.records(job.table, &mut |record| {
                    seen.add(record.int("lsn"), record.int("ts"));
                    take(record, &file.name, &mut facts);
                    Ok(())
                })
            }
        };
        // The Parquet reader may panic on a file that was made to mislead it; that is a finding like any other.
        let outcome = catch_unwind(AssertUnwindSafe(&mut read))
            .unwrap_or_else(|_| Err(StoreError::damaged(&file.name, "it is not a well-formed Parquet file")));
        match outcome {
            Ok(()) if cut => seen.order(file, &mut facts),
            Ok(()) => seen.check(file, &mut facts),
            Err(StoreError::Damaged { place, what }) => facts.fail(name::SCHEMA, place, what),
            Err(error) => facts.fail(name::SCHEMA, &file.name, error),
        }
    }
    facts.counts = counts;
    facts.newer_rows = rows.newer;
    facts.rows = rows.finish(&mut facts.findings);
    facts
}

/// What was seen of a file, to be held against its manifest.
struct Seen {
    rows: u64,
    first_ts: i64,
    last_ts: i64,
    last_lsn: i64,
    sorted: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self { rows: 0, first_ts: i64::MAX, last_ts: i64::MIN, last_lsn: 0, sorted: true }
    }
}

impl Seen {
    fn add(&mut self, lsn: i64, ts: i64) {
        self.rows += 1;
        self.first_ts = self.first_ts.min(ts);
        self.last_ts = self.last_ts.max(ts);
        self.sorted &= lsn >= self.last_lsn;
        self.last_lsn = lsn;
    }

    fn order(&self, file: &SegmentFile, facts: &mut Facts) {
        if !self.sorted {
            facts.fail(name::SCHEMA, &file.name, "it is not sorted by lsn");
        }
    }

    fn check(&self, file: &SegmentFile, facts: &mut Facts) {
        if self.rows != file.rows {
            facts.fail(name::SCHEMA, &file.name, format!("{} rows, the manifest says {}", self.rows, file.rows));
        }
        if (self.first_ts, self.last_ts) != (file.first_ts, file.last_ts) {
            facts.fail(name::SCHEMA, &file.name, "its times are not those in the manifest");
        }
        self.order(file, facts);
        if self.rows > 0 && date(self.last_ts) != file.date {
            facts.fail(name::SCHEMA, &file.name, format!("its newest record is of {}", date(self.last_ts)));
        }
    }
}

fn session_id(record: &Record) -> Option<[u8; 16]> {
    uuid::Uuid::parse_str(record.str("session_id")).ok().map(uuid::Uuid::into_bytes)
}

fn take(record: Record, file: &str, facts: &mut Facts) {
    if record.version() > SCHEMA_VERSION {
        facts.newer = facts.newer.max(Some(record.version()));
    }
    match record.table {
        Table::StatementBodies => {
            let salt = hex::decode(record.str("salt")).ok().and_then(|salt| salt.try_into().ok());
            let (Some(salt), Some(session)) = (salt, session_id(&record)) else {
                facts.fail(name::BODIES, file, "a body without a session or a salt of 32 bytes");
                return;
            };
            let statement = record.int("statement_id");
            let params = if let Value::Strs(params) = record.get("params") { params.as_slice() } else { &[] };
            let id = record.str("session_id");
            let (sql, sent) = (record.str("sql_text"), record.get("sent_sql").as_str());
            let body = Body { session: id, statement, sql, params, sent };
            facts.bodies.insert((session, statement), body.commit(record.version(), &salt));
        }
        Table::Rows => {}
        table => {
            let hash = record_hash(&record);
            if record.str("record_hash") != hex::encode(hash) {
                let place = format!("{file} lsn {}", record.int("lsn"));
                facts.fail(name::RECORD_HASHES, place, "its content is not what its hash says");
            }
            if table.has_own_chain() {
                facts.tables.push((record, hash));
            } else if let Some(session) = session_id(&record) {
                facts.chain.push(ChainRecord::new(&record, session, hash));
            } else {
                facts.fail(name::SESSION_IDS, file, format!("`{}` is no session id", record.str("session_id")));
            }
        }
    }
}

/// Hashes rows by statement. Rows of one statement usually stand together.
#[derive(Default)]
struct RowsByStatement {
    statements: BTreeMap<(String, i64), Part>,
    /// Rows of a version that this program does not know.
    newer: u64,
}

/// The rows of one statement in one segment.
struct Part {
    version: i64,
    user_id: Option<String>,
    datasource: Option<String>,
    commit: RowsCommit,
    count: u64,
    /// The columns where an identifier was seen.
    suspicious: u64,
}

impl RowsByStatement {
    fn add(&mut self, row: &crate::table::RowView<'_>) {
        if row.version > SCHEMA_VERSION {
            self.newer += 1;
            return;
        }
        let key = (row.session.to_owned(), row.statement);
        let begin = || Part {
            version: row.version,
            user_id: row.user_id.map(str::to_owned),
            datasource: row.datasource.map(str::to_owned),
            commit: RowsCommit::new(row.version, &row.of()),
            count: 0,
            suspicious: 0,
        };
        let part = self.statements.entry(key).or_insert_with(begin);
        let same = (part.version, part.user_id.as_deref(), part.datasource.as_deref());
        if same != (row.version, row.user_id, row.datasource) && part.version > 0 {
            // Its rows are not all of one owner: no commitment is found for them.
            part.version = 0;
            part.commit = RowsCommit::new(row.version, &RowsOf::default());
        }
        part.commit.row(row.result_set, row.row_index, row.columns(), row.values(), row.overflow, row.shown());
        part.count += 1;
        let suspicious = &mut part.suspicious;
        for (at, value) in row.values().enumerate().take(64) {
            if value.is_some_and(masked::looks_like_identifier) {
                *suspicious |= 1 << at;
            }
        }
    }

    fn finish(self, findings: &mut Vec<(&'static str, String, String)>) -> BTreeMap<Key, ([u8; 32], u64, u64)> {
        let mut out = BTreeMap::new();
        for ((session, statement), part) in self.statements {
            match uuid::Uuid::parse_str(&session) {
                Ok(id) => {
                    out.insert((id.into_bytes(), statement), (part.commit.part(), part.count, part.suspicious));
                }
                Err(_) => findings.push((name::ROWS, session, "is no session id".to_owned())),
            }
        }
        out
    }
}
