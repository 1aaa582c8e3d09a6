//! Approve: turns a verdict into a permit, a refusal, or a wait for people. Gives [`Permit`], the only thing that
//! [`super::execute()`] takes.

use super::Judged;
use crate::approvals::Grant;
use model::{Decision, Phase, Refusal, Statement, Verdict};
use std::sync::Arc;

/// A statement that may run, with the very bytes that were judged. Built only here.
pub(crate) struct Permit {
    pub(super) statement: Box<Statement>,
    pub(super) verdict: Arc<Verdict>,
    pub(super) approval: Option<String>,
    /// The adapter has settled its class: that is done once, however often there is no room for its record.
    pub(super) settled: bool,
}

/// A statement that may not run. Built only here.
pub(crate) struct Refused {
    pub(super) statement: Box<Statement>,
    pub(super) verdict: Arc<Verdict>,
    pub(super) refusal: Refusal,
}

/// What approve made of a judged statement.
pub(crate) enum Ruling {
    /// It may run.
    Permit(Permit),
    /// It may not.
    Refused(Refused),
    /// People must agree first.
    Held(Judged),
}

/// Rules on a judged statement.
pub(crate) fn approve(judged: Judged) -> Ruling {
    match judged.verdict.decision.clone() {
        Decision::Allow => Ruling::Permit(Permit {
            statement: judged.statement,
            verdict: judged.verdict,
            approval: None,
            settled: false,
        }),
        Decision::Deny(refusal) => Ruling::Refused(judged.refuse(refusal)),
        // Preparing runs nothing and shows nothing: people are asked when it is to run, with the parameters it runs with.
        Decision::Hold(_) if judged.statement.phase == Phase::Prepare => {
            let verdict = Arc::new(Verdict { decision: Decision::Allow, ..(*judged.verdict).clone() });
            Ruling::Permit(Permit { statement: judged.statement, verdict, approval: None, settled: false })
        }
        Decision::Hold(_) => Ruling::Held(judged),
    }
}

impl Judged {
    /// Lets a held statement run, by the grant that people gave for it: the record names the approval.
    pub(crate) fn permit_with(self, grant: Grant) -> Permit {
        let approval = Some(grant.approval().to_string());
        Permit { statement: self.statement, verdict: self.verdict, approval, settled: false }
    }

    /// Turns the statement away, whatever the verdict was: nobody approved, or the record cannot be written.
    pub(crate) fn refuse(self, refusal: Refusal) -> Refused {
        Refused::new(self.statement, &self.verdict, refusal)
    }
}

impl Refused {
    /// The verdict that goes into the record says what was really decided.
    pub(super) fn new(statement: Box<Statement>, verdict: &Arc<Verdict>, refusal: Refusal) -> Self {
        let same = matches!(&verdict.decision, Decision::Deny(denied) if *denied == refusal);
        let verdict = if same {
            verdict.clone()
        } else {
            Arc::new(Verdict { decision: Decision::Deny(refusal.clone()), ..(**verdict).clone() })
        };
        Self { statement, verdict, refusal }
    }
}

impl Permit {
    /// Takes the permit back: the record cannot be written.
    pub(super) fn revoke(self, refusal: Refusal) -> Refused {
        Refused::new(self.statement, &self.verdict, refusal)
    }
}
