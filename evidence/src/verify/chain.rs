//! Walks the segments in order and holds them against each other: numbers, chains, totals, commitments.

use super::Options;
use super::approvals::Approvals;
use super::coverage::Coverage;
use super::facts::{Ends, Facts};
use super::leaves::{Verified, VerifiedLeaf};
use super::masked;
use super::policies::Policies;
use super::records::{ChainRecord, StatementFact, What};
use super::report::{Checks, name};
use crate::log::{Chain, Leaf, Segment, root_of};
use crate::seal::{open_leaf, session_leaf};
use crate::table::{Record, RowsCommit, Table, rfc3339};
use model::SessionId;
use std::collections::{BTreeMap, HashSet};

#[derive(Default)]
struct Track {
    /// Some of it lies in segments whose files are not looked at.
    partial: bool,
    /// Whose it is: `issuer|subject`.
    owner: String,
    /// Nothing of it was seen since such a segment.
    stale: bool,
    seq: u64,
    head: [u8; 32],
    statements: u64,
    rows: u64,
    bytes: u64,
    /// Commitment, rows and suspicious columns of statements that have no end yet.
    parts: BTreeMap<i64, ([u8; 32], u64, u64)>,
}

/// The state of the walk.
pub(super) struct Merger<'a> {
    origin: &'a str,
    log: &'a Verified,
    leaf_at: usize,
    segment: u64,
    last_lsn: u64,
    last_ts: i64,
    /// By how much the wall clock was set back before the segment at hand, as its log says.
    set_back: i64,
    previous: String,
    open: BTreeMap<[u8; 16], Track>,
    seen: HashSet<[u8; 16]>,
    chains: BTreeMap<String, Chain>,
    policies: Policies,
    approvals: Approvals,
    /// Reviews whose leaf was seen, by the hash of their record.
    reviews: HashSet<String>,
    closed_bodies: u64,
    /// Rows of a version that this program does not know.
    newer_rows: u64,
    /// The newest such version of other records.
    newer: Option<i64>,
    statements: u64,
    coverage: &'a Coverage,
    /// Texts and rows are held against what commits to them.
    full: bool,
    /// Where the chains of a package's sessions stand.
    ends: Ends,
    /// Files of segments before this one were not looked at, and what was open then is not known.
    gap: bool,
    /// When the last such segment was sealed.
    begins: i64,
}

impl<'a> Merger<'a> {
    pub(super) fn new(log: &'a Verified, options: &'a Options, coverage: &'a Coverage) -> Self {
        let origin = options.key.name();
        Self {
            coverage,
            full: options.full || coverage.is_package(),
            ends: Ends::new(),
            gap: false,
            begins: i64::MIN,
            origin,
            log,
            leaf_at: 0,
            segment: 0,
            last_lsn: 0,
            last_ts: i64::MIN,
            set_back: 0,
            previous: String::new(),
            open: BTreeMap::new(),
            seen: HashSet::new(),
            chains: BTreeMap::new(),
            policies: Policies::default(),
            approvals: Approvals::default(),
            reviews: HashSet::new(),
            closed_bodies: 0,
            newer_rows: 0,
            newer: None,
            statements: 0,
        }
    }

