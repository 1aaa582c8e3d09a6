//! What may happen to an approval, where it may stand, and what speaks against an event.

use super::grant::Scope;
use super::request::{Approver, Binding, Person};
use model::Timestamp;
use serde::{Deserialize, Serialize};

/// Fewest letters and digits of a justification.
pub(crate) const FEWEST_WORDS: usize = 3;
/// Most bytes of a justification.
pub(crate) const MOST_WORDS: usize = 4096;

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// People are asked.
    Pending,
    /// Enough people agreed.
    Granted {
        /// How often it may be used.
        scope: Scope,
        /// Until when.
        #[serde(with = "super::micros")]
        until: Timestamp,
    },
    /// The one use happened.
    Used,
    /// Someone refused.
    Denied,
    /// Time ran out, before or after the grant.
    Expired,
    /// The client went away, or the requester withdrew it.
    Cancelled,
    /// Someone took the grant back.
    Revoked,
}

impl State {
    /// The word for people and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Granted { .. } => "granted",
            Self::Used => "used",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Revoked => "revoked",
        }
    }

    /// Whether nothing leads out of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Granted { .. })
    }
}

/// One person's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whose.
    pub person: Person,
    /// How they proved who they are.
    pub auth: String,
    /// Why.
    pub justification: String,
    /// Whether they would open a window.
    pub window: bool,
    /// When.
    #[serde(with = "super::micros")]
    pub at: Timestamp,
}

/// The review that an emergency owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Review {
    /// Nobody has looked yet.
    Due,
    /// Someone has.
    Done {
        /// Who.
        by: Person,
        /// What they found.
        finding: String,
        /// When.
        #[serde(with = "super::micros")]
        at: Timestamp,
    },
}

/// What may happen to an approval.
#[derive(Clone, Debug)]
pub enum Event {
    /// Someone agrees. `window` asks for a window instead of one use.
    Approve {
        /// Who.
        approver: Approver,
        /// Why. Mandatory.
        justification: String,
        /// A window for the fingerprint instead of one use.
        window: bool,
    },
    /// Someone refuses.
    Deny {
        /// Who.
        approver: Approver,
        /// Why. Mandatory.
        justification: String,
    },
    /// Someone takes the grant back.
    Revoke {
        /// Who.
        approver: Approver,
        /// Why. Mandatory.
        justification: String,
    },
    /// The requester takes the request, or the unused grant, back.
    Withdraw {
        /// Who.
        person: Person,
    },
    /// The connection that waits is gone.
    Cancel {
        /// In what way.
        why: String,
    },
    /// A statement wants to run under it.
    Use {
        /// What the statement is.
        binding: Box<Binding>,
        /// The session that runs it (UUID).
        session: String,
        /// The statement's number within that session.
        statement: u64,
    },
    /// Someone reviewed an emergency.
    Review {
        /// Who.
        approver: Approver,
        /// What they found. Mandatory.
        finding: String,
    },
    /// Time passes.
    Tick,
}

/// Why an event cannot happen. Written for the person who tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// It is decided already, or over.
    #[error("this request is {0} already, so nothing can be decided about it any more")]
    NotPending(&'static str),
    /// The requester tried to decide.
    #[error("this is your own statement: someone else has to decide, whatever your role is")]
    OwnStatement,
    /// Not a member of the rule's groups.
    #[error("the rule \"{rule}\" lets only members of {} decide, and your token names none of these groups", list(.groups))]
    NotAnApprover {
        /// The rule.
        rule: String,
        /// Its groups.
        groups: Vec<String>,
    },
    /// The second vote of one person.
    #[error("you have agreed already; this rule needs another person")]
    AlreadyAgreed,
    /// The token behind the decision has expired.
    #[error("your login has expired; log in again and decide then")]
    LoginExpired,
    /// No justification.
    #[error("a justification is needed: say in a few words why (at least {FEWEST_WORDS} letters)")]
    NoJustification,
    /// Too long.
    #[error("the justification is longer than {MOST_WORDS} bytes; put the details into the ticket")]
    LongJustification,
    /// The rule has no windows.
    #[error("the rule \"{0}\" allows one use only; approve without a window")]
    NoWindow(String),
    /// Nothing to use or revoke.
    #[error("there is no grant: this request is {0}")]
    NotGranted(&'static str),
    /// Another statement, identity, datasource or policy.
    #[error("the grant is for something else: {0} differs")]
    NotThisStatement(&'static str),
    /// Someone else tried to withdraw it.
    #[error("only the requester can withdraw a request; approvers deny it")]
    NotTheRequester,
    /// No emergency, or reviewed already.
    #[error("there is nothing to review here")]
    NothingToReview,
}

pub(super) fn list(groups: &[String]) -> String {
    if groups.is_empty() { "no group at all".to_owned() } else { groups.join(", ") }
}
