//! What belongs to no session: starts of the writer, policies, approvals, readings of the record.

use crate::event::{AccessEvent, ApprovalEvent, PolicyEvent, PolicyOrigin};
use crate::journal::codec::{Put, Take, Undecodable};
use model::PolicyVersion;

/// A process began to write. Its id is in the head of every leaf that it makes.
pub(crate) struct Boot;

pub(crate) fn boot(boot: [u8; 16], out: &mut Vec<u8>) {
    out.extend_from_slice(&boot);
}

impl Boot {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        take.array::<16>().map(|_| Self)
    }
}

/// A policy version was loaded or activated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    pub(crate) version: PolicyVersion,
    pub(crate) activated: bool,
    pub(crate) content: String,
    pub(crate) parent: Option<PolicyVersion>,
    pub(crate) author: Option<String>,
    pub(crate) change_reason: Option<String>,
    pub(crate) git_commit: Option<String>,
}

pub(crate) fn policy(
    event: PolicyEvent,
    version: PolicyVersion,
    content: &str,
    origin: &PolicyOrigin,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&version.0);
    out.u8(u8::from(event == PolicyEvent::Activated));
    out.str(content);
    out.opt_bytes(origin.parent.as_ref().map(|parent| parent.0.as_slice()));
    out.opt_str(origin.author.as_deref());
    out.opt_str(origin.change_reason.as_deref());
    out.opt_str(origin.git_commit.as_deref());
}

impl Policy {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            version: PolicyVersion(take.array()?),
            activated: take.bool()?,
            content: take.string()?,
            parent: take.opt(|take| {
                let bytes = take.bytes()?;
                bytes.try_into().map(PolicyVersion).map_err(|_| Undecodable("a policy version is not 32 bytes"))
            })?,
            author: take.opt_string()?,
            change_reason: take.opt_string()?,
            git_commit: take.opt_string()?,
        })
    }
}

/// A step of an approval.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Approval {
    pub(crate) approval_id: String,
    pub(crate) step: String,
    pub(crate) requester: String,
    pub(crate) approver: Option<String>,
    pub(crate) approver_auth: Option<String>,
    pub(crate) justification: Option<String>,
    pub(crate) ticket: Option<String>,
    pub(crate) scope: String,
    pub(crate) session: Option<[u8; 16]>,
    pub(crate) statement: Option<u64>,
    pub(crate) valid_from: Option<i64>,
    pub(crate) valid_until: Option<i64>,
    pub(crate) policy: PolicyVersion,
}

pub(crate) fn approval(event: &ApprovalEvent, out: &mut Vec<u8>) {
    out.str(&event.approval_id);
    out.str(event.step.as_str());
    out.str(&event.requester);
    out.opt_str(event.approver.as_deref());
    out.opt_str(event.approver_auth.as_deref());
    out.opt_str(event.justification.as_deref());
    out.opt_str(event.ticket.as_deref());
    out.str(&event.scope);
    out.u8(u8::from(event.session.is_some()));
    if let Some(session) = event.session {
        out.extend_from_slice(&session.0);
    }
    out.opt_u64(event.statement.map(|statement| statement.0));
    out.opt_u64(event.valid_from.map(|at| at.0.cast_unsigned()));
    out.opt_u64(event.valid_until.map(|at| at.0.cast_unsigned()));
    out.extend_from_slice(&event.policy.0);
}

impl Approval {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            approval_id: take.string()?,
            step: take.string()?,
            requester: take.string()?,
            approver: take.opt_string()?,
            approver_auth: take.opt_string()?,
            justification: take.opt_string()?,
            ticket: take.opt_string()?,
            scope: take.string()?,
            session: take.opt(Take::array)?,
            statement: take.opt(Take::u64)?,
            valid_from: take.opt(Take::i64)?,
            valid_until: take.opt(Take::i64)?,
            policy: PolicyVersion(take.array()?),
        })
    }
}

/// Someone read, reviewed or exported the record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) scope: String,
    pub(crate) finding: Option<String>,
    pub(crate) package_hash: Option<String>,
}

pub(crate) fn access(event: &AccessEvent, out: &mut Vec<u8>) {
    out.str(&event.actor);
    out.str(&event.action);
    out.str(&event.scope);
    out.opt_str(event.finding.as_deref());
    out.opt_str(event.package_hash.as_deref());
}

impl Access {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            actor: take.string()?,
            action: take.string()?,
            scope: take.string()?,
            finding: take.opt_string()?,
            package_hash: take.opt_string()?,
        })
    }
}
