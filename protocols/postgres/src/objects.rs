//! Cursors and prepared statements that SQL makes (DECLARE, PREPARE), so that FETCH and EXECUTE keep the plan of the query
//! behind the name.
//!
//! A name must not be believed to mean a harmless query while it means another. So a name is learnt only when its
//! DECLARE or PREPARE has completed; anything on its way that may make, drop or replace one (its `moves`) makes what was
//! looked up before stale; and what can run SQL that was not seen (a routine, DO, several statements at once) forgets
//! all names. A name that is not known leaves FETCH and EXECUTE with an unknown result, as the analysis says.

use crate::lexer::{Token, tokens};
use crate::state::SentAs;
use bytes::Bytes;
use model::{Facts, Part, StatementId, Verb};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Names kept for one session.
const MAX_OBJECTS: usize = 4096;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Cursor,
    Prepared,
}

/// A name and what it is of.
pub(crate) type Name = (Kind, String);

/// A name that a text makes, and the query behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) name: Name,
    pub(crate) query: Bytes,
}

/// What is behind a name.
#[derive(Clone, Debug)]
pub(crate) struct Behind {
    /// The statement that made the name.
    pub(crate) by: StatementId,
    pub(crate) query: Bytes,
    /// What it did when it was declared or prepared.
    pub(crate) facts: Arc<Facts>,
    /// The masks that were put into its text.
    pub(crate) sent_as: Option<SentAs>,
}

/// The names of a session.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    names: HashMap<Name, Behind>,
    /// Grows whenever something was sent that may change what a name means.
    moves: u64,
}

impl Objects {
    /// See the field.
    pub(crate) fn moves(&self) -> u64 {
        self.moves
    }

    /// Something was sent that may change what a name means.
    pub(crate) fn moved(&mut self) {
        self.moves = self.moves.saturating_add(1);
    }

    /// Something was sent whose effect on names is not known.
    pub(crate) fn forget(&mut self) {
        self.moved();
        self.names.clear();
    }

    /// A DECLARE or PREPARE completed, and nothing moved since it was sent.
    pub(crate) fn learn(&mut self, name: Name, behind: Behind) {
        if self.names.len() < MAX_OBJECTS || self.names.contains_key(&name) {
            self.names.insert(name, behind);
        }
    }

    /// A Close of the name is on its way.
    pub(crate) fn close(&mut self, name: &Name) {
        if self.names.remove(name).is_some() {
            self.moved();
        }
    }

    pub(crate) fn behind(&self, name: &Name) -> Option<&Behind> {
        self.names.get(name)
    }
}

fn word(token: Option<&(Token, usize)>) -> &str {
    match token {
        Some((Token::Word(word), _)) => word,
        _ => "",
    }
}

fn identifier(token: Option<&(Token, usize)>) -> Option<String> {
    match token {
        Some((Token::Word(name) | Token::Quoted(name), _)) => Some(name.clone()),
        _ => None,
    }
}

fn statement(sql: &[u8]) -> Option<Vec<(Token, usize)>> {
    let mut found = tokens(sql).ok()?;
    while matches!(found.last(), Some((Token::Sign(b';'), _))) {
        found.pop();
    }
    (!found.iter().any(|(token, _)| *token == Token::Sign(b';'))).then_some(found)
}

/// Whether a text begins with one of these words: a look before its tokens are.
fn begins(sql: &[u8], words: &[&str]) -> bool {
    let text = sql.trim_ascii_start();
    let commented = text.starts_with(b"--") || text.starts_with(b"/*");
    commented
        || words
            .iter()
            .any(|word| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes())))
}

