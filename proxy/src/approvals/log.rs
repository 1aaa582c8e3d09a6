//! The door to the audit record: every step is recorded there before it takes effect.

use super::entry::Entry;
use super::state::Approval;

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
