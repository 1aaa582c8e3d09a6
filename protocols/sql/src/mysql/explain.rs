//! EXPLAIN, DESCRIBE and MariaDB's ANALYZE: the statement within, and what a plan shows.

use super::gate::{self, Token};
use super::queries::Lowered;
use super::source::Source;
use super::statements::{Ended, statement};
use crate::lineage::Tracer;
use model::Verb;

/// The piece of an EXPLAIN that is a statement itself, where it is one: what stands before it may only say how the plan is
/// shown.
fn explained(source: &Source, words: &[&str], tokens: &[Token<'_>]) -> Lowered<Option<(usize, Source)>> {
    const STARTS: [&str; 8] = ["SELECT", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE", "VALUES", "TABLE"];
    const MANNER: [&str; 9] =
        ["ANALYZE", "EXTENDED", "PARTITIONS", "FORMAT", "JSON", "TREE", "TRADITIONAL", "EXPLAIN", "DESCRIBE"];
    let open = |at: &usize| tokens.get(*at) == Some(&Token::Symbol("("));
    let Some(start) = (1..words.len()).find(|at| words.get(*at).is_some_and(|w| STARTS.contains(w)) || open(at)) else {
        return Ok(None);
    };
    // `ANALYZE TABLE t` and `DESCRIBE table` have no statement inside.
    if words.first() == Some(&"ANALYZE") && words.get(start) == Some(&"TABLE") {
        return Ok(None);
    }
    for (word, token) in words.iter().zip(tokens).take(start).skip(1) {
        let manner = MANNER.contains(word) || *token == Token::Symbol("=");
        if !manner {
            return Err(
                "an EXPLAIN of a kind that is not analysed: leave out what stands before its statement".to_owned()
            );
        }
    }
    let (Token::Word(part) | Token::Symbol(part)) = tokens.get(start).copied().unwrap_or(Token::Symbol("")) else {
        return Ok(None);
    };
    let at = part.as_ptr().addr().saturating_sub(source.text.as_ptr().addr());
    Ok(Some((start, source.slice(at..source.text.len()))))
}

/// The statement within a text that a walk can go over; `None` for kinds that are told by their words.
pub(super) fn readable(source: &Source) -> Option<Source> {
    let tokens = gate::tokens(&source.text);
    let words: Vec<String> = tokens
        .iter()
        .map(|token| match token {
            Token::Word(word) => word.to_ascii_uppercase(),
            _ => String::new(),
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["DO", ..] => Some(source.edited(&[(0, 2, "SELECT")])),
        ["EXPLAIN" | "DESCRIBE" | "DESC" | "ANALYZE", ..] => {
            let (_, inner) = explained(source, &words, &tokens).ok()??;
            readable(&inner)
        }
        ["SELECT" | "WITH" | "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "VALUES" | "TABLE" | "CREATE" | "", ..] => {
            Some(source.clone())
        }
        _ => None,
    }
}

pub(super) fn explain(
    source: &Source,
    words: &[&str],
    tokens: &[Token<'_>],
    tracer: &mut Tracer<'_>,
) -> Lowered<Ended> {
    let Some((start, inner)) = explained(source, words, tokens)? else {
        return Ok(described(words, tracer));
    };
    let inner = statement(&inner, tracer)?;
    if words.first() != Some(&"ANALYZE") && !words.get(1..start).is_some_and(|between| between.contains(&"ANALYZE")) {
        tracer.draft.only_described();
    }
    Ok(Ended {
        filtered: inner.filtered,
        limited: inner.limited,
        walked: inner.walked,
        ..Ended::unknown(Verb::Explain, "a plan, which shows estimates and texts")
    })
}

fn described(words: &[&str], tracer: &mut Tracer<'_>) -> Ended {
    // The plan of what another session runs holds its values.
    if words.iter().any(|word| matches!(*word, "FOR" | "FORMAT" | "CONNECTION")) {
        tracer.draft.opaque("EXPLAIN of another connection", true);
        return Ended::unknown(Verb::Other, "EXPLAIN of another connection");
    }
    Ended::unknown(Verb::Show, "structure, whose columns depend on the server's version")
}
