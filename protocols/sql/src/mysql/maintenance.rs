//! Statements that look after tables without showing their rows: ANALYZE, CHECK, CHECKSUM, OPTIMIZE, REPAIR and FLUSH, told by
//! their words. `{verb} [LOCAL | NO_WRITE_TO_BINLOG] TABLE[S] [db.]t, … options`

use super::gate::Token;
use super::source::Source;
use super::statements::Ended;
use crate::ir::{Body, Expr, From, Name, Query, Select, Target};
use crate::lineage::{Env, Taint, Tracer};
use model::{Access, Lineage, OutputColumn, Outputs, Verb};

/// The tables of such a statement; `None` where what stands there is no list of names.
fn tables(words: &[&str], tokens: &[Token<'_>]) -> Option<Vec<Name>> {
    let at = words.iter().take(3).position(|word| matches!(*word, "TABLE" | "TABLES"))?;
    let name = |at: usize| match tokens.get(at) {
        Some(Token::Word(name) | Token::Quoted(name)) => Some((*name).to_owned()),
        _ => None,
    };
    let (mut at, mut found) = (at + 1, Vec::new());
    loop {
        let first = name(at)?;
        let table = match tokens.get(at + 1) {
            Some(Token::Symbol(".")) => {
                at += 2;
                Name { schema: Some(first), name: name(at)? }
            }
            _ => Name { schema: None, name: first },
        };
        found.push(table);
        match tokens.get(at + 1) {
            Some(Token::Symbol(",")) => at += 2,
            Some(Token::Symbol(_) | Token::Text(_)) => return None,
            Some(Token::Word(_) | Token::Quoted(_)) | None => return Some(found),
        }
    }
}

fn column(name: &str, lineage: Lineage) -> OutputColumn {
    OutputColumn { name: Some(name.to_owned()), lineage }
}

fn constant(name: &str) -> OutputColumn {
    column(name, Lineage::Derived(Vec::new()))
}

fn unread(words: &[&str], tracer: &mut Tracer<'_>) -> Ended {
    let what = format!("a statement that is not analysed ({})", words.first().copied().unwrap_or_default());
    tracer.draft.opaque(&what, true);
    Ended::unknown(Verb::Other, "a statement that is not analysed")
}

/// ANALYZE, CHECK, OPTIMIZE, REPAIR: what they say of a table are words about its storage.
pub(super) fn look_after(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    let Some(tables) = tables(words, tokens) else { return unread(words, tracer) };
    for table in &tables {
        tracer.touch(table, Access::Define);
    }
    let columns = ["Table", "Op", "Msg_type", "Msg_text"].map(constant).to_vec();
    Ended { outputs: Outputs::Known(columns), ..Ended::quiet(Verb::Ddl) }
}

/// CHECKSUM TABLE: a number that hangs on every value of every row.
pub(super) fn checksum(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    let Some(tables) = tables(words, tokens) else { return unread(words, tracer) };
    let mut sum = Taint::default();
    for name in tables {
        let from = vec![From::Table { name, alias: None, only: false, arguments: Vec::new() }];
        let targets = vec![Target { name: None, expr: Expr::Star(Vec::new()) }];
        let select = Select { targets, from, ..Select::default() };
        let rows = tracer.query(&Query::of(Body::Select(Box::new(select))), &Env::EMPTY);
        sum.absorb(&Taint::all(rows.columns.iter().map(|column| &column.taint)));
    }
    let columns = vec![constant("Table"), column("Checksum", sum.lineage())];
    Ended { outputs: Outputs::Known(columns), filtered: false, ..Ended::quiet(Verb::Select) }
}

/// DROP of code: what it did it does no more.
pub(super) fn drop_code(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    let plain = |token: &Token<'_>| matches!(token, Token::Word(_) | Token::Quoted(_) | Token::Symbol("."));
    if tokens.iter().all(plain) { Ended::quiet(Verb::Ddl) } else { unread(words, tracer) }
}

/// A text without one of its words, wherever that stands unquoted.
pub(super) fn without(source: &Source, word: &str) -> Source {
    let at = |found: &str| found.as_ptr().addr().saturating_sub(source.text.as_ptr().addr());
    let tokens = super::gate::tokens(&source.text);
    let edits: Vec<(usize, usize, &str)> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Word(found) if found.eq_ignore_ascii_case(word) => Some((at(found), found.len(), "")),
            _ => None,
        })
        .collect();
    if edits.is_empty() { source.clone() } else { source.edited(&edits) }
}

/// FLUSH: caches and logs of the server, or those of some tables.
pub(super) fn flush(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    let of_tables = words.iter().take(3).any(|word| matches!(*word, "TABLE" | "TABLES"));
    if !of_tables {
        let plain = tokens.iter().all(|token| matches!(token, Token::Word(_) | Token::Symbol(",")));
        return if plain { Ended::quiet(Verb::Session) } else { unread(words, tracer) };
    }
    // Of all tables, perhaps under a lock.
    if matches!(words, ["FLUSH", .., "TABLE" | "TABLES"] | ["FLUSH", .., "TABLES", "WITH", "READ", "LOCK"]) {
        return Ended::quiet(Verb::Session);
    }
    let Some(tables) = tables(words, tokens) else { return unread(words, tracer) };
    for table in &tables {
        tracer.touch(table, Access::Write);
    }
    Ended::quiet(Verb::Session)
}
