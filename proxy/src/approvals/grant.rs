//! The proof that people agreed. Only this module's parent can make one, and only out of a granted approval.

use super::request::ApprovalId;
use serde::{Deserialize, Serialize};

/// How often a grant may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Once, for the exact statement.
    Once,
    /// Until it expires, for every statement of the same fingerprint.
    Window,
}

/// People agreed to one run of one statement. It cannot be copied: what takes it has used it.
#[derive(Debug)]
#[must_use = "a grant that is dropped is used up without the statement having run"]
pub struct Grant {
    approval: ApprovalId,
}

impl Grant {
    pub(super) fn of(approval: ApprovalId) -> Self {
        Self { approval }
    }

    /// The approval that it came from: the statement's record names it.
    #[must_use]
    pub fn approval(&self) -> &ApprovalId {
        &self.approval
    }
}
