//! An approval as the API and the pages show it. Times are RFC 3339 in UTC.

use super::access::Visitor;
use crate::approvals::{Approval, ApprovalId, Picture, Review, Scope, State};
use model::Timestamp;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since the epoch as RFC 3339, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1_000_000))
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{} µs", at.0))
}

/// A person.
#[derive(Debug, Serialize)]
pub(crate) struct PersonView {
    issuer: String,
    subject: String,
    name: Option<String>,
    display: String,
}

impl From<&crate::approvals::Person> for PersonView {
    fn from(person: &crate::approvals::Person) -> Self {
        Self {
            issuer: person.issuer.clone(),
            subject: person.subject.clone(),
            name: person.name.clone(),
            display: person.display().to_owned(),
        }
    }
}

#[derive(Debug, Serialize)]
struct EntryView {
    at: String,
    step: &'static str,
    by: Option<PersonView>,
    auth: Option<String>,
    words: Option<String>,
}

#[derive(Debug, Serialize)]
struct GrantView {
    scope: Scope,
    until: String,
}

/// A request and what has become of it.
#[derive(Debug, Serialize)]
pub(crate) struct ApprovalView {
    id: ApprovalId,
    state: &'static str,
    link: Option<String>,
    requester: PersonView,
    requester_groups: Vec<String>,
    reason: Option<String>,
    ticket: Option<String>,
    datasource: String,
    sql: String,
    params: Vec<Option<String>>,
    sql_sha256: String,
    fingerprint: String,
    picture: Picture,
    rule: String,
    policy: String,
    approvers: Vec<String>,
    needed: usize,
    agreed: Vec<PersonView>,
    window_allowed: bool,
    valid_for_seconds: u64,
    emergency: bool,
    review: Option<&'static str>,
    client_app: String,
    client_addr: String,
    session: String,
    statement: u64,
    held: bool,
    created: String,
    expires: String,
    seconds_left: i64,
    grant: Option<GrantView>,
    uses: u64,
    history: Vec<EntryView>,
    /// Whether the visitor could decide now.
    you_may_decide: bool,
    /// Why not.
    you_may_not_because: Option<String>,
    yours: bool,
    you_may_review: bool,
    you_may_revoke: bool,
}

impl ApprovalView {
    pub(crate) fn of(approval: &Approval, visitor: &Visitor, link: Option<String>, now: Timestamp) -> Self {
        let request = approval.request();
        let may = approval.may_decide(&visitor.approver(), now);
        let in_group = approval.deciders().iter().any(|group| visitor.identity.groups.contains(group));
        let yours = request.requester == visitor.person();
        let granted = approval.state_at(now) == "granted";
        Self {
            id: request.id.clone(),
            state: approval.state_at(now),
            link,
            requester: (&request.requester).into(),
            requester_groups: request.requester_groups.clone(),
            reason: request.reason.clone(),
            ticket: request.ticket.clone(),
            datasource: request.binding.datasource.clone(),
            sql: request.sql.clone(),
            params: request.params.clone(),
            sql_sha256: request.binding.sql_sha256.clone(),
            fingerprint: request.binding.fingerprint.clone(),
            picture: request.picture.clone(),
            rule: request.binding.rule.clone(),
            policy: request.binding.policy.clone(),
            approvers: approval.deciders(),
            needed: request.needed(),
            agreed: approval.votes().iter().map(|vote| (&vote.person).into()).collect(),
            window_allowed: request.terms.window,
            valid_for_seconds: request.terms.valid_for_seconds,
            emergency: request.terms.break_glass,
            review: approval.review().map(|review| match review {
                Review::Due => "due",
                Review::Done { .. } => "done",
            }),
            client_app: request.client_app.clone(),
            client_addr: request.client_addr.clone(),
            session: request.session.clone(),
            statement: request.statement,
            held: request.held,
            created: time(request.created),
            expires: time(request.expires),
            seconds_left: request.expires.0.saturating_sub(now.0).max(0) / 1_000_000,
            grant: match approval.state() {
                State::Granted { scope, until } => Some(GrantView { scope, until: time(until) }),
                _ => None,
            },
            uses: approval.uses(),
            history: approval
                .history()
                .iter()
                .map(|entry| EntryView {
                    at: time(entry.at),
                    step: entry.step.as_str(),
                    by: entry.by.as_ref().map(Into::into),
                    auth: entry.auth.clone(),
                    words: entry.words.clone(),
                })
                .collect(),
            you_may_decide: may.is_ok(),
            you_may_not_because: may.err().map(|objection| objection.to_string()),
            yours,
            you_may_review: approval.review() == Some(&Review::Due) && in_group && !yours,
            you_may_revoke: granted && in_group && !yours,
        }
    }
}
