//! Understand: what the adapter makes of the client's bytes. Gives [`Understood`] statements, the only thing that
//! [`crate::Judge`] takes, and names what needs no judgement.

use crate::{Housekeeping, OwnWords};
use model::{Refusal, Statement};
use wire::{Conversation, Request, Step, Violation};

/// A statement as the session's adapter read it from the client's bytes. Built only here.
#[derive(Debug)]
pub struct Understood {
    statement: Box<Statement>,
}

/// What the client wants.
#[derive(Debug)]
pub enum Wish<'a> {
    /// To run or prepare something: it is judged.
    Statement(Understood),
    /// Something that the adapter can let pass under no policy.
    Impossible(Understood, Refusal),
    /// Something that starts nothing: it goes on as it is.
    Housekeeping(Housekeeping<'a>),
    /// Something that we answer by ourselves.
    Answered(OwnWords),
    /// Nothing of ours to do.
    Nothing,
    /// To leave.
    Goodbye,
}

/// The next thing that the client wants.
///
/// # Errors
/// The client broke the protocol.
pub fn understand<'a>(conversation: &mut dyn Conversation, input: &'a [u8]) -> Result<Step<Wish<'a>>, Violation> {
    let (consumed, request) = match conversation.request(input)? {
        Step::Need(more) => return Ok(Step::Need(more)),
        Step::Got { consumed, item } => (consumed, item),
    };
    let item = match request {
        Request::Statement(statement) => Wish::Statement(Understood { statement }),
        Request::Refused(statement, refusal) => Wish::Impossible(Understood { statement }, refusal),
        Request::Forward(upkeep, frames) => Wish::Housekeeping(Housekeeping::asked_for(upkeep, frames)),
        Request::Data(frames) => Wish::Housekeeping(Housekeeping::data(frames)),
        Request::Reply(frames) => Wish::Answered(OwnWords::reply(frames)),
        Request::Absorb => Wish::Nothing,
        Request::Terminate(_) => Wish::Goodbye,
    };
    Ok(Step::Got { consumed, item })
}

impl Understood {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The adapter reads it again, after the catalog was refreshed.
    pub fn read_again(&mut self, conversation: &mut dyn Conversation) {
        conversation.reanalyse(&mut self.statement);
    }

    pub(crate) fn into_statement(self) -> Box<Statement> {
        self.statement
    }
}
