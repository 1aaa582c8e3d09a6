//! How a statement ended, and what a server says on the side.

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The upstream ran it.
    Completed,
    /// The upstream reported an error.
    Failed,
    /// Affidavit refused it: the upstream never saw it.
    Refused,
    /// The client cancelled it, or disconnected while it was held.
    Cancelled,
    /// Prepared or bound, never run.
    NotExecuted,
    /// The session ended before the upstream's answer did (crash, disconnect).
    Interrupted,
}

impl Status {
    /// The name that the record shows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::NotExecuted => "not-executed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The end of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The engine's command tag (`SELECT 3`), or empty.
    pub tag: String,
    /// Rows changed, where the engine says so.
    pub affected: Option<u64>,
    /// SQLSTATE (five characters), for failures and refusals.
    pub error_code: Option<String>,
}

/// How grave a server's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The session goes on; nothing failed (NOTICE, WARNING, INFO, LOG, DEBUG).
    Notice,
    /// The statement failed.
    Error,
    /// The session ends (FATAL, PANIC).
    Fatal,
}

/// An error, warning or notice of the server, taken apart so that what may carry data can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMessage {
    /// How grave it is.
    pub severity: Severity,
    /// SQLSTATE.
    pub code: String,
    /// Whether its texts may quote data of rows. The adapter knows which codes never do.
    pub may_quote_data: bool,
    /// The database refuses it for want of a right.
    pub denied: bool,
}
