//! The role that a session's statements run with, where the second lock is in force.
//!
//! The account itself may read nothing. A SET ROLE of ours goes out in front of the first command that needs another role
//! than the last; the server answers it first, and the client does not see that answer. No transaction undoes it; what
//! resets the session (COM_RESET_CONNECTION, COM_CHANGE_USER) does, and then it is set again.

use crate::conversation::MysqlConversation;
use crate::message::{command, packet};
use crate::settings;
use crate::upstream::{Due, Plain};
use model::{Facts, Refusal, RefusalKind, Role, Statement, TableRef, Verb};
use std::collections::HashSet;
use std::sync::Arc;
use wire::{LockMode, LockNames, LockState};

/// The role of a session.
pub(crate) struct Roles {
    names: LockNames,
    /// The role once everything that was sent has been answered.
    now: Option<Role>,
    /// A change failed: the roles are not what they were.
    broken: bool,
}

impl Roles {
    /// Of a session that has just begun: which role it has is the account's default.
    pub(crate) fn new(account: &str) -> Self {
        Self { names: LockNames::of(account), now: None, broken: false }
    }

    /// Something is on its way that may set it to anything.
    pub(crate) fn doubt(&mut self) {
        self.now = None;
    }
}

/// The statement that takes a role. Names of roles are texts under every `sql_mode`.
pub(crate) fn set_role(role: &str) -> String {
    format!("SET ROLE '{}'", role.replace('\'', "''"))
}

/// Whether a statement may set the role to anything: code that was not read.
fn may_set_role(facts: &Facts) -> bool {
    let may = |part: &model::Part| !part.opaque.is_empty() || matches!(part.verb, Verb::Call | Verb::Other);
    facts.unparsed.is_some() || facts.parts.iter().any(may)
}

/// Whether a statement needs no role: the beginning or end of a transaction, or a question about the statement before it,
/// which one of ours in between would answer otherwise.
fn needs_none(statement: &Statement) -> bool {
    let quiet = |part: &model::Part| matches!(part.verb, Verb::Transaction | Verb::Empty);
    let facts = &statement.facts;
    facts.unparsed.is_none() && facts.parts.iter().all(quiet)
        || settings::is_diagnostic(&statement.sql) && settings::is_independent(facts)
}

/// The role that a statement runs with; `None` where it needs none. `covered` are the tables that the roles were made for.
pub(crate) fn role_of(
    statement: &Statement,
    wanted: Role,
    state: &LockState,
    covered: &HashSet<TableRef>,
) -> Option<Role> {
    if needs_none(statement) {
        return None;
    }
    // EXPLAIN shows no value, and the server shows no plan over a view of others.
    let explains = statement.facts.parts.iter().any(|part| part.verbs.contains(&Verb::Explain));
    // Tables that came after the roles are not theirs yet; without the lock in force the account's rights are the wire role's.
    let all = *state == LockState::InForce && !explains && is_covered(&statement.facts, covered);
    Some(if all { wanted } else { Role::Wire })
}

impl MysqlConversation {
    /// Settles the role of a statement, or says why it cannot run. Nothing is sent yet.
    pub(crate) fn give_role(&mut self, statement: &mut Statement, role: Role) -> Result<(), Refusal> {
        let Some(roles) = &self.roles else { return Ok(()) };
        let state = self.datasource.lock_state();
        let broken = match (&state, self.datasource.lock_mode()) {
            (LockState::Broken(why), LockMode::Required) => Some(why.as_ref()),
            _ if roles.broken => Some("a role could not be taken"),
            _ => None,
        };
        if let Some(why) = broken {
            return Err(out_of_order(&self.datasource.name(), why));
        }
        statement.role = role_of(statement, role, &state, &self.datasource.covered()).or(roles.now);
        Ok(())
    }

    /// Puts a change of the role in front of what is about to be sent, where it needs another one.
    pub(crate) fn put_role(&mut self, statement: &Statement, out: &mut Vec<u8>) {
        let (Some(role), Some(roles)) = (statement.role, &mut self.roles) else { return };
        if roles.now != Some(role) {
            roles.now = Some(role);
            let text = set_role(roles.names.role(role));
            let start = packet::begin(out);
            out.push(command::QUERY);
            if self.query_attributes {
                out.extend_from_slice(&[0, 1]);
            }
            out.extend_from_slice(text.as_bytes());
            packet::finish(out, start, 0);
            self.sent(Due::plain(Plain::Role, 1));
        }
        if let Some(roles) = &mut self.roles
            && statement.phase != model::Phase::Prepare
            && may_set_role(&statement.facts)
        {
            roles.doubt();
        }
    }

    /// A change of the role failed: the lock is out of order.
    pub(crate) fn role_failed(&mut self, code: u16) {
        if let Some(roles) = &mut self.roles {
            roles.now = None;
            roles.broken = true;
            tracing::error!(datasource = %self.datasource.name(), code, "the second lock: a role could not be taken");
        }
    }

    /// The database of the views that computed masks are read through, where the lock is in force.
    pub(crate) fn views(&self) -> Option<Arc<str>> {
        let roles = self.roles.as_ref().filter(|_| self.datasource.lock_state() == LockState::InForce)?;
        Some(roles.names.views.as_str().into())
    }
}

/// Whether the roles have their rights on every table that a statement names.
fn is_covered(facts: &Facts, covered: &HashSet<TableRef>) -> bool {
    let tables = facts.parts.iter().flat_map(|part| &part.tables);
    let engines = |table: &TableRef| crate::survey::is_system(&table.schema);
    tables
        .filter(|used| used.access != model::Access::Define)
        .all(|used| engines(&used.table) || covered.contains(&used.table))
}

/// What a client is told while the lock is not as policy needs it.
pub(crate) fn out_of_order(datasource: &str, why: &str) -> Refusal {
    let text = format!("the second lock of datasource \"{datasource}\" is out of order: {why}");
    let hint = format!("have its administrator run what `affidavit doctor --datasource {datasource} --sql` prints");
    Refusal::new(RefusalKind::NotAllowed, text).hint(hint)
}
