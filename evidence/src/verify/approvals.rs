//! Approvals: each goes through its states in order, and a statement that needed one had it: decided by someone else,
//! for this identity, in time, and once unless a window was opened.

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
    /// An emergency rule opened it.
    emergency: bool,
    /// Its review, when it is an emergency's.
    reviewed: bool,
    /// Every statement of the shape may run under it.
    window: bool,
    /// Denied, revoked, cancelled or expired.
    ended: Option<String>,
    until: Option<i64>,
    from: Option<i64>,
    /// Sessions and statements that used it.
    used: BTreeSet<(String, i64)>,
    /// Statements that ran under it.
    ran: BTreeSet<(String, i64)>,
}

/// The state of the walk.
#[derive(Default)]
pub(super) struct Approvals {
    all: BTreeMap<String, Approval>,
    leaves: BTreeSet<(String, String, String)>,
    /// Sessions that used what another session had asked for, and whose identity is still to be seen.
    strangers: BTreeMap<String, Vec<(String, String)>>,
    used: u64,
}

impl Approvals {
    pub(super) fn leaf(&mut self, json: &Json) {
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        if let (Some(event), Some(id), Some(hash)) = (text("event"), text("approval_id"), text("record_hash")) {
            self.leaves.insert((event, id, hash));
        }
    }

    /// `owner` is whose session a session is, `issuer|subject`, while it is open.
    pub(super) fn record(&mut self, record: &Record, owner: impl Fn(&str) -> Option<String>, checks: &mut Checks) {
        let (id, event) = (record.str("approval_id").to_owned(), record.str("event"));
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
        for what in approval.step(record, event) {
            checks.fail(name::APPROVAL_STATES, &place, what);
        }
        let session = record.str("session_id");
        if event == "used" && !approval.session.is_empty() && session != approval.session {
            match owner(session) {
                Some(owner) if owner == approval.requester => {}
                Some(_) => checks.fail(name::APPROVAL_STATES, &place, ANOTHER),
                None => {
                    let whose = (approval.requester.clone(), place);
                    self.strangers.entry(session.to_owned()).or_default().push(whose);
                }
            }
        }
    }

    /// A session that opens: those that used a grant before their opening was seen are held against it.
    pub(super) fn opened(&mut self, session: [u8; 16], owner: &str, checks: &mut Checks) {
        if self.strangers.is_empty() {
            return;
        }
        for (requester, place) in self.strangers.remove(&SessionId(session).to_string()).into_iter().flatten() {
            if requester != owner {
                checks.fail(name::APPROVAL_STATES, place, ANOTHER);
            }
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
        if approval.used.is_empty() {
            wrong(format!("approval {id} was never used by anyone"));
        } else if !approval.used.contains(&me) {
            wrong(format!("approval {id} was used by another statement"));
        }
        if !approval.ran.insert(me) || (approval.ran.len() > 1 && !approval.window) {
            wrong(format!("approval {id} let an earlier statement through already"));
        }
    }

    pub(super) fn finish(self, partial: bool, all_sessions: bool, checks: &mut Checks) {
        for (event, id, _) in self.leaves.iter().filter(|_| !partial) {
            let place = format!("approval {id} {event}");
            checks.fail(name::APPROVAL_STATES, place, "a leaf stands for a record that is not there");
        }
        for (_, place) in self.strangers.values().flatten().filter(|_| all_sessions) {
            checks.fail(name::APPROVAL_STATES, place, ANOTHER);
        }
        let mut note = format!("{} approvals", self.all.len());
        let emergencies: Vec<_> = self.all.values().filter(|approval| approval.emergency).collect();
        if !emergencies.is_empty() {
            let owed = emergencies.iter().filter(|approval| !approval.reviewed).count();
            note.push_str(&format!(", {} of them emergencies, {owed} not reviewed yet", emergencies.len()));
        }
        checks.note(name::APPROVAL_STATES, note);
        checks.note(name::APPROVALS, format!("{} statements ran under one", self.used));
    }
}

const ANOTHER: &str = "it was used by a session of another identity than the one that asked";

impl Approval {
    /// Takes a step; what is wrong with it.
    fn step(&mut self, record: &Record, event: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut hold = |right: bool, what: &str| {
            if !right {
                wrong.push(what.to_owned());
            }
        };
        let ts = record.int("ts");
        let approver = record.str("approver").to_owned();
        let reasoned = !record.str("justification").trim().is_empty();
        hold(
            record.str("requester") == self.requester && record.str("scope") == self.scope,
            "its requester or scope is not that of the request",
        );
        if let Some(ended) = self.ended.as_deref().filter(|_| event != "reviewed") {
            hold(false, &format!("it was {ended} before"));
        }
        if matches!(event, "approved" | "denied" | "revoked" | "reviewed") {
            hold(!approver.is_empty(), "nobody is named who decided");
            hold(approver != self.requester, "the requester decided it");
            hold(reasoned, "no justification is given");
        }
        match event {
            "approved" => hold(self.approvers.insert(approver), "one person approved twice"),
            "emergency" => {
                hold(self.approvers.is_empty() && !self.emergency, "it was opened before");
                hold(approver.is_empty(), "an emergency names someone who agreed");
                self.emergency = true;
            }
            "window" => {
                hold(!self.approvers.is_empty() && self.used.is_empty(), "nobody had agreed to a window");
                self.window = true;
            }
            "used" => {
                hold(!self.approvers.is_empty() || self.emergency, "it was used before anyone approved");
                hold(self.used.is_empty() || self.window, "it was used before");
                let in_time = self.until.is_none_or(|until| ts <= until) && self.from.is_none_or(|from| ts >= from);
                hold(in_time, "it was used outside of the time for which it holds");
                let by = (record.str("session_id").to_owned(), record.int("statement_id"));
                hold(self.used.insert(by), "one statement used it twice");
            }
            "reviewed" => {
                hold(self.emergency && !self.reviewed, "it owes no review");
                self.reviewed = true;
            }
            "denied" | "revoked" | "cancelled" | "expired" => self.ended = Some(event.to_owned()),
            "escalated" => {}
            other => hold(false, &format!("unknown event `{other}`")),
        }
        if matches!(event, "approved" | "emergency" | "window") {
            self.from = record.get("valid_from").as_int().or(self.from);
            self.until = record.get("valid_until").as_int().or(self.until);
        }
        wrong
    }
}
