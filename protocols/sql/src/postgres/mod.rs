//! PostgreSQL: the server's own grammar (`pg_query`), lowered statement by statement.

mod changes;
mod definitions;
mod expressions;
mod moves;
mod names;
mod own_names;
mod queries;
mod renames;
mod sessions;
mod statements;

use crate::analyser::{Parsed, complete};
use crate::ir::Query;
use crate::lineage::Tracer;
use crate::sequence::Sequence;
use crate::{Catalog, Dialect, Settings};
use queries::Lower;

/// What a text does.
pub(crate) fn analyse(text: &str, catalog: &Catalog, settings: &Settings) -> Result<Parsed, String> {
    let mut parsed = Parsed { parts: Vec::new(), unknown_relations: Vec::new() };
    let (mut sequence, mut path) = (Sequence::default(), None);
    let mut names = own_names::OwnNames::default();
    for statement in parse(text)? {
        let mut tracer = Tracer::new(Dialect::Postgres, catalog, settings);
        if let Some(path) = &path {
            Vec::clone_from(&mut tracer.path, path);
        }
        let used = names.used(&statement, &mut tracer);
        let ended = used.unwrap_or_else(|| statements::statement(&statement, &mut tracer));
        let along = tracer.path.clone();
        let mut finished = tracer.draft.finish(ended.verb, ended.outputs, ended.filtered, ended.limited);
        sequence.unsettle(&mut finished.part, catalog);
        path = sequence.note(moves::moved(&statement, &finished.part)).or(path);
        names.note(statement, &finished.part, &along);
        complete(finished, catalog, &mut parsed);
    }
    Ok(parsed)
}

/// The query of a view's definition.
pub(crate) fn view_query(definition: &str) -> Result<Query, String> {
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

/// A statement that a session keeps under a name.
#[derive(Clone, Debug)]
pub(crate) struct Kept(pg_query::Node);

/// What a statement does to the names of a session.
pub(crate) enum SessionStatement {
    Prepare(String, Kept),
    /// One, or all.
    Deallocate(Option<String>),
    Declare(String, Kept),
    /// One, or all.
    Close(Option<String>),
    EndTransaction,
    Discard,
}

/// What the statements of a text do to the names of a session, in order. A text that is not understood does nothing: it
/// was refused.
pub(crate) fn session_statements(sql: &[u8]) -> Vec<SessionStatement> {
    use pg_query::NodeEnum;
    let lexis = crate::lift::Lexis::new(Dialect::Postgres, &Settings::default());
    let lifted = crate::lift::lift(sql, lexis, crate::lift::Keep::Nothing);
    // Deeper ones would need a stack of their own each time they run.
    if lifted.refused.is_some() || lifted.nesting > crate::session::KEPT_DEPTH {
        return Vec::new();
    }
    let Some(nodes) = std::str::from_utf8(sql).ok().and_then(|text| parse(text).ok()) else { return Vec::new() };
    let name = |name: String| (!name.is_empty()).then_some(name);
    let change = |node: pg_query::Node| match node.node? {
        NodeEnum::PrepareStmt(prepare) => Some(SessionStatement::Prepare(prepare.name, Kept(*prepare.query?))),
        NodeEnum::DeclareCursorStmt(declare) => {
            Some(SessionStatement::Declare(declare.portalname, Kept(*declare.query?)))
        }
        NodeEnum::DeallocateStmt(deallocate) => Some(SessionStatement::Deallocate(name(deallocate.name))),
        NodeEnum::ClosePortalStmt(close) => Some(SessionStatement::Close(name(close.portalname))),
        NodeEnum::TransactionStmt(transaction) => {
            use pg_query::protobuf::TransactionStmtKind as Kind;
            let kind = Kind::try_from(transaction.kind).unwrap_or(Kind::Undefined);
            let goes_on = matches!(
                kind,
                Kind::TransStmtBegin | Kind::TransStmtStart | Kind::TransStmtSavepoint | Kind::TransStmtRelease
            );
            (!goes_on).then_some(SessionStatement::EndTransaction)
        }
        NodeEnum::DiscardStmt(_) => Some(SessionStatement::Discard),
        _ => None,
    };
    nodes.into_iter().filter_map(change).collect()
}

/// What a kept statement does when it runs.
pub(crate) fn analyse_kept(kept: &Kept, catalog: &Catalog, settings: &Settings) -> Parsed {
    let mut parsed = Parsed { parts: Vec::new(), unknown_relations: Vec::new() };
    let mut tracer = Tracer::new(Dialect::Postgres, catalog, settings);
    let ended = statements::statement(&kept.0, &mut tracer);
    let finished = tracer.draft.finish(ended.verb, ended.outputs, ended.filtered, ended.limited);
    complete(finished, catalog, &mut parsed);
    parsed
}
