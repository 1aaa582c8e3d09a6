//! A line of an approval's history: what people read in the console, and what the record gets.

use super::request::Person;
use model::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It was asked for.
    Requested,
    /// One person agreed.
    Approved,
    /// Enough people agreed.
    Granted,
    /// An emergency rule opened it at once.
    Opened,
    /// Nobody had decided; more people may now.
    Escalated,
    /// A statement ran under it.
    Used,
    /// Someone refused.
    Denied,
    /// Someone took the grant back.
    Revoked,
    /// Its time ran out.
    Expired,
    /// The client went away, or the requester withdrew it.
    Cancelled,
    /// Someone reviewed an emergency access.
    Reviewed,
}

impl Step {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Granted => "granted",
            Self::Opened => "opened in an emergency",
            Self::Escalated => "escalated",
            Self::Used => "used",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Reviewed => "reviewed",
        }
    }
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    #[serde(with = "super::micros")]
    pub at: Timestamp,
    /// What.
    pub step: Step,
    /// Who did it; `None` is the proxy itself.
    pub by: Option<Person>,
    /// How they proved who they are.
    pub auth: Option<String>,
    /// The justification, or why.
    pub words: Option<String>,
}
