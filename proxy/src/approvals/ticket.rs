//! A place in the queue: how a waiting connection learns the decision, and what it leaves behind when it goes away.

use super::book::Failed;
use super::entry::Step;
use super::event::{Event, State};
use super::grant::Grant;
use super::hold::{Approvals, Opened, internal, lasting};
use super::request::{ApprovalId, Binding};
use super::state::Approval;
use model::{Refusal, RefusalKind};
use std::time::Duration;
use tokio::sync::watch;

/// A place in the queue. Dropping it cancels the request, unless it was parked.
pub struct Ticket {
    pub(super) approvals: Approvals,
    pub(super) id: ApprovalId,
    pub(super) binding: Box<Binding>,
    pub(super) by: (String, u64),
    pub(super) woken: watch::Receiver<()>,
}

impl Ticket {
    /// The request's name.
    #[must_use]
    pub fn id(&self) -> &ApprovalId {
        &self.id
    }

    /// Waits for the decision.
    ///
    /// # Errors
    /// Why the statement may not run.
    pub async fn decided(mut self) -> Result<Grant, Refusal> {
        loop {
            let inner = &self.approvals.0;
            let approval = inner.book.lock().get(&self.id).cloned();
            let Some(approval) = approval else { return Err(internal("the request is gone")) };
            let now = self.approvals.now();
            match approval.state() {
                State::Granted { until, .. } if now < until => {
                    // A use is stored before it counts: that waits for the disk, and this thread carries sessions.
                    let (approvals, id) = (self.approvals.clone(), self.id.clone());
                    let (binding, by) = (self.binding.clone(), self.by.clone());
                    let spend = move || approvals.spend(&mut approvals.0.book.lock(), &id, &binding, &by);
                    let spent = tokio::task::spawn_blocking(spend).await;
                    return match spent.unwrap_or_else(|_| Opened::Refused(internal("the grant could not be used"))) {
                        Opened::Granted(grant) => Ok(grant),
                        Opened::Refused(refusal) => Err(refusal),
                        Opened::Held(_) => Err(internal("a grant waits for itself")),
                    };
                }
                State::Pending if now < approval.request().expires => {}
                _ => {
                    // What lapsed a moment ago is recorded as such before the client hears of it.
                    if let Err(error) = self.approvals.tick() {
                        tracing::error!(%error, "approvals cannot expire in the record");
                    }
                    let approval = self.approvals.get(&self.id).unwrap_or(approval);
                    return Err(self.approvals.no(&approval));
                }
            }
            let left = approval.request().expires.0.saturating_sub(now.0).max(0);
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(Duration::from_secs(30));
            tokio::select! {
                changed = self.woken.changed() => if changed.is_err() { return Err(internal("approvals have stopped")) },
                () = tokio::time::sleep(left + Duration::from_millis(5)) => {}
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.approvals.0.waiting.lock().remove(&self.id);
        let pending = self
            .approvals
            .get(&self.id)
            .is_some_and(|approval| approval.state() == State::Pending && approval.request().held);
        if pending {
            let event = Event::Cancel { why: "the client went away".to_owned() };
            match self.approvals.decide(&self.id, &event) {
                Ok(_) | Err(Failed::Objection(_)) => {}
                Err(error) => {
                    tracing::error!(approval = %self.id, %error, "a request that nobody waits for could not be cancelled; it lapses by itself")
                }
            }
        }
    }
}

impl Approvals {
    /// What a client is told whose request came to nothing.
    fn no(&self, approval: &Approval) -> Refusal {
        let request = approval.request();
        let last = approval.history().iter().rev().find(|entry| entry.step != Step::Used);
        let by = last.and_then(|entry| entry.by.as_ref()).map_or("the proxy", |by| by.display());
        let words = last.and_then(|entry| entry.words.as_deref()).unwrap_or_default();
        let id = &request.id;
        let (message, hint) = match approval.state() {
            State::Denied => {
                (format!("{by} denied request {id}: {words}"), "ask them, or change the statement".to_owned())
            }
            State::Revoked => (format!("{by} revoked request {id}: {words}"), "ask them".to_owned()),
            State::Cancelled => {
                (format!("request {id} was cancelled: {words}"), "send the statement again to ask anew".to_owned())
            }
            State::Used => (
                format!("request {id} was used by another connection"),
                "send the statement again to ask anew".to_owned(),
            ),
            State::Expired | State::Pending | State::Granted { .. } => (
                format!("nobody approved request {id} within {}", lasting(self.0.config.wait)),
                format!(
                    "send the statement again to ask anew, and tell someone from {}",
                    request.terms.groups.join(", ")
                ),
            ),
        };
        Refusal::new(RefusalKind::NeedsApproval, message).hint(hint).rule(request.binding.rule.clone())
    }
}
