//! What a session has prepared or declared by SQL: `EXECUTE x` and `FETCH … FROM c` name it, and only the session knows
//! what it is. PostgreSQL only; MySQL's prepared texts stay opaque.

use crate::analyser::on_stack;
use crate::postgres::{Kept, SessionStatement};
use crate::{Analyser, Catalog, Settings};
use model::{Facts, Outputs, Part};
use std::collections::HashMap;
use std::sync::Arc;

/// Names kept at most of each kind; what comes later stays opaque.
const NAMES: usize = 1024;

/// Stack for working out a kept statement, in bytes: its depth was bounded when it was kept.
const KEPT_STACK: usize = 12 << 20;

/// Prepared statements and cursors of one session, by name.
///
/// Protocol-level prepared statements share their names with SQL's; an adapter that wants `EXECUTE` of those to be
/// understood notes them as `PREPARE name AS …`.
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
                SessionStatement::Discard => *self = Self::default(),
            }
        }
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
                SessionStatement::Discard => *self = Self::default(),
                SessionStatement::Prepare(..) | SessionStatement::Declare(..) => {}
            }
        }
    }
}

/// What a text does to names; nothing when it holds none of the words that could.
fn changes(sql: &[u8]) -> Vec<SessionStatement> {
    const WORDS: [&[u8]; 5] = [b"prepare", b"deallocate", b"declare", b"close", b"discard"];
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
        let run = on_stack(KEPT_STACK, || crate::postgres::analyse_kept(kept, catalog, settings));
        let Some(mut run) = run else { return facts };
        let Some(mut inner) = run.parts.pop() else { return facts };
        let own = Part { opaque: part.opaque.iter().filter(|o| o.what != *what).cloned().collect(), ..part.clone() };
        inner.calls.extend(own.calls);
        inner.opaque.extend(own.opaque);
        inner.limited |= fetches;
        Arc::new(Facts { parts: vec![inner], unknown_relations: run.unknown_relations, ..Facts::clone(&facts) })
    }
}
