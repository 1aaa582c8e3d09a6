//! Approvals: each goes through its states in order, and a statement that needed one had it: decided by someone else,
//! for this session, in time, once.

use super::records::StatementFact;
use super::report::{Checks, name};
use crate::table::Record;
use model::SessionId;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Approval {
    requester: String,
    scope: String,
    session: String,
    approvers: BTreeSet<String>,
    /// Denied, revoked or expired.
    ended: Option<String>,
    until: Option<i64>,
    from: Option<i64>,
    /// Session and statement that used it.
    used: Option<(String, i64)>,
    /// The statement that ran under it.
    ran: Option<(String, i64)>,
}

/// The state of the walk.
#[derive(Default)]
pub(super) struct Approvals {
    all: BTreeMap<String, Approval>,
    leaves: BTreeSet<(String, String, String)>,
    used: u64,
}

impl Approvals {
    pub(super) fn leaf(&mut self, json: &Json) {
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        if let (Some(event), Some(id), Some(hash)) = (text("event"), text("approval_id"), text("record_hash")) {
            self.leaves.insert((event, id, hash));
        }
    }

    pub(super) fn record(&mut self, record: &Record, checks: &mut Checks) {
        let (id, event, ts) = (record.str("approval_id").to_owned(), record.str("event"), record.int("ts"));
        let place = format!("approval {id} {event} lsn {}", record.int("lsn"));
        if !self.leaves.remove(&(event.to_owned(), id.clone(), record.str("record_hash").to_owned())) {
            checks.fail(name::APPROVAL_STATES, &place, "no leaf in the log stands for it before its segment");
        }
        if event == "requested" {
            let approval = Approval {
                requester: record.str("requester").to_owned(),
                scope: record.str("scope").to_owned(),
                session: record.str("session_id").to_owned(),
                ..Approval::default()
            };
            if self.all.insert(id, approval).is_some() {
                checks.fail(name::APPROVAL_STATES, &place, "it was requested before");
            }
            return;
        }
        let Some(approval) = self.all.get_mut(&id) else {
            checks.fail(name::APPROVAL_STATES, &place, "it was never requested");
            return;
        };
        let mut wrong = |what: &str| checks.fail(name::APPROVAL_STATES, &place, what);
        if record.str("requester") != approval.requester || record.str("scope") != approval.scope {
            wrong("its requester or scope is not that of the request");
        }
        if let Some(ended) = &approval.ended {
            wrong(&format!("it was {ended} before"));
        }
        match event {
            "approved" => {
                let approver = record.str("approver").to_owned();
                if approver.is_empty() {
                    wrong("nobody is named who approved");
                }
                if approver == approval.requester {
                    wrong("the requester approved it");
                }
                if record.str("justification").trim().is_empty() {
                    wrong("no justification is given");
                }
                if !approval.approvers.insert(approver) {
                    wrong("one person approved twice");
                }
                approval.from = record.get("valid_from").as_int().or(approval.from);
                approval.until = record.get("valid_until").as_int().or(approval.until);
            }
            "used" => {
                if approval.approvers.is_empty() {
                    wrong("it was used before anyone approved");
                }
                if approval.used.is_some() {
                    wrong("it was used before");
                }
                if approval.until.is_some_and(|until| ts > until) || approval.from.is_some_and(|from| ts < from) {
                    wrong("it was used outside of the time for which it holds");
                }
                let session = record.str("session_id").to_owned();
                if !approval.session.is_empty() && session != approval.session {
                    wrong("it was used by another session than the one that asked");
                }
                approval.used = Some((session, record.int("statement_id")));
            }
            "denied" | "revoked" | "expired" => approval.ended = Some(event.to_owned()),
            other => wrong(&format!("unknown event `{other}`")),
        }
    }

    /// A statement that says it was approved.
    pub(super) fn used(&mut self, session: [u8; 16], fact: &StatementFact, place: &str, checks: &mut Checks) {
        let mut wrong = |what: String| checks.fail(name::APPROVALS, place, what);
        let Some(id) = &fact.approval else {
            if fact.decision == "approved" {
                wrong("it was approved, but no approval is named".to_owned());
            }
            return;
        };
        if fact.sent.is_none() || fact.phase == "prepare" {
            return;
        }
        self.used += 1;
        let Some(approval) = self.all.get_mut(id) else {
            wrong(format!("approval {id} is not in the store"));
            return;
        };
        let me = (SessionId(session).to_string(), fact.id);
        match &approval.used {
            None => wrong(format!("approval {id} was never used by anyone")),
            Some(used) if *used != me => wrong(format!("approval {id} was used by another statement")),
            Some(_) => {}
        }
        if approval.ran.replace(me).is_some() {
            wrong(format!("approval {id} let an earlier statement through already"));
        }
    }

    pub(super) fn finish(self, partial: bool, checks: &mut Checks) {
        for (event, id, _) in self.leaves.iter().filter(|_| !partial) {
            let place = format!("approval {id} {event}");
            checks.fail(name::APPROVAL_STATES, place, "a leaf stands for a record that is not there");
        }
        checks.note(name::APPROVAL_STATES, format!("{} approvals", self.all.len()));
        checks.note(name::APPROVALS, format!("{} statements ran under one", self.used));
    }
}
