//! ErrorResponse and NoticeResponse: whose they are, and what stands in their place when the statement was refused.

use super::Outcome::{self, Consumed};
use super::complete::outcome;
use crate::conversation::PostgresConversation;
use crate::errors::{Reply, server_message};
use crate::message::Frame;
use crate::message::fields::{Fields, put_fields};
use crate::state::{Live, Op};
use model::{ServerMessage, Severity, StatementId, Status};
use std::borrow::Cow;
use wire::{Answer, Violation};

/// Tag and length.
const HEADER: usize = 5;

/// What becomes of the place in the text that a message points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The text is the client's own.
    AsItIs,
    /// The character, from 1.
    At(usize),
    /// It has none in the client's text that is known.
    Unknown,
}

impl PostgresConversation {
    pub(super) fn notice_response<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let message = server_message(b'N', &Fields::decode(frame.body)?);
        let place = self.place(&Fields::decode(frame.body)?);
        if matches!(self.front(), Some(Op::Refresh | Op::Role { .. })) {
            // Of our own question, as a session that logs its statements to itself gets it.
            return Ok(Answer::Absorb);
        }
        let statement = self.front().and_then(Op::statement).filter(|id| self.find(*id).is_some());
        Ok(Answer::Message { statement, message, wire: self.in_client_terms(frame, place)? })
    }

    pub(super) fn error_response<'a>(&mut self, frame: Frame<'a>) -> Result<Outcome<'a>, Violation> {
        let message = server_message(b'E', &Fields::decode(frame.body)?);
        let place = self.place(&Fields::decode(frame.body)?);
        let wire = self.in_client_terms(frame, place)?;
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

    /// What becomes of the place in the text that an error or notice points at.
    fn place(&mut self, fields: &Fields<'_>) -> Place {
        let Some(position) = fields.text(b'P').parse::<usize>().ok().and_then(|position| position.checked_sub(1))
        else {
            return Place::AsItIs;
        };
        let live = self.front().and_then(Op::statement).and_then(|id| self.live.iter().find(|live| live.id == id));
        let of_prepared = |live: &Live| live.prepared.as_ref().and_then(|own| own.learnt.lock().sent_as.clone());
        let Some(sent) = live.and_then(|live| live.sent_as.clone().or_else(|| of_prepared(live))) else {
            return Place::AsItIs;
        };
        sent.origins.original(position).map_or(Place::Unknown, |position| Place::At(position.saturating_add(1)))
    }

    /// The frame with our names of statements and portals replaced by the client's, and the place that it points at by that in
    /// the client's text.
    fn in_client_terms<'a>(&self, frame: Frame<'a>, place: Place) -> Result<Cow<'a, [u8]>, Violation> {
        let named = self.with_client_names(frame)?;
        if place == Place::AsItIs {
            return Ok(named);
        }
        let fields = Fields::decode(named.get(HEADER..).unwrap_or_default())?;
        let at = match place {
            Place::At(position) => position.to_string(),
            Place::AsItIs | Place::Unknown => String::new(),
        };
        let placed =
            fields.0.iter().map(|(code, value)| if *code == b'P' { (*code, at.as_bytes()) } else { (*code, *value) });
        let mut wire = Vec::new();
        put_fields(frame.tag, placed.filter(|(code, value)| *code != b'P' || !value.is_empty()), &mut wire)?;
        Ok(Cow::Owned(wire))
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
