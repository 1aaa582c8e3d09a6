//! Approvals as one session's relay sees them: the judged statement goes in, a permit or a refusal comes out.

use super::ask::Ask;
use super::hold::{Approvals, Opened};
use crate::pipeline::{Judged, Ruling};
use crate::session::{Held, Holding, Holds};
use model::{Decision, Refusal, RefusalKind, SessionInfo};
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
    fn hold(&self, judged: Judged) -> Holding {
        let (approvals, session) = (self.approvals.clone(), self.session.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let opened = ask(&approvals, &session, &judged);
            (judged, opened)
        });
        Box::pin(async move {
            match asked.await {
                Ok((judged, opened)) => held(judged, opened),
                // The thread was given up with the statement: nobody can say what became of it, so the session ends.
                Err(error) => {
                    tracing::error!(%error, "asking for approval failed");
                    Held { ruling: Box::pin(std::future::pending()), notice: None }
                }
            }
        })
    }
}

fn ask(approvals: &Approvals, session: &SessionInfo, judged: &Judged) -> Opened {
    let verdict = judged.verdict().clone();
    let Decision::Hold(need) = &verdict.decision else {
        return Opened::Refused(Refusal::new(RefusalKind::Internal, "a statement was held that needs no approval"));
    };
    let ask = Ask {
        session,
        statement: judged.statement(),
        verdict: &verdict,
        need,
        estimated_rows: judged.estimated_rows(),
    };
    approvals.ask(&ask)
}

fn held(judged: Judged, opened: Opened) -> Held {
    match opened {
        Opened::Granted(grant) => at_once(Ruling::Permit(judged.permit_with(grant))),
        Opened::Refused(refusal) => at_once(Ruling::Refused(judged.refuse(refusal))),
        Opened::Held(held) => {
            let decided = held.ticket.decided();
            let ruling = async move {
                match decided.await {
                    Ok(grant) => Ruling::Permit(judged.permit_with(grant)),
                    Err(refusal) => Ruling::Refused(judged.refuse(refusal)),
                }
            };
            Held { ruling: Box::pin(ruling), notice: Some(held.notice) }
        }
    }
}

fn at_once(ruling: Ruling) -> Held {
    Held { ruling: Box::pin(std::future::ready(ruling)), notice: None }
}
