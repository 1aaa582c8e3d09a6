//! Approvals as one session's relay sees them: a question goes in, an agreement or a refusal comes out.

use super::ask::Ask;
use super::grant::Grant;
use super::hold::{Approvals, Opened};
use model::SessionInfo;
use pipeline::{Agreed, Asking, Holds, OnHold, Question};
use std::sync::Arc;

/// Holds the statements of one session.
struct InSession {
    approvals: Approvals,
    session: Arc<SessionInfo>,
}

impl crate::proxy::Approvals for Approvals {
    fn holds(&self, session: &Arc<SessionInfo>) -> Arc<dyn Holds> {
        Arc::new(InSession { approvals: self.clone(), session: session.clone() })
    }
}

impl Holds for InSession {
    /// Asking writes to the disk and waits for it, on a thread that carries no session.
    fn hold(&self, question: Question) -> Asking {
        let (approvals, session) = (self.approvals.clone(), self.session.clone());
        let asked = tokio::task::spawn_blocking(move || ask(&approvals, &session, &question));
        Box::pin(async move {
            match asked.await {
                Ok(opened) => on_hold(opened),
                // The thread was given up with the question: nobody can say what became of it, so the session ends.
                Err(error) => {
                    tracing::error!(%error, "asking for approval failed");
                    OnHold { decision: Box::pin(std::future::pending()), notice: None }
                }
            }
        })
    }
}

fn ask(approvals: &Approvals, session: &SessionInfo, question: &Question) -> Opened {
    approvals.ask(&Ask {
        session,
        statement: &question.statement,
        verdict: &question.verdict,
        need: &question.need,
        estimated_rows: question.estimated_rows,
    })
}

fn on_hold(opened: Opened) -> OnHold {
    match opened {
        Opened::Granted(grant) => OnHold::at_once(Ok(agreed(grant))),
        Opened::Refused(refusal) => OnHold::at_once(Err(refusal)),
        Opened::Held(held) => {
            let decided = held.ticket.decided();
            let decision = async move { decided.await.map(agreed) };
            OnHold { decision: Box::pin(decision), notice: Some(held.notice) }
        }
    }
}

/// A grant is used up by what it opens.
#[allow(clippy::needless_pass_by_value, reason = "it cannot be used twice")]
fn agreed(grant: Grant) -> Agreed {
    Agreed::by(grant.approval().to_string())
}
