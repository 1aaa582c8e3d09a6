//! The gate before the parser: canonical tokens in, and proof that the parser used every word of them.

use super::source::Source;
use crate::lift::{self, Keep, Lexis};
use crate::{Dialect, Settings};
use sqlparser::ast::Statement;
use sqlparser::parser::Parser;
use std::collections::BTreeMap;

/// How deep the parser may recurse: the analyser bounds depth before.
const DEPTH: usize = 2_000;

/// Words whose presence in what the parser prints is not asked for: it leaves them out or spells them otherwise.
const NOISE: [&str; 14] =
    ["AS", "INNER", "OUTER", "MOD", "AND", "OR", "NOT", "ROW", "LOCAL", "SOME", "INTO", "FROM", "INTEGER", "CHARSET"];

/// Words that carry values out of a query or hide statements; none is needed by an application's query.
const DENIED: [(&str, &str); 4] = [
    ("OUTFILE", "SELECT … INTO OUTFILE writes a file of the server"),
    ("DUMPFILE", "SELECT … INTO DUMPFILE writes a file of the server"),
    ("PROCEDURE", "SELECT … PROCEDURE is not analysed"),
    ("DIAGNOSTICS", "GET DIAGNOSTICS reads the texts of errors"),
];

/// The statements of a text in canonical form, empty ones left out.
pub(super) fn statements(text: &[u8], dialect: Dialect, settings: &Settings) -> Result<Vec<Source>, String> {
    let lifted = lift::lift(text, Lexis::new(dialect, settings), Keep::Canonical);
    if let Some(why) = lifted.refused {
        return Err(why.to_owned());
    }
    if lifted.nesting > DEPTH {
        return Err("the text nests too deeply: simplify it or send it in pieces".to_owned());
    }
    let canonical = String::from_utf8(lifted.key).map_err(|_| "the text is not UTF-8".to_owned())?;
    Ok(Source::statements(&canonical, &lifted.places))
}

/// Parses one canonical statement. With it comes the text that was parsed, whose places its nodes tell.
pub(super) fn parse(source: &Source) -> Result<(Statement, Source), String> {
    let source = super::spelling::respelled(source);
    let wanted = words(&source.text);
    for (word, why) in DENIED {
        if wanted.contains_key(word) {
            return Err(why.to_owned());
        }
    }
    let mut parser = Parser::new(&super::reader::Budgeted)
        .with_recursion_limit(DEPTH)
        .try_with_sql(&source.text)
        .map_err(|error| error.to_string())?;
    let mut parsed = parser.parse_statements().map_err(|error| error.to_string())?;
    let statement = match (parsed.pop(), parsed.is_empty()) {
        (Some(statement), true) => statement,
        _ => return Err("the parser read another number of statements than there are".to_owned()),
    };
    let used = words(&statement.to_string());
    for (word, count) in &wanted {
        if used.get(word).copied().unwrap_or(0) < *count && !NOISE.contains(&word.as_str()) {
            return Err(format!("the parser did not take {word} into account: rewrite the statement without it"));
        }
    }
    Ok((statement, source))
}

/// Every word, number and quoted name of a canonical text, in upper case, with how often it stands there; in an order of its
/// own, so that the same text always gets the same answer.
pub(super) fn words(text: &str) -> BTreeMap<String, usize> {
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for token in tokens(text) {
        if let Token::Word(word) | Token::Quoted(word) = token {
            *words.entry(word.to_uppercase()).or_default() += 1;
        }
    }
    words
}

/// A token of a canonical text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A word, number or variable.
    Word(&'t str),
    /// A name in backticks.
    Quoted(&'t str),
    /// A string, without its quotes.
    Text(&'t str),
    /// Anything else.
    Symbol(&'t str),
}

/// The tokens of a canonical text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' | '`' | '"' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find(first).unwrap_or(inner.len());
                let content = inner.get(..end).unwrap_or_default();
                tokens.push(if first == '\'' { Token::Text(content) } else { Token::Quoted(content) });
                end + 2
            }
            _ if in_word(first) => {
                let end = rest.find(|c: char| !in_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest.get(..end).unwrap_or_default()));
                end
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(Token::Symbol(rest.get(..first.len_utf8()).unwrap_or_default()));
                }
                first.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    tokens
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || c == '@' || !c.is_ascii()
}