    /// Takes the next segment of the log.
    pub(super) fn segment(&mut self, leaf: &VerifiedLeaf, segment: &Segment, facts: Facts, checks: &mut Checks) {
        self.contiguous(leaf, segment, checks);
        // Leaves of policies and approvals that stand before this segment.
        while let Some(before) = self.log.leaves.get(self.leaf_at).filter(|before| before.index < leaf.index) {
            match &before.leaf {
                Leaf::Policy(policy) => self.policies.leaf(policy),
                Leaf::Other(_, json) => {
                    self.set_back += set_back(json);
                    self.approvals.leaf(json);
                    self.reviews.extend(review(json));
                }
                _ => {}
            }
            self.leaf_at += 1;
        }
        let mut facts = facts;
        facts.tables.sort_by_key(|(record, _)| record.int("lsn"));
        for (record, hash) in &facts.tables {
            self.table_record(record, *hash, segment, checks);
        }
        if !self.coverage.has_sessions(segment.segment) {
            self.skipped(segment, checks);
            return;
        }
        self.newer_rows += facts.newer_rows;
        self.newer = self.newer.max(facts.newer);
        self.rows(&facts, checks);
        facts.chain.sort_by_key(|record| (record.lsn, record.order));
        let mut touched = BTreeMap::new();
        let mut newest = self.last_ts;
        for record in std::mem::take(&mut facts.chain) {
            self.in_range(record.lsn, record.ts, segment, checks);
            newest = newest.max(record.ts);
            let session = record.session;
            if let Some(place) = self.chain_record(record, &mut facts, checks) {
                touched.insert(session, place);
                if self.coverage.is_package() {
                    self.ends.insert(session, place);
                }
            }
        }
        // What comes after a clock that was set back is dated before what stands there.
        self.last_ts = newest.saturating_sub(std::mem::take(&mut self.set_back));
        self.closed_bodies += facts.closed_bodies;
        for (session, statement) in facts.bodies.keys() {
            let place = statement_place(session, *statement);
            checks.fail(name::BODIES, place, "a body without its statement");
        }
        self.roots(segment, &touched, checks);
    }

    /// A segment whose sessions are not looked at: what is open goes on unseen.
    fn skipped(&mut self, segment: &Segment, checks: &mut Checks) {
        if self.coverage.has_tables(segment.segment) {
            self.tables(segment, checks);
        } else {
            // What its manifest says of the chains is what the next one goes on from.
            self.chains.clone_from(&segment.chains);
        }
        if self.coverage.is_cut() {
            // Its sessions are there from their openings on; of others nothing is there at all.
            return;
        }
        self.gap = true;
        self.begins = segment.head.time;
        for track in self.open.values_mut() {
            (track.partial, track.stale) = (true, true);
            track.parts.clear();
        }
    }

    fn contiguous(&mut self, leaf: &VerifiedLeaf, segment: &Segment, checks: &mut Checks) {
        let place = format!("segment {} (leaf {})", segment.segment, leaf.index);
        if segment.segment != self.segment + 1 {
            checks.fail(name::SEGMENTS, &place, format!("it follows segment {}", self.segment));
        }
        if segment.first_lsn != self.last_lsn + 1 || segment.last_lsn < segment.first_lsn {
            let what = format!("it begins at record {}, not at {}", segment.first_lsn, self.last_lsn + 1);
            checks.fail(name::SEGMENTS, &place, what);
        }
        if segment.previous != self.previous {
            checks.fail(name::SEGMENTS, &place, "it does not name the manifest before it");
        }
        if segment.origin != self.origin {
            checks.fail(name::SEGMENTS, &place, format!("it belongs to the log `{}`", segment.origin));
        }
        self.segment = segment.segment;
        self.last_lsn = segment.last_lsn;
        self.previous.clone_from(&leaf.payload_hash);
        checks.note(name::SEGMENTS, format!("{} segments, {} records", self.segment, self.last_lsn));
    }

    fn in_range(&self, lsn: i64, ts: i64, segment: &Segment, checks: &mut Checks) {
        let place = || format!("segment {} lsn {lsn}", segment.segment);
        if u64::try_from(lsn).map_or(true, |lsn| lsn < segment.first_lsn || lsn > segment.last_lsn) {
            checks.fail(name::SEGMENTS, place(), "the record's number is outside of its segment");
        }
        // Records are taken before the leaf is made, and after the records of the segment before.
        if ts > segment.head.time + 5_000_000 + self.set_back {
            checks.fail(name::CLOCK, place(), format!("made at {}, after its segment", rfc3339(ts)));
        }
        if self.last_ts != i64::MIN && ts < self.last_ts - 5_000_000 - self.set_back {
            let what = format!("made at {}, before the records of the segment before", rfc3339(ts));
            checks.fail(name::CLOCK, place(), what);
        }
    }

