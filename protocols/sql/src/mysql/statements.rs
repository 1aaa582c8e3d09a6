//! What kind of statement it is and what it does. SHOW, transactions and other fixed phrases are told by their words;
//! everything else goes through the parser.

use super::gate::{self, Token};
use super::maintenance;
use super::queries::{Lower, Lowered, name_of, relation, unsupported};
use super::source::Source;
use super::walk::{Walked, walk};
use crate::Dialect;
use crate::ir::Name;
use crate::lineage::{Env, Taint, Tracer};
use model::{Access, ColumnRef, Outputs, Verb};
use sqlparser::ast::{self, ObjectType, Set, Statement};

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

/// SHOW of structure passes; SHOW of texts, counters and engine internals may carry data.
fn show(words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Ended {
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

fn explain(source: &Source, words: &[&str], tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Lowered<Ended> {
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

/// `SET @x := …` with `=` in place of its first `:=`, which the parser does not read. Only one that stands before any
/// parenthesis or quote is SET's own; others assign inside an expression and stay what they are.
fn plain_assignment(text: &str) -> Option<String> {
    let (before, after) = text.split_once(":=")?;
    (!before.contains(['(', '\'', '"', '`', '='])).then(|| format!("{before}={after}"))
}

/// SET of one thing or of several: the parser knows lists of assignments, but not with NAMES among them.
fn set(text: &str, tracer: &mut Tracer<'_>) -> Lowered<Ended> {
    for assignment in assignments(text) {
        set_one(&format!("SET {assignment}"), tracer)?;
    }
    Ok(Ended::quiet(Verb::Set))
}

/// MariaDB's `SET STATEMENT a = 1, b = 2 FOR …`: settings for the time of one statement.
fn set_for_one(source: &Source, tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Lowered<Ended> {
    let text = source.text.as_str();
    let mut depth = 0_usize;
    let found = tokens.iter().find_map(|token| {
        match token {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.eq_ignore_ascii_case("for") => {
                return Some(word.as_ptr().addr().saturating_sub(text.as_ptr().addr()));
            }
            _ => {}
        }
        None
    });
    let at = found.ok_or_else(|| "a SET STATEMENT without FOR".to_owned())?;
    let list = text.get("SET STATEMENT".len()..at).unwrap_or_default();
    let rest = text.get(at + 3..).unwrap_or_default();
    let from = text.len() - rest.trim_start().len();
    if super::changes_reading(&list.to_ascii_lowercase()) {
        return Err("a SET STATEMENT that changes how the statement is read: use SET".to_owned());
    }
    set(&format!("SET {list}"), tracer)?;
    statement(&source.slice(from..text.len()), tracer)
}

/// What stands between the commas of a SET, those in brackets left alone. A scope (GLOBAL, SESSION) goes with what is
/// behind it until the next comma; the server lets it hold further, which makes no difference here.
fn assignments(text: &str) -> Vec<&str> {
    let list = text.get(3..).unwrap_or_default();
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, byte) in list.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != byte),
            (None, b'\'' | b'`' | b'"') => quote = Some(byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b',') if depth == 0 => {
                parts.push(list.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(list.get(start..).unwrap_or_default().trim());
    parts
}

fn set_one(text: &str, tracer: &mut Tracer<'_>) -> Lowered<Ended> {
    let ended = Ended::quiet(Verb::Set);
    let value = |expr: &ast::Expr| match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            ast::Value::Number(number, _) => Some(number.clone()),
            ast::Value::Boolean(flag) => Some(flag.to_string()),
            _ => None,
        },
        ast::Expr::Identifier(ident) => Some(ident.value.clone()),
        _ => None,
    };
    let plain = plain_assignment(text);
    let parsed = gate::parse(&Source::of(plain.as_deref().unwrap_or(text).to_owned()));
    let Ok((Statement::Set(set), _)) = parsed else {
        tracer.draft.opaque("a SET that is not analysed", true);
        return Ok(ended);
    };
    let pairs: Vec<(String, Vec<&ast::Expr>)> = match &set {
        Set::SingleAssignment { variable, values, .. } => {
            vec![(name_of(variable)?.join("."), values.iter().collect())]
        }
        Set::MultipleAssignments { assignments } => {
            let mut pairs = Vec::new();
            for assignment in assignments {
                pairs.push((name_of(&assignment.name)?.join("."), vec![&assignment.value]));
            }
            pairs
        }
        Set::SetNames { charset_name, .. } => {
            tracer.draft.setting("names", Some(charset_name.value.clone()));
            return Ok(ended);
        }
        Set::SetNamesDefault {} => {
            tracer.draft.setting("names", None);
            return Ok(ended);
        }
        _ => {
            tracer.draft.opaque("a SET that is not analysed", true);
            return Ok(ended);
        }
    };
    for (name, values) in pairs {
        let mut taint = Taint::default();
        for expr in &values {
            // A bare word is a value (`utf8mb4`, `ON`), not a column.
            if !matches!(expr, ast::Expr::Identifier(_)) {
                let lowered = Lower::default().expr(expr)?;
                taint.absorb(&tracer.value(&lowered, &Env::EMPTY));
            }
        }
        let constant = match values.as_slice() {
            [one] => value(one),
            _ => None,
        };
        if !name.starts_with('@') || name.starts_with("@@") {
            let name = name.trim_start_matches("@@");
            let name =
                ["session.", "local.", "global."].iter().find_map(|scope| name.strip_prefix(scope)).unwrap_or(name);
            tracer.draft.setting(name, constant);
        }
        if !taint.is_constant() {
            tracer.draft.write(None, &taint);
        }
    }
    Ok(ended)
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

/// Definitions: views and tables out of queries are followed, plain ones named, the rest is opaque.
fn define(source: &Source, tracer: &mut Tracer<'_>) -> Ended {
    match defined(source, tracer) {
        Ok((verb, walked)) => Ended { walked, ..Ended::quiet(verb) },
        Err(why) => {
            tracer.draft.opaque(&format!("a definition that is not analysed: {why}"), true);
            Ended::quiet(Verb::Ddl)
        }
    }
}

/// Table options that let a table read what another one, a file or another server holds.
fn reaches_elsewhere(text: &str) -> Option<&'static str> {
    const OWN_STORAGE: [&str; 5] = ["INNODB", "MYISAM", "ARIA", "MEMORY", "HEAP"];
    let tokens = gate::tokens(text);
    let word = |token: &Token<'_>| match token {
        Token::Word(word) => word.to_ascii_uppercase(),
        _ => String::new(),
    };
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let equals = matches!(next, Some(Token::Symbol("=")));
        match word(token).as_str() {
            "CONNECTION" => return Some("a table with CONNECTION"),
            "UNION" if equals => return Some("a table with UNION ="),
            "DIRECTORY" => return Some("a table in a directory of its own"),
            "ENGINE" if equals || matches!(next, Some(Token::Word(_))) => {
                let named = tokens.get(if equals { at + 2 } else { at + 1 });
                let known = named.is_some_and(|named| match named {
                    Token::Word(name) | Token::Quoted(name) | Token::Text(name) => {
                        OWN_STORAGE.contains(&name.to_ascii_uppercase().as_str())
                    }
                    Token::Symbol(_) => false,
                });
                if !known {
                    return Some("a table of an engine that may read elsewhere");
                }
            }
            _ => {}
        }
    }
    None
}

fn defined(source: &Source, tracer: &mut Tracer<'_>) -> Lowered<(Verb, Option<(Walked, Source)>)> {
    if let Some(what) = reaches_elsewhere(&source.text) {
        return Err(what.to_owned());
    }
    // The parser does not know the attribute, and nothing hangs on it; it is reserved, so it is no name.
    let (statement, source) = gate::parse(&maintenance::without(source, "ZEROFILL"))?;
    let walked = walk(&statement, &source, tracer.case_sensitive)?.map(|walked| (walked, source));
    match &statement {
        Statement::CreateView(view) => {
            let names: Vec<String> = view.columns.iter().map(|column| column.name.value.clone()).collect();
            stored_as(&view.name, &names, &view.query, tracer)?;
        }
        Statement::CreateTable(create) => {
            let named = relation(&create.name)?;
            if let Some(like) = &create.like {
                let (ast::CreateTableLikeKind::Parenthesized(like) | ast::CreateTableLikeKind::Plain(like)) = like;
                tracer.touch(&relation(&like.name)?, Access::Read);
            }
            match (&create.query, &create.like) {
                (Some(query), None) => {
                    tracer.draft.does(Verb::Insert);
                    stored_as(&create.name, &[], query, tracer)?;
                }
                (None, like) => {
                    let table = tracer.make(&named, create.temporary);
                    if like.is_none() && !create.if_not_exists {
                        let columns = create.columns.iter().map(|column| column.name.value.clone());
                        tracer.draft.fresh = Some(crate::sequence::fresh(table, columns));
                    }
                }
                _ => return unsupported("a CREATE TABLE", create),
            }
        }
        Statement::AlterTable(alter) => {
            tracer.touch(&relation(&alter.name)?, Access::Define);
            for operation in &alter.operations {
                if let ast::AlterTableOperation::RenameTable { table_name } = operation {
                    let (ast::RenameTableNameKind::As(new) | ast::RenameTableNameKind::To(new)) = table_name;
                    tracer.make(&relation(new)?, false);
                }
            }
        }
        Statement::Truncate(truncate) => {
            for table in &truncate.table_names {
                let table = relation(&table.name)?;
                tracer.touch(&table, Access::Write);
                tracer.note_whole(&table);
            }
            return Ok((Verb::Truncate, walked));
        }
        Statement::RenameTable(renames) => {
            for ast::RenameTable { old_name, new_name } in renames {
                tracer.touch(&relation(old_name)?, Access::Define);
                tracer.make(&relation(new_name)?, false);
            }
        }
        Statement::Drop { object_type: ObjectType::Table | ObjectType::View, names, .. } => {
            for name in names {
                let name = relation(name)?;
                if !matches!(tracer.find(&name), crate::lineage::Found::Missing) {
                    tracer.touch(&name, Access::Define);
                }
            }
        }
        Statement::Drop { .. } | Statement::CreateDatabase { .. } => {}
        Statement::CreateIndex(index) => tracer.touch(&relation(&index.table_name)?, Access::Define),
        Statement::OptimizeTable { name, .. } => tracer.touch(&relation(name)?, Access::Define),
        other => return unsupported("a definition", other),
    }
    Ok((Verb::Ddl, walked))
}

fn stored_as(name: &ast::ObjectName, names: &[String], query: &ast::Query, tracer: &mut Tracer<'_>) -> Lowered<()> {
    let lowered = Lower::default().query(query)?;
    let rows = tracer.query(&lowered, &Env::EMPTY);
    let table = tracer.make(&relation(name)?, false);
    let reference = |column: &str| ColumnRef {
        schema: table.schema.clone(),
        table: table.table.clone(),
        column: column.to_owned(),
    };
    if let Some(why) = &rows.open {
        tracer.draft.write(Some(reference("*")), &Taint::unknown(why.as_str()));
    }
    for (index, column) in rows.columns.iter().enumerate() {
        let name = names.get(index).cloned().or_else(|| column.name.clone()).unwrap_or_else(|| "?".to_owned());
        tracer.draft.write(Some(reference(&name)), &column.taint);
    }
    Ok(())
}
