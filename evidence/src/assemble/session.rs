//! Sessions, policies, approvals and accesses.

use super::state::Owner;
use super::{Assembler, At, LeafNote, Sink};
use crate::error::StoreError;
use crate::record::{Access, Approval, Closed, Denied, Opened, Policy, Who};
use crate::table::{Table, Value};
use model::SessionId;

/// The sessions table's own columns. Fields that an event has no value for stay NULL.
#[derive(Default)]
struct SessionRow {
    event: &'static str,
    who: Who,
    token_expires: Option<i64>,
    policy: Option<String>,
    close_reason: Option<String>,
    totals: Option<([u8; 32], u64, u64, u64)>,
}

impl SessionRow {
    fn values(self, id: SessionId) -> Vec<Value> {
        let who = self.who;
        let known = self.event != "close";
        let text = |text: String| if known { Value::Str(text) } else { Value::Null };
        vec![
            Value::Str(id.to_string()),
            Value::from(self.event),
            who.user_id.into(),
            who.user_email.into(),
            who.issuer.into(),
            if known { Value::strs(who.groups) } else { Value::Null },
            who.auth_method.into(),
            text(who.client_addr),
            text(who.client_app),
            text(who.protocol),
            who.server.into(),
            who.database.into(),
            who.db_user.into(),
            who.tls_version.into(),
            who.reason.into(),
            who.ticket.into(),
            Value::time(self.token_expires),
            self.policy.into(),
            self.close_reason.into(),
            self.totals.map(|totals| hex::encode(totals.0)).into(),
            self.totals.map_or(Value::Null, |totals| totals.1.into()),
            self.totals.map_or(Value::Null, |totals| totals.2.into()),
            self.totals.map_or(Value::Null, |totals| totals.3.into()),
            text(who.claimed_user),
            who.server_version.into(),
            who.token_id.into(),
        ]
    }
}

/// Issuer and subject of `issuer|subject`; somebody of no issuer (`os:ann`) is a subject alone.
fn split(person: Option<&str>) -> (Option<String>, Option<String>) {
    match person.map(|person| (person, person.split_once('|'))) {
        None => (None, None),
        Some((_, Some((issuer, subject)))) => (Some(issuer.to_owned()), Some(subject.to_owned())),
        Some((subject, None)) => (None, Some(subject.to_owned())),
    }
}

impl Assembler {
    pub(super) fn opened(&mut self, at: At, opened: Opened, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let (id, who) = (opened.session, opened.who.clone());
        let owner = Owner {
            user_id: who.user_id.clone(),
            user_email: who.user_email.clone(),
            issuer: who.issuer.clone(),
            datasource: who.server.clone(),
        };
        let row = SessionRow {
            event: "open",
            who,
            token_expires: Some(opened.token_expires),
            policy: Some(opened.policy.to_string()),
            ..SessionRow::default()
        };
        self.session_record(Table::Sessions, at, id, row.values(id), sink)?;
        self.state.sessions.entry(id.0).or_default().owner = owner;
        Ok(())
    }

    /// A statement of a session that was never opened: a defect of the caller, which must not lose the statement.
    pub(super) fn opened_implicitly(&mut self, at: At, id: SessionId, sink: &mut dyn Sink) -> Result<(), StoreError> {
        tracing::error!(session = %id, "a statement was recorded for a session whose opening was not");
        let who = Who { reason: Some("no opening was recorded".to_owned()), ..Who::default() };
        let row = SessionRow { event: "open", who, ..SessionRow::default() };
        self.session_record(Table::Sessions, at, id, row.values(id), sink)
    }

    pub(super) fn denied(&mut self, at: At, denied: Denied, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let row = SessionRow {
            event: "denied",
            who: denied.who,
            close_reason: Some(denied.refusal),
            ..SessionRow::default()
        };
        self.session_record(Table::Sessions, at, denied.session, row.values(denied.session), sink)?;
        self.state.sessions.remove(&denied.session.0);
        Ok(())
    }

