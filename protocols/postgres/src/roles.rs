//! The role that a session's statements run with, where the second lock is in force.
//!
//! A session begins as the masked role, by a startup parameter, so nothing ever runs as the account itself. SET ROLE goes
//! out in front of the first statement that needs another role than the last, by messages of ours whose answers the client
//! does not see. What a SET ROLE has set is undone by the end of a transaction that fails, so within one the role is
//! known again only when everything that was sent has been answered well; after a failure it is unknown and set anew.

use crate::conversation::PostgresConversation;
use crate::errors::Reply;
use crate::message::extended::{Target, put_bind, put_execute, put_parse, put_target};
use crate::message::put;
use crate::message::session::Transaction;
use crate::state::Op;
use model::{Facts, Part, Refusal, RefusalKind, Role, Statement, Verb};
use wire::{LockMode, LockNames, LockState, Violation};

/// Settings that say with whose rights a session runs.
const WHO: [&str; 3] = ["role", "session_authorization", "authorization"];

/// The role of a session.
#[derive(Debug)]
pub(crate) struct Roles {
    names: LockNames,
    /// The role once everything that was sent has run well.
    now: Option<Role>,
    /// What it is if what is on its way ends well.
    pending: Option<Role>,
    /// The last change may be undone by the end of a transaction.
    undoable: bool,
    /// A change failed: the roles are not what they were.
    broken: bool,
}

impl Roles {
    /// Of a session that has begun as the masked role.
    pub(crate) fn new(account: &str) -> Self {
        Self { names: LockNames::of(account), now: Some(Role::Masked), pending: None, undoable: false, broken: false }
    }

    fn wants(&self, role: Role) -> bool {
        self.now != Some(role)
    }

    /// A change of it is on its way.
    fn changes(&mut self, role: Role, durable: bool) {
        (self.now, self.pending, self.undoable) = (Some(role), None, !durable);
    }

    /// Something is on its way that may set it to anything.
    pub(crate) fn doubt(&mut self) {
        (self.now, self.pending) = (None, None);
    }

    /// A transaction may have ended behind what was sent: how, the answers say.
    pub(crate) fn suspend(&mut self) {
        if self.undoable && self.now.is_some() {
            self.pending = self.now.take();
        }
    }

    /// Something failed, or a transaction was rolled back.
    pub(crate) fn failed(&mut self) {
        if self.undoable {
            self.doubt();
        }
    }

    /// Everything that was sent is answered.
    pub(crate) fn answered(&mut self, transaction: Transaction) {
        self.now = self.now.or(self.pending.take());
        if transaction == Transaction::Idle {
            self.undoable = false;
        }
    }
}

/// Whether a statement needs no role: the beginning or end of a transaction.
pub(crate) fn needs_none(facts: &Facts) -> bool {
    facts.unparsed.is_none() && facts.parts.iter().all(|part| matches!(part.verb, Verb::Transaction | Verb::Empty))
}

/// The role that a statement runs with; `None` where it needs none.
pub(crate) fn role_of(facts: &Facts, wanted: Role, state: &LockState) -> Option<Role> {
    // Without the lock in force, everything runs with what the account itself has.
    let role = if *state == LockState::InForce { wanted } else { Role::Wire };
    (!needs_none(facts)).then_some(role)
}

/// Whether a statement may set the role to anything: code that was not read, DISCARD.
pub(crate) fn may_set_role(facts: &Facts) -> bool {
    let may = |part: &Part| {
        !part.opaque.is_empty()
            || matches!(part.verb, Verb::Call | Verb::Other | Verb::Session)
            || part.settings.iter().any(|set| set.name == "all" || WHO.contains(&set.name.as_str()))
    };
    facts.unparsed.is_some() || facts.parts.iter().any(may)
}

/// Whether a text ends a transaction and goes on: what comes after would run with the role of before.
fn goes_on_after_the_end(statement: &Statement) -> bool {
    const ENDS: [&[u8]; 4] = [b"rollback", b"abort", b"commit", b"end"];
    let parts = &statement.facts.parts;
    let ends = parts.iter().rev().skip(1).any(|part| part.verb == Verb::Transaction);
    ends && ENDS.iter().any(|word| statement.sql.windows(word.len()).any(|text| text.eq_ignore_ascii_case(word)))
}

