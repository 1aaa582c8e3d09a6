//! The client's side: what is read from it, and what becomes of each of its wishes.

use super::inbox::Filled;
use super::{Ended, HIGH_WATER, Relay, Side, no_room};
use crate::Wish;
use std::task::{Context, Poll};
use wire::Step;

impl Relay {
    /// While a statement is held, the client is read only to notice that it went away.
    pub(super) fn watch_held_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        if self.from_client.unread().len() >= HIGH_WATER {
            return Ok(false);
        }
        match self.from_client.poll_fill(cx, &mut self.client) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(Filled::More)) => Ok(true),
            Poll::Ready(Ok(Filled::Closed)) => Err(Ended::ClientGone(None)),
            Poll::Ready(Ok(Filled::NoRoom(limit))) => Err(no_room(limit)),
            Poll::Ready(Err(error)) => Err(Ended::ClientGone(Some(error))),
        }
    }

    pub(super) fn read_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = self.understand_client()?;
        let full = self.client_waits && self.from_client.unread().len() >= HIGH_WATER;
        if self.waiting.is_some() || full || self.to_upstream.backlog() >= HIGH_WATER {
            return Ok(moved);
        }
        match self.from_client.poll_fill(cx, &mut self.client) {
            Poll::Pending => {}
            Poll::Ready(Ok(Filled::More)) => {
                self.understand_client()?;
                moved = true;
            }
            Poll::Ready(Ok(Filled::Closed)) => return Err(Ended::ClientGone(None)),
            Poll::Ready(Ok(Filled::NoRoom(limit))) => return Err(no_room(limit)),
            Poll::Ready(Err(error)) => return Err(Ended::ClientGone(Some(error))),
        }
        Ok(moved)
    }

    fn understand_client(&mut self) -> Result<bool, Ended> {
        let mut moved = false;
        while self.waiting.is_none() && self.to_upstream.backlog() < HIGH_WATER {
            let step = crate::understand(self.conversation.as_mut(), self.from_client.unread());
            match step.map_err(|violation| Ended::Violation(violation, Side::Client))? {
                Step::Need(more) => {
                    self.client_waits = more == 0;
                    self.from_client.want(more);
                    break;
                }
                Step::Got { consumed, item } => {
                    moved = true;
                    let statement = match item {
                        Wish::Housekeeping(housekeeping) => {
                            self.to_upstream.keep_house(&housekeeping);
                            None
                        }
                        Wish::Answered(words) => {
                            self.to_client.say(&words);
                            None
                        }
                        Wish::Nothing => None,
                        Wish::Goodbye => return Err(Ended::Goodbye),
                        Wish::Statement(statement) => Some((statement, None)),
                        Wish::Impossible(statement, refusal) => Some((statement, Some(refusal))),
                    };
                    self.from_client.consume(consumed);
                    match statement {
                        None => {}
                        Some((statement, None)) => self.consider(statement)?,
                        Some((statement, Some(refusal))) => {
                            let refused = self.judge.out_of_hand(statement, refusal);
                            self.refuse(refused)?;
                        }
                    }
                }
            }
        }
        Ok(moved)
    }
}
