//! Policies: every version that was used is in the store, hash right, in the log before its first use, in force at the time.

use super::report::{Checks, name};
use crate::log::{PolicyLeaf, Segment};
use crate::table::{Record, rfc3339};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A statement that was judged just before a change may be recorded just after it (µs).
const OVERLAP: i64 = 60_000_000;
/// One that waited for people was judged up to this long before it was sent (µs).
const WAIT: i64 = 24 * 3_600_000_000;

/// The state of the walk.
#[derive(Default)]
pub(super) struct Policies {
    loaded: BTreeMap<String, i64>,
    /// Times in force, by version: from, until.
    periods: BTreeMap<String, Vec<(i64, Option<i64>)>>,
    active: Option<String>,
    leaves: BTreeSet<(String, String, String)>,
    used: BTreeSet<String>,
}

impl Policies {
    pub(super) fn leaf(&mut self, leaf: &PolicyLeaf) {
        self.leaves.insert((leaf.event.clone(), leaf.version.clone(), leaf.record_hash.clone()));
    }

    pub(super) fn record(&mut self, record: &Record, checks: &mut Checks) {
        let (version, event, ts) = (record.str("version").to_owned(), record.str("event"), record.int("ts"));
        let place = format!("policy {version} {event} lsn {}", record.int("lsn"));
        let key = (event.to_owned(), version.clone(), record.str("record_hash").to_owned());
        if !self.leaves.remove(&key) {
            checks.fail(name::POLICIES, &place, "no leaf in the log stands for it before its segment");
        }
        let from = record.get("effective_from").as_int();
        match event {
            "loaded" => {
                if hex::encode(Sha256::digest(record.str("content").as_bytes())) != version {
                    checks.fail(name::POLICIES, &place, "its text does not have the hash that it is named by");
                }
                self.loaded.entry(version).or_insert(record.int("lsn"));
            }
            "activated" => {
                if !self.loaded.contains_key(&version) {
                    checks.fail(name::POLICIES, &place, "it was activated before its text was in the store");
                }
                if self.active.as_ref() != Some(&version) {
                    if from != Some(ts) {
                        checks.fail(name::POLICIES, &place, "it claims to hold from another time than its activation");
                    }
                    if let Some(active) = &self.active {
                        let what = format!("{active} is still in force");
                        checks.fail(name::POLICIES, &place, what);
                    }
                    self.periods.entry(version.clone()).or_default().push((ts, None));
                    self.active = Some(version);
                }
            }
            "superseded" => {
                if self.active.as_ref() == Some(&version) {
                    self.active = None;
                }
                let period = self.periods.get_mut(&version).and_then(|periods| periods.last_mut());
                match period {
                    Some((since, until @ None)) if from == Some(*since) => *until = Some(ts),
                    _ => checks.fail(name::POLICIES, &place, "it was not in force"),
                }
            }
            other => checks.fail(name::POLICIES, &place, format!("unknown event `{other}`")),
        }
    }

    /// A record names the version that decided.
    pub(super) fn used(
        &mut self,
        version: &str,
        at: i64,
        lsn: i64,
        approval: Option<&str>,
        place: &str,
        checks: &mut Checks,
    ) {
        // A session whose opening was never recorded has no policy; its statements have.
        if version.is_empty() && approval.is_none() {
            return;
        }
        self.used.insert(version.to_owned());
        if self.loaded.get(version).is_none_or(|loaded| *loaded >= lsn) {
            checks.fail(name::POLICIES, place, format!("policy {version} was not in the store before"));
            return;
        }
        let slack = if approval.is_some() { WAIT } else { OVERLAP };
        let held = self.periods.get(version).is_some_and(|periods| {
            periods.iter().any(|(from, until)| *from <= at && until.is_none_or(|until| at <= until + slack))
        });
        if !held {
            checks.fail(name::POLICIES, place, format!("policy {version} was not in force at {}", rfc3339(at)));
        }
    }

    /// The manifest names the policy in force at the segment's end.
    pub(super) fn in_force(&self, segment: &Segment, place: &str, checks: &mut Checks) {
        if segment.policy != self.active {
            checks.fail(name::POLICIES, place, "the policy in force is not the one that its manifest names");
        }
    }

    pub(super) fn finish(self, partial: bool, checks: &mut Checks) {
        for (event, version, _) in self.leaves.iter().filter(|_| !partial) {
            let place = format!("policy {version} {event}");
            checks.fail(name::POLICIES, place, "a leaf stands for a record that is not there");
        }
        checks.note(name::POLICIES, format!("{} versions, {} used", self.loaded.len(), self.used.len()));
    }
}
