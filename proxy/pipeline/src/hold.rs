//! Hold: where a session takes a statement that has to wait for people. Whoever asks them gets a [`Question`], which permits
//! nothing; the statement itself stays here until they have decided.

use model::{ApprovalNeed, Refusal, Statement, Verdict};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Asks people. The proxy gives each session its own.
pub trait Holds: Send + Sync {
    /// Asks for approval. It may wait for a disk first.
    fn hold(&self, question: Question) -> Asking;
}

/// A request that is being written down.
pub type Asking = Pin<Box<dyn Future<Output = OnHold> + Send>>;

/// Resolves when people have decided, or when nobody did in time.
pub type Deciding = Pin<Box<dyn Future<Output = Result<Agreed, Refusal>> + Send>>;

/// What people are asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The statement.
    pub statement: Statement,
    /// The verdict that asks for people.
    pub verdict: Arc<Verdict>,
    /// Who must agree.
    pub need: ApprovalNeed,
    /// The planner's estimate of its rows, where it was asked and had one.
    pub estimated_rows: Option<u64>,
}

/// A statement on hold.
pub struct OnHold {
    /// The decision.
    pub decision: Deciding,
    /// For the client, at once, where its protocol can carry it.
    pub notice: Option<String>,
}

/// People have agreed. It opens nothing by itself: only a statement that was held, and only the one that waits for it.
#[derive(Debug)]
#[must_use = "an agreement that is dropped is used up without the statement having run"]
pub struct Agreed {
    approval: String,
}

impl OnHold {
    /// It is decided already.
    #[must_use]
    pub fn at_once(decision: Result<Agreed, Refusal>) -> Self {
        Self { decision: Box::pin(std::future::ready(decision)), notice: None }
    }
}

impl Agreed {
    /// By this approval: the statement's record names it.
    pub fn by(approval: String) -> Self {
        Self { approval }
    }

    /// The approval.
    #[must_use]
    pub fn approval(&self) -> &str {
        &self.approval
    }
}
