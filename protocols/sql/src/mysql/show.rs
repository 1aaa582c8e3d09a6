//! SHOW, told by its words: structure passes; texts, counters and engine internals may carry data.

use super::gate::Token;
use super::statements::Ended;
use crate::lineage::Tracer;
use model::Verb;

/// SHOW of structure passes; SHOW of texts, counters and engine internals may carry data.
pub(super) fn show(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
    const STRUCTURE: [&str; 26] = [
        "TABLES",
        "DATABASES",
        "SCHEMAS",
        "COLUMNS",
        "FIELDS",
        "INDEX",
        "INDEXES",
        "KEYS",
        "CREATE",
        "VARIABLES",
        "TABLE",
        "ENGINES",
        "STORAGE",
        "COLLATION",
        "CHARACTER",
        "CHARSET",
        "STATUS",
        "PLUGINS",
        "TRIGGERS",
        "FUNCTION",
        "EVENTS",
        "OPEN",
        "PRIVILEGES",
        "COUNT",
        "PACKAGE",
        "SESSION_STATUS",
    ];
    // A condition may hold any expression, with subqueries and assignments: only comparisons of names and literals pass.
    let lists = tokens
        .windows(2)
        .filter(|pair| matches!(pair, [Token::Word(word), Token::Symbol("(")] if word.eq_ignore_ascii_case("in")));
    let parentheses = tokens.iter().filter(|token| matches!(token, Token::Symbol("("))).count();
    let variables = tokens.iter().any(|token| {
        matches!(token, Token::Symbol(":")) || matches!(token, Token::Word(word) if word.starts_with('@'))
    });
    // A list may be a query: `IN (TABLE t)`, `IN (VALUES ROW(1))`.
    let queries = tokens.windows(2).any(|pair| {
        matches!(pair, [Token::Symbol("("), Token::Word(word)]
            if ["SELECT", "TABLE", "VALUES", "WITH"].iter().any(|own| own.eq_ignore_ascii_case(word)))
    });
    if parentheses > lists.count() || variables || queries || words.contains(&"SELECT") {
        tracer.draft.opaque("SHOW with an expression in its condition", true);
        return Ended::unknown(Verb::Other, "SHOW with an expression in its condition");
    }
    let kind = words.iter().find(|word| !matches!(**word, "FULL" | "EXTENDED" | "GLOBAL" | "SESSION" | "LOCAL"));
    // What creates an account shows the hash of its password.
    let account = words.windows(2).any(|pair| matches!(pair, ["CREATE", "USER"]));
    // Counters tell how much was read; what connections are like is no secret.
    const CONNECTIONS: [&str; 4] = ["ssl_", "uptime", "threads_", "wsrep_"];
    let counters = kind == Some(&"STATUS")
        && !matches!(tokens.last(), Some(Token::Text(name))
            if CONNECTIONS.iter().any(|own| name.to_ascii_lowercase().starts_with(own)));
    if account || counters || !kind.is_some_and(|kind| STRUCTURE.contains(kind)) {
        let what = format!("SHOW {}, which may quote statements or data", kind.copied().unwrap_or_default());
        tracer.draft.opaque(&what, true);
        return Ended::unknown(Verb::Show, &what);
    }
    Ended::unknown(Verb::Show, "structure, whose columns depend on the server's version")
}
