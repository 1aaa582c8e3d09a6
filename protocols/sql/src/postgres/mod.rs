//! PostgreSQL: the server's own grammar (`pg_query`), lowered statement by statement.

mod changes;
mod definitions;
mod expressions;
mod names;
mod queries;
mod sessions;
mod statements;

use crate::analyser::{Parsed, complete};
use crate::ir::Query;
use crate::lineage::Tracer;
use crate::{Catalog, Dialect, Settings};
use queries::Lower;

/// What a text does.
pub(crate) fn analyse(text: &str, catalog: &Catalog, settings: &Settings) -> Result<Parsed, String> {
    let mut parsed = Parsed { parts: Vec::new(), unknown_relations: Vec::new() };
    for statement in parse(text)? {
        let mut tracer = Tracer::new(Dialect::Postgres, catalog, settings);
        let ended = statements::statement(&statement, &mut tracer);
        let finished = tracer.draft.finish(ended.verb, ended.outputs, ended.filtered, ended.limited);
        complete(finished, catalog, &mut parsed);
    }
    Ok(parsed)
}

/// The query of a view's definition.
pub(crate) fn view_query(definition: &str) -> Result<Query, String> {
    let lexis = crate::lift::Lexis::new(Dialect::Postgres, &Settings::default());
    let lifted = crate::lift::lift(definition.as_bytes(), lexis, crate::lift::Keep::Nothing);
    if lifted.nesting > 2_000 || lifted.refused.is_some() {
        return Err("it nests too deeply".to_owned());
    }
    let mut statements = parse(definition)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(node), true) => Ok(Lower::default().query_node(&node)),
        _ => Err("it is not one query".to_owned()),
    }
}

fn parse(text: &str) -> Result<Vec<pg_query::Node>, String> {
    let result = pg_query::parse(text, pg_query::ParserOptions::default()).map_err(|error| match error {
        pg_query::Error::Parse(message) => message,
        other => other.to_string(),
    })?;
    Ok(result.protobuf.stmts.into_iter().filter_map(|raw| raw.stmt).map(|node| *node).collect())
}
