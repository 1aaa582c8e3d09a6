//! What a verification says.

use serde::Serialize;
use std::fmt::Display;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It could not be looked at. Never to be read as a pass.
    NotChecked,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::NotChecked => "NOT CHECKED",
        })
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where: a file, a leaf, a session, a statement.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, the same in every report.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was looked at, or why nothing was.
    pub note: String,
    /// What is wrong, at most 20 of it.
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub total: u64,
}

/// Findings that are kept of each check.
pub(super) const MOST: usize = 20;

/// A verification's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Leaves and root of the log, if its head reads.
    pub tree_size: Option<u64>,
    /// Root, hexadecimal.
    pub root: Option<String>,
    /// All checks, always the same, in the same order.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether no check failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Fail)
    }
}

/// Names of the checks.
pub(crate) mod name {
    pub(crate) const ABOUT: &str = "store description";
    pub(crate) const CHECKPOINT: &str = "checkpoint syntax";
    pub(crate) const LOG_SIGNATURE: &str = "log signature";
    pub(crate) const CONSISTENCY: &str = "consistency with the older checkpoint";
    pub(crate) const ROOT: &str = "root recomputed";
    pub(crate) const LEAVES: &str = "every leaf present";
    pub(crate) const TILES: &str = "hash tiles";
    pub(crate) const ENVELOPES: &str = "envelope signatures and types";
    pub(crate) const EPOCHS: &str = "epoch keys";
    pub(crate) const HEARTBEATS: &str = "heartbeats";
    pub(crate) const CLOCK: &str = "clock";
    pub(crate) const SEGMENTS: &str = "segments contiguous";
    pub(crate) const PRESENT: &str = "files present";
    pub(crate) const LISTED: &str = "files listed";
    pub(crate) const HASHES: &str = "file hashes";
    pub(crate) const SCHEMA: &str = "row counts, columns, times, partitions";
    pub(crate) const RECORD_HASHES: &str = "record hashes";
    pub(crate) const SESSION_CHAINS: &str = "session sequence";
    pub(crate) const SESSION_IDS: &str = "session ids unique";
    pub(crate) const SESSION_TOTALS: &str = "session totals";
    pub(crate) const OPEN_SESSIONS: &str = "open sessions carried";
    pub(crate) const SESSION_INDEX: &str = "session index";
    pub(crate) const ROWS: &str = "row commitments";
    pub(crate) const BODIES: &str = "statement bodies";
    pub(crate) const TABLE_CHAINS: &str = "table chains";
    pub(crate) const POLICIES: &str = "policy versions";
    pub(crate) const APPROVALS: &str = "approvals";
    pub(crate) const APPROVAL_STATES: &str = "approval state machine";
    pub(crate) const MASKED: &str = "no identifier in masked cells";
    pub(crate) const JOURNAL: &str = "journal";
    pub(crate) const REMEMBERED: &str = "remembered head";
    pub(crate) const FRESHNESS: &str = "freshness";
    pub(crate) const RETENTION: &str = "tombstones and holds";
    pub(crate) const READ: &str = "every segment read";

    pub(crate) const ARCHIVE: &str = "archive safety";
    pub(crate) const BAG: &str = "bag structure and payload set";
    pub(crate) const BAG_HASHES: &str = "bag hashes";
    pub(crate) const PACKAGE: &str = "package signature";
    pub(crate) const DERIVED: &str = "report and CSV derived from the originals";
    pub(crate) const PROOFS: &str = "session proofs";
    pub(crate) const OWN_WORDS: &str = "texts and program of the package";

    /// What is checked of a package before its contents are.
    pub(crate) const PACKAGES: [&str; 7] = [ARCHIVE, BAG, BAG_HASHES, PACKAGE, OWN_WORDS, DERIVED, PROOFS];

    pub(crate) const ALL: [&str; 34] = [
        ABOUT,
        CHECKPOINT,
        LOG_SIGNATURE,
        CONSISTENCY,
        ROOT,
        LEAVES,
        TILES,
        ENVELOPES,
        EPOCHS,
        HEARTBEATS,
        CLOCK,
        SEGMENTS,
        PRESENT,
        LISTED,
        HASHES,
        SCHEMA,
        RECORD_HASHES,
        SESSION_CHAINS,
        SESSION_IDS,
        SESSION_TOTALS,
        OPEN_SESSIONS,
        SESSION_INDEX,
        ROWS,
        BODIES,
        TABLE_CHAINS,
        POLICIES,
        APPROVALS,
        APPROVAL_STATES,
        MASKED,
        JOURNAL,
        REMEMBERED,
        FRESHNESS,
        RETENTION,
        READ,
    ];
}

/// Checks on their way to a report.
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let check = |name| Check {
            name,
            outcome: Outcome::NotChecked,
            note: "not reached".to_owned(),
            findings: Vec::new(),
            total: 0,
        };
        Self(names.iter().copied().map(check).collect())
    }

    fn get(&mut self, name: &str) -> Option<&mut Check> {
        self.0.iter_mut().find(|check| check.name == name)
    }

    pub(crate) fn has_failed(&self, name: &str) -> bool {
        self.0.iter().any(|check| check.name == name && check.outcome == Outcome::Fail)
    }

    /// It holds, unless something was or will be found wrong.
    pub(crate) fn pass(&mut self, name: &str) {
        if let Some(check) = self.get(name)
            && check.outcome == Outcome::NotChecked
        {
            check.outcome = Outcome::Pass;
            check.note.clear();
        }
    }

    pub(crate) fn note(&mut self, name: &str, note: impl Into<String>) {
        if let Some(check) = self.get(name) {
            check.note = note.into();
        }
    }

    pub(crate) fn skip(&mut self, name: &str, why: impl Into<String>) {
        if let Some(check) = self.get(name)
            && check.outcome != Outcome::Fail
        {
            check.outcome = Outcome::NotChecked;
            check.note = why.into();
        }
    }

    pub(crate) fn fail(&mut self, name: &str, place: impl Display, reason: impl Display) {
        if let Some(check) = self.get(name) {
            if check.outcome != Outcome::Fail {
                check.outcome = Outcome::Fail;
                check.note.clear();
            }
            check.total += 1;
            if check.findings.len() < MOST {
                check.findings.push(Finding { place: place.to_string(), reason: reason.to_string() });
            }
        }
    }

    pub(crate) fn finish(self, head: Option<(u64, String)>) -> Report {
        let (tree_size, root) = head.unzip();
        Report { tree_size, root, checks: self.0 }
    }
}
