//! What kind of statement it is and what it does. SHOW, transactions and other fixed phrases are told by their words;
//! everything else goes through the parser.

use super::definitions::define;
use super::explain::explain;
use super::gate::{self, Token};
use super::maintenance;
use super::queries::{Lower, Lowered, unsupported};
use super::set::{set, set_for_one};
use super::show::show;
use super::source::Source;
use super::walk::{Walked, walk};
use crate::Dialect;
use crate::ir::Name;
use crate::lineage::{Env, Tracer};
use model::{Access, Outputs, Verb};
use sqlparser::ast::Statement;

/// How a statement was understood, beside what its draft collected.
pub(super) struct Ended {
    pub(super) verb: Verb,
    pub(super) outputs: Outputs,
    pub(super) filtered: bool,
    pub(super) limited: bool,
    /// What the walk over its tree found, with the text that it was over.
    pub(super) walked: Option<(Walked, Source)>,
}

impl Ended {
    pub(super) fn quiet(verb: Verb) -> Self {
        Self { verb, outputs: Outputs::None, filtered: true, limited: false, walked: None }
    }

    pub(super) fn unknown(verb: Verb, why: &str) -> Self {
        Self { outputs: Outputs::Unknown(why.to_owned()), ..Self::quiet(verb) }
    }
}