/// The name that a text makes: `DECLARE name … FOR query`, `PREPARE name … AS query`.
pub(crate) fn made(sql: &Bytes) -> Option<Made> {
    if !begins(sql, &["declare", "prepare"]) {
        return None;
    }
    let tokens = statement(sql)?;
    let (kind, before) = match word(tokens.first()) {
        "declare" => (Kind::Cursor, "for"),
        "prepare" => (Kind::Prepared, "as"),
        _ => return None,
    };
    let name = match sql::session_name(sql)? {
        sql::SessionName::Prepares(name) | sql::SessionName::Declares(name) => name,
        _ => return None,
    };
    let at = tokens.iter().skip(2).position(|token| word(Some(token)) == before)?.checked_add(3)?;
    let (_, from) = tokens.get(at)?;
    Some(Made { name: (kind, name), query: sql.slice(*from..) })
}

/// The name that a text uses: `FETCH … name`, `EXECUTE name …`.
pub(crate) fn used(sql: &[u8]) -> Option<Name> {
    if !begins(sql, &["fetch", "execute"]) {
        return None;
    }
    match sql::session_name(sql)? {
        sql::SessionName::Fetches(name) => Some((Kind::Cursor, name)),
        sql::SessionName::Executes(name) => Some((Kind::Prepared, name)),
        _ => None,
    }
}

/// The name in `EXECUTE name …` or `EXPLAIN … EXECUTE name …`, and where it stands.
pub(crate) fn executed(sql: &[u8]) -> Option<(String, Range<usize>)> {
    if !begins(sql, &["execute", "explain"]) {
        return None;
    }
    let tokens = statement(sql)?;
    let execute = match word(tokens.first()) {
        "execute" => 0,
        "explain" => explained(&tokens)?,
        _ => return None,
    };
    let place = tokens.get(execute.checked_add(1)?);
    let (token, at) = place?;
    let name = identifier(place)?;
    // In its quotes, those within doubled.
    let quoted = |name: &str| name.len() + name.matches('"').count() + 2;
    let length = if matches!(token, Token::Quoted(_)) { quoted(&name) } else { name.len() };
    Some((name, *at..at.checked_add(length)?))
}

/// Where EXECUTE stands behind EXPLAIN and its options, in brackets or bare.
fn explained(tokens: &[(Token, usize)]) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(1) {
        match (&token.0, word(Some(token))) {
            (Token::Sign(b'('), _) => depth = depth.saturating_add(1),
            (Token::Sign(b')'), _) => depth = depth.saturating_sub(1),
            (_, "execute") if depth == 0 => return Some(index),
            (_, "analyze" | "analyse" | "verbose") => {}
            _ if depth > 0 => {}
            _ => return None,
        }
    }
    None
}

/// The name in `MOVE … name`, `FETCH … name` or `CLOSE name`, and where it stands: it is the last thing in the text.
pub(crate) fn moved_cursor(sql: &[u8]) -> Option<(String, usize)> {
    if !begins(sql, &["move", "close", "fetch"]) {
        return None;
    }
    let tokens = statement(sql)?;
    let (last, at) = tokens.last().filter(|_| tokens.len() > 1)?;
    // Where the name is spelt by escapes, its last token is not all of it.
    let spelt = match last {
        Token::Word(name) | Token::Quoted(name) => name,
        _ => return None,
    };
    match sql::session_name(sql)? {
        sql::SessionName::Moves(name) | sql::SessionName::Closes(name) | sql::SessionName::Fetches(name)
            if name == *spelt =>
        {
            Some((name, *at))
        }
        _ => None,
    }
}

/// Whether a statement may make, drop or replace a name.
pub(crate) fn moves(facts: &Facts) -> bool {
    facts.unparsed.is_some() || facts.parts.iter().any(|part| matches!(part.verb, Verb::Session | Verb::Other))
}

