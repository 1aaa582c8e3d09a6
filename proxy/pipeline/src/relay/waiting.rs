//! What a statement waits for before it can be ruled on or sent. The client is not read meanwhile.

use super::{Ended, Relay};
use crate::{Asking, Deciding, Estimate, Held, OwnWords, Permit, Understood};
use model::Refusal;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A statement that waits for something before it can be ruled on.
pub(super) enum Waiting {
    /// For a newer catalog, because it names relations that the present one does not know.
    Catalog(Pin<Box<dyn Future<Output = Result<u64, Refusal>> + Send>>, Understood),
    /// For the planner's estimate of its rows.
    Estimate(Pin<Box<dyn Future<Output = (Understood, Estimate)> + Send>>),
    /// For its request to be written down.
    Asking(Held, Asking),
    /// For room in the journal: it is permitted and cannot be recorded yet.
    Room(Box<Permit>),
    /// For people.
    Approval(Held, Deciding),
}

impl Relay {
    pub(super) fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        match self.waiting.take() {
            None => Ok(false),
            Some(Waiting::Catalog(mut refresh, mut statement)) => match refresh.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Catalog(refresh, statement));
                    Ok(false)
                }
                Poll::Ready(result) => {
                    if let Err(refusal) = result {
                        tracing::warn!(%refusal, "the catalog could not be refreshed; judging by the old one");
                    }
                    statement.read_again(self.conversation.as_mut());
                    self.judge(statement)?;
                    Ok(true)
                }
            },
            Some(Waiting::Estimate(mut ask)) => match ask.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Estimate(ask));
                    Ok(false)
                }
                Poll::Ready((statement, estimate)) => {
                    self.judge_by(statement, estimate)?;
                    Ok(true)
                }
            },
            Some(Waiting::Asking(held, mut asking)) => match asking.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Asking(held, asking));
                    Ok(false)
                }
                Poll::Ready(asked) => {
                    let notice = asked.notice.and_then(|text| OwnWords::notice(self.conversation.as_mut(), &text));
                    if let Some(notice) = notice {
                        self.to_client.say(&notice);
                    }
                    self.waiting = Some(Waiting::Approval(held, asked.decision));
                    Ok(true)
                }
            },
            Some(Waiting::Room(permit)) => match self.recording.recorder().poll_room(cx, false) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Room(permit));
                    Ok(false)
                }
                // A journal that takes nothing any more says so to the statement.
                Poll::Ready(_) => {
                    self.execute(*permit)?;
                    Ok(true)
                }
            },
            Some(Waiting::Approval(held, mut deciding)) => match deciding.as_mut().poll(cx) {
                Poll::Pending => {
                    self.waiting = Some(Waiting::Approval(held, deciding));
                    Ok(false)
                }
                Poll::Ready(decision) => {
                    self.obey(held.decided(decision))?;
                    Ok(true)
                }
            },
        }
    }
}
