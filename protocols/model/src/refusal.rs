//! A refusal: what a person reads when Affidavit says no. Adapters turn it into their engine's error message.

use std::fmt;

/// Why something was refused; adapters map it to SQLSTATE and error numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The token is missing, malformed, expired, not yet valid, or not ours. PostgreSQL 28000 / MySQL 1045.
    NotAuthenticated,
    /// The identity is proven but may not use this datasource. 42501 / 1044.
    NotAllowed,
    /// A policy rule denies the statement. 42501 / 1142.
    Denied,
    /// The statement needs approval (`on_hold = "reject"`), or approval was denied or timed out. 42501 / 1142.
    NeedsApproval,
    /// Affidavit does not support this yet, so it does not pass. 0A000 / 1235.
    NotSupported,
    /// The statement could not be understood, and protected data may be involved. 42601 / 1064.
    NotUnderstood,
    /// The peer broke the protocol. 08P01 / 1047.
    ProtocolViolation,
    /// The record cannot be written, so nothing may pass. 53100 / 1021.
    CannotRecord,
    /// The upstream database cannot be reached or refuses our login. 08006 / 1429.
    UpstreamUnavailable,
    /// The identity provider cannot be asked. 08006 / 1045.
    IssuerUnavailable,
    /// The session's token or grant ended. 57P01 / 1053.
    SessionExpired,
    /// An operator or the proxy's shutdown ended the session. 57P01 / 1053.
    ShuttingDown,
    /// The proxy takes no new sessions at the moment: it is stopping. 57P03 / 1053.
    NotNow,
    /// Too many connections, too large a message. 53300 / 1040.
    LimitReached,
    /// Something that should not happen. XX000 / 1105.
    Internal,
}

/// A refusal with its texts. Both are written for the client's user and never contain row data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub kind: RefusalKind,
    /// What was refused, one sentence, no trailing period.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
}

impl Refusal {
    /// A refusal without a hint or rule.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, rule: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the rule that decided.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
