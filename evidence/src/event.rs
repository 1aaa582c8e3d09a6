//! What the proxy tells the recorder, beside what [`model`] already has a type for.

use model::{AuthMethod, SessionId};

/// Number of a frame in the journal, from 1, without gaps over the life of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// A login that was refused.
#[derive(Clone, Debug)]
pub struct LoginDenied {
    /// A fresh session id: the denial is found by it like a session. See [`crate::new_session_id`].
    pub session: SessionId,
    /// The user name that the client claimed.
    pub claimed_user: String,
    /// Issuer and subject as far as the token could be read. Not proven unless `method` is set.
    pub issuer: Option<String>,
    /// See `issuer`.
    pub subject: Option<String>,
    /// A name for people, if the token had one.
    pub name: Option<String>,
    /// Groups, if the identity was proven and only the access rule refused.
    pub groups: Vec<String>,
    /// How the identity was proven, or `None` when it was not.
    pub method: Option<AuthMethod>,
    /// The token's own identifier, if it could be read.
    pub token_id: Option<String>,
    /// `address:port` of the client.
    pub client_addr: String,
    /// What the client calls itself.
    pub client_app: String,
    /// The protocol's registered name.
    pub protocol: String,
    /// The datasource asked for, if it is known.
    pub datasource: Option<String>,
    /// The database asked for, if any.
    pub database: Option<String>,
    /// TLS version on the client's side.
    pub tls_version: Option<String>,
    /// Reason the client gave.
    pub reason: Option<String>,
    /// Ticket the client gave.
    pub ticket: Option<String>,
    /// Why it was refused: the sentence that the client got.
    pub refusal: String,
}

/// What happened to a policy version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyEvent {
    /// Its text is now in the store.
    Loaded,
    /// It decides from now on; the version before it is superseded.
    Activated,
}

/// Where a policy version comes from.
#[derive(Clone, Debug, Default)]
pub struct PolicyOrigin {
    /// The version that it replaces.
    pub parent: Option<model::PolicyVersion>,
    /// Who changed it, as far as that is known.
    pub author: Option<String>,
    /// Why.
    pub change_reason: Option<String>,
    /// The git commit that the folder stood at.
    pub git_commit: Option<String>,
}

/// What happened to an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalStep {
    /// A statement waits for it.
    Requested,
    /// One person agreed.
    Approved,
    /// An emergency rule opened it at once: nobody agreed, and a review is owed.
    Emergency,
    /// Those who agreed opened a window: until it ends, every statement of the same shape may run under it.
    Window,
    /// Nobody had decided in time: more people may now.
    Escalated,
    /// One person refused.
    Denied,
    /// One person took the agreement back.
    Revoked,
    /// Nobody waits for it any more: the client went away, the requester withdrew it, the proxy was restarted.
    Cancelled,
    /// Its time ran out.
    Expired,
    /// A statement ran under it.
    Used,
    /// One person reviewed an emergency; the justification is what they found.
    Reviewed,
}

impl ApprovalStep {
    /// The name that the record shows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Emergency => "emergency",
            Self::Window => "window",
            Self::Escalated => "escalated",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Reviewed => "reviewed",
        }
    }
}

/// A step in the life of an approval.
#[derive(Clone, Debug)]
pub struct ApprovalEvent {
    /// The approval's id: the same for all its steps.
    pub approval_id: String,
    /// Which step.
    pub step: ApprovalStep,
    /// Who asked: `issuer|subject` or whatever [`model::Identity`] the proxy shows; the same form as `approver`.
    pub requester: String,
    /// Who decided.
    pub approver: Option<String>,
    /// How the approver proved who they are.
    pub approver_auth: Option<String>,
    /// Why.
    pub justification: Option<String>,
    /// Ticket.
    pub ticket: Option<String>,
    /// What it covers: the rule, the statement's fingerprint, the datasource, as the proxy words it.
    pub scope: String,
    /// The session that asked, or used it.
    pub session: Option<SessionId>,
    /// The statement that asked, or used it.
    pub statement: Option<model::StatementId>,
    /// From when it holds.
    pub valid_from: Option<model::Timestamp>,
    /// Until when.
    pub valid_until: Option<model::Timestamp>,
    /// The policy that asks for it.
    pub policy: model::PolicyVersion,
}

/// Someone read, reviewed or exported the record, or was given, or took back, a credential to read data with.
#[derive(Clone, Debug)]
pub struct AccessEvent {
    /// Who: the operating system's user, or the console's identity.
    pub actor: String,
    /// `queried`, `replayed`, `exported`, `verified` or `reviewed`; `credential issued`, `credential revoked`.
    pub action: String,
    /// What was asked for.
    pub scope: String,
    /// What a review found.
    pub finding: Option<String>,
    /// SHA-256 of an exported package, hex.
    pub package_hash: Option<String>,
}

/// The record's time: the wall clock as it was when the process started, counted on by a clock that nobody sets. What is
/// granted for a time goes by it.
#[must_use]
pub fn steady_now() -> model::Timestamp {
    model::Timestamp(crate::clock::now())
}

/// A new session id: a UUIDv7, so that ids sort by the time at which sessions began.
#[must_use]
pub fn new_session_id() -> SessionId {
    SessionId(*uuid::Uuid::now_v7().as_bytes())
}
