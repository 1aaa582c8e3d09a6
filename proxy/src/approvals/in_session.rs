//! Approvals as one session's relay sees them: the judged statement goes in, a permit or a refusal comes out.

use super::ask::Ask;
use super::hold::{Approvals, Opened};
use crate::pipeline::{Judged, Ruling};
use crate::session::{Held, Holds};
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
    fn hold(&self, judged: Judged) -> Held {
        let verdict = judged.verdict().clone();
        let Decision::Hold(need) = &verdict.decision else {
            let refusal = Refusal::new(RefusalKind::Internal, "a statement was held that needs no approval");
            return at_once(Ruling::Refused(judged.refuse(refusal)));
        };
        let ask = Ask {
            session: &self.session,
            statement: judged.statement(),
            verdict: &verdict,
            need,
            estimated_rows: judged.estimated_rows(),
        };
        match self.approvals.ask(&ask) {
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
}

fn at_once(ruling: Ruling) -> Held {
    Held { ruling: Box::pin(std::future::ready(ruling)), notice: None }
}