    fn table_record(&mut self, record: &Record, hash: [u8; 32], segment: &Segment, checks: &mut Checks) {
        self.in_range(record.int("lsn"), record.int("ts"), segment, checks);
        let table = record.table.name();
        let chain = self.chains.entry(table.to_owned()).or_insert_with(|| Chain { count: 0, head: "0".repeat(64) });
        // Of a table that was cut each record has a leaf of its own.
        if record.str("prev_hash") != chain.head && !self.coverage.cuts(record.table) {
            let place = format!("{table} lsn {}", record.int("lsn"));
            checks.fail(name::TABLE_CHAINS, place, "it does not follow the record before it");
        }
        *chain = Chain { count: chain.count + 1, head: hex::encode(hash) };
        match record.table {
            Table::PolicyVersions => self.policies.record(record, checks),
            Table::Approvals => {
                let owner = |session: &str| {
                    let id = uuid::Uuid::parse_str(session).ok()?;
                    self.open
                        .get(id.as_bytes())
                        .filter(|track| !track.owner.is_empty())
                        .map(|track| track.owner.clone())
                };
                self.approvals.record(record, owner, checks);
            }
            Table::Reviews if !self.reviews.remove(record.str("record_hash")) => {
                let place = format!("{table} lsn {}", record.int("lsn"));
                checks.fail(name::TABLE_CHAINS, place, "no leaf in the log stands for this review before its segment");
            }
            _ => {}
        }
    }

    /// Adds the rows of this segment to the commitments of their statements.
    fn rows(&mut self, facts: &Facts, checks: &mut Checks) {
        for ((session, statement), count) in &facts.counts {
            let track = self.open.entry(*session).or_default();
            track.parts.entry(*statement).or_insert(([0; 32], 0, 0)).1 += count;
        }
        let opened_here: HashSet<[u8; 16]> = facts
            .chain
            .iter()
            .filter(|record| matches!(record.what, What::Open { .. }))
            .map(|record| record.session)
            .collect();
        for ((session, statement), (part, count, suspicious)) in &facts.rows {
            if !self.open.contains_key(session) && !opened_here.contains(session) && self.gap {
                self.open.insert(*session, Track { partial: true, ..Track::default() });
            }
            if !self.open.contains_key(session) && !opened_here.contains(session) {
                let place = statement_place(session, *statement);
                checks.fail(name::ROWS, place, "rows of a session that is not open");
                continue;
            }
            let track = self.open.entry(*session).or_default();
            let entry = track.parts.entry(*statement).or_insert(([0; 32], 0, 0));
            *entry = (RowsCommit::chain(&entry.0, part), entry.1 + count, entry.2 | suspicious);
        }
    }

    /// Takes one record of a session. Returns where its chain then stands.
    fn chain_record(&mut self, record: ChainRecord, facts: &mut Facts, checks: &mut Checks) -> Option<(u64, [u8; 32])> {
        let id = SessionId(record.session);
        let place = format!("session {id} lsn {}", record.lsn);
        if matches!(record.what, What::Open { .. } | What::Denied) {
            if !self.seen.insert(record.session) {
                checks.fail(name::SESSION_IDS, &place, "this session id was used before");
            }
            if record.prev != "0".repeat(64) {
                checks.fail(name::SESSION_CHAINS, &place, "the first record of a session names one before it");
            }
        } else if self.open.get(&record.session).is_some_and(|track| track.stale)
            || (self.gap && !self.seen.contains(&record.session))
        {
            // What came before is not here: from this record on the chain is followed.
            self.seen.insert(record.session);
            let track = self.open.entry(record.session).or_default();
            (track.partial, track.stale) = (true, false);
            track.seq = u64::try_from(record.before()).unwrap_or(0);
            track.head = hex::decode(&record.prev).ok().and_then(|head| head.try_into().ok()).unwrap_or_default();
        } else if !self.seen.contains(&record.session) {
            checks.fail(name::SESSION_CHAINS, &place, "its session was never opened");
        }
        let track = self.open.entry(record.session).or_default();
        if hex::encode(track.head) != record.prev {
            checks.fail(name::SESSION_CHAINS, &place, "it does not follow the record before it");
        }
        let before = track.head;
        track.head = record.hash;
        track.seq += 1;
        let stands = (track.seq, track.head);
        match record.what {
            What::Open { policy, owner } => {
                self.policies.used(&policy, record.ts, record.lsn, None, &place, checks);
                self.approvals.opened(record.session, &owner, checks);
                track.owner = owner;
            }
            What::Denied => {
                self.open.remove(&record.session);
            }
            What::Statement(fact) => self.statement(record.session, record.lsn, record.ts, &fact, facts, checks),
            What::Close { final_hash, totals } => {
                let Some(track) = self.open.remove(&record.session) else { return Some(stands) };
                if hex::encode(before) != final_hash {
                    checks.fail(name::SESSION_TOTALS, &place, "its final hash is not that of the last record");
                }
                let counted = [track.statements, track.rows, track.bytes].map(|n| i64::try_from(n).unwrap_or(-1));
                if counted != totals && !track.partial {
                    let what = format!("it says {totals:?} statements, rows and bytes, found were {counted:?}");
                    checks.fail(name::SESSION_TOTALS, &place, what);
                }
                if let Some(statement) = track.parts.keys().next() {
                    let place = statement_place(&record.session, *statement);
                    checks.fail(name::ROWS, place, "rows without their statement");
                }
            }
            What::Unknown(event) => checks.fail(name::SESSION_CHAINS, &place, format!("unknown event `{event}`")),
        }
        Some(stands)
    }

