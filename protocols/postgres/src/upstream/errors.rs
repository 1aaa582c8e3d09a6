//! ErrorResponse and NoticeResponse: whose they are, and what stands in their place when the statement was refused.

use super::Outcome::{self, Consumed};
use super::complete::outcome;
use crate::conversation::PostgresConversation;
use crate::errors::{Reply, server_message};
use crate::message::Frame;
use crate::message::fields::{Fields, put_fields};
use crate::state::Op;
use model::{ServerMessage, Severity, StatementId, Status};
use std::borrow::Cow;
use wire::{Answer, Violation};

impl PostgresConversation {
    pub(super) fn notice_response<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let message = server_message(b'N', &Fields::decode(frame.body)?);
        if matches!(self.front(), Some(Op::Refresh | Op::Role { .. })) {
            // Of our own question, as a session that logs its statements to itself gets it.
            return Ok(Answer::Absorb);
        }
        let statement = self.front().and_then(Op::statement).filter(|id| self.find(*id).is_some());
        Ok(Answer::Message { statement, message, wire: self.with_client_names(frame)? })
    }

    pub(super) fn error_response<'a>(&mut self, frame: Frame<'a>) -> Result<Outcome<'a>, Violation> {
        let message = server_message(b'E', &Fields::decode(frame.body)?);
        let wire = self.with_client_names(frame)?;
        if message.severity == Severity::Fatal {
            // The session ends. Nothing stands in for this: it must be told as it is.
            return Ok(Consumed(self.fatal(message, wire)));
        }
        self.copying_in = false;
        if self.skipping {
            return Err(Violation("an error while everything is skipped".to_owned()));
        }
        if let Some(roles) = &mut self.roles {
            roles.failed();
        }
        match self.front() {
            None => Ok(Consumed(Answer::Message { statement: None, message, wire })),
            Some(Op::Role { sync: true, .. }) => {
                self.role_failed(&message.code);
                Ok(Consumed(Answer::Absorb))
            }
            Some(Op::Refresh) => {
                self.session.unanswered();
                Ok(Consumed(Answer::Absorb))
            }
            Some(Op::Query { id, refused, .. }) => {
                let (id, refused) = (*id, refused.clone());
                Ok(Consumed(self.failed(id, refused, message, wire)?))
            }
            // An error at Sync is the transaction's end failing, and there is nothing to skip.
            Some(Op::Sync) => Ok(Consumed(Answer::Message { statement: None, message, wire })),
            Some(_) => self.extended_error(message, wire).map(Consumed),
        }
    }

    /// The statement of a simple Query failed, or was refused.
    fn failed<'a>(
        &mut self,
        id: StatementId,
        refused: Option<Box<Reply>>,
        message: ServerMessage,
        wire: Cow<'a, [u8]>,
    ) -> Result<Answer<'a>, Violation> {
        if self.take(id).is_some() {
            return match refused {
                None => Ok(failure(id, message, wire)),
                Some(reply) => refusal(id, &reply),
            };
        }
        // Its parts are all answered: what failed is the end of their transaction.
        Ok(Answer::Message { statement: None, message, wire })
    }

    fn extended_error<'a>(&mut self, message: ServerMessage, wire: Cow<'a, [u8]>) -> Result<Answer<'a>, Violation> {
        let Some(op) = self.ops.pop_front() else { return Err(Violation("an error out of nowhere".to_owned())) };
        if let Op::Local { reply, simple: true } = op {
            self.ops.push_front(Op::Local { reply: reply.clone(), simple: true });
            return local(&reply);
        }
        self.skipping = true;
        if !self.ops.iter().any(|op| matches!(op, Op::Sync)) {
            self.absorbing = true;
        }
        match op {
            Op::Role { .. } => match self.role_failed(&message.code) {
                Some(reply) => local(&reply),
                None => Ok(Answer::Message { statement: None, message, wire }),
            },
            Op::Parse { id, refused, .. } => {
                self.forget_prepared(id);
                self.failed(id, refused, message, wire)
            }
            Op::Bind { id, refused } => {
                self.portals.retain(|_, portal| portal.id != id);
                self.failed(id, refused, message, wire)
            }
            // The portal stays until its transaction ends, and so does its name: the server says what becomes of it.
            Op::Execute { id, .. } | Op::DescribePortal { id, own: true } => self.failed(id, None, message, wire),
            Op::Local { reply, .. } => local(&reply),
            other => {
                let statement = other.statement().filter(|id| self.find(*id).is_some());
                Ok(Answer::Message { statement, message, wire })
            }
        }
    }

    fn fatal<'a>(&mut self, message: ServerMessage, wire: Cow<'a, [u8]>) -> Answer<'a> {
        match self.front().and_then(Op::statement) {
            Some(id) if self.take(id).is_some() => failure(id, message, wire),
            _ => Answer::Message { statement: None, message, wire },
        }
    }

    /// The frame with our names of statements and portals replaced by the client's.
    fn with_client_names<'a>(&self, frame: Frame<'a>) -> Result<Cow<'a, [u8]>, Violation> {
        if !self.names.mentioned(frame.wire) {
            return Ok(Cow::Borrowed(frame.wire));
        }
        let client_name = |id: StatementId| {
            let statement =
                self.statements.iter().find(|(_, prepared)| prepared.id == id).map(|(name, _)| name.clone());
            statement.or_else(|| self.portals.iter().find(|(_, portal)| portal.id == id).map(|(name, _)| name.clone()))
        };
        let fields = Fields::decode(frame.body)?;
        let translated: Vec<_> =
            fields.0.iter().map(|(code, value)| (*code, self.names.translate(value, client_name))).collect();
        let mut wire = Vec::new();
        put_fields(frame.tag, translated.iter().map(|(code, value)| (*code, value.as_slice())), &mut wire)?;
        Ok(Cow::Owned(wire))
    }
}

fn failure<'a>(id: StatementId, message: ServerMessage, wire: Cow<'a, [u8]>) -> Answer<'a> {
    let outcome = model::Outcome { error_code: Some(message.code.clone()), ..outcome(Status::Failed, "") };
    Answer::Done { statement: id, outcome, message: Some(message), last: true, wire }
}

fn refusal<'a>(id: StatementId, reply: &Reply) -> Result<Answer<'a>, Violation> {
    let mut wire = Vec::new();
    reply.put("ERROR", &mut wire)?;
    let outcome = model::Outcome { error_code: Some(reply.code.to_owned()), ..outcome(Status::Refused, "") };
    Ok(Answer::Done { statement: id, outcome, message: None, last: true, wire: Cow::Owned(wire) })
}

fn local<'a>(reply: &Reply) -> Result<Answer<'a>, Violation> {
    let mut wire = Vec::new();
    reply.put("ERROR", &mut wire)?;
    Ok(Answer::Forward(Cow::Owned(wire)))
}