impl PostgresConversation {
    /// Settles the role of a statement, or says why it cannot run. Nothing is sent yet.
    pub(crate) fn give_role(&mut self, statement: &mut Statement, role: Role) -> Result<(), Refusal> {
        let (state, mode) = (self.source.lock(), self.source.lock_mode());
        let at_rest = self.at_rest();
        let Some(roles) = &self.roles else { return Ok(()) };
        if statement.facts.parts.iter().flat_map(|part| &part.settings).any(|set| is_who(&set.name)) {
            return Err(not_yours());
        }
        let broken = match (&state, mode) {
            (LockState::Broken(why), LockMode::Required) => Some(why.as_ref()),
            _ if roles.broken => Some("a role could not be taken"),
            _ => None,
        };
        if let Some(why) = broken {
            return Err(out_of_order(&self.source.spec().name, why));
        }
        let Some(role) = role_of(&statement.facts, role, &state) else {
            statement.role = roles.now.or(roles.pending);
            return Ok(());
        };
        let within = self.transaction != Transaction::Idle || !at_rest;
        if within && (roles.wants(role) || roles.undoable) && goes_on_after_the_end(statement) {
            let text = "a text that ends a transaction and goes on cannot change its role in between";
            let refusal = Refusal::new(RefusalKind::NotSupported, text);
            return Err(refusal.hint("send the statements one by one"));
        }
        statement.role = Some(role);
        Ok(())
    }

    /// Puts a change of the role in front of what is about to be sent, where it needs another one.
    pub(crate) fn put_role(&mut self, role: Option<Role>, out: &mut Vec<u8>) {
        let Some(role) = role else { return };
        let at_rest = self.at_rest();
        // In a failed transaction nothing runs but its end.
        if at_rest && self.transaction == Transaction::Failed {
            return;
        }
        let (durable, sync) = (at_rest && self.transaction == Transaction::Idle, !self.segment_open);
        let Some(roles) = self.roles.as_mut().filter(|roles| roles.wants(role)) else { return };
        let text = format!("SET ROLE \"{}\"", roles.names.role(role).replace('"', "\"\""));
        roles.changes(role, durable);
        let start = out.len();
        if put_change(&self.names.own(), &text, sync, out).is_err() {
            // A name that fits no message: nothing is sent, and what needs the role is refused by the server.
            out.truncate(start);
            return;
        }
        self.push(Op::Role { sync, closed: 0 });
    }

    /// A change of the role failed. In a failed transaction that is what everything does; else the lock is out of order.
    pub(crate) fn role_failed(&mut self, code: &str) -> Option<Reply> {
        let roles = self.roles.as_mut()?;
        roles.doubt();
        if code == "25P02" {
            return None;
        }
        roles.broken = true;
        tracing::error!(datasource = %self.source.spec().name, code, "the second lock: a role could not be taken");
        Some(Reply::from(&out_of_order(&self.source.spec().name, "a role could not be taken")))
    }
}

fn is_who(setting: &str) -> bool {
    WHO.contains(&setting) || setting == sql::ACCOUNTS
}

fn put_change(name: &[u8], text: &str, sync: bool, out: &mut Vec<u8>) -> Result<(), Violation> {
    put_parse(name, text.as_bytes(), out)?;
    put_bind(name, name, out)?;
    put_execute(name, 0, out)?;
    put_target(b'C', Target::Portal(name), out)?;
    put_target(b'C', Target::Statement(name), out)?;
    if sync { put(out, b'S', |_| {}) } else { Ok(()) }
}

fn not_yours() -> Refusal {
    Refusal::new(
        RefusalKind::Denied,
        "roles, and what they may do, are not changed through Affidavit, which chooses the role of each statement",
    )
    .hint(
        "leave SET ROLE and SET SESSION AUTHORIZATION out; rights are an administrator's to give, on the server itself",
    )
}

/// What a client is told while the lock is not as policy needs it.
pub(crate) fn out_of_order(datasource: &str, why: &str) -> Refusal {
    let text = format!("the second lock of datasource \"{datasource}\" is out of order: {why}");
    let hint = format!("have its administrator run what `affidavit doctor --datasource {datasource} --sql` prints");
    Refusal::new(RefusalKind::NotAllowed, text).hint(hint)
}
