//! What MySQL writes in a way that the parser does not read, written in one that it does and that has the same operands.

use super::gate::{Token, tokens};
use super::source::Source;

const COMPOUND_UNITS: [&str; 11] = [
    "DAY_HOUR",
    "DAY_MICROSECOND",
    "DAY_MINUTE",
    "DAY_SECOND",
    "HOUR_MICROSECOND",
    "HOUR_MINUTE",
    "HOUR_SECOND",
    "MINUTE_MICROSECOND",
    "MINUTE_SECOND",
    "SECOND_MICROSECOND",
    "YEAR_MONTH",
];

/// The statement, respelled where that is needed.
pub(super) fn respelled(source: &Source) -> Source {
    let text = source.text.as_str();
    let tokens = tokens(text);
    let place = |token: &Token<'_>| {
        let (Token::Word(part) | Token::Quoted(part) | Token::Text(part) | Token::Symbol(part)) = token;
        part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
    };
    let is = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word));
    let defines = is(0, "create") || is(0, "alter");
    let mut edits: Vec<(usize, usize, &str)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let start = place(token);
        let after_dot = at.checked_sub(1).is_some_and(|before| tokens.get(before) == Some(&Token::Symbol(".")));
        match token {
            // A whole division: of its operands, as any division is.
            Token::Word(word) if word.eq_ignore_ascii_case("div") && !after_dot => edits.push((start, 3, " / ")),
            Token::Word(word)
                if word.eq_ignore_ascii_case("mod")
                    && !after_dot
                    && tokens.get(at + 1) != Some(&Token::Symbol("(")) =>
            {
                edits.push((start, 3, " % "));
            }
            // Reserved words; which unit it is decides nothing.
            Token::Word(word) if !after_dot && COMPOUND_UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(word)) => {
                edits.push((start, word.len(), "DAY"));
            }
            // NOT binds less, so more of what stands there is taken for a condition, which is the safe side.
            Token::Symbol("!") if text.get(start + 1..start + 2) != Some("=") => edits.push((start, 1, " NOT ")),
            Token::Symbol("\\") if matches!(tokens.get(at + 1), Some(Token::Word("N"))) => {
                edits.push((start, 2, " NULL "));
            }
            Token::Word(_) if is(at, "lock") && is(at + 1, "in") && is(at + 2, "share") && is(at + 3, "mode") => {
                let end = tokens.get(at + 3).map_or(start, |last| place(last) + 4);
                edits.push((start, end - start, "FOR SHARE"));
            }
            // The character set of a cast decides nothing.
            Token::Word(_) if is(at, "character") && is(at + 1, "set") && of_char(&tokens, at, defines) => {
                if let Some(last @ Token::Word(name)) = tokens.get(at + 2) {
                    edits.push((start, place(last) + name.len() - start, ""));
                }
            }
            Token::Word(word) if word.eq_ignore_ascii_case("distinctrow") && !after_dot => {
                edits.push((start, word.len(), "DISTINCT"));
            }
            // `TRIM(BOTH FROM a)` takes spaces away.
            Token::Word(word) if is_side(word) && is(at + 1, "from") && begins_trim(&tokens, at) => {
                edits.push((start, word.len(), "BOTH ' '"));
            }
            // `JOIN (a, b)`, `FROM (a, b)`: a comma among tables is a join.
            Token::Word(word) if ["join", "from"].iter().any(|own| own.eq_ignore_ascii_case(word)) => {
                edits.extend(commas(&tokens, at).into_iter().map(|comma| (place(comma), 1, " CROSS JOIN ")));
            }
            // `UPDATE a, b SET …` as well.
            Token::Word(word) if word.eq_ignore_ascii_case("update") && !after_dot => {
                edits.extend(updated(&tokens, at).into_iter().map(|comma| (place(comma), 1, " CROSS JOIN ")));
            }
            // `TABLE t` where a query may stand: at the start, within parentheses, behind a set operation.
            Token::Word(word) if word.eq_ignore_ascii_case("table") && begins_query(&tokens, at) => {
                edits.push((start, word.len(), "SELECT * FROM"));
            }
            _ => {}
        }
    }
    edits.sort_by_key(|(start, ..)| *start);
    // Edits within one that was made before are part of it.
    let mut done = 0;
    edits.retain(|(start, length, _)| {
        let apart = *start >= done;
        done = done.max(start + length);
        apart
    });
    source.edited(&edits)
}

/// Whether the token before is `CHAR` or `CHAR(n)`, that of a cast (`AS CHAR`) where columns may be defined.
fn of_char(tokens: &[Token<'_>], at: usize, defines: bool) -> bool {
    let is = |at: Option<usize>, own: &str| {
        at.and_then(|at| tokens.get(at))
            .is_some_and(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(own)))
    };
    let closed = at.checked_sub(1).and_then(|before| tokens.get(before)) == Some(&Token::Symbol(")"));
    let char_at = at.checked_sub(if closed { 4 } else { 1 });
    is(char_at, "char") && (!defines || is(char_at.and_then(|at| at.checked_sub(1)), "as"))
}

fn is_side(word: &str) -> bool {
    ["both", "leading", "trailing"].iter().any(|own| own.eq_ignore_ascii_case(word))
}