    fn statement(
        &mut self,
        session: [u8; 16],
        lsn: i64,
        ts: i64,
        fact: &StatementFact,
        facts: &mut Facts,
        checks: &mut Checks,
    ) {
        self.statements += 1;
        let place = statement_place(&session, fact.id);
        let track = self.open.entry(session).or_default();
        if i64::try_from(track.seq - 1) != Ok(fact.seq) {
            let what = format!("it is record {} of its session and says {}", track.seq - 1, fact.seq);
            checks.fail(name::SESSION_CHAINS, &place, what);
        }
        track.statements += 1;
        track.rows += u64::try_from(fact.rows).unwrap_or(0);
        track.bytes += u64::try_from(fact.bytes).unwrap_or(0);
        let part = track.parts.remove(&fact.id);
        let rows_elsewhere = (track.partial && fact.sent.is_none_or(|sent| sent < self.begins)) || self.newer_rows > 0;
        if fact.owner.as_ref().is_some_and(|owner| !track.owner.is_empty() && *owner != track.owner) {
            checks.fail(name::SESSION_CHAINS, &place, "it names another identity than its session");
        }
        let (commit, rows, suspicious) = part.map_or((None, 0, 0), |(c, rows, s)| (Some(hex::encode(c)), rows, s));
        if i64::try_from(rows) != Ok(fact.rows) && !rows_elsewhere {
            checks.fail(name::ROWS, &place, format!("{rows} rows are there, the statement says {}", fact.rows));
        }
        if self.full && commit != fact.rows_commit && !rows_elsewhere {
            checks.fail(name::ROWS, &place, "its rows are not those that it commits to");
        }
        for (at, mask) in fact.masks.iter().enumerate().take(64) {
            if suspicious & (1 << at) != 0 && mask.as_deref().is_some_and(masked::leaves_no_shape) {
                let what = format!("column {} is masked, yet a value looks like an identifier", at + 1);
                checks.fail(name::MASKED, &place, what);
            }
        }
        match facts.bodies.remove(&(session, fact.id)) {
            Some(body) if hex::encode(body) == fact.body_commit => {}
            Some(_) => checks.fail(name::BODIES, &place, "its text is not the one that it commits to"),
            None if facts.closed_bodies > 0 || !self.full => {}
            None => checks.fail(name::BODIES, &place, "its text is missing"),
        }
        self.policies.used(&fact.policy, fact.sent.unwrap_or(ts), lsn, fact.approval.as_deref(), &place, checks);
        self.approvals.used(session, fact, &place, checks);
    }

