//! Judge: what the policy in force says of a statement. Gives [`Judged`].

use model::{Facts, Identity, Statement, Timestamp, Verdict};
use std::collections::HashMap;
use std::sync::Arc;
use wire::Datasource;

use crate::policy_store::PolicyStore;

/// Verdicts remembered per session. A session rarely has more shapes of statements than this.
const REMEMBERED: usize = 1024;
/// A verdict may depend on the time of day, so none is remembered longer.
const REMEMBERED_FOR_MICROS: i64 = 30_000_000;

/// A statement with its verdict. Built only here.
pub(crate) struct Judged {
    pub(super) statement: Box<Statement>,
    pub(super) verdict: Arc<Verdict>,
}

/// A remembered verdict. Holding the facts keeps their address from being used again for others.
struct Memory {
    _facts: Arc<Facts>,
    verdict: Arc<Verdict>,
    judged: Timestamp,
}

/// Judges the statements of one session.
pub(crate) struct Judge {
    policies: Arc<PolicyStore>,
    identity: Identity,
    client_app: String,
    datasource: Arc<dyn Datasource>,
    memory: HashMap<usize, Memory>,
    memory_of: Option<Arc<policies::Policy>>,
}

/// Lets the policies ask for the columns of a table.
struct Columns<'a>(&'a dyn Datasource);

impl policies::Schema for Columns<'_> {
    fn columns(&self, table: &model::TableRef) -> Option<Vec<String>> {
        self.0.columns(table)
    }
}
