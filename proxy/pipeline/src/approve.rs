//! Approve: turns a verdict into an approval, a refusal, or a question for people. Gives [`Approved`], the only thing that
//! [`crate::settle()`] takes.

use crate::{Agreed, Judged, Question};
use model::{ApprovalNeed, Decision, Phase, Refusal, Statement, Verdict};
use std::sync::Arc;

/// A statement that may run, by its verdict or because people agreed. Built only here.
#[derive(Debug)]
pub struct Approved {
    statement: Box<Statement>,
    verdict: Arc<Verdict>,
    approval: Option<String>,
}

/// A statement that may not run. Built only here.
#[derive(Debug)]
#[must_use = "a refusal that is dropped leaves the client without an answer"]
pub struct Refused {
    statement: Box<Statement>,
    verdict: Arc<Verdict>,
    refusal: Refusal,
}

/// A statement that people must agree to first. Built only here: what policy denies, nobody can agree to.
#[derive(Debug)]
pub struct Held {
    judged: Judged,
    need: ApprovalNeed,
}

/// What approve made of a judged statement.
#[derive(Debug)]
pub enum Ruling {
    /// It may run.
    Approved(Approved),
    /// It may not.
    Refused(Refused),
    /// People must agree first.
    Held(Held),
}

/// Rules on a judged statement.
#[must_use]
pub fn approve(judged: Judged) -> Ruling {
    let approved = |judged: Judged, verdict: Arc<Verdict>| {
        Ruling::Approved(Approved { statement: judged.into_statement(), verdict, approval: None })
    };
    let verdict = judged.verdict().clone();
    match &verdict.decision {
        Decision::Allow => approved(judged, verdict),
        Decision::Deny(refusal) => Ruling::Refused(Refused::new(judged.into_statement(), &verdict, refusal.clone())),
        // Preparing runs nothing and shows nothing: people are asked when it is to run, with the parameters it runs with.
        Decision::Hold(_) if judged.statement().phase == Phase::Prepare => {
            approved(judged, Arc::new(Verdict { decision: Decision::Allow, ..(*verdict).clone() }))
        }
        Decision::Hold(need) => Ruling::Held(Held { judged, need: need.clone() }),
    }
}

impl Approved {
    pub(crate) fn into_parts(self) -> (Box<Statement>, Arc<Verdict>, Option<String>) {
        (self.statement, self.verdict, self.approval)
    }
}

impl Held {
    /// What people are shown of it.
    #[must_use]
    pub fn question(&self) -> Question {
        Question {
            statement: self.judged.statement().clone(),
            verdict: self.judged.verdict().clone(),
            need: self.need.clone(),
            estimated_rows: self.judged.estimated_rows(),
        }
    }

    /// People have decided: it may run, and the record names the approval; or it may not.
    #[must_use]
    pub fn decided(self, decision: Result<Agreed, Refusal>) -> Ruling {
        let verdict = self.judged.verdict().clone();
        let statement = self.judged.into_statement();
        match decision {
            Ok(agreed) => {
                Ruling::Approved(Approved { statement, verdict, approval: Some(agreed.approval().to_owned()) })
            }
            Err(refusal) => Ruling::Refused(Refused::new(statement, &verdict, refusal)),
        }
    }
}

impl Refused {
    /// The verdict that goes into the record says what was really decided.
    pub(crate) fn new(statement: Box<Statement>, verdict: &Arc<Verdict>, refusal: Refusal) -> Self {
        let same = matches!(&verdict.decision, Decision::Deny(denied) if *denied == refusal);
        let verdict = if same {
            verdict.clone()
        } else {
            Arc::new(Verdict { decision: Decision::Deny(refusal.clone()), ..(**verdict).clone() })
        };
        Self { statement, verdict, refusal }
    }

    pub(crate) fn into_parts(self) -> (Box<Statement>, Arc<Verdict>, Refusal) {
        (self.statement, self.verdict, self.refusal)
    }
}