/// Whether the tokens before are `TRIM (`.
fn begins_trim(tokens: &[Token<'_>], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
    before(1) == Some(&Token::Symbol("("))
        && matches!(before(2), Some(Token::Word(word)) if word.eq_ignore_ascii_case("trim"))
}

/// The commas of `JOIN (a, b)`, or of `JOIN ((SELECT …) a, b)`.
fn commas<'a, 't>(tokens: &'a [Token<'t>], join: usize) -> Vec<&'a Token<'t>> {
    let mut found = Vec::new();
    let table = matches!(tokens.get(join + 2), Some(Token::Word(word))
        if !["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|own| own.eq_ignore_ascii_case(word)))
        || matches!(tokens.get(join + 2), Some(Token::Quoted(_) | Token::Symbol("(")));
    if tokens.get(join + 1) != Some(&Token::Symbol("(")) || !table {
        return found;
    }
    let mut depth = 0_usize;
    for token in tokens.iter().skip(join + 1) {
        match token {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            Token::Symbol(",") if depth == 1 => found.push(token),
            _ => {}
        }
    }
    found
}

/// The commas among the tables of an UPDATE: those before its SET. `FOR UPDATE` and `ON DUPLICATE KEY UPDATE` are none.
fn updated<'a, 't>(tokens: &'a [Token<'t>], update: usize) -> Vec<&'a Token<'t>> {
    let mut found = Vec::new();
    let clause = |word: &str| ["for", "on", "key"].iter().any(|own| own.eq_ignore_ascii_case(word));
    let before = update.checked_sub(1).and_then(|before| tokens.get(before));
    if matches!(before, Some(Token::Word(word)) if clause(word)) {
        return found;
    }
    let mut depth = 0_usize;
    for token in tokens.iter().skip(update + 1) {
        match token {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") => depth = depth.saturating_sub(1),
            Token::Symbol(",") if depth == 0 => found.push(token),
            Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("set") => return found,
            Token::Symbol(";") => break,
            _ => {}
        }
    }
    Vec::new()
}

/// Whether a query may begin at a token.
fn begins_query(tokens: &[Token<'_>], at: usize) -> bool {
    let followed = matches!(tokens.get(at + 1), Some(Token::Word(_) | Token::Quoted(_)));
    let Some(before) = at.checked_sub(1).and_then(|before| tokens.get(before)) else { return followed };
    let operators = ["UNION", "ALL", "DISTINCT", "EXCEPT", "INTERSECT", "MINUS", "AS"];
    followed
        && match before {
            Token::Symbol("(") => true,
            Token::Word(word) => operators.iter().any(|own| own.eq_ignore_ascii_case(word)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::{Source, respelled};

    #[test]
    fn operators_and_literals_of_mysql() {
        for (text, expected) in [
            ("SELECT a DIV 7, t.div, !b, c != 3", "SELECT a  /  7, t.div,  NOT b, c != 3"),
            ("SELECT a MOD 7, mod(a, 7), t.mod", "SELECT a  %  7, mod(a, 7), t.mod"),
            ("SELECT \\N, 'x'", "SELECT  NULL , 'x'"),
            ("SELECT a FROM t LOCK IN SHARE MODE", "SELECT a FROM t FOR SHARE"),
            ("SELECT EXTRACT(year_month FROM a.day_hour)", "SELECT EXTRACT(DAY FROM a.day_hour)"),
            ("SELECT CAST(a AS CHAR(3) CHARACTER SET utf8mb4)", "SELECT CAST(a AS CHAR(3) )"),
            ("SELECT 1 FROM c JOIN (a, `b` x) ON f(1, 2)", "SELECT 1 FROM c JOIN (a CROSS JOIN  `b` x) ON f(1, 2)"),
            ("UPDATE a, b x SET x.c = 1, x.d = 2", "UPDATE a CROSS JOIN  b x SET x.c = 1, x.d = 2"),
            (
                "UPDATE a JOIN (SELECT 1, 2) q, b SET c = f(1, 2)",
                "UPDATE a JOIN (SELECT 1, 2) q CROSS JOIN  b SET c = f(1, 2)",
            ),
            (
                "INSERT INTO a SET b = 1 ON DUPLICATE KEY UPDATE b = 2, c = 3",
                "INSERT INTO a SET b = 1 ON DUPLICATE KEY UPDATE b = 2, c = 3",
            ),
            ("SELECT DISTINCTROW a FROM (b, c)", "SELECT DISTINCT a FROM (b CROSS JOIN  c)"),
            ("SELECT 1 FROM ((SELECT a, b FROM t) p, c)", "SELECT 1 FROM ((SELECT a, b FROM t) p CROSS JOIN  c)"),
            ("SELECT a FROM (SELECT a, b FROM t) p", "SELECT a FROM (SELECT a, b FROM t) p"),
            ("SELECT TRIM(BOTH FROM a), trim(leading from b)", "SELECT TRIM(BOTH ' ' FROM a), trim(BOTH ' ' from b)"),
            (
                "CREATE TABLE t (a CHAR(3) CHARACTER SET latin1) AS SELECT CAST(b AS CHAR(3) CHARACTER SET utf8mb4) FROM c",
                "CREATE TABLE t (a CHAR(3) CHARACTER SET latin1) AS SELECT CAST(b AS CHAR(3) ) FROM c",
            ),
            ("(TABLE t) UNION TABLE `u`", "(SELECT * FROM t) UNION SELECT * FROM `u`"),
            ("CREATE TABLE t (a int)", "CREATE TABLE t (a int)"),
            ("SELECT `div`, 'a div ! b' FROM t", "SELECT `div`, 'a div ! b' FROM t"),
        ] {
            assert_eq!(respelled(&Source::of(text.to_owned())).text, expected);
        }
    }
}
