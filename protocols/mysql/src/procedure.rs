//! Stored procedures whose bodies can be read: a CALL of one touches what its statements touch. Bodies of SELECT, SET and
//! DECLARE are followed, one statement after the other; whatever else stands in one (conditions, cursors, dynamic SQL,
//! writes) leaves the CALL as opaque as it was.
//!
//! Parameters and local variables go before columns of the same name in the server, and are treated as user variables
//! here: what flows into them is a write to a variable, and judged as one.

mod scan;

use model::{Access, Call, Facts, Outputs, Part, Verb};
use scan::{Token, scan};
use sql::{Settings, SqlMode};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Modes of a routine under which its body means what this reads.
const KNOWN_MODES: [&str; 12] = [
    "ONLY_FULL_GROUP_BY",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION",
    "NO_AUTO_CREATE_USER",
    "NO_AUTO_VALUE_ON_ZERO",
    "TRADITIONAL",
    "ALLOW_INVALID_DATES",
    "",
];

/// A procedure whose body is known.
struct Procedure {
    schema: String,
    name: String,
    parameters: Vec<String>,
    body: String,
}

/// The procedures of an upstream.
#[derive(Default)]
pub(crate) struct Procedures {
    by_name: HashMap<(String, String), Procedure>,
}

/// Analyses a text under some settings.
pub(crate) type Analyse<'a> = &'a dyn Fn(&str, &Settings) -> Arc<Facts>;

impl Procedures {
    /// From rows of (schema, name, body, sql_mode) and (schema, procedure, parameter).
    pub(crate) fn new(bodies: Vec<[String; 4]>, parameters: Vec<[String; 3]>) -> Self {
        let mut by_name = HashMap::new();
        for [schema, name, body, mode] in bodies {
            if !body.is_empty() && mode.split(',').all(|mode| KNOWN_MODES.contains(&mode.trim())) {
                by_name.insert(key(&schema, &name), Procedure { schema, name, parameters: Vec::new(), body });
            }
        }
        for [schema, name, parameter] in parameters {
            if let Some(procedure) = by_name.get_mut(&key(&schema, &name)) {
                procedure.parameters.push(parameter.to_lowercase());
            }
        }
        Self { by_name }
    }

    /// What a text does that is one CALL; `call` is what is known without looking at the procedure.
    pub(crate) fn facts(&self, sql: &[u8], call: &Facts, settings: &Settings, analyse: Analyse<'_>) -> Facts {
        self.followed(sql, call, settings, analyse).unwrap_or_else(|| {
            let mut facts = call.clone();
            if let Some(name) = self.missing(sql, settings) {
                // A reason to read the catalog again: it may be new.
                facts.unknown_relations.push(name);
            }
            facts
        })
    }

    /// The procedure that a text calls, if it is not one of these.
    fn missing(&self, sql: &[u8], settings: &Settings) -> Option<String> {
        let tokens = scan(std::str::from_utf8(sql).ok()?)?;
        let ((schema, name), _) = called(&tokens)?;
        let schema = schema.or_else(|| settings.search_path.first().cloned())?;
        (!self.by_name.contains_key(&key(&schema, &name))).then(|| format!("procedure {schema}.{name}"))
    }

    /// The same, of a procedure that can be followed.
    fn followed(&self, sql: &[u8], call: &Facts, settings: &Settings, analyse: Analyse<'_>) -> Option<Facts> {
        let [Part { verb: Verb::Call, .. }] = call.parts.as_slice() else { return None };
        if settings.sql_mode != SqlMode::default() || !settings.ascii_safe_encoding {
            return None;
        }
        let tokens = scan(std::str::from_utf8(sql).ok()?)?;
        let (path, arguments) = called(&tokens)?;
        let schema = path.0.or_else(|| settings.search_path.first().cloned())?;
        let procedure = self.by_name.get(&key(&schema, &path.1))?;
        let mut part = Part {
            verb: Verb::Call,
            tables: Vec::new(),
            outputs: Outputs::Unknown("what a procedure returns".to_owned()),
            predicates: Vec::new(),
            writes: Vec::new(),
            calls: vec![Call { name: format!("{}.{}", procedure.schema, procedure.name), pure: false }],
            opaque: Vec::new(),
            settings: Vec::new(),
            kin: Vec::new(),
            sources: Vec::new(),
            uses: None,
            verbs: vec![Verb::Call],
            reads: Vec::new(),
            filtered: true,
            limited: true,
        };
        if !arguments.is_empty() {
            let given = analyse(&format!("SELECT {}", joined(arguments, &HashSet::new())), settings);
            let [given] = given.parts.as_slice() else { return None };
            let harmless = given.tables.is_empty() && given.opaque.is_empty() && given.writes.is_empty();
            if !harmless || given.verb != Verb::Select || !given.calls.iter().all(|call| call.pure) {
                return None;
            }
        }
        procedure.follow(&mut part, settings, analyse)?;
        Some(Facts { parts: vec![part], ..call.clone() })
    }
}

impl Procedure {
    /// Adds what each of its statements does.
    fn follow(&self, part: &mut Part, settings: &Settings, analyse: Analyse<'_>) -> Option<()> {
        let tokens = scan(&self.body)?;
        let mut variables: HashSet<String> = self.parameters.iter().cloned().collect();
        let settings = Settings { search_path: vec![self.schema.clone()], ..settings.clone() };
        for statement in statements(&tokens)? {
            let text = match statement.first()?.word()?.as_str() {
                "SELECT" => joined(statement, &variables),
                "SET" => {
                    let text = joined(statement, &variables);
                    // Nothing but variables of its own.
                    if !text.starts_with("SET @") {
                        return None;
                    }
                    text
                }
                "DECLARE" => match declared(statement, &mut variables)? {
                    Some((name, default)) => format!("SET @{name} = {}", joined(default, &variables)),
                    None => continue,
                },
                _ => return None,
            };
            add(part, &analyse(&text, &settings))?;
        }
        Some(())
    }
}

