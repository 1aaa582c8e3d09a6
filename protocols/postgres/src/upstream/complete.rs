//! What says that something is over: CommandComplete, EmptyQueryResponse, ParseComplete, BindComplete, CloseComplete,
//! PortalSuspended; and the beginning of a COPY.

use super::Outcome::{self, Consumed, First};
use super::unexpected;
use crate::client::shaped_as;
use crate::conversation::PostgresConversation;
use crate::copy::CopyOut;
use crate::errors::put_notice;
use crate::message::Frame;
use crate::message::copy::copy_response;
use crate::message::session::command_complete;
use crate::objects::Behind;
use crate::state::{Live, Op, Portal, Shape};
use model::{StatementId, Status, Verb};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use wire::{Answer, Violation};

/// An outcome without rows or error.
pub(super) fn outcome(status: Status, tag: &str) -> model::Outcome {
    model::Outcome { status, tag: tag.to_owned(), affected: None, error_code: None }
}

/// The last answer of a statement that ends without a frame of its own.
pub(super) fn silent_end<'a>(id: StatementId, outcome: model::Outcome) -> Answer<'a> {
    Answer::Done { statement: id, outcome, message: None, last: true, wire: Cow::Borrowed(&[]) }
}

impl PostgresConversation {
    pub(super) fn command_complete<'a>(&mut self, frame: Frame<'a>) -> Result<Outcome<'a>, Violation> {
        let (tag, affected) = match frame.tag {
            b'C' => command_complete(frame.body)?,
            _ => ("", None),
        };
        let id = match self.front() {
            Some(Op::Refresh | Op::Role { .. }) => return Ok(Consumed(Answer::Absorb)),
            Some(Op::Query { id, refused: None, .. } | Op::Execute { id, .. }) => *id,
            op => return Err(unexpected(frame.tag, op)),
        };
        if tag == "ROLLBACK"
            && let Some(roles) = &mut self.roles
        {
            roles.failed();
        }
        let executed = matches!(self.front(), Some(Op::Execute { .. }));
        let Some(live) = self.find(id) else {
            if executed {
                // A portal that had already come to its end: it has no rows left.
                self.ops.pop_front();
                return Ok(Consumed(Answer::Forward(Cow::Borrowed(frame.wire))));
            }
            return Err(unexpected(frame.tag, None));
        };
        if executed && let Some(columns) = Self::untold_columns(live) {
            return Ok(First(columns));
        }
        let parts = if live.facts.unparsed.is_some() { usize::MAX } else { live.facts.parts.len().max(1) };
        let last = executed || usize::try_from(live.result).is_ok_and(|result| result.saturating_add(1) == parts);
        let outcome = model::Outcome { affected, ..outcome(Status::Completed, tag) };
        let mut wire = Cow::Borrowed(frame.wire);
        if last {
            let live = self.take(id);
            self.end_effects(tag, live.as_ref());
            if let Some(notice) = live.and_then(|live| self.masked_notice(&live)) {
                let mut both = Vec::new();
                put_notice(&notice, &mut both)?;
                both.extend_from_slice(frame.wire);
                wire = Cow::Owned(both);
            }
        } else {
            tag.clone_into(&mut live.tag);
            live.result = live.result.saturating_add(1);
            live.shape = Shape::Unknown;
            (live.announced, live.begun, live.copy) = (false, false, None);
        }
        if executed {
            self.ops.pop_front();
        }
        self.copying_in = false;
        Ok(Consumed(Answer::Done { statement: id, outcome, message: None, last, wire }))
    }

    /// What a client is told that gets what was computed over masks, where the datasource wants that.
    fn masked_notice(&self, live: &Live) -> Option<String> {
        if !self.source.tells_of_masks() {
            return None;
        }
        let of_prepared = || live.prepared.as_ref().and_then(|own| own.learnt.lock().sent_as.clone());
        let sent = live.sent_as.clone().or_else(of_prepared)?;
        Some(format!("computed over masked values: {}", sent.masks.columns().join(", ")))
    }

    /// What a finished command did to names.
    fn end_effects(&mut self, tag: &str, live: Option<&Live>) {
        match tag {
            "DEALLOCATE ALL" | "DISCARD ALL" => {
                let named: Vec<_> = self
                    .statements
                    .iter()
                    .filter(|(name, prepared)| !name.is_empty() && prepared.learnt.lock().acknowledged)
                    .map(|(name, _)| name.clone())
                    .collect();
                named.iter().for_each(|name| drop(self.forget_statement(name)));
            }
            "DECLARE CURSOR" | "PREPARE" => {
                match live.and_then(|live| Some((live.id, live.makes.clone()?, live.sent_as.clone()))) {
                    Some((by, (made, moves), sent_as)) if moves == self.objects.moves() => {
                        let facts = self.analyse(&made.query, None);
                        self.objects.learn(made.name, Behind { by, query: made.query, facts, sent_as });
                    }
                    // Some name means something else now, and it is not known which.
                    _ => self.objects.forget(),
                }
            }
            "DEALLOCATE" => {
                if let Some(name) = live.and_then(|live| live.drops.clone()) {
                    self.forget_statement(&name);
                }
            }
            _ => {}
        }
    }

    pub(super) fn acknowledgement<'a>(&mut self, frame: Frame<'a>) -> Result<Outcome<'a>, Violation> {
        let forward = Answer::Forward(Cow::Borrowed(frame.wire));
        match (frame.tag, self.front()) {
            (b'1' | b'2' | b'3', Some(Op::Refresh)) => Ok(Consumed(Answer::Absorb)),
            (tag @ (b'1' | b'2' | b'3'), Some(Op::Role { .. })) => {
                if let Some(Op::Role { sync, closed }) = self.ops.front_mut() {
                    *closed += u8::from(tag == b'3');
                    // The portal and the statement; then its Sync, if it has one.
                    if !*sync && *closed == 2 {
                        self.ops.pop_front();
                    }
                }
                Ok(Consumed(Answer::Absorb))
            }
            (b'1', Some(Op::Parse { id, prepared: Some(prepared), refused: None, .. })) => {
                prepared.learnt.lock().acknowledged = true;
                let id = *id;
                self.ops.pop_front();
                self.take(id);
                let outcome = outcome(Status::Completed, "");
                let wire = Cow::Borrowed(frame.wire);
                Ok(Consumed(Answer::Done { statement: id, outcome, message: None, last: true, wire }))
            }
            (b'2', Some(Op::Bind { id, refused: None })) => {
                let id = *id;
                let Some(live) = self.find(id) else { return Err(unexpected(frame.tag, None)) };
                live.portal = Portal::Bound;
                // What was described on the way here, in the order of answers.
                if let (Shape::Unknown, Some(prepared)) = (&live.shape, &live.prepared) {
                    live.shape = shaped_as(prepared, &live.formats);
                }
                if live.unnamed
                    && let Some(ended) = self.replaced_portal(id)
                {
                    return Ok(First(ended));
                }
                if let Some(name) = self.portals.values_mut().find(|name| name.id == id) {
                    name.acknowledged = true;
                }
                self.ops.pop_front();
                Ok(Consumed(forward))
            }
            (b'3', Some(Op::Close { id, .. })) => {
                let id = *id;
                if let Some(ended) = id.and_then(|id| self.end_portal(id)) {
                    return Ok(First(ended));
                }
                self.ops.pop_front();
                Ok(Consumed(forward))
            }
            (b's', Some(Op::Execute { id, .. })) => {
                let id = *id;
                let Some(live) = self.find(id) else { return Err(unexpected(frame.tag, None)) };
                live.portal = Portal::Suspended;
                if let Some(columns) = Self::untold_columns(live) {
                    return Ok(First(columns));
                }
                self.ops.pop_front();
                Ok(Consumed(forward))
            }
            (tag, op) => Err(unexpected(tag, op)),
        }
    }

    /// The end of an older statement that had the unnamed portal, which `newer` has now.
    fn replaced_portal<'a>(&mut self, newer: StatementId) -> Option<Answer<'a>> {
        let older =
            |live: &&Live| live.unnamed && live.id != newer && matches!(live.portal, Portal::Bound | Portal::Suspended);
        let id = self.live.iter().find(older)?.id;
        self.end_portal(id)
    }

    /// The end of a statement whose portal is gone.
    pub(super) fn end_portal<'a>(&mut self, id: StatementId) -> Option<Answer<'a>> {
        let live = self.take(id)?;
        self.portals.retain(|_, portal| portal.id != id);
        let status = if live.portal == Portal::Suspended { Status::Completed } else { Status::NotExecuted };
        Some(silent_end(id, outcome(status, "")))
    }

    /// What a FunctionCall returned: one value, which the record names by its length and digest.
    pub(super) fn function_result<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let id = match self.front() {
            Some(Op::Query { id, refused: None, .. }) => *id,
            op => return Err(unexpected(b'V', op)),
        };
        if !self.find(id).is_some_and(|live| live.function) {
            return Err(unexpected(b'V', self.ops.front()));
        }
        self.take(id);
        let value = frame.body.get(4..).unwrap_or_default();
        let digest: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
        let tag = format!("FUNCTION CALL {} bytes sha256:{digest}", value.len());
        let outcome = outcome(Status::Completed, &tag);
        Ok(Answer::Done { statement: id, outcome, message: None, last: true, wire: Cow::Borrowed(frame.wire) })
    }

    pub(super) fn copy_in_response<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        copy_response(frame.body)?;
        match self.front() {
            Some(op) if op.copy_in() => {}
            op => return Err(unexpected(b'G', op)),
        }
        self.copying_in = true;
        // What the client sent already: Syncs, which the copy swallows, and perhaps the copy's end.
        while let Some(op) = self.ops.get(1) {
            match op {
                Op::Sync => self.spare_ready = self.spare_ready.saturating_add(1),
                Op::CopyEnd => self.copying_in = false,
                _ => return Err(Violation("a statement was sent into the middle of COPY FROM STDIN".to_owned())),
            }
            self.ops.remove(1);
            if !self.copying_in {
                break;
            }
        }
        Ok(Answer::Forward(Cow::Borrowed(frame.wire)))
    }

    pub(super) fn copy_out_response<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let response = copy_response(frame.body)?;
        let snapshot = self.source.snapshot();
        let safe = self.session.encoding_is_safe();
        let live = match self.front() {
            Some(Op::Query { refused: None, .. } | Op::Execute { .. }) => self.front_live(),
            op => return Err(unexpected(b'H', op)),
        };
        let live = live.ok_or_else(|| unexpected(b'H', None))?;
        let part = live.facts.parts.get(usize::try_from(live.result).unwrap_or(usize::MAX));
        if live.facts.unparsed.is_none() && part.is_none_or(|part| part.verb != Verb::CopyOut) {
            return Err(Violation("the upstream answers with COPY data where none was asked for".to_owned()));
        }
        let (copy, columns) = CopyOut::begin(response, live, &snapshot, safe)?;
        live.whole |= response.binary;
        live.copy = Some(Box::new(copy));
        live.shape = Shape::Columns(columns.clone());
        (live.announced, live.begun) = (true, false);
        Ok(Answer::Columns { statement: live.id, result: live.result, columns, wire: Cow::Borrowed(frame.wire) })
    }

    pub(super) fn copy_done<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        match self.front_live().and_then(|live| live.copy.as_mut()) {
            Some(copy) if !copy.done => {
                copy.done = true;
                Ok(Answer::Forward(Cow::Borrowed(frame.wire)))
            }
            _ => Err(unexpected(b'c', self.ops.front())),
        }
    }
}
