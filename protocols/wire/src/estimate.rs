//! Which statements a planner can be asked about on a connection of its own, away from the session that wants to run them.

use model::{Facts, Statement, Verb};

/// The text of a statement that another connection plans as the session's own would: one statement that reads or changes
/// rows, with nothing in it that could not be analysed, whose names mean the same tables there (`elsewhere`, the facts by
/// that connection's settings; a session may have tables or a search path of its own). `None` for all others.
#[must_use]
pub fn plannable<'a>(statement: &'a Statement, elsewhere: &Facts) -> Option<&'a str> {
    let facts = &statement.facts;
    let ([part], [other]) = (facts.parts.as_slice(), elsewhere.parts.as_slice()) else { return None };
    let plain = matches!(part.verb, Verb::Select | Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge);
    let known = |facts: &Facts| facts.unparsed.is_none() && facts.unknown_relations.is_empty();
    let same = part.verb == other.verb && part.tables == other.tables;
    let bounded = part.opaque.is_empty() && other.opaque.is_empty();
    if plain && same && bounded && known(facts) && known(elsewhere) {
        std::str::from_utf8(&statement.sql).ok().filter(|sql| !sql.contains('\0'))
    } else {
        None
    }
}
