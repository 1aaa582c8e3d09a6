//! What a session has prepared or declared by SQL: `EXECUTE x` and `FETCH … FROM c` name it, and only the session knows
//! what it is. PostgreSQL only; MySQL's prepared texts stay opaque.

use crate::bounds::{self, Effort};
use crate::postgres::{Kept, SessionStatement};
use crate::{Analyser, Catalog, Settings};
use model::{Facts, Outputs, Part};
use std::collections::HashMap;
use std::sync::Arc;

/// Names kept at most of each kind; what comes later stays opaque.
const NAMES: usize = 1024;

/// Depth up to which a statement is kept.
pub(crate) const KEPT_DEPTH: usize = 100;

/// Prepared statements and cursors of one session, by name.
///
/// An adapter calls [`Session::sent`], [`Session::completed`], [`Session::renamed`] and [`Session::transaction_ended`]
/// without exception, or does not use this at all: a name that is remembered wrongly is worse than one that is opaque.
#[derive(Clone, Debug, Default)]
pub struct Session {
    statements: HashMap<String, (Kept, Settings)>,
    cursors: HashMap<String, (Kept, Settings)>,
}

impl Session {
    /// To be called when a text is sent: forgets every name that it may redefine or remove, so that nothing sent behind it
    /// is judged by what the name meant before.
    pub fn sent(&mut self, sql: &[u8]) {
        for change in changes(sql) {
            match change {
                SessionStatement::Prepare(name, _) | SessionStatement::Deallocate(Some(name)) => {
                    self.statements.remove(&name);
                }
                SessionStatement::Deallocate(None) => self.statements.clear(),
                SessionStatement::Declare(name, _) | SessionStatement::Close(Some(name)) => {
                    self.cursors.remove(&name);
                }
                SessionStatement::Close(None) => self.cursors.clear(),
                SessionStatement::EndTransaction => self.cursors.clear(),
                SessionStatement::Discard => *self = Self::default(),
            }
        }
    }

    /// To be called for every name in a protocol's own Parse, Bind or Close: they share their names with SQL's prepared
    /// statements and cursors, so the name no longer means what SQL made of it.
    pub fn renamed(&mut self, name: &str) {
        self.statements.remove(name);
        self.cursors.remove(name);
    }

    /// To be called when a transaction has ended, however it did: its cursors are gone.
    pub fn transaction_ended(&mut self) {
        self.cursors.clear();
    }

    /// To be called when the upstream has completed a text without an error: keeps what it prepared and declared.
    /// `settings` are those under which it was judged: names in it stay resolved that way.
    pub fn completed(&mut self, sql: &[u8], settings: &Settings) {
        for change in changes(sql) {
            match change {
                SessionStatement::Prepare(name, kept) if self.statements.len() < NAMES => {
                    self.statements.insert(name, (kept, settings.clone()));
                }
                SessionStatement::Declare(name, kept) if self.cursors.len() < NAMES => {
                    self.cursors.insert(name, (kept, settings.clone()));
                }
                SessionStatement::Deallocate(Some(name)) => drop(self.statements.remove(&name)),
                SessionStatement::Deallocate(None) => self.statements.clear(),
                SessionStatement::Close(Some(name)) => drop(self.cursors.remove(&name)),
                SessionStatement::Close(None) => self.cursors.clear(),
                SessionStatement::EndTransaction => self.cursors.clear(),
                SessionStatement::Discard => *self = Self::default(),
                SessionStatement::Prepare(..) | SessionStatement::Declare(..) => {}
            }
        }
    }
}

/// What a text does to names; nothing when it holds none of the words that could.
fn changes(sql: &[u8]) -> Vec<SessionStatement> {
    const WORDS: [&[u8]; 9] =
        [b"prepare", b"deallocate", b"declare", b"close", b"discard", b"commit", b"rollback", b"abort", b"end"];
    let could = WORDS.iter().any(|word| sql.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)));
    if could { crate::postgres::session_statements(sql) } else { Vec::new() }
}

impl Analyser {
    /// As [`Analyser::analyse`], with what the session has prepared and declared: the facts of `EXECUTE` and `FETCH` are
    /// those of the statement that they run. Only where they stand alone in a text; else they stay opaque.
    #[must_use]
    pub fn analyse_in(&self, sql: &[u8], catalog: &Catalog, settings: &Settings, session: &Session) -> Arc<Facts> {
        let facts = self.analyse(sql, catalog, settings);
        let [part] = facts.parts.as_slice() else { return facts };
        let Outputs::Unknown(what) = &part.outputs else { return facts };
        let fetches = what.starts_with("cursor ");
        let kept = match what.strip_prefix("prepared statement ") {
            Some(name) => session.statements.get(name),
            None => what.strip_prefix("cursor ").and_then(|name| session.cursors.get(name)),
        };
        let Some((kept, settings)) = kept.filter(|_| part.verb == model::Verb::Select) else { return facts };
        let work = || {
            bounds::deep(crate::Dialect::Postgres, KEPT_DEPTH, || {
                crate::postgres::analyse_kept(kept, catalog, settings)
            })
        };
        let (Some(mut run), None) = bounds::within(Effort::Quick, work) else { return facts };
        let Some(mut inner) = run.parts.pop() else { return facts };
        let own = Part { opaque: part.opaque.iter().filter(|o| o.what != *what).cloned().collect(), ..part.clone() };
        inner.calls.extend(own.calls);
        inner.opaque.extend(own.opaque);
        inner.limited |= fetches;
        Arc::new(Facts { parts: vec![inner], unknown_relations: run.unknown_relations, ..Facts::clone(&facts) })
    }
}