/// The facts of FETCH or EXECUTE with those of the query behind its name. `None` where they do not fit each other.
pub(crate) fn with_plan(facts: &Facts, behind: &Facts) -> Option<Facts> {
    let ([outer], [inner], None, None) =
        (facts.parts.as_slice(), behind.parts.as_slice(), &facts.unparsed, &behind.unparsed)
    else {
        return None;
    };
    let named = |what: &str| what.starts_with("cursor ") || what.starts_with("prepared statement ");
    // Exactly the one thing that the analysis could not know is known now.
    if outer.opaque.iter().filter(|opaque| named(&opaque.what)).count() != 1 {
        return None;
    }
    let mut part: Part = inner.clone();
    part.opaque.extend(outer.opaque.iter().filter(|opaque| !named(&opaque.what)).cloned());
    part.tables.extend(outer.tables.iter().cloned());
    part.predicates.extend(outer.predicates.iter().cloned());
    part.writes.extend(outer.writes.iter().cloned());
    part.calls.extend(outer.calls.iter().cloned());
    part.settings.extend(outer.settings.iter().cloned());
    part.kin.extend(outer.kin.iter().cloned());
    if let (Some(uses), Some(own)) = (&mut part.uses, &outer.uses) {
        uses.beyond.extend(own.beyond.iter().filter(|what| !named(what)).cloned());
    }
    Some(Facts { parts: vec![part], ..facts.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(sql: &str) -> Option<(Kind, String, String)> {
        let made = made(&Bytes::copy_from_slice(sql.as_bytes()))?;
        Some((made.name.0, made.name.1, String::from_utf8_lossy(&made.query).into_owned()))
    }

    #[test]
    fn names_that_are_made() {
        let cursor = Some((Kind::Cursor, "c".to_owned(), "SELECT 1".to_owned()));
        assert_eq!(made_of("DECLARE C NO SCROLL CURSOR WITH HOLD FOR SELECT 1"), cursor);
        assert_eq!(made_of("/* x */ declare \"c\" cursor for SELECT 1"), cursor);
        let prepared = Some((Kind::Prepared, "P".to_owned(), "SELECT $1 AS x;".to_owned()));
        assert_eq!(made_of("PREPARE \"P\" (int, text) AS SELECT $1 AS x;"), prepared);
        assert_eq!(made_of("PREPARE TRANSACTION 'x'"), None);
        assert_eq!(made_of("DECLARE c CURSOR FOR SELECT 1; SELECT 2"), None, "one at a time");
        assert_eq!(made_of("SELECT 1"), None);
    }

    #[test]
    fn cursors_that_are_moved() {
        assert_eq!(moved_cursor(b"MOVE FORWARD 5 FROM \"C 1\";"), Some(("C 1".to_owned(), 20)));
        assert_eq!(moved_cursor(b"close C1"), Some(("c1".to_owned(), 6)));
        assert_eq!(moved_cursor(b"CLOSE ALL"), None);
        assert_eq!(moved_cursor(b"FETCH 2 c"), Some(("c".to_owned(), 8)));
        assert_eq!(executed(b"EXECUTE Ab (1)"), Some(("ab".to_owned(), 8..10)));
        assert_eq!(executed(b"execute \"A\"\"b\"(1)"), Some(("A\"b".to_owned(), 8..14)));
        assert_eq!(executed(b"explain (costs off) execute p(1)"), Some(("p".to_owned(), 28..29)));
        assert_eq!(executed(b"SELECT 1"), None);
    }

    #[test]
    fn names_that_are_used() {
        let cursor = Some((Kind::Cursor, "c".to_owned()));
        for sql in ["FETCH c", "fetch forward 10 from C;", "FETCH ALL IN \"c\"", "FETCH RELATIVE -1 FROM c"] {
            assert_eq!(used(sql.as_bytes()), cursor, "{sql}");
        }
        assert_eq!(used(b"EXECUTE p (1, 'x')"), Some((Kind::Prepared, "p".to_owned())));
        for sql in ["FETCH", "FETCH c; FETCH d", "SELECT 1", "EXPLAIN EXECUTE p"] {
            assert_eq!(used(sql.as_bytes()), None, "{sql}");
        }
    }
}
