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
use tokio::runtime::Handle;
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
            // The book is locked while a change of it waits for the disk, and this thread carries sessions.
            let (approvals, id) = (self.approvals.clone(), self.id.clone());
            let (binding, by) = (self.binding.clone(), self.by.clone());
            let looked = tokio::task::spawn_blocking(move || approvals.look(&id, &binding, &by)).await;
            let left = match looked.unwrap_or_else(|_| Look::Over(Err(internal("the request could not be looked at"))))
            {
                Look::Over(outcome) => return outcome,
                Look::Wait(left) => left,
            };
            tokio::select! {
                changed = self.woken.changed() => if changed.is_err() { return Err(internal("approvals have stopped")) },
                () = tokio::time::sleep(left.min(Duration::from_secs(30)) + Duration::from_millis(5)) => {}
            }
        }
    }
}

/// How a request stands for the connection that waits for it.
enum Look {
    /// It is decided, and a grant is used.
    Over(Result<Grant, Refusal>),
    /// It waits, at most for this long.
    Wait(Duration),
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.approvals.0.waiting.lock().remove(&self.id);
        let (approvals, id) = (self.approvals.clone(), self.id.clone());
        let cancel = move || approvals.nobody_waits(&id);
        // Cancelling is stored: that waits for the disk, too.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(cancel)),
            Err(_) => cancel(),
        }
    }
}

impl Approvals {
    /// Looks at a request, and uses its grant if there is one. Blocks on the disk.
    fn look(&self, id: &ApprovalId, binding: &Binding, by: &(String, u64)) -> Look {
        let mut book = self.0.book.lock();
        let now = book.time((self.0.now)());
        let Some(approval) = book.get(id).cloned() else {
            return Look::Over(Err(internal("the request is gone")));
        };
        match approval.state() {
            // A use is stored before it counts.
            State::Granted { until, .. } if now < until => Look::Over(match self.spend(&mut book, id, binding, by) {
                Opened::Granted(grant) => Ok(grant),
                Opened::Refused(refusal) => Err(refusal),
                Opened::Held(_) => Err(internal("a grant waits for itself")),
            }),
            State::Pending if now < approval.request().expires => {
                let left = approval.request().expires.0.saturating_sub(now.0).max(0);
                Look::Wait(Duration::from_micros(u64::try_from(left).unwrap_or(0)))
            }
            _ => {
                drop(book);
                // What lapsed a moment ago is recorded as such before the client hears of it.
                if let Err(error) = self.tick() {
                    tracing::error!(%error, "approvals cannot expire in the record");
                }
                Look::Over(Err(self.no(&self.get(id).unwrap_or(approval))))
            }
        }
    }

    /// Cancels a request whose connection went away, unless it was parked. Blocks on the disk.
    fn nobody_waits(&self, id: &ApprovalId) {
        let held = |approval: &Approval| approval.state() == State::Pending && approval.request().held;
        if !self.get(id).as_ref().is_some_and(held) {
            return;
        }
        match self.decide(id, &Event::Cancel { why: "the client went away".to_owned() }) {
            Ok(_) | Err(Failed::Objection(_)) => {}
            Err(error) => {
                tracing::error!(approval = %id, %error, "a request that nobody waits for could not be cancelled; it lapses by itself")
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
