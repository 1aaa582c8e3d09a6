//! Judge: what the policy in force says of a statement. Gives [`Judged`].

use crate::mask::Protection;
use crate::{Refused, Running, Understood};
use model::{
    Class, ColumnRef, Decision, Facts, Identity, MaskSpec, OutputPlan, Phase, Refusal, SessionInfo, Statement,
    TableRef, Timestamp, Verdict,
};
use policies::{Keys, Names, Policy, Question};
use std::collections::HashMap;
use std::sync::Arc;
use wire::Datasource;

/// Verdicts remembered per session. A session rarely has more shapes of statements than this.
const REMEMBERED: usize = 1024;
/// A verdict that looks at the time of day is good for this long, in microseconds.
const TIMELY: i64 = 30_000_000;

/// A statement with its verdict. Built only here.
#[derive(Debug)]
pub struct Judged {
    statement: Box<Statement>,
    verdict: Arc<Verdict>,
    estimated_rows: Option<u64>,
}

/// What the planner said of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimate {
    /// It was not asked.
    NotAsked,
    /// So many rows, or that there is no saying.
    Asked(Option<u64>),
}

/// What judging came to.
#[derive(Debug)]
pub enum Opinion {
    /// A verdict.
    Ready(Judged),
    /// The planner is to be asked first: the verdict depends on how many rows there are, or people will want to know.
    Ask(Understood),
}

impl Judged {
    fn of(understood: Understood, verdict: Arc<Verdict>, estimated_rows: Option<u64>) -> Self {
        Self { statement: understood.into_statement(), verdict, estimated_rows }
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What was decided.
    #[must_use]
    pub fn verdict(&self) -> &Arc<Verdict> {
        &self.verdict
    }

    /// The planner's estimate of its rows, where it was asked and had one.
    #[must_use]
    pub fn estimated_rows(&self) -> Option<u64> {
        self.estimated_rows
    }

    pub(crate) fn into_statement(self) -> Box<Statement> {
        self.statement
    }
}

/// A remembered verdict. Holding the facts keeps their address from being used again for others.
struct Memory {
    _facts: Arc<Facts>,
    verdict: Arc<Verdict>,
    judged: Timestamp,
    /// The planner is asked each time: other values, other numbers of rows.
    asks: bool,
}

/// Where the policy in force comes from.
pub trait Policies: Send + Sync {
    /// The policy in force now.
    fn current(&self) -> Arc<Policy>;
}

/// Judges the statements of one session.
pub struct Judge {
    policies: Arc<dyn Policies>,
    now: fn() -> Timestamp,
    identity: Identity,
    client_app: String,
    datasource: Arc<dyn Datasource>,
    names: Names,
    keys: Arc<Keys>,
    /// By the address of the facts, which every statement of one shape shares, and whether it runs or is only prepared.
    memory: HashMap<(usize, bool), Memory>,
    /// The policy that the memory is of.
    policy: Arc<Policy>,
    /// The catalog epoch at which unknown relations were last looked up in vain.
    refreshed: u64,
}

/// Lets the policies ask for the columns of a table.
pub struct Columns<'a>(pub &'a dyn Datasource);

impl policies::Schema for Columns<'_> {
    fn columns(&self, table: &TableRef) -> Option<Vec<String>> {
        self.0.columns(table)
    }
}

/// How names compare at a datasource.
#[must_use]
pub fn names(datasource: &dyn Datasource) -> Names {
    if datasource.folds_names() { Names::Folded } else { Names::Exact }
}

