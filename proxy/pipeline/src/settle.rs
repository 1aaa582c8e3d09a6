//! Settle: the adapter gives an approved statement the text that its class asks for, and the role that it runs with. Gives
//! [`Permit`], the only thing that [`crate::execute()`] takes.

use crate::{Approved, Refused};
use model::{Class, Refusal, RefusalKind, Statement, Verdict};
use std::sync::Arc;
use wire::Conversation;

/// A statement that may run, with the bytes that were judged and the bytes that go. Built only here; good for one run.
#[derive(Debug)]
#[must_use = "a permit that is dropped leaves the client without an answer"]
pub struct Permit {
    statement: Box<Statement>,
    verdict: Arc<Verdict>,
    approval: Option<String>,
    original: bytes::Bytes,
}

/// Settles what is to be sent. The adapter is asked once for each statement, however often there is no room for its record.
///
/// # Errors
/// The text cannot be given the form that its class asks for.
pub fn settle(approved: Approved, conversation: &mut dyn Conversation) -> Result<Permit, Refused> {
    let (mut statement, verdict, approval) = approved.into_parts();
    let original = statement.wire.clone();
    let settled = conversation.settle_class(&mut statement, &verdict.class, verdict.role);
    match settled.and_then(|()| unchanged_where_it_must_be(&original, &statement, &verdict.class)) {
        Ok(()) => Ok(Permit { statement, verdict, approval, original }),
        Err(refusal) => Err(Refused::new(statement, &verdict, refusal)),
    }
}

/// What was judged is what is sent: only masks that are computed over give a statement other bytes.
fn unchanged_where_it_must_be(original: &[u8], statement: &Statement, class: &Class) -> Result<(), Refusal> {
    let same = std::ptr::eq(original, statement.wire.as_ref()) || *original == *statement.wire;
    match class {
        Class::Untouched | Class::Wire if !same || statement.sent.is_some() => {
            let text = "a statement of whose text nothing is to be replaced came back as another";
            Err(Refusal::new(RefusalKind::Internal, text).hint("tell whoever runs Affidavit; it was not run"))
        }
        Class::Untouched | Class::Wire | Class::AtSource(_) => Ok(()),
    }
}

impl Permit {
    /// The frames as the client sent them: these were judged.
    #[must_use]
    pub fn original(&self) -> &[u8] {
        &self.original
    }

    /// The frames that go to the upstream: the client's own, or those of the text with masked projections in place.
    #[must_use]
    pub fn sent(&self) -> &[u8] {
        &self.statement.wire
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What was decided.
    #[must_use]
    pub fn verdict(&self) -> &Arc<Verdict> {
        &self.verdict
    }

    /// The approval by which it runs, where people were asked.
    #[must_use]
    pub fn approval(&self) -> Option<&str> {
        self.approval.as_deref()
    }

    /// Takes the permit back: the record cannot be written.
    pub(crate) fn revoke(self, refusal: Refusal) -> Refused {
        Refused::new(self.statement, &self.verdict, refusal)
    }
}
