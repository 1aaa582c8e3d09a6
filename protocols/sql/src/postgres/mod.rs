//! PostgreSQL: the server's own grammar (`pg_query`), lowered statement by statement.

mod changes;
mod comparisons;
mod definitions;
mod expressions;
mod kinds;
mod moves;
mod names;
mod net;
mod own_names;
mod projection;
mod queries;
mod relations;
mod renames;
mod sessions;
mod statements;
mod substitute;
mod tree;
mod types;
mod walk;
mod wire;

use crate::analyser::{Parsed, complete};
use crate::ir::Query;
use crate::lineage::{Finished, Tracer};
use crate::sequence::{Moved, Sequence};
use crate::{Catalog, Dialect, Settings};
use queries::Lower;

/// What a text does.
pub(crate) fn analyse(text: &str, catalog: &Catalog, settings: &Settings) -> Result<Parsed, String> {
    let mut parsed = Parsed { parts: Vec::new(), unknown_relations: Vec::new() };
    for (finished, _) in read(text, catalog, settings)? {
        complete(finished, catalog, &mut parsed);
    }
    Ok(parsed)
}

/// Where a statement names what it names.
struct Located {
    places: Vec<walk::Place>,
    qualified: Vec<walk::Qualified>,
    /// The names that spell relations, where the statement's own text was walked over.
    spelt: Option<net::Spelt>,
}

/// Every statement of a text.
fn read(text: &str, catalog: &Catalog, settings: &Settings) -> Result<Vec<(Finished, Located)>, String> {
    let mut read = Vec::new();
    let (mut sequence, mut path) = (Sequence::default(), None);
    let mut names = own_names::OwnNames::default();
    for statement in parse(text)? {
        let mut tracer = Tracer::new(Dialect::Postgres, catalog, settings);
        tracer.made = sequence.made();
        if let Some(path) = &path {
            Vec::clone_from(&mut tracer.path, path);
        }
        let along = tracer.path.clone();
        let (mut finished, located) = match names.used(&statement, &mut tracer) {
            // What runs is the query behind the name, which stands elsewhere in the text: it is judged by its lineage.
            Some(ended) => {
                let finished = tracer.draft.finish(ended.verb, ended.outputs, ended.filtered, ended.limited);
                (finished, Located { places: Vec::new(), qualified: Vec::new(), spelt: None })
            }
            None => finish(&statement, tracer),
        };
        sequence.unsettle(&mut finished.part, catalog);
        let moved = moves::moved(&statement, &finished.part);
        let fresh = finished.fresh.take().filter(|_| matches!(moved, Moved::Names(_)));
        if !fresh.is_some_and(|fresh| sequence.note_fresh(fresh)) {
            path = sequence.note(moved).or(path);
        }
        names.note(statement, &finished.part, &along);
        read.push((finished, located));
    }
    // A text that runs what stands elsewhere (EXECUTE, FETCH) is not all in its tree.
    let walked: Option<Vec<&net::Spelt>> = read.iter().map(|(_, located)| located.spelt.as_ref()).collect();
    if let Some(walked) = walked {
        let mut accounted = net::Spelt::new();
        for (name, count) in walked.into_iter().flatten() {
            *accounted.entry(name.clone()).or_default() += count;
        }
        if let Some(name) = net::missed(text, catalog, &accounted)? {
            let what = format!("the name {name}, which stands where no relation was looked for");
            for uses in read.iter_mut().filter_map(|(finished, _)| finished.part.uses.as_mut()) {
                uses.beyond.push(what.clone());
            }
        }
    }
    Ok(read)
}

/// What one statement does: its lineage, and what the walk over its whole tree has found.
fn finish(statement: &pg_query::Node, mut tracer: Tracer<'_>) -> (Finished, Located) {
    let ended = statements::statement(statement, &mut tracer);
    let walked = walk::walk(statement, &tracer);
    let mut finished = tracer.draft.finish(ended.verb, ended.outputs, ended.filtered, ended.limited);
    let mut uses = walked.uses;
    for what in &finished.beyond {
        if !uses.beyond.contains(what) {
            uses.beyond.push(what.clone());
        }
    }
    for source in &walked.sources {
        if finished.part.tables.iter().any(|used| used.table == source.table) {
            continue;
        }
        let access = match source.placement {
            model::Placement::Named => model::Access::Define,
            model::Placement::Target => model::Access::Write,
            model::Placement::From | model::Placement::Fixed(_) => model::Access::Read,
        };
        let table = source.table.clone();
        finished.part.tables.push(model::TableUse { table, access, reach: model::Reach::Direct });
    }
    if walked.other_sessions {
        let name = crate::OTHER_SESSIONS.to_owned();
        finished.part.settings.push(model::SettingChange { name, value: None });
    }
    finished.part.sources = walked.sources;
    finished.part.uses = Some(uses);
    (finished, Located { places: walked.places, qualified: walked.qualified, spelt: Some(walked.spelt) })
}

pub(crate) use projection::mask_views;
pub(crate) use substitute::substitute;

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

/// What a text, one statement, does to a name that the session keeps, in the server's own form of the name: folded, its escapes
/// resolved, cut to the server's length.
pub(crate) fn session_name(sql: &[u8]) -> Option<crate::SessionName> {
    use crate::SessionName;
    use pg_query::NodeEnum;
    let lexis = crate::lift::Lexis::new(Dialect::Postgres, &Settings::default());
    let lifted = crate::lift::lift(sql, lexis, crate::lift::Keep::Nothing);
    if lifted.refused.is_some() || lifted.nesting > 100 {
        return None;
    }
    let text: String = match std::str::from_utf8(sql) {
        Ok(text) => text.to_owned(),
        Err(_) => sql.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut statements = parse(&text).ok()?;
    let node = statements.pop().filter(|_| statements.is_empty())?;
    let named = match node.node? {
        NodeEnum::PrepareStmt(prepare) => SessionName::Prepares(prepare.name),
        NodeEnum::DeclareCursorStmt(declare) => SessionName::Declares(declare.portalname),
        NodeEnum::ExecuteStmt(execute) => SessionName::Executes(execute.name),
        NodeEnum::FetchStmt(fetch) if fetch.ismove => SessionName::Moves(fetch.portalname),
        NodeEnum::FetchStmt(fetch) => SessionName::Fetches(fetch.portalname),
        NodeEnum::ClosePortalStmt(close) if !close.portalname.is_empty() => SessionName::Closes(close.portalname),
        NodeEnum::DeallocateStmt(deallocate) if !deallocate.name.is_empty() => {
            SessionName::Deallocates(deallocate.name)
        }
        _ => return None,
    };
    Some(named)
}

/// What a kept statement does when it runs.
pub(crate) fn analyse_kept(kept: &Kept, catalog: &Catalog, settings: &Settings) -> Parsed {
    let mut parsed = Parsed { parts: Vec::new(), unknown_relations: Vec::new() };
    let (finished, _) = finish(&kept.0, Tracer::new(Dialect::Postgres, catalog, settings));
    complete(finished, catalog, &mut parsed);
    parsed
}