/// Works out one canonical statement.
pub(super) fn statement(source: &Source, tracer: &mut Tracer<'_>) -> Lowered<Ended> {
    let text = source.text.as_str();
    let tokens = gate::tokens(text);
    let words: Vec<String> = tokens
        .iter()
        .map(|token| match token {
            Token::Word(word) => word.to_ascii_uppercase(),
            _ => String::new(),
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["SHOW", rest @ ..] => show(rest, &tokens, tracer),
        ["BEGIN"]
        | ["BEGIN", "WORK"]
        | ["COMMIT" | "ROLLBACK", ..]
        | ["START", "TRANSACTION", ..]
        | ["SAVEPOINT", _]
        | ["RELEASE", "SAVEPOINT", _] => Ended::quiet(Verb::Transaction),
        ["SET", "STATEMENT", ..] if tracer.dialect == Dialect::MariaDb => set_for_one(source, &tokens, tracer)?,
        ["SET", "TRANSACTION", ..] | ["SET", "SESSION" | "LOCAL", "TRANSACTION", ..] => {
            tracer.draft.setting("transaction", None);
            Ended::quiet(Verb::Set)
        }
        ["USE", ..] if tokens.len() == 2 => {
            let name = match tokens.last() {
                Some(Token::Word(name) | Token::Quoted(name)) => Some((*name).to_owned()),
                _ => None,
            };
            tracer.draft.setting("database", name);
            Ended::quiet(Verb::Set)
        }
        ["SET", rest @ ..] if rest.contains(&"PASSWORD") || matches!(rest, ["ROLE" | "DEFAULT", ..]) => {
            accounts(tracer)
        }
        ["GRANT" | "REVOKE", ..] | ["CREATE" | "ALTER" | "DROP" | "RENAME", "USER" | "ROLE", ..] => accounts(tracer),
        ["CREATE", "OR", "REPLACE", "USER" | "ROLE", ..] => accounts(tracer),
        ["SET", ..] => set(text, tracer)?,
        // Its text is not analysed, and it may do more than give rows: store values in variables, fill tables.
        ["PREPARE" | "EXECUTE", ..] => {
            tracer.draft.opaque("a statement prepared by SQL", true);
            Ended::unknown(Verb::Other, "a statement prepared by SQL")
        }
        ["DEALLOCATE", "PREPARE", _] | ["DROP", "PREPARE", _] | ["UNLOCK", "TABLES"] | ["KILL", ..] => {
            Ended::quiet(Verb::Session)
        }
        ["DO", ..] => {
            let inner = parsed(&source.edited(&[(0, 2, "SELECT")]), tracer)?;
            Ended { outputs: Outputs::None, verb: Verb::Call, ..inner }
        }
        ["CALL", ..] => {
            tracer.draft.opaque("a stored procedure", true);
            Ended::unknown(Verb::Call, "what a procedure returns")
        }
        ["ANALYZE", "TABLE", ..]
        | ["ANALYZE", "LOCAL" | "NO_WRITE_TO_BINLOG", "TABLE", ..]
        | ["CHECK" | "OPTIMIZE" | "REPAIR", "TABLE" | "LOCAL" | "NO_WRITE_TO_BINLOG", ..] => {
            maintenance::look_after(&words, &tokens, tracer)
        }
        ["DROP", "PROCEDURE" | "FUNCTION" | "TRIGGER" | "EVENT", ..] => maintenance::drop_code(&words, &tokens, tracer),
        ["CHECKSUM", "TABLE", ..] => maintenance::checksum(&words, &tokens, tracer),
        ["FLUSH", _, ..] => maintenance::flush(&words, &tokens, tracer),
        ["XA", "START" | "BEGIN" | "END" | "PREPARE" | "COMMIT" | "ROLLBACK", ..] => Ended::quiet(Verb::Transaction),
        ["EXPLAIN" | "DESCRIBE" | "DESC" | "ANALYZE", ..] => explain(source, &words, &tokens, tracer)?,
        ["LOAD", "DATA", ..] => load(&words, &tokens, tracer),
        ["HANDLER", ..] => {
            tracer.draft.opaque("HANDLER, which reads tables beside the parser", true);
            Ended::unknown(Verb::Other, "HANDLER")
        }
        ["SELECT" | "WITH" | "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "VALUES" | "TABLE", ..] | ["", ..] => {
            parsed(source, tracer)?
        }
        ["LOCK", "TABLES" | "TABLE", ..] => lock(&tokens, tracer),
        ["CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "OPTIMIZE" | "LOCK", ..] => define(source, tracer),
        [first, ..] => {
            tracer.draft.opaque(&format!("a statement that is not analysed ({first})"), true);
            Ended::unknown(Verb::Other, "a statement that is not analysed")
        }
        [] => Ended::quiet(Verb::Empty),
    })
}

/// Accounts, their passwords and rights: among them the proxy's own.
fn accounts(tracer: &mut Tracer<'_>) -> Ended {
    tracer.draft.setting(crate::ACCOUNTS, None);
    tracer.draft.opaque("a change of accounts or of their rights", true);
    Ended::quiet(Verb::Ddl)
}

/// `LOCK TABLES [db.]t [AS alias] READ|WRITE, …`
fn lock(tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    for item in tokens.get(2..).unwrap_or_default().split(|token| *token == Token::Symbol(",")) {
        let name = |at: usize| match item.get(at) {
            Some(Token::Word(name) | Token::Quoted(name)) => Some((*name).to_owned()),
            _ => None,
        };
        let table = match (name(0), item.get(1), name(2)) {
            (Some(schema), Some(Token::Symbol(".")), Some(name)) => Name { schema: Some(schema), name },
            (Some(name), _, _) => Name { schema: None, name },
            _ => {
                tracer.draft.opaque("a LOCK TABLES that is not analysed", true);
                continue;
            }
        };
        tracer.touch(&table, Access::Write);
    }
    Ended::quiet(Verb::Session)
}

fn load(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    if !words.contains(&"LOCAL") {
        tracer.draft.opaque("LOAD DATA from a file of the server", true);
    }
    // SET and variables after the table compute from the file alone; still they are not analysed.
    if words.contains(&"SET") {
        tracer.draft.opaque("LOAD DATA with SET", true);
    }
    let at = words.windows(2).position(|pair| pair == ["INTO", "TABLE"]);
    let name = |at: usize| match tokens.get(at) {
        Some(Token::Word(name) | Token::Quoted(name)) => Some((*name).to_owned()),
        _ => None,
    };
    let table = at.and_then(|at| match (name(at + 2), tokens.get(at + 3), name(at + 4)) {
        (Some(schema), Some(Token::Symbol(".")), Some(name)) => Some(Name { schema: Some(schema), name }),
        (Some(name), _, _) => Some(Name { schema: None, name }),
        _ => None,
    });
    match table {
        Some(table) => tracer.fill(&table, &[]),
        None => tracer.draft.opaque("LOAD DATA into an unknown table", true),
    }
    Ended::quiet(Verb::CopyIn)
}

fn parsed(source: &Source, tracer: &mut Tracer<'_>) -> Lowered<Ended> {
    let mut lower = Lower::default();
    let (statement, source) = gate::parse(source)?;
    let walked = walk(&statement, &source, tracer.case_sensitive)?.map(|walked| (walked, source));
    let (verb, query) = match &statement {
        Statement::Query(query) => (Verb::Select, lower.query(query)?),
        Statement::Insert(insert) => {
            if insert.replace_into {
                tracer.draft.does(Verb::Delete);
            }
            (Verb::Insert, lower.insert(insert)?)
        }
        Statement::Update(update) => (Verb::Update, lower.update(update)?),
        Statement::Delete(delete) => (Verb::Delete, lower.delete(delete)?),
        other => return unsupported("a statement", other),
    };
    let rows = tracer.query(&query, &Env::EMPTY);
    let outputs = Tracer::outputs(&rows);
    Ok(Ended { verb, outputs, filtered: true, limited: rows.limited, walked })
}