/// Adds what one statement does; `None` where that is not wholly known.
fn add(part: &mut Part, facts: &Facts) -> Option<()> {
    let [inner] = facts.parts.as_slice() else { return None };
    let known = facts.unparsed.is_none()
        && facts.unknown_relations.is_empty()
        && inner.opaque.is_empty()
        && matches!(inner.verb, Verb::Select | Verb::Set)
        && inner.tables.iter().all(|table| table.access == Access::Read)
        && inner.settings.iter().all(|setting| setting.name.starts_with('@') && !setting.name.starts_with("@@"));
    if !known {
        return None;
    }
    for table in &inner.tables {
        if !part.tables.contains(table) {
            part.tables.push(table.clone());
        }
    }
    part.predicates.extend(inner.predicates.iter().cloned());
    part.writes.extend(inner.writes.iter().cloned());
    part.calls.extend(inner.calls.iter().cloned());
    part.kin.extend(inner.kin.iter().cloned());
    for verb in &inner.verbs {
        if !part.verbs.contains(verb) {
            part.verbs.push(*verb);
        }
    }
    part.reads.extend(inner.reads.iter().cloned());
    part.filtered &= inner.filtered;
    part.limited &= inner.limited || inner.tables.is_empty();
    Some(())
}

fn key(schema: &str, name: &str) -> (String, String) {
    (schema.to_lowercase(), name.to_lowercase())
}

type Path = (Option<String>, String);

/// The procedure's name and the arguments of `CALL [schema.]name[(arguments)]`.
fn called<'t, 'a>(tokens: &'a [Token<'t>]) -> Option<(Path, &'a [Token<'t>])> {
    let tokens = tokens.strip_suffix(&[Token::Symbol(';')]).unwrap_or(tokens);
    let (first, rest) = tokens.split_first()?;
    if first.word()? != "CALL" {
        return None;
    }
    let (path, rest) = match rest {
        [schema, Token::Symbol('.'), name, rest @ ..] => ((Some(schema.name()?), name.name()?), rest),
        [name, rest @ ..] => ((None, name.name()?), rest),
        [] => return None,
    };
    match rest {
        [] => Some((path, rest)),
        [Token::Symbol('('), arguments @ .., Token::Symbol(')')] => Some((path, arguments)),
        _ => None,
    }
}

/// The statements of a body, which is one of them or a block of them.
fn statements<'t, 'a>(tokens: &'a [Token<'t>]) -> Option<Vec<&'a [Token<'t>]>> {
    let tokens = tokens.strip_suffix(&[Token::Symbol(';')]).unwrap_or(tokens);
    let inner = match tokens {
        [first, inner @ .., last] if first.is("BEGIN") && last.is("END") => inner,
        whole => whole,
    };
    let parts = inner.split(|token| *token == Token::Symbol(';')).filter(|part| !part.is_empty()).collect();
    Some(parts)
}

type Value<'t, 'a> = Option<(String, &'a [Token<'t>])>;

/// `DECLARE name type [DEFAULT value]`: notes the name; the value, if there is one.
fn declared<'t, 'a>(statement: &'a [Token<'t>], variables: &mut HashSet<String>) -> Option<Value<'t, 'a>> {
    let name = statement.get(1)?.name()?.to_lowercase();
    if statement
        .iter()
        .any(|token| ["CURSOR", "HANDLER", "CONDITION", "ROWTYPE", "OF"].iter().any(|word| token.is(word)))
        || statement.get(2)? == &Token::Symbol(',')
    {
        return None;
    }
    let default = statement.iter().position(|token| token.is("DEFAULT"));
    let value = default.and_then(|at| statement.get(at + 1..)).map(|value| (name.clone(), value));
    variables.insert(name);
    Some(value)
}

/// The tokens as a text again, variables written as user variables.
fn joined(tokens: &[Token<'_>], variables: &HashSet<String>) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let beside = |at: Option<usize>| at.and_then(|at| tokens.get(at)) == Some(&Token::Symbol('.'));
        let qualified = beside(at.checked_sub(1)) || beside(Some(at + 1));
        let name = token.name().map(|name| name.to_lowercase()).filter(|name| !qualified && variables.contains(name));
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        if before.is_some_and(|before| apart(before, token)) {
            text.push(' ');
        }
        match name {
            Some(name) => {
                text.push('@');
                text.push_str(&name);
            }
            None => token.write(&mut text),
        }
    }
    text
}

/// Whether a blank goes between two tokens: not around dots, before brackets, or within operators of two characters.
fn apart(before: &Token<'_>, token: &Token<'_>) -> bool {
    const OPERATORS: [(char, char); 10] = [
        ('<', '='),
        ('>', '='),
        ('<', '>'),
        ('!', '='),
        (':', '='),
        ('|', '|'),
        ('&', '&'),
        ('<', '<'),
        ('>', '>'),
        ('=', '>'),
    ];
    match (before, token) {
        (Token::Symbol('.'), _) | (_, Token::Symbol('.' | '(')) => false,
        (Token::Symbol(one), Token::Symbol(other)) => !OPERATORS.contains(&(*one, *other)),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
