//! SET: settings and variables, one by one.

use super::gate::{self, Token};
use super::queries::{Lower, Lowered, name_of};
use super::source::Source;
use super::statements::{Ended, statement};
use crate::lineage::{Env, Taint, Tracer};
use model::Verb;
use sqlparser::ast::{self, Set, Statement};

/// `SET @x := …` with `=` in place of its first `:=`, which the parser does not read. Only one that stands before any
/// parenthesis or quote is SET's own; others assign inside an expression and stay what they are.
fn plain_assignment(text: &str) -> Option<String> {
    let (before, after) = text.split_once(":=")?;
    (!before.contains(['(', '\'', '"', '`', '='])).then(|| format!("{before}={after}"))
}

/// SET of one thing or of several: the parser knows lists of assignments, but not with NAMES among them.
pub(super) fn set(text: &str, tracer: &mut Tracer<'_>) -> Lowered<Ended> {
    for assignment in assignments(text) {
        set_one(&format!("SET {assignment}"), tracer)?;
    }
    Ok(Ended::quiet(Verb::Set))
}

/// MariaDB's `SET STATEMENT a = 1, b = 2 FOR …`: settings for the time of one statement.
pub(super) fn set_for_one(source: &Source, tokens: &[Token<'_>], tracer: &mut Tracer<'_>) -> Lowered<Ended> {
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
