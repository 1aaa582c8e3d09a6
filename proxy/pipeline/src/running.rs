//! Statements between execute and their last answer: their verdicts and the plans for their results.

use crate::alarm::concerns;
use crate::written_back::Shown;
use model::{Column, ColumnMask, Role, Statement, StatementId, Verb, Verdict};
use policies::Masker;
use std::collections::VecDeque;
use std::sync::Arc;

/// How one result is treated, worked out once its columns are known.
pub(crate) struct ResultPlan {
    /// The result's index within the statement.
    pub(crate) result: u32,
    /// The columns that it was worked out for.
    pub(crate) columns: Arc<[Column]>,
    /// What the record says of each column.
    pub(crate) masks: Vec<ColumnMask>,
    /// Per column: the client is shown it unmasked though the record holds the rule's mask. Empty when nothing is.
    pub(crate) raw: Vec<bool>,
    /// What masks the rows for the record, where it holds less than the client is shown.
    pub(crate) recorders: Option<Vec<Option<Masker>>>,
    /// A compiled masker per masked column; empty when none is.
    pub(crate) maskers: Vec<Option<Masker>>,
    /// What each column's masked values are remembered under.
    pub(crate) domains: Vec<u64>,
}

/// A statement whose answer is due.
pub(crate) struct Entry {
    pub(crate) statement: StatementId,
    pub(crate) verdict: Arc<Verdict>,
    pub(crate) plan: Option<ResultPlan>,
    /// Its last part is a CALL, which may have any number of results: all are treated as that part's.
    pub(crate) open_ended: bool,
    /// It runs with the role that may not read protected columns, and reads or changes rows.
    pub(crate) is_locked: bool,
}

/// The statements whose answers are due, oldest first.
#[derive(Default)]
pub struct Running {
    entries: VecDeque<Entry>,
    /// What the session was shown in place of protected values.
    pub(crate) shown: Shown,
}

impl Running {
    /// A statement was sent.
    pub(crate) fn started(&mut self, statement: &Statement, verdict: Arc<Verdict>) {
        let facts = &statement.facts;
        let open_ended = facts.unparsed.is_none() && facts.parts.last().is_some_and(|part| part.verb == Verb::Call);
        let is_locked = statement.role == Some(Role::Masked) && concerns(facts);
        self.entries.push_back(Entry { statement: statement.id, verdict, plan: None, open_ended, is_locked });
    }

    /// The entry of a statement. Answers come in order, so it is nearly always the first.
    pub(crate) fn get(&mut self, statement: StatementId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.statement == statement)
    }

    /// The entry of a statement, and what the session was shown.
    pub(crate) fn with_shown(&mut self, statement: StatementId) -> Option<(&mut Entry, &mut Shown)> {
        let entry = self.entries.iter_mut().find(|entry| entry.statement == statement)?;
        Some((entry, &mut self.shown))
    }

    /// A statement's last answer came.
    pub(crate) fn ended(&mut self, statement: StatementId) {
        if let Some(at) = self.entries.iter().position(|entry| entry.statement == statement) {
            self.entries.remove(at);
        }
    }

    /// What the session was shown in place of protected values.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The statement whose answer is due first.
    #[must_use]
    pub fn oldest(&self) -> Option<StatementId> {
        self.entries.front().map(|entry| entry.statement)
    }

    /// Whether an answer is due.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Statements that never got their last answer.
    #[must_use]
    pub fn unanswered(&self) -> Vec<StatementId> {
        self.entries.iter().map(|entry| entry.statement).collect()
    }
}
