//! Items of select lists that the server names by their text: with masks put into it, that would be another text. They are
//! given the name that they would have had.

use super::gate::{Token, tokens};
use super::projection::quoted;
use super::source::Source;
use super::walk::Unnamed;

/// Longest alias that both servers take, in characters.
const LONGEST: usize = 255;

/// Words that end a select list.
const ENDS: [&str; 16] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "INTO",
    "FOR",
    "WINDOW",
    "ON",
    "OFFSET",
    "FETCH",
];

/// Words between SELECT and its list.
const MODIFIERS: [&str; 10] = [
    "ALL",
    "DISTINCT",
    "DISTINCTROW",
    "HIGH_PRIORITY",
    "STRAIGHT_JOIN",
    "SQL_SMALL_RESULT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_NO_CACHE",
    "SQL_CALC_FOUND_ROWS",
];

/// Where an alias goes in the client's text, and what it is; `None` where the item cannot be given one.
pub(super) fn alias(sql: &[u8], source: &Source, item: &Unnamed) -> Option<(usize, String)> {
    // DO has a list and no names.
    source.original(item.select)?;
    let tokens = tokens(&source.text);
    let place = |token: &Token<'_>| {
        let (Token::Word(part) | Token::Quoted(part) | Token::Text(part) | Token::Symbol(part)) = token;
        let at = part.as_ptr().addr().saturating_sub(source.text.as_ptr().addr());
        at.saturating_sub(usize::from(matches!(token, Token::Quoted(_) | Token::Text(_))))
    };
    let select = tokens.iter().position(|token| place(token) == item.select)?;
    let is = |token: &Token<'_>, words: &[&str]| matches!(token, Token::Word(word) if words.iter().any(|own| own.eq_ignore_ascii_case(word)));
    let (mut depth, mut index, mut first, mut last) = (0_usize, 0, None, None);
    for token in tokens.iter().skip(select + 1) {
        let ends = depth == 0 && (*token == Token::Symbol(")") || is(token, &ENDS));
        let comma = depth == 0 && *token == Token::Symbol(",");
        if ends || (comma && index == item.index) {
            break;
        }
        if comma {
            index += 1;
            (first, last) = (None, None);
            continue;
        }
        match token {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if first.is_some() || index > 0 || !is(token, &MODIFIERS) {
            first = first.or(Some(token));
            last = Some(token);
        }
    }
    if index != item.index {
        return None;
    }
    let start = source.original(place(first?))?.start;
    let end = source.original(place(last?))?.end;
    let name = std::str::from_utf8(sql.get(start..end)?).ok()?;
    let kept = |c: char| c >= ' ' && u32::from(c) <= 0xffff;
    (name.chars().count() <= LONGEST && name.chars().all(kept)).then(|| (end, format!(" AS {}", quoted(name))))
}