    fn roots(&mut self, segment: &Segment, touched: &BTreeMap<[u8; 16], (u64, [u8; 32])>, checks: &mut Checks) {
        if self.coverage.is_cut() {
            // Its sessions have proofs, which lead to the index and to the log.
            return self.tables(segment, checks);
        }
        let place = format!("segment {}", segment.segment);
        let leaves: Vec<Vec<u8>> = touched.iter().map(|(id, (seq, head))| session_leaf(id, *seq, head)).collect();
        if hex::encode(root_of(leaves.iter().map(Vec::as_slice))) != segment.sessions_root {
            checks.fail(name::SESSION_INDEX, &place, "its sessions are not those in the manifest");
        }
        self.tables(segment, checks);
        let known = self.open.iter().filter(|(_, track)| !track.stale);
        let leaves: Vec<Vec<u8>> =
            known.map(|(id, t)| open_leaf(id, t.seq, &t.head, t.statements, t.rows, t.bytes)).collect();
        let same = hex::encode(root_of(leaves.iter().map(Vec::as_slice))) == segment.open_root
            && segment.open_sessions == leaves.len() as u64;
        if same && self.gap {
            // All that is open is known again, with its totals: from here on nothing may be missing.
            self.open.retain(|_, track| !track.stale);
            self.gap = false;
        } else if !same && !self.gap {
            let what = format!("{} sessions are open at its end, the manifest says other", leaves.len());
            checks.fail(name::OPEN_SESSIONS, &place, what);
        }
    }

    /// The chains of the tables that belong to no session, and the policy in force.
    fn tables(&self, segment: &Segment, checks: &mut Checks) {
        let place = format!("segment {}", segment.segment);
        let policies = Table::PolicyVersions.name();
        let same = match self.coverage.is_cut() {
            true => self.chains.get(policies) == segment.chains.get(policies),
            false => self.chains == segment.chains,
        };
        if !same {
            checks.fail(name::TABLE_CHAINS, &place, "the chains of its tables are not those in the manifest");
        }
        self.policies.in_force(segment, &place, checks);
    }

    /// The end of the log.
    pub(super) fn finish(self, checks: &mut Checks) -> Ends {
        if self.closed_bodies > 0 {
            let why = format!(
                "{} exact texts are encrypted (--body-key) or were left out; their hashes hold",
                self.closed_bodies
            );
            checks.skip(name::BODIES, why);
        }
        if self.newer_rows > 0 {
            let why = format!(
                "{} rows are of a newer version than this program knows; the hashes of their files hold",
                self.newer_rows
            );
            checks.skip(name::ROWS, why);
        }
        if let Some(version) = self.newer {
            let what = format!(
                "records of schema version {version}, newer than this program: their hashes hold, their added columns were not looked at"
            );
            checks.note(name::SCHEMA, what);
        }
        checks.note(name::SESSION_IDS, format!("{} sessions", self.seen.len()));
        checks.note(name::RECORD_HASHES, format!("{} statements", self.statements));
        checks.note(name::OPEN_SESSIONS, format!("{} sessions are open at the end", self.open.len()));
        if self.gap {
            let why = "what was open in segments that are not looked at is not known yet at the end of the log";
            checks.skip(name::OPEN_SESSIONS, why);
        }
        let partial = self.coverage.is_package();
        for hash in self.reviews.iter().filter(|_| !partial) {
            checks.fail(name::TABLE_CHAINS, format!("review {hash}"), "a leaf stands for a record that is not there");
        }
        self.policies.finish(partial, checks);
        self.approvals.finish(partial, self.coverage.has_all_sessions(), checks);
        if self.coverage.is_cut() {
            let why =
                "a filtered package holds the records of its sessions alone: they are proven by the sessions' proofs";
            for check in [name::HASHES, name::SESSION_INDEX, name::OPEN_SESSIONS] {
                checks.skip(check, why);
            }
        }
        self.ends
    }
}

/// The record that a leaf of a review stands for.
fn review(json: &serde_json::Value) -> Option<String> {
    json.get("actor")?;
    json.get("record_hash")?.as_str().map(str::to_owned)
}

fn statement_place(session: &[u8; 16], statement: i64) -> String {
    format!("session {} statement {statement}", SessionId(*session))
}

/// By how much a leaf says that the wall clock was set back between two runs.
fn set_back(json: &serde_json::Value) -> i64 {
    let between = json.get("why").and_then(serde_json::Value::as_str) == Some(crate::log::SET_BACK);
    let step = json.get("step").and_then(serde_json::Value::as_i64).filter(|_| between);
    step.map_or(0, |step| step.min(0).saturating_neg())
}
