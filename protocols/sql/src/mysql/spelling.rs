//! What MySQL writes in a way that the parser does not read, written in one that it does and that has the same operands.

use super::gate::{Token, tokens};

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
pub(super) fn respelled(text: &str) -> String {
    let tokens = tokens(text);
    let place = |token: &Token<'_>| {
        let (Token::Word(part) | Token::Quoted(part) | Token::Text(part) | Token::Symbol(part)) = token;
        part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
    };
    let is = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word));
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
                edits.push((start, end - start, ""));
            }
            _ => {}
        }
    }
    let mut respelled = String::with_capacity(text.len());
    let mut done = 0;
    for (start, length, instead) in edits {
        respelled.push_str(text.get(done..start).unwrap_or_default());
        respelled.push_str(instead);
        done = start + length;
    }
    respelled.push_str(text.get(done..).unwrap_or_default());
    respelled
}

#[cfg(test)]
mod tests {
    use super::respelled;

    #[test]
    fn operators_and_literals_of_mysql() {
        for (text, expected) in [
            ("SELECT a DIV 7, t.div, !b, c != 3", "SELECT a  /  7, t.div,  NOT b, c != 3"),
            ("SELECT a MOD 7, mod(a, 7), t.mod", "SELECT a  %  7, mod(a, 7), t.mod"),
            ("SELECT \\N, 'x'", "SELECT  NULL , 'x'"),
            ("SELECT a FROM t LOCK IN SHARE MODE", "SELECT a FROM t "),
            ("SELECT EXTRACT(year_month FROM a.day_hour)", "SELECT EXTRACT(DAY FROM a.day_hour)"),
            ("SELECT `div`, 'a div ! b' FROM t", "SELECT `div`, 'a div ! b' FROM t"),
        ] {
            assert_eq!(respelled(text), expected);
        }
    }
}