impl Judge {
    /// For one session. `now` tells the time of day that policies look at.
    pub fn new(
        policies: Arc<dyn Policies>,
        session: &SessionInfo,
        datasource: Arc<dyn Datasource>,
        keys: Arc<Keys>,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            policy: policies.current(),
            policies,
            now,
            identity: session.identity.clone(),
            client_app: session.client_app.clone(),
            names: names(datasource.as_ref()),
            datasource,
            keys,
            memory: HashMap::new(),
            refreshed: 0,
        }
    }

    /// Judges by the policy in force now, and by what the session was shown.
    pub fn judge(&mut self, statement: Understood, running: &Running, estimate: Estimate) -> Opinion {
        let judged = match self.by_policy(statement, estimate) {
            Opinion::Ready(judged) => judged,
            ask @ Opinion::Ask(_) => return ask,
        };
        if matches!(judged.verdict.decision, Decision::Deny(_)) {
            return Opinion::Ready(judged);
        }
        let datasource = &self.datasource.spec().name;
        let mask_of = |column: &ColumnRef| self.policy.mask_of(&self.identity, datasource, column, self.names);
        let wire = judged.verdict.class == Class::Wire;
        let too_many = || if wire { crate::elements::too_many(&judged.statement, self) } else { None };
        Opinion::Ready(match running.shown().refusal(&judged.statement, mask_of).or_else(too_many) {
            None => judged,
            Some(refusal) => {
                let verdict = Verdict { decision: Decision::Deny(refusal), ..Verdict::clone(&judged.verdict) };
                Judged { verdict: Arc::new(verdict), ..judged }
            }
        })
    }

    fn by_policy(&mut self, understood: Understood, estimate: Estimate) -> Opinion {
        self.take_newest_policy();
        let (now, statement) = ((self.now)(), understood.statement());
        // Preparing runs nothing: how many rows there are is asked when it is to run, with the values it runs with.
        let runs = statement.phase != Phase::Prepare;
        let key = (Arc::as_ptr(&statement.facts).addr(), runs);
        let timely = |judged: Timestamp| !self.policy.looks_at_time() || now.0.saturating_sub(judged.0) < TIMELY;
        let estimated_rows = match estimate {
            Estimate::Asked(rows) => rows,
            Estimate::NotAsked if runs => None,
            Estimate::NotAsked => Some(0),
        };
        let remembered = self.memory.get(&key).filter(|memory| timely(memory.judged));
        if let (Estimate::NotAsked, Some(memory)) = (estimate, remembered) {
            let verdict = memory.verdict.clone();
            return if memory.asks {
                Opinion::Ask(understood)
            } else {
                Opinion::Ready(Judged::of(understood, verdict, None))
            };
        }
        let question = Question {
            small_areas: self.keys.small_areas(),
            identity: &self.identity,
            client_app: &self.client_app,
            datasource: &self.datasource.spec().name,
            names: self.names,
            sql: &statement.sql,
            facts: &statement.facts,
            schema: &Columns(self.datasource.as_ref()),
            now,
            estimated_rows,
        };
        let verdict = Arc::new(self.policy.judge(&question));
        if let Estimate::Asked(estimated_rows) = estimate {
            return Opinion::Ready(Judged::of(understood, verdict, estimated_rows));
        }
        let held = matches!(verdict.decision, Decision::Hold(_));
        let asks = runs && (held || self.policy.wants_estimate(&question));
        if !self.policy.looks_at_text() {
            if self.memory.len() >= REMEMBERED {
                self.memory.clear();
            }
            let memory = Memory { _facts: statement.facts.clone(), verdict: verdict.clone(), judged: now, asks };
            self.memory.insert(key, memory);
        }
        if asks { Opinion::Ask(understood) } else { Opinion::Ready(Judged::of(understood, verdict, None)) }
    }

    /// A statement that the adapter can let pass under no policy.
    pub fn out_of_hand(&mut self, statement: Understood, refusal: Refusal) -> Refused {
        self.take_newest_policy();
        let statement = statement.into_statement();
        let verdict = Verdict {
            decision: Decision::Deny(refusal.clone()),
            rule: None,
            policy: self.policy.version(),
            outputs: statement.facts.parts.iter().map(|_| OutputPlan::RedactAll("refused".to_owned())).collect(),
            recorded: Vec::new(),
            guard_messages: true,
            class: Class::Wire,
            role: model::Role::Wire,
        };
        Refused::new(statement, &Arc::new(verdict), refusal)
    }

    /// Whether a newer catalog may know the relations that this one does not: asked at most once per catalog, so that
    /// misspelt names do not make every statement wait for the upstream.
    pub fn may_refresh(&mut self, facts: &Facts) -> bool {
        let epoch = self.datasource.catalog_epoch();
        if facts.catalog_epoch < epoch || self.datasource.is_outdated() {
            return true;
        }
        let first = self.refreshed <= epoch;
        self.refreshed = epoch.saturating_add(1);
        first
    }

    fn take_newest_policy(&mut self) {
        let current = self.policies.current();
        if !Arc::ptr_eq(&current, &self.policy) {
            self.policy = current;
            self.memory.clear();
        }
    }
}

impl Protection for Judge {
    fn mask_of(&self, column: &ColumnRef) -> Option<MaskSpec> {
        self.policy.mask_of(&self.identity, &self.datasource.spec().name, column, self.names)
    }

    fn recorded_mask_of(&self, column: &ColumnRef) -> Option<MaskSpec> {
        self.policy.recorded_mask_of(&self.datasource.spec().name, column, self.names)
    }

    fn exempts(&self) -> bool {
        self.policy.exempts(&self.identity)
    }

    fn anything(&self) -> bool {
        self.policy.protects(&self.datasource.spec().name, self.names)
    }
}
