//! The door to the audit record: every step is recorded there before it takes effect.

use super::entry::{Entry, Step};
use super::event::State;
use super::grant::Scope;
use super::state::Approval;
use evidence::{AccessEvent, ApprovalEvent, ApprovalStep, Recorder};
use model::{PolicyVersion, SessionId, StatementId};

/// A step on its way to the record.
#[derive(Clone, Copy, Debug)]
pub struct Logged<'a> {
    /// The approval, as it will be once the step has taken effect.
    pub approval: &'a Approval,
    /// The step.
    pub entry: &'a Entry,
    /// The session (UUID) and statement that asked, or that used the grant.
    pub by: (&'a str, u64),
}

/// The record cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit record cannot be written, so nothing was changed: {0}")]
pub struct Unlogged(pub String);

/// Where steps are recorded.
pub trait ApprovalLog: Send + Sync {
    /// Records a step. Only when this succeeds does the step take effect.
    ///
    /// # Errors
    /// When it cannot be recorded: the step then does not happen.
    fn record(&self, step: &Logged<'_>) -> Result<(), Unlogged>;
}

impl ApprovalLog for Recorder {
    fn record(&self, step: &Logged<'_>) -> Result<(), Unlogged> {
        let unlogged = |error: evidence::CannotRecord| Unlogged(error.to_string());
        if let Some(event) = event(step) {
            self.approval(&event).map(drop).map_err(unlogged)?;
        }
        if step.entry.step == Step::Reviewed {
            self.accessed(&review(step)).map(drop).map_err(unlogged)?;
        }
        Ok(())
    }
}

/// The record's form of a step; `None` where it follows from the votes (enough people agreed to one use).
fn event(logged: &Logged<'_>) -> Option<ApprovalEvent> {
    let (approval, entry) = (logged.approval, logged.entry);
    let request = approval.request();
    let granted = match approval.state() {
        State::Granted { scope, until } => Some((scope, until)),
        _ => None,
    };
    let step = match entry.step {
        Step::Requested => ApprovalStep::Requested,
        Step::Approved => ApprovalStep::Approved,
        Step::Granted if granted.is_some_and(|(scope, _)| scope == Scope::Window) => ApprovalStep::Window,
        Step::Granted => return None,
        Step::Opened => ApprovalStep::Emergency,
        Step::Escalated => ApprovalStep::Escalated,
        Step::Used => ApprovalStep::Used,
        Step::Denied => ApprovalStep::Denied,
        Step::Revoked => ApprovalStep::Revoked,
        Step::Cancelled => ApprovalStep::Cancelled,
        Step::Expired => ApprovalStep::Expired,
        Step::Reviewed => ApprovalStep::Reviewed,
    };
    let binding = &request.binding;
    Some(ApprovalEvent {
        approval_id: request.id.to_string(),
        step,
        requester: request.requester.recorded(),
        approver: entry.by.as_ref().filter(|_| entry.step != Step::Requested).map(super::Person::recorded),
        approver_auth: entry.auth.clone(),
        justification: entry.words.clone(),
        ticket: request.ticket.clone(),
        // The same in every step: verification holds them against each other.
        scope: format!(
            "statement {} (SQL SHA-256 {}) on {} by rule {}, {} to agree",
            binding.fingerprint,
            binding.sql_sha256,
            binding.datasource,
            binding.rule,
            request.needed()
        ),
        session: uuid::Uuid::parse_str(logged.by.0).ok().map(|id| SessionId(*id.as_bytes())),
        statement: Some(StatementId(logged.by.1)),
        valid_from: granted.map(|_| entry.at),
        valid_until: granted.map(|(_, until)| until),
        policy: policy(&binding.policy),
    })
}

fn review(logged: &Logged<'_>) -> AccessEvent {
    let request = logged.approval.request();
    AccessEvent {
        actor: logged.entry.by.as_ref().map(super::Person::recorded).unwrap_or_default(),
        action: "reviewed".to_owned(),
        scope: format!("emergency access {} of {}", request.id, request.requester.recorded()),
        finding: logged.entry.words.clone(),
        package_hash: None,
    }
}

/// The version that [`super::Binding::policy`] writes in hex.
fn policy(hex: &str) -> PolicyVersion {
    let mut version = [0_u8; 32];
    for (byte, digits) in version.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    PolicyVersion(version)
}