    pub(super) fn closed(&mut self, at: At, closed: &Closed, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let id = closed.session;
        let Some(session) = self.state.sessions.get(&id.0) else {
            tracing::warn!(session = %id, "a session that is not open was closed");
            return Ok(());
        };
        let running: Vec<u64> = session.running.keys().copied().collect();
        for statement in running {
            self.interrupted(at, id, statement, sink)?;
        }
        let Some(session) = self.state.sessions.get(&id.0) else { return Ok(()) };
        let row = SessionRow {
            event: "close",
            close_reason: Some(closed.reason.clone()),
            totals: Some((session.head, session.statements, session.rows, session.bytes)),
            ..SessionRow::default()
        };
        self.session_record(Table::Sessions, at, id, row.values(id), sink)?;
        self.state.sessions.remove(&id.0);
        Ok(())
    }

    pub(super) fn policy(&mut self, at: At, policy: Policy, sink: &mut dyn Sink) -> Result<(), StoreError> {
        if policy.activated {
            if let Some((before, since)) = self.state.policy
                && before != policy.version.0
            {
                let version = hex::encode(before);
                self.policy_record(at, &version, "superseded", None, &Policy { ..policy.clone() }, Some(since), sink)?;
            }
            if self.state.policy.is_none_or(|(before, _)| before != policy.version.0) {
                self.state.policy = Some((policy.version.0, at.ts));
            }
            let since = self.state.policy.map(|(_, since)| since);
            let version = policy.version.to_string();
            return self.policy_record(at, &version, "activated", None, &policy, since, sink);
        }
        let version = policy.version.to_string();
        self.policy_record(at, &version, "loaded", Some(policy.content.clone()), &policy, None, sink)
    }

    #[allow(clippy::too_many_arguments)]
    fn policy_record(
        &mut self,
        at: At,
        version: &str,
        event: &str,
        content: Option<String>,
        policy: &Policy,
        since: Option<i64>,
        sink: &mut dyn Sink,
    ) -> Result<(), StoreError> {
        let superseded = event == "superseded";
        let own = vec![
            Value::from(version),
            Value::from(event),
            content.into(),
            policy.parent.filter(|_| !superseded).map(|parent| parent.to_string()).into(),
            policy.author.clone().into(),
            policy.change_reason.clone().into(),
            policy.git_commit.clone().into(),
            Value::time(since),
            Value::time(superseded.then_some(at.ts)),
        ];
        let hash = self.table_record(Table::PolicyVersions, at, own, sink)?;
        self.notes.push(LeafNote::Policy {
            event: event.to_owned(),
            version: version.to_owned(),
            record_hash: hex::encode(hash),
        });
        Ok(())
    }

    pub(super) fn approval(&mut self, at: At, approval: Approval, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let (requester, approver) = (split(Some(&approval.requester)), split(approval.approver.as_deref()));
        let own = vec![
            Value::from(approval.approval_id.as_str()),
            Value::from(approval.step.as_str()),
            Value::Str(approval.requester),
            approval.approver.into(),
            approval.approver_auth.into(),
            approval.justification.into(),
            approval.ticket.into(),
            Value::Str(approval.scope),
            approval.session.map(|id| SessionId(id).to_string()).into(),
            approval.statement.map_or(Value::Null, Value::from),
            Value::time(approval.valid_from),
            Value::time(approval.valid_until),
            Value::Str(approval.policy.to_string()),
            requester.0.into(),
            requester.1.into(),
            approver.0.into(),
            approver.1.into(),
        ];
        let hash = self.table_record(Table::Approvals, at, own, sink)?;
        self.notes.push(LeafNote::Approval {
            event: approval.step,
            approval_id: approval.approval_id,
            record_hash: hex::encode(hash),
        });
        Ok(())
    }

    pub(super) fn access(&mut self, at: At, access: Access, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let table = if access.action == "reviewed" { Table::Reviews } else { Table::AuditAccesses };
        let actor = access.actor.clone();
        let own = vec![
            Value::Str(access.actor),
            Value::Str(access.action),
            Value::Str(access.scope),
            access.finding.into(),
            access.package_hash.into(),
        ];
        let hash = self.table_record(table, at, own, sink)?;
        if table == Table::Reviews {
            self.notes.push(LeafNote::Review { actor, record_hash: hex::encode(hash) });
        }
        Ok(())
    }
}
