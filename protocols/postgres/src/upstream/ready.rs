//! ReadyForQuery: the end of a round. What was skipped ends here, and with the transaction its portals.

use super::Outcome::{self, Consumed, First};
use super::complete::{outcome, silent_end};
use super::unexpected;
use crate::catalog::text;
use crate::conversation::PostgresConversation;
use crate::message::Frame;
use crate::message::session::{Transaction, ready_for_query};
use crate::state::{Live, Op, Portal};
use model::Status;
use std::borrow::Cow;
use wire::{Answer, Violation};

/// Bytes of the answers to our own questions that are kept: a session with more relations of its own has unknown ones.
pub(super) const MOST_REFRESHED: usize = 64 << 20;

impl PostgresConversation {
    pub(super) fn ready_for_query<'a>(&mut self, frame: Frame<'a>) -> Result<Outcome<'a>, Violation> {
        let transaction = ready_for_query(frame.body)?;
        if self.skipping
            && let Some(ended) = self.skip_to_sync()?
        {
            return Ok(First(ended));
        }
        let due = |op| {
            matches!(
                op,
                Some(
                    &Op::Sync
                        | &Op::Query { .. }
                        | &Op::Refresh
                        | &Op::Role { sync: true, .. }
                        | &Op::Local { simple: true, .. }
                )
            )
        };
        if !due(self.front()) {
            if self.spare_ready == 0 {
                return Err(unexpected(b'Z', self.ops.front()));
            }
            self.spare_ready = self.spare_ready.saturating_sub(1);
            self.transaction = transaction;
            (self.skipping, self.absorbing) = (false, false);
            return Ok(Consumed(Answer::Forward(Cow::Borrowed(frame.wire))));
        }
        if let Some(Op::Query { id, .. }) = self.front() {
            let id = *id;
            // A text whose parts could not be counted ends here.
            if let Some(live) = self.take(id) {
                return Ok(First(silent_end(id, outcome(Status::Completed, &live.tag))));
            }
        }
        if transaction == Transaction::Idle
            && let Some(ended) = self.next_dead_portal()
        {
            return Ok(First(ended));
        }
        self.skipping = false;
        self.copying_in = false;
        self.transaction = transaction;
        if transaction == Transaction::Idle {
            self.portals.retain(|_, portal| !portal.acknowledged);
            self.session.transaction_over();
            if self.redefined {
                // What others see may be another now.
                self.source.outdate();
                self.redefined = self.live.iter().any(|live| live.defines);
            }
        }
        let answered = self.ops.pop_front();
        if self.ops.is_empty() && matches!(answered, Some(Op::Query { .. })) {
            // It has ended a run of messages that no Sync did: asyncpg leaves one so whose arguments cannot be made.
            self.segment_open = false;
            self.segment = self.segment.saturating_add(1);
        }
        if self.ops.is_empty()
            && let Some(roles) = &mut self.roles
        {
            roles.answered(transaction);
        }
        match answered {
            Some(Op::Refresh) => {
                self.take_refresh();
                Ok(Consumed(Answer::Absorb))
            }
            Some(Op::Role { .. }) => Ok(Consumed(Answer::Absorb)),
            _ => Ok(Consumed(Answer::Forward(Cow::Borrowed(frame.wire)))),
        }
    }

    /// Drops operations that the upstream skipped, up to the Sync that ends the skipping. Statements among them end.
    fn skip_to_sync<'a>(&mut self) -> Result<Option<Answer<'a>>, Violation> {
        loop {
            let op = match self.ops.front() {
                Some(Op::Sync) => return Ok(None),
                Some(_) => self.ops.pop_front(),
                None if self.spare_ready > 0 => return Ok(None),
                None => return Err(unexpected(b'Z', None)),
            };
            let (id, refused) = match op {
                Some(Op::Parse { id, refused, before, .. }) => {
                    self.forget_prepared(id);
                    before.into_iter().for_each(|before| self.restore(*before));
                    (id, refused)
                }
                Some(Op::Close { before: Some(before), .. }) => {
                    self.restore(*before);
                    continue;
                }
                Some(Op::Bind { id, refused }) => {
                    self.portals.retain(|_, portal| portal.id != id);
                    (id, refused)
                }
                Some(Op::Query { id, refused, .. }) => (id, refused),
                _ => continue,
            };
            if self.take(id).is_some() {
                return Ok(Some(silent_end(id, skipped(refused.map(|reply| reply.code)))));
            }
        }
    }

    /// Portals do not survive the transaction. Those bound by what is still in the queue are of the next one.
    fn next_dead_portal<'a>(&mut self) -> Option<Answer<'a>> {
        let dead = |live: &&Live| matches!(live.portal, Portal::Bound | Portal::Suspended);
        let id = self.live.iter().find(dead)?.id;
        self.end_portal(id)
    }

    fn take_refresh(&mut self) {
        let rows = std::mem::take(&mut self.refresh);
        match rows.as_slice() {
            [path, role, made @ ..] if self.refresh_bytes <= MOST_REFRESHED => {
                self.session.refreshed(text(path, 0), text(role, 0));
                let path = self.session.settings().map(|settings| settings.search_path.clone()).unwrap_or_default();
                if self.asked_relations && self.made.told(made, &path) {
                    self.session.relations_changed();
                }
            }
            _ => self.session.unanswered(),
        }
    }
}

fn skipped(refused: Option<&'static str>) -> model::Outcome {
    match refused {
        Some(code) => model::Outcome { error_code: Some(code.to_owned()), ..outcome(Status::Refused, "") },
        None => outcome(Status::NotExecuted, ""),
    }
}
